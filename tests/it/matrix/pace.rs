//! Row 6: what the parts of an upload share when the service throttles or is down.

use crate::support::{Notes, Scene, bucket, client, hasty, meanwhile, wait_reached};
use oss_upload::ErrorKind;
use oss_upload::local_server::{Fault, Operation};

/// As in `src/upload/crew/pace.rs`.
const FAILURES_A_ROUTINE: u32 = 2;

/// Without a shared budget it would be 8 × routines, and with tries for every part 8 × parts.
#[test]
fn a_server_that_is_down_is_asked_by_one_routine_in_the_end() {
    for routines in [1_u32, 4, 16] {
        for fault in [
            Fault::status(500, "InternalError"),
            Fault::status(503, "ServiceUnavailable"),
            Fault::reset_after(0),
        ] {
            let scene = Scene::with_parts(100);
            let down = scene.server.fault(fault.on(Operation::UploadPart));
            let upload = scene.upload().routines(routines as usize);
            let error = upload.run().expect_err("the server is down");
            assert!(error.is_resumable(), "{error}");
            // Those that were under way when the budget was used up, and the tries of the last one.
            let budget = routines * FAILURES_A_ROUTINE + (routines - 1) + 8;
            let asked = down.hits();
            assert!(
                (8..=budget).contains(&asked),
                "{asked} times, {routines} routines: {error}"
            );
            down.remove();
            scene.expect_done(&scene.upload().run().expect("resumed"));
        }
    }
}

#[test]
fn a_throttled_upload_goes_on_with_fewer_routines_and_gets_there() {
    for retry_after in [None, Some(0)] {
        let mut scene = Scene::with_parts(60);
        // Chance may let one part be turned away most of the time.
        let patient = client(&scene.server).retry(hasty().max_attempts(20));
        scene.bucket = bucket(patient);
        let mut throttled = Fault::status(503, "ServiceUnavailable");
        if let Some(seconds) = retry_after {
            throttled = throttled.retry_after(seconds);
        }
        // All eight are turned away, the four that are left, the two.
        let throttled = throttled.on(Operation::UploadPart).times(14);
        let throttled = scene.server.fault(throttled);
        let uploaded = scene.upload().routines(8).run().expect("uploaded");
        assert_eq!(throttled.hits(), 14);
        assert_eq!(uploaded.retries, 14);
        scene.expect_done(&uploaded);
    }
}

/// Eight routines are turned away at the same time; of their parts no more than four are then under way together.
#[test]
fn throttling_halves_the_parts_that_are_under_way_together() {
    let scene = Scene::with_parts(30);
    // As many throttled answers as there are routines, none of which is given before all are under way.
    let (together, first_round) = Fault::hold();
    let throttled = Fault::status(503, "ServiceUnavailable").on(Operation::UploadPart);
    scene.server.fault(throttled.times(8));
    scene
        .server
        .fault(together.on(Operation::UploadPart).times(8));
    let (hold, second_round) = Fault::hold();
    let arrived = Notes::new();
    let arriving = arrived.clone();
    let note = Fault::run(move |request| arriving.add(request.part_number));
    scene.server.fault(note.on(Operation::UploadPart).nth(9));
    scene.server.fault(hold.on(Operation::UploadPart).nth(9));
    let run = || scene.upload().routines(8).run();
    let uploaded = meanwhile(run, || {
        wait_reached(&first_round, 8);
        first_round.open();
        wait_reached(&second_round, 4);
        // While their answers are held a fifth has all the time that other uploads take.
        let other = Scene::with_parts(100);
        other.expect_done(&other.upload().run().expect("uploaded"));
        assert_eq!(arrived.take().len(), 4);
        second_round.open();
    });
    scene.expect_done(&uploaded.expect("uploaded"));
}

#[test]
fn a_cancel_reaches_routines_that_wait_for_their_turn() {
    let scene = Scene::with_parts(40);
    let control = oss_upload::Control::new();
    // All fail but the last, which hangs: one routine waits for it, the others for their turn.
    let down = Fault::status(500, "InternalError").on(Operation::UploadPart);
    scene.server.fault(down.times(10));
    let (hold, hangs) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).nth(11));
    let run = || scene.upload().routines(4).control(&control).run();
    let error = meanwhile(run, || {
        wait_reached(&hangs, 1);
        control.cancel();
    });
    hangs.open();
    let error = error.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.is_resumable());
    scene.server.clear_faults();
    scene.expect_done(&scene.upload().run().expect("resumed"));
}
