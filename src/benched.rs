//! What the small benches time (`benches/small.rs`): each function lays an input out, the same one every time, and returns
//! the work, which is the library's own code and does it once per call.
//!
//! What comes of it can be asked what it is, so that a bench can tell that it times what it says.

use crate::checkpoint::file::{CheckpointFile, Disk};
use crate::checkpoint::journal::Journal;
use crate::checkpoint::record::{FileIdentity, Header, Record, push_frame};
use crate::checkpoint::scan::{Scan, scan};
use crate::checkpoint::writer;
use crate::client::signer::Signer;
use crate::crc64;
use crate::endpoint::Endpoint;
use crate::etag::ETag;
use crate::part::{DonePart, PartNumber};
use crate::protocol::list_parts::{self, ListedPart, Page};
use crate::protocol::{Answer, Headers, NOTHING_MORE, Request, complete, upload_part};
use crate::sign::SignedHeaders;
use crate::sign::{Signable, SignatureVersion};
use crate::upload::plan::Plan;
use crate::upload::record::RunRecord;
use crate::upload::resume::{Decision, Found, Listed, Trust, decide};
use crate::{Credentials, Identity, Verify};
use jiff::Timestamp;
use md5::{Digest, Md5};
use std::fmt::Write;
use std::io::Read;
use std::path::PathBuf;
use tempfile::TempDir;

/// As many parts as an upload can have.
pub const MOST_PARTS: u16 = PartNumber::MAX;

/// How many parts the writer of a checkpoint takes along in one write.
pub const BATCH: usize = writer::BATCH;

/// How many parts a page of ListParts has.
pub const PAGE: u16 = 1000;

/// How long the pieces are whose checksums are combined. Only finding the power of x depends on it, which is done once.
pub const PIECE: usize = 1000;

const ENDPOINT: &str = "https://oss-cn-hangzhou.aliyuncs.com";
const REGION: &str = "cn-hangzhou";
const BUCKET: &str = "examplebucket";
const KEY: &str = "backup/2026-06/orders.tar.zst";
const UPLOAD_ID: &str = "0004B9895DBBB6EC98E36A7C1B2D3E4F";
const PART_SIZE: u64 = 8 << 20;

/// 2024-06-01 12:03:04 UTC.
const NOW: i64 = 1_717_243_384;

/// Signs an UploadPart, as a client does: its signer keeps what a second has in common.
pub fn signing(version: SignatureVersion) -> impl Fn() -> SignedHeaders {
    let signer = Signer::new(version, REGION.to_owned(), endpoint().product());
    let credentials = Credentials::new("test-key-id", "test-key-secret");
    let now = Timestamp::from_second(NOW).expect("in range");
    let request = upload_part();
    move || {
        let signable = Signable {
            method: request.operation.method(),
            bucket: Some(BUCKET),
            key: Some(request.key),
            query: &request.query,
            headers: &request.headers,
        };
        signer.sign(&signable, &credentials, now)
    }
}

/// Builds the URL of an UploadPart.
pub fn addressing() -> impl Fn() -> String {
    let (endpoint, request) = (endpoint(), upload_part());
    move || endpoint.url(BUCKET, request.key, &request.query)
}

/// Encodes one finished part as a frame of a checkpoint.
pub fn framing() -> impl Fn() -> Vec<u8> {
    let record = Record::PartDone(done(MOST_PARTS));
    move || {
        let mut bytes = vec![];
        push_frame(&mut bytes, &record);
        bytes
    }
}

/// Records finished parts in a journal on the disk, so many in a write, as the checkpoint's writer does.
pub fn recording(n_parts: u16, batch: usize) -> impl Fn(&mut OnDisk) {
    let parts = all_done(n_parts);
    move |disk| {
        for parts in parts.chunks(batch) {
            writer::record(&mut disk.journal, parts).expect("the disk takes it");
        }
    }
}

/// A checkpoint on the disk, in a folder of its own.
#[derive(Debug)]
pub struct OnDisk {
    journal: Journal<CheckpointFile>,
    place: Place,
}

impl OnDisk {
    /// Of an upload that has just begun.
    pub fn begun() -> OnDisk {
        let place = Place::new();
        let mut journal = Journal::new(place.open());
        let records = header(MOST_PARTS).records();
        journal.begin(&records).expect("the disk takes it");
        OnDisk { journal, place }
    }

