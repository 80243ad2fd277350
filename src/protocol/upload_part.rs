//! UploadPart. Repeating it is safe: a part sent again replaces the one before.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/uploadpart>

use super::{Additions, Answer, Operation, Request, Unreadable};
use crate::etag::ETag;

const OPERATION: Operation = Operation::UploadPart;

/// The caller adds the body.
pub(crate) fn request<'a>(
    key: &'a str,
    upload_id: &'a str,
    part_number: &'a str,
    additions: &'a Additions,
) -> Request<'a> {
    Request::new(OPERATION, key)
        .query(&[("partNumber", part_number), ("uploadId", upload_id)])
        .adding(additions)
}

/// What the server stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StoredPart {
    pub(crate) etag: ETag,
    pub(crate) crc64: Option<u64>,
}

pub(crate) fn read(answer: &Answer) -> Result<StoredPart, Unreadable> {
    let no_etag = || Unreadable::new(OPERATION, "has no ETag");
    Ok(StoredPart {
        etag: answer.etag().ok_or_else(no_etag)?,
        crc64: answer.crc64(),
    })
}
