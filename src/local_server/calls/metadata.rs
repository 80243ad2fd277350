//! The metadata of an object: what a request may give it, and what stays with it.

use crate::escape;
use crate::local_server::error::OssError;
use crate::local_server::request::Request;
use crate::local_server::stored::StoredHeaders;

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

/// The metadata that a request gives to an object.
pub(super) fn given(request: &Request) -> StoredHeaders {
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

pub(super) fn check(request: &Request) -> Result<(), OssError> {
    const CLASSES: &[&str] = &[
        "Standard",
        "IA",
        "Archive",
        "ColdArchive",
        "DeepColdArchive",
    ];
    request.check_choice("x-oss-storage-class", CLASSES)?;
    check_acl(request)?;
    check_encryption(request)?;
    check_user_metadata(request)?;
    request.header("x-oss-tagging").map_or(Ok(()), check_tags)
}

pub(super) fn check_acl(request: &Request) -> Result<(), OssError> {
    const ACLS: &[&str] = &["private", "public-read", "public-read-write", "default"];
    request.check_choice("x-oss-object-acl", ACLS)
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
    request.check_choice("x-oss-server-side-data-encryption", &["SM4"])
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
