//! Initiate, upload a part, abort.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/initiatemultipartupload>

use super::body::Received;
use super::metadata;
use crate::local_server::answer::Answer;
use crate::local_server::error::OssError;
use crate::local_server::request::Request;
use crate::local_server::shared::Shared;
use crate::local_server::store::{Part, Upload};
use crate::local_server::xml::Xml;
use std::collections::BTreeMap;

const EXISTS: &str = "0042-00000214";

pub(super) fn admit_initiate(shared: &Shared, request: &Request) -> Result<(), OssError> {
    metadata::check(request)?;
    let (bucket, key) = request.place();
    let overwrite = request.overwrite(EXISTS);
    shared.store.check_overwrite(bucket, key, overwrite)
}

pub(super) fn initiate(shared: &Shared, request: &Request) -> Result<Answer, OssError> {
    let (bucket, key) = request.place();
    let upload_id = shared.store.initiate(Upload {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        initiated: shared.now(),
        headers: metadata::given(request),
        parts: BTreeMap::new(),
    });
    let mut xml = Xml::new("InitiateMultipartUploadResult");
    xml.encoding_type(request.encoding());
    xml.element("Bucket", bucket);
    xml.name("Key", key, request.encoding());
    xml.element("UploadId", &upload_id);
    Ok(Answer::new(200).xml(xml.finish()))
}

pub(super) fn admit_part(shared: &Shared, request: &Request) -> Result<(), OssError> {
    part_number(request)?;
    for (name, value) in &request.head.headers {
        let name = name.to_ascii_lowercase();
        let is_encryption = name.starts_with("x-oss-server-side-encryption")
            || name == "x-oss-server-side-data-encryption";
        if is_encryption {
            let message = "Server side encryption belongs to InitiateMultipartUpload.";
            return Err(OssError::argument(
                message,
                "x-oss-server-side-encryption",
                value,
            ));
        }
    }
    let (bucket, key) = request.place();
    (shared.store).upload_headers(bucket, key, request.upload_id())?;
    Ok(())
}

pub(super) fn put_part(
    shared: &Shared,
    request: &Request,
    received: Received,
) -> Result<Answer, OssError> {
    let (bucket, key) = request.place();
    let (number, upload_id) = (part_number(request)?, request.upload_id());
    let headers = shared.store.upload_headers(bucket, key, upload_id)?;
    let mut answer = received.answer();
    for (name, value) in headers {
        if name.starts_with("x-oss-server-side-") {
            answer = answer.header(name, value);
        }
    }
    let part = Part {
        len: received.len,
        etag: received.etag(),
        crc: received.crc,
        modified: shared.now(),
        content: received.content,
    };
    shared
        .store
        .add_part(bucket, key, upload_id, number, part)?;
    Ok(answer)
}

pub(super) fn abort(shared: &Shared, request: &Request) -> Result<Answer, OssError> {
    let (bucket, key) = request.place();
    shared.store.abort(bucket, key, request.upload_id())?;
    Ok(Answer::new(204))
}

fn part_number(request: &Request) -> Result<u16, OssError> {
    check_part_number(request.parameter("partNumber").unwrap_or_default())
}

pub(super) fn check_part_number(text: &str) -> Result<u16, OssError> {
    let number = text.parse().ok();
    number.filter(|n| (1..=10_000).contains(n)).ok_or_else(|| {
        OssError::argument(
            "Part number must be an integer between 1 and 10000, inclusive.",
            "PartNumber",
            text,
        )
        .ec("0017-00000220")
    })
}
