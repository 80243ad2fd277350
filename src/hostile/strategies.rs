//! Inputs made up: half right, so that they get far, and half wrong.

use crate::checkpoint::record::{FileIdentity, Header, MAGIC, Owed, Record, Slice, push_frame};
use crate::etag::ETag;
use crate::part::{DonePart, PartNumber};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Any characters, control characters among them.
pub(super) fn text(max_chars: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=max_chars).prop_map(String::from_iter)
}

/// These pieces one after another, with something else between them now and then.
pub(super) fn pieces(pieces: &'static [&'static str], max: usize) -> impl Strategy<Value = String> {
    let known = select(pieces).prop_map(str::to_owned);
    let piece = prop_oneof![9 => known, 1 => text(3)];
    vec(piece, 0..=max).prop_map(|pieces| pieces.concat())
}

/// Nothing, mostly.
pub(super) fn seldom(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop_oneof![5 => Just(String::new()), 1 => inner]
}

/// A text that is very long now and then.
pub(super) fn stretched(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (inner, prop_oneof![20 => Just(1), 1 => 2..2000_usize]).prop_map(|(text, n)| text.repeat(n))
}

/// A change of bytes, wherever they come from.
#[derive(Clone, Debug)]
pub(super) enum Scar {
    FlipBit(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    /// A power cut leaves runs of zeros.
    Zero(Index, u8),
    Truncate(Index),
    Append(Vec<u8>),
}

pub(super) fn scar() -> impl Strategy<Value = Scar> {
    let telling = select(&[0_u8, 1, 2, 3, 32, 250, 251, 252, 253, 254, 255][..]);
    let byte = || prop_oneof![any::<u8>(), telling.clone()];
    let some = |max| vec(byte(), 1..=max);
    prop_oneof![
        4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Scar::FlipBit(at, bit)),
        4 => (any::<Index>(), byte()).prop_map(|(at, value)| Scar::Set(at, value)),
        2 => (any::<Index>(), some(4)).prop_map(|(at, bytes)| Scar::Insert(at, bytes)),
        2 => (any::<Index>(), 1..=8_u8).prop_map(|(at, n)| Scar::Remove(at, n)),
        1 => (any::<Index>(), 1..=64_u8).prop_map(|(at, n)| Scar::Zero(at, n)),
        1 => any::<Index>().prop_map(Scar::Truncate),
        1 => some(16).prop_map(Scar::Append),
    ]
}

impl Scar {
    pub(super) fn inflict(&self, bytes: &mut Vec<u8>) {
        let place = |at: &Index| at.index(bytes.len().max(1)).min(bytes.len());
        let stretch = |at: &Index, n: u8| place(at)..(place(at) + usize::from(n)).min(bytes.len());
        match self {
            Scar::FlipBit(at, bit) => {
                let at = place(at);
                bytes[at..]
                    .iter_mut()
                    .take(1)
                    .for_each(|byte| *byte ^= 1 << bit);
            }
            Scar::Set(at, value) => {
                let at = place(at);
                bytes[at..]
                    .iter_mut()
                    .take(1)
                    .for_each(|byte| *byte = *value);
            }
            Scar::Insert(at, more) => {
                drop(bytes.splice(place(at)..place(at), more.iter().copied()))
            }
            Scar::Remove(at, n) => drop(bytes.drain(stretch(at, *n))),
            Scar::Zero(at, n) => {
                let stretch = stretch(at, *n);
                bytes[stretch].fill(0);
            }
            Scar::Truncate(at) => bytes.truncate(place(at)),
            Scar::Append(more) => bytes.extend(more),
        }
    }
}

/// A change of the order of frames, each of which stays as it is.
#[derive(Clone, Debug)]
pub(super) enum Move {
    Swap(Index, Index),
    Repeat(Index, Index),
    Drop(Index),
}

fn shuffle() -> impl Strategy<Value = Move> {
    prop_oneof![
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Move::Swap(a, b)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Move::Repeat(a, b)),
        any::<Index>().prop_map(Move::Drop),
    ]
}

impl Move {
    fn make(&self, frames: &mut Vec<Vec<u8>>) {
        let n = frames.len();
        match self {
            _ if n == 0 => {}
            Move::Swap(a, b) => frames.swap(a.index(n), b.index(n)),
            Move::Repeat(a, b) => frames.insert(b.index(n), frames[a.index(n)].clone()),
            Move::Drop(at) => drop(frames.remove(at.index(n))),
        }
    }
}

