//! A connection's bytes: request heads parsed with httparse, bodies by length or in chunks.

use super::content::BUFFER;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// The longest request head that is read.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;
/// Heads are read in small bites, so that hardly any of a body is taken from the socket unasked.
const HEAD_BITE: usize = 4096;

/// A socket and the one buffer through which all its requests are read.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Arc<TcpStream>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// What came when a request head was expected.
#[derive(Debug)]
pub(super) enum Incoming {
    Head(Head),
    /// The client closed the connection between two requests, as it may.
    Closed,
    Malformed(String),
}

/// The head of a request. Header names and values are as received.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) is_http_1_0: bool,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let named = |(candidate, _): &&(String, String)| candidate.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| &**value)
    }

    fn mentions(&self, name: &str, token: &str) -> bool {
        let lists = |value: &str| {
            value
                .split(',')
                .any(|t| t.trim().eq_ignore_ascii_case(token))
        };
        self.header(name).is_some_and(lists)
    }

    pub(super) fn wants_close(&self) -> bool {
        self.mentions("connection", "close")
            || self.is_http_1_0 && !self.mentions("connection", "keep-alive")
    }

    pub(super) fn expects_continue(&self) -> bool {
        self.mentions("expect", "100-continue")
    }

    /// How the body is delimited; `Err` when that cannot be told for sure.
    pub(super) fn framing(&self) -> Result<Framing, &'static str> {
        let all = |name: &'static str| {
            self.headers
                .iter()
                .filter(move |(candidate, _)| candidate.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
        };
        let mut lengths = all("content-length");
        let mut encodings = all("transfer-encoding");
        match (lengths.next(), encodings.next()) {
            (None, None) => Ok(Framing::None),
            (None, Some(encoding)) if encoding.eq_ignore_ascii_case("chunked") => {
                Ok(Framing::Chunked)
            }
            (None, Some(_)) => Err("only the transfer encoding chunked is known"),
            (Some(_), Some(_)) => Err("both Content-Length and Transfer-Encoding"),
            (Some(length), None) if lengths.any(|other| other != length) => {
                Err("two different Content-Length")
            }
            (Some(length), None) if length.bytes().all(|b| b.is_ascii_digit()) => length
                .parse()
                .map(Framing::Length)
                .map_err(|_| "a Content-Length that is no number"),
            (Some(_), None) => Err("a Content-Length that is no number"),
        }
    }
}

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Neither a length nor chunks: there is no body.
    None,
    Length(u64),
    Chunked,
}

impl Framing {
    /// The length, when it was announced.
    pub(super) fn len(self) -> Option<u64> {
        match self {
            Framing::None => Some(0),
            Framing::Length(len) => Some(len),
            Framing::Chunked => None,
        }
    }
}

