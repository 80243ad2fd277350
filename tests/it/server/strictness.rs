//! What is refused, and how.

use super::client::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oss_upload::local_server::{LocalServer, Operation};
use std::io::Read;

fn server() -> LocalServer {
    LocalServer::start().expect("a server")
}

#[test]
fn both_signature_versions_are_accepted() {
    let server = server();
    for version in [Version::V1, Version::V4] {
        for key in ["a", "备份/ü+ %41?#&=.bin", "dir//..//x", "*'()!~"] {
            let put = put(key, b"data")
                .version(version)
                .header("Content-Type", "text/plain")
                .header("X-Oss-Meta-Two", " b ")
                .header("x-oss-meta-one", "a");
            put.sent_ok(&server);
            assert_eq!(server.object(BUCKET, key).expect("stored").len, 4);
        }
    }
}

#[test]
fn a_wrong_secret_is_a_signature_mismatch_that_explains_itself() {
    let server = server();
    for (version, ec) in [
        (Version::V1, "0002-00000040"),
        (Version::V4, "0002-00000201"),
    ] {
        let mut ask = put("k", b"x").version(version);
        ask.secret = "wrong".into();
        let answer = ask.refused(&server, 403, "SignatureDoesNotMatch");
        assert_eq!(answer.element("EC"), ec);
        assert_eq!(answer.header("x-oss-ec"), Some(ec));
        assert_eq!(answer.element("OSSAccessKeyId"), "local-id");
        assert!(!answer.element("SignatureProvided").is_empty());
        assert!(!answer.element("StringToSign").is_empty());
        assert!(answer.element("StringToSignBytes").contains(' '));
        assert_eq!(server.object(BUCKET, "k").map(|o| o.len), None);
    }
}

#[test]
fn what_was_not_signed_as_sent_is_refused() {
    let server = server();
    for version in [Version::V1, Version::V4] {
        let mut other_path = put("k", b"x").version(version);
        other_path.path = Some(format!("/{BUCKET}/other"));
        other_path.refused(&server, 403, "SignatureDoesNotMatch");

        let head = String::from_utf8(put("k", b"").version(version).head_bytes()).expect("text");
        let mut client = Client::to(&server);
        let forged = head.replace("Host:", "x-oss-meta-forged: 1\r\nHost:");
        client.write_bytes(forged.as_bytes()).expect("written");
        assert_eq!(
            client.read("PUT").expect("an answer").code(),
            "SignatureDoesNotMatch"
        );
    }
}

#[test]
fn the_query_must_be_escaped_on_the_wire_as_it_was_for_signing() {
    let server = server();
    let mut ask = ask("GET", "").query("uploads", "").query("prefix", "a/b");
    ask.sent_ok(&server);
    let head = String::from_utf8(ask.head_bytes()).expect("text");
    let mut client = Client::to(&server);
    client
        .write_bytes(head.replace("a%2Fb", "a/b").as_bytes())
        .expect("written");
    assert_eq!(
        client.read("GET").expect("an answer").code(),
        "SignatureDoesNotMatch"
    );
    ask.version = Version::V1;
    ask.sent_ok(&server);
}

#[test]
fn without_authorization_access_is_denied_unless_allowed() {
    let anonymous = put("k", b"x").version(Version::Anonymous);
    anonymous.refused(&server(), 403, "AccessDenied");
    let open = LocalServer::builder().allow_anonymous(true).start();
    anonymous.sent_ok(&open.expect("a server"));
}

#[test]
fn an_authorization_that_cannot_be_parsed_is_an_invalid_argument() {
    let server = server();
    let scope = "id/20240601/r/oss/aliyun_v4_request";
    for value in [
        "OSS nothing",
        "Bearer x",
        "OSS4-HMAC-SHA256 Signature=s",
        "OSS4-HMAC-SHA256 Credential=id/20240601/r/oss/aws4_request,Signature=s",
        &format!("OSS4-HMAC-SHA256 Credential={scope},AdditionalHeaders=,Signature=s"),
    ] {
        let ask = put("k", b"x").header("Authorization", value);
        ask.refused(&server, 400, "InvalidArgument");
    }
}

