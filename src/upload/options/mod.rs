//! What the caller may say about the object, and which of the requests want to hear it.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/initiatemultipartupload> and its siblings.

pub(super) mod callback;
mod checks;
pub(super) mod content_type;

use crate::escape;
use crate::protocol::head_object::is_echoed;
use crate::protocol::{Additions, META_PREFIX};
use crate::sign::http_date;
use callback::Callback;
use checks::{check_encryption, check_header, check_parameter, tagging};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// What OSS takes as user metadata, names and values together.
const MAX_META: usize = 8 << 10;

/// What all headers may have together: more than servers take, and few enough for one request.
const MAX_HEADERS: usize = 64 << 10;

/// What all parameters may have together, escaped: two callbacks' worth and more.
const MAX_QUERY: usize = 16 << 10;

const PAYER: &str = "x-oss-request-payer";
const CALLBACK: &str = "x-oss-callback";
const CALLBACK_VAR: &str = "x-oss-callback-var";

/// What the caller said, as it was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) callbacks: Vec<Callback>,
    pub(crate) expires: Vec<SystemTime>,
}

impl Given {
    /// All of it that travels as headers, names in lower case.
    fn all_headers(&self) -> Result<Vec<(String, String)>, String> {
        let plain =
            |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.trim().to_owned());
        let mut headers: Vec<_> = self.headers.iter().map(plain).collect();
        for time in &self.expires {
            headers.push(("expires".to_owned(), date(*time)?));
        }
        let tagging = tagging(&self.tags)?;
        headers.extend(tagging.map(|tagging| ("x-oss-tagging".to_owned(), tagging)));
        for callback in &self.callbacks {
            headers.extend(callback.headers()?);
        }
        Ok(headers)
    }
}

/// The form of HTTP has years of four digits.
fn date(time: SystemTime) -> Result<String, String> {
    let wrong = || "an object expires between the years 1970 and 9999".to_owned();
    let time = Some(time).filter(|time| *time >= UNIX_EPOCH);
    let time = time.and_then(|time| Timestamp::try_from(time).ok());
    time.map(http_date).ok_or_else(wrong)
}

/// Headers and parameters of an object, sorted by the requests that carry them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectHeaders {
    pub(crate) initiate: Additions,
    pub(crate) upload_part: Additions,
    pub(crate) complete: Additions,
    /// PutObject carries all of them.
    pub(crate) put: Additions,
    /// ListParts, ListMultipartUploads, Abort and HeadObject.
    pub(crate) other: Additions,
}

impl ObjectHeaders {
    /// Checks all that was said and sorts it in. The error says what is wrong with which.
    pub(crate) fn new(given: &Given) -> Result<ObjectHeaders, String> {
        let mut sorted = ObjectHeaders::default();
        let mut meant = BTreeSet::new();
        for (name, value) in given.all_headers()? {
            check_header(&name, &value)?;
            if !meant.insert(name.clone()) {
                return Err(format!("`{name}` is given twice"));
            }
            for additions in sorted.carriers(&name) {
                additions.headers.push((name.clone(), value.clone()));
            }
        }
        for (name, value) in &given.query {
            check_parameter(name, value)?;
            if !meant.insert(meaning(name).to_owned()) {
                return Err(format!("`{name}` is given twice"));
            }
            for additions in sorted.carriers(meaning(name)) {
                additions.query.push((name.clone(), value.clone()));
            }
        }
        check_encryption(&sorted.put.headers)?;
        check_lengths(&sorted.put)?;
        Ok(sorted)
    }

    /// The type of the object's content where the caller named none.
    pub(crate) fn or_content_type(mut self, guess: &str) -> ObjectHeaders {
        const NAME: &str = "content-type";
        let is_given = self.put.headers.iter().any(|(name, _)| name == NAME);
        if !is_given {
            for additions in self.carriers(NAME) {
                additions.headers.push((NAME.to_owned(), guess.to_owned()));
            }
        }
        self
    }

    /// Which requests carry a header, or the parameter of the same meaning.
    fn carriers(&mut self, name: &str) -> Vec<&mut Additions> {
        let ObjectHeaders {
            initiate,
            upload_part,
            complete,
            put,
            other,
        } = self;
        match name {
            PAYER => vec![initiate, upload_part, complete, put, other],
            "x-oss-forbid-overwrite" => vec![initiate, complete, put],
            "x-oss-object-acl" | CALLBACK | CALLBACK_VAR => vec![complete, put],
            "x-oss-traffic-limit" => vec![upload_part, put],
            _ => vec![initiate, put],
        }
    }

