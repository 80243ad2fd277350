//! Ranges of a file as objects of their own.

use crate::defects::child;
use crate::support::{BUCKET, Case, KEY, PART, Scene, keeping_mtime, random_bytes, wait_reached};
use Operation::{
    CompleteMultipartUpload, InitiateMultipartUpload, ListParts, PutObject, UploadPart,
};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{
    Checkpoint, ErrorKind, Identity, Outcome, RestartReason, UploadFile, Uploaded, Verify,
};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::ops::{Bound, Range};
use std::thread;

/// The file's length: whole parts would not divide it.
const LEN: u64 = 8 * PART + 777;

/// Five parts, none of which begins where one of the whole file does, the last short.
const MIDDLE: Range<u64> = PART + 333..5 * PART + 444;

fn part_of(bytes: &[u8], range: &Range<u64>) -> Vec<u8> {
    let at = |n: u64| usize::try_from(n).expect("short");
    bytes[at(range.start)..at(range.end)].to_vec()
}

/// The object is exactly these bytes of the file, and nothing is left on the server or the disk.
fn expect_slice(scene: &Scene, uploaded: &Uploaded, range: &Range<u64>) {
    let expected = part_of(&fs::read(&scene.file).expect("the file"), range);
    scene.server.put_object(BUCKET, "expected", &expected);
    let crc64 = scene.server.object(BUCKET, "expected").expect("put").crc64;
    let object = scene.server.object(BUCKET, &uploaded.key);
    let object = object.expect("an object");
    assert!(
        object.bytes().expect("readable") == expected,
        "the object differs from the range"
    );
    let len = range.end - range.start;
    assert_eq!((uploaded.size, object.len), (len, len));
    assert_eq!((uploaded.crc64, object.crc64), (crc64, crc64));
    assert!(uploaded.crc64_confirmed);
    assert_eq!(scene.server.pending_uploads(), []);
    assert!(!scene.checkpoint().exists());
    assert_eq!(uploaded.left_behind.len(), 0);
}

/// Runs an upload of the range that ends for good after so many parts.
fn interrupt_after(scene: &Scene, n_parts: u32, range: &Range<u64>) {
    let denied = Fault::deny().on(UploadPart).nth(n_parts + 1).times(1);
    let denied = scene.server.fault(denied);
    let error = scene.upload().range(range.clone()).run();
    let error = error.expect_err("it was interrupted");
    assert!(error.is_resumable(), "{error}");
    denied.remove();
    scene.server.forget_requests();
}

#[test]
fn every_range_arrives_as_exactly_its_bytes_fresh_and_resumed() {
    for (range, n_parts) in [
        (0..LEN, 9),
        (0..3 * PART, 3),
        (0..1, 1),
        (0..PART + 1, 2),
        (MIDDLE, 5),
        (1..PART + 1, 1),
        (2 * PART..3 * PART, 1),
        (5 * PART + 1..LEN, 4),
        (LEN - 1..LEN, 1),
        (0..0, 1),
        (PART..PART, 1),
        (LEN..LEN, 1),
    ] {
        for routines in [1, 4] {
            let _case = Case((range.clone(), routines));
            let scene = Scene::with_len(LEN);
            let upload = || scene.upload().range(range.clone()).routines(routines);
            let uploaded = upload().run().expect("uploaded");
            assert_eq!(uploaded.outcome, Outcome::Fresh);
            assert_eq!(uploaded.parts, n_parts);
            assert_eq!(uploaded.bytes_sent, uploaded.size);
            let is_put = n_parts == 1;
            assert_eq!(scene.server.count(PutObject), usize::from(is_put));
            assert_eq!(uploaded.upload_id.is_none(), is_put);
            expect_slice(&scene, &uploaded, &range);
            if is_put {
                continue;
            }
            interrupt_after(&scene, 1, &range);
            let uploaded = upload().run().expect("resumed");
            let bytes = PART;
            assert_eq!(uploaded.outcome, Outcome::Resumed { parts: 1, bytes });
            let mut sent = scene.parts_sent();
            sent.sort_unstable();
            assert_eq!(sent, (2..=n_parts).collect::<Vec<_>>());
            assert_eq!(scene.server.count(InitiateMultipartUpload), 0);
            expect_slice(&scene, &uploaded, &range);
        }
    }
}

