//! Every fault does what it says, to whom it says, as often as it says.

use super::client::*;
use crate::support::wait_reached;
use oss_upload::local_server::{Fault, FaultHandle, LocalServer, Operation};
use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

fn server() -> LocalServer {
    LocalServer::start().expect("a server")
}

fn with(fault: Fault) -> (LocalServer, FaultHandle) {
    let server = server();
    let handle = server.fault(fault);
    (server, handle)
}

/// Everything that comes until the connection ends.
fn read_all(client: &Client) -> Result<String, ErrorKind> {
    let mut bytes = vec![];
    match client.stream().read_to_end(&mut bytes) {
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(error.kind()),
    }
}

fn is_stored(server: &LocalServer) -> bool {
    server.object(BUCKET, "k").is_some()
}

#[test]
fn status_answers_an_error_and_does_nothing() {
    let fault = Fault::status(503, "ServiceUnavailable")
        .retry_after(7)
        .message("later");
    let (server, handle) = with(fault);
    let mut client = Client::to(&server);
    let answer = client.ask(&put("k", &pattern(300_000))).expect("an answer");
    assert_eq!(
        (answer.status, &*answer.code()),
        (503, "ServiceUnavailable")
    );
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(answer.element("Message"), "later");
    assert!(!is_stored(&server));
    // The connection stays usable, and HEAD gets the error in a header.
    let answer = client.ask(&head("k")).expect("an answer");
    assert_eq!(
        (answer.status, &*answer.code()),
        (503, "ServiceUnavailable")
    );
    assert_eq!(handle.hits(), 2);
    let log = server.requests();
    assert!(log[0].fault && log[0].connection == log[1].connection);
    assert_eq!((log[0].status, log[0].body_len), (Some(503), 300_000));
}

#[test]
fn deny_answers_access_denied() {
    let (server, _) = with(Fault::deny());
    put("k", b"x").refused(&server, 403, "AccessDenied");
}

#[test]
fn answer_sends_any_body() {
    let (server, _) = with(Fault::answer(502, "text/html", "<html>bad gateway"));
    let answer = put("k", b"x").send(&server);
    assert_eq!(
        (answer.status, &*answer.body),
        (502, &b"<html>bad gateway"[..])
    );
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert_eq!(head("k").send(&server).status, 502);
    assert!(!is_stored(&server));
}

