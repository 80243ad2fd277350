//! Answers, and how they are put on the wire.

use super::content::Reader;
use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;

/// Status, headers and body, before anything of it is sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(Cow<'static, str>, String)>,
    payload: Payload,
}

#[derive(Debug)]
enum Payload {
    Bytes(Vec<u8>),
    /// A stretch of an object, read while it is sent.
    Stored(Reader, Range<u64>),
}

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimiting {
    ContentLength,
    Chunked,
    /// The answer to HEAD: the length is told, the body is not sent.
    HeadOnly,
}

impl Answer {
    pub(super) fn new(status: u16) -> Answer {
        Answer {
            status,
            headers: vec![],
            payload: Payload::Bytes(vec![]),
        }
    }

    pub(super) fn header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Answer {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn body(mut self, body: Vec<u8>) -> Answer {
        self.payload = Payload::Bytes(body);
        self
    }

    pub(super) fn xml(self, body: Vec<u8>) -> Answer {
        self.header("Content-Type", "application/xml").body(body)
    }

    pub(super) fn stored(mut self, reader: Reader, range: Range<u64>) -> Answer {
        self.payload = Payload::Stored(reader, range);
        self
    }

    pub(super) fn find(&self, name: &str) -> Option<&str> {
        let named = |(candidate, _): &&(Cow<'_, str>, String)| candidate.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| &**value)
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.headers
            .retain(|(candidate, _)| !candidate.eq_ignore_ascii_case(name));
    }

    pub(super) fn replace(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.add(name, value);
    }

    pub(super) fn replaced(mut self, name: &str, value: &str) -> Answer {
        self.replace(name, value);
        self
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.headers
            .push((name.to_owned().into(), value.to_owned()));
    }

    /// Sends everything. A short answer leaves in one write, so it is one packet.
    pub(super) fn write(self, out: &mut impl Write, delimiting: Delimiting) -> io::Result<()> {
        let mut first = self.head(delimiting);
        match (self.payload, delimiting) {
            (_, Delimiting::HeadOnly) => out.write_all(&first),
            (Payload::Bytes(body), Delimiting::ContentLength) => {
                first.extend_from_slice(&body);
                out.write_all(&first)
            }
            (Payload::Bytes(body), Delimiting::Chunked) => {
                // Halves, so that a client must join at least two chunks.
                let (a, b) = body.split_at(body.len() / 2);
                push_chunk(&mut first, a);
                push_chunk(&mut first, b);
                first.extend_from_slice(b"0\r\n\r\n");
                out.write_all(&first)
            }
            (Payload::Stored(reader, range), Delimiting::ContentLength) => {
                out.write_all(&first)?;
                reader.each_piece(range, |piece| out.write_all(piece))
            }
            (Payload::Stored(reader, range), Delimiting::Chunked) => {
                out.write_all(&first)?;
                reader.each_piece(range, |piece| {
                    let mut chunk = Vec::with_capacity(piece.len() + 20);
                    push_chunk(&mut chunk, piece);
                    out.write_all(&chunk)
                })?;
                out.write_all(b"0\r\n\r\n")
            }
        }
    }

    fn len(&self) -> u64 {
        match &self.payload {
            Payload::Bytes(body) => body.len() as u64,
            Payload::Stored(_, range) => range.end - range.start,
        }
    }

    fn head(&self, delimiting: Delimiting) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            // A line break in a stored value would end the header early and forge the next one.
            let value = value.replace(['\r', '\n'], " ");
            head.extend([name, ": ", &value, "\r\n"]);
        }
        // A fault may have set either of them to something wrong on purpose.
        let delimited = ["Content-Length", "Transfer-Encoding"]
            .iter()
            .any(|name| self.find(name).is_some());
        if !delimited && self.status != 204 && self.status != 304 {
            match delimiting {
                Delimiting::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
                _ => head.push_str(&format!("Content-Length: {}\r\n", self.len())),
            }
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

fn push_chunk(out: &mut Vec<u8>, piece: &[u8]) {
    // A chunk of length 0 would end the body.
    if !piece.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
