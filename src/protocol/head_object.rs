//! HeadObject: what settles whether a Complete with a lost answer had succeeded.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/headobject>

use super::complete::Completed;
use super::{Answer, Operation, Request};

pub(crate) fn request<'a>(key: &'a str, headers: &'a [(String, String)]) -> Request<'a> {
    Request::new(Operation::HeadObject, key).headers(headers)
}

/// An object as the server has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) len: Option<u64>,
    pub(crate) object: Completed,
}

pub(crate) fn read(answer: &Answer) -> Head {
    Head {
        len: answer.header("content-length").and_then(|v| v.parse().ok()),
        object: Completed {
            etag: answer.etag(),
            crc64: answer.crc64(),
            version_id: answer.version_id(),
        },
    }
}
