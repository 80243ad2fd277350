//! Row 5: the network.

use super::moments::{ATTEMPTS, At, Calm, all_moments, one_for_each_call};
use crate::support::process::WATCHDOG;
use crate::support::runs::{STALL, code, watched};
use crate::support::{PART, Scene, hasty, meanwhile, wait_reached};
use Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, HeadObject, InitiateMultipartUpload, ListParts,
    PutObject, UploadPart,
};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, FaultHandle, Operation};
use oss_upload::{Credentials, Error, ErrorKind, RestartReason, Uploaded};
use std::sync::mpsc;
use std::time::Duration;

/// Something that the network does to the exchange of one call.
struct Mishap {
    name: &'static str,
    /// They act together.
    faults: Vec<Fault>,
}

fn mishap(name: &'static str, faults: impl Into<Vec<Fault>>) -> Mishap {
    let faults = faults.into();
    Mishap { name, faults }
}

fn says(name: &str, value: &str) -> Fault {
    Fault::replace_answer_header(name, value)
}

fn also_says(name: &str, value: &str) -> Fault {
    Fault::add_answer_header(name, value)
}

const LENGTH: &str = "Content-Length";

/// Calls whose answers have no body: HEAD's length is the object's, and 204 has none whatever it says.
const WITHOUT_A_BODY: [Operation; 2] = [HeadObject, AbortMultipartUpload];

impl Mishap {
    /// Once, it costs no more than a second request, and the upload is what it would have been.
    fn expect_survived(&self, at: At, calm: &Calm) {
        let scene = at.scene();
        let struck = at.strike(&scene, &self.faults, 1);
        let uploaded = at.run_ok(&scene, self.name);
        let requests = scene.server.count(at.call());
        let what = format!("{at}, {}: {requests} requests, {uploaded:?}", self.name);
        assert!(struck.iter().all(|fault| fault.hits() == 1), "{what}");
        assert_eq!(uploaded.outcome, calm.uploaded.outcome, "{what}");
        let (again, sent_again) = match at.call() {
            // Whether an abort was granted, ListParts may tell.
            AbortMultipartUpload => (0..=1, 0),
            UploadPart | PutObject => (1..=1, PART),
            _ => (1..=1, 0),
        };
        assert!(again.contains(&(requests - calm.calls)), "{what}");
        let most = calm.uploaded.bytes_sent + sent_again;
        assert!(uploaded.bytes_sent <= most, "{what}");
        scene.expect_done_but_for_orphans(&uploaded);
    }

    /// For ever, it ends after the last attempt with an error that says what it was, and costs nothing that was achieved.
    fn expect_clear_end(&self, at: At, is_named: impl Fn(&Error) -> bool) {
        let scene = at.scene();
        let struck = at.strike(&scene, &self.faults, u32::MAX);
        if at.call() == AbortMultipartUpload {
            let upload_id = scene.upload_id();
            let uploaded = at.run_ok(&scene, self.name);
            assert_eq!(uploaded.left_behind, [upload_id], "{at}, {}", self.name);
            expect_bounded(&struck, at, self.name);
            return;
        }
        let error = at.run_err(&scene, self.name);
        assert!(is_named(&error), "{at}, {}: {error:?}", self.name);
        expect_bounded(&struck, at, self.name);
        at.expect_goes_on(&scene, &error, self.name);
    }
}

/// Every attempt was made and no more; those with a kept connection do not count, which might have been closed before.
fn expect_bounded(struck: &[FaultHandle], at: At, name: &str) {
    let attempts = ATTEMPTS * at.times_over();
    for fault in struck {
        let hits = fault.hits();
        let kept = u32::try_from(at.routines).expect("few");
        let expected = attempts..=attempts + kept;
        assert!(expected.contains(&hits), "{at}, {name}: {hits}");
    }
}

fn is_transport(error: &Error) -> bool {
    error.kind() == ErrorKind::Transport
}

/// Each at every moment, once.
fn expect_each_survived(mishaps: &[Mishap]) {
    for at in all_moments() {
        let calm = at.calm();
        for mishap in mishaps {
            mishap.expect_survived(at, &calm);
        }
    }
}

