//! What became of it: outcomes on standard output, errors and advice on standard error.

use crate::arguments::Arguments;
use indicatif::BinaryBytes;
use oss_upload::{Error, ErrorKind, FileOutcome, Outcome, PlannedStart, UploadPlan, Uploaded};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

/// Scripts count on these names. New ones come at the end.
#[derive(Serialize)]
struct UploadedLine<'a> {
    bucket: &'a str,
    key: &'a str,
    size: u64,
    etag: &'a str,
    crc64: String,
    upload_id: Option<&'a str>,
    parts: u16,
    parts_resumed: u16,
    bytes_sent: u64,
    retries: u64,
    restarts: usize,
    elapsed_ms: u64,
    file: String,
    version_id: Option<&'a str>,
    callback_response: Option<serde_json::Value>,
    left_behind: &'a [String],
}

/// One of several files that failed.
#[derive(Serialize)]
struct FailedLine<'a> {
    bucket: &'a str,
    key: &'a str,
    file: String,
    error: String,
    resumable: bool,
    temporary: bool,
    left_behind: &'a [String],
}

#[derive(Serialize)]
struct PlanLine<'a> {
    bucket: &'a str,
    key: &'a str,
    file: String,
    size: u64,
    part_size: u64,
    parts: u16,
    routines: usize,
    memory: u64,
    checkpoint: Option<String>,
    checkpoint_in_use: bool,
    start: &'static str,
    reason: Option<String>,
    parts_done: u16,
    bytes_done: u64,
    reads_again: bool,
}

pub(crate) fn print_uploaded(uploaded: &Uploaded, arguments: &Arguments, file: &Path) {
    warn_of_left_behind(uploaded);
    if !uploaded.left_behind.is_empty() {
        print_how_to_abort(&uploaded.bucket);
    }
    if arguments.json {
        return print_line(&to_json(uploaded_line(uploaded, file)));
    }
    print_line(&format!(
        "oss://{}/{}: {}\n{} in {} parts, {} sent, {} retries, {:.1} s\nETag {}, CRC-64 {}",
        uploaded.bucket,
        uploaded.key,
        how(uploaded.outcome),
        BinaryBytes(uploaded.size),
        uploaded.parts,
        BinaryBytes(uploaded.bytes_sent),
        uploaded.retries,
        uploaded.elapsed.as_secs_f64(),
        uploaded.etag,
        uploaded.crc64,
    ));
}

/// One of several files.
pub(crate) fn print_outcome(outcome: &FileOutcome, arguments: &Arguments) {
    match &outcome.result {
        Ok(uploaded) => {
            warn_of_left_behind(uploaded);
            print_line(&match arguments.json {
                true => to_json(uploaded_line(uploaded, &outcome.path)),
                false => format!(
                    "oss://{}/{}: {}, {}",
                    uploaded.bucket,
                    uploaded.key.escape_debug(),
                    how(uploaded.outcome),
                    BinaryBytes(uploaded.size)
                ),
            });
        }
        Err(error) => {
            let text = by_option(error);
            eprintln!("error: {text}");
            if arguments.json {
                print_line(&to_json(FailedLine {
                    bucket: arguments.files.bucket(),
                    key: &outcome.key,
                    file: shown(&outcome.path),
                    error: text,
                    resumable: error.is_resumable(),
                    temporary: error.is_temporary(),
                    left_behind: error.left_behind(),
                }));
            }
        }
    }
}

/// What to do about several files, once all are through.
pub(crate) fn print_advice(outcomes: &[FileOutcome], arguments: &Arguments) {
    let failed = || outcomes.iter().filter_map(|o| o.result.as_ref().err());
    let n_failed = failed().count();
    if n_failed > 0 {
        eprintln!("{n_failed} of {} files failed.", outcomes.len());
    }
    let leaves_behind = |outcome: &FileOutcome| match &outcome.result {
        Ok(uploaded) => !uploaded.left_behind.is_empty(),
        Err(error) => !error.left_behind().is_empty(),
    };
    if outcomes.iter().any(leaves_behind) {
        print_how_to_abort(arguments.files.bucket());
    }
}

pub(crate) fn print_plan(plan: &UploadPlan, arguments: &Arguments, key: &str, file: &Path) {
    let bucket = arguments.files.bucket();
    if arguments.json {
        return print_line(&to_json(plan_line(plan, bucket, key, file)));
    }
    let checkpoint = match &plan.checkpoint {
        None => String::new(),
        Some(path) => {
            let in_use = match plan.is_checkpoint_in_use {
                true => ", in use",
                false => "",
            };
            format!(" (checkpoint `{}`{in_use})", path.display())
        }
    };
    let key = key.escape_debug();
    print_line(&format!("oss://{bucket}/{key}: {plan}{checkpoint}"));
}

