//! Many files in one call: one crew, one control, one progress.
//!
//! Files of one part take turns with the parts of longer ones: after each of them a routine goes to the end of the line.
//! A file of one part is uploaded by one routine alone; each longer one has a thread that looks after it and asks
//! the crew to send its parts.

use super::control::Control;
use super::crew::Crew;
use super::outcome::Uploaded;
use super::plan::Plan;
use super::run::Among;
use super::tally::{FilesSnapshot, Tally};
use super::{UploadFile, check_routines};
use crate::checkpoint::Checkpoint;
use crate::client::Bucket;
use crate::error::{Error, ErrorKind};
use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, unbounded};
use std::fmt;
use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

/// How many files are taken from the caller before their turn has come. Each takes some 600 bytes.
const LOOK_AHEAD: usize = 10_000;

/// How often the caller's thread looks on.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One of many files: an [`UploadFile`] with options of its own, or a pair of an object's key and a path.
pub trait IntoUploadFile<'a> {
    /// The upload of this file, to this bucket unless it has one of its own.
    fn into_upload_file(self, bucket: &'a Bucket) -> UploadFile<'a>;
}

impl<'a> IntoUploadFile<'a> for UploadFile<'a> {
    fn into_upload_file(self, _: &'a Bucket) -> UploadFile<'a> {
        self
    }
}

impl<'a, K: Into<String>, P: Into<PathBuf>> IntoUploadFile<'a> for (K, P) {
    fn into_upload_file(self, bucket: &'a Bucket) -> UploadFile<'a> {
        bucket.upload_file(self.0, self.1)
    }
}

/// What became of one of many files.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileOutcome {
    /// The object's key.
    pub key: String,
    /// The local file, as it was given.
    pub path: PathBuf,
    /// As [`UploadFile::run`] would have returned it.
    pub result: Result<Uploaded, Error>,
}

/// An upload of many files, in the making.
///
/// ```no_run
/// use oss_upload::Client;
///
/// # fn main() -> Result<(), oss_upload::Error> {
/// let client = Client::builder("https://oss-cn-hangzhou.aliyuncs.com").build()?;
/// let bucket = client.bucket("examplebucket")?;
/// let outcomes = bucket
///     .upload_files([("2026/a.jpg", "/photos/a.jpg"), ("2026/b.mov", "/photos/b.mov")])
///     .routines(8)
///     .checkpoints_in("/var/lib/backup")
///     .run()?;
/// for outcome in outcomes {
///     if let Err(why) = outcome.result {
///         eprintln!("{}: {why}", outcome.path.display());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is uploaded until `run` is called"]
pub struct UploadFiles<'a> {
    files: Box<dyn Iterator<Item = UploadFile<'a>> + 'a>,
    routines: usize,
    checkpoints: Option<PathBuf>,
    control: Control,
    stop_at_first_error: bool,
    on_progress: Callback<'a, FilesSnapshot>,
    on_outcome: Callback<'a, FileOutcome>,
}

type Callback<'a, T> = Box<dyn FnMut(&T) + 'a>;

impl Bucket {
    /// Starts an upload of many files, which share routines, connections, control and progress. Nothing happens until
    /// [`run`](UploadFiles::run).
    ///
    /// Each is a pair of key and path, or an [`UploadFile`] with options of its own. Files are taken from the
    /// iterator as they are needed, on the thread that calls `run`, up to 10,000 ahead of their turn.
    pub fn upload_files<'a, F: IntoUploadFile<'a>>(
        &'a self,
        files: impl IntoIterator<Item = F> + 'a,
    ) -> UploadFiles<'a> {
        let files = files.into_iter();
        UploadFiles {
            files: Box::new(files.map(move |file| file.into_upload_file(self))),
            routines: 1,
            checkpoints: None,
            control: Control::new(),
            stop_at_first_error: false,
            on_progress: Box::new(|_| {}),
            on_outcome: Box::new(|_| {}),
        }
    }
}

impl<'a> UploadFiles<'a> {
    /// Sets how many requests with a body are under way at the same time, over all files: 1 to 100. Default: 1.
    ///
    /// Files of one part and parts of longer files take turns. Beside these routines each longer file under way,
    /// at most as many as there are routines, has a thread that looks after it.
    pub fn routines(mut self, routines: usize) -> Self {
        self.routines = routines;
        self
    }

