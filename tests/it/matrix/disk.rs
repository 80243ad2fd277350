//! Row 3: the disk, where somebody else has a hand in it. Its own failures are tried in `src/upload/disk_faults.rs`.

use crate::support::{Scene, keeping_mtime};
use oss_upload::ErrorKind;
use oss_upload::local_server::{Fault, Operation};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What becomes of a checkpoint while the third part is under way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meddling {
    Removed,
    /// By a file of somebody else.
    Replaced,
}

const THEIRS: &str = "dear diary";

fn meddle(meddling: Meddling, path: &Path) {
    match meddling {
        Meddling::Removed => fs::remove_file(path).expect("removed"),
        Meddling::Replaced => {
            let new = path.with_extension("new");
            fs::write(&new, THEIRS).expect("written");
            fs::rename(new, path).expect("replaced");
        }
    }
}

fn meddle_at_part_3(scene: &Scene, meddling: Meddling) {
    let path = scene.checkpoint();
    let hook = Fault::run(move |_| meddle(meddling, &path));
    scene
        .server
        .fault(hook.on(Operation::UploadPart).nth(3).times(1));
}

fn cases() -> impl Iterator<Item = (Meddling, usize)> {
    [Meddling::Removed, Meddling::Replaced]
        .into_iter()
        .flat_map(|meddling| [1, 4].map(|routines| (meddling, routines)))
}

/// Nobody's file is touched but ours.
fn expect_theirs(scene: &Scene, meddling: Meddling) {
    if meddling == Meddling::Replaced {
        let there = fs::read_to_string(scene.checkpoint()).expect("still there");
        assert_eq!(there, THEIRS);
        fs::remove_file(scene.checkpoint()).expect("removed");
    }
}

#[test]
fn a_checkpoint_that_is_removed_or_replaced_does_not_spoil_the_object() {
    for (meddling, routines) in cases() {
        let scene = Scene::with_parts(8);
        meddle_at_part_3(&scene, meddling);
        let uploaded = scene.upload().routines(routines).run().expect("uploaded");
        expect_theirs(&scene, meddling);
        scene.expect_done(&uploaded);
    }
}

/// Then nothing could be continued: what was sent is aborted, as without a checkpoint.
#[test]
fn an_upload_whose_checkpoint_is_gone_does_not_claim_to_be_resumable() {
    for (meddling, routines) in cases() {
        let scene = Scene::with_parts(8);
        meddle_at_part_3(&scene, meddling);
        scene.once(Fault::deny().nth(5), Operation::UploadPart);
        let error = scene.upload().routines(routines).run();
        let error = error.expect_err("part 5 is denied");
        let what = format!("{meddling:?}, {routines} routines: {error}");
        assert_eq!(error.kind(), ErrorKind::Service, "{what}");
        assert!(!error.is_resumable(), "{what}");
        assert_eq!(scene.server.pending_uploads(), [], "{what}");
        expect_theirs(&scene, meddling);
        assert!(!scene.checkpoint().exists(), "{what}");
        let uploaded = scene.upload().run().expect("uploaded");
        assert_eq!(uploaded.restarts, [], "{what}");
        scene.expect_done(&uploaded);
    }
}

#[test]
fn a_checkpoint_that_somebody_else_writes_to_ends_the_upload_at_once() {
    for routines in [1, 4] {
        for len in [0, 10, 1000] {
            let scene = Scene::with_parts(40);
            let path = scene.checkpoint();
            let cut = Fault::run(move |_| {
                let file = fs::File::options().write(true).open(&path).expect("there");
                file.set_len(len).expect("cut");
            });
            scene.once(cut.nth(3), Operation::UploadPart);
            // Slower than the record is written.
            let slow = Fault::latency(Duration::from_millis(20));
            scene.server.fault(slow.on(Operation::UploadPart));
            let error = scene.upload().routines(routines).run();
            let error = error.expect_err("the record is spoilt");
            assert_eq!(error.kind(), ErrorKind::Checkpoint, "{error}");
            assert!(error.to_string().contains("somebody else"), "{error}");
            let sent = scene.parts_sent().len();
            assert!(
                sent <= 3 + 2 * routines,
                "{sent} parts for {routines} routines"
            );
            assert!(!error.is_resumable() || len == 1000, "{error}");
            let uploaded = scene.upload().run().expect("uploaded");
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn a_checkpoint_that_took_the_files_place_is_not_believed() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let state = scene.checkpoint();
    keeping_mtime(&scene.file, || {
        fs::copy(&state, &scene.file).expect("copied");
    });
    let uploaded = scene.upload().run().expect("uploaded");
    scene.expect_done(&uploaded);
}
