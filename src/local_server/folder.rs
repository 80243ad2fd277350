//! Objects as files below a folder. Names cannot lead out of it, whatever the key is.
//!
//! ```text
//! BUCKET/NAME         an object
//! .meta/BUCKET/NAME   what is known about it, as lines `name: value`
//! .parts/NUMBER       parts and bodies under way
//! ```
//! NAME is the key, percent-encoded, `/` included; of a long key its hash.

use super::content::Content;
use super::stored::{Stored, StoredHeaders};
use crate::escape;
use crate::sign::hex;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    next: AtomicU64,
}

/// An object that an earlier server left.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) object: Stored,
}

impl Folder {
    /// Opens or makes a folder. What is left of unfinished uploads is removed: no id of them is known any more.
    pub(super) fn open(root: PathBuf) -> io::Result<Folder> {
        let parts = root.join(".parts");
        fs::create_dir_all(&parts)?;
        fs::create_dir_all(root.join(".meta"))?;
        for entry in fs::read_dir(&parts)? {
            fs::remove_file(entry?.path())?;
        }
        let next = AtomicU64::new(1);
        Ok(Folder { root, next })
    }

    /// A name that was not used before.
    pub(super) fn temporary(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.root.join(".parts").join(number.to_string())
    }

    /// Moves an object's bytes to their place, over those of an older object.
    pub(super) fn settle(&self, bucket: &str, key: &str, object: &mut Stored) -> io::Result<()> {
        let path = self.object_path(bucket, key);
        let meta = self.meta_path(bucket, key);
        fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
        fs::create_dir_all(meta.parent().unwrap_or(&self.root))?;
        // Should the process end in between, an object without description is not found again.
        let _ = fs::remove_file(&meta);
        if let Content::Memory(_) = object.content {
            let pieces = std::slice::from_ref(&object.content);
            object.content = Content::copy_to_file(pieces, self.temporary())?;
        }
        object.content = object.content.clone().settle(&path)?;
        fs::write(meta, describe(key, object))
    }

    pub(super) fn remove(&self, bucket: &str, key: &str) {
        for path in [self.meta_path(bucket, key), self.object_path(bucket, key)] {
            if let Err(error) = fs::remove_file(&path) {
                log::debug!(target: "oss_upload::local_server", "removing {}: {error}", path.display());
            }
        }
    }

    /// The objects that are in the folder.
    pub(super) fn objects(&self) -> Vec<Found> {
        let mut found = vec![];
        for bucket in entries(&self.root.join(".meta")) {
            for meta in entries(&bucket) {
                let Some(bucket) = file_name(&bucket) else {
                    continue;
                };
                match self.read(&bucket, &meta) {
                    Some(object) => found.push(object),
                    None => {
                        log::warn!(target: "oss_upload::local_server", "no object for {}", meta.display())
                    }
                }
            }
        }
        found
    }

    fn read(&self, bucket: &str, meta: &Path) -> Option<Found> {
        let text = fs::read_to_string(meta).ok()?;
        let path = self.root.join(bucket).join(meta.file_name()?);
        let len = fs::metadata(&path).ok()?.len();
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        let mut field = |name: &str| lines.next().filter(|(n, _)| *n == name).map(|(_, v)| v);
        let key = escape::decode(field("key")?)?;
        let mut object = Stored {
            len,
            etag: field("etag")?.to_owned(),
            crc: field("crc64")?.parse().ok(),
            parts: field("parts")?.parse().ok(),
            modified: field("modified")?.parse().ok()?,
            md5: None,
            headers: StoredHeaders::new(),
            content: Content::File(path),
        };
        object.md5 = md5_of(&object);
        object.headers = lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let bucket = bucket.to_owned();
        Some(Found {
            bucket,
            key,
            object,
        })
    }

    fn object_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(bucket).join(name_of(key))
    }

    fn meta_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(".meta").join(bucket).join(name_of(key))
    }
}

/// A whole object's ETag is its MD5, that of a multipart object is not.
fn md5_of(object: &Stored) -> Option<[u8; 16]> {
    if object.parts.is_some() {
        return None;
    }
    let number = u128::from_str_radix(&object.etag, 16).ok()?;
    Some(number.to_be_bytes())
}

fn describe(key: &str, object: &Stored) -> String {
    let optional = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or("-".into());
    let mut text = format!(
        "key: {}\netag: {}\ncrc64: {}\nparts: {}\nmodified: {}\n",
        escape::query(key),
        object.etag,
        optional(object.crc),
        optional(object.parts.map(|n| n as u64)),
        object.modified,
    );
    for (name, value) in &object.headers {
        text.extend([name, ": ", value, "\n"]);
    }
    text
}

fn name_of(key: &str) -> String {
    // Most file systems take 255 bytes.
    const LONGEST: usize = 200;
    let escaped = escape::query(key);
    if escaped.bytes().all(|b| b == b'.') {
        return escaped.replace('.', "%2E");
    }
    if escaped.len() <= LONGEST {
        return escaped.into_owned();
    }
    // No key is escaped like this, so the name is taken by no other.
    format!("%long-{}", hex(&Sha256::digest(key.as_bytes())))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![];
    };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_the_folder() {
        let keys = [
            "..",
            ".",
            "../../x",
            "/etc/passwd",
            "a/../b",
            "\\x",
            "C:\\x",
            "\0",
            "...",
        ];
        for key in keys {
            let name = name_of(key);
            let parts: Vec<_> = Path::new(&name).components().collect();
            let is_plain = matches!(parts[..], [std::path::Component::Normal(_)]);
            assert!(is_plain, "{key:?} -> {name}");
        }
    }

    #[test]
    fn long_keys_get_short_names_of_their_own() {
        let (a, b) = ("ü".repeat(500), "ü".repeat(501));
        assert!(name_of(&a).len() < 100);
        assert_ne!(name_of(&a), name_of(&b));
    }
}
