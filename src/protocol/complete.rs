//! CompleteMultipartUpload. The server carries on when the client goes away; afterwards the upload id is dead.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/completemultipartupload>

use super::service_error::ServiceError;
use super::{Additions, Answer, Operation, Request, Unreadable, xml};
use crate::etag::ETag;
use crate::part::{DonePart, Parts};
use std::fmt::{self, Write};
use std::io::{self, Read};

const OPERATION: Operation = Operation::CompleteMultipartUpload;

/// The caller adds the body, a [`PartList`].
pub(crate) fn request<'a>(
    key: &'a str,
    upload_id: &'a str,
    additions: &'a Additions,
) -> Request<'a> {
    let mut request = Request::new(OPERATION, key)
        .query(&[("encoding-type", "url"), ("uploadId", upload_id)])
        .adding(additions);
    request.headers.push(("content-type", "application/xml"));
    request
}

/// The list of parts, in ascending order, that the object is made of. It is written while it is read: of 10,000 parts it
/// has nearly a megabyte.
#[derive(Debug)]
pub(crate) struct PartList<'a> {
    parts: std::slice::Iter<'a, DonePart>,
    /// What was written last, and how much of it was read.
    text: String,
    read: usize,
    is_ended: bool,
}

impl<'a> PartList<'a> {
    /// So much is written at a time, or a little more.
    const PIECE: usize = 4 << 10;

    pub(crate) fn new(parts: &'a Parts) -> PartList<'a> {
        PartList {
            parts: parts.iter(),
            text: "<CompleteMultipartUpload>".to_owned(),
            read: 0,
            is_ended: false,
        }
    }

    /// How many bytes the list of these parts has.
    pub(crate) fn len(parts: &Parts) -> u64 {
        let counted = io::copy(&mut PartList::new(parts), &mut io::sink());
        counted.expect("it reads from memory")
    }

    fn write_on(&mut self) -> fmt::Result {
        self.text.clear();
        self.read = 0;
        while self.text.len() < PartList::PIECE && !self.is_ended {
            let Some(DonePart { number, etag, .. }) = self.parts.next() else {
                self.text.push_str("</CompleteMultipartUpload>");
                self.is_ended = true;
                break;
            };
            write!(self.text, "<Part><PartNumber>{number}</PartNumber><ETag>\"")?;
            match etag.md5() {
                Some(_) => write!(self.text, "{etag}")?,
                None => xml::push_escaped(&mut self.text, &etag.to_string()),
            }
            self.text.push_str("\"</ETag></Part>");
        }
        Ok(())
    }
}

impl Read for PartList<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.text.len() {
            self.write_on().map_err(io::Error::other)?;
        }
        let mut left = &self.text.as_bytes()[self.read..];
        let n = left.read(buffer)?;
        self.read += n;
        Ok(n)
    }
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
        // PutObject has no body, as a rule.
        if answer.body.is_empty() {
            return None;
        }
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
    use crate::part::PartNumber;

    fn part(number: u16, tag: &str) -> DonePart {
        DonePart {
            number: PartNumber::new(number).expect("a part number"),
            etag: ETag::parse(tag).expect("a tag"),
            crc64: 0,
        }
    }

    fn written(parts: &Parts) -> String {
        let mut body = String::new();
        let read = PartList::new(parts).read_to_string(&mut body);
        assert_eq!(read.expect("in memory") as u64, PartList::len(parts));
        body
    }

    #[test]
    fn the_body_lists_numbers_and_quoted_tags() {
        let parts = [
            part(7, "a<&>"),
            part(1, "\"1A0F81547E5BA2E9C4A4B94A74731993\""),
        ];
        assert_eq!(
            written(&parts.into_iter().collect()),
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"1A0F81547E5BA2E9C4A4B94A74731993\"</ETag></Part>\
             <Part><PartNumber>7</PartNumber><ETag>\"a&lt;&amp;&gt;\"</ETag></Part></CompleteMultipartUpload>"
        );
    }

    #[test]
    fn the_list_of_all_parts_is_written_piece_by_piece() {
        let tag = |n: u16| format!("{n:032X}");
        let parts: Parts = (1..=10_000).map(|n| part(n, &tag(n))).collect();
        let mut list = PartList::new(&parts);
        let body = written(&parts);
        let mut read = vec![];
        // Not a divisor of any piece.
        let mut buffer = [0; 1009];
        loop {
            let n = list.read(&mut buffer).expect("in memory");
            if n == 0 {
                break;
            }
            read.extend_from_slice(&buffer[..n]);
            assert!(list.text.len() < 2 * PartList::PIECE);
        }
        assert_eq!(read, body.as_bytes());
        let listed = body.split("<Part><PartNumber>").skip(1);
        for (n, listed) in (1..).zip(listed) {
            let expected = format!("{n}</PartNumber><ETag>\"{}\"</ETag></Part>", tag(n));
            assert!(listed.starts_with(&expected), "{n}: {listed}");
        }
        assert!(body.ends_with("</ETag></Part></CompleteMultipartUpload>"));
        assert_eq!(body.matches("<Part>").count(), 10_000);
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
