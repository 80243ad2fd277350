//! The calls, as OSS answers them.

use super::client::*;
use oss_upload::local_server::{LocalServer, Operation};

fn server() -> LocalServer {
    LocalServer::start().expect("a server")
}

/// A server in memory and one in a folder.
fn servers() -> Vec<(LocalServer, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let in_files = LocalServer::builder().root(folder.path()).start();
    vec![
        (server(), None),
        (in_files.expect("a server"), Some(folder)),
    ]
}

#[test]
fn ten_parts_make_the_published_object() {
    for (server, _folder) in servers() {
        let whole = pattern(1_000_000);
        let id = begin(&server, "备份/o");
        let mut etags = vec![];
        for (i, bytes) in whole.chunks(102_400).enumerate() {
            let ask = part("备份/o", &id, i as u16 + 1, bytes);
            etags.push(ask.sent_ok(&server).etag());
        }
        assert_eq!(etags[0], "1A0F81547E5BA2E9C4A4B94A74731993");
        let listed: Vec<_> = (1..).zip(etags.iter().map(|e| &**e)).collect();
        let ask = complete("备份/o", &id, &listed).query("encoding-type", "url");
        let answer = ask.sent_ok(&server);
        assert_eq!(
            answer.header("x-oss-hash-crc64ecma"),
            Some("17584420459868994622")
        );
        assert_eq!(answer.etag(), "9D3DE146D3DF372BCBA1210BEF25CA57-10");
        assert_eq!(answer.element("Key"), escape("备份/o"));
        assert_eq!(answer.element("ETag").trim_matches('"'), answer.etag());
        assert!(server.pending_uploads().is_empty());

        let object = server.object(BUCKET, "备份/o").expect("there");
        assert_eq!(object.bytes().expect("readable"), whole);
        assert_eq!((object.len, object.parts), (1_000_000, Some(10)));
        assert_eq!(object.crc64, 17_584_420_459_868_994_622);
        let got = get("备份/o").sent_ok(&server);
        assert_eq!(got.body, whole);
        let head = head("备份/o").sent_ok(&server);
        assert_eq!(head.header("x-oss-object-type"), Some("Multipart"));
        assert_eq!(head.header("content-length"), Some("1000000"));
        assert_eq!(head.header("content-md5"), None);
        complete("备份/o", &id, &listed).refused(&server, 404, "NoSuchUpload");
    }
}

#[test]
fn put_objects_come_back_with_their_checksums() {
    for (server, _folder) in servers() {
        let answer = put("k", b"0123456789").sent_ok(&server);
        assert_eq!(answer.etag(), "781E5E245D69B566979B86E28D23F2C7");
        assert_eq!(
            answer.header("x-oss-hash-crc64ecma"),
            Some("2838902930144391966")
        );
        assert_eq!(
            answer.header("content-md5"),
            Some("eB5eJF1ptWaXm4bijSPyxw==")
        );
        let head = head("k").sent_ok(&server);
        assert_eq!(head.header("x-oss-object-type"), Some("Normal"));
        assert_eq!(
            head.header("x-oss-hash-crc64ecma"),
            Some("2838902930144391966")
        );
        assert!(head.header("last-modified").is_some());
        let empty = put("empty", b"").sent_ok(&server);
        assert_eq!(empty.etag(), "D41D8CD98F00B204E9800998ECF8427E");
        assert_eq!(empty.header("x-oss-hash-crc64ecma"), Some("0"));
        assert_eq!(get("empty").sent_ok(&server).body, b"");
    }
}

