//! Whole uploads on a disk that fails at its n-th call, for every n.

use super::{UploadFile, Uploaded};
use crate::checkpoint::Checkpoint;
use crate::checkpoint::file::{CheckpointFile, Disk, OpenError};
use crate::checkpoint::journal::Storage;
use crate::client::{Bucket, Client};
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind};
use crate::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, LocalServer, Operation};
use crate::retry::RetryPolicy;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;

const PART: usize = 102_400;
const PARTS: usize = 6;
const KEY: &str = "key";

/// When a disk fails.
#[derive(Clone, Debug)]
struct Plan {
    /// At this call, counted from 1.
    first: usize,
    /// At all calls that follow too.
    for_good: bool,
    calls: Arc<Mutex<Vec<Call>>>,
    /// UploadPart requests that the server had seen when it failed.
    failed_at: Arc<OnceLock<usize>>,
}

/// What was called, and how many requests to send a part and to complete the server had seen by then.
type Call = (&'static str, usize, usize);

impl Plan {
    fn fail_at(first: usize, for_good: bool) -> Plan {
        Plan {
            first,
            for_good,
            calls: Arc::default(),
            failed_at: Arc::default(),
        }
    }
}

#[derive(Debug)]
struct FailingDisk {
    file: CheckpointFile,
    plan: Plan,
    server: Arc<LocalServer>,
}

impl FailingDisk {
    fn call(&self, name: &'static str) -> io::Result<()> {
        let sent = self.server.count(Operation::UploadPart);
        let mut calls = self.plan.calls.lock().expect("no panic");
        let completed = self.server.count(Operation::CompleteMultipartUpload);
        calls.push((name, sent, completed));
        let n = calls.len();
        if n == self.plan.first || (n > self.plan.first && self.plan.for_good) {
            self.plan.failed_at.get_or_init(|| sent);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Storage for FailingDisk {
    /// Half of the bytes find room.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let full = self.call("append");
        let room = bytes.len() / if full.is_err() { 2 } else { 1 };
        self.file.append(&bytes[..room])?;
        full
    }
    fn sync(&mut self) -> io::Result<()> {
        self.call("sync")?;
        self.file.sync()
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.call("truncate")?;
        self.file.truncate(len)
    }
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.call("replace")?;
        self.file.replace(bytes)
    }
}

impl Disk for FailingDisk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        self.call("read")?;
        self.file.read()
    }
    fn is_in_place(&self) -> io::Result<bool> {
        self.call("is_in_place")?;
        self.file.is_in_place()
    }
    fn is_same_file(&self, other: &Path) -> io::Result<bool> {
        self.call("is_same_file")?;
        self.file.is_same_file(other)
    }
    fn set_aside(&mut self) -> Result<PathBuf, OpenError> {
        self.call("set_aside")?;
        self.file.set_aside()
    }
    fn delete(&mut self) -> io::Result<()> {
        self.call("delete")?;
        self.file.delete()
    }
}

struct Scene {
    server: Arc<LocalServer>,
    bucket: Bucket,
    dir: TempDir,
    bytes: Vec<u8>,
}