/// What was sent is aborted, so the options cannot be what was wrong from the start.
#[test]
fn a_file_that_shrinks_below_the_range_or_grows_beyond_the_parts_meanwhile_has_changed() {
    let cut_short = 2 * PART;
    let too_long = PART * 10_000 + 1;
    for len in [cut_short, too_long] {
        let scene = Scene::with_len(LEN);
        let file = scene.file.clone();
        let resize = Fault::run(move |_| {
            let file = fs::File::options().write(true).open(&file).expect("there");
            file.set_len(len).expect("a file system with holes");
        });
        scene.once(resize, UploadPart);
        let upload = match len > LEN {
            true => scene.upload(),
            false => scene.upload().range(PART..LEN),
        };
        let error = upload.run().expect_err("it does not fit any more");
        assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}");
        assert_eq!(scene.server.pending_uploads().len(), 0);
        assert!(!scene.checkpoint().exists() && !error.is_resumable());
    }
}

#[test]
fn every_way_to_say_a_range_means_the_same_bytes() {
    let scene = Scene::with_len(3 * PART);
    let upload = || scene.upload_without_checkpoint();
    let between = (Bound::Excluded(9), Bound::Excluded(PART + 20));
    for (uploaded, range) in [
        (upload().range(..).run(), 0..3 * PART),
        (upload().range(10..).run(), 10..3 * PART),
        (upload().range(..10).run(), 0..10),
        (upload().range(..=10).run(), 0..11),
        (upload().range(10..=PART + 19).run(), 10..PART + 20),
        (upload().range(between).run(), 10..PART + 20),
    ] {
        let uploaded = uploaded.expect("uploaded");
        assert_eq!(uploaded.size, range.end - range.start);
        // Each took the place of the one before: only the last is there.
    }
    let uploaded = upload().range(between).run().expect("uploaded");
    expect_slice(&scene, &uploaded, &(10..PART + 20));
}

/// The child dies as soon as it knows that three parts are recorded; the fourth is never answered.
#[test]
fn a_killed_upload_of_a_range_sends_only_what_is_missing() {
    if child::is_here() {
        let ran = child::with_upload(|upload| {
            let die = |seen: &oss_upload::Snapshot| {
                if seen.parts_done == 3 {
                    std::process::abort();
                }
            };
            upload.range(MIDDLE).on_progress(die).run()
        });
        panic!("not killed: {ran:?}");
    }
    let scene = Scene::with_len(LEN);
    let (hold, gate) = Fault::hold();
    let held = scene.server.fault(hold.on(UploadPart).part(4));
    let test = "a_killed_upload_of_a_range_sends_only_what_is_missing";
    let killed = child::command(&scene, module_path!(), test).output();
    assert!(!killed.expect("started").status.success());
    wait_reached(&gate, 1);
    held.remove();
    gate.open();
    scene.server.forget_requests();
    let uploaded = scene.upload().range(MIDDLE).routines(2).run();
    let uploaded = uploaded.expect("resumed");
    // The server may have stored what it held, whose answer died with the process.
    assert!([3, 4].contains(&uploaded.parts_resumed()), "{uploaded:?}");
    let mut sent = scene.parts_sent();
    sent.sort_unstable();
    assert!(sent == [4, 5] || sent == [5], "{sent:?}");
    expect_slice(&scene, &uploaded, &MIDDLE);
}

#[test]
fn finished_parts_of_a_range_are_proved_at_their_place() {
    for routines in [1, 4] {
        let scene = Scene::with_len(LEN);
        interrupt_after(&scene, 3, &MIDDLE);
        let upload = || scene.upload().range(MIDDLE).verify(Verify::Content);
        let uploaded = upload().routines(routines).run().expect("resumed");
        assert_eq!(uploaded.parts_resumed(), 3);
        assert_eq!(scene.parts_sent().len(), 2);
        expect_slice(&scene, &uploaded, &MIDDLE);

        // The first byte of the range, with all metadata but the ctime set back.
        interrupt_after(&scene, 3, &MIDDLE);
        change_byte(&scene, MIDDLE.start);
        let uploaded = upload().routines(routines).run().expect("uploaded");
        assert_eq!(uploaded.restarts, [RestartReason::FileChanged]);
        expect_slice(&scene, &uploaded, &MIDDLE);
    }
}

fn change_byte(scene: &Scene, at: u64) {
    let mut bytes = fs::read(&scene.file).expect("the file");
    bytes[usize::try_from(at).expect("short")] ^= 1;
    keeping_mtime(&scene.file, || {
        fs::write(&scene.file, bytes).expect("written");
    });
}

