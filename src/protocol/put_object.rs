//! PutObject, for files that fit into one part.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/putobject>

use super::complete::Completed;
use super::{Answer, Operation, Request};

/// The caller adds the body.
pub(crate) fn request<'a>(key: &'a str, headers: &'a [(String, String)]) -> Request<'a> {
    Request::new(Operation::PutObject, key).headers(headers)
}

pub(crate) fn read(answer: &Answer) -> Completed {
    Completed {
        etag: answer.etag(),
        crc64: answer.crc64(),
        version_id: answer.version_id(),
    }
}
