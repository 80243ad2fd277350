//! An upload in the making: what the caller may say of it, and what is wrong with that before any file is opened.

use crate::checkpoint::Checkpoint;
use crate::checkpoint::file::{CheckpointFile, Disk, OpenError};
use crate::client::Bucket;
use crate::endpoint;
use crate::error::{Error, ErrorKind};
use crate::protocol::META_PREFIX;
pub(super) mod object;

use super::control::Control;
use super::limits::{PROGRESS_EVERY, check_routines, check_times};
use super::options::{Given, ObjectHeaders, content_type};
use super::plan;
use super::source::identity::Identity;
use super::source::range::Range;
use super::watch::events::Event;
use super::watch::progress::Snapshot;
use super::watch::{Listener, Observer};
use std::fmt;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How finished parts are known to be those of the file as it is, when an upload is resumed.
///
/// Parts are read once to be sent. That they are still the file's when the object is completed is known by its
/// [`Identity`], whichever of these is chosen, and by the bytes of all of them, those of earlier runs included, as soon as
/// anything about that differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verify {
    /// By the file's [`Identity`]. When something about it differs that makes no other version of the file (ctime, device,
    /// inode), their local bytes are read and compared with the recorded checksums.
    #[default]
    Metadata,
    /// By their bytes, always: they are read, by all routines, and compared with the recorded checksums. So bytes that were
    /// changed between the runs are found whatever the file's length and times say. It costs one more reading of what is
    /// not sent again, and nothing where nothing is resumed.
    Content,
}

/// What happens when the local file changes while it is being uploaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnChange {
    /// What was sent is aborted, and the upload starts again with the file as it is now: up to three times, then it
    /// fails.
    #[default]
    Restart,
    /// What was sent is aborted, and the upload fails with
    /// [`ErrorKind::SourceChanged`](crate::ErrorKind::SourceChanged).
    Fail,
}

/// An upload of a local file to an object, in the making.
///
/// ```no_run
/// use oss_upload::{Checkpoint, Client};
///
/// # fn main() -> Result<(), oss_upload::Error> {
/// let client = Client::builder("https://oss-cn-hangzhou.aliyuncs.com").build()?;
/// let uploaded = client
///     .bucket("examplebucket")?
///     .upload_file("backup/2026.tar", "/data/2026.tar")
///     .part_size(16 << 20)
///     .routines(4)
///     .checkpoint(Checkpoint::beside_file())
///     .run()?;
/// println!("{} bytes, CRC-64 {}", uploaded.size, uploaded.crc64);
/// # Ok(())
/// # }
/// ```
///
#[doc = include_str!("../options/OPTIONS.md")]
#[must_use = "nothing is uploaded until `run` is called"]
pub struct UploadFile<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) key: String,
    pub(super) path: PathBuf,
    pub(super) range: Range,
    pub(super) identity: Identity,
    pub(super) part_size: Option<u64>,
    pub(super) routines: Option<usize>,
    pub(super) checkpoint: Option<Checkpoint>,
    given: Given,
    pub(super) content_md5: bool,
    pub(super) verify: Verify,
    pub(super) find_on_server: bool,
    pub(super) on_change: OnChange,
    pub(super) control: Option<Control>,
    pub(super) rate_limit: Option<u64>,
    pub(super) deadline: Option<Duration>,
    pub(super) observer: Option<Observer<'a>>,
    pub(super) progress_every: Duration,
    pub(super) listener: Option<Listener<'a>>,
    /// Opens and locks the checkpoint: the seam for tests that let a disk fail.
    pub(super) open_disk: OpenDisk<'a>,
}

type OpenDisk<'a> = Box<dyn Fn(&Path) -> Result<Box<dyn Disk>, OpenError> + Send + 'a>;

impl Bucket {
    /// Starts an upload of a local file to an object. Nothing happens until [`run`](UploadFile::run).
    pub fn upload_file(
        &self,
        object_key: impl Into<String>,
        file_path: impl Into<PathBuf>,
    ) -> UploadFile<'_> {
        UploadFile {
            bucket: self,
            key: object_key.into(),
            path: file_path.into(),
            range: Range::default(),
            identity: Identity::strict(),
            part_size: None,
            routines: None,
            checkpoint: None,
            given: Given::default(),
            content_md5: false,
            verify: Verify::default(),
            find_on_server: false,
            on_change: OnChange::default(),
            control: None,
            rate_limit: None,
            deadline: None,
            observer: None,
            progress_every: PROGRESS_EVERY,
            listener: None,
            open_disk: Box::new(|path| Ok(Box::new(CheckpointFile::open(path)?))),
        }
    }
}

