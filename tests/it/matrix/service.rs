//! Row 6: the service.

use super::moments::{ATTEMPTS, At, all_moments, one_for_each_call};
use crate::support::logs::heard_during;
use crate::support::runs::{code, watched};
use crate::support::{Scene, hasty};
use Mood::{Lasts, Passes, Throttles};
use Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, HeadObject, InitiateMultipartUpload, ListParts,
    PutObject, UploadPart,
};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{Control, Error, ErrorKind, RestartReason};
use std::time::Duration;

/// What an error of OSS says about the same request made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Passes,
    Throttles,
    Lasts,
}

/// The codes that an uploader may meet. Those of refused credentials and of a wrong clock last where nothing can be
/// put right: neither other credentials nor another time are to be had.
const CODES: [(u16, &str, Mood); 52] = [
    (400, "BadRequest", Passes),
    (400, "IncompleteBody", Passes),
    (400, "RequestTimeout", Passes),
    (408, "RequestTimeout", Passes),
    (500, "InternalError", Passes),
    (502, "BadGateway", Passes),
    (504, "GatewayTimeout", Passes),
    (429, "QpsLimitExceeded", Throttles),
    (503, "ActiveRequestLimitExceeded", Throttles),
    (503, "CpuLimitExceeded", Throttles),
    (503, "DownloadTrafficRateLimitExceeded", Throttles),
    (503, "MetaOperationQpsLimitExceeded", Throttles),
    (503, "ServiceUnavailable", Throttles),
    (503, "TotalQpsLimitExceeded", Throttles),
    (503, "UploadTrafficRateLimitExceeded", Throttles),
    (400, "EntityTooLarge", Lasts),
    (400, "EntityTooSmall", Lasts),
    (400, "InvalidArgument", Lasts),
    (400, "InvalidBucketName", Lasts),
    (400, "InvalidDigest", Lasts),
    (400, "InvalidEncryptionAlgorithmError", Lasts),
    (400, "InvalidObjectName", Lasts),
    (400, "InvalidPart", Lasts),
    (400, "InvalidPartOrder", Lasts),
    (400, "MalformedXML", Lasts),
    (400, "NotImplemented", Lasts),
    (400, "PartNotSequential", Lasts),
    (403, "AccessDenied", Lasts),
    (403, "AccessKeyIdAndSecurityTokenNotMatch", Lasts),
    (403, "BucketDisable", Lasts),
    (403, "CnameDenied", Lasts),
    (403, "InDebt", Lasts),
    (403, "InvalidAccessKeyId", Lasts),
    (403, "InvalidSecurityToken", Lasts),
    (403, "KmsServiceNotEnabled", Lasts),
    (403, "NonStandardHostForbidden", Lasts),
    (403, "SecondLevelDomainForbidden", Lasts),
    (403, "SecurityTokenExpired", Lasts),
    (403, "SecurityTokenNotSupported", Lasts),
    (403, "SignatureDoesNotMatch", Lasts),
    (403, "TransferAccelerationDisabled", Lasts),
    (403, "UserDisable", Lasts),
    (404, "NoSuchBucket", Lasts),
    (404, "NoSuchKey", Lasts),
    (404, "NoSuchUpload", Lasts),
    (405, "MethodNotAllowed", Lasts),
    (409, "FileAlreadyExists", Lasts),
    (409, "FileImmutable", Lasts),
    (409, "PartAlreadyExist", Lasts),
    (411, "MissingContentLength", Lasts),
    (412, "PreconditionFailed", Lasts),
    (501, "NotImplemented", Lasts),
];

/// Codes that mean something else to a call than that it failed. They have tests of their own, here and in `resume`.
fn has_a_rule_of_its_own(call: Operation, code: &str) -> bool {
    match call {
        // `options` damages bodies on their way.
        UploadPart | PutObject | InitiateMultipartUpload | CompleteMultipartUpload
            if code == "InvalidDigest" =>
        {
            true
        }
        UploadPart => code == "NoSuchUpload",
        ListParts => matches!(code, "NoSuchUpload" | "AccessDenied"),
        CompleteMultipartUpload => matches!(code, "NoSuchUpload" | "InvalidPart"),
        AbortMultipartUpload => code == "NoSuchUpload",
        _ => false,
    }
}

fn codes(call: Operation, wanted: &[Mood]) -> impl Iterator<Item = (u16, &'static str, Mood)> {
    CODES
        .into_iter()
        .filter(move |(_, code, mood)| wanted.contains(mood) && !has_a_rule_of_its_own(call, code))
}

