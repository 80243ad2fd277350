//! Row 12: an old upload that could not be aborted when its state was discarded is owed until it is.

use crate::support::logs::heard_during;
use crate::support::process::{Halt, Moment};
use crate::support::runs::STALL;
use crate::support::{
    BUCKET, Case, KEY, PART, Scene, bucket, client, hasty, keeping_mtime, meanwhile, random_bytes,
    wait_reached,
};
use Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, InitiateMultipartUpload, ListParts, PutObject,
    UploadPart,
};
use oss_upload::local_server::{Fault, FaultHandle, LocalServer, Operation};
use oss_upload::{Checkpoint, Control, Error, ErrorKind, OnChange, RestartReason, UploadFile};
use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// How often a request is attempted, by default.
const ATTEMPTS: u32 = 8;

/// How often an upload is aborted that keeps having parts.
const ABORTS: u32 = 4;

/// Why a state is of no use any more.
struct Reason {
    name: &'static str,
    happens: fn(&Scene),
    /// The upload that finds the state of no use, and goes on with its own.
    upload: for<'a> fn(&'a Scene) -> UploadFile<'a>,
}

const REASONS: [Reason; 7] = [
    Reason {
        name: "the file was rewritten",
        happens: Scene::rewrite,
        upload: Scene::upload,
    },
    Reason {
        name: "the file was rewritten and its mtime set back",
        happens: |scene| keeping_mtime(&scene.file, || scene.rewrite()),
        upload: Scene::upload,
    },
    Reason {
        name: "another part size",
        happens: |_| {},
        upload: |scene| scene.upload().part_size(PART + 1),
    },
    Reason {
        name: "other options",
        happens: |_| {},
        upload: |scene| scene.upload().meta("owner", "alice"),
    },
    Reason {
        name: "another key",
        happens: |_| {},
        upload: |scene| scene.upload_to(&scene.bucket, "another/key"),
    },
    Reason {
        name: "another file",
        happens: |scene| {
            fs::copy(&scene.file, scene.dir.path().join("copy")).expect("copied");
        },
        upload: |scene| {
            let copy = scene.dir.path().join("copy");
            let upload = scene.bucket.upload_file(KEY, copy).part_size(PART);
            upload.checkpoint(Checkpoint::at(scene.checkpoint()))
        },
    },
    Reason {
        name: "a damaged checkpoint",
        happens: Scene::damage_checkpoint,
        upload: Scene::upload,
    },
];

/// Leaves the state of an upload of two parts behind, and returns the upload's id.
fn interrupted(scene: &Scene) -> String {
    scene.interrupt_after(2);
    scene.upload_id()
}

fn refuse_aborts(scene: &Scene) -> FaultHandle {
    let refused = Fault::deny().on(AbortMultipartUpload);
    scene.server.fault(refused)
}

/// Runs an upload whose third part is refused.
#[track_caller]
fn fail_midway(server: &LocalServer, upload: UploadFile<'_>) -> Error {
    let third = Fault::deny().on(UploadPart).nth(3).times(1);
    let denied = server.fault(third);
    let error = upload.run().expect_err("the third part is refused");
    assert_eq!(denied.hits(), 1, "{error}");
    error
}

/// Writes other bytes of the same length into the file when the n-th part arrives.
fn rewrite_at_part(scene: &Scene, nth: u32, times: u32) {
    let file = scene.file.clone();
    let seed = AtomicU64::new(100);
    let rewrite = Fault::run(move |_| {
        let len = fs::metadata(&file).expect("the file").len();
        let bytes = random_bytes(len, seed.fetch_add(1, SeqCst));
        // Without a moment in which it is empty.
        let mut file = fs::File::options().write(true).open(&file).expect("opened");
        file.write_all(&bytes).expect("written");
    });
    let rewrite = rewrite.on(UploadPart).nth(nth).times(times);
    scene.server.fault(rewrite);
}

