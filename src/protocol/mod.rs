//! The calls of OSS: what each sends and how its answer is read. Knows nothing of files or checkpoints.

pub(crate) mod abort;
pub(crate) mod complete;
pub(crate) mod head_object;
mod headers;
pub(crate) mod initiate;
pub(crate) mod list_parts;
pub(crate) mod list_uploads;
pub(crate) mod put_object;
pub(crate) mod service_error;
pub(crate) mod upload_part;
mod xml;

pub(crate) use headers::Headers;

use crate::etag::ETag;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use std::fmt;
use std::io::Read;
use std::str::FromStr;

/// What the names of user metadata begin with.
pub(crate) const META_PREFIX: &str = "x-oss-meta-";

/// The calls that an upload makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    InitiateMultipartUpload,
    UploadPart,
    ListParts,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListMultipartUploads,
    PutObject,
    HeadObject,
}

impl Operation {
    pub(crate) fn method(self) -> &'static str {
        match self {
            Operation::InitiateMultipartUpload | Operation::CompleteMultipartUpload => "POST",
            Operation::UploadPart | Operation::PutObject => "PUT",
            Operation::ListParts | Operation::ListMultipartUploads => "GET",
            Operation::AbortMultipartUpload => "DELETE",
            Operation::HeadObject => "HEAD",
        }
    }

    /// Whether its requests carry bytes, be they none.
    pub(crate) fn has_body(self) -> bool {
        matches!(self.method(), "POST" | "PUT")
    }

    /// As OSS names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::InitiateMultipartUpload => "InitiateMultipartUpload",
            Operation::UploadPart => "UploadPart",
            Operation::ListParts => "ListParts",
            Operation::ListMultipartUploads => "ListMultipartUploads",
            Operation::CompleteMultipartUpload => "CompleteMultipartUpload",
            Operation::AbortMultipartUpload => "AbortMultipartUpload",
            Operation::PutObject => "PutObject",
            Operation::HeadObject => "HeadObject",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One request before it is addressed and signed. Names and values are not escaped.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) operation: Operation,
    /// Empty when the request is about the bucket.
    pub(crate) key: &'a str,
    pub(crate) query: Vec<(&'a str, &'a str)>,
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    pub(crate) body: Body<'a>,
}

impl<'a> Request<'a> {
    fn new(operation: Operation, key: &'a str) -> Request<'a> {
        Request {
            operation,
            key,
            query: vec![],
            headers: vec![],
            body: Body::Empty,
        }
    }

    fn query(mut self, pairs: &[(&'a str, &'a str)]) -> Request<'a> {
        self.query.extend_from_slice(pairs);
        self
    }

    fn adding(mut self, additions: &'a Additions) -> Request<'a> {
        let borrowed = |(name, value): &'a (String, String)| (&**name, &**value);
        self.headers.extend(additions.headers.iter().map(borrowed));
        self.query.extend(additions.query.iter().map(borrowed));
        self
    }

    /// With the checksum of the body that it is sent with, where there is one.
    pub(crate) fn content_md5(mut self, encoded: Option<&'a str>) -> Request<'a> {
        self.headers
            .extend(encoded.map(|encoded| ("content-md5", encoded)));
        self
    }

    /// The same request with a body, which may live shorter than the rest.
    pub(crate) fn body<'b>(self, body: Body<'b>) -> Request<'b>
    where
        'a: 'b,
    {
        Request {
            operation: self.operation,
            key: self.key,
            query: self.query,
            headers: self.headers,
            body,
        }
    }
}

/// What the caller adds to a request: headers, their names in lower case, and parameters of the query. Nothing is escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Additions {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
}

pub(crate) static NOTHING_MORE: Additions = Additions {
    headers: vec![],
    query: vec![],
};

/// The value of `Content-MD5`.
pub(crate) fn content_md5(md5: [u8; 16]) -> String {
    STANDARD.encode(md5)
}

/// What a request carries. POST and PUT always say how long it is.
pub(crate) enum Body<'a> {
    Empty,
    Bytes(&'a [u8]),
    Reader { len: u64, reader: &'a mut dyn Read },
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Body::Reader { len, .. } => write!(f, "Reader({len})"),
        }
    }
}

/// What came back, whatever its status.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(str::trim)
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn etag(&self) -> Option<ETag> {
        self.header("etag").and_then(ETag::parse)
    }

    /// `x-oss-hash-crc64ecma`; servers other than OSS may not send it.
    fn crc64(&self) -> Option<u64> {
        self.header("x-oss-hash-crc64ecma").and_then(digits)
    }

    fn version_id(&self) -> Option<String> {
        self.header("x-oss-version-id").map(str::to_owned)
    }
}

/// A number of digits alone; what Rust reads may have a sign.
fn digits<N: FromStr>(text: &str) -> Option<N> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// A time as headers have it.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new();
    date.parse_timestamp(text).ok()
}

/// An answer that says success and is none: not XML, not the XML asked for, or without what it must have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) String);

impl Unreadable {
    fn new(operation: Operation, what: impl fmt::Display) -> Unreadable {
        Unreadable(format!("the answer to {operation} {what}"))
    }
}
