//! Checkpoints written by FORMAT.md alone, right and wrong.

/// The fields of a header, in the order of the format.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) texts: [Vec<u8>; 4],
    pub(super) path: Vec<u8>,
    pub(super) len: u64,
    pub(super) mtime: i128,
    pub(super) ctime: i128,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) part_size: u64,
    pub(super) options: [u8; 32],
}

#[derive(Clone, Debug)]
pub(super) enum Record {
    Header(Header),
    Done {
        number: u64,
        tag: Tag,
        crc64: u64,
    },
    Lost(u64),
    /// Any payload.
    Raw(Vec<u8>),
}

#[derive(Clone, Debug)]
pub(super) enum Tag {
    Md5([u8; 16]),
    Text(Vec<u8>),
}

pub(super) fn file(records: &[Record]) -> Vec<u8> {
    let frames = records.iter().flat_map(Record::frame);
    b"OSSUPCP1".iter().copied().chain(frames).collect()
}

impl Record {
    pub(super) fn frame(&self) -> Vec<u8> {
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
