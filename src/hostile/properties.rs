//! The entry points, tried with inputs made up by proptest: some in every test run, a million when asked.
//!
//! A failure names its seed, which `OSS_UPLOAD_TEST_SEED` gives back; `OSS_UPLOAD_TEST_MUTATIONS` is how many inputs
//! the long run tries for each.

use super::strategies::{
    Scar, Xml, answer, damaged_checkpoint, forged_checkpoint, pieces, scar, seldom, stretched, text,
};
use super::{answers, checkpoint, names};
use crate::checkpoint::record::Record;
use crate::endpoint::check_upload_id;
use crate::escape;
use crate::protocol::list_parts::Page;
use crate::protocol::list_uploads;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::fmt::Debug;
use std::time::Instant;

/// How many inputs came to what.
type Tally = BTreeMap<String, u64>;

type Property = fn(Run) -> Tally;

/// Every property, with how many inputs make a quick run of it.
const PROPERTIES: [(&str, Property); 16] = [
    ("damaged checkpoints", damaged_checkpoints),
    ("forged checkpoints", forged_checkpoints),
    ("random bytes as a checkpoint", random_checkpoints),
    ("answers", answers_as_meant),
    ("broken answers", broken_answers),
    ("random bytes as answers", random_answers),
    ("answers' headers", answer_headers),
    ("entity tags", etags),
    ("endpoints", endpoints),
    ("proxies", proxies),
    ("hosts", hosts),
    ("regions", regions),
    ("buckets", buckets),
    ("keys", keys),
    ("objects' headers", object_headers),
    ("credentials", credentials),
];

/// How many inputs, and where their randomness begins.
#[derive(Clone, Copy, Debug)]
struct Run {
    cases: u32,
    seed: u64,
}

impl Run {
    fn of(cases: u32) -> Run {
        let given = env::var("OSS_UPLOAD_TEST_SEED").ok();
        let given = given.map(|seed| seed.parse().expect("OSS_UPLOAD_TEST_SEED is a number"));
        let seed = given.unwrap_or_else(|| fastrand::u64(..));
        Run { cases, seed }
    }

    /// Gives made-up inputs to a check, which says what became of each. One that fails it is made small first.
    fn over<T: Debug>(
        self,
        inputs: impl Strategy<Value = T>,
        check: impl Fn(T) -> String,
    ) -> Tally {
        let config = Config {
            cases: self.cases,
            failure_persistence: None,
            max_shrink_iters: 5000,
            ..Config::default()
        };
        let mut seed = [0; 16];
        fastrand::Rng::with_seed(self.seed).fill(&mut seed);
        // Proptest's usual generator takes half of the time.
        let rng = TestRng::from_seed(RngAlgorithm::XorShift, &seed);
        let tally = RefCell::new(Tally::new());
        let tried = TestRunner::new_with_rng(config, rng).run(&inputs, |input| {
            let became = check(input);
            *tally.borrow_mut().entry(became).or_default() += 1;
            Ok(())
        });
        if let Err(why) = tried {
            panic!("OSS_UPLOAD_TEST_SEED={}: {why}", self.seed);
        }
        tally.into_inner()
    }
}

/// A quick run; inputs that all come to the same would prove nothing.
fn quick(property: Property, cases: u32) {
    let tally = property(Run::of(cases));
    assert!(tally.len() > 1, "{tally:?}");
}

fn verdict(accepted: bool) -> String {
    let verdict = if accepted { "accepted" } else { "refused" };
    verdict.to_owned()
}

fn scarred(bytes: impl Into<Vec<u8>>, scars: &[Scar]) -> Vec<u8> {
    let mut bytes = bytes.into();
    scars.iter().for_each(|scar| scar.inflict(&mut bytes));
    bytes
}

