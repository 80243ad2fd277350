//! D26 and D27: cancelling one of several uploads, and tokens that expire on the way.

use crate::support::{KEY, Notes, PART, Scene, bucket, client, meanwhile, wait_reached};
use oss_upload::local_server::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, LocalServer, Operation, RequestLog,
};
use oss_upload::{Control, Credentials, CredentialsProvider, ErrorKind, ProviderError};
use std::sync::{Arc, Mutex};

/// In ali-oss and C++ cancelling ends all uploads of the client.
#[test]
fn d26_cancelling_one_upload_leaves_the_others_of_its_client_alone() {
    let scene = Scene::with_parts(4);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart));
    let (stopped, untouched) = (Control::new(), Control::new());
    let upload = |key, control| {
        let upload = scene.bucket.upload_file(key, &scene.file).part_size(PART);
        upload.control(control).run()
    };
    let mut cancelled = None;
    let uploaded = meanwhile(
        || upload(KEY, &untouched),
        || {
            cancelled = Some(meanwhile(
                || upload("cancelled", &stopped),
                || {
                    wait_reached(&gate, 2);
                    stopped.cancel();
                },
            ));
            // The other goes on only when this one has ended.
            gate.open();
        },
    );
    let cancelled = cancelled.expect("it was run");
    let error = cancelled.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(stopped.is_cancelled() && !untouched.is_cancelled());
    scene.expect_done(&uploaded.expect("uploaded"));
}

/// In ali-oss a new upload clears the mark that another one was cancelled.
#[test]
fn d26_a_new_upload_does_not_revive_a_cancelled_one() {
    let scene = Scene::with_parts(3);
    let cancelled = Control::new();
    cancelled.cancel();
    let uploaded = scene
        .upload()
        .control(&Control::new())
        .run()
        .expect("uploaded");
    scene.expect_done(&uploaded);
    assert!(cancelled.is_cancelled());
    let error = scene
        .upload()
        .control(&cancelled)
        .run()
        .expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

/// In ali-oss the mark of a cancelled upload may be gone when it begins, and it begins all the same.
#[test]
fn d26_an_upload_that_was_cancelled_before_it_began_asks_for_nothing() {
    let cancelled = Control::new();
    cancelled.cancel();
    for n_parts in [1, 3] {
        let scene = Scene::with_parts(n_parts);
        let upload = scene.upload().control(&cancelled);
        let error = upload.run().expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        let asked: Vec<_> = scene
            .server
            .requests()
            .into_iter()
            .map(|r| r.operation)
            .collect();
        assert_eq!(asked, []);
        assert_eq!(scene.server.pending_uploads(), []);
        assert!(!scene.checkpoint().exists());
    }
}

/// Where a cancel ends the whole client nobody can tell what it ended; each upload should say so, whatever else failed.
#[test]
fn d26_a_cancel_that_meets_a_passing_failure_is_reported_as_a_cancel() {
    let kinds = [
        Operation::InitiateMultipartUpload,
        Operation::UploadPart,
        Operation::CompleteMultipartUpload,
    ]
    .map(|operation| {
        let scene = Scene::with_parts(3);
        let control = Control::new();
        let cancelling = control.clone();
        let cancel = Fault::run(move |_| cancelling.cancel());
        scene.server.fault(cancel.on(operation));
        let failing = Fault::status(500, "InternalError").on(operation);
        scene.server.fault(failing);
        let upload = scene.upload().control(&control);
        upload.run().expect_err("cancelled").kind()
    });
    assert_eq!(kinds, [ErrorKind::Cancelled; 3]);
}

/// Whoever issues tokens: the one that is good now.
pub(crate) type Authority = Arc<Mutex<String>>;

pub(crate) fn authority(token: &str) -> Authority {
    Arc::new(Mutex::new(token.to_owned()))
}

fn issue(authority: &Authority) -> Credentials {
    let token = authority.lock().expect("no panic");
    Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET).with_security_token(&*token)
}

/// Keeps a token until it is told that it is no good.
pub(crate) struct Keeping {
    authority: Authority,
    kept: Mutex<Credentials>,
    fetched: Notes<()>,
}

impl Keeping {
    /// A provider that has fetched a token, and the notes of each time that it fetches another.
    pub(crate) fn new(authority: &Authority) -> (Keeping, Notes<()>) {
        let fetched = Notes::new();
        let keeping = Keeping {
            authority: Arc::clone(authority),
            kept: Mutex::new(issue(authority)),
            fetched: fetched.clone(),
        };
        (keeping, fetched)
    }
}

