//! An object as it is stored.

use super::content::Content;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Headers that stay with an object, names in lower case.
pub(super) type StoredHeaders = BTreeMap<String, String>;

/// An object as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) len: u64,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) md5: Option<[u8; 16]>,
    pub(super) crc: Option<u64>,
    pub(super) headers: StoredHeaders,
    pub(super) parts: Option<usize>,
    pub(super) modified: Timestamp,
    pub(super) content: Content,
}
