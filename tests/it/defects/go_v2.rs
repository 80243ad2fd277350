//! D5 to D9: the second Go SDK, and those that copied its design.

use super::child;
use crate::support::{KEY, PART, Scene};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{Checkpoint, ErrorKind, Outcome};
use std::fs;
use std::path::Path;

/// Go v2 takes 0 for the checksum of a file of which this run sent nothing, and calls the right object damaged.
#[test]
fn d05_a_resume_that_finds_every_part_there_only_completes() {
    for may_list in [true, false] {
        let scene = Scene::with_len(4 * PART);
        let refused = Fault::deny().on(Operation::CompleteMultipartUpload);
        scene.server.fault(refused.times(1));
        let error = scene.upload().routines(2).run().expect_err("not completed");
        assert!(error.is_resumable());
        if !may_list {
            scene.server.fault(Fault::deny().on(Operation::ListParts));
        }
        scene.server.forget_requests();
        let uploaded = scene.upload().run().expect("completed");
        let (parts, bytes) = (4, 4 * PART);
        assert_eq!(uploaded.outcome, Outcome::Resumed { parts, bytes });
        assert_eq!(uploaded.bytes_sent, 0);
        assert_eq!(scene.parts_sent(), [0; 0]);
        scene.expect_done(&uploaded);
    }
}

/// Go v2 drops the upload whenever ListParts fails, for whatever reason, and leaves it on the server.
#[test]
fn d06_no_failure_of_the_listing_drops_the_upload() {
    for fault in [
        Fault::status(500, "InternalError"),
        Fault::status(503, "ServiceUnavailable"),
        Fault::status(403, "SignatureDoesNotMatch"),
        Fault::reset_after(0),
        Fault::cut_answer(300),
        Fault::answer(200, "text/html", "<html>a proxy</html>"),
        Fault::answer(404, "text/html", "<html>a proxy</html>"),
    ] {
        let scene = Scene::with_parts(4).interrupted_after(2);
        let id = scene.upload_id();
        let fault = scene.server.fault(fault.on(Operation::ListParts));
        let error = scene.upload().run().expect_err("nothing can be listed");
        assert!(error.is_resumable(), "{error}");
        assert_eq!(error.upload_id(), Some(&*id));
        fault.remove();
        let uploaded = scene.upload().run().expect("resumed");
        assert_eq!(uploaded.upload_id, Some(id));
        scene.expect_resumed(&uploaded, 2);
    }
}

/// Rust and Python copies of Go v2 start a second upload when the first lists no parts, and do not abort it.
#[test]
fn d06_an_upload_that_lists_no_parts_any_more_is_filled_again() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let id = scene.upload_id();
    scene.server.drop_part(&id, 1);
    scene.server.drop_part(&id, 2);
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(uploaded.upload_id, Some(id));
    assert_eq!(scene.parts_sent(), [1, 2, 3, 4]);
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 0);
    scene.expect_done(&uploaded);
}

/// Go v2 keeps only the parts before the first gap, and never the short last one.
#[test]
fn d07_every_finished_part_is_kept_when_an_early_one_fails() {
    let scene = Scene::with_parts(8);
    let (hold, denial) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).part(2));
    let denied = Fault::deny().on(Operation::UploadPart).part(2).times(1);
    scene.server.fault(denied);
    // Part 2 learns of its fate when all others are recorded.
    let upload = scene.upload().routines(4).on_progress(|seen| {
        if seen.parts_done == 7 {
            denial.open();
        }
    });
    let error = upload.run().expect_err("part 2 is denied");
    assert_eq!(error.part_number(), Some(2));
    scene.server.forget_requests();
    let uploaded = scene.upload().routines(4).run().expect("resumed");
    assert_eq!(scene.parts_sent(), [2]);
    scene.expect_resumed(&uploaded, 7);
}

