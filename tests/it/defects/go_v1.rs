//! D1 to D4: the first Go SDK, and those that follow its design.

use super::child;
use crate::support::{
    BUCKET, KEY, Notes, PART, Scene, meanwhile, mtime, random_bytes, set_mtime, wait_reached,
};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{Checkpoint, Control, ErrorKind, Outcome, RestartReason};
use std::fs;
use std::process::Stdio;

/// Go v1, Java and ossutil keep the state when a part answers NoSuchUpload, so that every later call fails too.
#[test]
fn d01_a_part_that_answers_no_such_upload_heals_in_the_same_call() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6).interrupted_after(2);
        // The id is good while the parts are listed, and gone when the next part arrives.
        let gone = Fault::forget_upload().on(Operation::UploadPart);
        scene.server.fault(gone.times(1));
        let uploaded = scene.upload().routines(routines).run().expect("healed");
        scene.expect_restarted(&uploaded, RestartReason::UploadGone);
    }
}

/// Go v1, Java and ossutil leave the dead id in the state, where the next call finds it.
#[test]
fn d01_a_call_that_cannot_heal_leaves_no_dead_id_behind() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let gone = Fault::forget_upload().on(Operation::UploadPart);
    scene.server.fault(gone.times(1));
    let denied = Fault::deny().on(Operation::InitiateMultipartUpload);
    scene.server.fault(denied.times(1));
    let error = scene.upload().run().expect_err("no new upload is granted");
    assert!(!error.is_resumable());
    assert!(!scene.checkpoint().exists());
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    scene.expect_done(&uploaded);
}

/// Go v1, Java and ossutil never get past a dead id that a call left behind.
#[test]
fn d01_a_dead_id_that_could_not_be_settled_is_settled_by_the_next_call() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let gone = Fault::forget_upload().on(Operation::UploadPart);
    scene.server.fault(gone.times(1));
    let failing = Fault::status(500, "InternalError").on(Operation::HeadObject);
    let failing = scene.server.fault(failing);
    scene
        .upload()
        .run()
        .expect_err("nobody knows whether it is complete");
    failing.remove();
    scene.expect_restarted_for(RestartReason::UploadGone);
}

/// Go v1 writes the path that it computed into the option, so that a second file shares the state of the first.
#[test]
fn d02_one_checkpoint_value_serves_two_files() {
    let scene = Scene::with_parts(4);
    let second = scene.dir.path().join("second.bin");
    fs::write(&second, random_bytes(3 * PART, 2)).expect("written");
    for checkpoint in [
        Checkpoint::beside_file(),
        Checkpoint::in_dir(scene.dir.path()),
    ] {
        let upload = |key: &str, file| {
            let upload = scene.bucket.upload_file(key, file).part_size(PART);
            upload.checkpoint(checkpoint.clone())
        };
        let third = Fault::deny().on(Operation::UploadPart).nth(3).times(1);
        scene.server.fault(third);
        let error = upload(KEY, &scene.file).run().expect_err("interrupted");
        assert!(error.is_resumable());
        let other = upload("second", &second).run().expect("uploaded");
        assert_eq!(other.outcome, Outcome::Fresh);
        let first = upload(KEY, &scene.file).run().expect("resumed");
        assert_eq!(first.parts_resumed(), 2);
        scene.expect_done(&first);
        scene.server.clear_faults();
    }
}

/// Go v1 sends parts to the new key under the upload id of the old one.
#[test]
fn d02_a_state_reused_for_another_key_sends_nothing_under_the_old_id() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let old = scene.upload_id();
    let upload = scene.upload_to(&scene.bucket, "another/key");
    let uploaded = upload.run().expect("uploaded");
    let requests = scene.server.requests();
    let with_old = requests
        .iter()
        .filter(|request| request.upload_id.as_ref() == Some(&old));
    assert!(with_old.clone().count() > 0, "it is aborted");
    // Aborted, and looked at whether anything is left.
    let cleared = [Operation::AbortMultipartUpload, Operation::ListParts];
    for request in with_old {
        assert!(cleared.contains(&request.operation), "{request:?}");
    }
    let to_old_key = |path: &str| path.ends_with(KEY);
    for request in requests.iter().filter(|request| to_old_key(&request.path)) {
        assert!(cleared.contains(&request.operation), "{request:?}");
    }
    assert!(scene.server.object(BUCKET, KEY).is_none());
    scene.expect_done(&uploaded);
}

/// Go v1 does not compare the file's path, so that another file of the same length and time continues the first.
#[test]
fn d02_a_state_reused_for_another_file_of_the_same_length_and_time_mixes_nothing() {
    let mut scene = Scene::with_parts(4).interrupted_after(2);
    let len = fs::metadata(&scene.file).expect("the file").len();
    let twin = scene.dir.path().join("twin.bin");
    fs::write(&twin, random_bytes(len, 2)).expect("written");
    set_mtime(&twin, mtime(&scene.file));
    scene.file = twin;
    scene.expect_restarted_for(RestartReason::OtherTarget);
}

