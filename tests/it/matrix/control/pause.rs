//! Pausing: nothing begins, nothing moves, nothing is lost by it.

use super::*;
use crate::support::Notes;
use crate::support::runs::watched_by;
use oss_upload::{Event, Verify};

const OFTEN: Duration = Duration::from_millis(10);

/// So slow that an upload stays in the middle of its bodies.
const SLOW: u64 = 20_000;

/// Calls back once, when a pause has been looked at several times.
fn in_a_pause(mut act: impl FnMut(&Snapshot)) -> impl FnMut(&Snapshot) {
    let mut looks = 0;
    move |seen| {
        looks = if seen.is_paused { looks + 1 } else { 0 };
        if looks == 5 {
            act(seen);
        }
    }
}

/// The n-th request of a run lets it pause; no other is made until it goes on.
fn pause_at(n: u32, scene: &Scene, upload: UploadFile<'_>) -> Uploaded {
    let control = Control::new();
    let pausing = control.clone();
    match n {
        0 => control.pause(),
        _ => {
            let pause = Fault::run(move |_| pausing.pause());
            scene.server.fault(pause.nth(n).times(1));
        }
    }
    let counts = Notes::new();
    let resume = in_a_pause(|_| {
        counts.add(scene.server.requests().len());
        control.resume();
    });
    let upload = upload.progress_every(OFTEN).on_progress(resume);
    let uploaded = watched_by(&control, upload).expect("it goes on");
    assert_eq!(counts.take(), [n as usize], "requests when it went on");
    assert_eq!(uploaded.retries, 0);
    uploaded
}

#[test]
fn no_request_begins_in_a_pause_and_the_upload_goes_on_where_it_was() {
    let fresh = || Scene::with_parts(4);
    let resumed = || Scene::with_parts(6).interrupted_after(3);
    type Case = (fn() -> Scene, u32);
    let cases: [Case; 4] = [
        (fresh, 1 + 4 + 1),
        (resumed, 1 + 3 + 1),
        (|| about_to(HeadObject), 2),
        (|| about_to(PutObject), 1),
    ];
    for (scene, n_requests) in cases {
        for n in 0..n_requests {
            let scene = scene();
            let upload = scene.upload().verify(Verify::Content);
            let uploaded = pause_at(n, &scene, upload);
            assert_eq!(scene.server.requests().len(), n_requests as usize);
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn a_pause_in_the_last_request_does_not_keep_the_caller() {
    for (operation, n_parts) in [(PutObject, 1), (CompleteMultipartUpload, 3)] {
        let scene = scene_of(n_parts);
        let control = Control::new();
        let pausing = control.clone();
        scene.once(Fault::run(move |_| pausing.pause()), operation);
        let uploaded = watched_by(&control, scene.upload()).expect("it is complete");
        assert!(control.is_paused() && !control.is_cancelled());
        scene.expect_done(&uploaded);
    }
}

/// Broken off by the pause, it costs no attempt; but it may have come through.
#[test]
fn an_object_that_was_stored_in_a_pause_is_not_in_its_own_way() {
    for len in [0, PART - 1] {
        let scene = Scene::with_len(len);
        let control = Control::new();
        let pausing = control.clone();
        scene.once(Fault::run(move |_| pausing.pause()), PutObject);
        scene.once(Fault::lose_answer(), PutObject);
        let upload = scene.upload().forbid_overwrite().progress_every(OFTEN);
        let upload = upload.on_progress(in_a_pause(|_| control.resume()));
        let uploaded = watched_by(&control, upload).expect("it is there");
        assert_eq!(scene.server.count(PutObject), 2);
        scene.expect_done(&uploaded);
    }
}

#[test]
fn whoever_looks_on_does_so_while_an_abort_waits_for_the_end_of_a_pause() {
    let scene = Scene::with_parts(3);
    let control = Control::new();
    let pausing = control.clone();
    scene.once(Fault::run(move |_| pausing.pause()), UploadPart);
    scene.once(Fault::deny(), UploadPart);
    let aborts = Notes::new();
    let resume = in_a_pause(|_| {
        aborts.add(scene.server.count(AbortMultipartUpload));
        control.resume();
    });
    let upload = scene.upload_without_checkpoint().progress_every(OFTEN);
    let failed = watched_by(&control, upload.on_progress(resume)).expect_err("denied");
    assert_eq!(failed.kind(), ErrorKind::Service, "{failed}");
    assert_eq!(aborts.take(), [0]);
    assert_eq!(failed.left_behind(), [""; 0]);
    assert_eq!(scene.server.pending_uploads().len(), 0);
}

/// Finished parts are not even read again.
#[test]
fn the_file_is_not_read_in_a_pause() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6).interrupted_after(3);
        let (control, phases) = (Control::new(), Notes::new());
        let pausing = control.clone();
        scene.once(Fault::run(move |_| pausing.pause()), ListParts);
        let resume = in_a_pause(|seen| {
            phases.add(seen.phase);
            control.resume();
        });
        let upload = scene.upload().routines(routines).verify(Verify::Content);
        let upload = upload.progress_every(OFTEN).on_progress(resume);
        scene.expect_done(&watched_by(&control, upload).expect("it goes on"));
        assert_eq!(phases.take(), [Phase::Verifying]);
    }
}

