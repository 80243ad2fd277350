//! What stays the same over a whole run.

use super::builder::{OnChange, UploadFile, Verify};
use super::calls::Calls;
use super::calls::aborting::abort;
use super::calls::last_failure::LastFailure;
use super::calls::repeating;
use super::control::Control;
use super::crew::Crew;
use super::options::ObjectHeaders;
use super::plan::Plan;
use super::resume::Trust;
use super::source::Source;
use super::source::identity::Identity;
use super::source::range::Range;
use super::watch::events::Events;
use super::watch::progress::Progress;
use crate::checkpoint::record::{Header, Owed};
use crate::client::Bucket;
use crate::error::{Error, ErrorKind};
use crate::part::PartNumber;
use crate::protocol::Operation;
use crate::retry::Failure;
use crate::stop::Stop;
use std::io;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Aborting is a courtesy to the bill: it does not hold the caller up for longer than this.
const ABORT_WITHIN: Duration = Duration::from_secs(20);

/// A caller who cancelled, or whose deadline is over, waits even less.
const ABORT_ENDED_WITHIN: Duration = Duration::from_millis(700);

#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) key: String,
    /// Absolute, symbolic links as they are.
    pub(super) path: PathBuf,
    /// Which bytes of the file are the object.
    pub(super) range: Range,
    pub(super) identity: Identity,
    pub(super) part_size: Option<u64>,
    pub(super) routines: usize,
    /// That of a call with many files; else each attempt has its own.
    pub(super) crew: Option<&'a Crew>,
    pub(super) headers: ObjectHeaders,
    pub(super) content_md5: bool,
    pub(super) verify: Verify,
    pub(super) on_change: OnChange,
    pub(super) control: Control,
    pub(super) progress: Arc<Progress>,
    pub(super) events: Events,
    pub(super) last_failure: LastFailure,
    pub(super) started: Instant,
    /// When all must be over.
    pub(super) deadline: Option<Instant>,
}

/// What an upload shares with others of the same call.
pub(super) struct Among<'m> {
    pub(super) crew: &'m Crew,
    pub(super) control: &'m Control,
    pub(super) progress: Arc<Progress>,
    /// When all of them end.
    pub(super) deadline: Option<Instant>,
}

impl<'a> UploadFile<'a> {
    /// What stays the same over a run of this upload, alone or among others.
    pub(super) fn job(
        &self,
        headers: ObjectHeaders,
        among: Option<Among<'a>>,
    ) -> Result<Job<'a>, Error> {
        let own = || self.control.clone().unwrap_or_default();
        let (crew, control, progress, all_end) = match among {
            None => (None, own(), Arc::default(), None),
            Some(Among {
                crew,
                control,
                progress,
                deadline,
            }) => (Some(crew), control.clone(), progress, deadline),
        };
        let started = Instant::now();
        // One that no clock can tell is none.
        let end = self.deadline.and_then(|within| started.checked_add(within));
        Ok(Job {
            bucket: self.bucket,
            key: self.key.clone(),
            path: self.absolute_path()?,
            range: self.range,
            identity: self.identity,
            part_size: self.part_size,
            routines: self.routines.unwrap_or(1),
            crew,
            headers,
            content_md5: self.content_md5,
            verify: self.verify,
            on_change: self.on_change,
            control,
            progress,
            events: Events::to_nobody(),
            last_failure: LastFailure::default(),
            started,
            deadline: end.into_iter().chain(all_end).min(),
        })
    }

    pub(super) fn absolute_path(&self) -> Result<PathBuf, Error> {
        path::absolute(&self.path)
            .map_err(|error| Error::io(ErrorKind::Source, "finding the file", &self.path, error))
    }

    /// Where the checkpoint is, for a file at this absolute path.
    pub(super) fn checkpoint_of(&self, file: &Path) -> Option<PathBuf> {
        let endpoint = self.bucket.client().endpoint();
        let target = format!("{endpoint}/{}/{}", self.bucket.name(), self.key);
        let checkpoint = self.checkpoint.as_ref()?;
        Some(checkpoint.path(file, &target))
    }
}

