//! The checkpoint of one run: opened before the first request, deleted after the last.

use super::resume::Parts;
use crate::checkpoint::file::{CheckpointFile, Journal, OpenError};
use crate::checkpoint::record::{Header, Record};
use crate::checkpoint::scan::{End, scan};
use crate::error::{Error, ErrorKind};
use crate::part::{DonePart, PartNumber};
use std::io;
use std::path::{Path, PathBuf};

/// A run's record; it does nothing when no checkpoint was asked for.
#[derive(Debug)]
pub(super) struct RunRecord {
    journal: Option<Journal<CheckpointFile>>,
    path: PathBuf,
    /// The upload on the server that the file tells of.
    upload_id: Option<String>,
}

/// What a checkpoint held when it was opened.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) header: Option<Header>,
    pub(super) parts: Parts,
    /// The file was damaged, so that only the upload id of `header` is of use.
    pub(super) damaged: bool,
}

impl RunRecord {
    pub(super) fn none() -> RunRecord {
        RunRecord {
            journal: None,
            path: PathBuf::new(),
            upload_id: None,
        }
    }

    /// Opens, locks and reads the checkpoint. Proves on the way that it can be written.
    pub(super) fn open(path: &Path, source: &Path) -> Result<(RunRecord, Found), Error> {
        let file = open_file(path, source)?;
        RunRecord::read(file, path).map_err(|error| open_failed(path, error))
    }

    fn read(mut file: CheckpointFile, path: &Path) -> Result<(RunRecord, Found), OpenError> {
        let scanned = scan(&file.read()?);
        if scanned.end == End::Foreign {
            let aside;
            (file, aside) = file.set_aside()?;
            log::warn!(
                target: "oss_upload::checkpoint",
                "`{}` is not a checkpoint: kept as `{}`",
                path.display(),
                aside.display()
            );
        }
        let mut journal = Journal::new(file);
        let damaged = matches!(scanned.end, End::Damaged | End::Foreign);
        if !damaged {
            // What a crash left half-written is dropped, so that new frames follow the last intact one.
            journal.cut(scanned.valid_len)?;
        }
        let record = RunRecord {
            journal: Some(journal),
            path: path.to_owned(),
            upload_id: scanned
                .header
                .as_ref()
                .map(|header| header.upload_id.clone()),
        };
        let found = Found {
            header: scanned.header,
            parts: if damaged { Parts::new() } else { scanned.parts },
            damaged,
        };
        Ok((record, found))
    }

    /// Begins the record of a new upload, in place of whatever the file held; it is on the disk on return.
    pub(super) fn begin(&mut self, header: &Header) -> Result<(), Error> {
        self.write(|journal| journal.begin(Record::Header(Box::new(header.clone()))))?;
        self.upload_id = self.journal.is_some().then(|| header.upload_id.clone());
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
        write: impl FnOnce(&mut Journal<CheckpointFile>) -> io::Result<()>,
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
    pub(super) fn journal(&mut self) -> Option<&mut Journal<CheckpointFile>> {
        self.journal.as_mut()
    }

    /// The upload it tells of was aborted, or is complete.
    pub(super) fn forget_upload(&mut self) {
        self.upload_id = None;
    }

    /// The upload that the next run can continue.
    pub(super) fn upload_id(&self) -> Option<&str> {
        self.upload_id.as_deref()
    }

    /// Ends the run: the file is deleted unless it tells of an upload that can be continued.
    pub(super) fn close(&mut self) {
        let Some(journal) = self.journal.take() else {
            return;
        };
        if self.upload_id.is_some() {
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

fn open_file(path: &Path, source: &Path) -> Result<CheckpointFile, Error> {
    let file = CheckpointFile::open(path).map_err(|error| open_failed(path, error))?;
    let same = file.is_same_file(source);
    match same.map_err(|error| open_failed(path, error.into()))? {
        false => Ok(file),
        true => {
            let doing = format!("opening the checkpoint `{}`", path.display());
            let why = "it is the very file that is to be uploaded";
            Err(Error::options(doing, why).at_path(path))
        }
    }
}

fn open_failed(path: &Path, error: OpenError) -> Error {
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