#[test]
fn early_answer_comes_before_the_body_is_read() {
    let (server, _) = with(Fault::early_answer(403, "AccessDenied"));
    let mut client = Client::to(&server);
    let ask = put("k", &pattern(1000));
    client.write_bytes(&ask.head_bytes()).expect("written");
    let answer = client.read("PUT").expect("an answer");
    assert_eq!((answer.status, &*answer.code()), (403, "AccessDenied"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(read_all(&client).as_deref(), Ok(""));
    assert_eq!(server.requests()[0].body_len, 0);
}

#[test]
fn reset_after_resets() {
    let (server, _) = with(Fault::reset_after(1000));
    for len in [1000, 10, 100_000] {
        let mut client = Client::to(&server);
        // A reset may come while the rest is still being written.
        let _ = client.write(&put("k", &pattern(len)));
        assert_eq!(read_all(&client), Err(ErrorKind::ConnectionReset));
        let log = server.requests().pop().expect("noted");
        assert_eq!((log.status, log.body_len), (None, len.min(1000) as u64));
    }
    assert!(!is_stored(&server));
}

#[test]
fn close_after_closes_without_a_reset() {
    let (server, _) = with(Fault::close_after(1000));
    for len in [1000, 10, 100_000] {
        let mut client = Client::to(&server);
        client.write(&put("k", &pattern(len))).expect("written");
        assert_eq!(read_all(&client).as_deref(), Ok(""));
        let log = server.requests().pop().expect("noted");
        assert_eq!((log.status, log.body_len), (None, len.min(1000) as u64));
    }
    assert!(!is_stored(&server));
}

#[test]
fn no_answer_reads_everything_and_keeps_silent() {
    let (server, handle) = with(Fault::no_answer());
    let mut client = Client::to(&server);
    client
        .write(&put("k", &pattern(1_000_000)))
        .expect("written");
    let patience = Some(Duration::from_millis(100));
    client
        .stream()
        .set_read_timeout(patience)
        .expect("a timeout");
    let error = client.read("PUT").err().expect("no answer");
    assert!(matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    assert_eq!(server.requests()[0].body_len, 1_000_000);
    assert_eq!(handle.hits(), 1);
    assert!(!is_stored(&server));
}

#[test]
fn stop_reading_after_lets_the_client_run_into_a_wall() {
    let server = LocalServer::builder()
        .receive_buffer(8192)
        .start()
        .expect("a server");
    server.fault(Fault::stop_reading_after(10_000));
    let mut client = Client::to(&server);
    let ask = put("k", &pattern(50_000_000));
    let patience = Some(Duration::from_millis(200));
    client
        .stream()
        .set_write_timeout(patience)
        .expect("a timeout");
    let error = client.write(&ask).expect_err("a wall");
    assert!(matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    assert_eq!(server.requests()[0].body_len, 10_000);
}

/// How much a client can send to a server that does not read: what the buffers of both sides hold.
fn taken_unread(receive_buffer: usize) -> usize {
    let server = LocalServer::builder().receive_buffer(receive_buffer);
    let server = server.start().expect("a server");
    server.fault(Fault::stop_reading_after(0));
    let client = Client::to(&server);
    let patience = Some(Duration::from_millis(200));
    client
        .stream()
        .set_write_timeout(patience)
        .expect("a timeout");
    let bytes = [
        put("k", &pattern(20_000_000)).head_bytes(),
        pattern(20_000_000),
    ]
    .concat();
    let mut taken = 0;
    while let Ok(n) = client.stream().write(&bytes[taken..]) {
        taken += n;
    }
    taken
}

#[test]
fn a_small_receive_buffer_makes_a_slow_server_slow_down_the_client() {
    let (small, large) = (taken_unread(4096), taken_unread(4 << 20));
    assert!(small + 100_000 < large, "{small} {large}");
}

#[test]
fn lose_answer_does_the_work_and_says_nothing() {
    let (server, _) = with(Fault::lose_answer());
    let mut client = Client::to(&server);
    client.write(&put("k", b"x")).expect("written");
    assert_eq!(read_all(&client).as_deref(), Ok(""));
    assert!(is_stored(&server));
    assert_eq!(server.requests()[0].status, None);
}

#[test]
fn cut_answer_does_the_work_and_says_half_of_it() {
    let (server, _) = with(Fault::cut_answer(20));
    let mut client = Client::to(&server);
    client.write(&put("k", b"x")).expect("written");
    assert_eq!(read_all(&client).as_deref(), Ok("HTTP/1.1 200 OK\r\nETa"));
    assert!(is_stored(&server));
    assert_eq!(server.requests()[0].status, None);
}

#[test]
fn checksums_of_answers_can_be_wrong_or_missing() {
    let right = "2838902930144391966";
    let header = |fault: Fault, name: &str| {
        let (server, _) = with(fault);
        let answer = put("k", b"0123456789").sent_ok(&server);
        assert!(is_stored(&server));
        answer.header(name).map(str::to_owned)
    };
    let wrong = header(Fault::wrong_crc(), "x-oss-hash-crc64ecma").expect("a CRC");
    assert_ne!(wrong, right);
    assert!(wrong.parse::<u64>().is_ok());
    assert_eq!(header(Fault::no_crc(), "x-oss-hash-crc64ecma"), None);
    assert_eq!(header(Fault::no_crc(), "etag").map(|e| e.len()), Some(34));
    assert_eq!(header(Fault::no_etag(), "etag"), None);
    let replaced = header(Fault::replace_answer_header("eTag", "x"), "ETag");
    assert_eq!(replaced.as_deref(), Some("x"));
}

#[test]
fn an_answer_may_lie_about_its_length() {
    let replaced = |value| Fault::replace_answer_header("Content-Length", value);
    let added = |value| Fault::add_answer_header("content-length", value);
    let chunked = || Fault::add_answer_header("Transfer-Encoding", "chunked");
    for (faults, said, body) in [
        (
            vec![replaced("2")],
            &["Content-Length: 2"][..],
            "0123456789",
        ),
        (vec![replaced("-1")], &["Content-Length: -1"], "0123456789"),
        (
            vec![added("10"), added("12")],
            &["content-length: 10", "content-length: 12"],
            "0123456789",
        ),
        (
            vec![replaced("10"), chunked(), Fault::chunked_answer()],
            &["Content-Length: 10", "Transfer-Encoding: chunked"],
            "a\r\n0123456789\r\n0\r\n\r\n",
        ),
    ] {
        let server = server();
        server.put_object(BUCKET, "k", b"0123456789");
        for fault in faults {
            server.fault(fault);
        }
        let mut client = Client::to(&server);
        let ask = get("k").header("Connection", "close");
        client.write(&ask).expect("written");
        let answer = read_all(&client).expect("an answer");
        let (head, rest) = answer.split_once("\r\n\r\n").expect("a head");
        let of_length = |line: &&str| {
            let line = line.to_lowercase();
            line.starts_with("content-length") || line.starts_with("transfer-encoding")
        };
        assert_eq!(head.lines().filter(of_length).collect::<Vec<_>>(), said);
        assert_eq!(rest, body);
    }
}

#[test]
fn flip_byte_damages_what_is_stored_and_checksummed() {
    let (server, _) = with(Fault::flip_byte(700_000).part(1));
    let id = begin(&server, "k");
    let sent = pattern(1_000_000);
    let answer = part("k", &id, 1, &sent).sent_ok(&server);
    let intact = part("k", &id, 2, &sent).sent_ok(&server);
    assert_eq!(
        intact.header("x-oss-hash-crc64ecma"),
        Some("17584420459868994622")
    );
    assert_ne!(
        answer.header("x-oss-hash-crc64ecma"),
        intact.header("x-oss-hash-crc64ecma")
    );
    complete("k", &id, &[(1, &answer.etag())]).sent_ok(&server);
    let stored = server
        .object(BUCKET, "k")
        .expect("there")
        .bytes()
        .expect("in memory");
    let differing: Vec<_> = (0..sent.len()).filter(|i| sent[*i] != stored[*i]).collect();
    assert_eq!(differing, [700_000]);
    // Who sends Content-MD5 learns of it.
    let md5 = "eB5eJF1ptWaXm4bijSPyxw==";
    server.fault(Fault::flip_byte(3).key("checked"));
    let ask = put("checked", b"0123456789").header("Content-MD5", md5);
    ask.refused(&server, 400, "InvalidDigest");
}

#[test]
fn latency_and_bandwidth_take_their_time() {
    let (server, _) = with(Fault::latency(Duration::from_millis(60)));
    server.fault(Fault::latency(Duration::from_millis(60)));
    let begun = Instant::now();
    put("k", b"x").sent_ok(&server);
    assert!(begun.elapsed() >= Duration::from_millis(120));

    let (server, _) = with(Fault::bandwidth(1_000_000));
    server.fault(Fault::bandwidth(9_000_000));
    let begun = Instant::now();
    put("k", &pattern(200_000)).sent_ok(&server);
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[test]
fn trickle_answer_sends_every_byte_in_the_end() {
    let (server, _) = with(Fault::trickle_answer(Duration::from_micros(100)));
    let mut client = Client::to(&server);
    client.write(&put("k", b"x")).expect("written");
    let mut first = [0];
    client.stream().read_exact(&mut first).expect("a byte");
    assert_eq!(&first, b"H");
    // What is left of the status line still names the status.
    let answer = client.read("PUT").expect("the rest of it");
    assert_eq!(answer.status, 200);
    assert!(answer.header("etag").is_some());
}

#[test]
fn forget_upload_and_lose_part_hit_the_upload_that_is_named() {
    let server = server();
    let (id, other) = (begin(&server, "k"), begin(&server, "k"));
    let etag = part("k", &id, 1, b"x").sent_ok(&server).etag();
    let lose = server.fault(
        Fault::lose_part(1)
            .on(Operation::CompleteMultipartUpload)
            .times(1),
    );
    complete("k", &id, &[(1, &etag)]).refused(&server, 400, "InvalidPart");
    assert_eq!(lose.hits(), 1);
    server.fault(Fault::forget_upload().on(Operation::UploadPart).times(1));
    part("k", &id, 2, b"x").refused(&server, 404, "NoSuchUpload");
    part("k", &other, 2, b"x").sent_ok(&server);
    assert_eq!(server.pending_uploads().len(), 1);
}

#[test]
fn chunked_and_informational_answers_say_the_same() {
    let (server, _) = with(Fault::chunked_answer());
    server.fault(Fault::informational_first());
    server.put_object(BUCKET, "k", &pattern(300_000));
    let answer = get("k").sent_ok(&server);
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!((answer.body, answer.interim), (pattern(300_000), vec![100]));
    assert_eq!(initiate("k").sent_ok(&server).element("Bucket"), BUCKET);
    let head = head("k").sent_ok(&server);
    assert_eq!(head.header("content-length"), Some("300000"));
    ask("DELETE", "k").sent_ok(&server);
}

#[test]
fn close_after_answer_silently_breaks_its_promise() {
    let (server, _) = with(Fault::close_after_answer_silently());
    let mut client = Client::to(&server);
    let answer = client.ask(&put("k", b"x")).expect("an answer");
    assert_eq!(answer.header("connection"), Some("keep-alive"));
    assert_eq!(read_all(&client).as_deref(), Ok(""));
}

#[test]
fn run_calls_between_reading_and_doing() {
    let server = Arc::new(server());
    let seen = Arc::new(Mutex::new(vec![]));
    let (weak, notes) = (Arc::downgrade(&server), Arc::clone(&seen));
    let hook = move |log: &oss_upload::local_server::RequestLog| {
        let is_stored = is_stored(&weak.upgrade().expect("running"));
        notes
            .lock()
            .expect("a lock")
            .push((log.operation, log.body_len, is_stored));
    };
    server.fault(Fault::run(hook));
    put("k", b"four").sent_ok(&server);
    let seen = seen.lock().expect("a lock");
    assert_eq!(*seen, [(Operation::PutObject, 4, false)]);
}

#[test]
fn run_is_called_in_the_middle_of_a_body_where_another_fault_breaks_it_off() {
    for fault in [
        Fault::reset_after,
        Fault::close_after,
        Fault::stop_reading_after,
    ] {
        let server = server();
        let (sender, seen) = mpsc::channel();
        server.fault(Fault::run(move |log| {
            let _ = sender.send(log.body_len);
        }));
        server.fault(fault(1000));
        let mut client = Client::to(&server);
        // It may be cut short while it still writes.
        let _ = client.write(&put("k", &pattern(100_000)));
        assert_eq!(seen.recv_timeout(Duration::from_secs(30)), Ok(1000));
        assert!(!is_stored(&server));
    }
}

#[test]
fn a_panicking_hook_breaks_its_connection_and_nothing_else() {
    let (server, handle) = with(Fault::run(|_| panic!("on purpose")).times(1));
    assert!(Client::to(&server).ask(&put("k", b"x")).is_err());
    put("k", b"x").sent_ok(&server);
    assert_eq!(handle.hits(), 1);
}

#[test]
fn hold_lets_requests_wait_with_their_work_done() {
    let server = server();
    let (fault, gate) = Fault::hold();
    server.fault(fault.on(Operation::PutObject));
    let (done, answers) = mpsc::channel();
    thread::scope(|scope| {
        for key in ["k", "l"] {
            let (done, server) = (done.clone(), &server);
            scope.spawn(move || done.send(put(key, b"x").send(server).status));
        }
        wait_reached(&gate, 2);
        assert!(is_stored(&server));
        assert!(answers.try_recv().is_err());
        assert_eq!(server.count(Operation::PutObject), 0);
        gate.open();
        assert_eq!(answers.recv(), Ok(200));
        assert_eq!(answers.recv(), Ok(200));
    });
    put("k", b"x").sent_ok(&server);
}

#[test]
fn faults_are_narrowed_by_operation_part_and_key() {
    let server = server();
    let id = begin(&server, "k");
    server.fault(Fault::status(500, "A").on(Operation::UploadPart).part(2));
    server.fault(Fault::status(500, "B").key("a b/c"));
    let code = |ask: Ask| ask.send(&server).code();
    assert_eq!(code(part("k", &id, 1, b"x")), "");
    assert_eq!(code(part("k", &id, 2, b"x")), "A");
    assert_eq!(code(put("k", b"x")), "");
    assert_eq!(code(put("a b/c", b"x")), "B");
    assert_eq!(code(get("k").query("uploadId", &id)), "");
}

/// On which of ten requests the fault acts.
fn turns(fault: Fault) -> Vec<u32> {
    let (server, handle) = with(fault);
    let mut client = Client::to(&server);
    let mut acted = |_: &u32| client.ask(&get("k")).expect("an answer").status == 500;
    let turns: Vec<u32> = (1..=10).filter(|n| acted(n)).collect();
    assert_eq!(handle.hits() as usize, turns.len());
    turns
}

#[test]
fn faults_act_on_their_turn() {
    let fault = || Fault::status(500, "InternalError");
    assert_eq!(turns(fault()).len(), 10);
    assert_eq!(turns(fault().times(3)), [1, 2, 3]);
    assert_eq!(turns(fault().nth(4)), [4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(turns(fault().nth(4).times(1)), [4]);
    assert_eq!(turns(fault().every(3)), [3, 6, 9]);
    assert_eq!(turns(fault().every(3).nth(2)), [2, 5, 8]);
    assert_eq!(turns(fault().every(3).times(2)), [3, 6]);
    assert_eq!(turns(fault().times(0)), [0; 0]);
}

#[test]
fn fates_with_times_make_a_script() {
    let (server, first) = with(Fault::status(500, "A").times(2));
    let second = server.fault(Fault::status(500, "B").times(1));
    let side = server.fault(Fault::replace_answer_header("x-side", "1"));
    let codes: Vec<String> = (0..4).map(|_| get("k").send(&server).code()).collect();
    assert_eq!(codes, ["A", "A", "B", "NoSuchKey"]);
    assert_eq!((first.hits(), second.hits(), side.hits()), (2, 1, 4));
}

#[test]
fn faults_can_be_removed() {
    let (server, handle) = with(Fault::deny());
    let other = server.fault(Fault::replace_answer_header("x-side", "1"));
    handle.remove();
    assert_eq!(put("k", b"x").sent_ok(&server).header("x-side"), Some("1"));
    server.clear_faults();
    assert_eq!(put("k", b"x").sent_ok(&server).header("x-side"), None);
    assert_eq!((handle.hits(), other.hits()), (0, 1));
}
