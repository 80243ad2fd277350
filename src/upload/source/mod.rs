//! The local file: opened once, read by position, watched for change.

mod descriptors;
pub(super) mod identity;
pub(super) mod part_reader;
pub(super) mod range;

use super::plan::Part;
use crate::checkpoint::record::{FileIdentity, Slice};
use crate::crc64;
use crate::error::{Error, ErrorKind};
use descriptors::{Descriptors, Taken};
use identity::{Change, Identity};
use md5::{Digest, Md5};
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Reading for a checksum alone goes in steps of this size.
const PROOF_BUFFER: usize = 256 << 10;

/// How often a file is proved that does not stand still meanwhile.
const MAX_PROOFS: usize = 3;

#[derive(Debug)]
pub(crate) struct Source {
    descriptors: Descriptors,
    path: PathBuf,
    /// Of the whole file, whatever is uploaded of it.
    identity: FileIdentity,
    /// What of the identity counts.
    known_by: Identity,
    /// `None` for the whole file.
    slice: Option<Slice>,
    /// Something about the open file differed once, although it may not any more.
    was_suspicious: AtomicBool,
}

/// Checksums of a part's bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) crc64: u64,
    pub(crate) md5: [u8; 16],
}

impl Source {
    /// Opens a regular file; symbolic links are followed.
    pub(crate) fn open(path: &Path) -> Result<Source, Error> {
        open_regular(path).map_err(|error| Error::io(ErrorKind::Source, "opening", path, error))
    }

    /// The same, with other rules for what is a change.
    pub(crate) fn known_by(mut self, identity: Identity) -> Source {
        self.known_by = identity;
        self
    }

    /// The same, of which only these bytes are uploaded. From here on, offsets are counted from the first of them.
    pub(crate) fn cut_to(mut self, slice: Option<Slice>) -> Source {
        self.slice = slice;
        self
    }

    /// What the path leads to now, to be looked at in the same way.
    fn reopened(&self) -> io::Result<Source> {
        let now = open_regular(&self.path)?;
        Ok(now.known_by(self.known_by).cut_to(self.slice))
    }

    pub(crate) fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    pub(crate) fn slice(&self) -> Option<Slice> {
        self.slice
    }

    /// How many bytes are uploaded.
    pub(crate) fn len(&self) -> u64 {
        self.slice.map_or(self.identity.len, |slice| slice.len)
    }

    /// Whether the open file is still the one that was opened.
    pub(crate) fn change(&self) -> io::Result<Change> {
        let now = identity(&self.descriptors.first().metadata()?);
        let change = self.known_by.compare(&self.identity, &now);
        if change == Change::Suspicious {
            self.was_suspicious.store(true, Ordering::Relaxed);
        }
        Ok(change)
    }

    /// As [`change_anywhere`](Self::change_anywhere), and what was seen while the bytes were read.
    pub(crate) fn change_ever_seen(&self) -> io::Result<Change> {
        let now = self.change_anywhere()?;
        match self.was_suspicious.load(Ordering::Relaxed) {
            true => Ok(now.max(Change::Suspicious)),
            false => Ok(now),
        }
    }

    /// The same of the file under its name, which it must still have, and behind its handle; the worse of both.
    pub(crate) fn change_anywhere(&self) -> io::Result<Change> {
        let named = identity_at(&self.path)?;
        let named = self.known_by.compare(&self.identity, &named);
        Ok(named.max(self.change()?))
    }

