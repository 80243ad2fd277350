//! What the caller may say about the object: which requests carry it, what is refused before any is sent, and what a
//! change between two runs leads to.

mod callback;
mod content_md5;
mod metadata;

use crate::support::application::Application;
use crate::support::{BUCKET, Case, KEY, PART, Scene, bucket, client};
use Operation::{
    AbortMultipartUpload as Abort, CompleteMultipartUpload as Complete, HeadObject as Head,
    InitiateMultipartUpload as Initiate, ListParts as List, PutObject, UploadPart as Part,
};
use oss_upload::local_server::{Fault, Operation, RequestLog};
use oss_upload::{
    Callback, Encryption, ErrorKind, Kms, ObjectAcl, RestartReason, SignatureVersion, StorageClass,
    UploadFile,
};
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

/// Where a request carries an option.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Header,
    Parameter,
}

/// A setter, what it makes of a request, and the requests that carry it, PutObject apart, which carries all.
struct Row {
    setter: &'static str,
    set: Box<dyn for<'a> Fn(UploadFile<'a>) -> UploadFile<'a>>,
    place: Place,
    name: &'static str,
    /// `None` where it differs from request to request, or from test to test.
    value: Option<&'static str>,
    carriers: &'static [Operation],
    /// What the documented table calls it.
    documented: &'static str,
}

const INITIATE: &[Operation] = &[Initiate];
const COMPLETE: &[Operation] = &[Complete];
const PARTS: &[Operation] = &[Part];
const ALL: &[Operation] = &[Initiate, Part, Complete, List, Abort, Head];

impl Row {
    fn new(
        setter: &'static str,
        set: impl for<'a> Fn(UploadFile<'a>) -> UploadFile<'a> + 'static,
        (name, value): (&'static str, impl Into<Option<&'static str>>),
        carriers: &'static [Operation],
    ) -> Row {
        Row {
            setter,
            set: Box::new(set),
            place: match setter {
                "query" => Place::Parameter,
                _ => Place::Header,
            },
            name,
            value: value.into(),
            carriers,
            documented: name,
        }
    }

    fn header(name: &'static str, value: &'static str, carriers: &'static [Operation]) -> Row {
        Row::new(
            "header",
            move |u| u.header(name, value),
            (name, value),
            carriers,
        )
    }

    fn query(name: &'static str, value: String, carriers: &'static [Operation]) -> Row {
        Row::new(
            "query",
            move |u| u.query(name, &*value),
            (name, None),
            carriers,
        )
    }

    fn documented(self, documented: &'static str) -> Row {
        Row { documented, ..self }
    }

    fn found<'r>(&self, request: &'r RequestLog) -> Option<&'r str> {
        match self.place {
            Place::Header => request.header(self.name),
            Place::Parameter => {
                let named = |(name, _): &&(String, String)| name == self.name;
                request.query.iter().find(named).map(|(_, value)| &**value)
            }
        }
    }

    /// The strict server has checked each signature, and refuses a header where it does not belong.
    fn expect_carried(&self, scene: &Scene) {
        let requests = scene.server.requests();
        assert_ne!(requests.len(), 0);
        for request in requests {
            let found = self.found(&request);
            // Complete has a body of its own, whose type it says.
            if (request.operation, self.name) == (Complete, "content-type") {
                assert_eq!(found, Some("application/xml"));
                continue;
            }
            let carries =
                request.operation == PutObject || self.carriers.contains(&request.operation);
            assert_eq!(found.is_some(), carries, "{request:?}");
            assert!(
                !carries || self.value.is_none_or(|value| found == Some(value)),
                "{found:?}"
            );
        }
    }

    /// What is said of an object when it is begun comes back with it.
    fn expect_kept(&self, scene: &Scene) {
        let object = scene.server.object(BUCKET, KEY).expect("an object");
        let kept = object.headers.get(self.name).map(String::as_str);
        let is_kept = self.carriers == INITIATE && self.name != "x-custom";
        assert!(!is_kept || kept == self.value, "{kept:?}");
    }
}

fn base64(json: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(json)
}

/// Every setter; those with a choice have a row for each.
fn rows(application: &Application) -> Vec<Row> {
    [headers(), choices(), requests(), callbacks(application)]
        .into_iter()
        .flatten()
        .collect()
}

