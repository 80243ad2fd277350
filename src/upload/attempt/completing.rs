//! From the last part to the object, whatever becomes of Complete's answer.

use super::{Attempt, Ended, Object, Open};
use crate::crc64;
use crate::error::ErrorKind;
use crate::part::{DonePart, PartNumber, Parts};
use crate::protocol::complete::Completed;
use crate::protocol::service_error::ServiceError;
use crate::protocol::{Operation, Unreadable};
use crate::retry::Failure;
use crate::upload::outcome::RestartReason;
use crate::upload::plan::Part;
use crate::upload::resume::reconcile;
use crate::upload::source::identity::Change;
use crate::upload::watch::progress::Phase;

/// How often Complete may find parts missing, which are then sent again.
const MAX_REPAIRS: usize = 3;

impl Attempt<'_, '_> {
    /// Sends what is missing and completes the object, again when the server has lost parts.
    pub(super) fn send_and_complete(&mut self, open: &mut Open) -> Result<Object, Ended> {
        for _ in 0..=MAX_REPAIRS {
            self.send_missing(open)?;
            self.check_unchanged(&open.parts)?;
            self.enter(Phase::Completing)?;
            let retries = self.job.progress.retries();
            let (id, parts) = (&open.upload_id, &open.parts);
            let completed = self.call(|calls, stop| calls.complete(id, parts, stop))?;
            let retried = self.job.progress.retries() > retries;
            match completed {
                Ok(stored) => return self.check_object(open, stored),
                Err(Failure::Service(error)) if error.code() == "NoSuchUpload" => {
                    self.state.refusal = Some(error);
                    return Err(self.settle(open, false));
                }
                Err(Failure::Service(error)) if error.code() == "InvalidPart" => {
                    self.state.refusal = Some(error.clone());
                    self.take_back_lost(open, &error)?;
                }
                // An earlier attempt may have succeeded, and now its own object is in the way.
                Err(failure) if failure.is_service("FileAlreadyExists") && retried => {
                    return match self.find_object(&open.parts)? {
                        Some((stored, crc64)) => Ok(self.object(open, stored, crc64, false)),
                        None => Err(self.complete_failed(open, failure)),
                    };
                }
                Err(failure) => return Err(self.complete_failed(open, failure)),
            }
        }
        Err(Ended::Again(RestartReason::PartsRefused))
    }

    fn complete_failed(&mut self, open: &mut Open, failure: Failure) -> Ended {
        // The object is stored and the id used up: only the caller's own server did not hear of it.
        if failure.is_service("CallbackFailed") {
            self.use_up(open);
        }
        let operation = Operation::CompleteMultipartUpload;
        self.job.request_failed(operation, failure).into()
    }

    /// Whether the parts are those of the file as it is now, behind its handle and under its name.
    fn check_unchanged(&mut self, parts: &Parts) -> Result<(), Ended> {
        let (job, source) = (self.job, self.source);
        let unreadable = |error| Ended::from(job.unreadable(error));
        let is_unchanged = match source.change_ever_seen().map_err(unreadable)? {
            Change::None => true,
            Change::Changed => false,
            Change::Suspicious => source.is_proved(|now| self.proved(now, parts), unreadable)?,
        };
        match is_unchanged {
            true => Ok(()),
            false => Err(Ended::Again(RestartReason::FileChanged)),
        }
    }

    fn check_object(&mut self, open: &mut Open, stored: Completed) -> Result<Object, Ended> {
        // OSS's own checksum is proof that the object is stored; without it the state stays until there is another.
        if stored.crc64.is_some() {
            self.use_up(open);
        }
        let crc64 = self.fold(&open.parts);
        let stored = self.confirm(Operation::CompleteMultipartUpload, stored, crc64)?;
        self.use_up(open);
        Ok(self.object(open, stored, crc64, false))
    }

    fn use_up(&mut self, open: &mut Open) {
        open.used_up = true;
        self.state.record.forget_upload();
    }

    /// Whether the stored object is the file. A callback's answer, another server's or a portal's page tells no
    /// checksum: then the object itself may, and at least it must be there.
    pub(super) fn confirm(
        &mut self,
        operation: Operation,
        mut stored: Completed,
        crc64: u64,
    ) -> Result<Completed, Ended> {
        if stored.crc64.is_none() {
            match self.call(|calls, stop| calls.head_object(stop))? {
                Ok(head) => stored.crc64 = head.object.crc64,
                Err(Failure::Service(error)) if error.status() == 404 => {
                    let why = format!(
                        "the answer to {operation} says that the object is stored, but it is not there"
                    );
                    let failure = Failure::Unreadable(Unreadable(why));
                    return Err(self.job.request_failed(operation, failure).into());
                }
                Err(_) => {}
            }
        }
        match stored.crc64 {
            Some(there) if there != crc64 => {
                let why = format!(
                    "the object is stored but its CRC-64 is {there}, and that of the file {crc64}: do not use it, upload again"
                );
                Err(self.job.error(ErrorKind::Integrity, why).into())
            }
            _ => Ok(stored),
        }
    }

