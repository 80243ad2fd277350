//! Ending an upload from another thread.

use crate::stop::Stop;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Cancels the uploads that were given it. Cheap to clone; clones are one control.
///
/// ```
/// let control = oss_upload::Control::new();
/// let from_elsewhere = control.clone();
/// std::thread::spawn(move || from_elsewhere.cancel()).join().unwrap();
/// assert!(control.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    wish: Wish,
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

    fn end(&self, wish: Wish) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.wish = inner.wish.max(wish);
        for stop in inner.running.drain(..).filter_map(|stop| stop.upgrade()) {
            stop.set();
        }
    }

    fn wish(&self) -> Wish {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wish
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
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    fn who_abandons_does_not_take_it_back_by_cancelling() {
        let control = Control::new();
        control.cancel();
        assert!(control.is_cancelled() && !control.is_abandoned());
        control.abandon();
        control.cancel();
        assert!(control.is_cancelled() && control.is_abandoned());
    }
}
