//! Parts on their way: workers send, one writer records.

use crate::checkpoint::journal::{Journal, Storage};
use crate::checkpoint::writer::{BATCH, WRITE_EVERY, write_parts};
use crate::part::{DonePart, PartNumber};
use crate::retry::Failure;
use crate::stop::Stop;
use crate::upload::calls::{Calls, SendFailure};
use crate::upload::crew::pace::Pace;
use crate::upload::crew::{Crew, Queue};
use crate::upload::plan::{Part, Plan};
use crate::upload::source::Source;
use crate::upload::source::part_reader::ReadFailure;
use crossbeam_channel::{Sender, bounded};
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// Why not all parts went up.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A request failed for good.
    Request(PartNumber, Failure),
    /// The file could not be read.
    Read(io::Error),
    /// The file is not what it was.
    Changed,
    /// Parts could not be recorded.
    Record(io::Error),
    /// A callback of the caller panicked, or we did.
    Panicked,
    /// No thread was to be had for the writer.
    NoThread(io::Error),
}

#[derive(Debug)]
pub(super) struct Sending<'a> {
    pub(super) calls: &'a Calls<'a>,
    pub(super) source: &'a Source,
    pub(super) plan: &'a Plan,
    pub(super) upload_id: &'a str,
    pub(super) pace: &'a Pace,
    pub(super) stop: &'a Arc<Stop>,
    /// What went wrong first; whatever follows is a consequence.
    pub(super) trouble: OnceLock<Trouble>,
}

impl<'a> Sending<'a> {
    /// Sends the parts. Those that were recorded are handed to `recorded`, also when not all of them were.
    pub(super) fn run<S: Storage>(
        self,
        crew: &Crew,
        missing: &[PartNumber],
        journal: Option<&mut Journal<S>>,
        every: Duration,
        look_on: impl FnMut(),
        recorded: impl FnMut(DonePart) + Send,
    ) -> Result<(), Trouble> {
        let queue = Queue::new(missing);
        let (sender, receiver) = bounded(BATCH);
        let (going_on, through) = bounded(0);
        thread::scope(|scope| {
            let writer = thread::Builder::new().name("oss-upload-record".to_owned());
            let stop = self.stop;
            let writer = writer.spawn_scoped(scope, move || {
                let written = write_parts(journal, &receiver, &through, WRITE_EVERY, recorded);
                if written.is_err() {
                    // Parts that cannot be recorded need not be sent.
                    stop.set();
                }
                written
            });
            let writer = match writer {
                Ok(writer) => writer,
                Err(error) => return self.report(Trouble::NoThread(error)),
            };
            let panicked = || self.report(Trouble::Panicked);
            let step = || self.send_next(&queue, &sender);
            crew.work(missing.len(), step, every, look_on, panicked);
            // The writer ends when nobody is left who could send it anything.
            drop((sender, going_on));
            match writer.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => self.report(Trouble::Record(error)),
                Err(_) => self.report(Trouble::Panicked),
            }
        });
        match self.trouble.into_inner() {
            None => Ok(()),
            Some(trouble) => Err(trouble),
        }
    }

    /// Sends the next part; `false` when there is none, or no use in it.
    fn send_next(&self, queue: &Queue<'_, PartNumber>, recorder: &Sender<DonePart>) -> bool {
        if self.stop.is_set() {
            return false;
        }
        let Some(part) = queue.next().and_then(|number| self.plan.part(*number)) else {
            return false;
        };
        match self.send(&part) {
            // The writer is gone because it failed; it says why.
            Ok(done) => {
                if recorder.send(done).is_err() {
                    self.stop.set();
                }
            }
            Err(trouble) => self.report(trouble),
        }
        true
    }

    fn send(&self, part: &Part) -> Result<DonePart, Trouble> {
        let sent = self
            .calls
            .upload_part(self.source, part, self.upload_id, self.pace, self.stop);
        sent.map_err(|failure| match failure {
            SendFailure::Request(failure) => Trouble::Request(part.number, failure),
            SendFailure::Read(ReadFailure::Changed) => Trouble::Changed,
            SendFailure::Read(ReadFailure::Io(error)) => Trouble::Read(error),
        })
    }

    /// Keeps the first trouble, and tells the others to stop.
    fn report(&self, trouble: Trouble) {
        let stopped = matches!(&trouble, Trouble::Request(_, failure) if failure.is_stopped());
        // A worker that was told to stop has nothing to report.
        if !stopped {
            let _ = self.trouble.set(trouble);
        }
        self.stop.set();
    }
}
