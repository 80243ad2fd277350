//! Answers of a server that may be anyone.

use super::names::{expect_sendable, expect_sendable_at};
use super::shown::expect_line;
use crate::endpoint::{check_key, check_upload_id};
use crate::etag::ETag;
use crate::part::{DonePart, PartNumber, Parts};
use crate::protocol::complete::{Completed, Outcome};
use crate::protocol::list_parts::{ListedPart, Page};
use crate::protocol::service_error::ServiceError;
use crate::protocol::{
    Answer, Headers, META_PREFIX, NOTHING_MORE, Operation, Unreadable, complete as completing,
    head_object, initiate as initiating, list_parts as listing, list_uploads as listing_uploads,
    put_object, upload_part,
};
use crate::retry::{Failure, Next, RetryPolicy, Tries};
use crate::upload::plan::Plan;
use crate::upload::resume::reconcile;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use std::io::Read;
use std::time::{Duration, SystemTime};
use ureq::http::{HeaderName, HeaderValue};

/// The longest reason that an answer can be refused with.
const MAX_REASON: usize = 600;

/// The longest text that a refusal can become: its message and three shorter fields.
const MAX_REFUSAL: usize = 2000;

/// The smallest part, so that most lengths in lists do not fit and some do.
const PART: u64 = 102_400;

const OPERATIONS: [Operation; 8] = [
    Operation::InitiateMultipartUpload,
    Operation::UploadPart,
    Operation::ListParts,
    Operation::CompleteMultipartUpload,
    Operation::AbortMultipartUpload,
    Operation::ListMultipartUploads,
    Operation::PutObject,
    Operation::HeadObject,
];

fn answer(status: u16, headers: Vec<(String, String)>, body: &[u8]) -> Answer {
    Answer {
        status,
        headers: headers.into_iter().collect(),
        body: body.to_vec(),
    }
}

fn success(body: &[u8]) -> Answer {
    answer(200, vec![], body)
}

/// Takes what was read; what could not be read must say so in a line.
fn readable<T>(read: Result<T, Unreadable>) -> Option<T> {
    if let Err(Unreadable(why)) = &read {
        expect_line(why, MAX_REASON);
    }
    read.ok()
}

/// The code, when the body is OSS's.
pub(super) fn service_error(body: &[u8]) -> Option<String> {
    let from_body = ServiceError::from_xml(body);
    let encoded = vec![("x-oss-err".to_owned(), STANDARD.encode(body))];
    for status in [200, 304, 403, 404, 409, 500, 503] {
        let read = ServiceError::from_answer(&answer(status, vec![], body));
        assert_eq!(read.status(), status);
        match &from_body {
            Some(error) => assert_eq!(read.code(), error.code()),
            None => assert_eq!(read.code(), format!("HTTP {status}")),
        }
        expect_decent(&read);
        let hidden = ServiceError::from_answer(&answer(status, encoded.clone(), b""));
        assert_eq!(
            from_body.as_ref().map(|_| hidden.code()),
            from_body.as_ref().map(ServiceError::code)
        );
    }
    from_body.map(|error| error.code().to_owned())
}

/// A refusal fits into a line, does not hold anybody up, and its clock can be signed with.
fn expect_decent(error: &ServiceError) {
    expect_line(error.code(), 256);
    assert!(error.message().chars().count() <= 1024);
    expect_line(&format!("{error} {error:?}"), 2 * MAX_REFUSAL);
    for text in [
        error.request_id(),
        error.ec(),
        error.host_id(),
        error.endpoint(),
    ] {
        assert!(text.is_none_or(|text| text.chars().count() <= 256));
        assert!(!text.is_some_and(|text| text.contains(char::is_control)));
    }
    if let Some(time) = error.server_time() {
        expect_sendable_at(time);
    }
    let policy = RetryPolicy::default();
    let failure = Failure::Service(error.clone());
    for operation in OPERATIONS {
        let mut tries = Tries::default();
        for attempt in 1.. {
            assert!(attempt <= 8, "asked for ever");
            match tries.after(&policy, operation, &failure, Duration::ZERO, 0.999) {
                Next::After(delay) => assert!(delay <= Duration::from_secs(20)),
                Next::GiveUp => break,
            }
        }
    }
}

