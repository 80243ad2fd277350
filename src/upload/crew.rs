//! The routines of one upload: a thread pool of its own, with the caller's thread free to look on.

use crate::error::{Error, ErrorKind};
use crossbeam_channel::{RecvTimeoutError, bounded};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often the caller's thread looks on.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Threads that block on the network and the disk. They are not the global pool's, which would starve the host program.
#[derive(Debug)]
pub(super) struct Crew {
    pool: ThreadPool,
}

/// Work in the order of the file, handed out one by one to whoever asks next.
#[derive(Debug)]
pub(super) struct Queue<'a, T> {
    work: &'a [T],
    next: AtomicUsize,
}

impl<'a, T> Queue<'a, T> {
    pub(super) fn new(work: &'a [T]) -> Queue<'a, T> {
        Queue {
            work,
            next: AtomicUsize::new(0),
        }
    }

    pub(super) fn next(&self) -> Option<&'a T> {
        self.work.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Crew {
    pub(super) fn new(routines: usize) -> Result<Crew, Error> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(routines)
            .thread_name(|i| format!("oss-upload-{i}"))
            .build();
        let failed = |why: rayon::ThreadPoolBuildError| {
            let doing = format!("starting {routines} routines");
            Error::text(ErrorKind::Internal, doing, why.to_string())
        };
        Ok(Crew {
            pool: pool.map_err(failed)?,
        })
    }

    pub(super) fn routines(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work` on every thread and returns when all are through; meanwhile the caller's thread looks on.
    ///
    /// Whoever panics, the others finish: `panicked` is called first, so that it can tell them to hurry.
    pub(super) fn work(
        &self,
        work: impl Fn() + Sync,
        mut look_on: impl FnMut(),
        panicked: impl Fn() + Sync,
    ) {
        let guarded = |act: &mut dyn FnMut()| {
            if panic::catch_unwind(AssertUnwindSafe(act)).is_err() {
                panicked();
            }
        };
        self.pool.in_place_scope(|scope| {
            let (at_work, all_done) = bounded::<()>(0);
            for _ in 0..self.routines() {
                let (at_work, work, guarded) = (at_work.clone(), &work, &guarded);
                scope.spawn(move |_| {
                    guarded(&mut || work());
                    drop(at_work);
                });
            }
            drop(at_work);
            while let Err(RecvTimeoutError::Timeout) = all_done.recv_timeout(LOOK_EVERY) {
                guarded(&mut look_on);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn every_piece_of_work_is_done_once() {
        let work: Vec<usize> = (0..1000).collect();
        let (queue, sum) = (Queue::new(&work), AtomicUsize::new(0));
        let each = || {
            while let Some(n) = queue.next() {
                sum.fetch_add(*n, Ordering::Relaxed);
            }
        };
        Crew::new(4)
            .expect("threads")
            .work(each, || {}, || panic!("nobody panicked"));
        assert_eq!(sum.into_inner(), 499_500);
    }

    #[test]
    fn a_panic_is_reported_and_the_others_finish() {
        let (turn, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let noticed = AtomicBool::new(false);
        let work = || {
            assert_ne!(turn.fetch_add(1, Ordering::SeqCst), 0, "on purpose");
            finished.fetch_add(1, Ordering::SeqCst);
        };
        let note = || noticed.store(true, Ordering::SeqCst);
        Crew::new(3).expect("threads").work(work, || {}, note);
        assert!(noticed.into_inner());
        assert_eq!(finished.into_inner(), 2);
    }
}
