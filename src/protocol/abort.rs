//! AbortMultipartUpload. A part in flight may be stored after it, so workers end first.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/abortmultipartupload>

use super::{Operation, Request};

pub(crate) fn request<'a>(
    key: &'a str,
    upload_id: &'a str,
    headers: &'a [(String, String)],
) -> Request<'a> {
    Request::new(Operation::AbortMultipartUpload, key)
        .query(&[("uploadId", upload_id)])
        .headers(headers)
}
