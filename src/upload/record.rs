//! The checkpoint of one run: opened before the first request, deleted after the last.

use super::resume::Found;
use crate::checkpoint::file::{Disk, OpenError};
use crate::checkpoint::journal::Journal;
use crate::checkpoint::record::{Header, Owed, Record};
use crate::checkpoint::scan::{End, Scan, scan};
use crate::error::{Error, ErrorKind};
use crate::part::{DonePart, PartNumber, Parts};
use std::io;
use std::path::{Path, PathBuf};

/// A run's record; it does nothing when no checkpoint was asked for.
#[derive(Debug)]
pub(crate) struct RunRecord {
    journal: Option<Journal<Box<dyn Disk>>>,
    path: PathBuf,
    /// The upload on the server that the file tells of.
    upload: Option<Owed>,
}

impl RunRecord {
    pub(super) fn none() -> RunRecord {
        RunRecord {
            journal: None,
            path: PathBuf::new(),
            upload: None,
        }
    }

    /// Reads a checkpoint that was opened. Proves on the way that it can be written and synced.
    pub(crate) fn open(
        opened: Result<Box<dyn Disk>, OpenError>,
        path: &Path,
        source: &Path,
    ) -> Result<(RunRecord, Found), Error> {
        let failed = |error| open_failed(path, error);
        let mut disk = opened.map_err(failed)?;
        check_not_the_source(&*disk, path, source)?;
        let scanned = read(&mut *disk, path).map_err(failed)?;
        let mut journal = Journal::new(disk);
        if let Err(error) = prove(&mut journal, &scanned) {
            if scanned.valid_len == 0 && scanned.end == End::Clean {
                // Nothing was in it, so nothing is left.
                let _ = journal.into_storage().delete();
            }
            return Err(failed(error.into()));
        }
        let record = RunRecord {
            journal: Some(journal),
            path: path.to_owned(),
            upload: scanned.header.as_ref().map(Header::owed),
        };
        Ok((record, Found::of(scanned)))
    }

    /// Begins the record of a new upload, in place of whatever the file held; it is on the disk on return.
    pub(super) fn begin(&mut self, header: &Header, owed: &[Owed]) -> Result<(), Error> {
        self.begin_with(header, owed, [])
    }

    /// The same with parts that it has already.
    pub(super) fn begin_with<'p>(
        &mut self,
        header: &Header,
        owed: &[Owed],
        parts: impl IntoIterator<Item = &'p DonePart>,
    ) -> Result<(), Error> {
        let mut records = header.records();
        records.extend(owed.iter().cloned().map(Record::Owed));
        records.extend(parts.into_iter().cloned().map(Record::PartDone));
        self.write(|journal| journal.begin(&records))?;
        self.upload = self.journal.is_some().then(|| header.owed());
        Ok(())
    }

    /// Records parts that the server has although no record said so.
    pub(super) fn adopt(&mut self, parts: &[DonePart]) -> Result<(), Error> {
        let records: Vec<_> = parts.iter().cloned().map(Record::PartDone).collect();
        self.append(&records)
    }

    /// Records that parts are to be sent again.
    pub(super) fn lose(&mut self, lost: &[PartNumber]) -> Result<(), Error> {
        let records: Vec<_> = lost.iter().copied().map(Record::PartLost).collect();
        self.append(&records)
    }

    fn append(&mut self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        self.write(|journal| journal.append(records))
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut Journal<Box<dyn Disk>>) -> io::Result<()>,
    ) -> Result<(), Error> {
        match &mut self.journal {
            None => Ok(()),
            Some(journal) => write(journal).map_err(|error| self.write_failed(error)),
        }
    }

    pub(super) fn write_failed(&self, error: io::Error) -> Error {
        let doing = "writing the checkpoint";
        Error::io(ErrorKind::Checkpoint, doing, &self.path, error)
    }

    /// For the writer, which appends finished parts.
    pub(super) fn journal(&mut self) -> Option<&mut Journal<Box<dyn Disk>>> {
        self.journal.as_mut()
    }

    /// The upload it tells of was aborted, or is complete.
    pub(super) fn forget_upload(&mut self) -> Option<Owed> {
        self.upload.take()
    }

    /// The upload that the next run can continue, as long as it will find the file.
    pub(super) fn upload_id(&self) -> Option<&str> {
        let there = |journal: &Journal<Box<dyn Disk>>| journal.storage().is_in_place();
        match self.journal.as_ref().map(there) {
            None | Some(Ok(false)) => None,
            Some(_) => self.upload.as_ref().map(|upload| &*upload.upload_id),
        }
    }

    /// Ends the run: the file is deleted unless it tells of an upload that can be continued, or that is `owed`.
    pub(super) fn close(&mut self, owed: bool) {
        let Some(journal) = self.journal.take() else {
            return;
        };
        if owed || self.upload.is_some() {
            return;
        }
        if let Err(error) = journal.into_storage().delete() {
            log::warn!(
                target: "oss_upload::checkpoint",
                "the checkpoint `{}` is of no use any more but could not be deleted: {error}",
                self.path.display()
            );
        }
    }
}

impl Found {
    pub(super) fn of(scanned: Scan) -> Found {
        let damaged = is_damaged(&scanned);
        Found {
            header: scanned.header,
            parts: if damaged { Parts::new() } else { scanned.parts },
            owed: scanned.owed,
            damaged,
        }
    }
}

/// What the file says. One that is not ours, or not of our time, is moved aside first.
fn read(disk: &mut dyn Disk, path: &Path) -> Result<Scan, OpenError> {
    let scanned = scan(&disk.read()?);
    let what = match scanned.end {
        End::Foreign => "not a checkpoint".to_owned(),
        End::OtherFormat(format) => {
            format!(
                "a checkpoint of format {format}, which only another version of this library knows"
            )
        }
        _ => return Ok(scanned),
    };
    let aside = disk.set_aside()?;
    log::warn!(
        target: "oss_upload::checkpoint",
        "`{}` is {what}: kept as `{}`",
        path.display(),
        aside.display()
    );
    Ok(scanned)
}

fn is_damaged(scanned: &Scan) -> bool {
    matches!(
        scanned.end,
        End::Damaged | End::OtherFormat(_) | End::Foreign
    )
}

/// That the file can be cut and synced is found out before the first request.
fn prove(journal: &mut Journal<Box<dyn Disk>>, scanned: &Scan) -> io::Result<()> {
    if !is_damaged(scanned) {
        // What a crash left half-written is dropped, so that new frames follow the last intact one.
        journal.cut(scanned.valid_len)?;
    }
    journal.sync()
}

fn check_not_the_source(disk: &dyn Disk, path: &Path, source: &Path) -> Result<(), Error> {
    let same = disk.is_same_file(source);
    match same.map_err(|error| open_failed(path, error.into()))? {
        false => Ok(()),
        true => Err(is_the_source(path)),
    }
}

pub(super) fn is_the_source(path: &Path) -> Error {
    let doing = format!("opening the checkpoint `{}`", path.display());
    let why = "it is the very file that is to be uploaded";
    Error::options(doing, why).at_path(path)
}

pub(super) fn open_failed(path: &Path, error: OpenError) -> Error {
    match error {
        OpenError::Io(error) => {
            Error::io(ErrorKind::Checkpoint, "opening the checkpoint", path, error)
        }
        OpenError::Busy => {
            let doing = format!("locking the checkpoint `{}`", path.display());
            let why = "another upload is using it";
            Error::text(ErrorKind::CheckpointBusy, doing, why).at_path(path)
        }
    }
}