#[test]
fn metadata_of_initiate_and_the_acl_of_complete_land_on_the_object() {
    for (server, _folder) in servers() {
        let stored = [
            ("Content-Type", "text/plain"),
            ("Cache-Control", "no-cache"),
            ("Content-Disposition", "attachment"),
            ("Content-Encoding", "gzip"),
            ("Expires", "Wed, 28 Dec 2022 10:27:41 GMT"),
            ("x-oss-meta-Mixed-Case", "v v"),
            ("x-oss-storage-class", "IA"),
        ];
        let mut ask = initiate("k").header("x-oss-tagging", "a=1&b=2");
        for (name, value) in stored {
            ask = ask.header(name, value);
        }
        let id = ask.sent_ok(&server).element("UploadId");
        let etag = part("k", &id, 1, b"x").sent_ok(&server).etag();
        complete("k", &id, &[(1, &etag)])
            .header("x-oss-object-acl", "public-read")
            .header("Content-Type", "application/xml")
            .sent_ok(&server);
        let (head, got) = (head("k").sent_ok(&server), get("k").sent_ok(&server));
        let object = server.object(BUCKET, "k").expect("there");
        for (name, value) in stored {
            assert_eq!(head.header(name), Some(value));
            assert_eq!(got.header(name), Some(value));
            assert_eq!(object.headers[&name.to_lowercase()], value);
        }
        assert_eq!(head.header("x-oss-tagging-count"), Some("2"));
        assert_eq!(object.headers["x-oss-object-acl"], "public-read");
        put("plain", b"x").sent_ok(&server);
        let plain = &server.object(BUCKET, "plain").expect("there").headers;
        assert_eq!(plain["content-type"], "application/octet-stream");
    }
}

#[test]
fn the_old_object_stays_until_complete_succeeds() {
    for (server, _folder) in servers() {
        server.put_object(BUCKET, "k", b"old");
        let id = begin(&server, "k");
        let etag = part("k", &id, 1, b"new").sent_ok(&server).etag();
        complete("k", &id, &[(1, "wrong")]).refused(&server, 400, "InvalidPart");
        assert_eq!(get("k").sent_ok(&server).body, b"old");
        complete("k", &id, &[(1, &etag)]).sent_ok(&server);
        assert_eq!(get("k").sent_ok(&server).body, b"new");
    }
}

#[test]
fn a_part_sent_again_replaces_the_first() {
    for (server, _folder) in servers() {
        let id = begin(&server, "k");
        let first = part("k", &id, 1, b"first").sent_ok(&server).etag();
        let second = part("k", &id, 1, b"second").sent_ok(&server).etag();
        complete("k", &id, &[(1, &first)]).refused(&server, 400, "InvalidPart");
        let quoted = format!("&quot;{}&#34;", second.to_lowercase());
        complete("k", &id, &[(1, &quoted)]).sent_ok(&server);
        assert_eq!(get("k").sent_ok(&server).body, b"second");
    }
}

#[test]
fn complete_all_takes_what_is_there_and_no_list() {
    let server = server();
    let id = begin(&server, "k");
    let all = |body: &[u8]| complete_with("k", &id, body).header("x-oss-complete-all", "yes");
    all(b"").refused(&server, 400, "InvalidArgument");
    part("k", &id, 3, b"x").sent_ok(&server);
    let answer = all(b"<x/>").refused(&server, 400, "InvalidArgument");
    assert_eq!(answer.element("EC"), "0042-00000216");
    all(b"").sent_ok(&server);
    assert_eq!(server.object(BUCKET, "k").expect("there").len, 1);
}

#[test]
fn an_aborted_upload_is_gone() {
    for (server, folder) in servers() {
        let id = begin(&server, "k");
        part("k", &id, 1, b"x").sent_ok(&server);
        let abort = ask("DELETE", "k").query("uploadId", &id);
        assert_eq!(abort.sent_ok(&server).status, 204);
        abort.refused(&server, 404, "NoSuchUpload");
        if let Some(folder) = folder {
            let parts = std::fs::read_dir(folder.path().join(".parts"));
            assert_eq!(parts.expect("a folder").count(), 0);
        }
    }
}

