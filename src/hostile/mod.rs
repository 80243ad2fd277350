//! What comes from outside and may be hostile, and what must hold of whatever is made of it.
//!
//! Every function gives its input to the reader or checker that an upload would give it to, and panics when what that
//! accepts breaks a promise: no accepted lie. What it refuses must be refused with a short reason in one line. They
//! are made for fuzzing, so that a target of cargo-fuzz, which builds with `cfg(fuzzing)`, is one line:
//!
//! ```ignore
//! libfuzzer_sys::fuzz_target!(|data: &[u8]| oss_upload::hostile::checkpoint(data));
//! ```
//!
//! `properties` makes up inputs for all of them in every test run, and a million for each with
//! `cargo test --release --lib -- --ignored million --nocapture`.

mod answers;
mod checkpoint;
mod names;
#[cfg(test)]
mod properties;
mod shown;
#[cfg(test)]
mod strategies;

/// The bytes of a checkpoint.
pub fn checkpoint(bytes: &[u8]) {
    let _ = checkpoint::expect_honest(bytes);
}

/// The body of a refusal.
pub fn service_error(body: &[u8]) {
    let _ = answers::service_error(body);
}

/// The body of an answer to InitiateMultipartUpload.
pub fn initiate(body: &[u8]) {
    let _ = answers::initiate(body);
}

/// The body of an answer to ListParts.
pub fn list_parts(body: &[u8]) {
    let _ = answers::list_parts(body);
}

/// The body of an answer to ListMultipartUploads.
pub fn list_uploads(body: &[u8]) {
    let _ = answers::list_uploads(body);
}

/// The body of an answer to CompleteMultipartUpload.
pub fn complete(body: &[u8]) {
    let _ = answers::complete(body);
}

/// The headers of any answer, a line each.
pub fn answer_headers(lines: &[u8]) {
    let _ = answers::headers(lines);
}

/// An entity tag.
pub fn etag(text: &str) {
    let _ = answers::etag(text);
}

/// An endpoint.
pub fn endpoint(text: &str) {
    let _ = names::endpoint(text);
}

/// The URL of a proxy.
pub fn proxy(text: &str) {
    let _ = names::proxy(text);
}

/// Hosts that go without a proxy, and a host to be said.
pub fn hosts(text: &str) {
    let _ = names::no_proxy(text, text);
    let _ = names::host_header(text);
}

/// A region.
pub fn region(text: &str) {
    let _ = names::region(text);
}

/// The name of a bucket.
pub fn bucket(name: &str) {
    let _ = names::bucket(name);
}

/// An object key.
pub fn key(key: &str) {
    let _ = names::key(key);
}

/// Headers and metadata of an object, `name: value` in lines, and parameters, `?name=value`.
pub fn object_headers(lines: &str) {
    let _ = names::object_headers(lines);
}

/// Access key id, secret and security token, a line each.
pub fn credentials(lines: &str) {
    let _ = names::credentials(lines);
}
