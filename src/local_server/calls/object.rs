//! Whole objects: put, head, get, delete.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/putobject>

use super::body::Received;
use super::metadata;
use crate::local_server::answer::Answer;
use crate::local_server::callback::{Told, call_back};
use crate::local_server::error::OssError;
use crate::local_server::request::Request;
use crate::local_server::shared::Shared;
use crate::local_server::stored::Stored;
use crate::sign::http_date;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ops::Range;

const EXISTS: &str = "0026-00000002";

pub(super) fn admit_put(shared: &Shared, request: &Request) -> Result<(), OssError> {
    metadata::check(request)?;
    let (bucket, key) = request.place();
    let overwrite = request.overwrite(EXISTS);
    shared.store.check_overwrite(bucket, key, overwrite)
}

pub(super) fn put(
    shared: &Shared,
    request: &Request,
    request_id: &str,
    received: Received,
) -> Result<Answer, OssError> {
    let (bucket, key) = request.place();
    let answer = received.answer();
    let (etag, headers) = (received.etag(), metadata::given(request));
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
    let overwrite = request.overwrite(EXISTS);
    shared.store.put(bucket, key, object, overwrite)?;
    call_back(request, &told, shared.callback_timeout, answer)
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
