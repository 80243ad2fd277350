//! When credentials that expire are fetched again: pure, the time is passed in.

use super::provider::Credentials;
use std::time::{Duration, Instant, SystemTime};

/// So long before their end at least: a request may be some time on its way.
const LEAST_MARGIN: Duration = Duration::from_secs(180);

/// A fetch that takes longer is not waited for any more, and does not keep others from fetching.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(60);

/// Credentials that seem to have expired before they came are used for so long: the local clock may be wrong, and
/// OSS's is the one that counts.
const BENEFIT_OF_DOUBT: Duration = Duration::from_secs(60);

/// Bounds of the pause after an early fetch that failed.
const PAUSE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// The time by both clocks: the one that credentials expire by, and the one that nobody sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) wall: SystemTime,
    pub(super) tick: Instant,
}

impl Now {
    pub(super) fn read() -> Now {
        Now {
            wall: SystemTime::now(),
            tick: Instant::now(),
        }
    }
}

/// What was fetched last.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) credentials: Credentials,
    fetched: SystemTime,
    /// OSS does not take them.
    pub(super) refused: bool,
}

impl Kept {
    pub(super) fn new(credentials: Credentials, now: Now) -> Kept {
        Kept {
            credentials,
            fetched: now.wall,
            refused: false,
        }
    }

    /// When they are good no more; `None` when never.
    fn end(&self) -> Option<SystemTime> {
        let expiration = self.credentials.expiration()?;
        match expiration > self.fetched {
            true => Some(expiration),
            false => self.fetched.checked_add(BENEFIT_OF_DOUBT),
        }
    }

    fn is_valid(&self, now: Now) -> bool {
        !self.refused && self.end().is_none_or(|end| now.wall < end)
    }

    /// How long before their end others are fetched: a fifth of the life that they had when they came, 180 s at least,
    /// but never more than half of it.
    fn margin(&self) -> Option<Duration> {
        let life = self.end()?.duration_since(self.fetched).unwrap_or_default();
        Some((life / 5).max(LEAST_MARGIN).min(life / 2))
    }

    fn is_due(&self, now: Now) -> bool {
        let (Some(end), Some(margin)) = (self.end(), self.margin()) else {
            return false;
        };
        end.duration_since(now.wall).unwrap_or_default() <= margin
    }

    /// How long to wait after an early fetch that failed.
    pub(super) fn pause(&self) -> Duration {
        let [least, most] = PAUSE;
        (self.margin().unwrap_or(most) / 10).clamp(least, most)
    }
}

/// A fetch under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Under {
    pub(super) number: u64,
    pub(super) since: Instant,
}

impl Under {
    fn is_lost(&self, now: Now) -> bool {
        now.tick.saturating_duration_since(self.since) >= LOST_AFTER
    }
}

/// What is known when somebody asks.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) kept: Option<Kept>,
    pub(super) under: Option<Under>,
    /// No early fetch before.
    pub(super) pause_until: Option<Instant>,
}

/// What is done for somebody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// He gets what is kept.
    Give,
    /// He gets what is kept, and others are fetched meanwhile.
    GiveAndFetch,
    /// He waits for the fetch of this number.
    Wait(u64),
    /// He waits for a fetch that begins now.
    Fetch,
}

