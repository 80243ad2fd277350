//! Abandoning: nothing stays, and what does is named.

use super::*;
use crate::support::runs::STALL;

/// Nothing is left of it, and it says so.
#[track_caller]
fn expect_nothing_left(scene: &Scene, ended: Result<Uploaded, Error>) {
    let error = ended.expect_err("it ends in an error");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(!error.is_resumable());
    assert_eq!(error.left_behind(), [""; 0]);
    assert_eq!(scene.server.pending_uploads(), []);
    assert!(!scene.checkpoint().exists());
    scene.server.clear_faults();
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(uploaded.bytes_sent, uploaded.size);
    scene.expect_done(&uploaded);
}

#[test]
fn wherever_the_upload_is_nothing_is_left_of_it() {
    // Once, so that the list of parts is there after the Abort.
    let hangs: [fn() -> Fault; 2] = [|| Fault::no_answer().times(1), lull];
    let cases = hangs
        .into_iter()
        .flat_map(|hang| OPERATIONS.map(|operation| (hang, operation)));
    each_at_once(with_routines(cases), |((hang, operation), routines)| {
        let scene = drowsy(about_to(operation));
        scene.server.fault(at(operation, hang()));
        let far = arrival(&scene, operation);
        let upload = scene.upload().routines(routines);
        let ended = ended_when(&far, upload, Control::abandon);
        expect_nothing_left(&scene, ended);
    });
}

#[test]
fn without_a_checkpoint_neither() {
    let cases = with_routines([UploadPart, CompleteMultipartUpload]);
    each_at_once(cases, |(operation, routines)| {
        let scene = hanging_at(operation);
        let far = arrival(&scene, operation);
        let upload = scene.upload_without_checkpoint().routines(routines);
        let ended = ended_when(&far, upload, Control::abandon);
        expect_nothing_left(&scene, ended);
    });
}

/// Complete was faster than who abandons, but its answer was not.
#[test]
fn an_object_that_is_complete_by_then_stays_and_nothing_else() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6);
        let halt = Halt::at(&scene.server, Moment::Done, |fault| {
            fault.on(CompleteMultipartUpload)
        });
        let control = Control::new();
        let upload = scene.upload().routines(routines).control(&control);
        let ended = meanwhile(
            || upload.run(),
            || {
                halt.wait();
                control.abandon();
            },
        );
        assert!(scene.server.object(BUCKET, KEY).is_some());
        halt.lift(&scene.server);
        expect_nothing_left(&scene, ended);
    }
}

#[test]
fn a_state_of_an_earlier_run_is_cleared_and_nothing_else_asked_for() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6).interrupted_after(2);
        let control = Control::new();
        control.abandon();
        let upload = scene.upload().routines(routines).control(&control);
        let ended = upload.run();
        let requests = scene.server.requests();
        let asked: Vec<_> = requests.iter().map(|r| r.operation).collect();
        assert_eq!(asked, [AbortMultipartUpload, ListParts]);
        expect_nothing_left(&scene, ended);
    }
}

/// The stronger wish counts, whichever comes first.
#[test]
fn with_a_cancel_before_or_after_it_is_all_the_same() {
    let ends: [fn(&Control); 2] = [
        |control| {
            control.cancel();
            control.abandon();
        },
        |control| {
            control.abandon();
            control.cancel();
        },
    ];
    for end in ends {
        let scene = hanging_at(UploadPart);
        let far = arrival(&scene, UploadPart);
        let ended = ended_when(&far, scene.upload().routines(4), end);
        expect_nothing_left(&scene, ended);
    }
}

#[test]
fn parts_that_land_after_an_abort_are_aborted_again() {
    for (landing, listing, aborts) in [
        (0, true, 1),
        (1, true, 2),
        (3, true, 4),
        // Where nobody tells whether parts are left, the next Abort does.
        (0, false, 2),
        (2, false, 4),
    ] {
        for routines in [1, 4] {
            let _case = Case((landing, listing, routines));
            let scene = hanging_at(UploadPart);
            let granted_only = Fault::answer(204, "text/plain", "");
            let granted_only = granted_only.on(AbortMultipartUpload).times(landing);
            scene.server.fault(granted_only);
            if !listing {
                scene.server.fault(Fault::deny().on(ListParts));
            }
            let far = arrival(&scene, UploadPart);
            let upload = scene.upload().routines(routines);
            let ended = ended_when(&far, upload, Control::abandon);
            assert_eq!(scene.server.count(AbortMultipartUpload), aborts);
            expect_nothing_left(&scene, ended);
        }
    }
}

/// What Abort comes to for ever.
fn refusals() -> [Fault; 4] {
    [
        Fault::deny(),
        Fault::status(500, "InternalError"),
        Fault::answer(204, "text/plain", ""),
        Fault::no_answer(),
    ]
}

