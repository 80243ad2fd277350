//! Answers that make no sense, to every call of an upload: it ends, with the right object or with an error that names the
//! call, nothing is left without a word, and the next run succeeds.

use super::{expect_clear, one_of, random};
use crate::network::about_to;
use crate::support::runs::watched;
use crate::support::{BUCKET, KEY, PART, Scene, bucket, client, hasty, random_bytes};
use fastrand::Rng;
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{Error, ErrorKind, UploadFile, Uploaded};
use std::fs;
use std::time::Duration;

/// For each operation.
const CASES: usize = 30;

/// Every call, and how errors name it.
const OPERATIONS: [(Operation, &str); 7] = [
    (Operation::InitiateMultipartUpload, "beginning to upload"),
    (Operation::UploadPart, "uploading part"),
    (Operation::ListParts, "asking which parts"),
    (Operation::CompleteMultipartUpload, "completing"),
    (Operation::PutObject, "uploading `"),
    (Operation::HeadObject, "looking at"),
    (Operation::AbortMultipartUpload, ""),
];

const CODES: [&str; 12] = [
    "AccessDenied",
    "CallbackFailed",
    "FileAlreadyExists",
    "InternalError",
    "InvalidArgument",
    "InvalidDigest",
    "InvalidPart",
    "NoSuchKey",
    "NoSuchUpload",
    "RequestTimeTooSkewed",
    "SecurityTokenExpired",
    "ServiceUnavailable",
];

const TIMES: [&str; 5] = [
    "2024-06-01T12:03:05.000Z",
    "9999-12-31T23:59:59Z",
    "-009999-12-31T00:00:00Z",
    "soon",
    "",
];

fn text(random: &mut Rng) -> String {
    match random.u8(..8) {
        0 => "\u{1f600}\u{202e}备".to_owned(),
        1 => "A".repeat(one_of(random, &[300, 5000, 100_000])),
        2 => "]]&gt;&#10;x-oss-acl: public-read".to_owned(),
        3 => String::new(),
        _ => one_of(
            random,
            &[
                "0",
                "1",
                "2",
                "3",
                "+1",
                "-1",
                "10001",
                "18446744073709551616",
                "true",
                "false",
                "\"x\"",
            ],
        )
        .to_owned(),
    }
}

/// The right XML for some call, with wrong values in it.
fn xml(random: &mut Rng) -> String {
    let (a, b, c) = (text(random), text(random), text(random));
    let (code, time) = (one_of(random, &CODES), one_of(random, &TIMES));
    match random.u8(..5) {
        0 => format!(
            "<InitiateMultipartUploadResult><UploadId>{a}</UploadId></InitiateMultipartUploadResult>"
        ),
        1 => format!(
            "<ListPartsResult><Part><PartNumber>{a}</PartNumber><ETag>{b}</ETag><Size>{c}</Size></Part>\
             <NextPartNumberMarker>{b}</NextPartNumberMarker><IsTruncated>{c}</IsTruncated></ListPartsResult>"
        ),
        2 => format!(
            "<CompleteMultipartUploadResult><ETag>{a}</ETag></CompleteMultipartUploadResult>"
        ),
        _ => format!(
            "<Error><Code>{code}</Code><Message>{a}</Message><PartNumber>{b}</PartNumber><ServerTime>{time}</ServerTime>\
             <Endpoint>{c}</Endpoint></Error>"
        ),
    }
}

/// XML that costs a careless reader its stack, its memory or its time.
fn bomb(random: &mut Rng) -> String {
    let numbered = |n: u32, one: fn(u32) -> String| (0..n).map(one).collect::<String>();
    match random.u8(..5) {
        0 => "<a>".repeat(100_000),
        1 => format!("<Error>{}</Error>", "<a/>".repeat(60_000)),
        2 => format!("<Error {}/>", numbered(20_000, |n| format!(" a{n}=''"))),
        3 => numbered(1000, |n| format!("<a xmlns:b{n}='{n}'>")),
        _ => "<!DOCTYPE a [<!ENTITY b \"&b;&b;\">]><Error><Code>&b;</Code></Error>".to_owned(),
    }
}

fn body(random: &mut Rng) -> Vec<u8> {
    match random.u8(..10) {
        0 => vec![],
        1 => random_bytes(random.u64(..300), random.u64(..)),
        2 => bomb(random).into_bytes(),
        3 => "<html><title>Please log in</title></html>".into(),
        4 => {
            let mut body = xml(random).into_bytes();
            let at = random.usize(..body.len());
            body[at] = random.u8(..);
            body
        }
        _ => xml(random).into_bytes(),
    }
}

