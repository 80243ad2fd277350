//! The time from listening to being away, which ends whatever waits in it.

use crate::lock::lock;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time from listening to being away. What waits without reading a socket waits here, so that it can end.
#[derive(Debug, Default)]
pub(super) struct Session {
    is_stopped: Mutex<bool>,
    rung: Condvar,
}

impl Session {
    pub(super) fn is_stopped(&self) -> bool {
        *lock(&self.is_stopped)
    }

    pub(super) fn stop(&self) {
        *lock(&self.is_stopped) = true;
        self.rung.notify_all();
    }

    /// Waits so long, or fails at once when the server stops.
    pub(super) fn pause(&self, duration: Duration) -> io::Result<()> {
        let end = Instant::now() + duration;
        let mut is_stopped = lock(&self.is_stopped);
        while !*is_stopped {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let waited = self.rung.wait_timeout(is_stopped, left);
            is_stopped = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the server stops",
        ))
    }

    pub(super) fn wait_for_stop(&self) {
        let mut is_stopped = lock(&self.is_stopped);
        while !*is_stopped {
            is_stopped = (self.rung.wait(is_stopped)).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
