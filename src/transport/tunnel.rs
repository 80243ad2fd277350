//! The way through a proxy, and how long connecting may take with all that belongs to it.

use super::{TransportErrorKind, exchange};
use std::time::Instant;
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, Transport,
};

/// Asks the proxy, if there is one, for a tunnel, and notes whose failure it was.
#[derive(Debug)]
pub(super) struct Tunnel {
    connector: ConnectProxyConnector,
    proxy: Option<String>,
}

impl Tunnel {
    /// The proxy as it may be shown. Which one it is, ureq knows.
    pub(super) fn to(proxy: Option<&String>) -> Tunnel {
        Tunnel {
            connector: ConnectProxyConnector::default(),
            proxy: proxy.cloned(),
        }
    }
}

impl<In: Transport> Connector<In> for Tunnel {
    type Out = <ConnectProxyConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let connected = self.connector.connect(details, chained);
        if connected.is_err() {
            exchange::current()
                .failed_at_proxy
                .replace(self.proxy.clone());
        }
        connected
    }
}

/// What a proxy's refusal means. ureq tells it in words, the status among them.
pub(super) fn refusal(words: &str) -> (TransportErrorKind, String) {
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

/// The whole chain of connectors, with one end for all of it: a proxy or a handshake may trickle, each byte in time.
#[derive(Debug)]
pub(super) struct Bounded<C>(pub(super) C);

impl<C: Connector> Connector for Bounded<C> {
    type Out = C::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let current = exchange::current();
        // Connecting to a proxy is part of connecting through it.
        let is_within = current.connect_by.get().is_some();
        if !is_within {
            let end = Instant::now().checked_add(*details.timeout.after);
            current.connect_by.set(end);
        }
        let connected = self.0.connect(details, chained);
        if !is_within {
            current.connect_by.set(None);
        }
        connected
    }
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
