//! What headers, parameters and tags OSS takes: refused here, nothing has been sent.

use crate::escape;
use crate::protocol::META_PREFIX;
use std::ops::RangeInclusive;

const MAX_TAGS: usize = 10;

/// Characters, not bytes.
const TAG_KEY: RangeInclusive<usize> = 1..=128;
const TAG_VALUE: RangeInclusive<usize> = 0..=256;

/// Bits a second.
const TRAFFIC_LIMITS: RangeInclusive<u64> = 819_200..=838_860_800;

/// What OSS takes of `x-oss-callback` and of `x-oss-callback-var`, in bytes.
const MAX_CALLBACK: usize = 5 << 10;

/// Headers that belong to the request itself.
const OURS: [&str; 14] = [
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-oss-date",
    "x-oss-security-token",
];

/// Headers that would make another request of it than an upload of this file.
const FOREIGN: [&str; 4] = [
    "x-oss-complete-all",
    "x-oss-content-sha256",
    "x-oss-copy-source",
    "x-oss-copy-source-range",
];

/// Parameters that are the protocol's own, carry signatures, or would make another call of it: `PUT /key?acl` is none
/// that uploads anything.
const RESERVED: &[&str] = &[
    "OSSAccessKeyId",
    "Expires",
    "Signature",
    "accessPoint",
    "acl",
    "append",
    "asyncFetch",
    "bucketInfo",
    "cloudboxes",
    "comp",
    "continuation-token",
    "delete",
    "encoding-type",
    "endTime",
    "img",
    "key-marker",
    "live",
    "location",
    "max-parts",
    "max-uploads",
    "objectMeta",
    "part-number-marker",
    "partNumber",
    "position",
    "qos",
    "regionList",
    "restore",
    "security-token",
    "sequential",
    "startTime",
    "stat",
    "status",
    "style",
    "styleName",
    "symlink",
    "tagging",
    "upload-id-marker",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "vod",
    "x-oss-additional-headers",
    "x-oss-async-process",
    "x-oss-credential",
    "x-oss-date",
    "x-oss-expires",
    "x-oss-process",
    "x-oss-security-token",
    "x-oss-signature",
    "x-oss-signature-version",
];

/// Checks one header, its name in lower case and its value trimmed.
pub(super) fn check_header(name: &str, value: &str) -> Result<(), String> {
    if let Some(meta) = name.strip_prefix(META_PREFIX) {
        check_meta_name(meta)?;
    }
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!(
            "`{}` is not a header's name: letters, digits and ``!#$%&'*+-.^_`|~``, no spaces",
            name.escape_debug()
        ));
    }
    if OURS.contains(&name) || FOREIGN.contains(&name) {
        return Err(format!(
            "`{name}` cannot be set: it belongs to the request itself"
        ));
    }
    if value.chars().any(char::is_control) {
        return Err(format!("the value of `{name}` has control characters"));
    }
    check_value(name, value)
}

/// Checks one parameter of the query.
pub(super) fn check_parameter(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || name.chars().chain(value.chars()).any(char::is_control) {
        return Err(format!(
            "`{}` is not a query parameter: it has no name, or control characters",
            name.escape_debug()
        ));
    }
    // Prefixes of whole families: what GET is to answer with.
    if RESERVED.contains(&name) || name.starts_with("response-") {
        return Err(format!(
            "the query parameter `{name}` cannot be set: it belongs to the protocol"
        ));
    }
    match name {
        "callback" | "callback-var" => check_value(&format!("x-oss-{name}"), value),
        _ => check_value(name, value),
    }
}