#[test]
fn version_4_scopes_must_fit_the_server() {
    let server = server();
    let mut region = put("k", b"x");
    region.region = "cn-beijing".into();
    let answer = region.refused(&server, 400, "InvalidArgument");
    assert_eq!(answer.element("EC"), "0002-00000226");
    let mut prefixed = put("k", b"x");
    prefixed.region = "oss-cn-hangzhou".into();
    let answer = prefixed.refused(&server, 400, "InvalidArgument");
    assert_eq!(answer.element("EC"), "0002-00000228");
    let mut product = put("k", b"x");
    product.product = "s3".into();
    product.refused(&server, 400, "InvalidArgument");

    let hash = put("k", b"x").header("x-oss-content-sha256", &hex(&[0; 32]));
    let answer = hash.refused(&server, 400, "InvalidArgument");
    assert_eq!(answer.element("EC"), "0002-00000214");

    let tomorrow = put("k", b"x").later(86_400).head_bytes();
    let tomorrow = String::from_utf8(tomorrow).expect("text");
    let authorization = tomorrow
        .lines()
        .find_map(|l| l.strip_prefix("Authorization: "));
    let stale = put("k", b"x").header("Authorization", authorization.expect("signed"));
    let answer = stale.refused(&server, 400, "InvalidArgument");
    assert_eq!(answer.element("EC"), "0002-00000212");
}

#[test]
fn a_region_of_ones_own_is_demanded() {
    let server = LocalServer::builder()
        .region("eu-1")
        .start()
        .expect("a server");
    put("k", b"x").refused(&server, 400, "InvalidArgument");
    let mut right = put("k", b"x");
    right.region = "eu-1".into();
    right.sent_ok(&server);
}

#[test]
fn a_date_is_required_and_must_be_well_formed() {
    let server = server();
    let dated = |date| put("k", b"x").version(Version::V1).header("Date", date);
    for date in ["yesterday", "2024-06-01", "Sat, 1 Jun 2024 12:03:04 GMT"] {
        dated(date).refused(&server, 403, "AccessDenied");
    }
    let head = put("k", b"x").version(Version::V1).head_bytes();
    let head = String::from_utf8(head).expect("text");
    let undated: Vec<&str> = head
        .split("\r\n")
        .filter(|l| !l.starts_with("Date"))
        .collect();
    let mut client = Client::to(&server);
    let bytes = format!("{}x", undated.join("\r\n"));
    client.write_bytes(bytes.as_bytes()).expect("written");
    let answer = client.read("PUT").expect("an answer");
    assert_eq!(
        answer.element("Message"),
        "OSS authentication requires a valid Date."
    );
}

#[test]
fn clocks_may_differ_by_fifteen_minutes() {
    let server = server();
    for version in [Version::V1, Version::V4] {
        let ask = put("k", b"x").version(version);
        ask.clone().later(-890).sent_ok(&server);
        ask.clone().later(890).sent_ok(&server);
        for seconds in [-910, 910] {
            let answer = ask
                .clone()
                .later(seconds)
                .refused(&server, 403, "RequestTimeTooSkewed");
            assert_eq!(answer.element("MaxAllowedSkewMilliseconds"), "900000");
            let asked = ask.clone().later(seconds).time;
            let iso = asked.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
            assert_eq!(answer.element("RequestTime"), iso);
            assert!(answer.element("ServerTime").ends_with(".000Z"));
        }
    }
}

