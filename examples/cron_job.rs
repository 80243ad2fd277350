//! A nightly backup: what is not through in time goes on the next night. Somebody is called when the next night will not help,
//! or when nothing got through in this one.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! 0 1 * * *  cron_job /var/backups/db.dump /var/lib/backup 240 || mail -s "backup" ops@example.com
//! ```

use oss_upload::{Checkpoint, Client, Error, ErrorKind, Uploaded};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use std::{env, path::PathBuf};

/// Bytes of this night that OSS has acknowledged.
static THROUGH: AtomicU64 = AtomicU64::new(0);

fn upload(file: PathBuf, state: PathBuf, within: Duration) -> Result<Uploaded, Error> {
    Client::from_env()
        .build()?
        .bucket("examplebucket")?
        .upload_file("backup/db.dump", file)
        .routines(4)
        .checkpoint(Checkpoint::in_dir(state))
        .deadline(within)
        .on_progress(|now| THROUGH.store(now.bytes_done.saturating_sub(now.bytes_resumed), Relaxed))
        .run()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let asked = match &arguments[..] {
        [file, state, minutes] => minutes_of(minutes).map(|within| (file, state, within)),
        _ => None,
    };
    let Some((file, state, within)) = asked else {
        eprintln!("usage: cron_job FILE FOLDER-FOR-CHECKPOINTS MINUTES");
        return ExitCode::from(2);
    };
    match upload(file.into(), state.into(), within) {
        Ok(done) => {
            println!(
                "{}: {} bytes sent, {} retries",
                done.outcome, done.bytes_sent, done.retries
            );
            // Parts of older uploads that are billed until somebody aborts them.
            for upload_id in &done.left_behind {
                println!("left on the server: {upload_id}");
            }
        }
        // The lock on the checkpoint makes a second run harmless.
        Err(error) if error.kind() == ErrorKind::CheckpointBusy => {
            println!("still running: {error}")
        }
        Err(error) if error.is_temporary() && THROUGH.load(Relaxed) > 0 => {
            println!("to be continued: {error}")
        }
        Err(error) => {
            eprintln!("failed: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn minutes_of(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse::<f64>().ok()? * 60.0).ok()
}
