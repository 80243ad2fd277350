//! `lost_checkpoint`: what it says before it runs, and that what is there is not sent again.

use super::{LATEST, example, expect_stored};
use crate::support::process::Ran;
use crate::support::{Scene, keeping_mtime, mtime, set_mtime};
use oss_upload::Checkpoint;
use oss_upload::local_server::{Fault, Operation};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1 << 20;

fn checkpoints(scene: &Scene) -> PathBuf {
    scene.dir.path().join("checkpoints")
}

/// Two parts of four are there, and a checkpoint that tells of them.
fn interrupted() -> Scene {
    let scene = Scene::with_len(3 * MIB + 777);
    fs::create_dir(checkpoints(&scene)).expect("created");
    scene.once(Fault::deny().part(3), Operation::UploadPart);
    let upload = scene.bucket.upload_file(LATEST, &scene.file).part_size(MIB);
    let earlier = upload.checkpoint(Checkpoint::in_dir(checkpoints(&scene)));
    earlier.run().expect_err("it was interrupted");
    scene.server.forget_requests();
    scene
}

/// Runs it, and tells which parts it sent.
fn run(scene: &Scene) -> (Ran, Vec<u16>) {
    let program = example("lost_checkpoint", scene).arg(&scene.file);
    let ran = program.arg(checkpoints(scene)).run().expect_code(0);
    expect_stored(scene, LATEST);
    let mut sent = scene.parts_sent();
    sent.sort_unstable();
    (ran, sent)
}

#[track_caller]
fn expect_said(ran: &Ran, words: &[&str]) {
    for word in words {
        assert!(ran.stdout.contains(word), "`{word}` is missing: {ran:#?}");
    }
}

#[test]
fn an_upload_whose_checkpoint_is_lost_is_found_on_the_server() {
    let scene = interrupted();
    fs::remove_dir_all(checkpoints(&scene)).expect("removed");
    fs::create_dir(checkpoints(&scene)).expect("created");
    let (ran, sent) = run(&scene);
    let begin = "3146505 bytes in 4 parts of 1048576, 4 at a time";
    let words = [
        begin,
        "nothing was begun",
        "there is no checkpoint",
        "2 of 4 parts were there",
    ];
    expect_said(&ran, &words);
    assert_eq!(sent, [3, 4]);
}

#[test]
fn a_checkpoint_is_shown_and_an_mtime_that_jitters_sends_nothing_again() {
    let scene = interrupted();
    set_mtime(&scene.file, mtime(&scene.file) + Duration::from_secs(1));
    let (ran, sent) = run(&scene);
    let words = [
        "to be read again",
        "2 of 4 parts of 1048576",
        "2 of 4 parts were there",
    ];
    expect_said(&ran, &words);
    assert_eq!(sent, [3, 4]);
}

#[test]
fn a_file_that_looks_the_same_is_read_again_all_the_same() {
    let scene = interrupted();
    let (ran, sent) = run(&scene);
    let words = ["2097152 bytes, to be read again", "file.bin`, unchanged: "];
    expect_said(&ran, &words);
    assert_eq!(sent, [3, 4]);
}

#[test]
fn other_bytes_are_found_whatever_the_mtime_says() {
    let scene = interrupted();
    keeping_mtime(&scene.file, || scene.rewrite());
    let (ran, sent) = run(&scene);
    expect_said(&ran, &["to be read again", "0 of 4 parts were there"]);
    assert_eq!(sent, [1, 2, 3, 4]);
}
