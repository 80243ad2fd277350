//! Steering uploads from another thread: end them, pause them, slow them down.

mod pauses;
mod rate;
pub(super) mod valve;

use super::limits::{check_rate, check_routines};
use crate::error::Error;
use crate::lock::lock;
use crate::stop::Stop;
use pauses::Pauses;
use rate::{RateLimit, Turn};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

/// Steers the uploads that were given it, together. Cheap to clone; clones are one control.
///
/// ```
/// let control = oss_upload::Control::new();
/// let from_elsewhere = control.clone();
/// std::thread::spawn(move || from_elsewhere.cancel()).join().unwrap();
/// assert!(control.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    flow: Arc<Flow>,
    /// Whatever is said to it counts here too.
    leader: Option<Control>,
}

#[derive(Debug, Default)]
struct Inner {
    wish: Wish,
    routines: Option<usize>,
    running: Vec<Weak<Stop>>,
}

/// What those ask who send bytes, without a lock. Shared with the followers.
#[derive(Debug)]
struct Flow {
    pauses: Pauses,
    rate_limit: RateLimit,
    born: Instant,
}

impl Default for Flow {
    fn default() -> Flow {
        Flow {
            pauses: Pauses::default(),
            rate_limit: RateLimit::default(),
            born: Instant::now(),
        }
    }
}

impl Flow {
    fn now(&self) -> Duration {
        self.born.elapsed()
    }
}

/// What the caller wants, each more than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    #[default]
    Run,
    Cancel,
    Abandon,
}

impl Control {
    /// A control for one or more uploads.
    pub fn new() -> Control {
        Control::default()
    }

