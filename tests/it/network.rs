//! What networks and servers do to a request, and what an upload makes of it.

use crate::support::process::WATCHDOG;
use crate::support::runs::{STALL, code, watched};
use crate::support::{BUCKET, PART, Scene, hasty, wait_reached};
use Operation::{
    CompleteMultipartUpload, HeadObject, InitiateMultipartUpload, ListParts, PutObject, UploadPart,
};
use oss_upload::local_server::{Fault, Gate, LocalServer, Operation};
use oss_upload::{Checkpoint, Client, Credentials, Error, ErrorKind};
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Every call that an upload may need to succeed.
const OPERATIONS: [Operation; 5] = [
    InitiateMultipartUpload,
    UploadPart,
    ListParts,
    CompleteMultipartUpload,
    PutObject,
];

/// How often a request is attempted, by default.
const ATTEMPTS: u32 = 8;

/// An upload whose next run needs this call.
pub(crate) fn about_to(operation: Operation) -> Scene {
    match operation {
        PutObject => Scene::with_len(PART - 1),
        ListParts | HeadObject => {
            let scene = Scene::with_parts(3).interrupted_after(1);
            if operation == HeadObject {
                scene.server.drop_upload(&scene.upload_id());
            }
            scene
        }
        _ => Scene::with_parts(3),
    }
}

/// Silence.
mod silence {
    use super::*;

    #[test]
    fn a_peer_that_stops_reading_or_never_answers_is_left_and_the_part_sent_again() {
        for routines in [1, 4] {
            for fault in [
                Fault::no_answer(),
                Fault::stop_reading_after(0),
                Fault::stop_reading_after(PART / 2),
                Fault::stop_reading_after(PART),
            ] {
                let scene = Scene::with_parts(5).impatient();
                let silent = scene.server.fault(fault.on(UploadPart).part(2).times(1));
                let upload = scene.upload().routines(routines);
                let uploaded = watched(upload).expect("uploaded");
                assert_eq!((silent.hits(), uploaded.retries), (1, 1), "{silent:?}");
                scene.expect_done(&uploaded);
            }
        }
    }

    #[test]
    fn a_part_may_be_of_any_size_for_that() {
        for routines in [1, 4] {
            for fault in [
                Fault::no_answer(),
                Fault::stop_reading_after(0),
                Fault::stop_reading_after(7 << 20),
            ] {
                let server = LocalServer::builder().receive_buffer(64 << 10).start();
                let scene = Scene::on(server.expect("a port"), 17 << 20).impatient();
                let silent = scene.server.fault(fault.on(UploadPart).part(2).times(1));
                let upload = scene.upload().part_size(8 << 20).routines(routines);
                let uploaded = watched(upload).expect("uploaded");
                assert_eq!((silent.hits(), uploaded.retries), (1, 1), "{silent:?}");
                scene.expect_done(&uploaded);
            }
        }
    }

    #[test]
    fn every_call_that_is_not_answered_is_repeated() {
        for operation in OPERATIONS {
            let scene = about_to(operation).impatient();
            let silent = scene
                .server
                .fault(Fault::no_answer().on(operation).times(1));
            let uploaded = scene.run_ok(&format!("{operation:?}"));
            assert_eq!((silent.hits(), uploaded.retries), (1, 1), "{operation:?}");
        }
    }

    #[test]
    fn a_peer_that_is_silent_for_ever_ends_in_an_error() {
        let two_tries = hasty().max_attempts(2);
        for operation in OPERATIONS {
            let scene = about_to(operation)
                .with_client(|client| client.stall_timeout(STALL).retry(two_tries.clone()));
            let silent = scene.server.fault(Fault::no_answer().on(operation));
            let error = scene.run_err(&format!("{operation:?}"));
            assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
            assert!(error.to_string().contains("no answer came"), "{error}");
            assert_eq!(silent.hits(), 2, "{operation:?}");
        }
    }

    /// Slow is not silent: each part takes several times the stall timeout.
    #[test]
    fn a_slow_line_that_still_moves_is_never_cut_off() {
        for routines in [1, 4] {
            let server = LocalServer::builder().receive_buffer(16 << 10).start();
            let len = 4 * (1 << 20);
            let scene = Scene::on(server.expect("a port"), len).impatient();
            let slow = Fault::bandwidth(1 << 20).on(UploadPart);
            let slow = scene.server.fault(slow);
            let upload = scene.upload().part_size(1 << 20).routines(routines);
            let uploaded = watched(upload).expect("uploaded");
            assert_eq!((slow.hits(), uploaded.retries), (4, 0));
            scene.expect_done(&uploaded);
        }
    }