/// A checkpoint and what happened to it.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    pub(super) records: Vec<Record>,
    moves: Vec<Move>,
    /// Changes of payloads that somebody made who can compute a CRC.
    forged: Vec<(Index, Scar)>,
    scars: Vec<Scar>,
}

/// One that nobody forged: disks, crashes and copies did that to it.
pub(super) fn damaged_checkpoint() -> impl Strategy<Value = Checkpoint> {
    let changes = prop_oneof![
        3 => (Just(vec![]), vec(scar(), 1..=3)),
        1 => (vec(shuffle(), 1..=2), vec(scar(), 0..=1)),
    ];
    (records(), changes).prop_map(|(records, (moves, scars))| Checkpoint {
        records,
        moves,
        forged: vec![],
        scars,
    })
}

/// One whose payloads were changed by somebody who knows the format.
pub(super) fn forged_checkpoint() -> impl Strategy<Value = Checkpoint> {
    let forged = vec((any::<Index>(), scar()), 1..=3);
    let scars = prop_oneof![4 => Just(vec![]), 1 => vec(scar(), 1..=1)];
    (records(), vec(shuffle(), 0..=1), forged, scars).prop_map(|(records, moves, forged, scars)| {
        Checkpoint {
            records,
            moves,
            forged,
            scars,
        }
    })
}

impl Checkpoint {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut frames: Vec<Vec<u8>> = self.records.iter().map(frame).collect();
        self.moves.iter().for_each(|step| step.make(&mut frames));
        for (at, scar) in &self.forged {
            if !frames.is_empty() {
                let at = at.index(frames.len());
                let mut payload = frames[at].split_off(8);
                scar.inflict(&mut payload);
                frames[at] = reframed(&payload);
            }
        }
        let mut bytes = [MAGIC.to_vec(), frames.concat()].concat();
        self.scars.iter().for_each(|scar| scar.inflict(&mut bytes));
        bytes
    }
}

fn frame(record: &Record) -> Vec<u8> {
    let mut bytes = vec![];
    push_frame(&mut bytes, record);
    bytes
}

fn reframed(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("short").to_le_bytes();
    let crc = crc32fast::hash(&[&len, payload].concat());
    [&len, &crc.to_le_bytes()[..], payload].concat()
}

/// Mostly a header, now and then with a slice, and then others.
fn records() -> impl Strategy<Value = Vec<Record>> {
    let first = prop_oneof![9 => header().boxed(), 1 => record().boxed()];
    let second = prop_oneof![2 => Just(None), 1 => slice().prop_map(Some)];
    (first, second, vec(record(), 0..8)).prop_map(|(first, second, rest)| {
        let slice = second.map(Record::Slice);
        [first].into_iter().chain(slice).chain(rest).collect()
    })
}

/// Every kind of record; a new one is a line here.
fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        1 => header(),
        10 => done().prop_map(Record::PartDone),
        3 => number().prop_map(Record::PartLost),
        2 => owed().prop_map(Record::Owed),
        1 => slice().prop_map(Record::Slice),
    ]
}

/// Files have any length, so that small slices are inside of most of them.
fn slice() -> impl Strategy<Value = Slice> {
    let number = || prop_oneof![4 => 0..=1_u64 << 60, 1 => any::<u64>()];
    (number(), number()).prop_map(|(offset, len)| Slice { offset, len })
}

/// Numbers meet each other, so that records replace and take back others.
fn number() -> impl Strategy<Value = PartNumber> {
    let number = prop_oneof![4 => 1..=5_u16, 1 => 1..=10_000_u16];
    number.prop_map(|number| PartNumber::new(number).expect("in range"))
}

fn done() -> impl Strategy<Value = DonePart> {
    let md5 = any::<[u8; 16]>().prop_map(ETag::from_md5);
    let other =
        "[!#-~]{1,40}".prop_map(|text| ETag::parse(&text).unwrap_or(ETag::from_md5([0; 16])));
    (number(), prop_oneof![3 => md5, 1 => other], any::<u64>()).prop_map(|(number, etag, crc64)| {
        DonePart {
            number,
            etag,
            crc64,
        }
    })
}

