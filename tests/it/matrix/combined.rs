//! All rows at once: options, faults, pauses, cancels and changes of the file in any combination, one run after another.

use crate::support::process::WATCHDOG;
use crate::support::runs::{STALL, watched_by};
use crate::support::{
    BUCKET, Case, KEY, PART, Scene, keeping_mtime, random_bytes, seed, set_mtime,
};
use Operation::{
    CompleteMultipartUpload, HeadObject, InitiateMultipartUpload, ListParts, PutObject, UploadPart,
};
use fastrand::Rng;
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{
    Checkpoint, Control, Error, ErrorKind, FileOutcome, Identity, OnChange, Snapshot, UploadFile,
    Uploaded, Verify,
};
use std::collections::BTreeSet;
use std::fs::{self};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const TRIALS: u32 = 15;

/// The last of them has neither faults nor changes.
const RUNS: u32 = 6;

const OFTEN: Duration = Duration::from_millis(10);

fn at(n: u64) -> usize {
    usize::try_from(n).expect("short")
}

/// A file, and all that it has been. Every version has an mtime of its own.
struct Versions {
    path: PathBuf,
    all: Vec<Vec<u8>>,
    /// It is never shorter.
    least: u64,
    random: Rng,
}

impl Versions {
    fn of(path: PathBuf, least: u64, random: Rng) -> Versions {
        let all = vec![fs::read(&path).expect("the file")];
        let versions = Versions {
            path,
            all,
            least,
            random,
        };
        versions.stamp();
        versions
    }

    fn stamp(&self) {
        let n = self.all.len() as u64;
        let mtime = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + n);
        set_mtime(&self.path, mtime);
    }

    fn next(&mut self, how: u8) -> Vec<u8> {
        let random = &mut self.random;
        let mut bytes = self.all.last().expect("one").clone();
        let len = bytes.len() as u64;
        match how {
            // At both ends, so that the versions can be mixed.
            0 if len > 0 => [0, at(len - 1)].iter().for_each(|place| bytes[*place] ^= 1),
            1 => bytes.extend(random_bytes(random.u64(1..2 * PART), random.u64(..))),
            2 => bytes.truncate(at(random.u64(self.least..=len))),
            3 => bytes = random_bytes(len, random.u64(..)),
            4 if random.bool() => bytes = random_bytes(len, random.u64(..)),
            // The same again.
            _ => {}
        }
        bytes
    }

    fn change(&mut self) {
        let how = self.random.u8(..6);
        let bytes = self.next(how);
        self.all.push(bytes.clone());
        match how {
            4 => {
                let other = self.path.with_extension("other");
                fs::write(&other, bytes).expect("written");
                fs::rename(&other, &self.path).expect("in its place");
                self.stamp();
            }
            5 => keeping_mtime(&self.path, || {}),
            _ => {
                fs::write(&self.path, bytes).expect("written");
                self.stamp();
            }
        }
    }
}

/// What is asked for, the same in all runs.
#[derive(Clone, Debug)]
struct Options {
    routines: usize,
    range: Option<Range<u64>>,
    identity: Identity,
    verify: Verify,
    on_change: OnChange,
    is_found: bool,
    has_md5: bool,
    has_checkpoint: bool,
    has_metadata: bool,
    has_listener: bool,
}

impl Options {
    fn any(random: &mut Rng, len: u64) -> Options {
        let (one, other) = (random.u64(..=len), random.u64(..=len));
        let strict = Identity::strict();
        let nfs = strict.without_device().without_inode();
        let identities = [
            strict,
            strict.any_mtime(),
            nfs.mtime_within(Duration::from_secs(3)),
        ];
        Options {
            routines: random.usize(1..=6),
            range: (random.u8(..3) == 0).then(|| one.min(other)..one.max(other)),
            identity: identities[random.usize(..3)],
            verify: [Verify::Metadata, Verify::Content][random.usize(..2)],
            on_change: [OnChange::Restart, OnChange::Fail][random.usize(..4) / 3],
            is_found: random.bool(),
            has_md5: random.u8(..3) == 0,
            has_checkpoint: random.u8(..4) > 0,
            has_metadata: random.bool(),
            has_listener: random.bool(),
        }
    }