#[test]
fn the_servers_clock_can_be_wrong() {
    let server = server();
    server.set_clock_offset(3600);
    let answer = put("k", b"x").refused(&server, 403, "RequestTimeTooSkewed");
    let date = answer.header("date").expect("a date");
    let ahead = put("k", b"x").later(3600);
    // The minute may have changed meanwhile.
    let minutes = [-60, 0].map(|s| ahead.clone().later(s).time);
    let minutes = minutes.map(|time| time.strftime("%a, %d %b %Y %H:%M").to_string());
    assert!(
        minutes.iter().any(|minute| date.starts_with(minute)),
        "{date}"
    );
    ahead.sent_ok(&server);
    server.set_clock_offset(0);
    put("k", b"x").sent_ok(&server);
}

#[test]
fn unknown_key_ids_are_refused() {
    let mut ask = put("k", b"x");
    ask.id = "nobody".into();
    let answer = ask.refused(&server(), 403, "InvalidAccessKeyId");
    assert_eq!(answer.element("EC"), "0002-00000902");
    assert_eq!(answer.element("OSSAccessKeyId"), "nobody");
}

#[test]
fn credentials_of_ones_own_replace_the_default() {
    let server = LocalServer::builder().credentials("me", "mine").start();
    let server = server.expect("a server");
    put("k", b"x").refused(&server, 403, "InvalidAccessKeyId");
    let mut mine = put("k", b"x");
    (mine.id, mine.secret) = ("me".into(), "mine".into());
    mine.sent_ok(&server);
}

#[test]
fn tokens_are_demanded_compared_and_expire() {
    let server = LocalServer::builder()
        .security_token("A")
        .start()
        .expect("a server");
    let with = |token: &str| put("k", b"x").header("x-oss-security-token", token);
    for version in [Version::V1, Version::V4] {
        with("A").version(version).sent_ok(&server);
    }
    put("k", b"x").refused(&server, 403, "InvalidAccessKeyId");
    with("B").refused(&server, 403, "InvalidSecurityToken");
    server.expire_tokens();
    with("A").refused(&server, 403, "SecurityTokenExpired");
    server.set_security_token(Some("C"));
    with("C").sent_ok(&server);
    with("A").refused(&server, 403, "SecurityTokenExpired");
    server.set_security_token(None);
    put("k", b"x").sent_ok(&server);
    with("C").refused(&server, 403, "InvalidSecurityToken");
}

#[test]
fn unknown_methods_and_parameters_are_refused() {
    let server = server();
    ask("PATCH", "k").refused(&server, 405, "MethodNotAllowed");
    get("k")
        .query("torrent", "")
        .refused(&server, 400, "InvalidArgument");
    let twice = initiate("k")
        .query("encoding-type", "url")
        .query("encoding-type", "url");
    twice.refused(&server, 400, "InvalidArgument");
    initiate("k")
        .query("encoding-type", "xml")
        .refused(&server, 400, "InvalidArgument");
    initiate("k")
        .query("sequential", "")
        .refused(&server, 400, "InvalidArgument");
    let lone = put("k", b"x").query("partNumber", "1");
    assert_eq!(
        lone.refused(&server, 400, "InvalidArgument").element("EC"),
        "0017-00000219"
    );
    put("k", b"x")
        .query("uploadId", "i")
        .refused(&server, 400, "InvalidArgument");
    ask("GET", "").refused(&server, 400, "NotImplemented");
    assert_eq!(server.count(Operation::Other), 2);
}

#[test]
fn headers_that_the_server_would_ignore_are_refused() {
    let server = server();
    for name in ["x-oss-copy-source", "x-oss-no-such-thing"] {
        let ask = put("k", b"x").header(name, "1");
        ask.refused(&server, 400, "NotImplemented");
    }
}

