//! The times of a file.

use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

pub(crate) fn mtime(file: &Path) -> SystemTime {
    let metadata = fs::metadata(file).expect("the file");
    metadata.modified().expect("an mtime")
}

pub(crate) fn set_mtime(file: &Path, mtime: SystemTime) {
    let file = File::options().append(true).open(file).expect("the file");
    file.set_modified(mtime).expect("set");
}

/// A file's ctime, where there is one.
#[cfg(unix)]
fn ctime(file: &fs::Metadata) -> Option<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    Some((file.ctime(), file.ctime_nsec()))
}

#[cfg(not(unix))]
fn ctime(_: &fs::Metadata) -> Option<(i64, i64)> {
    None
}

/// Sets a file's mtime back to what it was. Its ctime is another afterwards: the file system's clock has ticked.
pub(crate) fn keeping_mtime(path: &Path, change: impl FnOnce()) {
    let look = || fs::metadata(path).expect("the file");
    let (kept, before) = (mtime(path), ctime(&look()));
    change();
    set_mtime(path, kept);
    while before.is_some() && ctime(&look()) == before {
        set_mtime(path, kept);
    }
}
