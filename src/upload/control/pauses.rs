//! When uploads are paused, and for how long they have been: the time is passed in.

use crate::lock::lock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// Beside the rest, for those who look before every read.
    is_on: AtomicBool,
    count: AtomicU64,
    times: Mutex<Times>,
}

#[derive(Debug, Default)]
struct Times {
    since: Option<Duration>,
    /// All pauses that are over.
    sum: Duration,
}

impl Pauses {
    /// `false` when there is a pause already.
    pub(super) fn begin(&self, now: Duration) -> bool {
        let mut times = self.lock();
        let begins = times.since.is_none();
        if begins {
            times.since = Some(now);
            self.count.fetch_add(1, Ordering::Relaxed);
            self.is_on.store(true, Ordering::Release);
        }
        begins
    }

    /// Says how long the pause was, if there was one.
    pub(super) fn end(&self, now: Duration) -> Option<Duration> {
        let mut times = self.lock();
        let length = now.saturating_sub(times.since.take()?);
        times.sum += length;
        self.is_on.store(false, Ordering::Release);
        Some(length)
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// How many have begun so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The time without all pauses.
    pub(super) fn awake(&self, now: Duration) -> Duration {
        let times = self.lock();
        times.since.unwrap_or(now).saturating_sub(times.sum)
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        lock(&self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_time_of_who_is_awake_stands_still_in_a_pause() {
        let pauses = Pauses::default();
        assert_eq!(pauses.awake(5 * SECOND), 5 * SECOND);
        assert!(pauses.begin(7 * SECOND));
        assert!(!pauses.begin(8 * SECOND), "it is on already");
        assert_eq!(pauses.awake(20 * SECOND), 7 * SECOND);
        assert_eq!(pauses.end(27 * SECOND), Some(20 * SECOND));
        assert_eq!(pauses.end(28 * SECOND), None);
        assert_eq!(pauses.awake(30 * SECOND), 10 * SECOND);
        assert!(pauses.begin(30 * SECOND) && pauses.is_on());
        assert_eq!(
            (pauses.awake(31 * SECOND), pauses.count()),
            (10 * SECOND, 2)
        );
    }
}