impl Wire {
    pub(super) fn new(stream: Arc<TcpStream>) -> Wire {
        Wire {
            stream,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn out(&self) -> impl Write {
        &*self.stream
    }

    /// Reads the head of the next request, and nothing of it is left in the buffer.
    pub(super) fn read_head(&mut self) -> io::Result<Incoming> {
        let mut searched = 0;
        loop {
            let unread = &self.buffer[self.start..self.end];
            // Robust clients may send line breaks before a request.
            if searched == 0 && unread.first().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
                self.start += 1;
                continue;
            }
            // Three bytes back: the end may be cut in the middle.
            if let Some(len) = end_of_head(unread, searched) {
                let incoming = parse(&unread[..len]);
                self.start += len;
                return Ok(incoming);
            }
            searched = unread.len();
            if searched >= MAX_HEAD {
                return Ok(Incoming::Malformed("the request head is too long".into()));
            }
            if self.fill(HEAD_BITE)? == 0 {
                let cut = "the connection ended within a request head";
                return match searched {
                    0 => Ok(Incoming::Closed),
                    _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, cut)),
                };
            }
        }
    }

    /// The next bytes, at least one and at most `most`; none at the end of the stream.
    pub(super) fn take(&mut self, most: usize) -> io::Result<&mut [u8]> {
        if self.start == self.end {
            self.fill(most)?;
        }
        let len = (self.end - self.start).min(most);
        self.start += len;
        Ok(&mut self.buffer[self.start - len..self.start])
    }

    /// Reads and forgets until the client ends the stream, or silence lasts as long as the read timeout.
    pub(super) fn drain(&mut self) {
        while self.take(BUFFER).is_ok_and(|piece| !piece.is_empty()) {}
    }

    fn fill(&mut self, most: usize) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.buffer.len() - self.end < most {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = (self.end + most).min(self.buffer.len());
        loop {
            match (&*self.stream).read(&mut self.buffer[self.end..room]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(n) => {
                    self.end += n;
                    return Ok(n);
                }
            }
        }
    }

    /// A line without its end, for chunk sizes and trailers.
    fn read_line(&mut self) -> io::Result<String> {
        const MAX_LINE: usize = 4096;
        let mut line = vec![];
        loop {
            match self.take(1)? {
                [] => return Err(io::ErrorKind::UnexpectedEof.into()),
                [b'\n'] => break,
                more => line.extend_from_slice(more),
            }
            if line.len() > MAX_LINE {
                return Err(invalid("a line of the chunked body is too long"));
            }
        }
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        String::from_utf8(line.to_vec()).map_err(|_| invalid("a chunk size that is no text"))
    }
}

/// The position of a body that is being read.
#[derive(Debug)]
pub(super) enum Body {
    Length { left: u64 },
    Chunked { left: u64, is_first: bool },
}

impl Body {
    pub(super) fn new(framing: Framing) -> Body {
        match framing {
            Framing::None => Body::Length { left: 0 },
            Framing::Length(left) => Body::Length { left },
            Framing::Chunked => Body::Chunked {
                left: 0,
                is_first: true,
            },
        }
    }

    /// The next bytes, at most `most`; none at the end of the body. A body cut short is an error.
    pub(super) fn next<'w>(&mut self, wire: &'w mut Wire, most: usize) -> io::Result<&'w mut [u8]> {
        self.enter_chunk(wire)?;
        let (Body::Length { left } | Body::Chunked { left, .. }) = self;
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(most);
        if most == 0 {
            return Ok(&mut []);
        }
        let piece = wire.take(most)?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *left -= piece.len() as u64;
        Ok(piece)
    }

    /// When a chunk is used up, goes to the next one, or to the end.
    fn enter_chunk(&mut self, wire: &mut Wire) -> io::Result<()> {
        let Body::Chunked { left, is_first } = self else {
            return Ok(());
        };
        if *left > 0 {
            return Ok(());
        }
        if !*is_first && !wire.read_line()?.is_empty() {
            return Err(invalid("a chunk is longer than its size"));
        }
        *is_first = false;
        let line = wire.read_line()?;
        let size = line.split(';').next().unwrap_or_default().trim();
        *left = u64::from_str_radix(size, 16).map_err(|_| invalid("a chunk size is no number"))?;
        if *left == 0 {
            while !wire.read_line()?.is_empty() {}
            *self = Body::Length { left: 0 };
        }
        Ok(())
    }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Where the head ends, its empty line included. The first `searched` bytes are known not to hold the end.
fn end_of_head(bytes: &[u8], searched: usize) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    // The end may have been cut by the last read.
    let from = searched.saturating_sub(END.len() - 1);
    let found = bytes[from..].windows(END.len()).position(|w| w == END)?;
    Some(from + found + END.len())
}

fn parse(bytes: &[u8]) -> Incoming {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Incoming::Malformed("an incomplete head".into()),
        Err(error) => return Incoming::Malformed(error.to_string()),
    }
    let owned = |header: &httparse::Header<'_>| {
        // What is not UTF-8 will not match its signature; here it must only do no harm.
        let value = String::from_utf8_lossy(header.value).into_owned();
        (header.name.to_owned(), value)
    };
    Incoming::Head(Head {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        is_http_1_0: request.version == Some(0),
        headers: request.headers.iter().map(owned).collect(),
    })
}