    /// Reads what was written.
    pub fn read_back(self) -> Scanned {
        drop(self.journal);
        self.place.scan()
    }
}

/// Opens a checkpoint, locks, reads and scans it.
pub fn scanning(n_parts: u16) -> impl Fn() -> Scanned {
    let place = Place::with_parts(n_parts);
    move || place.scan()
}

/// The same and all else that an upload does with its checkpoint before the first request: it also looks whether that is
/// the file to be uploaded, and proves that it can be cut and synced.
pub fn opening(n_parts: u16) -> impl Fn() -> Opened {
    let place = Place::with_parts(n_parts);
    move || place.open_for_run()
}

/// What a checkpoint tells.
#[derive(Debug)]
pub struct Scanned(Scan);

impl Scanned {
    /// How many parts are recorded.
    pub fn parts(&self) -> usize {
        self.0.parts.len()
    }
}

/// A checkpoint that an upload can go on with. Its lock is given back.
#[derive(Debug)]
pub struct Opened(Found);

impl Opened {
    /// How many parts are recorded.
    pub fn parts(&self) -> usize {
        self.0.parts.len()
    }
}

/// Where a checkpoint is. The folder goes with it.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    _folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a temp folder");
        Place {
            path: folder.path().join("orders.tar.zst.cp"),
            _folder: folder,
        }
    }

    /// With a checkpoint in which so many parts are recorded.
    fn with_parts(n_parts: u16) -> Place {
        let mut disk = OnDisk::begun();
        recording(n_parts, BATCH)(&mut disk);
        disk.place
    }

    fn open(&self) -> CheckpointFile {
        CheckpointFile::open(&self.path).expect("nobody else uses it")
    }

    fn scan(&self) -> Scanned {
        let bytes = self.open().read().expect("it can be read");
        Scanned(scan(&bytes))
    }

    fn open_for_run(&self) -> Opened {
        let opened = CheckpointFile::open(&self.path).map(|file| Box::new(file) as Box<dyn Disk>);
        let source = self.path.with_extension("");
        let (_, found) = RunRecord::open(opened, &self.path, &source).expect("it can be used");
        Opened(found)
    }
}

/// Combines the checksums of pieces to that of all of them.
pub fn combining(n_pieces: u16) -> impl Fn() -> u64 {
    let bytes = bytes(usize::from(n_pieces) * PIECE);
    let pieces: Vec<_> = bytes
        .chunks(PIECE)
        .map(|piece| (crc64_of(piece), piece.len() as u64))
        .collect();
    move || crc64::fold(pieces.iter().copied())
}

/// Works the checksum of so many bytes out.
pub fn digesting(len: usize) -> impl Fn() -> u64 {
    let bytes = bytes(len);
    move || crc64_of(&bytes)
}

/// Decides how to go on with an upload of which the server has all parts and the checkpoint has the first `n_recorded`.
pub fn deciding(n_parts: u16, n_recorded: u16) -> impl Fn() -> Decided {
    let recorded = all_done(n_recorded).into_iter();
    let found = Found {
        header: Some(header(n_parts)),
        parts: recorded.collect(),
        ..Found::default()
    };
    let listed = all_done(n_parts).into_iter().map(|part| ListedPart {
        number: part.number.get(),
        len: PART_SIZE,
        etag: part.etag,
        crc64: Some(part.crc64),
    });
    let listed = Listed::Parts(listed.collect());
    let (asked, plan) = (header(n_parts), plan(n_parts));
    let trust = Trust {
        identity: Identity::strict(),
        verify: Verify::Metadata,
    };
    move || Decided(decide(&found, &asked, trust, &listed, &plan))
}

/// How to go on.
#[derive(Debug)]
pub struct Decided(Decision);

impl Decided {
    /// How many parts are done, and how many have yet to be proved by their bytes; `None` when the upload does not go on.
    pub fn done_and_candidates(&self) -> Option<(usize, usize)> {
        match &self.0 {
            Decision::Continue(found) => Some((found.done.len(), found.candidates.len())),
            _ => None,
        }
    }
}

/// Reads a full page of ListParts.
pub fn listing() -> impl Fn() -> Listing {
    let answer = Answer {
        status: 200,
        headers: Headers::default(),
        body: page_xml().into_bytes(),
    };
    move || Listing(list_parts::read(&answer).expect("a page"))
}

/// What a page says.
#[derive(Debug)]
pub struct Listing(Page);

