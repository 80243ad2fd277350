//! What none of the OSS SDKs does.

use crate::support::{Notes, Scene, meanwhile, wait_reached};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{ErrorKind, Phase};

/// No SDK locks its state, so that two uploads write the same one.
#[test]
fn common_a_second_upload_with_the_same_state_is_refused_and_harms_nothing() {
    let scene = Scene::with_parts(4);
    let (hold, gate) = Fault::hold();
    let second_part = hold.on(Operation::UploadPart).nth(2).times(1);
    scene.server.fault(second_part);
    let mut second = None;
    let first = meanwhile(
        || scene.upload().run(),
        || {
            wait_reached(&gate, 1);
            let before = scene.server.requests().len();
            let refused = scene.upload().run();
            second = Some((refused, scene.server.requests().len() - before));
            gate.open();
        },
    );
    let (refused, n_requests) = second.expect("it was run");
    let error = refused.expect_err("the state is in use");
    assert_eq!(error.kind(), ErrorKind::CheckpointBusy);
    assert_eq!(error.path(), Some(&*scene.checkpoint()));
    assert_eq!(n_requests, 0);
    scene.expect_done(&first.expect("uploaded"));
}

/// Most SDKs say "done" before Complete.
#[test]
fn common_done_is_said_when_the_object_is_there_and_not_before() {
    let scene = Scene::with_parts(4);
    let (phases, before) = (Notes::new(), Notes::new());
    let (at_complete, noting) = (phases.clone(), before.clone());
    let look = Fault::run(move |_| noting.add(at_complete.take()));
    scene
        .server
        .fault(look.on(Operation::CompleteMultipartUpload));
    let refused = Fault::deny().on(Operation::CompleteMultipartUpload);
    scene.server.fault(refused.times(1));
    let upload = || {
        let phases = phases.clone();
        scene.upload().on_progress(move |seen| {
            assert!(seen.bytes_done <= seen.bytes_total);
            phases.add(seen.phase);
        })
    };
    upload().run().expect_err("not completed");
    let [seen] = &before.take()[..] else {
        panic!("Complete is asked for once")
    };
    assert_eq!(seen.last(), Some(&Phase::Completing));
    assert!(!seen.contains(&Phase::Done));
    assert!(!phases.take().contains(&Phase::Done));
    let uploaded = upload().run().expect("completed");
    let [seen] = &before.take()[..] else {
        panic!("Complete is asked for once")
    };
    assert!(!seen.contains(&Phase::Done));
    assert_eq!(phases.take(), [Phase::Done]);
    scene.expect_done(&uploaded);
}
