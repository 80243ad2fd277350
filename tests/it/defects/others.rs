//! D20 to D25: ali-oss, ossutil, the AWS runtime, rclone, object stores and Rust crates.

use super::child;
use crate::support::{BUCKET, KEY, PART, Scene, bucket, client, hasty, random_bytes};
use oss_upload::local_server::{Fault, LocalServer, Operation, RequestLog};
use oss_upload::{Checkpoint, Control, Error, ErrorKind, Outcome, RestartReason};
use std::fs;
use std::time::Duration;

/// ali-oss sends a stream again that has been read before, so that a repeated part arrives empty or short.
#[test]
fn d20_every_repetition_of_a_part_sends_the_same_bytes() {
    for fault in [
        Fault::reset_after(50_000),
        Fault::close_after(50_000),
        Fault::early_answer(503, "ServiceUnavailable"),
        Fault::status(500, "InternalError"),
        Fault::lose_answer(),
        Fault::cut_answer(20),
        Fault::flip_byte(500),
        Fault::wrong_crc(),
    ] {
        for routines in [1, 3] {
            let scene = Scene::with_parts(4);
            let faults = [2, 4].map(|part| {
                let fault = fault.clone().on(Operation::UploadPart);
                scene.server.fault(fault.part(part).times(2))
            });
            let uploaded = scene.upload().routines(routines).run().expect("uploaded");
            assert!(faults.iter().all(|fault| fault.hits() == 2), "{fault:?}");
            assert!(uploaded.retries >= 4, "{fault:?}");
            scene.expect_done(&uploaded);
        }
    }
}

/// ali-oss counts the repetitions of all parts together.
#[test]
fn d20_every_part_has_tries_of_its_own() {
    let scene = Scene::with_parts(6);
    let policy = hasty().max_attempts(3);
    let bucket = bucket(client(&scene.server).retry(policy));
    for part in 1..=6 {
        let failing = Fault::status(500, "InternalError").on(Operation::UploadPart);
        scene.server.fault(failing.part(part).times(2));
    }
    let upload = bucket.upload_file(KEY, &scene.file).part_size(PART);
    let uploaded = upload.routines(2).run().expect("uploaded");
    assert_eq!(uploaded.retries, 12);
    scene.expect_done(&uploaded);
}

/// ali-oss compares no checksum.
#[test]
fn d20_bytes_that_are_always_damaged_on_the_way_are_never_an_object() {
    let scene = Scene::with_parts(3);
    let damage = Fault::flip_byte(7).on(Operation::UploadPart).part(2);
    let damage = scene.server.fault(damage);
    let error = scene.upload().run().expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert_eq!(error.part_number(), Some(2));
    assert_eq!(scene.server.count(Operation::CompleteMultipartUpload), 0);
    damage.remove();
    let uploaded = scene.upload().run().expect("resumed");
    scene.expect_resumed(&uploaded, 1);
}

/// ossutil repeats the whole call ten times, also when it is refused.
#[test]
fn d21_what_is_refused_for_good_is_asked_once() {
    for (operation, part_size) in [
        (Operation::InitiateMultipartUpload, PART),
        (Operation::UploadPart, PART),
        (Operation::CompleteMultipartUpload, PART),
        (Operation::PutObject, 10 * PART),
    ] {
        for (status, code) in [
            (403, "AccessDenied"),
            (403, "SignatureDoesNotMatch"),
            (403, "InvalidAccessKeyId"),
            (404, "NoSuchBucket"),
            (400, "InvalidArgument"),
            (409, "FileAlreadyExists"),
        ] {
            let scene = Scene::with_parts(3);
            let refused = Fault::status(status, code).on(operation);
            let refused = scene.server.fault(refused);
            let upload = scene.upload_without_checkpoint().part_size(part_size);
            let error = upload.run().expect_err("refused");
            assert_eq!(error.service_error().map(|e| e.code()), Some(code));
            assert_eq!(refused.hits(), 1, "{operation:?}: {code}");
            assert_eq!(scene.server.count(operation), 1, "{operation:?}: {code}");
            assert_eq!(scene.server.pending_uploads(), []);
        }
    }
}

