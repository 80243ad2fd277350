//! Request signatures: pure functions from a request, a key and a time to headers.

pub(crate) mod rpc;
pub(crate) mod v1;
pub(crate) mod v4;

#[cfg(test)]
mod vectors;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use std::borrow::Cow;

/// The version of OSS request signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "OSS has two, and announced no third"
)]
pub enum SignatureVersion {
    /// OSS4-HMAC-SHA256. Needs to know the region. New users and new buckets accept nothing else.
    #[default]
    V4,
    /// HMAC-SHA1, which OSS is phasing out: only when asked for.
    V1,
}

/// Headers that sign a request.
pub(crate) type SignedHeaders = Vec<(&'static str, Cow<'static, str>)>;

/// What of a request is signed. Names and values are decoded; names may be in any letter case.
#[derive(Debug)]
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a str,
    pub(crate) bucket: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

impl Signable<'_> {
    /// The headers for which `wanted` holds, names in lower case, values trimmed, sorted, repeated ones joined.
    fn sorted_headers(&self, wanted: impl Fn(&str) -> bool) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        let headers = self.headers.iter();
        let mut found: Vec<(Cow<'_, str>, Cow<'_, str>)> = headers
            .map(|(name, value)| (lower(name), Cow::from(value.trim())))
            .filter(|(name, _)| wanted(name))
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found.dedup_by(|next, first| {
            let same = next.0 == first.0;
            if same {
                first.1.to_mut().extend([",", &next.1]);
            }
            same
        });
        found
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value.trim())
    }
}

/// Names are in lower case nearly always.
fn lower(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|b| b.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

/// `Wed, 28 Dec 2022 10:27:41 GMT`, the form of the `Date` header (RFC 1123).
pub(crate) fn http_date(time: Timestamp) -> String {
    let printed = DateTimePrinter::new().timestamp_to_rfc9110_string(&time);
    // It knows no year before 0.
    printed.unwrap_or_else(|_| time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// `20231216T162057Z`, the form of `x-oss-date` in version 4.
pub(crate) fn basic_date(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
    text
}