#[test]
fn values_of_headers_are_checked() {
    let server = server();
    let many: Vec<String> = (0..11).map(|i| format!("k{i}=v")).collect();
    let long = "x".repeat(8200);
    for (name, value, code) in [
        ("x-oss-storage-class", "Glacier", "InvalidArgument"),
        ("x-oss-object-acl", "public", "InvalidArgument"),
        ("x-oss-forbid-overwrite", "yes", "InvalidArgument"),
        ("x-oss-request-payer", "me", "InvalidArgument"),
        ("x-oss-traffic-limit", "100", "InvalidArgument"),
        (
            "x-oss-server-side-encryption",
            "ROT13",
            "InvalidEncryptionAlgorithmError",
        ),
        (
            "x-oss-server-side-encryption-key-id",
            "id",
            "InvalidArgument",
        ),
        ("x-oss-tagging", "a=b=c", "InvalidArgument"),
        ("x-oss-tagging", "a=1&a=2", "InvalidArgument"),
        ("x-oss-tagging", &many.join("&"), "InvalidArgument"),
        ("x-oss-meta-under_score", "x", "InvalidArgument"),
        ("x-oss-meta-long", &long, "InvalidArgument"),
    ] {
        put("k", b"x")
            .header(name, value)
            .refused(&server, 400, code);
        initiate("k")
            .header(name, value)
            .refused(&server, 400, code);
    }
}

#[test]
fn buckets_must_exist_and_be_named_well() {
    let server = server();
    let mut elsewhere = put("k", b"x");
    elsewhere.bucket = "nowhere".into();
    let answer = elsewhere.refused(&server, 404, "NoSuchBucket");
    assert_eq!(answer.element("BucketName"), "nowhere");
    assert_eq!(answer.element("EC"), "0015-00000101");
    server.create_bucket("nowhere");
    elsewhere.sent_ok(&server);
    for name in ["UPPER", "-a-b", "ab", "a_b", ".."] {
        elsewhere.bucket = name.into();
        elsewhere.refused(&server, 400, "InvalidBucketName");
    }
}

#[test]
fn any_bucket_exists_where_that_is_wanted() {
    let server = LocalServer::builder()
        .any_bucket(true)
        .start()
        .expect("a server");
    let mut ask = put("k", b"x");
    ask.bucket = "some-bucket".into();
    ask.sent_ok(&server);
    ask.bucket = "Bad".into();
    ask.refused(&server, 400, "InvalidBucketName");
}

#[test]
fn keys_must_be_valid() {
    let server = server();
    put(&"k".repeat(1023), b"x").sent_ok(&server);
    for key in ["/k", "\\k", &"k".repeat(1024), &"ü".repeat(512)] {
        put(key, b"x").refused(&server, 400, "InvalidObjectName");
    }
    let mut latin_1 = put("k", b"x");
    latin_1.path = Some(format!("/{BUCKET}/%FC"));
    latin_1.refused(&server, 400, "InvalidObjectName");
}

#[test]
fn a_host_with_a_first_label_names_the_bucket() {
    let server = server();
    for host in [
        "examplebucket.127.0.0.1:80",
        "examplebucket.oss.example.com",
    ] {
        let mut ask = put("dir/k", host.as_bytes());
        (ask.host, ask.path) = (host.into(), Some("/dir/k".into()));
        ask.sent_ok(&server);
        let stored = server.object(BUCKET, "dir/k").expect("stored");
        assert_eq!(stored.bytes().expect("in memory"), host.as_bytes());
    }
    let mut local = put("k", b"x");
    local.host = "localhost:80".into();
    local.sent_ok(&server);
}

#[test]
fn a_body_needs_a_length_or_chunks() {
    let server = server();
    let id = begin(&server, "k");
    for mut ask in [put("k", b""), initiate("k"), part("k", &id, 1, b"")] {
        ask.with_length = false;
        ask.refused(&server, 411, "MissingContentLength");
    }
    let mut chunked = part(
        "k",
        &id,
        1,
        b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
    );
    chunked = chunked.header("Transfer-Encoding", "chunked");
    chunked.sent_ok(&server);
    assert_eq!(server.pending_uploads()[0].parts[0].size, 11);
    let empty = initiate("k")
        .header("Transfer-Encoding", "chunked")
        .body(b"0\r\n\r\n");
    empty.sent_ok(&server);
    for (name, value) in [("Transfer-Encoding", "gzip"), ("Content-Length", "1, 2")] {
        let mut unclear = put("k", b"").header(name, value);
        unclear.with_length = false;
        unclear.refused(&server, 400, "InvalidArgument");
    }
}