/// The error is OSS's, with what OSS's support asks for.
fn expect_told(error: &Error, status: u16, code: &str, what: &str) {
    let service = error
        .service_error()
        .unwrap_or_else(|| panic!("{what}: {error:?}"));
    assert_eq!(error.kind(), ErrorKind::Service, "{what}");
    assert_eq!((service.status(), service.code()), (status, code), "{what}");
    let id = service
        .request_id()
        .unwrap_or_else(|| panic!("{what}: no request id"));
    let text = error.to_string();
    assert!(text.contains(code) && text.contains(id), "{what}: {text}");
}

/// Refused for ever, it is asked for so often, and what comes of it is what the call deserves.
fn expect_end(at: At, refusal: Fault, (status, code): (u16, &str), attempts: u32) {
    let (scene, what) = (at.scene(), format!("{status} {code}"));
    let uploads = scene.server.pending_uploads().into_iter();
    let begun: Vec<String> = uploads.map(|upload| upload.upload_id).collect();
    let refused = at.strike(&scene, &[refusal], u32::MAX);
    match at.call() {
        // The upload itself is not in danger: what could not be aborted is named.
        AbortMultipartUpload => {
            let uploaded = at.run_ok(&scene, &what);
            assert_eq!(uploaded.left_behind, begun, "{at}, {what}");
        }
        // Where one may not look, a fresh upload is always right.
        HeadObject if attempts == 1 => {
            let uploaded = at.run_ok(&scene, &what);
            let gone = [RestartReason::UploadGone];
            assert_eq!(uploaded.restarts, gone, "{at}, {what}");
            scene.expect_done(&uploaded);
        }
        _ => {
            let error = at.run_err(&scene, &what);
            expect_told(&error, status, code, &format!("{at}, {what}"));
            at.expect_goes_on(&scene, &error, &what);
        }
    }
    let asked = attempts * at.times_over();
    assert_eq!(refused[0].hits(), asked, "{at}, {what}");
}

