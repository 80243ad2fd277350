//! How files go up, what is remembered, and plans.

use super::{names_in, number};
use crate::support::process::Program;
use crate::support::{BUCKET, KEY, PART, Scene, keeping_mtime, set_mtime};
use oss_upload::local_server::{Fault, Operation};
use std::fs;
use std::time::{Duration, SystemTime};

/// At a kilobyte a second it would take minutes.
#[test]
fn a_limit_is_kept_and_a_deadline_ends_it_to_be_continued() {
    let scene = Scene::with_parts(3);
    let slow = || {
        let program = scene.program().args(["--rate-limit", "1KiB"]);
        program.args(["--deadline", "3s"])
    };
    slow().run().expect_error(1, &["run it again to continue"]);
    assert!(scene.checkpoint().exists());
    assert!(scene.server.object(BUCKET, KEY).is_none());
    scene.program().args(["--deadline", "1h 5m"]).run().json();
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 1);
    scene.expect_object(0);
}

#[test]
fn a_deadline_without_a_checkpoint_says_how_to_keep_what_was_sent() {
    let scene = Scene::with_parts(3);
    scene
        .server
        .fault(Fault::no_answer().on(Operation::UploadPart));
    let program = scene.program_without_checkpoint();
    let ran = program.args(["--deadline", "1.5"]).run();
    ran.expect_error(1, &["--checkpoint-beside"]);
    assert_eq!(scene.server.pending_uploads(), []);
}

#[test]
fn a_range_of_the_file_is_the_object() {
    let scene = Scene::with_parts(4);
    let bytes = fs::read(&scene.file).expect("the file");
    let len = bytes.len();
    for (given, range) in [
        ("1000..300000", 1000..300_000),
        ("100KiB..", 102_400..len),
        ("..5", 0..5),
        ("..", 0..len),
        ("7..7", 7..7),
    ] {
        scene.program().args(["--range", given]).run().json();
        let object = scene.server.object(BUCKET, KEY).expect("an object");
        assert!(object.bytes().expect("readable") == bytes[range], "{given}");
    }
}

#[test]
fn parts_whose_checkpoint_is_lost_are_found_on_the_server() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    fs::remove_file(scene.checkpoint()).expect("a checkpoint");
    let json = scene.program().arg("--find").run().json();
    assert_eq!(number(&json, "parts_resumed"), 2);
    scene.expect_object(0);
}

#[test]
fn an_mtime_that_differs_counts_as_far_as_it_is_to() {
    for (arguments, resumed) in [
        (&[][..], 0),
        (&["--any-mtime"], 2),
        (&["--mtime-within", "2h"], 2),
        (&["--mtime-within", "60"], 0),
    ] {
        let scene = Scene::with_parts(4).interrupted_after(2);
        let back = Duration::from_secs(60 * 60);
        set_mtime(&scene.file, SystemTime::now() - back);
        let json = scene.program().args(arguments).run().json();
        assert_eq!(number(&json, "parts_resumed"), resumed, "{arguments:?}");
        scene.expect_object(0);
    }
}

#[test]
fn what_is_to_be_ignored_makes_nothing_be_read_again() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    // Its ctime is another.
    keeping_mtime(&scene.file, || ());
    for (arguments, reads_again) in [
        (&[][..], true),
        (&["--ignore", "device,inode"], true),
        (&["--ignore", "device, ctime,inode"], false),
        (&["--ignore", "ctime", "--verify", "content"], true),
    ] {
        let json = scene.program().args(arguments).arg("--plan").run().json();
        assert_eq!(json["reads_again"], reads_again, "{arguments:?}");
        assert_eq!(json["start"], "resume");
    }
}

#[test]
fn a_plan_is_told_and_nothing_is_sent_or_written() {
    let scene = Scene::with_parts(4);
    let plan = || {
        // Nobody is asked, so that nobody need sign.
        let program = scene.program().without_env("OSS_ACCESS_KEY_SECRET");
        program.args(["--plan", "--routines", "3"])
    };
    let json = plan().run().json();
    let checkpoint = scene.checkpoint().display().to_string();
    assert_eq!(json["checkpoint"], checkpoint);
    assert_eq!(number(&json, "part_size"), PART);
    assert_eq!(number(&json, "parts"), 4);
    assert_eq!(number(&json, "routines"), 3);
    assert_eq!(json["start"], "fresh");
    assert_eq!(names_in(scene.dir.path()), ["file.bin"]);

    scene.interrupt_after(2);
    let json = plan().run().json();
    assert_eq!(json["start"], "resume");
    assert_eq!(number(&json, "parts_done"), 2);
    let text = Program::upload(&scene.server, &scene.file, KEY)
        .args(["--part-size", "102400", "--plan", "--checkpoint"])
        .arg(scene.checkpoint());
    let ran = text.run().expect_code(0);
    let to = format!("oss://{BUCKET}/{KEY}: ");
    for words in [&*to, "4 parts", "2 parts are done", &checkpoint] {
        assert!(ran.stdout.contains(words), "{words} is missing: {ran:#?}");
    }
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:#?}");
    let json = plan().args(["--meta", "a=b"]).run().json();
    assert_eq!(json["start"], "restart");
    assert!(json["reason"].is_string(), "{json}");
    assert_eq!(scene.server.requests().len(), 0);
    let missing = scene.dir.path().join("missing");
    let ran = Program::upload(&scene.server, &missing, KEY).arg("--plan");
    ran.run().expect_error(1, &["missing"]);
}

/// What is under way counts: the server has acknowledged nothing yet. A line comes every second.
#[test]
fn lines_tell_what_is_under_way() {
    let scene = Scene::with_len(PART - 1);
    let late = Fault::latency(Duration::from_millis(2500));
    scene.server.fault(late.on(Operation::PutObject));
    let program = Program::upload(&scene.server, &scene.file, KEY);
    let ran = program.args(["--progress", "plain"]).run().expect_code(0);
    let is_ahead = |line: &str| line.starts_with("sending") && line.contains("100 %");
    let line = ran.stderr.lines().find(|line| is_ahead(line));
    let line = line.unwrap_or_else(|| panic!("{ran:#?}"));
    assert!(line.contains("parts 0/1"), "{line}");
}