fn header(random: &mut Rng) -> (&'static str, String) {
    const NAMES: [&str; 16] = [
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Type",
        "Date",
        "ETag",
        "Location",
        "Retry-After",
        "Transfer-Encoding",
        "x-oss-ec",
        "x-oss-err",
        "x-oss-hash-crc64ecma",
        "x-oss-request-id",
        "x-oss-version-id",
        "a b",
        "",
    ];
    let value = match random.u8(..8) {
        0 => String::from_utf8_lossy(&random_bytes(20, random.u64(..))).into_owned(),
        1 => "A".repeat(one_of(random, &[300, 15_000, 100_000])),
        2 => "Fri, 31 Dec 9999 23:59:59 GMT".to_owned(),
        3 => "http://127.0.0.1:1/".to_owned(),
        _ => one_of(
            random,
            &[
                "",
                "0",
                "1",
                "+1",
                "-1",
                "7, 7",
                "99999999999999999999",
                "chunked",
                "gzip",
                "close",
                "\"\"",
            ],
        )
        .to_owned(),
    };
    (one_of(random, &NAMES), value)
}

/// What the server does to a call: another answer than its own, other headers, or both.
#[derive(Debug)]
struct Lie {
    answer: Option<(u16, Vec<u8>)>,
    headers: Vec<(&'static str, String)>,
    times: u32,
}

impl Lie {
    fn random(random: &mut Rng) -> Lie {
        const STATUSES: [u16; 16] = [
            200, 200, 200, 203, 204, 206, 302, 304, 400, 403, 404, 409, 412, 429, 500, 599,
        ];
        let answers = random.u8(..4) > 0;
        let answer = answers.then(|| (one_of(random, &STATUSES), body(random)));
        let n = random.usize(usize::from(!answers)..3);
        Lie {
            answer,
            headers: (0..n).map(|_| header(random)).collect(),
            times: one_of(random, &[1, 2, 100]),
        }
    }

    fn tell(&self, scene: &Scene, operation: Operation) {
        let answer = self
            .answer
            .iter()
            .map(|(status, body)| Fault::answer(*status, "application/xml", body.clone()));
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| Fault::replace_answer_header(name, value));
        for fault in answer.chain(headers) {
            scene.server.fault(fault.on(operation).times(self.times));
        }
    }

    /// Whether it says that the upload is over, in OSS's own words: who would know better?
    fn ends_the_upload(&self, operation: Operation) -> bool {
        let Some((status, body)) = &self.answer else {
            return false;
        };
        let body = String::from_utf8_lossy(body);
        let is_aborted = *status == 204 || (200..300).contains(status) && body.is_empty();
        match operation {
            Operation::AbortMultipartUpload if is_aborted => true,
            Operation::CompleteMultipartUpload if body.contains("<Complete") => true,
            _ => body.contains("NoSuchUpload") || body.contains("CallbackFailed"),
        }
    }

    fn shown(&self) -> String {
        let answer = self
            .answer
            .iter()
            .map(|(status, body)| format!("{status} {}", String::from_utf8_lossy(body)));
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"));
        let shown: Vec<String> = answer
            .chain(headers)
            .map(|text| text.chars().take(400).collect())
            .collect();
        format!("{} times {shown:?}", self.times)
    }
}

/// A scene of which the next run makes that call, by a client that loses no time.
fn stage(operation: Operation) -> Scene {
    let mut scene = match operation {
        Operation::AbortMultipartUpload => about_to(Operation::ListParts),
        operation => about_to(operation),
    };
    let impatient = client(&scene.server)
        .stall_timeout(Duration::from_millis(100))
        .retry(hasty().max_attempts(2));
    scene.bucket = bucket(impatient);
    scene
}

/// An upload of another part size discards the one before.
fn upload(scene: &Scene, operation: Operation) -> UploadFile<'_> {
    match operation {
        Operation::AbortMultipartUpload => scene.upload().part_size(PART + 1),
        _ => scene.upload(),
    }
}

/// The error names the call, or what became of the whole.
fn expect_named(error: &Error, doing: &str, what: &str) {
    expect_clear(error, what);
    let text = error.to_string();
    assert!(text.contains(KEY), "{what}: {text}");
    let of_a_call = matches!(error.kind(), ErrorKind::Transport | ErrorKind::Service);
    if of_a_call && !text.contains("given up after") {
        assert!(text.contains(doing), "{what}: {text}");
    }
}

