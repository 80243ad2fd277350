//! The example `checkpoint`, run as a program.

use crate::support::process::{Halt, Moment, Program};
use crate::support::{KEY, PART, Scene};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, Operation};
use serde_json::Value;
use std::fs;

fn checkpoint(command: &str, scene: &Scene) -> Program {
    Program::example("checkpoint")
        .arg(command)
        .arg(scene.checkpoint())
}

fn abandon(scene: &Scene) -> Program {
    checkpoint("abandon", scene)
        .credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
        .args(["--endpoint", &scene.server.endpoint()])
        .args(["--region", "cn-hangzhou"])
}

#[test]
fn it_says_what_is_recorded_and_changes_nothing() {
    let scene = Scene::with_parts(4);
    let id = scene.interrupt_after(2).upload_id().map(str::to_owned);
    let id = id.expect("an upload");
    let before = fs::read(scene.checkpoint()).expect("a checkpoint");
    let ran = checkpoint("inspect", &scene).run().expect_code(0);
    let file = scene.file.display().to_string();
    for words in [
        &*id,
        &*file,
        "can be continued",
        "2 of 4 parts",
        "unchanged",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {ran:#?}");
    }
    let ran = checkpoint("inspect", &scene).arg("--json").run();
    let json = ran.json();
    assert_eq!(json["state"], "intact");
    assert_eq!(json["in_use"], false);
    assert_eq!(json["upload"]["upload_id"], id);
    assert_eq!(json["upload"]["endpoint"], scene.server.endpoint());
    assert_eq!(json["upload"]["key"], KEY);
    assert_eq!(json["progress"]["bytes_done"], 2 * PART);
    assert_eq!(json["progress"]["file_state"], "unchanged");
    assert_eq!(json["owed"], Value::Array(vec![]));
    assert_eq!(fs::read(scene.checkpoint()).expect("a checkpoint"), before);
    assert_eq!(scene.server.requests().len(), 0);

    scene.rewrite();
    let json = checkpoint("inspect", &scene).arg("--json").run().json();
    assert_eq!(json["progress"]["file_state"], "changed");
    fs::write(scene.checkpoint(), "shopping list").expect("written");
    let json = checkpoint("inspect", &scene).arg("--json").run().json();
    assert_eq!(json["state"], "foreign");
    assert_eq!(json["progress"], Value::Null);
    fs::remove_file(scene.checkpoint()).expect("removed");
    let path = scene.checkpoint().display().to_string();
    checkpoint("inspect", &scene)
        .run()
        .expect_error(1, &[&path]);
}

#[test]
fn it_gives_up_what_is_recorded() {
    let scene = Scene::with_parts(4);
    for json in [false, true] {
        let id = scene.interrupt_after(2).upload_id().map(str::to_owned);
        let id = id.expect("an upload");
        scene.once(Fault::deny(), Operation::AbortMultipartUpload);
        let ran = abandon(&scene).run().expect_code(1);
        for words in ["AccessDenied", "run the same command again"] {
            assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
        }
        assert!(ran.stdout.starts_with("not aborted: "), "{ran:#?}");
        assert!(scene.checkpoint().exists());
        match json {
            false => {
                let ran = abandon(&scene).run().expect_code(0);
                let line = format!("aborted: upload {id} of oss://");
                assert!(ran.stdout.starts_with(&line), "{ran:#?}");
            }
            true => {
                let json = abandon(&scene).arg("--json").run().json();
                assert_eq!(json["upload_id"], id);
                assert_eq!(json["aborted"], true);
                assert_eq!(json["error"], Value::Null);
            }
        }
        assert_eq!(scene.server.pending_uploads(), []);
        assert!(!scene.checkpoint().exists());
        assert!(scene.file.exists());
    }
    let path = scene.checkpoint().display().to_string();
    abandon(&scene).run().expect_error(1, &[&path]);
}

#[test]
fn it_leaves_an_upload_that_runs_alone() {
    let scene = Scene::with_parts(4);
    let third = |fault: Fault| fault.on(Operation::UploadPart).nth(3).times(1);
    let halt = Halt::at(&scene.server, Moment::Done, third);
    let running = scene.program().start();
    halt.wait();
    let json = checkpoint("inspect", &scene).arg("--json").run().json();
    assert_eq!(json["in_use"], true);
    abandon(&scene)
        .run()
        .expect_error(1, &["another upload is using it"]);
    halt.lift(&scene.server);
    running.wait().json();
    scene.expect_object(0);
}

#[test]
fn bad_usage_is_status_2_and_nothing_is_sent() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let example = || Program::example("checkpoint");
    for (arguments, word) in [
        (&[][..], "inspect"),
        (&["inspect"], "one checkpoint"),
        (&["inspect", "a", "b"], "one checkpoint"),
        (&["burn", "a"], "burn"),
        (&["inspect", "a", "--region", "cn-hangzhou"], "--region"),
        (&["abandon", "a"], "--endpoint"),
        (&["abandon", "a", "--region", "Hang Zhou"], "Hang Zhou"),
        (&["abandon", "a", "--acl", "private"], "--acl"),
        (
            &["abandon", "a", "--credentials", "luck"],
            "process:COMMAND",
        ),
        (&["-x"], "-x"),
    ] {
        example().args(arguments).run().expect_error(2, &[word]);
    }
    let elsewhere = checkpoint("abandon", &scene)
        .credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
        .args(["--region", "cn-hangzhou"]);
    let endpoint = scene.server.endpoint();
    elsewhere
        .run()
        .expect_error(2, &[&endpoint, "aliyuncs.com"]);
    let help = example().arg("--help").run().expect_code(0);
    assert!(help.stdout.lines().count() <= 24, "{help:#?}");
    assert_eq!(scene.server.requests().len(), 0);
    assert!(scene.checkpoint().exists());
}