    fn upload<'a>(&self, scene: &'a Scene) -> UploadFile<'a> {
        let mut upload = scene
            .upload_without_checkpoint()
            .routines(self.routines)
            .identity(self.identity)
            .verify(self.verify)
            .on_change(self.on_change);
        if let Some(range) = &self.range {
            upload = upload.range(range.clone());
        }
        if self.is_found {
            upload = upload.find_on_server();
        }
        if self.has_md5 {
            upload = upload.content_md5();
        }
        if self.has_checkpoint {
            upload = upload.checkpoint(Checkpoint::at(scene.checkpoint()));
        }
        if self.has_metadata {
            upload = upload.meta("owner", "alice").content_type("text/plain");
        }
        match self.has_listener {
            true => upload.on_event(|_| {}),
            false => upload,
        }
    }

    /// What of a file is to be the object.
    fn of<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        match &self.range {
            None => Some(bytes),
            Some(range) => bytes.get(at(range.start)..at(range.end)),
        }
    }
}

fn any_fault(random: &mut Rng) -> Fault {
    let place = random.u64(..PART);
    let fault = match random.u8(..17) {
        0 => Fault::status(500, "InternalError"),
        1 => Fault::status(503, "ServiceUnavailable"),
        2 => Fault::early_answer(500, "InternalError"),
        3 => Fault::reset_after(place),
        4 => Fault::close_after(place),
        5 => Fault::lose_answer(),
        6 => Fault::cut_answer(random.u64(..300)),
        7 => Fault::wrong_crc(),
        8 => Fault::no_crc(),
        9 => Fault::flip_byte(place),
        10 => Fault::forget_upload(),
        11 => Fault::lose_part(random.u16(1..9)),
        12 => Fault::chunked_answer(),
        13 => Fault::close_after_answer_silently(),
        14 => Fault::latency(Duration::from_millis(random.u64(..20))),
        15 => return any_place(random, Fault::no_answer()).times(1),
        _ => Fault::deny(),
    };
    let times = match random.u8(..8) {
        0 => 20,
        _ => random.u32(1..3),
    };
    any_place(random, fault).times(times)
}

fn any_place(random: &mut Rng, fault: Fault) -> Fault {
    let operations = [
        InitiateMultipartUpload,
        UploadPart,
        UploadPart,
        UploadPart,
        ListParts,
        CompleteMultipartUpload,
        CompleteMultipartUpload,
        HeadObject,
        PutObject,
    ];
    let operation = operations[random.usize(..operations.len())];
    fault.on(operation).nth(random.u32(1..6))
}

type Act = Box<dyn Fn() + Send + Sync>;

/// Something that an upload goes on after.
fn any_nudge(random: &mut Rng, control: &Control) -> Act {
    let control = control.clone();
    match random.u8(..4) {
        0 => {
            let routines = random.usize(1..=9);
            Box::new(move || control.set_routines(routines).expect("allowed"))
        }
        1 => {
            let rate = random.bool().then(|| random.u64(4_000_000..50_000_000));
            Box::new(move || control.set_rate_limit(rate).expect("allowed"))
        }
        _ => Box::new(move || control.pause()),
    }
}

fn any_end(random: &mut Rng, control: &Control) -> Act {
    let control = control.clone();
    match random.u8(..5) {
        0 => Box::new(move || control.abandon()),
        _ => Box::new(move || control.cancel()),
    }
}

/// Does it when one of the requests has arrived.
fn at_a_request(random: &mut Rng, act: Act) -> Fault {
    Fault::run(move |_| act()).nth(random.u32(1..12)).times(1)
}

/// Ends a pause that has been looked at so often.
fn resumes(control: &Control, random: &mut Rng) -> impl FnMut(bool) + Send + use<> {
    let (control, most) = (control.clone(), random.u32(1..25));
    let mut looks = 0;
    move |is_paused| {
        looks = if is_paused { looks + 1 } else { 0 };
        if looks >= most {
            control.resume();
        }
    }
}

struct Trial {
    scene: Scene,
    random: Rng,
    options: Options,
    versions: Arc<Mutex<Versions>>,
    /// Uploads that were named as left behind.
    named: BTreeSet<String>,
}

