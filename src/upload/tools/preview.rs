//! What a run would do, without doing it.

use crate::checkpoint::file::{OpenError, folder_of, look};
use crate::checkpoint::scan::scan;
use crate::error::Error;
use crate::part::Parts;
use crate::transport::BUFFERS;
use crate::upload::builder::{UploadFile, Verify};
use crate::upload::job::Job;
use crate::upload::outcome::RestartReason;
use crate::upload::plan::Plan;
use crate::upload::record::{is_the_source, open_failed};
use crate::upload::resume::{Decision, Found, Listed, decide};
use crate::upload::source::Source;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a run would do, from [`UploadFile::plan`]. `Display` tells it in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadPlan {
    /// The length of the object in bytes: that of the file, or of the [range](UploadFile::range) of it.
    pub size: u64,
    /// The length of every part except the last, in bytes.
    pub part_size: u64,
    /// The number of parts. A file of one part goes up by a single PutObject, others in a multipart upload.
    pub parts: u16,
    /// How many parts are sent at the same time: as many as were asked for, but no more than there are.
    pub routines: usize,
    /// The buffers of their connections together, in bytes.
    pub memory: u64,
    /// Where the checkpoint is, or would be; `None` when none was asked for.
    pub checkpoint: Option<PathBuf>,
    /// Whether another upload is using the checkpoint now, so that a run would be refused.
    pub is_checkpoint_in_use: bool,
    /// How a run would begin, by the checkpoint and the local file. The server has the last word: it is not asked here.
    pub start: PlannedStart,
}

impl UploadPlan {
    /// Whether the file goes up in parts, not by a single PutObject.
    pub fn is_multipart(&self) -> bool {
        self.parts > 1
    }
}

impl fmt::Display for UploadPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_multipart() {
            true => write!(
                f,
                "{} bytes in {} parts of {}, {} at a time",
                self.size, self.parts, self.part_size, self.routines
            ),
            false => write!(f, "{} bytes by PutObject", self.size),
        }?;
        write!(f, ", with {} bytes of buffers: {}", self.memory, self.start)
    }
}

impl fmt::Display for PlannedStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlannedStart::Fresh => f.write_str("nothing was begun before"),
            PlannedStart::Resume {
                parts,
                bytes,
                reads_again,
            } => {
                let proof = if *reads_again {
                    ", to be read again"
                } else {
                    ""
                };
                write!(f, "{parts} parts are done, {bytes} bytes{proof}")
            }
            PlannedStart::Restart(reason) => write!(f, "from scratch: {reason}"),
        }
    }
}

/// How a run would begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlannedStart {
    /// From scratch: nothing was begun before.
    Fresh,
    /// With what an earlier run has sent.
    Resume {
        /// Finished parts.
        parts: u16,
        /// Their bytes.
        bytes: u64,
        /// Whether they are read again first, to prove that the file's bytes are the same.
        reads_again: bool,
    },
    /// From scratch: what was sent before is of no use.
    Restart(RestartReason),
}

impl UploadFile<'_> {
    /// Says what [`run`](Self::run) would do. Nothing is sent, and nothing on the disk is created or changed.
    ///
    /// What only the server knows is left out: whether it still has the parts that the checkpoint tells of, and what
    /// [`find_on_server`](Self::find_on_server) would find. Whether the checkpoint can be written is found out by the run
    /// alone.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run) that come before the first request:
    /// [`ErrorKind::Options`](crate::ErrorKind::Options), [`ErrorKind::Source`](crate::ErrorKind::Source) when the file
    /// cannot be opened, [`ErrorKind::Checkpoint`](crate::ErrorKind::Checkpoint) when the checkpoint cannot be read or
    /// its folder is not there.
    pub fn plan(&self) -> Result<UploadPlan, Error> {
        let job = self.job(self.check()?, None)?;
        let source = job.open()?;
        let plan = job.plan(&source)?;
        let checkpoint = self.checkpoint_of(&job.path);
        let seen = match &checkpoint {
            None => Seen::default(),
            Some(path) => see(path, &job.path)?,
        };
        let routines = job.routines().min(plan.n_parts().into());
        Ok(UploadPlan {
            size: plan.object_len(),
            part_size: plan.part_size(),
            parts: plan.n_parts(),
            routines,
            memory: (routines * BUFFERS) as u64,
            checkpoint,
            is_checkpoint_in_use: seen.is_in_use,
            start: start(&job, &source, &plan, &seen.found),
        })
    }

    /// Where the checkpoint is, or would be: `None` when none was asked for. Neither needs to exist, nor the file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Source`](crate::ErrorKind::Source) when the file's path is empty, or relative to a folder that is
    /// gone.
    pub fn checkpoint_path(&self) -> Result<Option<PathBuf>, Error> {
        Ok(self.checkpoint_of(&self.absolute_path()?))
    }
}

/// What a look at a checkpoint shows that may not be there.
#[derive(Debug, Default)]
struct Seen {
    found: Found,
    is_in_use: bool,
}

fn see(path: &Path, source: &Path) -> Result<Seen, Error> {
    let failed = |error: io::Error| open_failed(path, error.into());
    let look = match look(path) {
        Ok(look) => look,
        // Where one in use cannot be read, that is all there is to say.
        Err(OpenError::Busy) => {
            return Ok(Seen {
                found: Found::default(),
                is_in_use: true,
            });
        }
        Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            let folder = fs::metadata(folder_of(path)).map_err(failed)?;
            return match folder.is_dir() {
                true => Ok(Seen::default()),
                false => Err(failed(io::ErrorKind::NotADirectory.into())),
            };
        }
        Err(error) => return Err(open_failed(path, error)),
    };
    match look.is_same_file(source).map_err(failed)? {
        true => Err(is_the_source(path)),
        false => Ok(Seen {
            found: Found::of(scan(&look.bytes)),
            is_in_use: look.is_in_use,
        }),
    }
}

fn start(job: &Job<'_>, source: &Source, plan: &Plan, found: &Found) -> PlannedStart {
    let asked = job.header(source, plan, String::new());
    // Without the server's list, what is recorded counts.
    match decide(found, &asked, job.trust(), &Listed::Forbidden, plan) {
        Decision::Begin => PlannedStart::Fresh,
        Decision::Discard(reason) => PlannedStart::Restart(reason),
        Decision::Continue(_) if plan.n_parts() == 1 => {
            PlannedStart::Restart(RestartReason::PartSizeChanged)
        }
        Decision::Continue(went_on) => resume(&went_on.done, plan, went_on.is_to_be_proved),
        Decision::Ask | Decision::Settle(_) => {
            resume(&found.parts, plan, job.verify == Verify::Content)
        }
    }
}

fn resume(done: &Parts, plan: &Plan, reads_again: bool) -> PlannedStart {
    PlannedStart::Resume {
        parts: u16::try_from(done.len()).unwrap_or(u16::MAX),
        bytes: done.numbers().map(|number| plan.part_len(number)).sum(),
        reads_again,
    }
}
