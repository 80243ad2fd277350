//! A deadline: it is heard wherever a cancel is, and what stays is the same.

use super::*;
use crate::support::runs::watched_by;

/// Enough to come to where it is to hang, on any machine. On one that is slower still it ends earlier, which is as good.
const ALLOWED: Duration = Duration::from_secs(2);

/// Runs an upload that would hang, until its time is over.
#[track_caller]
fn late(upload: UploadFile<'_>) -> Error {
    late_by(&Control::new(), upload)
}

#[track_caller]
fn late_by(control: &Control, upload: UploadFile<'_>) -> Error {
    let started = Instant::now();
    let ended = watched_by(control, upload.deadline(ALLOWED));
    let error = ended.expect_err("it hangs");
    let took = started.elapsed();
    assert!(took < ALLOWED + SOON, "it took {took:?}: {error}");
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    assert!(took >= ALLOWED, "{took:?}");
    error
}

/// While the server hangs in one call.
fn late_at(operation: Operation, routines: usize, fault: Fault) {
    end_at(operation, routines, fault, |far, upload| {
        (late(upload), far.try_recv().is_ok())
    });
}

#[test]
fn it_is_heard_while_a_call_is_not_answered() {
    each_at_once(with_routines(OPERATIONS), |(operation, routines)| {
        late_at(operation, routines, Fault::no_answer());
    });
}

#[test]
fn it_is_heard_in_the_middle_of_an_answer_that_does_not_end() {
    each_at_once(with_routines(OPERATIONS), |(operation, routines)| {
        let pause = Duration::from_millis(150);
        late_at(operation, routines, Fault::trickle_answer(pause));
    });
}

#[test]
fn it_is_heard_in_a_pause_between_retries() {
    each_at_once(with_routines(OPERATIONS), |(operation, routines)| {
        let scene = drowsy(about_to(operation));
        let lulled = scene.server.fault(at(operation, lull()));
        let upload = || scene.upload().routines(routines);
        let error = late(upload());
        let failed = format!("what failed last: {operation:?}");
        let is_told = error.to_string().contains(&failed);
        assert_eq!(is_told, lulled.hits() == 1, "{error}");
        expect_continued(&scene, &error, upload());
    });
}

#[test]
fn a_failure_is_told_whatever_other_calls_achieved_meanwhile() {
    let scene = drowsy(Scene::with_parts(6));
    scene.server.fault(lull().on(UploadPart).part(1));
    let error = late(scene.upload().routines(4)).to_string();
    // Half of the routines go on, the one that waits among them: the fifth begins when another is through.
    assert!(scene.server.count(UploadPart) > 4, "{error}");
    let told = "what failed last: UploadPart of part 1: OSS answered 503";
    assert!(error.contains(told), "{error}");
}

#[test]
fn a_failure_that_its_call_overcame_is_not_to_blame() {
    each_at_once([1, 2], |routines| {
        let scene = Scene::with_parts(6);
        let part = |fault: Fault, number| fault.on(UploadPart).part(number);
        let broken = scene
            .server
            .fault(part(Fault::reset_after(1000), 1).times(1));
        scene.server.fault(part(Fault::no_answer(), 6));
        let error = late(scene.upload().routines(routines)).to_string();
        assert_eq!(broken.hits(), 1, "{error}");
        assert!(!error.contains("what failed last"), "{error}");
    });
}