/// A server that is away after a pause may have been away for no longer than a moment.
#[test]
fn a_pause_is_no_outage() {
    let outage = Duration::from_secs(2);
    let scene = scene_of(1).with_client(|client| {
        let once = hasty().max_attempts(1);
        client.retry(once.outage(outage))
    });
    let control = Control::new();
    let (mut paused_at, mut resumed_at) = (None, None);
    scene.server.go_away();
    let upload = scene.upload().progress_every(OFTEN).on_progress(|seen| {
        if seen.retries == 0 {
            return;
        }
        let since = *paused_at.get_or_insert_with(|| {
            control.pause();
            seen.elapsed
        });
        if resumed_at.is_none() && seen.elapsed > since + outage + outage / 4 {
            control.resume();
            resumed_at = Some(seen.retries);
        }
        // It fails again, and is not given up.
        if resumed_at.is_some_and(|retries| seen.retries > retries) {
            scene.server.come_back().expect("the port is free");
            resumed_at = Some(u64::MAX);
        }
    });
    let uploaded = watched_by(&control, upload).expect("it is there again");
    scene.expect_done(&uploaded);
}

/// Runs an upload that is paused in the middle of its bodies, and hands what is seen since then to `look`.
fn pause_in_a_body(
    upload: UploadFile<'_>,
    control: &Control,
    mut look: impl FnMut(&Snapshot) + Send,
) -> Result<Uploaded, Error> {
    let mut has_paused = false;
    let upload = upload.rate_limit(SLOW).progress_every(OFTEN);
    let upload = upload.on_progress(move |seen| {
        if seen.bytes_in_flight > SLOW / 10 && !has_paused {
            control.pause();
            has_paused = true;
        } else if has_paused {
            look(seen);
        }
    });
    watched_by(control, upload)
}

fn go_on_fast(control: &Control) {
    control.set_rate_limit(None).expect("allowed");
    control.resume();
}

/// Large enough for its bodies to be paused in.
fn scene_of(n_parts: u16) -> Scene {
    match n_parts {
        1 => Scene::with_len(PART - 1),
        _ => Scene::with_parts(n_parts),
    }
}

#[test]
fn bodies_under_way_stand_still_and_then_go_on() {
    each_at_once(with_routines([1, 6]), |(n_parts, routines)| {
        let scene = scene_of(n_parts);
        let (control, stood_still) = (Control::new(), Notes::new());
        let (mut before, mut looks) = (0, 0);
        let upload = scene.upload().routines(routines);
        let uploaded = pause_in_a_body(upload, &control, |seen| {
            looks = match seen.is_paused && seen.bytes_sent == before {
                true => looks + 1,
                false => 0,
            };
            before = seen.bytes_sent;
            // Longer than any turn at this rate.
            if looks == 20 {
                stood_still.add(seen.bytes_sent);
                go_on_fast(&control);
            }
        });
        let uploaded = uploaded.expect("it goes on");
        assert_eq!(stood_still.take().len(), 1);
        assert_eq!((uploaded.bytes_sent, uploaded.retries), (uploaded.size, 0));
        scene.expect_done(&uploaded);
    });
}

/// Half of the stall time-out is long.
#[test]
fn bodies_that_stand_still_for_long_are_broken_off_and_sent_anew_at_no_cost() {
    each_at_once(with_routines([1, 6]), |(n_parts, routines)| {
        let scene = scene_of(n_parts).with_client(|client| {
            let once = hasty().max_attempts(1);
            client.stall_timeout(Duration::from_millis(300)).retry(once)
        });
        let (control, events) = (Control::new(), Notes::new());
        let told = events.clone();
        let upload = scene.upload().routines(routines);
        let upload = upload.on_event(move |event| told.add(event.clone()));
        let uploaded = pause_in_a_body(upload, &control, |seen| {
            if seen.is_paused && seen.parts_in_flight == 0 {
                assert_eq!(seen.bytes_in_flight, 0);
                go_on_fast(&control);
            }
        });
        let uploaded = uploaded.expect("it goes on");
        assert_eq!(uploaded.retries, 0);
        assert!(uploaded.bytes_resent > 0);
        assert_eq!(uploaded.bytes_sent, uploaded.size + uploaded.bytes_resent);
        let mut broken_off = 0;
        for event in events.take() {
            match event {
                Event::PartStarted { attempt, .. } => assert_eq!(attempt, 1),
                Event::PartPaused { bytes, .. } => broken_off += bytes,
                Event::PartFailed { .. } | Event::Retried { .. } => panic!("{event:?}"),
                _ => {}
            }
        }
        assert_eq!(broken_off, uploaded.bytes_resent);
        scene.expect_done(&uploaded);
    });
}

