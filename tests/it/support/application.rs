//! An application that OSS calls back.

use super::Notes;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// A call as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Method, path and version.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }
}

/// Takes one call after the other and answers each the same.
pub(crate) struct Application {
    address: SocketAddr,
    calls: Notes<Call>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    /// Answers with this status and this body.
    pub(crate) fn answering(status: u16, body: &str) -> Application {
        let len = body.len();
        let answer = format!("HTTP/1.1 {status} Status\r\nContent-Length: {len}\r\n\r\n{body}");
        Application::start(Some(answer))
    }

    /// Sends these bytes, whatever they are.
    pub(crate) fn sending(answer: &str) -> Application {
        Application::start(Some(answer.to_owned()))
    }

    /// Takes calls and keeps silent for as long as it is there.
    pub(crate) fn silent() -> Application {
        Application::start(None)
    }

    fn start(answer: Option<String>) -> Application {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (calls, is_over) = (Notes::new(), Arc::new(AtomicBool::new(false)));
        let (noted, over) = (calls.clone(), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            let mut kept = vec![];
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.expect("a connection");
                noted.add(read_call(&stream));
                match &answer {
                    Some(answer) => stream.write_all(answer.as_bytes()).expect("answered"),
                    None => kept.push(stream),
                }
            }
        });
        Application {
            address,
            calls,
            is_over,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/stored?from=oss", self.address)
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// All calls so far, which are then forgotten.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.take()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

fn read_call(stream: &TcpStream) -> Call {
    let mut reader = BufReader::new(stream);
    let mut lines = vec![];
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut lines = lines.into_iter();
    let line = lines.next().expect("a request");
    let split = |line: String| {
        line.split_once(": ")
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
    };
    let headers = lines.filter_map(split).collect();
    let mut call = Call {
        line,
        headers,
        body: String::new(),
    };
    let len = call
        .header("content-length")
        .and_then(|len| len.parse().ok());
    let mut body = vec![0; len.expect("a length")];
    reader.read_exact(&mut body).expect("a body");
    call.body = String::from_utf8(body).expect("text");
    call
}
