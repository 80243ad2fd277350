//! What all connections of a server share.

use super::auth::Keeper;
use super::fault::Faults;
use super::journal::Journal;
use super::store::Store;
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// The server but for its sockets.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keeper: Keeper,
    pub(super) store: Store,
    pub(super) faults: Faults,
    pub(super) journal: Journal,
    pub(super) connections: AtomicU64,
    pub(super) clock_offset: AtomicI64,
    /// How long an application may take to answer a callback.
    pub(super) callback_timeout: Duration,
}

impl Shared {
    pub(super) fn new(store: Store, keeper: Keeper, callback_timeout: Duration) -> Shared {
        Shared {
            keeper,
            store,
            faults: Faults::default(),
            journal: Journal::default(),
            connections: AtomicU64::new(0),
            clock_offset: AtomicI64::new(0),
            callback_timeout,
        }
    }

    /// The time on the server's clock.
    pub(super) fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.clock_offset.load(Ordering::SeqCst));
        Timestamp::now()
            .saturating_add(offset)
            .unwrap_or(Timestamp::MAX)
    }
}
