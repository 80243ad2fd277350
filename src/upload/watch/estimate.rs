//! How fast it goes, and how long it will take: pure, the time is passed in.

use std::collections::VecDeque;
use std::time::Duration;

/// The rate is that of the last seconds: long enough to be steady, short enough to follow the line.
const WINDOW: Duration = Duration::from_secs(5);

/// Looks that follow each other closer than this are not kept, and tell no rate.
const STEP: Duration = Duration::from_millis(100);

/// Remembers how far it was, for some seconds.
#[derive(Debug, Default)]
pub(in crate::upload) struct Estimator {
    seen: VecDeque<(Duration, u64)>,
}

impl Estimator {
    /// Bytes a second, now that so many bytes have gone in all. 0 when it is too early to tell.
    pub(in crate::upload) fn rate(&mut self, now: Duration, bytes: u64) -> u64 {
        // One look outlives the window, so that there is always something to compare with.
        while self.seen.len() > 1 && self.seen[1].0 + WINDOW <= now {
            self.seen.pop_front();
        }
        let is_due = |(last, _): &(Duration, u64)| *last + STEP <= now;
        if self.seen.back().is_none_or(is_due) {
            self.seen.push_back((now, bytes));
        }
        let Some((since, before)) = self.seen.front() else {
            return 0;
        };
        let took = now.saturating_sub(*since);
        match took < STEP {
            true => 0,
            // Less than before: parts failed, and what they had sent came to nothing.
            false => per_second(bytes.saturating_sub(*before), took),
        }
    }

    /// What went before tells nothing of what follows.
    pub(in crate::upload) fn forget(&mut self) {
        self.seen.clear();
    }
}

fn per_second(bytes: u64, took: Duration) -> u64 {
    let rate = u128::from(bytes) * 1_000_000_000 / took.as_nanos().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// How long so many bytes take at this rate; `None` when nothing moves.
pub(in crate::upload) fn time_left(bytes: u64, rate: u64) -> Option<Duration> {
    let millis = (u128::from(bytes) * 1000).checked_div(rate.into())?;
    Some(Duration::from_millis(
        u64::try_from(millis).unwrap_or(u64::MAX),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Looks at a steady line so often, for so long.
    fn look(
        estimator: &mut Estimator,
        from: u32,
        until: u32,
        every: u32,
        at: impl Fn(u32) -> u64,
    ) -> u64 {
        let looks = (from..=until).step_by(every as usize);
        looks.fold(0, |_, ms| estimator.rate(ms * MS, at(ms)))
    }

    #[test]
    fn a_steady_line_has_its_rate_however_often_one_looks() {
        for every in [10, 100, 150, 1000, 20_000] {
            let rate = look(&mut Estimator::default(), 0, 60_000, every, |ms| {
                u64::from(ms) * 3
            });
            assert_eq!(rate, 3000, "every {every} ms");
        }
    }

    #[test]
    fn the_first_looks_tell_nothing() {
        let mut estimator = Estimator::default();
        assert_eq!(
            estimator.rate(7 * MS, 1 << 30),
            0,
            "nothing to compare with"
        );
        assert_eq!(
            estimator.rate(106 * MS, 2 << 30),
            0,
            "too close to the first"
        );
        assert!(estimator.rate(107 * MS, 2 << 30) > 0);
    }

    #[test]
    fn a_line_that_changes_is_followed_within_the_window_and_not_at_once() {
        let mut estimator = Estimator::default();
        look(&mut estimator, 0, 10_000, 100, |ms| u64::from(ms) * 10);
        let then = |ms: u32| 100_000 + u64::from(ms - 10_000) * 2;
        let soon = look(&mut estimator, 10_100, 10_500, 100, then);
        assert!((8_000..10_000).contains(&soon), "{soon}");
        assert_eq!(look(&mut estimator, 10_600, 15_100, 100, then), 2000);
    }

    #[test]
    fn nothing_that_moves_and_set_backs_are_no_rate_below_zero() {
        let mut estimator = Estimator::default();
        look(&mut estimator, 0, 3000, 100, |ms| u64::from(ms) * 10);
        assert_eq!(estimator.rate(3100 * MS, 0), 0);
        assert_eq!(look(&mut estimator, 3200, 10_000, 100, |_| 0), 0);
    }

    #[test]
    fn what_was_forgotten_does_not_count() {
        let mut estimator = Estimator::default();
        look(&mut estimator, 0, 3000, 100, |ms| u64::from(ms) * 10);
        estimator.forget();
        let later = look(&mut estimator, 60_000, 61_000, 100, u64::from);
        assert_eq!(later, 1000);
    }

    #[test]
    fn memory_is_bounded() {
        let mut estimator = Estimator::default();
        look(&mut estimator, 0, 100_000, 1, u64::from);
        assert!(estimator.seen.len() <= 52, "{}", estimator.seen.len());
    }

    #[test]
    fn the_time_left_is_what_remains_at_that_rate() {
        assert_eq!(time_left(3_000, 2_000), Some(1500 * MS));
        assert_eq!(time_left(0, 5), Some(Duration::ZERO));
        assert_eq!(time_left(5, 0), None);
        assert!(time_left(u64::MAX, 1).is_some());
    }
}
