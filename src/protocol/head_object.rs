//! HeadObject: what settles whether a Complete with a lost answer had succeeded.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/headobject>

use super::complete::Completed;
use super::{Additions, Answer, META_PREFIX, Operation, Request, Unreadable, digits};

pub(crate) fn request<'a>(key: &'a str, additions: &'a Additions) -> Request<'a> {
    Request::new(Operation::HeadObject, key).adding(additions)
}

/// Headers that come back from HEAD as they were sent, user metadata apart.
const ECHOED: [&str; 8] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-oss-server-side-encryption",
    "x-oss-storage-class",
];

/// An object as the server has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) len: Option<u64>,
    pub(crate) object: Completed,
    described: Vec<(String, String)>,
    is_tagged: bool,
}

impl Head {
    /// Whether the object has the metadata that were sent: those and no others.
    pub(crate) fn is_described_by(&self, sent: &[(String, String)]) -> bool {
        let is_meta = |(name, _): &&(String, String)| name.starts_with(META_PREFIX);
        let echoed = |(name, _): &&(String, String)| is_echoed(name);
        sent.iter()
            .filter(echoed)
            .all(|header| self.described.contains(header))
            && self
                .described
                .iter()
                .filter(is_meta)
                .all(|header| sent.contains(header))
    }

    /// Whether the object has what was sent, and nothing that somebody else may have sent.
    pub(crate) fn is_exactly_described_by(&self, sent: &[(String, String)]) -> bool {
        let is_explained = |header: &(String, String)| sent.contains(header) || is_default(header);
        self.is_described_by(sent) && !self.is_tagged && self.described.iter().all(is_explained)
    }
}

/// What OSS adds by itself, or the bucket's own settings do.
fn is_default((name, value): &(String, String)) -> bool {
    match &**name {
        "content-type" => value == "application/octet-stream",
        "x-oss-server-side-encryption" | "x-oss-storage-class" => true,
        _ => false,
    }
}

/// Whether HEAD tells it as it was sent.
pub(crate) fn is_echoed(name: &str) -> bool {
    ECHOED.contains(&name) || name.starts_with(META_PREFIX)
}

/// A success without an ETag is not OSS's: a portal's page, perhaps.
pub(crate) fn read(answer: &Answer) -> Result<Head, Unreadable> {
    let etag = answer.etag();
    let no_etag = || Unreadable::new(Operation::HeadObject, "has no ETag");
    let described = answer.headers.iter().filter(|(name, _)| is_echoed(name));
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(Head {
        len: answer.header("content-length").and_then(digits),
        object: Completed {
            etag: Some(etag.ok_or_else(no_etag)?),
            crc64: answer.crc64(),
            callback: None,
            version_id: answer.version_id(),
        },
        described: described.map(owned).collect(),
        is_tagged: answer
            .header("x-oss-tagging-count")
            .is_some_and(|count| count != "0"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Headers;

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn an_object_with_other_metadata_is_another_object() {
        let head = read(&Answer {
            headers: Headers::from_iter([
                ("content-type", "text/plain"),
                ("etag", "\"9D3DE146D3DF372BCBA1210BEF25CA57-10\""),
                ("x-oss-meta-owner", "alice"),
                ("x-oss-tagging-count", "1"),
            ]),
            ..Answer::default()
        })
        .expect("an object");
        let owner = ("x-oss-meta-owner", "alice");
        for (sent, is_ours) in [
            (&[owner][..], true),
            (&[owner, ("content-type", "text/plain")], true),
            // What HEAD does not tell cannot tell them apart.
            (&[owner, ("x-oss-tagging", "a=b")], true),
            (&[owner, ("content-type", "text/html")], false),
            (&[owner, ("x-oss-meta-more", "1")], false),
            (&[("x-oss-meta-owner", "bob")], false),
            (&[], false),
        ] {
            assert_eq!(head.is_described_by(&headers(sent)), is_ours, "{sent:?}");
        }
    }

    #[test]
    fn what_somebody_else_may_have_asked_for_makes_it_another_object() {
        let described = |more: (&str, &str), sent: &[(&str, &str)]| {
            let there = [
                ("etag", "\"9D3DE146D3DF372BCBA1210BEF25CA57-10\""),
                ("content-type", "application/octet-stream"),
                ("x-oss-storage-class", "Standard"),
                ("content-length", "1"),
                more,
            ];
            let answer = Answer {
                headers: there.into_iter().collect(),
                ..Answer::default()
            };
            let head = read(&answer).expect("an object");
            head.is_exactly_described_by(&headers(sent))
        };
        let nothing = ("x-oss-tagging-count", "0");
        assert!(described(nothing, &[]));
        assert!(described(nothing, &[("x-oss-storage-class", "Standard")]));
        assert!(!described(nothing, &[("x-oss-storage-class", "IA")]));
        for foreign in [
            ("x-oss-tagging-count", "1"),
            ("x-oss-meta-owner", "alice"),
            ("cache-control", "no-cache"),
            ("expires", "0"),
        ] {
            assert!(!described(foreign, &[]), "{foreign:?}");
        }
        let cached = ("cache-control", "no-cache");
        assert!(described(cached, &[cached]));
    }
}