    /// A digest of what Initiate says of the object: a resumed upload must have begun with the same. Who pays for that
    /// request is not part of it.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let is_lasting = |(name, _): &&(String, String)| name != PAYER;
        let Additions { headers, query } = &self.initiate;
        let header = |(name, value): &(String, String)| format!("{name}:{value}\n");
        // No header's name begins with a question mark, and what is escaped has no line breaks.
        let parameter = |(name, value): &(String, String)| {
            format!("?{}\n", escape::query_string(&[(name, value)]))
        };
        let headers = headers.iter().filter(is_lasting).map(header);
        let mut lines: Vec<String> = headers
            .chain(query.iter().filter(is_lasting).map(parameter))
            .collect();
        lines.sort();
        Sha256::digest(lines.concat().as_bytes()).into()
    }

    /// Whether all that is sent with Initiate can be seen on the object in the end; the error says what cannot.
    pub(crate) fn check_visible(&self) -> Result<(), String> {
        let Additions { headers, query } = &self.initiate;
        let header = |name: &&str| !is_echoed(name) && *name != PAYER;
        let parameter = |name: &&str| *name != PAYER;
        let hidden = headers.iter().map(|(name, _)| &**name).find(header);
        let hidden = hidden.or_else(|| query.iter().map(|(name, _)| &**name).find(parameter));
        match hidden {
            None => Ok(()),
            Some(name) => Err(format!(
                "`{name}` cannot go with an upload that is to be found on the server: nobody could see whether that \
                 had begun with it"
            )),
        }
    }

    /// Whether the answer to Complete or PutObject comes from the caller's own server instead of OSS.
    pub(crate) fn has_callback(&self) -> bool {
        let Additions { headers, query } = &self.complete;
        headers
            .iter()
            .chain(query)
            .any(|(name, _)| meaning(name) == CALLBACK)
    }
}

/// The header that means what a parameter means.
fn meaning(parameter: &str) -> &str {
    match parameter {
        "callback" => CALLBACK,
        "callback-var" => CALLBACK_VAR,
        other => other,
    }
}

