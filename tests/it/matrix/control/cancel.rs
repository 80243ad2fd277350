//! Cancelling: the state stays, and the caller waits for nothing.

use super::*;
use oss_upload::RestartReason;

/// While the server hangs in one call.
fn cancel_at(operation: Operation, routines: usize, fault: Fault) {
    end_at(operation, routines, fault, |far, upload| {
        (cancelled_when(far, upload), true)
    });
}

#[test]
fn it_is_heard_while_a_call_is_not_answered() {
    each_at_once(with_routines(OPERATIONS), |(operation, routines)| {
        cancel_at(operation, routines, Fault::no_answer());
    });
}

/// It comes byte by byte, each of them sooner than the socket looks around.
#[test]
fn it_is_heard_in_the_middle_of_an_answer_that_does_not_end() {
    each_at_once(with_routines(OPERATIONS), |(operation, routines)| {
        let pause = Duration::from_millis(150);
        cancel_at(operation, routines, Fault::trickle_answer(pause));
    });
}

/// A line that takes hardly a byte, if any.
#[test]
fn it_is_heard_in_the_middle_of_a_body() {
    const LARGE: u64 = 8 << 20;
    let walls: [fn() -> Fault; 2] = [
        || Fault::stop_reading_after(100_000),
        || Fault::bandwidth(15_000),
    ];
    let bodies = [(PutObject, LARGE), (UploadPart, 2 * LARGE + 1)];
    let cases = walls
        .into_iter()
        .flat_map(|wall| bodies.map(|body| (wall, body)));
    each_at_once(with_routines(cases), |((wall, body), routines)| {
        let (operation, len) = body;
        let server = LocalServer::builder().receive_buffer(2304).start();
        let scene = Scene::on(server.expect("a port"), len);
        scene.server.fault(wall().on(operation));
        let upload = scene.upload().part_size(LARGE).routines(routines);
        let (upload, far) = seen(upload, |seen| seen.bytes_sent > 0);
        let error = cancelled_when(&far, upload);
        assert_eq!(error.is_resumable(), operation == UploadPart);
    });
}

#[test]
fn it_is_heard_in_a_pause_between_retries() {
    each_at_once(with_routines(OPERATIONS), |(operation, routines)| {
        let scene = drowsy(about_to(operation));
        scene.server.fault(at(operation, lull()));
        let upload = || scene.upload().routines(routines);
        let error = match operation {
            // The observer knows best, but looks on only while bodies are sent.
            UploadPart | PutObject => {
                let (upload, far) = seen(upload(), |seen| seen.retries > 0);
                cancelled_when(&far, upload)
            }
            _ => cancelled_when(&arrival(&scene, operation), upload()),
        };
        expect_continued(&scene, &error, upload());
    });
}

/// One routine, and no list of parts in the next run: the record alone must know.
#[test]
fn every_part_that_was_acknowledged_before_it_is_recorded() {
    for part in 1..=6 {
        let scene = Scene::with_parts(6);
        let hang = |fault: Fault| fault.on(UploadPart).part(part);
        let far = arrival_of(&scene, hang);
        scene.server.fault(hang(Fault::no_answer()));
        cancelled_when(&far, scene.upload());
        scene.server.clear_faults();
        scene.server.fault(Fault::deny().on(ListParts));
        let uploaded = scene.upload().run().expect("resumed");
        scene.expect_resumed(&uploaded, part - 1);
    }
}

/// Who cancels need not wait for a courtesy to the bill either.
mod aborting {
    use super::*;

    /// An upload that is about to wait for an Abort.
    fn hanging(scene: &Scene) -> Receiver<()> {
        let far = arrival(scene, AbortMultipartUpload);
        let hang = Fault::no_answer().on(AbortMultipartUpload);
        scene.server.fault(hang);
        far
    }

    fn expect_paid_by_the_next_run(scene: &Scene, upload: UploadFile<'_>) {
        assert!(scene.checkpoint().exists());
        scene.server.clear_faults();
        let uploaded = upload.run().expect("uploaded");
        scene.expect_done(&uploaded);
    }

