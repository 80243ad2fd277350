//! What the user sees: progress on standard error, the outcome on standard output.

use crate::arguments::Progress;
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use oss_upload::{Error, Outcome, Phase, Snapshot, Uploaded};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Plain lines come at most this often.
const LINE_EVERY: Duration = Duration::from_secs(1);

pub(crate) enum Display {
    Bar(ProgressBar),
    Lines { last: Option<(Instant, Phase)> },
    Nothing,
}

impl Display {
    pub(crate) fn new(asked: Progress) -> Display {
        match asked {
            Progress::None => Display::Nothing,
            Progress::Auto if !stderr().is_terminal() => Display::Lines { last: None },
            Progress::Plain => Display::Lines { last: None },
            Progress::Auto | Progress::Bar => {
                let style = "{msg:10} [{bar:30}] {percent:>3} %  {binary_bytes} of {binary_total_bytes}  \
                             {binary_bytes_per_sec}  {eta} left";
                let bar = ProgressBar::new(0);
                bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
                Display::Bar(bar)
            }
        }
    }

    pub(crate) fn show(&mut self, progress: &Snapshot) {
        match self {
            Display::Nothing => {}
            Display::Bar(bar) => show_bar(bar, progress),
            Display::Lines { last } => {
                let due = match *last {
                    None => true,
                    Some((at, phase)) => phase != progress.phase || at.elapsed() >= LINE_EVERY,
                };
                if due {
                    print_line(progress);
                    *last = Some((Instant::now(), progress.phase));
                }
            }
        }
    }
}

fn show_bar(bar: &ProgressBar, progress: &Snapshot) {
    if bar.length() != Some(progress.bytes_total) {
        bar.set_length(progress.bytes_total);
    }
    // Rate and time left are those of this run: what an earlier one sent came for nothing.
    if bar.position() == 0 && progress.bytes_resumed > 0 {
        bar.set_position(progress.bytes_resumed);
        bar.reset_eta();
    }
    bar.set_message(name(progress.phase));
    bar.set_position(progress.bytes_done);
    if progress.phase == Phase::Done {
        bar.finish();
    }
}

fn print_line(progress: &Snapshot) {
    let percent = match progress.bytes_total {
        0 => 100,
        total => u128::from(progress.bytes_done) * 100 / u128::from(total),
    };
    eprintln!(
        "{:10} {percent:>3} %  {} of {}  parts {}/{}  retries {}",
        name(progress.phase),
        BinaryBytes(progress.bytes_done),
        BinaryBytes(progress.bytes_total),
        progress.parts_done,
        progress.parts_total,
        progress.retries
    );
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "preparing",
        Phase::Verifying => "verifying",
        Phase::Sending => "sending",
        Phase::Completing => "completing",
        Phase::Done => "done",
        _ => "working",
    }
}

pub(crate) fn print_uploaded(uploaded: &Uploaded, json: bool) {
    for upload_id in &uploaded.left_behind {
        eprintln!(
            "warning: upload {upload_id} could not be aborted; its parts are billed until it is"
        );
    }
    if json {
        println!("{}", to_json(uploaded));
        return;
    }
    let how = match uploaded.outcome {
        Outcome::Fresh => "uploaded".to_owned(),
        Outcome::Resumed { parts, bytes } => {
            format!(
                "resumed: {parts} parts, {}, were there already",
                BinaryBytes(bytes)
            )
        }
        Outcome::Restarted(reason) => format!("uploaded from scratch: {reason}"),
        Outcome::AlreadyComplete => "it was complete already".to_owned(),
        _ => "uploaded".to_owned(),
    };
    println!(
        "oss://{}/{}: {how}\n{} in {} parts, {} sent, {} retries, {:.1} s\nETag {}, CRC-64 {}",
        uploaded.bucket,
        uploaded.key,
        BinaryBytes(uploaded.size),
        uploaded.parts,
        BinaryBytes(uploaded.bytes_sent),
        uploaded.retries,
        uploaded.elapsed.as_secs_f64(),
        uploaded.etag,
        uploaded.crc64,
    );
}

fn to_json(uploaded: &Uploaded) -> serde_json::Value {
    serde_json::json!({
        "bucket": uploaded.bucket,
        "key": uploaded.key,
        "size": uploaded.size,
        "etag": uploaded.etag,
        "crc64": uploaded.crc64.to_string(),
        "upload_id": uploaded.upload_id,
        "parts": uploaded.parts,
        "parts_resumed": uploaded.parts_resumed(),
        "bytes_sent": uploaded.bytes_sent,
        "retries": uploaded.retries,
        "restarts": uploaded.restarts.len(),
        "elapsed_ms": u64::try_from(uploaded.elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}

pub(crate) fn print_error(error: &Error) {
    eprintln!("error: {error}");
    if error.is_resumable() {
        eprintln!("What has been sent is kept: run the same command again to continue.");
    }
}
