//! The server as a test sees it: away or there, its faults, its journal, what it keeps, its clock.

use super::content::Content;
use super::fault::{Fault, FaultHandle};
use super::journal::{Operation, RequestLog};
use super::listener::{Listening, bind};
use super::shared::Shared;
use super::store::{Overwrite, md5_etag};
use super::stored::{Stored, StoredHeaders};
use super::view::{Object, PendingUpload};
use crate::crc64;
use crate::lock::lock;
use md5::{Digest, Md5};
use socket2::Socket;
use std::fmt;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

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
    pub(super) fn new(
        shared: Shared,
        port: u16,
        receive_buffer: Option<usize>,
    ) -> io::Result<LocalServer> {
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
