//! What the tests have in common; each further thing by its name.

pub(crate) mod application;
pub(crate) mod conversation;
#[cfg(unix)]
pub(crate) mod format;
pub(crate) mod front;
pub(crate) mod logs;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod runs;
mod scene;
mod times;
pub(crate) mod tls;
pub(crate) mod web;

pub(crate) use scene::Scene;
pub(crate) use times::{keeping_mtime, mtime, set_mtime};

use oss_upload::local_server::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, Gate, LocalServer, Operation, PendingPart,
};
use oss_upload::{Bucket, Client, ClientBuilder, Credentials, RetryPolicy};
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// The smallest part that OSS takes, and the part size of most scenes.
pub(crate) const PART: u64 = 102_400;

pub(crate) const BUCKET: &str = "examplebucket";
pub(crate) const KEY: &str = "dir/object.bin";

/// A client of the server that loses no time between retries.
pub(crate) fn client(server: &LocalServer) -> ClientBuilder {
    client_at(server.endpoint())
}

pub(crate) fn client_at(endpoint: String) -> ClientBuilder {
    Client::builder(endpoint)
        .region("cn-hangzhou")
        .credentials(Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET))
        .retry(hasty())
}

/// The bucket of most scenes, for a client with other settings.
pub(crate) fn bucket(client: ClientBuilder) -> Bucket {
    let bucket = client.build().and_then(|client| client.bucket(BUCKET));
    bucket.expect("a client")
}

pub(crate) fn hasty() -> RetryPolicy {
    RetryPolicy::default()
        .base_delay(Duration::from_millis(1))
        .max_delay(Duration::from_millis(5))
        .outage(Duration::ZERO)
}

/// Bytes that do not repeat, the same for the same seed.
pub(crate) fn random_bytes(len: u64, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; usize::try_from(len).expect("fits into memory")];
    random.fill(&mut bytes);
    bytes
}

/// Where a test's chance comes from. It is printed, and what failed is repeated by giving it back.
pub(crate) fn seed() -> u64 {
    const NAME: &str = "OSS_UPLOAD_TEST_SEED";
    let seed = match std::env::var(NAME) {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("{NAME}={seed}");
    seed
}

/// A page of ListParts as OSS would answer it, each part as `describe` wants it.
pub(crate) fn listing(scene: &Scene, describe: impl Fn(&PendingPart) -> String) -> Fault {
    let [upload] = &scene.server.pending_uploads()[..] else {
        panic!("not one upload")
    };
    let mut xml = String::from("<ListPartsResult><IsTruncated>false</IsTruncated>");
    for part in &upload.parts {
        let (number, described) = (part.number, describe(part));
        write!(
            xml,
            "<Part><PartNumber>{number}</PartNumber>{described}</Part>"
        )
        .expect("writing to a string does not fail");
    }
    xml.push_str("</ListPartsResult>");
    Fault::answer(200, "application/xml", xml).on(Operation::ListParts)
}

/// What hooks of faults, observers and providers note down, in order.
#[derive(Debug)]
pub(crate) struct Notes<T>(Arc<Mutex<Vec<T>>>);

impl<T> Notes<T> {
    pub(crate) fn new() -> Notes<T> {
        Notes(Arc::default())
    }

    pub(crate) fn add(&self, note: T) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note);
    }

    /// All notes so far, which are then forgotten.
    pub(crate) fn take(&self) -> Vec<T> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut notes)
    }
}

impl<T> Clone for Notes<T> {
    fn clone(&self) -> Notes<T> {
        Notes(Arc::clone(&self.0))
    }
}

/// Runs an upload on a thread of its own while `act` does something to it.
pub(crate) fn meanwhile<R: Send>(run: impl FnOnce() -> R + Send, act: impl FnOnce()) -> R {
    thread::scope(|scope| {
        let running = scope.spawn(run);
        act();
        running.join().expect("the upload does not panic")
    })
}

/// Waits until so many requests have reached the gate. Should they never come, the test fails instead of hanging.
pub(crate) fn wait_reached(gate: &Gate, n: u32) {
    let (reached, wait) = mpsc::channel();
    let waiting = gate.clone();
    thread::spawn(move || {
        waiting.wait_reached(n);
        let _ = reached.send(());
    });
    if wait.recv_timeout(Duration::from_secs(30)).is_err() {
        gate.open();
        panic!("not {n} requests have reached the gate");
    }
}

/// Names the case of a table in which a test failed.
pub(crate) struct Case<T: Debug>(pub(crate) T);

impl<T: Debug> Drop for Case<T> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the case was {:?}", self.0);
        }
    }
}
