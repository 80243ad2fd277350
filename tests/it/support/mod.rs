//! A scene for an upload: a server, a file, a bucket, and what is expected in the end.

pub(crate) mod application;
#[cfg(unix)]
pub(crate) mod format;
pub(crate) mod front;
pub(crate) mod logs;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod runs;
pub(crate) mod tls;
pub(crate) mod web;

use oss_upload::local_server::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, Gate, LocalServer, Operation, PendingPart,
};
use oss_upload::{
    Bucket, Checkpoint, Client, ClientBuilder, Credentials, Error, Outcome, RestartReason,
    RetryPolicy, UploadFile, Uploaded,
};
use std::fmt::{Debug, Write};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The smallest part that OSS takes, and the part size of most scenes.
pub(crate) const PART: u64 = 102_400;

pub(crate) const BUCKET: &str = "examplebucket";
pub(crate) const KEY: &str = "dir/object.bin";

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
        self.upload_without_checkpoint()
            .checkpoint(Checkpoint::at(self.checkpoint()))
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

    /// The next run sends all of it again, once, says why, and gets through.
    #[track_caller]
    pub(crate) fn expect_restarted_for(&self, reason: RestartReason) {
        let uploaded = self.upload().run().expect("uploaded");
        assert_eq!(uploaded.outcome, Outcome::Restarted(reason));
        assert_eq!(uploaded.restarts, [reason]);
        self.expect_done(&uploaded);
    }

    /// Writes other bytes of the same length into the file, in place.
    pub(crate) fn rewrite(&self) {
        let len = fs::metadata(&self.file).expect("the file").len();
        fs::write(&self.file, random_bytes(len, 2)).expect("written");
    }
}

/// A client of the server that loses no time between retries.
pub(crate) fn client(server: &LocalServer) -> ClientBuilder {
    client_at(server.endpoint())
}

pub(crate) fn client_at(endpoint: String) -> ClientBuilder {
    Client::builder(endpoint)
        .region("cn-hangzhou")
        .credentials(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET))
        .retry(hasty())
}

/// The bucket of most scenes, for a client with other settings.
pub(crate) fn bucket(client: ClientBuilder) -> Bucket {
    let bucket = client.build().and_then(|client| client.bucket(BUCKET));
    bucket.expect("a client")
}

pub(crate) fn hasty() -> RetryPolicy {
    RetryPolicy::default()
        .base_delay(Duration::from_millis(1))
        .max_delay(Duration::from_millis(5))
        .outage(Duration::ZERO)
}

/// Bytes that do not repeat, the same for the same seed.
pub(crate) fn random_bytes(len: u64, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; usize::try_from(len).expect("fits into memory")];
    random.fill(&mut bytes);
    bytes
}

/// Where a test's chance comes from. It is printed, and what failed is repeated by giving it back.
pub(crate) fn seed() -> u64 {
    const NAME: &str = "OSS_UPLOAD_TEST_SEED";
    let seed = match std::env::var(NAME) {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("{NAME}={seed}");
    seed
}

/// A page of ListParts as OSS would answer it, each part as `describe` wants it.
pub(crate) fn listing(scene: &Scene, describe: impl Fn(&PendingPart) -> String) -> Fault {
    let [upload] = &scene.server.pending_uploads()[..] else {
        panic!("not one upload")
    };
    let mut xml = String::from("<ListPartsResult><IsTruncated>false</IsTruncated>");
    for part in &upload.parts {
        let (number, described) = (part.number, describe(part));
        write!(
            xml,
            "<Part><PartNumber>{number}</PartNumber>{described}</Part>"
        )
        .expect("writing to a string does not fail");
    }
    xml.push_str("</ListPartsResult>");
    Fault::answer(200, "application/xml", xml).on(Operation::ListParts)
}

/// A file's ctime, where there is one.
#[cfg(unix)]
fn ctime(file: &fs::Metadata) -> Option<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    Some((file.ctime(), file.ctime_nsec()))
}

#[cfg(not(unix))]
fn ctime(_: &fs::Metadata) -> Option<(i64, i64)> {
    None
}

/// Sets a file's mtime back to what it was. Its ctime is another afterwards: the file system's clock has ticked.
pub(crate) fn keeping_mtime(path: &Path, change: impl FnOnce()) {
    let look = || fs::metadata(path).expect("the file");
    let mtime = look().modified().expect("an mtime");
    let before = ctime(&look());
    change();
    let file = fs::File::options().append(true).open(path);
    let file = file.expect("the file");
    file.set_modified(mtime).expect("set");
    while before.is_some() && ctime(&look()) == before {
        file.set_modified(mtime).expect("set");
    }
}

/// What hooks of faults, observers and providers note down, in order.
#[derive(Debug)]
pub(crate) struct Notes<T>(Arc<Mutex<Vec<T>>>);

impl<T> Notes<T> {
    pub(crate) fn new() -> Notes<T> {
        Notes(Arc::default())
    }

    pub(crate) fn add(&self, note: T) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note);
    }

    /// All notes so far, which are then forgotten.
    pub(crate) fn take(&self) -> Vec<T> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut notes)
    }
}

impl<T> Clone for Notes<T> {
    fn clone(&self) -> Notes<T> {
        Notes(Arc::clone(&self.0))
    }
}

/// Runs an upload on a thread of its own while `act` does something to it.
pub(crate) fn meanwhile<R: Send>(run: impl FnOnce() -> R + Send, act: impl FnOnce()) -> R {
    thread::scope(|scope| {
        let running = scope.spawn(run);
        act();
        running.join().expect("the upload does not panic")
    })
}

/// Waits until so many requests have reached the gate. Should they never come, the test fails instead of hanging.
pub(crate) fn wait_reached(gate: &Gate, n: u32) {
    let (reached, wait) = mpsc::channel();
    let waiting = gate.clone();
    thread::spawn(move || {
        waiting.wait_reached(n);
        let _ = reached.send(());
    });
    if wait.recv_timeout(Duration::from_secs(30)).is_err() {
        gate.open();
        panic!("not {n} requests have reached the gate");
    }
}

/// Names the case of a table in which a test failed.
pub(crate) struct Case<T: Debug>(pub(crate) T);

impl<T: Debug> Drop for Case<T> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the case was {:?}", self.0);
        }
    }
}
