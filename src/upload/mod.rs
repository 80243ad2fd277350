//! The conductor of an upload: the only room that knows all others.

mod attempt;
mod builder;
mod calls;
mod control;
mod crew;
#[cfg(all(test, feature = "local-server"))]
mod disk_faults;
mod files;
mod job;
mod limits;
pub(crate) mod options;
mod outcome;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod resume;
mod run;
mod source;
mod state;
mod tools;
mod watch;

pub use builder::object::{Encryption, Kms, ObjectAcl, StorageClass};
pub use builder::{OnChange, UploadFile, Verify};
pub use control::Control;
pub use files::tally::FilesSnapshot;
pub use files::{IntoUploadFile, UploadFiles};
pub use options::callback::Callback;
pub use outcome::{FileOutcome, Outcome, RestartReason, Uploaded};
pub use source::identity::Identity;
pub use tools::abandon::Abandoned;
pub use tools::inspect::{
    CheckpointInfo, CheckpointState, FileState, RecordedProgress, RecordedUpload,
};
pub use tools::pending::{AbortedUploads, PendingUpload, PendingUploads, StoredParts};
pub use tools::preview::{PlannedStart, UploadPlan};
pub use watch::events::{Event, EventFailure};
pub use watch::progress::{Phase, Snapshot};