    /// Behind the last write, a full send buffer is still on its way.
    #[test]
    fn a_very_slow_line_is_not_taken_for_a_server_that_does_not_answer() {
        let server = LocalServer::builder().receive_buffer(16 << 10).start();
        let scene = Scene::on(server.expect("a port"), 3 * PART).impatient();
        let slow = Fault::bandwidth(100_000).on(UploadPart);
        let slow = scene.server.fault(slow);
        let uploaded = watched(scene.upload().routines(3)).expect("uploaded");
        assert_eq!((slow.hits(), uploaded.retries), (3, 0));
        scene.expect_done(&uploaded);
    }

    #[test]
    fn an_answer_that_trickles_is_read_to_its_end() {
        for operation in OPERATIONS {
            let scene = about_to(operation).impatient();
            // Some 300 bytes: several times the stall timeout.
            let slow = Fault::trickle_answer(Duration::from_millis(2));
            let slow = scene.server.fault(slow.on(operation).times(1));
            let uploaded = scene.run_ok(&format!("{operation:?}"));
            assert_eq!((slow.hits(), uploaded.retries), (1, 0), "{operation:?}");
        }
    }
}

/// Connections that break.
mod breaks {
    use super::*;

    #[test]
    fn a_connection_may_break_at_any_byte_of_a_part() {
        let breaks: [fn(u64) -> Fault; 2] = [Fault::reset_after, Fault::close_after];
        for routines in [1, 4] {
            for operation in [UploadPart, PutObject] {
                for (i, break_after) in breaks.into_iter().enumerate() {
                    for byte in [0, 1, PART / 2, PART - 2, PART - 1] {
                        let scene = about_to(operation);
                        let broken = break_after(byte).on(operation).times(1);
                        let broken = scene.server.fault(broken);
                        let upload = scene.upload().routines(routines);
                        let uploaded = upload.run().expect("uploaded");
                        let what = format!("{operation:?} {i} {byte}");
                        assert_eq!((broken.hits(), uploaded.retries), (1, 1), "{what}");
                        scene.expect_done(&uploaded);
                    }
                }
            }
        }
    }

    #[test]
    fn a_part_that_always_breaks_ends_in_an_error_after_the_last_attempt() {
        let breaks: [fn(u64) -> Fault; 2] = [Fault::reset_after, Fault::close_after];
        for break_after in breaks {
            let scene = Scene::with_parts(3);
            let fault = break_after(1000).on(UploadPart).part(2);
            let broken = scene.server.fault(fault);
            let error = scene.run_err("it always breaks");
            assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
            assert_eq!(error.part_number(), Some(2));
            assert!(error.is_resumable());
            // One more where a kept connection seemed to have been closed before.
            assert!(
                (ATTEMPTS..=ATTEMPTS + 1).contains(&broken.hits()),
                "{error}"
            );
            broken.remove();
            let uploaded = scene.upload().run().expect("resumed");
            scene.expect_resumed(&uploaded, 1);
        }
    }

    /// From no byte at all to the last but one, in steps; a scene for each, since the work may be done.
    #[test]
    fn an_answer_may_be_cut_at_any_byte() {
        for operation in OPERATIONS {
            let mut byte = 0;
            loop {
                let scene = about_to(operation);
                let cut = Fault::cut_answer(byte).on(operation).times(1);
                let cut = scene.server.fault(cut);
                scene.run_ok(&format!("{operation:?} cut at {byte}"));
                assert_eq!(cut.hits(), 1);
                let needed = if operation == UploadPart { 3 } else { 1 };
                match scene.server.count(operation) - needed {
                    // The answer ends here: nothing was cut off.
                    0 => break,
                    repeated => assert_eq!(repeated, 1, "{operation:?} cut at {byte}"),
                }
                byte += 13;
                assert!(
                    byte < 2000,
                    "{operation:?}: even a whole answer is not enough"
                );
            }
            assert!(byte > 200, "{operation:?}: {byte} bytes are no answer");
        }
    }

    #[test]
    fn a_kept_connection_that_the_server_closed_is_no_failed_attempt() {
        for routines in [1, 4] {
            let scene =
                Scene::with_parts(30).with_client(|client| client.retry(hasty().max_attempts(1)));
            let closed = scene.server.fault(Fault::close_after_answer_silently());
            let uploaded = scene.upload().routines(routines).run().expect("uploaded");
            assert_eq!(closed.hits(), 32);
            scene.expect_done(&uploaded);
        }
    }

