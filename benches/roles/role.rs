//! What a process is to do, told by its parent, and what it tells back.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The environment variable that a role is told in.
pub(crate) const VARIABLE: &str = "OSS_UPLOAD_BENCH_ROLE";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    Server(Server),
    Ours(Upload),
    Floor(Upload),
    /// A loop over ureq alone.
    Bare(Upload),
    /// Reads a file from its begin to its end, and nothing else.
    Reader(PathBuf),
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) with_tls: bool,
    /// Before every answer.
    pub(crate) latency_ms: u64,
    /// No bytes a second are read faster, on each connection.
    pub(crate) bandwidth: Option<u64>,
    /// A part that is refused.
    pub(crate) refused_part: Option<u16>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) endpoint: String,
    /// Whom to trust, in PEM, when the endpoint is one with TLS.
    pub(crate) root: Option<String>,
    /// A file, or a folder whose files are all sent.
    pub(crate) path: PathBuf,
    pub(crate) part_size: u64,
    pub(crate) routines: usize,
    pub(crate) checkpoint: bool,
}

/// What a process says about itself before it ends.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// User and system, of all threads, since the process began.
    pub(crate) cpu: f64,
    /// Of the work alone.
    pub(crate) wall: f64,
    /// The most memory that was resident, in MiB; 0 where the system does not tell.
    pub(crate) peak: f64,
}

/// What the server has seen since it was last asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    pub(crate) parts: usize,
    pub(crate) list_parts: usize,
    /// The server's, in seconds, since it began.
    pub(crate) cpu: f64,
}
