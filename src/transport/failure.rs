//! What a failure of ureq means: whether it may pass, and in which words it is told.

use super::exchange::Exchange;
use super::tls::failure;
use std::fmt;
use std::io;

/// Why no answer came.
#[derive(Debug)]
pub(crate) struct TransportError {
    pub(crate) kind: TransportErrorKind,
    pub(crate) what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransportErrorKind {
    /// No connection came about: nothing was sent.
    Unreached,
    /// A connection kept from an earlier request had been closed meanwhile: nothing was wrong with this one.
    Stale,
    /// The connection broke, stalled, or carried something that is not HTTP.
    Broken,
    /// Repeating cannot help: a certificate that is not trusted, a proxy that refuses, a header that cannot be sent.
    Hopeless,
    /// `stop` was set.
    Stopped,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Turns ureq's error into ours.
pub(super) fn explain(exchange: &Exchange, error: ureq::Error) -> TransportError {
    let (mut kind, what) = read(exchange, error);
    if exchange.stop().is_set() {
        kind = TransportErrorKind::Stopped;
    }
    let what = match &*exchange.failed_at_proxy.borrow() {
        Some(proxy) => format!("the proxy {proxy}: {what}"),
        None => what,
    };
    TransportError { kind, what }
}

fn read(exchange: &Exchange, error: ureq::Error) -> (TransportErrorKind, String) {
    use TransportErrorKind::{Broken, Hopeless, Unreached};
    use ureq::Timeout::{Connect, Resolve};
    match error {
        ureq::Error::Io(error) => read_io(exchange, &error),
        ureq::Error::ConnectProxyFailed(words) => refusal(&words),
        ureq::Error::HostNotFound => {
            let what = "the host's name cannot be resolved";
            (Unreached, what.to_owned())
        }
        ureq::Error::Timeout(Connect) => (Unreached, "connecting took too long".to_owned()),
        ureq::Error::Timeout(Resolve) => {
            let what = "resolving the host's name took too long";
            (Unreached, what.to_owned())
        }
        ureq::Error::ConnectionFailed => (Unreached, error.to_string()),
        // ureq repeats it, and some URLs hold a secret.
        ureq::Error::BadUri(_) => (Hopeless, "the URL is none".to_owned()),
        ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl | ureq::Error::Tls(_) => {
            (Hopeless, error.to_string())
        }
        other => (Broken, other.to_string()),
    }
}

fn read_io(exchange: &Exchange, error: &io::Error) -> (TransportErrorKind, String) {
    use TransportErrorKind::{Broken, Hopeless, Stale, Unreached};
    let in_handshake = exchange.handshake_failed.get();
    if let Some(what) = failure::of(error).and_then(|e| failure::hopeless(e, in_handshake)) {
        return (Hopeless, what);
    }
    let was_kept = !exchange.connected.get() && !exchange.answered.get();
    let kind = match () {
        () if is_unreached(error) => Unreached,
        () if is_closed(error) && was_kept => Stale,
        () => Broken,
    };
    (kind, error.to_string())
}

/// What a proxy's refusal means. ureq tells it in words, the status among them.
fn refusal(words: &str) -> (TransportErrorKind, String) {
    use TransportErrorKind::{Hopeless, Unreached};
    let status = words
        .strip_prefix("proxy server responded ")
        .and_then(|status| status.split('/').next()?.parse::<u16>().ok());
    match status {
        Some(status @ 407) => (
            Hopeless,
            format!("it asks for a user and a password, or refuses those it was given ({status})"),
        ),
        Some(status @ (408 | 429 | 500..)) => (
            Unreached,
            format!("it has no way to the endpoint now ({status})"),
        ),
        Some(status) => (
            Hopeless,
            format!("it refuses to connect to the endpoint ({status})"),
        ),
        None => (Unreached, "it does not answer".to_owned()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_final_unless_the_proxy_may_find_a_way_later() {
        use TransportErrorKind::{Hopeless, Unreached};
        for (words, kind, said) in [
            ("proxy server responded 407/407", Hopeless, "password"),
            ("proxy server responded 403/403", Hopeless, "(403)"),
            ("proxy server responded 302/302", Hopeless, "(302)"),
            ("proxy server responded 502/502", Unreached, "(502)"),
            ("proxy server responded 429/429", Unreached, "(429)"),
            ("proxy server did not respond", Unreached, "not answer"),
        ] {
            let (found, what) = refusal(words);
            assert_eq!(found, kind, "{words}");
            assert!(what.contains(said), "{what}");
        }
    }
}