    /// Whether the file under its name has the bytes that were read from the one that was opened, although something
    /// about it differs. `prove` reads them from what is there now.
    ///
    /// Bytes read one after another are those of one version only if the file stood still meanwhile; else they are read
    /// again, a bounded number of times.
    pub(crate) fn is_proved<E>(
        &self,
        mut prove: impl FnMut(&Source) -> Result<bool, E>,
        unreadable: impl Fn(io::Error) -> E,
    ) -> Result<bool, E> {
        for _ in 0..MAX_PROOFS {
            let now = self.reopened().map_err(&unreadable)?;
            let change = self.known_by.compare(&self.identity, &now.identity);
            if change == Change::Changed || !prove(&now)? {
                return Ok(false);
            }
            if now.change_anywhere().map_err(&unreadable)? == Change::None {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The CRC-64 of a part's bytes as they are now; `None` when the file is shorter, or when it is not to go on.
    pub(crate) fn crc64(&self, part: &Part, go_on: impl Fn() -> bool) -> io::Result<Option<u64>> {
        let mut digest = crc64::Digest::new();
        let is_whole = self.each_piece(part, go_on, |piece| digest.update(piece))?;
        Ok(is_whole.then(|| digest.value()))
    }

    /// The same, and the MD5 beside it.
    pub(crate) fn digests(
        &self,
        part: &Part,
        go_on: impl Fn() -> bool,
    ) -> io::Result<Option<Digests>> {
        let (mut crc64, mut md5) = (crc64::Digest::new(), Md5::new());
        let is_whole = self.each_piece(part, go_on, |piece| {
            crc64.update(piece);
            md5.update(piece);
        })?;
        Ok(is_whole.then(|| Digests {
            crc64: crc64.value(),
            md5: md5.finalize().into(),
        }))
    }

    /// Hands out a part's bytes; `false` when the file is shorter, or when it is not to go on.
    fn each_piece(
        &self,
        part: &Part,
        go_on: impl Fn() -> bool,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<bool> {
        let mut buffer = vec![0; PROOF_BUFFER];
        let taken = self.take();
        let (mut offset, end) = (part.offset, part.offset + part.len);
        while offset < end {
            if !go_on() {
                return Ok(false);
            }
            let room = PROOF_BUFFER.min(usize::try_from(end - offset).unwrap_or(PROOF_BUFFER));
            match self.read_at(&taken, &mut buffer[..room], offset)? {
                0 => return Ok(false),
                n => {
                    take(&buffer[..n]);
                    offset += n as u64;
                }
            }
        }
        Ok(true)
    }

    /// An open file that nobody else reads from, if that is to be had: the same file to the last detail, opened again.
    fn take(&self) -> Taken<'_> {
        self.descriptors.take(|| {
            let again = self.reopened().ok()?;
            (again.identity == self.identity).then(|| again.descriptors.into_first())
        })
    }

    fn read_at(&self, taken: &Taken<'_>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = self.slice.map_or(0, |slice| slice.offset) + offset;
        loop {
            match positional_read(taken.file(), buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

/// What is known of a file without opening it.
pub(super) fn identity_at(path: &Path) -> io::Result<FileIdentity> {
    Ok(identity(&fs::metadata(path)?))
}

fn open_regular(path: &Path) -> io::Result<Source> {
    // Looked at before it is opened: opening a pipe would wait for its other end.
    check_regular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    check_regular(&metadata)?;
    Ok(Source {
        descriptors: Descriptors::new(file),
        path: path.to_owned(),
        identity: identity(&metadata),
        known_by: Identity::strict(),
        slice: None,
        was_suspicious: AtomicBool::new(false),
    })
}

fn check_regular(metadata: &Metadata) -> io::Result<()> {
    let what = match metadata.file_type() {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "it is a folder, and only a regular file can be uploaded",
        _ => "it is a pipe, a socket or a device, and only a regular file can be uploaded",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> FileIdentity {
    use std::os::unix::fs::MetadataExt;
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    FileIdentity {
        len: metadata.len(),
        mtime: since_1970(metadata.modified()),
        ctime: nanos(metadata.ctime(), metadata.ctime_nsec()),
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

/// The birth time tells a file from another that took its place.
#[cfg(not(unix))]
fn identity(metadata: &Metadata) -> FileIdentity {
    FileIdentity {
        len: metadata.len(),
        mtime: since_1970(metadata.modified()),
        ctime: since_1970(metadata.created()),
        device: 0,
        inode: 0,
    }
}

/// 0 where the system does not tell.
fn since_1970(time: io::Result<SystemTime>) -> i128 {
    let Ok(time) = time else { return 0 };
    let nanos =
        |duration: std::time::Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => nanos(after),
        Err(before) => -nanos(before.duration()),
    }
}

#[cfg(unix)]
fn positional_read(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn positional_read(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::PartNumber;

    pub(super) fn source(bytes: &[u8]) -> (tempfile::TempDir, Source) {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("file");
        fs::write(&path, bytes).expect("written");
        let source = Source::open(&path).expect("opened");
        (dir, source)
    }

    pub(super) fn part(offset: u64, len: u64) -> Part {
        let number = PartNumber::new(1).expect("a part number");
        Part {
            number,
            offset,
            len,
        }
    }

    #[test]
    fn a_slice_has_its_own_length_and_the_file_s_identity() {
        let (_dir, source) = source(b"abc123456789xyz");
        assert_eq!((source.len(), source.identity().len), (15, 15));
        let sliced = source.cut_to(Some(Slice { offset: 3, len: 9 }));
        assert_eq!((sliced.len(), sliced.identity().len), (9, 15));
        let again = sliced.reopened().expect("there");
        assert_eq!(again.slice(), sliced.slice());
    }

    /// Puts a file with these bytes in the place of the one that was opened, with its mtime.
    pub(super) fn replace(source: &Source, bytes: &[u8]) {
        let mtime = source
            .descriptors
            .first()
            .metadata()
            .and_then(|m| m.modified());
        let other = source.path.with_extension("other");
        fs::write(&other, bytes).expect("written");
        let set = File::options().write(true).open(&other).expect("opened");
        set.set_modified(mtime.expect("an mtime"))
            .expect("set back");
        drop(set);
        fs::rename(&other, &source.path).expect("replaced");
    }

    fn is_proved(source: &Source, mut read: impl FnMut(u32)) -> (bool, u32) {
        let mut times = 0;
        let prove = |_: &Source| {
            times += 1;
            read(times);
            Ok(true)
        };
        let proved = source.is_proved(prove, |error| error);
        (proved.expect("there"), times)
    }

    #[test]
    fn a_proof_counts_only_when_the_file_stood_still_meanwhile() {
        let (_dir, source) = source(b"abc");
        let source = source.known_by(Identity::strict().any_mtime());
        let touch = |seconds: u32| {
            let file = File::options().append(true).open(&source.path);
            let mtime = UNIX_EPOCH + std::time::Duration::from_secs(seconds.into());
            file.and_then(|file| file.set_modified(mtime)).expect("set");
        };
        assert_eq!(is_proved(&source, |_| {}), (true, 1));
        let once = |n| {
            if n == 1 {
                touch(n)
            }
        };
        assert_eq!(is_proved(&source, once), (true, 2));
        assert_eq!(is_proved(&source, touch), (false, 3), "never at rest");
        let lax = source.reopened().expect("there");
        let lax = lax.known_by(Identity::strict().without_ctime().without_inode());
        let copy = |_| replace(&lax, b"abc");
        assert_eq!(is_proved(&lax, copy), (true, 1), "what does not count");
        let grow = |_| fs::write(&source.path, "abcd").expect("grown");
        assert_eq!(is_proved(&source, grow), (false, 1), "another length");
    }

    #[test]
    fn a_part_is_read_for_both_checksums_until_it_is_told_to_stop() {
        let (_dir, source) = source(b"abc0123456789xyz");
        let digests = |part, go_on| source.digests(&part, || go_on).expect("read");
        let digests_of = digests(part(3, 10), true).expect("whole");
        let encoded = crate::protocol::content_md5(digests_of.md5);
        assert_eq!(encoded, "eB5eJF1ptWaXm4bijSPyxw==");
        let crc64 = source.crc64(&part(3, 10), || true).expect("read");
        assert_eq!(crc64, Some(digests_of.crc64));
        assert_eq!(digests(part(3, 14), true), None, "shorter");
        assert_eq!(digests(part(3, 10), false), None, "stopped");
    }

    #[test]
    fn a_write_is_a_change_and_a_replacement_is_suspicious() {
        let (_dir, source) = source(b"abc");
        assert_eq!(source.change().expect("there"), Change::None);
        replace(&source, b"xyz");
        assert_eq!(source.change_anywhere().expect("there"), Change::Suspicious);
        // The inode is another, and so is the ctime, by the rename.
        let lax = Identity::strict().without_ctime().without_inode();
        let lax = Source::open(&source.path).expect("opened").known_by(lax);
        replace(&lax, b"abc");
        assert_eq!(lax.change_anywhere().expect("there"), Change::None);

        fs::write(&source.path, "abcd").expect("written");
        assert_eq!(source.change_anywhere().expect("there"), Change::Changed);
        fs::remove_file(&source.path).expect("removed");
        assert!(source.change_anywhere().is_err());
    }

    #[test]
    fn only_regular_files_are_taken_and_links_are_followed() {
        let (dir, source) = source(b"abc");
        let why = Source::open(dir.path()).expect_err("a folder").to_string();
        assert!(why.contains("folder"), "{why}");
        let missing = Source::open(&dir.path().join("none")).expect_err("missing");
        assert_eq!(missing.kind(), ErrorKind::Source);
        #[cfg(unix)]
        {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink(&source.path, &link).expect("linked");
            assert_eq!(Source::open(&link).expect("followed").identity().len, 3);
            let why = Source::open(Path::new("/dev/null")).expect_err("a device");
            assert!(why.to_string().contains("device"), "{why}");
        }
        drop(source);
    }
}
