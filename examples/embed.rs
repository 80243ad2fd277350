//! What a program needs to upload a file so that nothing can stop it for good: copy `upload` into yours.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example embed -- /data/backup.tar
//! ```

use oss_upload::{Checkpoint, Client, Error, Uploaded};
use std::process::ExitCode;

fn upload(file: &str) -> Result<Uploaded, Error> {
    Client::from_env()
        .build()?
        .bucket("examplebucket")?
        .upload_file("backup/latest.tar", file)
        .routines(4)
        .checkpoint(Checkpoint::beside_file())
        .run()
}

fn main() -> ExitCode {
    let file = std::env::args().nth(1).expect("usage: embed FILE");
    match upload(&file) {
        Ok(done) => {
            println!("{} bytes, ETag {}", done.size, done.etag);
            return ExitCode::SUCCESS;
        }
        // Run it again, from cron for example: it continues where this run ended.
        Err(error) if error.is_resumable() => eprintln!("to be continued: {error}"),
        Err(error) => eprintln!("failed: {error}"),
    }
    ExitCode::FAILURE
}
