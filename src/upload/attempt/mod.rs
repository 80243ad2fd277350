//! One attempt at an upload, from what was found of earlier ones to the object.

mod completing;
mod resuming;
mod search;
mod sending;

use super::calls::{Calls, SendFailure};
use super::crew::{Crew, Queue};
use super::job::Job;
use super::outcome::RestartReason;
use super::plan::{Part, Plan};
use super::resume::{Decision, Found, Listed};
use super::source::Source;
use super::source::part_reader::ReadFailure;
use super::state::State;
use super::watch::progress::Phase;
use crate::error::{Error, ErrorKind};
use crate::lock::lock;
use crate::part::{DonePart, PartNumber, Parts};
use crate::protocol::Operation;
use crate::protocol::complete::Completed;
use crate::retry::Failure;
use crate::stop::Stop;
use sending::{Sending, Trouble};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How an attempt ended that did not come to its own end.
#[derive(Debug)]
pub(super) enum Ended {
    /// What was sent is of no use: again, from scratch.
    Again(RestartReason),
    /// The object turned out to be complete already.
    Complete(Box<Object>),
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Ended {
        Ended::Failed(error)
    }
}

/// A complete object with the file's checksum.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) stored: Completed,
    /// Of the local bytes.
    pub(super) crc64: u64,
    pub(super) upload_id: Option<String>,
    pub(super) parts_resumed: u16,
    /// Nothing was left to be done.
    pub(super) was_complete: bool,
}

/// An upload on the server.
#[derive(Debug)]
struct Open {
    pub(super) upload_id: String,
    /// Finished parts.
    parts: Parts,
    /// Those of them that an earlier run had sent.
    resumed: BTreeSet<PartNumber>,
    /// The id was used up: there is nothing left to abort.
    used_up: bool,
    /// It was found on the server, so that nobody saw with which options it had begun.
    has_unseen_options: bool,
}

impl Open {
    pub(super) fn new(upload_id: String, parts: Parts) -> Open {
        Open {
            upload_id,
            parts,
            resumed: BTreeSet::new(),
            used_up: false,
            has_unseen_options: false,
        }
    }
}

pub(super) struct Attempt<'r, 'a> {
    job: &'r Job<'r>,
    state: &'r mut State<'a>,
    pub(super) source: &'r Source,
    pub(super) plan: &'r Plan,
    pub(super) crew: &'r Crew,
    pub(super) calls: Calls<'r>,
}

impl<'r, 'a> Attempt<'r, 'a> {
    pub(super) fn new(
        job: &'r Job<'r>,
        state: &'r mut State<'a>,
        source: &'r Source,
        plan: &'r Plan,
        crew: &'r Crew,
    ) -> Attempt<'r, 'a> {
        Attempt {
            job,
            state,
            source,
            plan,
            crew,
            calls: job.calls(),
        }
    }

    pub(super) fn run(mut self) -> Result<Object, Ended> {
        let found = std::mem::take(&mut self.state.found);
        match self.plan.n_parts() {
            1 => self.put(&found),
            _ => self.multipart(found),
        }
    }

    /// Enters a phase and tells the observer.
    fn enter(&mut self, phase: Phase) -> Result<(), Error> {
        self.job.progress.set_phase(phase);
        self.state.show(self.job)
    }