impl CredentialsProvider for Keeping {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        Ok(self.kept.lock().expect("no panic").clone())
    }

    fn refused(&self, refused: &Credentials) {
        let mut kept = self.kept.lock().expect("no panic");
        // Another routine may have been here first.
        if *kept == *refused {
            *kept = issue(&self.authority);
            self.fetched.add(());
        }
    }
}

/// Uploads ten parts, and replaces the token while every routine waits for the answer to a part.
fn upload_across_a_new_token(
    provider: impl CredentialsProvider + 'static,
    authority: &Authority,
    routines: usize,
) -> Vec<RequestLog> {
    let server = LocalServer::builder().security_token("first");
    let mut scene = Scene::on(server.start().expect("a port"), 10 * PART - 1);
    scene.bucket = bucket(client(&scene.server).credentials(provider));
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).nth(3));
    let run = || scene.upload().routines(routines).run();
    let uploaded = meanwhile(run, || {
        wait_reached(&gate, u32::try_from(routines).expect("few"));
        scene.server.expire_tokens();
        scene.server.set_security_token(Some("second"));
        *authority.lock().expect("no panic") = "second".to_owned();
        gate.open();
    });
    scene.expect_done(&uploaded.expect("the upload goes on"));
    scene.server.requests()
}

fn n_refused(requests: &[RequestLog]) -> usize {
    let refused = |request: &&RequestLog| request.status == Some(403);
    requests.iter().filter(refused).count()
}

/// ali-oss does not ask for a token until a timer says so.
#[test]
fn d27_the_provider_is_asked_for_every_request() {
    for routines in [1, 4] {
        let authority = authority("first");
        let asking = Arc::clone(&authority);
        let provider = move || -> Result<Credentials, ProviderError> { Ok(issue(&asking)) };
        let requests = upload_across_a_new_token(provider, &authority, routines);
        assert_eq!(n_refused(&requests), 0);
        let tokens = requests
            .iter()
            .filter_map(|request| request.header("x-oss-security-token"));
        let tokens: Vec<_> = tokens.collect();
        assert_eq!(tokens.len(), requests.len());
        assert!(tokens.contains(&"first") && tokens.contains(&"second"));
    }
}

/// ali-oss calls the token fresh before the new one is there, so that parts sent at the same time use the dead one.
#[test]
fn d27_a_token_that_expires_midway_is_replaced_once_for_all_routines() {
    for routines in [1, 4] {
        let authority = authority("first");
        let (provider, fetched) = Keeping::new(&authority);
        let requests = upload_across_a_new_token(provider, &authority, routines);
        assert!((1..=routines).contains(&n_refused(&requests)));
        assert_eq!(fetched.take().len(), 1);
    }
}

/// ali-oss goes on sending with a token that has expired when there is no other.
#[test]
fn d27_a_token_that_nobody_replaces_ends_the_upload_and_keeps_what_was_sent() {
    let server = LocalServer::builder().security_token("first");
    let mut scene = Scene::on(server.start().expect("a port"), 6 * PART);
    let authority = authority("first");
    let asking = Arc::clone(&authority);
    let provider = move || -> Result<Credentials, ProviderError> { Ok(issue(&asking)) };
    scene.bucket = bucket(client(&scene.server).credentials(provider));
    let expired = Fault::status(403, "SecurityTokenExpired").on(Operation::UploadPart);
    let expired = scene.server.fault(expired.nth(3));
    let error = scene.upload().run().expect_err("the token has expired");
    assert_eq!(
        error.service_error().map(|e| e.code()),
        Some("SecurityTokenExpired")
    );
    assert!(error.is_resumable());
    assert_eq!(expired.hits(), 1);
    scene.server.clear_faults();
    scene.server.set_security_token(Some("second"));
    *authority.lock().expect("no panic") = "second".to_owned();
    let uploaded = scene.upload().run().expect("resumed");
    scene.expect_resumed(&uploaded, 2);
}

/// ali-oss does not tell a provider that has nothing to give from a server that refuses.
#[test]
fn d27_a_provider_that_fails_midway_ends_the_upload_and_keeps_what_was_sent() {
    let mut scene = Scene::with_parts(6);
    let asked = Mutex::new(0);
    let provider = move || -> Result<Credentials, ProviderError> {
        let mut asked = asked.lock().expect("no panic");
        *asked += 1;
        match *asked {
            4 => Err("the metadata service is away".into()),
            _ => Ok(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET)),
        }
    };
    scene.bucket = bucket(client(&scene.server).credentials(provider));
    let error = scene.upload().run().expect_err("no credentials");
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains("metadata service"), "{error}");
    assert!(error.is_resumable());
    let uploaded = scene.upload().run().expect("resumed");
    scene.expect_resumed(&uploaded, 2);
}
