//! Giving up what an earlier run left, without uploading.

use super::{open_uploads, owe_an_upload, while_at_part};
use crate::support::runs::code;
use crate::support::{Scene, client};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{Abandoned, Client, Error, ErrorKind};
use std::fs;
use std::io;

fn our_client(scene: &Scene) -> Client {
    client(&scene.server).build().expect("a client")
}

fn abandon(scene: &Scene) -> Result<Abandoned, Error> {
    our_client(scene).abandon(scene.checkpoint())
}

fn aborted(abandoned: &Abandoned) -> Vec<&str> {
    let aborted = abandoned.aborted.iter();
    aborted.map(|upload| &*upload.upload_id).collect()
}

#[test]
fn the_upload_is_aborted_and_the_checkpoint_deleted() {
    let scene = Scene::with_parts(4);
    let error = scene.interrupt_after(2);
    let abandoned = abandon(&scene).expect("abandoned");
    assert_eq!(aborted(&abandoned), [error.upload_id().expect("an id")]);
    assert_eq!(abandoned.left_behind.len(), 0);
    assert_eq!(open_uploads(&scene), [""; 0]);
    assert!(!scene.checkpoint().exists());
    assert!(scene.file.exists());
}

#[test]
fn older_uploads_that_are_owed_go_with_it() {
    let scene = Scene::with_parts(5);
    let (new, old) = owe_an_upload(&scene);
    let abandoned = abandon(&scene).expect("abandoned");
    assert_eq!(aborted(&abandoned), [&*new, &*old]);
    assert_eq!(open_uploads(&scene), [""; 0]);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn what_cannot_be_aborted_is_told_and_tried_again_by_the_next_call() {
    let scene = Scene::with_parts(5);
    let (new, old) = owe_an_upload(&scene);
    // The first of the two is refused.
    scene.once(Fault::deny(), Operation::AbortMultipartUpload);
    let abandoned = abandon(&scene).expect("an answer");
    assert_eq!(aborted(&abandoned), [&*old]);
    let [(left, why)] = &abandoned.left_behind[..] else {
        panic!("one is left: {abandoned:?}")
    };
    assert_eq!(left.upload_id, new);
    assert_eq!(code(why), Some("AccessDenied"));
    assert!(why.to_string().contains(&new), "{why}");
    assert_eq!(open_uploads(&scene), [&*new]);

    assert!(scene.checkpoint().exists());
    let abandoned = abandon(&scene).expect("abandoned");
    assert_eq!(abandoned.left_behind.len(), 0);
    assert_eq!(open_uploads(&scene), [""; 0]);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn an_upload_that_keeps_having_parts_is_not_called_aborted() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let listing =
        crate::support::listing(&scene, |_| "<ETag>\"x\"</ETag><Size>1</Size>".to_owned());
    scene.server.fault(listing);
    scene
        .server
        .fault(Fault::answer(204, "text/plain", "").on(Operation::AbortMultipartUpload));
    let abandoned = abandon(&scene).expect("an answer");
    let (_, why) = &abandoned.left_behind[0];
    assert!(why.to_string().contains("still has parts"), "{why}");
    assert!(scene.checkpoint().exists());
}

#[test]
fn an_upload_that_is_gone_already_needs_nothing() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    scene.server.drop_upload(&scene.upload_id());
    let abandoned = abandon(&scene).expect("abandoned");
    assert_eq!(abandoned.aborted.len(), 1);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn another_endpoint_is_named_and_asked_nothing() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let elsewhere = LocalServer::start().expect("a port");
    let before = fs::read(scene.checkpoint()).expect("the checkpoint");
    let other = client(&elsewhere).build().expect("a client");
    let error = other.abandon(scene.checkpoint()).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Options);
    let there = scene.server.endpoint();
    assert!(error.to_string().contains(&there), "{error}");
    assert_eq!(elsewhere.requests().len(), 0);
    assert_eq!(scene.server.requests().len(), 0);
    assert_eq!(fs::read(scene.checkpoint()).expect("still there"), before);
}

#[test]
fn what_is_owed_to_another_endpoint_is_left_behind() {
    let mut scene = Scene::with_parts(5);
    let old = scene.interrupt_after(2);
    let elsewhere = LocalServer::start().expect("a port");
    scene.bucket = crate::support::bucket(client(&elsewhere));
    elsewhere.fault(Fault::deny().on(Operation::UploadPart).nth(2).times(1));
    let new = scene
        .upload()
        .run()
        .expect_err("the second part is refused");
    let other = client(&elsewhere).build().expect("a client");
    let abandoned = other.abandon(scene.checkpoint()).expect("an answer");
    assert_eq!(aborted(&abandoned), [new.upload_id().expect("an id")]);
    let (left, why) = &abandoned.left_behind[0];
    assert_eq!(Some(&*left.upload_id), old.upload_id());
    assert!(why.to_string().contains(&scene.server.endpoint()), "{why}");
    assert!(scene.checkpoint().exists());
}

#[test]
fn of_a_damaged_one_the_upload_is_aborted_that_it_still_names() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    scene.damage_checkpoint();
    let abandoned = abandon(&scene).expect("abandoned");
    assert_eq!(abandoned.aborted.len(), 1);
    assert_eq!(open_uploads(&scene), [""; 0]);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn what_is_no_checkpoint_is_left_alone_and_an_empty_one_deleted() {
    let scene = Scene::with_parts(4);
    let error = abandon(&scene).expect_err("it is not there");
    assert_eq!(error.kind(), ErrorKind::Checkpoint);
    let why = error.io_error().map(io::Error::kind);
    assert_eq!(why, Some(io::ErrorKind::NotFound));
    assert!(!scene.checkpoint().exists());

    fs::write(scene.checkpoint(), "dear diary").expect("written");
    let error = abandon(&scene).expect_err("a diary");
    assert_eq!(error.kind(), ErrorKind::Checkpoint);
    let diary = fs::read(scene.checkpoint()).expect("still there");
    assert_eq!(diary, b"dear diary");

    fs::write(scene.checkpoint(), "").expect("written");
    let abandoned = abandon(&scene).expect("nothing to abandon");
    assert_eq!(abandoned.aborted.len(), 0);
    assert!(!scene.checkpoint().exists());
    assert_eq!(scene.server.requests().len(), 0);
}

#[test]
fn a_checkpoint_in_use_is_told_and_its_upload_not_aborted() {
    let scene = Scene::with_parts(4);
    let busy = while_at_part(&scene, 2, || abandon(&scene));
    let error = busy.expect_err("it is in use");
    assert_eq!(error.kind(), ErrorKind::CheckpointBusy);
    assert_eq!(scene.server.count(Operation::AbortMultipartUpload), 0);
}
