//! Version 1: HMAC-SHA1 over verb, dates, `x-oss-` headers and the unescaped resource.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/include-signatures-in-the-authorization-header>

use super::Signable;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Query parameters that are part of the resource; all others are not signed.
const SIGNED_PARAMETERS: &[&str] = &[
    "acl",
    "append",
    "bucketInfo",
    "callback",
    "callback-var",
    "cloudboxes",
    "continuation-token",
    "delete",
    "location",
    "objectMeta",
    "partNumber",
    "position",
    "regionList",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "security-token",
    "sequential",
    "stat",
    "symlink",
    "tagging",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
];

/// The text that is signed. `date` is the value of the `Date` header, `extra` names more signed parameters.
pub(crate) fn string_to_sign(request: &Signable<'_>, date: &str, extra: &[&str]) -> String {
    let mut text = format!(
        "{}\n{}\n{}\n{date}\n",
        request.method,
        request.header("content-md5"),
        request.header("content-type"),
    );
    for (name, value) in request.sorted_headers(|name| name.starts_with("x-oss-")) {
        text.extend([&*name, ":", &*value, "\n"]);
    }
    push_resource(&mut text, request, extra);
    text
}

fn push_resource(text: &mut String, request: &Signable<'_>, extra: &[&str]) {
    text.push('/');
    if let Some(bucket) = request.bucket {
        text.extend([bucket, "/", request.key.unwrap_or_default()]);
    }
    let mut signed: Vec<_> = request
        .query
        .iter()
        .filter(|(name, _)| {
            SIGNED_PARAMETERS.contains(name) || name.starts_with("x-oss-") || extra.contains(name)
        })
        .collect();
    signed.sort();
    for (i, (name, value)) in signed.into_iter().enumerate() {
        text.push(if i == 0 { '?' } else { '&' });
        text.push_str(name);
        if !value.is_empty() {
            text.extend(["=", value]);
        }
    }
}

/// Base64 of the HMAC-SHA1 of the text.
pub(crate) fn signature(access_key_secret: &str, string_to_sign: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(access_key_secret.as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(string_to_sign.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The value of the `Authorization` header.
pub(crate) fn authorization(access_key_id: &str, signature: &str) -> String {
    format!("OSS {access_key_id}:{signature}")
}