/// Without a CRC computed anew nothing is believed that was not recorded.
fn damaged_checkpoints(run: Run) -> Tally {
    run.over(damaged_checkpoint(), |case| {
        let found = checkpoint::expect_honest(&case.bytes());
        if let Some(mut header) = found.header {
            let slice = header.slice.take().map(Record::Slice);
            assert!(slice.is_none_or(|slice| case.records.contains(&slice)));
            assert!(case.records.contains(&Record::Header(Box::new(header))));
        }
        for part in found.parts.iter() {
            assert!(case.records.contains(&Record::PartDone(part.clone())));
        }
        for owed in found.owed {
            assert!(case.records.contains(&Record::Owed(owed)));
        }
        format!("{:?}", found.end)
    })
}

fn forged_checkpoints(run: Run) -> Tally {
    run.over(forged_checkpoint(), |case| {
        format!("{:?}", checkpoint::expect_honest(&case.bytes()).end)
    })
}

fn random_checkpoints(run: Run) -> Tally {
    let magic = prop_oneof![Just(b"OSSUPCP1".to_vec()), vec(any::<u8>(), 0..9)];
    let bytes = (magic, vec(prop_oneof![Just(0), any::<u8>()], 0..200));
    run.over(bytes, |(magic, rest)| {
        format!(
            "{:?}",
            checkpoint::expect_honest(&[magic, rest].concat()).end
        )
    })
}

/// What is read is what the tree says, which was made before the XML.
fn answers_as_meant(run: Run) -> Tally {
    run.over(answer(), |tree| {
        let body = tree.render();
        let body = body.into_bytes();
        let (id, page) = (answers::initiate(&body), answers::list_parts(&body));
        let completed = answers::complete(&body);
        let (uploads, code) = (answers::list_uploads(&body), answers::service_error(&body));
        assert_eq!(id, meant_id(&tree));
        assert_eq!(code.is_some(), tree.is("Error") && meant_code(&tree));
        assert_eq!(completed, tree.is("CompleteMultipartUploadResult"));
        expect_meant(page.as_ref(), &tree);
        expect_meant_uploads(uploads.as_ref(), &tree);
        kind([
            id.is_some(),
            page.is_some(),
            uploads.is_some(),
            completed,
            code.is_some(),
        ])
    })
}

fn meant_id(tree: &Xml) -> Option<String> {
    let id = tree
        .field("UploadId")
        .filter(|_| tree.is("InitiateMultipartUploadResult"))?;
    check_upload_id(&id).is_ok().then_some(id)
}

/// Whether a code shows anything.
fn meant_code(tree: &Xml) -> bool {
    let shows = |c: char| !c.is_control() && !c.is_whitespace();
    tree.field("Code")
        .is_some_and(|code| code.chars().take(256).any(shows))
}

fn expect_meant(page: Option<&Page>, tree: &Xml) {
    let Some(page) = page else { return };
    assert!(tree.is("ListPartsResult"));
    let next = tree
        .field("NextPartNumberMarker")
        .filter(|_| tree.field("IsTruncated") == Some("true".to_owned()));
    assert_eq!(
        page.next,
        next.map(|marker| marker.parse().expect("a number"))
    );
    let meant: Vec<&Xml> = tree.children("Part").collect();
    assert_eq!(page.parts.len(), meant.len());
    for (part, meant) in page.parts.iter().zip(meant) {
        let digits = |text: &String| text.bytes().all(|b| b.is_ascii_digit());
        let number = |name| meant.field(name).filter(digits)?.parse::<u64>().ok();
        assert_eq!(Some(u64::from(part.number)), number("PartNumber"));
        assert_eq!(Some(part.len), number("Size"));
        assert_eq!(part.crc64, number("HashCrc64ecma"));
        assert_eq!(
            answers::etag(&meant.field("ETag").expect("a tag")).as_ref(),
            Some(&part.etag)
        );
    }
}