impl<'a> UploadFile<'a> {
    /// Sets the length of every part except the last, in bytes: 102,400 to 5,368,709,120. A file that fits into one
    /// part goes up by a single PutObject.
    ///
    /// Default: 8 MiB, or the smallest whole number of MiB with which 10,000 parts suffice.
    pub fn part_size(mut self, bytes: u64) -> Self {
        self.part_size = Some(bytes);
        self
    }

    /// Uploads only these bytes of the file: they are the object, which is as long as they are. None of them, as in `5..5`,
    /// make an empty object. Default: all of the file.
    ///
    /// They must be inside of the file, else [`run`](Self::run) refuses them with [`ErrorKind::Options`]. Part sizes and the
    /// number of parts are those of the range. The file as a whole is watched for changes: one outside of the range is a
    /// change too, unless the [`Identity`] lets the bytes decide, which are those of the range.
    ///
    /// A checkpoint of another range is a fresh start. [`Checkpoint::beside_file`] is the same file for all ranges of a
    /// file, so that uploads of several ranges need places of their own; in [`Checkpoint::in_dir`] they have them as long as
    /// their keys differ.
    ///
    /// [`ErrorKind::Options`]: crate::ErrorKind::Options
    pub fn range(mut self, bytes: impl RangeBounds<u64>) -> Self {
        self.range = Range::new(bytes);
        self
    }

    /// Sets by what the file is recognized when it is looked at again. Default: [`Identity::strict`].
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Sets how many parts are sent at the same time, each by a thread with a connection of its own: 1 to 100.
    /// Default: 1.
    pub fn routines(mut self, routines: usize) -> Self {
        self.routines = Some(routines);
        self
    }

    /// Sets where finished parts are remembered. Default: nowhere, so that a failed upload is aborted and starts from
    /// scratch.
    pub fn checkpoint(mut self, checkpoint: Checkpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// Adds user metadata, `x-oss-meta-NAME`: letters, digits and `-` as the name, which OSS keeps in lower case; any text
    /// without control characters as the value; 8 KiB for all of it, the full names included.
    ///
    /// A value goes over the wire as its UTF-8 bytes and is signed as such; whoever reads it back finds those bytes in the
    /// header. White space at its ends, of every sort that Unicode knows, is trimmed.
    pub fn meta(mut self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        let name = format!("{META_PREFIX}{}", name.as_ref());
        self.given.headers.push((name, value.into()));
        self
    }

    /// Adds a header of the object or the upload for which there is no setter. It goes with those requests that want it,
    /// InitiateMultipartUpload or PutObject when it is not known which. Each may be given once.
    /// All of them together have at most 64 KiB. Values are sent as those of [`meta`](Self::meta) are.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.given.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a query parameter for which there is no setter. It goes with those requests that carry the header of the same
    /// meaning, such as `x-oss-traffic-limit` or `callback`; when there is none, with InitiateMultipartUpload or PutObject.
    /// Each may be given once, and not as a header too; all of them together have at most 16 KiB.
    ///
    /// The protocol's own parameters (`uploads`, `uploadId`, `partNumber` …), those of signatures, and those that make
    /// another call of the request (`acl`, `append` …) are refused. Signatures V4 cover all parameters; V1 covers
    /// `callback`, `callback-var` and what begins with `x-oss-`.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.given.query.push((name.into(), value.into()));
        self
    }

    /// Sends `Content-MD5` with every request that has a body, so that OSS refuses bytes that were damaged on the way
    /// instead of storing them. Default: it is not sent.
    ///
    /// The CRC-64 of every part is compared after it was stored, with this or without. What it costs: each part is read
    /// twice, first for its MD5, which takes two or three seconds for a GiB. Bytes that differ the second time are a change
    /// of the file ([`OnChange`]).
    pub fn content_md5(mut self) -> Self {
        self.content_md5 = true;
        self
    }

    /// Sets how finished parts are verified on resume. Default: [`Verify::Metadata`].
    pub fn verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// Looks for an upload to go on with on the server, where no checkpoint tells of one: for when the checkpoint is lost
    /// with its disk. Default: nothing is looked for.
    ///
    /// The open uploads of exactly this key are listed, and the newest 100 of them looked at. Where the length of every
    /// part fits the part size of this run (set it, if the earlier run did), the local bytes of the parts are read and
    /// compared by CRC-64: at most once the whole file. The upload with most of the file's bytes is continued, and
    /// recorded in the checkpoint, if there is to be one; the outcome is [`Outcome::Resumed`](crate::Outcome::Resumed). All others are left alone:
    /// they may be somebody else's. Parts without a checksum do not count. Where listing is forbidden, or the object
    /// cannot be looked at later, the upload starts from scratch.
    ///
    /// With which options the earlier run began cannot be seen. So the object is looked at when it is complete, and if it
    /// is described by others than those asked for now, it is replaced: all is sent again, with
    /// [`RestartReason::OptionsChanged`](crate::RestartReason::OptionsChanged). Until that has succeeded it is there with the others. Two things are the bucket's word where
    /// nothing is asked for, the storage class and the encryption; they are taken as they are. Options that no look
    /// at the object shows are refused together with this one: tags, a KMS key, and
    /// [`forbid_overwrite`](Self::forbid_overwrite).
    ///
    /// An upload that is found may be one that another process is sending right now. As both send the same bytes, the
    /// object comes out right, but who is second sends parts in vain, and when one of them fails or is abandoned and
    /// aborts the upload, the other starts from scratch. Only a checkpoint keeps two apart. Without one a failed run
    /// aborts its upload, also one that it found.
    pub fn find_on_server(mut self) -> Self {
        self.find_on_server = true;
        self
    }