    /// Ends the uploads soon, wherever they are: in the middle of a body, of an answer or of a pause before a retry.
    ///
    /// With a checkpoint all finished parts stay, on the server and in the record, and the next run continues. Without
    /// one the upload on the server is aborted. [`run`](crate::UploadFile::run) returns
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled). A cancelled control stays so: uploads that are given
    /// it later end at once.
    pub fn cancel(&self) {
        self.end(Wish::Cancel);
    }

    /// Ends the uploads as [`cancel`](Self::cancel) does, and keeps nothing: what they sent is aborted, again until the
    /// server has no part left, and the checkpoint is deleted.
    ///
    /// [`run`](crate::UploadFile::run) returns [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) when that is done, or
    /// after 20 seconds. An upload that could not be aborted by then is [named](crate::Error::left_behind), and the
    /// checkpoint stays to remember it.
    pub fn abandon(&self) {
        self.end(Wish::Abandon);
    }

    /// Lets the uploads go on with so many routines, 1 to 100, from now on: within a tenth of a second, parts on their
    /// way being finished first. It counts in place of what the uploads were told, those that are given it later included.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`](crate::ErrorKind::Options) when it is none of these numbers.
    pub fn set_routines(&self, routines: usize) -> Result<(), Error> {
        check_routines(routines)
            .map_err(|why| Error::options("changing the number of routines", why))?;
        self.lock().routines = Some(routines);
        Ok(())
    }

    pub(crate) fn routines(&self) -> Option<usize> {
        let own = self.lock().routines;
        own.or_else(|| self.0.leader.as_ref()?.routines())
    }

    fn end(&self, wish: Wish) {
        let mut inner = self.lock();
        inner.wish = inner.wish.max(wish);
        for stop in inner.running.drain(..).filter_map(|stop| stop.upgrade()) {
            stop.set();
        }
    }

    fn wish(&self) -> Wish {
        let leader = self.0.leader.as_ref().map(Control::wish);
        self.lock().wish.max(leader.unwrap_or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0.inner)
    }

    /// Another control that does whatever this one is told, and may be told more.
    pub(crate) fn follow(&self) -> Control {
        Control(Arc::new(Shared {
            inner: Mutex::default(),
            flow: Arc::clone(&self.0.flow),
            leader: Some(self.clone()),
        }))
    }

    /// Whether [`cancel`](Self::cancel) or [`abandon`](Self::abandon) was called.
    pub fn is_cancelled(&self) -> bool {
        self.wish() >= Wish::Cancel
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.wish() == Wish::Abandon
    }

    /// Lets the uploads rest until [`resume`](Self::resume): no request begins, no byte of the file is read, bodies that
    /// are under way stand still. Answers that are due are still taken. Uploads that are given a paused control begin
    /// when it is resumed.
    ///
    /// A body that stands still for 5 seconds, or for half the [stall time-out](crate::ClientBuilder::stall_timeout) when
    /// that is less, is broken off before the server gives it up, and sent anew after the pause. That costs none of the
    /// attempts that a part has. Cancelling and the deadline are heard in a pause. An upload that fails meanwhile and is to
    /// be aborted waits for the end of the pause to do so.
    ///
    /// A pause has no end by itself: whoever lets go of the last control that is not an upload's own leaves the uploads
    /// paused until their deadline, or for ever.
    pub fn pause(&self) {
        let flow = &self.0.flow;
        if flow.pauses.begin(flow.now()) {
            // Who waits for its turn has lost it.
            self.nudge();
            log::debug!(target: "oss_upload::upload", "paused");
        }
    }

    /// Ends a pause.
    pub fn resume(&self) {
        let flow = &self.0.flow;
        if let Some(length) = flow.pauses.end(flow.now()) {
            self.nudge();
            log::debug!(target: "oss_upload::upload", "resumed after {} ms", length.as_millis());
        }
    }

    /// Whether the uploads are paused.
    pub fn is_paused(&self) -> bool {
        self.0.flow.pauses.is_on()
    }

    /// Limits how many bytes of bodies go out each second, 1024 or more, or lifts the limit. All uploads that were given
    /// this control share it, and it is felt within a tenth of a second. Default: no limit.
    ///
    /// What is sent again counts again. Headers do not count, nor does what TLS adds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`](crate::ErrorKind::Options) when it is less than 1024; the limit stays what it was.
    pub fn set_rate_limit(&self, bytes_per_second: Option<u64>) -> Result<(), Error> {
        if let Some(rate) = bytes_per_second {
            let refuse = |why| Error::options("limiting the rate of uploads", why);
            check_rate(rate).map_err(refuse)?;
        }
        let flow = &self.0.flow;
        flow.rate_limit.set(bytes_per_second, flow.now());
        self.nudge();
        match bytes_per_second {
            Some(rate) => {
                log::debug!(target: "oss_upload::upload", "limited to {rate} bytes a second");
            }
            None => log::debug!(target: "oss_upload::upload", "no limit of the rate any more"),
        }
        Ok(())
    }

    /// The limit in bytes a second, if there is one.
    pub fn rate_limit(&self) -> Option<u64> {
        self.0.flow.rate_limit.get()
    }

    /// How many pauses have begun so far.
    pub(super) fn pauses(&self) -> u64 {
        self.0.flow.pauses.count()
    }

    /// Leave to send so many bytes at most, when that turn comes.
    fn take_turn(&self, most: usize) -> Turn {
        let flow = &self.0.flow;
        flow.rate_limit.take(most, || flow.now())
    }

    /// Waits for a turn; `false` when it came to nothing, because of a stop, a pause or another limit.
    pub(super) fn await_turn(&self, turn: &Turn, stop: &Stop) -> bool {
        let is_good = || !self.is_paused() && self.0.flow.rate_limit.is_current(turn);
        stop.sleep_while(turn.wait, is_good);
        is_good() && !stop.is_set()
    }

    /// Waits while the uploads are paused, so long at most.
    pub(super) fn hold_for(&self, stop: &Stop, at_most: Duration) {
        if self.is_paused() {
            stop.sleep_while(at_most, || self.is_paused());
        }
    }

    /// Waits while the uploads are paused.
    pub(super) fn hold(&self, stop: &Stop) {
        self.hold_for(stop, Duration::MAX);
    }

    /// Waits while the uploads are paused; `false` when they are to end.
    pub(super) fn goes_on(&self, stop: &Stop) -> bool {
        self.hold(stop);
        !stop.is_set()
    }

    /// A clock that stands still while the uploads are paused.
    pub(super) fn awake(&self) -> Duration {
        let flow = &self.0.flow;
        flow.pauses.awake(flow.now())
    }

    /// Those who wait look again.
    fn nudge(&self) {
        let inner = self.lock();
        let running = inner.running.iter().filter_map(Weak::upgrade);
        running.for_each(|stop| stop.nudge());
    }

    /// From now on, cancelling sets this flag too.
    pub(crate) fn attach(&self, stop: &Arc<Stop>) {
        if let Some(leader) = &self.0.leader {
            leader.attach(stop);
        }
        let mut inner = self.lock();
        if inner.wish >= Wish::Cancel {
            stop.set();
        }
        inner.running.retain(|running| running.strong_count() > 0);
        inner.running.push(Arc::downgrade(stop));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::upload::limits::RATE_LEAST;
    use std::thread;

    #[test]
    fn cancelling_reaches_uploads_before_and_after() {
        let control = Control::new();
        let (before, after) = (Arc::new(Stop::default()), Arc::new(Stop::default()));
        control.attach(&before);
        control.clone().cancel();
        control.attach(&after);
        assert!(before.is_set() && after.is_set());
    }

    #[test]
    fn a_follower_hears_what_its_leader_is_told_and_keeps_its_own_to_itself() {
        let leader = Control::new();
        let follower = leader.follow();
        leader.set_routines(3).expect("allowed");
        assert_eq!(follower.routines(), Some(3));
        let (early, late) = (Arc::new(Stop::default()), Arc::new(Stop::default()));
        follower.attach(&early);
        leader.cancel();
        follower.attach(&late);
        assert!(early.is_set() && late.is_set() && follower.is_cancelled());
        leader.pause();
        leader.set_rate_limit(Some(2048)).expect("allowed");
        assert!(follower.is_paused());
        assert_eq!(follower.rate_limit(), Some(2048));

        let leader = Control::new();
        leader.follow().cancel();
        assert!(!leader.is_cancelled());
    }

    #[test]
    fn routines_are_one_to_a_hundred() {
        for wrong in [0, 101] {
            let error = Control::new().set_routines(wrong).expect_err("refused");
            assert!(error.to_string().contains("1 to 100"), "{error}");
        }
    }

    #[test]
    fn who_abandons_does_not_take_it_back_by_cancelling() {
        let control = Control::new();
        control.cancel();
        assert!(control.is_cancelled() && !control.is_abandoned());
        control.abandon();
        control.cancel();
        assert!(control.is_cancelled() && control.is_abandoned());
    }

    #[test]
    fn who_is_held_goes_on_when_resumed_and_when_cancelled() {
        for end in [Control::resume, Control::cancel] {
            let (control, stop) = (Control::new(), Arc::new(Stop::default()));
            control.attach(&stop);
            control.hold(&stop);
            control.pause();
            thread::scope(|scope| {
                let held = scope.spawn(|| control.hold(&stop));
                end(&control);
                held.join().expect("no panic");
            });
            assert_eq!(control.is_paused(), stop.is_set());
        }
    }

    #[test]
    fn a_turn_far_away_is_given_up_for_a_pause_another_limit_and_a_cancel() {
        let pause = |control: &Control| control.pause();
        let lift = |control: &Control| control.set_rate_limit(None).expect("allowed");
        for interrupt in [pause, lift, Control::cancel] {
            let (control, stop) = (Control::new(), Arc::new(Stop::default()));
            control.attach(&stop);
            control.set_rate_limit(Some(RATE_LEAST)).expect("allowed");
            let turns: Vec<_> = (0..72_000).map(|_| control.take_turn(1 << 17)).collect();
            let far = turns.last().expect("a turn");
            assert!(far.wait > Duration::from_secs(3000));
            thread::scope(|scope| {
                let waiting = scope.spawn(|| control.await_turn(far, &stop));
                interrupt(&control);
                assert!(!waiting.join().expect("no panic"));
            });
        }
    }

    #[test]
    fn a_limit_too_low_is_refused_and_leaves_the_one_before() {
        let control = Control::new();
        control.set_rate_limit(Some(2048)).expect("allowed");
        for low in [0, RATE_LEAST - 1] {
            let error = control.set_rate_limit(Some(low)).expect_err("too low");
            assert_eq!(error.kind(), ErrorKind::Options);
            assert!(
                error.to_string().contains("1024 bytes a second or more"),
                "{error}"
            );
        }
        assert_eq!(control.rate_limit(), Some(2048));
    }
}