    /// Sets a folder, which must exist, for the checkpoints of the files that have none of their own: one each, as
    /// [`Checkpoint::in_dir`] names them. Default: none.
    ///
    /// A file of one part, which there is nothing to record of, has none unless an earlier run left one.
    pub fn checkpoints_in(mut self, dir: impl Into<PathBuf>) -> Self {
        self.checkpoints = Some(dir.into());
        self
    }

    /// Gives all of them to one control, to cancel, abandon, pause or slow them down from another thread.
    pub fn control(mut self, control: &Control) -> Self {
        self.control = control.clone();
        self
    }

    /// Ends the others, as [`Control::cancel`] would, once one file has failed. Default: they go on.
    pub fn stop_at_first_error(mut self) -> Self {
        self.stop_at_first_error = true;
        self
    }

    /// Sets who is told how far all of them are together: about ten times a second and at the end, on the thread that
    /// called [`run`](Self::run). Should it panic, the uploads end as if cancelled.
    pub fn on_progress(mut self, observer: impl FnMut(&FilesSnapshot) + 'a) -> Self {
        self.on_progress = Box::new(observer);
        self
    }

    /// Sets who is told of each file once it is through, in the order in which they get through, on the thread that
    /// called [`run`](Self::run). Should it panic, the uploads end as if cancelled.
    pub fn on_outcome(mut self, listener: impl FnMut(&FileOutcome) + 'a) -> Self {
        self.on_outcome = Box::new(listener);
        self
    }

    /// Uploads the files; returns when all of them are through, with one outcome a file, in the order in which they were
    /// given. One that fails does not keep the others from going on.
    ///
    /// When the uploads are cancelled, no more files are taken; those that had been taken have an outcome.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] when the number of routines is none that can be, [`ErrorKind::Internal`] when there are no
    /// threads to be had: then nothing was begun.
    pub fn run(self) -> Result<Vec<FileOutcome>, Error> {
        let refuse = |why| Error::options("uploading files", why);
        check_routines(self.routines).map_err(refuse)?;
        let crew = Crew::new(self.control.routines().unwrap_or(self.routines))?;
        let (short, long) = (unbounded(), unbounded());
        // Ended here, it is not ended for whatever else the caller gave it to.
        let control = self.control.follow();
        let line = Line {
            crew: &crew,
            control: &control,
            short: short.1,
            long: long.1,
            n_long: AtomicUsize::new(0),
            checkpoints: self.checkpoints.clone(),
            routines: self.routines,
            tally: Tally::default(),
        };
        thread::scope(|scope| {
            let (tell, told) = unbounded();
            let ends = Ends {
                line: &line,
                short: short.0,
                long: long.0,
            };
            let feed = Feed {
                scope,
                line: &line,
                stop_at_first_error: self.stop_at_first_error,
                on_progress: Some(self.on_progress),
                on_outcome: Some(self.on_outcome),
                outcomes: vec![],
                n_in_line: 0,
                tell,
                n_looking_after: 0,
            };
            feed.run(self.files, ends, &told)
        })
    }
}

impl fmt::Debug for UploadFiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadFiles")
            .field("routines", &self.routines)
            .field("checkpoints", &self.checkpoints)
            .field("stop_at_first_error", &self.stop_at_first_error)
            .finish_non_exhaustive()
    }
}

/// A file that waits for its turn, and its place among the outcomes.
struct Numbered<'a> {
    index: usize,
    upload: UploadFile<'a>,
}

/// What all threads of a call share.
struct Line<'l, 'a> {
    crew: &'l Crew,
    control: &'l Control,
    /// Files of one part.
    short: Receiver<Numbered<'a>>,
    long: Receiver<Numbered<'a>>,
    /// Files of several parts that are not through.
    n_long: AtomicUsize,
    checkpoints: Option<PathBuf>,
    routines: usize,
    tally: Tally,
}

type Outcomes = Sender<(usize, FileOutcome)>;