fn headers() -> Vec<Row> {
    const DATE: &str = "Fri, 28 Feb 2031 05:38:42 GMT";
    const META: &str = "x-oss-meta-owner";
    let new = |setter, set: fn(UploadFile<'_>) -> UploadFile<'_>, header| {
        Row::new(setter, set, header, INITIATE)
    };
    vec![
        new(
            "content_type",
            |u| u.content_type("text/plain"),
            ("content-type", "text/plain"),
        ),
        new(
            "cache_control",
            |u| u.cache_control("no-cache"),
            ("cache-control", "no-cache"),
        ),
        new(
            "content_disposition",
            |u| u.content_disposition("inline"),
            ("content-disposition", "inline"),
        ),
        new(
            "content_encoding",
            |u| u.content_encoding("gzip"),
            ("content-encoding", "gzip"),
        ),
        new(
            "content_language",
            |u| u.content_language("zh-CN"),
            ("content-language", "zh-CN"),
        ),
        new("expires", |u| u.expires(DATE), ("expires", DATE)),
        new(
            "expires_at",
            |u| u.expires_at(UNIX_EPOCH + Duration::from_millis(1_930_023_522_999)),
            ("expires", DATE),
        ),
        new("meta", |u| u.meta("Owner", "alice"), (META, "alice")).documented("x-oss-meta-*"),
        new(
            "tag",
            |u| u.tag("a b", "c/d").tag("e", ""),
            ("x-oss-tagging", "a%20b=c%2Fd&e"),
        ),
        Row::header("x-custom", "any", INITIATE).documented("any other"),
        Row::header("cache-control", "no-store", INITIATE).documented("any of these"),
    ]
}

fn choices() -> Vec<Row> {
    use StorageClass::{Archive, ColdArchive, DeepColdArchive, InfrequentAccess, Standard};
    const METHOD: &str = "x-oss-server-side-encryption";
    const KEY_ID: &str = "x-oss-server-side-encryption-key-id";
    const DATA: &str = "x-oss-server-side-data-encryption";
    let class = |class, text| {
        let header = ("x-oss-storage-class", text);
        Row::new(
            "storage_class",
            move |u| u.storage_class(class),
            header,
            INITIATE,
        )
    };
    let acl = |acl, text| {
        Row::new(
            "acl",
            move |u| u.acl(acl),
            ("x-oss-object-acl", text),
            COMPLETE,
        )
    };
    let encryption = |set: fn(UploadFile<'_>) -> UploadFile<'_>, header| {
        Row::new("encryption", set, header, INITIATE)
    };
    vec![
        class(Standard, "Standard"),
        class(InfrequentAccess, "IA"),
        class(Archive, "Archive"),
        class(ColdArchive, "ColdArchive"),
        class(DeepColdArchive, "DeepColdArchive"),
        acl(ObjectAcl::Inherited, "default"),
        acl(ObjectAcl::Private, "private"),
        acl(ObjectAcl::PublicRead, "public-read"),
        acl(ObjectAcl::PublicReadWrite, "public-read-write"),
        encryption(|u| u.encryption(Encryption::Aes256), (METHOD, "AES256")),
        encryption(|u| u.encryption(Encryption::Sm4), (METHOD, "SM4")),
        encryption(|u| u.encryption(Kms::new()), (METHOD, "KMS")),
        encryption(
            |u| u.encryption(Kms::new().key_id("9468da86")),
            (METHOD, "KMS"),
        ),
        encryption(
            |u| u.encryption(Kms::new().key_id("9468da86")),
            (KEY_ID, "9468da86"),
        ),
        encryption(|u| u.encryption(Kms::new().data_sm4()), (METHOD, "KMS")),
        encryption(|u| u.encryption(Kms::new().data_sm4()), (DATA, "SM4")),
    ]
}

fn requests() -> Vec<Row> {
    const OVERWRITE: &str = "x-oss-forbid-overwrite";
    const PAYER: &str = "x-oss-request-payer";
    const LIMIT: &str = "x-oss-traffic-limit";
    const MD5: (&str, Option<&str>) = ("content-md5", None);
    vec![
        Row::new(
            "forbid_overwrite",
            |u| u.forbid_overwrite(),
            (OVERWRITE, "true"),
            &[Initiate, Complete],
        ),
        Row::new(
            "request_payer",
            |u| u.request_payer(),
            (PAYER, "requester"),
            ALL,
        ),
        Row::new(
            "traffic_limit",
            |u| u.traffic_limit(819_200),
            (LIMIT, "819200"),
            PARTS,
        ),
        Row::new(
            "traffic_limit",
            |u| u.traffic_limit(838_860_800),
            (LIMIT, "838860800"),
            PARTS,
        ),
        Row::new(
            "content_md5",
            |u| u.content_md5(),
            MD5,
            &[Initiate, Part, Complete],
        ),
        Row::query(PAYER, "requester".to_owned(), ALL),
        Row::query(LIMIT, "819200".to_owned(), PARTS),
        Row::query("x-custom", "a b&c=d/é".to_owned(), INITIATE).documented("any other"),
    ]
}

fn callbacks(application: &Application) -> Vec<Row> {
    let callback = Callback::form(application.url(), "by=${x:user}").variable("user", "alice");
    let json = format!(
        "{{\"callbackUrl\":\"{}\",\"callbackBody\":\"a=b\"}}",
        application.url()
    );
    let (first, second) = (callback.clone(), callback);
    let (alone, with_variables) = (base64(&json), base64(&json));
    let variables = base64("{\"x:user\":\"alice\"}");
    vec![
        Row::new(
            "callback",
            move |u| u.callback(first.clone()),
            ("x-oss-callback", None),
            COMPLETE,
        ),
        Row::new(
            "callback",
            move |u| u.callback(second.clone()),
            ("x-oss-callback-var", None),
            COMPLETE,
        ),
        Row::query("callback", alone, COMPLETE),
        Row::new(
            "query",
            move |u| {
                u.query("callback", &*with_variables)
                    .query("callback-var", &*variables)
            },
            ("callback-var", None),
            COMPLETE,
        ),
    ]
}

/// Fresh and resumed, in parts and by PutObject, with signatures of both versions; aborted once, and with an answer to
/// Complete that gets lost, so that every call is made.
#[test]
fn every_option_reaches_exactly_those_requests_that_want_it() {
    let application = Application::answering(200, "{}");
    for row in rows(&application) {
        let _case = Case((row.setter, row.name, row.value));
        for version in [SignatureVersion::V1, SignatureVersion::V4] {
            for n_parts in [1, 3] {
                let mut scene = Scene::with_parts(n_parts);
                scene.bucket = bucket(client(&scene.server).signature_version(version));
                if n_parts == 3 {
                    interrupt((row.set)(scene.upload_without_checkpoint()), &scene);
                    interrupt((row.set)(scene.upload()), &scene);
                    row.expect_carried(&scene);
                    assert_eq!(scene.server.count(Abort), 1, "without a checkpoint");
                    scene.server.forget_requests();
                    scene.once(Fault::lose_answer(), Complete);
                }
                let uploaded = (row.set)(scene.upload()).run().expect("uploaded");
                row.expect_carried(&scene);
                row.expect_kept(&scene);
                assert_eq!(scene.server.count(Head), usize::from(n_parts == 3));
                scene.expect_resumed(&uploaded, n_parts / 3);
            }
        }
    }
}

/// Runs an upload that ends for good after one part.
fn interrupt(upload: UploadFile<'_>, scene: &Scene) {
    let denied = scene.server.fault(Fault::deny().on(Part).nth(2).times(1));
    upload.run().expect_err("it was interrupted");
    denied.remove();
}

/// A setter, what it makes, and who carries it.
type Documented = (String, String, BTreeSet<&'static str>);

/// The five columns of the table that say who carries an option.
const COLUMNS: [&str; 5] = ["I", "P", "C", "PutObject", "others"];

fn documented() -> BTreeSet<Documented> {
    let text = include_str!("../../src/upload/options/OPTIONS.md");
    let lines = text.lines().filter(|line| line.starts_with("| [`"));
    let quoted = |cell: &str| match cell.split('`').nth(1) {
        Some(name) => name.to_owned(),
        None => cell.to_owned(),
    };
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 11, "{line}");
            let carries = COLUMNS.into_iter().zip(&cells[3..8]);
            let carriers = carries.filter(|(_, cell)| !cell.is_empty());
            (
                quoted(cells[1]),
                quoted(cells[2]),
                carriers.map(|(column, _)| column).collect(),
            )
        })
        .collect()
}

