//! Row 8: the upload id, when it is gone, used up or in somebody's way. More of it is in `resume.rs` and D22.

use crate::support::{BUCKET, KEY, Scene, random_bytes};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{Callback, ErrorKind, RestartReason};
use std::fs;

const PARTS: u16 = 6;

/// Where the upload is found to be gone.
const GONE_AT: [(Operation, u32); 4] = [
    (Operation::ListParts, 1),
    (Operation::UploadPart, 1),
    (Operation::UploadPart, 3),
    (Operation::CompleteMultipartUpload, 1),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum There {
    Nothing,
    Ours,
    AnotherOfThatLength,
}

#[test]
fn a_vanished_upload_is_settled_by_what_is_there_whenever_it_vanishes() {
    for (operation, nth) in GONE_AT {
        for there in [There::Nothing, There::Ours, There::AnotherOfThatLength] {
            for routines in [1, 4] {
                let scene = Scene::with_parts(PARTS).interrupted_after(2);
                let bytes = fs::read(&scene.file).expect("the file");
                match there {
                    There::Nothing => {}
                    There::Ours => scene.server.put_object(BUCKET, KEY, &bytes),
                    There::AnotherOfThatLength => {
                        let other = random_bytes(bytes.len() as u64, 9);
                        scene.server.put_object(BUCKET, KEY, &other);
                    }
                }
                scene.once(Fault::forget_upload().nth(nth), operation);
                let uploaded = scene.upload().routines(routines).run();
                let what = format!("{operation:?} {nth}, {there:?}, {routines} routines");
                let uploaded = uploaded.unwrap_or_else(|error| panic!("{what}: {error}"));
                let initiated = scene.server.count(Operation::InitiateMultipartUpload);
                match there {
                    There::Ours => {
                        assert_eq!(initiated, 0, "{what}");
                        assert_eq!(uploaded.restarts, [], "{what}");
                    }
                    _ => {
                        assert_eq!(initiated, 1, "{what}");
                        assert_eq!(uploaded.restarts, [RestartReason::UploadGone], "{what}");
                    }
                }
                assert!(uploaded.bytes_sent <= 2 * uploaded.size, "{what}");
                scene.expect_done(&uploaded);
            }
        }
    }
}

fn callback_failed() -> Fault {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>CallbackFailed</Code>\
                <Message>Error status : 502.</Message><RequestId>534B371674E88A4D8906008B</RequestId></Error>";
    Fault::answer(203, "application/xml", body)
}

/// OSS stores the object first; the upload id is used up, so that there is nothing to abort and nothing to continue.
#[test]
fn a_callback_that_fails_is_told_from_an_upload_that_fails() {
    // Whether the answer has the object's ETag or not.
    let etag = Fault::replace_answer_header("ETag", "\"1A0F81547E5BA2E9C4A4B94A74731993\"");
    for n_parts in [1, PARTS] {
        for with_checkpoint in [true, false] {
            let scene = Scene::with_parts(n_parts);
            scene.once(callback_failed(), Operation::CompleteMultipartUpload);
            scene.once(callback_failed(), Operation::PutObject);
            if with_checkpoint {
                scene.server.fault(etag.clone());
            }
            let upload = match with_checkpoint {
                true => scene.upload(),
                false => scene.upload_without_checkpoint(),
            };
            let error = upload.callback(Callback::form("http://app", "a=b")).run();
            let error = error.expect_err("the callback failed");
            assert_eq!(error.kind(), ErrorKind::Callback, "{error}");
            let text = error.to_string();
            assert!(text.contains("the object is stored"), "{text}");
            assert!(text.contains("Error status : 502"), "{text}");
            assert!(text.contains("534B371674E88A4D8906008B"), "{text}");
            assert!(!error.is_resumable());
            assert_eq!(error.left_behind(), [""; 0]);
            assert!(!scene.checkpoint().exists());
            assert_eq!(scene.server.count(Operation::AbortMultipartUpload), 0);
            let last = scene.server.requests().pop().expect("a request");
            assert_eq!(last.status, Some(203), "{last:?}");
        }
    }
}

#[test]
fn with_forbid_overwrite_an_object_that_is_there_ends_it_before_a_part_is_sent() {
    for n_parts in [1, PARTS] {
        let scene = Scene::with_parts(n_parts);
        scene.server.put_object(BUCKET, KEY, b"theirs");
        let upload = scene.upload().header("x-oss-forbid-overwrite", "true");
        let error = upload.run().expect_err("it is there");
        let code = error.service_error().map(|error| error.code());
        assert_eq!(code, Some("FileAlreadyExists"), "{error}");
        assert!(!error.is_resumable());
        assert_eq!(scene.parts_sent(), [0; 0]);
        assert_eq!(scene.server.pending_uploads(), []);
        assert!(!scene.checkpoint().exists());
        expect_theirs(&scene);
    }
}

fn expect_theirs(scene: &Scene) {
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    assert_eq!(object.bytes().expect("readable"), b"theirs");
}

#[test]
fn with_forbid_overwrite_an_object_that_came_in_between_is_kept_and_so_are_the_parts() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(PARTS);
        let upload = || {
            let upload = scene.upload().routines(routines);
            upload.header("x-oss-forbid-overwrite", "true")
        };
        scene.once(Fault::deny().nth(3), Operation::UploadPart);
        upload().run().expect_err("interrupted");
        scene.server.put_object(BUCKET, KEY, b"theirs");
        let error = upload().run().expect_err("it is there by now");
        let code = error.service_error().map(|error| error.code());
        assert_eq!(code, Some("FileAlreadyExists"), "{error}");
        assert!(error.is_resumable());
        expect_theirs(&scene);
        assert!(scene.server.remove_object(BUCKET, KEY));
        let uploaded = upload().run().expect("completed");
        assert_eq!(uploaded.bytes_sent, 0);
        scene.expect_resumed(&uploaded, PARTS);
    }
}
