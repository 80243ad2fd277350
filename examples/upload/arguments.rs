//! The command line as a whole.

use crate::connection::Connection;
use crate::files::{self, Files};
use crate::object::{self, CallbackOptions};
use crate::settings::Settings;
use crate::transfer::{Kept, Transfer};
use crate::values::{Usage, choice, wrong};
use lexopt::{Arg, Parser};
use oss_upload::{Bucket, UploadFile};
use std::path::Path;

pub(crate) const HELP: &str = include_str!("help.txt");

#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Progress {
    #[default]
    Auto,
    Bar,
    Plain,
    None,
}

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) files: Files,
    pub(crate) connection: Connection,
    pub(crate) transfer: Transfer,
    settings: Settings,
    pub(crate) stop_at_first_error: bool,
    pub(crate) plan: bool,
    pub(crate) progress: Progress,
    pub(crate) json: bool,
    /// The target is a folder even for one file.
    into: bool,
}

impl Arguments {
    pub(crate) fn parse() -> Result<Arguments, Usage> {
        let mut arguments = Arguments::default();
        let mut callback = CallbackOptions::default();
        let mut places = vec![];
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(value) => places.push(value),
                Arg::Long("help") | Arg::Short('h') => return Err(Usage::Help),
                Arg::Long(name) => {
                    let name = name.to_owned();
                    if !arguments.take(&name, &mut parser, &mut callback)? {
                        return wrong(unknown(&name));
                    }
                }
                other @ Arg::Short(_) => return Err(other.unexpected().into()),
            }
        }
        arguments.files = files::named(places, arguments.into)?;
        arguments.connection.complete()?;
        callback.complete(&mut arguments.settings)?;
        arguments.transfer.complete(&mut arguments.settings);
        arguments.check_together()?;
        Ok(arguments)
    }

    fn take(
        &mut self,
        name: &str,
        parser: &mut Parser,
        callback: &mut CallbackOptions,
    ) -> Result<bool, Usage> {
        match name {
            "into" => self.into = true,
            "stop-at-first-error" => self.stop_at_first_error = true,
            "plan" => self.plan = true,
            "json" => self.json = true,
            "progress" => self.progress = choice(name, parser, &PROGRESS)?,
            _ => {
                return Ok(self.connection.take(name, parser)?
                    || self.transfer.take(name, parser, &mut self.settings)?
                    || object::take(name, parser, &mut self.settings)?
                    || callback.take(name, parser)?);
            }
        }
        Ok(true)
    }

    /// What is for one file alone.
    fn check_together(&self) -> Result<(), Usage> {
        match (&self.files, &self.transfer.checkpoint) {
            (Files::Several { .. }, Some(Kept::At(_))) => {
                wrong("--checkpoint is for one FILE: several have --checkpoint-dir")
            }
            (Files::Several { .. }, _) if self.transfer.has_range => {
                wrong("--range is for one FILE")
            }
            _ => Ok(()),
        }
    }

    /// An upload of one file alone.
    pub(crate) fn one<'a>(&self, bucket: &'a Bucket, key: &str, file: &Path) -> UploadFile<'a> {
        let upload = bucket.upload_file(key, file);
        self.transfer.of_one(self.settings.apply(upload))
    }

    /// An upload of one of several files.
    pub(crate) fn each<'a>(&self, bucket: &'a Bucket, key: &str, file: &Path) -> UploadFile<'a> {
        let upload = bucket.upload_file(key, file);
        self.transfer.of_each(self.settings.apply(upload))
    }
}

const PROGRESS: [(&str, Progress); 4] = [
    ("auto", Progress::Auto),
    ("bar", Progress::Bar),
    ("plain", Progress::Plain),
    ("none", Progress::None),
];

/// What is said of an option that is none, with the one that may have been meant.
fn unknown(name: &str) -> String {
    const ALIKE: f64 = 0.85;
    let words = HELP.split(|c: char| c != '-' && !c.is_ascii_alphanumeric());
    let options = words.filter_map(|word| word.strip_prefix("--"));
    let likeness = |option: &str| strsim::jaro_winkler(option, name);
    let nearest = options.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|option| likeness(option) >= ALIKE) {
        Some(meant) => format!("there is no option --{name}; is it --{meant}?"),
        None => format!("there is no option --{name}"),
    }
}
