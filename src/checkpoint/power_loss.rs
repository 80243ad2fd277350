//! What a disk may remember after the power went, and that none of it makes us believe a part that was not there.

use super::journal::{Journal, Storage};
use super::record::{Header, Record, Slice};
use super::scan::{End, scan};
use crate::etag::ETag;
use crate::part::{DonePart, PartNumber};
use std::io;

/// What was done to the file, in order.
#[derive(Clone, Debug)]
enum Act {
    Append(Vec<u8>),
    Sync,
    Truncate(u64),
    /// A new file, synced, took the name.
    Rename(Vec<u8>),
}

/// A disk that can say later what it was asked to do.
#[derive(Debug, Default)]
struct Remembering(Vec<Act>);

impl Storage for Remembering {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.push(Act::Append(bytes.to_vec()));
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        self.0.push(Act::Sync);
        Ok(())
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.push(Act::Truncate(len));
        Ok(())
    }
    /// As `CheckpointFile` does it.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.0.is_empty() {
            true => self.append(bytes)?,
            false => self.0.push(Act::Rename(bytes.to_vec())),
        }
        self.sync()
    }
}

fn part(number: u16) -> DonePart {
    DonePart {
        number: PartNumber::new(number).expect("a part number"),
        etag: ETag::from_md5([number as u8; 16]),
        crc64: u64::from(number) * 0x0123_4567_89AB_CDEF,
    }
}

/// What the first upload, and then the second, are of.
const SLICES: [Option<Slice>; 2] = [Some(Slice { offset: 1, len: 5 }), None];

/// An upload of a slice that records its parts one by one, and another of the whole file that begins anew, as when the
/// range changed and the old upload could not be aborted.
fn acts() -> Vec<Act> {
    let mut journal = Journal::new(Remembering::default());
    let mut owed = vec![];
    for upload in 0..2_u16 {
        let mut header = Header::sample();
        header.upload_id = format!("upload {upload}");
        header.slice = SLICES[usize::from(upload)];
        let mut records = header.records();
        records.extend(owed.iter().cloned().map(Record::Owed));
        journal.begin(&records).expect("begun");
        owed.push(header.owed());
        // All within a second: the writer syncs at the end only.
        for number in 1..=4 {
            let record = Record::PartDone(part(upload * 10 + number));
            journal.append(&[record]).expect("written");
        }
        journal.sync().expect("synced");
    }
    let mut disk = journal.into_storage();
    let whole = Disk::after(&disk.0).len as u64;
    disk.append(&[7; TORN]).expect("torn");
    resume(Journal::new(disk), whole).0
}

/// A frame of which only the beginning was written.
const TORN: usize = 10;

/// The next run, which drops what a kill left half-written, and records one more part.
fn resume(mut journal: Journal<Remembering>, whole: u64) -> Remembering {
    journal.cut(whole).expect("cut");
    journal.sync().expect("synced");
    let record = Record::PartDone(part(15));
    journal.append(&[record]).expect("written");
    journal.sync().expect("synced");
    journal.into_storage()
}

/// Bytes that must be there after a power cut, and pieces written since, each at its place.
#[derive(Clone, Default)]
struct Disk {
    synced: Vec<u8>,
    len: usize,
    since: Vec<(usize, Vec<u8>)>,
    /// The file was cut since, which may have happened or not.
    cut: bool,
}

impl Disk {
    fn after(acts: &[Act]) -> Disk {
        let mut disk = Disk::default();
        for act in acts {
            match act {
                Act::Append(bytes) => {
                    disk.since.push((disk.len, bytes.clone()));
                    disk.len += bytes.len();
                }
                Act::Truncate(len) => {
                    disk.len = usize::try_from(*len).expect("short");
                    disk.since.clear();
                    disk.cut = true;
                }
                Act::Rename(bytes) => {
                    disk = Disk {
                        synced: bytes.clone(),
                        len: bytes.len(),
                        ..Disk::default()
                    };
                }
                Act::Sync => {
                    disk.synced = disk.with(|_| Piece::Whole, true);
                    disk.since.clear();
                    disk.cut = false;
                }
            }
        }
        disk
    }

