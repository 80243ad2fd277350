//! Callbacks that panic: an error, and no hang.

use super::*;
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET};
use oss_upload::{Credentials, CredentialsProvider, ProviderError, Verify};
use std::ops::RangeInclusive;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Runs an upload in which something panics. It ends soon, and the panic goes no further.
#[track_caller]
fn ended(upload: UploadFile<'_>) -> Result<Uploaded, Error> {
    let started = Instant::now();
    let ended = panic::catch_unwind(AssertUnwindSafe(|| upload.run()));
    let took = started.elapsed();
    assert!(took < SOON, "it took {took:?}");
    ended.unwrap_or_else(|_| panic!("the caller's thread panicked"))
}

#[track_caller]
fn error_of(upload: UploadFile<'_>) -> Error {
    ended(upload).expect_err("it ends in an error")
}

#[test]
fn an_observer_that_panics_ends_the_upload_in_any_phase_and_the_state_stays() {
    let phases = [
        Phase::Preparing,
        Phase::Verifying,
        Phase::Sending,
        Phase::Completing,
    ];
    for phase in phases {
        for has_state in [false, true] {
            for routines in [1, 4] {
                let _case = Case((phase, has_state, routines));
                let scene = Scene::with_parts(6);
                if has_state {
                    scene.interrupt_after(2);
                } else if phase == Phase::Verifying {
                    continue;
                }
                let upload = || {
                    let upload = scene.upload().verify(Verify::Content);
                    upload.routines(routines)
                };
                let panicking = upload().on_progress(move |seen| {
                    assert_ne!(seen.phase, phase, "on purpose");
                });
                let error = error_of(panicking);
                assert_eq!(error.kind(), ErrorKind::Internal);
                let has_begun = has_state || phase != Phase::Preparing;
                assert_eq!(error.is_resumable(), has_begun);
                assert_eq!(scene.checkpoint().exists(), has_begun);
                expect_continued(&scene, &error, upload());
            }
        }
    }
}

/// Other parts hang meanwhile; they are not waited for.
#[test]
fn an_observer_that_panics_while_parts_hang_ends_them_too() {
    for routines in [1, 4] {
        let scene = hanging_at(UploadPart);
        let upload = || scene.upload().routines(routines);
        let panicking = upload().on_progress(|seen| {
            assert!(seen.parts_done < 2, "on purpose");
        });
        let error = error_of(panicking);
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.is_resumable());
        expect_continued(&scene, &error, upload());
    }
    let scene = hanging_at(PutObject);
    let panicking = scene.upload().on_progress(|seen| {
        assert_eq!(seen.bytes_sent, 0, "on purpose");
    });
    let error = error_of(panicking);
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(!scene.checkpoint().exists());
    expect_continued(&scene, &error, scene.upload());
}

#[test]
fn an_observer_that_panics_when_all_is_done_changes_nothing() {
    for n_parts in [1, 6] {
        let scene = Scene::with_parts(n_parts);
        let panicking = scene.upload().on_progress(|seen| {
            assert_ne!(seen.phase, Phase::Done, "on purpose");
        });
        let uploaded = panicking.run().expect("it is done");
        scene.expect_done(&uploaded);
    }
}

/// Panics at some of the times that it is asked, and whenever it is told of a refusal.
struct Panicking {
    when: RangeInclusive<u32>,
    asked: AtomicU32,
}

impl Panicking {
    fn when(when: RangeInclusive<u32>) -> Panicking {
        let asked = AtomicU32::new(0);
        Panicking { when, asked }
    }

    fn when_refused() -> Panicking {
        Panicking::when(0..=0)
    }
}

impl CredentialsProvider for Panicking {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        let asked = self.asked.fetch_add(1, SeqCst) + 1;
        assert!(!self.when.contains(&asked), "on purpose");
        Ok(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET))
    }

    fn refused(&self, _: &Credentials) {
        panic!("on purpose");
    }
}

/// With a client of that provider such an upload ends in an error, and the next run goes on.
fn expect_error(scene: Scene, operation: Operation, provider: Panicking, routines: usize) {
    let _case = Case((operation, routines));
    let scene = scene.with_client(|client| client.credentials(provider));
    let upload = || scene.upload().routines(routines);
    let error = error_of(upload());
    let kinds = [ErrorKind::Credentials, ErrorKind::Internal];
    assert!(kinds.contains(&error.kind()), "{error}");
    let has_state = !matches!(operation, InitiateMultipartUpload | PutObject);
    assert_eq!(error.is_resumable(), has_state);
    assert_eq!(scene.checkpoint().exists(), has_state);
    expect_continued(&scene, &error, upload());
}

#[test]
fn a_provider_that_panics_ends_the_upload_in_any_call_and_the_state_stays() {
    for (operation, routines) in with_routines(OPERATIONS) {
        // The how-many-eth request of the run it is; of parts, the third.
        let turn = match operation {
            InitiateMultipartUpload | ListParts | PutObject => 1,
            HeadObject => 2,
            UploadPart => 1 + 3,
            _ => 1 + 6 + 1,
        };
        let provider = Panicking::when(turn..=turn);
        expect_error(about_to(operation), operation, provider, routines);
    }
}

#[test]
fn a_provider_that_panics_when_it_is_refused_ends_the_upload_and_the_state_stays() {
    for (operation, routines) in with_routines(OPERATIONS) {
        let scene = about_to(operation);
        let refused = Fault::status(403, "InvalidAccessKeyId").times(1);
        scene.server.fault(at(operation, refused));
        expect_error(scene, operation, Panicking::when_refused(), routines);
    }
}

/// Nobody signs the Abort either.
#[test]
fn without_a_checkpoint_what_stays_behind_a_provider_that_panics_is_named() {
    for routines in [1, 4] {
        let provider = Panicking::when(4..=u32::MAX);
        let scene = Scene::with_parts(6).with_client(|client| client.credentials(provider));
        let upload = scene.upload_without_checkpoint().routines(routines);
        let error = error_of(upload);
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert_eq!(error.left_behind(), [scene.upload_id()]);
    }
}

#[test]
fn a_provider_that_panics_at_an_abort_costs_that_abort_and_not_the_upload() {
    let refused = || Fault::status(403, "InvalidAccessKeyId").times(1);
    for (provider, refused) in [
        (Panicking::when(1..=1), refused().times(0)),
        (Panicking::when_refused(), refused()),
    ] {
        let scene = Scene::with_parts(6).interrupted_after(2);
        scene.rewrite();
        scene.server.fault(refused.on(AbortMultipartUpload));
        let scene = scene.with_client(|client| client.credentials(provider));
        let uploaded = ended(scene.upload()).expect("it is aborted in the end");
        scene.expect_done(&uploaded);
    }
}
