//! `control`: commands from standard input.

use super::{LATEST, example, expect_stored};
use crate::support::process::WATCHDOG;
use crate::support::{Scene, wait_reached};
use oss_upload::local_server::{Fault, Operation};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

/// The example under way, on three parts.
struct Steered {
    child: Child,
    commands: ChildStdin,
    said: Receiver<String>,
}

impl Steered {
    fn start(scene: &Scene, deadline: &[&str]) -> Steered {
        let program = example("control", scene).arg(&scene.file);
        let mut command = program.args(deadline).into_command();
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::null()).spawn().expect("started");
        let stdout = child.stdout.take().expect("a pipe");
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.map(|line| say.send(line)).find(Result::is_err)
        });
        Steered {
            commands: child.stdin.take().expect("a pipe"),
            child,
            said,
        }
    }

    /// Waits for what it says next.
    #[track_caller]
    fn hear(&self) -> String {
        self.said.recv_timeout(WATCHDOG).expect("a line in time")
    }

    fn say(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("it listens");
    }

    /// Gives a command, and waits until it is obeyed.
    #[track_caller]
    fn tell(&mut self, command: &str) {
        self.say(command);
        assert_eq!(self.hear(), format!("{command}: done"));
    }

    /// Waits for its end, which closes its output, and returns its exit status.
    #[track_caller]
    fn status(mut self) -> Option<i32> {
        let silence = loop {
            if let Err(why) = self.said.recv_timeout(WATCHDOG) {
                break why;
            }
        };
        assert_eq!(silence, RecvTimeoutError::Disconnected, "it hangs");
        let status = self.child.wait();
        status.expect("its status").code()
    }
}

impl Drop for Steered {
    fn drop(&mut self) {
        // For a test that fails meanwhile; an ended process cannot be killed.
        let _ = self.child.kill();
    }
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
    let mut steered = Steered::start(&scene, &["2"]);
    wait_reached(&gate, 1);
    steered.tell("pause");
    gate.open();
    assert_eq!(steered.status(), Some(1));
    assert_eq!(scene.server.count(Operation::UploadPart), 0);
    assert!(checkpoint(&scene).exists());
    assert_eq!(Steered::start(&scene, &[]).status(), Some(0));
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 1);
    expect_stored(&scene, LATEST);
}

#[test]
fn what_cannot_be_is_said_and_it_goes_on() {
    let scene = scene();
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).part(3));
    let mut steered = Steered::start(&scene, &[]);
    wait_reached(&gate, 1);
    for command in ["pause", "rate 2048", "rate none", "routines 2", "resume"] {
        steered.tell(command);
    }
    for (wrong, word) in [
        ("rate 5", "1024"),
        ("rate high", "invalid digit"),
        ("routines 0", "1 to 100"),
        ("hurry", "resume"),
    ] {
        steered.say(wrong);
        let said = steered.hear();
        assert!(said.starts_with(wrong) && said.contains(word), "{said}");
    }
    gate.open();
    assert_eq!(steered.status(), Some(0));
    expect_stored(&scene, LATEST);
}

#[test]
fn what_is_cancelled_is_continued_by_the_next_run() {
    let scene = scene();
    let (hold, gate) = Fault::hold();
    let hold = hold.on(Operation::UploadPart).part(3);
    let held = scene.server.fault(hold);
    let mut steered = Steered::start(&scene, &[]);
    wait_reached(&gate, 1);
    steered.say("cancel");
    assert_eq!(steered.status(), Some(1));
    assert_eq!(scene.server.pending_uploads().len(), 1);
    assert!(checkpoint(&scene).exists());
    held.remove();
    gate.open();
    assert_eq!(Steered::start(&scene, &[]).status(), Some(0));
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 1);
    expect_stored(&scene, LATEST);
    assert!(!checkpoint(&scene).exists());
}

#[test]
fn of_what_is_abandoned_nothing_is_left() {
    let scene = scene();
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).part(3));
    let mut steered = Steered::start(&scene, &[]);
    wait_reached(&gate, 1);
    steered.say("abandon");
    assert_eq!(steered.status(), Some(1));
    gate.open();
    assert_eq!(scene.server.pending_uploads(), []);
    assert!(!checkpoint(&scene).exists());
}
