//! A line that is slower than it could be: reading at a rate.

use super::content::BUFFER;
use super::session::Session;
use std::io;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Pace {
    started: Instant,
    rate: Option<u64>,
    /// How much is read at once.
    pub(super) bite: usize,
}

impl Pace {
    pub(super) fn new(rate: Option<u64>) -> Pace {
        // Some twenty bites a second look like a slow line, not like a stuttering one.
        let bite = rate.map_or(BUFFER as u64, |rate| (rate / 20).clamp(1, BUFFER as u64));
        Pace {
            started: Instant::now(),
            rate,
            bite: usize::try_from(bite).unwrap_or(BUFFER),
        }
    }

    /// Waits until so many bytes are due.
    pub(super) fn keep(&self, bytes: u64, session: &Session) -> io::Result<()> {
        let Some(rate) = self.rate else {
            return Ok(());
        };
        let due = Duration::from_secs_f64(bytes as f64 / rate as f64);
        session.pause(due.saturating_sub(self.started.elapsed()))
    }
}