/// What the documentation says is tried is.
#[test]
fn every_test_that_the_table_names_is_there() {
    let sources = [
        include_str!("options.rs"),
        include_str!("options/callback.rs"),
        include_str!("options/content_md5.rs"),
        include_str!("options/metadata.rs"),
    ]
    .concat();
    let text = include_str!("../../src/upload/options/OPTIONS.md");
    let quoted = text.split('`').skip(1).step_by(2);
    let tests: Vec<&str> = quoted
        .filter(|name| name.matches('_').count() > 3)
        .collect();
    assert_eq!(tests.len(), 8, "{tests:?}");
    for test in tests {
        assert!(sources.contains(&format!("#[test]\nfn {test}()")), "{test}");
    }
}

#[test]
fn the_documented_table_is_the_one_that_is_tested() {
    let application = Application::answering(200, "{}");
    let carries = |row: &Row, column: &str| match column {
        // As the header or the parameter itself.
        _ if row.documented == "any of these" => true,
        "I" => row.carriers.contains(&Initiate),
        "P" => row.carriers.contains(&Part),
        "C" => row.carriers.contains(&Complete),
        "others" => row.carriers.contains(&List),
        _ => true,
    };
    let tested: BTreeSet<Documented> = rows(&application)
        .iter()
        .map(|row| {
            let carriers = COLUMNS.into_iter().filter(|column| carries(row, column));
            (
                row.setter.to_owned(),
                row.documented.to_owned(),
                carriers.collect(),
            )
        })
        .collect();
    assert_eq!(documented(), tested);
}

