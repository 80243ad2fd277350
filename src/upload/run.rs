//! One call of `run`: attempts until the object is complete, and what is left behind when it is not.

use super::attempt::{Attempt, Ended, Object};
use super::control::Control;
use super::crew::Crew;
use super::events::{Event, Events};
use super::job::Job;
use super::options::ObjectHeaders;
use super::outcome::{Outcome, RestartReason, Uploaded};
use super::progress::Progress;
use super::record::RunRecord;
use super::resume::Found;
use super::source::Source;
use super::watch::Watch;
use super::{OnChange, UploadFile};
use crate::checkpoint::record::{Header, Owed};
use crate::error::{Error, ErrorKind};
use std::mem;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How often one call starts again from scratch.
const MAX_RESTARTS: usize = 3;

/// What changes from attempt to attempt.
pub(super) struct State<'a> {
    pub(super) record: RunRecord,
    /// What the checkpoint held; the first attempt takes it.
    pub(super) found: Found,
    /// Where no checkpoint helps, the server is asked what it has: by the first attempt only.
    pub(super) is_to_search: bool,
    pub(super) restarts: Vec<RestartReason>,
    /// Uploads of no use any more that could not be aborted yet.
    pub(super) owed: Vec<Owed>,
    pub(super) watch: Watch<'a>,
}

/// What an upload shares with others of the same call.
pub(super) struct Among<'m> {
    pub(super) crew: &'m Crew,
    pub(super) control: &'m Control,
    pub(super) progress: Arc<Progress>,
    /// When all of them end.
    pub(super) deadline: Option<Instant>,
}

/// Uploads the file.
pub(super) fn run<'a>(
    upload: UploadFile<'a>,
    headers: ObjectHeaders,
    among: Option<Among<'a>>,
) -> Result<Uploaded, Error> {
    let (job, mut state, source) = prepare(upload, headers, among)?;
    let ended = attempts(&job, &mut state, source);
    if ended.is_ok() || job.control.is_abandoned() {
        state.clear(&job, ended.is_ok());
    }
    let ended = ended.map_err(|error| error.with_state(state.record.upload_id()));
    state.record.close(ended.is_err() && !state.owed.is_empty());
    match ended {
        Ok(object) => {
            job.progress.finish();
            // The object is complete: an observer that panics now cannot undo that.
            let _ = state.watch.show(&job);
            Ok(uploaded(job, state, object))
        }
        Err(error) => {
            state.watch.finish();
            Err(error.with_left_behind(state.left_behind()))
        }
    }
}

/// Opens the file and the checkpoint, so that what is wrong with them is known before the first request.
fn prepare<'a>(
    mut upload: UploadFile<'a>,
    headers: ObjectHeaders,
    among: Option<Among<'a>>,
) -> Result<(Job<'a>, State<'a>, Source), Error> {
    let (watch, events) = Watch::new(
        upload.observer.take(),
        upload.listener.take(),
        upload.progress_every,
    );
    let job = Job {
        events,
        ..upload.job(headers, among)?
    };
    if let Some(within) = upload.deadline {
        log::debug!(target: "oss_upload::upload", "allowed to take {} ms", within.as_millis());
    }
    if let Some(rate) = upload.rate_limit {
        job.control.set_rate_limit(Some(rate))?;
    }
    let source = job.open()?;
    let plan = job.plan(&source)?;
    let checkpoint = upload.checkpoint_of(&job.path);
    // Of many short files each would cost more for its empty record than for itself.
    let is_idle = |path: &Path| job.crew.is_some() && plan.n_parts() == 1 && !path.exists();
    let (record, mut found) = match checkpoint.filter(|path| !is_idle(path)) {
        None => (RunRecord::none(), Found::default()),
        Some(path) => RunRecord::open((upload.open_disk)(&path), &path, &job.path)?,
    };
    let state = State {
        record,
        owed: mem::take(&mut found.owed),
        found,
        is_to_search: upload.find_on_server,
        restarts: vec![],
        watch,
    };
    Ok((job, state, source))
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
            started,
            deadline: end.into_iter().chain(all_end).min(),
        })
    }

    pub(super) fn absolute_path(&self) -> Result<PathBuf, Error> {
        path::absolute(&self.path)
            .map_err(|error| Error::io(ErrorKind::Source, "finding", &self.path, error))
    }

    /// Where the checkpoint is, for a file at this absolute path.
    pub(super) fn checkpoint_of(&self, file: &Path) -> Option<PathBuf> {
        let endpoint = self.bucket.client().endpoint();
        let target = format!("{endpoint}/{}/{}", self.bucket.name(), self.key);
        let checkpoint = self.checkpoint.as_ref()?;
        Some(checkpoint.path(file, &target))
    }
}