/// Uploads with parts that nobody speaks of cost money for ever.
fn expect_nothing_forgotten(scene: &Scene, ended: &Result<Uploaded, Error>, what: &str) {
    let (current, left_behind) = match ended {
        Ok(uploaded) => (None, &uploaded.left_behind[..]),
        Err(error) => (error.upload_id(), error.left_behind()),
    };
    for upload in scene.server.pending_uploads() {
        let named = current == Some(&upload.upload_id) || left_behind.contains(&upload.upload_id);
        assert!(named || upload.parts.is_empty(), "{what}: {upload:?}");
    }
}

fn expect_object(scene: &Scene, what: &str) {
    let object = scene.server.object(BUCKET, KEY);
    let object = object.unwrap_or_else(|| panic!("{what}: there is no object"));
    let right = object.bytes().expect("readable") == fs::read(&scene.file).expect("the file");
    assert!(right, "{what}: another object than the file");
}

fn try_lie(operation: Operation, doing: &str, lie: &Lie, what: &str) -> bool {
    let scene = stage(operation);
    lie.tell(&scene, operation);
    let ended = watched(upload(&scene, operation));
    match &ended {
        Ok(_) => expect_object(&scene, what),
        Err(error) => expect_named(error, doing, what),
    }
    if !lie.ends_the_upload(operation) {
        expect_nothing_forgotten(&scene, &ended, what);
    }
    scene.server.clear_faults();
    let uploaded = watched(scene.upload()).unwrap_or_else(|why| panic!("{what}, again: {why}"));
    assert_eq!(uploaded.left_behind, [""; 0], "{what}");
    expect_object(&scene, what);
    assert!(!scene.checkpoint().exists(), "{what}");
    ended.is_ok()
}

#[test]
fn a_hostile_answer_to_any_call_ends_in_the_right_object_or_an_error_that_names_the_call() {
    let mut random = random();
    for (operation, doing) in OPERATIONS {
        let lies: Vec<Lie> = (0..CASES).map(|_| Lie::random(&mut random)).collect();
        let survived = lies.iter().enumerate().filter(|(case, lie)| {
            let what = format!("{operation:?} {case}: {}", lie.shown());
            try_lie(operation, doing, lie, &what)
        });
        let survived = survived.count();
        println!("{operation:?}: {survived} of {CASES} uploads succeeded");
        assert!(survived > 0, "{operation:?}");
    }
}

/// Each page names a thousand parts, the same ones, and the next page.
#[test]
fn a_list_of_more_parts_than_there_can_be_is_not_read_to_its_end() {
    let scene = about_to(Operation::ListParts);
    let part = "<Part><PartNumber>1</PartNumber><ETag>x</ETag><Size>1</Size></Part>".repeat(1000);
    let pages: Vec<_> = (1..100)
        .map(|marker| {
            let page = format!(
                "<ListPartsResult>{part}<NextPartNumberMarker>{marker}</NextPartNumberMarker>\
                 <IsTruncated>true</IsTruncated></ListPartsResult>"
            );
            let fault = Fault::answer(200, "application/xml", page).on(Operation::ListParts);
            scene.server.fault(fault.times(1))
        })
        .collect();
    let error = watched(scene.upload()).expect_err("it has no end");
    assert!(error.to_string().contains("more parts than"), "{error}");
    assert!(error.is_resumable());
    assert_eq!(pages.iter().map(|page| page.hits()).sum::<u32>(), 11);
    scene.server.clear_faults();
    let uploaded = watched(scene.upload()).expect("resumed");
    scene.expect_resumed(&uploaded, 1);
}

const PAGE: &str = "<html><title>Please log in</title></html>";

/// A portal, or a proxy with a cache, may answer in the words of OSS.
#[test]
fn an_answer_that_says_stored_is_no_success_when_nothing_is() {
    let result = "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>";
    let complete = Operation::CompleteMultipartUpload;
    for (operation, body, callback) in [
        (complete, result, false),
        (complete, PAGE, true),
        (Operation::PutObject, PAGE, false),
    ] {
        let scene = about_to(operation);
        let page = Fault::answer(200, "application/xml", body).on(operation);
        let tag = Fault::replace_answer_header("ETag", "\"5f3a\"").on(operation);
        let lies = [page, tag].map(|fault| scene.server.fault(fault));
        let upload = || match callback {
            true => scene.upload().header("x-oss-callback", "Y2I="),
            false => scene.upload(),
        };
        let error = watched(upload()).expect_err("there is no object");
        assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
        assert!(error.to_string().contains("it is not there"), "{error}");
        assert_eq!(error.is_resumable(), operation == complete);
        lies.iter().for_each(|lie| lie.remove());
        let uploaded = watched(scene.upload()).expect("uploaded");
        let resumed = if operation == complete { 3 } else { 0 };
        scene.expect_resumed(&uploaded, resumed);
    }
}
