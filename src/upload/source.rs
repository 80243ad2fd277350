//! The local file: opened once, read by position, watched for change.

use super::plan::Part;
use super::progress::Progress;
use crate::checkpoint::record::FileIdentity;
use crate::crc64;
use crate::error::{Error, ErrorKind};
use crate::stop::Stop;
use md5::{Digest, Md5};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Reading for a checksum alone goes in steps of this size.
const PROOF_BUFFER: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Source {
    file: File,
    path: PathBuf,
    identity: FileIdentity,
}

/// Checksums of a part's bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) crc64: u64,
    pub(crate) md5: [u8; 16],
}

/// What two looks at a file tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The same file as before.
    None,
    /// Length and mtime are the same, but something else is not: its content must be proved.
    Suspicious,
    /// Another length or mtime.
    Changed,
}

impl Source {
    /// Opens a regular file; symbolic links are followed.
    pub(crate) fn open(path: &Path) -> Result<Source, Error> {
        let failed = |error| Error::io(ErrorKind::Source, "opening", path, error);
        // Looked at before it is opened: opening a pipe would wait for its other end.
        check_regular(path, &fs::metadata(path).map_err(failed)?)?;
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        check_regular(path, &metadata)?;
        Ok(Source {
            file,
            path: path.to_owned(),
            identity: identity(&metadata),
        })
    }

    pub(crate) fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    /// Whether the open file is still the one that was opened.
    pub(crate) fn change(&self) -> io::Result<Change> {
        Ok(compare(&self.identity, &identity(&self.file.metadata()?)))
    }

    /// Whether the path still leads to the file that was opened.
    pub(crate) fn change_at_path(&self) -> io::Result<Change> {
        Ok(compare(&self.identity, &identity_at(&self.path)?))
    }

    /// Whether nothing at all about the file has changed, neither under its name, which it must still have, nor
    /// behind its handle.
    pub(crate) fn is_untouched(&self) -> io::Result<bool> {
        Ok(self.change_at_path()? == Change::None && self.change()? == Change::None)
    }

    /// The CRC-64 of a part's bytes as they are now; `None` when the file is shorter, or `stop` was set.
    pub(crate) fn crc64(&self, part: &Part, stop: &Stop) -> io::Result<Option<u64>> {
        let mut digest = crc64::Digest::new();
        let is_whole = self.each_piece(part, stop, |piece| digest.update(piece))?;
        Ok(is_whole.then(|| digest.value()))
    }

    /// The same, and the MD5 beside it.
    pub(crate) fn digests(&self, part: &Part, stop: &Stop) -> io::Result<Option<Digests>> {
        let (mut crc64, mut md5) = (crc64::Digest::new(), Md5::new());
        let is_whole = self.each_piece(part, stop, |piece| {
            crc64.update(piece);
            md5.update(piece);
        })?;
        Ok(is_whole.then(|| Digests {
            crc64: crc64.value(),
            md5: md5.finalize().into(),
        }))
    }

