//! The routines of uploads: a thread pool of their own, with the threads that ask for work free to look on.

pub(super) mod pace;

use super::limits::ROUTINES;
use crate::error::{Error, ErrorKind};
use crate::lock::lock;
use crossbeam_channel::{Receiver, Sender, unbounded};
use pace::Pace;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Who works, and how many of them at the same time.
#[derive(Debug)]
pub(super) struct Crew {
    pace: Arc<Pace>,
    hands: Hands,
    /// How many ask for work at the same time.
    shifts: AtomicUsize,
    /// So many threads the system did not give: nobody asks for them again.
    refused: AtomicUsize,
}

#[derive(Debug)]
enum Hands {
    /// Exchanged for a larger one when more routines are asked for.
    Pool(Mutex<Arc<Pool>>),
    /// The thread itself that asks for the work.
    Own,
}

/// Threads that block on the network and the disk. They are not the global pool's, which would starve the host program.
#[derive(Debug)]
struct Pool {
    threads: ThreadPool,
    /// How many wait for a thread.
    waiting: AtomicUsize,
    /// A larger pool has taken its place.
    is_superseded: AtomicBool,
}

impl Pool {
    fn new(routines: usize) -> Result<Arc<Pool>, Error> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(routines)
            .thread_name(|i| format!("oss-upload-{i}"))
            .build()
            .map_err(|why| {
                let doing = format!("starting {routines} routines");
                Error::text(ErrorKind::Internal, doing, why.to_string())
            })?;
        Ok(Arc::new(Pool {
            threads,
            waiting: AtomicUsize::new(0),
            is_superseded: AtomicBool::new(false),
        }))
    }

    fn is_superseded(&self) -> bool {
        self.is_superseded.load(Ordering::Relaxed)
    }

    /// Whether who is at work should give its thread back: to others, or because there are more threads elsewhere.
    fn wants_its_thread(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.is_superseded()
    }
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
        Ok(Crew {
            pace: Arc::new(Pace::new(routines)),
            hands: Hands::Pool(Mutex::new(Pool::new(routines)?)),
            shifts: AtomicUsize::new(0),
            refused: AtomicUsize::new(usize::MAX),
        })
    }

    /// One of this crew, who does on its own thread what it is asked for.
    pub(super) fn one(&self) -> Crew {
        Crew {
            pace: Arc::clone(&self.pace),
            hands: Hands::Own,
            shifts: AtomicUsize::new(0),
            refused: AtomicUsize::new(usize::MAX),
        }
    }

    /// How many of them ask the server at the same time.
    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Goes on with so many. Those who are at work finish what they have begun.
    pub(super) fn set_routines(&self, routines: usize) {
        let Hands::Pool(pool) = &self.hands else {
            return;
        };
        let mut pool = lock(pool);
        let threads = pool.threads.current_num_threads();
        if routines > threads && routines < self.refused.load(Ordering::Relaxed) {
            // The smaller ones stay until the work that began with them is done: doubled each time, they are few threads.
            let doubled = (2 * threads).min(*ROUTINES.end());
            match Pool::new(routines.max(doubled)) {
                Ok(larger) => {
                    pool.is_superseded.store(true, Ordering::Relaxed);
                    *pool = larger;
                }
                Err(why) => {
                    log::warn!(target: "oss_upload::upload", "no more routines than before: {why}");
                    self.refused.store(routines, Ordering::Relaxed);
                }
            }
        }
        self.pace
            .set_routines(routines, pool.threads.current_num_threads());
    }

    /// Lets everybody do `step` again and again until it says that there is no more to do, at most so many at the same
    /// time, and returns when all are through; meanwhile the calling thread looks on, so often. Should there be more to do
    /// again while some are still at work, the others come back as soon as it has looked.
    ///
    /// Where several ask for work at the same time, they take turns after each step. Whoever panics, the others finish:
    /// `panicked` is called first, so that it can tell them to hurry.
    pub(super) fn work(
        &self,
        at_most: usize,
        step: impl Fn() -> bool + Sync,
        every: Duration,
        mut look_on: impl FnMut(),
        panicked: impl Fn() + Sync,
    ) {
        let shift = Shift {
            crew: self,
            at_most,
            every,
            step: &step,
            panicked: &panicked,
        };
        match &self.hands {
            Hands::Own => shift.guarded(&mut || while step() {}),
            Hands::Pool(pool) => {
                let pool = Arc::clone(&lock(pool));
                self.shifts.fetch_add(1, Ordering::Relaxed);
                shift.oversee(&pool, &mut Team::default(), &mut look_on);
                self.shifts.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// Work that is being done.
#[derive(Clone, Copy)]
struct Shift<'w> {
    crew: &'w Crew,
    at_most: usize,
    every: Duration,
    step: &'w (dyn Fn() -> bool + Sync),
    panicked: &'w (dyn Fn() + Sync),
}

/// Why somebody stopped working.
enum Ended {
    Through,
    /// There may be more to do, but the thread was wanted.
    GaveWay,
}

/// Those who are at work, or wait for a thread.
struct Team {
    size: usize,
    /// One of them found nothing more to do, just now.
    is_through: bool,
    tell: Sender<Ended>,
    told: Receiver<Ended>,
}

impl Default for Team {
    fn default() -> Team {
        let (tell, told) = unbounded();
        Team {
            size: 0,
            is_through: false,
            tell,
            told,
        }
    }
}

impl Shift<'_> {
    /// Keeps as many at work as the pool has threads. When a larger one takes its place, goes on with that, while those who
    /// are still at work here finish their step.
    fn oversee(self, pool: &Arc<Pool>, team: &mut Team, look_on: &mut dyn FnMut()) {
        pool.threads.in_place_scope(|scope| {
            let begin = |team: &mut Team| {
                team.size += 1;
                pool.waiting.fetch_add(1, Ordering::Relaxed);
                let (pool, tell) = (Arc::clone(pool), team.tell.clone());
                scope.spawn(move |_| {
                    pool.waiting.fetch_sub(1, Ordering::Relaxed);
                    // Nobody listens any more only if the thread that looked on is gone, with all of this.
                    let _ = tell.send(self.work_on(&pool));
                });
            };
            let top_up = |team: &mut Team| {
                while !team.is_through && team.size < self.wanted(pool) {
                    begin(team);
                }
            };
            top_up(team);
            let mut due = Instant::now() + self.every;
            while team.size > 0 {
                if let Ok(ended) = team.told.recv_deadline(due) {
                    team.size -= 1;
                    team.is_through |= matches!(ended, Ended::Through);
                }
                if due <= Instant::now() {
                    self.guarded(&mut *look_on);
                    due = Instant::now() + self.every;
                    // As long as somebody is at work, there may be more to do by now.
                    team.is_through &= team.size == 0;
                }
                if pool.is_superseded()
                    && let Hands::Pool(larger) = &self.crew.hands
                {
                    let larger = Arc::clone(&lock(larger));
                    return self.oversee(&larger, team, look_on);
                }
                top_up(team);
            }
        });
    }

    /// One a thread. Where others ask for work too, one more is in line already when a thread is given back, so that
    /// nobody loses their turn for having to be fetched.
    fn wanted(&self, pool: &Pool) -> usize {
        let spare = usize::from(self.crew.shifts.load(Ordering::Relaxed) > 1);
        (pool.threads.current_num_threads() + spare).min(self.at_most)
    }

    fn work_on(self, pool: &Pool) -> Ended {
        let _at_work = self.crew.pace.join();
        let mut ended = Ended::Through;
        self.guarded(&mut || {
            while (self.step)() {
                if pool.wants_its_thread() {
                    ended = Ended::GaveWay;
                    return;
                }
            }
        });
        ended
    }

    fn guarded(self, act: &mut dyn FnMut()) {
        if panic::catch_unwind(AssertUnwindSafe(act)).is_err() {
            (self.panicked)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::Stop;
    use std::collections::BTreeSet;
    use std::sync::Barrier;
    use std::thread;

    const EVERY: Duration = Duration::from_millis(10);

    #[test]
    fn every_piece_of_work_is_done_once() {
        let work: Vec<usize> = (0..1000).collect();
        let (queue, sum) = (Queue::new(&work), AtomicUsize::new(0));
        let step = || {
            let next = queue.next();
            sum.fetch_add(next.copied().unwrap_or(0), Ordering::Relaxed);
            next.is_some()
        };
        Crew::new(4)
            .expect("threads")
            .work(4, step, EVERY, || {}, || panic!("nobody panicked"));
        assert_eq!(sum.into_inner(), 499_500);
    }

    #[test]
    fn a_panic_is_reported_and_the_others_finish() {
        let (turn, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let noticed = AtomicBool::new(false);
        let work = || {
            assert_ne!(turn.fetch_add(1, Ordering::SeqCst), 0, "on purpose");
            finished.fetch_add(1, Ordering::SeqCst);
            false
        };
        let note = || noticed.store(true, Ordering::SeqCst);
        Crew::new(3)
            .expect("threads")
            .work(3, work, EVERY, || {}, note);
        assert!(noticed.into_inner());
        assert!(finished.into_inner() >= 2, "they come back while it panics");
    }

    /// Does `step` until it is told that `n` steps are done by all together.
    fn steps(n: usize, done: &AtomicUsize, each: impl Fn() + Sync) -> impl Fn() -> bool + Sync {
        move || {
            let is_more = done.fetch_add(1, Ordering::SeqCst) < n;
            if is_more {
                each();
            }
            is_more
        }
    }

    #[test]
    fn work_that_comes_later_does_not_wait_until_earlier_work_is_through() {
        let crew = Crew::new(2).expect("threads");
        let (begun, later) = (AtomicUsize::new(0), AtomicBool::new(false));
        // It would go on for ever if it kept its threads.
        let endless = &|| {
            begun.fetch_add(1, Ordering::SeqCst);
            thread::yield_now();
            !later.load(Ordering::SeqCst)
        };
        thread::scope(|scope| {
            scope.spawn(|| crew.work(2, endless, EVERY, || {}, || panic!("nobody panicked")));
            while begun.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            let once = || {
                later.store(true, Ordering::SeqCst);
                false
            };
            crew.work(1, once, EVERY, || {}, || panic!("nobody panicked"));
        });
        assert!(later.into_inner());
    }

    #[test]
    fn more_routines_are_there_at_once_and_fewer_wait_for_their_turn() {
        let crew = Crew::new(1).expect("threads");
        let (inside, done) = (Barrier::new(3), AtomicUsize::new(0));
        // Three must be inside at the same time: with one thread, or two, nobody would ever come out.
        let step = steps(3, &done, || {
            inside.wait();
        });
        crew.work(
            3,
            step,
            EVERY,
            || crew.set_routines(3),
            || panic!("nobody panicked"),
        );
        crew.set_routines(2);
        let stop = Stop::default();
        let (at_once, most, done) = (
            AtomicUsize::new(0),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        let step = steps(200, &done, || {
            let attempt = || {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Some time for another to come in too.
                for _ in 0..1000 {
                    thread::yield_now();
                    if at_once.load(Ordering::SeqCst) > 1 {
                        break;
                    }
                }
                at_once.fetch_sub(1, Ordering::SeqCst);
            };
            crew.pace().attempt(&stop, attempt, |()| None);
        });
        crew.work(3, step, EVERY, || {}, || panic!("nobody panicked"));
        assert_eq!(most.into_inner(), 2);
    }

    #[test]
    fn when_all_are_through_nobody_begins_again_although_it_is_time_to_look() {
        const EVERY: Duration = Duration::from_micros(100);
        for _ in 0..500 {
            let times = AtomicUsize::new(0);
            let once = || {
                let begun = Instant::now();
                // Only the first time it takes longer than it is to the next look.
                while times.load(Ordering::SeqCst) == 0 && begun.elapsed() < 3 * EVERY {
                    thread::yield_now();
                }
                times.fetch_add(1, Ordering::SeqCst);
                false
            };
            let crew = Crew::new(1).expect("threads");
            crew.work(1, once, EVERY, || {}, || panic!("nobody panicked"));
            assert_eq!(times.into_inner(), 1);
        }
    }

    #[test]
    fn who_found_nothing_to_do_comes_back_for_what_comes_later() {
        const LONGEST: Duration = Duration::from_secs(20);
        let (work, found_nothing) = (Mutex::new(vec![false]), AtomicBool::new(false));
        let (is_second_done, is_helped) = (AtomicBool::new(false), AtomicBool::new(false));
        let wait_for = |what: &AtomicBool| {
            let begun = Instant::now();
            while !what.load(Ordering::SeqCst) && begun.elapsed() < LONGEST {
                thread::yield_now();
            }
            what.load(Ordering::SeqCst)
        };
        // The first piece takes until the second is done, which only another can do.
        let step = || {
            let next = lock(&work).pop();
            match next {
                Some(true) => is_second_done.store(true, Ordering::SeqCst),
                Some(false) => is_helped.store(wait_for(&is_second_done), Ordering::SeqCst),
                None => found_nothing.store(true, Ordering::SeqCst),
            }
            next.is_some()
        };
        let crew = Crew::new(2).expect("threads");
        thread::scope(|scope| {
            let working = scope.spawn(|| crew.work(2, step, EVERY, || {}, || panic!("no panic")));
            assert!(wait_for(&found_nothing) && !working.is_finished());
            lock(&work).push(true);
        });
        assert!(is_helped.into_inner(), "nobody came back");
    }

    #[test]
    fn routines_that_come_one_by_one_leave_few_threads_behind() {
        let crew = Crew::new(1).expect("threads");
        let (done, pools) = (AtomicUsize::new(1), Mutex::new(BTreeSet::new()));
        let step = || {
            lock(&pools).insert(rayon::current_num_threads());
            let routines = done.fetch_add(1, Ordering::SeqCst);
            crew.set_routines(routines.clamp(1, 100));
            routines < 1000
        };
        crew.work(100, step, EVERY, || {}, || panic!("nobody panicked"));
        let pools = pools.into_inner().expect("sound");
        assert_eq!(pools.last(), Some(&100));
        let threads: usize = pools.iter().sum();
        assert!(threads < 256, "{pools:?}");
    }

    #[test]
    fn one_of_a_crew_works_on_the_thread_that_asks() {
        let crew = Crew::new(2).expect("threads");
        let here = thread::current().id();
        let done = AtomicUsize::new(0);
        let step = steps(3, &done, || assert_eq!(thread::current().id(), here));
        crew.one()
            .work(2, step, EVERY, || {}, || panic!("nobody panicked"));
        assert_eq!(done.into_inner(), 4);
    }
}