    #[test]
    fn there_are_as_many_connections_as_routines_however_many_parts() {
        for routines in [1, 4] {
            let scene = Scene::with_parts(40);
            let (hold, gate) = Fault::hold();
            // All routines are at work before the first is through.
            let hold = hold
                .on(UploadPart)
                .times(u32::try_from(routines).expect("few"));
            scene.server.fault(hold);
            let uploaded = thread::scope(|scope| {
                scope.spawn(|| open_at(&gate, routines));
                scene.upload().routines(routines).run().expect("uploaded")
            });
            let used: BTreeSet<u64> = connections(&scene);
            assert_eq!(used.len(), routines);
            assert_eq!(uploaded.retries, 0);
            scene.expect_done(&uploaded);
        }
    }

    fn open_at(gate: &Gate, routines: usize) {
        wait_reached(gate, u32::try_from(routines).expect("few"));
        gate.open();
    }

    fn connections(scene: &Scene) -> BTreeSet<u64> {
        let requests = scene.server.requests().into_iter();
        requests.map(|request| request.connection).collect()
    }
}

/// Answers that come too early, from somebody else, or make no sense.
mod answers {
    use super::*;

    #[test]
    fn an_error_that_comes_before_the_body_is_taken_is_that_error() {
        for (operation, len, part_size) in [
            (UploadPart, 3 * PART, PART),
            (UploadPart, 17 << 20, 8 << 20),
            (PutObject, PART, PART),
            (PutObject, 8 << 20, 8 << 20),
        ] {
            for routines in [1, 4] {
                let few = u32::try_from(routines).expect("few");
                let scene = Scene::with_len(len);
                let early = Fault::early_answer(403, "AccessDenied").on(operation);
                let early = scene.server.fault(early);
                let upload = scene.upload().part_size(part_size).routines(routines);
                let error = upload.run().expect_err("denied");
                assert_eq!(code(&error), Some("AccessDenied"), "{error}");
                assert!(early.hits() <= few);

                let scene = Scene::with_len(len);
                let early = Fault::early_answer(503, "ServiceUnavailable").on(operation);
                let early = scene.server.fault(early.times(2));
                let upload = scene.upload().part_size(part_size).routines(routines);
                let uploaded = upload.run().expect("uploaded");
                assert_eq!((early.hits(), uploaded.retries), (2, 2));
                scene.expect_done(&uploaded);
            }
        }
    }

    const PAGE: &str =
        "<html><head><title>Welcome</title></head><body>Please log in.</body></html>";

    #[test]
    fn a_gateway_s_error_page_is_a_passing_fault() {
        for operation in OPERATIONS {
            let scene = about_to(operation);
            let page = || Fault::answer(502, "text/html", PAGE).on(operation);
            let always = scene.server.fault(page());
            let error = scene.run_err("there is nothing but the page");
            assert_eq!(error.kind(), ErrorKind::Service, "{error}");
            assert_eq!(code(&error), Some("HTTP 502"));
            assert!(error.to_string().contains("<html>"), "{error}");
            assert_eq!(always.hits(), ATTEMPTS, "{operation:?}");
            always.remove();
            scene.server.fault(page().times(3));
            scene.run_ok(&format!("{operation:?}"));
        }
    }

    /// What a proxy or a login page answers in OSS's place is no success, whatever its status says.
    fn expect_no_success(operation: Operation, answer: &Fault, words: &[&str]) {
        let scene = about_to(operation);
        let always = scene.server.fault(answer.clone().on(operation));
        let error = scene.run_err(&format!("{operation:?}"));
        assert_eq!(error.kind(), ErrorKind::Transport, "{operation:?}: {error}");
        for word in words {
            assert!(error.to_string().contains(word), "{operation:?}: {error}");
        }
        assert!(error.to_string().len() < 1000, "{error}");
        assert_eq!(always.hits(), ATTEMPTS, "{operation:?}");
        assert!(scene.server.object(BUCKET, crate::support::KEY).is_none());
        always.remove();
        scene.server.fault(answer.clone().on(operation).times(1));
        let uploaded = scene.run_ok(&format!("{operation:?}"));
        assert_eq!(uploaded.retries, 1, "{operation:?}");
    }

