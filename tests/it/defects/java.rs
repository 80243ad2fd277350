//! D13 to D15: the Java SDK.

#[cfg(unix)]
use super::child;
use crate::support::{BUCKET, KEY, PART, Scene, meanwhile, wait_reached};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{Checkpoint, ErrorKind, Outcome, RestartReason};
use std::fs;

/// Java ignores bucket and key of the state beside the file, so that one file sent to two objects mixes their ids.
#[test]
fn d13_one_file_for_two_objects_never_mixes_their_uploads() {
    let scene = Scene::with_parts(4);
    let upload = |key| {
        let upload = scene.bucket.upload_file(key, &scene.file).part_size(PART);
        upload.checkpoint(Checkpoint::beside_file())
    };
    let third = Fault::deny().on(Operation::UploadPart).nth(3).times(1);
    scene.server.fault(third);
    upload(KEY).run().expect_err("interrupted");
    let other = upload("other").run().expect("uploaded");
    assert_eq!(other.restarts, [RestartReason::OtherTarget]);
    scene.expect_done(&other);
    let first = upload(KEY).run().expect("uploaded");
    assert_eq!(first.outcome, Outcome::Fresh);
    assert_ne!(first.upload_id, other.upload_id);
    scene.expect_done(&first);
}

/// Java lets two uploads of one file write the same state at the same time.
#[test]
fn d13_two_objects_at_the_same_time_need_states_of_their_own() {
    let scene = Scene::with_parts(4);
    let upload = |key, checkpoint| {
        let upload = scene.bucket.upload_file(key, &scene.file).part_size(PART);
        upload.checkpoint(checkpoint)
    };
    for (checkpoint, is_shared) in [
        (Checkpoint::beside_file(), true),
        (Checkpoint::in_dir(scene.dir.path()), false),
    ] {
        let (hold, gate) = Fault::hold();
        let hold = scene.server.fault(hold.on(Operation::UploadPart).key(KEY));
        let mut second = None;
        let first = meanwhile(
            || upload(KEY, checkpoint.clone()).run(),
            || {
                wait_reached(&gate, 1);
                second = Some(upload("second", checkpoint.clone()).run());
                gate.open();
            },
        );
        scene.expect_done(&first.expect("uploaded"));
        match (is_shared, second.expect("it was run")) {
            (true, Err(error)) => assert_eq!(error.kind(), ErrorKind::CheckpointBusy),
            (false, Ok(second)) => assert_eq!(second.outcome, Outcome::Fresh),
            (_, second) => panic!("{second:?}"),
        }
        hold.remove();
    }
}

/// Java finds out that the state beside the file cannot be written when parts have been sent.
#[test]
fn d13_a_place_that_cannot_be_written_is_told_before_the_first_request() {
    let scene = Scene::with_parts(4);
    // Stands in for a folder without write permission, which is no obstacle to root.
    let in_the_way = scene.dir.path().join("file.bin.cp");
    fs::create_dir(&in_the_way).expect("created");
    let upload = scene.upload().checkpoint(Checkpoint::beside_file());
    let error = upload.run().expect_err("the state cannot be written");
    assert_eq!(error.kind(), ErrorKind::Checkpoint);
    assert_eq!(error.path(), Some(&*in_the_way));
    assert_eq!(scene.server.requests().len(), 0);
    let elsewhere = Checkpoint::in_dir(scene.dir.path());
    let uploaded = scene
        .upload()
        .checkpoint(elsewhere)
        .run()
        .expect("uploaded");
    scene.expect_done(&uploaded);
}

/// After a mismatch Java's state says "all done" for ever, and every later call ends in NoSuchUpload.
#[test]
fn d14_after_a_checksum_mismatch_every_next_call_starts_afresh() {
    let scene = Scene::with_parts(4);
    let wrong = Fault::wrong_crc().on(Operation::CompleteMultipartUpload);
    scene.server.fault(wrong.times(2));
    for _ in 0..2 {
        let error = scene
            .upload()
            .routines(2)
            .run()
            .expect_err("another object");
        assert_eq!(error.kind(), ErrorKind::Integrity);
        assert!(!scene.checkpoint().exists());
    }
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 3);
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    scene.expect_done(&uploaded);
}

