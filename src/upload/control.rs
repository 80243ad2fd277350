//! Ending an upload from another thread.

use super::check_routines;
use crate::error::Error;
use crate::stop::Stop;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Cancels the uploads that were given it. Cheap to clone; clones are one control.
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
    /// Whatever is said to it counts here too.
    leader: Option<Control>,
}

#[derive(Debug, Default)]
struct Inner {
    wish: Wish,
    routines: Option<usize>,
    running: Vec<Weak<Stop>>,
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
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another control that does whatever this one is told, and may be told more.
    pub(crate) fn follow(&self) -> Control {
        Control(Arc::new(Shared {
            inner: Mutex::default(),
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
}
