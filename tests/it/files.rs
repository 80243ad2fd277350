//! Many files in one call: one outcome each, whatever becomes of the others.

use crate::support::{BUCKET, PART, Scene, meanwhile, random_bytes, wait_reached};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{
    Checkpoint, Control, ErrorKind, FileOutcome, FilesSnapshot, Outcome, UploadFile, UploadFiles,
};
use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files of these lengths in a folder of the scene, each with other bytes.
fn files(scene: &Scene, lens: &[u64]) -> Vec<PathBuf> {
    let write = |(i, len): (usize, &u64)| {
        let path = scene.dir.path().join(format!("{i:05}"));
        fs::write(&path, random_bytes(*len, i as u64)).expect("written");
        path
    };
    lens.iter().enumerate().map(write).collect()
}

/// An upload in parts of the smallest size, to a key that has the file's name.
fn each<'a>(scene: &'a Scene, path: &Path) -> UploadFile<'a> {
    scene.bucket.upload_file(key(path), path).part_size(PART)
}

fn key(path: &Path) -> String {
    let name = path.file_name().expect("a name").to_string_lossy();
    format!("many/{name}")
}

fn upload_all<'a>(scene: &'a Scene, paths: &[PathBuf]) -> UploadFiles<'a> {
    let each: Vec<_> = paths.iter().map(|path| each(scene, path)).collect();
    scene
        .bucket
        .upload_files(each)
        .checkpoints_in(checkpoints(scene))
}

fn checkpoints(scene: &Scene) -> PathBuf {
    let dir = scene.dir.path().join("checkpoints");
    fs::create_dir_all(&dir).expect("a folder");
    dir
}

fn expect_stored(scene: &Scene, outcome: &FileOutcome) {
    let uploaded = outcome.result.as_ref().expect("uploaded");
    let bytes = fs::read(&outcome.path).expect("the file");
    let object = scene.server.object(BUCKET, &outcome.key);
    let object = object.expect("an object");
    assert!(object.bytes().expect("readable") == bytes, "{outcome:?}");
    assert_eq!(uploaded.size, bytes.len() as u64);
    assert_eq!(uploaded.crc64, object.crc64);
}

fn expect_nothing_left(scene: &Scene) {
    assert_eq!(scene.server.pending_uploads().len(), 0);
    let left = fs::read_dir(checkpoints(scene)).expect("a folder").count();
    assert_eq!(left, 0, "checkpoints were left behind");
}

/// Short and long ones, some of them empty.
fn mixed() -> Vec<u64> {
    let long = |i: u64| i.is_multiple_of(5).then_some(3 * PART + i);
    (0..60).map(|i| long(i).unwrap_or(i * 100)).collect()
}

#[test]
fn every_file_becomes_an_object_and_outcomes_come_in_the_order_of_the_files() {
    for routines in [1, 4, 16] {
        let scene = Scene::with_len(0);
        let paths = files(&scene, &mixed());
        let mut told = vec![];
        let outcomes = upload_all(&scene, &paths)
            .routines(routines)
            .on_outcome(|outcome| told.push(outcome.key.clone()))
            .run()
            .expect("begun");
        assert!(outcomes.iter().map(|o| &o.path).eq(&paths));
        outcomes.iter().for_each(|o| expect_stored(&scene, o));
        expect_nothing_left(&scene);
        let told: BTreeSet<String> = told.into_iter().collect();
        assert_eq!(told.len(), paths.len(), "each is told once");
        // One a routine, and one for each thread that looks after a long file, which asks for itself too.
        let requests = scene.server.requests().into_iter();
        let connections: BTreeSet<u64> = requests.map(|r| r.connection).collect();
        let (n, most) = (connections.len(), 2 * routines);
        assert!(n <= most, "{n} connections for {routines} routines");
    }
}

