//! Resumable upload of a local file to Alibaba Cloud OSS.

mod checkpoint;
mod client;
mod crc64;
mod credentials;
mod endpoint;
mod error;
mod escape;
mod etag;
#[cfg(feature = "local-server")]
pub mod local_server;
mod part;
mod protocol;
mod retry;
mod sign;
mod stop;
mod transport;
mod upload;

pub use checkpoint::Checkpoint;
pub use client::{Bucket, Client, ClientBuilder};
pub use credentials::{Credentials, CredentialsProvider, Environment, ProviderError};
pub use endpoint::Addressing;
pub use error::{Error, ErrorKind};
pub use protocol::ServiceError;
pub use retry::RetryPolicy;
pub use sign::SignatureVersion;
pub use upload::{
    Control, OnChange, Outcome, Phase, RestartReason, Snapshot, UploadFile, Uploaded, Verify,
};
