//! Signatures that the server computes again from what came over the wire: any key, any metadata, any clock.

use crate::support::logs::heard_during;
use crate::support::process::WATCHDOG;
use crate::support::{BUCKET, KEY, PART, Scene, bucket, client, hasty, random_bytes};
use SignatureVersion::{V1, V4};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, LocalServer, Operation};
use oss_upload::{
    Bucket, Checkpoint, Client, Control, Credentials, Environment, Error, ErrorKind, RetryPolicy,
    SignatureVersion, UploadFile,
};
use std::fmt::Debug;
use std::fs;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

const VERSIONS: [SignatureVersion; 2] = [V1, V4];

/// A file of one part, which goes up by PutObject, and one of several.
const LENGTHS: [u64; 2] = [1000, PART + 1];

/// Keys that invite mistakes.
fn awkward_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        " ",
        " leading and trailing ",
        "two  spaces",
        "a+b",
        "100%",
        "%20",
        "%2F",
        "%zz",
        "what?uploads",
        "what?",
        "#fragment",
        "a&b=c;d",
        "~tilde",
        "star*",
        "it's (not) bad!",
        "\"quoted\" <tag> & entity; &amp;",
        "back\\slash",
        "中文/目录/文件.txt",
        "🦀/🎉👩‍👩‍👧‍👦",
        "e\u{301} and \u{e9}",
        "\u{feff}bom",
        "\u{200b}",
        "\u{1}\u{2}\u{1f}",
        "tab\tline\nreturn\r\u{7f}",
        "\u{0}",
        "a//b",
        "a///b//",
        "a/../b",
        "../up",
        "..",
        ".",
        "./a",
        "a/./b",
        "a/..",
        "trailing/",
        "trailing//",
        "http://host/path",
        "oss://bucket/key",
        "a:b@c",
        "UPPER/lower",
        "uploads",
        "x-oss-date",
    ]
    .map(str::to_owned)
    .into();
    let punctuation = (b'!'..=b'~')
        .map(char::from)
        .filter(char::is_ascii_punctuation);
    keys.extend(punctuation.clone().map(|c| format!("a{c}b")));
    let all: String = punctuation.collect();
    keys.push(format!("all{all}{all}"));
    keys.push("k".repeat(1023));
    keys.push("键".repeat(341));
    keys
}

#[test]
fn any_key_is_stored_under_exactly_that_key() {
    for len in LENGTHS {
        let scene = Scene::with_len(len);
        for version in VERSIONS {
            let bucket = bucket(client(&scene.server).signature_version(version));
            for key in awkward_keys() {
                let upload = bucket.upload_file(&*key, &scene.file).part_size(PART);
                let uploaded = upload.run();
                let uploaded = uploaded.unwrap_or_else(|why| panic!("{key:?} {version:?}: {why}"));
                assert_eq!(uploaded.key, key);
                assert_eq!(uploaded.retries, 0);
                scene.expect_done(&uploaded);
                assert!(scene.server.remove_object(BUCKET, &key));
            }
        }
    }
}

