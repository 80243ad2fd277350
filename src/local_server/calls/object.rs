//! Whole objects: put, head, get, delete, and the metadata they carry.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/putobject>

use super::{Received, Told, call_back, check_choice, overwrite};
use crate::escape;
use crate::local_server::Shared;
use crate::local_server::answer::Answer;
use crate::local_server::error::OssError;
use crate::local_server::request::Request;
use crate::local_server::store::{md5_etag, upper_hex};
use crate::local_server::stored::{Stored, StoredHeaders};
use crate::sign::http_date;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ops::Range;

const EXISTS: &str = "0026-00000002";

/// Headers that stay with the object and come back with it.
const STORED_HEADERS: &[&str] = &[
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-oss-object-acl",
    "x-oss-server-side-data-encryption",
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-key-id",
    "x-oss-storage-class",
    "x-oss-tagging",
];

pub(super) fn admit_put(shared: &Shared, request: &Request) -> Result<(), OssError> {
    check_metadata(request)?;
    let (bucket, key) = request.place();
    let overwrite = overwrite(request, EXISTS);
    shared.store.check_overwrite(bucket, key, overwrite)
}

pub(super) fn put(
    shared: &Shared,
    request: &Request,
    request_id: &str,
    received: Received,
) -> Result<Answer, OssError> {
    let (bucket, key) = request.place();
    let answer = stored_answer(&received);
    let (etag, headers) = (etag_of(&received), metadata(request));
    let told = Told {
        bucket,
        key,
        etag: &etag,
        len: received.len,
        mime_type: &headers["content-type"],
        crc: received.crc,
        md5: received.md5,
        operation: "PutObject",
        request_id,
        now: shared.now(),
    };
    let object = Stored {
        len: received.len,
        etag: etag.clone(),
        md5: received.md5,
        crc: received.crc,
        headers: headers.clone(),
        parts: None,
        modified: shared.now(),
        content: received.content,
    };
    let overwrite = overwrite(request, EXISTS);
    shared.store.put(bucket, key, object, overwrite)?;
    call_back(shared, request, &told, answer)
}

pub(super) fn head(shared: &Shared, request: &Request) -> Result<Answer, OssError> {
    let (bucket, key) = request.place();
    let object = shared.store.object(bucket, key);
    let object = object.ok_or_else(|| OssError::no_such_key(key))?;
    let len = object.len.to_string();
    if request.parameter("objectMeta").is_some() {
        return Ok(brief_answer(200, &object).header("Content-Length", len));
    }
    Ok(described_answer(200, &object).header("Content-Length", len))
}

pub(super) fn get(shared: &Shared, request: &Request) -> Result<Answer, OssError> {
    let (bucket, key) = request.place();
    let (object, reader) =
        (shared.store.open(bucket, key)).ok_or_else(|| OssError::no_such_key(key))?;
    let reader = reader.map_err(|error| OssError::internal(&error))?;
    let is_strict = request.header("x-oss-range-behavior") == Some("standard");
    match request
        .header("range")
        .map(|range| parse_range(range, object.len))
    {
        Some(Some(range)) => {
            let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, object.len);
            let answer = described_answer(206, &object).header("Content-Range", content_range);
            Ok(answer.stored(reader, range))
        }
        Some(None) if is_strict => {
            let message = "The requested range cannot be satisfied.";
            Err(OssError::new(416, "InvalidRange", message))
        }
        // By default a range that makes no sense is ignored.
        Some(None) | None => Ok(described_answer(200, &object).stored(reader, 0..object.len)),
    }
}

pub(super) fn delete(shared: &Shared, request: &Request) -> Result<Answer, OssError> {
    let (bucket, key) = request.place();
    shared.store.remove(bucket, key);
    Ok(Answer::new(204))
}

/// The ETag of a body: its MD5, or, where none was computed, 32 digits of what is known.
pub(super) fn etag_of(received: &Received) -> String {
    match (received.md5, received.crc) {
        (Some(md5), _) => md5_etag(md5),
        (None, Some(crc)) => upper_hex(u128::from(crc) << 64 | u128::from(received.len), 32),
        (None, None) => upper_hex(u128::from(received.len), 32),
    }
}

/// What is answered to a body that was stored: its checksums.
pub(super) fn stored_answer(received: &Received) -> Answer {
    let mut answer = Answer::new(200).header("ETag", format!("\"{}\"", etag_of(received)));
    if let Some(crc) = received.crc {
        answer = answer.header("x-oss-hash-crc64ecma", crc.to_string());
    }
    if let Some(md5) = received.md5 {
        answer = answer.header("Content-MD5", STANDARD.encode(md5));
    }
    answer
}

fn brief_answer(status: u16, object: &Stored) -> Answer {
    let mut answer = Answer::new(status)
        .header("ETag", format!("\"{}\"", object.etag))
        .header("Last-Modified", http_date(object.modified));
    if let Some(crc) = object.crc {
        answer = answer.header("x-oss-hash-crc64ecma", crc.to_string());
    }
    answer
}