    fn object(&self, open: &Open, stored: Completed, crc64: u64, was_complete: bool) -> Object {
        Object {
            stored,
            crc64,
            upload_id: Some(open.upload_id.clone()),
            parts_resumed: u16::try_from(open.resumed.len()).unwrap_or(u16::MAX),
            was_complete,
        }
    }

    /// The checksum of the whole object, from those of its parts.
    fn fold(&self, parts: &Parts) -> u64 {
        crc64::fold(
            parts
                .iter()
                .map(|part| (part.crc64, self.plan.part_len(part.number))),
        )
    }

    /// The server does not know the upload: either it is complete, which the object itself proves, or it is gone.
    pub(super) fn settle(&mut self, open: &mut Open, was_complete: bool) -> Ended {
        open.used_up = true;
        let settled = self.find_object(&open.parts);
        match settled {
            Ok(Some((stored, crc64))) => match self.check_options(open) {
                Ok(()) => Ended::Complete(Box::new(self.object(open, stored, crc64, was_complete))),
                Err(ended) => ended,
            },
            Ok(None) => Ended::Again(RestartReason::UploadGone),
            Err(ended) => ended,
        }
    }

    /// The object of this key, if it has the right length and checksum and the metadata asked for.
    pub(super) fn find_object(&mut self, parts: &Parts) -> Result<Option<(Completed, u64)>, Ended> {
        let head = match self.call(|calls, stop| calls.head_object(stop))? {
            Ok(head) => head,
            // Not there, or not ours to look at: a fresh upload is always right and only costs.
            Err(failure @ Failure::Service(_)) if !failure.may_pass(Operation::HeadObject) => {
                return Ok(None);
            }
            Err(failure) => {
                return Err(self
                    .job
                    .request_failed(Operation::HeadObject, failure)
                    .into());
            }
        };
        let ours = head.len == Some(self.plan.object_len())
            && head.is_described_by(&self.job.headers.initiate.headers);
        let Some(there) = head.object.crc64.filter(|_| ours) else {
            return Ok(None);
        };
        let mut all = parts.clone();
        let unknown: Vec<Part> = self
            .plan
            .parts()
            .filter(|part| !all.contains(part.number))
            .collect();
        if !unknown.is_empty() {
            let local = self.local_crcs(self.source, &unknown, |_, crc| crc.is_none())?;
            for (number, crc) in local {
                let Some(crc64) = crc else { return Ok(None) };
                let Some(etag) = head.object.etag.clone() else {
                    return Ok(None);
                };
                let part = DonePart {
                    number,
                    etag,
                    crc64,
                };
                all.insert(part);
            }
        }
        let crc64 = self.fold(&all);
        Ok((crc64 == there).then_some((head.object, crc64)))
    }

    /// Complete missed parts: those that the server no longer has as recorded are taken back.
    fn take_back_lost(&mut self, open: &mut Open, error: &ServiceError) -> Result<(), Ended> {
        let upload_id = &open.upload_id;
        let lost = match self.call(|calls, stop| calls.list_parts(upload_id, stop))? {
            Ok(listed) => reconcile(&open.parts, &listed, self.plan).lost,
            Err(Failure::Service(denied)) if denied.code() == "AccessDenied" => {
                let named = error.part_number().and_then(PartNumber::new);
                named
                    .into_iter()
                    .filter(|number| open.parts.contains(*number))
                    .collect()
            }
            Err(Failure::Service(error)) if error.code() == "NoSuchUpload" => {
                self.state.refusal = Some(error);
                return Err(self.settle(open, false));
            }
            Err(failure) => {
                return Err(self
                    .job
                    .request_failed(Operation::ListParts, failure)
                    .into());
            }
        };
        if lost.is_empty() {
            return Err(Ended::Again(RestartReason::PartsRefused));
        }
        log::debug!(target: "oss_upload::upload", "the server lost {} parts: sending them again", lost.len());
        self.state.record.lose(&lost)?;
        for number in lost {
            open.parts.remove(number);
            let was_resumed = open.resumed.remove(&number);
            let len = self.plan.part_len(number);
            self.job.progress.take_back(len, was_resumed);
        }
        Ok(())
    }
}
