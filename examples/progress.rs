//! Shows an upload as a bar with its rate and the time that is left, and what happens to each part as a line above it.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example progress -- /data/holiday.mov
//! ```

use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressStyle};
use oss_upload::{Bucket, Client, Error, Phase, Snapshot, Uploaded};
use std::path::Path;
use std::{env, process};

fn upload(bucket: &Bucket, file: &Path) -> Result<Uploaded, Error> {
    // Not on a terminal, it shows nothing.
    let style = ProgressStyle::with_template("[{bar:40}] {percent:>3} %  {msg}");
    let bar = ProgressBar::new(0).with_style(style.expect("a valid template"));
    let ran = bucket
        .upload_file("videos/holiday.mov", file)
        .routines(4)
        .on_progress(|now| show(&bar, now))
        .on_event(|event| bar.suspend(|| eprintln!("{event}")))
        .run();
    bar.finish_and_clear();
    ran
}

fn show(bar: &ProgressBar, now: &Snapshot) {
    bar.set_length(now.bytes_total);
    bar.set_position(now.position());
    bar.set_message(match (now.phase, now.time_left) {
        (Phase::Sending, Some(left)) => {
            format!("{}/s, {} left", BinaryBytes(now.rate), HumanDuration(left))
        }
        (Phase::Verifying, _) => "reading again what was sent before".to_owned(),
        (Phase::Completing, _) => "joining the parts".to_owned(),
        _ => String::new(),
    });
}

fn main() {
    let Some(file) = env::args_os().nth(1) else {
        eprintln!("usage: progress FILE");
        process::exit(2);
    };
    match bucket().and_then(|bucket| upload(&bucket, file.as_ref())) {
        Ok(done) => println!(
            "{} in {}",
            BinaryBytes(done.size),
            HumanDuration(done.elapsed)
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