fn described_answer(status: u16, object: &Stored) -> Answer {
    let kind = match object.parts {
        Some(_) => "Multipart",
        None => "Normal",
    };
    let mut answer = brief_answer(status, object)
        .header("Accept-Ranges", "bytes")
        .header("x-oss-object-type", kind);
    if let Some(md5) = object.md5 {
        answer = answer.header("Content-MD5", STANDARD.encode(md5));
    }
    if !object.headers.contains_key("x-oss-storage-class") {
        answer = answer.header("x-oss-storage-class", "Standard");
    }
    for (name, value) in &object.headers {
        match &**name {
            // To be asked for with calls of their own.
            "x-oss-object-acl" => {}
            "x-oss-tagging" => {
                let count = value.split('&').count().to_string();
                answer = answer.header("x-oss-tagging-count", count);
            }
            _ => answer = answer.header(name.clone(), value.clone()),
        }
    }
    answer
}

/// `bytes=a-b`, `bytes=a-` or `bytes=-n`; `None` when it selects nothing of so many bytes.
fn parse_range(text: &str, len: u64) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", last) => len.saturating_sub(last.parse().ok()?)..len,
        (first, "") => first.parse().ok()?..len,
        (first, last) => first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?.min(len),
    };
    (range.start < range.end).then_some(range)
}

/// The metadata that a request gives to an object.
pub(super) fn metadata(request: &Request) -> StoredHeaders {
    let mut stored: StoredHeaders = request
        .head
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .filter(|(name, _)| STORED_HEADERS.contains(&&**name) || name.starts_with("x-oss-meta-"))
        .collect();
    stored
        .entry("content-type".to_owned())
        .or_insert_with(|| "application/octet-stream".to_owned());
    stored
}

pub(super) fn check_metadata(request: &Request) -> Result<(), OssError> {
    const CLASSES: &[&str] = &[
        "Standard",
        "IA",
        "Archive",
        "ColdArchive",
        "DeepColdArchive",
    ];
    check_choice(request, "x-oss-storage-class", CLASSES)?;
    check_acl(request)?;
    check_encryption(request)?;
    check_user_metadata(request)?;
    request.header("x-oss-tagging").map_or(Ok(()), check_tags)
}

pub(super) fn check_acl(request: &Request) -> Result<(), OssError> {
    const ACLS: &[&str] = &["private", "public-read", "public-read-write", "default"];
    check_choice(request, "x-oss-object-acl", ACLS)
}

fn check_encryption(request: &Request) -> Result<(), OssError> {
    let method = request.header("x-oss-server-side-encryption");
    if method.is_some_and(|method| !["AES256", "KMS", "SM4"].contains(&method)) {
        let message = "The encryption algorithm you specified is not supported.";
        return Err(OssError::new(
            400,
            "InvalidEncryptionAlgorithmError",
            message,
        ));
    }
    for name in [
        "x-oss-server-side-encryption-key-id",
        "x-oss-server-side-data-encryption",
    ] {
        if let Some(value) = request.header(name).filter(|_| method != Some("KMS")) {
            let message = "The header needs the server side encryption KMS.";
            return Err(OssError::argument(message, name, value));
        }
    }
    check_choice(request, "x-oss-server-side-data-encryption", &["SM4"])
}

fn check_user_metadata(request: &Request) -> Result<(), OssError> {
    const MOST: usize = 8 * 1024;
    let mut total = 0;
    for (name, value) in &request.head.headers {
        let name = name.to_ascii_lowercase();
        let Some(short) = name.strip_prefix("x-oss-meta-") else {
            continue;
        };
        total += name.len() + value.len();
        let is_good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if short.is_empty() || !short.bytes().all(is_good) {
            let message = "The name of user metadata may hold letters, digits and hyphens.";
            return Err(OssError::argument(message, "x-oss-meta", short));
        }
    }
    match total > MOST {
        true => Err(OssError::invalid_argument(
            "The user metadata exceeds 8 KB.",
        )),
        false => Ok(()),
    }
}

fn check_tags(text: &str) -> Result<(), OssError> {
    let refused = |ec| Err(OssError::argument("Invalid tagging.", "x-oss-tagging", text).ec(ec));
    let mut keys: Vec<String> = vec![];
    for tag in text.split('&') {
        let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
        if key.is_empty() || value.contains('=') {
            return refused("0010-00000219");
        }
        let (Some(key), Some(value)) = (escape::decode(key), escape::decode(value)) else {
            return refused("0010-00000219");
        };
        let allowed = |c: char| c.is_alphanumeric() || " +-=._:/".contains(c);
        let is_good = key.chars().count() <= 128
            && value.chars().count() <= 256
            && key.chars().chain(value.chars()).all(allowed)
            && !keys.contains(&key);
        keys.push(key);
        if !is_good || keys.len() > 10 {
            return refused("0010-00000217");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_select_what_http_says() {
        assert_eq!(parse_range("bytes=0-0", 10), Some(0..1));
        assert_eq!(parse_range("bytes=3-", 10), Some(3..10));
        assert_eq!(parse_range("bytes=-4", 10), Some(6..10));
        assert_eq!(parse_range("bytes=-40", 10), Some(0..10));
        assert_eq!(parse_range("bytes=5-99", 10), Some(5..10));
        let senseless = [
            "bytes=10-",
            "bytes=5-4",
            "bytes=x-",
            "5-6",
            "bytes=-0",
            "bytes=0-18446744073709551615x",
        ];
        for text in senseless {
            assert_eq!(parse_range(text, 10), None, "{text}");
        }
        assert_eq!(parse_range("bytes=0-18446744073709551615", 10), None);
    }
}
