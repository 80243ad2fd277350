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
    cancelled: bool,
    running: Vec<Weak<Stop>>,
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
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.cancelled = true;
        for stop in inner.running.drain(..).filter_map(|stop| stop.upgrade()) {
            stop.set();
        }
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.cancelled
    }

    /// From now on, cancelling sets this flag too.
    pub(crate) fn attach(&self, stop: &Arc<Stop>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.cancelled {
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
}
