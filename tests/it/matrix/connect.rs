//! Row 11, where nobody answers yet: a connect that is under way.
//!
//! A listener with a full queue takes no more connections; the system keeps knocking. Linux works that way.

#![cfg(target_os = "linux")]

use crate::support::{Scene, bucket, client_at, meanwhile};
use oss_upload::{Control, Credentials, ErrorKind, ProviderError};
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

/// A port on which connecting takes for ever, as long as this lives.
struct Full {
    listener: Socket,
    queued: Vec<TcpStream>,
}

impl Full {
    fn new() -> Full {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any.into()).expect("a port");
        listener.listen(0).expect("listening");
        let mut full = Full {
            listener,
            queued: vec![],
        };
        let soon = Duration::from_millis(100);
        while let Ok(stream) = TcpStream::connect_timeout(&full.address(), soon) {
            full.queued.push(stream);
            assert!(full.queued.len() < 100, "the queue does not fill up");
        }
        full
    }

    fn address(&self) -> SocketAddr {
        let address = self.listener.local_addr().expect("bound");
        address.as_socket().expect("an IP address")
    }
}

#[test]
fn a_connect_under_way_does_not_hold_a_cancel_up() {
    let full = Full::new();
    let mut scene = Scene::with_parts(3);
    let (tell, asked) = mpsc::channel();
    let tell = Mutex::new(tell);
    // Asked right before connecting.
    let provider = move || -> Result<Credentials, ProviderError> {
        tell.lock().expect("no panic").send(())?;
        Ok(Credentials::new("id", "secret"))
    };
    let client = client_at(format!("http://{}", full.address())).credentials(provider);
    scene.bucket = bucket(client.connect_timeout(Duration::from_secs(60)));
    let control = Control::new();
    let run = || scene.upload().control(&control).run();
    let mut cancelled = Instant::now();
    let error = meanwhile(run, || {
        asked.recv().expect("the provider is asked");
        cancelled = Instant::now();
        control.cancel();
    });
    let error = error.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    // Generous: without a way out it would be a minute.
    assert!(cancelled.elapsed() < Duration::from_secs(20));
    assert!(!scene.checkpoint().exists());
}

#[test]
fn nor_does_it_a_deadline() {
    let full = Full::new();
    let mut scene = Scene::with_parts(3);
    let client = client_at(format!("http://{}", full.address()));
    scene.bucket = bucket(client.connect_timeout(Duration::from_secs(60)));
    let started = Instant::now();
    let upload = scene.upload().deadline(Duration::from_millis(300));
    let error = upload.run().expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_connect_that_takes_too_long_is_an_error_that_says_so() {
    let full = Full::new();
    let mut scene = Scene::with_parts(3);
    let client = client_at(format!("http://{}", full.address()));
    scene.bucket = bucket(client.connect_timeout(Duration::from_millis(30)));
    let error = scene.upload().run().expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    assert!(
        error.to_string().contains("connecting took too long"),
        "{error}"
    );
}
