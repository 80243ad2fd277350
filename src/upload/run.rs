//! One call of `run`: attempts until the object is complete, and what is left behind when it is not.

use super::attempt::{Attempt, Ended, Object};
use super::builder::{OnChange, UploadFile};
use super::crew::Crew;
use super::job::{Among, Job};
use super::options::ObjectHeaders;
use super::outcome::{Outcome, RestartReason, Uploaded};
use super::record::RunRecord;
use super::resume::Found;
use super::source::Source;
use super::state::State;
use super::watch::events::Event;
use super::watch::{Sight, Watch};
use crate::error::{Error, ErrorKind};
use std::mem;
use std::path::Path;
use std::sync::Arc;

/// How often one call starts again from scratch.
const MAX_RESTARTS: usize = 3;

impl<'a> UploadFile<'a> {
    /// Uploads the file; returns when the object is complete and its checksum is right, or when that cannot be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind`](crate::ErrorKind) says what sort of trouble it was. Nothing is sent when the options are wrong, the
    /// file cannot be opened, or the checkpoint cannot be written. What is left behind by a failure:
    ///
    /// - With a checkpoint: the record, and the parts on the server, for the next run to continue; the error
    ///   [is resumable](Error::is_resumable) then. Nothing of both when the failure came before the upload began.
    /// - Without one: nothing; the upload on the server is aborted. Should even that fail, the error names
    ///   [what is left](Error::left_behind).
    ///
    /// An older object of the same key stays as it was until the new one is complete.
    pub fn run(self) -> Result<Uploaded, Error> {
        let headers = self.check()?;
        run(self, headers, None)
    }

    /// Uploads the file as one of many, which must not say for itself what is said of all of them.
    pub(super) fn run_among(self, among: Among<'a>) -> Result<Uploaded, Error> {
        let its_own = [
            ("routines", self.routines.is_some()),
            ("control", self.control.is_some()),
            ("rate_limit", self.rate_limit.is_some()),
            ("on_progress", self.observer.is_some()),
        ];
        if let Some((name, _)) = its_own.into_iter().find(|(_, is_own)| *is_own) {
            let why = format!("`{name}` of a file among many is to be set for all of them");
            return Err(self.error(ErrorKind::Options, why));
        }
        if self.listener.is_some() {
            let why = "a file among many has no `on_event`: `on_outcome` tells of each";
            return Err(self.error(ErrorKind::Options, why));
        }
        let headers = self.check()?;
        run(self, headers, Some(among))
    }
}

fn run<'a>(
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
            state.watch.show();
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
    let mut job = upload.job(headers, among)?;
    let sight = Sight {
        progress: Arc::clone(&job.progress),
        control: job.control.clone(),
        started: job.started,
    };
    let (observer, listener) = (upload.observer.take(), upload.listener.take());
    let (watch, events) = Watch::new(sight, observer, listener, upload.progress_every);
    job.events = events;
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
        refusal: None,
        watch,
    };
    Ok((job, state, source))
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
    Err(given_up(job, state).at_path(&job.path))
}

/// The error of an upload that has started again too often, in the server's own words where that is to blame.
fn given_up(job: &Job<'_>, state: &mut State<'_>) -> Error {
    let given_up = format!("given up after it was started {} times", MAX_RESTARTS + 1);
    let reason = state.restarts.last();
    match (reason, state.refusal.take()) {
        (Some(RestartReason::UploadGone | RestartReason::PartsRefused), Some(refusal)) => {
            Error::service(format!("{}: {given_up}", job.doing()), refusal)
        }
        _ => {
            let kind = match reason {
                Some(RestartReason::FileChanged) => ErrorKind::SourceChanged,
                _ => ErrorKind::Service,
            };
            let reason = reason.map(ToString::to_string).unwrap_or_default();
            job.error(kind, format!("{given_up}: {reason}"))
        }
    }
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
    state.show(job)?;
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
