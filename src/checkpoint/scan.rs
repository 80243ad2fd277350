//! Reading a checkpoint: what its bytes say, and where they end. No side effects.

use super::record::{
    FRAME_HEAD, Header, MAGIC, MAGIC_OF_ANY, MAX_PAYLOAD, Owed, Record, checksum, decode,
};
use crate::part::Parts;

/// How the bytes end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Behind an intact frame.
    Clean,
    /// In the middle of a frame, or with zeros: a crash.
    CutShort,
    /// With anything else: what was read before counts for nothing.
    Damaged,
    /// It is of another format, with this digit: only the version that wrote it knows what it tells of.
    OtherFormat(char),
    /// Nothing in it is ours.
    Foreign,
}

/// What the bytes of a checkpoint say.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) header: Option<Header>,
    pub(crate) parts: Parts,
    pub(crate) owed: Vec<Owed>,
    /// Bytes, counted from the start, that hold the magic and intact frames.
    pub(crate) valid_len: u64,
    pub(crate) end: End,
}

pub(crate) fn scan(bytes: &[u8]) -> Scan {
    let mut found = Scan {
        header: None,
        parts: Parts::new(),
        owed: vec![],
        valid_len: 0,
        end: End::CutShort,
    };
    if is_zero(bytes) || (bytes.len() < MAGIC.len() && MAGIC.starts_with(bytes)) {
        if bytes.is_empty() {
            found.end = End::Clean;
        }
        return found;
    }
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
        found.end = match format(bytes) {
            _ if holds_a_frame(bytes) => End::Damaged,
            Some(format) => End::OtherFormat(format),
            None => End::Foreign,
        };
        return found;
    };
    found.valid_len = MAGIC.len() as u64;
    let mut is_second = false;
    found.end = loop {
        match next_frame(rest) {
            Frame::None => break End::Clean,
            Frame::CutShort => break End::CutShort,
            Frame::Damaged => break End::Damaged,
            Frame::Intact(record, len) => {
                if !found.take(record, is_second) {
                    break End::Damaged;
                }
                is_second = found.valid_len == MAGIC.len() as u64;
                found.valid_len += len as u64;
                rest = &rest[len..];
            }
        }
    };
    found
}

impl Scan {
    /// Adds what a record says. `false` when it has no place here.
    fn take(&mut self, record: Record, is_second: bool) -> bool {
        match (record, &mut self.header) {
            (Record::Header(header), None) => self.header = Some(*header),
            (Record::PartDone(part), Some(_)) => {
                self.parts.insert(part);
            }
            (Record::PartLost(number), Some(_)) => {
                self.parts.remove(number);
            }
            (Record::Owed(owed), Some(_)) => self.owed.push(owed),
            (Record::Slice(slice), Some(header))
                if is_second && slice.is_inside(header.identity.len) =>
            {
                header.slice = Some(slice);
            }
            _ => return false,
        }
        true
    }
}

enum Frame {
    None,
    CutShort,
    Damaged,
    Intact(Record, usize),
}

fn next_frame(rest: &[u8]) -> Frame {
    if rest.is_empty() {
        return Frame::None;
    }
    if is_zero(rest) {
        return Frame::CutShort;
    }
    let Some((len, rest)) = rest.split_first_chunk::<4>() else {
        return Frame::CutShort;
    };
    let payload_len = u32::from_le_bytes(*len) as usize;
    if payload_len > MAX_PAYLOAD {
        return Frame::Damaged;
    }
    let Some((crc, rest)) = rest.split_first_chunk::<4>() else {
        return Frame::CutShort;
    };
    let Some(payload) = rest.get(..payload_len) else {
        return Frame::CutShort;
    };
    if checksum(*len, payload) != u32::from_le_bytes(*crc) {
        return Frame::Damaged;
    }
    match decode(payload) {
        Some(record) => Frame::Intact(record, FRAME_HEAD + payload_len),
        None => Frame::Damaged,
    }
}