#[test]
fn pairs_of_key_and_path_are_enough() {
    let scene = Scene::with_len(0);
    let paths = files(&scene, &[10, 20]);
    let pairs = paths.iter().map(|path| (key(path), path));
    let outcomes = scene.bucket.upload_files(pairs).run().expect("begun");
    assert_eq!(outcomes.len(), 2);
    outcomes.iter().for_each(|o| expect_stored(&scene, o));
    let none = Vec::<(String, PathBuf)>::new();
    assert_eq!(
        scene.bucket.upload_files(none).run().expect("begun").len(),
        0
    );
}

#[test]
fn neither_short_nor_long_files_starve() {
    for routines in [1, 3] {
        let scene = Scene::with_len(0);
        let mut lens = vec![60 * PART, 60 * PART];
        lens.extend([100; 1000]);
        let paths = files(&scene, &lens);
        // Without checkpoints: what a long file waits for is the server, not a disk that is busy with other tests.
        let each = paths.iter().map(|path| each(&scene, path));
        let uploads = scene.bucket.upload_files(each).routines(routines);
        let outcomes = uploads.run().expect("begun");
        outcomes.iter().for_each(|o| expect_stored(&scene, o));
        let requests = scene.server.requests();
        let at = |operation, n: usize| {
            let mut places = (0..requests.len()).filter(|i| requests[*i].operation == operation);
            places.nth(n).expect("so many")
        };
        // Whoever waited for the others to be through would have nothing before their last.
        assert!(at(Operation::UploadPart, 60) < at(Operation::PutObject, 999));
        assert!(at(Operation::PutObject, 20) < at(Operation::UploadPart, 100));
    }
}

#[test]
fn one_that_fails_does_not_keep_the_others_from_going_on() {
    let scene = Scene::with_len(0);
    let mut paths = files(&scene, &mixed());
    paths.insert(7, scene.dir.path().join("missing"));
    let denied = Fault::deny().on(Operation::UploadPart).key("many/00010");
    scene.server.fault(denied);
    let mut last = FilesSnapshot::default();
    let outcomes = upload_all(&scene, &paths)
        .routines(3)
        .on_progress(|progress| last = *progress)
        .run()
        .expect("begun");
    assert_eq!(outcomes.len(), paths.len());
    let failed: Vec<_> = outcomes.iter().filter(|o| o.result.is_err()).collect();
    let kinds: Vec<_> = failed
        .iter()
        .map(|o| (o.key.as_str(), o.result.as_ref().err().map(|e| e.kind())))
        .collect();
    assert_eq!(
        kinds,
        [
            ("many/missing", Some(ErrorKind::Source)),
            ("many/00010", Some(ErrorKind::Service))
        ]
    );
    let error = failed[1].result.as_ref().expect_err("denied");
    assert!(error.is_resumable(), "its checkpoint stays: {error}");
    let well = outcomes.iter().filter(|o| o.result.is_ok());
    well.for_each(|o| expect_stored(&scene, o));
    let counted = (last.files_total, last.files_through, last.files_failed);
    assert_eq!(counted, (61, 61, 2));

    scene.server.clear_faults();
    let again = upload_all(&scene, &paths[11..12]).run().expect("begun");
    assert_eq!(again[0].key, "many/00010");
    expect_stored(&scene, &again[0]);
    expect_nothing_left(&scene);
}

#[test]
fn the_first_error_ends_the_others_when_asked() {
    let scene = Scene::with_len(0);
    let paths = files(&scene, &[100; 200]);
    let denied = Fault::deny().on(Operation::PutObject).key("many/00003");
    scene.server.fault(denied);
    let control = Control::new();
    let outcomes = upload_all(&scene, &paths)
        .control(&control)
        .stop_at_first_error()
        .run()
        .expect("begun");
    let kind = |o: &FileOutcome| o.result.as_ref().err().map(|error| error.kind());
    let kinds: BTreeSet<_> = outcomes
        .iter()
        .filter_map(kind)
        .map(|k| format!("{k:?}"))
        .collect();
    assert!(
        kinds.contains("Service") && kinds.contains("Cancelled"),
        "{kinds:?}"
    );
    assert!(scene.server.count(Operation::PutObject) < 200);
    assert!(
        !control.is_cancelled(),
        "the caller's control is the caller's"
    );
}

