//! The small examples, run as a reader would run them. `process` holds `upload` to much more; the gate runs `demo`.

use crate::support::process::{Program, WATCHDOG};
use crate::support::{BUCKET, PART, Scene};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET};
use oss_upload::{Client, Credentials};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

#[test]
fn embed_uploads_the_file_it_is_given() {
    let scene = Scene::with_len(9 << 20);
    let ended = Program::example("embed")
        .credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
        .env("OSS_ENDPOINT", &scene.server.endpoint())
        .arg(&scene.file)
        .run()
        .expect_code(0);
    let object = scene
        .server
        .object(BUCKET, "backup/latest.tar")
        .expect("an object");
    let bytes = fs::read(&scene.file).expect("the file");
    assert!(object.bytes().expect("readable") == bytes);
    assert_eq!(object.parts, Some(2));
    assert!(
        ended.stdout.contains(&format!("{} bytes", bytes.len())),
        "{ended:?}"
    );
}

#[test]
fn local_server_says_where_it_listens_and_takes_an_upload_to_any_bucket() {
    let scene = Scene::with_len(3 * PART);
    let root = scene.dir.path().join("root");
    let mut server = Program::example("local_server")
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
        .into_command()
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let stdout = server.stdout.take().expect("a pipe");
    let (said, first_line) = mpsc::channel();
    thread::spawn(move || said.send(BufReader::new(stdout).lines().next()));
    let line = first_line.recv_timeout(WATCHDOG).expect("a line in time");
    let line = line.expect("a line").expect("text");
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
    server.kill().expect("killed");
    server.wait().expect("gone");
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