#[test]
fn parts_are_listed_page_by_page() {
    let server = server();
    let id = begin(&server, "a b");
    for number in [1, 7, 9] {
        part("a b", &id, number, b"0123456789").sent_ok(&server);
    }
    let list = || {
        get("a b")
            .query("uploadId", &id)
            .query("encoding-type", "url")
    };
    let page = list().query("max-parts", "2").sent_ok(&server);
    assert_eq!(page.all("PartNumber"), ["1", "7"]);
    assert_eq!(page.element("IsTruncated"), "true");
    assert_eq!(page.element("NextPartNumberMarker"), "7");
    assert_eq!(page.element("Key"), "a%20b");
    assert_eq!(page.all("HashCrc64ecma"), ["2838902930144391966"; 2]);
    assert_eq!(page.all("Size"), ["10", "10"]);
    assert_eq!(
        page.all("ETag"),
        ["\"781E5E245D69B566979B86E28D23F2C7\""; 2]
    );
    let rest = list().query("part-number-marker", "7").sent_ok(&server);
    assert_eq!(rest.all("PartNumber"), ["9"]);
    assert_eq!(rest.element("IsTruncated"), "false");
    assert_eq!(rest.element("MaxParts"), "1000");
    for (name, value) in [
        ("max-parts", "0"),
        ("max-parts", "1001"),
        ("part-number-marker", "x"),
    ] {
        list()
            .query(name, value)
            .refused(&server, 400, "InvalidArgument");
    }
}

#[test]
fn uploads_are_listed_page_by_page() {
    let server = server();
    let mut ids: Vec<(&str, String)> = ["b", "a/1", "a/2", "a/2"]
        .map(|key| (key, begin(&server, key)))
        .to_vec();
    ids.sort();
    let list = || {
        ask("GET", "")
            .query("uploads", "")
            .query("encoding-type", "url")
    };
    let (mut key, mut id, mut found) = (String::new(), String::new(), vec![]);
    loop {
        let ask = list().query("max-uploads", "1");
        let ask = ask.query("key-marker", &key).query("upload-id-marker", &id);
        let page = ask.sent_ok(&server);
        found.extend(page.all("UploadId"));
        key = page.element("NextKeyMarker").replace("%2F", "/");
        id = page.element("NextUploadIdMarker");
        if page.element("IsTruncated") == "false" {
            break;
        }
    }
    let wanted: Vec<String> = ids.into_iter().map(|(_, id)| id).collect();
    assert_eq!(found, wanted);

    let page = list().query("prefix", "a/").sent_ok(&server);
    assert_eq!(page.all("Key"), ["a%2F1", "a%2F2", "a%2F2"]);
    let page = list()
        .query("delimiter", "/")
        .query("max-uploads", "1")
        .sent_ok(&server);
    assert_eq!(page.element("CommonPrefixes"), "<Prefix>a%2F</Prefix>");
    assert_eq!(page.element("IsTruncated"), "true");
    // A marker of ids alone is ignored.
    let page = list()
        .query("upload-id-marker", &wanted[3])
        .sent_ok(&server);
    assert_eq!(page.all("UploadId").len(), 4);
    list()
        .query("max-uploads", "0")
        .refused(&server, 400, "InvalidArgument");
}

#[test]
fn ranges_are_served() {
    for (server, _folder) in servers() {
        let id = begin(&server, "k");
        let a = part("k", &id, 1, &pattern(102_400)).sent_ok(&server);
        let b = part("k", &id, 2, b"tail").sent_ok(&server).etag();
        complete("k", &id, &[(1, &a.etag()), (2, &b)]).sent_ok(&server);
        let got = get("k")
            .header("Range", "bytes=102398-102401")
            .sent_ok(&server);
        assert_eq!(
            (got.status, &*got.body),
            (206, &[&pattern(102_400)[102_398..], b"ta"].concat()[..])
        );
        assert_eq!(
            got.header("content-range"),
            Some("bytes 102398-102401/102404")
        );
        assert_eq!(
            get("k").header("Range", "bytes=-2").sent_ok(&server).body,
            b"il"
        );
        let odd = get("k").header("Range", "bytes=999999-");
        assert_eq!(odd.sent_ok(&server).status, 200);
        odd.header("x-oss-range-behavior", "standard")
            .refused(&server, 416, "InvalidRange");
    }
}

#[test]
fn deleting_says_204_whether_or_not_there_was_something() {
    for (server, _folder) in servers() {
        server.put_object(BUCKET, "k", b"x");
        for _ in 0..2 {
            assert_eq!(ask("DELETE", "k").sent_ok(&server).status, 204);
        }
        get("k").refused(&server, 404, "NoSuchKey");
        head("k").refused(&server, 404, "NoSuchKey");
    }
}

