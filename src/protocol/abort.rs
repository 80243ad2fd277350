//! AbortMultipartUpload. A part in flight may be stored after it, so workers end first.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/abortmultipartupload>

use super::{Additions, Answer, Operation, Request, Unreadable};

pub(crate) fn request<'a>(
    key: &'a str,
    upload_id: &'a str,
    additions: &'a Additions,
) -> Request<'a> {
    Request::new(Operation::AbortMultipartUpload, key)
        .query(&[("uploadId", upload_id)])
        .adding(additions)
}

/// Any other success than 204 is not OSS's: a portal's page, perhaps.
pub(crate) fn read(answer: &Answer) -> Result<(), Unreadable> {
    match answer.status {
        204 => Ok(()),
        status => {
            let what = format!("has status {status} instead of 204");
            Err(Unreadable::new(Operation::AbortMultipartUpload, what))
        }
    }
}
