//! The floor: what an upload costs without any library. Threads that read a piece of the file, checksum it and write it to
//! a socket behind a head made by hand, with no signature, no checkpoint and no second try.

use crate::cost::tell_cost_of;
use crate::role::Upload;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What is read, checksummed and written at a time: with 256 KiB it costs the same, as measured.
const PIECE: usize = 128 << 10;

/// Longer than any head.
const HEAD: usize = 1 << 10;

const ANSWER: usize = 16 << 10;

pub(crate) fn run(upload: &Upload) -> io::Result<()> {
    tell_cost_of(|| match upload.path.is_dir() {
        true => all_files(upload),
        false => one_file(upload),
    })
}

fn one_file(upload: &Upload) -> io::Result<()> {
    let file = File::open(&upload.path)?;
    let len = file.metadata()?.len();
    let mut connection = Connection::to(upload)?;
    let started = connection.ask("POST /examplebucket/bench.bin?uploads", b"")?;
    let id = started.between("<UploadId>", "</UploadId>")?.to_owned();
    let parts = usize::try_from(len.div_ceil(upload.part_size)).map_err(io::Error::other)?;
    let etags = Mutex::new(vec![String::new(); parts]);
    each(upload, Some(connection), parts, |connection, i| {
        let start = i as u64 * upload.part_size;
        let len = upload.part_size.min(len - start);
        let line = format!(
            "PUT /examplebucket/bench.bin?partNumber={}&uploadId={id}",
            i + 1
        );
        let etag = connection.put(&line, &file, start, len)?;
        etags.lock().unwrap_or_else(PoisonError::into_inner)[i] = etag;
        Ok(())
    })?;
    let mut body = "<CompleteMultipartUpload>".to_owned();
    for (i, etag) in etags
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .enumerate()
    {
        let number = i + 1;
        body += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    body += "</CompleteMultipartUpload>";
    let line = format!("POST /examplebucket/bench.bin?uploadId={id}");
    // Where ours completes too: on a connection that sent parts, were it kept.
    Connection::to(upload)?
        .ask(&line, body.as_bytes())
        .map(drop)
}

fn all_files(upload: &Upload) -> io::Result<()> {
    let entries = fs::read_dir(&upload.path)?.map(|entry| Ok(entry?.path()));
    let files: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
    each(upload, None, files.len(), |connection, i| {
        let file = File::open(&files[i])?;
        let len = file.metadata()?.len();
        let name = files[i].file_name().expect("of a file").to_string_lossy();
        let line = format!("PUT /examplebucket/{name}");
        connection.put(&line, &file, 0, len).map(drop)
    })
}

/// Has `n` things done by the threads, each with a connection of its own.
fn each(
    upload: &Upload,
    first: Option<Connection>,
    n: usize,
    work: impl Fn(&mut Connection, usize) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let first = Mutex::new(first);
    let run = || {
        let kept = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::to(upload)?,
        };
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                return Ok(());
            }
            work(&mut connection, i)?;
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..upload.routines.min(n))
            .map(|_| scope.spawn(run))
            .collect();
        let ends = threads
            .into_iter()
            .map(|t| t.join().expect("it does not panic"));
        ends.collect()
    })
}

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

struct Connection {
    wire: Box<dyn Wire>,
    host: String,
    output: Vec<u8>,
    input: Vec<u8>,
}

impl Connection {
    fn to(upload: &Upload) -> io::Result<Connection> {
        let (_, host) = upload.endpoint.split_once("://").expect("an endpoint");
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        let wire: Box<dyn Wire> = match &upload.root {
            None => Box::new(stream),
            Some(root) => Box::new(Tls::over(stream, root)?),
        };
        Ok(Connection {
            wire,
            host: host.to_owned(),
            output: vec![0; HEAD + PIECE],
            input: vec![0; ANSWER],
        })
    }

    fn ask(&mut self, line: &str, body: &[u8]) -> io::Result<Answer> {
        let mut request = self.head(line, body.len() as u64).into_bytes();
        request.extend_from_slice(body);
        self.wire.write_all(&request)?;
        self.answer()
    }

    /// Sends a piece of a file, checks that it arrived, and returns its ETag. The head goes with the first bytes.
    fn put(&mut self, line: &str, file: &File, start: u64, len: u64) -> io::Result<String> {
        let head = self.head(line, len);
        self.output[..head.len()].copy_from_slice(head.as_bytes());
        let (mut begin, mut done) = (head.len(), 0);
        let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Xz);
        while done < len {
            let room = usize::try_from(len - done).map_or(PIECE, |left| left.min(PIECE));
            let bytes = &mut self.output[begin..begin + room];
            file.read_exact_at(bytes, start + done)?;
            crc.update(bytes);
            self.wire.write_all(&self.output[..begin + room])?;
            (begin, done) = (0, done + room as u64);
        }
        let answer = self.answer()?;
        match answer.header("x-oss-hash-crc64ecma")? == crc.finalize().to_string() {
            true => Ok(answer.header("etag")?.to_owned()),
            false => Err(io::Error::other("damaged on its way")),
        }
    }

    fn head(&self, line: &str, len: u64) -> String {
        let host = &self.host;
        format!("{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len}\r\n\r\n")
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let mut end = 0;
        loop {
            let n = self.wire.read(&mut self.input[end..])?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            end += n;
            let text = str::from_utf8(&self.input[..end]).map_err(io::Error::other)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let answer = Answer(text.to_owned());
            if !head.starts_with("HTTP/1.1 200 ") {
                return Err(io::Error::other(answer.0));
            }
            let len: usize = answer
                .header("content-length")?
                .parse()
                .map_err(io::Error::other)?;
            if body.len() >= len {
                return Ok(answer);
            }
        }
    }
}

struct Answer(String);

impl Answer {
    fn header(&self, name: &str) -> io::Result<&str> {
        let mut headers = self.0.lines().filter_map(|line| line.split_once(": "));
        let found = headers.find(|(n, _)| n.eq_ignore_ascii_case(name));
        let missing = || io::Error::other(format!("no {name} in {}", self.0));
        found.map(|(_, value)| value).ok_or_else(missing)
    }

    fn between(&self, before: &str, after: &str) -> io::Result<&str> {
        let rest = self.0.split_once(before).map(|(_, rest)| rest);
        let found = rest.and_then(|rest| rest.split_once(after));
        let missing = || io::Error::other(format!("no {before} in {}", self.0));
        found.map(|(found, _)| found).ok_or_else(missing)
    }
}

/// rustls by hand: all records of a piece go out by one system call.
struct Tls {
    tls: ClientConnection,
    stream: TcpStream,
}

impl Tls {
    fn over(stream: TcpStream, root: &str) -> io::Result<Tls> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(root.as_bytes()).map_err(io::Error::other)?;
        roots.add(root).map_err(io::Error::other)?;
        let config =
            ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
                .with_safe_default_protocol_versions()
                .map_err(io::Error::other)?
                .with_root_certificates(roots)
                .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        tls.set_buffer_limit(None);
        Ok(Tls { tls, stream })
    }
}

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.tls.complete_io(&mut self.stream)?;
        }
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.tls.is_handshaking() {
            self.tls.complete_io(&mut self.stream)?;
        }
        let n = self.tls.writer().write(bytes)?;
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.stream)?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
