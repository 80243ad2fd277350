//! Ending an upload that nobody will complete, until the server has no part of it.

use super::repeating::{call, error};
use crate::checkpoint::record::Owed;
use crate::client::Bucket;
use crate::error::{Error, ErrorKind};
use crate::protocol::{Additions, Operation, abort, list_parts};
use crate::retry::Failure;
use crate::stop::Stop;
use std::fmt;
use std::sync::Arc;

/// How often an upload is aborted that keeps having parts.
const MAX_ABORTS: usize = 4;

/// Aborts an upload, of this key or of another; `false` when it may still be there.
///
/// A part that was in flight may be stored after an abort, so it is repeated until ListParts finds none.
pub(in crate::upload) fn abort(
    bucket: &Bucket,
    owed: &Owed,
    additions: &Additions,
    stop: &Arc<Stop>,
) -> bool {
    let aborted = try_abort(bucket, owed, additions, stop);
    if let Err(why) = &aborted {
        log::warn!(
            target: "oss_upload::upload",
            "upload {} of {}/{} could not be aborted, its parts are billed until it is: {why}",
            owed.upload_id.escape_debug(),
            bucket.name(),
            owed.key.escape_debug()
        );
    }
    aborted.is_ok()
}

/// Why an upload may still be there.
#[derive(Debug)]
pub(in crate::upload) enum NotAborted {
    Request(Failure),
    /// However often it is aborted.
    KeepsParts,
}

impl fmt::Display for NotAborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAborted::Request(failure) => failure.fmt(f),
            NotAborted::KeepsParts => write!(f, "after {MAX_ABORTS} times it still has parts"),
        }
    }
}

impl NotAborted {
    pub(in crate::upload) fn into_error(self, bucket: &Bucket, doing: String) -> Error {
        match self {
            NotAborted::Request(failure) => {
                error(bucket, Operation::AbortMultipartUpload, doing, failure)
            }
            NotAborted::KeepsParts => Error::text(ErrorKind::Service, doing, self.to_string()),
        }
    }
}

/// Aborts an upload as [`abort`] does, and leaves it to the caller to tell of a failure.
pub(in crate::upload) fn try_abort(
    bucket: &Bucket,
    owed: &Owed,
    additions: &Additions,
    stop: &Arc<Stop>,
) -> Result<(), NotAborted> {
    let (key, upload_id) = (&owed.key, &owed.upload_id);
    let mut left = 0;
    for _ in 0..MAX_ABORTS {
        let request = || abort::request(key, upload_id, additions);
        match call(bucket, stop, request, abort::read) {
            Ok(()) => {}
            Err(failure) if failure.is_service("NoSuchUpload") => return Ok(()),
            Err(failure) => return Err(NotAborted::Request(failure)),
        }
        let request = || list_parts::request(key, upload_id, "0", additions);
        left = match call(bucket, stop, request, list_parts::read) {
            Ok(page) if page.parts.is_empty() => return Ok(()),
            Ok(page) => page.parts.len(),
            Err(failure) if failure.is_service("NoSuchUpload") => return Ok(()),
            // Nobody tells; the next abort may.
            Err(failure) if failure.is_service("AccessDenied") => 0,
            Err(failure) => return Err(NotAborted::Request(failure)),
        };
    }
    match left {
        // A server that keeps granting keeps nothing.
        0 => Ok(()),
        _ => Err(NotAborted::KeepsParts),
    }
}