/// Ids of all uploads that are open on the server, sorted.
fn pending(server: &LocalServer) -> Vec<String> {
    let pending = server.pending_uploads().into_iter();
    let mut ids: Vec<_> = pending.map(|upload| upload.upload_id).collect();
    ids.sort();
    ids
}

fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

#[test]
fn it_is_remembered_in_the_new_state_and_paid_by_the_run_that_gets_there() {
    for reason in REASONS {
        for routines in [1, 4] {
            let _case = Case((reason.name, routines));
            let scene = Scene::with_parts(8);
            let old = interrupted(&scene);
            (reason.happens)(&scene);
            let upload = || (reason.upload)(&scene).routines(routines);
            let refusing = refuse_aborts(&scene);
            let error = fail_midway(&scene.server, upload());
            assert_eq!(error.left_behind(), [&*old]);
            let new = error.upload_id().expect("resumable");
            assert_ne!(new, old);
            assert!(scene.checkpoint().exists());
            let there = scene.bytes_stored(new);
            // With more routines the refusal may end the two before it.
            assert!(routines > 1 || there >= 2 * PART);

            refusing.remove();
            let uploaded = upload().run().expect("uploaded");
            assert!(uploaded.bytes_sent <= uploaded.size - there);
            scene.expect_done(&uploaded);
        }
    }
}

/// What every Abort comes to, whether the upload is still there then, and how often it is asked for at a time.
fn refusals() -> [(Fault, bool, u32); 7] {
    [
        (Fault::deny(), true, 1),
        (Fault::status(500, "InternalError"), true, 2),
        (Fault::status(503, "ServiceUnavailable"), true, 2),
        (Fault::no_answer(), true, 2),
        (Fault::close_after(0), true, 2),
        // As if parts kept landing behind it.
        (granted_only(), true, ABORTS),
        // It is done, and nobody ever hears of it.
        (Fault::lose_answer(), false, 2),
    ]
}

fn granted_only() -> Fault {
    Fault::answer(204, "text/plain", "")
}

#[test]
fn what_is_still_owed_in_the_end_is_named_in_the_result() {
    for (refusal, stays, most) in refusals() {
        for routines in [1, 4] {
            let _case = Case((&refusal, routines));
            let two_tries = hasty().max_attempts(2);
            let scene = Scene::with_parts(5)
                .with_client(|client| client.stall_timeout(2 * STALL).retry(two_tries));
            let old = interrupted(&scene);
            scene.rewrite();
            let refusing = scene.server.fault(refusal.clone().on(AbortMultipartUpload));
            let uploaded = scene.upload().routines(routines).run().expect("uploaded");
            assert_eq!(uploaded.restarts, [RestartReason::FileChanged]);
            assert_eq!(uploaded.left_behind, [&*old]);
            let left = if stays { vec![old] } else { vec![] };
            assert_eq!(pending(&scene.server), left);
            scene.expect_object(left.len());
            // When it is discarded, and in the end. A kept connection that breaks seems stale, which is no attempt.
            let (hits, kept) = (refusing.hits(), u32::try_from(routines).expect("few"));
            assert!((2..=2 * (most + kept)).contains(&hits), "{hits}");
        }
    }
}