/// After a lost Complete Java's state says "all done" for ever, and every later call ends in NoSuchUpload.
#[test]
fn d14_after_a_lost_complete_the_next_call_finds_it_done_or_does_it_again() {
    for is_there in [true, false] {
        let scene = Scene::with_parts(4);
        let lose = Fault::lose_answer().on(Operation::CompleteMultipartUpload);
        let lose = scene.server.fault(lose);
        scene.upload().run().expect_err("no answer, ever");
        lose.remove();
        if !is_there {
            scene.server.remove_object(BUCKET, KEY);
        }
        let uploaded = scene.upload().run().expect("done");
        let expected = match is_there {
            true => Outcome::AlreadyComplete,
            false => Outcome::Restarted(RestartReason::UploadGone),
        };
        assert_eq!(uploaded.outcome, expected);
        scene.expect_done(&uploaded);
    }
}

/// Java tries all parts after a fatal error.
#[test]
fn d15_a_fatal_error_is_the_last_request() {
    let scene = Scene::with_parts(10);
    let third = Fault::deny().on(Operation::UploadPart).part(3);
    scene.server.fault(third);
    let error = scene.upload().run().expect_err("denied");
    assert_eq!(error.part_number(), Some(3));
    assert_eq!(scene.parts_sent(), [1, 2, 3]);
}

/// In Java a full disk fails a part that the server has stored, and it is sent again.
#[cfg(unix)]
#[test]
fn d15_a_full_disk_costs_no_part_that_was_stored() {
    let test = "d15_a_full_disk_costs_no_part_that_was_stored";
    if child::is_here() {
        let error = child::upload().expect_err("the state cannot grow");
        assert_eq!(error.kind(), ErrorKind::Checkpoint, "{error}");
        assert!(error.is_resumable());
        return;
    }
    let scene = Scene::with_parts(40);
    // No file of the child may grow beyond one block: a write fails as on a full disk, halfway through.
    let script = "trap '' XFSZ; ulimit -f 1";
    let mut child = child::command_after(&scene, script, module_path!(), test);
    let output = child.output().expect("started");
    assert!(output.status.success(), "{output:?}");
    let requests = scene.server.requests().into_iter();
    let stored = requests
        .filter(|request| request.operation == Operation::UploadPart)
        .filter(|request| request.status == Some(200))
        .count();
    assert!((1..40).contains(&stored), "{stored} parts");
    let uploaded = scene.upload().run().expect("resumed");
    // One more may have arrived when nobody listened to its answer any more.
    let resumed = usize::from(uploaded.parts_resumed());
    assert!(resumed >= stored, "{resumed} of {stored} parts");
    assert_eq!(
        uploaded.bytes_sent,
        uploaded.size - u64::from(uploaded.parts_resumed()) * PART
    );
    scene.expect_done(&uploaded);
}

/// Java leaves the stream of a state that it could not read open, so that Windows cannot delete the file.
#[test]
fn d15_a_state_is_closed_and_unlocked_after_every_failure() {
    let scene = Scene::with_parts(3).interrupted_after(1);
    let mut damaged = fs::read(scene.checkpoint()).expect("the state");
    *damaged.last_mut().expect("not empty") ^= 1;
    for state in [damaged, vec![0xff; 100]] {
        fs::write(scene.checkpoint(), state).expect("nobody keeps it");
        let denied = Fault::deny().on(Operation::InitiateMultipartUpload);
        scene.server.fault(denied.times(1));
        scene.upload().run().expect_err("no upload is granted");
        assert!(!scene.checkpoint().exists());
    }
    scene.interrupt_after(1);
    let state = fs::File::open(scene.checkpoint()).expect("the state");
    state.try_lock().expect("nobody holds the lock");
    drop(state);
    fs::remove_file(scene.checkpoint()).expect("removed");
}

/// A lock may outlive its upload in a process that another thread is just starting, which has copies of all handles.
#[cfg(unix)]
#[test]
fn d15_a_state_is_unlocked_also_while_other_threads_start_processes() {
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};
    let scene = Scene::with_parts(2);
    let refused = Fault::deny().on(Operation::CompleteMultipartUpload);
    scene.server.fault(refused);
    let is_over = AtomicBool::new(false);
    let kinds: Vec<ErrorKind> = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    Command::new("true").status().expect("started");
                }
            });
        }
        let ends = (0..100).map(|_| scene.upload().run().expect_err("not completed").kind());
        let ends = ends.collect();
        is_over.store(true, Ordering::Relaxed);
        ends
    });
    assert_eq!(kinds, [ErrorKind::Service; 100]);
}
