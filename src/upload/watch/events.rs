//! What happens to single parts and requests, for those who keep statistics.

use super::progress::Phase;
use crate::error::{ErrorKind, OneLine};
use crate::part::PartNumber;
use crate::protocol::Operation;
use crate::retry::Failure;
use crate::upload::outcome::RestartReason;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::fmt::{self, Write};
use std::time::Duration;

/// Something that happened to an upload: see [`UploadFile::on_event`](crate::UploadFile::on_event).
///
/// A part that [started](Event::PartStarted) ends by one of [`PartFinished`](Event::PartFinished),
/// [`PartFailed`](Event::PartFailed) and [`PartPaused`](Event::PartPaused) before it starts again. What parts do at the
/// same time comes in no particular order. A file that goes up by PutObject is its part 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The upload entered this phase.
    #[non_exhaustive]
    Entered {
        /// The phase.
        phase: Phase,
    },
    /// A part began to be sent.
    #[non_exhaustive]
    PartStarted {
        /// Counted from 1.
        part_number: u16,
        /// How often this part has been attempted, this time included.
        attempt: u32,
    },
    /// The server acknowledged a part, and its checksum is right.
    #[non_exhaustive]
    PartFinished {
        /// Counted from 1.
        part_number: u16,
        /// The attempt that succeeded.
        attempt: u32,
        /// The part's length.
        bytes: u64,
        /// The CRC-64/XZ of its bytes.
        crc64: u64,
        /// How long the attempt took, connecting and waiting for the answer included.
        duration: Duration,
    },
    /// An attempt to send a part came to nothing. [`Retried`](Event::Retried) follows when there will be another.
    #[non_exhaustive]
    PartFailed {
        /// Counted from 1.
        part_number: u16,
        /// The attempt that failed.
        attempt: u32,
        /// Bytes of the part that had been handed to the network.
        bytes: u64,
        /// How long the attempt took.
        duration: Duration,
        /// What went wrong.
        failure: EventFailure,
    },
    /// A part was broken off by a [pause](crate::Control::pause) that lasts. It is sent anew when the pause is over, as
    /// the same attempt.
    #[non_exhaustive]
    PartPaused {
        /// Counted from 1.
        part_number: u16,
        /// The attempt that was broken off.
        attempt: u32,
        /// Bytes of the part that had been handed to the network.
        bytes: u64,
    },
    /// A request failed and is made again.
    #[non_exhaustive]
    Retried {
        /// The call, as OSS names it: `UploadPart`, `CompleteMultipartUpload` …
        request: &'static str,
        /// Of a request that sends a part; counted from 1.
        part_number: Option<u16>,
        /// The attempt that failed.
        attempt: u32,
        /// How long it waits before it is made again.
        delay: Duration,
        /// What went wrong.
        failure: EventFailure,
    },
    /// What was there before is of no use: all of it is sent from the start.
    #[non_exhaustive]
    Restarted {
        /// Why.
        reason: RestartReason,
    },
}

/// One line, for a log.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Entered { phase } => write!(f, "{phase}"),
            Event::PartStarted {
                part_number,
                attempt,
            } => {
                write!(f, "part {part_number} started, attempt {attempt}")
            }
            Event::PartFinished {
                part_number,
                attempt,
                bytes,
                duration,
                ..
            } => {
                write!(
                    f,
                    "part {part_number} stored: {bytes} bytes in {duration:.1?}, attempt {attempt}"
                )
            }
            Event::PartFailed {
                part_number,
                attempt,
                failure,
                ..
            } => {
                write!(f, "part {part_number} failed, attempt {attempt}: {failure}")
            }
            Event::PartPaused { part_number, .. } => {
                write!(f, "part {part_number} broken off by a pause")
            }
            Event::Retried {
                request,
                part_number,
                delay,
                failure,
                ..
            } => {
                write!(f, "{request}")?;
                if let Some(number) = part_number {
                    write!(f, " of part {number}")?;
                }
                write!(f, " again in {delay:.1?}: {failure}")
            }
            Event::Restarted { reason } => write!(f, "from scratch: {reason}"),
        }
    }
}

