//! Options that nobody should choose: an error or a success, and never a panic.

use super::expect_clear;
use crate::support::runs::watched;
use crate::support::{KEY, PART, Scene, bucket, client};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault};
use oss_upload::{Credentials, ErrorKind, RetryPolicy};
use std::time::Duration;

#[test]
fn time_outs_and_delays_without_end_are_no_trouble() {
    let mut scene = Scene::with_parts(3);
    let patient = RetryPolicy::default().outage(Duration::MAX);
    let patient = client(&scene.server)
        .connect_timeout(Duration::MAX)
        .stall_timeout(Duration::MAX)
        .retry(
            patient
                .base_delay(Duration::MAX)
                .max_delay(Duration::from_millis(1)),
        );
    scene.bucket = bucket(patient);
    scene
        .server
        .fault(Fault::status(503, "ServiceUnavailable").every(2));
    let uploaded = watched(scene.upload()).expect("uploaded");
    assert!(uploaded.retries > 0);
    scene.expect_done(&uploaded);
}

#[test]
fn headers_and_tokens_that_no_request_carries_are_refused_before_anything_is_sent() {
    let mut scene = Scene::with_parts(3);
    for (n, len) in [(30_000, 1), (1, 200_000), (3, 60_000)] {
        let upload = (0..n).fold(scene.upload(), |upload, n| {
            upload.header(format!("x-{n}"), "v".repeat(len))
        });
        let error = watched(upload).expect_err("no request carries that");
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        expect_clear(&error, &format!("{n} of {len}"));
    }
    let endless = Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET);
    let endless =
        client(&scene.server).credentials(endless.with_security_token("t".repeat(1 << 20)));
    let good = std::mem::replace(&mut scene.bucket, bucket(endless));
    let error = watched(scene.upload()).expect_err("no request carries that");
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    expect_clear(&error, "a token of 1 MiB");
    assert_eq!(scene.server.requests().len(), 0);
    scene.bucket = good;
    let uploaded =
        watched(scene.upload().header("x-custom", "v".repeat(20_000))).expect("uploaded");
    scene.expect_done(&uploaded);
}

#[test]
fn names_with_line_breaks_stay_in_one_line_of_an_error() {
    let scene = Scene::with_len(PART - 1);
    let error = client(&scene.server)
        .region("a\nb")
        .build()
        .expect_err("no region");
    expect_clear(&error, "a region");
    let built = client(&scene.server).build().expect("a client");
    expect_clear(&built.bucket("a\nb").expect_err("no bucket"), "a bucket");
    let missing = scene.dir.path().join("a\nERROR b");
    let error = scene
        .bucket
        .upload_file(KEY, missing)
        .run()
        .expect_err("no such file");
    assert_eq!(error.kind(), ErrorKind::Source);
    expect_clear(&error, "a file");
    assert!(error.to_string().contains("a\\nERROR b"), "{error}");
}