#[test]
fn what_is_cancelled_goes_on_from_the_checkpoints_and_abandoned_leaves_nothing() {
    for abandon in [false, true] {
        let scene = Scene::with_len(0);
        let paths = files(&scene, &[6 * PART, 5 * PART, 10, 4 * PART, 20]);
        let control = Control::new();
        let end = |progress: &FilesSnapshot| {
            let enough = progress.bytes_done > 6 * PART;
            match abandon {
                true if enough => control.abandon(),
                false if enough => control.cancel(),
                _ => {}
            }
        };
        // Slow enough for the progress to be looked at before all is done.
        let (hold, gate) = Fault::hold();
        let last_parts = scene
            .server
            .fault(hold.on(Operation::CompleteMultipartUpload));
        let outcomes = upload_all(&scene, &paths)
            .routines(4)
            .control(&control)
            .on_progress(end)
            .run()
            .expect("begun");
        gate.open();
        last_parts.remove();
        let failed = outcomes.iter().filter_map(|o| o.result.as_ref().err());
        let kinds: Vec<_> = failed.map(|error| error.kind()).collect();
        assert!(!kinds.is_empty());
        assert!(
            kinds.iter().all(|kind| *kind == ErrorKind::Cancelled),
            "{kinds:?}"
        );
        if abandon {
            expect_nothing_left(&scene);
            continue;
        }
        let outcomes = upload_all(&scene, &paths).routines(4).run().expect("begun");
        outcomes.iter().for_each(|o| expect_stored(&scene, o));
        let resumed = outcomes.iter().filter(|o| {
            let outcome = o.result.as_ref().map(|uploaded| uploaded.outcome);
            matches!(
                outcome,
                Ok(Outcome::Resumed { .. } | Outcome::AlreadyComplete)
            )
        });
        assert!(resumed.count() > 0, "{outcomes:?}");
        expect_nothing_left(&scene);
    }
}

#[test]
fn a_file_that_is_taken_as_all_of_them_are_cancelled_has_an_outcome_too() {
    let scene = Scene::with_len(0);
    let paths = files(&scene, &[10; 5]);
    let control = Control::new();
    let taken = paths.iter().enumerate().map(|(i, path)| {
        if i == 2 {
            control.cancel();
        }
        each(&scene, path)
    });
    let uploads = scene.bucket.upload_files(taken).control(&control);
    let outcomes = uploads.run().expect("begun");
    assert!(outcomes.iter().map(|o| &o.path).eq(&paths[..3]));
    let last = outcomes[2].result.as_ref().expect_err("cancelled");
    assert_eq!(last.kind(), ErrorKind::Cancelled, "{last}");
}

#[test]
fn a_file_of_one_part_continues_the_checkpoint_of_an_earlier_run_and_makes_none() {
    let scene = Scene::with_len(0);
    let paths = files(&scene, &[3 * PART]);
    let checkpoint = Checkpoint::in_dir(checkpoints(&scene));
    let once = Fault::deny().on(Operation::UploadPart).nth(2).times(1);
    scene.server.fault(once);
    let failed = each(&scene, &paths[0]).checkpoint(checkpoint).run();
    assert!(failed.expect_err("denied").is_resumable());
    // In one part now: the old upload is of no use, and is not forgotten.
    let whole = scene.bucket.upload_file(key(&paths[0]), &paths[0]);
    let outcomes = scene
        .bucket
        .upload_files([whole])
        .checkpoints_in(checkpoints(&scene))
        .run()
        .expect("begun");
    expect_stored(&scene, &outcomes[0]);
    expect_nothing_left(&scene);

    let nowhere = scene.dir.path().join("nowhere");
    let short = files(&scene, &[10]);
    let upload = |len_of_part| {
        let upload = scene
            .bucket
            .upload_file("k", &short[0])
            .part_size(len_of_part);
        let files = scene.bucket.upload_files([upload]);
        files.checkpoints_in(&nowhere).run().expect("begun")
    };
    assert!(upload(PART)[0].result.is_ok(), "nothing to record");
}

