//! Buckets, objects and uploads. The lock is held for looking up and for changing, never for moving bytes.

use super::content::{Content, Reader, Writer};
use super::error::OssError;
use super::folder::Folder;
use super::stored::{Stored, StoredHeaders};
use crate::crc64;
use crate::lock::lock;
use jiff::Timestamp;
use md5::{Digest, Md5};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex};

/// A part as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) len: u64,
    pub(super) etag: String,
    pub(super) crc: Option<u64>,
    pub(super) modified: Timestamp,
    pub(super) content: Content,
}

/// An upload that is neither completed nor aborted.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) initiated: Timestamp,
    pub(super) headers: StoredHeaders,
    pub(super) parts: BTreeMap<u16, Part>,
}

/// Whether an object that exists may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overwrite {
    Allowed,
    /// Refused, with this EC.
    Forbidden(&'static str),
}

/// What becomes of the bodies of parts and objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Everything,
    /// Bodies are thrown away, but checksummed.
    Checksums,
    /// Bodies are thrown away unread, so to speak.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) keep: Keep,
    folder: Option<Folder>,
    creates_buckets: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<String, BTreeMap<String, Arc<Stored>>>,
    uploads: HashMap<String, Upload>,
}

impl Store {
    pub(super) fn new(keep: Keep, folder: Option<Folder>, creates_buckets: bool) -> Store {
        let mut state = State::default();
        for found in folder.iter().flat_map(Folder::objects) {
            let bucket = state.buckets.entry(found.bucket).or_default();
            bucket.insert(found.key, Arc::new(found.object));
        }
        Store {
            keep,
            folder,
            creates_buckets,
            state: Mutex::new(state),
        }
    }

    pub(super) fn create_bucket(&self, name: &str) {
        lock(&self.state)
            .buckets
            .entry(name.to_owned())
            .or_default();
    }

    /// Finds a bucket, or creates it where any bucket exists.
    pub(super) fn require_bucket(&self, name: &str) -> Result<(), OssError> {
        if !is_bucket_name(name) {
            let message = "The specified bucket is not valid.";
            return Err(OssError::new(400, "InvalidBucketName", message).detail("BucketName", name));
        }
        if lock(&self.state).buckets.contains_key(name) {
            return Ok(());
        }
        if self.creates_buckets {
            self.create_bucket(name);
            return Ok(());
        }
        let message = "The specified bucket does not exist.";
        Err(OssError::new(404, "NoSuchBucket", message)
            .detail("BucketName", name)
            .ec("0015-00000101"))
    }

    /// Where the bytes of a body go.
    pub(super) fn writer(&self, len: Option<u64>) -> io::Result<Writer> {
        match (&self.folder, self.keep) {
            (_, Keep::Checksums | Keep::Nothing) => Ok(Writer::Discard),
            (Some(folder), Keep::Everything) => Writer::file(folder.temporary()),
            (None, Keep::Everything) => Ok(Writer::memory(len)),
        }
    }

    pub(super) fn object(&self, bucket: &str, key: &str) -> Option<Arc<Stored>> {
        lock(&self.state).buckets.get(bucket)?.get(key).cloned()
    }

    /// An object ready to be read. Opened under the lock, so that it cannot be replaced in between.
    pub(super) fn open(
        &self,
        bucket: &str,
        key: &str,
    ) -> Option<(Arc<Stored>, io::Result<Reader>)> {
        let state = lock(&self.state);
        let object = state.buckets.get(bucket)?.get(key)?;
        Some((Arc::clone(object), object.content.open()))
    }

    pub(super) fn check_overwrite(
        &self,
        bucket: &str,
        key: &str,
        overwrite: Overwrite,
    ) -> Result<(), OssError> {
        lock(&self.state).check_overwrite(bucket, key, overwrite)
    }

    pub(super) fn put(
        &self,
        bucket: &str,
        key: &str,
        object: Stored,
        overwrite: Overwrite,
    ) -> Result<(), OssError> {
        let mut state = lock(&self.state);
        state.check_overwrite(bucket, key, overwrite)?;
        self.insert(&mut state, bucket, key, object)
    }

    fn insert(
        &self,
        state: &mut State,
        bucket: &str,
        key: &str,
        mut object: Stored,
    ) -> Result<(), OssError> {
        if let Some(folder) = &self.folder {
            (folder.settle(bucket, key, &mut object)).map_err(|e| OssError::internal(&e))?;
        }
        let bucket = state.buckets.entry(bucket.to_owned()).or_default();
        bucket.insert(key.to_owned(), Arc::new(object));
        Ok(())
    }

    pub(super) fn remove(&self, bucket: &str, key: &str) -> bool {
        let mut state = lock(&self.state);
        let objects = state.buckets.get_mut(bucket);
        let existed = objects.is_some_and(|objects| objects.remove(key).is_some());
        if let Some(folder) = self.folder.as_ref().filter(|_| existed) {
            folder.remove(bucket, key);
        }
        existed
    }

    pub(super) fn initiate(&self, upload: Upload) -> String {
        let id = upper_hex(fastrand::u128(..), 32);
        lock(&self.state).uploads.insert(id.clone(), upload);
        id
    }