    #[test]
    fn a_page_with_status_200_is_no_success() {
        let page = Fault::answer(200, "text/html", PAGE);
        for operation in [InitiateMultipartUpload, ListParts, CompleteMultipartUpload] {
            expect_no_success(operation, &page, &["<html>"]);
        }
        expect_no_success(UploadPart, &page, &["ETag"]);
    }

    #[test]
    fn a_page_with_status_200_is_no_success_for_a_small_file_either() {
        let page = Fault::answer(200, "text/html", PAGE);
        expect_no_success(PutObject, &page, &[]);
    }

    #[test]
    fn an_answer_that_is_not_the_xml_asked_for_is_a_clear_error() {
        let xml = |body: &[u8]| Fault::answer(200, "application/xml", body);
        for (operation, name) in [
            (InitiateMultipartUpload, "InitiateMultipartUpload"),
            (ListParts, "ListParts"),
            (CompleteMultipartUpload, "CompleteMultipartUpload"),
        ] {
            for (body, word) in [
                (&b""[..], "it is empty"),
                (b"\xff\xfe\x00garbage", "UTF-8"),
                (b"garbage", "is not XML"),
                (b"<Other/>", "<Other>"),
                (
                    b"<?xml version=\"1.0\"?><InitiateMultipartUploadResult><Upl",
                    "is not XML",
                ),
                (
                    b"<ListPartsResult><IsTruncated>false</IsTruncated><Part>",
                    "is not XML",
                ),
                (b"<CompleteMultipartUploadResult><ETag>\"", "is not XML"),
                (b"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "is not XML"),
            ] {
                expect_no_success(operation, &xml(body), &[name, word]);
            }
            let bare = format!("<{name}Result></{name}Result>");
            if operation != CompleteMultipartUpload {
                expect_no_success(operation, &xml(bare.as_bytes()), &[name, "has "]);
            }
        }
    }

    #[test]
    fn an_endless_answer_is_not_read_to_its_end() {
        let huge = Fault::answer(200, "application/xml", vec![b'x'; 50 << 20]);
        for operation in [InitiateMultipartUpload, ListParts, CompleteMultipartUpload] {
            expect_no_success(operation, &huge, &["longer than"]);
        }
        let chunked = Scene::with_parts(3);
        chunked.server.fault(Fault::chunked_answer());
        chunked.server.fault(huge.on(InitiateMultipartUpload));
        let error = chunked.run_err("endless, without a length");
        assert!(error.to_string().contains("longer than"), "{error}");
    }

    #[test]
    fn chunked_answers_and_informational_ones_are_understood() {
        for operation in OPERATIONS {
            for fault in [Fault::chunked_answer(), Fault::informational_first()] {
                let scene = about_to(operation);
                let fault = scene.server.fault(fault);
                let uploaded = scene.run_ok(&format!("{operation:?}"));
                assert_eq!(uploaded.retries, 0, "{operation:?}");
                assert!(fault.hits() > 0);
            }
        }
    }

    #[test]
    fn pages_of_parts_that_stand_still_end_in_an_error_that_keeps_the_progress() {
        for marker in ["0", "1"] {
            let scene = about_to(ListParts);
            let page = format!(
                "<ListPartsResult><IsTruncated>true</IsTruncated>\
                 <NextPartNumberMarker>{marker}</NextPartNumberMarker></ListPartsResult>"
            );
            let still = Fault::answer(200, "application/xml", page).on(ListParts);
            let still = scene.server.fault(still.times(50));
            let error = scene.run_err("the pages do not end");
            assert_eq!(error.kind(), ErrorKind::Transport);
            assert!(error.to_string().contains("lead nowhere"), "{error}");
            assert!(error.is_resumable());
            assert!(still.hits() <= 2);
            still.remove();
            let uploaded = scene.run_ok("the pages move again");
            assert_eq!(uploaded.parts_resumed(), 1);
        }
    }

    #[test]
    fn redirects_are_not_followed() {
        let elsewhere = LocalServer::builder().allow_anonymous(true).start();
        let elsewhere = elsewhere.expect("a port");
        for status in [301, 302, 303, 307, 308] {
            for operation in OPERATIONS {
                let scene = about_to(operation);
                let location = format!("{}/{BUCKET}/stolen", elsewhere.endpoint());
                let redirect = Fault::status(status, "TemporaryRedirect").on(operation);
                let redirect = scene.server.fault(redirect);
                scene
                    .server
                    .fault(Fault::replace_answer_header("Location", &location));
                let error = scene.run_err("it leads elsewhere");
                assert_eq!(code(&error), Some("TemporaryRedirect"), "{error}");
                assert_eq!(redirect.hits(), 1, "{operation:?} {status}");
            }
        }
        assert_eq!(elsewhere.requests().len(), 0);
    }
}

/// Errors that OSS itself answers.
mod refusals {
    use super::*;

