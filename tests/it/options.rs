//! What the caller may say about the object: which requests carry it, and what is refused before any is sent.

use crate::support::{BUCKET, KEY, PART, Scene};
use Operation::{
    CompleteMultipartUpload as Complete, InitiateMultipartUpload as Initiate, PutObject, UploadPart,
};
use oss_upload::local_server::Operation;
use oss_upload::{Encryption, ErrorKind, ObjectAcl, StorageClass, UploadFile};

type Set = for<'a> fn(UploadFile<'a>) -> UploadFile<'a>;

/// A setter, the header it makes, and the requests of an upload in parts that carry it.
struct Row {
    set: Set,
    header: (&'static str, &'static str),
    carriers: &'static [Operation],
    /// Whether OSS returns it with the object.
    is_kept: bool,
}

fn row(set: Set, name: &'static str, value: &'static str, carriers: &'static [Operation]) -> Row {
    Row {
        set,
        header: (name, value),
        carriers,
        is_kept: carriers == [Initiate],
    }
}

fn kms(key_id: Option<&str>) -> Encryption {
    let key_id = key_id.map(str::to_owned);
    Encryption::Kms { key_id }
}

/// Every setter; those with a choice have a row for each.
fn rows() -> Vec<Row> {
    const ACL: &str = "x-oss-object-acl";
    const CLASS: &str = "x-oss-storage-class";
    const METHOD: &str = "x-oss-server-side-encryption";
    const KEY_ID: &str = "x-oss-server-side-encryption-key-id";
    const INITIATE: &[Operation] = &[Initiate];
    const COMPLETE: &[Operation] = &[Complete];
    use StorageClass::{Archive, ColdArchive, DeepColdArchive, InfrequentAccess, Standard};
    vec![
        row(
            |u| u.content_type("text/plain"),
            "content-type",
            "text/plain",
            INITIATE,
        ),
        row(
            |u| u.cache_control("no-cache"),
            "cache-control",
            "no-cache",
            INITIATE,
        ),
        row(
            |u| u.content_disposition("inline"),
            "content-disposition",
            "inline",
            INITIATE,
        ),
        row(
            |u| u.content_encoding("gzip"),
            "content-encoding",
            "gzip",
            INITIATE,
        ),
        row(
            |u| u.content_language("zh-CN"),
            "content-language",
            "zh-CN",
            INITIATE,
        ),
        row(
            |u| u.expires("Fri, 28 Feb 2031 05:38:42 GMT"),
            "expires",
            "Fri, 28 Feb 2031 05:38:42 GMT",
            INITIATE,
        ),
        row(
            |u| u.meta("Owner", "alice"),
            "x-oss-meta-owner",
            "alice",
            INITIATE,
        ),
        row(|u| u.storage_class(Standard), CLASS, "Standard", INITIATE),
        row(|u| u.storage_class(InfrequentAccess), CLASS, "IA", INITIATE),
        row(|u| u.storage_class(Archive), CLASS, "Archive", INITIATE),
        row(
            |u| u.storage_class(ColdArchive),
            CLASS,
            "ColdArchive",
            INITIATE,
        ),
        row(
            |u| u.storage_class(DeepColdArchive),
            CLASS,
            "DeepColdArchive",
            INITIATE,
        ),
        row(
            |u| u.encryption(Encryption::Aes256),
            METHOD,
            "AES256",
            INITIATE,
        ),
        row(|u| u.encryption(Encryption::Sm4), METHOD, "SM4", INITIATE),
        row(|u| u.encryption(kms(None)), METHOD, "KMS", INITIATE),
        row(
            |u| u.encryption(kms(Some("9468da86"))),
            METHOD,
            "KMS",
            INITIATE,
        ),
        row(
            |u| u.encryption(kms(Some("9468da86"))),
            KEY_ID,
            "9468da86",
            INITIATE,
        ),
        row(
            |u| u.tag("a b", "c/d").tag("e", ""),
            "x-oss-tagging",
            "a%20b=c%2Fd&e",
            INITIATE,
        ),
        row(|u| u.acl(ObjectAcl::Inherited), ACL, "default", COMPLETE),
        row(|u| u.acl(ObjectAcl::Private), ACL, "private", COMPLETE),
        row(
            |u| u.acl(ObjectAcl::PublicRead),
            ACL,
            "public-read",
            COMPLETE,
        ),
        row(
            |u| u.acl(ObjectAcl::PublicReadWrite),
            ACL,
            "public-read-write",
            COMPLETE,
        ),
        row(
            |u| u.forbid_overwrite(),
            "x-oss-forbid-overwrite",
            "true",
            &[Initiate, Complete],
        ),
        row(
            |u| u.request_payer(),
            "x-oss-request-payer",
            "requester",
            &[Initiate, UploadPart, Complete],
        ),
        row(
            |u| u.traffic_limit(819_200),
            "x-oss-traffic-limit",
            "819200",
            &[UploadPart],
        ),
        row(
            |u| u.traffic_limit(838_860_800),
            "x-oss-traffic-limit",
            "838860800",
            &[UploadPart],
        ),
    ]
}

/// The strict server checks each signature, and refuses a header where it does not belong.
#[test]
fn every_setter_reaches_exactly_those_requests_that_want_it() {
    for Row {
        set,
        header: (name, value),
        carriers,
        is_kept,
    } in rows()
    {
        for n_parts in [1, 3] {
            let scene = Scene::with_parts(n_parts);
            let uploaded = set(scene.upload()).run();
            let uploaded = uploaded.unwrap_or_else(|why| panic!("{name}: {value}: {why}"));
            let carriers = if n_parts == 1 { &[PutObject] } else { carriers };
            for request in scene.server.requests() {
                let expected = carriers.contains(&request.operation).then_some(value);
                // Complete has a body of its own, whose type it says.
                let own = (request.operation, name) == (Complete, "content-type");
                let expected = if own {
                    Some("application/xml")
                } else {
                    expected
                };
                assert_eq!(request.header(name), expected, "{name} of {request:?}");
            }
            let object = scene.server.object(BUCKET, KEY).expect("an object");
            let kept = object.headers.get(name).map(String::as_str);
            assert!(!is_kept || kept == Some(value), "{name}: {kept:?}");
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn a_bad_value_is_refused_before_any_request_with_what_would_be_good() {
    let scene = Scene::with_len(3 * PART);
    let cases: [(Set, &str); 9] = [
        (|u| u.traffic_limit(819_199), "819200 to 838860800"),
        (|u| u.traffic_limit(838_860_801), "819200 to 838860800"),
        (
            |u| u.header("x-oss-traffic-limit", "fast"),
            "819200 to 838860800",
        ),
        (
            |u| (0..11).fold(u, |u, n| u.tag(n.to_string(), "")),
            "up to 10 tags, not 11",
        ),
        (|u| u.tag("a", "1").tag("a", "2"), "`a` is given twice"),
        (|u| u.tag("", "1"), "1 to 128"),
        (|u| u.tag("a", "v".repeat(257)), "up to 256"),
        (|u| u.tag("a&b", "1"), "letters, digits, spaces"),
        (
            |u| u.content_type("a").content_type("b"),
            "`content-type` is given twice",
        ),
    ];
    for (set, part_of_reason) in cases {
        let error = set(scene.upload()).run().expect_err(part_of_reason);
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        assert!(error.to_string().contains(part_of_reason), "{error}");
    }
    assert_eq!(scene.server.requests().len(), 0);
    assert!(!scene.checkpoint().exists());
}
