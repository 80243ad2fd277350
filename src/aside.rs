//! What cannot be interrupted, on a thread of its own that is left behind when it takes too long.

use crate::stop::Stop;
use crossbeam_channel::{RecvTimeoutError, bounded};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::{Duration, Instant};

/// How often the waiting thread looks whether it was stopped.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Left {
    /// `stop` was set; the thread ends by itself some time.
    Stopped,
    /// The time was over; as above.
    TooLong,
    Panicked,
    NoThread(io::Error),
}

/// Runs `act` on a thread of its own and waits for it, until `stop` is set or the time is over.
pub(crate) fn aside<T: Send + 'static>(
    name: &str,
    stop: &Stop,
    within: Duration,
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Left> {
    let end = Instant::now().checked_add(within);
    let (tell, told) = bounded(1);
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let done = panic::catch_unwind(AssertUnwindSafe(act));
        // Nobody listens any more when it was left behind.
        let _ = tell.send(done);
    });
    spawned.map_err(Left::NoThread)?;
    while !stop.is_set() {
        match told.recv_timeout(LOOK_EVERY.min(left(end))) {
            Ok(done) => return done.map_err(|_| Left::Panicked),
            Err(RecvTimeoutError::Timeout) if left(end).is_zero() => return Err(Left::TooLong),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Left::Panicked),
        }
    }
    Err(Left::Stopped)
}

fn left(end: Option<Instant>) -> Duration {
    end.map_or(Duration::MAX, |end| {
        end.saturating_duration_since(Instant::now())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::MAX;

    #[test]
    fn what_is_done_in_time_is_returned_and_a_panic_told() {
        let stop = Stop::default();
        assert!(matches!(aside("t", &stop, LONG, || 7), Ok(7)));
        let panicked = aside("t", &stop, LONG, || panic!("on purpose"));
        assert!(matches!(panicked, Err::<(), _>(Left::Panicked)));
    }

    #[test]
    fn what_takes_too_long_is_left_behind() {
        let (open, opened) = bounded::<()>(0);
        let hang = |opened: crossbeam_channel::Receiver<()>| move || opened.recv();
        let slow = aside(
            "t",
            &Stop::default(),
            Duration::from_millis(1),
            hang(opened.clone()),
        );
        assert!(matches!(slow, Err(Left::TooLong)));
        let stop = Stop::within(Duration::from_millis(1));
        assert!(matches!(
            aside("t", &stop, LONG, hang(opened)),
            Err(Left::Stopped)
        ));
        drop(open);
    }
}
