//! What became of an upload.

use crate::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// An upload that succeeded: the object is complete and holds the file's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uploaded {
    /// The bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// The length of the object, in bytes: that of the file, or of the [range](crate::UploadFile::range) of it.
    pub size: u64,
    /// The object's ETag, without quotes; empty when the server named none.
    pub etag: String,
    /// The CRC-64/XZ of the object's bytes as they were sent.
    pub crc64: u64,
    /// Whether the server named the same CRC-64 for the whole object. A server that names none leaves the check of
    /// every part.
    pub crc64_confirmed: bool,
    /// The version of the object, in a bucket with versioning.
    pub version_id: Option<String>,
    /// What the caller's own server answered to the [callback](crate::Callback), as it came: JSON, OSS sees to that, of up
    /// to 3 MiB. `None` without a callback, and when the answer to CompleteMultipartUpload was lost, so that the object
    /// itself had to prove that it is complete: the call was made then, but nobody tells how it went.
    pub callback_response: Option<Vec<u8>>,
    /// The id of the upload, dead by now; `None` for a file that fitted into one part and went up by PutObject.
    pub upload_id: Option<String>,
    /// How it came about.
    pub outcome: Outcome,
    /// The number of parts.
    pub parts: u16,
    /// Body bytes handed to the network by this run, repetitions included.
    pub bytes_sent: u64,
    /// Bytes of `bytes_sent` that came to nothing and were sent again.
    pub bytes_resent: u64,
    /// Requests repeated after a failure.
    pub retries: u64,
    /// Why the upload was started again from scratch, each time that it was in this run.
    pub restarts: Vec<RestartReason>,
    /// Uploads of no use any more, of this run or of earlier ones, that could not be aborted. Their parts are billed until
    /// they are.
    pub left_behind: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Uploaded {
    /// Parts that an earlier run had sent.
    pub fn parts_resumed(&self) -> u16 {
        match self.outcome {
            Outcome::Resumed { parts, .. } => parts,
            _ => 0,
        }
    }
}

/// What became of one of many files.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileOutcome {
    /// The object's key.
    pub key: String,
    /// The local file, as it was given.
    pub path: PathBuf,
    /// As [`UploadFile::run`](crate::UploadFile::run) would have returned it.
    pub result: Result<Uploaded, Error>,
}

/// How an upload came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// All of it was sent by this run, and nothing else had been begun.
    Fresh,
    /// An earlier run had sent so much of it.
    Resumed {
        /// Parts.
        parts: u16,
        /// Their bytes.
        bytes: u64,
    },
    /// What had been sent before was of no use; all of it was sent again. The last reason, if there was more than one.
    Restarted(RestartReason),
    /// The object was complete already: the answer to an earlier Complete had been lost.
    AlreadyComplete,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Fresh => f.write_str("uploaded"),
            Outcome::Resumed { parts, bytes } => {
                write!(
                    f,
                    "resumed: {parts} parts, {bytes} bytes, were there already"
                )
            }
            Outcome::Restarted(reason) => write!(f, "uploaded from scratch: {reason}"),
            Outcome::AlreadyComplete => f.write_str("it was complete already"),
        }
    }
}

/// Why an upload was started again from scratch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestartReason {
    /// The checkpoint was of another endpoint, bucket, key or file.
    OtherTarget,
    /// The checkpoint was of another part size.
    PartSizeChanged,
    /// The options sent when the upload began were others.
    OptionsChanged,
    /// The file changed, between the runs or during this one.
    FileChanged,
    /// The checkpoint was of another range of the file, or of all of it.
    RangeChanged,
    /// The checkpoint was damaged.
    CheckpointDamaged,
    /// The server no longer knew the upload.
    UploadGone,
    /// The server kept refusing parts that it had acknowledged.
    PartsRefused,
}

impl fmt::Display for RestartReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RestartReason::OtherTarget => "the checkpoint is of another upload",
            RestartReason::PartSizeChanged => "the part size is another",
            RestartReason::OptionsChanged => "the object's options are others",
            RestartReason::FileChanged => "the file has changed",
            RestartReason::RangeChanged => "the range of the file is another",
            RestartReason::CheckpointDamaged => "the checkpoint is damaged",
            RestartReason::UploadGone => "the server no longer knows the upload",
            RestartReason::PartsRefused => "the server refuses parts that it had acknowledged",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_by_people_too() {
        let (parts, bytes) = (3, 777);
        let outcomes = [
            (Outcome::Fresh, "uploaded"),
            (
                Outcome::Resumed { parts, bytes },
                "resumed: 3 parts, 777 bytes, were there already",
            ),
            (
                Outcome::Restarted(RestartReason::UploadGone),
                "uploaded from scratch: the server no longer knows the upload",
            ),
            (Outcome::AlreadyComplete, "it was complete already"),
        ];
        for (outcome, text) in outcomes {
            assert_eq!(outcome.to_string(), text);
        }
    }
}
