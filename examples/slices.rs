//! Uploads a file as several objects of a fixed length each, in one call, and continues where an earlier run ended. In the
//! order of their keys, the objects are the file.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example slices -- /data/disk.img 1073741824 /var/lib/my-backup
//! ```

use oss_upload::{Bucket, Client, Error, FileOutcome};
use std::num::NonZeroU64;
use std::path::Path;
use std::{env, fs, process};

fn upload(
    bucket: &Bucket,
    file: &Path,
    slice_len: NonZeroU64,
    checkpoints: &Path,
) -> Result<Vec<FileOutcome>, Box<dyn std::error::Error>> {
    let len = fs::metadata(file)?.len();
    // An empty file is one empty object.
    let n_slices = len.div_ceil(slice_len.get()).max(1);
    let slice = |n: u64| {
        let start = n * slice_len.get();
        let end = start.saturating_add(slice_len.get()).min(len);
        bucket
            .upload_file(format!("disk.img/{n:06}"), file)
            .range(start..end)
            .part_size(1 << 20)
    };
    let outcomes = bucket
        .upload_files((0..n_slices).map(slice))
        .routines(8)
        .checkpoints_in(checkpoints)
        .run()?;
    Ok(outcomes)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let parsed = match &arguments[..] {
        [file, slice_len, checkpoints] => {
            let slice_len = slice_len.to_str().and_then(|text| text.parse().ok());
            slice_len.map(|slice_len| (file, slice_len, checkpoints))
        }
        _ => None,
    };
    let Some((file, slice_len, checkpoints)) = parsed else {
        eprintln!("usage: slices FILE BYTES CHECKPOINTS");
        process::exit(2);
    };
    let outcomes = upload(&bucket()?, file.as_ref(), slice_len, checkpoints.as_ref())?;
    for outcome in &outcomes {
        match &outcome.result {
            Ok(done) => println!("{}: {} bytes, {:?}", outcome.key, done.size, done.outcome),
            Err(why) => println!("{}: {why}", outcome.key),
        }
    }
    // Run it again: those that failed continue.
    let failed = outcomes.iter().any(|outcome| outcome.result.is_err());
    process::exit(i32::from(failed));
}

fn bucket() -> Result<Bucket, Error> {
    Client::from_env().build()?.bucket("examplebucket")
}