#[test]
fn object_meta_is_the_brief_head() {
    let server = server();
    server.put_object(BUCKET, "k", b"0123456789");
    let answer = head("k").query("objectMeta", "").sent_ok(&server);
    assert_eq!(answer.header("content-length"), Some("10"));
    assert_eq!(
        answer.header("x-oss-hash-crc64ecma"),
        Some("2838902930144391966")
    );
    assert_eq!(answer.header("content-type"), None);
}

#[test]
fn expecting_clients_are_told_to_continue_or_not_to() {
    let server = server();
    let mut client = Client::to(&server);
    let fine = put("k", b"body").header("Expect", "100-continue");
    client.write_bytes(&fine.head_bytes()).expect("written");
    let mut interim = [0; 25];
    std::io::Read::read_exact(&mut client.stream(), &mut interim).expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_bytes(b"body").expect("written");
    assert_eq!(client.read("PUT").expect("an answer").status, 200);

    let refused = part("k", "none", 1, b"body").header("Expect", "100-continue");
    client.write_bytes(&refused.head_bytes()).expect("written");
    let answer = client.read("PUT").expect("an answer");
    assert_eq!((answer.status, answer.interim.len()), (404, 0));
    assert_eq!(answer.header("connection"), Some("close"));
}

#[test]
fn requests_are_noted_in_order_with_what_came() {
    let server = server();
    let id = begin(&server, "k");
    let mut client = Client::to(&server);
    for number in [2, 1] {
        let ask = part("k", &id, number, &pattern(500));
        client.ask(&ask).expect("an answer");
    }
    get("none").send(&server);
    let log = server.requests();
    let seen: Vec<_> = log
        .iter()
        .map(|r| (r.operation, r.part_number, r.status))
        .collect();
    let expected = [
        (Operation::InitiateMultipartUpload, None, Some(200)),
        (Operation::UploadPart, Some(2), Some(200)),
        (Operation::UploadPart, Some(1), Some(200)),
        (Operation::GetObject, None, Some(404)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(log[1].upload_id.as_deref(), Some(&*id));
    assert_eq!(
        (&*log[1].method, &*log[1].path),
        ("PUT", "/examplebucket/k")
    );
    assert_eq!(log[1].query[0], ("partNumber".to_owned(), "2".to_owned()));
    assert_eq!(log[1].header("content-length"), Some("500"));
    assert_eq!((log[1].body_len, log[1].fault), (500, false));
    assert_eq!(log[1].connection, log[2].connection);
    assert_ne!(log[0].connection, log[1].connection);
    assert_eq!(server.count(Operation::UploadPart), 2);
    server.forget_requests();
    assert!(server.requests().is_empty());
}

#[test]
fn discarded_bodies_are_checksummed_and_not_kept() {
    let server = LocalServer::builder()
        .discard_bodies(true)
        .start()
        .expect("a server");
    let id = begin(&server, "k");
    let a = part("k", &id, 1, &pattern(102_400)).sent_ok(&server);
    assert_eq!(
        a.header("x-oss-hash-crc64ecma"),
        Some("5409316634556368277")
    );
    assert_eq!((a.etag().len(), a.header("content-md5")), (32, None));
    let b = part("k", &id, 2, b"x").sent_ok(&server);
    complete("k", &id, &[(1, &a.etag()), (2, &b.etag())]).sent_ok(&server);
    let object = server.object(BUCKET, "k").expect("there");
    assert_eq!(object.len, 102_401);
    let error = object.bytes().expect_err("discarded");
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert_eq!(get("k").send(&server).status, 500);
    // MD5 is still checked for those who ask.
    let wrong = put("k", b"x").header("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==");
    wrong.refused(&server, 400, "InvalidDigest");

    let blind = LocalServer::builder()
        .discard_bodies(true)
        .checksum_bodies(false)
        .start();
    let answer = put("k", b"x").sent_ok(&blind.expect("a server"));
    assert_eq!(answer.header("x-oss-hash-crc64ecma"), None);
}
