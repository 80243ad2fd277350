//! A flag that ends waiting: sleeps wake up, reads and writes give way at their next beat.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Set once, never unset; or by itself when a time has come.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    set: AtomicBool,
    deadline: Option<Instant>,
    sleepers: Mutex<()>,
    wake: Condvar,
}

impl Stop {
    /// Sets itself after so long.
    pub(crate) fn within(duration: Duration) -> Stop {
        Stop {
            deadline: Some(Instant::now() + duration),
            ..Stop::default()
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire) || self.deadline.is_some_and(|at| at <= Instant::now())
    }

    pub(crate) fn set(&self) {
        // Under the lock, so that no sleeper can miss it between looking and lying down.
        let _sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        self.set.store(true, Ordering::Release);
        self.wake.notify_all();
    }

    /// Sleeps so long, or until the flag is set.
    pub(crate) fn sleep(&self, duration: Duration) {
        // Beyond what a clock can tell it is a sleep until the flag is set.
        let end = Instant::now().checked_add(duration);
        let end = end.into_iter().chain(self.deadline).min();
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_set() {
            let left = end.map_or(Duration::MAX, |end| {
                end.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return;
            }
            let woken = self.wake.wait_timeout(sleepers, left);
            sleepers = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_is_woken() {
        let stop = Stop::default();
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| stop.sleep(Duration::MAX));
            stop.set();
            sleeper.join().expect("no panic");
        });
        assert!(stop.is_set());
    }

    #[test]
    fn a_deadline_sets_it() {
        let stop = Stop::within(Duration::ZERO);
        stop.sleep(Duration::from_secs(3600));
        assert!(stop.is_set());
    }
}
