//! From what a checkpoint tells to an upload that can go on.

use super::{Attempt, Ended, Open};
use crate::checkpoint::record::Header;
use crate::error::Error;
use crate::part::{DonePart, Parts};
use crate::protocol::Operation;
use crate::upload::outcome::RestartReason;
use crate::upload::plan::Part;
use crate::upload::resume::{Continuation, Decision, Found, Listed, decide};
use crate::upload::source::Source;
use crate::upload::source::identity::Change;
use crate::upload::state::State;

impl Attempt<'_, '_> {
    pub(super) fn decide(&self, found: &Found, listed: &Listed) -> Decision {
        let asked = self.job.header(self.source, self.plan, String::new());
        decide(found, &asked, self.job.trust(), listed, self.plan)
    }

    /// The recorded upload with its finished parts; `None` when there is none to go on with.
    pub(super) fn resume(&mut self, found: Found) -> Result<Option<Open>, Ended> {
        let mut listed = Listed::NotAsked;
        loop {
            let discard = match (self.decide(&found, &listed), &found.header) {
                (Decision::Discard(reason), _) => reason,
                (Decision::Begin, _) | (_, None) => return Ok(None),
                (Decision::Ask, Some(header)) => {
                    listed = self.ask_server(&header.upload_id)?;
                    continue;
                }
                (Decision::Settle(parts), Some(header)) => {
                    let mut open = Open::new(header.upload_id.clone(), parts);
                    open.has_unseen_options = self.has_unseen_options(header);
                    match self.settle(&mut open, true) {
                        Ended::Again(reason) => {
                            self.state.discard(self.job, None, reason);
                            return Ok(None);
                        }
                        ended => return Err(ended),
                    }
                }
                (Decision::Continue(continuation), Some(header)) => {
                    match self.go_on(header, continuation)? {
                        Some(mut open) => {
                            open.has_unseen_options = self.has_unseen_options(header);
                            return Ok(Some(open));
                        }
                        None if self.is_untouched()? => RestartReason::FileChanged,
                        // Not between the runs but just now: what was opened is not what is to be sent.
                        None => {
                            self.state.abort(self.job, header.owed());
                            return Err(Ended::Again(RestartReason::FileChanged));
                        }
                    }
                }
            };
            self.state.discard(self.job, found.header.as_ref(), discard);
            return Ok(None);
        }
    }

    fn has_unseen_options(&self, recorded: &Header) -> bool {
        recorded.has_unseen_options(&self.job.headers.digest())
    }

    fn is_untouched(&self) -> Result<bool, Error> {
        let change = self.source.change_anywhere();
        Ok(change.map_err(|error| self.job.unreadable(error))? == Change::None)
    }

    fn ask_server(&mut self, upload_id: &str) -> Result<Listed, Ended> {
        match self.call(|calls, stop| calls.list_parts(upload_id, stop))? {
            Ok(parts) => Ok(Listed::Parts(parts)),
            Err(failure) if failure.is_service("NoSuchUpload") => Ok(Listed::Gone),
            Err(failure) if failure.is_service("AccessDenied") => {
                log::debug!(target: "oss_upload::upload", "ListParts is forbidden: the checkpoint is trusted");
                Ok(Listed::Forbidden)
            }
            Err(failure) => {
                let error = self.job.request_failed(Operation::ListParts, failure);
                Err(error.into())
            }
        }
    }

    /// Opens the upload again with what still counts; `None` when the file is not what it was.
    fn go_on(&mut self, recorded: &Header, found: Continuation) -> Result<Option<Open>, Ended> {
        if found.is_to_be_proved && !self.proved(self.source, &found.done)? {
            return Ok(None);
        }
        let adopted = self.adoptable(found.candidates)?;
        let mut open = Open::new(recorded.upload_id.clone(), found.done);
        if found.is_suspicious {
            self.record_again(recorded, &open.parts)?;
        } else {
            self.state.record.lose(&found.lost)?;
        }
        self.state.record.adopt(&adopted)?;
        open.parts.extend(adopted);
        self.count_resumed(&mut open);
        Ok(Some(open))
    }

    /// Records what was proved under the identity that the file has now. Else what is sent from now on would be believed
    /// to be the recorded file's, should that one come back.
    fn record_again(&mut self, recorded: &Header, proved: &Parts) -> Result<(), Error> {
        let header = Header {
            identity: *self.source.identity(),
            ..recorded.clone()
        };
        let State { record, owed, .. } = &mut *self.state;
        record.begin_with(&header, owed, proved.iter())
    }

    /// Those of the parts whose checksum is that of the local bytes.
    fn adoptable(&mut self, candidates: Vec<DonePart>) -> Result<Vec<DonePart>, Ended> {
        if candidates.is_empty() {
            return Ok(candidates);
        }
        let parts: Vec<Part> = candidates
            .iter()
            .filter_map(|part| self.plan.part(part.number))
            .collect();
        let local = self.local_crcs(self.source, &parts, |_, _| false)?;
        let same = |part: &DonePart| local.get(&part.number) == Some(&Some(part.crc64));
        Ok(candidates.into_iter().filter(same).collect())
    }

    /// Whether the local bytes of finished parts are what they were.
    pub(super) fn proved(&mut self, source: &Source, done: &Parts) -> Result<bool, Ended> {
        let parts: Vec<Part> = done
            .numbers()
            .filter_map(|number| self.plan.part(number))
            .collect();
        let differs = |number, crc| done.get(number).map(|part| part.crc64) != crc;
        let local = self.local_crcs(source, &parts, differs)?;
        Ok(local.len() == parts.len()
            && local.into_iter().all(|(number, crc)| !differs(number, crc)))
    }

    pub(super) fn count_resumed(&mut self, open: &mut Open) {
        for number in open.parts.numbers() {
            self.job.progress.add_resumed(self.plan.part_len(number));
        }
        open.resumed = open.parts.numbers().collect();
        log::debug!(
            target: "oss_upload::upload",
            "resuming upload {}: {} of {} parts are there",
            open.upload_id.escape_debug(),
            open.parts.len(),
            self.plan.n_parts()
        );
    }
}