#[test]
fn it_is_heard_in_the_middle_of_a_body_that_the_line_the_limit_or_a_pause_holds_up() {
    const LARGE: u64 = 8 << 20;
    type HoldUp = fn(&Scene, &Control);
    let slow_line: HoldUp = |scene, _| drop(scene.server.fault(Fault::bandwidth(15_000)));
    let limit: HoldUp = |_, control| control.set_rate_limit(Some(1024)).expect("allowed");
    let paused: HoldUp = |_, control| control.pause();
    let cases = [slow_line, limit, paused];
    let cases = cases
        .into_iter()
        .flat_map(|hold_up| [LARGE, 2 * LARGE + 1].map(|len| (hold_up, len)));
    each_at_once(with_routines(cases), |((hold_up, len), routines)| {
        let server = LocalServer::builder().receive_buffer(2304).start();
        let scene = Scene::on(server.expect("a port"), len);
        let control = Control::new();
        hold_up(&scene, &control);
        let upload = scene.upload().part_size(LARGE).routines(routines);
        let error = late_by(&control, upload);
        let has_begun = scene.server.count(InitiateMultipartUpload) > 0;
        assert_eq!(error.is_resumable(), has_begun);
    });
}

#[test]
fn without_a_checkpoint_what_was_sent_is_aborted() {
    for routines in [1, 4] {
        let scene = hanging_at(UploadPart);
        let upload = scene.upload_without_checkpoint().routines(routines);
        let error = late(upload);
        assert!(!error.is_resumable());
        assert_eq!(error.left_behind(), [""; 0]);
        assert_eq!(scene.server.pending_uploads(), []);
    }
}

/// Not even for the courtesy of an abort does it last much longer.
#[test]
fn an_abort_that_hangs_is_given_up_and_the_upload_named() {
    let scene = hanging_at(UploadPart);
    let hang = Fault::no_answer().on(AbortMultipartUpload);
    scene.server.fault(hang);
    let error = late(scene.upload_without_checkpoint());
    assert_eq!(error.left_behind(), [scene.upload_id()]);
    // Begun long before the time is over, and never answered.
    let scene = Scene::with_parts(6).interrupted_after(2);
    let old = scene.upload_id();
    scene.rewrite();
    scene
        .server
        .fault(Fault::no_answer().on(AbortMultipartUpload));
    let error = late(scene.upload());
    assert_eq!(error.left_behind(), [old]);
}

#[test]
fn who_abandons_before_it_leaves_nothing_and_who_cancels_is_told_so() {
    for end in [Control::abandon, Control::cancel] {
        let scene = hanging_at(UploadPart);
        let far = arrival(&scene, UploadPart);
        let upload = scene.upload().deadline(Duration::from_secs(3600));
        let error = ended_when(&far, upload, end).expect_err("ended");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(error.is_resumable(), scene.checkpoint().exists());
    }
}

/// The longest time from now on that the clock can tell.
fn longest() -> Duration {
    let (mut can, mut cannot) = (Duration::ZERO, Duration::MAX);
    while cannot - can > Duration::from_millis(1) {
        let middle = can + (cannot - can) / 2;
        match Instant::now().checked_add(middle) {
            Some(_) => can = middle,
            None => cannot = middle,
        }
    }
    can
}

#[test]
fn one_that_is_far_away_changes_nothing() {
    let at_the_end = longest() - Duration::from_millis(300);
    for within in [Duration::from_secs(3600), at_the_end, Duration::MAX] {
        for n_parts in [1, 6] {
            let scene = Scene::with_parts(n_parts);
            let uploaded = scene.upload().deadline(within).run();
            scene.expect_done(&uploaded.expect("in time"));
        }
        // What is of no use is aborted.
        let scene = Scene::with_parts(6).interrupted_after(2);
        scene.rewrite();
        let uploaded = scene.upload().deadline(within).run();
        scene.expect_done(&uploaded.expect("in time"));
    }
}

/// So short that it is over before anything is asked.
#[test]
fn one_that_is_over_at_once_leaves_an_earlier_state_alone() {
    let scene = Scene::with_parts(6).interrupted_after(2);
    let upload = scene.upload().deadline(Duration::from_nanos(1));
    let error = upload.run().expect_err("too late");
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    assert_eq!(error.upload_id(), Some(&*scene.upload_id()));
    assert_eq!(scene.server.requests().len(), 0);
    expect_continued(&scene, &error, scene.upload());
}
