//! Giving up what an earlier run left behind, without uploading.

use super::inspect::RecordedUpload;
use crate::checkpoint::file::{CheckpointFile, Disk};
use crate::checkpoint::record::{Header, Owed};
use crate::checkpoint::scan::{End, Scan, scan};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::protocol::NOTHING_MORE;
use crate::stop::Stop;
use crate::upload::calls::aborting::try_abort;
use crate::upload::record::open_failed;
use std::path::Path;
use std::sync::Arc;

/// What became of the uploads that a checkpoint told of, from [`Client::abandon`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Abandoned {
    /// Uploads of which nothing is left on the server: they were aborted, or gone already.
    pub aborted: Vec<RecordedUpload>,
    /// Uploads that could not be aborted, and why. Their parts are billed until they are.
    pub left_behind: Vec<(RecordedUpload, Error)>,
}

impl Client {
    /// Gives up what an earlier run left behind: aborts the upload that a checkpoint tells of, and older ones that it owes,
    /// each until the server lists no part of it, then deletes the checkpoint. Nothing is uploaded, and the local file
    /// does not matter.
    ///
    /// The checkpoint is locked meanwhile. It stays when anything could not be aborted: the same call, or the next upload,
    /// tries again. Of a damaged one, those uploads are aborted that it still names.
    ///
    /// # Errors
    ///
    /// Nothing is sent, and the checkpoint is untouched:
    ///
    /// - [`ErrorKind::Checkpoint`] when it is not there ([`Error::io_error`] says `NotFound`), cannot be opened for
    ///   writing or locked, or is no checkpoint at all;
    /// - [`ErrorKind::CheckpointBusy`] when an upload is using it;
    /// - [`ErrorKind::Options`] when its upload was begun at another endpoint than this client's, which the error names.
    ///
    /// Everything is aborted, but the checkpoint could not be deleted: [`ErrorKind::Checkpoint`] too.
    pub fn abandon(&self, checkpoint: impl AsRef<Path>) -> Result<Abandoned, Error> {
        let path = checkpoint.as_ref();
        let failed = |error| open_failed(path, error);
        let mut file = CheckpointFile::open_existing(path).map_err(failed)?;
        let bytes = file.read().map_err(|error| failed(error.into()))?;
        let named = self.named(path, scan(&bytes))?;
        let mut abandoned = Abandoned {
            aborted: vec![],
            left_behind: vec![],
        };
        for owed in named {
            match self.abort(&owed) {
                Ok(()) => abandoned.aborted.push(owed.into()),
                Err(why) => abandoned.left_behind.push((owed.into(), why)),
            }
        }
        if abandoned.left_behind.is_empty() {
            let deleted = file.delete();
            deleted.map_err(|error| {
                Error::io(
                    ErrorKind::Checkpoint,
                    "deleting the checkpoint",
                    path,
                    error,
                )
            })?;
        }
        Ok(abandoned)
    }

    /// All uploads that a checkpoint names, when this client is the one to abort them.
    fn named(&self, path: &Path, scanned: Scan) -> Result<Vec<Owed>, Error> {
        let doing = || format!("abandoning the checkpoint `{}`", path.display());
        let unknown = match scanned.end {
            End::Foreign => Some("it is not a checkpoint".to_owned()),
            End::OtherFormat(format) => Some(format!(
                "it is of format {format}: give it up with the version of this library that wrote it"
            )),
            _ => None,
        };
        if let Some(why) = unknown {
            return Err(Error::text(ErrorKind::Checkpoint, doing(), why).at_path(path));
        }
        let upload = scanned.header.as_ref().map(Header::owed);
        let here = self.endpoint().to_string();
        match upload {
            Some(upload) if upload.endpoint != here => {
                let there = upload.endpoint;
                let why = format!("its upload was begun at {there}, and this client is for {here}");
                Err(Error::options(doing(), why).at_path(path))
            }
            upload => Ok(upload.into_iter().chain(scanned.owed).collect()),
        }
    }

    fn abort(&self, owed: &Owed) -> Result<(), Error> {
        let doing = format!(
            "aborting upload {} of oss://{}/{}",
            owed.upload_id, owed.bucket, owed.key
        );
        if owed.endpoint != self.endpoint().to_string() {
            let why = format!("it was begun at {}", owed.endpoint);
            return Err(Error::options(doing, why));
        }
        let bucket = self.bucket(owed.bucket.as_str())?;
        let stop = Arc::new(Stop::default());
        let aborted = try_abort(&bucket, owed, &NOTHING_MORE, &stop);
        aborted.map_err(|why| why.into_error(&bucket, doing))
    }
}
