//! Row 11: uploads that are cancelled or abandoned, and callbacks that panic.

mod abandon;
mod cancel;
mod deadline;
mod panics;
mod pause;
mod rate;

use crate::support::process::{Halt, Moment, WATCHDOG};
use crate::support::{
    BUCKET, Case, KEY, PART, Scene, bucket, client, hasty, meanwhile, wait_reached,
};
use Operation::{
    AbortMultipartUpload, CompleteMultipartUpload, HeadObject, InitiateMultipartUpload, ListParts,
    PutObject, UploadPart,
};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{Control, Error, ErrorKind, Phase, Snapshot, UploadFile, Uploaded};
use std::fmt::Debug;
use std::fs;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Every call that an upload may wait for.
const OPERATIONS: [Operation; 6] = [
    InitiateMultipartUpload,
    UploadPart,
    ListParts,
    CompleteMultipartUpload,
    HeadObject,
    PutObject,
];

/// It is promised within a second. A machine with other things to do may take longer, but silence is put up with for 20.
const SOON: Duration = Duration::from_secs(5);

/// An upload whose next run needs this call.
fn about_to(operation: Operation) -> Scene {
    let scene = match operation {
        PutObject => Scene::with_len(PART - 1),
        _ => Scene::with_parts(6),
    };
    match operation {
        ListParts => drop(scene.interrupt_after(2)),
        HeadObject => complete_unheard(&scene),
        _ => {}
    }
    scene
}

/// Leaves the state of an upload behind that is complete.
fn complete_unheard(scene: &Scene) {
    for fault in [Fault::lose_answer(), Fault::deny()] {
        scene.once(fault, CompleteMultipartUpload);
    }
    let error = scene.upload().run().expect_err("nobody heard of it");
    assert!(error.is_resumable(), "{error}");
    scene.server.forget_requests();
}

/// Such requests from the first on; of parts, from the third.
fn at(operation: Operation, fault: Fault) -> Fault {
    let nth = if operation == UploadPart { 3 } else { 1 };
    fault.on(operation).nth(nth)
}

/// An upload that will wait in this call.
fn hanging_at(operation: Operation) -> Scene {
    let scene = about_to(operation);
    scene.server.fault(at(operation, Fault::no_answer()));
    scene
}

/// Says when such a request has arrived.
fn arrival(scene: &Scene, operation: Operation) -> Receiver<()> {
    arrival_of(scene, |fault| at(operation, fault))
}

fn arrival_of(scene: &Scene, filter: impl FnOnce(Fault) -> Fault) -> Receiver<()> {
    let (sender, arrived) = mpsc::channel();
    let tell = Fault::run(move |_| {
        let _ = sender.send(());
    });
    scene.server.fault(filter(tell));
    arrived
}

/// Says when the observer has seen the upload come that far.
fn seen<'a>(
    upload: UploadFile<'a>,
    far: impl Fn(&Snapshot) -> bool + Send + 'a,
) -> (UploadFile<'a>, Receiver<()>) {
    let (sender, seen) = mpsc::channel();
    let upload = upload.on_progress(move |snapshot| {
        if far(snapshot) {
            let _ = sender.send(());
        }
    });
    (upload, seen)
}

/// Runs an upload and ends it when it has come that far. However it ends, it does so soon.
#[track_caller]
fn ended_when(
    far: &Receiver<()>,
    upload: UploadFile<'_>,
    end: impl FnOnce(&Control),
) -> Result<Uploaded, Error> {
    let control = Control::new();
    let upload = upload.control(&control);
    let mut asked = None;
    let ended = meanwhile(
        || upload.run(),
        || {
            let far = far.recv_timeout(WATCHDOG);
            asked = far.is_ok().then(Instant::now);
            end(&control);
        },
    );
    let took = asked.expect("it never came that far").elapsed();
    assert!(took < SOON, "it took {took:?}: {ended:?}");
    ended
}

#[track_caller]
fn cancelled_when(far: &Receiver<()>, upload: UploadFile<'_>) -> Error {
    let error = ended_when(far, upload, Control::cancel).expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    error
}