/// Go v1 goes on with the old part size and says nothing.
#[test]
fn d02_a_new_part_size_is_obeyed_and_reported() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let uploaded = scene.upload().part_size(2 * PART).run().expect("uploaded");
    assert_eq!(uploaded.parts, 2);
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    assert_eq!(object.parts, Some(2));
    scene.expect_restarted(&uploaded, RestartReason::PartSizeChanged);
}

/// Go v1 returns at the first error and forgets the parts that were under way, although the server stores them.
#[test]
fn d03_parts_in_flight_when_one_fails_are_not_sent_again() {
    let scene = Scene::with_parts(8);
    let (in_flight, stored) = Fault::hold();
    for part in [1, 3, 4] {
        let hold = in_flight.clone().on(Operation::UploadPart).part(part);
        scene.server.fault(hold);
    }
    let (hold, denial) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).part(2));
    let denied = Fault::deny().on(Operation::UploadPart).part(2).times(1);
    scene.server.fault(denied);
    let run = || scene.upload().routines(4).run();
    let failed = meanwhile(run, || {
        wait_reached(&stored, 3);
        denial.open();
    });
    let error = failed.expect_err("part 2 is denied");
    assert_eq!(error.part_number(), Some(2));
    assert!(error.is_resumable());
    stored.open();
    let uploaded = scene.upload().run().expect("resumed");
    assert_eq!(uploaded.bytes_sent, uploaded.size - 3 * PART);
    scene.expect_resumed(&uploaded, 3);
}

/// In Go v1 a second worker that fails blocks for ever on a channel that nobody reads any more.
#[test]
fn d03_routines_that_fail_all_at_once_end_the_upload_once() {
    let scene = Scene::with_parts(12);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart));
    let denied = scene.server.fault(Fault::deny().on(Operation::UploadPart));
    let run = || scene.upload().routines(4).run();
    let failed = meanwhile(run, || {
        wait_reached(&gate, 4);
        gate.open();
    });
    let error = failed.expect_err("all parts are denied");
    assert_eq!(error.kind(), ErrorKind::Service);
    assert!(error.part_number().is_some_and(|number| number <= 4));
    assert_eq!(denied.hits(), 4, "no routine took a second part");
    scene.server.clear_faults();
    let uploaded = scene.upload().run().expect("uploaded");
    scene.expect_done(&uploaded);
}

/// In Go v1 the abort races with parts that are under way, and OSS may need a second one.
#[test]
fn d03_an_abort_with_eight_routines_is_repeated_until_nothing_is_left() {
    let scene = Scene::with_parts(12);
    let (in_flight, stored) = Fault::hold();
    for part in [1, 2, 3, 4, 6, 7, 8] {
        let hold = in_flight.clone().on(Operation::UploadPart).part(part);
        scene.server.fault(hold);
    }
    let (hold, denial) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).part(5));
    let denied = Fault::deny().on(Operation::UploadPart).part(5);
    scene.server.fault(denied);
    let run = || scene.upload_without_checkpoint().routines(8).run();
    let failed = meanwhile(run, || {
        wait_reached(&stored, 7);
        denial.open();
    });
    let error = failed.expect_err("part 5 is denied");
    stored.open();
    assert!(!error.is_resumable());
    assert_eq!(error.left_behind(), [""; 0]);
    assert_eq!(scene.server.pending_uploads(), []);
    let requests = scene.server.requests().into_iter();
    let last: Vec<_> = requests
        .rev()
        .take(2)
        .map(|r| (r.operation, r.status))
        .collect();
    let gone = (Operation::ListParts, Some(404));
    assert_eq!(last, [gone, (Operation::AbortMultipartUpload, Some(204))]);
}

/// Go v1 has no state until the first part ends, and leaves it readable to everyone.
#[test]
fn d04_the_upload_id_is_in_the_state_before_the_first_part_is_answered() {
    let scene = Scene::with_parts(3);
    let (seen, state) = (Notes::new(), scene.checkpoint());
    let noting = seen.clone();
    let look = Fault::run(move |request| {
        let id = request.upload_id.clone().expect("a part has one");
        let metadata = fs::metadata(&state).expect("the state");
        noting.add((id, fs::read(&state).expect("the state"), metadata));
    });
    scene
        .server
        .fault(look.on(Operation::UploadPart).nth(1).times(1));
    let uploaded = scene.upload().run().expect("uploaded");
    let [(id, bytes, metadata)] = &seen.take()[..] else {
        panic!("the first part arrives once")
    };
    assert_eq!(uploaded.upload_id.as_ref(), Some(id));
    let holds_id = bytes
        .windows(id.len())
        .any(|window| window == id.as_bytes());
    assert!(holds_id, "the state does not name the upload");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
    let _ = metadata;
    scene.expect_done(&uploaded);
}