    #[test]
    fn what_may_pass_is_repeated_and_not_for_ever() {
        for (status, error_code) in [
            (500, "InternalError"),
            (502, "BadGateway"),
            (503, "ServiceUnavailable"),
            (429, "QpsLimitExceeded"),
            (408, "RequestTimeout"),
            (400, "RequestTimeout"),
        ] {
            for operation in OPERATIONS.into_iter().chain([HeadObject]) {
                // An object that cannot be looked at is sent anew, which is right and only costs.
                if operation == HeadObject && status < 429 {
                    continue;
                }
                let what = format!("{operation:?} {status} {error_code}");
                let refuse = || {
                    Fault::status(status, error_code)
                        .retry_after(0)
                        .on(operation)
                };
                let scene = about_to(operation);
                let always = scene.server.fault(refuse());
                let error = scene.run_err(&what);
                assert_eq!(error.kind(), ErrorKind::Service, "{what}");
                assert_eq!(code(&error), Some(error_code), "{what}");
                assert_eq!(always.hits(), ATTEMPTS, "{what}");
                always.remove();
                let almost = scene.server.fault(refuse().times(ATTEMPTS - 1));
                let uploaded = scene.run_ok(&what);
                assert_eq!(almost.hits(), ATTEMPTS - 1, "{what}");
                assert_eq!(uploaded.retries, u64::from(ATTEMPTS - 1), "{what}");
            }
        }
    }

    #[test]
    fn what_cannot_pass_is_asked_once() {
        for (status, error_code) in [
            (400, "InvalidArgument"),
            (403, "AccessDenied"),
            (404, "NoSuchBucket"),
            (409, "FileAlreadyExists"),
            (412, "PreconditionFailed"),
            (501, "NotImplemented"),
        ] {
            for operation in [
                InitiateMultipartUpload,
                UploadPart,
                CompleteMultipartUpload,
                PutObject,
            ] {
                let scene = about_to(operation);
                let refused = Fault::status(status, error_code).on(operation);
                let refused = scene.server.fault(refused);
                let error = scene.run_err(error_code);
                assert_eq!(code(&error), Some(error_code));
                assert_eq!(refused.hits(), 1, "{operation:?} {error_code}");
            }
        }
    }

    #[test]
    fn a_part_whose_checksum_differs_is_sent_again_and_not_for_ever() {
        for operation in [UploadPart, PutObject] {
            for damage in [Fault::wrong_crc(), Fault::flip_byte(17)] {
                let scene = about_to(operation);
                let damage = || damage.clone().on(operation);
                let always = scene.server.fault(damage());
                let error = scene.run_err("always damaged");
                assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
                assert_eq!(always.hits(), ATTEMPTS);
                let part = (operation == UploadPart).then_some(1);
                assert_eq!(error.part_number(), part);
                always.remove();
                let twice = scene.server.fault(damage().times(2));
                let uploaded = scene.run_ok("the third time it is right");
                assert_eq!((twice.hits(), uploaded.retries), (2, 2));
            }
        }
    }

    #[test]
    fn an_object_whose_checksum_differs_is_an_error_and_never_a_success() {
        let scene = Scene::with_parts(3);
        let wrong = Fault::wrong_crc().on(CompleteMultipartUpload);
        scene.server.fault(wrong);
        let error = scene.run_err("another checksum");
        assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
        assert!(!error.is_resumable());
        assert!(!scene.checkpoint().exists());
        assert_eq!(scene.server.pending_uploads(), []);
    }
}

/// Servers that are not there.
mod absence {
    use super::*;

    fn go_away_after(server: &LocalServer, arrived: &Receiver<()>) {
        arrived.recv_timeout(WATCHDOG).expect("the part arrives");
        server.go_away();
    }