impl Trial {
    fn new(seed: u64) -> Trial {
        let mut random = Rng::with_seed(seed);
        let len = match random.u8(..6) {
            0 => random.u64(..3),
            1 => random.u64(..PART),
            2 => random.u64(1..8) * PART,
            _ => random.u64(PART..8 * PART),
        };
        let scene = Scene::with_len(len).with_client(|client| client.stall_timeout(STALL));
        let options = Options::any(&mut random, len);
        let least = options.range.as_ref().map_or(0, |range| range.end);
        let versions = Versions::of(scene.file.clone(), least, random.fork());
        Trial {
            scene,
            random,
            options,
            versions: Arc::new(Mutex::new(versions)),
            named: BTreeSet::new(),
        }
    }

    /// The version that there is, counted from 0.
    fn version(&self) -> usize {
        self.versions.lock().expect("sound").all.len() - 1
    }

    fn arrange(&mut self, control: &Control, is_last: bool) {
        let (random, server) = (&mut self.random, &self.scene.server);
        server.clear_faults();
        for _ in 0..random.u8(..4) {
            let nudge = any_nudge(random, control);
            server.fault(at_a_request(random, nudge));
        }
        if is_last {
            return;
        }
        for _ in 0..random.u8(..4) {
            server.fault(any_fault(random));
        }
        if random.u8(..3) == 0 {
            let end = any_end(random, control);
            server.fault(at_a_request(random, end));
        }
        if random.u8(..3) == 0 {
            let versions = Arc::clone(&self.versions);
            let change = move || versions.lock().expect("sound").change();
            server.fault(at_a_request(random, Box::new(change)));
        }
    }

    fn run(&mut self, is_last: bool) -> Result<Uploaded, Error> {
        let control = Control::new();
        self.arrange(&control, is_last);
        let mut upload = self.options.upload(&self.scene);
        if !is_last && self.random.u8(..8) == 0 {
            let within = Duration::from_millis(self.random.u64(1..120));
            upload = upload.deadline(within);
        }
        let mut resume = resumes(&control, &mut self.random);
        let look = move |seen: &Snapshot| {
            assert!(seen.bytes_done >= seen.bytes_resumed, "{seen:?}");
            assert!(seen.bytes_done <= seen.bytes_total, "{seen:?}");
            resume(seen.is_paused);
        };
        watched_by(&control, upload.progress_every(OFTEN).on_progress(look))
    }

    fn expect_whole(&self, uploaded: &Uploaded, first: usize) {
        let object = self.scene.server.object(BUCKET, KEY).expect("an object");
        let bytes = object.bytes().expect("readable");
        let versions = self.versions.lock().expect("sound");
        let mut those = versions.all[first..].iter();
        let is_one = those.any(|version| self.options.of(version) == Some(&bytes));
        assert!(is_one, "the object is no version of the file");
        assert_eq!((uploaded.size, uploaded.crc64), (object.len, object.crc64));
        assert!(!self.scene.checkpoint().exists(), "left behind");
    }

    fn expect_no_silent_rest(&mut self, left: &[String], kept: Option<&str>) {
        self.named.extend(left.iter().cloned());
        expect_no_silent_rest(&self.scene, |id| {
            self.named.contains(id) || kept == Some(id)
        });
    }
}

/// No part stays on the server without a word.
fn expect_no_silent_rest(scene: &Scene, is_named: impl Fn(&str) -> bool) {
    for upload in scene.server.pending_uploads() {
        let is_fine = upload.parts.is_empty() || is_named(&upload.upload_id);
        assert!(is_fine, "{upload:?} was left behind");
    }
}

fn try_one_file(seed: u64) {
    let mut trial = Trial::new(seed);
    let _case = Case((seed, trial.options.clone()));
    for n in 1..=RUNS {
        let (is_last, first) = (n == RUNS, trial.version());
        match trial.run(is_last) {
            Ok(uploaded) => {
                trial.expect_whole(&uploaded, first);
                trial.expect_no_silent_rest(&uploaded.left_behind, None);
            }
            Err(error) => {
                assert!(!is_last, "{error}");
                assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
                assert!(!error.is_resumable() || trial.scene.checkpoint().exists());
                trial.expect_no_silent_rest(error.left_behind(), error.upload_id());
            }
        }
    }
}

fn trials() -> u32 {
    let asked = std::env::var("OSS_UPLOAD_TEST_TRIALS");
    asked.map_or(TRIALS, |n| n.parse().expect("a number"))
}

#[test]
fn whatever_comes_together_the_object_is_the_file_and_no_part_is_left_without_a_word() {
    let mut random = Rng::with_seed(seed());
    for _ in 0..trials() {
        try_one_file(random.u64(..));
    }
}

