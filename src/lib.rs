//! Resumable upload of a local file to [Alibaba Cloud OSS](https://www.alibabacloud.com/product/object-storage-service):
//! synchronous, parallel, and hard to stop for good.
//!
//! Parts go up at the same time, each by a thread of its own; every part that OSS acknowledged is recorded in a checkpoint;
//! after a crash, a kill, a dead network or a reboot the same call continues where the last one ended.
//!
//! ```no_run
//! use oss_upload::{Checkpoint, Client};
//!
//! # fn main() -> Result<(), oss_upload::Error> {
//! let client = Client::builder("https://oss-cn-hangzhou.aliyuncs.com").build()?;
//! let bucket = client.bucket("examplebucket")?;
//! let uploaded = bucket
//!     .upload_file("backup/2026.tar", "/data/2026.tar")
//!     .routines(4)
//!     .checkpoint(Checkpoint::beside_file())
//!     .run()?;
//! println!("{} bytes, {:?}", uploaded.size, uploaded.outcome);
//! # Ok(())
//! # }
//! ```
//!
//! Credentials come from `OSS_ACCESS_KEY_ID`, `OSS_ACCESS_KEY_SECRET` and `OSS_SESSION_TOKEN` unless
//! [given](ClientBuilder::credentials).
//!
//! # What it promises
//!
//! - **What is acknowledged is not sent again.** A part is recorded when OSS has acknowledged it and its CRC-64 matched. A
//!   killed process loses at most the last 20 ms of the record, a power cut at most the last second, and OSS's own list of
//!   parts brings both back. Gaps are no obstacle.
//! - **Never a mixed object.** A file that changes between the runs, while it is read or before the upload is completed is
//!   noticed, and uploaded from scratch ([`OnChange`]). Where only its inode or ctime differ, or when asked
//!   ([`Verify::Content`]), the finished parts are proved by their bytes. What counts as a change can be set
//!   ([`Identity`]); a difference that is seen and does not count is proved by the bytes.
//! - **Never a damaged object in silence.** The CRC-64 of every part and of the whole object is compared with OSS's, after
//!   a resume too.
//! - **Never stuck.** An upload that OSS no longer knows is begun anew in the same call; an answer to
//!   CompleteMultipartUpload that was lost is settled by the object itself; a damaged checkpoint is a fresh start.
//! - **Nothing left in silence.** An upload of no use any more is aborted, until OSS lists no part of it. One that could
//!   not be is remembered in the checkpoint, tried again by later runs, and named, in [`Uploaded::left_behind`] or
//!   [`Error::left_behind`].
//! - **One at a time.** A checkpoint is locked while it is used; a second uploader is refused at once.
//! - **Errors that pass are sat out** ([`RetryPolicy`]), errors that cannot pass are reported at once, and a peer that falls
//!   silent is noticed ([`ClientBuilder::stall_timeout`]) without cutting a slow line off.
//!
//! What it cannot know: whether a file was changed within the resolution of its mtime and ctime while it was read. And
//! when the answer to InitiateMultipartUpload is lost, the repeated one leaves an upload without parts behind, which a
//! lifecycle rule of the bucket ends.
//!
//! # Looking on, and cleaning up
//!
//! - [`UploadFile::plan`] says what a run would do, [`Checkpoint::inspect`] what a checkpoint tells of; both change nothing.
//! - [`Client::abandon`] gives up what an earlier run left, on the server and on the disk.
//! - [`Bucket::pending_uploads`] lists what is open in a bucket, [`Bucket::abort_pending`] aborts what is old.
//! - [`UploadFile::find_on_server`] goes on with an upload whose checkpoint is lost, known by its parts' bytes.
//!
//! # Steering and watching
//!
//! From another thread a [`Control`] cancels, abandons, pauses, resumes and slows down the uploads that it was given to;
//! [`UploadFile::deadline`] bounds the whole call. On the caller's own thread, [`UploadFile::on_progress`] shows how far it
//! is, and [`UploadFile::on_event`] what happens to single parts. Nothing of this takes a lock while bytes move, unless
//! their rate is limited.
//!
//! # Memory and threads
//!
//! An upload has a pool of as many threads as [routines](UploadFile::routines), a thread that writes the checkpoint, and a
//! buffer of 144 KiB for each connection, whatever the part size. Bytes go from the page cache into that buffer and from
//! there into the socket. There is no async runtime.
//!
//! [Many files in one call](Bucket::upload_files) have one pool together. Beside it there is a thread for all files of one part,
//! and two for each longer file under way, of which there are at most as many as routines.
//!
//! # Logs
//!
//! By the crate `log`, under these targets. None of them ever holds a secret, a token or a signature.
//!
//! | target | level | what |
//! |---|---|---|
//! | `oss_upload::upload` | `warn`, `debug` | what may cost money or attention; what was decided, and why; pauses, limits, deadlines |
//! | `oss_upload::checkpoint` | `warn`, `debug` | a checkpoint that was moved aside, or could not be deleted or unlocked |
//! | `oss_upload::retry` | `debug` | every request that is repeated, with the reason; how many routines go on |
//! | `oss_upload::clock` | `debug` | the local clock was wrong |
//! | `oss_upload::credentials` | `debug` | where credentials are found; what was fetched, by its id, and what failed |
//! | `oss_upload::request` | `trace` | every answer: operation, status, request id; a socket that could not be set up |
//! | `oss_upload::local_server` | `warn`, `debug` | only with the feature `local-server`: what it could not do |
//!
//! The crates below have targets of their own. At level `trace`, `ureq_proto` prints every byte that comes and goes, secrets
//! and tokens among them: leave that one off.
//!
//! # Features
//!
//! `local-server`: an OSS server inside this process, strict and with faults on demand, for tests of programs that embed
//! this library.
//!
//! `platform-verifier`: `Trust::Platform`, certificates judged by the operating system. Nothing changes until it is asked
//! for.
//!
//! # Minimum supported Rust version
//!
//! 1.89; it rises only when a dependency or a need of this crate asks for it, with a minor version.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod aside;
#[cfg(feature = "_benched")]
#[doc(hidden)]
pub mod benched;
mod checkpoint;
mod client;
mod crc64;
mod credentials;
mod endpoint;
mod error;
mod escape;
mod etag;
pub mod guide;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod hostile;
#[cfg(feature = "local-server")]
pub mod local_server;
mod lock;
mod part;
mod protocol;
mod retry;
mod sign;
mod stop;
mod transport;
mod upload;

