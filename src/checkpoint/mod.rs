#![doc = include_str!("FORMAT.md")]

pub(crate) mod file;
pub(crate) mod journal;
#[cfg(test)]
mod power_loss;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod writer;

use crate::sign::hex;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where an upload remembers its finished parts.
///
/// The file is created when the upload starts, locked while it runs, and deleted when the object is complete. When the
/// upload fails it stays, and the next run with the same file and target continues from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    BesideFile,
    At(PathBuf),
    InDir(PathBuf),
}

impl Checkpoint {
    /// `FILE.cp` beside the local file. One file has one such checkpoint: uploads of it to two objects at the same
    /// time need places of their own.
    pub fn beside_file() -> Checkpoint {
        Checkpoint(Place::BesideFile)
    }

    /// A file of its own, at this path.
    pub fn at(path: impl Into<PathBuf>) -> Checkpoint {
        Checkpoint(Place::At(path.into()))
    }

    /// A file in this folder, which must exist; its name is derived from endpoint, bucket, key and the file's path, so
    /// that one folder serves any number of uploads.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Checkpoint {
        Checkpoint(Place::InDir(dir.into()))
    }

    /// The path for an upload of `file` (absolute) to `target`, any text that tells targets apart.
    pub(crate) fn path(&self, file: &Path, target: &str) -> PathBuf {
        match &self.0 {
            Place::BesideFile => {
                let mut name = OsString::from(file);
                name.push(".cp");
                PathBuf::from(name)
            }
            Place::At(path) => path.clone(),
            Place::InDir(dir) => {
                let mut hash = Sha256::new();
                hash.update(target.as_bytes());
                hash.update([0]);
                hash.update(file.as_os_str().as_encoded_bytes());
                dir.join(format!("{}.cp", &hex(&hash.finalize())[..32]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_its_path() {
        let file = Path::new("/data/backup.tar");
        let beside = Checkpoint::beside_file().path(file, "t");
        assert_eq!(beside, Path::new("/data/backup.tar.cp"));
        let at = Checkpoint::at("/state/x").path(file, "t");
        assert_eq!(at, Path::new("/state/x"));
    }

    #[test]
    fn a_folder_tells_files_and_targets_apart() {
        let dir = Checkpoint::in_dir("/state");
        let one = dir.path(Path::new("/a"), "bucket/key");
        assert_eq!(one, dir.path(Path::new("/a"), "bucket/key"));
        assert_ne!(one, dir.path(Path::new("/b"), "bucket/key"));
        assert_ne!(one, dir.path(Path::new("/a"), "bucket/key2"));
        assert_eq!(one.parent(), Some(Path::new("/state")));
    }
}