    /// What is found when each piece had the given fate.
    fn with(&self, fate: impl Fn(usize) -> Piece, cut_happened: bool) -> Vec<u8> {
        let mut found = self.synced.clone();
        if self.cut && cut_happened {
            found.truncate(self.since.first().map_or(self.len, |(at, _)| *at));
        }
        for (i, (at, bytes)) in self.since.iter().enumerate() {
            let (kept, len) = match fate(i) {
                Piece::Lost => continue,
                Piece::Whole => (bytes.len(), bytes.len()),
                Piece::Zeros => (0, bytes.len()),
                Piece::Torn(n) => (n.min(bytes.len()), bytes.len()),
            };
            if found.len() < at + len {
                found.resize(at + len, 0);
            }
            found[*at..at + len].fill(0);
            found[*at..at + kept].copy_from_slice(&bytes[..kept]);
        }
        found
    }
}

#[derive(Clone, Copy)]
enum Piece {
    Lost,
    Whole,
    /// Its length reached the disk, its bytes did not.
    Zeros,
    /// So many of its bytes reached the disk, behind them are zeros.
    Torn(usize),
}

/// Whatever is believed was acknowledged, and belongs to the upload that the header names. No upload that had `begun` is
/// forgotten.
fn check(bytes: &[u8], begun: bool, what: &str) {
    let found = scan(bytes);
    let upload = match &found.header {
        None => return assert!(found.parts.is_empty() && !begun, "{what}"),
        Some(header) => u16::from(header.upload_id == "upload 1"),
    };
    let owed: Vec<_> = found.owed.iter().map(|owed| &*owed.upload_id).collect();
    assert_eq!(owed, ["upload 0"][..usize::from(upload)], "{what}");
    if found.end == End::Damaged {
        return;
    }
    let slice = found.header.and_then(|header| header.slice);
    assert!(
        found.parts.is_empty() || slice == SLICES[usize::from(upload)],
        "{what}: parts of another slice"
    );
    for believed in found.parts.iter() {
        let number = believed.number.get();
        assert_eq!(number / 10, upload, "{what}: a part of another upload");
        assert_eq!(*believed, part(number), "{what}");
    }
}

#[test]
fn no_memory_of_a_disk_makes_a_part_of_nothing_or_of_another_upload() {
    let acts = acts();
    let mut tried = 0;
    for n in 0..=acts.len() {
        let disk = Disk::after(&acts[..n]);
        // The header is the first append, and the first sync is its.
        let begun = n >= 2;
        for cut in [false, true] {
            for fates in 0..4_usize.pow(disk.since.len().min(4) as u32) {
                let fate = |i: usize| match fates / 4_usize.pow(i.min(3) as u32) % 4 {
                    0 => Piece::Lost,
                    1 => Piece::Whole,
                    2 => Piece::Zeros,
                    _ => Piece::Torn(20),
                };
                let what = format!("{n} acts, fates {fates}, cut {cut}");
                check(&disk.with(fate, cut), begun, &what);
                tried += 1;
            }
            let last = disk.since.last().map_or(0, |(_, bytes)| bytes.len());
            for kept in 0..=last {
                let torn = disk.with(|_| Piece::Torn(kept), cut);
                let what = format!("{n} acts, torn at {kept}, cut {cut}");
                check(&torn, begun, &what);
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn what_was_synced_is_remembered() {
    let acts = acts();
    for n in 0..=acts.len() {
        let disk = Disk::after(&acts[..n]);
        if !disk.cut && disk.since.is_empty() && n > 0 {
            let found = scan(&disk.with(|_| Piece::Lost, false));
            assert_eq!(found.end, End::Clean, "{n} acts");
            let renamed = acts[..n]
                .iter()
                .rposition(|act| matches!(act, Act::Rename(_)));
            // The very first append is the header.
            let since = acts[renamed.unwrap_or(0) + 1..n].iter();
            let frame = |act: &&Act| matches!(act, Act::Append(bytes) if bytes.len() > TORN);
            let appended = since.filter(frame).count();
            assert_eq!(found.parts.len(), appended, "{n} acts");
        }
    }
}
