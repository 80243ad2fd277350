//! How many bytes a second go out, over all routines: a schedule without locks. The time is passed in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SECOND: u128 = 1_000_000_000;

/// A turn is worth so much of a second: small bites when it is slow, so that neither end takes it for a stall.
const TURNS_A_SECOND: u64 = 20;

/// Time that nobody used may be made up for, up to this.
const CREDIT: Duration = Duration::from_millis(50);

/// Every turn takes its place in a queue, which is no more than the time at which the next may begin.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    /// 0 when there is none.
    bytes_per_second: AtomicU64,
    /// In nanoseconds.
    next: AtomicU64,
    /// How often it was changed: who waits for a turn of the time before must ask again.
    changes: AtomicU64,
}

/// Leave to send so much after so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upload) struct Turn {
    pub(super) bytes: usize,
    pub(super) wait: Duration,
    changes: u64,
}

impl RateLimit {
    pub(super) fn get(&self) -> Option<u64> {
        Some(self.bytes_per_second.load(Ordering::Relaxed)).filter(|rate| *rate > 0)
    }

    pub(super) fn set(&self, bytes_per_second: Option<u64>, now: Duration) {
        let rate = bytes_per_second.unwrap_or(0);
        self.bytes_per_second.store(rate, Ordering::Relaxed);
        self.next.store(nanos(now), Ordering::Relaxed);
        // Last, so that whoever sees it sees the rest. A turn that is being given by the old rate meanwhile is worth a
        // twentieth of a second.
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Whether a turn that is being waited for still counts.
    pub(super) fn is_current(&self, turn: &Turn) -> bool {
        self.changes.load(Ordering::Acquire) == turn.changes
    }

    /// Takes the next turn, for so many bytes at most.
    pub(super) fn take(&self, most: usize, now: impl FnOnce() -> Duration) -> Turn {
        let changes = self.changes.load(Ordering::Acquire);
        let turn = |bytes, wait| Turn {
            bytes,
            wait,
            changes,
        };
        let Some(rate) = self.get() else {
            return turn(most, Duration::ZERO);
        };
        let bite = usize::try_from(rate / TURNS_A_SECOND).unwrap_or(usize::MAX);
        let bytes = most.min(bite.max(1));
        let worth = bytes as u128 * SECOND / u128::from(rate);
        let worth = u64::try_from(worth).unwrap_or(u64::MAX);
        let now = nanos(now());
        let earliest = now.saturating_sub(nanos(CREDIT));
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            let begin = next.max(earliest);
            let end = begin.saturating_add(worth);
            let taken =
                self.next
                    .compare_exchange_weak(next, end, Ordering::Relaxed, Ordering::Relaxed);
            match taken {
                Ok(_) => return turn(bytes, Duration::from_nanos(begin.saturating_sub(now))),
                Err(other) => next = other,
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::limits::RATE_LEAST;

    const MS: Duration = Duration::from_millis(1);
    const BUFFER: usize = 128 << 10;

    /// Routines that do nothing but take turns and wait for them, until the time is over: what went out, and when.
    fn sent(
        limit: &RateLimit,
        routines: usize,
        from: Duration,
        until: Duration,
    ) -> Vec<(Duration, usize)> {
        let mut sent = vec![];
        let mut clocks = vec![from; routines];
        loop {
            let next = (0..routines).min_by_key(|i| clocks[*i]).expect("a routine");
            let now = clocks[next];
            if now >= until {
                return sent;
            }
            let turn = limit.take(BUFFER, || now);
            clocks[next] = now + turn.wait;
            sent.push((clocks[next], turn.bytes));
        }
    }

    fn bytes_between(sent: &[(Duration, usize)], from: Duration, until: Duration) -> u64 {
        let within = sent.iter().filter(|(at, _)| (from..until).contains(at));
        within.map(|(_, bytes)| *bytes as u64).sum()
    }

    #[test]
    fn without_a_limit_nothing_waits_and_no_clock_is_read() {
        let limit = RateLimit::default();
        let turn = limit.take(BUFFER, || panic!("not needed"));
        assert_eq!((turn.bytes, turn.wait), (BUFFER, Duration::ZERO));
        assert_eq!(limit.get(), None);
    }

    #[test]
    fn what_goes_out_is_the_limit_within_a_few_percent_whatever_the_rate_and_the_routines() {
        for rate in [RATE_LEAST, 5_000, 100_000, 1 << 20, 300 << 20, 20 << 30] {
            for routines in [1, 4, 100] {
                let limit = RateLimit::default();
                limit.set(Some(rate), Duration::ZERO);
                let end = 5000 * MS;
                let sent = sent(&limit, routines, Duration::ZERO, end);
                let went_out = bytes_between(&sent, Duration::ZERO, end);
                let due = rate * 5;
                let off = went_out.abs_diff(due) as f64 / due as f64;
                assert!(off < 0.03, "{rate}, {routines}: {went_out} of {due}");
            }
        }
    }

    #[test]
    fn it_is_smooth_and_idle_time_is_hardly_made_up_for() {
        let limit = RateLimit::default();
        let rate = 10_000;
        limit.set(Some(rate), Duration::ZERO);
        let begin = 60_000 * MS;
        let sent = sent(&limit, 4, begin, begin + 3000 * MS);
        for start in (0..2900).step_by(10) {
            let from = begin + start * MS;
            let burst = bytes_between(&sent, from, from + 100 * MS);
            assert!(
                burst <= rate / 5,
                "{burst} bytes in 100 ms after {start} ms"
            );
        }
        let longest = sent.windows(2).map(|pair| pair[1].0 - pair[0].0).max();
        assert!(longest.expect("two") <= 50 * MS, "{longest:?}");
    }

    #[test]
    fn who_asks_first_goes_first() {
        let limit = RateLimit::default();
        limit.set(Some(20_000), Duration::ZERO);
        let waits: Vec<_> = (0..4)
            .map(|_| limit.take(BUFFER, || Duration::ZERO).wait)
            .collect();
        assert_eq!(waits, [Duration::ZERO, 50 * MS, 100 * MS, 150 * MS]);
    }

    #[test]
    fn a_changed_limit_counts_at_once_and_turns_of_the_old_one_no_more() {
        let limit = RateLimit::default();
        limit.set(Some(RATE_LEAST), Duration::ZERO);
        let turns: Vec<_> = (0..100)
            .map(|_| limit.take(BUFFER, || Duration::ZERO))
            .collect();
        let waiting = turns[99];
        assert!(limit.is_current(&waiting) && waiting.wait > 4000 * MS);

        limit.set(Some(1 << 20), 100 * MS);
        assert!(!limit.is_current(&waiting));
        let sent = sent(&limit, 4, 100 * MS, 1100 * MS);
        let went_out = bytes_between(&sent, 100 * MS, 1100 * MS);
        assert!(went_out.abs_diff(1 << 20) < 110_000, "{went_out}");

        limit.set(None, 1200 * MS);
        let turn = limit.take(BUFFER, || 1200 * MS);
        assert_eq!((turn.bytes, turn.wait), (BUFFER, Duration::ZERO));
    }

    #[test]
    fn no_limit_and_no_time_is_too_large() {
        let limit = RateLimit::default();
        limit.set(Some(u64::MAX), Duration::MAX);
        let turn = limit.take(usize::MAX, || Duration::MAX);
        assert_eq!(turn.wait, Duration::ZERO);
    }
}
