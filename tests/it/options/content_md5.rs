//! Content-MD5: damaged bodies are refused and sent again, and a file that changes between the two reads is noticed.

use crate::support::{Notes, Scene, keeping_mtime, random_bytes};
use Operation::{
    CompleteMultipartUpload as Complete, InitiateMultipartUpload as Initiate, PutObject, UploadPart,
};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{Control, ErrorKind, OnChange, Phase, RestartReason};
use std::fs;

/// The server checksums what arrives, and has refused what differs.
#[test]
fn a_body_that_is_damaged_on_the_way_is_refused_and_sent_again() {
    for (operation, n_parts) in [(UploadPart, 3), (PutObject, 1), (Complete, 3)] {
        let scene = Scene::with_parts(n_parts);
        scene.once(Fault::flip_byte(7), operation);
        let uploaded = scene.upload().content_md5().run().expect("uploaded");
        let requests = scene.server.requests();
        let refused: Vec<_> = requests.iter().filter(|r| r.status == Some(400)).collect();
        assert_eq!(refused.len(), 1, "{operation:?}");
        assert_eq!(refused[0].operation, operation);
        assert_eq!(uploaded.retries, 1);
        scene.expect_done(&uploaded);
    }
}

#[test]
fn a_body_that_is_always_damaged_is_an_error_in_the_end() {
    for (operation, n_parts) in [(UploadPart, 3), (PutObject, 1), (Complete, 3)] {
        let scene = Scene::with_parts(n_parts);
        let damaged = scene.server.fault(Fault::flip_byte(7).on(operation));
        let error = scene.upload().content_md5().run().expect_err("damaged");
        assert_eq!(error.kind(), ErrorKind::Service, "{error}");
        let code = error.service_error().map(|error| error.code());
        assert_eq!(code, Some("InvalidDigest"), "{operation:?}");
        assert_eq!(damaged.hits(), 8, "{operation:?}");
        damaged.remove();
        let uploaded = scene.upload().content_md5().run().expect("uploaded");
        scene.expect_done(&uploaded);
    }
}

/// Initiate has no bytes; its checksum is that of nothing.
#[test]
fn every_body_has_the_checksum_of_its_bytes_and_nothing_else_has_one() {
    let scene = Scene::with_parts(3);
    let uploaded = scene.upload().content_md5().run().expect("uploaded");
    let md5: Notes<String> = Notes::new();
    for request in scene.server.requests() {
        let sent = request.header("content-md5");
        match request.operation {
            Initiate => assert_eq!(sent, Some("1B2M2Y8AsgTpgAmY7PhCfg==")),
            UploadPart | Complete => md5.add(sent.expect("a checksum").to_owned()),
            other => panic!("{other:?}"),
        }
    }
    let mut md5 = md5.take();
    md5.sort();
    md5.dedup();
    assert_eq!(md5.len(), 4, "three parts and a list: {md5:?}");
    scene.expect_done(&uploaded);
}

/// The part was read for its MD5 before the first attempt, and is other bytes at the second.
#[test]
fn a_file_that_changes_between_the_two_reads_is_a_changed_file() {
    for (operation, n_parts) in [(UploadPart, 3), (PutObject, 1)] {
        for on_change in [OnChange::Restart, OnChange::Fail] {
            let scene = Scene::with_parts(n_parts);
            let file = scene.file.clone();
            let rewrite = move || {
                let len = fs::metadata(&file).expect("the file").len();
                // Length and mtime stay: only the bytes tell.
                keeping_mtime(&file, || {
                    fs::write(&file, random_bytes(len, 2)).expect("written")
                });
            };
            let hook = Fault::run(move |_| rewrite()).on(operation).times(1);
            scene.server.fault(hook);
            scene.once(Fault::status(503, "ServiceUnavailable"), operation);
            let run = scene.upload().content_md5().on_change(on_change).run();
            match on_change {
                OnChange::Fail => {
                    let error = run.expect_err("changed");
                    assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}");
                    assert_eq!(scene.server.pending_uploads(), []);
                }
                _ => {
                    let uploaded = run.expect("uploaded");
                    scene.expect_restarted(&uploaded, RestartReason::FileChanged);
                }
            }
        }
    }
}

/// A part that takes seconds to read is not read to its end for nobody, and is no changed file for it.
#[test]
fn a_cancel_is_heard_while_a_part_is_read_for_its_checksum() {
    let server = LocalServer::start().expect("a port");
    let scene = Scene::with_holes(server, 4 << 30);
    let control = Control::new();
    let mut sending = 0;
    let upload = scene.upload().part_size(3 << 30).content_md5();
    let upload = upload.control(&control).on_progress(|snapshot| {
        sending += u32::from(snapshot.phase == Phase::Sending);
        if sending == 3 {
            control.cancel();
        }
    });
    let error = upload.run().expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(error.is_resumable());
    assert_eq!(scene.parts_sent(), [0; 0]);
}
