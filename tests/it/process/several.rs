//! Several files in one run.

use super::names_in;
use crate::support::process::{Program, Ran};
use crate::support::{BUCKET, PART, Scene, random_bytes};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, Operation};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Files of one part and of several.
fn files(scene: &Scene) -> Vec<PathBuf> {
    let lens = [("a.txt", 10), ("b c.bin", 5 * PART), ("empty", 0)];
    let written = lens.iter().map(|(name, len)| {
        let path = scene.dir.path().join(name);
        fs::write(&path, random_bytes(*len, 3)).expect("written");
        path
    });
    written.collect()
}

fn upload(scene: &Scene, files: &[PathBuf], target: &str) -> Program {
    Program::bare()
        .credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
        .args(files)
        .arg(target)
        .args(["--endpoint", &scene.server.endpoint()])
        .args(["--region", "cn-hangzhou", "--part-size", "102400"])
        .args(["--progress", "none"])
}

/// One JSON value a line.
fn lines(ran: &Ran) -> Vec<Value> {
    let lines = ran.stdout.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON in lines")
}

#[track_caller]
fn expect_objects(scene: &Scene, prefix: &str, files: &[PathBuf]) {
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy();
        let object = scene.server.object(BUCKET, &format!("{prefix}{name}"));
        let object = object.unwrap_or_else(|| panic!("no object for {name}"));
        let bytes = fs::read(file).expect("the file");
        assert!(object.bytes().expect("readable") == bytes, "{name}");
    }
}

#[test]
fn each_becomes_the_object_of_its_name_and_has_a_line() {
    let scene = Scene::with_parts(1);
    let files = files(&scene);
    for (target, prefix) in [
        ("oss://examplebucket/2026/x/", "2026/x/"),
        ("oss://examplebucket/", ""),
        ("oss://examplebucket", ""),
    ] {
        for routines in ["1", "4"] {
            let program = || upload(&scene, &files, target).args(["--routines", routines]);
            let ran = program().arg("--json").run().expect_code(0);
            let mut names: Vec<String> = lines(&ran)
                .iter()
                .map(|line| {
                    assert_eq!(line["bucket"], BUCKET);
                    assert!(line["crc64"].is_string(), "{line}");
                    let file = line["file"].as_str().expect("a path");
                    file.rsplit('/').next().expect("a name").to_owned()
                })
                .collect();
            names.sort();
            assert_eq!(names, ["a.txt", "b c.bin", "empty"]);
            assert_eq!(ran.stderr, "");
            expect_objects(&scene, prefix, &files);
            let ran = program().run().expect_code(0);
            assert_eq!(ran.stdout.lines().count(), 3, "{ran:#?}");
            let one = format!("oss://{BUCKET}/{prefix}b c.bin: uploaded, ");
            assert!(ran.stdout.contains(&one), "{ran:#?}");
        }
    }
    assert_eq!(scene.server.pending_uploads(), []);
}

#[test]
fn progress_is_that_of_all_of_them() {
    let scene = Scene::with_parts(1);
    let files = files(&scene);
    let target = format!("oss://{BUCKET}/");
    // Long enough for a look at it midway.
    let slow = Fault::latency(Duration::from_millis(150)).on(Operation::UploadPart);
    scene.server.fault(slow);
    let plain = upload(&scene, &files, &target).args(["--progress", "plain"]);
    let ran = plain.run().expect_code(0);
    let last = ran.stderr.lines().last();
    let last = last.unwrap_or_else(|| panic!("{ran:#?}"));
    assert!(
        last.starts_with("3 of 3 ") && last.contains("100 %"),
        "{last}"
    );
    let bar = upload(&scene, &files, &target).args(["--progress", "bar"]);
    let ran = bar.run().expect_code(0);
    assert_eq!(ran.stdout.lines().count(), 3, "{ran:#?}");
}

#[test]
fn one_file_is_taken_by_its_name_only_when_that_is_asked_for() {
    let scene = Scene::with_parts(2);
    let files = [scene.file.clone()];
    let target = format!("oss://{BUCKET}/dir/");
    upload(&scene, &files, &target).run().expect_code(0);
    assert!(scene.server.remove_object(BUCKET, "dir/"));
    let ran = upload(&scene, &files, &target).args(["--into", "--json"]);
    assert_eq!(ran.run().json()["key"], "dir/file.bin");
    assert!(scene.server.object(BUCKET, "dir/").is_none());
    expect_objects(&scene, "dir/", &files);
}

#[test]
fn one_that_fails_is_told_continued_by_the_next_run_and_keeps_nobody() {
    for option in ["--checkpoint-dir", "--checkpoint-beside"] {
        let scene = Scene::with_parts(1);
        let mut files = files(&scene);
        let states = scene.dir.path().join("states");
        fs::create_dir(&states).expect("a folder");
        let program = |files: &[PathBuf]| {
            let program = upload(&scene, files, &format!("oss://{BUCKET}/x/"));
            match option {
                "--checkpoint-dir" => program.arg(option).arg(&states).arg("--json"),
                _ => program.args([option, "--json"]),
            }
        };
        files.push(scene.dir.path().join("missing"));
        let denied = Fault::deny().on(Operation::UploadPart).nth(3).times(1);
        scene.server.fault(denied);
        let ran = program(&files).run().expect_code(1);
        for words in [
            "AccessDenied",
            "missing",
            "2 of 4 files failed",
            "run it again",
        ] {
            assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
        }
        let failed: Vec<Value> = lines(&ran)
            .into_iter()
            .filter(|line| line["error"].is_string())
            .collect();
        let resumable = |name: &str| {
            let key = format!("x/{name}");
            let line = failed.iter().find(|line| line["key"] == key);
            line.map(|line| line["resumable"] == true)
        };
        assert_eq!(resumable("b c.bin"), Some(true), "{failed:?}");
        assert_eq!(resumable("missing"), Some(false), "{failed:?}");
        assert!(failed.iter().all(|line| line["temporary"] == false));
        assert_eq!(failed.len(), 2);
        expect_objects(&scene, "x/", &[files[0].clone(), files[2].clone()]);

        files.pop();
        let ran = program(&files).run().expect_code(0);
        let lines = lines(&ran);
        let long = lines.iter().find(|line| line["key"] == "x/b c.bin");
        assert_eq!(long.expect("a line")["parts_resumed"], 2, "{lines:?}");
        expect_objects(&scene, "x/", &files);
        assert_eq!(names_in(&states), [""; 0]);
        let beside = names_in(scene.dir.path());
        assert!(
            !beside.iter().any(|name| name.ends_with(".cp")),
            "{beside:?}"
        );
    }
}

