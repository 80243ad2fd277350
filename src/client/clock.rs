//! The local clock, and how far it is from the server's.

use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};

/// The local clock, set right by the server's when OSS refused it. Shared by all requests of a client.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Seconds to add.
    offset: AtomicI64,
}

impl Clock {
    pub(super) fn offset(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    pub(super) fn at(offset: i64) -> Timestamp {
        Timestamp::now()
            .saturating_add(SignedDuration::from_secs(offset))
            .unwrap_or_else(|_| Timestamp::now())
    }

    /// Whether a request that was signed with `used_offset` and refused can now be signed with another.
    pub(super) fn correct(&self, server_time: Option<Timestamp>, used_offset: i64) -> bool {
        if self.offset() != used_offset {
            // Another worker was here first.
            return true;
        }
        let Some(server_time) = server_time else {
            return false;
        };
        let offset = server_time.duration_since(Timestamp::now()).as_secs();
        log::debug!(target: "oss_upload::clock", "the local clock is wrong by {offset} s: corrected");
        self.offset.store(offset, Ordering::Relaxed);
        offset != used_offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_corrected_once_for_all_who_found_it_wrong() {
        let clock = Clock::default();
        let ahead = Timestamp::now() + SignedDuration::from_secs(7200);
        assert!(clock.correct(Some(ahead), 0));
        let offset = clock.offset();
        assert!((7198..=7200).contains(&offset), "{offset}");
        // A request that was signed before the correction needs none of its own.
        assert!(clock.correct(Some(Timestamp::UNIX_EPOCH), 0));
        assert_eq!(clock.offset(), offset);
        assert!(!clock.correct(None, offset), "nothing to correct it by");
    }
}
