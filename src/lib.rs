//! Resumable upload of a local file to Alibaba Cloud OSS.
mod crc64;
mod escape;
mod sign;
pub use sign::SignatureVersion;
