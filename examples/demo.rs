//! The main job, on an OSS server inside this process: upload, interrupt midway, resume, verify.
//!
//! ```text
//! cargo run --release --features local-server --example demo
//! ```

use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressStyle};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, LocalServer, Operation};
use oss_upload::{
    Bucket, Checkpoint, Client, Control, Credentials, Error, ErrorKind, Snapshot, UploadFile,
    Uploaded,
};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::path::Path;

const FILE_LEN: u64 = 128 << 20;
const PART_SIZE: u64 = 1 << 20;
const ROUTINES: usize = 4;
const BUCKET: &str = "demo-bucket";
const KEY: &str = "backup/demo file.bin";
/// Beside the file.
const CHECKPOINT: &str = "demo file.bin.cp";

/// What each connection takes in a second, so that there is something to watch.
const BANDWIDTH: u64 = 16 << 20;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("demo file.bin");
    let sha256 = write_random_file(&file)?;
    let (len, begin) = (BinaryBytes(FILE_LEN), &sha256[..16]);
    println!("A file of {len} random bytes, SHA-256 {begin}…");

    let server = LocalServer::builder().bucket(BUCKET).start()?;
    server.fault(Fault::bandwidth(BANDWIDTH).on(Operation::UploadPart));
    println!("An OSS server at {}\n", server.endpoint());
    let bucket = bucket(&server)?;

    println!(
        "1. Upload it in parts of {}, {ROUTINES} at a time, and interrupt that midway:",
        BinaryBytes(PART_SIZE)
    );
    let interrupted = interrupt_midway(&bucket, &file)?;
    println!("   {interrupted}");
    let pending = server.pending_uploads();
    let kept: usize = pending.iter().map(|upload| upload.parts.len()).sum();
    println!("   {kept} parts are on the server, and {CHECKPOINT}\n");

    println!("2. The same call again:");
    let uploaded = resume(&bucket, &file)?;
    println!(
        "   {} of {} parts were there already; {} sent in {}\n",
        uploaded.parts_resumed(),
        uploaded.parts,
        BinaryBytes(uploaded.bytes_sent),
        HumanDuration(uploaded.elapsed)
    );

    println!("3. Verify:");
    verify(&server, &uploaded, &sha256)?;
    let is_gone = !folder.path().join(CHECKPOINT).exists();
    expect("the checkpoint is gone", is_gone)?;
    println!(
        "\nDone: {} requests, {} of them UploadPart.",
        server.requests().len(),
        server.count(Operation::UploadPart)
    );
    Ok(())
}

fn bucket(server: &LocalServer) -> std::result::Result<Bucket, Error> {
    Client::builder(server.endpoint())
        .region("cn-hangzhou")
        .credentials(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET))
        .build()?
        .bucket(BUCKET)
}

/// What the server has, against what was sent.
fn verify(server: &LocalServer, uploaded: &Uploaded, sha256: &str) -> Result<()> {
    let object = server.object(BUCKET, KEY).ok_or("there is no object")?;
    let stored = hex(&object.sha256()?);
    expect("the object's SHA-256 is the file's", stored == sha256)?;
    expect(
        "its CRC-64 is the one that was checked",
        object.crc64 == uploaded.crc64,
    )?;
    expect(
        "only missing parts were sent again",
        uploaded.parts_resumed() > 0,
    )?;
    expect(
        "no upload is left on the server",
        server.pending_uploads().is_empty(),
    )
}

fn upload<'a>(bucket: &'a Bucket, file: &Path) -> UploadFile<'a> {
    bucket
        .upload_file(KEY, file)
        .part_size(PART_SIZE)
        .routines(ROUTINES)
        .checkpoint(Checkpoint::beside_file())
}

/// Cancels the upload when half of it is there, as Ctrl-C or a crash would.
fn interrupt_midway(bucket: &Bucket, file: &Path) -> Result<Error> {
    let control = Control::new();
    let mut display = Display::new();
    let interrupted = upload(bucket, file)
        .control(&control)
        .on_progress(|progress| {
            display.show(progress);
            if progress.bytes_done >= FILE_LEN / 2 {
                control.cancel();
            }
        })
        .run();
    match interrupted {
        Err(error) if error.kind() == ErrorKind::Cancelled && error.is_resumable() => Ok(error),
        Err(error) => Err(error.into()),
        Ok(_) => Err("it was done before it could be interrupted".into()),
    }
}

fn resume(bucket: &Bucket, file: &Path) -> Result<Uploaded> {
    let mut display = Display::new();
    let upload = upload(bucket, file).on_progress(|progress| display.show(progress));
    Ok(upload.run()?)
}

fn expect(what: &str, holds: bool) -> Result<()> {
    println!("   {} {what}", if holds { "✓" } else { "✗" });
    match holds {
        true => Ok(()),
        false => Err(format!("not so: {what}").into()),
    }
}

/// Returns the SHA-256 of what was written.
fn write_random_file(path: &Path) -> io::Result<String> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut random = fastrand::Rng::with_seed(20);
    let mut block = vec![0; 1 << 20];
    for _ in 0..FILE_LEN / (1 << 20) {
        random.fill(&mut block);
        out.write_all(&block)?;
    }
    out.into_inner()?;
    let mut hash = Sha256::new();
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    while let block = io::BufRead::fill_buf(&mut file)?
        && !block.is_empty()
    {
        hash.update(block);
        let n = block.len();
        io::BufRead::consume(&mut file, n);
    }
    Ok(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A bar on a terminal; elsewhere a line at every eighth.
struct Display {
    bar: ProgressBar,
    eighths: u64,
}

impl Display {
    fn new() -> Display {
        let style = ProgressStyle::with_template("   [{bar:40}] {percent:>3} %  {msg}");
        let bar = ProgressBar::new(FILE_LEN);
        bar.set_style(style.expect("a valid template"));
        Display { bar, eighths: 0 }
    }

    fn show(&mut self, progress: &Snapshot) {
        if io::stderr().is_terminal() {
            // What an earlier run had sent counts for the bar, and not for the rate.
            if progress.rate > 0 {
                let rate = format!("{}/s", BinaryBytes(progress.rate));
                self.bar.set_message(rate);
            }
            return self.bar.set_position(progress.position());
        }
        let eighths = progress.bytes_done * 8 / FILE_LEN;
        if eighths > self.eighths {
            self.eighths = eighths;
            println!("   {:>3} %", progress.bytes_done * 100 / FILE_LEN);
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.abandon();
    }
}
