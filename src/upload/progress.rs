//! How far an upload is: counted by the workers without locks, shown on the caller's thread.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// What an upload is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Opening the file and the checkpoint, asking the server what it has.
    Preparing,
    /// Reading finished parts again to prove that the file has not changed.
    Verifying,
    /// Sending parts.
    Sending,
    /// Joining the parts and checking the object.
    Completing,
    /// The object is there and its checksum is right.
    Done,
}

/// How far an upload is, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// What the upload is doing.
    pub phase: Phase,
    /// The length of the object.
    pub bytes_total: u64,
    /// Bytes of parts that the server has acknowledged, those of earlier runs included. It falls back only when the
    /// upload starts again from scratch, or when the server lost a part.
    pub bytes_done: u64,
    /// Bytes of `bytes_done` that an earlier run had sent.
    pub bytes_resumed: u64,
    /// Body bytes handed to the network by this run, repetitions included.
    pub bytes_sent: u64,
    /// The number of parts.
    pub parts_total: u16,
    /// Parts that the server has acknowledged.
    pub parts_done: u16,
    /// Requests repeated after a failure.
    pub retries: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Progress {
    phase: AtomicU8,
    bytes_total: AtomicU64,
    bytes_done: AtomicU64,
    bytes_resumed: AtomicU64,
    bytes_sent: AtomicU64,
    parts_total: AtomicU64,
    parts_done: AtomicU64,
    retries: AtomicU64,
}

impl Progress {
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// Begins, or begins again, with nothing done.
    pub(crate) fn begin(&self, bytes_total: u64, parts_total: u16) {
        self.set_phase(Phase::Preparing);
        self.bytes_total.store(bytes_total, Relaxed);
        self.parts_total.store(parts_total.into(), Relaxed);
        self.bytes_done.store(0, Relaxed);
        self.bytes_resumed.store(0, Relaxed);
        self.parts_done.store(0, Relaxed);
    }

    pub(crate) fn add_resumed(&self, len: u64) {
        self.bytes_resumed.fetch_add(len, Relaxed);
        self.add_done(len);
    }

    pub(crate) fn add_done(&self, len: u64) {
        self.bytes_done.fetch_add(len, Relaxed);
        self.parts_done.fetch_add(1, Relaxed);
    }

    /// A part that had counted as done is to be sent again.
    pub(crate) fn take_back(&self, len: u64, was_resumed: bool) {
        self.bytes_done.fetch_sub(len, Relaxed);
        self.parts_done.fetch_sub(1, Relaxed);
        if was_resumed {
            self.bytes_resumed.fetch_sub(len, Relaxed);
        }
    }

    pub(crate) fn add_sent(&self, n: u64) {
        self.bytes_sent.fetch_add(n, Relaxed);
    }

    pub(crate) fn add_retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let parts = |count: &AtomicU64| u16::try_from(count.load(Relaxed)).unwrap_or(u16::MAX);
        Snapshot {
            phase: match self.phase.load(Relaxed) {
                0 => Phase::Preparing,
                1 => Phase::Verifying,
                2 => Phase::Sending,
                3 => Phase::Completing,
                _ => Phase::Done,
            },
            bytes_total: self.bytes_total.load(Relaxed),
            bytes_done: self.bytes_done.load(Relaxed),
            bytes_resumed: self.bytes_resumed.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            parts_total: parts(&self.parts_total),
            parts_done: parts(&self.parts_done),
            retries: self.retries.load(Relaxed),
        }
    }
}