impl Facts {
    pub(super) fn step(&self, now: Now) -> Step {
        match (&self.kept, self.under) {
            (Some(kept), under) if kept.is_valid(now) => {
                // One that hangs is reason enough for no further early one.
                let free = under.is_none() && self.pause_until.is_none_or(|at| at <= now.tick);
                match free && kept.is_due(now) {
                    true => Step::GiveAndFetch,
                    false => Step::Give,
                }
            }
            (_, Some(under)) if !under.is_lost(now) => Step::Wait(under.number),
            _ => Step::Fetch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn later(now: Now, by: Duration) -> Now {
        Now {
            wall: now.wall + by,
            tick: now.tick + by,
        }
    }

    /// What is kept after a fetch that ended at `now`, of credentials that live so long.
    fn fetched(now: Now, life: Option<Duration>) -> Facts {
        let credentials = Credentials::new("id", "secret");
        let credentials = match life {
            Some(life) => credentials.with_expiration(now.wall + life),
            None => credentials,
        };
        Facts {
            kept: Some(Kept::new(credentials, now)),
            ..Facts::default()
        }
    }

    #[test]
    fn a_fifth_of_a_life_before_its_end_others_are_fetched_and_180_seconds_at_least() {
        for (life, due) in [
            (6 * 3600, 6 * 3600 - 4320),
            (3600, 3600 - 720),
            (900, 900 - 180),
            (400, 400 - 180),
            // Else those of a short life would be fetched without end.
            (360, 180),
            (60, 30),
        ] {
            let now = Now::read();
            let facts = fetched(now, Some(seconds(life)));
            for (at, step) in [
                (0, Step::Give),
                (due - 1, Step::Give),
                (due, Step::GiveAndFetch),
                (life - 1, Step::GiveAndFetch),
                (life, Step::Fetch),
                (life + 99, Step::Fetch),
            ] {
                let asked = later(now, seconds(at));
                assert_eq!(facts.step(asked), step, "{at} s of {life} s");
            }
        }
    }

    #[test]
    fn without_an_end_nothing_is_fetched_again() {
        let now = Now::read();
        let facts = fetched(now, None);
        let long = later(now, seconds(100 * 365 * 24 * 3600));
        assert_eq!(facts.step(long), Step::Give);
        assert_eq!(Facts::default().step(now), Step::Fetch);
    }

    #[test]
    fn what_is_refused_is_not_given_again() {
        let now = Now::read();
        for life in [None, Some(seconds(3600))] {
            let mut facts = fetched(now, life);
            facts.kept.as_mut().expect("kept").refused = true;
            assert_eq!(facts.step(now), Step::Fetch);
        }
    }

    #[test]
    fn an_early_fetch_holds_nobody_up_and_none_begins_beside_it_however_long_it_takes() {
        let now = Now::read();
        let mut facts = fetched(now, Some(seconds(3600)));
        let due = later(now, seconds(3000));
        assert_eq!(facts.step(due), Step::GiveAndFetch);
        facts.under = Some(Under {
            number: 7,
            since: due.tick,
        });
        for meanwhile in [0, 1, 59, 60, 500] {
            assert_eq!(facts.step(later(due, seconds(meanwhile))), Step::Give);
        }
        // It hangs: whoever needs new ones does not wait for it.
        assert_eq!(facts.step(later(now, seconds(3600))), Step::Fetch);
    }

    #[test]
    fn who_has_nothing_waits_for_the_fetch_under_way_until_it_is_lost() {
        let now = Now::read();
        let mut nothing = Facts::default();
        let mut refused = fetched(now, None);
        refused.kept.as_mut().expect("kept").refused = true;
        for facts in [&mut nothing, &mut refused] {
            facts.under = Some(Under {
                number: 3,
                since: now.tick,
            });
            assert_eq!(facts.step(now), Step::Wait(3));
            let almost = later(now, LOST_AFTER - seconds(1));
            assert_eq!(facts.step(almost), Step::Wait(3));
            assert_eq!(facts.step(later(now, LOST_AFTER)), Step::Fetch);
        }
    }

    #[test]
    fn an_early_fetch_that_failed_is_not_tried_again_at_once() {
        for (life, pause) in [(6 * 3600, 60), (3600, 60), (900, 18), (60, 3), (4, 1)] {
            let now = Now::read();
            let mut facts = fetched(now, Some(seconds(life)));
            let due = later(
                now,
                seconds(life)
                    - facts
                        .kept
                        .as_ref()
                        .expect("kept")
                        .margin()
                        .expect("a margin"),
            );
            let length = facts.kept.as_ref().expect("kept").pause();
            assert_eq!(length, seconds(pause), "{life} s");
            facts.pause_until = Some(due.tick + length);
            assert_eq!(
                facts.step(later(due, length - Duration::from_millis(1))),
                Step::Give
            );
            let over = later(due, length);
            assert_eq!(facts.step(over), Step::GiveAndFetch);
        }
    }

    #[test]
    fn a_local_clock_that_is_ahead_does_not_fetch_for_every_request() {
        let now = Now::read();
        let credentials = Credentials::new("id", "secret");
        let expired = credentials.with_expiration(now.wall - seconds(7200));
        let facts = Facts {
            kept: Some(Kept::new(expired, now)),
            ..Facts::default()
        };
        assert_eq!(facts.step(now), Step::Give);
        assert_eq!(facts.step(later(now, seconds(29))), Step::Give);
        assert_eq!(facts.step(later(now, seconds(30))), Step::GiveAndFetch);
        assert_eq!(facts.step(later(now, seconds(60))), Step::Fetch);
    }

    #[test]
    fn a_clock_that_is_set_back_and_a_date_out_of_reach_do_no_harm() {
        let now = Now::read();
        let facts = fetched(now, Some(seconds(3600)));
        let back = Now {
            wall: now.wall - seconds(86_400),
            tick: now.tick,
        };
        assert_eq!(facts.step(back), Step::Give);
        for wall in [SystemTime::UNIX_EPOCH, now.wall] {
            let now = Now { wall, ..now };
            let life = seconds(200_000_000_000);
            assert_eq!(fetched(now, Some(life)).step(now), Step::Give);
        }
    }
}
