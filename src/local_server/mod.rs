//! An OSS server inside this process: for tests, the demo and benches.
//!
//! It listens on 127.0.0.1, is addressed path-style, and is strict: signatures of version 1 and 4, dates,
//! tokens, parameters, part numbers, sizes, order and ETags are checked as OSS checks them, so that a mistake
//! in a client cannot hide behind a lenient server. A test looks at what arrived ([`LocalServer::requests`],
//! [`LocalServer::object`]) and makes things go wrong ([`Fault`]).
//!
//! ```
//! use oss_upload::local_server::{Fault, LocalServer, Operation};
//!
//! # fn main() -> std::io::Result<()> {
//! let server = LocalServer::start()?;
//! // The answer to the second part gets lost, once.
//! let lost = server.fault(Fault::lose_answer().on(Operation::UploadPart).nth(2).times(1));
//!
//! // ... a client uploads to `server.endpoint()` ...
//! # assert!(server.endpoint().starts_with("http://127.0.0.1:"));
//! assert_eq!(server.count(Operation::UploadPart), 0);
//! assert_eq!(lost.hits(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What it knows
//!
//! The operations of [`Operation`], each with the headers and parameters of its API page. What OSS knows and
//! the server does not (copying, versioning, presigned URLs, sequential uploads) it refuses with
//! `NotImplemented` or `InvalidArgument`, never in silence. Parameters that begin with `x-` but not with `x-oss-` it
//! passes over.
//!
//! Callbacks of PutObject and CompleteMultipartUpload go to URLs of this machine, `http://127.0.0.1` or
//! `http://localhost`, once the object is stored; all others are refused. The body is filled in with the documented
//! variables, the answer must come within [5 s](Builder::callback_timeout), with status 200, a length and JSON; else it
//! is 203 `CallbackFailed`. Calls are not signed, and no image is looked into (`imageInfo.*` is empty).
//!
//! # Limits
//!
//! Each connection has a thread and a buffer of 256 KiB. In memory, an object shares the buffers of its
//! parts. With [`Builder::root`] bodies go to files, and memory does not grow with them.
//!
//! # Logs
//!
//! `debug`: connections that break off. `warn`: a disk or the system that fails the server.

mod answer;
mod auth;
mod builder;
mod callback;
mod calls;
mod connection;
mod content;
mod error;
mod fault;
mod folder;
mod journal;
mod listener;
mod pace;
mod request;
mod session;
mod store;
mod stored;
mod view;
mod wire;
mod xml;

pub use builder::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Builder};
pub use fault::{Fault, FaultHandle, Gate};
pub use journal::{Operation, RequestLog};
pub use view::{Object, PendingPart, PendingUpload};

use crate::crc64;
use crate::lock::lock;
use auth::Keeper;
use content::Content;
use fault::Faults;
use jiff::{SignedDuration, Timestamp};
use journal::Journal;
use listener::{Listening, bind};
use md5::{Digest, Md5};
use socket2::Socket;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Overwrite, Store, md5_etag};
use stored::{Stored, StoredHeaders};

/// A running server. Dropping it ends all connections and threads.
pub struct LocalServer {
    shared: Arc<Shared>,
    listening: Mutex<Option<Listening>>,
    /// The port of a server that is away, so that no other gets it, and with it the requests of a client that keeps trying.
    kept: Mutex<Option<Socket>>,
    port: u16,
    receive_buffer: Option<usize>,
}

impl LocalServer {
    /// Starts a server on a free port, in memory, with the default credentials and the bucket `examplebucket`.
    ///
    /// # Errors
    ///
    /// When the system gives no port or no thread.
    pub fn start() -> io::Result<LocalServer> {
        LocalServer::builder().start()
    }

    /// Settings for a server that is to be started.
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn new(shared: Shared, port: u16, receive_buffer: Option<usize>) -> io::Result<LocalServer> {
        let shared = Arc::new(shared);
        let listening = Listening::start(&shared, bind(port, receive_buffer)?)?;
        Ok(LocalServer {
            shared,
            port: listening.port(),
            listening: Mutex::new(Some(listening)),
            kept: Mutex::new(None),
            receive_buffer,
        })
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port, which stays the same while the server is away.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes the listening socket and all connections. Uploads, objects, faults and the journal stay. So does the port:
    /// connections are refused, and no server that takes any port gets it meanwhile.
    pub fn go_away(&self) {
        let listening = lock(&self.listening).take();
        if let Some(listening) = listening {
            listening.stop();
            *lock(&self.kept) = bind(self.port, self.receive_buffer).ok();
        }
    }

    /// Listens on the same port again. Does nothing while the server is there.
    ///
    /// # Errors
    ///
    /// When somebody else took the very port meanwhile, or the system gives no thread.
    pub fn come_back(&self) -> io::Result<()> {
        let mut listening = lock(&self.listening);
        if listening.is_none() {
            let socket = match lock(&self.kept).take() {
                Some(kept) => kept,
                None => bind(self.port, self.receive_buffer)?,
            };
            *listening = Some(Listening::start(&self.shared, socket)?);
        }
        Ok(())
    }
}

/// Neither objects nor what clients sent: both are large, and requests carry tokens and signatures.
impl fmt::Debug for LocalServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalServer")
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        self.go_away();
    }
}

