//! A flag that ends waiting: sleeps wake up, reads and writes give way at their next beat.

use crate::lock::lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
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
    /// Sets itself at that time, if there is one.
    pub(crate) fn until(deadline: Option<Instant>) -> Stop {
        Stop {
            deadline,
            ..Stop::default()
        }
    }

    /// Sets itself after so long.
    #[cfg(test)]
    pub(crate) fn within(duration: Duration) -> Stop {
        Stop::until(Some(Instant::now() + duration))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire) || self.deadline.is_some_and(|at| at <= Instant::now())
    }

    pub(crate) fn set(&self) {
        // Under the lock, so that no sleeper can miss it between looking and lying down.
        let _sleepers = self.lock();
        self.set.store(true, Ordering::Release);
        self.wake.notify_all();
    }

    /// Lets sleepers look again at what they wait for.
    pub(crate) fn nudge(&self) {
        let _sleepers = self.lock();
        self.wake.notify_all();
    }

    /// Sleeps so long, or until the flag is set.
    pub(crate) fn sleep(&self, duration: Duration) {
        self.sleep_while(duration, || true);
    }

    /// Sleeps so long, until the flag is set, or until there is nothing to wait for any more. Whoever changes that gives
    /// a [`nudge`](Self::nudge) afterwards.
    pub(crate) fn sleep_while(&self, duration: Duration, is_waiting: impl Fn() -> bool) {
        // Beyond what a clock can tell it is a sleep until the flag is set.
        let end = Instant::now().checked_add(duration);
        let end = end.into_iter().chain(self.deadline).min();
        let mut sleepers = self.lock();
        while !self.is_set() && is_waiting() {
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

    fn lock(&self) -> MutexGuard<'_, ()> {
        lock(&self.sleepers)
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
    fn a_sleeper_goes_on_when_there_is_nothing_to_wait_for_any_more() {
        let (stop, is_waiting) = (&Stop::default(), &AtomicBool::new(true));
        std::thread::scope(|scope| {
            let waits = || is_waiting.load(Ordering::Relaxed);
            let sleeper = scope.spawn(move || stop.sleep_while(Duration::MAX, waits));
            is_waiting.store(false, Ordering::Relaxed);
            stop.nudge();
            sleeper.join().expect("no panic");
        });
        assert!(!stop.is_set());
    }

    #[test]
    fn a_deadline_sets_it() {
        let stop = Stop::within(Duration::ZERO);
        stop.sleep(Duration::from_secs(3600));
        assert!(stop.is_set());
        assert!(!Stop::until(None).is_set());
    }
}
