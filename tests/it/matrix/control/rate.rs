//! A limit of the rate: kept by all together, changed at any time, and never taken for a stall.

use super::*;

/// What so many bytes take at least: a tenth of a second may have been saved up.
fn at_least(bytes: u64, rate: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate as f64 - 0.1)
}

#[test]
fn an_upload_takes_as_long_as_its_limit_asks_whatever_the_routines() {
    each_at_once(with_routines([1, 6]), |(n_parts, routines)| {
        let scene = Scene::with_len(n_parts * PART - 1);
        let rate = scene_len(&scene) / 2;
        let upload = scene.upload().routines(routines).rate_limit(rate);
        let uploaded = upload.run().expect("uploaded");
        let least = at_least(uploaded.size, rate);
        assert!(uploaded.elapsed >= least, "{:?}", uploaded.elapsed);
        assert_eq!((uploaded.bytes_sent, uploaded.retries), (uploaded.size, 0));
        scene.expect_done(&uploaded);
    });
}

fn scene_len(scene: &Scene) -> u64 {
    fs::metadata(&scene.file).expect("the file").len()
}

#[test]
fn uploads_that_share_a_control_share_its_limit() {
    let control = Control::new();
    let rate = 3 * PART;
    control.set_rate_limit(Some(rate)).expect("allowed");
    let started = Instant::now();
    each_at_once([1, 2, 4], |routines| {
        let scene = Scene::with_len(2 * PART);
        let upload = scene.upload().routines(routines).control(&control);
        scene.expect_done(&upload.run().expect("uploaded"));
    });
    assert!(started.elapsed() >= at_least(6 * PART, rate));
}

#[test]
fn many_files_in_one_call_share_the_limit_of_their_control() {
    let scene = Scene::with_len(PART / 2);
    let rate = 3 * PART;
    let control = Control::new();
    control.set_rate_limit(Some(rate)).expect("allowed");
    let files = (0..12).map(|n| (n.to_string(), scene.file.clone()));
    let uploads = scene.bucket.upload_files(files).routines(4);
    let started = Instant::now();
    let outcomes = uploads.control(&control).run().expect("threads");
    assert!(started.elapsed() >= at_least(6 * PART, rate));
    assert!(outcomes.into_iter().all(|outcome| outcome.result.is_ok()));
    // One alone may not set it for all of them.
    let file = scene.upload().rate_limit(2048);
    let outcomes = scene.bucket.upload_files([file]).run().expect("threads");
    let refused = outcomes[0].result.as_ref().expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::Options);
    assert!(refused.to_string().contains("`rate_limit`"), "{refused}");
}

/// By the first limit it would take more than a minute.
#[test]
fn a_limit_that_is_lifted_or_raised_is_felt_at_once() {
    let cases = [None, Some(u64::MAX), Some(10 << 20)];
    each_at_once(with_routines(cases), |(changed, routines)| {
        let scene = Scene::with_parts(6);
        let (control, mut slow_since) = (Control::new(), None);
        let upload = scene.upload().routines(routines).rate_limit(4096);
        let upload = upload.control(&control).on_progress(|seen| {
            if seen.bytes_in_flight > 0 && slow_since.is_none() {
                control.set_rate_limit(changed).expect("allowed");
                slow_since = Some(Instant::now());
            }
        });
        let uploaded = upload.run().expect("uploaded");
        let took = slow_since.expect("it was slow").elapsed();
        assert!(took < SOON, "it took {took:?}");
        scene.expect_done(&uploaded);
    });
}

/// The whole body takes ten times as long as the client puts up with silence.
#[test]
fn a_limit_far_below_the_buffers_is_no_stall() {
    each_at_once(with_routines([()]), |((), routines)| {
        let scene = Scene::with_len(3 * 1024).with_client(|client| {
            let once = hasty().max_attempts(1);
            client.stall_timeout(Duration::from_millis(300)).retry(once)
        });
        let upload = scene.upload().routines(routines).rate_limit(1024);
        let uploaded = upload.run().expect("it is slow, not dead");
        assert_eq!(uploaded.retries, 0);
        scene.expect_done(&uploaded);
    });
}

#[test]
fn cancelling_is_heard_while_bodies_wait_for_their_turn() {
    each_at_once(
        with_routines([PutObject, UploadPart]),
        |(operation, routines)| {
            let scene = about_to(operation);
            let upload = scene.upload().routines(routines).rate_limit(1024);
            let (upload, far) = seen(upload, |seen| seen.bytes_in_flight > 0);
            let error = cancelled_when(&far, upload);
            assert_eq!(error.is_resumable(), operation == UploadPart);
            expect_continued(&scene, &error, scene.upload());
        },
    );
}
