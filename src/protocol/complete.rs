//! CompleteMultipartUpload. The server carries on when the client goes away; afterwards the upload id is dead.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/completemultipartupload>

use super::{Additions, Answer, Body, Operation, Request, ServiceError, Unreadable, xml};
use crate::etag::ETag;
use std::fmt::Write;

const OPERATION: Operation = Operation::CompleteMultipartUpload;

pub(crate) fn request<'a>(
    key: &'a str,
    upload_id: &'a str,
    additions: &'a Additions,
    body: &'a str,
) -> Request<'a> {
    let mut request = Request::new(OPERATION, key)
        .query(&[("encoding-type", "url"), ("uploadId", upload_id)])
        .adding(additions)
        .body(Body::Bytes(body.as_bytes()));
    request.headers.push(("content-type", "application/xml"));
    request
}

/// The list of parts, in ascending order, that the object is made of.
pub(crate) fn body<'a>(parts: impl ExactSizeIterator<Item = (u16, &'a ETag)>) -> String {
    const PART: usize = "<Part><PartNumber>10000</PartNumber><ETag>\"\"</ETag></Part>".len() + 32;
    let mut body = String::with_capacity((parts.len() + 1) * PART);
    body.push_str("<CompleteMultipartUpload>");
    for (number, etag) in parts {
        write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>\"")
            .expect("writing to a string does not fail");
        xml::push_escaped(&mut body, &etag.to_string());
        body.push_str("\"</ETag></Part>");
    }
    body.push_str("</CompleteMultipartUpload>");
    body
}

/// The finished object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Completed {
    pub(crate) etag: Option<ETag>,
    pub(crate) crc64: Option<u64>,
    /// What the caller's own server answered to the callback.
    pub(crate) callback: Option<Vec<u8>>,
    pub(crate) version_id: Option<String>,
}

/// What a 2xx may turn out to be.
#[derive(Debug)]
pub(crate) enum Outcome {
    Completed(Completed),
    /// An `<Error>` in the body: no success, whatever the status says.
    Refused(ServiceError),
}

impl Outcome {
    /// The error in a 2xx, if it has one.
    pub(super) fn refusal(answer: &Answer) -> Option<Outcome> {
        ServiceError::from_xml(&answer.body)?;
        Some(Outcome::Refused(ServiceError::from_answer(answer)))
    }

    pub(crate) fn object(self) -> Result<Completed, ServiceError> {
        match self {
            Outcome::Completed(object) => Ok(object),
            Outcome::Refused(error) => Err(error),
        }
    }
}

/// Reads a 2xx. `callback` tells that a callback was asked for, whose answer stands in place of the XML.
pub(crate) fn read(answer: &Answer, callback: bool) -> Result<Outcome, Unreadable> {
    if let Some(refusal) = Outcome::refusal(answer) {
        return Ok(refusal);
    }
    let from_body = match callback {
        true => None,
        false => xml::with_root(&answer.body, "CompleteMultipartUploadResult", |root| {
            Ok(root.text("ETag").and_then(ETag::parse))
        })
        .map_err(|why| Unreadable::new(OPERATION, why))?,
    };
    Ok(Outcome::Completed(Completed {
        etag: from_body.or_else(|| answer.etag()),
        crc64: answer.crc64(),
        callback: callback.then(|| answer.body.clone()),
        version_id: answer.version_id(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_lists_numbers_and_quoted_tags() {
        let tag = |text| ETag::parse(text).expect("a tag");
        let (one, seven) = (tag("\"1A0F81547E5BA2E9C4A4B94A74731993\""), tag("a<&>"));
        assert_eq!(
            body([(1, &one), (7, &seven)].into_iter()),
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"1A0F81547E5BA2E9C4A4B94A74731993\"</ETag></Part>\
             <Part><PartNumber>7</PartNumber><ETag>\"a&lt;&amp;&gt;\"</ETag></Part></CompleteMultipartUpload>"
        );
    }

    #[test]
    fn a_200_with_an_error_in_it_is_no_success() {
        let mut answer = Answer {
            status: 200,
            body: b"<Error><Code>InternalError</Code><Message>m</Message></Error>".to_vec(),
            ..Answer::default()
        };
        let read_it = read(&answer, false);
        assert!(matches!(read_it, Ok(Outcome::Refused(error)) if error.code() == "InternalError"));
        answer.body = b"<html></html>".to_vec();
        assert!(read(&answer, false).is_err());
        let stored = read(&answer, true).map(|outcome| outcome.object().ok());
        let callback = stored.ok().flatten().and_then(|object| object.callback);
        assert_eq!(callback.as_deref(), Some(&answer.body[..]));
    }
}
