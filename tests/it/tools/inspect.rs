//! A look at a checkpoint.

use super::{owe_an_upload, while_at_part};
use crate::support::{BUCKET, Case, KEY, PART, Scene, keeping_mtime};
use oss_upload::{Checkpoint, CheckpointInfo, CheckpointState, ErrorKind, FileState};
use std::fs;
use std::io;

fn inspect(scene: &Scene) -> CheckpointInfo {
    let before = fs::read(scene.checkpoint()).expect("the checkpoint");
    let info = Checkpoint::inspect(scene.checkpoint()).expect("seen");
    let after = fs::read(scene.checkpoint()).expect("the checkpoint");
    // Of one in use, nothing but what its owner writes is there.
    assert!(info.is_in_use || before == after, "looking changed it");
    info
}

fn file_state(scene: &Scene) -> FileState {
    let progress = inspect(scene).progress;
    progress.expect("there is something to continue").file_state
}

#[test]
fn it_tells_what_it_is_of_and_how_far_that_is() {
    let scene = Scene::with_parts(5).interrupted_after(3);
    let info = inspect(&scene);
    assert_eq!(info.state, CheckpointState::Intact);
    assert!(!info.is_in_use);
    let upload = info.upload.as_ref().expect("an upload");
    assert_eq!(upload.endpoint, scene.server.endpoint());
    assert_eq!((&*upload.bucket, &*upload.key), (BUCKET, KEY));
    assert_eq!(upload.upload_id, scene.upload_id());
    let progress = info.progress.as_ref().expect("parts");
    assert_eq!(progress.file, scene.file);
    assert_eq!(progress.file_state, FileState::Unchanged);
    assert_eq!(
        (progress.bytes_done, progress.bytes_total),
        (3 * PART, 4 * PART + 777)
    );
    assert_eq!((progress.parts_done, progress.parts_total), (3, 5));
    assert_eq!(progress.part_size, PART);
    assert_eq!(info.owed, []);
    let written = fs::metadata(scene.checkpoint()).and_then(|m| m.modified());
    assert_eq!(info.last_written, written.ok());
    let shown = info.to_string();
    for word in [KEY, &*upload.upload_id, "3 of 5 parts", "unchanged"] {
        assert!(shown.contains(word), "`{word}` is missing: {shown}");
    }
    assert_eq!(scene.server.requests().len(), 0);
}

#[test]
fn it_tells_what_became_of_the_local_file() {
    let scene = Scene::with_parts(3).interrupted_after(1);
    assert_eq!(file_state(&scene), FileState::Unchanged);
    #[cfg(unix)]
    {
        keeping_mtime(&scene.file, || scene.rewrite());
        assert_eq!(file_state(&scene), FileState::Touched);
    }
    fs::write(&scene.file, "shorter").expect("written");
    assert_eq!(file_state(&scene), FileState::Changed);
    fs::remove_file(&scene.file).expect("removed");
    assert_eq!(file_state(&scene), FileState::Gone);
    fs::create_dir(&scene.file).expect("a folder");
    assert_eq!(file_state(&scene), FileState::Changed);
}

#[test]
fn an_upload_that_is_using_it_is_seen_and_not_disturbed() {
    let scene = Scene::with_parts(4);
    while_at_part(&scene, 3, || {
        // Where locks keep others from reading, that it is in use is all that can be said.
        for _ in 0..100 {
            match Checkpoint::inspect(scene.checkpoint()) {
                Ok(info) => {
                    assert!(info.is_in_use);
                    let progress = info.progress.expect("parts");
                    assert!((1..=2).contains(&progress.parts_done), "{progress:?}");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::CheckpointBusy),
            }
        }
    });
}

#[test]
fn what_is_damaged_or_none_is_an_answer_and_no_error() {
    let scene = Scene::with_parts(3);
    let id = scene.interrupt_after(2).upload_id().map(str::to_owned);
    let intact = fs::read(scene.checkpoint()).expect("the checkpoint");
    scene.damage_checkpoint();
    let damaged = inspect(&scene);
    assert_eq!(damaged.state, CheckpointState::Damaged);
    assert_eq!(damaged.upload.map(|upload| upload.upload_id), id);
    assert_eq!(damaged.progress, None);

    for (bytes, state) in [
        (&b""[..], CheckpointState::Empty),
        (b"OSSUPCP1", CheckpointState::Empty),
        (b"dear diary", CheckpointState::Foreign),
        (&intact[..intact.len() - 3], CheckpointState::Intact),
    ] {
        let _case = Case(state);
        fs::write(scene.checkpoint(), bytes).expect("written");
        let info = inspect(&scene);
        assert_eq!(info.state, state);
        assert_eq!(info.progress.is_some(), state == CheckpointState::Intact);
        let parts = info.progress.map_or(0, |progress| progress.parts_done);
        assert!(parts <= 1, "half a record is none");
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_created() {
    let scene = Scene::with_parts(3);
    let error = Checkpoint::inspect(scene.checkpoint()).expect_err("it is not there");
    assert_eq!(error.kind(), ErrorKind::Checkpoint);
    let why = error.io_error().map(io::Error::kind);
    assert_eq!(why, Some(io::ErrorKind::NotFound));
    assert!(!scene.checkpoint().exists());
    let error = Checkpoint::inspect(scene.dir.path()).expect_err("a folder");
    assert_eq!(error.kind(), ErrorKind::Checkpoint);
}

#[test]
fn uploads_that_are_still_to_be_aborted_are_told() {
    let scene = Scene::with_parts(5);
    let (new, old) = owe_an_upload(&scene);
    let info = inspect(&scene);
    assert_eq!(info.upload.as_ref().map(|u| &u.upload_id), Some(&new));
    let owed: Vec<_> = info.owed.iter().map(|owed| &owed.upload_id).collect();
    assert_eq!(owed, [&old]);
    assert!(info.to_string().contains(&old), "{info}");
}
