//! Uploads a file of a network file system, from a machine whose disk may be gone tomorrow: says what it will do, trusts
//! nothing but the file's bytes, and goes on with what is on the server where no checkpoint tells of it.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example lost_checkpoint -- /mnt/nfs/backup.tar /var/lib/my-backup
//! ```

use oss_upload::{Bucket, Checkpoint, Client, Error, Identity, Uploaded, Verify};
use std::path::Path;
use std::time::Duration;
use std::{env, process};

fn upload(bucket: &Bucket, file: &Path, checkpoints: &Path) -> Result<Uploaded, Error> {
    // Another mount has another device and other inodes, and another client of it another clock.
    let nfs = Identity::strict()
        .without_device()
        .without_inode()
        .mtime_within(Duration::from_secs(2));
    let upload = bucket
        .upload_file("backup/latest.tar", file)
        // Parts are known again by their length.
        .part_size(1 << 20)
        .routines(4)
        .checkpoint(Checkpoint::in_dir(checkpoints))
        .identity(nfs)
        .verify(Verify::Content)
        .find_on_server();

    println!("{}", upload.plan()?);
    let checkpoint = upload.checkpoint_path()?;
    match checkpoint.filter(|path| path.exists()) {
        Some(path) => println!("{}", Checkpoint::inspect(path)?),
        None => println!("there is no checkpoint: looking for an upload on the server"),
    }
    upload.run()
}

fn main() {
    let mut arguments = env::args_os().skip(1);
    let (Some(file), Some(checkpoints)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: lost_checkpoint FILE CHECKPOINTS");
        process::exit(2);
    };
    match bucket().and_then(|bucket| upload(&bucket, file.as_ref(), checkpoints.as_ref())) {
        Ok(done) => println!(
            "{} of {} parts were there",
            done.parts_resumed(),
            done.parts
        ),
        Err(error) => {
            eprintln!("failed: {error}");
            process::exit(1);
        }
    }
}

fn bucket() -> Result<Bucket, Error> {
    Client::from_env().build()?.bucket("examplebucket")
}