/// The digit of the format that the magic names.
fn format(bytes: &[u8]) -> Option<char> {
    let format = *bytes.strip_prefix(MAGIC_OF_ANY)?.first()?;
    format.is_ascii_digit().then_some(format.into())
}

/// Whether an intact frame stands where the first belongs, behind a magic that is not.
fn holds_a_frame(bytes: &[u8]) -> bool {
    let rest = bytes.get(MAGIC.len()..).unwrap_or_default();
    matches!(next_frame(rest), Frame::Intact(..))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::super::record::{FileIdentity, Slice, push_frame};
    use super::*;
    use crate::etag::ETag;
    use crate::part::{DonePart, PartNumber};

    fn number(number: u16) -> PartNumber {
        PartNumber::new(number).expect("a part number")
    }

    fn done(n: u16, etag: &str) -> Record {
        Record::PartDone(DonePart {
            number: number(n),
            etag: ETag::parse(etag).expect("a tag"),
            crc64: 5_409_316_634_556_368_277 + u64::from(n),
        })
    }

    fn header() -> Header {
        Header {
            endpoint: "https://oss-cn-hangzhou.aliyuncs.com".to_owned(),
            bucket: "examplebucket".to_owned(),
            key: "备份/a b.bin".to_owned(),
            upload_id: "0004B9895DBBB6EC98E36A7C1B2D3E4F".to_owned(),
            path: b"/data/a b.bin".to_vec(),
            identity: FileIdentity {
                len: 1_000_000,
                mtime: 1_717_243_384_123_456_789,
                ctime: -1,
                device: 2049,
                inode: 1 << 40,
            },
            part_size: 102_400,
            options: [7; 32],
            slice: None,
        }
    }

    fn owed() -> Owed {
        Owed {
            endpoint: "http://127.0.0.1:9000".to_owned(),
            bucket: "another-bucket".to_owned(),
            key: "old/key".to_owned(),
            upload_id: "0004B9895DBBB6EC98E36A7C1B2D3E50".to_owned(),
        }
    }

    fn sample() -> (Vec<Record>, Vec<u8>) {
        let records = vec![
            Record::Header(Box::new(header())),
            Record::Owed(owed()),
            done(1, "1A0F81547E5BA2E9C4A4B94A74731993"),
            done(10_000, "DDD151E78EF9F976E3E80A227AF56180"),
            done(300, "not-an-md5-10"),
            Record::PartLost(number(1)),
        ];
        let mut bytes = MAGIC.to_vec();
        for record in &records {
            push_frame(&mut bytes, record);
        }
        (records, bytes)
    }

    /// Where the frames of `bytes` end, the magic first.
    fn boundaries(records: &[Record]) -> Vec<usize> {
        let mut bytes = MAGIC.to_vec();
        let mut ends = vec![bytes.len()];
        for record in records {
            push_frame(&mut bytes, record);
            ends.push(bytes.len());
        }
        ends
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let golden = include_bytes!("../../tests/data/checkpoint-format-1.cp");
        let (_, bytes) = sample();
        assert_eq!(bytes, golden, "the layout of format 1 must never change");
        let found = scan(golden);
        assert_eq!(found.end, End::Clean);
        assert_eq!(found.header, Some(header()));
        assert_eq!(found.owed, [owed()]);
        let kept: Vec<u16> = found.parts.numbers().map(PartNumber::get).collect();
        assert_eq!(kept, [300, 10_000]);
        assert_eq!(found.valid_len, golden.len() as u64);
    }

    #[test]
    fn another_format_is_named_unless_its_frames_are_of_this_one() {
        for (bytes, format) in [(&b"OSSUPCP2"[..], '2'), (b"OSSUPCP7 whatever it says", '7')] {
            let found = scan(bytes);
            assert_eq!(found.end, End::OtherFormat(format));
            assert!(found.header.is_none() && found.valid_len == 0);
        }
        assert_eq!(scan(b"OSSUPCPx is no format").end, End::Foreign);
        // A digit that a failing disk made.
        let (_, mut bytes) = sample();
        bytes[7] = b'3';
        assert_eq!(scan(&bytes).end, End::Damaged);
    }

    /// Of a file that begins with these records.
    fn bytes_of(records: &[Record]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for record in records {
            push_frame(&mut bytes, record);
        }
        bytes
    }

    fn sliced() -> Header {
        let (offset, len) = (300_000, 204_801);
        Header {
            slice: Some(Slice { offset, len }),
            ..header()
        }
    }

    #[test]
    fn the_layout_of_a_slice_is_the_documented_one() {
        let golden = include_bytes!("../../tests/data/checkpoint-format-1-slice.cp");
        let mut records = sliced().records();
        records.push(Record::Owed(owed()));
        records.push(done(2, "1A0F81547E5BA2E9C4A4B94A74731993"));
        let written = bytes_of(&records);
        assert_eq!(written, golden, "the layout of format 1 must never change");
        let found = scan(golden);
        assert_eq!((found.end, found.header), (End::Clean, Some(sliced())));
        assert_eq!(found.owed, [owed()]);
        let kept: Vec<u16> = found.parts.numbers().map(PartNumber::get).collect();
        assert_eq!(kept, [2]);
    }

    #[test]
    fn a_slice_stands_behind_the_header_and_inside_of_the_file_or_is_damage() {
        let header = Record::Header(Box::new(header()));
        let slice = |offset, len| Record::Slice(Slice { offset, len });
        let some = slice(1, 2);
        let part = done(1, "1A0F81547E5BA2E9C4A4B94A74731993");
        let others = [part, Record::PartLost(number(1)), Record::Owed(owed())];
        for other in others {
            let late = [header.clone(), other, some.clone()];
            assert_eq!(scan(&bytes_of(&late)).end, End::Damaged, "{late:?}");
        }
        let twice = [header.clone(), some.clone(), some.clone()];
        assert_eq!(scan(&bytes_of(&twice)).end, End::Damaged, "twice");
        let first = [some, header.clone()];
        assert_eq!(scan(&bytes_of(&first)).end, End::Damaged, "first");
        let max = u64::MAX;
        for (offset, len, end) in [
            (0, 0, End::Clean),
            (1_000_000, 0, End::Clean),
            (999_999, 1, End::Clean),
            (1_000_000, 1, End::Damaged),
            (1_000_001, 0, End::Damaged),
            (1, 1_000_000, End::Damaged),
            (max, max, End::Damaged),
            (max, 1, End::Damaged),
            (1, max, End::Damaged),
        ] {
            let found = scan(&bytes_of(&[header.clone(), slice(offset, len)]));
            assert_eq!(found.end, end, "{offset}, {len}");
            let believed = found.header.expect("a header").slice;
            let expected = (end == End::Clean).then_some(Slice { offset, len });
            assert_eq!(believed, expected);
        }
    }

    #[test]
    fn a_part_costs_less_than_64_bytes() {
        let mut bytes = vec![];
        let tag = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF";
        let Record::PartDone(mut part) = done(10_000, tag) else {
            unreachable!()
        };
        part.crc64 = u64::MAX;
        push_frame(&mut bytes, &Record::PartDone(part));
        assert_eq!(bytes.len(), 38);
    }

    #[test]
    fn every_cut_yields_the_records_before_it() {
        let (records, bytes) = sample();
        let ends = boundaries(&records);
        for cut in 0..=bytes.len() {
            let found = scan(&bytes[..cut]);
            let at_boundary = cut == 0 || ends.contains(&cut);
            let expected = if at_boundary {
                End::Clean
            } else {
                End::CutShort
            };
            assert_eq!(found.end, expected, "cut at byte {cut}");
            let whole = ends.iter().filter(|end| **end <= cut).max();
            assert_eq!(
                found.valid_len,
                whole.map_or(0, |end| *end as u64),
                "cut at byte {cut}"
            );
            assert_eq!(found.header.is_some(), cut >= ends[1], "cut at byte {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (records, bytes) = sample();
        let last = boundaries(&records)[records.len() - 1];
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let found = scan(&flipped);
                // A length that grew beyond the end looks like a crash; nothing behind it is believed.
                let honest = found.end != End::Clean
                    && found.header.as_ref().is_none_or(|found| *found == header())
                    && found.valid_len <= at as u64;
                assert!(honest, "bit {bit} of byte {at}: {found:?}");
                assert!(at < last || found.parts.contains(number(1)), "byte {at}");
            }
        }
    }

    #[test]
    fn a_tail_of_zeros_is_what_a_power_cut_leaves() {
        let (records, bytes) = sample();
        for end in boundaries(&records) {
            for zeros in [1, 4, 8, 9, 4096] {
                let mut torn = bytes[..end].to_vec();
                torn.resize(end + zeros, 0);
                let found = scan(&torn);
                assert_eq!(found.end, End::CutShort, "{zeros} zeros behind byte {end}");
                assert_eq!(found.valid_len, end as u64);
            }
        }
        assert_eq!(scan(&[0; 4096]).end, End::CutShort);
    }

    #[test]
    fn records_out_of_place_are_damage() {
        let frame = |records: &[Record]| {
            let mut bytes = MAGIC.to_vec();
            records
                .iter()
                .for_each(|record| push_frame(&mut bytes, record));
            scan(&bytes).end
        };
        let header = Record::Header(Box::new(header()));
        let part = done(1, "1A0F81547E5BA2E9C4A4B94A74731993");
        assert_eq!(frame(&[part.clone(), header.clone()]), End::Damaged);
        assert_eq!(
            frame(&[header.clone(), part.clone(), header.clone()]),
            End::Damaged
        );
        assert_eq!(frame(&[header, part.clone(), part]), End::Clean);
    }

    #[test]
    fn a_payload_with_bytes_to_spare_or_a_wrong_number_is_damage() {
        let framed = |payload: &[u8]| {
            let (_, mut bytes) = sample();
            let len = (payload.len() as u32).to_le_bytes();
            bytes.extend(len);
            bytes.extend(checksum(len, payload).to_le_bytes());
            bytes.extend(payload);
            scan(&bytes).end
        };
        assert_eq!(framed(&[2, 1]), End::Clean, "PartLost 1");
        assert_eq!(framed(&[2, 1, 0]), End::Damaged, "a byte too many");
        assert_eq!(framed(&[2, 0]), End::Damaged, "part 0");
        assert_eq!(framed(&[2, 251, 0x11, 0x27]), End::Damaged, "part 10,001");
        assert_eq!(framed(&[4, 1]), End::Damaged, "half a slice");
        assert_eq!(framed(&[5, 1]), End::Damaged, "an unknown record");
        assert_eq!(framed(&[]), End::Damaged, "no record");
        let endless = [0, 253, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(framed(&endless), End::Damaged, "a text of 2^64 bytes");
    }

    #[test]
    fn a_header_that_no_upload_can_have_is_damage() {
        let changes: [fn(&mut Header); 5] = [
            |header| header.bucket.clear(),
            |header| header.key.clear(),
            |header| header.upload_id.clear(),
            |header| header.upload_id.push('\n'),
            |header| header.upload_id = "5".repeat(1025),
        ];
        for change in changes {
            let mut wrong = header();
            change(&mut wrong);
            let mut bytes = MAGIC.to_vec();
            push_frame(&mut bytes, &Record::Header(Box::new(wrong.clone())));
            let found = scan(&bytes);
            assert_eq!((found.end, found.header), (End::Damaged, None), "{wrong:?}");
        }
    }

    #[test]
    fn another_s_file_is_told_from_a_damaged_checkpoint() {
        assert_eq!(scan(b"dear diary, today").end, End::Foreign);
        assert_eq!(scan(b"x").end, End::Foreign);
        let (_, mut bytes) = sample();
        bytes[3] ^= 0x20;
        assert_eq!(scan(&bytes).end, End::Damaged);
    }
}
