//! A short-lived function: each invocation has some minutes and a disk that is gone afterwards, and the next goes on with what
//! OSS already has.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example function -- /mnt/archive/2026.tar 840
//! ```

use oss_upload::{Checkpoint, Client, Error};
use std::path::Path;
use std::time::Duration;
use std::{env, process};

/// What the platform is told: done, or call again.
enum Answer {
    Done { bytes_sent: u64 },
    CallAgain { why: String },
}

fn invoke(file: &Path, within: Duration) -> Result<Answer, Error> {
    let ended = Client::from_env()
        .build()?
        .bucket("examplebucket")?
        .upload_file("archive/2026.tar", file)
        .part_size(8 << 20)
        .routines(8)
        // It does not outlive the invocation, but while it is there a run that ends keeps its upload ...
        .checkpoint(Checkpoint::in_dir(env::temp_dir()))
        // ... which the next invocation finds by the bytes of its parts.
        .find_on_server()
        .deadline(within)
        .run();
    match ended {
        Ok(done) => Ok(Answer::Done {
            bytes_sent: done.bytes_sent,
        }),
        Err(error) if error.is_temporary() => Ok(Answer::CallAgain {
            why: error.to_string(),
        }),
        Err(error) => Err(error),
    }
}

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let asked = match &arguments[..] {
        [file, seconds] => seconds_of(seconds).map(|within| (Path::new(file), within)),
        _ => None,
    };
    let Some((file, within)) = asked else {
        eprintln!("usage: function FILE SECONDS");
        process::exit(2);
    };
    match invoke(file, within)? {
        Answer::Done { bytes_sent } => println!("done, {bytes_sent} bytes by this invocation"),
        Answer::CallAgain { why } => println!("call again: {why}"),
    }
    Ok(())
}

fn seconds_of(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}