/// Each at every moment, for ever.
fn expect_each_ends(mishaps: &[Mishap], is_named: impl Fn(&Error) -> bool) {
    for at in all_moments() {
        for mishap in mishaps {
            mishap.expect_clear_end(at, &is_named);
        }
    }
}

/// Connections that break.
mod breaks {
    use super::*;

    #[test]
    fn a_connection_that_breaks_in_any_call_costs_one_more_request() {
        let places = [("before", 0), ("within", 1000), ("behind", u64::MAX)];
        let breaks = places.into_iter().flat_map(|(place, bytes)| {
            [
                mishap(place, [Fault::reset_after(bytes)]),
                mishap(place, [Fault::close_after(bytes)]),
            ]
        });
        expect_each_survived(&breaks.collect::<Vec<_>>());
    }

    #[test]
    fn half_an_answer_to_any_call_costs_one_more_request() {
        expect_each_survived(&[
            mishap("nothing of it", [Fault::lose_answer()]),
            mishap("half a status line", [Fault::cut_answer(9)]),
            mishap("half a head", [Fault::cut_answer(60)]),
        ]);
    }

    #[test]
    fn connections_that_always_break_end_in_an_error_that_keeps_what_was_achieved() {
        let mishaps = [
            mishap("reset", [Fault::reset_after(0)]),
            mishap("no answer", [Fault::lose_answer()]),
            mishap("half a head", [Fault::cut_answer(60)]),
        ];
        expect_each_ends(&mishaps, is_transport);
    }

    /// The other calls are cut at any byte by `network::breaks`.
    #[test]
    fn an_answer_without_a_body_may_be_cut_at_any_byte() {
        for at in one_for_each_call().filter(|at| at.is_of(&WITHOUT_A_BODY)) {
            let calm = at.calm();
            for byte in (0..400).step_by(23) {
                let scene = at.scene();
                let cut = at.strike(&scene, &[Fault::cut_answer(byte)], 1);
                let uploaded = at.run_ok(&scene, &format!("cut at {byte}"));
                let requests = scene.server.count(at.call());
                assert_eq!(cut[0].hits(), 1);
                assert!(requests <= calm.calls + 1, "{at}, {byte}: {requests}");
                assert_eq!(uploaded.outcome, calm.uploaded.outcome, "{at}, {byte}");
                scene.expect_done(&uploaded);
            }
        }
    }
}

/// Connections that were kept and are closed when they are needed.
mod stale {
    use super::*;

    fn never_again(scene: Scene) -> Scene {
        scene.with_client(|client| client.retry(hasty().max_attempts(1)))
    }

    #[test]
    fn connections_that_are_closed_after_every_answer_are_no_failed_attempts() {
        for at in all_moments() {
            // That moment needs a second attempt of its own.
            if at.call() == HeadObject && at.calm().uploaded.retries > 0 {
                continue;
            }
            let scene = never_again(at.scene());
            let closed = scene.server.fault(Fault::close_after_answer_silently());
            let uploaded = at.run_ok(&scene, "closed after every answer");
            assert!(closed.hits() > 0);
            scene.expect_done(&uploaded);
        }
    }

    #[test]
    fn a_kept_connection_that_is_reset_is_no_failed_attempt() {
        // Calls that find a connection kept by the one before, whichever routine made it.
        let finds_one = |at: &At| {
            at.is_of(&[CompleteMultipartUpload]) || at.is_of(&[UploadPart]) && at.routines == 1
        };
        for at in all_moments().filter(finds_one) {
            let scene = never_again(at.scene());
            let reset = at.strike(&scene, &[Fault::reset_after(0)], 1);
            let uploaded = at.run_ok(&scene, "reset");
            assert_eq!(reset[0].hits(), 1);
            scene.expect_done(&uploaded);
        }
    }