/// Endpoint, bucket, key and upload id.
fn place() -> impl Strategy<Value = (String, String, String, String)> {
    (
        mostly("https://oss-cn-hangzhou.aliyuncs.com"),
        mostly("examplebucket"),
        mostly("备份/a b.bin"),
        mostly("0004B9895DBBB6EC98E36A7C1B2D3E4F"),
    )
}

fn owed() -> impl Strategy<Value = Owed> {
    place().prop_map(|(endpoint, bucket, key, upload_id)| Owed {
        endpoint,
        bucket,
        key,
        upload_id,
    })
}

fn header() -> impl Strategy<Value = Record> {
    let identity = (
        any::<u64>(),
        any::<i128>(),
        any::<i128>(),
        any::<u64>(),
        any::<u64>(),
    );
    (
        place(),
        vec(any::<u8>(), 0..20),
        identity,
        any::<u64>(),
        any::<[u8; 32]>(),
    )
        .prop_map(
            |(
                (endpoint, bucket, key, upload_id),
                path,
                (len, mtime, ctime, device, inode),
                part_size,
                options,
            )| {
                let identity = FileIdentity {
                    len,
                    mtime,
                    ctime,
                    device,
                    inode,
                };
                Record::Header(Box::new(Header {
                    endpoint,
                    bucket,
                    key,
                    upload_id,
                    path,
                    identity,
                    part_size,
                    options,
                    slice: None,
                }))
            },
        )
}

/// Mostly what an honest one has there.
fn mostly(honest: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![12 => Just(honest.to_owned()), 1 => stretched(text(40))]
}