    /// Hands out a part's bytes; `false` when the file is shorter, or `stop` was set.
    fn each_piece(
        &self,
        part: &Part,
        stop: &Stop,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<bool> {
        let mut buffer = vec![0; PROOF_BUFFER];
        let (mut offset, end) = (part.offset, part.offset + part.len);
        while offset < end {
            if stop.is_set() {
                return Ok(false);
            }
            let room = PROOF_BUFFER.min(usize::try_from(end - offset).unwrap_or(PROOF_BUFFER));
            match self.read_at(&mut buffer[..room], offset)? {
                0 => return Ok(false),
                n => {
                    take(&buffer[..n]);
                    offset += n as u64;
                }
            }
        }
        Ok(true)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match positional_read(&self.file, buffer, offset) {
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

fn check_regular(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let what = match metadata.file_type() {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "it is a folder, and only a regular file can be uploaded",
        _ => "it is a pipe, a socket or a device, and only a regular file can be uploaded",
    };
    let doing = format!("opening `{}`", path.display());
    Err(Error::text(ErrorKind::Source, doing, what).at_path(path))
}

/// Compares what is known of a file with what it is now.
pub(crate) fn compare(before: &FileIdentity, now: &FileIdentity) -> Change {
    if (before.len, before.mtime) != (now.len, now.mtime) {
        Change::Changed
    } else if before != now {
        Change::Suspicious
    } else {
        Change::None
    }
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

/// A part's bytes on their way into a connection's buffer, with their checksum.
#[derive(Debug)]
pub(crate) struct PartReader<'a> {
    source: &'a Source,
    progress: &'a Progress,
    /// The part is the whole file.
    is_whole: bool,
    offset: u64,
    left: u64,
    digest: crc64::Digest,
    /// What the digest must come to, when the bytes were read before.
    expected: Option<u64>,
    /// Why reading failed, if it did; else a failed request is the network's fault.
    failure: Option<ReadFailure>,
}

#[derive(Debug)]
pub(crate) enum ReadFailure {
    /// The file is not what it was when it was opened.
    Changed,
    Io(io::Error),
}

impl<'a> PartReader<'a> {
    pub(crate) fn new(source: &'a Source, part: &Part, progress: &'a Progress) -> PartReader<'a> {
        PartReader {
            source,
            progress,
            is_whole: (part.offset, part.len) == (0, source.identity.len),
            offset: part.offset,
            left: part.len,
            digest: crc64::Digest::new(),
            expected: None,
            failure: None,
        }
    }

    /// The bytes must have this CRC-64, or the file has changed.
    pub(crate) fn expecting(mut self, crc64: Option<u64>) -> PartReader<'a> {
        self.expected = crc64;
        self
    }

    /// The checksum of what was read, or why not all of it could be.
    pub(crate) fn finish(self) -> Result<u64, ReadFailure> {
        match self.failure {
            None => Ok(self.digest.value()),
            Some(failure) => Err(failure),
        }
    }

    /// All bytes of the part have been read: they are of one version of the file if it has not changed by now. If it
    /// has, the last of them are withheld, and the server stores nothing.
    fn check_version(&mut self) -> io::Result<()> {
        let read = self.digest.value();
        if self.expected.is_some_and(|expected| expected != read) {
            return Err(self.fail(ReadFailure::Changed));
        }
        let is_one_version = match self.is_whole {
            // PutObject: no Complete will follow before which the content could be proved.
            true => self.source.is_untouched(),
            false => self.source.change().map(|change| change != Change::Changed),
        };
        match is_one_version {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.fail(ReadFailure::Changed)),
            Err(error) => Err(self.fail(ReadFailure::Io(error))),
        }
    }

    fn fail(&mut self, failure: ReadFailure) -> io::Error {
        self.failure = Some(failure);
        io::Error::other("reading the local file failed")
    }
}

impl Read for PartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        match self.source.read_at(&mut buffer[..room], self.offset) {
            Ok(0) => Err(self.fail(ReadFailure::Changed)),
            Ok(n) => {
                self.digest.update(&buffer[..n]);
                self.offset += n as u64;
                self.left -= n as u64;
                if self.left == 0 {
                    self.check_version()?;
                }
                self.progress.add_sent(n as u64);
                Ok(n)
            }
            Err(error) => Err(self.fail(ReadFailure::Io(error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::PartNumber;

    fn source(bytes: &[u8]) -> (tempfile::TempDir, Source) {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("file");
        fs::write(&path, bytes).expect("written");
        let source = Source::open(&path).expect("opened");
        (dir, source)
    }

    fn part(offset: u64, len: u64) -> Part {
        let number = PartNumber::new(1).expect("a part number");
        Part {
            number,
            offset,
            len,
        }
    }

    #[test]
    fn a_part_reads_its_own_bytes_and_their_checksum() {
        let (_dir, source) = source(b"abc123456789xyz");
        let progress = Progress::default();
        let mut reader = PartReader::new(&source, &part(3, 9), &progress);
        let mut bytes = vec![];
        reader.read_to_end(&mut bytes).expect("read");
        assert_eq!(bytes, b"123456789");
        let crc = reader.finish().expect("whole");
        assert_eq!(crc, 0x995D_C9BB_DF19_39FA);
        assert_eq!(
            source.crc64(&part(3, 9), &Stop::default()).expect("read"),
            Some(crc)
        );
        assert_eq!(progress.snapshot().bytes_sent, 9);
    }

    #[test]
    fn a_file_that_ends_early_is_noticed() {
        let (_dir, source) = source(b"abc");
        let progress = Progress::default();
        let mut reader = PartReader::new(&source, &part(1, 9), &progress);
        assert!(reader.read_to_end(&mut vec![]).is_err());
        assert!(matches!(reader.finish(), Err(ReadFailure::Changed)));
        assert_eq!(
            source.crc64(&part(1, 9), &Stop::default()).expect("read"),
            None
        );
    }

    #[test]
    fn the_last_bytes_of_a_part_are_withheld_when_the_file_has_changed() {
        let (_dir, source) = source(b"123456789");
        let progress = Progress::default();
        let mut reader = PartReader::new(&source, &part(0, 9), &progress);
        reader.read_exact(&mut [0; 8]).expect("unchanged so far");
        fs::write(&source.path, "123456789+").expect("grown");
        assert!(reader.read(&mut [0; 8]).is_err());
        assert!(matches!(reader.finish(), Err(ReadFailure::Changed)));
        assert_eq!(progress.snapshot().bytes_sent, 8);
    }

    #[test]
    fn a_part_is_read_for_both_checksums_until_it_is_told_to_stop() {
        let (_dir, source) = source(b"abc0123456789xyz");
        let digests = |part, stop: &Stop| source.digests(&part, stop).expect("read");
        let digests_of = digests(part(3, 10), &Stop::default()).expect("whole");
        let encoded = crate::protocol::content_md5(digests_of.md5);
        assert_eq!(encoded, "eB5eJF1ptWaXm4bijSPyxw==");
        let crc64 = source.crc64(&part(3, 10), &Stop::default()).expect("read");
        assert_eq!(crc64, Some(digests_of.crc64));
        assert_eq!(digests(part(3, 14), &Stop::default()), None, "shorter");
        let stop = Stop::default();
        stop.set();
        assert_eq!(digests(part(3, 10), &stop), None, "stopped");
    }

    #[test]
    fn the_last_bytes_of_a_part_are_withheld_when_they_are_not_those_that_were_read_before() {
        let (_dir, source) = source(b"123456789");
        let whole = part(0, 9);
        let before = source.crc64(&whole, &Stop::default()).expect("read");
        let progress = Progress::default();
        let read = |expected| {
            let mut reader = PartReader::new(&source, &whole, &progress).expecting(expected);
            let mut bytes = vec![];
            let read = reader.read_to_end(&mut bytes).is_ok();
            (read, bytes.len(), reader.finish().is_ok())
        };
        assert_eq!(read(before), (true, 9, true));
        let other = before.map(|crc| crc ^ 1);
        assert_eq!(read(other), (false, 0, false));
    }

    #[test]
    fn a_write_is_a_change_and_a_replacement_is_suspicious() {
        let (dir, source) = source(b"abc");
        assert_eq!(source.change().expect("there"), Change::None);
        let mtime = source
            .file
            .metadata()
            .expect("there")
            .modified()
            .expect("mtime");

        let other = dir.path().join("other");
        fs::write(&other, "xyz").expect("written");
        let set = File::options().write(true).open(&other).expect("opened");
        set.set_modified(mtime).expect("mtime set back");
        drop(set);
        fs::rename(&other, &source.path).expect("replaced");
        assert_eq!(source.change_at_path().expect("there"), Change::Suspicious);

        fs::write(&source.path, "abcd").expect("written");
        assert_eq!(source.change_at_path().expect("there"), Change::Changed);
        fs::remove_file(&source.path).expect("removed");
        assert!(source.change_at_path().is_err());
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
