//! Files in line, and those who look after them: one thread for all files of one part, one for each longer file.
//!
//! A file of one part is uploaded by one of the crew alone; of a longer one the crew sends the parts.

use super::tally::Tally;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, ErrorKind};
use crate::upload::builder::UploadFile;
use crate::upload::control::Control;
use crate::upload::crew::Crew;
use crate::upload::job::Among;
use crate::upload::outcome::FileOutcome;
use crate::upload::plan::Plan;
use crossbeam_channel::{Receiver, Select, Sender, TryRecvError};
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How soon routines that found no short file in line come back for those that came later.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A file that waits for its turn, and its place among the outcomes.
pub(super) struct Numbered<'a> {
    index: usize,
    upload: UploadFile<'a>,
    len: u64,
}

/// What all threads of a call share.
pub(super) struct Line<'l, 'a> {
    pub(super) crew: &'l Crew,
    pub(super) control: &'l Control,
    /// Files of one part.
    pub(super) short: Receiver<Numbered<'a>>,
    pub(super) long: Receiver<Numbered<'a>>,
    /// Files of several parts that are not through.
    pub(super) n_long: AtomicUsize,
    pub(super) checkpoints: Option<PathBuf>,
    pub(super) routines: usize,
    pub(super) tally: Tally,
    /// When all of them end.
    pub(super) deadline: Option<Instant>,
}

pub(super) type Outcomes = Sender<(usize, FileOutcome)>;

impl<'a> Line<'_, 'a> {
    /// How many routines there are to be by now.
    pub(super) fn routines(&self) -> usize {
        self.control.routines().unwrap_or(self.routines)
    }

    /// Why no other file begins, if so.
    pub(super) fn end(&self) -> Option<ErrorKind> {
        let is_late = || self.deadline.is_some_and(|at| at <= Instant::now());
        match self.control.is_cancelled() {
            true => Some(ErrorKind::Cancelled),
            false => is_late().then_some(ErrorKind::DeadlineExceeded),
        }
    }

    /// Uploads the files of one part, each by one of the crew.
    pub(super) fn look_after_short(&self, outcomes: &Outcomes) {
        let one = self.crew.one();
        let is_over = AtomicBool::new(false);
        let step = || match self.short.try_recv() {
            Ok(file) => {
                self.upload(file, &one, outcomes);
                true
            }
            Err(why) => {
                is_over.fetch_or(why == TryRecvError::Disconnected, Ordering::Relaxed);
                false
            }
        };
        while !is_over.load(Ordering::Relaxed) {
            // No thread of the crew waits for files that do not come.
            let mut wait = Select::new();
            wait.recv(&self.short);
            wait.ready();
            self.crew.work(
                usize::MAX,
                step,
                LOOK_EVERY,
                || {},
                || self.control.cancel(),
            );
        }
    }

    /// Looks after one longer file at a time.
    pub(super) fn look_after_long(&self, outcomes: &Outcomes) {
        for file in &self.long {
            self.upload(file, self.crew, outcomes);
            self.n_long.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn upload(&self, file: Numbered<'a>, crew: &Crew, outcomes: &Outcomes) {
        let Numbered {
            index,
            mut upload,
            len,
        } = file;
        let (key, path) = (upload.key.clone(), upload.path.clone());
        if let (None, Some(dir)) = (&upload.checkpoint, &self.checkpoints) {
            upload = upload.checkpoint(Checkpoint::in_dir(dir));
        }
        let progress = self.tally.begin(index, len);
        let result = match self.end() {
            Some(kind) => Err(upload.error(kind, "it ended before its turn")),
            None => {
                let among = Among {
                    crew,
                    control: self.control,
                    progress,
                    deadline: self.deadline,
                };
                let run = AssertUnwindSafe(|| upload.run_among(among));
                panic::catch_unwind(run).unwrap_or_else(|_| {
                    let doing = format!("uploading `{}`", path.display());
                    Err(Error::text(ErrorKind::Internal, doing, "it panicked"))
                })
            }
        };
        self.tally.end(index, result.is_ok());
        let outcome = FileOutcome { key, path, result };
        // Nobody listens any more when the caller's iterator panicked.
        let _ = outcomes.send((index, outcome));
    }
}

/// Where files are put in line. Without it those who wait for files go home.
pub(super) struct Ends<'l, 'a> {
    pub(super) line: &'l Line<'l, 'a>,
    pub(super) short: Sender<Numbered<'a>>,
    pub(super) long: Sender<Numbered<'a>>,
}

impl<'a> Ends<'_, 'a> {
    pub(super) fn put(&self, index: usize, upload: UploadFile<'a>) {
        // One that cannot be looked at says so when its turn has come.
        let len = fs::metadata(&upload.path).map_or(0, |metadata| metadata.len());
        let slice = upload.range.of(len).ok().flatten();
        let len = slice.map_or(len, |slice| slice.len);
        self.line.tally.take(len);
        let is_long = Plan::new(len, upload.part_size).is_ok_and(|plan| plan.n_parts() > 1);
        let end = match is_long {
            true => &self.long,
            false => &self.short,
        };
        self.line
            .n_long
            .fetch_add(usize::from(is_long), Ordering::Relaxed);
        let sent = end.send(Numbered { index, upload, len });
        debug_assert!(sent.is_ok(), "the line itself holds the other end");
    }
}
