//! Row 9: credentials that are late, odd or revoked. Tokens that expire are D27, the clock is in `signing.rs`.

use crate::defects::cancel_and_tokens::{Keeping, authority};
use crate::support::{PART, Scene, bucket, client, hasty, meanwhile};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, LocalServer};
use oss_upload::{Control, Credentials, CredentialsProvider, ErrorKind, ProviderError};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

fn good() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
}

/// Gives good credentials, and once, at the n-th question, does something else.
struct Odd<F> {
    at: usize,
    asked: Mutex<usize>,
    act: F,
}

impl<F> CredentialsProvider for Odd<F>
where
    F: Fn() -> Result<Credentials, ProviderError> + Send + Sync,
{
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        let mut asked = self.asked.lock().expect("no panic");
        *asked += 1;
        match *asked == self.at {
            true => {
                drop(asked);
                (self.act)()
            }
            false => Ok(good()),
        }
    }
}

fn odd<F>(at: usize, act: F) -> Odd<F> {
    let asked = Mutex::new(0);
    Odd { at, asked, act }
}

/// Initiate, a part in the middle, Complete of an upload of six parts.
const MOMENTS: [usize; 3] = [1, 4, 8];

#[test]
fn a_provider_that_gives_nonsense_ends_the_upload_with_an_error_that_says_what() {
    for (nonsense, word) in [
        (Credentials::new("", ""), "access key id is empty"),
        (Credentials::new("", "secret"), "access key id is empty"),
        (Credentials::new("id", ""), "access key secret is empty"),
        (Credentials::new("id\r\nHost: x", "secret"), "access key id"),
        (Credentials::new("id", "a\0b"), "access key secret"),
        (good().with_security_token("t\u{e9}"), "security token"),
        (good().with_security_token(""), "security token is empty"),
    ] {
        for at in MOMENTS {
            let mut scene = Scene::with_parts(6);
            let nonsense = nonsense.clone();
            let provider = odd(at, move || Ok(nonsense.clone()));
            scene.bucket = bucket(client(&scene.server).credentials(provider));
            let error = scene.upload().run().expect_err("nonsense");
            assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
            assert!(error.to_string().contains(word), "{error}");
            assert_eq!(error.is_resumable(), at > 1, "question {at}");
            scene.expect_done(&scene.upload().run().expect("resumed"));
        }
    }
}

#[test]
fn a_provider_that_hangs_ends_the_upload_when_its_time_is_over() {
    for at in MOMENTS {
        for routines in [1, 4] {
            let mut scene = Scene::with_parts(6);
            let (never, answer) = mpsc::channel::<()>();
            let answer = Mutex::new(answer);
            let provider = odd(at, move || {
                let _ = answer.lock().expect("no panic").recv();
                Ok(good())
            });
            let soon = Duration::from_millis(20);
            let impatient = client(&scene.server).credentials_timeout(soon);
            scene.bucket = bucket(impatient.credentials(provider));
            let error = scene.upload().routines(routines).run();
            let error = error.expect_err("it hangs");
            assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
            assert!(error.to_string().contains("has not answered"), "{error}");
            scene.bucket = bucket(client(&scene.server));
            scene.expect_done(&scene.upload().run().expect("resumed"));
            drop(never);
        }
    }
}

#[test]
fn a_provider_that_hangs_does_not_hold_a_cancel_up() {
    for at in MOMENTS {
        let mut scene = Scene::with_parts(6);
        let (never, answer) = mpsc::channel::<()>();
        let (tell, asked) = mpsc::channel();
        let both = Mutex::new((answer, tell));
        let provider = odd(at, move || {
            let (answer, tell) = &*both.lock().expect("no panic");
            tell.send(())?;
            let _ = answer.recv();
            Ok(good())
        });
        scene.bucket = bucket(client(&scene.server).credentials(provider));
        let control = Control::new();
        let run = || scene.upload().control(&control).run();
        let error = meanwhile(run, || {
            asked.recv().expect("the provider is asked");
            control.cancel();
        });
        let error = error.expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        assert_eq!(error.is_resumable(), at > 1);
        drop(never);
        scene.expect_done(&scene.upload().run().expect("resumed"));
    }
}

#[test]
fn a_key_that_is_revoked_midway_ends_the_upload_and_a_new_one_continues_it() {
    for routines in [1, 4] {
        for code in ["InvalidAccessKeyId", "AccessDenied", "UserDisable"] {
            let mut scene = Scene::with_parts(12);
            let revoked = Fault::status(403, code);
            let revoked = scene.server.fault(revoked.nth(5));
            let error = scene.upload().routines(routines).run();
            let error = error.expect_err("the key is revoked");
            assert_eq!(error.service_error().map(|e| e.code()), Some(code));
            assert!(error.is_resumable(), "{error}");
            let asked = revoked.hits() as usize;
            assert!(asked <= routines, "{asked} requests with a revoked key");
            revoked.remove();
            let stored = scene.server.pending_uploads()[0].parts.len();
            scene.bucket = bucket(client(&scene.server).credentials(good()));
            let uploaded = scene.upload().run().expect("resumed");
            assert_eq!(usize::from(uploaded.parts_resumed()), stored);
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn renewed_credentials_cost_no_attempt() {
    for routines in [1, 4] {
        let server = LocalServer::builder().security_token("new");
        let mut scene = Scene::on(server.start().expect("a port"), 8 * PART);
        let authority = authority("old");
        let (provider, fetched) = Keeping::new(&authority);
        *authority.lock().expect("no panic") = "new".to_owned();
        let one_try = client(&scene.server).retry(hasty().max_attempts(1));
        scene.bucket = bucket(one_try.credentials(provider));
        let uploaded = scene.upload().routines(routines).run();
        let uploaded = uploaded.expect("no attempt is counted");
        assert_eq!(fetched.take().len(), 1);
        scene.expect_done(&uploaded);
    }
}