fn expect_meant_uploads(page: Option<&list_uploads::Page>, tree: &Xml) {
    let Some(page) = page else { return };
    assert!(tree.is("ListMultipartUploadsResult"));
    let is_truncated = tree.field("IsTruncated") == Some("true".to_owned());
    assert_eq!(page.next.is_some(), is_truncated);
    let is_escaped = tree.field("EncodingType") == Some("url".to_owned());
    let meant_key = |key: Option<String>| match is_escaped {
        true => escape::decode(&key?),
        false => key,
    };
    if let Some(next) = &page.next {
        let key = meant_key(tree.field("NextKeyMarker"));
        assert_eq!(Some(&next.key), key.as_ref());
    }
    let meant: Vec<&Xml> = tree.children("Upload").collect();
    assert_eq!(page.uploads.len(), meant.len());
    for (upload, meant) in page.uploads.iter().zip(meant) {
        assert_eq!(Some(&upload.upload_id), meant.field("UploadId").as_ref());
        let key = meant_key(meant.field("Key"));
        assert_eq!(Some(&upload.key), key.as_ref());
    }
}

fn expect_decent_answer(body: &[u8]) -> String {
    kind([
        answers::initiate(body).is_some(),
        answers::list_parts(body).is_some(),
        answers::list_uploads(body).is_some(),
        answers::complete(body),
        answers::service_error(body).is_some(),
    ])
}

/// What an answer was read as.
fn kind(read: [bool; 5]) -> String {
    const KINDS: [&str; 5] = ["begun", "list", "uploads", "completed", "error"];
    let mut kinds = KINDS.iter().zip(read).filter(|(_, read)| *read);
    let first = kinds.next().map_or("refused", |(kind, _)| kind);
    assert_eq!(kinds.next(), None, "one answer was read as two");
    first.to_owned()
}

fn broken_answers(run: Run) -> Tally {
    run.over((answer(), vec(scar(), 1..=2)), |(tree, scars)| {
        expect_decent_answer(&scarred(tree.render(), &scars))
    })
}

fn random_answers(run: Run) -> Tally {
    const PIECES: &[&str] = &[
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]>",
        "<Error>",
        "</Error>",
        "<Code>",
        "</Code>",
        "A",
        "<",
        ">",
        "/",
        "\"",
        "'",
        "=",
        " ",
        "&",
        "&amp;",
        "&#x41;",
        "&#0;",
        "&b;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?x",
        "?>",
        "<a xmlns:b=\"c\">",
        "</a>",
        "<b:Error/>",
        "<Error xmlns=\"d\" e='f'>",
        "\r\n",
        "\u{feff}",
    ];
    let right = Just("<Error><Code>A</Code></Error>".to_owned());
    let text = prop_oneof![1 => right, 20 => stretched(pieces(PIECES, 12))];
    let bytes = prop_oneof![9 => text.prop_map(String::into_bytes), 1 => vec(any::<u8>(), 0..60)];
    run.over(bytes, |body| expect_decent_answer(&body))
}

fn answer_headers(run: Run) -> Tally {
    const PIECES: &[&str] = &[
        "etag: \"1A0F81547E5BA2E9C4A4B94A74731993\"\n",
        "etag: ",
        "ETag:x\n",
        "x-oss-hash-crc64ecma: ",
        "content-length:",
        "5409316634556368277\n",
        "0",
        "7",
        "+7\n",
        "-1\n",
        "18446744073709551616\n",
        "\n",
        "retry-after: ",
        "3600\n",
        "date: Sat, 01 Jun 2024 12:03:04 GMT\n",
        "date: ",
        "Fri, 31 Dec 9999 23:59:60 +2359\n",
        "x-oss-version-id: ",
        "abc\n",
        "x-oss-meta-a: b\n",
        "x-oss-meta-",
        "content-type: text/html\n",
        "x-oss-err: PEVycm9yLz4=\n",
        "x-oss-request-id:",
        "x-oss-ec:",
        "(((",
        "\t",
        "\u{e9}",
        ":",
        "\"",
    ];
    let lines = (stretched(pieces(PIECES, 14)), vec(scar(), 0..2));
    run.over(lines, |(lines, scars)| {
        verdict(answers::headers(&scarred(lines, &scars)))
    })
}

fn etags(run: Run) -> Tally {
    const PIECES: &[&str] = &[
        "\"",
        "W/",
        "1A0F81547E5BA2E9",
        "c4a4b94a74731993",
        "-10",
        "<",
        "&",
        ">",
        "]]>",
        " ",
        "\n",
        "é",
    ];
    run.over(stretched(pieces(PIECES, 6)), |text| {
        verdict(answers::etag(&text).is_some())
    })
}