    /// As when a server is started anew behind a load balancer: whatever was kept is closed.
    #[test]
    fn many_connections_that_are_closed_at_once_are_no_failed_attempt() {
        for routines in [4, 16] {
            let scene = never_again(Scene::with_parts(routines));
            let (hold, gate) = Fault::hold();
            scene.server.fault(hold.on(UploadPart));
            let closed = Fault::close_after_answer_silently().on(UploadPart);
            let closed = scene.server.fault(closed);
            let uploaded = meanwhile(
                || watched(scene.upload().routines(routines.into())),
                || {
                    // All have a connection, and all are answered at the same time.
                    wait_reached(&gate, routines.into());
                    gate.open();
                },
            );
            let uploaded = uploaded.unwrap_or_else(|why| panic!("{routines} connections: {why}"));
            assert_eq!(closed.hits(), u32::from(routines));
            assert_eq!(uploaded.bytes_sent, uploaded.size);
            scene.expect_done(&uploaded);
        }
    }
}

/// Answers that are wrong about their length.
mod lengths {
    use super::*;

    fn without_sense() -> Vec<Mishap> {
        let mut mishaps = vec![
            mishap(
                "two lengths",
                [also_says(LENGTH, "0"), also_says(LENGTH, "7")],
            ),
            mishap("a list of lengths", [says(LENGTH, "0, 7")]),
        ];
        for value in ["-1", "", "abc", "18446744073709551616"] {
            mishaps.push(mishap(value, [says(LENGTH, value)]));
        }
        mishaps
    }

    #[test]
    fn an_answer_whose_length_makes_no_sense_costs_one_more_request() {
        for at in one_for_each_call() {
            let calm = at.calm();
            for mishap in without_sense() {
                mishap.expect_survived(at, &calm);
            }
        }
    }

    #[test]
    fn lengths_that_never_make_sense_end_in_an_error_that_keeps_what_was_achieved() {
        let mishaps = [mishap("negative", [says(LENGTH, "-1")])];
        expect_each_ends(&mishaps, |error| {
            is_transport(error) && error.to_string().contains("content-length")
        });
    }

    #[test]
    fn an_answer_shorter_than_its_length_costs_one_more_request() {
        let shorter = [says(LENGTH, "5000"), Fault::close_after_answer_silently()];
        let shorter = mishap("shorter than it says", shorter);
        for at in all_moments().filter(|at| !at.is_of(&[HeadObject])) {
            shorter.expect_survived(at, &at.calm());
        }
        for at in one_for_each_call().filter(|at| !at.is_of(&WITHOUT_A_BODY)) {
            shorter.expect_clear_end(at, is_transport);
        }
    }

    /// The rest of the answer never comes, and the connection stays open.
    #[test]
    fn the_rest_of_an_answer_is_not_waited_for_for_ever() {
        for at in one_for_each_call().filter(|at| !at.is_of(&WITHOUT_A_BODY)) {
            let scene = impatient(at.scene());
            let struck = at.strike(&scene, &[says(LENGTH, "5000")], 1);
            let uploaded = at.run_ok(&scene, "the rest never comes");
            assert_eq!((struck[0].hits(), uploaded.retries), (1, 1), "{at}");
            scene.expect_done_but_for_orphans(&uploaded);
        }
    }

    fn has_xml(at: &At) -> bool {
        at.is_of(&[InitiateMultipartUpload, ListParts, CompleteMultipartUpload])
    }

    #[test]
    fn an_answer_longer_than_its_length_costs_one_more_request() {
        let short = mishap("longer than it says", [says(LENGTH, "7")]);
        let empty = mishap("nothing, it says", [says(LENGTH, "0")]);
        for at in all_moments().filter(has_xml) {
            let calm = at.calm();
            short.expect_survived(at, &calm);
            empty.expect_survived(at, &calm);
        }
    }

    /// What is left of it comes when the connection has been given back already.
    #[test]
    fn the_rest_of_a_longer_answer_is_not_taken_for_the_next_answer() {
        for at in one_for_each_call().filter(has_xml) {
            let scene = at.scene();
            let slowly = Fault::trickle_answer(Duration::from_micros(100));
            let struck = at.strike(&scene, &[says(LENGTH, "7"), slowly], 1);
            let uploaded = at.run_ok(&scene, "the rest comes late");
            assert_eq!(struck[0].hits(), 1, "{at}");
            assert!(uploaded.retries <= 2, "{at}: {uploaded:?}");
            scene.expect_done_but_for_orphans(&uploaded);
        }
    }

