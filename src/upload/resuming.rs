//! From what a checkpoint tells to an upload that can go on.

use super::Verify;
use super::attempt::{Attempt, Ended, Open};
use super::outcome::RestartReason;
use super::plan::Part;
use super::record::Found;
use super::resume::{Judgement, Parts, judge, reconcile, within};
use super::source::Source;
use crate::part::DonePart;
use crate::protocol::Operation;
use crate::retry::Failure;
use std::collections::BTreeSet;

impl Attempt<'_, '_> {
    /// What to make of what was found, before the server is asked; `None` when nothing was.
    pub(super) fn judge_found(&self, found: &Found) -> Option<Judgement> {
        if found.damaged {
            return Some(Judgement::Discard(RestartReason::CheckpointDamaged));
        }
        let header = found.header.as_ref()?;
        let asked = self.job.header(self.source, self.plan, String::new());
        Some(judge(header, &asked, self.job.verify == Verify::Content))
    }

    /// The recorded upload with its finished parts; `None` when there is none to go on with.
    pub(super) fn resume(&mut self, found: Found) -> Result<Option<Open>, Ended> {
        let Some(judgement) = self.judge_found(&found) else {
            return Ok(None);
        };
        let recorded = within(found.parts, self.plan);
        let discard = match judgement {
            Judgement::Discard(reason) => Some(reason),
            Judgement::Prove if !self.proved(self.source, &recorded)? => {
                Some(RestartReason::FileChanged)
            }
            Judgement::Prove | Judgement::Continue => None,
        };
        if let Some(reason) = discard {
            self.state.discard(self.job, found.header.as_ref(), reason);
            return Ok(None);
        }
        let Some(header) = found.header else {
            return Ok(None);
        };
        let mut open = Open {
            upload_id: header.upload_id,
            parts: recorded,
            resumed: BTreeSet::new(),
            used_up: false,
        };
        match self.ask_server(&mut open) {
            Ok(()) => {}
            Err(Ended::Again(reason)) => {
                self.state.discard(self.job, None, reason);
                return Ok(None);
            }
            Err(ended) => return Err(ended),
        }
        self.count_resumed(&mut open);
        Ok(Some(open))
    }

    /// Holds the record against what the server has, and corrects it.
    fn ask_server(&mut self, open: &mut Open) -> Result<(), Ended> {
        let listed = match self.calls.list_parts(&open.upload_id, &self.job.stop()) {
            Ok(listed) => listed,
            Err(failure) if failure.is_service("NoSuchUpload") => {
                return Err(self.settle(open, true));
            }
            // Credentials that may only write: the record alone must do.
            Err(Failure::Service(error)) if error.code() == "AccessDenied" => {
                log::debug!(target: "oss_upload::upload", "ListParts is forbidden: the checkpoint is trusted");
                return Ok(());
            }
            Err(failure) => {
                return Err(self
                    .job
                    .request_failed(Operation::ListParts, failure)
                    .into());
            }
        };
        let reconciled = reconcile(&open.parts, &listed, self.plan);
        open.parts = reconciled.done;
        self.state.record.lose(&reconciled.lost)?;
        let adopted = self.adoptable(reconciled.candidates)?;
        self.state.record.adopt(&adopted)?;
        open.parts
            .extend(adopted.into_iter().map(|part| (part.number, part)));
        Ok(())
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
            .keys()
            .filter_map(|number| self.plan.part(*number))
            .collect();
        let differs = |number, crc| done.get(&number).map(|part| part.crc64) != crc;
        let local = self.local_crcs(source, &parts, differs)?;
        Ok(local.len() == parts.len()
            && local.into_iter().all(|(number, crc)| !differs(number, crc)))
    }

    fn count_resumed(&mut self, open: &mut Open) {
        for number in open.parts.keys() {
            self.job.progress.add_resumed(self.plan.part_len(*number));
        }
        open.resumed = open.parts.keys().copied().collect();
        log::debug!(
            target: "oss_upload::upload",
            "resuming upload {}: {} of {} parts are there",
            open.upload_id.escape_debug(),
            open.parts.len(),
            self.plan.n_parts()
        );
    }
}