/// What makes a drowsy client pause for half a minute, once.
fn lull() -> Fault {
    let busy = Fault::status(503, "ServiceUnavailable");
    busy.retry_after(PAUSE.as_secs()).times(1)
}

const PAUSE: Duration = Duration::from_secs(30);

/// The same with a client that pauses for as long as it is asked to.
fn drowsy(scene: Scene) -> Scene {
    scene.with_client(|client| client.retry(hasty().max_delay(PAUSE)))
}

/// Most of these cases wait, so all do at once.
fn each_at_once<C: Copy + Debug + Send>(
    cases: impl IntoIterator<Item = C>,
    check: impl Fn(C) + Sync,
) {
    let check = &check;
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || {
                let _case = Case(case);
                check(case);
            });
        }
    });
}

fn with_routines<C: Copy>(cases: impl IntoIterator<Item = C>) -> Vec<(C, usize)> {
    let cases = cases.into_iter();
    cases.flat_map(|case| [(case, 1), (case, 4)]).collect()
}

/// Bytes that the next run need not send, as far as it can know of them.
fn bytes_there(scene: &Scene, error: &Error) -> u64 {
    let Some(id) = error.upload_id() else {
        return 0;
    };
    match scene.server.object(BUCKET, KEY) {
        Some(object) => object.len,
        None => scene.bytes_stored(id),
    }
}

/// The next run gets there, and sends nothing that was there.
fn expect_continued(scene: &Scene, error: &Error, upload: UploadFile<'_>) {
    scene.server.clear_faults();
    // An upload whose id nobody heard; see `process`.
    for orphan in scene.server.pending_uploads() {
        if error.upload_id().is_none() && orphan.parts.is_empty() {
            scene.server.drop_upload(&orphan.upload_id);
        }
    }
    let there = bytes_there(scene, error);
    let uploaded = upload.run().expect("it goes on");
    assert!(uploaded.bytes_sent <= uploaded.size - there);
    scene.expect_done(&uploaded);
}

/// Ends an upload while the server hangs in one call: the state stays, and the next run continues. `end` says too whether
/// it had come to that call.
fn end_at(
    operation: Operation,
    routines: usize,
    fault: Fault,
    end: impl FnOnce(&Receiver<()>, UploadFile<'_>) -> (Error, bool),
) {
    let scene = about_to(operation);
    scene.server.fault(at(operation, fault));
    let far = arrival(&scene, operation);
    let upload = || scene.upload().routines(routines);
    let (error, came_far) = end(&far, upload());
    if came_far {
        let has_state = !matches!(operation, InitiateMultipartUpload | PutObject);
        assert_eq!(error.is_resumable(), has_state);
    }
    assert_eq!(scene.checkpoint().exists(), error.is_resumable());
    assert_eq!(error.left_behind(), [""; 0]);
    expect_continued(&scene, &error, upload());
}

#[test]
fn a_bad_limit_or_time_is_refused_before_any_request_with_what_would_be_good() {
    type Set = for<'a> fn(UploadFile<'a>) -> UploadFile<'a>;
    let cases: [(Set, &str); 5] = [
        (|u| u.rate_limit(0), "1024 bytes a second or more, not 0"),
        (
            |u| u.rate_limit(1023),
            "1024 bytes a second or more, not 1023",
        ),
        (|u| u.deadline(Duration::ZERO), "a deadline of zero"),
        (
            |u| u.progress_every(Duration::ZERO),
            "every 10 ms or less often",
        ),
        (
            |u| u.progress_every(Duration::from_micros(9_999)),
            "every 10 ms or less often",
        ),
    ];
    let scene = Scene::with_parts(3);
    for (set, part_of_reason) in cases {
        let error = set(scene.upload()).run().expect_err(part_of_reason);
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        assert!(error.to_string().contains(part_of_reason), "{error}");
    }
    assert_eq!(scene.server.requests().len(), 0);
    assert!(!scene.checkpoint().exists());
}