/// What is sent when the upload begins must be what the upload was begun with; all else may change.
#[test]
fn an_option_that_changed_starts_afresh_only_if_the_upload_began_with_it() {
    let application = Application::answering(200, "{}");
    for row in rows(&application) {
        let _case = Case((row.setter, row.name, row.value));
        for is_added in [true, false] {
            let scene = Scene::with_parts(3);
            let (first, second) = match is_added {
                true => (scene.upload(), (row.set)(scene.upload())),
                false => ((row.set)(scene.upload()), scene.upload()),
            };
            interrupt(first, &scene);
            let upload_id = scene.upload_id();
            let uploaded = second.run().expect("uploaded");
            // Who pays for the beginning, and whether its empty body had a checksum, is nothing of the object's.
            let is_lasting = row.carriers.contains(&Initiate)
                && !["x-oss-request-payer", "content-md5"].contains(&row.name);
            match is_lasting {
                true => {
                    assert_eq!(uploaded.restarts, [RestartReason::OptionsChanged]);
                    assert_eq!(scene.server.count(Initiate), 2);
                    assert_ne!(uploaded.upload_id, Some(upload_id), "a new one");
                }
                false => {
                    assert_eq!(uploaded.restarts, []);
                    assert_eq!(uploaded.parts_resumed(), 1);
                    assert_eq!(scene.server.count(Initiate), 1);
                }
            }
            // The old one was aborted.
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn a_bad_value_is_refused_before_any_request_with_what_would_be_good() {
    let scene = Scene::with_len(3 * PART);
    for (set, part_of_reason) in bad_values() {
        let error = set(scene.upload()).run().expect_err(part_of_reason);
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        assert!(error.to_string().contains(part_of_reason), "{error}");
    }
    assert_eq!(scene.server.requests().len(), 0);
    assert!(!scene.checkpoint().exists());
}

type Set = for<'a> fn(UploadFile<'a>) -> UploadFile<'a>;

fn bad_values() -> Vec<(Set, &'static str)> {
    vec![
        (|u| u.traffic_limit(819_199), "819200 to 838860800"),
        (|u| u.traffic_limit(838_860_801), "819200 to 838860800"),
        (
            |u| u.header("x-oss-traffic-limit", "fast"),
            "819200 to 838860800",
        ),
        (
            |u| u.query("x-oss-traffic-limit", "0"),
            "819200 to 838860800",
        ),
        (
            |u| (0..11).fold(u, |u, n| u.tag(n.to_string(), "")),
            "up to 10 tags, not 11",
        ),
        (|u| u.tag("a", "1").tag("a", "2"), "`a` is given twice"),
        (|u| u.tag("", "1"), "1 to 128"),
        (|u| u.tag("k".repeat(129), ""), "1 to 128"),
        (|u| u.tag("a", "v".repeat(257)), "up to 256"),
        (|u| u.tag("a&b", "1"), "letters, digits, spaces"),
        (
            |u| u.content_type("a").content_type("b"),
            "`content-type` is given twice",
        ),
        (|u| u.header("a b", "1"), "no spaces"),
        (|u| u.header(" a", "1"), "no spaces"),
        (|u| u.meta("a b", "1"), "letters, digits and `-` only"),
        (|u| u.meta("a_b", "1"), "letters, digits and `-` only"),
        (|u| u.meta("a", "1\n2"), "control characters"),
        (
            |u| u.meta("a", "v".repeat(8181)),
            "up to 8192 bytes, not 8193",
        ),
        (
            |u| (0..3).fold(u, |u, n| u.meta(n.to_string(), "中".repeat(1000))),
            "up to 8192 bytes",
        ),
        (|u| u.encryption(Kms::new().key_id("")), "not empty"),
        (|u| u.encryption(Kms::new().key_id("a b")), "without spaces"),
        (
            |u| u.header("x-oss-server-side-encryption-key-id", "a"),
            "KMS` only",
        ),
        (
            |u| u.expires_at(UNIX_EPOCH - Duration::from_secs(1)),
            "1970 and 9999",
        ),
        (
            |u| u.expires_at(UNIX_EPOCH).expires("0"),
            "`expires` is given twice",
        ),
        (
            |u| u.callback(Callback::form("app.example.com", "a=b")),
            "`http://` or `https://`",
        ),
        (
            |u| (0..2).fold(u, |u, _| u.callback(Callback::form("http://a", "a=b"))),
            "`x-oss-callback` is given twice",
        ),
        (|u| u.query("uploadId", "1"), "belongs to the protocol"),
        (|u| u.query("acl", ""), "belongs to the protocol"),
        (|u| u.query("", "1"), "no name"),
        (
            |u| u.query("x-a", "1").query("x-a", "2"),
            "`x-a` is given twice",
        ),
        (|u| u.query("x-a", "/".repeat(5461)), "up to 16384 bytes"),
        (
            |u| u.request_payer().query("x-oss-request-payer", "requester"),
            "`x-oss-request-payer` is given twice",
        ),
    ]
}

#[test]
fn a_content_type_that_nobody_gives_is_guessed() {
    for n_parts in [1, 3] {
        let scene = Scene::with_parts(n_parts);
        let named = scene.dir.path().join("page.html");
        std::fs::copy(&scene.file, &named).expect("copied");
        for (key, file, expected) in [
            ("photos/cat.PNG", &scene.file, "image/png"),
            ("notes.txt", &named, "text/plain"),
            ("notes", &named, "text/html"),
            ("notes", &scene.file, "application/octet-stream"),
        ] {
            let upload = scene.bucket.upload_file(key, file).part_size(PART);
            upload.run().expect("uploaded");
            let object = scene.server.object(BUCKET, key).expect("an object");
            assert_eq!(object.headers["content-type"], expected, "{key}");
        }
    }
}

/// As if it had been given: another guess is another option.
#[test]
fn a_guess_counts_like_a_content_type_that_is_given() {
    for (given, reason) in [
        ("text/plain", None),
        ("text/html", Some(RestartReason::OptionsChanged)),
    ] {
        let scene = Scene::with_parts(3);
        let upload = || scene.upload_to(&scene.bucket, "notes.txt");
        interrupt(upload(), &scene);
        let uploaded = upload().content_type(given).run().expect("uploaded");
        assert_eq!(
            uploaded.restarts,
            reason.into_iter().collect::<Vec<_>>(),
            "{given}"
        );
        scene.expect_done(&uploaded);
    }
}