/// Faults, and what was asked.
impl LocalServer {
    /// Adds a fault.
    pub fn fault(&self, fault: Fault) -> FaultHandle {
        self.shared.faults.add(fault)
    }

    /// Removes all faults. Requests under way keep theirs.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Every request that was answered or broke off, in order of arrival.
    ///
    /// A request is listed before the first byte of its answer is sent. The last 100,000 are kept.
    pub fn requests(&self) -> Vec<RequestLog> {
        self.shared.journal.finished()
    }

    /// How many requests of this operation there were, whatever became of them.
    pub fn count(&self, operation: Operation) -> usize {
        self.shared.journal.count(operation)
    }

    /// Forgets the requests so far. Connections keep their numbers.
    pub fn forget_requests(&self) {
        self.shared.journal.forget();
    }
}

/// Buckets, objects and uploads, without HTTP.
impl LocalServer {
    /// An object, as it is now.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Object> {
        let stored = self.shared.store.object(bucket, key)?;
        Some(Object::new(&stored))
    }

    /// Puts an object into a bucket, which is created.
    ///
    /// # Panics
    ///
    /// When the server keeps objects in a folder that cannot be written.
    pub fn put_object(&self, bucket: &str, key: &str, body: &[u8]) {
        let mut crc = crc64::Digest::new();
        crc.update(body);
        let md5 = Md5::digest(body).into();
        let content_type = "application/octet-stream".to_owned();
        let object = Stored {
            len: body.len() as u64,
            etag: md5_etag(md5),
            md5: Some(md5),
            crc: Some(crc.value()),
            headers: StoredHeaders::from([("content-type".to_owned(), content_type)]),
            parts: None,
            modified: self.shared.now(),
            content: Content::memory(body.to_vec()),
        };
        let stored = (self.shared.store).put(bucket, key, object, Overwrite::Allowed);
        stored.expect("the folder of the server cannot be written");
    }

    /// Removes an object; `false` when there was none.
    pub fn remove_object(&self, bucket: &str, key: &str) -> bool {
        self.shared.store.remove(bucket, key)
    }

    /// All uploads that are neither completed nor aborted, sorted by bucket, key and id.
    pub fn pending_uploads(&self) -> Vec<PendingUpload> {
        let uploads = self.shared.store.uploads(None).into_iter();
        uploads.map(|(id, u)| PendingUpload::new(id, u)).collect()
    }

    /// Forgets an upload with its parts, as a lifecycle rule would; `false` when there was none.
    pub fn drop_upload(&self, upload_id: &str) -> bool {
        self.shared.store.drop_upload(upload_id)
    }

    /// Loses a stored part; `false` when there was none.
    pub fn drop_part(&self, upload_id: &str, number: u16) -> bool {
        self.shared.store.drop_part(upload_id, number)
    }

    /// Creates a bucket, if there is none of this name.
    pub fn create_bucket(&self, name: &str) {
        self.shared.store.create_bucket(name);
    }
}

/// The clock and the tokens.
impl LocalServer {
    /// Lets the server's clock run so many seconds ahead, or behind when negative: its `Date` headers, its times,
    /// and its idea of how far off a client is.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.clock_offset.store(seconds, Ordering::SeqCst);
    }

    /// Demands this token of every request from now on; `None` demands that there is none.
    ///
    /// The token before is then wrong: `InvalidSecurityToken`, unless it was [expired](LocalServer::expire_tokens).
    pub fn set_security_token(&self, token: Option<&str>) {
        self.shared.keeper.require_token(token);
    }

    /// Lets the demanded token, and all that were ever shown or demanded, expire: `SecurityTokenExpired`.
    pub fn expire_tokens(&self) {
        self.shared.keeper.expire_tokens();
    }
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    keeper: Keeper,
    store: Store,
    faults: Faults,
    journal: Journal,
    connections: AtomicU64,
    clock_offset: AtomicI64,
    /// How long an application may take to answer a callback.
    callback_timeout: Duration,
}

impl Shared {
    fn new(store: Store, keeper: Keeper, callback_timeout: Duration) -> Shared {
        Shared {
            keeper,
            store,
            faults: Faults::default(),
            journal: Journal::default(),
            connections: AtomicU64::new(0),
            clock_offset: AtomicI64::new(0),
            callback_timeout,
        }
    }

    /// The time on the server's clock.
    fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.clock_offset.load(Ordering::SeqCst));
        Timestamp::now()
            .saturating_add(offset)
            .unwrap_or(Timestamp::MAX)
    }
}
