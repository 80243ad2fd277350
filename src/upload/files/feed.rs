//! The caller's thread, while many files are uploaded: it feeds the line and collects what comes of it.

use super::line::{Ends, Line, Outcomes};
use super::tally::FilesSnapshot;
use crate::error::{Error, ErrorKind};
use crate::upload::builder::UploadFile;
use crate::upload::control::Control;
use crate::upload::outcome::FileOutcome;
use crossbeam_channel::Receiver;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

/// How many files are taken from the caller before their turn has come. Each takes some 600 bytes.
const LOOK_AHEAD: usize = 10_000;

/// Another number of routines waits no longer than this.
const LONGEST_BEAT: Duration = Duration::from_millis(100);

/// Outcomes that come sooner after others are collected together: to wake this thread for each of them takes longer than
/// to send a small file.
const COLLECT_EVERY: Duration = Duration::from_millis(5);

pub(super) type Callback<'a, T> = Box<dyn FnMut(&T) + 'a>;

/// What the caller wants to see and hear.
pub(super) struct LookingOn<'a> {
    pub(super) stop_at_first_error: bool,
    pub(super) every: Duration,
    /// `None` where nobody listens, or no more: who panics is not called again.
    pub(super) on_progress: Option<Callback<'a, FilesSnapshot>>,
    pub(super) on_outcome: Option<Callback<'a, FileOutcome>>,
}

/// The caller's thread: takes files from the caller, puts them in line, and collects what became of them.
pub(super) struct Feed<'scope, 'env, 'l, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    line: &'env Line<'l, 'a>,
    looking_on: LookingOn<'a>,
    /// Of the files taken so far.
    outcomes: Vec<Option<FileOutcome>>,
    n_in_line: usize,
    /// For those who look after files.
    tell: Outcomes,
    /// Threads that look after files of several parts.
    n_looking_after: usize,
    /// When progress was last shown.
    shown: Instant,
    /// When outcomes were last collected.
    collected: Instant,
}

impl<'scope, 'env, 'l, 'a> Feed<'scope, 'env, 'l, 'a> {
    pub(super) fn new(
        scope: &'scope Scope<'scope, 'env>,
        line: &'env Line<'l, 'a>,
        looking_on: LookingOn<'a>,
        tell: Outcomes,
    ) -> Self {
        Feed {
            scope,
            line,
            looking_on,
            outcomes: vec![],
            n_in_line: 0,
            tell,
            n_looking_after: 0,
            shown: Instant::now(),
            collected: Instant::now(),
        }
    }

    pub(super) fn run(
        mut self,
        mut files: impl Iterator<Item = UploadFile<'a>>,
        ends: Ends<'_, 'a>,
        told: &Receiver<(usize, FileOutcome)>,
    ) -> Result<Vec<FileOutcome>, Error> {
        self.begin()?;
        let mut ends = Some(ends);
        let mut panicked = None;
        let beat = self.looking_on.every.min(LONGEST_BEAT);
        let mut due = Instant::now() + beat;
        while ends.is_some() || self.n_in_line > 0 {
            if self.line.end().is_some() {
                ends = None;
            }
            let first = match &ends {
                Some(open) if self.n_in_line < LOOK_AHEAD => {
                    match panic::catch_unwind(AssertUnwindSafe(|| files.next())) {
                        Ok(Some(upload)) => self.put_in_line(upload, open),
                        Ok(None) => ends = None,
                        Err(why) => {
                            self.line.control.cancel();
                            panicked = Some(why);
                            ends = None;
                        }
                    }
                    None
                }
                _ => {
                    self.let_outcomes_gather();
                    told.recv_deadline(due).ok()
                }
            };
            for (index, outcome) in first.into_iter().chain(told.try_iter()) {
                self.collect(index, outcome);
            }
            if due <= Instant::now() {
                self.look_on();
                due = Instant::now() + beat;
            }
        }
        self.show();
        match panicked {
            // It is the caller's own, on the caller's own thread.
            Some(why) => panic::resume_unwind(why),
            None => Ok(self.outcomes.into_iter().flatten().collect()),
        }
    }

    /// Begins with one thread for either kind of file.
    fn begin(&mut self) -> Result<(), Error> {
        self.spawn(Line::look_after_short)
            .and_then(|()| self.look_after_one_more())
            .map_err(|why| Error::text(ErrorKind::Internal, "uploading files", why.to_string()))
    }

    fn spawn(&self, look_after: fn(&Line<'l, 'a>, &Outcomes)) -> io::Result<()> {
        let (line, tell) = (self.line, self.tell.clone());
        let thread = thread::Builder::new().name("oss-upload-files".to_owned());
        let spawned = thread.spawn_scoped(self.scope, move || look_after(line, &tell));
        spawned.map(drop)
    }

    fn look_after_one_more(&mut self) -> io::Result<()> {
        self.n_looking_after += 1;
        self.spawn(Line::look_after_long)
    }

    fn put_in_line(&mut self, upload: UploadFile<'a>, ends: &Ends<'_, 'a>) {
        let index = self.outcomes.len();
        self.outcomes.push(None);
        self.n_in_line += 1;
        ends.put(index, upload);
        // Every long file under way has somebody who looks after it, up to one a routine.
        let n_long = self.line.n_long.load(Ordering::Relaxed);
        if self.n_looking_after < n_long.min(self.line.routines())
            && let Err(why) = self.look_after_one_more()
        {
            // Those who are there take the files in turn.
            log::debug!(target: "oss_upload::upload", "no thread for one more file: {why}");
        }
    }

    /// The last of them are not waited for, nor one that may end it all.
    fn let_outcomes_gather(&self) {
        let are_last = self.n_in_line <= self.line.routines();
        if !are_last && !self.looking_on.stop_at_first_error {
            let left = COLLECT_EVERY.saturating_sub(self.collected.elapsed());
            thread::sleep(left);
        }
    }

    fn collect(&mut self, index: usize, outcome: FileOutcome) {
        self.n_in_line -= 1;
        self.collected = Instant::now();
        if self.looking_on.stop_at_first_error && outcome.result.is_err() {
            self.line.control.cancel();
        }
        let listener = &mut self.looking_on.on_outcome;
        call(listener, &outcome, self.line.control);
        self.outcomes[index] = Some(outcome);
    }

    fn look_on(&mut self) {
        self.line.crew.set_routines(self.line.routines());
        if self.shown.elapsed() >= self.looking_on.every {
            self.show();
        }
    }

    fn show(&mut self) {
        self.shown = Instant::now();
        let snapshot = self.line.tally.snapshot(self.line.control);
        let observer = &mut self.looking_on.on_progress;
        call(observer, &snapshot, self.line.control);
    }
}

/// Whoever panics ends the uploads, and is not called again.
fn call<T>(callback: &mut Option<Callback<'_, T>>, what: &T, control: &Control) {
    let Some(act) = callback else { return };
    if panic::catch_unwind(AssertUnwindSafe(|| act(what))).is_err() {
        control.cancel();
        *callback = None;
    }
}
