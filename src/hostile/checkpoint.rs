//! Checkpoints, held against a reader of their format that shares no code with the library's.

use crate::checkpoint::record::{Header, MAGIC, Record, push_frame};
use crate::checkpoint::scan::{End, Scan, scan};
use crate::endpoint::{check_bucket, check_key, check_upload_id};
use crate::part::{DonePart, PartNumber};
use crate::upload::{CheckpointInfo, CheckpointState};
use std::collections::BTreeMap;
use std::path::Path;

/// Reads the bytes, and expects nothing believed that an intact frame does not say.
pub(super) fn expect_honest(bytes: &[u8]) -> Scan {
    let found = scan(bytes);
    let valid_len = usize::try_from(found.valid_len).expect("fits");
    assert!(valid_len <= bytes.len());
    match found.end {
        End::Clean => assert_eq!(valid_len, bytes.len()),
        End::Foreign | End::OtherFormat(_) => assert_eq!(valid_len, 0),
        End::CutShort | End::Damaged => assert!(valid_len < bytes.len()),
    }
    expect_plausible(&found);
    expect_said(&found, &bytes[..valid_len]);
    expect_same(&scan(&bytes[..valid_len]), &found, found.valid_len);
    expect_continues(&found, &bytes[..valid_len]);
    expect_written_alike(&found);
    expect_told(bytes);
    found
}

/// Who looks at it is told what cannot be wrong, in lines of its own.
fn expect_told(bytes: &[u8]) {
    let told = CheckpointInfo::of(Path::new("x\n.cp"), scan(bytes));
    assert_eq!(
        told.progress.is_some(),
        told.state == CheckpointState::Intact
    );
    if let Some(progress) = &told.progress {
        assert!(progress.parts_done <= progress.parts_total, "{told:?}");
        assert!(progress.bytes_done <= progress.bytes_total, "{told:?}");
        let all_done = progress.parts_done == progress.parts_total;
        assert!(!all_done || progress.bytes_done == progress.bytes_total);
    }
    let shown = told.to_string();
    let is_bad = |c: char| c.is_control() && c != '\n';
    assert!(!shown.contains(is_bad), "{shown:?}");
    let lines = 1 + usize::from(told.upload.is_some()) + usize::from(told.progress.is_some());
    assert_eq!(shown.lines().count(), lines + told.owed.len(), "{shown:?}");
}

/// Nothing that OSS would not take, or take for something else, goes into a request.
fn expect_plausible(found: &Scan) {
    if let Some(header) = &found.header {
        assert_eq!(check_bucket(&header.bucket), Ok(()));
        assert_eq!(check_key(&header.key), Ok(()));
        assert_eq!(check_upload_id(&header.upload_id), Ok(()));
        if let Some(slice) = header.slice {
            let end = u128::from(slice.offset) + u128::from(slice.len);
            assert!(end <= header.identity.len.into(), "beyond the file");
        }
    }
    for owed in &found.owed {
        assert_eq!(check_bucket(&owed.bucket), Ok(()));
        assert_eq!(check_key(&owed.key), Ok(()));
        assert_eq!(check_upload_id(&owed.upload_id), Ok(()));
    }
    for part in found.parts.iter() {
        assert!((1..=10_000).contains(&part.number.get()));
        assert_eq!(
            super::answers::etag(&part.etag.to_string()),
            Some(part.etag.clone())
        );
    }
}

/// Header and parts are what the frames say, read by the independent reader.
fn expect_said(found: &Scan, valid: &[u8]) {
    let said = Said::of(valid);
    assert_eq!(found.header.is_some(), said.header.is_some());
    if let (Some(header), Some(said)) = (&found.header, said.header) {
        expect_same_header(header, &said);
    }
    let owed = found.owed.iter().map(|owed| {
        let texts = [&owed.endpoint, &owed.bucket, &owed.key, &owed.upload_id];
        texts.map(|text| text.as_bytes())
    });
    assert_eq!(owed.collect::<Vec<_>>(), said.owed);
    let believed: Vec<u16> = found.parts.numbers().map(|number| number.get()).collect();
    assert_eq!(believed, said.parts.keys().copied().collect::<Vec<_>>());
    for part in found.parts.iter() {
        let (tag, crc64) = &said.parts[&part.number.get()];
        assert_eq!(part.crc64, *crc64);
        assert_eq!(super::answers::etag(tag), Some(part.etag.clone()));
    }
}

fn expect_same_header(header: &Header, said: &SaidHeader<'_>) {
    let texts = [
        &header.endpoint,
        &header.bucket,
        &header.key,
        &header.upload_id,
    ];
    assert_eq!(texts.map(|text| text.as_bytes()), said.texts);
    assert_eq!(header.path, said.path);
    let identity = &header.identity;
    let numbers = [
        identity.len,
        identity.device,
        identity.inode,
        header.part_size,
    ];
    assert_eq!(numbers, said.numbers);
    assert_eq!([identity.mtime, identity.ctime], said.times);
    assert_eq!(header.options, said.options);
    let slice = header.slice.map(|slice| [slice.offset, slice.len]);
    assert_eq!(slice, said.slice);
}

fn expect_same(again: &Scan, found: &Scan, valid_len: u64) {
    assert_eq!(again.end, End::Clean);
    assert_eq!(again.header, found.header);
    assert_eq!(again.parts, found.parts);
    assert_eq!(again.owed, found.owed);
    assert_eq!(again.valid_len, valid_len);
}

