//! A proxy that makes tunnels (`CONNECT`), and refuses them on demand.

use super::Notes;
use super::front::{Front, Open};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct ConnectProxy {
    front: Front,
    rules: Arc<Rules>,
}

struct Rules {
    /// Where all tunnels lead, whatever host was asked for: names are resolved here.
    to: SocketAddr,
    credentials: Option<String>,
    /// How many of the next tunnels are refused, and by which status.
    refusals: Mutex<(u32, u16)>,
    tunnels: AtomicUsize,
    asked_for: Notes<String>,
}

impl ConnectProxy {
    pub(crate) fn to(to: SocketAddr) -> ConnectProxy {
        ConnectProxy::with(to, None)
    }

    /// User and password are demanded, as `user:password`.
    pub(crate) fn demanding(to: SocketAddr, credentials: &str) -> ConnectProxy {
        ConnectProxy::with(to, Some(credentials))
    }

    fn with(to: SocketAddr, credentials: Option<&str>) -> ConnectProxy {
        let rules = Arc::new(Rules {
            to,
            credentials: credentials.map(|credentials| BASE64_STANDARD.encode(credentials)),
            refusals: Mutex::new((0, 0)),
            tunnels: AtomicUsize::new(0),
            asked_for: Notes::new(),
        });
        let of_front = Arc::clone(&rules);
        let front = Front::new(move |client, open| of_front.serve(client, open));
        ConnectProxy { front, rules }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.front.address()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Refuses so many tunnels.
    pub(crate) fn refuse(&self, times: u32, status: u16) {
        *self.rules.refusals.lock().expect("no panic") = (times, status);
    }

    /// Tunnels that were made.
    pub(crate) fn tunnels(&self) -> usize {
        self.rules.tunnels.load(SeqCst)
    }

    /// What was asked for since the last call, refused or not.
    pub(crate) fn asked_for(&self) -> Vec<String> {
        self.rules.asked_for.take()
    }

    /// Breaks all tunnels.
    pub(crate) fn die(&self) {
        self.front.break_all();
    }
}

impl Rules {
    fn serve(&self, mut client: TcpStream, open: &Open) -> io::Result<()> {
        let head = read_head(&mut client)?;
        let target = head
            .strip_prefix("CONNECT ")
            .and_then(|rest| rest.split(' ').next())
            .ok_or(io::ErrorKind::InvalidData)?;
        self.asked_for.add(target.to_owned());
        if let Some(status) = self.refusal(&head) {
            let refused = format!("HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\n\r\n");
            return client.write_all(refused.as_bytes());
        }
        self.tunnels.fetch_add(1, SeqCst);
        let server = open.connect(self.to)?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        let (from, to) = (server.try_clone()?, client.try_clone()?);
        let back = thread::spawn(move || copy(&from, &to));
        copy(&client, &server);
        back.join().expect("no panic");
        Ok(())
    }

    fn refusal(&self, head: &str) -> Option<u16> {
        let given = head
            .lines()
            .find_map(|line| line.strip_prefix("Proxy-Authorization: Basic "));
        if self.credentials.is_some() && given != self.credentials.as_deref() {
            return Some(407);
        }
        let mut refusals = self.refusals.lock().expect("no panic");
        refusals.0 = refusals.0.checked_sub(1)?;
        Some(refusals.1)
    }
}

fn read_head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// What breaks on one side breaks on the other.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let how = match io::copy(&mut from, &mut to) {
        Ok(_) => Shutdown::Write,
        Err(_) => Shutdown::Both,
    };
    let _ = to.shutdown(how);
}
