//! What a test sees of the store.

use super::content::Content;
use super::store::Upload;
use super::stored::Stored;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;

/// An object as it was when it was asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Object {
    /// Length in bytes.
    pub len: u64,
    /// The ETag without quotes: upper-case hex digits, for a multipart object followed by `-` and the number of parts.
    pub etag: String,
    /// The CRC-64 of the whole object; 0 when bodies are not checksummed.
    pub crc64: u64,
    /// What was stored with it, names in lower case: `content-type`, `x-oss-meta-*`, `x-oss-object-acl` and so on.
    pub headers: BTreeMap<String, String>,
    /// Of how many parts it was completed; `None` when it was put at once.
    pub parts: Option<usize>,
    content: Content,
}

impl Object {
    pub(super) fn new(stored: &Stored) -> Object {
        Object {
            len: stored.len,
            etag: stored.etag.clone(),
            crc64: stored.crc.unwrap_or_default(),
            headers: stored.headers.clone(),
            parts: stored.parts,
            content: stored.content.clone(),
        }
    }

    /// Reads the whole object.
    ///
    /// # Errors
    ///
    /// When its file cannot be read, or bodies are discarded ([`io::ErrorKind::Unsupported`]).
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.each_piece(|piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    /// The SHA-256 of the object, which is read piece by piece.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Object::bytes).
    pub fn sha256(&self) -> io::Result<[u8; 32]> {
        let mut digest = Sha256::new();
        self.each_piece(|piece| digest.update(piece))?;
        Ok(digest.finalize().into())
    }

    fn each_piece(&self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.content.open()?.each_piece(0..self.len, |piece| {
            take(piece);
            Ok(())
        })
    }
}

/// An upload that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingUpload {
    /// The bucket of the object to be.
    pub bucket: String,
    /// The key of the object to be.
    pub key: String,
    /// The id that Initiate answered.
    pub upload_id: String,
    /// The parts that are stored, in ascending order.
    pub parts: Vec<PendingPart>,
}

/// A stored part of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingPart {
    /// From 1 to 10,000.
    pub number: u16,
    /// Length in bytes.
    pub size: u64,
    /// The ETag without quotes.
    pub etag: String,
    /// The CRC-64 of the part; 0 when bodies are not checksummed.
    pub crc64: u64,
}

impl PendingUpload {
    pub(super) fn new(upload_id: String, upload: Upload) -> PendingUpload {
        let parts = upload.parts.into_iter().map(|(number, part)| PendingPart {
            number,
            size: part.len,
            etag: part.etag,
            crc64: part.crc.unwrap_or_default(),
        });
        PendingUpload {
            bucket: upload.bucket,
            key: upload.key,
            upload_id,
            parts: parts.collect(),
        }
    }
}