pub(crate) fn print_error(error: &Error, arguments: &Arguments) {
    eprintln!("error: {}", by_option(error));
    if let Some(advice) = advice(error, arguments) {
        eprintln!("{advice}");
    }
    if !error.left_behind().is_empty() {
        print_how_to_abort(arguments.files.bucket());
    }
}

/// What errors advise by the library's names, and the options for it.
const OPTIONS: [(&str, &str); 2] = [
    ("`Tls::root_file`", "--ca-file"),
    ("`Tls::client_files`", "--client-cert and --client-key"),
];

/// The text of an error, for whoever knows the options and not the library.
fn by_option(error: &Error) -> String {
    let named = |text: String, (name, option): &(&str, &str)| text.replace(name, option);
    OPTIONS.iter().fold(error.to_string(), named)
}

const WOULD_BE_KEPT: &str =
    "With --checkpoint-beside, the parts that have been sent would be kept.";

fn advice(error: &Error, arguments: &Arguments) -> Option<&'static str> {
    let is_kept = arguments.transfer.checkpoint.is_some();
    match error.kind() {
        _ if error.is_resumable() => None,
        ErrorKind::Options => Some("Try `upload --help`."),
        ErrorKind::Credentials => {
            Some("--credentials says where they come from: see `upload --help`.")
        }
        _ if is_kept => None,
        ErrorKind::Cancelled | ErrorKind::DeadlineExceeded => Some(WOULD_BE_KEPT),
        _ => error.part_number().map(|_| WOULD_BE_KEPT),
    }
}

fn warn_of_left_behind(uploaded: &Uploaded) {
    for upload_id in &uploaded.left_behind {
        eprintln!(
            "warning: upload {upload_id} could not be aborted; its parts are billed until it is"
        );
    }
}

fn print_how_to_abort(bucket: &str) {
    eprintln!("`pending oss://{bucket}` lists what is left on the server, and can abort it.");
}

fn how(outcome: Outcome) -> String {
    match outcome {
        Outcome::Resumed { parts, bytes } => {
            let bytes = BinaryBytes(bytes);
            format!("resumed: {parts} parts, {bytes}, were there already")
        }
        other => other.to_string(),
    }
}

fn uploaded_line<'a>(uploaded: &'a Uploaded, file: &Path) -> UploadedLine<'a> {
    // OSS lets nothing but JSON pass.
    let answer = |bytes: &Vec<u8>| {
        let parsed = serde_json::from_slice(bytes);
        parsed.unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
    };
    UploadedLine {
        bucket: &uploaded.bucket,
        key: &uploaded.key,
        size: uploaded.size,
        etag: &uploaded.etag,
        crc64: uploaded.crc64.to_string(),
        upload_id: uploaded.upload_id.as_deref(),
        parts: uploaded.parts,
        parts_resumed: uploaded.parts_resumed(),
        bytes_sent: uploaded.bytes_sent,
        retries: uploaded.retries,
        restarts: uploaded.restarts.len(),
        elapsed_ms: u64::try_from(uploaded.elapsed.as_millis()).unwrap_or(u64::MAX),
        file: shown(file),
        version_id: uploaded.version_id.as_deref(),
        callback_response: uploaded.callback_response.as_ref().map(answer),
        left_behind: &uploaded.left_behind,
    }
}

fn plan_line<'a>(plan: &UploadPlan, bucket: &'a str, key: &'a str, file: &Path) -> PlanLine<'a> {
    let mut line = PlanLine {
        bucket,
        key,
        file: shown(file),
        size: plan.size,
        part_size: plan.part_size,
        parts: plan.parts,
        routines: plan.routines,
        memory: plan.memory,
        checkpoint: plan.checkpoint.as_deref().map(shown),
        checkpoint_in_use: plan.is_checkpoint_in_use,
        start: "fresh",
        reason: None,
        parts_done: 0,
        bytes_done: 0,
        reads_again: false,
    };
    match plan.start {
        PlannedStart::Resume {
            parts,
            bytes,
            reads_again,
        } => {
            (line.parts_done, line.bytes_done) = (parts, bytes);
            (line.start, line.reads_again) = ("resume", reads_again);
        }
        PlannedStart::Restart(reason) => {
            line.start = "restart";
            line.reason = Some(reason.to_string());
        }
        _ => {}
    }
    line
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn to_json(line: impl Serialize) -> String {
    serde_json::to_string(&line).expect("texts and numbers")
}

/// Whoever does not read any more is not told; the exit status says the rest.
fn print_line(line: &dyn Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
