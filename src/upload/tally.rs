//! How far many files are together.

use super::progress::{Progress, Snapshot};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far all files of a call are, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilesSnapshot {
    /// Files taken so far from the caller's iterator. All of them, once that has come to its end.
    pub files_total: u64,
    /// Files that are through, the failed ones included.
    pub files_through: u64,
    /// Files that failed.
    pub files_failed: u64,
    /// Their lengths, of those taken so far.
    pub bytes_total: u64,
    /// Bytes that the server has acknowledged, those of earlier runs included.
    pub bytes_done: u64,
    /// Bytes of `bytes_done` that an earlier run had sent.
    pub bytes_resumed: u64,
    /// Body bytes handed to the network by this run, repetitions included.
    pub bytes_sent: u64,
    /// Requests repeated after a failure.
    pub retries: u64,
}

impl FilesSnapshot {
    fn add(&mut self, file: &Snapshot) {
        self.bytes_done += file.bytes_done;
        self.bytes_resumed += file.bytes_resumed;
        self.bytes_sent += file.bytes_sent;
        self.retries += file.retries;
    }
}

/// Adds up what the files under way count for themselves, when somebody asks.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    under_way: BTreeMap<usize, Arc<Progress>>,
    /// The sum of those that are through.
    through: FilesSnapshot,
}

impl Tally {
    /// A file was put in line.
    pub(super) fn take(&self, len: u64) {
        let through = &mut self.lock().through;
        through.files_total += 1;
        through.bytes_total += len;
    }

    /// The turn of this file has come.
    pub(super) fn begin(&self, index: usize) -> Arc<Progress> {
        let progress = Arc::<Progress>::default();
        self.lock().under_way.insert(index, Arc::clone(&progress));
        progress
    }

    pub(super) fn end(&self, index: usize, is_done: bool) {
        let mut inner = self.lock();
        if let Some(progress) = inner.under_way.remove(&index) {
            inner.through.add(&progress.snapshot());
        }
        inner.through.files_through += 1;
        inner.through.files_failed += u64::from(!is_done);
    }

    pub(super) fn snapshot(&self) -> FilesSnapshot {
        let inner = self.lock();
        let mut sum = inner.through;
        for progress in inner.under_way.values() {
            sum.add(&progress.snapshot());
        }
        sum
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
