//! The local file: opened once, read by position, watched for change.

mod descriptors;
pub(super) mod identity;
pub(super) mod range;

use super::control::valve::Valve;
use super::plan::Part;
use super::watch::progress::Progress;
use crate::checkpoint::record::{FileIdentity, Slice};
use crate::crc64;
use crate::error::{Error, ErrorKind};
use descriptors::{Descriptors, Taken};
use identity::{Change, Identity};
use md5::{Digest, Md5};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
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

/// A part's bytes on their way into a connection's buffer, with their checksum.
#[derive(Debug)]
pub(crate) struct PartReader<'a> {
    source: &'a Source,
    taken: Taken<'a>,
    progress: &'a Progress,
    valve: Valve<'a>,
    part: Part,
    offset: u64,
    left: u64,
    sent: u64,
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
    pub(crate) fn new(
        source: &'a Source,
        part: &Part,
        progress: &'a Progress,
        valve: Valve<'a>,
    ) -> PartReader<'a> {
        PartReader {
            source,
            taken: source.take(),
            progress,
            valve,
            part: *part,
            offset: part.offset,
            left: part.len,
            sent: 0,
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

    /// Bytes handed to the network.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
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
        let is_one_version = match (self.part.offset, self.part.len) == (0, self.source.len()) {
            // All of the object: no Complete will follow before which the content could be proved.
            true => self.is_still_the_file(read),
            false => self.source.change().map(|change| change != Change::Changed),
        };
        match is_one_version {
            Ok(true) => Ok(()),
            // Not the file's fault: what was not read to the end proves nothing.
            _ if self.valve.is_stopped() => Err(io::Error::other("stopped")),
            Ok(false) => Err(self.fail(ReadFailure::Changed)),
            Err(error) => Err(self.fail(ReadFailure::Io(error))),
        }
    }

    /// Whether all that was read is the object that the file under its name would make now.
    fn is_still_the_file(&self, read: u64) -> io::Result<bool> {
        match self.source.change_anywhere()? {
            Change::None => Ok(true),
            Change::Changed => Ok(false),
            Change::Suspicious => {
                let go_on = || !self.valve.is_stopped();
                let prove = |now: &Source| Ok(now.crc64(&self.part, go_on)? == Some(read));
                self.source.is_proved(prove, |error| error)
            }
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
        let room = self.valve.pass(room)?;
        let taken = &self.taken;
        match self.source.read_at(taken, &mut buffer[..room], self.offset) {
            Ok(0) => Err(self.fail(ReadFailure::Changed)),
            Ok(n) => {
                self.digest.update(&buffer[..n]);
                self.offset += n as u64;
                self.left -= n as u64;
                if self.left == 0 {
                    self.check_version()?;
                }
                self.sent += n as u64;
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
    use crate::stop::Stop;
    use crate::upload::Control;
    use std::time::Duration;

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

    /// Nobody restrains it.
    fn free() -> (Control, Stop) {
        (Control::new(), Stop::default())
    }

    fn reader<'a>(
        source: &'a Source,
        part: &Part,
        progress: &'a Progress,
        (control, stop): &'a (Control, Stop),
    ) -> PartReader<'a> {
        let valve = Valve::new(control, stop, Duration::from_secs(2));
        PartReader::new(source, part, progress, valve)
    }

    #[test]
    fn a_part_reads_its_own_bytes_and_their_checksum() {
        let (_dir, source) = source(b"abc123456789xyz");
        let slice = |offset, len| Some(Slice { offset, len });
        for (slice, part) in [
            (None, part(3, 9)),
            (slice(1, 13), part(2, 9)),
            (slice(3, 9), part(0, 9)),
            (slice(0, 12), part(3, 9)),
        ] {
            let source = source.reopened().expect("there").cut_to(slice);
            let (progress, free) = (Progress::default(), free());
            let mut reader = reader(&source, &part, &progress, &free);
            let mut bytes = vec![];
            reader.read_to_end(&mut bytes).expect("read");
            assert_eq!(bytes, b"123456789");
            let crc = reader.finish().expect("whole");
            assert_eq!(crc, 0x995D_C9BB_DF19_39FA);
            assert_eq!(source.crc64(&part, || true).expect("read"), Some(crc));
            assert_eq!(progress.snapshot().bytes_sent, 9);
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

    #[test]
    fn a_file_that_ends_early_is_noticed() {
        let (_dir, source) = source(b"abc");
        let (progress, free) = (Progress::default(), free());
        let mut reader = reader(&source, &part(1, 9), &progress, &free);
        assert!(reader.read_to_end(&mut vec![]).is_err());
        assert!(matches!(reader.finish(), Err(ReadFailure::Changed)));
        assert_eq!(source.crc64(&part(1, 9), || true).expect("read"), None);
    }

    /// Reads all but the last byte, lets something be done to the file, and tries to read the last.
    fn read_across(source: &Source, act: impl FnOnce()) -> Result<u64, ReadFailure> {
        let (progress, free) = (Progress::default(), free());
        let len = usize::try_from(source.len()).expect("short");
        let whole = part(0, source.len());
        let mut reader = reader(source, &whole, &progress, &free);
        let mut before = vec![0; len - 1];
        reader.read_exact(&mut before).expect("unchanged so far");
        act();
        let last = reader.read(&mut [0; 8]);
        let reader_sent = reader.sent();
        let read = reader.finish();
        assert_eq!(last.is_ok(), read.is_ok());
        let sent = len - usize::from(last.is_err());
        assert_eq!(reader_sent, sent as u64);
        assert_eq!(progress.snapshot().bytes_sent, sent as u64);
        read
    }

    #[test]
    fn the_last_bytes_of_a_part_are_withheld_when_the_file_has_changed() {
        let (_dir, source) = source(b"123456789");
        let grow = || fs::write(&source.path, "123456789+").expect("grown");
        assert!(matches!(
            read_across(&source, grow),
            Err(ReadFailure::Changed)
        ));
    }

    /// Puts a file with these bytes in the place of the one that was opened, with its mtime.
    fn replace(source: &Source, bytes: &[u8]) {
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

    #[test]
    fn all_of_an_object_is_proved_by_its_bytes_where_only_suspicion_is_raised() {
        let (_dir, whole) = source(b"abc123456789xyz");
        for slice in [None, Some(Slice { offset: 3, len: 9 })] {
            let open = || whole.reopened().expect("there").cut_to(slice);
            let same = open();
            let copy = || replace(&same, b"abc123456789xyz");
            assert!(read_across(&same, copy).is_ok(), "{slice:?}");
            let other = open();
            let copy = || replace(&other, b"abc1234567+9xyz");
            let read = read_across(&other, copy);
            assert!(matches!(read, Err(ReadFailure::Changed)), "{slice:?}");
            replace(&other, b"abc123456789xyz");
        }
        // Bytes outside of the slice are no part of the object, and nothing else tells of a change.
        let slice = whole.reopened().expect("there");
        let slice = slice.cut_to(Some(Slice { offset: 3, len: 9 }));
        assert!(read_across(&slice, || replace(&slice, b"+bc123456789xy+")).is_ok());
    }

    #[test]
    fn a_proof_that_was_stopped_is_no_change_of_the_file() {
        let (_dir, source) = source(b"123456789");
        let (progress, free) = (Progress::default(), free());
        let mut reader = reader(&source, &part(0, 9), &progress, &free);
        reader.read_exact(&mut [0; 8]).expect("unchanged so far");
        replace(&source, b"123456789");
        free.1.set();
        assert!(reader.read(&mut [0; 8]).is_err());
        assert!(reader.finish().is_ok(), "the file is not to blame");
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
    fn the_last_bytes_of_a_part_are_withheld_when_they_are_not_those_that_were_read_before() {
        let (_dir, source) = source(b"123456789");
        let whole = part(0, 9);
        let before = source.crc64(&whole, || true).expect("read");
        let (progress, free) = (Progress::default(), free());
        let read = |expected| {
            let reader = reader(&source, &whole, &progress, &free);
            let mut reader = reader.expecting(expected);
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