pub use checkpoint::Checkpoint;
pub use client::builder::ClientBuilder;
pub use client::{Bucket, Client};
pub use credentials::{
    AlibabaCloudEnvironment, CliProfile, Credentials, CredentialsChain, CredentialsFile,
    CredentialsProvider, CredentialsUri, EcsRamRole, Environment, ExternalProcess, OidcRole,
    ProviderError, RamRole, Refreshing,
};
pub use endpoint::{Addressing, Network};
pub use error::{Error, ErrorKind};
pub use protocol::service_error::ServiceError;
pub use retry::RetryPolicy;
pub use sign::SignatureVersion;
pub use transport::{IpFamily, Proxy, Tls, Trust};
pub use upload::{
    Abandoned, AbortedUploads, CheckpointInfo, CheckpointState, FileState, PendingUpload,
    PendingUploads, PlannedStart, RecordedProgress, RecordedUpload, StoredParts, UploadPlan,
};
pub use upload::{
    Callback, Control, Encryption, Event, EventFailure, FileOutcome, FilesSnapshot, Identity,
    IntoUploadFile, Kms, ObjectAcl, OnChange, Outcome, Phase, RestartReason, Snapshot,
    StorageClass, UploadFile, UploadFiles, Uploaded, Verify,
};

/// The README's code is compiled too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
