//! `pending`, run as a program.

use super::{leave_open, lose_checkpoint, open_uploads};
use crate::support::process::Program;
use crate::support::{BUCKET, KEY, PART, Scene};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, Operation};
use serde_json::Value;

const DAY: i64 = 24 * 60 * 60;

fn bare() -> Program {
    Program::example("pending").credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
}

fn pending(scene: &Scene, target: &str) -> Program {
    bare()
        .arg(target)
        .args(["--endpoint", &scene.server.endpoint()])
        .args(["--region", "cn-hangzhou"])
}

/// One JSON value a line.
fn lines(stdout: &str) -> Vec<Value> {
    let lines = stdout.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON in lines")
}

/// Leaves an upload of ten days ago and one of now, and returns their ids.
fn old_and_new(scene: &Scene) -> (String, String) {
    scene.server.set_clock_offset(-10 * DAY);
    let old = lose_checkpoint(scene, 2);
    scene.server.set_clock_offset(0);
    let new = leave_open(scene, scene.upload_to(&scene.bucket, "new\n.bin"), 1);
    (old, new)
}

#[test]
fn it_lists_and_touches_nothing_unless_told_so() {
    let scene = Scene::with_parts(4);
    let (old, new) = old_and_new(&scene);
    let both = open_uploads(&scene);
    let listed = pending(&scene, &format!("oss://{BUCKET}"))
        .run()
        .expect_code(0);
    let [first, second] = listed.stdout.lines().collect::<Vec<_>>()[..] else {
        panic!("two lines: {listed:?}")
    };
    assert!(
        first.starts_with(&format!("{KEY}: upload {old}")),
        "{first}"
    );
    assert!(
        first.ends_with(&format!("2 parts, {} bytes", 2 * PART)),
        "{first}"
    );
    assert!(
        second.contains("new\\n.bin") && second.contains(&new),
        "{second}"
    );

    let prefix = format!("oss://{BUCKET}/dir/");
    let listed = pending(&scene, &prefix).arg("--json").run().expect_code(0);
    let [one] = &lines(&listed.stdout)[..] else {
        panic!("one line: {listed:?}")
    };
    assert_eq!((&one["key"], &one["upload_id"]), (&KEY.into(), &old.into()));
    assert_eq!(
        (&one["parts"], &one["bytes"]),
        (&2.into(), &(2 * PART).into())
    );
    assert!(one["age_s"].as_i64() >= Some(10 * DAY), "{one}");

    let older = ["--older-than", "2w"];
    let listed = pending(&scene, &prefix).args(older).run().expect_code(0);
    assert_eq!(listed.stdout, "");
    assert_eq!(open_uploads(&scene), both);
}

#[test]
fn it_aborts_what_is_old_and_nothing_else() {
    let scene = Scene::with_parts(4);
    let (old, new) = old_and_new(&scene);
    let target = format!("oss://{BUCKET}");
    let abort = || pending(&scene, &target).args(["--older-than", "7d", "--abort"]);
    scene.once(Fault::deny(), Operation::AbortMultipartUpload);
    let refused = abort().arg("--json").run().expect_code(1);
    assert_eq!(lines(&refused.stdout)[0]["aborted"], false);
    assert!(refused.stderr.contains("AccessDenied"), "{refused:?}");
    let aborted = abort().run().expect_code(0);
    assert!(
        aborted.stdout.contains(&format!("upload {old}")),
        "{aborted:?}"
    );
    assert_eq!(open_uploads(&scene), [new]);
    let again = abort().arg("--json").run().expect_code(0);
    assert_eq!(lines(&again.stdout).len(), 0);
}

#[test]
fn bad_usage_is_status_2_and_says_what_is_wrong() {
    let scene = Scene::with_parts(2);
    let target = format!("oss://{BUCKET}");
    for (arguments, word) in [
        (&["--abort"][..], "--older-than"),
        (&["--older-than", "soon"], "7d"),
        (&["--older-than", "-7d"], "7d"),
        (&["--older-than", "1mo"], "7d"),
        (&["--nonsense"], "--nonsense"),
        (&["another"], "another"),
    ] {
        let program = pending(&scene, &target).args(arguments);
        program.run().expect_error(2, &[word, "--help"]);
    }
    for target in ["", "bucket", "oss://", "oss:///x"] {
        pending(&scene, target)
            .run()
            .expect_error(2, &["oss://BUCKET"]);
    }
    pending(&scene, "oss://No_Bucket")
        .run()
        .expect_error(2, &["No_Bucket"]);
    pending(&scene, "oss://examplebucket//a")
        .run()
        .expect_error(2, &["/a"]);
    bare().arg(&target).run().expect_error(2, &["--region"]);
    let help = bare().arg("--help").run().expect_code(0);
    assert!(
        help.stdout.lines().count() <= 24,
        "more than a screen: {help:?}"
    );
    assert!(help.stdout.contains("--older-than"), "{help:?}");
    assert_eq!(scene.server.requests().len(), 0);
}

#[test]
fn what_the_service_refuses_is_status_1() {
    let scene = Scene::with_parts(2);
    let none = pending(&scene, "oss://none-of-ours").run();
    none.expect_error(1, &["NoSuchBucket", "none-of-ours"]);
}