/// An upload that was abandoned, and whose Abort was refused.
fn refused(refusal: Fault, routines: usize) -> Scene {
    let two_tries = hasty().max_attempts(2);
    let mut scene = hanging_at(UploadPart)
        .with_client(|client| client.stall_timeout(2 * STALL).retry(two_tries));
    scene.server.fault(refusal.on(AbortMultipartUpload));
    let far = arrival(&scene, UploadPart);
    let upload = scene.upload().routines(routines);
    let ended = ended_when(&far, upload, Control::abandon);
    let error = ended.expect_err("abandoned");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(!error.is_resumable());
    assert_eq!(error.left_behind(), [scene.upload_id()]);
    assert!(scene.checkpoint().exists());
    scene.server.clear_faults();
    scene.bucket = bucket(client(&scene.server));
    scene
}

#[test]
fn where_it_is_refused_the_upload_is_named_and_the_next_run_goes_on() {
    each_at_once(with_routines(0..4), |(refusal, routines)| {
        let scene = refused(refusals()[refusal].clone(), routines);
        let there = scene.bytes_stored(&scene.upload_id());
        let uploaded = scene.upload().routines(routines).run().expect("resumed");
        assert!(uploaded.bytes_sent <= uploaded.size - there);
        scene.expect_done(&uploaded);
    });
}

#[test]
fn where_it_was_refused_it_can_be_abandoned_again() {
    each_at_once(with_routines(0..4), |(refusal, routines)| {
        let scene = refused(refusals()[refusal].clone(), routines);
        let control = Control::new();
        control.abandon();
        let upload = scene.upload().routines(routines).control(&control);
        expect_nothing_left(&scene, upload.run());
    });
}

#[test]
fn what_earlier_runs_owe_goes_too() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6).interrupted_after(2);
        scene.rewrite();
        let refused = Fault::deny().on(AbortMultipartUpload).times(1);
        scene.server.fault(refused);
        scene.server.fault(at(UploadPart, Fault::no_answer()));
        let far = arrival(&scene, UploadPart);
        let upload = scene.upload().routines(routines);
        let ended = ended_when(&far, upload, Control::abandon);
        expect_nothing_left(&scene, ended);
    }
}

#[test]
fn what_is_owed_at_another_endpoint_is_still_remembered() {
    let scene = Scene::with_parts(6).interrupted_after(2);
    let here = scene.upload_id();
    let elsewhere = LocalServer::start().expect("a port");
    let there = bucket(client(&elsewhere));
    let control = Control::new();
    let abandoning = control.clone();
    let abandon = Fault::run(move |_| abandoning.abandon());
    elsewhere.fault(at(UploadPart, abandon));
    let upload = scene.upload_to(&there, KEY);
    let error = upload.control(&control).run().expect_err("abandoned");
    assert_eq!(error.left_behind(), [here]);
    assert_eq!(elsewhere.pending_uploads(), []);
    assert!(scene.checkpoint().exists());
    scene.upload().run().expect("uploaded");
    assert_eq!(scene.server.pending_uploads(), []);
}

#[test]
fn after_success_it_changes_nothing() {
    let scene = Scene::with_parts(6);
    let control = Control::new();
    let abandoning = control.clone();
    let upload = scene.upload().control(&control).on_progress(move |seen| {
        if seen.phase == Phase::Done {
            abandoning.abandon();
        }
    });
    let uploaded = upload.run().expect("it is done");
    control.abandon();
    assert_eq!(scene.server.count(AbortMultipartUpload), 0);
    scene.expect_done(&uploaded);
}

/// As long as it may take when nobody answers: 20 seconds.
#[test]
#[ignore = "long: waits for the longest time that an abort may take"]
fn an_abort_that_is_never_answered_is_waited_for_once() {
    each_at_once([true, false], |has_checkpoint| {
        let scene = hanging_at(UploadPart);
        scene
            .server
            .fault(Fault::no_answer().on(AbortMultipartUpload));
        let far = arrival(&scene, UploadPart);
        let control = Control::new();
        let upload = match has_checkpoint {
            true => scene.upload(),
            false => scene.upload_without_checkpoint(),
        };
        let upload = upload.control(&control);
        let mut asked = None;
        let ended = meanwhile(
            || upload.run(),
            || {
                far.recv_timeout(WATCHDOG).expect("the third part");
                asked = Some(Instant::now());
                control.abandon();
            },
        );
        let took = asked.expect("asked").elapsed();
        assert!(took < Duration::from_secs(30), "it took {took:?}");
        let error = ended.expect_err("abandoned");
        assert_eq!(error.left_behind(), [scene.upload_id()]);
        assert_eq!(scene.checkpoint().exists(), has_checkpoint);
    });
}
