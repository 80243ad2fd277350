//! PutObject, for files that fit into one part.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/putobject>

use super::complete::{Completed, Outcome};
use super::{Additions, Answer, Operation, Request, Unreadable};

/// The caller adds the body.
pub(crate) fn request<'a>(key: &'a str, additions: &'a Additions) -> Request<'a> {
    Request::new(Operation::PutObject, key).adding(additions)
}

/// Reads a 2xx. `callback` tells that a callback was asked for, whose answer is the body. One without an ETag is not OSS's: a portal's page, perhaps.
pub(crate) fn read(answer: &Answer, callback: bool) -> Result<Outcome, Unreadable> {
    // A callback that failed, whose object is stored all the same.
    if let Some(refusal) = Outcome::refusal(answer) {
        return Ok(refusal);
    }
    let etag = answer.etag();
    let no_etag = || Unreadable::new(Operation::PutObject, "has no ETag");
    Ok(Outcome::Completed(Completed {
        etag: Some(etag.ok_or_else(no_etag)?),
        crc64: answer.crc64(),
        callback: callback.then(|| answer.body.clone()),
        version_id: answer.version_id(),
    }))
}
