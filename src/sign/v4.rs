//! Version 4: OSS4-HMAC-SHA256 with a key derived for a day, a region and a product.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4>

use super::{Signable, hex};
use crate::escape;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The only payload hash that OSS takes.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What a signing key is derived for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope<'a> {
    /// `20231216`
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) product: &'a str,
}

impl Scope<'_> {
    /// As credentials and signed texts name it.
    pub(crate) fn text(&self) -> String {
        let Scope {
            date,
            region,
            product,
        } = self;
        [date, "/", region, "/", product, "/aliyun_v4_request"].concat()
    }
}

/// The key of one day, region and product. Deriving it costs four HMACs, so callers keep it; it has taken in itself already,
/// which is the half of signing a short text.
#[derive(Clone)]
pub(crate) struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    pub(crate) fn derive(access_key_secret: &str, scope: &Scope<'_>) -> SigningKey {
        SigningKey(keyed(&signing_key(access_key_secret, scope)))
    }

    /// The signature of the text, in lower-case hex.
    pub(crate) fn sign(&self, string_to_sign: &str) -> String {
        hex(&finished(self.0.clone(), string_to_sign))
    }
}

pub(super) fn signing_key(access_key_secret: &str, scope: &Scope<'_>) -> [u8; 32] {
    let secret = ["aliyun_v4", access_key_secret].concat();
    let mut key = hmac_sha256(secret.as_bytes(), scope.date);
    for text in [scope.region, scope.product, "aliyun_v4_request"] {
        key = hmac_sha256(&key, text);
    }
    key
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

fn hmac_sha256(key: &[u8], text: &str) -> [u8; 32] {
    finished(keyed(key), text)
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn finished(mut mac: Hmac<Sha256>, text: &str) -> [u8; 32] {
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn is_always_signed(name: &str) -> bool {
    name == "content-type" || name == "content-md5" || name.starts_with("x-oss-")
}

#[cfg(any(test, feature = "local-server"))]
/// The names of `asked` that are in the request and not signed anyway: lower case, sorted.
pub(crate) fn additional_headers(request: &Signable<'_>, asked: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = asked
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .filter(|name| !is_always_signed(name))
        .filter(|name| {
            let present = |(header, _): &(&str, &str)| header.eq_ignore_ascii_case(name);
            request.headers.iter().any(present)
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The request in the one spelling that both sides hash. `additional` comes from [`additional_headers`].
pub(crate) fn canonical_request(request: &Signable<'_>, additional: &[String]) -> String {
    let mut text = String::with_capacity(512);
    text.extend([request.method, "\n/"]);
    if let Some(bucket) = request.bucket {
        escape::push_path(&mut text, bucket);
        text.push('/');
        escape::push_path(&mut text, request.key.unwrap_or_default());
    }
    text.push('\n');
    push_canonical_query(&mut text, request.query);
    text.push('\n');
    let signed = |name: &str| is_always_signed(name) || additional.iter().any(|a| a == name);
    for (name, value) in request.sorted_headers(signed) {
        text.extend([&*name, ":", &*value, "\n"]);
    }
    text.push('\n');
    text.push_str(&additional.join(";"));
    text.extend(["\n", UNSIGNED_PAYLOAD]);
    text
}

fn push_canonical_query(text: &mut String, query: &[(&str, &str)]) {
    // Escaped names sort differently from raw ones: `%2B` < `%7C` < `p`.
    let mut escaped: Vec<_> = query
        .iter()
        .map(|(name, value)| (escape::query(name), escape::query(value)))
        .collect();
    escaped.sort();
    for (i, (name, value)) in escaped.iter().enumerate() {
        if i > 0 {
            text.push('&');
        }
        text.push_str(name);
        if !value.is_empty() {
            text.extend(["=", &**value]);
        }
    }
}

/// The text that is signed. `datetime` is the value of `x-oss-date`, `scope` the text of one.
pub(crate) fn string_to_sign(datetime: &str, scope: &str, canonical_request: &str) -> String {
    let hash = hex(&Sha256::digest(canonical_request.as_bytes()));
    ["OSS4-HMAC-SHA256", datetime, scope, &hash].join("\n")
}

/// The value of the `Authorization` header.
pub(crate) fn authorization(
    access_key_id: &str,
    scope: &str,
    additional: &[String],
    signature: &str,
) -> String {
    const CREDENTIAL: &str = "OSS4-HMAC-SHA256 Credential=";
    let mut value = [CREDENTIAL, access_key_id, "/", scope].concat();
    // An empty field is refused, so it is left out altogether.
    if !additional.is_empty() {
        value.extend([",AdditionalHeaders=", &additional.join(";")]);
    }
    value.extend([",Signature=", signature]);
    value
}