#[test]
fn what_is_said_of_all_is_not_said_of_one() {
    let scene = Scene::with_len(0);
    let paths = files(&scene, &[10, 20, 30, 40, 50, 60]);
    let one = |i: usize| each(&scene, &paths[i]);
    let uploads = [
        one(0).routines(2),
        one(1).control(&Control::new()),
        one(2).on_progress(|_| {}),
        one(3).rate_limit(2048),
        one(4).on_event(|_| {}),
        one(5),
    ];
    let outcomes = scene.bucket.upload_files(uploads).run().expect("begun");
    let names = [
        "routines",
        "control",
        "on_progress",
        "rate_limit",
        "on_event",
    ];
    for (outcome, name) in outcomes.iter().zip(names) {
        let error = outcome.result.as_ref().expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Options);
        assert!(error.to_string().contains(name), "{error}");
    }
    expect_stored(&scene, &outcomes[5]);
}

#[test]
fn what_cannot_be_asked_of_all_is_refused_before_any_file_is_taken() {
    let scene = Scene::with_len(10);
    type Ask = for<'a> fn(UploadFiles<'a>) -> UploadFiles<'a>;
    let cases: [(Ask, &str); 5] = [
        (|files| files.routines(0), "1 to 100"),
        (|files| files.routines(101), "1 to 100"),
        (|files| files.rate_limit(1023), "1024"),
        (|files| files.deadline(Duration::ZERO), "zero"),
        (
            |files| files.progress_every(Duration::from_millis(9)),
            "10 ms",
        ),
    ];
    for (ask, part_of_reason) in cases {
        let untouched = (0..).map(|_: u8| -> (String, PathBuf) { panic!("nobody takes it") });
        let refused = ask(scene.bucket.upload_files(untouched)).run();
        let error = refused.expect_err(part_of_reason);
        assert_eq!(error.kind(), ErrorKind::Options);
        assert!(error.to_string().contains(part_of_reason), "{error}");
    }
}

#[test]
fn a_limit_of_the_rate_is_that_of_the_control_and_no_deadline_is_too_far_away() {
    let scene = Scene::with_len(0);
    let paths = files(&scene, &[10, 20]);
    let control = Control::new();
    let outcomes = upload_all(&scene, &paths)
        .control(&control)
        .rate_limit(1 << 20)
        .deadline(Duration::MAX)
        .progress_every(Duration::MAX)
        .run()
        .expect("begun");
    outcomes.iter().for_each(|o| expect_stored(&scene, o));
    assert_eq!(control.rate_limit(), Some(1 << 20));
}

#[test]
fn when_the_time_is_over_all_end_and_the_next_run_continues() {
    let scene = Scene::with_len(0);
    let mut lens = vec![4 * PART, 3 * PART];
    lens.extend([10; 20]);
    let paths = files(&scene, &lens);
    let (hold, gate) = Fault::hold();
    let held = scene.server.fault(hold.on(Operation::UploadPart).nth(2));
    let also_held = scene
        .server
        .fault(Fault::no_answer().on(Operation::PutObject).nth(5));
    let outcomes = upload_all(&scene, &paths)
        .routines(2)
        .deadline(Duration::from_millis(500))
        .run()
        .expect("begun");
    held.remove();
    also_held.remove();
    gate.open();
    let failed = outcomes.iter().filter_map(|o| o.result.as_ref().err());
    let kinds: Vec<_> = failed.map(|error| error.kind()).collect();
    assert!(!kinds.is_empty());
    assert!(
        kinds
            .iter()
            .all(|kind| *kind == ErrorKind::DeadlineExceeded),
        "{kinds:?}"
    );
    let outcomes = upload_all(&scene, &paths).routines(2).run().expect("begun");
    outcomes.iter().for_each(|o| expect_stored(&scene, o));
    expect_nothing_left(&scene);
}

