//! A peer whose HTTP is none, or nearly.

use super::{expect_clear, one_of, random};
use crate::support::runs::watched;
use crate::support::{PART, Scene, bucket, client_at, hasty, random_bytes};
use fastrand::Rng;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const CASES: usize = 60;

/// Answers every request with these bytes, for as long as the test runs.
fn answer_all(listener: TcpListener, answer: Vec<u8>) {
    for stream in listener.incoming().flatten() {
        let answer = answer.clone();
        thread::spawn(move || answer_once(stream, &answer));
    }
}

fn answer_once(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut len = 0;
    for line in reader.by_ref().lines() {
        let line = line?.to_ascii_lowercase();
        match line.strip_prefix("content-length: ") {
            Some(value) => len = value.parse().unwrap_or(0),
            None if line.is_empty() => break,
            None => {}
        }
    }
    io::copy(&mut reader.take(len), &mut io::sink())?;
    stream.write_all(answer)
}

const VERSIONS: [&str; 6] = ["HTTP/1.1", "HTTP/1.0", "HTTP/9", "ICY", "http/1.1", ""];
const STATUSES: [&str; 9] = [
    "200 OK",
    "200",
    "100 Continue",
    "101 Switching",
    "000",
    "999 x",
    "-1",
    "2OO",
    "\0",
];
const LINES: [&str; 15] = [
    "ETag: \"x\"\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 1, 2\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length: 1000\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: upgrade\r\n",
    "Location: ::\r\n",
    "no colon\r\n",
    " folded: x\r\n",
    ": nameless\r\n",
    "A: \0\r\n",
    "A: b\n",
    "A: b\r",
];
const BODIES: [&str; 6] = [
    "",
    "ffffffffffffffff\r\n",
    "-1\r\n",
    "0\r\n\r\n",
    "5\r\nab",
    "HTTP/1.1 200 OK\r\n\r\n",
];

fn http(random: &mut Rng) -> Vec<u8> {
    let version = one_of(random, &VERSIONS);
    let status = one_of(random, &STATUSES);
    let mut answer = format!("{version} {status}\r\n");
    for _ in 0..one_of(random, &[0, 1, 2, 3, 200]) {
        answer.push_str(one_of(random, &LINES));
    }
    answer.push_str(one_of(random, &["\r\n", "\r\n\r\n", "\n\n", ""]));
    answer.push_str(one_of(random, &BODIES));
    let mut answer = answer.into_bytes();
    if random.u8(..4) == 0 {
        answer.extend(random_bytes(random.u64(..2000), random.u64(..)));
    }
    if random.u8(..4) == 0 {
        let at = random.usize(..answer.len());
        answer[at] = random.u8(..);
    }
    answer
}

#[test]
fn a_peer_whose_http_makes_no_sense_is_a_clear_error() {
    let mut random = random();
    for n_parts in [1, 3] {
        for case in 0..CASES / 2 {
            let answer = http(&mut random);
            let what = format!(
                "{n_parts} parts, {case}: {:?}",
                String::from_utf8_lossy(&answer)
            );
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("bound");
            thread::spawn(move || answer_all(listener, answer));
            let mut scene = Scene::with_len((n_parts - 1) * PART + 1);
            let impatient = client_at(format!("http://{address}"))
                .stall_timeout(Duration::from_millis(100))
                .retry(hasty().max_attempts(2));
            let good = std::mem::replace(&mut scene.bucket, bucket(impatient));
            if let Err(error) = watched(scene.upload()) {
                expect_clear(&error, &what);
            }
            scene.bucket = good;
            let uploaded =
                watched(scene.upload()).unwrap_or_else(|why| panic!("{what}, again: {why}"));
            assert_eq!(uploaded.size, (n_parts - 1) * PART + 1);
        }
    }
}