#[test]
fn a_server_that_has_no_patience_with_a_pause_costs_no_attempt_either() {
    each_at_once(with_routines([1, 6]), |(n_parts, routines)| {
        let scene = scene_of(n_parts).with_client(|client| client.retry(hasty().max_attempts(1)));
        let control = Control::new();
        let mut close_all = in_a_pause(|_| {
            scene.server.go_away();
            scene.server.come_back().expect("the port is free");
            go_on_fast(&control);
        });
        let upload = scene.upload().routines(routines);
        let uploaded = pause_in_a_body(upload, &control, |seen| close_all(seen));
        scene.expect_done(&uploaded.expect("it goes on"));
    });
}

#[test]
fn connections_that_were_closed_in_a_pause_cost_no_attempt() {
    let one_try = |client: oss_upload::ClientBuilder| client.retry(hasty().max_attempts(1));
    for n in 1..=5 {
        let scene = Scene::with_parts(4).with_client(one_try);
        let control = Control::new();
        let pausing = control.clone();
        let pause = Fault::run(move |_| pausing.pause());
        scene.server.fault(pause.nth(n).times(1));
        scene
            .server
            .fault(Fault::close_after_answer_silently().nth(n).times(1));
        let upload = scene.upload().progress_every(OFTEN);
        let upload = upload.on_progress(in_a_pause(|_| control.resume()));
        scene.expect_done(&watched_by(&control, upload).expect("it goes on"));
    }
}

/// Only what may begin waits: an answer that is due is taken, and its part recorded.
#[test]
fn answers_that_are_due_are_taken_in_a_pause() {
    let scene = Scene::with_parts(6);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(UploadPart));
    let (control, done) = (Control::new(), Notes::new());
    let noting = done.clone();
    let mut resume = in_a_pause(|_| control.resume());
    let upload = scene.upload().routines(3).progress_every(OFTEN);
    let upload = upload.on_progress(move |seen| {
        if seen.is_paused && seen.parts_done == 3 {
            noting.add(seen.parts_in_flight);
            resume(seen);
        }
    });
    let uploaded = meanwhile(
        || watched_by(&control, upload),
        || {
            wait_reached(&gate, 3);
            control.pause();
            gate.open();
        },
    );
    scene.expect_done(&uploaded.expect("it goes on"));
    assert_eq!(done.take(), [0; 5]);
}

#[test]
fn many_files_in_one_call_pause_together() {
    let scene = Scene::with_parts(3);
    let control = Control::new();
    control.pause();
    let files =
        ["a", "b", "c"].map(|key| scene.bucket.upload_file(key, &scene.file).part_size(PART));
    let mut looks = 0;
    let uploads = scene
        .bucket
        .upload_files(files)
        .routines(2)
        .control(&control);
    let uploads = uploads.on_progress(|seen| {
        looks += 1;
        if looks == 5 {
            assert_eq!((seen.bytes_sent, scene.server.requests().len()), (0, 0));
            control.resume();
        }
    });
    let outcomes = uploads.run().expect("threads");
    assert!(!control.is_paused(), "it did not wait");
    for outcome in outcomes {
        scene.expect_done(&outcome.result.expect("it goes on"));
    }
}

#[test]
fn a_paused_upload_hears_that_it_is_to_end() {
    for end in [Control::cancel, Control::abandon] {
        each_at_once(with_routines(OPERATIONS), |(operation, routines)| {
            let scene = about_to(operation);
            let control = Control::new();
            control.pause();
            let (upload, far) = seen(scene.upload().routines(routines), |seen| seen.is_paused);
            let upload = upload.control(&control);
            let mut asked = None;
            let ended = meanwhile(
                || upload.run(),
                || {
                    far.recv_timeout(WATCHDOG).expect("it is paused");
                    asked = Some(Instant::now());
                    end(&control);
                },
            );
            let took = asked.expect("asked").elapsed();
            assert!(took < SOON, "it took {took:?}");
            let error = ended.expect_err("ended");
            assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
            assert!(control.is_paused());
            expect_continued(&scene, &error, scene.upload());
        });
    }
}
