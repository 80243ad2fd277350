//! `control`: commands from standard input.

use super::{LATEST, example, expect_stored};
use crate::support::conversation::Conversation;
use crate::support::{Scene, wait_reached};
use oss_upload::local_server::{Fault, Operation};
use std::path::PathBuf;

/// The example under way, on three parts.
fn steered(scene: &Scene, deadline: &[&str]) -> Conversation {
    let program = example("control", scene).arg(&scene.file);
    program.args(deadline).talk()
}

/// Gives a command, and waits until it is obeyed.
#[track_caller]
fn tell(steered: &mut Conversation, command: &str) {
    steered.say(command);
    assert_eq!(steered.hear(), format!("{command}: done"));
}

fn scene() -> Scene {
    Scene::with_len((16 << 20) + 777)
}

fn checkpoint(scene: &Scene) -> PathBuf {
    scene.dir.path().join("file.bin.cp")
}

#[test]
fn a_pause_holds_all_back_and_the_deadline_is_heard_in_it() {
    let scene = scene();
    let (hold, gate) = Fault::hold();
    let initiate = hold.on(Operation::InitiateMultipartUpload);
    scene.server.fault(initiate);
    let mut running = steered(&scene, &["2"]);
    wait_reached(&gate, 1);
    tell(&mut running, "pause");
    gate.open();
    running.wait().expect_code(1);
    assert_eq!(scene.server.count(Operation::UploadPart), 0);
    assert!(checkpoint(&scene).exists());
    steered(&scene, &[]).wait().expect_code(0);
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 1);
    expect_stored(&scene, LATEST);
}

#[test]
fn what_cannot_be_is_said_and_it_goes_on() {
    let scene = scene();
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).part(3));
    let mut running = steered(&scene, &[]);
    wait_reached(&gate, 1);
    for command in ["pause", "rate 2048", "rate none", "routines 2", "resume"] {
        tell(&mut running, command);
    }
    for (wrong, word) in [
        ("rate 5", "1024"),
        ("rate high", "invalid digit"),
        ("routines 0", "1 to 100"),
        ("hurry", "resume"),
    ] {
        running.say(wrong);
        let said = running.hear();
        assert!(said.starts_with(wrong) && said.contains(word), "{said}");
    }
    gate.open();
    running.wait().expect_code(0);
    expect_stored(&scene, LATEST);
}

#[test]
fn what_is_cancelled_is_continued_by_the_next_run() {
    let scene = scene();
    let (hold, gate) = Fault::hold();
    let hold = hold.on(Operation::UploadPart).part(3);
    let held = scene.server.fault(hold);
    let mut running = steered(&scene, &[]);
    wait_reached(&gate, 1);
    running.say("cancel");
    running.wait().expect_code(1);
    assert_eq!(scene.server.pending_uploads().len(), 1);
    assert!(checkpoint(&scene).exists());
    held.remove();
    gate.open();
    steered(&scene, &[]).wait().expect_code(0);
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 1);
    expect_stored(&scene, LATEST);
    assert!(!checkpoint(&scene).exists());
}

#[test]
fn of_what_is_abandoned_nothing_is_left() {
    let scene = scene();
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).part(3));
    let mut running = steered(&scene, &[]);
    wait_reached(&gate, 1);
    running.say("abandon");
    running.wait().expect_code(1);
    gate.open();
    assert_eq!(scene.server.pending_uploads(), []);
    assert!(!checkpoint(&scene).exists());
}