/// Go v1 writes the whole state again after every part, and truncates it first.
#[test]
fn d04_the_state_grows_by_a_few_bytes_a_part_and_is_never_rewritten() {
    const MOST: usize = 39;
    let scene = Scene::with_parts(12);
    let (states, state) = (Notes::new(), scene.checkpoint());
    for operation in [Operation::UploadPart, Operation::CompleteMultipartUpload] {
        let (states, state) = (states.clone(), state.clone());
        let copy = Fault::run(move |_| states.add(fs::read(&state).expect("the state")));
        scene.server.fault(copy.on(operation));
    }
    scene.upload().run().expect("uploaded");
    let states = states.take();
    assert_eq!(states.len(), 12 + 1);
    for pair in states.windows(2) {
        assert!(pair[1].starts_with(&pair[0]), "what was written changed");
    }
    let grown = states[12].len() - states[0].len();
    assert!(
        (12..=12 * MOST).contains(&grown),
        "{grown} bytes for 12 parts"
    );
}

/// A Go v1 process that is killed early leaves an upload on the server of which it knows nothing.
#[test]
fn d04_a_killed_process_loses_neither_the_upload_nor_a_stored_part() {
    let test = "d04_a_killed_process_loses_neither_the_upload_nor_a_stored_part";
    if child::is_here() {
        child::upload().expect_err("it is killed before that");
        return;
    }
    for parts in [1, 3] {
        let scene = Scene::with_parts(5);
        let (hold, gate) = Fault::hold();
        scene
            .server
            .fault(hold.on(Operation::UploadPart).nth(parts));
        let mut child = child::command(&scene, module_path!(), test)
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        wait_reached(&gate, 1);
        child.kill().expect("killed");
        child.wait().expect("ended");
        gate.open();
        let id = scene.upload_id();
        let uploaded = scene.upload().run().expect("resumed");
        assert_eq!(uploaded.upload_id, Some(id));
        // The last of them was stored and never acknowledged.
        assert_eq!(u32::from(uploaded.parts_resumed()), parts);
        scene.expect_done(&uploaded);
    }
}

/// Go v1 takes an empty path for "no checkpoint".
#[test]
fn d04_a_checkpoint_without_a_path_is_an_error_and_never_silently_off() {
    let scene = Scene::with_parts(2);
    let upload = scene.upload().checkpoint(Checkpoint::at(""));
    let error = upload.run().expect_err("there is no such file");
    assert_eq!(error.kind(), ErrorKind::Checkpoint);
    assert_eq!(scene.server.requests().len(), 0);
}

/// Go v1 compares the callback the wrong way round, and may crash over one that is absent.
#[test]
fn d04_a_callback_may_change_between_the_runs_and_the_new_one_is_sent() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let called_back = Fault::answer(200, "application/json", "{\"Status\":\"OK\"}");
    scene
        .server
        .fault(called_back.on(Operation::CompleteMultipartUpload));
    // Nothing is stored here, so nobody may look.
    scene.server.fault(Fault::deny().on(Operation::HeadObject));
    let upload = scene.upload().header("x-oss-callback", "bmV3");
    let uploaded = upload.run().expect("resumed");
    assert_eq!(uploaded.parts_resumed(), 2);
    let requests = scene.server.requests();
    let complete = requests
        .iter()
        .find(|request| request.operation == Operation::CompleteMultipartUpload)
        .expect("completed");
    assert_eq!(complete.header("x-oss-callback"), Some("bmV3"));
}

/// In Go v1 a context ends Initiate only: neither a part nor Complete hears of it.
#[test]
fn d04_cancelling_reaches_parts_and_complete() {
    for operation in [
        Operation::InitiateMultipartUpload,
        Operation::UploadPart,
        Operation::CompleteMultipartUpload,
    ] {
        let scene = Scene::with_parts(4);
        let (hold, gate) = Fault::hold();
        scene.server.fault(hold.on(operation));
        let control = Control::new();
        let run = || scene.upload().routines(2).control(&control).run();
        let ended = meanwhile(run, || {
            wait_reached(&gate, 1);
            control.cancel();
        });
        let error = ended.expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{operation:?}");
        let has_begun = operation != Operation::InitiateMultipartUpload;
        assert_eq!(error.is_resumable(), has_begun, "{operation:?}");
        gate.open();
        for upload in scene.server.pending_uploads() {
            // Nobody can know of an upload whose id never arrived.
            if !has_begun {
                scene.server.drop_upload(&upload.upload_id);
            }
        }
        let uploaded = scene.upload().run().expect("uploaded");
        scene.expect_done(&uploaded);
    }
}
