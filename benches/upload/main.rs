//! Whole uploads to a local server that throws the bodies away: `cargo bench --features local-server`.
//!
//! The server shares the machine with the client, so the figures are of both together: compare rows of one run.

use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, LocalServer};
use oss_upload::{Bucket, Checkpoint, Client, Credentials, Error};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const FILE_LEN: usize = 256 << 20;
const RUNS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().expect("a temp folder");
    let file = folder.path().join("file.bin");
    let mut bytes = vec![0; FILE_LEN];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    fs::write(&file, bytes).expect("written");
    let server = LocalServer::builder().discard_bodies(true).start();
    let server = server.expect("a port");
    let client = Client::builder(server.endpoint())
        .region("cn-hangzhou")
        .credentials(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET))
        .build();
    let bucket = client.and_then(|client| client.bucket("examplebucket"));
    let bucket = bucket.expect("a client");

    println!(
        "{:32} {:>9} {:>9}",
        "upload/part size, routines", "median", "MiB/s"
    );
    for part_size in [100 << 10, 1 << 20, 10 << 20] {
        for routines in [1, 4, 16] {
            let mut times: Vec<Duration> = (0..RUNS)
                .map(|_| timed(&bucket, &file, part_size, routines).expect("uploaded"))
                .collect();
            times.sort();
            let median = times[RUNS / 2];
            let rate = FILE_LEN as f64 / f64::from(1 << 20) / median.as_secs_f64();
            let name = format!("upload/{} KiB, {routines}", part_size >> 10);
            println!("{name:32} {:>6} ms {rate:>9.0}", median.as_millis());
            server.forget_requests();
        }
    }
}

fn timed(bucket: &Bucket, file: &Path, part_size: u64, routines: usize) -> Result<Duration, Error> {
    let started = Instant::now();
    let uploaded = bucket
        .upload_file("bench.bin", file)
        .part_size(part_size)
        .routines(routines)
        .checkpoint(Checkpoint::beside_file())
        .run()?;
    assert_eq!(
        uploaded.bytes_sent, FILE_LEN as u64,
        "a retry would spoil the figure"
    );
    Ok(started.elapsed())
}