#[test]
fn a_part_of_a_range_that_only_the_server_knows_is_adopted() {
    let scene = Scene::with_len(LEN);
    let of_part_3 = |fault: Fault| fault.on(UploadPart).part(3).times(1);
    scene.server.fault(of_part_3(Fault::lose_answer()));
    scene.server.fault(of_part_3(Fault::deny().nth(2)));
    let upload = || scene.upload().range(MIDDLE);
    upload().run().expect_err("part 3 is refused");
    scene.server.clear_faults();
    scene.server.forget_requests();
    let uploaded = upload().run().expect("resumed");
    assert_eq!(uploaded.parts_resumed(), 3);
    assert_eq!(scene.parts_sent(), [4, 5]);
    expect_slice(&scene, &uploaded, &MIDDLE);
}

#[test]
fn a_lost_answer_is_settled_by_the_object_of_the_range() {
    for (operation, range) in [(CompleteMultipartUpload, MIDDLE), (PutObject, 7..PART)] {
        let scene = Scene::with_len(LEN);
        scene.once(Fault::lose_answer(), operation);
        if operation == PutObject {
            let conflict = Fault::status(409, "FileAlreadyExists");
            scene.server.fault(conflict.on(PutObject).nth(2));
        }
        let uploaded = scene.upload().range(range.clone()).run().expect("settled");
        assert_eq!(uploaded.outcome, Outcome::Fresh);
        assert_eq!(scene.server.count(Operation::HeadObject), 1);
        expect_slice(&scene, &uploaded, &range);
    }
}

/// What a record is of, and what is asked for then; `None` is the whole file.
#[test]
fn another_range_is_a_fresh_start_and_the_old_upload_aborted() {
    let same_len = MIDDLE.start + 1..MIDDLE.end + 1;
    for (recorded, asked) in [
        (Some(MIDDLE), None),
        (None, Some(MIDDLE)),
        (Some(MIDDLE), Some(same_len)),
        (Some(MIDDLE), Some(MIDDLE.start..MIDDLE.end + 1)),
        (Some(MIDDLE), Some(0..7)),
        (Some(MIDDLE), Some(7..7)),
        (None, Some(0..LEN - 1)),
        (None, Some(0..2 * PART)),
        (Some(0..2 * PART), None),
    ] {
        let _case = Case((recorded.clone(), asked.clone()));
        let scene = Scene::with_len(LEN);
        interrupt_after(&scene, 1, &recorded.unwrap_or(0..LEN));
        let asked = asked.unwrap_or(0..LEN);
        let uploaded = scene.upload().range(asked.clone()).run();
        let uploaded = uploaded.expect("uploaded");
        assert_eq!(uploaded.restarts, [RestartReason::RangeChanged]);
        assert_eq!(uploaded.bytes_sent, uploaded.size);
        expect_slice(&scene, &uploaded, &asked);
    }
}

/// Nobody asked for a part size, so that another range has another one, which is not what changed.
#[test]
fn of_a_range_that_changed_the_part_size_is_not_blamed() {
    let server = LocalServer::builder().discard_bodies(true).start();
    let scene = Scene::with_holes(server.expect("a port"), 100 << 30);
    let refused = Fault::early_answer(403, "AccessDenied").on(UploadPart);
    let refused = scene.server.fault(refused);
    let upload = || {
        let upload = scene.bucket.upload_file(KEY, &scene.file);
        upload.checkpoint(Checkpoint::at(scene.checkpoint()))
    };
    upload().run().expect_err("refused");
    refused.remove();
    let uploaded = upload().range(..20 << 20).run().expect("uploaded");
    assert_eq!(uploaded.restarts, [RestartReason::RangeChanged]);
    assert_eq!(uploaded.parts, 3, "of 8 MiB");
}

