//! What a process made of this program is to do: told by its parent in a variable of the environment.

use crate::{bare, cold, floor, ours, server};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::{env, io};

const VARIABLE: &str = "OSS_UPLOAD_BENCH_ROLE";

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

impl Role {
    pub(crate) fn play(self) -> io::Result<()> {
        match self {
            Role::Server(settings) => server::serve(&settings),
            Role::Ours(upload) => ours::run(&upload),
            Role::Floor(upload) => floor::run(&upload),
            Role::Bare(upload) => bare::run(&upload),
            Role::Reader(path) => cold::read(&path),
        }
    }

    /// The name and value that make a child play it.
    pub(crate) fn as_variable(&self) -> io::Result<(&'static str, String)> {
        Ok((VARIABLE, serde_json::to_string(self)?))
    }
}

/// `None` when this is the process that conducts.
pub(crate) fn of_this_process() -> Option<Role> {
    let told = env::var(VARIABLE).ok()?;
    Some(serde_json::from_str(&told).expect("a role of this program's own making"))
}