/// The upload id, when there is one.
pub(super) fn initiate(body: &[u8]) -> Option<String> {
    let id = readable(initiating::read(&success(body)))?;
    assert_eq!(check_upload_id(&id), Ok(()));
    expect_verbatim(&id, body);
    let number = "10000";
    expect_sendable(&upload_part::request("k", &id, number, &NOTHING_MORE));
    Some(id)
}

/// Nothing is made up, nothing left out: the text stands in the answer as it is, unless that escapes something.
fn expect_verbatim(text: &str, body: &[u8]) {
    let body = String::from_utf8_lossy(body);
    let escaped = ["&", "<![CDATA[", "\r"]
        .iter()
        .any(|escape| body.contains(escape));
    assert!(
        escaped || body.contains(text),
        "{text:?} is not in the answer"
    );
}

pub(super) fn list_parts(body: &[u8]) -> Option<Page> {
    let page = readable(listing::read(&success(body)))?;
    // A part has three fields, each of which is an element and a text.
    assert!(page.parts.len() <= 40_000 / 7, "{} parts", page.parts.len());
    for part in &page.parts {
        assert_eq!(etag(&part.etag.to_string()), Some(part.etag.clone()));
        // 32 hex digits are kept as 16 bytes, and come back in upper case.
        let tag = part.etag.to_string().to_ascii_uppercase();
        expect_verbatim(&tag, &body.to_ascii_uppercase());
    }
    for n_parts in [1, 3, 10_000] {
        let plan = Plan::new((n_parts - 1) * PART + 1, Some(PART)).expect("a plan");
        expect_reconciled(&page.parts, &plan);
    }
    Some(page)
}

/// Whatever is listed, only parts of the file count, and only as long as they are there.
fn expect_reconciled(listed: &[ListedPart], plan: &Plan) {
    let recorded: Parts = listed
        .iter()
        .step_by(2)
        .filter_map(|part| {
            Some(DonePart {
                number: PartNumber::new(part.number)?,
                etag: part.etag.clone(),
                crc64: 1,
            })
        })
        .collect();
    let known = reconcile(&recorded, listed, plan);
    let listed_as = |part: &DonePart| {
        listed.iter().any(|there| {
            let len = plan.part_len(part.number);
            (there.number, &there.etag, there.len) == (part.number.get(), &part.etag, len)
        })
    };
    for part in known.done.iter().chain(&known.candidates) {
        assert!(
            plan.part(part.number).is_some() && listed_as(part),
            "{part:?}"
        );
    }
    let of_the_file = recorded.numbers().filter(|n| plan.part(*n).is_some());
    assert_eq!(known.done.len() + known.lost.len(), of_the_file.count());
    assert!(
        known
            .candidates
            .iter()
            .all(|part| !recorded.contains(part.number))
    );
}

/// The first page of all uploads, and pages of fewer, which name no others.
pub(super) fn list_uploads(body: &[u8]) -> Option<listing_uploads::Page> {
    let from = |prefix, after: &listing_uploads::Marker| {
        let page = readable(listing_uploads::read(&success(body), prefix, after))?;
        // An upload has three fields, each of which is an element and a text.
        assert!(page.uploads.len() <= 40_000 / 7, "{}", page.uploads.len());
        let mut keys = page.uploads.iter().map(|upload| &upload.key);
        assert!(keys.all(|key| key.starts_with(prefix)));
        assert!(page.next.as_ref().is_none_or(|next| next > after));
        Some(page)
    };
    let page = from("", &listing_uploads::Marker::default())?;
    for upload in &page.uploads {
        assert_eq!(check_key(&upload.key), Ok(()));
        assert_eq!(check_upload_id(&upload.upload_id), Ok(()));
        expect_verbatim(&upload.upload_id, body);
        expect_sendable(&listing::request(
            &upload.key,
            &upload.upload_id,
            "0",
            &NOTHING_MORE,
        ));
        let initiated = Timestamp::try_from(SystemTime::from(upload.initiated));
        assert_eq!(initiated.ok(), Some(upload.initiated));
    }
    if let Some(next) = &page.next {
        expect_sendable(&listing_uploads::request("", next, &NOTHING_MORE));
        assert!(from("", next).is_none(), "it leads to itself");
    }
    from("a", &listing_uploads::Marker::default());
    Some(page)
}