    /// A copy of an upload, its parts shared. The id of another key's upload names nothing here.
    pub(super) fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, OssError> {
        lock(&self.state).upload(bucket, key, id).map(|u| u.clone())
    }

    /// The headers of an upload, as a proof that it exists.
    pub(super) fn upload_headers(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
    ) -> Result<StoredHeaders, OssError> {
        let mut state = lock(&self.state);
        state.upload(bucket, key, id).map(|u| u.headers.clone())
    }

    pub(super) fn add_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: u16,
        part: Part,
    ) -> Result<(), OssError> {
        let mut state = lock(&self.state);
        let replaced = state.upload(bucket, key, id)?.parts.insert(number, part);
        // The bytes of the old part are let go without the lock.
        drop(state);
        drop(replaced);
        Ok(())
    }

    pub(super) fn abort(&self, bucket: &str, key: &str, id: &str) -> Result<(), OssError> {
        let mut state = lock(&self.state);
        state.upload(bucket, key, id)?;
        let aborted = state.uploads.remove(id);
        drop(state);
        drop(aborted);
        Ok(())
    }

    /// Makes an object of parts that the caller has checked. Nothing changes unless all of it succeeds.
    pub(super) fn complete(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        parts: &[Part],
        mut object: Stored,
        overwrite: Overwrite,
    ) -> Result<(), OssError> {
        let pieces: Vec<Content> = parts.iter().map(|part| part.content.clone()).collect();
        let into = || {
            let folder = self.folder.as_ref();
            folder.map(Folder::temporary).unwrap_or_default()
        };
        // Takes long for files, and so happens without the lock.
        object.content =
            Content::join(&pieces, &into).map_err(|error| OssError::internal(&error))?;
        let mut state = lock(&self.state);
        state.upload(bucket, key, id)?;
        state.check_overwrite(bucket, key, overwrite)?;
        self.insert(&mut state, bucket, key, object)?;
        let completed = state.uploads.remove(id);
        drop(state);
        drop(completed);
        Ok(())
    }

    /// All uploads of a bucket, or of all buckets, sorted by bucket, key and id.
    pub(super) fn uploads(&self, bucket: Option<&str>) -> Vec<(String, Upload)> {
        let state = lock(&self.state);
        let mut found: Vec<(String, Upload)> = state
            .uploads
            .iter()
            .filter(|(_, upload)| bucket.is_none_or(|bucket| upload.bucket == bucket))
            .map(|(id, upload)| (id.clone(), upload.clone()))
            .collect();
        drop(state);
        found.sort_by(|(id_a, a), (id_b, b)| {
            (&a.bucket, &a.key, id_a).cmp(&(&b.bucket, &b.key, id_b))
        });
        found
    }

    pub(super) fn drop_upload(&self, id: &str) -> bool {
        let dropped = lock(&self.state).uploads.remove(id);
        dropped.is_some()
    }

    pub(super) fn drop_part(&self, id: &str, number: u16) -> bool {
        let mut state = lock(&self.state);
        let upload = state.uploads.get_mut(id);
        let dropped = upload.and_then(|upload| upload.parts.remove(&number));
        drop(state);
        dropped.is_some()
    }
}

impl State {
    fn upload(&mut self, bucket: &str, key: &str, id: &str) -> Result<&mut Upload, OssError> {
        self.uploads
            .get_mut(id)
            .filter(|upload| upload.bucket == bucket && upload.key == key)
            .ok_or_else(|| OssError::no_such_upload(id))
    }

    fn check_overwrite(
        &self,
        bucket: &str,
        key: &str,
        overwrite: Overwrite,
    ) -> Result<(), OssError> {
        let exists = (self.buckets.get(bucket)).is_some_and(|objects| objects.contains_key(key));
        match overwrite {
            Overwrite::Forbidden(ec) if exists => Err(OssError::file_already_exists(ec)),
            _ => Ok(()),
        }
    }
}

/// The checksum of the object that parts make; `None` when one of them has none.
pub(super) fn folded_crc(parts: &[Part]) -> Option<u64> {
    let known: Option<Vec<(u64, u64)>> = parts
        .iter()
        .map(|part| part.crc.map(|crc| (crc, part.len)))
        .collect();
    known.map(crc64::fold)
}

/// The ETag of the object that parts make: MD5 of the text of their ETags, then their number.
pub(super) fn multipart_etag(parts: &[Part]) -> String {
    let mut text = Md5::new();
    for part in parts {
        text.update(part.etag.as_bytes());
    }
    format!("{}-{}", md5_etag(text.finalize().into()), parts.len())
}

pub(super) fn md5_etag(md5: [u8; 16]) -> String {
    upper_hex(u128::from_be_bytes(md5), 32)
}

/// The last `digits` hexadecimal digits of a number.
pub(super) fn upper_hex(number: u128, digits: usize) -> String {
    let text = format!("{number:032X}");
    text[text.len() - digits.min(text.len())..].to_owned()
}

fn is_bucket_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (3..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