    /// Away for longer than all attempts together, at the n-th part.
    #[test]
    fn a_server_that_goes_away_is_sat_out() {
        for routines in [1, 4] {
            let scene =
                Scene::with_parts(12).with_client(|client| client.retry(hasty().outage(WATCHDOG)));
            let (sender, arrived) = mpsc::channel();
            let hook = Fault::run(move |_| {
                let _ = sender.send(());
            });
            scene.server.fault(hook.on(UploadPart).nth(5).times(1));
            let (server, awaited) = (&scene.server, u64::from(3 * ATTEMPTS * 4));
            let uploaded = thread::scope(|scope| {
                scope.spawn(move || go_away_after(server, &arrived));
                let upload = scene.upload().routines(routines).on_progress(|progress| {
                    if progress.retries >= awaited {
                        server.come_back().expect("the same port");
                    }
                });
                upload.run().expect("uploaded")
            });
            assert!(uploaded.retries >= awaited);
            assert_eq!(scene.server.count(InitiateMultipartUpload), 1);
            scene.expect_done(&uploaded);
        }
    }

    #[test]
    fn a_server_that_stays_away_ends_in_an_error_and_the_next_run_goes_on() {
        let scene = Scene::with_parts(6);
        let (sender, arrived) = mpsc::channel();
        let hook = Fault::run(move |_| {
            let _ = sender.send(());
        });
        scene.server.fault(hook.on(UploadPart).nth(3).times(1));
        let error = thread::scope(|scope| {
            let server = &scene.server;
            scope.spawn(move || go_away_after(server, &arrived));
            scene.run_err("it is gone")
        });
        assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
        assert!(error.is_resumable());
        scene.server.come_back().expect("the same port");
        let uploaded = scene.upload().run().expect("resumed");
        assert!(uploaded.parts_resumed() >= 2);
        scene.expect_done(&uploaded);
    }

    /// An upload to an endpoint where nobody is.
    fn try_endpoint(endpoint: &str) -> Error {
        let dir = tempfile::tempdir().expect("a temp folder");
        let (file, state) = (dir.path().join("file"), dir.path().join("state.cp"));
        fs::write(&file, vec![7; 300_000]).expect("written");
        let built = Client::builder(endpoint)
            .region("cn-hangzhou")
            .credentials(Credentials::new("id", "secret"))
            .connect_timeout(Duration::from_secs(5))
            .retry(hasty().max_attempts(2))
            .build();
        let bucket = built.and_then(|c| c.bucket(BUCKET)).expect("a client");
        let upload = bucket.upload_file("key", &file).part_size(PART);
        let error = upload.checkpoint(Checkpoint::at(&state)).run();
        assert!(!state.exists(), "nothing had begun");
        error.expect_err("nobody is there")
    }

    #[test]
    fn where_nobody_listens_it_is_a_transport_error() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("its address").port();
        drop(taken);
        let error = try_endpoint(&format!("http://127.0.0.1:{port}"));
        assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
        assert!(!error.is_resumable());
    }

    #[test]
    fn a_name_that_cannot_be_resolved_is_a_transport_error() {
        let error = try_endpoint("http://no-such-host.invalid");
        assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    }

    /// How often an endpoint is tried that cannot be reached, when one attempt is all that a failure may take.
    fn attempts_at(endpoint: &str) -> u32 {
        let dir = tempfile::tempdir().expect("a temp folder");
        let file = dir.path().join("file");
        fs::write(&file, "small").expect("written");
        let attempts = Arc::new(AtomicU32::new(0));
        let asked = Arc::clone(&attempts);
        let once = hasty().max_attempts(1).outage(Duration::from_millis(1));
        let built = Client::builder(endpoint)
            .region("cn-hangzhou")
            .credentials(move || {
                asked.fetch_add(1, SeqCst);
                Ok(Credentials::new("id", "secret"))
            })
            .retry(once)
            .build();
        let bucket = built.and_then(|c| c.bucket(BUCKET)).expect("a client");
        let error = bucket.upload_file("key", &file).run();
        error.expect_err("nobody is there");
        attempts.load(SeqCst)
    }

    /// While the outage that is sat out has not passed, the attempts do not count.
    #[test]
    fn a_refused_connection_is_no_attempt() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("its address").port();
        drop(taken);
        assert!(attempts_at(&format!("http://127.0.0.1:{port}")) > 1);
    }

    #[test]
    fn a_name_that_cannot_be_resolved_is_no_attempt() {
        assert!(attempts_at("http://no-such-host.invalid") > 1);
    }

    /// Something listens that speaks no HTTP.
    #[test]
    fn a_peer_that_speaks_something_else_is_a_transport_error() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        thread::spawn(move || {
            use std::io::{Read, Write};
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n");
            }
        });
        let error = try_endpoint(&format!("http://127.0.0.1:{port}"));
        assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    }
}