#[test]
fn upload_ids_belong_to_their_key() {
    let server = server();
    let id = begin(&server, "k");
    for (key, id) in [("other", &*id), ("k", "0123456789ABCDEF0123456789ABCDEF")] {
        let asks = [
            part(key, id, 1, b"x"),
            get(key).query("uploadId", id),
            complete(key, id, &[(1, "x")]),
            ask("DELETE", key).query("uploadId", id),
        ];
        for ask in asks {
            let answer = ask.refused(&server, 404, "NoSuchUpload");
            assert_eq!(answer.element("UploadId"), id);
            assert_eq!(answer.element("EC"), "0042-00000002");
        }
    }
    part("k", &id, 1, b"x").sent_ok(&server);
}

#[test]
fn part_numbers_go_from_1_to_10000() {
    let server = server();
    let id = begin(&server, "k");
    for number in ["0", "10001", "-1", "one", "65537"] {
        let ask = put("k", b"x")
            .query("partNumber", number)
            .query("uploadId", &id);
        let answer = ask.refused(&server, 400, "InvalidArgument");
        assert_eq!(answer.element("ArgumentName"), "PartNumber");
        assert_eq!(answer.element("ArgumentValue"), number);
        assert_eq!(answer.element("EC"), "0017-00000220");
    }
    for number in [1, 10_000] {
        part("k", &id, number, b"x").sent_ok(&server);
    }
}

#[test]
fn encryption_headers_do_not_belong_to_a_part() {
    let server = server();
    let id = initiate("k").header("x-oss-server-side-encryption", "AES256");
    let id = id.sent_ok(&server).element("UploadId");
    let plain = part("k", &id, 1, b"x");
    plain
        .clone()
        .header("x-oss-server-side-encryption", "AES256")
        .refused(&server, 400, "InvalidArgument");
    let answer = plain.sent_ok(&server);
    assert_eq!(
        answer.header("x-oss-server-side-encryption"),
        Some("AES256")
    );
}

#[test]
fn content_md5_is_checked_and_nothing_stored_when_it_differs() {
    let server = server();
    let id = begin(&server, "k");
    let right = "eB5eJF1ptWaXm4bijSPyxw==";
    for (md5, ec) in [
        ("not base64", "0017-00000502"),
        ("AAAA", "0017-00000502"),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "0017-00000503"),
    ] {
        for ask in [part("k", &id, 1, b"0123456789"), put("k", b"0123456789")] {
            let answer = ask
                .header("Content-MD5", md5)
                .refused(&server, 400, "InvalidDigest");
            assert_eq!(answer.element("EC"), ec);
        }
    }
    assert!(server.pending_uploads()[0].parts.is_empty());
    assert!(server.object(BUCKET, "k").is_none());
    let answer = part("k", &id, 1, b"0123456789")
        .header("Content-MD5", right)
        .sent_ok(&server);
    assert_eq!(answer.header("Content-MD5"), Some(right));
    complete("k", &id, &[(1, &answer.etag())])
        .header("Content-MD5", right)
        .refused(&server, 400, "InvalidDigest");
}

#[test]
fn forbidden_overwrites_are_refused_by_all_three_calls() {
    let server = server();
    let forbid = |ask: Ask| ask.header("x-oss-forbid-overwrite", "true");
    let id = forbid(initiate("k")).sent_ok(&server).element("UploadId");
    let etag = part("k", &id, 1, b"new").sent_ok(&server).etag();
    server.put_object(BUCKET, "k", b"old");
    forbid(initiate("k")).refused(&server, 409, "FileAlreadyExists");
    forbid(put("k", b"x")).refused(&server, 409, "FileAlreadyExists");
    let answer =
        forbid(complete("k", &id, &[(1, &etag)])).refused(&server, 409, "FileAlreadyExists");
    assert_eq!(answer.element("EC"), "0042-00000214");
    assert_eq!(server.object(BUCKET, "k").expect("there").len, 3);
    // The upload is still there, and completes once that is allowed.
    complete("k", &id, &[(1, &etag)]).sent_ok(&server);
    let stored = server.object(BUCKET, "k").expect("there");
    assert_eq!(stored.bytes().expect("in memory"), b"new");
}