#[test]
fn an_upload_to_any_key_can_be_resumed() {
    let scene = Scene::with_parts(3);
    for version in VERSIONS {
        let bucket = bucket(client(&scene.server).signature_version(version));
        for key in awkward_keys() {
            let upload = || {
                let upload = bucket.upload_file(&*key, &scene.file).part_size(PART);
                upload.checkpoint(Checkpoint::in_dir(scene.dir.path()))
            };
            let denied = Fault::deny().on(Operation::UploadPart).part(2);
            let denied = scene.server.fault(denied);
            upload().run().expect_err("part 2 is denied");
            denied.remove();
            let uploaded = upload()
                .run()
                .unwrap_or_else(|why| panic!("{key:?}: {why}"));
            assert_eq!(uploaded.parts_resumed(), 1, "{key:?}");
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn a_key_that_oss_does_not_take_is_refused_before_anything_is_sent() {
    let scene = Scene::with_len(10);
    for key in ["", "/a", "\\a", &"k".repeat(1024), &"键".repeat(342)] {
        let error = scene.bucket.upload_file(key, &scene.file).run();
        let error = error.expect_err("no key");
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
    }
    assert_eq!(scene.server.requests().len(), 0);
}

#[test]
fn metadata_and_headers_are_signed_as_they_are_sent() {
    for len in LENGTHS {
        for version in VERSIONS {
            let scene = Scene::with_len(len);
            let bucket = bucket(client(&scene.server).signature_version(version));
            let uploaded = bucket
                .upload_file(KEY, &scene.file)
                .part_size(PART)
                .meta("b-second", "two  spaces inside")
                .meta("A-First", "  trimmed  ")
                .meta("punctuation", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
                .meta("chinese", "中文")
                .meta("empty", "")
                .meta("a", "1")
                .meta("a-b", "2")
                .header("Content-Type", "text/html; charset=\"utf-8\"")
                .header("Content-Disposition", "attachment; filename=\"a b.txt\"")
                .header("x-oss-storage-class", "IA")
                .header("x-oss-object-acl", "private")
                .header("x-oss-tagging", "a=b&c=%20")
                .run();
            let uploaded = uploaded.unwrap_or_else(|why| panic!("{len} {version:?}: {why}"));
            scene.expect_done(&uploaded);
            let object = scene.server.object(BUCKET, KEY).expect("an object");
            for (name, value) in [
                ("x-oss-meta-b-second", "two  spaces inside"),
                ("x-oss-meta-a-first", "trimmed"),
                (
                    "x-oss-meta-punctuation",
                    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
                ),
                ("x-oss-meta-chinese", "中文"),
                ("x-oss-meta-a", "1"),
                ("x-oss-meta-a-b", "2"),
                ("content-type", "text/html; charset=\"utf-8\""),
                ("content-disposition", "attachment; filename=\"a b.txt\""),
                ("x-oss-storage-class", "IA"),
            ] {
                let found = object.headers.get(name).map(String::as_str);
                assert_eq!(found, Some(value), "{name} {len} {version:?}");
            }
        }
    }
}

#[test]
fn temporary_credentials_carry_their_token_in_every_request() {
    for len in LENGTHS {
        for version in VERSIONS {
            let token = "CAIS+abc/def==";
            let server = LocalServer::builder().security_token(token).start();
            let scene = Scene::on(server.expect("a port"), len);
            let credentials = Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET);
            let with = credentials.clone().with_security_token(token);
            let built = client(&scene.server).signature_version(version);
            let upload = bucket(built.credentials(with));
            let upload = upload.upload_file(KEY, &scene.file).part_size(PART);
            scene.expect_done(&upload.run().expect("uploaded"));
            for request in scene.server.requests() {
                assert_eq!(request.header("x-oss-security-token"), Some(token));
            }

            for (credentials, code) in [
                (credentials.clone(), "InvalidAccessKeyId"),
                (
                    credentials.with_security_token("other"),
                    "InvalidSecurityToken",
                ),
            ] {
                scene.server.forget_requests();
                let built = client(&scene.server).signature_version(version);
                let upload = bucket(built.credentials(credentials));
                let upload = upload.upload_file(KEY, &scene.file).part_size(PART);
                let error = upload.run().expect_err("refused");
                assert_eq!(error.service_error().map(|e| e.code()), Some(code));
                assert_eq!(scene.server.requests().len(), 1);
            }
        }
    }
}

#[test]
fn anonymous_requests_are_not_signed() {
    for len in LENGTHS {
        for version in VERSIONS {
            let server = LocalServer::builder().allow_anonymous(true).start();
            let scene = Scene::on(server.expect("a port"), len);
            // No region: there is nothing to sign.
            let built = Client::builder(scene.server.endpoint())
                .anonymous()
                .signature_version(version);
            let upload = bucket(built);
            let upload = upload.upload_file(KEY, &scene.file).part_size(PART);
            scene.expect_done(&upload.run().expect("uploaded"));
            for request in scene.server.requests() {
                assert_eq!(request.header("authorization"), None);
            }
        }
    }
    let scene = Scene::with_len(10);
    let upload = bucket(Client::builder(scene.server.endpoint()).anonymous());
    let error = upload.upload_file(KEY, &scene.file).run();
    let error = error.expect_err("this server wants to know who asks");
    assert_eq!(error.service_error().map(|e| e.status()), Some(403));
    assert_eq!(scene.server.requests().len(), 1);
}

#[test]
fn another_region_or_secret_is_refused_and_not_asked_again() {
    for len in LENGTHS {
        let scene = Scene::with_len(len);
        let secret = Credentials::new(ACCESS_KEY_ID, "wrong");
        for (built, status, code) in [
            (
                client(&scene.server).region("cn-beijing"),
                400,
                "InvalidArgument",
            ),
            (
                client(&scene.server).credentials(secret.clone()),
                403,
                "SignatureDoesNotMatch",
            ),
            (
                client(&scene.server)
                    .credentials(secret)
                    .signature_version(V1),
                403,
                "SignatureDoesNotMatch",
            ),
            (
                client(&scene.server).credentials(Credentials::new("nobody", "x")),
                403,
                "InvalidAccessKeyId",
            ),
        ] {
            scene.server.forget_requests();
            let upload = bucket(built);
            let upload = upload.upload_file(KEY, &scene.file).part_size(PART);
            let error = upload.run().expect_err("refused");
            let service = error.service_error().expect("the server's answer");
            assert_eq!((service.status(), service.code()), (status, code));
            assert_eq!(scene.server.requests().len(), 1, "{code}");
        }
    }
}

#[test]
fn without_a_region_version_4_is_an_error_and_never_version_1() {
    for endpoint in [
        "http://127.0.0.1:1",
        "http://localhost:1",
        "https://files.example.com",
    ] {
        let builder = || Client::builder(endpoint).credentials(Credentials::new("id", "secret"));
        let error = builder().build().expect_err("no region");
        assert_eq!(error.kind(), ErrorKind::Options);
        assert!(error.to_string().contains("region"), "{error}");
        builder().region("cn-hangzhou").build().expect("a client");
        builder().signature_version(V1).build().expect("a client");
    }
    // Where the name of the host tells the region, none need be given.
    let known = Client::builder("https://oss-cn-hangzhou.aliyuncs.com");
    known.build().expect("a client");
}

/// Requests that were refused because of the clock: nothing else is refused here.
fn refused(scene: &Scene) -> usize {
    let requests = scene.server.requests().into_iter();
    requests
        .filter(|request| request.status == Some(403))
        .count()
}

#[test]
fn a_clock_that_is_wrong_is_set_right_once_and_stays_so() {
    for seconds in [7200, -7200] {
        for len in LENGTHS {
            for version in VERSIONS {
                let scene = Scene::with_len(len);
                scene.server.set_clock_offset(seconds);
                // What is put right needs no attempt.
                let built = client(&scene.server)
                    .signature_version(version)
                    .retry(hasty().max_attempts(1));
                let bucket = bucket(built);
                for refusals in [1, 0, 0] {
                    let upload = bucket.upload_file(KEY, &scene.file).part_size(PART);
                    scene.expect_done(&upload.run().expect("uploaded"));
                    assert_eq!(refused(&scene), refusals, "{seconds} {len} {version:?}");
                    scene.server.forget_requests();
                }
                // A clock within the tolerance is left as it is.
                scene.server.set_clock_offset(seconds + 600);
                let upload = bucket.upload_file(KEY, &scene.file).part_size(PART);
                scene.expect_done(&upload.run().expect("uploaded"));
                assert_eq!(refused(&scene), 0);
            }
        }
    }
}

/// The clock jumps in the middle of an upload, when all routines are at work.
#[test]
fn a_clock_that_jumps_is_set_right_at_most_once_a_routine() {
    for routines in [1, 4] {
        for seconds in [7200, -7200] {
            let scene = Scene::with_parts(12);
            let (sender, arrived) = mpsc::channel();
            let (jumped, awaited) = mpsc::channel::<()>();
            let awaited = Mutex::new(awaited);
            let hook = Fault::run(move |_| {
                let _ = sender.send(());
                let _ = awaited.lock().expect("once").recv_timeout(WATCHDOG);
            });
            scene
                .server
                .fault(hook.on(Operation::UploadPart).nth(5).times(1));
            let server = &scene.server;
            let uploaded = thread::scope(|scope| {
                scope.spawn(move || {
                    arrived.recv_timeout(WATCHDOG).expect("part 5 arrives");
                    server.set_clock_offset(seconds);
                    let _ = jumped.send(());
                });
                scene.upload().routines(routines).run().expect("uploaded")
            });
            let refusals = refused(&scene);
            assert!(
                (1..=routines).contains(&refusals),
                "{refusals} of {routines}"
            );
            assert_eq!(uploaded.retries, refusals as u64);
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn many_uploads_of_one_client_share_what_it_learned_of_the_clock() {
    let scene = Scene::with_len(1000);
    scene.server.set_clock_offset(-7200);
    thread::scope(|scope| {
        for i in 0..4 {
            let scene = &scene;
            scope.spawn(move || {
                let upload = scene.bucket.upload_file(format!("key-{i}"), &scene.file);
                upload.run().expect("uploaded");
            });
        }
    });
    assert!((1..=4).contains(&refused(&scene)));
    scene.server.forget_requests();
    let bucket = scene.bucket.clone();
    bucket
        .upload_file("key", &scene.file)
        .run()
        .expect("uploaded");
    assert_eq!(refused(&scene), 0);
}

const SECRET: &str = "s3cr3t-that-nobody-may-see";
const TOKEN: &str = "t0ken-that-nobody-may-see";

fn secretive() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, SECRET).with_security_token(TOKEN)
}

#[track_caller]
fn expect_no_secret(what: &str, text: &str) {
    for secret in [SECRET, TOKEN] {
        let beginning: String = text.chars().take(1000).collect();
        assert!(!text.contains(secret), "{what} shows it: {beginning}");
    }
}

#[track_caller]
fn expect_discreet(what: &impl Debug) {
    expect_no_secret("Debug", &format!("{what:?}"));
    expect_no_secret("Debug", &format!("{what:#?}"));
}

/// A server that knows the secrets of these tests.
fn secretive_scene(len: u64) -> Scene {
    let server = LocalServer::builder()
        .credentials(ACCESS_KEY_ID, SECRET)
        .security_token(TOKEN);
    expect_discreet(&server);
    Scene::on(server.start().expect("a port"), len)
}

#[test]
fn debug_of_no_public_type_shows_a_secret() {
    let scene = secretive_scene(PART + 1);
    let builder = || client(&scene.server).credentials(secretive());
    let built = builder().build().expect("a client");
    let bucket = built.bucket(BUCKET).expect("a bucket");
    let upload: UploadFile<'_> = bucket.upload_file(KEY, &scene.file).part_size(PART);
    expect_discreet(&secretive());
    expect_discreet(&Environment);
    expect_discreet(&builder());
    expect_discreet(&built);
    expect_discreet(&bucket);
    expect_discreet(&upload);
    expect_discreet(&Control::new());
    expect_discreet(&RetryPolicy::default());
    expect_discreet(&Checkpoint::beside_file());
    expect_discreet(&upload.run().expect("uploaded"));
}

#[test]
fn debug_of_the_local_server_shows_neither_secrets_nor_objects() {
    let scene = secretive_scene(PART + 1);
    let upload = bucket(client(&scene.server).credentials(secretive()));
    let upload = upload.upload_file(KEY, &scene.file).part_size(PART);
    upload.run().expect("uploaded");
    expect_discreet(&scene.server);
    assert!(format!("{:?}", scene.server).len() < 10_000);
}

fn expect_discreet_error(error: &Error) {
    expect_discreet(error);
    expect_no_secret("Display", &error.to_string());
    if let Some(service) = error.service_error() {
        expect_discreet(service);
        expect_no_secret("Display", &service.to_string());
        expect_no_secret("its message", service.message());
    }
}

/// Runs that succeed, and some that fail in every way that has to do with credentials.
fn talkative_runs(version: SignatureVersion) {
    let scene = secretive_scene(3 * PART);
    let with = |credentials: Credentials| {
        bucket(
            client(&scene.server)
                .credentials(credentials)
                .signature_version(version),
        )
    };
    let upload = |bucket: &Bucket| scene.upload_to(bucket, KEY).run();
    let good = with(secretive());
    let denied = Fault::deny().on(Operation::UploadPart).nth(2).times(1);
    scene.server.fault(denied);
    expect_discreet_error(&upload(&good).expect_err("denied"));
    let lost = Fault::lose_answer().on(Operation::UploadPart).times(1);
    scene.server.fault(lost);
    let checkpoint = fs::read(scene.checkpoint()).expect("a checkpoint");
    expect_no_secret("the checkpoint", &String::from_utf8_lossy(&checkpoint));
    scene.expect_done(&upload(&good).expect("resumed"));

    // The server's answer repeats what it signed: with version 1 the token is part of it.
    let id = Credentials::new(ACCESS_KEY_ID, format!("{SECRET}-wrong"));
    let wrong_secret = id.with_security_token(TOKEN);
    expect_discreet_error(&upload(&with(wrong_secret)).expect_err("refused"));
    let wrong_token = Credentials::new(ACCESS_KEY_ID, SECRET);
    let wrong_token = wrong_token.with_security_token(format!("{TOKEN}-wrong"));
    expect_discreet_error(&upload(&with(wrong_token)).expect_err("refused"));
    scene.server.expire_tokens();
    expect_discreet_error(&upload(&good).expect_err("expired"));
    // What cannot stand in a header is refused, and not quoted.
    let broken = Credentials::new(ACCESS_KEY_ID, format!("{SECRET}\r\nbroken"));
    let error = upload(&with(broken)).expect_err("not a secret");
    assert_eq!(error.kind(), ErrorKind::Credentials);
    expect_discreet_error(&error);
    scene.server.go_away();
    expect_discreet_error(&upload(&good).expect_err("nobody is there"));
}

#[test]
fn no_error_and_no_log_record_shows_a_secret() {
    for version in VERSIONS {
        let heard = heard_during(|| talkative_runs(version));
        for target in ["ureq", "oss_upload"] {
            let from = |line: &&String| line.contains(&format!(" {target}"));
            assert!(
                heard.iter().any(|line| from(&line)),
                "{target} said nothing"
            );
        }
        for line in &heard {
            expect_no_secret("a log record", line);
        }
    }
}

/// A signature is as good as the secret for as long as the clock allows.
#[test]
fn no_log_record_shows_a_signature() {
    for version in VERSIONS {
        let scene = Scene::with_parts(3);
        let bucket = bucket(client(&scene.server).signature_version(version));
        let heard = heard_during(|| {
            let upload = bucket.upload_file(KEY, &scene.file).part_size(PART);
            upload.run().expect("uploaded");
        });
        for request in scene.server.requests() {
            let signed = request.header("authorization").expect("signed");
            let signature = signed.rsplit([':', '=']).next().expect("a signature");
            let signature = match version {
                V1 => signed.rsplit(':').next().expect("a signature"),
                V4 => signature,
            };
            assert!(signature.len() > 20, "{signed}");
            for line in &heard {
                assert!(!line.contains(signature), "{line}");
            }
        }
    }
}

/// The bytes of the tests above differ from file to file, or a mix-up would not show.
#[test]
fn keys_do_not_share_objects() {
    let scene = Scene::with_len(1000);
    let keys = [
        "a/b", "a//b", "a%2Fb", "a/./b", "a/b/", "A/b", "a/b ", "a+b", "a b",
    ];
    for (i, key) in keys.into_iter().enumerate() {
        fs::write(&scene.file, random_bytes(1000, i as u64)).expect("written");
        let uploaded = scene.bucket.upload_file(key, &scene.file).run();
        uploaded.unwrap_or_else(|why| panic!("{key:?}: {why}"));
    }
    for (i, key) in keys.into_iter().enumerate() {
        let object = scene.server.object(BUCKET, key).expect("an object");
        let bytes = object.bytes().expect("readable");
        assert!(bytes == random_bytes(1000, i as u64), "{key:?}");
    }
}