impl Scene {
    fn new() -> Scene {
        let server = Arc::new(LocalServer::start().expect("a port"));
        let retry = RetryPolicy::default().base_delay(std::time::Duration::ZERO);
        let client = Client::builder(server.endpoint())
            .region("cn-hangzhou")
            .credentials(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET))
            .retry(retry);
        let mut bytes = vec![0; (PARTS - 1) * PART + 7];
        fastrand::Rng::with_seed(3).fill(&mut bytes);
        let dir = tempfile::tempdir().expect("a temp folder");
        fs::write(dir.path().join("file"), &bytes).expect("written");
        let bucket = client.build().and_then(|c| c.bucket("examplebucket"));
        Scene {
            bucket: bucket.expect("a client"),
            server,
            dir,
            bytes,
        }
    }

    fn checkpoint(&self) -> PathBuf {
        self.dir.path().join("state.cp")
    }

    fn upload(&self, routines: usize) -> UploadFile<'_> {
        self.bucket
            .upload_file(KEY, self.dir.path().join("file"))
            .part_size(PART as u64)
            .routines(routines)
            .checkpoint(Checkpoint::at(self.checkpoint()))
    }

    fn run_on(&self, plan: &Plan, routines: usize) -> Result<Uploaded, Error> {
        let mut upload = self.upload(routines);
        upload.open_disk = Box::new(|path| {
            Ok(Box::new(FailingDisk {
                file: CheckpointFile::open(path)?,
                plan: plan.clone(),
                server: Arc::clone(&self.server),
            }))
        });
        upload.run()
    }

    fn stored_bytes(&self) -> u64 {
        let pending = self.server.pending_uploads();
        let parts = pending.iter().flat_map(|upload| &upload.parts);
        parts.map(|part| part.size).sum()
    }

    /// The state in which the run on the failing disk begins.
    fn begin(&self, before: Before) {
        match before {
            Before::Nothing => {}
            Before::Foreign => fs::write(self.checkpoint(), "dear diary").expect("written"),
            Before::Interrupted | Before::Outdated | Before::Suspicious => {
                let denied = Fault::deny().on(Operation::UploadPart).nth(4).times(1);
                self.server.fault(denied);
                self.upload(1).run().expect_err("interrupted");
                let file = self.dir.path().join("file");
                if before == Before::Outdated {
                    // Another mtime: a fresh start in place of the old record.
                    fs::write(file, &self.bytes).expect("written");
                } else if before == Before::Suspicious {
                    replace_by_copy(&file);
                }
            }
        }
    }

    /// What the caller was told of a run on a failing disk is true.
    fn check(&self, plan: &Plan, routines: usize, ran: &Result<Uploaded, Error>, what: &str) {
        let pending = self.server.pending_uploads();
        let pending: Vec<_> = pending.iter().map(|upload| &*upload.upload_id).collect();
        match ran {
            // The object was complete before anything failed that matters.
            Ok(_) => assert_eq!(pending, [""; 0], "{what}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Checkpoint, "{what}: {error}");
                assert_eq!(error.path(), Some(&*self.checkpoint()), "{what}: {error}");
                assert!(self.server.object("examplebucket", KEY).is_none(), "{what}");
                let named: Vec<_> = error.upload_id().into_iter().collect();
                // An earlier run's upload may be there still when this one did not get as far as to ask.
                let untouched = self.server.requests().is_empty();
                assert!(untouched || pending == named, "{what}: {error}");
                let sent = self.server.count(Operation::UploadPart);
                let after = sent - plan.failed_at.get().expect("it failed");
                assert!(after <= routines, "{what}: {after} more parts");
            }
        }
    }

    /// On a disk that works everything is put right, and no part is sent that is there.
    fn expect_healed(&self, what: &str) {
        let stored = self.stored_bytes();
        let uploaded = self.upload(1).run();
        let uploaded = uploaded.unwrap_or_else(|error| panic!("{what}: {error}"));
        let object = self.server.object("examplebucket", KEY);
        let object = object.expect("an object").bytes().expect("readable");
        assert!(object == self.bytes, "{what}: another object");
        assert_eq!(self.server.pending_uploads(), [], "{what}");
        assert!(!self.checkpoint().exists(), "{what}");
        if uploaded.restarts.is_empty() {
            assert!(
                uploaded.bytes_sent <= self.bytes.len() as u64 - stored,
                "{what}"
            );
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Nothing,
    /// Three parts are recorded.
    Interrupted,
    /// The same, and the file has changed since.
    Outdated,
    /// The same, and a copy has taken the file's place, with its mtime.
    Suspicious,
    /// A file that is no checkpoint.
    Foreign,
}

fn replace_by_copy(file: &Path) {
    let copy = file.with_extension("copy");
    fs::copy(file, &copy).expect("copied");
    let mtime = fs::metadata(file).and_then(|metadata| metadata.modified());
    let set = fs::File::options()
        .append(true)
        .open(&copy)
        .expect("opened");
    set.set_modified(mtime.expect("an mtime")).expect("set");
    fs::rename(copy, file).expect("replaced");
}

/// How many calls of a disk fail one after another; returns how many there are.
fn fail_at_every_call(before: Before, routines: usize, for_good: bool) -> usize {
    for first in 1.. {
        let plan = Plan::fail_at(first, for_good);
        let scene = Scene::new();
        scene.begin(before);
        scene.server.forget_requests();
        let ran = scene.run_on(&plan, routines);
        let what = format!("{before:?}, {routines} routines, call {first}, for good: {for_good}");
        if plan.failed_at.get().is_none() {
            let uploaded = ran.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(uploaded.retries, 0, "{what}");
            return first - 1;
        }
        scene.check(&plan, routines, &ran, &what);
        scene.expect_healed(&what);
    }
    unreachable!("a run has an end")
}

#[test]
fn whichever_call_of_the_disk_fails_the_caller_is_told_and_the_next_run_heals() {
    for before in [
        Before::Nothing,
        Before::Interrupted,
        Before::Outdated,
        Before::Suspicious,
        Before::Foreign,
    ] {
        for (routines, for_good) in [(1, false), (4, true)] {
            let calls = fail_at_every_call(before, routines, for_good);
            // Reading, proving, recording, which several routines may do in one write, syncing, deleting.
            assert!(calls >= 7, "{before:?} took {calls} calls");
        }
    }
}

#[test]
fn a_disk_that_cannot_lock_or_sync_is_found_out_before_the_first_request() {
    let scene = Scene::new();
    let mut upload = scene.upload(1);
    let unsupported = || io::Error::new(io::ErrorKind::Unsupported, "no locks");
    upload.open_disk = Box::new(move |_| Err(unsupported().into()));
    let error = upload.run().expect_err("no locks");
    assert_eq!(error.kind(), ErrorKind::Checkpoint);

    // The calls before: is it the file itself, what does it hold, cut it.
    let plan = Plan::fail_at(4, true);
    let error = scene.run_on(&plan, 1).expect_err("no sync");
    assert_eq!(error.kind(), ErrorKind::Checkpoint);
    assert!(scene.server.requests().is_empty(), "{error}");
}

#[test]
fn the_header_is_on_the_disk_before_a_part_is_sent_and_all_parts_before_complete() {
    for before in [
        Before::Nothing,
        Before::Interrupted,
        Before::Outdated,
        Before::Suspicious,
    ] {
        let never = Plan::fail_at(usize::MAX, false);
        let scene = Scene::new();
        scene.begin(before);
        scene.server.forget_requests();
        scene.run_on(&never, 2).expect("uploaded");
        let calls = never.calls.lock().expect("no panic");
        let seen_at = |name: &str| -> Vec<(usize, usize)> {
            let named = calls.iter().filter(|(called, ..)| *called == name);
            named
                .map(|(_, sent, completed)| (*sent, *completed))
                .collect()
        };
        let begun = usize::from(before != Before::Interrupted);
        assert_eq!(seen_at("replace"), vec![(0, 0); begun], "{before:?}");
        let last_append = calls.iter().rposition(|(name, ..)| *name == "append");
        let last_sync = calls.iter().rposition(|(name, ..)| *name == "sync");
        assert!(last_append < last_sync, "{before:?}: {calls:?}");
        let completed_at_sync = seen_at("sync").last().map(|(_, completed)| *completed);
        assert_eq!(completed_at_sync, Some(0), "{before:?}: {calls:?}");
        let deleted: Vec<usize> = seen_at("delete").iter().map(|(_, done)| *done).collect();
        assert_eq!(deleted, [1], "{before:?}: {calls:?}");
    }
}
