//! `slices`: several objects that are one file.

use super::example;
use crate::support::process::Ran;
use crate::support::{BUCKET, Scene};
use oss_upload::local_server::{Fault, Operation};
use std::fs;

const SLICE: u64 = (2 << 20) + 1;

fn run(scene: &Scene) -> Ran {
    let checkpoints = scene.dir.path().join("checkpoints");
    fs::create_dir_all(&checkpoints).expect("created");
    let program = example("slices", scene).arg(&scene.file);
    program.arg(SLICE.to_string()).arg(checkpoints).run()
}

/// The objects in the order of their keys.
fn joined(scene: &Scene) -> (usize, Vec<u8>) {
    let objects = (0..).map_while(|n| scene.server.object(BUCKET, &format!("disk.img/{n:06}")));
    let bytes: Vec<_> = objects
        .map(|object| object.bytes().expect("readable"))
        .collect();
    (bytes.len(), bytes.concat())
}

#[test]
fn the_objects_are_the_file_and_nothing_that_is_there_is_sent_again() {
    let scene = Scene::with_len(2 * SLICE + 777);
    let second = Fault::deny().key("disk.img/000001");
    let denied = scene
        .server
        .fault(second.on(Operation::CompleteMultipartUpload));
    let ran = run(&scene).expect_code(1);
    for said in ["000001: ", "AccessDenied", "000002: 777 bytes, Fresh"] {
        assert!(ran.stdout.contains(said), "{ran:?}");
    }
    denied.remove();
    scene.server.forget_requests();

    let ran = run(&scene).expect_code(0);
    let resumed = "000001: 2097153 bytes, Resumed { parts: 3, bytes: 2097153 }";
    assert!(ran.stdout.contains(resumed), "{ran:?}");
    let (n, bytes) = joined(&scene);
    assert_eq!(n, 3);
    assert!(bytes == fs::read(&scene.file).expect("the file"));
    assert_eq!(scene.server.pending_uploads(), []);
    let left = fs::read_dir(scene.dir.path().join("checkpoints"));
    assert_eq!(left.expect("a folder").count(), 0);
}

#[test]
fn an_empty_file_is_one_empty_object() {
    let scene = Scene::with_len(0);
    run(&scene).expect_code(0);
    assert_eq!(joined(&scene), (1, vec![]));
}
