//! How many routines ask the server at the same time: fewer while it throttles, one while nothing gets through.
//!
//! Every part has tries of its own; this is what they share. Without it a server that is down would be asked as often
//! as there are routines times tries.

use crate::lock::lock;
use crate::protocol::Operation;
use crate::retry::{Failure, Verdict};
use crate::stop::Stop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After so many failures in a row for each routine one alone goes on asking, until it gets through.
const FAILURES_A_ROUTINE: usize = 2;

/// How often a waiting routine looks whether the upload was stopped.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Decides how many routines may be at work: pure.
#[derive(Debug)]
struct Limit {
    routines: usize,
    /// What throttling leaves of them: halved by it, one more after each round of parts that went well.
    allowed: usize,
    /// How often it was halved. An attempt that began before the last time tells nothing new.
    halvings: u64,
    /// Parts that went well since it last changed.
    went_well: usize,
    /// Failures in a row, over all parts: the budget that they share.
    failures: usize,
    /// There are more threads than routines asked for.
    is_overstaffed: bool,
}

impl Limit {
    fn new(routines: usize) -> Limit {
        Limit {
            routines,
            allowed: routines,
            halvings: 0,
            went_well: 0,
            failures: 0,
            is_overstaffed: false,
        }
    }

    /// From now on so many are asked for, of so many threads. `false` when that is no change.
    fn set_routines(&mut self, routines: usize, threads: usize) -> bool {
        let is_overstaffed = routines < threads;
        if (self.routines, self.is_overstaffed) == (routines, is_overstaffed) {
            return false;
        }
        let is_throttled = self.allowed < self.routines;
        self.allowed = match is_throttled {
            true => self.allowed.min(routines),
            false => routines,
        };
        self.routines = routines;
        self.is_overstaffed = is_overstaffed;
        true
    }

    fn at_work(&self) -> usize {
        match self.failures < self.routines * FAILURES_A_ROUTINE {
            true => self.allowed,
            false => 1,
        }
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.went_well += 1;
        if self.went_well >= self.allowed && self.allowed < self.routines {
            self.allowed += 1;
            self.went_well = 0;
        }
    }

    /// `begun` is how often it had been halved when the attempt began.
    fn failed(&mut self, throttled: bool, begun: u64) {
        self.failures += 1;
        if throttled && begun == self.halvings {
            self.allowed = (self.allowed / 2).max(1);
            self.halvings += 1;
            self.went_well = 0;
        }
    }

    /// Whether there is nothing to keep an eye on.
    fn is_free(&self) -> bool {
        self.failures == 0 && self.allowed == self.routines && !self.is_overstaffed
    }
}

#[derive(Debug)]
struct Inner {
    limit: Limit,
    /// Routines that are not waiting for their turn.
    at_work: usize,
}

/// Lets routines wait for their turn. As long as nothing fails, none of them takes a lock.
#[derive(Debug)]
pub(in crate::upload) struct Pace {
    inner: Mutex<Inner>,
    changed: Condvar,
    is_free: AtomicBool,
    halvings: AtomicU64,
}

/// A routine that is at work until this is dropped.
#[derive(Debug)]
pub(super) struct AtWork<'a>(&'a Pace);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.lock().at_work -= 1;
        self.0.changed.notify_all();
    }
}

impl Pace {
    pub(super) fn new(routines: usize) -> Pace {
        Pace {
            inner: Mutex::new(Inner {
                limit: Limit::new(routines),
                at_work: 0,
            }),
            changed: Condvar::new(),
            is_free: AtomicBool::new(true),
            halvings: AtomicU64::new(0),
        }
    }

    /// Lets so many ask at the same time from now on, of so many threads that there are.
    pub(super) fn set_routines(&self, routines: usize, threads: usize) {
        let mut inner = self.lock();
        if inner.limit.set_routines(routines, threads) {
            self.settle(inner);
        }
    }

