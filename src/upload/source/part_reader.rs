//! A part on its way: its bytes, their checksum, and whether they are of one version of the file.

use super::Source;
use super::descriptors::Taken;
use super::identity::Change;
use crate::crc64;
use crate::upload::control::valve::Valve;
use crate::upload::plan::Part;
use crate::upload::watch::progress::Progress;
use std::io::{self, Read};

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
    use crate::checkpoint::record::Slice;
    use crate::stop::Stop;
    use crate::upload::Control;
    use crate::upload::source::tests::{part, replace, source};
    use std::fs;
    use std::time::Duration;

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
}
