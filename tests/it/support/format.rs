//! Checkpoints written by FORMAT.md alone, right and wrong.

use super::{BUCKET, KEY, PART, Scene};
use oss_upload::local_server::PendingUpload;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// The fields of a header, in the order of the format.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) texts: [Vec<u8>; 4],
    pub(crate) path: Vec<u8>,
    pub(crate) len: u64,
    pub(crate) mtime: i128,
    pub(crate) ctime: i128,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) part_size: u64,
    pub(crate) options: [u8; 32],
}

#[derive(Clone, Debug)]
pub(crate) enum Record {
    Header(Header),
    Done {
        number: u64,
        tag: Tag,
        crc64: u64,
    },
    Lost(u64),
    Slice {
        offset: u64,
        len: u64,
    },
    /// Any payload.
    Raw(Vec<u8>),
}

#[derive(Clone, Debug)]
pub(crate) enum Tag {
    Md5([u8; 16]),
    Text(Vec<u8>),
}

/// What the honest checkpoint of an interrupted upload says, if it was written now: with the file's identity as it is.
pub(crate) fn honest(scene: &Scene, upload: &PendingUpload) -> Vec<Record> {
    let file = fs::metadata(&scene.file).expect("the file");
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let texts = [&scene.server.endpoint(), BUCKET, KEY, &upload.upload_id];
    // What the key's extension stands for is said although nobody asked for it.
    let options = Sha256::digest("content-type:application/octet-stream\n");
    let header = Header {
        texts: texts.map(|text| text.as_bytes().to_vec()),
        path: scene.file.as_os_str().as_bytes().to_vec(),
        len: file.len(),
        mtime: nanos(file.mtime(), file.mtime_nsec()),
        ctime: nanos(file.ctime(), file.ctime_nsec()),
        device: file.dev(),
        inode: file.ino(),
        part_size: PART,
        options: options.into(),
    };
    let parts = upload.parts.iter().map(|part| Record::Done {
        number: part.number.into(),
        tag: Tag::Md5(bytes_16(&part.etag)),
        crc64: part.crc64,
    });
    [Record::Header(header)].into_iter().chain(parts).collect()
}

fn bytes_16(digits: &str) -> [u8; 16] {
    let digits = u128::from_str_radix(digits, 16).expect("32 hex digits");
    digits.to_be_bytes()
}

pub(crate) fn file(records: &[Record]) -> Vec<u8> {
    let frames = records.iter().flat_map(Record::frame);
    b"OSSUPCP1".iter().copied().chain(frames).collect()
}

impl Record {
    pub(crate) fn frame(&self) -> Vec<u8> {
        let payload = self.payload();
        let len = u32::try_from(payload.len()).expect("short").to_le_bytes();
        let crc = crc32fast::hash(&[&len, &payload[..]].concat());
        [&len, &crc.to_le_bytes()[..], &payload].concat()
    }

    fn payload(&self) -> Vec<u8> {
        match self {
            Record::Header(header) => header.payload(),
            Record::Done { number, tag, crc64 } => {
                let tag = match tag {
                    Tag::Md5(bytes) => [&[0][..], bytes].concat(),
                    Tag::Text(text) => [vec![1], bytes(text)].concat(),
                };
                [vec![1], varint(*number), tag, varint(*crc64)].concat()
            }
            Record::Lost(number) => [vec![2], varint(*number)].concat(),
            Record::Slice { offset, len } => [vec![4], varint(*offset), varint(*len)].concat(),
            Record::Raw(payload) => payload.clone(),
        }
    }
}

impl Header {
    fn payload(&self) -> Vec<u8> {
        let zigzag = |n: i128| varint((n << 1 ^ n >> 127) as u128);
        let mut payload = vec![0];
        for text in self.texts.iter().chain([&self.path]) {
            payload.extend(bytes(text));
        }
        payload.extend(varint(self.len));
        payload.extend([self.mtime, self.ctime].map(zigzag).concat());
        payload.extend(
            [self.device, self.inode, self.part_size]
                .map(varint)
                .concat(),
        );
        payload.extend(self.options);
        payload
    }
}

fn bytes(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// A small number is its byte; others are announced by the width of what follows.
fn varint(n: impl Into<u128>) -> Vec<u8> {
    let n = n.into();
    let (mark, width) = match n {
        0..251 => return vec![n as u8],
        251..=0xffff => (251, 2),
        0x1_0000..=0xffff_ffff => (252, 4),
        0x1_0000_0000..=0xffff_ffff_ffff_ffff => (253, 8),
        _ => (254, 16),
    };
    [&[mark], &n.to_le_bytes()[..width]].concat()
}