/// The next run cuts a torn tail off and appends: what it appends is read back, and nothing else changes.
fn expect_continues(found: &Scan, valid: &[u8]) {
    let number = PartNumber::new(10_000).expect("a part number");
    let mut bytes = valid.to_vec();
    if valid.is_empty() || found.header.is_none() {
        return;
    }
    push_frame(&mut bytes, &Record::PartLost(number));
    let again = scan(&bytes);
    let mut parts = found.parts.clone();
    parts.remove(number);
    assert_eq!((again.end, &again.parts), (End::Clean, &parts));
    assert_eq!(again.header, found.header);
}

/// What is believed can be written, and reads as it was.
fn expect_written_alike(found: &Scan) {
    let Some(header) = &found.header else {
        assert!(found.parts.is_empty(), "parts of no upload");
        assert!(found.owed.is_empty(), "debts of no upload");
        return;
    };
    let mut bytes = MAGIC.to_vec();
    for record in header.records() {
        push_frame(&mut bytes, &record);
    }
    for owed in &found.owed {
        push_frame(&mut bytes, &Record::Owed(owed.clone()));
    }
    for part in found.parts.iter() {
        push_frame(&mut bytes, &Record::PartDone(DonePart::clone(part)));
    }
    expect_same(&scan(&bytes), found, bytes.len() as u64);
}

/// What frames say, by FORMAT.md alone.
#[derive(Default)]
struct Said<'a> {
    header: Option<SaidHeader<'a>>,
    parts: BTreeMap<u16, (String, u64)>,
    /// Endpoint, bucket, key and upload id of each.
    owed: Vec<[&'a [u8]; 4]>,
}

/// In the order of the format, but for the kinds of fields.
struct SaidHeader<'a> {
    texts: [&'a [u8]; 4],
    path: &'a [u8],
    /// Length, device, inode, part size.
    numbers: [u64; 4],
    times: [i128; 2],
    options: &'a [u8],
    /// Offset and length, from the record behind the header.
    slice: Option<[u64; 2]>,
}

impl<'a> Said<'a> {
    fn of(valid: &'a [u8]) -> Said<'a> {
        let mut said = Said::default();
        let mut n_heard = 0;
        let mut rest = valid.strip_prefix(b"OSSUPCP1").unwrap_or_default();
        while !rest.is_empty() {
            let (len, crc) = (le32(&rest[..4]), le32(&rest[4..8]));
            assert!(len <= 65_536, "a frame of {len} bytes");
            let (payload, next) = rest[8..].split_at(len as usize);
            let covered = [&rest[..4], payload].concat();
            assert_eq!(crc32(&covered), crc, "a damaged frame was believed");
            said.hear(Payload(payload), n_heard);
            n_heard += 1;
            rest = next;
        }
        said
    }

    fn hear(&mut self, mut payload: Payload<'a>, n_before: usize) {
        match payload.small() {
            0 => {
                assert!(self.header.is_none(), "a second header");
                self.header = Some(payload.header());
            }
            1 => {
                let number = payload.small();
                let tag = match payload.small() {
                    0 => payload
                        .take(16)
                        .iter()
                        .map(|byte| format!("{byte:02X}"))
                        .collect(),
                    _ => String::from_utf8_lossy(payload.bytes()).into_owned(),
                };
                self.parts.insert(number, (tag, payload.small()));
            }
            2 => {
                self.parts.remove(&payload.small());
            }
            3 => self.owed.push([(); 4].map(|()| payload.bytes())),
            4 => {
                assert_eq!(n_before, 1, "a slice that is not behind the header");
                let header = self.header.as_mut().expect("a header");
                header.slice = Some([(); 2].map(|()| payload.small()));
            }
            other => panic!("record {other} was believed"),
        }
        assert!(payload.0.is_empty(), "bytes to spare were believed");
    }
}

/// What is left of a payload.
struct Payload<'a>(&'a [u8]);

impl<'a> Payload<'a> {
    fn header(&mut self) -> SaidHeader<'a> {
        let texts = [(); 4].map(|()| self.bytes());
        let path = self.bytes();
        let len = self.small();
        let times = [(); 2].map(|()| unzigzag(self.varint()));
        let [device, inode, part_size] = [(); 3].map(|()| self.small());
        SaidHeader {
            texts,
            path,
            numbers: [len, device, inode, part_size],
            times,
            options: self.take(32),
            slice: None,
        }
    }

    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        taken
    }

    fn bytes(&mut self) -> &'a [u8] {
        let len = self.small();
        self.take(len)
    }

    fn varint(&mut self) -> u128 {
        let wide = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |n, byte| n << 8 | u128::from(*byte))
        };
        match self.take(1)[0] {
            251 => wide(self.take(2)),
            252 => wide(self.take(4)),
            253 => wide(self.take(8)),
            254 => wide(self.take(16)),
            small => small.into(),
        }
    }

    fn small<N: TryFrom<u128>>(&mut self) -> N {
        N::try_from(self.varint()).unwrap_or_else(|_| panic!("a number out of range was believed"))
    }
}

fn unzigzag(n: u128) -> i128 {
    (n >> 1) as i128 ^ -((n & 1) as i128)
}

fn le32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |n, byte| n << 8 | u32::from(*byte))
}

/// CRC-32 (ISO-HDLC), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            0 => crc >> 1,
            _ => crc >> 1 ^ 0xedb8_8320,
        })
    })
}
