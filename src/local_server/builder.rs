//! Settings of a server.

use super::auth::Keeper;
use super::folder::Folder;
use super::server::LocalServer;
use super::shared::Shared;
use super::store::{Keep, Store};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The key id that a server knows unless told otherwise.
pub const ACCESS_KEY_ID: &str = "local-id";
/// The secret of [`ACCESS_KEY_ID`]. It is no secret.
pub const ACCESS_KEY_SECRET: &str = "local-secret";

const REGION: &str = "cn-hangzhou";
const BUCKET: &str = "examplebucket";

/// Settings of a [`LocalServer`], from [`LocalServer::builder`].
#[derive(Clone)]
#[must_use = "no server runs until `start` is called"]
pub struct Builder {
    port: u16,
    root: Option<PathBuf>,
    access_key_id: String,
    access_key_secret: String,
    security_token: Option<String>,
    region: String,
    buckets: Vec<String>,
    any_bucket: bool,
    discards_bodies: bool,
    checksums_bodies: bool,
    allows_anonymous: bool,
    receive_buffer: Option<usize>,
    callback_timeout: Duration,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("port", &self.port)
            .field("root", &self.root)
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .field("buckets", &self.buckets)
            .field("any_bucket", &self.any_bucket)
            .field("discard_bodies", &self.discards_bodies)
            .finish_non_exhaustive()
    }
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
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            port: 0,
            root: None,
            access_key_id: ACCESS_KEY_ID.to_owned(),
            access_key_secret: ACCESS_KEY_SECRET.to_owned(),
            security_token: None,
            region: REGION.to_owned(),
            buckets: vec![],
            any_bucket: false,
            discards_bodies: false,
            checksums_bodies: true,
            allows_anonymous: false,
            receive_buffer: None,
            callback_timeout: Duration::from_secs(5),
        }
    }

    /// Sets the port on 127.0.0.1. Default: 0, which lets the system choose.
    pub fn port(mut self, port: u16) -> Builder {
        self.port = port;
        self
    }

    /// Keeps objects and parts in files below this folder, which is created. Default: in memory.
    ///
    /// An object is the file `BUCKET/KEY`, the key percent-encoded. Objects that are there already are served;
    /// unfinished uploads of an earlier server are removed. At most one server may use a folder.
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Builder {
        self.root = Some(folder.into());
        self
    }

    /// Sets the only credentials that the server knows. Default: [`ACCESS_KEY_ID`], [`ACCESS_KEY_SECRET`].
    pub fn credentials(mut self, access_key_id: &str, access_key_secret: &str) -> Builder {
        self.access_key_id = access_key_id.to_owned();
        self.access_key_secret = access_key_secret.to_owned();
        self
    }

    /// Demands this token of every request, as for temporary credentials. Default: none.
    pub fn security_token(mut self, token: &str) -> Builder {
        self.security_token = Some(token.to_owned());
        self
    }

    /// Sets the region that signatures of version 4 must name. Default: `cn-hangzhou`.
    pub fn region(mut self, region: &str) -> Builder {
        self.region = region.to_owned();
        self
    }

    /// Adds a bucket. Default, when none is added: `examplebucket`.
    pub fn bucket(mut self, name: &str) -> Builder {
        self.buckets.push(name.to_owned());
        self
    }

    /// Whether every bucket with a valid name exists. Default: no.
    pub fn any_bucket(mut self, any: bool) -> Builder {
        self.any_bucket = any;
        self
    }

    /// Whether bodies of parts and objects are read and thrown away, for benches. Default: no.
    ///
    /// ETags are then made of the CRC-64; MD5 is computed only for a request with `Content-MD5`. Objects know
    /// their length and checksum, but cannot be read.
    pub fn discard_bodies(mut self, discard: bool) -> Builder {
        self.discards_bodies = discard;
        self
    }

    /// Whether discarded bodies are checksummed. Default: yes. Without, answers carry no `x-oss-hash-crc64ecma`.
    pub fn checksum_bodies(mut self, checksum: bool) -> Builder {
        self.checksums_bodies = checksum;
        self
    }

    /// Whether requests without `Authorization` are served. Default: no.
    pub fn allow_anonymous(mut self, allow: bool) -> Builder {
        self.allows_anonymous = allow;
        self
    }

    /// Sets the size of the sockets' receive buffers (`SO_RCVBUF`), in bytes. Default: what the system takes.
    ///
    /// A small one makes a server that reads slowly slow down the client at once, instead of after megabytes.
    pub fn receive_buffer(mut self, bytes: usize) -> Builder {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Sets how long an application may take to answer a callback. Default: 5 s, as at OSS.
    pub fn callback_timeout(mut self, timeout: Duration) -> Builder {
        self.callback_timeout = timeout;
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    ///
    /// When the port is taken, a thread cannot be started, or the folder cannot be used.
    pub fn start(self) -> io::Result<LocalServer> {
        let keep = match (self.discards_bodies, self.checksums_bodies) {
            (false, _) => Keep::Everything,
            (true, true) => Keep::Checksums,
            (true, false) => Keep::Nothing,
        };
        let folder = self.root.map(Folder::open).transpose()?;
        let store = Store::new(keep, folder, self.any_bucket);
        match &self.buckets[..] {
            [] => store.create_bucket(BUCKET),
            names => names.iter().for_each(|name| store.create_bucket(name)),
        }
        let keeper = Keeper::new(
            self.access_key_id,
            self.access_key_secret,
            self.region,
            self.allows_anonymous,
            self.security_token.as_deref(),
        );
        let shared = Shared::new(store, keeper, self.callback_timeout);
        LocalServer::new(shared, self.port, self.receive_buffer)
    }
}
