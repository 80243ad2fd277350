//! What changes over a run, from attempt to attempt.

use super::job::Job;
use super::outcome::RestartReason;
use super::record::RunRecord;
use super::resume::Found;
use super::watch::Watch;
use super::watch::events::Event;
use crate::checkpoint::record::{Header, Owed};
use crate::error::Error;
use crate::protocol::service_error::ServiceError;

/// What a run knows by now.
pub(super) struct State<'a> {
    pub(super) record: RunRecord,
    /// What the checkpoint held; the first attempt takes it.
    pub(super) found: Found,
    /// Where no checkpoint helps, the server is asked what it has: by the first attempt only.
    pub(super) is_to_search: bool,
    pub(super) restarts: Vec<RestartReason>,
    /// What the server said when what was sent had become of no use, the last time.
    pub(super) refusal: Option<ServiceError>,
    /// Uploads of no use any more that could not be aborted yet.
    pub(super) owed: Vec<Owed>,
    pub(super) watch: Watch<'a>,
}

impl State<'_> {
    /// Shows those who look on all that there is by now. When one of them has panicked, the upload ends.
    pub(super) fn show(&mut self, job: &Job<'_>) -> Result<(), Error> {
        match self.watch.show() {
            true => Ok(()),
            false => Err(job.panicked()),
        }
    }

    /// Aborts an upload that is of no use any more. One that stays is remembered.
    pub(super) fn abort(&mut self, job: &Job<'_>, owed: Owed) {
        self.record.forget_upload();
        // What is abandoned is cleared at the end of the run, all at once.
        if job.control.is_abandoned() {
            self.owed.push(owed);
            return;
        }
        self.watch.hold(&job.stop());
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
    pub(super) fn clear(&mut self, job: &Job<'_>, is_done: bool) {
        let kept = self.record.forget_upload().filter(|_| !is_done);
        self.owed.extend(kept);
        if self.owed.is_empty() {
            return;
        }
        self.watch.hold(&job.stop());
        let stop = job.abort_stop();
        self.owed.retain(|owed| !job.abort(owed, &stop));
    }

    pub(super) fn left_behind(&self) -> Vec<String> {
        self.owed
            .iter()
            .map(|owed| owed.upload_id.clone())
            .collect()
    }
}