#[test]
fn completing_with_anything_but_a_list_of_parts_is_malformed_xml() {
    let server = server();
    let id = begin(&server, "k");
    let one = "<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>";
    let deep = "<a>".repeat(500_000) + &"</a>".repeat(500_000);
    for body in [
        "",
        "no xml",
        "<CompleteMultipartUpload>",
        "<CompleteMultipartUpload/>",
        "<Complete><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></Complete>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        &format!("<CompleteMultipartUpload>{one}<Other/></CompleteMultipartUpload>"),
        &deep,
    ] {
        let answer = complete_with("k", &id, body.as_bytes()).refused(&server, 400, "MalformedXML");
        assert_eq!(answer.element("EC"), "0042-00000205");
    }
    complete_with("k", &id, b"\xff\xfe").refused(&server, 400, "MalformedXML");
    complete("k", &id, &[(0, "x")]).refused(&server, 400, "InvalidArgument");
    complete("k", &id, &[(10_001, "x")]).refused(&server, 400, "InvalidArgument");
}

#[test]
fn parts_must_be_listed_in_ascending_order() {
    let server = server();
    let id = begin(&server, "k");
    let etag = part("k", &id, 1, b"x").sent_ok(&server).etag();
    for numbers in [[2, 1], [1, 1]] {
        let ask = complete("k", &id, &numbers.map(|n| (n, &*etag)));
        let answer = ask.refused(&server, 400, "InvalidPartOrder");
        assert_eq!(answer.element("EC"), "0042-00000209");
    }
}

#[test]
fn a_missing_or_different_part_is_named() {
    let server = server();
    let id = begin(&server, "k");
    let etag = part("k", &id, 1, b"x").sent_ok(&server).etag();
    for (number, sent) in [(1, "0123"), (2, &*etag)] {
        let answer = complete("k", &id, &[(number, sent)]).refused(&server, 400, "InvalidPart");
        assert_eq!(answer.element("PartNumber"), number.to_string());
        assert_eq!(answer.element("ETag"), sent);
        assert_eq!(answer.element("UploadId"), id);
    }
    // Nothing was lost by it.
    complete("k", &id, &[(1, &etag)]).sent_ok(&server);
}

#[test]
fn only_the_last_part_may_be_small() {
    let server = server();
    let id = begin(&server, "k");
    let least = part("k", &id, 1, &pattern(102_400)).sent_ok(&server).etag();
    let small = part("k", &id, 2, &pattern(102_399)).sent_ok(&server).etag();
    let tiny = part("k", &id, 3, b"x").sent_ok(&server).etag();
    let all = [(1, &*least), (2, &*small), (3, &*tiny)];
    let answer = complete("k", &id, &all).refused(&server, 400, "EntityTooSmall");
    assert_eq!(answer.element("EC"), "0042-00000213");
    complete("k", &id, &[(1, &least), (3, &tiny)]).sent_ok(&server);
    assert_eq!(server.object(BUCKET, "k").expect("there").len, 102_401);
}