    #[test]
    fn a_head_that_says_another_length_is_of_another_object() {
        for at in one_for_each_call().filter(|at| at.is_of(&[HeadObject])) {
            let scene = at.scene();
            let struck = at.strike(&scene, &[says(LENGTH, "7")], 1);
            let uploaded = at.run_ok(&scene, "another length");
            assert_eq!(struck[0].hits(), 1, "{at}");
            assert_eq!(uploaded.restarts, [RestartReason::UploadGone], "{at}");
            scene.expect_done(&uploaded);
        }
    }
}

/// Answers that are put on the wire in unusual ways and are right.
mod unusual {
    use super::*;

    /// At every call of the upload, for ever: it is as if there were no fault.
    fn expect_unnoticed(at: At, faults: &[Fault]) {
        let (scene, calm) = (at.scene(), at.calm());
        let fault = |fault: &Fault| scene.server.fault(fault.clone());
        let struck: Vec<_> = faults.iter().map(fault).collect();
        let uploaded = at.run_ok(&scene, "unusual answers");
        let seen = |uploaded: &Uploaded| (uploaded.outcome, uploaded.retries, uploaded.bytes_sent);
        assert_eq!(seen(&uploaded), seen(&calm.uploaded), "{at}, {faults:?}");
        assert!(struck.iter().all(|fault| fault.hits() > 0));
        scene.expect_done(&uploaded);
    }

    #[test]
    fn chunks_and_informational_answers_are_understood_at_any_call() {
        for at in all_moments() {
            expect_unnoticed(at, &[Fault::chunked_answer(), Fault::informational_first()]);
        }
    }

    /// The chunks count, as HTTP has it. Only to HEAD a length is more than the end of the answer.
    #[test]
    fn a_length_beside_chunks_does_not_matter() {
        let chunked = also_says("Transfer-Encoding", "chunked");
        for at in all_moments().filter(|at| !at.is_of(&[HeadObject])) {
            for length in ["7", "5000"] {
                let scene = at.scene();
                let both = [
                    says(LENGTH, length),
                    chunked.clone(),
                    Fault::chunked_answer(),
                ];
                let struck = at.strike(&scene, &both, u32::MAX);
                let uploaded = at.run_ok(&scene, length);
                assert!(struck[0].hits() > 0);
                assert_eq!(uploaded.retries, 0, "{at}, {length}");
                scene.expect_done(&uploaded);
            }
        }
    }

    /// The others trickle in `network::silence`.
    #[test]
    fn an_answer_without_a_body_may_trickle() {
        for at in one_for_each_call().filter(|at| at.is_of(&WITHOUT_A_BODY)) {
            let scene = impatient(at.scene());
            // Some 300 bytes: longer than the client would be silent.
            let slowly = Fault::trickle_answer(Duration::from_millis(2));
            let struck = at.strike(&scene, &[slowly], 1);
            let uploaded = at.run_ok(&scene, "a trickle");
            let calm = at.calm();
            assert_eq!(struck[0].hits(), 1, "{at}");
            assert_eq!(scene.server.count(at.call()), calm.calls, "{at}");
            assert_eq!(uploaded.retries, calm.uploaded.retries, "{at}");
            scene.expect_done(&uploaded);
        }
    }
}

/// Answers of somebody else, and answers before their time.
mod strangers {
    use super::*;

    const PAGE: &str = "<html><body>Please log in.</body></html>";

    #[test]
    fn a_page_of_a_proxy_costs_one_more_request_at_any_call() {
        expect_each_survived(&[mishap("502", [Fault::answer(502, "text/html", PAGE)])]);
    }

    #[test]
    fn pages_of_a_proxy_end_in_an_error_that_keeps_what_was_achieved() {
        let page = mishap("502", [Fault::answer(502, "text/html", PAGE)]);
        expect_each_ends(&[page], |error| code(error) == Some("HTTP 502"));
    }

    #[test]
    fn an_answer_before_the_body_was_sent_is_heard_at_any_call() {
        let early = || [Fault::early_answer(503, "ServiceUnavailable")];
        expect_each_survived(&[mishap("early", early())]);
        expect_each_ends(&[mishap("always early", early())], |error| {
            code(error) == Some("ServiceUnavailable")
        });
    }

