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
mod server;
mod session;
mod shared;
mod store;
mod stored;
mod view;
mod wire;
mod xml;

pub use builder::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Builder};
pub use fault::{Fault, FaultHandle, Gate};
pub use journal::{Operation, RequestLog};
pub use server::LocalServer;
pub use view::{Object, PendingPart, PendingUpload};