#[test]
fn an_abort_that_fails_for_a_while_or_finds_nothing_is_as_good_as_any() {
    let aborts = |fault: Fault| fault.on(AbortMultipartUpload);
    for faults in [
        vec![aborts(Fault::lose_answer().times(1))],
        vec![aborts(
            Fault::status(500, "InternalError").times(ATTEMPTS - 1),
        )],
        // Failed when it was discarded, granted in the end.
        vec![aborts(Fault::status(500, "InternalError").times(ATTEMPTS))],
        vec![aborts(Fault::lose_answer().times(ATTEMPTS))],
        vec![Fault::deny().on(ListParts)],
        // Nobody can say whether it is gone, until it is asked for again.
        vec![Fault::status(500, "InternalError").on(ListParts)],
        // Parts that were under way land after it.
        vec![aborts(granted_only().times(2))],
        vec![aborts(granted_only().times(2)), Fault::deny().on(ListParts)],
        // A lifecycle rule was faster.
        vec![aborts(Fault::forget_upload())],
    ] {
        for routines in [1, 4] {
            let _case = Case((&faults, routines));
            let scene = Scene::with_parts(5);
            interrupted(&scene);
            scene.rewrite();
            for fault in faults.clone() {
                scene.server.fault(fault);
            }
            let uploaded = scene.upload().routines(routines).run().expect("uploaded");
            assert_eq!(uploaded.left_behind, [""; 0]);
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn debts_add_up_over_the_runs_and_each_is_paid_by_itself() {
    const KEYS: [&str; 4] = ["first", "second", "third", "fourth"];
    for routines in [1, 4] {
        let scene = Scene::with_parts(6);
        let upload = |key| scene.upload_to(&scene.bucket, key).routines(routines);
        let refusing = refuse_aborts(&scene);
        let mut begun: Vec<String> = vec![];
        for key in KEYS {
            let error = fail_midway(&scene.server, upload(key));
            assert_eq!(error.left_behind(), begun);
            begun.push(error.upload_id().expect("resumable").to_owned());
        }
        assert_eq!(pending(&scene.server), sorted(&begun));
        refusing.remove();
        let second = Fault::deny().on(AbortMultipartUpload).key("second");
        scene.server.fault(second);
        let uploaded = upload("fourth").run().expect("resumed");
        assert_eq!(uploaded.upload_id.as_ref(), begun.last());
        assert_eq!(uploaded.left_behind, [&*begun[1]]);
        assert_eq!(pending(&scene.server), [&*begun[1]]);
        assert!(!scene.checkpoint().exists());
    }
}

#[test]
fn debts_survive_the_damage_of_the_checkpoint_that_remembers_them() {
    let cut = |scene: &Scene| {
        let bytes = fs::read(scene.checkpoint()).expect("the checkpoint");
        fs::write(scene.checkpoint(), &bytes[..bytes.len() - 1]).expect("cut");
    };
    for harm in [Scene::damage_checkpoint, cut] {
        let scene = Scene::with_parts(6);
        let old = interrupted(&scene);
        scene.rewrite();
        let refusing = refuse_aborts(&scene);
        let error = fail_midway(&scene.server, scene.upload());
        harm(&scene);
        let new = error.upload_id().expect("resumable").to_owned();
        let error = fail_midway(&scene.server, scene.upload());
        assert_eq!(error.left_behind()[0], old);
        // Cut off, the new upload goes on; damaged, it is owed too.
        assert!(error.left_behind().contains(&new) || error.upload_id() == Some(&*new));
        refusing.remove();
        let uploaded = scene.upload().run().expect("uploaded");
        scene.expect_done(&uploaded);
    }
}

#[test]
fn a_debt_of_this_very_run_is_paid_at_its_end() {
    for routines in [1, 4] {
        for upload in [Scene::upload, Scene::upload_without_checkpoint] {
            let scene = Scene::with_parts(6);
            rewrite_at_part(&scene, 3, 1);
            let refused = Fault::deny().on(AbortMultipartUpload).times(1);
            let refused = scene.server.fault(refused);
            let uploaded = upload(&scene).routines(routines).run().expect("uploaded");
            assert_eq!(refused.hits(), 1);
            assert_eq!(scene.server.count(AbortMultipartUpload), 2);
            scene.expect_restarted(&uploaded, RestartReason::FileChanged);
        }
    }
}

/// A run that ends with nothing to go on with but debts.
struct End {
    name: &'static str,
    happens: fn(&Scene),
    upload: for<'a> fn(&'a Scene) -> UploadFile<'a>,
    uploads_owed: usize,
}

const ENDS: [End; 4] = [
    End {
        name: "the file changes, and that is to be the end",
        happens: |scene| rewrite_at_part(scene, 3, 1),
        upload: |scene| scene.upload().on_change(OnChange::Fail),
        uploads_owed: 1,
    },
    End {
        name: "the file never rests",
        happens: |scene| rewrite_at_part(scene, 1, u32::MAX),
        upload: Scene::upload,
        uploads_owed: 4,
    },
    End {
        name: "no new upload is granted",
        happens: |scene| {
            interrupted(scene);
            scene.once(Fault::deny(), InitiateMultipartUpload);
        },
        upload: |scene| scene.upload().part_size(PART + 1),
        uploads_owed: 1,
    },
    End {
        name: "PutObject is refused",
        happens: |scene| {
            interrupted(scene);
            scene.once(Fault::deny(), PutObject);
        },
        upload: |scene| scene.upload().part_size(20 * PART),
        uploads_owed: 1,
    },
];

#[test]
fn a_run_that_fails_for_good_keeps_the_checkpoint_of_its_debts() {
    for end in ENDS {
        for routines in [1, 4] {
            let _case = Case((end.name, routines));
            let scene = Scene::with_parts(6);
            (end.happens)(&scene);
            refuse_aborts(&scene);
            let upload = || (end.upload)(&scene).routines(routines);
            let error = upload().run().expect_err("it fails for good");
            assert!(!error.is_resumable());
            assert_eq!(error.left_behind().len(), end.uploads_owed);
            let named = sorted(error.left_behind());
            assert_eq!(named, pending(&scene.server));
            assert!(scene.checkpoint().exists());

            scene.server.clear_faults();
            let uploaded = upload().run().expect("uploaded");
            assert_eq!(uploaded.bytes_sent, uploaded.size);
            scene.expect_done(&uploaded);
        }
    }
}

/// Where nothing is remembered, the name in the error is all there is.
/// Nobody knows its id, so nobody can abort it.
#[test]
fn an_upload_that_may_have_begun_is_told_of_when_nobody_waits_for_the_answer() {
    let scene = Scene::with_parts(3);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(InitiateMultipartUpload));
    let control = Control::new();
    let heard = heard_during(|| {
        let run = || scene.upload().control(&control).run();
        let ended = meanwhile(run, || {
            wait_reached(&gate, 1);
            control.cancel();
        });
        let error = ended.expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    });
    gate.open();
    let told = |line: &String| line.starts_with("WARN") && line.contains("lifecycle rule");
    assert!(heard.iter().any(told), "{heard:?}");
}

#[test]
fn without_a_checkpoint_it_is_named_in_the_error() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6);
        refuse_aborts(&scene);
        let upload = scene.upload_without_checkpoint().routines(routines);
        let error = fail_midway(&scene.server, upload);
        assert!(!error.is_resumable());
        assert_eq!(error.left_behind(), [scene.upload_id()]);
        assert!(!scene.checkpoint().exists());
    }
}

