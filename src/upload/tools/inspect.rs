//! A look at a checkpoint: what it says, for people and tools. Nothing is changed, and nobody is kept from using it.

use crate::checkpoint::Checkpoint;
use crate::checkpoint::file::look;
use crate::checkpoint::record::{Header, Owed};
use crate::checkpoint::scan::{End, Scan, scan};
use crate::error::{Error, OneLine};
use crate::part::DonePart;
use crate::upload::plan::Plan;
use crate::upload::record::open_failed;
use crate::upload::source::identity::{Change, Identity};
use crate::upload::source::identity_at;
use jiff::Timestamp;
use std::fmt::{self, Write};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a checkpoint says, from [`Checkpoint::inspect`]. `Display` tells it in a few lines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointInfo {
    /// The checkpoint's own path, as it was given.
    pub path: PathBuf,
    /// Whether it can be read, and what the next run makes of that.
    pub state: CheckpointState,
    /// Whether an upload is using it now.
    pub is_in_use: bool,
    /// When it was last written to, by the file's mtime: while an upload runs, about when its latest part was finished.
    /// `None` where the system does not tell.
    pub last_written: Option<SystemTime>,
    /// The upload on the server that it tells of; also of a damaged checkpoint, when the first record is intact.
    pub upload: Option<RecordedUpload>,
    /// What is to be continued; `None` when nothing is.
    pub progress: Option<RecordedProgress>,
    /// Older uploads of no use any more that could not be aborted yet.
    pub owed: Vec<RecordedUpload>,
}

/// Whether a checkpoint can be read, and what the next run makes of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointState {
    /// Nothing was recorded yet. The next run begins an upload.
    Empty,
    /// It tells of an upload. The next run continues it, if it is of the same file, target, part size and options.
    /// What a crash may have left half-written at the end does not matter.
    Intact,
    /// It is damaged. The next run aborts the upload, if its id is known, and sends all parts again.
    Damaged,
    /// Another version of this library wrote it, in a format that this one does not know. The next run moves it aside and
    /// begins an upload.
    OtherFormat,
    /// It is no checkpoint at all. The next run moves it aside and begins an upload.
    Foreign,
}

/// An upload on a server, as a checkpoint names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedUpload {
    /// The endpoint at which it was begun, `https://HOST`.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// The upload's id.
    pub upload_id: String,
}

/// How far a recorded upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedProgress {
    /// The absolute path of the local file.
    pub file: PathBuf,
    /// What the local file is now.
    pub file_state: FileState,
    /// The bytes of the file that are the object; `None` where it is all of them.
    pub range: Option<Range<u64>>,
    /// The length of the object: of the range, or of the file when the upload began.
    pub bytes_total: u64,
    /// Bytes of the finished parts.
    pub bytes_done: u64,
    /// The length of every part except the last.
    pub part_size: u64,
    /// The number of parts.
    pub parts_total: u16,
    /// Finished parts, by the record. The server may have a few more, and is asked by the next run.
    pub parts_done: u16,
}

/// A local file, compared with what a checkpoint knows of it: by everything, whatever [`Identity`] the next run may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// It is the same file.
    Unchanged,
    /// Length and mtime are the same, its ctime, device or inode is not. The next run reads the finished parts again to
    /// prove that their bytes are the same too.
    Touched,
    /// It has another length or mtime, or is no regular file any more. The next run sends all parts again.
    Changed,
    /// It is not there.
    Gone,
    /// It cannot be looked at.
    Unknown,
}

impl Checkpoint {
    /// Reads what a checkpoint says. Nothing is sent, nothing on the disk is changed, and an upload that is using it is not
    /// disturbed. [`UploadFile::checkpoint_path`](crate::UploadFile::checkpoint_path) tells where it is.
    ///
    /// It is an answer, and no error, when the file is damaged or no checkpoint at all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Checkpoint`](crate::ErrorKind::Checkpoint) when the file is not there, cannot be read, or is no regular
    /// file. [`ErrorKind::CheckpointBusy`](crate::ErrorKind::CheckpointBusy) when it is in use and the system lets nobody
    /// read it then, as Windows does.
    pub fn inspect(path: impl AsRef<Path>) -> Result<CheckpointInfo, Error> {
        let path = path.as_ref();
        let look = look(path).map_err(|error| open_failed(path, error))?;
        let info = CheckpointInfo::of(path, scan(&look.bytes));
        Ok(CheckpointInfo {
            is_in_use: look.is_in_use,
            last_written: look.written,
            ..info
        })
    }
}

impl CheckpointInfo {
    /// What its bytes tell, compared with the local file as it is now.
    pub(crate) fn of(path: &Path, scanned: Scan) -> CheckpointInfo {
        let progress = progress(&scanned);
        CheckpointInfo {
            path: path.to_owned(),
            state: state(&scanned, progress.is_some()),
            is_in_use: false,
            last_written: None,
            upload: scanned.header.as_ref().map(|header| header.owed().into()),
            progress,
            owed: scanned.owed.into_iter().map(RecordedUpload::from).collect(),
        }
    }
}

fn state(scanned: &Scan, has_progress: bool) -> CheckpointState {
    match (scanned.end, &scanned.header) {
        (End::OtherFormat(_), _) => CheckpointState::OtherFormat,
        (End::Foreign, _) => CheckpointState::Foreign,
        (End::Damaged, _) => CheckpointState::Damaged,
        (End::Clean | End::CutShort, None) => CheckpointState::Empty,
        (End::Clean | End::CutShort, Some(_)) if has_progress => CheckpointState::Intact,
        // Part sizes that no upload has.
        (End::Clean | End::CutShort, Some(_)) => CheckpointState::Damaged,
    }
}

