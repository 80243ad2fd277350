//! Many files in one call: one crew, one control, one progress.
//!
//! Files of one part take turns with the parts of longer ones: after each of them a routine goes to the end of the line.

mod feed;
mod line;
pub(super) mod tally;

use super::builder::UploadFile;
use super::control::Control;
use super::crew::Crew;
use super::limits::{PROGRESS_EVERY, check_routines, check_times};
use super::outcome::FileOutcome;
use crate::client::Bucket;
use crate::error::Error;
#[cfg(doc)]
use crate::{checkpoint::Checkpoint, error::ErrorKind};
use crossbeam_channel::unbounded;
use feed::{Feed, LookingOn};
use line::{Ends, Line};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};
use tally::{FilesSnapshot, Tally};

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
    rate_limit: Option<u64>,
    deadline: Option<Duration>,
    looking_on: LookingOn<'a>,
}

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
            rate_limit: None,
            deadline: None,
            looking_on: LookingOn {
                stop_at_first_error: false,
                every: PROGRESS_EVERY,
                on_progress: None,
                on_outcome: None,
            },
        }
    }
}

impl<'a> UploadFiles<'a> {
    /// Sets how many requests with a body are under way at the same time, over all files: 1 to 100. Default: 1.
    ///
    /// Files of one part and parts of longer files take turns. Beside these routines each longer file under way,
    /// at most as many as there are routines, has two threads: one looks after it, one writes its checkpoint.
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

    /// Limits how many bytes of bodies go out each second, by all files together: 1024 or more. Default: no limit.
    ///
    /// [`run`](Self::run) begins by [setting it](Control::set_rate_limit) for the [control](Self::control), with which it
    /// stays.
    pub fn rate_limit(mut self, bytes_per_second: u64) -> Self {
        self.rate_limit = Some(bytes_per_second);
        self
    }

    /// Sets how long [`run`](Self::run) may take in all, which must not be zero. Default: as long as it takes.
    ///
    /// When the time is over, files that are not through end with [`ErrorKind::DeadlineExceeded`]; those with a
    /// checkpoint continue in the next run.
    pub fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// Ends the others, as [`Control::cancel`] would, once one file has failed. Default: they go on.
    pub fn stop_at_first_error(mut self) -> Self {
        self.looking_on.stop_at_first_error = true;
        self
    }

    /// Sets who is told how far all of them are together: [as often as asked](Self::progress_every) and at the end, on the
    /// thread that called [`run`](Self::run). Should it panic, it is called no more, and the uploads end as if cancelled.
    pub fn on_progress(mut self, observer: impl FnMut(&FilesSnapshot) + 'a) -> Self {
        self.looking_on.on_progress = Some(Box::new(observer));
        self
    }

    /// Sets how often progress is shown: every 10 ms or less often. Default: 100 ms.
    pub fn progress_every(mut self, every: Duration) -> Self {
        self.looking_on.every = every;
        self
    }

    /// Sets who is told of each file once it is through, in the order in which they get through, on the thread that
    /// called [`run`](Self::run). Should it panic, it is called no more, and the uploads end as if cancelled.
    pub fn on_outcome(mut self, listener: impl FnMut(&FileOutcome) + 'a) -> Self {
        self.looking_on.on_outcome = Some(Box::new(listener));
        self
    }

    /// Uploads the files; returns when all of them are through, with one outcome a file, in the order in which they were
    /// given. One that fails does not keep the others from going on.
    ///
    /// When the uploads are cancelled, or their time is over, no more files are taken; those that had been taken have an
    /// outcome.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] when something is asked of all of them that cannot be, [`ErrorKind::Internal`] when there are no
    /// threads to be had: then nothing was begun.
    pub fn run(self) -> Result<Vec<FileOutcome>, Error> {
        self.check()
            .map_err(|why| Error::options("uploading files", why))?;
        if let Some(rate) = self.rate_limit {
            self.control.set_rate_limit(Some(rate))?;
        }
        let started = Instant::now();
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
            checkpoints: self.checkpoints,
            routines: self.routines,
            tally: Tally::new(started),
            // One that no clock can tell is none.
            deadline: self.deadline.and_then(|within| started.checked_add(within)),
        };
        thread::scope(|scope| {
            let (tell, told) = unbounded();
            let ends = Ends {
                line: &line,
                short: short.0,
                long: long.0,
            };
            Feed::new(scope, &line, self.looking_on, tell).run(self.files, ends, &told)
        })
    }

    fn check(&self) -> Result<(), String> {
        check_routines(self.routines)?;
        check_times(self.deadline, self.looking_on.every, self.rate_limit)
    }
}

impl fmt::Debug for UploadFiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadFiles")
            .field("routines", &self.routines)
            .field("checkpoints", &self.checkpoints)
            .field("stop_at_first_error", &self.looking_on.stop_at_first_error)
            .finish_non_exhaustive()
    }
}