/// Whether the object is said to be complete.
pub(super) fn complete(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    match readable(completing::read(&success(body), false)) {
        Some(Outcome::Completed(object)) => {
            assert!(text.contains("CompleteMultipartUploadResult"), "{text}");
            expect_object(&object, &success(body));
            true
        }
        Some(Outcome::Refused(error)) => {
            assert!(text.contains("Error") && text.contains("Code"), "{text}");
            expect_decent(&error);
            false
        }
        None => false,
    }
}

/// Whether a part is said to be stored.
pub(super) fn headers(lines: &[u8]) -> bool {
    // Whatever cannot stand in a header is refused by the HTTP library before anybody looks at it.
    let sent = lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        Some((name.as_str().to_owned(), value))
    });
    let mut answer = answer(200, sent.collect(), b"");
    for status in [429, 503, 200] {
        answer.status = status;
        expect_decent(&ServiceError::from_answer(&answer));
    }
    if let Some(head) = readable(head_object::read(&answer)) {
        assert!(head.object.etag.is_some());
        expect_number(head.len, &answer, "content-length");
        expect_object(&head.object, &answer);
        expect_described(&head, &answer.headers);
    }
    if let Some(Outcome::Completed(object)) = readable(completing::read(&answer, true)) {
        expect_object(&object, &answer);
    }
    if let Some(Outcome::Completed(object)) = readable(put_object::read(&answer, false)) {
        assert!(object.etag.is_some());
        expect_object(&object, &answer);
    }
    match readable(upload_part::read(&answer)) {
        Some(stored) => {
            assert_eq!(etag(&stored.etag.to_string()), Some(stored.etag));
            expect_number(stored.crc64, &answer, "x-oss-hash-crc64ecma");
            true
        }
        None => false,
    }
}

fn expect_object(object: &Completed, answer: &Answer) {
    if let Some(tag) = &object.etag {
        assert_eq!(etag(&tag.to_string()).as_ref(), Some(tag));
    }
    expect_number(object.crc64, answer, "x-oss-hash-crc64ecma");
    assert_eq!(
        object.version_id.as_deref(),
        answer.header("x-oss-version-id")
    );
}

/// A number is the one that stands there, digit by digit.
fn expect_number(read: Option<u64>, answer: &Answer, name: &str) {
    if let Some(number) = read {
        let digits = answer.header(name).unwrap_or_default();
        let plain = digits.trim_start_matches('0');
        let plain = if plain.is_empty() {
            &digits[digits.len() - 1..]
        } else {
            plain
        };
        assert_eq!(number.to_string(), plain, "{name}");
    }
}

/// An object is taken for ours only with our metadata.
fn expect_described(head: &head_object::Head, there: &Headers) {
    let meta = there
        .iter()
        .filter(|(name, _)| name.starts_with(META_PREFIX));
    let ours: Vec<_> = meta.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    assert!(head.is_described_by(&ours));
    let more = [
        ours.clone(),
        vec![("x-oss-meta-of-ours".to_owned(), "\u{1}".to_owned())],
    ]
    .concat();
    assert!(!head.is_described_by(&more));
    assert!(ours.is_empty() || !head.is_described_by(&[]));
}

/// The tag, which reads as itself and stays itself in the XML of Complete.
pub(super) fn etag(text: &str) -> Option<ETag> {
    let tag = ETag::parse(text)?;
    let bare = tag.to_string();
    assert!(
        (1..=256).contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_graphic()),
        "{bare:?}"
    );
    assert!(
        text.to_ascii_uppercase()
            .contains(&bare.to_ascii_uppercase())
    );
    if let Some(md5) = tag.md5() {
        assert_eq!(ETag::from_md5(md5), tag);
    }
    let number = PartNumber::new(1).expect("a part number");
    let (etag, crc64) = (tag.clone(), 1);
    let parts = Parts::from_iter([DonePart {
        number,
        etag,
        crc64,
    }]);
    let mut body = String::new();
    let list = &mut completing::PartList::new(&parts);
    list.read_to_string(&mut body).expect("in memory");
    assert_eq!(body.len() as u64, completing::PartList::len(&parts));
    let read = roxmltree::Document::parse(&body).expect("XML");
    let part = read.root_element().first_element_child().expect("a part");
    let fields: Vec<_> = part
        .children()
        .map(|field| (field.tag_name().name(), field.text()))
        .collect();
    let quoted = format!("\"{bare}\"");
    assert_eq!(
        fields,
        [("PartNumber", Some("1")), ("ETag", Some(&*quoted))]
    );
    Some(tag)
}