fn endpoints(run: Run) -> Tally {
    const SCHEMES: &[&str] = &["https://", "HTTP://", "ftp://", "://"];
    const HOSTS: &[&str] = &[
        "oss-cn-hangzhou",
        ".aliyuncs.com",
        "-internal",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "[",
        "]",
        "::ffff:1.2.3.4",
        "oss-accelerate",
        ".oss-cloudbox",
        "cb-1.",
        "xn--fiq228c",
        "a",
        "-",
        "_",
    ];
    const PORTS: &[&str] = &[":", ":443", ":0", ":+80", ":080", ":65536"];
    const ODD: &[&str] = &[
        "/",
        "\\",
        "?",
        "#",
        "@",
        "user:pass",
        "..",
        "%2e",
        "%",
        " ",
        "\r\n",
        "\t",
        "Ａ",
        "İ",
        "ß",
    ];
    let (scheme, host, port) = (pieces(SCHEMES, 1), pieces(HOSTS, 3), pieces(PORTS, 1));
    let odd = || seldom(pieces(ODD, 1));
    let text = (scheme, odd(), host, port, odd());
    let text = text.prop_map(|(a, b, c, d, e)| [a, b, c, d, e].concat());
    run.over(stretched(text), |text| {
        verdict(names::endpoint(&text).is_some())
    })
}

fn proxies(run: Run) -> Tally {
    const SCHEMES: &[&str] = &["http://", "HTTPS://", "socks5://", "://"];
    const USERS: &[&str] = &[
        "user:pa55w0rd@",
        ":pa55w0rd",
        "pa55w0rd@",
        "%ff",
        "%",
        ":",
        "@",
    ];
    const PLACES: &[&str] = &["proxy", "127.0.0.1", "[::1]", ":3128", ":0", ":x"];
    const ODD: &[&str] = &["/", "?", "#", "/path", " ", "\r\n", "é", "\\"];
    let (scheme, user, place) = (pieces(SCHEMES, 1), pieces(USERS, 2), pieces(PLACES, 3));
    let text = (scheme, user, place, seldom(pieces(ODD, 2)));
    let text = text.prop_map(|(a, b, c, d)| [a, b, c, d].concat());
    run.over(text, |text| verdict(names::proxy(&text).is_some()))
}

fn hosts(run: Run) -> Tally {
    const PIECES: &[&str] = &[
        "*", ".", "example", "com", "10.0.0.0", "/8", "/", "/33", "::1", "[", "]", ":80", " ",
        "\r\n", "@", ",", "é", "\0",
    ];
    let hosts = || stretched(pieces(PIECES, 4));
    run.over((hosts(), hosts()), |(text, host)| {
        let _ = names::host_header(&text);
        verdict(names::no_proxy(&text, &host).is_some())
    })
}

fn regions(run: Run) -> Tally {
    const PIECES: &[&str] = &[
        "cn", "-", "hangzhou", "oss-", "1", "/", "\r\n", "A", " ", "é",
    ];
    run.over(stretched(pieces(PIECES, 4)), |text| {
        verdict(names::region(&text).is_some())
    })
}

fn buckets(run: Run) -> Tally {
    const PIECES: &[&str] = &[
        "abc", "-", "1", "a", ".", "_", "A", "/", "@", "\r\n", "%2e", "é",
    ];
    run.over(stretched(pieces(PIECES, 4)), |text| {
        verdict(names::bucket(&text).is_some())
    })
}

fn keys(run: Run) -> Tally {
    const PIECES: &[&str] = &[
        "dir",
        "/",
        "//",
        ".",
        "..",
        "/../",
        "\\",
        "?",
        "#",
        "%",
        "%2F",
        "%00",
        "+",
        "&",
        "=",
        " ",
        "\r\n",
        "\0",
        "\u{7f}",
        "备份",
        "😀",
        "\u{202e}",
        "e\u{301}",
        "~",
        "*",
        "'",
        "(",
        ")",
        "!",
        ":",
        "@",
        "uploads",
        "a?uploadId=x",
    ];
    let key = prop_oneof![2 => stretched(pieces(PIECES, 8)), 1 => text(400)];
    run.over(key, |key| verdict(names::key(&key).is_some()))
}