impl<'a> Line<'_, 'a> {
    /// How many routines there are to be by now.
    fn routines(&self) -> usize {
        self.control.routines().unwrap_or(self.routines)
    }

    /// Uploads the files of one part, each by one of the crew.
    fn look_after_short(&self, outcomes: &Outcomes) {
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
    fn look_after_long(&self, outcomes: &Outcomes) {
        for file in &self.long {
            self.upload(file, self.crew, outcomes);
            self.n_long.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn upload(&self, file: Numbered<'a>, crew: &Crew, outcomes: &Outcomes) {
        let Numbered { index, mut upload } = file;
        let (key, path) = (upload.key.clone(), upload.path.clone());
        if let (None, Some(dir)) = (&upload.checkpoint, &self.checkpoints) {
            upload = upload.checkpoint(Checkpoint::in_dir(dir));
        }
        let progress = self.tally.begin(index);
        let result = match self.control.is_cancelled() {
            true => Err(upload.error(ErrorKind::Cancelled, "cancelled before its turn")),
            false => {
                let among = Among {
                    crew,
                    control: self.control,
                    progress,
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
struct Ends<'l, 'a> {
    line: &'l Line<'l, 'a>,
    short: Sender<Numbered<'a>>,
    long: Sender<Numbered<'a>>,
}

impl<'a> Ends<'_, 'a> {
    fn put(&self, file: Numbered<'a>) {
        let upload = &file.upload;
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
        let sent = end.send(file);
        debug_assert!(sent.is_ok(), "the line itself holds the other end");
    }
}

/// The caller's thread: takes files from the caller, puts them in line, and collects what became of them.
struct Feed<'scope, 'env, 'l, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    line: &'env Line<'l, 'a>,
    stop_at_first_error: bool,
    /// `None` once they panicked.
    on_progress: Option<Callback<'a, FilesSnapshot>>,
    on_outcome: Option<Callback<'a, FileOutcome>>,
    /// Of the files taken so far.
    outcomes: Vec<Option<FileOutcome>>,
    n_in_line: usize,
    /// For those who look after files.
    tell: Outcomes,
    /// Threads that look after files of several parts.
    n_looking_after: usize,
}

impl<'l, 'a> Feed<'_, '_, 'l, 'a> {
    fn run(
        mut self,
        mut files: impl Iterator<Item = UploadFile<'a>>,
        ends: Ends<'_, 'a>,
        told: &Receiver<(usize, FileOutcome)>,
    ) -> Result<Vec<FileOutcome>, Error> {
        self.begin()?;
        let mut ends = Some(ends);
        let mut panicked = None;
        let mut due = Instant::now() + LOOK_EVERY;
        while ends.is_some() || self.n_in_line > 0 {
            let told = match &ends {
                Some(open) if self.n_in_line < LOOK_AHEAD => {
                    match panic::catch_unwind(AssertUnwindSafe(|| files.next())) {
                        Ok(Some(upload)) if !self.line.control.is_cancelled() => {
                            self.put_in_line(upload, open);
                        }
                        Ok(_) => ends = None,
                        Err(why) => {
                            self.line.control.cancel();
                            panicked = Some(why);
                            ends = None;
                        }
                    }
                    told.try_recv().ok()
                }
                _ => told.recv_deadline(due).ok(),
            };
            if let Some((index, outcome)) = told {
                self.collect(index, outcome);
            }
            if due <= Instant::now() {
                self.look_on();
                due = Instant::now() + LOOK_EVERY;
            }
        }
        self.look_on();
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
        ends.put(Numbered { index, upload });
        // Every long file under way has somebody who looks after it, up to one a routine.
        let n_long = self.line.n_long.load(Ordering::Relaxed);
        if self.n_looking_after < n_long.min(self.line.routines())
            && let Err(why) = self.look_after_one_more()
        {
            // Those who are there take the files in turn.
            log::debug!(target: "oss_upload::upload", "no thread for one more file: {why}");
        }
    }

    fn collect(&mut self, index: usize, outcome: FileOutcome) {
        self.n_in_line -= 1;
        if self.stop_at_first_error && outcome.result.is_err() {
            self.line.control.cancel();
        }
        call(&mut self.on_outcome, &outcome, self.line.control);
        self.outcomes[index] = Some(outcome);
    }

    fn look_on(&mut self) {
        self.line.crew.set_routines(self.line.routines());
        let snapshot = self.line.tally.snapshot();
        call(&mut self.on_progress, &snapshot, self.line.control);
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
