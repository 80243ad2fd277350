//! Starting, stopping, going away, coming back, and what tests may do to the store.

use super::client::*;
use crate::support::wait_reached;
use oss_upload::local_server::{Fault, LocalServer, Operation};
use std::io::Read;
use std::net::TcpStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

fn server() -> LocalServer {
    LocalServer::start().expect("a server")
}

#[test]
fn dropping_the_server_ends_idle_half_sent_and_stuck_connections_at_once() {
    let server = server();
    let (hold, gate) = Fault::hold();
    server.fault(hold.key("held"));
    server.fault(Fault::latency(Duration::from_secs(3600)).key("slow"));
    server.fault(Fault::bandwidth(1).key("paced"));
    server.fault(Fault::no_answer().key("silent"));
    server.fault(Fault::stop_reading_after(1).key("stuck"));
    let mut clients = vec![Client::to(&server), Client::to(&server)];
    clients[1].write_bytes(b"PUT /exam").expect("written");
    for key in ["held", "slow", "paced", "silent", "stuck"] {
        let mut client = Client::to(&server);
        client.write(&put(key, &pattern(100))).expect("written");
        clients.push(client);
    }
    wait_reached(&gate, 1);
    let begun = Instant::now();
    let port = server.port();
    drop(server);
    assert!(begun.elapsed() < Duration::from_secs(10));
    for client in clients {
        let mut rest = vec![];
        let _ = client.stream().read_to_end(&mut rest);
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_server_that_went_away_comes_back_with_everything() {
    let server = server();
    let id = begin(&server, "k");
    let etag = part("k", &id, 1, b"x").sent_ok(&server).etag();
    let mut client = Client::to(&server);
    client.ask(&get("none")).expect("an answer");
    server.go_away();
    assert!(client.ask(&get("none")).is_err());
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    server.go_away();
    server.come_back().expect("the port is kept");
    server.come_back().expect("there already");
    complete("k", &id, &[(1, &etag)]).sent_ok(&server);
    assert_eq!(server.count(Operation::UploadPart), 1);
    assert_eq!(server.object(BUCKET, "k").expect("there").len, 1);
}

#[test]
fn a_hook_may_make_the_server_go_away() {
    let server = Arc::new(server());
    let weak = Arc::downgrade(&server);
    let (gone, is_gone) = mpsc::channel();
    server.fault(Fault::run(move |_| {
        weak.upgrade().expect("running").go_away();
        gone.send(()).expect("awaited");
    }));
    assert!(Client::to(&server).ask(&put("k", b"x")).is_err());
    is_gone.recv().expect("the hook came to its end");
    server.clear_faults();
    server.come_back().expect("the port is free");
    put("k", b"x").sent_ok(&server);
}

#[test]
fn objects_in_a_folder_survive_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = || {
        LocalServer::builder()
            .root(folder.path())
            .start()
            .expect("a server")
    };
    let keys = ["../../escape", "..", "a/b", "备份", &"long".repeat(200)];
    let server = start();
    for key in keys {
        put(key, key.as_bytes())
            .header("x-oss-meta-a", "b")
            .sent_ok(&server);
    }
    let id = begin(&server, "multi");
    let etag = part("multi", &id, 1, b"x").sent_ok(&server).etag();
    complete("multi", &id, &[(1, &etag)]).sent_ok(&server);
    server.put_object(BUCKET, "gone", b"x");
    assert!(server.remove_object(BUCKET, "gone"));
    let pending = begin(&server, "pending");
    part("pending", &pending, 1, b"x").sent_ok(&server);
    let heads: Vec<_> = keys.map(|key| head(key).sent_ok(&server).etag()).to_vec();
    drop(server);

    let server = start();
    for (key, etag) in keys.iter().zip(heads) {
        assert_eq!(get(key).sent_ok(&server).body, key.as_bytes());
        let head = head(key).sent_ok(&server);
        assert_eq!(
            (head.header("x-oss-meta-a"), head.etag()),
            (Some("b"), etag)
        );
        assert!(head.header("content-md5").is_some());
    }
    let multi = server.object(BUCKET, "multi").expect("there");
    assert_eq!((multi.parts, multi.etag.ends_with("-1")), (Some(1), true));
    assert!(server.object(BUCKET, "gone").is_none());
    assert!(server.pending_uploads().is_empty());
    let plain = folder.path().join(BUCKET).join("a%2Fb");
    assert_eq!(std::fs::read(plain).expect("a file"), b"a/b");
}

#[test]
fn tests_see_and_change_the_store() {
    let server = server();
    assert!(server.object(BUCKET, "k").is_none());
    server.put_object(BUCKET, "k", b"0123456789");
    let object = server.object(BUCKET, "k").expect("there");
    assert_eq!(object.crc64, 2_838_902_930_144_391_966);
    assert_eq!(object.etag, "781E5E245D69B566979B86E28D23F2C7");
    let sha256 = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    assert_eq!(hex(&object.sha256().expect("in memory")), sha256);
    assert!(server.remove_object(BUCKET, "k"));
    assert!(!server.remove_object(BUCKET, "k"));

    let id = begin(&server, "k");
    let etag = part("k", &id, 3, b"0123456789").sent_ok(&server).etag();
    let pending = server.pending_uploads();
    assert_eq!((&*pending[0].bucket, &*pending[0].key), (BUCKET, "k"));
    assert_eq!(pending[0].upload_id, id);
    let part = &pending[0].parts[0];
    assert_eq!((part.number, part.size, &part.etag), (3, 10, &etag));
    assert_eq!(part.crc64, 2_838_902_930_144_391_966);
    assert!(server.drop_part(&id, 3) && !server.drop_part(&id, 3));
    complete("k", &id, &[(3, &etag)]).refused(&server, 400, "InvalidPart");
    assert!(server.drop_upload(&id) && !server.drop_upload(&id));
    get("k")
        .query("uploadId", &id)
        .refused(&server, 404, "NoSuchUpload");
}

#[test]
fn a_fixed_port_is_taken_and_a_taken_one_is_an_error() {
    let first = server();
    let port = first.port();
    assert_eq!(first.endpoint(), format!("http://127.0.0.1:{port}"));
    assert!(LocalServer::builder().port(port).start().is_err());
    drop(first);
    let second = LocalServer::builder()
        .port(port)
        .start()
        .expect("free again");
    assert_eq!(second.port(), port);
}

#[test]
fn only_the_buckets_that_were_named_exist() {
    let server = LocalServer::builder()
        .bucket("one-bucket")
        .bucket("two-bucket")
        .start();
    let server = server.expect("a server");
    put("k", b"x").refused(&server, 404, "NoSuchBucket");
    for name in ["one-bucket", "two-bucket"] {
        let mut ask = put("k", b"x");
        ask.bucket = name.into();
        ask.sent_ok(&server);
    }
}

#[test]
fn http_1_0_and_connection_close_end_the_connection() {
    let server = server();
    let mut client = Client::to(&server);
    let answer = client.ask(&get("none").header("Connection", "close"));
    assert_eq!(
        answer.expect("an answer").header("connection"),
        Some("close")
    );
    assert_eq!(client.stream().read(&mut [0]).expect("the end"), 0);
}
