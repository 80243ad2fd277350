//! Options of the object, from the command line to the wire.

use crate::support::application::Application;
use crate::support::process::Program;
use crate::support::{BUCKET, Case, KEY, PART, Scene};
use oss_upload::local_server::{Operation, RequestLog};

/// Whether a request carries it, as a header or a parameter.
fn carries(request: &RequestLog, name: &str, value: &str) -> bool {
    let mut parameters = request.query.iter();
    request.header(name) == Some(value) || parameters.any(|(n, v)| n == name && v == value)
}

#[track_caller]
fn expect_carried(scene: &Scene, name: &str, value: &str) {
    let requests = scene.server.requests();
    assert!(
        requests.iter().any(|request| carries(request, name, value)),
        "no request carries {name}: {value}"
    );
}

/// The strict server refuses what does not belong where it is.
#[test]
fn every_option_of_the_object_reaches_the_server() {
    const GIVEN: [(&[&str], &str, &str); 17] = [
        (&["--content-type", "a/b"], "content-type", "a/b"),
        (
            &["--cache-control", "no-store"],
            "cache-control",
            "no-store",
        ),
        (
            &["--content-disposition", "attachment"],
            "content-disposition",
            "attachment",
        ),
        (&["--content-encoding", "gzip"], "content-encoding", "gzip"),
        (&["--content-language", "zh"], "content-language", "zh"),
        (
            &["--expires", "Fri, 01 Jan 2038 00:00:00 GMT"],
            "expires",
            "Fri, 01 Jan 2038 00:00:00 GMT",
        ),
        (&["--meta", "owner=alice"], "x-oss-meta-owner", "alice"),
        (&["--meta", "team = a=b "], "x-oss-meta-team", "a=b"),
        (
            &["--tag", "a=1", "--tag", "b=2"],
            "x-oss-tagging",
            "a=1&b=2",
        ),
        (&["--header", "x-oss-meta-by: me"], "x-oss-meta-by", "me"),
        (&["--query", "x-custom=1"], "x-custom", "1"),
        (&["--acl", "public-read"], "x-oss-object-acl", "public-read"),
        (&["--storage-class", "ia"], "x-oss-storage-class", "IA"),
        (
            &["--sse", "kms:key-1"],
            "x-oss-server-side-encryption-key-id",
            "key-1",
        ),
        (&["--forbid-overwrite"], "x-oss-forbid-overwrite", "true"),
        (&["--request-payer"], "x-oss-request-payer", "requester"),
        (
            &["--traffic-limit", "819200"],
            "x-oss-traffic-limit",
            "819200",
        ),
    ];
    for len in [10, 3 * PART] {
        let scene = Scene::with_len(len);
        let program = GIVEN
            .iter()
            .fold(scene.program(), |program, (arguments, _, _)| {
                program.args(*arguments)
            });
        program.run().json();
        scene.expect_object(0);
        for (_, name, value) in &GIVEN {
            expect_carried(&scene, name, value);
        }
        // And the object there is not replaced.
        let again = scene.program().arg("--forbid-overwrite").run();
        again.expect_error(1, &["FileAlreadyExists"]);
    }
}

#[test]
fn every_choice_is_the_one_of_oss() {
    const CLASS: &str = "x-oss-storage-class";
    const ENCRYPTION: &str = "x-oss-server-side-encryption";
    for (option, choice, name, value) in [
        ("--acl", "default", "x-oss-object-acl", "default"),
        ("--acl", "private", "x-oss-object-acl", "private"),
        (
            "--acl",
            "public-read-write",
            "x-oss-object-acl",
            "public-read-write",
        ),
        ("--storage-class", "standard", CLASS, "Standard"),
        ("--storage-class", "IA", CLASS, "IA"),
        ("--storage-class", "archive", CLASS, "Archive"),
        ("--storage-class", "cold-archive", CLASS, "ColdArchive"),
        (
            "--storage-class",
            "deep-cold-archive",
            CLASS,
            "DeepColdArchive",
        ),
        ("--sse", "aes256", ENCRYPTION, "AES256"),
        ("--sse", "sm4", ENCRYPTION, "SM4"),
        ("--sse", "kms", ENCRYPTION, "KMS"),
    ] {
        let _case = Case((option, choice));
        let scene = Scene::with_len(10);
        scene.program().args([option, choice]).run().json();
        expect_carried(&scene, name, value);
    }
}

#[test]
fn every_body_goes_with_its_md5_when_asked_for() {
    let scene = Scene::with_parts(3);
    scene.program().arg("--content-md5").run().json();
    let requests = scene.server.requests().into_iter();
    let parts = requests.filter(|request| request.operation == Operation::UploadPart);
    let with_md5 = parts.map(|request| request.header("content-md5").is_some());
    assert_eq!(with_md5.collect::<Vec<_>>(), [true; 3]);
    scene.expect_object(0);
}

#[test]
fn the_application_is_called_and_its_answer_printed() {
    let application = Application::answering(200, "{\"id\":7}");
    let body = "key=${object}&by=${x:who}";
    let json = "{\"key\":${object},\"by\":${x:who}}";
    for (option, body, heard) in [
        ("--callback-body", body, "key=dir%2Fobject.bin&by=alice"),
        (
            "--callback-json",
            json,
            "{\"key\":\"dir/object.bin\",\"by\":\"alice\"}",
        ),
    ] {
        for n_parts in [1, 3] {
            let scene = Scene::with_parts(n_parts);
            let ran = scene
                .program()
                .args(["--callback-url", &application.url(), option, body])
                .args(["--callback-var", "who=alice"])
                .run();
            assert_eq!(ran.json()["callback_response"]["id"], 7, "{ran:?}");
            let calls = application.calls();
            assert_eq!(calls.len(), 1);
            assert_eq!(calls[0].body, heard);
        }
    }
}

#[test]
fn a_callback_that_fails_is_told_from_an_upload_that_does() {
    let scene = Scene::with_parts(2);
    let application = Application::answering(500, "{}");
    let program = Program::upload(&scene.server, &scene.file, KEY);
    let url = application.url();
    let ran = program
        .args(["--callback-url", &url, "--callback-body", "x"])
        .run();
    ran.expect_error(1, &["CallbackFailed", "there is nothing to upload again"]);
    assert!(scene.server.object(BUCKET, KEY).is_some());
}