impl Listing {
    /// How many parts it lists.
    pub fn parts(&self) -> usize {
        self.0.parts.len()
    }
}

/// Writes the body of a CompleteMultipartUpload.
pub fn completing(n_parts: u16) -> impl Fn() -> String {
    let parts = all_done(n_parts).into_iter().collect();
    move || {
        let mut body = String::new();
        let written = complete::PartList::new(&parts).read_to_string(&mut body);
        written.expect("it reads from memory");
        body
    }
}

fn endpoint() -> Endpoint {
    Endpoint::parse(ENDPOINT, None).expect("an endpoint")
}

fn upload_part() -> Request<'static> {
    upload_part::request(KEY, UPLOAD_ID, "4711", &NOTHING_MORE)
}

fn plan(n_parts: u16) -> Plan {
    Plan::new(u64::from(n_parts) * PART_SIZE, Some(PART_SIZE)).expect("a plan")
}

fn header(n_parts: u16) -> Header {
    let now = i128::from(NOW) * 1_000_000_000;
    Header {
        endpoint: ENDPOINT.to_owned(),
        bucket: BUCKET.to_owned(),
        key: KEY.to_owned(),
        upload_id: UPLOAD_ID.to_owned(),
        path: b"/data/backup/orders.tar.zst".to_vec(),
        identity: FileIdentity {
            len: plan(n_parts).object_len(),
            mtime: now,
            ctime: now,
            device: 2049,
            inode: 1 << 20,
        },
        part_size: PART_SIZE,
        options: [7; 32],
        slice: None,
    }
}

fn all_done(n_parts: u16) -> Vec<DonePart> {
    (1..=n_parts).map(done).collect()
}

/// A part whose tag and checksum look like any other's.
fn done(number: u16) -> DonePart {
    let md5: [u8; 16] = Md5::digest(number.to_be_bytes()).into();
    DonePart {
        number: PartNumber::new(number).expect("a part number"),
        etag: ETag::from_md5(md5),
        crc64: crc64_of(&md5),
    }
}

