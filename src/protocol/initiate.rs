//! InitiateMultipartUpload. Not idempotent: a repeated one leaves an upload without parts behind.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/initiatemultipartupload>

use super::{Additions, Answer, Body, Operation, Request, Unreadable, xml};
use crate::endpoint::check_upload_id;

const OPERATION: Operation = Operation::InitiateMultipartUpload;

pub(crate) fn request<'a>(key: &'a str, additions: &'a Additions) -> Request<'a> {
    Request::new(OPERATION, key)
        .query(&[("encoding-type", "url"), ("uploads", "")])
        .adding(additions)
        .body(Body::Bytes(b""))
}

/// The id of the new upload.
pub(crate) fn read(answer: &Answer) -> Result<String, Unreadable> {
    let id = xml::with_root(&answer.body, "InitiateMultipartUploadResult", |root| {
        root.required("UploadId").map(str::to_owned)
    });
    let id = id.map_err(|why| Unreadable::new(OPERATION, why))?;
    match check_upload_id(&id) {
        Ok(()) => Ok(id),
        Err(why) => Err(Unreadable::new(OPERATION, format!("names none: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upload_id_is_opaque_text() {
        let body = "<InitiateMultipartUploadResult><EncodingType>url</EncodingType><Bucket>b</Bucket>\
                    <Key>backup%2Freport.bin</Key><UploadId>5D0F+/=B4E</UploadId></InitiateMultipartUploadResult>";
        let mut answer = Answer {
            body: body.as_bytes().to_vec(),
            ..Answer::default()
        };
        assert_eq!(read(&answer).as_deref(), Ok("5D0F+/=B4E"));
        for wrong in [&"5".repeat(2000), "5D&#10;0F"] {
            answer.body = body.replace("5D0F", wrong).into_bytes();
            assert!(read(&answer).is_err(), "{wrong}");
        }
    }
}
