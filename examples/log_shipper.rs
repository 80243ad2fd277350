//! Ships rotated logs: each goes up with what it is said beside it, and is deleted only once OSS has confirmed its bytes.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example log_shipper -- web-1 /var/log/app/*.log.gz
//! ```

use oss_upload::{Bucket, Checkpoint, Client, Error, StorageClass, UploadFile};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs, process};

/// Where a log belongs. Rotation uses its name again, and with its time no log replaces another; shipped once more, after a
/// machine that died before it was deleted, it replaces itself.
fn key(host: &str, log: &Path) -> String {
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    let written = log.metadata().and_then(|log| log.modified()).ok();
    let since = written.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    // A log whose time cannot be told cannot be uploaded either, and says why.
    let seconds = since.unwrap_or_default().as_secs();
    format!("logs/{host}/{seconds}-{name}")
}

fn ship<'a>(bucket: &'a Bucket, host: &str, log: &Path) -> UploadFile<'a> {
    bucket
        .upload_file(key(host, log), log)
        .content_type("text/plain; charset=utf-8")
        .content_encoding("gzip")
        .storage_class(StorageClass::InfrequentAccess)
        .meta("host", host)
        .tag("kind", "log")
        .checkpoint(Checkpoint::beside_file())
}

fn main() -> Result<(), Error> {
    let mut arguments = env::args_os().skip(1);
    let host = arguments.next().and_then(|host| host.into_string().ok());
    let (Some(host), logs) = (host, arguments.map(PathBuf::from).collect::<Vec<_>>()) else {
        eprintln!("usage: log_shipper HOST LOG...");
        process::exit(2);
    };
    let bucket = Client::from_env().build()?.bucket("examplebucket")?;
    let uploads = logs.iter().map(|log| ship(&bucket, &host, log));
    let outcomes = bucket.upload_files(uploads).routines(4).run()?;
    let mut failed = 0;
    for outcome in outcomes {
        match outcome.result {
            Ok(done) if done.crc64_confirmed => match fs::remove_file(&outcome.path) {
                Ok(()) => println!("{}: shipped", outcome.key),
                Err(why) => eprintln!("{}: shipped, and still here: {why}", outcome.key),
            },
            Ok(_) => eprintln!(
                "{}: shipped, but nobody confirmed its bytes: kept",
                outcome.key
            ),
            Err(error) => {
                failed += 1;
                eprintln!("{error}");
            }
        }
    }
    process::exit(i32::from(failed > 0))
}