fn check_lengths(all: &Additions) -> Result<(), String> {
    let len = |(name, value): &(String, String)| name.len() + value.len();
    let is_meta = |(name, _): &&(String, String)| name.starts_with(META_PREFIX);
    let meta: usize = all.headers.iter().filter(is_meta).map(len).sum();
    let headers: usize = all.headers.iter().map(len).sum();
    let pairs: Vec<(&str, &str)> = all.query.iter().map(|(n, v)| (&**n, &**v)).collect();
    for (what, len, most) in [
        ("user metadata, names included,", meta, MAX_META),
        ("the headers", headers, MAX_HEADERS),
        (
            "the query parameters",
            escape::query_string(&pairs).len(),
            MAX_QUERY,
        ),
    ] {
        if len > most {
            return Err(format!("{what} may have up to {most} bytes, not {len}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn headers(given: &[(&str, &str)]) -> Result<ObjectHeaders, String> {
        ObjectHeaders::new(&Given {
            headers: owned(given),
            ..Given::default()
        })
    }

    fn query(given: &[(&str, &str)]) -> Result<ObjectHeaders, String> {
        ObjectHeaders::new(&Given {
            query: owned(given),
            ..Given::default()
        })
    }

    /// Who carries it: Initiate, UploadPart, Complete, the others. PutObject always does.
    type Carriers = [bool; 4];

    const INITIATE: Carriers = [true, false, false, false];
    const PART: Carriers = [false, true, false, false];
    const COMPLETE: Carriers = [false, false, true, false];
    const BOTH: Carriers = [true, false, true, false];
    const ALL: Carriers = [true; 4];

    fn expect_carried(sorted: &ObjectHeaders, expected: &Additions, carriers: Carriers) {
        assert_eq!(sorted.put, *expected);
        let others = [
            &sorted.initiate,
            &sorted.upload_part,
            &sorted.complete,
            &sorted.other,
        ];
        for (additions, carries) in others.into_iter().zip(carriers) {
            let expected = match carries {
                true => expected.clone(),
                false => Additions::default(),
            };
            assert_eq!(*additions, expected, "{sorted:?}");
        }
    }

    #[test]
    fn every_header_goes_with_the_requests_that_want_it() {
        for (name, value, carriers) in [
            ("Content-Type", "text/plain", INITIATE),
            ("x-oss-meta-owner", "alice", INITIATE),
            ("x-oss-storage-class", "IA", INITIATE),
            ("x-oss-server-side-encryption", "KMS", INITIATE),
            ("x-oss-tagging", "a=b", INITIATE),
            ("x-oss-persistent-headers", "a:Yg==", INITIATE),
            ("x-oss-object-acl", "private", COMPLETE),
            ("x-oss-forbid-overwrite", "true", BOTH),
            ("x-oss-request-payer", "requester", ALL),
            ("x-oss-traffic-limit", "819200", PART),
            ("x-oss-callback", "e30=", COMPLETE),
            ("x-oss-callback-var", "e30=", COMPLETE),
            ("x-custom", "any", INITIATE),
        ] {
            let sorted = headers(&[(name, &format!(" {value} "))]).expect(name);
            let expected = Additions {
                headers: owned(&[(&name.to_ascii_lowercase(), value)]),
                query: vec![],
            };
            expect_carried(&sorted, &expected, carriers);
            assert_eq!(sorted.has_callback(), name == "x-oss-callback");
        }
    }

    #[test]
    fn every_parameter_goes_where_the_header_of_its_meaning_goes() {
        for (name, value, carriers) in [
            ("x-oss-request-payer", "requester", ALL),
            ("x-oss-traffic-limit", "819200", PART),
            ("callback", "e30=", COMPLETE),
            ("callback-var", "e30=", COMPLETE),
            ("x-Custom", " as it is ", INITIATE),
            ("x-flag", "", INITIATE),
        ] {
            let sorted = query(&[(name, value)]).expect(name);
            let expected = Additions {
                headers: vec![],
                query: owned(&[(name, value)]),
            };
            expect_carried(&sorted, &expected, carriers);
            assert_eq!(sorted.has_callback(), name == "callback");
        }
    }

    #[test]
    fn nothing_is_given_twice_not_even_as_header_and_parameter() {
        assert!(headers(&[("a", "1"), ("A", "2")]).is_err());
        assert!(query(&[("x-a", "1"), ("x-a", "2")]).is_err());
        for (header, parameter, value) in [
            ("x-oss-callback", "callback", "e30="),
            ("x-oss-traffic-limit", "x-oss-traffic-limit", "819200"),
        ] {
            let both = ObjectHeaders::new(&Given {
                headers: owned(&[(header, value)]),
                query: owned(&[(parameter, value)]),
                ..Given::default()
            });
            assert!(both.is_err(), "{header}");
        }
        let expires = Given {
            headers: owned(&[("Expires", "0")]),
            expires: vec![UNIX_EPOCH],
            ..Given::default()
        };
        assert!(ObjectHeaders::new(&expires).is_err());
    }

    #[test]
    fn limits_are_kept_to_the_byte_and_named() {
        let meta = |len: usize| headers(&[("x-oss-meta-a", &"v".repeat(len - 12))]);
        let any = |len: usize| headers(&[("a", &"v".repeat(len - 1))]);
        // A slash takes three bytes.
        let parameter = |len: usize| query(&[("a", &("/".repeat(10) + &"v".repeat(len - 32)))]);
        for (limited, most) in [
            (
                &meta as &dyn Fn(usize) -> Result<ObjectHeaders, String>,
                8192,
            ),
            (&any, 65_536),
            (&parameter, 16_384),
        ] {
            assert!(limited(most).is_ok(), "{most}");
            let why = limited(most + 1).expect_err("too long");
            let (says_most, says_len) = (format!("up to {most} "), format!("not {}", most + 1));
            assert!(why.contains(&says_most) && why.contains(&says_len), "{why}");
        }
    }

    #[test]
    fn a_time_to_expire_is_a_date_of_http() {
        let date = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(date(0).as_deref(), Ok("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert_eq!(
            date(253_402_207_200).as_deref(),
            Ok("Thu, 30 Dec 9999 22:00:00 GMT")
        );
        assert!(date(253_402_300_800).is_err(), "the year 10000");
        let before = UNIX_EPOCH.checked_sub(Duration::from_secs(1));
        assert!(super::date(before.expect("a time")).is_err());
    }

    #[test]
    fn a_content_type_is_filled_in_only_where_none_is_given() {
        let filled = headers(&[]).expect("legal").or_content_type("image/png");
        let expected = owned(&[("content-type", "image/png")]);
        assert_eq!(
            (&filled.put.headers, &filled.initiate.headers),
            (&expected, &expected)
        );
        assert_eq!(filled.complete, Additions::default());
        let given = headers(&[("Content-Type", "a/b")]).expect("legal");
        assert_eq!(given.clone().or_content_type("image/png"), given);
    }

    #[test]
    fn the_digest_sees_what_initiate_says_of_the_object_in_any_order() {
        let digest = |given: &[(&str, &str)]| headers(given).expect("legal").digest();
        let (a, b) = (("x-oss-meta-a", "1"), ("x-oss-meta-b", "2"));
        assert_eq!(digest(&[a, b]), digest(&[b, a]));
        assert_ne!(digest(&[a, b]), digest(&[a]));
        assert_ne!(digest(&[a]), digest(&[("x-oss-meta-a", "2")]));
        for later in [
            ("x-oss-object-acl", "private"),
            ("x-oss-callback", "e30="),
            ("x-oss-traffic-limit", "819200"),
            ("x-oss-request-payer", "requester"),
        ] {
            assert_eq!(digest(&[a, later]), digest(&[a]), "{later:?}");
        }
        let parameters = |given: &[(&str, &str)]| query(given).expect("legal").digest();
        assert_ne!(parameters(&[("x-a", "1")]), parameters(&[]));
        assert_ne!(parameters(&[("x-a", "1")]), digest(&[("x-a", "1")]));
        assert_ne!(parameters(&[("x-a=b", "c")]), parameters(&[("x-a", "b=c")]));
        assert_eq!(
            parameters(&[("x-oss-request-payer", "requester")]),
            parameters(&[])
        );
    }
}
