//! What the caller may say about the object, and which of the requests want to hear it.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/initiatemultipartupload> and its siblings.

use crate::escape;
use crate::protocol::META_PREFIX;
use crate::protocol::head_object::is_echoed;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// What OSS takes as user metadata, names and values together.
const MAX_META: usize = 8 << 10;

/// What all headers may have together: more than servers take, and few enough for one request.
const MAX_HEADERS: usize = 64 << 10;

const MAX_TAGS: usize = 10;

/// Bits a second.
const TRAFFIC_LIMITS: RangeInclusive<u64> = 819_200..=838_860_800;

/// Headers of an object, sorted by the requests that carry them. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectHeaders {
    pub(crate) initiate: Headers,
    pub(crate) upload_part: Headers,
    pub(crate) complete: Headers,
    pub(crate) put: Headers,
    /// ListParts, ListMultipartUploads, Abort and HeadObject.
    pub(crate) other: Headers,
}

type Headers = Vec<(String, String)>;

impl ObjectHeaders {
    /// Checks every header and tag and sorts it in. The error says what is wrong with which.
    pub(crate) fn new(
        given: &[(String, String)],
        tags: &[(String, String)],
    ) -> Result<ObjectHeaders, String> {
        let mut sorted = ObjectHeaders::default();
        let (mut len, mut meta_len) = (0, 0);
        let mut names = BTreeSet::new();
        let tagging = tagging(tags)?.map(|tagging| ("x-oss-tagging".to_owned(), tagging));
        for (name, value) in given.iter().chain(tagging.iter()) {
            let name = name.trim().to_ascii_lowercase();
            let value = value.trim().to_owned();
            check(&name, &value)?;
            len += name.len() + value.len();
            if let Some(meta) = name.strip_prefix(META_PREFIX) {
                meta_len += meta.len() + value.len();
            }
            if !names.insert(name.clone()) {
                return Err(format!("`{name}` is given twice"));
            }
            sorted.add(name, value);
        }
        if meta_len > MAX_META {
            return Err(format!(
                "user metadata has {meta_len} bytes, and OSS takes {MAX_META}"
            ));
        }
        match len <= MAX_HEADERS {
            true => Ok(sorted),
            false => Err(format!(
                "the headers have {len} bytes, and a request takes {MAX_HEADERS}"
            )),
        }
    }

    fn add(&mut self, name: String, value: String) {
        for headers in self.carriers(&name) {
            headers.push((name.clone(), value.clone()));
        }
        self.put.push((name, value));
    }

    /// Which requests carry a header, PutObject apart, which carries each.
    fn carriers(&mut self, name: &str) -> Vec<&mut Headers> {
        match name {
            "x-oss-request-payer" => vec![
                &mut self.initiate,
                &mut self.upload_part,
                &mut self.complete,
                &mut self.other,
            ],
            "x-oss-forbid-overwrite" => vec![&mut self.initiate, &mut self.complete],
            "x-oss-object-acl" | "x-oss-callback" | "x-oss-callback-var" => {
                vec![&mut self.complete]
            }
            "x-oss-traffic-limit" => vec![&mut self.upload_part],
            _ => vec![&mut self.initiate],
        }
    }

    /// A digest of what is sent with Initiate: a resumed upload must have begun with the same.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut lines: Vec<String> = self
            .initiate
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        lines.sort();
        Sha256::digest(lines.concat().as_bytes()).into()
    }

    /// Whether all that is sent with Initiate can be seen on the object in the end; the error says what cannot.
    pub(crate) fn check_visible(&self) -> Result<(), String> {
        let is_visible = |name: &str| is_echoed(name) || name == "x-oss-request-payer";
        match self.initiate.iter().find(|(name, _)| !is_visible(name)) {
            None => Ok(()),
            Some((name, _)) => Err(format!(
                "`{name}` cannot go with an upload that is to be found on the server: nobody could see whether that \
                 had begun with it"
            )),
        }
    }

    /// Whether Complete's answer comes from the caller's own server instead of OSS.
    pub(crate) fn has_callback(&self) -> bool {
        self.complete
            .iter()
            .any(|(name, _)| name == "x-oss-callback")
    }
}

/// The tags as one header; `None` when there are none.
fn tagging(tags: &[(String, String)]) -> Result<Option<String>, String> {
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
        if !is_good(key, 1..=128) || !is_good(value, 0..=256) {
            return Err(format!(
                "`{}={}` is not a tag: 1 to 128 and up to 256 letters, digits, spaces and `+-=._:/`",
                key.escape_debug(),
                value.escape_debug()
            ));
        }
        if pairs.iter().any(|(other, _)| other == key) {
            return Err(format!("the tag `{key}` is given twice"));
        }
        pairs.push((key, value));
    }
    Ok((!pairs.is_empty()).then(|| escape::query_string(&pairs)))
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