/// `None` when nothing of it counts.
fn progress(scanned: &Scan) -> Option<RecordedProgress> {
    let readable = matches!(scanned.end, End::Clean | End::CutShort);
    let header = scanned.header.as_ref().filter(|_| readable)?;
    let len = header.slice.map_or(header.identity.len, |slice| slice.len);
    let plan = Plan::new(len, Some(header.part_size)).ok()?;
    let known = |part: &&DonePart| plan.part(part.number).is_some();
    let done = || scanned.parts.iter().filter(known);
    let file = path(&header.path);
    Some(RecordedProgress {
        file_state: file_state(&file, header),
        file,
        range: header.slice.map(|slice| slice.bytes()),
        bytes_total: plan.object_len(),
        bytes_done: done().map(|part| plan.part_len(part.number)).sum(),
        part_size: plan.part_size(),
        parts_total: plan.n_parts(),
        parts_done: u16::try_from(done().count()).unwrap_or(u16::MAX),
    })
}

fn file_state(file: &Path, header: &Header) -> FileState {
    let is_file = file.metadata().map(|metadata| metadata.is_file());
    match is_file.and_then(|is_file| Ok((is_file, identity_at(file)?))) {
        Ok((false, _)) => FileState::Changed,
        Ok((true, now)) => match Identity::strict().compare(&header.identity, &now) {
            Change::None => FileState::Unchanged,
            Change::Suspicious => FileState::Touched,
            Change::Changed => FileState::Changed,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => FileState::Gone,
        Err(_) => FileState::Unknown,
    }
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// Names that are no Unicode cannot be made of bytes safely here: such a file is not found.
#[cfg(not(unix))]
fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

impl From<Owed> for RecordedUpload {
    fn from(owed: Owed) -> RecordedUpload {
        RecordedUpload {
            endpoint: owed.endpoint,
            bucket: owed.bucket,
            key: owed.key,
            upload_id: owed.upload_id,
        }
    }
}

impl fmt::Display for RecordedUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, bucket, key, endpoint) =
            (&self.upload_id, &self.bucket, &self.key, &self.endpoint);
        write!(
            OneLine(f),
            "upload {id} of oss://{bucket}/{key} at {endpoint}"
        )
    }
}

impl fmt::Display for CheckpointInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_use = if self.is_in_use { ", in use" } else { "" };
        let path = self.path.display();
        write!(OneLine(f), "`{path}`: {}{in_use}", self.state)?;
        if let Some(upload) = &self.upload {
            write!(f, "\n  {upload}")?;
        }
        if let Some(progress) = &self.progress {
            write!(f, "\n  {progress}")?;
        }
        for owed in &self.owed {
            write!(f, "\n  still to be aborted: {owed}")?;
        }
        let written = self
            .last_written
            .and_then(|at| Timestamp::try_from(at).ok());
        match written {
            Some(at) => write!(f, "\n  last written {at:.0}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CheckpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CheckpointState::Empty => "nothing is recorded yet",
            CheckpointState::Intact => "an upload that can be continued",
            CheckpointState::Damaged => "damaged, all parts will be sent again",
            CheckpointState::OtherFormat => "of another format, written by another version",
            CheckpointState::Foreign => "not a checkpoint",
        })
    }
}

impl fmt::Display for RecordedProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, state) = (self.file.display(), self.file_state);
        write!(OneLine(f), "`{file}`, {state}: ")?;
        if let Some(range) = &self.range {
            write!(f, "bytes {}..{}, ", range.start, range.end)?;
        }
        write!(
            f,
            "{} of {} bytes, {} of {} parts of {} bytes",
            self.bytes_done, self.bytes_total, self.parts_done, self.parts_total, self.part_size
        )
    }
}

impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileState::Unchanged => "unchanged",
            FileState::Touched => "to be read again",
            FileState::Changed => "changed",
            FileState::Gone => "gone",
            FileState::Unknown => "which cannot be looked at",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::record::{MAGIC, Record, Slice, push_frame};
    use crate::etag::ETag;
    use crate::part::PartNumber;

    fn told(header: &Header) -> CheckpointInfo {
        let part = |n| DonePart {
            number: PartNumber::new(n).expect("a part number"),
            etag: ETag::from_md5([1; 16]),
            crc64: 1,
        };
        let mut bytes = MAGIC.to_vec();
        for record in header.records() {
            push_frame(&mut bytes, &record);
        }
        for n in [1, 2, 10_000] {
            push_frame(&mut bytes, &Record::PartDone(part(n)));
        }
        CheckpointInfo::of(Path::new("x.cp"), scan(&bytes))
    }

    #[test]
    fn parts_that_the_file_does_not_have_do_not_count() {
        let progress = told(&Header::sample()).progress.expect("an upload");
        assert_eq!((progress.parts_done, progress.parts_total), (1, 1));
        assert_eq!((progress.bytes_done, progress.bytes_total), (10, 10));
    }

    #[test]
    fn of_a_range_its_own_bytes_are_told() {
        let mut header = Header::sample();
        header.slice = Some(Slice { offset: 3, len: 5 });
        let told = told(&header);
        let progress = told.progress.as_ref().expect("an upload");
        assert_eq!(progress.range, Some(3..8));
        assert_eq!((progress.bytes_done, progress.bytes_total), (5, 5));
        let text = told.to_string();
        assert!(text.contains("bytes 3..8, 5 of 5 bytes"), "{text}");
    }

    #[test]
    fn a_part_size_that_no_upload_has_is_damage() {
        let mut header = Header::sample();
        header.part_size = 0;
        let told = told(&header);
        assert_eq!(told.state, CheckpointState::Damaged);
        assert_eq!(told.progress, None);
        assert!(told.upload.is_some());
    }
}