#[test]
fn what_may_pass_is_asked_again_up_to_the_last_attempt() {
    for at in one_for_each_call() {
        let calm = at.calm();
        for (status, code, mood) in codes(at.call(), &[Passes, Throttles]) {
            let asking = match mood {
                Throttles => Fault::status(status, code).retry_after(1),
                _ => Fault::status(status, code),
            };
            expect_end(at, asking, (status, code), ATTEMPTS);

            let scene = at.scene();
            let refused = at.strike(&scene, &[Fault::status(status, code)], ATTEMPTS - 1);
            let uploaded = at.run_ok(&scene, code);
            let what = format!("{at}, {status} {code}");
            assert_eq!(refused[0].hits(), ATTEMPTS - 1, "{what}");
            assert_eq!(uploaded.outcome, calm.uploaded.outcome, "{what}");
            if at.call() != AbortMultipartUpload {
                let retries = calm.uploaded.retries + u64::from(ATTEMPTS - 1);
                assert_eq!(uploaded.retries, retries, "{what}");
            }
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn what_cannot_pass_is_asked_once() {
    for at in one_for_each_call() {
        for (status, code, _) in codes(at.call(), &[Lasts]) {
            expect_end(at, Fault::status(status, code), (status, code), 1);
        }
    }
}

/// By one routine and by four, fresh and resumed.
#[test]
fn a_part_that_is_refused_ends_the_upload_and_keeps_the_others() {
    for at in all_moments().filter(|at| at.is_of(&[UploadPart])) {
        for (status, code, attempts) in [
            (403, "AccessDenied", 1),
            (503, "ServiceUnavailable", ATTEMPTS),
            // The bytes may have been damaged on the way.
            (400, "InvalidDigest", ATTEMPTS),
        ] {
            expect_end(at, Fault::status(status, code), (status, code), attempts);
        }
    }
}

/// A success that holds an error is that error: its status says nothing, its code does.
#[test]
fn an_error_in_a_success_of_complete_is_that_error() {
    for at in one_for_each_call().filter(|at| at.is_of(&[CompleteMultipartUpload])) {
        for (status, code, mood) in codes(at.call(), &[Passes, Throttles, Lasts]) {
            // What only a gateway says has no code.
            if matches!(status, 502 | 504) {
                continue;
            }
            let body = format!(
                "<Error><Code>{code}</Code><Message>no</Message><RequestId>665B0DD8</RequestId></Error>"
            );
            let attempts = if mood == Lasts { 1 } else { ATTEMPTS };
            let success = Fault::answer(200, "application/xml", body);
            expect_end(at, success, (200, code), attempts);
        }
    }
}

/// What is said about waiting, and how long it may be at most.
mod waiting {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(40);

    /// Without being asked to, this client does not wait at all.
    fn waiting_only_when_asked(scene: Scene) -> Scene {
        let retry = hasty().base_delay(Duration::ZERO).max_delay(LONGEST);
        scene.with_client(|client| client.retry(retry))
    }

    /// How long a call waits that is refused once with a code of its own and this header.
    fn waited(at: At, code: &str, retry_after: &str) -> u128 {
        let scene = waiting_only_when_asked(at.scene());
        let asked = Fault::replace_answer_header("Retry-After", retry_after);
        let refused = at.strike(&scene, &[Fault::status(503, code), asked], 1);
        let heard = heard_during(|| {
            at.run_ok(&scene, retry_after);
        });
        assert_eq!(refused[0].hits(), 1);
        let told = heard.iter().filter_map(|line| {
            let (_, rest) = line.split_once(" failed, again in ")?;
            let (millis, why) = rest.split_once(" ms: ")?;
            why.contains(code)
                .then(|| millis.parse().expect("a number"))
        });
        let told: Vec<u128> = told.collect();
        assert_eq!(told.len(), 1, "{at}, {retry_after}");
        told[0]
    }

    #[test]
    fn retry_after_is_honoured_at_any_call_and_not_beyond_the_longest_delay() {
        for at in one_for_each_call() {
            assert_eq!(waited(at, "AskedToWait", "7"), LONGEST.as_millis(), "{at}");
        }
    }

    /// Numbers that cannot be seconds, dates, and what is neither.
    #[test]
    fn a_strange_retry_after_does_no_harm() {
        let putting = |at: &At| at.is_of(&[PutObject]);
        for (i, value) in [
            "0",
            "-5",
            "1.5",
            "soon",
            "",
            "1 2",
            "999999999999",
            "18446744073709551615",
            "99999999999999999999999999",
            "Wed, 21 Oct 2099 07:28:00 GMT",
            "Wed, 21 Oct 1999 07:28:00 GMT",
        ]
        .into_iter()
        .enumerate()
        {
            for at in one_for_each_call().filter(putting) {
                let waited = waited(at, &format!("StrangelyAsked{i}E"), value);
                assert!(waited <= LONGEST.as_millis(), "{value}: {waited} ms");
            }
        }
    }

    #[test]
    fn delays_may_be_as_long_as_durations_get() {
        for at in all_moments().filter(|at| at.is_of(&[UploadPart])) {
            let patient = hasty().base_delay(Duration::MAX);
            let scene = at.scene().with_client(|client| client.retry(patient));
            let refused = at.strike(&scene, &[Fault::status(503, "ServiceUnavailable")], 2);
            let uploaded = at.run_ok(&scene, "throttled");
            assert_eq!((refused[0].hits(), uploaded.retries), (2, 2));
            scene.expect_done(&uploaded);
        }
    }

    /// A server may ask to wait for ever, and a caller may have set no bound to that.
    #[test]
    fn a_wait_without_end_can_be_cancelled() {
        for fault in [
            Fault::status(503, "ServiceUnavailable").retry_after(u64::MAX),
            Fault::status(500, "InternalError").retry_after(u64::MAX / 1000),
        ] {
            let endless = hasty().max_delay(Duration::MAX);
            let scene = Scene::with_parts(3).with_client(|client| client.retry(endless));
            scene.once(fault, UploadPart);
            let control = Control::new();
            let cancel = control.clone();
            let upload = scene.upload().control(&control).on_progress(move |seen| {
                if seen.retries > 0 {
                    cancel.cancel();
                }
            });
            let error = upload.run().expect_err("cancelled");
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
            assert!(error.is_resumable());
            let uploaded = scene.upload().run().expect("resumed");
            scene.expect_done(&uploaded);
        }
    }
}

/// All routines but one are at their parts when that one is refused for good.
#[test]
fn a_fatal_error_lets_no_routine_begin_another_part() {
    for routines in [4_u16, 16] {
        let scene = Scene::with_parts(3 * routines);
        let second_round = u32::from(routines) + 1;
        let denied = Fault::deny().on(UploadPart).nth(second_round);
        scene.server.fault(denied.times(1));
        let (hold, _gate) = Fault::hold();
        scene
            .server
            .fault(hold.on(UploadPart).nth(second_round + 1));
        let upload = || watched(scene.upload().routines(routines.into()));
        let error = upload().expect_err("denied");
        assert_eq!(code(&error), Some("AccessDenied"), "{error}");
        assert!(error.part_number().is_some() && error.is_resumable());
        // Those that wait for an answer are listed when their connections are closed.
        scene.server.go_away();
        let begun = u16::try_from(scene.server.count(UploadPart)).expect("few");
        assert!(begun <= 2 * routines, "{begun} by {routines}");

        // Each routine had one part under way at most; the record alone knows all others.
        scene.server.come_back().expect("the same port");
        scene.server.clear_faults();
        scene.server.fault(Fault::deny().on(ListParts));
        let uploaded = upload().expect("resumed");
        let resumed = uploaded.parts_resumed();
        assert!(
            resumed > 0 && resumed + routines >= begun,
            "{resumed} of {begun}"
        );
        scene.expect_done(&uploaded);
    }
}

/// Rules that some codes have for some calls, where the service keeps saying so.
mod rules {
    use super::*;

    #[test]
    fn an_upload_that_is_said_to_be_gone_at_every_part_ends_after_bounded_starts() {
        for routines in [1, 4] {
            let scene = Scene::with_parts(6);
            let gone = Fault::status(404, "NoSuchUpload").on(UploadPart);
            let gone = scene.server.fault(gone);
            let upload = scene.upload().routines(routines);
            let error = watched(upload).expect_err("it never gets there");
            assert_eq!(error.kind(), ErrorKind::Service, "{error}");
            assert!(!error.is_resumable());
            assert!(gone.hits() <= 4 * u32::try_from(routines).expect("few"));
            assert_eq!(scene.server.count(InitiateMultipartUpload), 4);
            assert!(!scene.checkpoint().exists());
        }
    }

    #[test]
    fn parts_that_are_refused_at_every_complete_end_after_bounded_starts() {
        let scene = Scene::with_parts(3);
        let refused = Fault::status(400, "InvalidPart").on(CompleteMultipartUpload);
        let refused = scene.server.fault(refused);
        let error = watched(scene.upload()).expect_err("it never gets there");
        assert_eq!(error.kind(), ErrorKind::Service, "{error}");
        assert!(!error.is_resumable());
        assert_eq!(refused.hits(), 4);
        assert_eq!(scene.parts_sent().len(), 4 * 3);
        assert_eq!(scene.server.pending_uploads(), []);
        assert!(!scene.checkpoint().exists());
    }

    #[test]
    fn an_upload_that_is_gone_needs_no_abort() {
        for at in all_moments().filter(|at| at.is_of(&[AbortMultipartUpload])) {
            let scene = at.scene();
            scene.server.drop_upload(&scene.upload_id());
            let uploaded = at.run_ok(&scene, "gone");
            assert_eq!(scene.server.count(AbortMultipartUpload), 1);
            scene.expect_done(&uploaded);
        }
    }

    /// HEAD and Abort end no upload: see `expect_end`.
    fn can_end_it(at: &At) -> bool {
        !at.is_of(&[HeadObject, AbortMultipartUpload])
    }

    #[test]
    fn a_refused_clock_that_nothing_can_correct_ends_in_an_error() {
        let refused = Fault::status(403, "RequestTimeTooSkewed");
        let no_time = Fault::replace_answer_header("Date", "the day before yesterday");
        for at in one_for_each_call().filter(can_end_it) {
            let scene = at.scene();
            let faults = [refused.clone(), no_time.clone()];
            let refused = at.strike(&scene, &faults, u32::MAX);
            let error = at.run_err(&scene, "no time is told");
            expect_told(&error, 403, "RequestTimeTooSkewed", &at.to_string());
            assert_eq!(refused[0].hits(), 1);
            at.expect_goes_on(&scene, &error, "a refused clock");
        }
    }

    /// Each time it is told another time; the strict server itself puts the next run right.
    #[test]
    fn a_clock_that_is_never_right_ends_in_an_error() {
        let told = |time: &str| {
            let code = "<Code>RequestTimeTooSkewed</Code><RequestId>665B0DD8</RequestId>";
            let body = format!("<Error>{code}<ServerTime>{time}</ServerTime></Error>");
            Fault::answer(403, "application/xml", body)
        };
        for at in one_for_each_call().filter(can_end_it) {
            let scene = at.scene();
            let other = told("2001-01-01T00:00:00.000Z").every(2);
            let told = [other, told("2040-01-01T00:00:00.000Z")];
            let told = at.strike(&scene, &told, u32::MAX);
            let error = at.run_err(&scene, "never right");
            expect_told(&error, 403, "RequestTimeTooSkewed", &at.to_string());
            let hits = told[0].hits() + told[1].hits();
            assert!(hits <= ATTEMPTS + 5, "{at}: {hits}");
            scene.server.clear_faults();
            let uploaded = at.run_ok(&scene, "the server's own time");
            scene.expect_done(&uploaded);
        }
    }
}
