//! Records and frames: bytes and nothing else. The only file that names bincode.

use crate::endpoint::{check_bucket, check_key, check_upload_id};
use crate::etag::ETag;
use crate::part::{DonePart, PartNumber};
use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ops::Range;

pub(crate) const MAGIC: &[u8; 8] = b"OSSUPCP1";

/// What the magic of every format begins with; the format's digit follows.
pub(crate) const MAGIC_OF_ANY: &[u8] = b"OSSUPCP";

/// Length and CRC in front of a payload.
pub(super) const FRAME_HEAD: usize = 8;

/// A header with the longest key and path has about 6 KiB.
pub(super) const MAX_PAYLOAD: usize = 64 << 10;

/// The limit is for decoding: it refuses lengths inside a payload that no payload can have. It does not touch the layout.
const LAYOUT: Configuration<LittleEndian, Varint, Limit<MAX_PAYLOAD>> =
    bincode::config::standard().with_limit::<MAX_PAYLOAD>();

/// What a file is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    pub(crate) len: u64,
    /// Nanoseconds since 1970.
    pub(crate) mtime: i128,
    pub(crate) ctime: i128,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// The bytes of a file that are the object, where that is not all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slice {
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Slice {
    /// Their places in the file.
    pub(crate) fn bytes(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.len)
    }

    /// Whether a file of that length has all of these bytes.
    pub(crate) fn is_inside(&self, file_len: u64) -> bool {
        let end = self.offset.checked_add(self.len);
        end.is_some_and(|end| end <= file_len)
    }
}

/// Which upload the checkpoint is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) endpoint: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) upload_id: String,
    pub(crate) path: Vec<u8>,
    pub(crate) identity: FileIdentity,
    pub(crate) part_size: u64,
    pub(crate) options: [u8; 32],
    /// `None` for the whole file. In a file it is a record of its own, behind the header's, whose layout never changes.
    #[serde(skip)]
    pub(crate) slice: Option<Slice>,
}

/// An upload of no use any more that could not be aborted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owed {
    pub(crate) endpoint: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) upload_id: String,
}

impl Header {
    /// The same of an upload that was found on the server: nobody saw with which headers it had begun. They are hoped
    /// to be those that are asked for now, and the object tells when it is complete.
    pub(crate) fn with_unseen_options(mut self) -> Header {
        self.options = unseen(&self.options);
        self
    }

    /// Whether it is of such an upload, and these are the options that were asked for then.
    pub(crate) fn has_unseen_options(&self, asked: &[u8; 32]) -> bool {
        self.options == unseen(asked)
    }

    /// What stands at the beginning of a file.
    pub(crate) fn records(&self) -> Vec<Record> {
        let header = Record::Header(Box::new(self.clone()));
        [header]
            .into_iter()
            .chain(self.slice.map(Record::Slice))
            .collect()
    }

    /// The upload it tells of, when nobody will continue it.
    pub(crate) fn owed(&self) -> Owed {
        Owed {
            endpoint: self.endpoint.clone(),
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            upload_id: self.upload_id.clone(),
        }
    }
}

fn unseen(options: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"found on the server\n");
    hash.update(options);
    hash.finalize().into()
}

#[cfg(test)]
impl Header {
    /// A small one for tests.
    pub(crate) fn sample() -> Header {
        Header {
            endpoint: "https://e".to_owned(),
            bucket: "b-1".to_owned(),
            key: "k".to_owned(),
            upload_id: "id".to_owned(),
            path: b"/f".to_vec(),
            identity: FileIdentity {
                len: 10,
                mtime: 1,
                ctime: 1,
                device: 1,
                inode: 1,
            },
            part_size: 102_400,
            options: [0; 32],
            slice: None,
        }
    }
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Header(Box<Header>),
    PartDone(DonePart),
    PartLost(PartNumber),
    Owed(Owed),
    Slice(Slice),
}

/// The records as they are laid out. Variants and fields are never reordered.
#[derive(Serialize, Deserialize)]
enum Layout {
    Header(Header),
    PartDone {
        number: u16,
        etag: LayoutETag,
        crc64: u64,
    },
    PartLost {
        number: u16,
    },
    Owed(Owed),
    Slice(Slice),
}

#[derive(Serialize, Deserialize)]
enum LayoutETag {
    Md5([u8; 16]),
    Text(String),
}

impl From<&Record> for Layout {
    fn from(record: &Record) -> Layout {
        match record {
            Record::Header(header) => Layout::Header(Header::clone(header)),
            Record::PartDone(part) => Layout::PartDone {
                number: part.number.get(),
                etag: match part.etag.md5() {
                    Some(bytes) => LayoutETag::Md5(bytes),
                    None => LayoutETag::Text(part.etag.to_string()),
                },
                crc64: part.crc64,
            },
            Record::PartLost(number) => Layout::PartLost {
                number: number.get(),
            },
            Record::Owed(owed) => Layout::Owed(owed.clone()),
            Record::Slice(slice) => Layout::Slice(*slice),
        }
    }
}

impl Layout {
    /// `None` when a field has a value that it cannot have.
    fn check(self) -> Option<Record> {
        Some(match self {
            Layout::Header(header) => {
                check_upload(&header.bucket, &header.key, &header.upload_id).ok()?;
                Record::Header(Box::new(header))
            }
            Layout::PartDone {
                number,
                etag,
                crc64,
            } => Record::PartDone(DonePart {
                number: PartNumber::new(number)?,
                etag: match etag {
                    LayoutETag::Md5(bytes) => ETag::from_md5(bytes),
                    LayoutETag::Text(text) => ETag::parse(&text)?,
                },
                crc64,
            }),
            Layout::PartLost { number } => Record::PartLost(PartNumber::new(number)?),
            Layout::Owed(owed) => {
                check_upload(&owed.bucket, &owed.key, &owed.upload_id).ok()?;
                Record::Owed(owed)
            }
            // Whether the file has these bytes, only its header tells.
            Layout::Slice(slice) => Record::Slice(slice),
        })
    }
}

/// Whether there can be such an upload. Without a key or an id, a request to list or abort it would be one about the
/// whole bucket or the object.
fn check_upload(bucket: &str, key: &str, upload_id: &str) -> Result<(), String> {
    check_bucket(bucket)?;
    check_key(key)?;
    check_upload_id(upload_id)
}

/// Appends a record as a frame.
pub(crate) fn push_frame(bytes: &mut Vec<u8>, record: &Record) {
    let payload = bincode::serde::encode_to_vec(Layout::from(record), LAYOUT)
        .expect("a record is encoded in memory and within the limit");
    let len = u32::try_from(payload.len()).expect("a payload is within the limit");
    let head = len.to_le_bytes();
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&checksum(head, &payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
}

/// The record of an intact payload; `None` when it is none.
pub(super) fn decode(payload: &[u8]) -> Option<Record> {
    let (layout, used) = bincode::serde::decode_from_slice::<Layout, _>(payload, LAYOUT).ok()?;
    if used != payload.len() {
        return None;
    }
    layout.check()
}

pub(super) fn checksum(len: [u8; 4], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&len);
    crc.update(payload);
    crc.finalize()
}