#[test]
fn a_body_above_five_gibibytes_is_refused_before_it_is_sent() {
    let server = server();
    let id = begin(&server, "k");
    let mut huge = part("k", &id, 1, b"").header("Content-Length", "5368709121");
    huge.with_length = false;
    let answer = huge.refused(&server, 400, "EntityTooLarge");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[test]
fn errors_carry_their_request_id_and_travel_in_a_header_for_head() {
    let server = server();
    let answer = get("none").refused(&server, 404, "NoSuchKey");
    let id = answer.header("x-oss-request-id").expect("an id");
    let is_hex = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
    assert!(id.len() == 24 && id.bytes().all(is_hex), "{id}");
    assert_eq!(answer.element("RequestId"), id);
    assert_eq!(answer.element("HostId"), "127.0.0.1");
    assert_eq!(answer.header("server"), Some("AliyunOSS"));
    let answer = head("none").refused(&server, 404, "NoSuchKey");
    assert_eq!(answer.header("x-oss-ec"), Some("0026-00000001"));
}

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

#[test]
fn a_callback_is_read_strictly_and_nothing_stored_when_it_is_malformed() {
    let server = server();
    let id = begin(&server, "k");
    let etag = part("k", &id, 1, b"x").sent_ok(&server).etag();
    let form = |body: &str| {
        base64(&format!(
            "{{\"callbackUrl\":\"http://127.0.0.1:9\",\"callbackBody\":\"{body}\"}}"
        ))
    };
    let good = form("a=b");
    let refused = |headers: &[(&str, &str)], code: &str, argument: &str| {
        for ask in [put("k", b"x"), complete("k", &id, &[(1, &etag)])] {
            let add = |ask: Ask, (name, value): &(&str, &str)| ask.header(name, value);
            let answer = headers.iter().fold(ask, add).refused(&server, 400, code);
            let names = answer.all("ArgumentName");
            assert_eq!(names.concat(), argument, "{headers:?}");
        }
    };
    for wrong in [
        "not base64",
        &base64("no JSON"),
        &base64("[]"),
        &base64("{\"callbackUrl\":\"http://127.0.0.1\"}"),
        &base64("{\"callbackBody\":\"a=b\"}"),
        &base64("{\"callbackUrl\":\"http://127.0.0.1\",\"callbackBody\":1}"),
        &base64("{\"callbackUrl\":\"http://127.0.0.1\",\"callbackBody\":\"a\",\"other\":1}"),
        &base64("{\"callbackUrl\":\"\",\"callbackBody\":\"a\"}"),
        &base64(
            "{\"callbackUrl\":\"http://127.0.0.1\",\"callbackBody\":\"a\",\"callbackBodyType\":\"text/xml\"}",
        ),
        &form(""),
        &form("${object"),
        &form("${nothing}"),
        &form("${x:unset}"),
        &form(&"v".repeat(4000)),
        &base64(&format!(
            "{{\"callbackUrl\":\"{}\",\"callbackBody\":\"a\"}}",
            ["http://127.0.0.1"; 6].join(";")
        )),
    ] {
        refused(&[("x-oss-callback", wrong)], "InvalidArgument", "callback");
    }
    for wrong in [
        "not base64",
        &base64("[]"),
        &base64("{\"a\":\"1\"}"),
        &base64("{\"x:A\":\"1\"}"),
        &base64("{\"x:a\":1}"),
    ] {
        let headers = [("x-oss-callback", &*good), ("x-oss-callback-var", wrong)];
        refused(&headers, "InvalidArgument", "callback-var");
    }
    let lone = base64("{\"x:a\":\"1\"}");
    refused(
        &[("x-oss-callback-var", &lone)],
        "InvalidArgument",
        "callback-var",
    );
    for elsewhere in [
        "https://127.0.0.1",
        "http://192.0.2.1",
        "http://app.example.com",
    ] {
        let json = format!("{{\"callbackUrl\":\"{elsewhere}\",\"callbackBody\":\"a\"}}");
        refused(&[("x-oss-callback", &base64(&json))], "NotImplemented", "");
    }
    assert!(server.object(BUCKET, "k").is_none());
    assert_eq!(server.pending_uploads().len(), 1);
}

#[test]
fn a_callback_belongs_to_calls_that_make_an_object_and_comes_one_way() {
    let server = server();
    let id = begin(&server, "k");
    let callback = base64("{\"callbackUrl\":\"http://127.0.0.1:9\",\"callbackBody\":\"a=b\"}");
    for ask in [
        initiate("k"),
        part("k", &id, 1, b"x"),
        get("k").query("uploadId", &id),
        get("k"),
        head("k"),
        ask("DELETE", "k"),
    ] {
        for name in ["x-oss-callback", "x-oss-callback-var"] {
            let ask = ask.clone().header(name, &callback);
            ask.refused(&server, 400, "InvalidArgument");
        }
        let ask = ask.query("callback", &callback);
        ask.refused(&server, 400, "InvalidArgument");
    }
    let both = put("k", b"x").header("x-oss-callback", &callback);
    let answer = both
        .query("callback", &callback)
        .refused(&server, 400, "InvalidArgument");
    assert_eq!(answer.element("ArgumentName"), "callback");
    assert!(server.object(BUCKET, "k").is_none());
}

#[test]
fn checks_come_in_order() {
    let server = server();
    // Wrong in every way at once; each mistake that is put right shows the next one.
    let mut wrong = part("/k", "no-id", 1, b"x").later(-5000);
    wrong.bucket = "nowhere".into();
    (wrong.id, wrong.secret, wrong.region) = ("nobody".into(), "bad".into(), "mars".into());
    wrong
        .clone()
        .query("odd", "")
        .refused(&server, 400, "InvalidArgument");
    wrong.refused(&server, 400, "InvalidArgument");
    wrong.region = "cn-hangzhou".into();
    wrong.refused(&server, 403, "RequestTimeTooSkewed");
    wrong.time = ask("GET", "").time;
    wrong.refused(&server, 403, "InvalidAccessKeyId");
    wrong.id = "local-id".into();
    wrong.refused(&server, 403, "SignatureDoesNotMatch");
    wrong.secret = "local-secret".into();
    wrong.refused(&server, 404, "NoSuchBucket");
    wrong.bucket = BUCKET.into();
    wrong.refused(&server, 400, "InvalidObjectName");
    wrong.key = "k".into();
    wrong.refused(&server, 404, "NoSuchUpload");
}

#[test]
fn garbage_is_answered_and_never_a_panic() {
    let server = server();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /examplebucket/k HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /examplebucket/k HTTP/1.1\r\n\r\n",
        b"GET /examplebucket/%zz%?%=%&&=&x HTTP/1.1\r\nHost: [::1\r\n\r\n",
        b"OPTIONS http://h HTTP/1.0\r\nHost:\r\n\r\n",
    ] {
        let mut client = Client::to(&server);
        client.write_bytes(bytes).expect("written");
        let status = client.read("GET").expect("an answer").status;
        assert!((400..500).contains(&status), "{status}");
    }
    let mut client = Client::to(&server);
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000));
    client.write_bytes(long.as_bytes()).expect("written");
    assert_eq!(client.read("GET").expect("an answer").status, 400);
    put("k", b"x").sent_ok(&server);
}

#[test]
fn a_body_that_is_cut_short_stores_nothing() {
    let server = server();
    let id = begin(&server, "k");
    for ask in [part("k", &id, 1, &pattern(1000)), put("k", &pattern(1000))] {
        let mut client = Client::to(&server);
        let bytes = [ask.head_bytes(), pattern(999)].concat();
        client.write_bytes(&bytes).expect("written");
        client
            .stream()
            .shutdown(std::net::Shutdown::Write)
            .expect("shut");
        // The end of the connection says that the server is done with it.
        let mut rest = vec![];
        client.stream().read_to_end(&mut rest).expect("read");
        assert!(rest.is_empty());
        let log = server.requests().pop().expect("noted");
        assert_eq!((log.status, log.body_len), (None, 999));
    }
    assert!(server.pending_uploads()[0].parts.is_empty());
    assert!(server.object(BUCKET, "k").is_none());
}