/// An element of an answer, or what stands between elements.
#[derive(Clone, Debug)]
pub(super) enum Xml {
    Element(&'static str, Vec<Xml>),
    Text(String),
    CData(String),
    Comment,
}

const NAMES: &[&str] = &[
    "InitiateMultipartUploadResult",
    "ListPartsResult",
    "ListMultipartUploadsResult",
    "CompleteMultipartUploadResult",
    "Error",
    "UploadId",
    "IsTruncated",
    "NextPartNumberMarker",
    "Part",
    "PartNumber",
    "ETag",
    "Size",
    "HashCrc64ecma",
    "EncodingType",
    "Upload",
    "Key",
    "Initiated",
    "NextKeyMarker",
    "NextUploadIdMarker",
    "Code",
    "Message",
    "ServerTime",
    "Endpoint",
    "New",
];

const VALUES: &[&str] = &[
    "0004B9895DBBB6EC98E36A7C1B2D3E4F",
    "true",
    "false",
    "0",
    "1",
    "3",
    "10000",
    "65536",
    "-1",
    "+1",
    "102400",
    "18446744073709551616",
    "\"1A0F81547E5BA2E9C4A4B94A74731993\"",
    "W/\"x\"",
    "",
    " ",
    "\n",
    "url",
    "a%2Fb%20c",
    "%FF",
    "/a",
    "NoSuchUpload",
    "RequestTimeTooSkewed",
    "2024-06-01T12:03:05.000Z",
    "-009999-12-31T00:00:00Z",
    "]]>",
    "<&>'\"",
];

/// A text that XML can carry.
fn value() -> impl Strategy<Value = String> {
    let legal = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let any = text(12).prop_map(move |text| text.chars().filter(|c| legal(*c)).collect());
    stretched(prop_oneof![12 => select(VALUES).prop_map(str::to_owned), 1 => any])
}

/// What stands in an element of which a text is expected: mostly one, and other things.
fn content() -> impl Strategy<Value = Vec<Xml>> {
    let other = prop_oneof![
        value().prop_map(Xml::Text),
        value().prop_map(|text| Xml::CData(text.replace("]]>", ""))),
        Just(Xml::Comment),
        select(NAMES).prop_map(|name| Xml::Element(name, vec![])),
    ];
    prop_oneof![2 => value().prop_map(|text| vec![Xml::Text(text)]), 1 => vec(other, 0..4)]
}

fn fields(max: usize) -> impl Strategy<Value = Vec<Xml>> {
    let field = (select(NAMES), content()).prop_map(|(name, content)| Xml::Element(name, content));
    vec(field, 0..=max)
}

/// A field that mostly has one of the right values.
fn field(name: &'static str, right: &'static [&'static str]) -> impl Strategy<Value = Xml> {
    let right = select(right).prop_map(|text| vec![Xml::Text(text.to_owned())]);
    let content = prop_oneof![5 => right, 1 => content()];
    content.prop_map(move |content| Xml::Element(name, content))
}

/// A part as ListParts has it, with other fields before and behind.
fn part() -> impl Strategy<Value = Xml> {
    let known = (
        field("PartNumber", &["1", "2", "3", "10000"]),
        field("ETag", &["\"1A0F81547E5BA2E9C4A4B94A74731993\"", "x"]),
        field("Size", &["102400", "1"]),
    );
    (fields(1), known, fields(1)).prop_map(|(mut content, (number, etag, size), more)| {
        content.extend([number, etag, size]);
        content.extend(more);
        Xml::Element("Part", content)
    })
}

/// An upload as ListMultipartUploads has it, with other fields before and behind.
fn upload() -> impl Strategy<Value = Xml> {
    let known = (
        field("Key", &["a", "a%2Fb%20c", "b"]),
        field("UploadId", &["0004B9895D", "x"]),
        field("Initiated", &["2024-06-01T12:03:05.000Z"]),
    );
    (fields(1), known, fields(1)).prop_map(|(mut content, (key, id, initiated), more)| {
        content.extend([key, id, initiated]);
        content.extend(more);
        Xml::Element("Upload", content)
    })
}

/// An answer: a root, mostly with what it should have, and more.
pub(super) fn answer() -> impl Strategy<Value = Xml> {
    let with = |root, field| vec![field].prop_map(move |fields| (root, fields));
    let list = (vec(part(), 0..4), field("IsTruncated", &["false"]));
    let list = list.prop_map(|(mut parts, last)| {
        parts.push(last);
        ("ListPartsResult", parts)
    });
    let uploads = (
        vec(upload(), 0..3),
        field("EncodingType", &["url"]),
        field("IsTruncated", &["false", "true"]),
        field("NextKeyMarker", &["a", "b"]),
        field("NextUploadIdMarker", &["x"]),
    );
    let uploads = uploads.prop_map(|(mut content, encoding, truncated, key, id)| {
        content.extend([encoding, truncated, key, id]);
        ("ListMultipartUploadsResult", content)
    });
    let root = prop_oneof![
        1 => with("InitiateMultipartUploadResult", field("UploadId", &["0004B9895D"])),
        1 => with("CompleteMultipartUploadResult", field("ETag", &["\"x-3\""])),
        1 => with("Error", field("Code", &["NoSuchUpload", "RequestTimeTooSkewed"])),
        2 => list,
        2 => uploads,
        1 => (select(NAMES), fields(4)),
    ];
    (fields(2), root, fields(2)).prop_map(|(before, (name, mut content), behind)| {
        content.splice(0..0, before);
        content.extend(behind);
        Xml::Element(name, content)
    })
}

impl Xml {
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        self.push(&mut out);
        out
    }

    fn push(&self, out: &mut String) {
        match self {
            Xml::Element(name, content) => {
                out.extend(["<", name, ">"]);
                content.iter().for_each(|node| node.push(out));
                out.extend(["</", name, ">"]);
            }
            Xml::Text(text) => out.push_str(
                &text
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;"),
            ),
            Xml::CData(text) => out.extend(["<![CDATA[", text, "]]>"]),
            Xml::Comment => out.push_str("<!-- x -->"),
        }
    }

    /// The elements of that name in this one.
    pub(super) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Xml> {
        let content: &[Xml] = match self {
            Xml::Element(_, content) => content,
            _ => &[],
        };
        content
            .iter()
            .filter(move |node| matches!(node, Xml::Element(n, _) if *n == name))
    }

    /// The text of the first child of that name, if it has a text and nothing else.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let Some(Xml::Element(_, content)) = self.children(name).next() else {
            return None;
        };
        let text = content.iter().map(|node| match node {
            Xml::Text(text) | Xml::CData(text) => Some(text.as_str()),
            Xml::Element(..) | Xml::Comment => None,
        });
        let text: String = text.collect::<Option<_>>()?;
        let text = text.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self, Xml::Element(n, _) if *n == name)
    }
}