    #[test]
    fn what_was_found_of_no_use() {
        let scene = Scene::with_parts(6).interrupted_after(2);
        let old = scene.upload_id();
        scene.rewrite();
        let far = hanging(&scene);
        let error = cancelled_when(&far, scene.upload());
        assert_eq!(error.left_behind(), [old]);
        assert!(!error.is_resumable());
        expect_paid_by_the_next_run(&scene, scene.upload());
    }

    #[test]
    fn what_this_run_had_begun_before_the_file_changed() {
        for routines in [1, 4] {
            let scene = Scene::with_parts(6);
            let file = scene.file.clone();
            let grow = Fault::run(move |_| {
                let file = fs::File::options().write(true).open(&file);
                file.and_then(|file| file.set_len(9 * PART)).expect("grown");
            });
            scene.server.fault(grow.on(UploadPart).nth(3).times(1));
            let far = hanging(&scene);
            let upload = || scene.upload().routines(routines);
            let error = cancelled_when(&far, upload());
            assert_eq!(error.left_behind(), [scene.upload_id()]);
            expect_paid_by_the_next_run(&scene, upload());
        }
    }

    #[test]
    fn what_failed_without_a_checkpoint() {
        for routines in [1, 4] {
            let scene = Scene::with_parts(6);
            scene.server.fault(Fault::deny().on(UploadPart).nth(3));
            let far = hanging(&scene);
            let upload = scene.upload_without_checkpoint().routines(routines);
            let ended = ended_when(&far, upload, Control::cancel);
            let error = ended.expect_err("a part was denied");
            assert_eq!(error.left_behind(), [scene.upload_id()]);
            assert!(!error.is_resumable());
        }
    }

    /// The object is there already, so that is what is reported.
    #[test]
    fn what_is_owed_when_all_is_done() {
        let scene = Scene::with_parts(6).interrupted_after(2);
        let old = scene.upload_id();
        scene.rewrite();
        scene.once(Fault::deny(), AbortMultipartUpload);
        let second = |fault: Fault| fault.on(AbortMultipartUpload).nth(2);
        let far = arrival_of(&scene, second);
        scene.server.fault(second(Fault::no_answer()));
        let ended = ended_when(&far, scene.upload(), Control::cancel);
        let uploaded = ended.expect("the object is complete");
        assert_eq!(uploaded.restarts, [RestartReason::FileChanged]);
        assert_eq!(uploaded.left_behind, [old]);
        scene.expect_object(1);
    }
}

#[test]
fn one_control_ends_all_uploads_that_were_given_it() {
    let scene = Scene::with_parts(6);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(UploadPart));
    let control = Control::new();
    let upload = |key| {
        let upload = scene.bucket.upload_file(key, &scene.file);
        upload.part_size(PART).control(&control).run()
    };
    let mut second = None;
    let first = meanwhile(
        || upload("first"),
        || {
            second = Some(meanwhile(
                || upload("second"),
                || {
                    wait_reached(&gate, 2);
                    control.cancel();
                },
            ));
        },
    );
    for ended in [first, second.expect("it was run")] {
        assert_eq!(ended.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    }
    assert_eq!(scene.server.pending_uploads(), []);
}

/// It asks for nothing, and takes nothing away; see also D26.
#[test]
fn an_upload_that_is_given_a_cancelled_control_leaves_the_state_alone() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6).interrupted_after(2);
        let control = Control::new();
        control.cancel();
        let upload = || scene.upload().routines(routines);
        let error = upload().control(&control).run().expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(error.upload_id(), Some(&*scene.upload_id()));
        assert_eq!(scene.server.requests().len(), 0);
        expect_continued(&scene, &error, upload());
    }
}

#[test]
fn after_success_it_changes_nothing() {
    let scene = Scene::with_parts(6);
    let control = Control::new();
    let cancelling = control.clone();
    let upload = scene.upload().control(&control).on_progress(move |seen| {
        if seen.phase == Phase::Done {
            cancelling.cancel();
        }
    });
    let uploaded = upload.run().expect("it is done");
    assert!(control.is_cancelled());
    scene.expect_done(&uploaded);
}