#[test]
fn all_of_the_file_by_any_name_is_the_whole_file() {
    let scene = Scene::with_len(LEN);
    let whole: [fn(UploadFile<'_>) -> UploadFile<'_>; 5] = [
        |upload| upload,
        |upload| upload.range(..),
        |upload| upload.range(0..),
        |upload| upload.range(0..LEN),
        |upload| upload.range(0..=LEN - 1),
    ];
    for (n, set) in (1..).zip(whole) {
        let denied = Fault::deny().on(UploadPart).nth(2).times(1);
        let denied = scene.server.fault(denied);
        set(scene.upload()).run().expect_err("interrupted");
        denied.remove();
        scene.server.forget_requests();
        let [upload] = &scene.server.pending_uploads()[..] else {
            panic!("one upload")
        };
        assert_eq!(upload.parts.len(), n, "the same upload goes on");
    }
    let uploaded = scene.upload().run().expect("resumed");
    scene.expect_resumed(&uploaded, 5);
}

#[test]
fn a_range_that_the_file_does_not_have_is_refused_before_any_request() {
    let scene = Scene::with_len(1000);
    let backwards = (Bound::Included(7), Bound::Excluded(3));
    for (upload, named) in [
        (scene.upload().range(0..1001), "1000 bytes"),
        (scene.upload().range(..=1000), "1000 bytes"),
        (scene.upload().range(1001..), "1000 bytes"),
        (scene.upload().range(2000..2000), "1000 bytes"),
        (scene.upload().range(5..=u64::MAX), "1000 bytes"),
        (scene.upload().range(u64::MAX..), "1000 bytes"),
        (scene.upload().range(backwards), "7..3"),
    ] {
        let error = upload.run().expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        assert!(error.to_string().contains(named), "{error}");
        assert!(!error.is_resumable());
    }
    // What is wrong whatever the file may be does not need one.
    fs::remove_file(&scene.file).expect("removed");
    let error = scene.upload().range(backwards).run().expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Options, "{error}");
    assert_eq!(scene.server.requests().len(), 0);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn limits_of_parts_are_those_of_the_range() {
    let server = LocalServer::builder().discard_bodies(true).start();
    let scene = Scene::with_holes(server.expect("a port"), 10_001 * PART);
    let error = scene.upload().run().expect_err("too many parts");
    assert_eq!(error.kind(), ErrorKind::Options, "{error}");
    let uploaded = scene.upload().range(PART..3 * PART).run();
    assert_eq!(uploaded.expect("uploaded").parts, 2);
    // One part suffices for the range, though not for the file.
    let uploaded = scene.upload().range(1..=PART).run().expect("uploaded");
    assert_eq!((uploaded.parts, uploaded.upload_id), (1, None));
}

#[test]
fn a_range_beyond_four_gib_is_read_and_proved_at_its_place() {
    let start = (6 << 30) + 4321;
    let range = start..start + 3 * PART + 5;
    let bytes = random_bytes(range.end - range.start, 7);
    let scene = Scene::with_holes(LocalServer::start().expect("a port"), 8 << 30);
    let file = File::options().write(true).open(&scene.file);
    let mut file = file.expect("the file");
    file.seek(SeekFrom::Start(start)).expect("a place");
    file.write_all(&bytes).expect("written");
    interrupt_after(&scene, 2, &range);
    let upload = scene.upload().range(range).verify(Verify::Content);
    let uploaded = upload.routines(2).run().expect("resumed");
    assert_eq!(uploaded.parts_resumed(), 2);
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    assert!(object.bytes().expect("readable") == bytes);
    assert_eq!(uploaded.crc64, object.crc64);
}

#[test]
fn a_change_outside_of_the_range_is_one_unless_the_bytes_may_decide() {
    for (identity, is_another) in [
        (Identity::strict(), true),
        (Identity::strict().any_mtime(), false),
    ] {
        let _case = Case(identity);
        let scene = Scene::with_len(LEN);
        let file = scene.file.clone();
        let change = Fault::run(move |_| {
            let mut file = File::options().write(true).open(&file).expect("the file");
            file.write_all(b"123").expect("written");
        });
        scene.server.fault(change.on(UploadPart).part(5).times(1));
        let upload = scene.upload().range(MIDDLE).identity(identity);
        let uploaded = upload.run().expect("uploaded");
        let restarts = &[RestartReason::FileChanged][..usize::from(is_another)];
        assert_eq!(uploaded.restarts, restarts);
        expect_slice(&scene, &uploaded, &MIDDLE);
    }
}

#[test]
fn a_change_inside_of_the_range_is_never_mixed_in() {
    for identity in [Identity::strict(), Identity::strict().any_mtime()] {
        for operation in [UploadPart, ListParts] {
            let _case = Case((identity, operation));
            let scene = Scene::with_len(LEN);
            if operation == ListParts {
                interrupt_after(&scene, 2, &MIDDLE);
            }
            let file = scene.file.clone();
            let change = Fault::run(move |_| {
                fs::write(&file, random_bytes(LEN, 2)).expect("written");
            });
            scene.server.fault(change.on(operation).times(1));
            let upload = scene.upload().range(MIDDLE).identity(identity);
            let uploaded = upload.routines(2).run().expect("uploaded");
            assert_eq!(uploaded.restarts, [RestartReason::FileChanged]);
            expect_slice(&scene, &uploaded, &MIDDLE);
        }
    }
}

#[test]
fn a_range_up_to_the_end_goes_with_the_file() {
    let scene = Scene::with_len(LEN);
    let range = 5 * PART + 1..LEN;
    interrupt_after(&scene, 2, &range);
    let file = File::options().append(true).open(&scene.file);
    let grown = file.and_then(|mut file| file.write_all(&random_bytes(PART, 3)));
    grown.expect("grown");
    let uploaded = scene.upload().range(range.start..).run().expect("uploaded");
    assert_eq!(uploaded.restarts, [RestartReason::FileChanged]);
    expect_slice(&scene, &uploaded, &(range.start..LEN + PART));
}

#[test]
fn a_file_too_short_for_the_range_is_refused_and_the_state_kept_for_its_return() {
    let scene = Scene::with_len(LEN);
    interrupt_after(&scene, 2, &MIDDLE);
    let aside = scene.dir.path().join("aside");
    fs::rename(&scene.file, &aside).expect("moved");
    fs::write(&scene.file, "short").expect("written");
    let error = scene.upload().range(MIDDLE).run().expect_err("too short");
    assert_eq!(error.kind(), ErrorKind::Options, "{error}");
    assert!(error.to_string().contains("has 5 bytes"), "{error}");
    fs::rename(aside, &scene.file).expect("back");
    let uploaded = scene.upload().range(MIDDLE).run().expect("resumed");
    assert_eq!(uploaded.parts_resumed(), 2);
    expect_slice(&scene, &uploaded, &MIDDLE);
}

#[test]
fn ranges_of_one_file_go_to_several_keys_at_the_same_time() {
    let scene = Scene::with_len(LEN);
    let ranges = [0..3 * PART, 3 * PART..5 * PART + 1, 5 * PART + 1..LEN];
    let upload = |n: usize| {
        let upload = scene.bucket.upload_file(format!("piece {n}"), &scene.file);
        let upload = upload.part_size(PART).range(ranges[n].clone());
        upload.checkpoint(Checkpoint::in_dir(scene.dir.path()))
    };
    let run_all = || {
        thread::scope(|scope| {
            let running = [0, 1, 2].map(|n| scope.spawn(move || upload(n).run()));
            running.map(|ran| ran.join().expect("no panic"))
        })
    };
    let denied = Fault::deny().on(UploadPart).part(2);
    let denied = scene.server.fault(denied);
    for interrupted in run_all() {
        assert!(interrupted.expect_err("part 2 is refused").is_resumable());
    }
    denied.remove();
    for (uploaded, range) in run_all().into_iter().zip(&ranges) {
        let uploaded = uploaded.expect("resumed");
        assert_eq!(uploaded.parts_resumed(), 1);
        expect_slice(&scene, &uploaded, range);
    }
}

#[test]
fn ranges_of_one_file_go_to_several_keys_in_one_call() {
    let scene = Scene::with_len(LEN);
    // By PutObject and in parts, whatever the whole file would take.
    let ranges = [
        0..PART,
        PART..4 * PART + 1,
        4 * PART + 1..4 * PART + 2,
        5 * PART..LEN,
    ];
    let pieces = ranges.iter().enumerate().map(|(n, range)| {
        let upload = scene.bucket.upload_file(format!("piece {n}"), &scene.file);
        upload.part_size(PART).range(range.clone())
    });
    let pieces: Vec<_> = pieces.collect();
    let mut seen = vec![];
    let outcomes = scene.bucket.upload_files(pieces).routines(3);
    let outcomes = outcomes.on_progress(|at| seen.push(at.bytes_total)).run();
    for (outcome, range) in outcomes.expect("uploaded").into_iter().zip(&ranges) {
        expect_slice(&scene, &outcome.result.expect("uploaded"), range);
    }
    let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    assert_eq!(seen.last(), Some(&total));
    assert_eq!(scene.server.count(PutObject), 2);
}