fn many_files(scene: &Scene, random: &mut Rng) -> Vec<(String, PathBuf)> {
    let lens = (0..random.u64(1..12)).map(|_| match random.bool() {
        true => random.u64(..PART),
        false => random.u64(PART..5 * PART),
    });
    let lens: Vec<u64> = lens.collect();
    let write = |(i, len): (usize, &u64)| {
        let path = scene.dir.path().join(i.to_string());
        fs::write(&path, random_bytes(*len, random.u64(..))).expect("written");
        (format!("many/{i}"), path)
    };
    lens.iter().enumerate().map(write).collect()
}

/// Runs them once with whatever may come, or in the end without faults.
fn run_many(
    scene: &Scene,
    random: &mut Rng,
    pairs: &[(String, PathBuf)],
    is_last: bool,
) -> Vec<FileOutcome> {
    let control = Control::new();
    scene.server.clear_faults();
    for _ in 0..random.u8(..4) {
        let nudge = any_nudge(random, &control);
        scene.server.fault(at_a_request(random, nudge));
    }
    let files = pairs.iter().map(|(key, path)| {
        let upload = scene.bucket.upload_file(key, path);
        upload.part_size(PART).find_on_server()
    });
    let mut uploads = scene.bucket.upload_files(files).control(&control);
    if !is_last {
        for _ in 0..random.u8(..5) {
            scene.server.fault(any_fault(random));
        }
        if random.u8(..3) == 0 {
            let end = any_end(random, &control);
            scene.server.fault(at_a_request(random, end));
        }
        if random.u8(..6) == 0 {
            uploads = uploads.deadline(Duration::from_millis(random.u64(1..200)));
        }
        if random.u8(..4) == 0 {
            uploads = uploads.stop_at_first_error();
        }
    }
    let mut resume = resumes(&control, random);
    let uploads = uploads
        .routines(random.usize(1..=6))
        .checkpoints_in(scene.dir.path().join("checkpoints"))
        .progress_every(OFTEN)
        .on_progress(|seen| {
            assert!(seen.files_through <= seen.files_total, "{seen:?}");
            resume(seen.is_paused);
            if seen.elapsed > WATCHDOG {
                control.cancel();
            }
        });
    uploads.run().expect("begun")
}

fn try_many_files(seed: u64) {
    let _case = Case(seed);
    let mut random = Rng::with_seed(seed);
    let scene = Scene::with_len(0).with_client(|client| client.stall_timeout(STALL));
    let checkpoints = scene.dir.path().join("checkpoints");
    fs::create_dir(&checkpoints).expect("a folder");
    let pairs = many_files(&scene, &mut random);
    let mut named = BTreeSet::new();
    for n in 1..=RUNS {
        let outcomes = run_many(&scene, &mut random, &pairs, n == RUNS);
        let mut kept = BTreeSet::new();
        for (outcome, (key, path)) in outcomes.iter().zip(&pairs) {
            assert_eq!((&outcome.key, &outcome.path), (key, path));
            match &outcome.result {
                Ok(uploaded) => {
                    let object = scene.server.object(BUCKET, key).expect("an object");
                    let bytes = fs::read(path).expect("the file");
                    assert!(object.bytes().expect("readable") == bytes, "{outcome:?}");
                    named.extend(uploaded.left_behind.iter().cloned());
                }
                Err(error) => {
                    assert!(n < RUNS, "{error}");
                    assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
                    named.extend(error.left_behind().iter().cloned());
                    kept.extend(error.upload_id().map(str::to_owned));
                }
            }
        }
        if n == RUNS {
            assert_eq!(outcomes.len(), pairs.len());
            assert_eq!(fs::read_dir(&checkpoints).expect("a folder").count(), 0);
        }
        // Those whose turn did not come have what the runs before left of them.
        let has_rest = n < RUNS && fs::read_dir(&checkpoints).expect("a folder").count() > 0;
        expect_no_silent_rest(&scene, |id| {
            named.contains(id) || kept.contains(id) || has_rest
        });
    }
}

#[test]
fn many_files_are_each_whole_whatever_comes_together() {
    let mut random = Rng::with_seed(seed());
    for _ in 0..trials() {
        try_many_files(random.u64(..));
    }
}
