//! What looks at the state of uploads without uploading, and what is done with uploads that were left behind.

mod abandon;
mod inspect;
mod pending;
mod plan;
mod program;
mod search;

use crate::support::logs::heard_during;
use crate::support::{PART, Scene, bucket, client, meanwhile, wait_reached};
use oss_upload::local_server::{ACCESS_KEY_ID, Fault, LocalServer, Operation};
use oss_upload::{Checkpoint, Credentials, UploadFile};
use std::fs;
use std::time::Duration;

/// Looks at an upload while it waits for the answer to its n-th part. It is done afterwards.
fn while_at_part<T>(scene: &Scene, nth: u32, look: impl FnOnce() -> T) -> T {
    let (held, gate) = Fault::hold();
    scene.once(held.nth(nth), Operation::UploadPart);
    let mut seen = None;
    let uploaded = meanwhile(
        || scene.upload().run(),
        || {
            wait_reached(&gate, 1);
            seen = Some(look());
            gate.open();
        },
    );
    scene.expect_done(&uploaded.expect("uploaded"));
    seen.expect("it has looked")
}

/// Runs an upload that ends for good after so many parts, and leaves it open on the server without a checkpoint.
/// Returns its id.
fn leave_open(scene: &Scene, upload: UploadFile<'_>, n_parts: u32) -> String {
    let state = scene.dir.path().join("lost.cp");
    let nth = n_parts + 1;
    let denied = Fault::deny().on(Operation::UploadPart).nth(nth).times(1);
    let denied = scene.server.fault(denied);
    let upload = upload.checkpoint(Checkpoint::at(&state));
    let error = upload.run().expect_err("it is interrupted");
    assert_eq!(denied.hits(), 1, "{error}");
    denied.remove();
    fs::remove_file(&state).expect("a checkpoint");
    scene.server.forget_requests();
    error.upload_id().expect("an open upload").to_owned()
}

/// The same of the scene's own upload.
fn lose_checkpoint(scene: &Scene, n_parts: u32) -> String {
    leave_open(scene, scene.upload_without_checkpoint(), n_parts)
}

/// Leaves a checkpoint that tells of an upload, and owes an older one that could not be aborted. Returns both ids.
fn owe_an_upload(scene: &Scene) -> (String, String) {
    let old = scene.interrupt_after(2).upload_id().map(str::to_owned);
    let refused = scene
        .server
        .fault(Fault::deny().on(Operation::AbortMultipartUpload));
    let third = Fault::deny().on(Operation::UploadPart).nth(3).times(1);
    scene.server.fault(third);
    let error = scene
        .upload()
        .meta("owner", "alice")
        .run()
        .expect_err("the third part is refused");
    refused.remove();
    let new = error.upload_id().expect("resumable").to_owned();
    assert_eq!(Some(&error.left_behind()[0]), old.as_ref());
    scene.server.forget_requests();
    (new, old.expect("resumable"))
}

/// Ids of all uploads that are open on the server, sorted.
fn open_uploads(scene: &Scene) -> Vec<String> {
    let uploads = scene.server.pending_uploads().into_iter();
    let mut ids: Vec<String> = uploads.map(|upload| upload.upload_id).collect();
    ids.sort();
    ids
}

/// Whatever is told to people and tools, by value, error or log.
#[test]
fn nothing_that_is_told_holds_a_secret() {
    const SECRET: &str = "s3cr3t-of-the-tools";
    const TOKEN: &str = "t0ken-of-the-tools";
    let server = LocalServer::builder().credentials(ACCESS_KEY_ID, SECRET);
    let server = server.security_token(TOKEN).start().expect("a port");
    let mut scene = Scene::on(server, 4 * PART);
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET).with_security_token(TOKEN);
    scene.bucket = bucket(client(&scene.server).credentials(credentials.clone()));
    let client = client(&scene.server).credentials(credentials);
    let client = client.build().expect("a client");
    let mut said = vec![];
    let heard = heard_during(|| {
        scene.interrupt_after(2);
        said.push(format!("{:?}", Checkpoint::inspect(scene.checkpoint())));
        said.push(format!("{:?}", scene.upload().find_on_server().plan()));
        let mut uploads = scene.bucket.pending_uploads("");
        said.push(format!("{uploads:?} {:?} {uploads:?}", uploads.next()));
        let denied = scene
            .server
            .fault(Fault::deny().on(Operation::AbortMultipartUpload));
        said.push(format!("{:?}", client.abandon(scene.checkpoint())));
        said.push(format!(
            "{:?}",
            scene.bucket.abort_pending("", Duration::ZERO)
        ));
        denied.remove();
        fs::remove_file(scene.checkpoint()).expect("a checkpoint");
        said.push(format!("{:?}", scene.upload().find_on_server().run()));
    });
    assert!(said.iter().all(|text| text.len() > 100), "{said:?}");
    let uploaded = said.last().expect("a run");
    assert!(uploaded.contains("Resumed"), "{uploaded}");
    let ours = |line: &&String| line.contains(" oss_upload::");
    for text in said.iter().chain(heard.iter().filter(ours)) {
        assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
        assert!(!text.contains("OSS4-HMAC"), "{text}");
    }
}