/// Bytes that tell pieces of them apart.
fn bytes(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

fn crc64_of(bytes: &[u8]) -> u64 {
    let mut digest = crc64::Digest::new();
    digest.update(bytes);
    digest.value()
}

/// The first page of many, as OSS writes it.
fn page_xml() -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListPartsResult><EncodingType>url</EncodingType>\
         <Bucket>{BUCKET}</Bucket><Key>backup%2F2026-06%2Forders.tar.zst</Key><UploadId>{UPLOAD_ID}</UploadId>\
         <StorageClass>Standard</StorageClass><PartNumberMarker>0</PartNumberMarker>\
         <NextPartNumberMarker>{PAGE}</NextPartNumberMarker><MaxParts>{PAGE}</MaxParts><IsTruncated>true</IsTruncated>"
    );
    for part in all_done(PAGE) {
        write!(
            xml,
            "<Part><PartNumber>{}</PartNumber><LastModified>2024-06-01T12:03:04.000Z</LastModified>\
             <ETag>\"{}\"</ETag><HashCrc64ecma>{}</HashCrc64ecma><Size>{PART_SIZE}</Size></Part>",
            part.number, part.etag, part.crc64
        )
        .expect("a string takes everything");
    }
    xml.push_str("</ListPartsResult>");
    xml
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::scan::End;
    use crate::part::Parts;
    use std::fs;

    fn parts(numbers: std::ops::RangeInclusive<u16>) -> Vec<DonePart> {
        numbers.map(done).collect()
    }

    fn by_number(parts: Vec<DonePart>) -> Parts {
        parts.into_iter().collect()
    }

    /// Both were worked out from the documents, with nothing of this library.
    #[test]
    fn a_request_is_signed_as_another_implementation_signs_it() {
        let v4 = "OSS4-HMAC-SHA256 Credential=test-key-id/20240601/cn-hangzhou/oss/aliyun_v4_request,\
                  Signature=94055086c7c78c6e555f6dbc93eb529b97205b31a4a21a0d91d66e44cee6a151";
        let v1 = "OSS test-key-id:oH5oSVZto/tYF2wLJ4AuLrJHjTM=";
        for (version, expected) in [(SignatureVersion::V4, v4), (SignatureVersion::V1, v1)] {
            let sign = signing(version);
            // The second time with what the first one left.
            for signed in [sign(), sign()] {
                let authorization = signed.iter().find(|(name, _)| *name == "authorization");
                let value = authorization.map(|(_, value)| &**value);
                assert_eq!(value, Some(expected));
            }
        }
    }

    #[test]
    fn the_url_is_that_of_a_part() {
        assert_eq!(
            addressing()(),
            "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/backup/2026-06/orders.tar.zst\
             ?partNumber=4711&uploadId=0004B9895DBBB6EC98E36A7C1B2D3E4F"
        );
    }

    #[test]
    fn a_frame_holds_its_part_in_less_than_64_bytes() {
        let mut bytes = vec![];
        for record in header(MOST_PARTS).records() {
            push_frame(&mut bytes, &record);
        }
        let frame = framing()();
        assert!(frame.len() < 64, "{}", frame.len());
        let bytes = [&b"OSSUPCP1"[..], &bytes, &frame].concat();
        let found = scan(&bytes);
        assert_eq!(found.end, End::Clean);
        assert_eq!(found.parts, by_number(vec![done(MOST_PARTS)]));
    }

    #[test]
    fn parts_are_recorded_whatever_goes_into_one_write() {
        let n_parts = 600;
        for batch in [1, BATCH] {
            let mut disk = OnDisk::begun();
            recording(n_parts, batch)(&mut disk);
            let written = fs::metadata(&disk.place.path).expect("a file").len();
            let found = disk.read_back().0;
            assert_eq!(found.valid_len, written);
            assert_eq!(found.parts, by_number(parts(1..=n_parts)));
        }
    }

    #[test]
    fn a_checkpoint_is_opened_with_all_that_is_recorded() {
        for n_parts in [10, MOST_PARTS] {
            let expected = by_number(parts(1..=n_parts));
            let (scanning, opening) = (scanning(n_parts), opening(n_parts));
            // Nobody is left behind that holds the lock.
            for _ in 0..2 {
                let scanned = scanning();
                assert_eq!(scanned.parts(), usize::from(n_parts));
                assert_eq!(scanned.0.end, End::Clean);
                assert_eq!(scanned.0.parts, expected);
                let opened = opening();
                assert_eq!(opened.parts(), usize::from(n_parts));
                assert_eq!(opened.0.parts, expected);
                assert_eq!(opened.0.header, Some(header(MOST_PARTS)));
            }
        }
    }

    /// The first was worked out by a table of its own, with nothing of this library.
    #[test]
    fn checksums_are_those_of_all_bytes() {
        assert_eq!(digesting(128 << 10)(), 16_287_243_300_427_151_175);
        let whole = digesting(usize::from(MOST_PARTS) * PIECE);
        assert_eq!(combining(MOST_PARTS)(), whole());
    }

    #[test]
    fn what_is_recorded_is_done_and_what_is_only_listed_is_a_candidate() {
        for (n_parts, n_recorded) in [(10, 10), (10, 5), (MOST_PARTS, MOST_PARTS / 2)] {
            let decided = deciding(n_parts, n_recorded)();
            let Decision::Continue(found) = &decided.0 else {
                panic!("it goes on: {decided:?}")
            };
            assert_eq!(found.done, by_number(parts(1..=n_recorded)));
            assert_eq!(found.candidates, parts(n_recorded + 1..=n_parts));
            assert_eq!((found.lost.len(), found.is_to_be_proved), (0, false));
            let counted = (found.done.len(), found.candidates.len());
            assert_eq!(decided.done_and_candidates(), Some(counted));
        }
    }

    #[test]
    fn a_page_is_read_and_is_not_the_last() {
        let listing = listing()();
        assert_eq!(listing.parts(), usize::from(PAGE));
        assert_eq!(listing.0.next, Some(PAGE.into()));
        for (read, part) in listing.0.parts.iter().zip(parts(1..=PAGE)) {
            let read = (read.number, read.len, &read.etag, read.crc64);
            let expected = (part.number.get(), PART_SIZE, &part.etag, Some(part.crc64));
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn complete_lists_every_part() {
        let body = completing(MOST_PARTS)();
        assert_eq!(body.matches("<Part>").count(), usize::from(MOST_PARTS));
        let last = done(MOST_PARTS).etag;
        let end = format!(
            "<Part><PartNumber>10000</PartNumber><ETag>\"{last}\"</ETag></Part></CompleteMultipartUpload>"
        );
        assert!(body.ends_with(&end));
    }
}