/// Attempts it until it succeeds, fails, or has started again too often.
fn attempts(job: &Job<'_>, state: &mut State<'_>, source: Source) -> Result<Object, Error> {
    let mut opened = Some(source);
    for _ in 0..=MAX_RESTARTS {
        let source = opened.take().map_or_else(|| open_again(job), Ok)?;
        let reason = match attempt(job, state, &source) {
            Ok(object) => return Ok(object),
            Err(Ended::Complete(object)) => return Ok(*object),
            Err(Ended::Failed(error)) => return Err(error),
            Err(Ended::Again(reason)) => reason,
        };
        if reason == RestartReason::FileChanged && job.on_change == OnChange::Fail {
            let why = "the file changed while it was being uploaded";
            return Err(job.error(ErrorKind::SourceChanged, why).at_path(&job.path));
        }
        log::debug!(target: "oss_upload::upload", "starting again from scratch: {reason}");
        state.restarts.push(reason);
        job.events.tell(|| Event::Restarted { reason });
    }
    let kind = match state.restarts.last() {
        Some(RestartReason::FileChanged) => ErrorKind::SourceChanged,
        _ => ErrorKind::Service,
    };
    let reason = state.restarts.last().map(ToString::to_string);
    let why = format!(
        "given up after {} starts: {}",
        MAX_RESTARTS + 1,
        reason.unwrap_or_default()
    );
    Err(job.error(kind, why).at_path(&job.path))
}

/// Options that were fine for the file as it was are not to blame for what it is by now.
fn open_again(job: &Job<'_>) -> Result<Source, Error> {
    let opened = job
        .open()
        .and_then(|source| job.plan(&source).map(|_| source));
    opened.map_err(|error| match error.kind() {
        ErrorKind::Options => error.of_kind(ErrorKind::SourceChanged),
        _ => error,
    })
}

fn attempt(job: &Job<'_>, state: &mut State<'_>, source: &Source) -> Result<Object, Ended> {
    let plan = job.plan(source)?;
    job.progress.begin(plan.object_len(), plan.n_parts());
    state.watch.show(job)?;
    let own;
    let crew = match job.crew {
        Some(crew) => crew,
        None => {
            own = Crew::new(job.routines().min(plan.n_parts().into()))?;
            &own
        }
    };
    Attempt::new(job, state, source, &plan, crew).run()
}

impl State<'_> {
    /// Aborts an upload that is of no use any more. One that stays is remembered.
    pub(super) fn abort(&mut self, job: &Job<'_>, owed: Owed) {
        self.record.forget_upload();
        // What is abandoned is cleared at the end of the run, all at once.
        if job.control.is_abandoned() {
            self.owed.push(owed);
            return;
        }
        self.watch.hold(job);
        if !job.abort(&owed, &job.abort_stop()) {
            self.owed.push(owed);
        }
    }

    /// Drops what was found, for that reason, and aborts its upload.
    pub(super) fn discard(
        &mut self,
        job: &Job<'_>,
        header: Option<&Header>,
        reason: RestartReason,
    ) {
        log::debug!(target: "oss_upload::upload", "starting from scratch: {reason}");
        self.restarts.push(reason);
        job.events.tell(|| Event::Restarted { reason });
        self.record.forget_upload();
        if let Some(header) = header {
            self.abort(job, header.owed());
        }
    }

    /// Nobody will continue from here: what earlier runs could not abort is tried again.
    fn clear(&mut self, job: &Job<'_>, is_done: bool) {
        let kept = self.record.forget_upload().filter(|_| !is_done);
        self.owed.extend(kept);
        if self.owed.is_empty() {
            return;
        }
        self.watch.hold(job);
        let stop = job.abort_stop();
        self.owed.retain(|owed| !job.abort(owed, &stop));
    }

    fn left_behind(&self) -> Vec<String> {
        self.owed
            .iter()
            .map(|owed| owed.upload_id.clone())
            .collect()
    }
}

fn uploaded(job: Job<'_>, state: State<'_>, object: Object) -> Uploaded {
    let counted = job.progress.snapshot();
    let outcome = match state.restarts.last() {
        _ if object.was_complete => Outcome::AlreadyComplete,
        _ if object.parts_resumed > 0 => Outcome::Resumed {
            parts: object.parts_resumed,
            bytes: counted.bytes_resumed,
        },
        Some(reason) => Outcome::Restarted(*reason),
        None => Outcome::Fresh,
    };
    let left_behind = state.left_behind();
    Uploaded {
        bucket: job.bucket.name().to_owned(),
        key: job.key,
        size: counted.bytes_total,
        etag: object
            .stored
            .etag
            .map_or_else(String::new, |etag| etag.to_string()),
        crc64: object.crc64,
        crc64_confirmed: object.stored.crc64 == Some(object.crc64),
        version_id: object.stored.version_id,
        callback_response: object.stored.callback,
        upload_id: object.upload_id,
        outcome,
        parts: counted.parts_total,
        bytes_sent: counted.bytes_sent,
        bytes_resent: counted.bytes_resent,
        retries: counted.retries,
        restarts: state.restarts,
        left_behind,
        elapsed: job.started.elapsed(),
    }
}