/// As long as no other upload has taken its place in the checkpoint, it can be continued like any other.
#[test]
fn a_debt_whose_reason_is_taken_back_is_an_upload_that_goes_on() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6);
        let old = interrupted(&scene);
        refuse_aborts(&scene);
        scene.once(Fault::deny(), InitiateMultipartUpload);
        let other = scene.upload().part_size(PART + 1).run();
        let error = other.expect_err("no new upload is granted");
        assert_eq!(error.left_behind(), [&*old]);
        let uploaded = scene.upload().routines(routines).run().expect("resumed");
        assert_eq!(uploaded.upload_id, Some(old));
        assert_eq!(uploaded.bytes_sent, uploaded.size - 2 * PART);
        scene.expect_done(&uploaded);
    }
}

#[test]
fn what_is_owed_at_another_endpoint_is_named_until_a_client_from_there_comes_by() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(12);
        let here = interrupted(&scene);
        let elsewhere = LocalServer::start().expect("a port");
        let bucket = bucket(client(&elsewhere));
        let upload_there = || scene.upload_to(&bucket, KEY).routines(routines);
        for _ in 0..2 {
            let error = fail_midway(&elsewhere, upload_there());
            assert_eq!(error.left_behind(), [&*here]);
            assert!(error.is_resumable());
        }
        assert_eq!(scene.server.requests().len(), 0, "nobody asked here");

        let [there] = &pending(&elsewhere)[..] else {
            panic!("not one upload is open there")
        };
        let uploaded = scene.upload().routines(routines).run().expect("uploaded");
        assert_eq!(uploaded.restarts, [RestartReason::OtherTarget]);
        assert_eq!(uploaded.left_behind, [&**there]);
        assert_eq!(pending(&elsewhere), [&**there]);
        scene.expect_object(0);
    }
}

