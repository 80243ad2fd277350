//! Lists the uploads of a bucket that are neither complete nor aborted, and aborts old ones. `--help` says how.

use jiff::{Span, SpanRelativeTo, Timestamp};
use lexopt::{Arg, Parser, ValueExt};
use oss_upload::{Bucket, Client, Error, ErrorKind, PendingUpload, StoredParts};
use std::env;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
Lists the uploads of a bucket that are neither complete nor aborted, and aborts old ones. Their parts are billed.

usage: pending oss://BUCKET[/PREFIX] [options]

  --older-than AGE        only what was begun so long ago, by the server's clock: 12h, 7d, 2w
  --abort                 abort them; needs --older-than (default: they are listed only)
                          an upload that runs is aborted too: choose an age that none reaches
  --endpoint URL          [http[s]://]HOST[:PORT]   (default: OSS_ENDPOINT, else from the region)
  --region R              for example cn-hangzhou   (default: OSS_REGION, else from the endpoint)
  --json                  a line of JSON for each upload

credentials: OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and, for temporary ones, OSS_SESSION_TOKEN
exit status: 0 done, 1 failed, or not all could be aborted, 2 bad usage
";

#[derive(Debug)]
struct Arguments {
    bucket: String,
    prefix: String,
    endpoint: String,
    region: Option<String>,
    older_than: Option<Duration>,
    abort: bool,
    json: bool,
}

enum Usage {
    Help,
    Wrong(String),
}

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Usage {
        Usage::Wrong(error.to_string())
    }
}

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(Usage::Help) => {
            // Whoever stopped reading has read enough.
            let _ = write!(io::stdout(), "{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(Usage::Wrong(why)) => {
            eprintln!("error: {why}\nTry `pending --help`.");
            return ExitCode::from(2);
        }
    };
    let done =
        bucket(&arguments).and_then(|bucket| match (arguments.abort, arguments.older_than) {
            (true, Some(age)) => abort(&arguments, &bucket, age),
            _ => list(&arguments, &bucket),
        });
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(match error.kind() {
            ErrorKind::Options => 2,
            _ => 1,
        })
    })
}

fn parse() -> Result<Arguments, Usage> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let mut target = None;
    let mut arguments = Arguments {
        bucket: String::new(),
        prefix: String::new(),
        endpoint: variable("OSS_ENDPOINT").unwrap_or_default(),
        region: variable("OSS_REGION"),
        older_than: None,
        abort: false,
        json: false,
    };
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => return Err(Usage::Help),
            Arg::Long("endpoint") => arguments.endpoint = parser.value()?.string()?,
            Arg::Long("region") => arguments.region = Some(parser.value()?.string()?),
            Arg::Long("older-than") => {
                arguments.older_than = Some(age(&parser.value()?.string()?)?)
            }
            Arg::Long("abort") => arguments.abort = true,
            Arg::Long("json") => arguments.json = true,
            Arg::Value(value) if target.is_none() => target = Some(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let target = target.unwrap_or_default();
    let named = target.strip_prefix("oss://").unwrap_or_default();
    let (bucket, prefix) = named.split_once('/').unwrap_or((named, ""));
    (arguments.bucket, arguments.prefix) = (bucket.to_owned(), prefix.to_owned());
    let why = match &arguments {
        Arguments { bucket, .. } if bucket.is_empty() => "name oss://BUCKET or oss://BUCKET/PREFIX",
        Arguments {
            abort: true,
            older_than: None,
            ..
        } => "--abort needs --older-than: without an age, what runs would be aborted too",
        Arguments {
            endpoint,
            region: None,
            ..
        } if endpoint.is_empty() => "name an --endpoint or a --region",
        _ => return Ok(arguments),
    };
    Err(Usage::Wrong(why.to_owned()))
}

/// `7d` and the like. A day has 24 hours; months and years have no length.
fn age(text: &str) -> Result<Duration, Usage> {
    let span: Option<Span> = text.parse().ok();
    let age = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    age.and_then(|age| Duration::try_from(age).ok())
        .ok_or_else(|| {
            Usage::Wrong(format!(
                "--older-than is an age such as 12h or 7d, not `{text}`"
            ))
        })
}

fn bucket(arguments: &Arguments) -> Result<Bucket, Error> {
    let client = match (&arguments.region, &*arguments.endpoint) {
        (Some(region), "") => Client::for_region(region),
        (Some(region), endpoint) => Client::builder(endpoint).region(region),
        (None, endpoint) => Client::builder(endpoint),
    };
    client.build()?.bucket(&*arguments.bucket)
}

fn list(arguments: &Arguments, bucket: &Bucket) -> Result<ExitCode, Error> {
    for upload in bucket.pending_uploads(&*arguments.prefix) {
        let upload = upload?;
        let is_old = |age| upload.age().is_some_and(|upload| upload >= age);
        if !arguments.older_than.is_none_or(is_old) {
            continue;
        }
        let stored = match upload.stored() {
            Ok(stored) => stored,
            // Complete or aborted meanwhile.
            Err(error) if error.code() == Some("NoSuchUpload") => continue,
            Err(error) => return Err(error),
        };
        let line = match arguments.json {
            true => to_json(&upload, Some(stored), None).to_string(),
            false => format!(
                "{}, {} parts, {} bytes",
                describe(&upload),
                stored.parts,
                stored.bytes
            ),
        };
        if writeln!(io::stdout(), "{line}").is_err() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn abort(arguments: &Arguments, bucket: &Bucket, age: Duration) -> Result<ExitCode, Error> {
    let done = bucket.abort_pending(&*arguments.prefix, age)?;
    let aborted = done.aborted.iter().map(|upload| (upload, Ok(())));
    let failed = done.failed.iter().map(|(upload, why)| (upload, Err(why)));
    for (upload, aborted) in aborted.chain(failed) {
        if let Err(why) = aborted {
            eprintln!("error: {why}");
        }
        let line = match (arguments.json, aborted) {
            (true, aborted) => to_json(upload, None, Some(aborted)).to_string(),
            (false, Ok(())) => format!("aborted: {}", describe(upload)),
            (false, Err(_)) => format!("not aborted: {}", describe(upload)),
        };
        // All is done by now; the exit status tells the rest.
        let _ = writeln!(io::stdout(), "{line}");
    }
    Ok(match done.failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn describe(upload: &PendingUpload) -> String {
    format!(
        "{}: upload {}, begun {}",
        upload.key.escape_debug(),
        upload.upload_id,
        begun(upload)
    )
}

fn begun(upload: &PendingUpload) -> String {
    let at = Timestamp::try_from(upload.initiated);
    at.map_or_else(|_| String::new(), |at| at.to_string())
}

fn to_json(
    upload: &PendingUpload,
    stored: Option<StoredParts>,
    aborted: Option<Result<(), &Error>>,
) -> serde_json::Value {
    let mut json = serde_json::json!({
        "key": upload.key,
        "upload_id": upload.upload_id,
        "initiated": begun(upload),
        "age_s": upload.age().map(|age| age.as_secs()),
    });
    if let Some(stored) = stored {
        json["parts"] = stored.parts.into();
        json["bytes"] = stored.bytes.into();
    }
    if let Some(aborted) = aborted {
        json["aborted"] = aborted.is_ok().into();
        json["error"] = aborted.err().map(ToString::to_string).into();
    }
    json
}