    /// Whoever answers so has not stored the part: sent at once, or again when Complete finds it missing.
    #[test]
    fn a_success_before_the_body_was_taken_is_no_stored_part() {
        let etag = "\"1A0F81547E5BA2E9C4A4B94A74731993\"";
        for at in all_moments().filter(|at| at.is_of(&[UploadPart])) {
            let scene = at.scene();
            let early = [Fault::early_answer(200, "None"), also_says("ETag", etag)];
            let struck = at.strike(&scene, &early, 1);
            let uploaded = at.run_ok(&scene, "an early success");
            assert_eq!(struck[0].hits(), 1, "{at}");
            let times = scene.parts_sent().iter().filter(|part| **part == 3).count();
            assert_eq!(times, 2, "{at}");
            scene.expect_done(&uploaded);
        }
    }

    /// Nothing in it says that it is OSS's: asked again, the object turns out to be there.
    #[test]
    fn a_page_with_status_200_is_no_object() {
        for status in [200, 204] {
            let page = mishap("a page", [Fault::answer(status, "text/html", PAGE)]);
            for at in all_moments().filter(|at| at.is_of(&[HeadObject])) {
                page.expect_survived(at, &at.calm());
            }
        }
    }

    /// OSS grants an abort with 204. A page in its place has aborted nothing.
    #[test]
    fn a_page_with_status_200_is_no_abort() {
        let page = mishap("a page", [Fault::answer(200, "text/html", PAGE)]);
        for at in all_moments().filter(|at| at.is_of(&[AbortMultipartUpload])) {
            page.expect_survived(at, &at.calm());
            page.expect_clear_end(at, |_| false);
        }
    }
}

fn impatient(scene: Scene) -> Scene {
    let retry = hasty().max_attempts(ATTEMPTS);
    scene.with_client(|client| client.stall_timeout(STALL).retry(retry))
}

/// Nobody answers.
mod silence {
    use super::*;

    /// The others are not answered in `network::silence`.
    #[test]
    fn a_call_without_a_body_that_is_never_answered_ends() {
        for at in one_for_each_call().filter(|at| at.is_of(&WITHOUT_A_BODY)) {
            let scene = impatient(at.scene());
            let silent = at.strike(&scene, &[Fault::no_answer()], u32::MAX);
            if at.call() == AbortMultipartUpload {
                let upload_id = scene.upload_id();
                let uploaded = at.run_ok(&scene, "silence");
                assert_eq!(uploaded.left_behind, [upload_id]);
            } else {
                let error = at.run_err(&scene, "silence");
                assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
                assert!(error.to_string().contains("no answer came"), "{error}");
                at.expect_goes_on(&scene, &error, "silence");
            }
            expect_bounded(&silent, at, "silence");
        }
    }

    /// The answer to each call in turn gets lost, and then nobody is there for a while.
    #[test]
    fn a_server_that_goes_away_at_any_call_is_sat_out() {
        for at in all_moments() {
            let (sender, asked) = mpsc::channel();
            let retry = hasty().max_attempts(ATTEMPTS).outage(WATCHDOG);
            let scene = at.scene().with_client(|client| {
                client.retry(retry).credentials(move || {
                    let _ = sender.send(());
                    Ok(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET))
                })
            });
            let (hold, gate) = Fault::hold();
            scene.server.fault(hold.on(at.call()).times(1));
            let uploaded = meanwhile(
                || at.run_ok(&scene, "away"),
                || {
                    wait_reached(&gate, 1);
                    scene.server.go_away();
                    let _: Vec<_> = asked.try_iter().collect();
                    for _ in 0..ATTEMPTS * 5 {
                        asked.recv_timeout(WATCHDOG).expect("another attempt");
                    }
                    scene.server.come_back().expect("the same port");
                },
            );
            // What was under way, and what was begun on a kept connection before it showed that it was closed.
            let most = uploaded.size + 2 * at.routines as u64 * PART;
            assert!(uploaded.bytes_sent <= most, "{at}: {uploaded:?}");
            scene.expect_done_but_for_orphans(&uploaded);
        }
    }
}