/// Where the range is known.
fn check_value(name: &str, value: &str) -> Result<(), String> {
    match name {
        "x-oss-traffic-limit" => check_traffic_limit(value),
        "x-oss-callback" | "x-oss-callback-var" if value.len() > MAX_CALLBACK => Err(format!(
            "`{name}` has up to {MAX_CALLBACK} bytes, not {}",
            value.len()
        )),
        "x-oss-server-side-encryption-key-id"
            if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            Err("the id of a KMS key is printable ASCII without spaces, and not empty".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_meta_name(name: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    match !name.is_empty() && name.bytes().all(allowed) {
        true => Ok(()),
        false => Err(format!(
            "`{}` is not a name of metadata: letters, digits and `-` only",
            name.escape_debug()
        )),
    }
}

fn check_traffic_limit(value: &str) -> Result<(), String> {
    let limit = value.parse().ok();
    match limit.is_some_and(|limit| TRAFFIC_LIMITS.contains(&limit)) {
        true => Ok(()),
        false => Err(format!(
            "a traffic limit is {} to {} bits a second, not `{}`",
            TRAFFIC_LIMITS.start(),
            TRAFFIC_LIMITS.end(),
            value.escape_debug()
        )),
    }
}

/// What goes with the method KMS goes with no other.
pub(super) fn check_encryption(headers: &[(String, String)]) -> Result<(), String> {
    let find = |wanted: &str| headers.iter().find(|(name, _)| name == wanted);
    let is_kms = find("x-oss-server-side-encryption").is_some_and(|(_, method)| method == "KMS");
    let of_kms = find("x-oss-server-side-encryption-key-id")
        .or_else(|| find("x-oss-server-side-data-encryption"));
    match of_kms {
        Some((name, _)) if !is_kms => Err(format!(
            "`{name}` goes with `x-oss-server-side-encryption: KMS` only"
        )),
        _ => Ok(()),
    }
}

/// The tags as one header; `None` when there are none.
pub(super) fn tagging(tags: &[(String, String)]) -> Result<Option<String>, String> {
    if tags.len() > MAX_TAGS {
        return Err(format!(
            "an object has up to {MAX_TAGS} tags, not {}",
            tags.len()
        ));
    }
    let allowed = |c: char| c.is_alphanumeric() || " +-=._:/".contains(c);
    let is_good = |text: &str, len: RangeInclusive<usize>| {
        len.contains(&text.chars().count()) && text.chars().all(allowed)
    };
    let mut pairs: Vec<(&str, &str)> = vec![];
    for (key, value) in tags {
        if !is_good(key, TAG_KEY) || !is_good(value, TAG_VALUE) {
            return Err(format!(
                "`{}={}` is not a tag: the key has {} to {}, the value up to {} letters, digits, spaces and `+-=._:/`",
                key.escape_debug(),
                value.escape_debug(),
                TAG_KEY.start(),
                TAG_KEY.end(),
                TAG_VALUE.end()
            ));
        }
        if pairs.iter().any(|(other, _)| other == key) {
            return Err(format!("the tag `{key}` is given twice"));
        }
        pairs.push((key, value));
    }
    Ok((!pairs.is_empty()).then(|| escape::query_string(&pairs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_break_out_of_a_header_or_of_the_request_is_refused() {
        for (name, value) in [
            ("", "v"),
            ("a b", "v"),
            (" a", "v"),
            ("a ", "v"),
            ("a\r\nb", "v"),
            ("a:b", "v"),
            (
                "content-type",
                "text/plain\r\nx-oss-object-acl: public-read",
            ),
            ("x-oss-meta-", "v"),
            ("x-oss-meta-a_b", "v"),
            ("x-oss-meta-a b", "v"),
            ("x-oss-meta-名", "v"),
            ("x-oss-meta-a", "\u{0}"),
            ("x-oss-meta-a", "a\u{7f}"),
            ("x-oss-meta-a", "a\u{85}b"),
            ("host", "elsewhere"),
            ("content-length", "0"),
            ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            ("x-oss-complete-all", "yes"),
        ] {
            assert!(check_header(name, value).is_err(), "{name:?}: {value:?}");
        }
    }

    #[test]
    fn any_text_may_be_metadata() {
        for value in [
            "",
            "中文",
            "😀",
            "100%",
            "a+b",
            "\"quoted\"",
            "a\u{a0}b\u{2028}c",
        ] {
            assert_eq!(check_header("x-oss-meta-a", value), Ok(()), "{value}");
        }
    }

    #[test]
    fn parameters_that_make_another_call_of_it_are_refused() {
        for name in RESERVED.iter().chain(&["", "a\nb", "response-expires"]) {
            assert!(check_parameter(name, "v").is_err(), "{name}");
        }
        for name in ["callback", "x-oss-request-payer", "x-custom", "备 注"] {
            assert_eq!(check_parameter(name, "值 &=?"), Ok(()), "{name}");
        }
        assert!(check_parameter("x-oss-traffic-limit", "1").is_err());
        assert!(check_parameter("callback", &"v".repeat(5121)).is_err());
    }

    #[test]
    fn a_key_and_a_data_algorithm_go_with_kms_only() {
        let method = |method: &str| ("x-oss-server-side-encryption".to_owned(), method.to_owned());
        for name in [
            "x-oss-server-side-encryption-key-id",
            "x-oss-server-side-data-encryption",
        ] {
            let header = (name.to_owned(), "SM4".to_owned());
            assert_eq!(check_encryption(&[header.clone(), method("KMS")]), Ok(()));
            for others in [vec![], vec![method("AES256")]] {
                let headers = [&others[..], std::slice::from_ref(&header)].concat();
                let why = check_encryption(&headers).expect_err("not KMS");
                assert!(why.contains("KMS"), "{why}");
            }
        }
        for id in ["", "a b", "键"] {
            assert!(check_header("x-oss-server-side-encryption-key-id", id).is_err());
        }
    }
}
