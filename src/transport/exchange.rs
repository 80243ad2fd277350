//! What one request knows while it is under way, shared between the thread's socket, body and caller.
//!
//! ureq calls the socket on the thread that sends the request and hands it nothing of the request. A thread-local is
//! the way round it.

use crate::stop::Stop;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// Until when the connection must be there, while there is none.
    pub(super) connect_by: Cell<Option<Instant>>,
    /// The proxy that led nowhere.
    pub(super) failed_at_proxy: RefCell<Option<String>>,
    /// The peer and we could not agree on TLS.
    pub(super) handshake_failed: Cell<bool>,
    /// The peer closed its side, or reset, before the body was through.
    pub(super) peer_is_gone: Cell<bool>,
    /// A body comes behind the head, which is not written yet.
    pub(super) body_follows: Cell<bool>,
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
            connect_by: Cell::new(None),
            failed_at_proxy: RefCell::new(None),
            handshake_failed: Cell::new(false),
            peer_is_gone: Cell::new(false),
            body_follows: Cell::new(false),
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

    /// Whether what is to be written now is a head whose body follows: asked once for each. While a connection is being made
    /// it is somebody else's, a proxy's or a handshake's.
    pub(super) fn takes_head(&self) -> bool {
        self.connect_by.get().is_none() && self.body_follows.take()
    }

    pub(super) fn stop(&self) -> &Arc<Stop> {
        &self.stop
    }

    /// Fails when the upload was stopped, or connecting takes too long.
    pub(super) fn give_way(&self) -> io::Result<()> {
        if self.stop.is_set() {
            return Err(io::Error::other("stopped"));
        }
        match self.connect_by.get() {
            Some(end) if end <= Instant::now() => {
                Err(ureq::Error::Timeout(ureq::Timeout::Connect).into_io())
            }
            _ => Ok(()),
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
}
