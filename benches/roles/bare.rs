//! What somebody would write with ureq alone: a loop of requests, with a checksum and nothing else. It shows what of the
//! distance to the floor is the HTTP library's.

use crate::cost::tell_cost_of;
use crate::role::Upload;
use crc_fast::{CrcAlgorithm, Digest};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use ureq::{Agent, SendBody};

/// As the library's and the floor's.
const PIECE: usize = 128 << 10;

pub(crate) fn run(upload: &Upload) -> io::Result<()> {
    let agent = Agent::config_builder()
        .output_buffer_size(PIECE)
        .max_idle_connections(upload.routines)
        .max_idle_connections_per_host(upload.routines)
        .build();
    let agent = Agent::from(agent);
    tell_cost_of(|| match upload.path.is_dir() {
        true => all_files(upload, &agent),
        false => one_file(upload, &agent),
    })
}

fn one_file(upload: &Upload, agent: &Agent) -> io::Result<()> {
    let file = File::open(&upload.path)?;
    let len = file.metadata()?.len();
    let object = format!("{}/examplebucket/bench.bin", upload.endpoint);
    let started = agent.post(format!("{object}?uploads")).send_empty();
    let started = started
        .map_err(io::Error::other)?
        .into_body()
        .read_to_string();
    let started = started.map_err(io::Error::other)?;
    let id = started
        .split_once("<UploadId>")
        .and_then(|(_, rest)| rest.split_once('<'));
    let (id, _) = id.ok_or_else(|| io::Error::other("no upload id"))?;
    let parts = usize::try_from(len.div_ceil(upload.part_size)).map_err(io::Error::other)?;
    each(upload.routines, parts, |i| {
        let offset = i as u64 * upload.part_size;
        let url = format!("{object}?partNumber={}&uploadId={id}", i + 1);
        put(
            agent,
            url,
            &file,
            offset,
            upload.part_size.min(len - offset),
        )
    })
}

fn all_files(upload: &Upload, agent: &Agent) -> io::Result<()> {
    let entries = fs::read_dir(&upload.path)?.map(|entry| Ok(entry?.path()));
    let files: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
    each(upload.routines, files.len(), |i| {
        let file = File::open(&files[i])?;
        let len = file.metadata()?.len();
        let name = files[i].file_name().expect("of a file").to_string_lossy();
        let url = format!("{}/examplebucket/{name}", upload.endpoint);
        put(agent, url, &file, 0, len)
    })
}

fn each(threads: usize, n: usize, work: impl Fn(usize) -> io::Result<()> + Sync) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let run = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                return Ok(());
            }
            work(i)?;
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let ends = threads
            .into_iter()
            .map(|t| t.join().expect("it does not panic"));
        ends.collect()
    })
}

fn put(agent: &Agent, url: String, file: &File, offset: u64, len: u64) -> io::Result<()> {
    let mut body = Piece {
        file,
        offset,
        left: len,
        crc: Digest::new(CrcAlgorithm::Crc64Xz),
    };
    let request = agent.put(url).header("content-length", len.to_string());
    let answer = request.send(SendBody::from_reader(&mut body));
    let answer = answer.map_err(io::Error::other)?;
    let stored = answer.headers().get("x-oss-hash-crc64ecma");
    let is_stored = stored.is_some_and(|crc| *crc == body.crc.finalize().to_string());
    answer.into_body().read_to_vec().map_err(io::Error::other)?;
    match is_stored {
        true => Ok(()),
        false => Err(io::Error::other("damaged on its way")),
    }
}

struct Piece<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
    crc: Digest,
}

impl Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = self.file.read_at(&mut buffer[..room], self.offset)?;
        self.crc.update(&buffer[..n]);
        self.offset += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}