/// The AWS runtime takes "not found" for success when all parts were done, without a look at the object.
#[test]
fn d22_not_found_is_success_only_when_the_object_is_the_file() {
    let scene = Scene::with_parts(4);
    let bytes = fs::read(&scene.file).expect("the file");
    let other = random_bytes(bytes.len() as u64, 9);
    for (object, is_ours) in [
        (None, false),
        (Some(&other[..]), false),
        (Some(&bytes[..bytes.len() - 1]), false),
        (Some(&bytes[..]), true),
    ] {
        let refused = Fault::deny().on(Operation::CompleteMultipartUpload);
        scene.server.fault(refused.times(1));
        scene.upload().run().expect_err("not completed");
        scene.server.drop_upload(&scene.upload_id());
        match object {
            Some(bytes) => scene.server.put_object(BUCKET, KEY, bytes),
            None => assert!(scene.server.object(BUCKET, KEY).is_none()),
        }
        let uploaded = scene.upload().run().expect("uploaded");
        let expected = match is_ours {
            true => Outcome::AlreadyComplete,
            false => Outcome::Restarted(RestartReason::UploadGone),
        };
        assert_eq!(uploaded.outcome, expected);
        scene.expect_done(&uploaded);
        scene.server.remove_object(BUCKET, KEY);
    }
}

/// The AWS runtime does not look at the object; a look at its bytes alone still takes an older copy for this upload.
#[test]
fn d22_an_older_object_with_other_metadata_is_not_taken_for_this_upload() {
    let scene = Scene::with_parts(4);
    scene
        .server
        .put_object(BUCKET, KEY, &fs::read(&scene.file).expect("the file"));
    let upload = || scene.upload().meta("owner", "alice");
    let third = Fault::deny().on(Operation::UploadPart).nth(3).times(1);
    scene.server.fault(third);
    upload().run().expect_err("interrupted");
    scene.server.drop_upload(&scene.upload_id());
    let uploaded = upload().run().expect("uploaded");
    scene.expect_done(&uploaded);
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    let owner = object.headers.get("x-oss-meta-owner");
    assert_eq!(owner.map(String::as_str), Some("alice"));
}

/// The AWS runtime does not look for an error in the body of a successful answer to Complete.
#[test]
fn d22_an_error_inside_a_200_is_no_success() {
    let scene = Scene::with_parts(3);
    let body = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>";
    let lie = Fault::answer(200, "application/xml", body).on(Operation::CompleteMultipartUpload);
    scene.server.fault(lie.times(1));
    let error = scene.upload().run().expect_err("not completed");
    assert_eq!(
        error.service_error().map(|e| e.code()),
        Some("AccessDenied")
    );
    assert!(error.is_resumable());
    let uploaded = scene.upload().run().expect("completed");
    scene.expect_resumed(&uploaded, 3);
}

/// rclone takes the newest open upload of the same name for its own, whoever began it.
#[test]
fn d23_an_open_upload_of_somebody_else_for_the_same_key_is_left_alone() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let theirs = scene.server.pending_uploads();
    let ours = scene.dir.path().join("ours.cp");
    let upload = || scene.upload().checkpoint(Checkpoint::at(&ours));
    let third = Fault::deny().on(Operation::UploadPart).nth(3).times(1);
    scene.server.fault(third);
    upload().run().expect_err("interrupted");
    let uploaded = upload().run().expect("resumed");
    assert_ne!(uploaded.upload_id.as_ref(), Some(&theirs[0].upload_id));
    assert_eq!(uploaded.parts_resumed(), 2);
    assert_eq!(scene.server.pending_uploads(), theirs);
    let without = scene.upload_without_checkpoint().run().expect("uploaded");
    assert_eq!(without.outcome, Outcome::Fresh);
    assert_eq!(scene.server.pending_uploads(), theirs);
    let theirs = scene.upload().run().expect("resumed");
    assert_eq!(theirs.parts_resumed(), 2);
    scene.expect_done(&theirs);
}

/// object_store gives a request half a minute in all, which kills large parts on slow lines.
#[test]
fn d24_a_part_that_takes_longer_than_any_time_out_succeeds_while_it_moves() {
    const SLOW_PART: u64 = 2 << 20;
    let server = LocalServer::builder().receive_buffer(16 << 10);
    let scene = Scene::on(server.start().expect("a port"), SLOW_PART + PART);
    // Two seconds for the part, half of it for silence. The first try must do.
    let slow = Fault::bandwidth(1 << 20).on(Operation::UploadPart).part(1);
    scene.server.fault(slow);
    let patient = client(&scene.server).stall_timeout(Duration::from_secs(1));
    let bucket = bucket(patient.retry(hasty().max_attempts(1)));
    let upload = bucket.upload_file(KEY, &scene.file).part_size(SLOW_PART);
    let uploaded = upload.run().expect("uploaded");
    assert_eq!(uploaded.retries, 0);
    scene.expect_done(&uploaded);
}

