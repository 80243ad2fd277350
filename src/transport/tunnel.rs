//! The way through a proxy, and how long connecting may take with all that belongs to it.

use super::exchange;
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
