//! The small examples, run as a reader would run them. `process` holds `upload` to much more, `tools` does so with
//! `pending`; the gate runs `demo`.

mod control;
mod credentials;
mod lost_checkpoint;
mod metadata;
mod network;
mod programs;
mod progress;
mod slices;

use crate::support::process::Program;
use crate::support::{BUCKET, PART, Scene};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, Object};
use oss_upload::{Client, Credentials};
use std::fs;
use std::path::Path;

/// What most of them call their object.
pub(crate) const LATEST: &str = "backup/latest.tar";

/// An example that uploads to the scene's server, with the credentials it knows.
pub(crate) fn example(name: &str, scene: &Scene) -> Program {
    unsigned(name, scene).credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
}

/// The same without credentials, whatever the machine has.
fn unsigned(name: &str, scene: &Scene) -> Program {
    let of_the_machine = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    of_the_machine
        .filter(|name| name.starts_with("ALIBABA_CLOUD_"))
        .fold(Program::example(name), |program, name| {
            program.without_env(&name)
        })
        .env("OSS_ENDPOINT", &scene.server.endpoint())
        .env("OSS_REGION", "cn-hangzhou")
}

/// The object is the file, and nothing else is left on the server.
#[track_caller]
pub(crate) fn expect_stored(scene: &Scene, key: &str) -> Object {
    let object = scene.server.object(BUCKET, key).expect("an object");
    let bytes = fs::read(&scene.file).expect("the file");
    assert!(object.bytes().expect("readable") == bytes, "another object");
    assert_eq!(scene.server.pending_uploads(), []);
    object
}

#[test]
fn many_files_uploads_all_that_is_below_a_folder_and_again_what_failed() {
    let scene = Scene::with_len(3);
    let photos = scene.dir.path().join("photos");
    fs::create_dir_all(photos.join("2026/may")).expect("created");
    for name in ["a.jpg", "2026/may/b.jpg"] {
        fs::copy(&scene.file, photos.join(name)).expect("copied");
    }
    let run = |folder: &Path| {
        let program = example("many_files", &scene).arg(folder);
        program.arg(scene.dir.path()).run()
    };
    let b = "photos/2026/may/b.jpg";
    let denied = scene.server.fault(Fault::deny().key(b));
    let ran = run(&photos).expect_code(1);
    assert!(
        ran.stdout.contains(&format!("{b}: ")) && ran.stdout.contains("AccessDenied"),
        "{ran:?}"
    );
    expect_stored(&scene, "photos/a.jpg");
    assert!(scene.server.object(BUCKET, b).is_none());
    denied.remove();
    run(&photos).expect_code(0);
    expect_stored(&scene, b);
    let missing = run(&photos.join("missing")).expect_code(1);
    assert!(missing.stderr.contains("missing: "), "{missing:?}");
}

/// Says how to use it, and sends nothing.
#[test]
fn what_an_example_cannot_use_is_status_2() {
    let scene = Scene::with_parts(2);
    for (name, arguments) in [
        ("metadata", &[][..]),
        ("credentials", &["file"]),
        ("credentials", &["file", "nobody"]),
        ("credentials", &["file", "ram"]),
        ("network", &["file", "carrier-pigeon"]),
        ("network", &["file", "private", "root", "chain"]),
        ("progress", &[]),
        ("control", &[]),
        ("control", &["file", "soon"]),
        ("slices", &["file", "0", "folder"]),
        ("slices", &["file", "1"]),
        ("lost_checkpoint", &["file"]),
        ("many_files", &["folder"]),
        ("night_and_day", &["file", "8"]),
        ("night_and_day", &["file", "8", "late"]),
        ("cron_job", &["file", "folder", "soon"]),
        ("function", &["file", "soon"]),
        ("log_shipper", &[]),
        ("service", &["vault"]),
        ("window", &[]),
    ] {
        let ran = example(name, &scene).args(arguments).run();
        ran.expect_error(2, &["usage: ", name]);
    }
    assert_eq!(scene.server.requests().len(), 0);
}

#[test]
fn local_server_says_where_it_listens_and_takes_an_upload_to_any_bucket() {
    let scene = Scene::with_len(3 * PART);
    let root = scene.dir.path().join("root");
    let server = Program::example("local_server")
        .args([
            "--access-key-id",
            "me",
            "--access-key-secret",
            "mine",
            "--security-token",
            "a-token",
            "--root",
        ])
        .arg(&root)
        .talk();
    let line = server.hear();
    let endpoint = line.strip_prefix("listening on ").expect(&line);

    let client = Client::builder(endpoint)
        .region("cn-hangzhou")
        .credentials(Credentials::new("me", "mine").with_security_token("a-token"))
        .build();
    let bucket = client
        .and_then(|client| client.bucket("any-bucket"))
        .expect("a client");
    let upload = bucket
        .upload_file("dir/a b.bin", &scene.file)
        .part_size(PART);
    let uploaded = upload.run();
    server.kill();
    assert_eq!(uploaded.expect("uploaded").parts, 3);
    let stored = fs::read(root.join("any-bucket").join("dir%2Fa%20b.bin"));
    assert!(stored.expect("the object's file") == fs::read(&scene.file).expect("the file"));
}

#[test]
fn local_server_refuses_what_it_does_not_know() {
    for wrong in [
        &["--port", "http"][..],
        &["--nonsense"],
        &["--access-key-id", "me"],
        &["--security-token", "t"],
    ] {
        let ended = Program::example("local_server")
            .args(wrong)
            .run()
            .expect_code(2);
        assert_eq!(ended.stdout, "", "{ended:?}");
    }
}
