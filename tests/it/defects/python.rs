//! D10 to D12: the Python SDK.

use crate::support::{Notes, PART, Scene, listing, meanwhile, wait_reached};
use oss_upload::local_server::{Fault, LocalServer, Operation, PendingPart};
use oss_upload::{ErrorKind, Outcome, RestartReason};
use std::fs;

/// The Python SDK does not check the whole object after any resume.
#[test]
fn d10_the_whole_object_is_checked_after_a_resume() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let wrong = Fault::wrong_crc().on(Operation::CompleteMultipartUpload);
    scene.server.fault(wrong.times(1));
    let error = scene.upload().run().expect_err("another object");
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(!error.is_resumable());
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    assert_eq!(uploaded.bytes_sent, uploaded.size);
    scene.expect_done(&uploaded);
}

/// The Python SDK drops the check because the listed parts name no checksums.
#[test]
fn d10_a_listing_without_checksums_is_no_way_round_the_check() {
    for is_damaged in [false, true] {
        let scene = Scene::with_parts(4).interrupted_after(2);
        let bare = |part: &PendingPart| {
            format!("<ETag>\"{}\"</ETag><Size>{}</Size>", part.etag, part.size)
        };
        scene.server.fault(listing(&scene, bare));
        if is_damaged {
            let wrong = Fault::wrong_crc().on(Operation::CompleteMultipartUpload);
            scene.server.fault(wrong);
            let error = scene.upload().run().expect_err("another object");
            assert_eq!(error.kind(), ErrorKind::Integrity);
        } else {
            let uploaded = scene.upload().run().expect("resumed");
            scene.expect_resumed(&uploaded, 2);
        }
    }
}

/// The Python SDK checks nothing where it finds no checksum.
#[test]
fn d10_a_complete_without_a_checksum_is_checked_by_the_object() {
    for is_damaged in [false, true] {
        let scene = Scene::with_parts(4).interrupted_after(2);
        let silent = Fault::no_crc().on(Operation::CompleteMultipartUpload);
        scene.server.fault(silent);
        if is_damaged {
            scene
                .server
                .fault(Fault::wrong_crc().on(Operation::HeadObject));
            let error = scene.upload().run().expect_err("another object");
            assert_eq!(error.kind(), ErrorKind::Integrity);
        } else {
            let uploaded = scene.upload().run().expect("resumed");
            scene.expect_done(&uploaded);
        }
    }
}

/// The Python SDK asks once for every finished part.
#[test]
fn d11_finished_parts_are_listed_a_thousand_at_a_time() {
    let discarding = LocalServer::builder().discard_bodies(true);
    let scene = Scene::with_holes(discarding.start().expect("a port"), 1001 * PART);
    let denied = Fault::deny().on(Operation::UploadPart).part(1001).times(1);
    scene.server.fault(denied);
    scene.upload().run().expect_err("the last part is denied");
    for (finished, listings) in [(1000, 1), (1001, 2)] {
        scene.server.forget_requests();
        let refused = Fault::deny().on(Operation::CompleteMultipartUpload);
        scene.server.fault(refused.times(1));
        scene.upload().run().expect_err("not completed");
        assert_eq!(scene.server.count(Operation::ListParts), listings);
        assert_eq!(scene.server.count(Operation::UploadPart), 1001 - finished);
    }
    let uploaded = scene.upload().run().expect("completed");
    assert_eq!(uploaded.parts_resumed(), 1001);
    assert!(uploaded.crc64_confirmed);
}

/// The Python SDK repeats no part.
#[test]
fn d12_a_part_that_fails_is_repeated_in_the_same_call() {
    let scene = Scene::with_parts(4);
    let failing = Fault::status(500, "InternalError").on(Operation::UploadPart);
    scene.server.fault(failing.part(3).times(2));
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(scene.parts_sent(), [1, 2, 3, 3, 3, 4]);
    assert_eq!(uploaded.retries, 2);
    scene.expect_done(&uploaded);
}