    pub(super) fn join(&self) -> AtWork<'_> {
        self.lock().at_work += 1;
        AtWork(self)
    }

    /// Makes one attempt when it is this routine's turn, and learns from how it went.
    pub(in crate::upload) fn attempt<T>(
        &self,
        stop: &Stop,
        once: impl FnOnce() -> T,
        failure: impl Fn(&T) -> Option<&Failure>,
    ) -> T {
        self.wait(stop);
        let begun = self.halvings.load(Ordering::Relaxed);
        let done = once();
        self.learn(failure(&done), begun);
        done
    }

    fn wait(&self, stop: &Stop) {
        if self.is_free.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.lock();
        if inner.at_work <= inner.limit.at_work() {
            return;
        }
        inner.at_work -= 1;
        while inner.at_work >= inner.limit.at_work() && !stop.is_set() {
            let woken = self.changed.wait_timeout(inner, LOOK_EVERY);
            inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.at_work += 1;
    }

    fn learn(&self, failure: Option<&Failure>, begun: u64) {
        let verdict = failure.map(|failure| failure.verdict(Operation::UploadPart));
        if verdict.is_none() && self.is_free.load(Ordering::Relaxed) {
            return;
        }
        let mut inner = self.lock();
        let before = inner.limit.at_work();
        match verdict {
            None => inner.limit.succeeded(),
            Some(Verdict::Throttled) => inner.limit.failed(true, begun),
            Some(Verdict::Backoff | Verdict::Unreached) => inner.limit.failed(false, begun),
            // These tell nothing of how the server is.
            Some(Verdict::AtOnce | Verdict::Fatal) => {}
        }
        let now = inner.limit.at_work();
        if now != before {
            log::debug!(
                target: "oss_upload::retry",
                "{now} of {} routines go on", inner.limit.routines
            );
        }
        self.settle(inner);
    }

    /// Makes a change known to those who wait, and to those who do not look.
    fn settle(&self, inner: MutexGuard<'_, Inner>) {
        self.halvings.store(inner.limit.halvings, Ordering::Relaxed);
        self.is_free.store(inner.limit.is_free(), Ordering::Relaxed);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, Sender, unbounded};
    use std::thread;

    #[test]
    fn throttling_halves_once_for_all_who_were_under_way() {
        let mut limit = Limit::new(8);
        for _ in 0..4 {
            limit.failed(true, 0);
        }
        assert_eq!(limit.at_work(), 4);
        limit.failed(true, 1);
        assert_eq!(limit.at_work(), 2);
        for halvings in 2..10 {
            limit.succeeded();
            limit.failed(true, halvings);
        }
        assert_eq!(limit.at_work(), 1, "one always goes on");
    }

    #[test]
    fn every_round_that_goes_well_brings_one_back() {
        let mut limit = Limit::new(4);
        limit.failed(true, 0);
        let at_work: Vec<usize> = (0..8)
            .map(|_| {
                limit.succeeded();
                limit.at_work()
            })
            .collect();
        assert_eq!(at_work, [2, 3, 3, 3, 4, 4, 4, 4]);
        assert!(limit.is_free());
    }

    #[test]
    fn when_nothing_gets_through_one_alone_goes_on_until_it_does() {
        let mut limit = Limit::new(4);
        for _ in 0..7 {
            limit.failed(false, 0);
            assert_eq!(limit.at_work(), 4);
        }
        limit.failed(false, 0);
        assert_eq!(limit.at_work(), 1);
        limit.succeeded();
        assert_eq!(limit.at_work(), 4, "the others are back at once");
    }

    #[test]
    fn another_number_of_routines_counts_at_once_and_throttling_stays_what_it_was() {
        let mut limit = Limit::new(8);
        limit.set_routines(3, 8);
        assert_eq!(limit.at_work(), 3);
        assert!(!limit.is_free(), "five threads have to wait");
        limit.set_routines(8, 8);
        assert_eq!(limit.at_work(), 8);
        assert!(limit.is_free());
        limit.failed(true, 0);
        limit.set_routines(16, 16);
        assert_eq!(limit.at_work(), 4, "no way round throttling");
        limit.set_routines(2, 16);
        assert_eq!(limit.at_work(), 2);
    }

    /// Two routines, of which each makes an attempt whenever it is told how that ends.
    fn routines<'s>(
        scope: &'s thread::Scope<'s, '_>,
        pace: &'s Pace,
        stop: &'s Stop,
    ) -> (Vec<Sender<Option<Failure>>>, Receiver<usize>) {
        let (tell, told) = unbounded();
        let senders = (0..2).map(|i| {
            let (sender, ends) = unbounded::<Option<Failure>>();
            let tell = tell.clone();
            let at_work = pace.join();
            scope.spawn(move || {
                let _at_work = at_work;
                for end in ends {
                    let once = || tell.send(i).map(|()| end).expect("somebody listens");
                    pace.attempt(stop, once, Option::as_ref);
                }
            });
            sender
        });
        (senders.collect(), told)
    }

    fn broken() -> Option<Failure> {
        Some(Failure::Unreadable(crate::protocol::Unreadable(
            String::new(),
        )))
    }

    #[test]
    fn who_must_wait_waits_until_another_gets_through_or_leaves() {
        for leaves in [false, true] {
            let (pace, stop) = (Pace::new(2), Stop::default());
            thread::scope(|scope| {
                let (mut ends, made) = routines(scope, &pace, &stop);
                for i in [0, 1, 0, 1] {
                    ends[i].send(broken()).expect("open");
                    assert_eq!(made.recv(), Ok(i));
                }
                while pace.lock().limit.failures < 4 {
                    thread::yield_now();
                }
                // Whoever asks first has to wait: two are at work, and one may be.
                ends[0].send(None).expect("open");
                while pace.lock().at_work > 1 {
                    thread::yield_now();
                }
                assert!(made.try_recv().is_err());
                match leaves {
                    true => drop(ends.pop()),
                    false => {
                        ends[1].send(None).expect("open");
                        assert_eq!(made.recv(), Ok(1));
                    }
                }
                assert_eq!(made.recv(), Ok(0));
            });
        }
    }

    #[test]
    fn a_stop_ends_the_waiting() {
        let (pace, stop) = (Pace::new(2), Stop::default());
        let (one, two) = (pace.join(), pace.join());
        for _ in 0..4 {
            pace.learn(broken().as_ref(), 0);
        }
        stop.set();
        pace.wait(&stop);
        drop((one, two));
    }
}
