//! Row 14: a full run with faults, and everything that it logs, prints, formats and writes.

use crate::support::logs::heard_during;
use crate::support::{self, Notes, PART, Scene, bucket, client};
use oss_upload::local_server::{ACCESS_KEY_ID, Fault, LocalServer, Operation};
use oss_upload::{Credentials, SignatureVersion};
use std::fs;

const SECRET: &str = "s3cr3t-of-row-fourteen";
const TOKEN: &str = "t0ken-of-row-fourteen";

const PARTS: u64 = 8;

/// What a run said and left, in the order it came.
struct Said(Vec<String>);

impl Said {
    fn add(&mut self, what: impl std::fmt::Debug) {
        self.0.push(format!("{what:?}"));
        self.0.push(format!("{what:#?}"));
    }
}

/// One fault for each run, all of which leave their state to the next, until none is left.
fn faults() -> Vec<(Fault, Operation)> {
    use Operation::{CompleteMultipartUpload, InitiateMultipartUpload, ListParts, UploadPart};
    let echo = "<Error><Code>SignatureDoesNotMatch</Code><Message>m</Message></Error>";
    vec![
        (Fault::reset_after(10), InitiateMultipartUpload),
        (Fault::deny().nth(2), UploadPart),
        (Fault::wrong_crc(), UploadPart),
        (
            Fault::status(403, "SecurityTokenExpired").nth(2),
            UploadPart,
        ),
        (Fault::answer(403, "application/xml", echo), ListParts),
        (Fault::cut_answer(40), ListParts),
        (
            Fault::answer(502, "text/html", "<html>proxy</html>"),
            UploadPart,
        ),
        (Fault::replace_answer_header("ETag", "\"\r\n\""), UploadPart),
        (Fault::lose_answer(), CompleteMultipartUpload),
    ]
}

/// Runs through all faults; returns what was said, and every signature that was sent.
fn run_with_faults(version: SignatureVersion) -> (Said, Vec<String>) {
    let server = LocalServer::builder()
        .credentials(ACCESS_KEY_ID, SECRET)
        .security_token(TOKEN);
    let mut scene = Scene::on(server.start().expect("a port"), PARTS * PART);
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET).with_security_token(TOKEN);
    let client = client(&scene.server).credentials(credentials.clone());
    scene.bucket = bucket(client.signature_version(version));
    let mut said = Said(vec![]);
    said.add((&scene.bucket, &credentials));
    for (fault, operation) in faults() {
        scene.once(fault, operation);
        let events = Notes::new();
        let told = events.clone();
        let upload = scene.upload().routines(2);
        let upload = upload.on_event(move |event| told.add(format!("{event:?}")));
        said.add(&upload);
        match upload.run() {
            Ok(uploaded) => said.add(&uploaded),
            Err(error) => {
                said.add((&error, error.service_error()));
                said.0.push(error.to_string());
            }
        }
        said.0.extend(events.take());
        scene.server.clear_faults();
        if let Ok(state) = fs::read(scene.checkpoint()) {
            said.0.push(String::from_utf8_lossy(&state).into_owned());
        }
    }
    let wrong = Credentials::new(ACCESS_KEY_ID, "wrong").with_security_token(TOKEN);
    let wrong = bucket(support::client(&scene.server).credentials(wrong));
    let refused = wrong.upload_file("another", &scene.file).run();
    said.add(refused.expect_err("a wrong secret"));
    let requests = scene.server.requests().into_iter();
    let signed = requests.filter_map(|r| r.header("authorization").map(signature));
    (said, signed.collect())
}

/// What follows the last `:` or `=`; padding of base64 stays off.
fn signature(authorization: &str) -> String {
    let bare = authorization.trim_end_matches('=');
    let at = bare.rfind([':', '=']).expect("a signature");
    bare[at + 1..].to_owned()
}

#[test]
fn nothing_that_is_said_or_left_holds_a_secret_a_token_or_a_signature() {
    for version in [SignatureVersion::V4, SignatureVersion::V1] {
        let mut run = None;
        let heard = heard_during(|| run = Some(run_with_faults(version)));
        let (said, signatures) = run.expect("it ran");
        assert!(heard.len() > 50 && said.0.len() > 20, "it was silent");
        assert!(signatures.len() > 20, "{} requests", signatures.len());
        let mut secrets = signatures;
        secrets.extend([SECRET.to_owned(), TOKEN.to_owned()]);
        for secret in &secrets {
            assert!(secret.len() > 15, "{secret} could stand anywhere");
            for text in said.0.iter().chain(&heard) {
                assert!(!text.contains(&**secret), "{secret} is shown: {text}");
            }
        }
    }
}