/// In the Python SDK the other threads go on until no part is left.
#[test]
fn d12_after_a_fatal_error_no_routine_takes_another_part() {
    let scene = Scene::with_parts(20);
    let arrived = Notes::new();
    let noting = arrived.clone();
    let note = Fault::run(move |request| noting.add(request.part_number));
    scene.server.fault(note.on(Operation::UploadPart));
    let (in_flight, stored) = Fault::hold();
    for part in [1, 2, 4] {
        let hold = in_flight.clone().on(Operation::UploadPart).part(part);
        scene.server.fault(hold);
    }
    let (hold, denial) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).part(3));
    scene
        .server
        .fault(Fault::deny().on(Operation::UploadPart).part(3));
    let run = || scene.upload().routines(4).run();
    let failed = meanwhile(run, || {
        wait_reached(&stored, 3);
        denial.open();
    });
    assert_eq!(failed.expect_err("denied").part_number(), Some(3));
    stored.open();
    assert_eq!(arrived.take().len(), 4, "one part a routine");
}

/// The Python SDK does not look at the sizes of listed parts.
#[test]
fn d12_a_listed_part_of_another_size_is_sent_again() {
    let scene = Scene::with_parts(4).interrupted_after(3);
    let shorter = |part: &PendingPart| {
        let size = part.size - u64::from(part.number == 2);
        format!("<ETag>\"{}\"</ETag><Size>{size}</Size>", part.etag)
    };
    scene.server.fault(listing(&scene, shorter));
    let uploaded = scene.upload().run().expect("resumed");
    assert_eq!(scene.parts_sent(), [2, 4]);
    scene.expect_resumed(&uploaded, 2);
}

/// The Python SDK raises over a state of the wrong shape, and the Ruby SDK over a broken one.
#[test]
fn d12_a_state_of_any_shape_never_stops_an_upload() {
    let damaged = &[RestartReason::CheckpointDamaged][..];
    for (bytes, restarts) in [
        (b"".to_vec(), &[][..]),
        (b"OSSU".to_vec(), &[]),
        (b"OSSUPCP1".to_vec(), &[]),
        (b"OSSUPCP1\0\0\0\0\0\0\0\0".to_vec(), &[]),
        (b"OSSUPCP2\x01".to_vec(), damaged),
        (b"OSSUPCP1 and then text".to_vec(), damaged),
        (b"{\"upload_id\": 7, \"parts\": {}}".to_vec(), damaged),
        (b"[]".to_vec(), damaged),
        (vec![0xff; 4096], damaged),
    ] {
        let scene = Scene::with_parts(3);
        fs::write(scene.checkpoint(), &bytes).expect("written");
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned();
        let uploaded = scene
            .upload()
            .run()
            .unwrap_or_else(|why| panic!("{shown}: {why}"));
        assert_eq!(uploaded.restarts, restarts, "{shown}");
        scene.expect_done(&uploaded);
    }
}

/// The Python SDK raises after a success when the state is gone.
#[test]
fn d12_a_state_that_somebody_removed_does_not_spoil_the_success() {
    let scene = Scene::with_parts(3);
    let state = scene.checkpoint();
    let remove = Fault::run(move |_| fs::remove_file(&state).expect("removed"));
    scene
        .server
        .fault(remove.on(Operation::CompleteMultipartUpload));
    let uploaded = scene.upload().run().expect("uploaded");
    scene.expect_done(&uploaded);
}

/// The Python SDK does not pass the callback on to Complete.
#[test]
fn d12_callback_and_variables_reach_complete() {
    let scene = Scene::with_parts(3);
    let called_back = Fault::answer(200, "application/json", "{\"Status\":\"OK\"}");
    scene
        .server
        .fault(called_back.on(Operation::CompleteMultipartUpload));
    // Nothing is stored here, so nobody may look.
    scene.server.fault(Fault::deny().on(Operation::HeadObject));
    let upload = scene.upload().header("x-oss-callback", "Y2I=");
    let uploaded = upload.header("x-oss-callback-var", "dmFy").run();
    assert!(
        !uploaded.expect("uploaded").crc64_confirmed,
        "nobody named a checksum"
    );
    for request in scene.server.requests() {
        let is_complete = request.operation == Operation::CompleteMultipartUpload;
        let expected = |value| is_complete.then_some(value);
        assert_eq!(request.header("x-oss-callback"), expected("Y2I="));
        assert_eq!(request.header("x-oss-callback-var"), expected("dmFy"));
    }
}