#[test]
fn the_number_of_routines_changes_while_they_work() {
    let scene = Scene::with_len(0);
    let paths = files(&scene, &[20 * PART, 10, 10, 10, 10, 10]);
    let (hold, gate) = Fault::hold();
    let held = scene.server.fault(hold);
    let control = Control::new();
    let outcomes = meanwhile(
        || {
            upload_all(&scene, &paths)
                .control(&control)
                .run()
                .expect("begun")
        },
        || {
            // The long file's Initiate, which is no routine's, and one short file.
            wait_reached(&gate, 2);
            control.set_routines(5).expect("allowed");
            wait_reached(&gate, 6);
            gate.open();
        },
    );
    held.remove();
    outcomes.iter().for_each(|o| expect_stored(&scene, o));
    expect_nothing_left(&scene);
}

#[test]
fn one_file_too_gets_more_routines_while_it_is_sent() {
    let scene = Scene::with_len(20 * PART);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart));
    let control = Control::new();
    let uploaded = meanwhile(
        || scene.upload().control(&control).run(),
        || {
            wait_reached(&gate, 1);
            control.set_routines(6).expect("allowed");
            wait_reached(&gate, 6);
            control.set_routines(1).expect("allowed");
            gate.open();
        },
    );
    scene.expect_done(&uploaded.expect("uploaded"));
}

#[test]
fn progress_never_falls_and_ends_with_everything() {
    let scene = Scene::with_len(0);
    let lens = mixed();
    let paths = files(&scene, &lens);
    let mut last = FilesSnapshot::default();
    let outcomes = upload_all(&scene, &paths)
        .routines(2)
        .on_progress(|now| {
            assert!(now.files_through >= last.files_through);
            assert!(now.bytes_done >= last.bytes_done && now.bytes_sent >= last.bytes_sent);
            assert!(now.bytes_done + now.bytes_in_flight <= now.bytes_total);
            assert!(now.elapsed >= last.elapsed);
            last = *now;
        })
        .run()
        .expect("begun");
    assert!(outcomes.iter().all(|o| o.result.is_ok()));
    let sum: u64 = lens.iter().sum();
    assert_eq!((last.bytes_total, last.bytes_done), (sum, sum));
    assert_eq!((last.files_total, last.files_through), (60, 60));
    assert_eq!((last.files_under_way, last.bytes_in_flight), (0, 0));
    assert_eq!((last.bytes_sent, last.bytes_resent), (sum, 0));
}

#[test]
fn a_callback_that_panics_ends_all_of_them_and_a_panicking_iterator_goes_through() {
    let scene = Scene::with_len(0);
    let paths = files(&scene, &[10; 50]);
    for in_progress in [true, false] {
        // Whoever panics is slow to say so: the others wait at the gate, which never opens.
        let (hold, _gate) = Fault::hold();
        let held = scene.server.fault(hold.on(Operation::PutObject).nth(5));
        let outcomes = upload_all(&scene, &paths)
            .on_progress(move |_| assert!(!in_progress, "on purpose"))
            .on_outcome(move |_| assert!(in_progress, "on purpose"))
            .run()
            .expect("begun");
        held.remove();
        assert!(outcomes.iter().any(|o| o.result.is_err()));
        assert!(outcomes.iter().any(|o| o.result.is_ok()));
    }
    let panicking = (0..).map(|i: usize| {
        assert!(i < 3, "on purpose");
        each(&scene, &paths[i])
    });
    let call = AssertUnwindSafe(|| scene.bucket.upload_files(panicking).run());
    assert!(panic::catch_unwind(call).is_err());
}

#[test]
fn throttling_of_one_file_slows_all_of_them_down_and_ends() {
    let scene = Scene::on(LocalServer::start().expect("a port"), 0);
    let paths = files(&scene, &mixed());
    let busy = Fault::status(503, "ServiceUnavailable").every(7).times(20);
    scene.server.fault(busy);
    let outcomes = upload_all(&scene, &paths).routines(8).run().expect("begun");
    outcomes.iter().for_each(|o| expect_stored(&scene, o));
    expect_nothing_left(&scene);
}