/// object_store leaks an upload that is dropped, and rust-s3 one that fails.
#[test]
fn d24_without_a_checkpoint_no_end_leaves_parts_behind() {
    let scene = Scene::with_parts(6);
    let expect_nothing = |kind, error: Error| {
        assert_eq!(error.kind(), kind);
        assert!(!error.is_resumable());
        assert_eq!(error.upload_id(), None);
        assert_eq!(error.left_behind(), [""; 0]);
        assert_eq!(scene.server.pending_uploads(), []);
        scene.server.clear_faults();
    };
    let upload = || scene.upload_without_checkpoint().routines(2);

    let fourth = Fault::deny().on(Operation::UploadPart).nth(4);
    scene.server.fault(fourth);
    let error = upload().run().expect_err("denied");
    expect_nothing(ErrorKind::Service, error);

    let exhausting = Fault::status(500, "InternalError").on(Operation::UploadPart);
    scene.server.fault(exhausting.part(3));
    let error = upload().run().expect_err("it keeps failing");
    expect_nothing(ErrorKind::Service, error);

    scene
        .server
        .fault(Fault::deny().on(Operation::CompleteMultipartUpload));
    let error = upload().run().expect_err("denied");
    expect_nothing(ErrorKind::Service, error);

    let control = Control::new();
    let cancelling = control.clone();
    let cancel = Fault::run(move |_| cancelling.cancel());
    scene.server.fault(cancel.on(Operation::UploadPart).nth(3));
    let error = upload().control(&control).run().expect_err("cancelled");
    expect_nothing(ErrorKind::Cancelled, error);

    let panicking = upload().on_progress(|seen| {
        assert_eq!(seen.parts_done, 0, "on purpose");
    });
    let error = panicking.run().expect_err("the observer panics");
    expect_nothing(ErrorKind::Internal, error);
}

/// A Rust crate for OSS drops the object's options at Initiate.
#[test]
fn d25_options_reach_every_initiate_and_the_object() {
    const GIVEN: [(&str, &str); 5] = [
        ("content-type", "text/x-rust"),
        ("cache-control", "no-cache"),
        ("content-disposition", "attachment"),
        ("x-oss-storage-class", "IA"),
        ("x-oss-tagging", "a=1&b=2"),
    ];
    let scene = Scene::with_parts(3);
    // So that there is a second Initiate.
    let gone = Fault::forget_upload().on(Operation::CompleteMultipartUpload);
    scene.server.fault(gone.times(1));
    let mut upload = scene.upload().meta("owner", "alice");
    for (name, value) in GIVEN {
        upload = upload.header(name, value);
    }
    let uploaded = upload.run().expect("uploaded");
    let requests = scene.server.requests().into_iter();
    let initiates: Vec<RequestLog> = requests
        .filter(|request| request.operation == Operation::InitiateMultipartUpload)
        .collect();
    assert_eq!(initiates.len(), 2);
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    for (name, value) in GIVEN.into_iter().chain([("x-oss-meta-owner", "alice")]) {
        for initiate in &initiates {
            assert_eq!(initiate.header(name), Some(value));
        }
        assert_eq!(object.headers.get(name).map(String::as_str), Some(value));
    }
    scene.expect_done(&uploaded);
}

/// A Rust crate for OSS finds out on the way that there are more than 10,000 parts.
#[test]
fn d25_too_many_parts_are_an_error_before_the_first_request() {
    let server = LocalServer::start().expect("a port");
    let scene = Scene::with_holes(server, 10_000 * PART + 1);
    let error = scene.upload().run().expect_err("one part too many");
    assert_eq!(error.kind(), ErrorKind::Options);
    assert!(error.to_string().contains("102401"), "{error}");
    assert_eq!(scene.server.requests().len(), 0);
    assert!(!scene.checkpoint().exists());
}

/// A Rust crate for OSS prints its doings to the standard error of the program.
#[test]
fn d25_the_library_prints_nothing() {
    let test = "d25_the_library_prints_nothing";
    if child::is_here() {
        child::upload().expect("uploaded");
        return;
    }
    let scene = Scene::with_parts(4);
    fs::write(scene.checkpoint(), "my diary").expect("written");
    let failing = Fault::status(500, "InternalError").on(Operation::UploadPart);
    scene.server.fault(failing.times(2));
    let gone = Fault::forget_upload().on(Operation::CompleteMultipartUpload);
    scene.server.fault(gone.times(1));
    let child = child::command(&scene, module_path!(), test).output();
    let output = child.expect("started");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 2);
}
