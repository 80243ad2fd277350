//! The command line.

use lexopt::{Arg, Parser, ValueExt};
use oss_upload::{Checkpoint, OnChange, SignatureVersion, Verify};
use std::env;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Uploads a file to Alibaba Cloud OSS, and continues where an earlier run ended.

usage: upload FILE oss://BUCKET/KEY [options]

  --endpoint URL          [http[s]://]HOST[:PORT]   (default: OSS_ENDPOINT, else from the region)
  --region R              for example cn-hangzhou   (default: OSS_REGION, else from the endpoint)
  --signature v1|v4       (default: v4)
  --part-size BYTES       also 100KiB, 8MiB, 1GiB   (default: 8MiB, or more for files over 78 GiB)
  --routines N            parts sent at the same time, 1 to 100 (default: 1)
  --checkpoint PATH       remember finished parts in this file,
  --checkpoint-dir DIR    in a file of this folder,
  --checkpoint-beside     or in FILE.cp             (default: nowhere)
  --meta K=V              user metadata; may repeat
  --header K:V            any other header of the object; may repeat
  --verify metadata|content   how finished parts are known to be the file's (default: metadata)
  --on-change restart|fail    when the file changes meanwhile (default: restart)
  --progress auto|bar|plain|none
  --json                  one line of JSON on standard output when done

credentials: OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and, for temporary ones, OSS_SESSION_TOKEN
exit status: 0 done, 1 failed, 2 bad usage, 130 interrupted; after 1 and 130 a checkpoint is kept:
             run the same command again to continue
";

#[derive(Debug)]
pub(crate) enum Usage {
    Help,
    Wrong(String),
}

impl<E: std::error::Error> From<E> for Usage {
    fn from(error: E) -> Usage {
        Usage::Wrong(error.to_string())
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Progress {
    Auto,
    Bar,
    Plain,
    None,
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) file: PathBuf,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) endpoint: String,
    pub(crate) region: Option<String>,
    pub(crate) signature: SignatureVersion,
    pub(crate) part_size: Option<u64>,
    pub(crate) routines: usize,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) meta: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) verify: Verify,
    pub(crate) on_change: OnChange,
    pub(crate) progress: Progress,
    pub(crate) json: bool,
}

impl Arguments {
    pub(crate) fn parse() -> Result<Arguments, Usage> {
        let mut arguments = Arguments {
            file: PathBuf::new(),
            bucket: String::new(),
            key: String::new(),
            endpoint: variable("OSS_ENDPOINT").unwrap_or_default(),
            region: variable("OSS_REGION"),
            signature: SignatureVersion::V4,
            part_size: None,
            routines: 1,
            checkpoint: None,
            meta: vec![],
            headers: vec![],
            verify: Verify::Metadata,
            on_change: OnChange::Restart,
            progress: Progress::Auto,
            json: false,
        };
        let mut places = vec![];
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(value) => places.push(value),
                Arg::Long("help") | Arg::Short('h') => return Err(Usage::Help),
                Arg::Long(name) => {
                    let name = name.to_owned();
                    arguments.take(&name, &mut parser)?;
                }
                other @ Arg::Short(_) => return Err(other.unexpected().into()),
            }
        }
        let [file, target] = <[_; 2]>::try_from(places)
            .map_err(|_| Usage::Wrong("name a FILE and oss://BUCKET/KEY".to_owned()))?;
        arguments.file = file.into();
        (arguments.bucket, arguments.key) = bucket_and_key(&target.string()?)?;
        arguments.complete_endpoint()?;
        Ok(arguments)
    }

    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), Usage> {
        let choice = |parser: &mut Parser| parser.value().and_then(|value| value.string());
        match name {
            "endpoint" => self.endpoint = choice(parser)?,
            "region" => self.region = Some(choice(parser)?),
            "signature" => {
                self.signature = match &*choice(parser)? {
                    "v1" => SignatureVersion::V1,
                    "v4" => SignatureVersion::V4,
                    other => return wrong(format!("--signature is v1 or v4, not `{other}`")),
                }
            }
            "part-size" => self.part_size = Some(part_size(&choice(parser)?)?),
            "routines" => {
                let text = choice(parser)?;
                let Ok(routines) = text.parse() else {
                    return wrong(format!(
                        "--routines is a number from 1 to 100, not `{text}`"
                    ));
                };
                self.routines = routines;
            }
            "checkpoint" => self.remember(Checkpoint::at(parser.value()?))?,
            "checkpoint-dir" => self.remember(Checkpoint::in_dir(parser.value()?))?,
            "checkpoint-beside" => self.remember(Checkpoint::beside_file())?,
            "meta" => self.meta.push(pair(name, &choice(parser)?, '=')?),
            "header" => self.headers.push(pair(name, &choice(parser)?, ':')?),
            "verify" => {
                self.verify = match &*choice(parser)? {
                    "metadata" => Verify::Metadata,
                    "content" => Verify::Content,
                    other => {
                        return wrong(format!("--verify is metadata or content, not `{other}`"));
                    }
                }
            }
            "on-change" => {
                self.on_change = match &*choice(parser)? {
                    "restart" => OnChange::Restart,
                    "fail" => OnChange::Fail,
                    other => {
                        return wrong(format!("--on-change is restart or fail, not `{other}`"));
                    }
                }
            }
            "progress" => {
                self.progress = match &*choice(parser)? {
                    "auto" => Progress::Auto,
                    "bar" => Progress::Bar,
                    "plain" => Progress::Plain,
                    "none" => Progress::None,
                    other => {
                        return wrong(format!(
                            "--progress is auto, bar, plain or none, not `{other}`"
                        ));
                    }
                }
            }
            "json" => self.json = true,
            other => return wrong(format!("there is no option --{other}")),
        }
        Ok(())
    }

    fn remember(&mut self, checkpoint: Checkpoint) -> Result<(), Usage> {
        match self.checkpoint.replace(checkpoint) {
            None => Ok(()),
            Some(_) => wrong(
                "only one of --checkpoint, --checkpoint-dir and --checkpoint-beside".to_owned(),
            ),
        }
    }

    fn complete_endpoint(&mut self) -> Result<(), Usage> {
        if self.endpoint.is_empty() {
            let Some(region) = &self.region else {
                return wrong("name an --endpoint or a --region".to_owned());
            };
            self.endpoint = format!("https://oss-{region}.aliyuncs.com");
        }
        Ok(())
    }
}

fn wrong<T>(why: String) -> Result<T, Usage> {
    Err(Usage::Wrong(why))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn bucket_and_key(target: &str) -> Result<(String, String), Usage> {
    let parts = target
        .strip_prefix("oss://")
        .and_then(|rest| rest.split_once('/'));
    match parts {
        Some((bucket, key)) if !key.is_empty() => Ok((bucket.to_owned(), key.to_owned())),
        _ => wrong(format!("`{target}` is not oss://BUCKET/KEY")),
    }
}

fn part_size(text: &str) -> Result<u64, Usage> {
    parse_size::parse_size(text)
        .map_err(|_| Usage::Wrong(format!("--part-size is a size such as 8MiB, not `{text}`")))
}

fn pair(name: &str, text: &str, separator: char) -> Result<(String, String), Usage> {
    match text.split_once(separator) {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => wrong(format!("--{name} is K{separator}V, not `{text}`")),
    }
}
