//! Says what a checkpoint tells of, and gives up what it tells of. `--help` says how.

#[path = "upload/connection.rs"]
mod connection;
#[path = "upload/credentials.rs"]
mod credentials;
#[path = "upload/values.rs"]
mod values;

use connection::Connection;
use lexopt::{Arg, Parser, ValueExt};
use oss_upload::{
    Checkpoint, CheckpointInfo, CheckpointState, Error, ErrorKind, FileState, RecordedUpload,
};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use values::{Usage, wrong};

const HELP: &str = "\
Says what a checkpoint of an upload tells of, and gives up what it tells of.

usage: checkpoint inspect PATH [--json]
       checkpoint abandon PATH [--json] [options]

inspect  says how far the upload is, and whether the file still is the same; changes nothing
abandon  aborts the upload, and older ones that could not be aborted yet, and deletes the checkpoint

  --endpoint URL          [http[s]://]HOST[:PORT]   (default: OSS_ENDPOINT, else from the region)
  --region R              for example cn-hangzhou   (default: OSS_REGION, else from the endpoint)
                          together they are where the upload was begun: `inspect` says where
  --credentials FROM      as for `upload`, like all other options of where and who
  --json                  a line of JSON: for the checkpoint, or for each upload

exit status: 0 done, 1 failed, or not all could be aborted, 2 bad usage
";

struct Arguments {
    path: PathBuf,
    /// Who is to give it up; `None` when it is only looked at.
    abandon_by: Option<Connection>,
    json: bool,
}

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(Usage::Help) => {
            print_line(HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(Usage::Wrong(why)) => {
            eprintln!("error: {why}\nTry `checkpoint --help`.");
            return ExitCode::from(2);
        }
    };
    let (path, json) = (&arguments.path, arguments.json);
    let done = match &arguments.abandon_by {
        None => inspect(path, json),
        Some(connection) => abandon(connection, path, json),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(match error.kind() {
            ErrorKind::Options => 2,
            _ => 1,
        })
    })
}

fn parse() -> Result<Arguments, Usage> {
    let mut parser = Parser::from_env();
    let mut connection = Connection::default();
    let (mut words, mut options, mut json) = (vec![], vec![], false);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Err(Usage::Help),
            Arg::Long("json") => json = true,
            Arg::Long(name) => {
                let name = name.to_owned();
                if !connection.take(&name, &mut parser)? {
                    return wrong(format!("there is no option --{name}"));
                }
                options.push(name);
            }
            Arg::Value(word) => words.push(word),
            other @ Arg::Short(_) => return Err(other.unexpected().into()),
        }
    }
    let Ok([command, path]) = <[_; 2]>::try_from(words) else {
        return wrong("say `inspect` or `abandon`, and name one checkpoint");
    };
    let abandon_by = match (&*command.string()?, options.first()) {
        ("inspect", None) => None,
        ("inspect", Some(name)) => return wrong(format!("`inspect` asks nobody: no --{name}")),
        ("abandon", _) => {
            connection.complete()?;
            Some(connection)
        }
        (other, _) => return wrong(format!("say `inspect` or `abandon`, not `{other}`")),
    };
    Ok(Arguments {
        path: path.into(),
        abandon_by,
        json,
    })
}

fn inspect(path: &Path, json: bool) -> Result<ExitCode, Error> {
    let info = Checkpoint::inspect(path)?;
    print_line(&match json {
        true => info_json(&info).to_string(),
        false => info.to_string(),
    });
    Ok(ExitCode::SUCCESS)
}

fn abandon(connection: &Connection, path: &Path, json: bool) -> Result<ExitCode, Error> {
    let done = connection.client()?.abandon(path)?;
    let aborted = done.aborted.iter().map(|upload| (upload, None));
    let left = done
        .left_behind
        .iter()
        .map(|(upload, why)| (upload, Some(why)));
    for (upload, why) in aborted.chain(left) {
        if let Some(why) = why {
            eprintln!("error: {why}");
        }
        print_line(&match (json, why) {
            (true, why) => {
                let mut line = upload_json(upload);
                line["aborted"] = why.is_none().into();
                line["error"] = why.map(ToString::to_string).into();
                line.to_string()
            }
            (false, None) => format!("aborted: {upload}"),
            (false, Some(_)) => format!("not aborted: {upload}"),
        });
    }
    match done.left_behind.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => {
            let path = path.display();
            eprintln!("`{path}` remembers what is left: run the same command again to try again.");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn info_json(info: &CheckpointInfo) -> Value {
    let owed: Vec<Value> = info.owed.iter().map(upload_json).collect();
    let progress = info.progress.as_ref().map(|progress| {
        json!({
            "file": progress.file.to_string_lossy(),
            "file_state": file_state(progress.file_state),
            "bytes_done": progress.bytes_done,
            "bytes_total": progress.bytes_total,
            "parts_done": progress.parts_done,
            "parts_total": progress.parts_total,
            "part_size": progress.part_size,
        })
    });
    json!({
        "path": info.path.to_string_lossy(),
        "state": state(info.state),
        "in_use": info.is_in_use,
        "upload": info.upload.as_ref().map(upload_json),
        "progress": progress,
        "owed": owed,
    })
}

fn state(state: CheckpointState) -> &'static str {
    match state {
        CheckpointState::Empty => "empty",
        CheckpointState::Intact => "intact",
        CheckpointState::Damaged => "damaged",
        CheckpointState::Foreign => "foreign",
        _ => "other",
    }
}

fn file_state(state: FileState) -> &'static str {
    match state {
        FileState::Unchanged => "unchanged",
        FileState::Touched => "touched",
        FileState::Changed => "changed",
        FileState::Gone => "gone",
        _ => "unknown",
    }
}

fn upload_json(upload: &RecordedUpload) -> Value {
    json!({
        "endpoint": upload.endpoint,
        "bucket": upload.bucket,
        "key": upload.key,
        "upload_id": upload.upload_id,
    })
}

/// Whoever does not read any more is not told; the exit status says the rest.
fn print_line(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
