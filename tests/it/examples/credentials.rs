//! `credentials`: each source signs an upload.

use super::{LATEST, expect_stored, unsigned};
use crate::support::process::Program;
use crate::support::web::{Asked, Web};
use crate::support::{Case, Scene, wait_reached};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, LocalServer, Operation};
use std::fs;

const TOKEN: &str = "the-token";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
const ARN: &str = "acs:ram::1:role/uploader";

fn issued() -> String {
    format!(
        r#"{{"AccessKeyId":"{ACCESS_KEY_ID}","AccessKeySecret":"{ACCESS_KEY_SECRET}","SecurityToken":"{TOKEN}","Expiration":"2999-01-01T00:00:00Z","Code":"Success"}}"#
    )
}

/// A metadata service, an STS and a URI in one.
fn issuer() -> Web {
    Web::start(|asked: &Asked| match (&*asked.method, &*asked.path) {
        ("POST", "/") => (200, format!(r#"{{"Credentials":{}}}"#, issued())),
        ("GET", ROLES) => (200, "the-role".to_owned()),
        ("GET", _) => (200, issued()),
        _ => (404, String::new()),
    })
}

/// A scene whose server demands the token, if there is one.
fn scene(token: Option<&str>, len: u64) -> Scene {
    let server = LocalServer::builder().allow_anonymous(true);
    let server = token.map_or(server.clone(), |token| server.security_token(token));
    Scene::on(server.start().expect("a port"), len)
}

/// Uploads by a source, without any credentials that the test's surroundings have.
fn program(scene: &Scene, by: &[&str]) -> Program {
    unsigned("credentials", scene)
        .env("HOME", scene.dir.path().to_str().expect("text"))
        .arg(&scene.file)
        .args(by)
}

/// What a program is given beside its arguments.
type Surrounded = fn(Program) -> Program;

fn by_nothing(program: Program) -> Program {
    program
}

fn by_the_key(program: Program) -> Program {
    program.credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
}

fn by_the_key_of_the_tools(program: Program) -> Program {
    program
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", ACCESS_KEY_SECRET)
}

fn by_the_key_and_a_token(program: Program) -> Program {
    by_the_key(program).env("OSS_SESSION_TOKEN", TOKEN)
}

/// What the last request was signed with: the id of the key and the token.
fn signed_with(scene: &Scene) -> (bool, Option<String>) {
    let requests = scene.server.requests();
    let last = requests.last().expect("a request");
    let id = last
        .header("authorization")
        .map(|text| text.contains(ACCESS_KEY_ID));
    let token = last.header("x-oss-security-token").map(str::to_owned);
    (id == Some(true), token)
}

#[test]
fn a_key_that_stays_is_found_wherever_it_is() {
    let cases: [(&[&str], Surrounded, bool); 9] = [
        (&["static"], by_nothing, true),
        (&["environment"], by_the_key, true),
        (&["chain"], by_the_key, true),
        (&["chain"], by_the_key_of_the_tools, true),
        (&["chain"], by_nothing, true),
        (&["own-chain"], by_the_key, true),
        (&["own-chain"], by_nothing, true),
        (&["profile", "uploads"], by_nothing, true),
        (&["anonymous"], by_the_key, false),
    ];
    for (by, surrounded, is_signed) in cases {
        let _case = Case(by);
        let scene = scene(None, 1000);
        let folder = scene.dir.path().join(".aliyun");
        fs::create_dir(&folder).expect("created");
        let profile = format!(
            r#"{{"current":"uploads","profiles":[{{"name":"uploads","mode":"AK","access_key_id":"{ACCESS_KEY_ID}","access_key_secret":"{ACCESS_KEY_SECRET}"}}]}}"#
        );
        fs::write(folder.join("config.json"), profile).expect("written");
        surrounded(program(&scene, by)).run().expect_code(0);
        expect_stored(&scene, LATEST);
        assert_eq!(signed_with(&scene), (is_signed, None));
    }
}

#[test]
fn temporary_credentials_are_fetched_from_whoever_issues_them() {
    let issuer = issuer();
    let prints = format!("echo '{}'", issued());
    let cases: [(&[&str], Surrounded, usize); 6] = [
        (&["environment"], by_the_key_and_a_token, 0),
        (&["ecs", &issuer.url], by_nothing, 3),
        (&["oidc", &issuer.url], by_nothing, 1),
        (&["ram", ARN, &issuer.url], by_the_key, 1),
        (&["uri", &issuer.url], by_nothing, 1),
        (&["process", &prints], by_nothing, 0),
    ];
    for (by, surrounded, asked) in cases {
        let _case = Case(by);
        let scene = scene(Some(TOKEN), 1000);
        let pod = scene.dir.path().join("pod.token");
        fs::write(&pod, "a.pods.token").expect("written");
        let program = program(&scene, by)
            .env("ALIBABA_CLOUD_ROLE_ARN", ARN)
            .env(
                "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
                "acs:ram::1:oidc-provider/cluster",
            )
            .env("ALIBABA_CLOUD_OIDC_TOKEN_FILE", pod.to_str().expect("text"));
        let before = issuer.asked().len();
        surrounded(program).run().expect_code(0);
        expect_stored(&scene, LATEST);
        assert_eq!(signed_with(&scene), (true, Some(TOKEN.to_owned())));
        assert_eq!(issuer.asked().len() - before, asked);
    }
}

#[test]
fn a_function_is_asked_again_when_what_it_fetched_expires_midway() {
    let scene = scene(Some("first"), 9 << 20);
    let kept = scene.dir.path().join("kept");
    let keep = |token: &str| {
        let lines = format!("{ACCESS_KEY_ID}\n{ACCESS_KEY_SECRET}\n{token}\n");
        fs::write(&kept, lines).expect("written");
    };
    keep("first");
    let (hold, gate) = Fault::hold();
    scene
        .server
        .fault(hold.on(Operation::InitiateMultipartUpload));
    let running = program(&scene, &["file", kept.to_str().expect("text")]).start();
    wait_reached(&gate, 1);
    keep("second");
    scene.server.expire_tokens();
    scene.server.set_security_token(Some("second"));
    gate.open();
    running.wait().expect_code(0);
    expect_stored(&scene, LATEST);
    assert_eq!(signed_with(&scene), (true, Some("second".to_owned())));
}

#[test]
fn a_source_that_has_none_is_an_error_that_says_where_it_looked() {
    let scene = scene(None, 1000);
    let none = scene.dir.path().join("none");
    fs::write(&none, "one line").expect("written");
    let none = none.to_str().expect("text");
    for (by, word) in [
        (&["environment"][..], "OSS_ACCESS_KEY_ID"),
        (&["profile", "uploads"], "config.json"),
        (&["oidc"], "ALIBABA_CLOUD_OIDC_TOKEN_FILE"),
        (&["ram", ARN], "OSS_ACCESS_KEY_ID"),
        (&["ecs", &Web::gone()], "metadata service"),
        (&["process", "exit 3"], "3"),
        (&["file", none], "three lines"),
    ] {
        let _case = Case(by);
        let ran = program(&scene, by).run();
        ran.expect_error(1, &["failed: ", word]);
    }
    assert_eq!(scene.server.requests().len(), 0);
}