fn object_headers(run: Run) -> Tally {
    const PIECES: &[&str] = &[
        "Content-Type:text/plain\n",
        "content-type :",
        "x-oss-meta-a: b\n",
        "X-Oss-Meta-",
        "owner:",
        "x-oss-object-acl:private\n",
        "x-oss-callback:Y2I=\n",
        "x-oss-traffic-limit:1\n",
        "x-oss-request-payer:requester\n",
        "x-oss-forbid-overwrite:true\n",
        "Host:",
        "authorization:",
        "x-oss-date:",
        "content-length:0\n",
        "transfer-encoding:chunked\n",
        "x-custom:",
        "?",
        "?x-custom=1\n",
        "?callback=e30=\n",
        "?x-oss-traffic-limit=819200\n",
        "?uploadId=",
        "?partNumber",
        "=",
        "&",
        "K",
        "ſ",
        "é",
        "备",
        ":",
        "\r",
        "\t",
        " ",
        "\0",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\n",
        "a",
        "b",
        ",",
    ];
    run.over(stretched(pieces(PIECES, 8)), |lines| {
        verdict(names::object_headers(&lines).is_some())
    })
}

fn credentials(run: Run) -> Tally {
    const PIECES: &[&str] = &[
        "LTAI5tExample\nsecret-of-mine",
        "LTAI5tExample",
        "secret-of-mine",
        "\n",
        " ",
        "\t",
        "\r",
        "\0",
        "é",
        "a",
        ",",
        "/",
        "token/+==",
    ];
    run.over(stretched(pieces(PIECES, 6)), |lines| {
        verdict(names::credentials(&lines))
    })
}

#[test]
fn a_damaged_checkpoint_is_never_believed_beyond_what_was_recorded() {
    quick(damaged_checkpoints, 10_000);
}

#[test]
fn a_forged_checkpoint_says_nothing_that_no_checkpoint_says() {
    quick(forged_checkpoints, 10_000);
    quick(random_checkpoints, 2000);
}

#[test]
fn an_answer_is_read_as_it_is_meant_or_refused() {
    quick(answers_as_meant, 500);
}

#[test]
fn an_answer_that_is_none_is_refused_in_a_line() {
    quick(broken_answers, 500);
    quick(random_answers, 500);
}

#[test]
fn headers_of_answers_say_what_they_say_and_no_more() {
    quick(answer_headers, 500);
    quick(etags, 500);
}

#[test]
fn an_endpoint_leads_where_it_says_or_is_refused() {
    quick(endpoints, 1000);
    quick(regions, 200);
    quick(buckets, 1000);
}

#[test]
fn a_proxy_is_one_or_is_refused_and_its_password_never_shown() {
    quick(proxies, 1000);
    quick(hosts, 300);
}

#[test]
fn a_key_stands_in_a_url_as_itself_or_is_refused() {
    quick(keys, 500);
}

#[test]
fn headers_of_objects_cannot_break_out_of_a_request() {
    quick(object_headers, 1000);
    quick(credentials, 500);
}

#[test]
#[ignore = "long: a million inputs for each property"]
fn a_million_hostile_inputs_for_every_property() {
    let given = env::var("OSS_UPLOAD_TEST_MUTATIONS").ok();
    let cases = given.map_or(1_000_000, |n| {
        n.parse().expect("OSS_UPLOAD_TEST_MUTATIONS is a number")
    });
    let run = Run::of(cases);
    println!("OSS_UPLOAD_TEST_SEED={}", run.seed);
    for (name, property) in PROPERTIES {
        let started = Instant::now();
        let tally = property(run);
        println!("{name}: {tally:?} in {:.1?}", started.elapsed());
    }
}