impl Job<'_> {
    /// The file, or the slice of it that is to be uploaded.
    pub(super) fn open(&self) -> Result<Source, Error> {
        let source = Source::open(&self.path)?;
        let slice = self.range.of(source.identity().len);
        let slice = slice.map_err(|why| self.error(ErrorKind::Options, why).at_path(&self.path))?;
        Ok(source.known_by(self.identity).cut_to(slice))
    }

    /// What is believed of a file and of what was sent of it.
    pub(super) fn trust(&self) -> Trust {
        Trust {
            identity: self.identity,
            verify: self.verify,
        }
    }

    /// How it is to be cut.
    pub(super) fn plan(&self, source: &Source) -> Result<Plan, Error> {
        Plan::new(source.len(), self.part_size).map_err(|why| self.error(ErrorKind::Options, why))
    }

    /// How many routines there are to be by now.
    pub(super) fn routines(&self) -> usize {
        self.control.routines().unwrap_or(self.routines)
    }

    pub(super) fn calls(&self) -> Calls<'_> {
        Calls {
            bucket: self.bucket,
            key: &self.key,
            headers: &self.headers,
            content_md5: self.content_md5,
            progress: &self.progress,
            control: &self.control,
            events: &self.events,
            last_failure: &self.last_failure,
        }
    }

    /// A flag for the requests of one phase, which cancelling and the deadline set too.
    pub(super) fn stop(&self) -> Arc<Stop> {
        let stop = Arc::new(Stop::until(self.deadline));
        self.control.attach(&stop);
        stop
    }

    /// The header of a checkpoint of this upload.
    pub(super) fn header(&self, source: &Source, plan: &Plan, upload_id: String) -> Header {
        Header {
            endpoint: self.bucket.client().endpoint().to_string(),
            bucket: self.bucket.name().to_owned(),
            key: self.key.clone(),
            upload_id,
            path: self.path.as_os_str().as_encoded_bytes().to_vec(),
            identity: *source.identity(),
            part_size: plan.part_size(),
            options: self.headers.digest(),
            slice: source.slice(),
        }
    }

    /// An upload begun by this job, when nobody will continue it.
    pub(super) fn owed(&self, upload_id: &str) -> Owed {
        Owed {
            endpoint: self.bucket.client().endpoint().to_string(),
            bucket: self.bucket.name().to_owned(),
            key: self.key.clone(),
            upload_id: upload_id.to_owned(),
        }
    }

    /// Aborts an upload wherever this client can reach it; `false` when it may still be there.
    pub(super) fn abort(&self, owed: &Owed, stop: &Arc<Stop>) -> bool {
        let client = self.bucket.client();
        let here = owed.endpoint == client.endpoint().to_string();
        match client.bucket(owed.bucket.as_str()) {
            Ok(bucket) if here => abort(&bucket, owed, &self.headers.other, stop),
            _ => {
                log::warn!(
                    target: "oss_upload::upload",
                    "upload {} was begun at {}: its parts are billed there until it is aborted",
                    owed.upload_id.escape_debug(),
                    owed.endpoint.escape_debug()
                );
                false
            }
        }
    }

    /// A flag for aborting, which does not hold the caller up for long, and gives way to a cancel or a deadline that
    /// comes meanwhile.
    pub(super) fn abort_stop(&self) -> Arc<Stop> {
        let now = Instant::now();
        let latest = now + ABORT_WITHIN;
        let (is_abandoned, is_ended) = (self.control.is_abandoned(), self.is_ended());
        let end = match self.deadline {
            _ if is_ended && !is_abandoned => now + ABORT_ENDED_WITHIN,
            // A deadline that no clock can go beyond is far away.
            Some(deadline) if !is_ended => deadline
                .checked_add(ABORT_ENDED_WITHIN)
                .map_or(latest, |end| end.min(latest)),
            _ => latest,
        };
        let stop = Arc::new(Stop::until(Some(end)));
        if !self.control.is_cancelled() {
            self.control.attach(&stop);
        }
        stop
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|at| at <= Instant::now())
    }

    /// Whether it was cancelled, or the deadline is over.
    pub(super) fn is_ended(&self) -> bool {
        self.control.is_cancelled() || self.is_late()
    }

    fn target(&self) -> String {
        format!("oss://{}/{}", self.bucket.name(), self.key.escape_debug())
    }

    /// What an error says was being done.
    pub(super) fn doing(&self) -> String {
        format!("uploading `{}` to {}", self.path.display(), self.target())
    }

    pub(super) fn error(&self, kind: ErrorKind, why: impl Into<String>) -> Error {
        Error::text(kind, self.doing(), why)
    }

    /// Why what was under way was told to stop.
    pub(super) fn ended(&self) -> Error {
        if self.control.is_abandoned() {
            return self.error(ErrorKind::Cancelled, "abandoned");
        }
        if self.control.is_cancelled() {
            return self.error(ErrorKind::Cancelled, "cancelled");
        }
        if self.is_late() {
            return self.error(ErrorKind::DeadlineExceeded, self.why_late());
        }
        // Nobody else but a panic ends an upload before there is something to report.
        self.panicked()
    }

    /// An unreachable server lets time pass too: whoever only hears of the time would look at the wrong end.
    fn why_late(&self) -> String {
        let over = "the time allowed for it is over";
        match self.last_failure.told(Instant::now()) {
            None => over.to_owned(),
            Some(failure) => format!("{over}; what failed last: {failure}"),
        }
    }

    pub(super) fn panicked(&self) -> Error {
        self.error(ErrorKind::Internal, "a callback of the program panicked")
    }

    /// The error of a local file that could be opened and not read.
    pub(super) fn unreadable(&self, error: io::Error) -> Error {
        Error::io(ErrorKind::Source, "reading", &self.path, error)
    }

    /// The error of a request that failed for good.
    pub(super) fn request_failed(&self, operation: Operation, failure: Failure) -> Error {
        let (path, target) = (self.path.display(), self.target());
        let doing = match operation {
            Operation::InitiateMultipartUpload => {
                format!("beginning to upload `{path}` to {target}")
            }
            Operation::ListParts => format!("asking which parts of {target} are there"),
            Operation::ListMultipartUploads => format!("looking for open uploads of {target}"),
            Operation::CompleteMultipartUpload => format!("completing {target}"),
            Operation::HeadObject => format!("looking at {target}"),
            _ => self.doing(),
        };
        self.failed(operation, doing, failure)
    }

    pub(super) fn part_failed(&self, number: PartNumber, failure: Failure) -> Error {
        let doing = format!(
            "uploading part {number} of `{}` to {}",
            self.path.display(),
            self.target()
        );
        self.failed(Operation::UploadPart, doing, failure)
            .at_part(Some(number))
    }

    fn failed(&self, operation: Operation, doing: String, failure: Failure) -> Error {
        match failure.is_stopped() {
            true => self.ended(),
            false => repeating::error(self.bucket, operation, doing, failure),
        }
    }
}