    /// Sets what happens when the file changes meanwhile. Default: [`OnChange::Restart`].
    pub fn on_change(mut self, on_change: OnChange) -> Self {
        self.on_change = on_change;
        self
    }

    /// Gives the upload to a control, to cancel, abandon, pause or slow it down from another thread.
    pub fn control(mut self, control: &Control) -> Self {
        self.control = Some(control.clone());
        self
    }

    /// Limits how many bytes of bodies go out each second, by all routines together: 1024 or more. Default: no limit.
    ///
    /// [`run`](Self::run) begins by [setting it](Control::set_rate_limit) for the [control](Self::control), with which it
    /// stays: uploads that share a control share its limit, and it may be changed meanwhile.
    pub fn rate_limit(mut self, bytes_per_second: u64) -> Self {
        self.rate_limit = Some(bytes_per_second);
        self
    }

    /// Sets how long [`run`](Self::run) may take in all, retries and pauses included. It must not be zero. Default: as
    /// long as it takes.
    ///
    /// When the time is over the upload ends as if it were [cancelled](Control::cancel), with
    /// [`ErrorKind::DeadlineExceeded`](crate::ErrorKind::DeadlineExceeded): with a checkpoint the next run continues,
    /// without one the upload on the server is aborted, for which 0.7 seconds more are allowed. The error tells what failed
    /// last, when that was within a minute and the request did not get through since. For one of many files the time counts
    /// from its turn on.
    pub fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// Sets who is told how far the upload is: [as often as asked](Self::progress_every) and at the beginning of every
    /// phase, on the thread that called [`run`](Self::run). A slow observer delays itself only, and the next phase.
    /// Should it panic, it is called no more, and the upload ends with
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal).
    pub fn on_progress(mut self, observer: impl FnMut(&Snapshot) + Send + 'a) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Sets how often progress is shown: every 10 ms or less often. Default: 100 ms.
    pub fn progress_every(mut self, every: Duration) -> Self {
        self.progress_every = every;
        self
    }

    /// Sets who is told what happens to single parts and requests, for telemetry: on the thread that called
    /// [`run`](Self::run), about ten times a second, and all of it before that returns.
    ///
    /// Routines never wait for it: events that it has not taken yet are kept in memory. Should it panic, it is called
    /// no more, and the upload ends with [`ErrorKind::Internal`](crate::ErrorKind::Internal), unless the object is
    /// complete by then. Without a listener nothing is kept.
    pub fn on_event(mut self, listener: impl FnMut(&Event) + Send + 'a) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    pub(super) fn error(&self, kind: ErrorKind, why: impl Into<String>) -> Error {
        let (path, bucket, key) = (
            self.path.display(),
            self.bucket.name(),
            self.key.escape_debug(),
        );
        let doing = format!("uploading `{path}` to oss://{bucket}/{key}");
        Error::text(kind, doing, why)
    }

    /// What can be known to be wrong before any file is opened.
    pub(super) fn check(&self) -> Result<ObjectHeaders, Error> {
        let refuse = |why: String| self.error(ErrorKind::Options, why);
        endpoint::check_key(&self.key).map_err(refuse)?;
        self.range.check().map_err(refuse)?;
        if let Some(size) = self.part_size {
            plan::check_part_size(size).map_err(refuse)?;
        }
        check_routines(self.routines.unwrap_or(1)).map_err(refuse)?;
        check_times(self.deadline, self.progress_every, self.rate_limit).map_err(refuse)?;
        let headers = ObjectHeaders::new(&self.given).map_err(refuse)?;
        if self.find_on_server {
            headers.check_visible().map_err(refuse)?;
        }
        Ok(headers.or_content_type(content_type::guess(&self.key, &self.path)))
    }
}

impl fmt::Debug for UploadFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadFile")
            .field("bucket", &self.bucket.name())
            .field("key", &self.key)
            .field("path", &self.path)
            .field("range", &self.range)
            .field("part_size", &self.part_size)
            .field("routines", &self.routines)
            .field("checkpoint", &self.checkpoint)
            .finish_non_exhaustive()
    }
}
