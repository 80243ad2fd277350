//! `metadata`: what the object is stored with, and what becomes of a second one.

use super::{example, expect_stored};
use crate::support::application::Application;
use crate::support::process::Ran;
use crate::support::{Scene, random_bytes};
use oss_upload::local_server::Operation;
use std::fs;

const KEY: &str = "reports/2026.pdf";

fn run(scene: &Scene, application: &[String]) -> Ran {
    let program = example("metadata", scene).arg(&scene.file);
    program.args(application).run()
}

#[test]
fn all_that_is_said_of_an_object_is_stored_with_it() {
    // By PutObject, and in parts.
    for len in [1000, 9 << 20] {
        let scene = Scene::with_len(len);
        run(&scene, &[]).expect_code(0);
        let object = expect_stored(&scene, KEY);
        for (name, value) in [
            ("content-type", "application/pdf"),
            ("content-disposition", "inline; filename=\"2026.pdf\""),
            ("cache-control", "max-age=3600"),
            ("x-oss-meta-author", "山田太郎"),
            ("x-oss-meta-title", "Годовой отчёт 📈"),
            ("x-oss-object-acl", "private"),
            ("x-oss-storage-class", "IA"),
            ("x-oss-server-side-encryption", "KMS"),
        ] {
            let stored = object.headers.get(name).map(String::as_str);
            assert_eq!(stored, Some(value), "{name}");
        }
        assert!(object.headers["expires"].ends_with(" GMT"));
        let begun = &scene.server.requests()[0];
        let tags = begun
            .header("x-oss-tagging")
            .map(|tags| tags.split('&').collect());
        let tags: Vec<&str> = tags.unwrap_or_default();
        assert_eq!(tags, ["project=annual%20report", "year=2026"]);
    }
}

#[test]
fn the_application_hears_of_it_and_its_answer_is_printed() {
    let application = Application::answering(200, "{\"seen\":true}");
    let scene = Scene::with_len(1000);
    let ran = run(&scene, &[application.url()]).expect_code(0);
    assert!(ran.stdout.contains("{\"seen\":true}"), "{ran:?}");
    let call = application.calls().pop().expect("a call");
    let told: serde_json::Value = serde_json::from_str(&call.body).expect("JSON");
    let expected = serde_json::json!({"key": KEY, "size": 1000, "by": "alice"});
    assert_eq!(told, expected);
}

#[test]
fn an_application_that_fails_does_not_undo_the_object() {
    let application = Application::answering(500, "{}");
    let scene = Scene::with_len(1000);
    run(&scene, &[application.url()]).expect_error(1, &["nobody was told"]);
    expect_stored(&scene, KEY);
}

#[test]
fn an_object_that_is_there_stays_as_it_is() {
    let scene = Scene::with_len(1000);
    run(&scene, &[]).expect_code(0);
    let before = fs::read(&scene.file).expect("the file");
    fs::write(&scene.file, random_bytes(1000, 7)).expect("written");
    run(&scene, &[]).expect_error(1, &["there is one already"]);
    fs::write(&scene.file, before).expect("written");
    expect_stored(&scene, KEY);
    assert_eq!(scene.server.count(Operation::PutObject), 2);
}