    /// Makes a call by one of the crew, while this thread looks on.
    fn by_crew<T: Send + Sync>(
        &mut self,
        call: impl Fn(&Calls<'_>, &Arc<Stop>) -> T + Sync,
    ) -> Result<T, Error> {
        let (job, calls, stop) = (self.job, &self.calls, self.job.stop());
        let called = OnceLock::new();
        let step = || {
            let _ = called.set(call(calls, &stop));
            false
        };
        let watch = &mut self.state.watch;
        let every = watch.beat();
        self.crew
            .work(1, step, every, || watch.look(), || stop.set());
        called.into_inner().ok_or_else(|| job.panicked())
    }

    /// Makes a call, so that those who look on see it going on.
    fn call<T: Send + Sync>(
        &mut self,
        call: impl Fn(&Calls<'_>, &Arc<Stop>) -> T + Sync,
    ) -> Result<T, Error> {
        match self.state.watch.is_needed() {
            true => self.by_crew(call),
            false => Ok(call(&self.calls, &self.job.stop())),
        }
    }

    fn put(&mut self, found: &Found) -> Result<Object, Ended> {
        let reason = match self.decide(found, &Listed::NotAsked) {
            Decision::Begin => None,
            Decision::Discard(reason) => Some(reason),
            // The same bytes with the same part size: they cannot have had more than one part.
            _ => Some(RestartReason::PartSizeChanged),
        };
        if let Some(reason) = reason {
            self.state.discard(self.job, found.header.as_ref(), reason);
        }
        let part = self
            .plan
            .parts()
            .next()
            .ok_or_else(|| self.job.panicked())?;
        self.enter(Phase::Sending)?;
        let (stored, crc64) = self.put_watched(&part)?;
        let stored = self.confirm(Operation::PutObject, stored, crc64)?;
        Ok(Object {
            stored,
            crc64,
            upload_id: None,
            parts_resumed: 0,
            was_complete: false,
        })
    }

    /// PutObject by one of the crew, while the caller's thread looks on.
    fn put_watched(&mut self, part: &Part) -> Result<(Completed, u64), Ended> {
        let (source, pace) = (self.source, self.crew.pace());
        let put = |calls: &Calls<'_>, stop: &Arc<Stop>| calls.put_object(source, part, pace, stop);
        let pauses = self.job.control.pauses();
        let failure = match self.by_crew(put)? {
            Ok(stored) => {
                self.job.progress.add_done(part.len);
                return Ok(stored);
            }
            Err(failure) => failure,
        };
        // A pause may have broken an attempt off that does not count as one.
        let was_paused = self.job.control.pauses() > pauses;
        let retried = was_paused || self.job.progress.retries() > 0;
        Err(match failure {
            // An earlier attempt may have succeeded, and now its own object is in the way.
            SendFailure::Request(failure) if failure.is_service("FileAlreadyExists") && retried => {
                match self.find_object(&Parts::new())? {
                    Some(stored) => return Ok(stored),
                    None => self.put_failed(failure),
                }
            }
            SendFailure::Read(ReadFailure::Changed) => Ended::Again(RestartReason::FileChanged),
            SendFailure::Read(ReadFailure::Io(error)) => self.job.unreadable(error).into(),
            SendFailure::Request(failure) => self.put_failed(failure),
        })
    }

    fn put_failed(&self, failure: Failure) -> Ended {
        let error = self.job.request_failed(Operation::PutObject, failure);
        error.into()
    }

    fn multipart(&mut self, found: Found) -> Result<Object, Ended> {
        let resumed = self.resume(found)?;
        let mut open = match resumed.map_or_else(|| self.find_on_server(), |open| Ok(Some(open)))? {
            Some(open) => open,
            None => self.initiate()?,
        };
        let completed = self.send_and_complete(&mut open);
        let ended = completed.and_then(|object| self.check_options(&open).map(|()| object));
        let keep = match &ended {
            Ok(_) | Err(Ended::Complete(_)) => return ended,
            Err(Ended::Again(_)) => false,
            Err(Ended::Failed(_)) => self.state.record.upload_id().is_some(),
        };
        match open.used_up {
            _ if keep => {}
            true => drop(self.state.record.forget_upload()),
            false => self.abort(&open.upload_id),
        }
        ended
    }

    fn initiate(&mut self) -> Result<Open, Ended> {
        let initiated = self.call(|calls, stop| calls.initiate(stop))?;
        let upload_id = initiated.map_err(|failure| {
            self.job
                .request_failed(Operation::InitiateMultipartUpload, failure)
        })?;
        log::debug!(target: "oss_upload::upload", "began upload {}", upload_id.escape_debug());
        let header = self.job.header(self.source, self.plan, upload_id.clone());
        if let Err(error) = self.state.record.begin(&header, &self.state.owed) {
            self.abort(&upload_id);
            return Err(error.into());
        }
        Ok(Open::new(upload_id, Parts::new()))
    }

    fn abort(&mut self, upload_id: &str) {
        self.state.abort(self.job, self.job.owed(upload_id));
    }

    /// Sends the parts that the upload does not have yet.
    fn send_missing(&mut self, open: &mut Open) -> Result<(), Ended> {
        let numbers = self.plan.parts().map(|part| part.number);
        let missing: Vec<PartNumber> = numbers.filter(|n| !open.parts.contains(*n)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.enter(Phase::Sending)?;
        let (plan, job) = (self.plan, self.job);
        let State { record, watch, .. } = &mut *self.state;
        let sending = Sending {
            calls: &self.calls,
            source: self.source,
            plan,
            upload_id: &open.upload_id,
            pace: self.crew.pace(),
            stop: &self.job.stop(),
            trouble: OnceLock::new(),
        };
        let parts = &mut open.parts;
        let recorded = |done: DonePart| {
            job.progress.add_done(plan.part_len(done.number));
            parts.insert(done);
        };
        let (crew, most, every) = (self.crew, missing.len(), watch.beat());
        let look_on = || {
            if job.crew.is_none() {
                crew.set_routines(job.routines().min(most));
            }
            watch.look();
        };
        let journal = record.journal();
        let sent = sending.run(crew, &missing, journal, every, look_on, recorded);
        match sent {
            Ok(()) if open.parts.len() == usize::from(plan.n_parts()) => Ok(()),
            Ok(()) => Err(self.job.ended().into()),
            Err(trouble) => Err(self.explain(open, trouble)),
        }
    }

    fn explain(&mut self, open: &mut Open, trouble: Trouble) -> Ended {
        match trouble {
            Trouble::Request(_, Failure::Service(error)) if error.code() == "NoSuchUpload" => {
                self.state.refusal = Some(error);
                self.settle(open, true)
            }
            Trouble::Request(number, failure) => self.job.part_failed(number, failure).into(),
            Trouble::Read(error) => self.job.unreadable(error).into(),
            Trouble::Changed => Ended::Again(RestartReason::FileChanged),
            Trouble::Record(error) => self.state.record.write_failed(error).into(),
            Trouble::Panicked => self.job.panicked().into(),
            Trouble::NoThread(error) => {
                let why = format!("no thread for the checkpoint: {error}");
                self.job.error(ErrorKind::Internal, why).into()
            }
        }
    }

    /// The checksums of parts as their local bytes are now; `None` where the file is shorter. Reads no more of them
    /// once `enough` says so.
    fn local_crcs(
        &mut self,
        source: &Source,
        parts: &[Part],
        enough: impl Fn(PartNumber, Option<u64>) -> bool + Sync,
    ) -> Result<BTreeMap<PartNumber, Option<u64>>, Ended> {
        self.enter(Phase::Verifying)?;
        let (job, stop) = (self.job, self.job.stop());
        let go_on = || job.control.goes_on(&stop);
        let (queue, crcs) = (Queue::new(parts), Mutex::new(BTreeMap::new()));
        let failed = OnceLock::new();
        let panicked = OnceLock::new();
        let read = || {
            let Some(part) = queue.next().filter(|_| go_on()) else {
                return false;
            };
            match source.crc64(part, go_on) {
                Ok(crc) => {
                    let mut crcs = lock(&crcs);
                    crcs.insert(part.number, crc);
                    if enough(part.number, crc) {
                        stop.set();
                    }
                }
                Err(error) => {
                    let _ = failed.set(error);
                    stop.set();
                }
            }
            true
        };
        let watch = &mut self.state.watch;
        self.crew.work(
            parts.len(),
            read,
            watch.beat(),
            || watch.look(),
            || {
                let _ = panicked.set(());
                stop.set();
            },
        );
        if self.job.is_ended() {
            return Err(self.job.ended().into());
        }
        match (panicked.into_inner(), failed.into_inner()) {
            (Some(()), _) => Err(self.job.panicked().into()),
            (None, Some(error)) => Err(self.job.unreadable(error).into()),
            (None, None) => Ok(crcs.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}