/// What went wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventFailure {
    /// The kind that an error would have if it ended here. [`ErrorKind::Cancelled`] stands for everything that ends an
    /// upload from outside.
    pub kind: ErrorKind,
    /// The code that OSS answered with, if it did.
    pub code: Option<String>,
    /// For people to read.
    pub reason: String,
}

/// What people read, in one line.
impl fmt::Display for EventFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine(f).write_str(&self.reason)
    }
}

impl EventFailure {
    pub(in crate::upload) fn new(kind: ErrorKind, reason: impl ToString) -> EventFailure {
        EventFailure {
            kind,
            code: None,
            reason: reason.to_string(),
        }
    }

    pub(in crate::upload) fn of(failure: &Failure) -> EventFailure {
        let code = match failure {
            Failure::Service(error)
            | Failure::ClockCorrected(error)
            | Failure::CredentialsRenewed(error) => Some(error.code().to_owned()),
            _ => None,
        };
        EventFailure {
            code,
            ..EventFailure::new(failure.kind(), failure)
        }
    }
}

/// The way from the routines to the listener. Where nobody listens nothing is made and nothing is sent.
#[derive(Debug)]
pub(in crate::upload) struct Events(Option<Sender<Event>>);

impl Events {
    pub(in crate::upload) fn to_nobody() -> Events {
        Events(None)
    }

    /// Without a bound: no routine waits for a listener, and there are few events a part.
    pub(super) fn to_listener() -> (Events, Receiver<Event>) {
        let (sender, receiver) = unbounded();
        (Events(Some(sender)), receiver)
    }

    pub(in crate::upload) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(sender) = &self.0 {
            // A listener that panicked listens no more.
            let _ = sender.send(event());
        }
    }

    pub(in crate::upload) fn retried(
        &self,
        operation: Operation,
        part: Option<PartNumber>,
        attempt: u32,
        failure: &Failure,
        delay: Duration,
    ) {
        self.tell(|| Event::Retried {
            request: operation.name(),
            part_number: part.map(PartNumber::get),
            attempt,
            delay,
            failure: EventFailure::of(failure),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_for_a_log() {
        let failure = EventFailure::new(ErrorKind::Transport, "broken\noff");
        let duration = Duration::from_millis(1234);
        let events = [
            (
                Event::Entered {
                    phase: Phase::Sending,
                },
                "sending",
            ),
            (
                Event::PartStarted {
                    part_number: 3,
                    attempt: 2,
                },
                "part 3 started, attempt 2",
            ),
            (
                Event::PartFinished {
                    part_number: 3,
                    attempt: 2,
                    bytes: 777,
                    crc64: 1,
                    duration,
                },
                "part 3 stored: 777 bytes in 1.2s, attempt 2",
            ),
            (
                Event::PartFailed {
                    part_number: 3,
                    attempt: 1,
                    bytes: 5,
                    duration,
                    failure: failure.clone(),
                },
                "part 3 failed, attempt 1: broken\\noff",
            ),
            (
                Event::PartPaused {
                    part_number: 3,
                    attempt: 1,
                    bytes: 5,
                },
                "part 3 broken off by a pause",
            ),
            (
                Event::Retried {
                    request: "UploadPart",
                    part_number: Some(3),
                    attempt: 1,
                    delay: duration,
                    failure: failure.clone(),
                },
                "UploadPart of part 3 again in 1.2s: broken\\noff",
            ),
            (
                Event::Retried {
                    request: "ListParts",
                    part_number: None,
                    attempt: 1,
                    delay: duration,
                    failure,
                },
                "ListParts again in 1.2s: broken\\noff",
            ),
            (
                Event::Restarted {
                    reason: RestartReason::FileChanged,
                },
                "from scratch: the file has changed",
            ),
        ];
        for (event, line) in events {
            assert_eq!(event.to_string(), line);
        }
    }
}
