//! A nightly backup: what is not through in time goes on the next night, and somebody is called only when that is of no use.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! 0 1 * * *  cron_job /var/backups/db.dump /var/lib/backup 240 || mail -s "backup" ops@example.com
//! ```

use oss_upload::{Checkpoint, Client, Error, ErrorKind, Uploaded};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, path::PathBuf};

fn upload(file: PathBuf, state: PathBuf, within: Duration) -> Result<Uploaded, Error> {
    Client::from_env()
        .build()?
        .bucket("examplebucket")?
        .upload_file("backup/db.dump", file)
        .routines(4)
        .checkpoint(Checkpoint::in_dir(state))
        .deadline(within)
        .run()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, state, minutes] = &arguments[..] else {
        eprintln!("usage: cron_job FILE FOLDER-FOR-CHECKPOINTS MINUTES");
        return ExitCode::from(2);
    };
    let seconds = minutes.parse::<f64>().map(|minutes| minutes * 60.0);
    let Some(within) = seconds
        .ok()
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
    else {
        eprintln!("`{minutes}` is no number of minutes");
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
        Err(error) if error.is_resumable() => println!("to be continued: {error}"),
        Err(error) => {
            eprintln!("failed: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
