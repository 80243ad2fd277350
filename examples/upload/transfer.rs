//! How files go up, and what is remembered meanwhile.

use crate::settings::Settings;
use crate::values::{Usage, choice, only, text, time, wrong};
use lexopt::Parser;
use oss_upload::{Checkpoint, Identity, OnChange, UploadFile, UploadFiles, Verify};
use std::ops::Bound;
use std::path::PathBuf;
use std::time::Duration;

/// Where checkpoints are.
pub(crate) enum Kept {
    At(PathBuf),
    In(PathBuf),
    BesideFile,
}

pub(crate) struct Transfer {
    routines: usize,
    rate_limit: Option<u64>,
    deadline: Option<Duration>,
    pub(crate) checkpoint: Option<Kept>,
    pub(crate) has_range: bool,
    identity: Identity,
}

impl Default for Transfer {
    fn default() -> Transfer {
        Transfer {
            routines: 1,
            rate_limit: None,
            deadline: None,
            checkpoint: None,
            has_range: false,
            identity: Identity::strict(),
        }
    }
}

impl Transfer {
    /// Takes an option with its value; `false` when it is none of these.
    pub(crate) fn take(
        &mut self,
        name: &str,
        parser: &mut Parser,
        settings: &mut Settings,
    ) -> Result<bool, Usage> {
        match name {
            "part-size" => {
                let bytes = size(name, parser)?;
                settings.add(move |upload| upload.part_size(bytes));
            }
            "routines" => self.routines = routines(name, parser)?,
            "checkpoint" => self.keep(Kept::At(parser.value()?.into()))?,
            "checkpoint-dir" => self.keep(Kept::In(parser.value()?.into()))?,
            "checkpoint-beside" => self.keep(Kept::BesideFile)?,
            "find" => settings.add(|upload| upload.find_on_server()),
            "verify" => {
                let ways = [("metadata", Verify::Metadata), ("content", Verify::Content)];
                let verify = choice(name, parser, &ways)?;
                settings.add(move |upload| upload.verify(verify));
            }
            "on-change" => {
                let ways = [("restart", OnChange::Restart), ("fail", OnChange::Fail)];
                let on_change = choice(name, parser, &ways)?;
                settings.add(move |upload| upload.on_change(on_change));
            }
            "any-mtime" => self.identity = self.identity.any_mtime(),
            "mtime-within" => self.identity = self.identity.mtime_within(time(name, parser)?),
            "ignore" => self.identity = ignore(self.identity, &text(parser)?)?,
            "range" => {
                let range = range(&text(parser)?)?;
                self.has_range = true;
                settings.add(move |upload| upload.range(range));
            }
            "rate-limit" => self.rate_limit = Some(size(name, parser)?),
            "deadline" => self.deadline = Some(time(name, parser)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn keep(&mut self, kept: Kept) -> Result<(), Usage> {
        let options = "--checkpoint, --checkpoint-dir and --checkpoint-beside";
        only(&mut self.checkpoint, kept, options)
    }

    /// Adds what is known once all options are taken.
    pub(crate) fn complete(&self, settings: &mut Settings) {
        let identity = self.identity;
        settings.add(move |upload| upload.identity(identity));
    }

    /// What one file alone is told.
    pub(crate) fn of_one<'a>(&self, upload: UploadFile<'a>) -> UploadFile<'a> {
        let mut upload = self.remember(upload).routines(self.routines);
        if let Some(bytes) = self.rate_limit {
            upload = upload.rate_limit(bytes);
        }
        match self.deadline {
            Some(within) => upload.deadline(within),
            None => upload,
        }
    }

    /// What one of several files is told for itself.
    pub(crate) fn of_each<'a>(&self, upload: UploadFile<'a>) -> UploadFile<'a> {
        match self.checkpoint {
            // Those in a folder are for all of them.
            Some(Kept::In(_)) => upload,
            _ => self.remember(upload),
        }
    }

    /// What all of several files are told.
    pub(crate) fn of_all<'a>(&self, uploads: UploadFiles<'a>) -> UploadFiles<'a> {
        let mut uploads = uploads.routines(self.routines);
        if let Some(Kept::In(dir)) = &self.checkpoint {
            uploads = uploads.checkpoints_in(dir);
        }
        if let Some(bytes) = self.rate_limit {
            uploads = uploads.rate_limit(bytes);
        }
        match self.deadline {
            Some(within) => uploads.deadline(within),
            None => uploads,
        }
    }

    fn remember<'a>(&self, upload: UploadFile<'a>) -> UploadFile<'a> {
        match &self.checkpoint {
            None => upload,
            Some(Kept::At(path)) => upload.checkpoint(Checkpoint::at(path)),
            Some(Kept::In(dir)) => upload.checkpoint(Checkpoint::in_dir(dir)),
            Some(Kept::BesideFile) => upload.checkpoint(Checkpoint::beside_file()),
        }
    }
}

fn bytes(given: &str) -> Option<u64> {
    parse_size::parse_size(given).ok()
}

fn size(name: &str, parser: &mut Parser) -> Result<u64, Usage> {
    let given = text(parser)?;
    match bytes(&given) {
        Some(bytes) => Ok(bytes),
        None => wrong(format!("--{name} is a size such as 8MiB, not `{given}`")),
    }
}

fn routines(name: &str, parser: &mut Parser) -> Result<usize, Usage> {
    let given = text(parser)?;
    match given.parse() {
        Ok(routines) => Ok(routines),
        Err(_) => wrong(format!("--{name} is a number from 1 to 100, not `{given}`")),
    }
}

/// `START..END`, of which either may be left out.
fn range(given: &str) -> Result<(Bound<u64>, Bound<u64>), Usage> {
    let bound = |text: &str, bound: fn(u64) -> Bound<u64>| match text {
        "" => Some(Bound::Unbounded),
        text => bytes(text).map(bound),
    };
    let ends = given.split_once("..").and_then(|(start, end)| {
        Some((bound(start, Bound::Included)?, bound(end, Bound::Excluded)?))
    });
    match ends {
        Some(ends) => Ok(ends),
        None => wrong(format!(
            "--range is START..END, such as 0..1GiB or 4096.., not `{given}`"
        )),
    }
}

fn ignore(identity: Identity, given: &str) -> Result<Identity, Usage> {
    given
        .split(',')
        .try_fold(identity, |identity, what| match what.trim() {
            "ctime" => Ok(identity.without_ctime()),
            "device" => Ok(identity.without_device()),
            "inode" => Ok(identity.without_inode()),
            other => wrong(format!(
                "--ignore is ctime, device, inode or several of these, not `{other}`"
            )),
        })
}