/// Go v2 puts the state into the parent of a folder that is given without a separator at its end.
#[test]
fn d08_a_folder_for_states_means_the_folder_with_and_without_a_separator() {
    let scene = Scene::with_parts(4);
    let folder = scene.dir.path().join("states");
    fs::create_dir(&folder).expect("created");
    let with_separator = folder.join("");
    assert_ne!(folder.as_os_str(), with_separator.as_os_str());
    let upload = |folder| {
        let upload = scene.upload_without_checkpoint();
        upload.checkpoint(Checkpoint::in_dir(folder))
    };
    let third = Fault::deny().on(Operation::UploadPart).nth(3).times(1);
    scene.server.fault(third);
    upload(&folder).run().expect_err("interrupted");
    let names = |folder: &Path| fs::read_dir(folder).expect("a folder").count();
    assert_eq!(names(&folder), 1);
    assert_eq!(names(scene.dir.path()), 2, "the file and the folder");
    let uploaded = upload(&with_separator).run().expect("resumed");
    assert_eq!(names(&folder), 0);
    scene.expect_resumed(&uploaded, 2);
}

/// Go v2 compares times as text in local time, so that a good state is discarded in another time zone.
#[test]
fn d08_a_resume_in_another_time_zone_is_a_resume() {
    let test = "d08_a_resume_in_another_time_zone_is_a_resume";
    if child::is_here() {
        child::upload().expect("resumed");
        return;
    }
    let scene = Scene::with_parts(4).interrupted_after(2);
    let mut child = child::command(&scene, module_path!(), test);
    let output = child.env("TZ", "NST-12:30").output().expect("started");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(scene.parts_sent(), [3, 4]);
    assert_eq!(scene.server.pending_uploads(), []);
}

/// Go v2 sends the whole file again when the answer to Complete got lost.
#[test]
fn d09_a_lost_answer_to_complete_sends_nothing_again() {
    for lost in [1, 3] {
        let scene = Scene::with_parts(4);
        let lose = Fault::lose_answer().on(Operation::CompleteMultipartUpload);
        scene.server.fault(lose.times(lost));
        let uploaded = scene.upload().run().expect("uploaded");
        assert_eq!(uploaded.outcome, Outcome::Fresh);
        assert_eq!(uploaded.bytes_sent, uploaded.size);
        assert_eq!(scene.server.count(Operation::UploadPart), 4);
        scene.expect_done(&uploaded);
    }
}

/// Go v2 sends the whole file again in the next call when this one never got an answer to Complete.
#[test]
fn d09_a_complete_that_was_never_answered_is_settled_by_the_next_call() {
    let scene = Scene::with_parts(4);
    let lose = Fault::lose_answer().on(Operation::CompleteMultipartUpload);
    let lose = scene.server.fault(lose);
    let error = scene.upload().run().expect_err("no answer, ever");
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(error.is_resumable());
    lose.remove();
    scene.server.forget_requests();
    let uploaded = scene.upload().run().expect("it is there");
    assert_eq!(uploaded.outcome, Outcome::AlreadyComplete);
    assert_eq!(uploaded.bytes_sent, 0);
    scene.expect_done(&uploaded);
}

/// Go v2 does not pass the traffic limit on to the parts.
#[test]
fn d09_the_traffic_limit_goes_with_every_part() {
    let scene = Scene::with_parts(4);
    let limited = |limit: &str| scene.upload().header("x-oss-traffic-limit", limit);
    let expect_all = |operation, limit: &str, n| {
        let requests = scene.server.requests().into_iter();
        let limits: Vec<_> = requests
            .filter(|request| request.operation == operation)
            .map(|request| request.header("x-oss-traffic-limit").map(str::to_owned))
            .collect();
        assert_eq!(limits, vec![Some(limit.to_owned()); n]);
        scene.server.forget_requests();
    };
    let failing = Fault::status(500, "InternalError").on(Operation::UploadPart);
    scene.server.fault(failing.part(1).times(1));
    scene
        .server
        .fault(Fault::deny().on(Operation::UploadPart).part(3).times(1));
    limited("819200").run().expect_err("interrupted");
    expect_all(Operation::UploadPart, "819200", 4);
    // It is no part of the upload's identity: a run in the night may be faster.
    let uploaded = limited("8192000").run().expect("resumed");
    expect_all(Operation::UploadPart, "8192000", 2);
    scene.expect_resumed(&uploaded, 2);
    let whole = limited("819200").part_size(5 * PART).run();
    assert_eq!(whole.expect("uploaded").key, KEY);
    expect_all(Operation::PutObject, "819200", 1);
}