fn check(name: &str, value: &str) -> Result<(), String> {
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
    // These would make another request of it than an upload of this file.
    const FOREIGN: [&str; 4] = [
        "x-oss-complete-all",
        "x-oss-content-sha256",
        "x-oss-copy-source",
        "x-oss-copy-source-range",
    ];
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!("`{}` is not a header's name", name.escape_debug()));
    }
    if OURS.contains(&name) || FOREIGN.contains(&name) {
        return Err(format!(
            "`{name}` cannot be set: it belongs to the request itself"
        ));
    }
    let meta_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if let Some(meta) = name.strip_prefix(META_PREFIX)
        && (meta.is_empty() || !meta.bytes().all(meta_letter))
    {
        return Err(format!(
            "`{meta}` is not a name of metadata: letters, digits and `-` only"
        ));
    }
    if value.chars().any(char::is_control) {
        return Err(format!("the value of `{name}` has control characters"));
    }
    match name {
        "x-oss-traffic-limit" => check_traffic_limit(value),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&str, &str)]) -> Result<ObjectHeaders, String> {
        let owned = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
        let given: Vec<_> = given.iter().map(owned).collect();
        ObjectHeaders::new(&given, &[])
    }

    #[test]
    fn every_header_goes_with_the_requests_that_want_it() {
        for (name, initiate, upload_part, complete, other) in [
            ("Content-Type", true, false, false, false),
            ("x-oss-meta-owner", true, false, false, false),
            ("x-oss-storage-class", true, false, false, false),
            ("x-oss-server-side-encryption", true, false, false, false),
            ("x-oss-tagging", true, false, false, false),
            ("x-oss-object-acl", false, false, true, false),
            ("x-oss-forbid-overwrite", true, false, true, false),
            ("x-oss-request-payer", true, true, true, true),
            ("x-oss-traffic-limit", false, true, false, false),
            ("x-oss-callback", false, false, true, false),
            ("x-oss-callback-var", false, false, true, false),
            ("x-custom", true, false, false, false),
        ] {
            let sorted = headers(&[(name, " 819200 ")]).expect(name);
            let expected = vec![(name.to_ascii_lowercase(), "819200".to_owned())];
            assert_eq!(sorted.put, expected, "{name}");
            for (headers, wanted) in [
                (&sorted.initiate, initiate),
                (&sorted.upload_part, upload_part),
                (&sorted.complete, complete),
                (&sorted.other, other),
            ] {
                assert_eq!(!headers.is_empty(), wanted, "{name}");
            }
        }
    }

    #[test]
    fn what_could_break_out_of_a_header_is_refused() {
        for (name, value) in [
            ("", "v"),
            ("a b", "v"),
            ("a\r\nb", "v"),
            ("a:b", "v"),
            (
                "content-type",
                "text/plain\r\nx-oss-object-acl: public-read",
            ),
            ("x-oss-meta-", "v"),
            ("x-oss-meta-a_b", "v"),
            ("x-oss-meta-a", "\u{0}"),
            ("Host", "elsewhere"),
            ("content-length", "0"),
            ("x-oss-complete-all", "yes"),
        ] {
            assert!(headers(&[(name, value)]).is_err(), "{name:?}: {value:?}");
        }
        assert!(headers(&[("a", "1"), ("A", "2")]).is_err(), "twice");
        assert!(
            headers(&[("x-oss-meta-a", &"v".repeat(8192))]).is_err(),
            "too long"
        );
        assert!(
            headers(&[("a", &"v".repeat(64 << 10))]).is_err(),
            "too long"
        );
    }

    #[test]
    fn the_digest_sees_what_initiate_sends_in_any_order() {
        let digest = |given: &[(&str, &str)]| headers(given).expect("legal").digest();
        let (a, b) = (("x-oss-meta-a", "1"), ("x-oss-meta-b", "2"));
        assert_eq!(digest(&[a, b]), digest(&[b, a]));
        assert_ne!(digest(&[a, b]), digest(&[a]));
        assert_ne!(digest(&[a]), digest(&[("x-oss-meta-a", "2")]));
        let acl = ("x-oss-object-acl", "private");
        assert_eq!(digest(&[a, acl]), digest(&[a]), "sent with Complete only");
    }
}
