//! How far many files are together.

use crate::lock::lock;
use crate::upload::control::Control;
use crate::upload::watch::estimate::{Estimator, time_left};
use crate::upload::watch::progress::{Progress, Snapshot, fraction};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How far all files of a call are, at one moment. What the figures mean is said at [`Snapshot`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilesSnapshot {
    /// Whether they are [paused](crate::Control::pause).
    pub is_paused: bool,
    /// The time since [`run`](crate::UploadFiles::run) was called, pauses included.
    pub elapsed: Duration,
    /// Files taken so far from the caller's iterator. All of them, once that has come to its end.
    pub files_total: u64,
    /// Files that are through, the failed ones included.
    pub files_through: u64,
    /// Files that failed.
    pub files_failed: u64,
    /// Files whose turn has come, and that are not through.
    pub files_under_way: u64,
    /// The lengths of the files taken so far.
    pub bytes_total: u64,
    /// Bytes that the server has acknowledged, those of earlier runs included.
    pub bytes_done: u64,
    /// Bytes of `bytes_done` that an earlier run had sent.
    pub bytes_resumed: u64,
    /// Bytes that are under way.
    pub bytes_in_flight: u64,
    /// Bytes of files that failed, as far as they are not among `bytes_done`.
    pub bytes_given_up: u64,
    /// Body bytes handed to the network by this run, repetitions included.
    pub bytes_sent: u64,
    /// Bytes of `bytes_sent` that came to nothing.
    pub bytes_resent: u64,
    /// Bytes a second that got on, over the last five seconds. 0 during pauses and where it is too early to tell.
    pub rate: u64,
    /// How long the rest of the files taken so far takes at this rate; `None` where it cannot be told.
    pub time_left: Option<Duration>,
    /// Requests repeated after a failure.
    pub retries: u64,
}

impl FilesSnapshot {
    /// How far a bar is, of `bytes_total`: what is acknowledged, under way, or given up.
    pub fn position(&self) -> u64 {
        self.bytes_done + self.bytes_in_flight + self.bytes_given_up
    }

    /// [`position`](Self::position) as a fraction, 0 to 1. It falls when further files are taken.
    pub fn fraction(&self) -> f64 {
        fraction(self.position(), self.bytes_total)
    }

    fn add(&mut self, file: &Snapshot) {
        self.bytes_done += file.bytes_done;
        self.bytes_resumed += file.bytes_resumed;
        self.bytes_in_flight += file.bytes_in_flight;
        self.bytes_sent += file.bytes_sent;
        self.bytes_resent += file.bytes_resent;
        self.retries += file.retries;
    }

    fn bytes_left(&self) -> u64 {
        self.bytes_total.saturating_sub(self.position())
    }
}

/// Adds up what the files under way count for themselves, when somebody asks.
#[derive(Debug)]
pub(super) struct Tally {
    started: Instant,
    files: Mutex<Files>,
    estimator: Mutex<Estimator>,
}

#[derive(Debug, Default)]
struct Files {
    /// What they count, and their lengths.
    under_way: BTreeMap<usize, (Arc<Progress>, u64)>,
    /// The sum of those that are through, and what is known of all.
    through: FilesSnapshot,
}

impl Tally {
    pub(super) fn new(started: Instant) -> Tally {
        Tally {
            started,
            files: Mutex::default(),
            estimator: Mutex::default(),
        }
    }

    /// A file was put in line.
    pub(super) fn take(&self, len: u64) {
        let through = &mut lock(&self.files).through;
        through.files_total += 1;
        through.bytes_total += len;
    }

    /// The turn of this file has come.
    pub(super) fn begin(&self, index: usize, len: u64) -> Arc<Progress> {
        let progress = Arc::<Progress>::default();
        let counted = (Arc::clone(&progress), len);
        lock(&self.files).under_way.insert(index, counted);
        progress
    }

    pub(super) fn end(&self, index: usize, is_done: bool) {
        let mut files = lock(&self.files);
        let Some((progress, len)) = files.under_way.remove(&index) else {
            return;
        };
        let mut file = progress.snapshot();
        // Whatever was under way has come to nothing.
        file.bytes_resent += std::mem::take(&mut file.bytes_in_flight);
        files.through.add(&file);
        files.through.files_through += 1;
        if !is_done {
            files.through.files_failed += 1;
            files.through.bytes_given_up += len.saturating_sub(file.bytes_done);
        }
    }

    pub(super) fn snapshot(&self, control: &Control) -> FilesSnapshot {
        let mut seen = self.sum();
        seen.is_paused = control.is_paused();
        seen.elapsed = self.started.elapsed();
        let mut estimator = lock(&self.estimator);
        if seen.is_paused {
            estimator.forget();
        } else {
            let useful = seen.bytes_sent.saturating_sub(seen.bytes_resent);
            seen.rate = estimator.rate(seen.elapsed, useful);
            seen.time_left = time_left(seen.bytes_left(), seen.rate);
        }
        seen
    }

    fn sum(&self) -> FilesSnapshot {
        let files = lock(&self.files);
        let mut sum = files.through;
        sum.files_under_way = files.under_way.len() as u64;
        for (progress, _) in files.under_way.values() {
            sum.add(&progress.snapshot());
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_and_what_is_through_add_up_and_failures_leave_a_rest() {
        let (tally, control) = (Tally::new(Instant::now()), Control::new());
        for len in [100, 200, 300] {
            tally.take(len);
        }
        let files = [100, 200].map(|len| {
            let progress = tally.begin(len, len as u64);
            progress.begin(len as u64, 1);
            progress
        });
        files[0].add_sent(100);
        files[0].add_done(100);
        files[1].add_sent(150);
        files[1].add_done(50);
        tally.end(100, true);
        let seen = tally.snapshot(&control);
        assert_eq!((seen.files_total, seen.files_through), (3, 1));
        assert_eq!(seen.files_under_way, 1);
        assert_eq!((seen.bytes_total, seen.bytes_done), (600, 150));
        assert_eq!(seen.bytes_in_flight, 100);
        assert_eq!(seen.bytes_left(), 350);
        tally.end(200, false);
        let seen = tally.snapshot(&control);
        assert_eq!((seen.files_through, seen.files_failed), (2, 1));
        assert_eq!((seen.bytes_given_up, seen.bytes_in_flight), (150, 0));
        assert_eq!((seen.bytes_sent, seen.bytes_resent), (250, 100));
        assert_eq!(seen.bytes_left(), 300, "the third");
        control.pause();
        let paused = tally.snapshot(&control);
        assert!(paused.is_paused && paused.time_left.is_none());
    }
}