/// When nobody from there comes by, the last that remembers it names it.
#[test]
fn what_is_owed_at_another_endpoint_is_named_by_the_run_that_deletes_the_checkpoint() {
    let scene = Scene::with_parts(6);
    let here = interrupted(&scene);
    let elsewhere = LocalServer::start().expect("a port");
    let bucket = bucket(client(&elsewhere));
    let upload_there = || scene.upload_to(&bucket, KEY);
    fail_midway(&elsewhere, upload_there());
    let uploaded = upload_there().run().expect("resumed");
    assert_eq!(uploaded.parts_resumed(), 2);
    assert_eq!(uploaded.left_behind, [&*here]);
    assert_eq!(pending(&elsewhere), [""; 0]);
    assert!(!scene.checkpoint().exists());
    assert_eq!(pending(&scene.server), [here]);
}

/// The process dies at a request of the run that discards the state, while an Abort before it is refused.
#[test]
fn killed_at_any_request_it_still_owes_what_it_owed() {
    for (operation, nth, aborts_refused) in [
        // The one that is to discard the state.
        (AbortMultipartUpload, 1, 0),
        (InitiateMultipartUpload, 1, 1),
        (UploadPart, 1, 1),
        (UploadPart, 4, 1),
        (CompleteMultipartUpload, 1, 1),
        // The one that is to pay in the end.
        (AbortMultipartUpload, 2, 1),
    ] {
        for moment in [Moment::Lost, Moment::Done] {
            let _case = Case((moment, operation, nth));
            let scene = Scene::with_parts(6);
            let old = interrupted(&scene);
            scene.rewrite();
            let refused = Fault::deny().on(AbortMultipartUpload);
            scene.server.fault(refused.times(aborts_refused));
            let halt = Halt::at(&scene.server, moment, |fault| {
                fault.on(operation).nth(nth).times(1)
            });
            let running = scene.program().start();
            halt.wait();
            running.kill();
            let is_paid = (operation, moment) == (AbortMultipartUpload, Moment::Done);
            assert_eq!(!pending(&scene.server).contains(&old), is_paid);
            halt.lift(&scene.server);

            let there = match scene.server.object(BUCKET, KEY) {
                Some(object) => object.len,
                None => begun_beside(&scene, &old).map_or(0, |new| scene.bytes_stored(&new)),
            };
            let uploaded = scene.upload().run().expect("uploaded");
            assert!(uploaded.bytes_sent <= uploaded.size - there);
            // An upload whose id nobody ever heard; see `process`.
            let orphan = (operation, moment) == (InitiateMultipartUpload, Moment::Done);
            assert_eq!(pending(&scene.server).len(), usize::from(orphan));
            for id in pending(&scene.server) {
                scene.server.drop_upload(&id);
            }
            scene.expect_done(&uploaded);
        }
    }
}

/// The upload that is open on the server beside the old one.
fn begun_beside(scene: &Scene, old: &str) -> Option<String> {
    pending(&scene.server).into_iter().find(|id| id != old)
}
