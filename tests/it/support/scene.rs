//! A scene for an upload: a server, a file, a bucket, and what is expected in the end.

use super::{BUCKET, KEY, PART, bucket, client, random_bytes};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{Bucket, Checkpoint, Error, Outcome, RestartReason, UploadFile, Uploaded};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) struct Scene {
    pub(crate) server: LocalServer,
    pub(crate) bucket: Bucket,
    pub(crate) file: PathBuf,
    pub(crate) dir: TempDir,
}

impl Scene {
    /// A file of so many whole parts and one short one.
    pub(crate) fn with_parts(n_parts: u16) -> Scene {
        Scene::with_len(u64::from(n_parts - 1) * PART + 777)
    }

    pub(crate) fn with_len(len: u64) -> Scene {
        Scene::on(LocalServer::start().expect("a port"), len)
    }

    pub(crate) fn on(server: LocalServer, len: u64) -> Scene {
        Scene::of(server, |file| {
            fs::write(file, random_bytes(len, 1)).expect("written");
        })
    }

    /// A file that is long and takes no room on the disk: all zeros.
    pub(crate) fn with_holes(server: LocalServer, len: u64) -> Scene {
        Scene::of(server, |file| {
            let file = fs::File::create(file).expect("created");
            file.set_len(len).expect("a file system with holes");
        })
    }

    fn of(server: LocalServer, write: impl FnOnce(&Path)) -> Scene {
        let dir = tempfile::tempdir().expect("a temp folder");
        let file = dir.path().join("file.bin");
        write(&file);
        Scene {
            bucket: bucket(client(&server)),
            server,
            file,
            dir,
        }
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.dir.path().join("state.cp")
    }

    /// An upload of the file in parts of the smallest size, with a checkpoint.
    pub(crate) fn upload(&self) -> UploadFile<'_> {
        self.upload_to(&self.bucket, KEY)
    }

    /// The same to another bucket or key.
    pub(crate) fn upload_to<'a>(&self, bucket: &'a Bucket, key: &str) -> UploadFile<'a> {
        let upload = bucket.upload_file(key, &self.file).part_size(PART);
        upload.checkpoint(Checkpoint::at(self.checkpoint()))
    }

    pub(crate) fn upload_without_checkpoint(&self) -> UploadFile<'_> {
        self.bucket.upload_file(KEY, &self.file).part_size(PART)
    }

    /// Something goes wrong with the first such request, once.
    pub(crate) fn once(&self, fault: Fault, operation: Operation) {
        self.server.fault(fault.on(operation).times(1));
    }

    /// Runs an upload that ends for good after so many parts, and leaves its state behind.
    pub(crate) fn interrupt_after(&self, n_parts: u32) -> Error {
        let denied = self.server.fault(
            Fault::deny()
                .on(Operation::UploadPart)
                .nth(n_parts + 1)
                .times(1),
        );
        let error = self.upload().run().expect_err("it was interrupted");
        assert_eq!(denied.hits(), 1, "{error}");
        denied.remove();
        assert!(error.is_resumable(), "{error}");
        assert!(self.checkpoint().exists());
        self.server.forget_requests();
        error
    }

    /// The same with the state of such a run.
    pub(crate) fn interrupted_after(self, n_parts: u32) -> Scene {
        self.interrupt_after(n_parts);
        self
    }

    /// The id of the one upload that is open on the server.
    pub(crate) fn upload_id(&self) -> String {
        let [upload] = &self.server.pending_uploads()[..] else {
            panic!("not one upload: {:?}", self.server.pending_uploads())
        };
        upload.upload_id.clone()
    }

    /// Part numbers of the UploadPart requests since the last `forget_requests`, in order of arrival.
    pub(crate) fn parts_sent(&self) -> Vec<u16> {
        let requests = self.server.requests().into_iter();
        requests
            .filter(|request| request.operation == Operation::UploadPart)
            .filter_map(|request| request.part_number)
            .collect()
    }

    /// Bytes of the parts that the server has of an upload that is open.
    pub(crate) fn bytes_stored(&self, upload_id: &str) -> u64 {
        let uploads = self.server.pending_uploads().into_iter();
        let this = uploads.filter(|upload| upload.upload_id == upload_id);
        let parts = this.flat_map(|upload| upload.parts);
        parts.map(|part| part.size).sum()
    }

    /// The object is the file, byte for byte, and nothing is left on the server or the disk.
    #[track_caller]
    pub(crate) fn expect_done(&self, uploaded: &Uploaded) {
        let object = self
            .server
            .object(BUCKET, &uploaded.key)
            .expect("an object");
        let bytes = fs::read(&self.file).expect("the file");
        assert_eq!(object.len, bytes.len() as u64);
        assert!(
            object.bytes().expect("readable") == bytes,
            "the object differs from the file"
        );
        assert_eq!(uploaded.size, object.len);
        assert_eq!(uploaded.crc64, object.crc64);
        assert!(uploaded.crc64_confirmed);
        assert_eq!(uploaded.etag, object.etag.trim_matches('"'));
        assert_eq!(
            self.server.pending_uploads().len(),
            0,
            "an upload was left behind"
        );
        assert!(
            !self.checkpoint().exists(),
            "the checkpoint was left behind"
        );
        assert_eq!(uploaded.left_behind.len(), 0);
    }

    /// The same of an upload that began anew once, for this reason.
    #[track_caller]
    pub(crate) fn expect_restarted(&self, uploaded: &Uploaded, reason: RestartReason) {
        assert_eq!(uploaded.outcome, Outcome::Restarted(reason));
        assert_eq!(uploaded.restarts, [reason]);
        self.expect_done(uploaded);
    }

    /// The next run sends all of it again, once, says why, and gets through.
    #[track_caller]
    pub(crate) fn expect_restarted_for(&self, reason: RestartReason) {
        let uploaded = self.upload().run().expect("uploaded");
        self.expect_restarted(&uploaded, reason);
    }

    /// The same of an upload that went on with so many parts of an earlier run.
    #[track_caller]
    pub(crate) fn expect_resumed(&self, uploaded: &Uploaded, parts: u16) {
        assert_eq!(uploaded.parts_resumed(), parts);
        self.expect_done(uploaded);
    }

    /// Flips a bit in the last frame of the checkpoint.
    pub(crate) fn damage_checkpoint(&self) {
        let mut bytes = fs::read(self.checkpoint()).expect("the checkpoint");
        *bytes.last_mut().expect("not empty") ^= 1;
        fs::write(self.checkpoint(), bytes).expect("damaged");
    }

    /// Writes other bytes of the same length into the file, in place.
    pub(crate) fn rewrite(&self) {
        let len = fs::metadata(&self.file).expect("the file").len();
        fs::write(&self.file, random_bytes(len, 2)).expect("written");
    }
}