/// At a kilobyte a second the long one would take minutes.
#[test]
fn a_deadline_is_that_of_all_of_them() {
    let scene = Scene::with_parts(1);
    let files = files(&scene);
    let ran = upload(&scene, &files, &format!("oss://{BUCKET}/"))
        .args(["--deadline", "3", "--rate-limit", "1024"])
        .arg("--checkpoint-beside")
        .run()
        .expect_code(1);
    assert!(ran.stderr.contains("the time allowed"), "{ran:#?}");
    assert!(scene.server.object(BUCKET, "b c.bin").is_none());
}

/// At a kilobyte a second the long one would take minutes.
#[test]
fn the_first_error_ends_all_when_it_is_to() {
    let scene = Scene::with_parts(1);
    let long = files(&scene).swap_remove(1);
    let files = [scene.dir.path().join("missing"), long];
    let ran = upload(&scene, &files, &format!("oss://{BUCKET}/"))
        .args(["--stop-at-first-error", "--rate-limit", "1024", "--json"])
        .run()
        .expect_code(1);
    assert!(ran.stderr.contains("missing"), "{ran:#?}");
    assert!(scene.server.object(BUCKET, "b c.bin").is_none());
    assert_eq!(scene.server.pending_uploads(), []);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_all_of_them() {
    use crate::support::process::{Halt, Moment};
    let scene = Scene::with_parts(1);
    let files = files(&scene);
    let part = |fault: Fault| fault.on(Operation::UploadPart).nth(3).times(1);
    let halt = Halt::at(&scene.server, Moment::Lost, part);
    let program = || upload(&scene, &files, &format!("oss://{BUCKET}/"));
    let running = program().arg("--checkpoint-beside").start();
    halt.wait();
    running.interrupt();
    let ran = running.wait().expect_code(130);
    assert!(ran.stderr.contains("run it again"), "{ran:#?}");
    halt.lift(&scene.server);
    program().arg("--checkpoint-beside").run().expect_code(0);
    expect_objects(&scene, "", &files);
}

#[test]
fn what_cannot_be_is_refused_before_any_of_them_is_sent() {
    let scene = Scene::with_parts(3);
    let mut files = files(&scene);
    let before = names_in(scene.dir.path());
    let under = format!("oss://{BUCKET}/x/");
    let refused = |files: &[PathBuf], target: &str, arguments: &[&str], words: &[&str]| {
        let program = upload(&scene, files, target).args(arguments);
        program.run().expect_error(2, words);
    };
    let one_key = format!("oss://{BUCKET}/x");
    refused(&files, &one_key, &[], &["oss://examplebucket/x/"]);
    refused(
        &files,
        &under,
        &["--checkpoint", "a"],
        &["--checkpoint-dir"],
    );
    refused(&files, &under, &["--range", "0..1"], &["--range"]);
    for wrong in [
        ["--routines", "0"],
        ["--meta", "a_b=1"],
        ["--part-size", "1"],
        ["--rate-limit", "1"],
        ["--deadline", "0"],
    ] {
        let arguments = [&wrong[..], &["--checkpoint-beside"]].concat();
        refused(&files, &under, &arguments, &["error: "]);
    }
    let twin = scene.dir.path().join("twins");
    fs::create_dir(&twin).expect("a folder");
    files.push(twin.join("a.txt"));
    refused(&files, &under, &[], &["x/a.txt", "twins"]);
    refused(&[files[0].clone(), "..".into()], &under, &[], &["`..`"]);
    fs::remove_dir(&twin).expect("a folder");
    files.pop();
    let nowhere = scene.dir.path().join("nowhere");
    let ran = upload(&scene, &files, &under)
        .arg("--checkpoint-dir")
        .arg(nowhere);
    ran.run().expect_error(1, &["nowhere"]);
    assert_eq!(scene.server.requests().len(), 0);
    assert_eq!(names_in(scene.dir.path()), before);
}

#[test]
fn a_plan_has_a_line_for_each() {
    let scene = Scene::with_parts(1);
    let mut files = files(&scene);
    let program = |files: &[PathBuf]| {
        let program = upload(&scene, files, &format!("oss://{BUCKET}/x/"));
        program
            .args(["--plan", "--json", "--checkpoint-dir"])
            .arg(scene.dir.path())
    };
    let ran = program(&files).run().expect_code(0);
    let parts: Vec<_> = lines(&ran)
        .iter()
        .map(|line| line["parts"].clone())
        .collect();
    assert_eq!(parts, [1, 5, 1]);
    files.insert(0, scene.dir.path().join("missing"));
    let ran = program(&files).run().expect_code(1);
    assert_eq!(lines(&ran).len(), 3);
    assert!(ran.stderr.contains("missing"), "{ran:#?}");
    assert_eq!(scene.server.requests().len(), 0);
}
