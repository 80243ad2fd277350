//! What one request knows while it is under way, shared between the thread's socket, body and caller.
//!
//! ureq calls the socket on the thread that sends the request and hands it nothing of the request. A thread-local is
//! the way round it.

use super::{TransportError, TransportErrorKind};
use crate::stop::Stop;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    static CURRENT: RefCell<Rc<Exchange>> = RefCell::new(Exchange::idle());
}

#[derive(Debug)]
pub(super) struct Exchange {
    stop: Arc<Stop>,
    /// How long no byte may move while sending, or between bytes of an answer.
    stall: Duration,
    /// How long the first byte of an answer may take.
    patience: Duration,
    /// A kept connection was found closed a moment ago.
    pub(super) is_wary: bool,
    /// A connection was made for this request; else it took one from the pool.
    pub(super) connected: Cell<bool>,
    /// The peer and we could not agree on TLS.
    pub(super) handshake_failed: Cell<bool>,
    /// The peer closed its side, or reset, before the body was through.
    pub(super) peer_is_gone: Cell<bool>,
    /// Something of the answer came. What came before the request belongs to a handshake.
    pub(super) answered: Cell<bool>,
}

/// The exchange of this thread.
pub(super) fn current() -> Rc<Exchange> {
    CURRENT.with_borrow(Rc::clone)
}

impl Exchange {
    pub(super) fn new(
        stop: &Arc<Stop>,
        stall: Duration,
        patience: Duration,
        is_wary: bool,
    ) -> Rc<Exchange> {
        Rc::new(Exchange {
            stop: Arc::clone(stop),
            stall,
            patience,
            is_wary,
            connected: Cell::new(false),
            handshake_failed: Cell::new(false),
            peer_is_gone: Cell::new(false),
            answered: Cell::new(false),
        })
    }

    /// What a thread has that sends nothing.
    fn idle() -> Rc<Exchange> {
        Exchange::new(&Arc::default(), Duration::MAX, Duration::MAX, false)
    }

    /// Runs `send` with this as the thread's exchange.
    pub(super) fn during<T>(self: &Rc<Exchange>, send: impl FnOnce() -> T) -> T {
        struct Reset(Rc<Exchange>);
        impl Drop for Reset {
            fn drop(&mut self) {
                CURRENT.set(Rc::clone(&self.0));
            }
        }
        let _reset = Reset(CURRENT.replace(Rc::clone(self)));
        send()
    }

    pub(super) fn stop(&self) -> &Arc<Stop> {
        &self.stop
    }

    /// Fails when the upload was stopped.
    pub(super) fn give_way(&self) -> io::Result<()> {
        match self.stop.is_set() {
            true => Err(io::Error::other("stopped")),
            false => Ok(()),
        }
    }

    /// How long the next write may move nothing.
    pub(super) fn write_silence(&self) -> Duration {
        self.stall
    }

    /// How long the next read may bring nothing.
    pub(super) fn read_silence(&self) -> Duration {
        match self.answered.get() {
            true => self.stall,
            false => self.patience,
        }
    }

    /// Turns ureq's error into ours.
    pub(super) fn explain(&self, error: ureq::Error) -> TransportError {
        use TransportErrorKind::{Broken, Hopeless, Stale, Stopped, Unreached};
        let kind = match &error {
            _ if self.stop.is_set() => Stopped,
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) if self.handshake_failed.get() => Hopeless,
            ureq::Error::Io(e) if is_tls(e) && self.handshake_failed.get() => Hopeless,
            ureq::Error::Http(_) | ureq::Error::BadUri(_) | ureq::Error::InvalidProxyUrl => {
                Hopeless
            }
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => Unreached,
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => Unreached,
            ureq::Error::Io(e) if is_unreached(e) => Unreached,
            ureq::Error::Io(e) if is_closed(e) && !self.connected.get() && !self.answered.get() => {
                Stale
            }
            _ => Broken,
        };
        let what = match error {
            ureq::Error::Io(e) => e.to_string(),
            ureq::Error::HostNotFound => "the host's name cannot be resolved".to_owned(),
            ureq::Error::Timeout(ureq::Timeout::Connect) => "connecting took too long".to_owned(),
            ureq::Error::Timeout(ureq::Timeout::Resolve) => {
                "resolving the host's name took too long".to_owned()
            }
            other => other.to_string(),
        };
        TransportError { kind, what }
    }
}

/// A handshake's failure arrives wrapped in an I/O error.
fn is_tls(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

fn is_unreached(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable
    )
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
    )
}
