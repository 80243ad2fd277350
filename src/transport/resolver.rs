//! Names to addresses, kept for a moment.
//!
//! ureq resolves before it looks for a pooled connection, and needs a thread for a bounded look-up: without this, every
//! part would cost both.

use super::exchange;
use crate::aside::{Left, aside};
use crate::endpoint;
use crate::lock::lock;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use ureq::config::{self, Config};
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{NextTimeout, time};

/// Short, so that a name that moves is followed soon; long enough that many parts share a look-up.
const KEEP: Duration = Duration::from_secs(5);

/// More than the buckets that one client uses at a time.
const MAX_KEPT: usize = 64;

/// Which IP addresses are connected to: the endpoint's, or the proxy's where one leads there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IpFamily {
    /// Each that the name resolves to, in the system's order, until one connects.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl IpFamily {
    pub(super) fn as_config(self) -> config::IpFamily {
        match self {
            IpFamily::Any => config::IpFamily::Any,
            IpFamily::V4 => config::IpFamily::Ipv4Only,
            IpFamily::V6 => config::IpFamily::Ipv6Only,
        }
    }

    pub(crate) fn has(self, address: IpAddr) -> bool {
        match self {
            IpFamily::Any => true,
            IpFamily::V4 => address.is_ipv4(),
            IpFamily::V6 => address.is_ipv6(),
        }
    }
}

/// As an error says it; any family has some address of a name that resolves.
fn none_of_family(host: &str, family: config::IpFamily) -> ureq::Error {
    let family = match family {
        config::IpFamily::Ipv4Only => "IPv4 address, and only such",
        config::IpFamily::Ipv6Only => "IPv6 address, and only such",
        _ => return ureq::Error::HostNotFound,
    };
    let what = format!("`{host}` has no {family} are to be connected to");
    io::Error::new(io::ErrorKind::AddrNotAvailable, what).into()
}

#[derive(Debug, Default)]
pub(super) struct KeepingResolver {
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    addresses: Vec<SocketAddr>,
    since: Instant,
}

impl Resolver for KeepingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let authority = uri.authority().ok_or(ureq::Error::HostNotFound)?;
        let port = authority.port_u16();
        let default_port = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let host = endpoint::without_brackets(authority.host());
        let port = port.unwrap_or(default_port);
        let family = config.ip_family();
        if let Ok(ip) = host.parse::<IpAddr>() {
            let address = SocketAddr::new(ip, port);
            return match family.keep_wanted([address].into_iter()).next() {
                Some(address) => Ok(self.list(&[address])),
                None => Err(none_of_family(host, family)),
            };
        }
        // A proxy's authority may hold its password.
        let place = format!("{host}:{port}");
        let mut kept = lock(&self.kept);
        if let Some(found) = kept.get(&place).filter(|kept| kept.since.elapsed() < KEEP) {
            return Ok(self.list(&found.addresses));
        }
        // Others may look up meanwhile: a slow name server is no reason to queue.
        drop(kept);
        let found = look_up(uri, config, timeout).map_err(|error| match error {
            // The system's words for it differ; what it means does not.
            ureq::Error::Io(_) => ureq::Error::HostNotFound,
            // It resolved, but nothing was left.
            ureq::Error::HostNotFound => none_of_family(host, family),
            other => other,
        })?;
        kept = lock(&self.kept);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        let addresses = found.iter().copied().collect();
        let since = Instant::now();
        kept.insert(place, Kept { addresses, since });
        Ok(found)
    }
}

impl KeepingResolver {
    fn list(&self, addresses: &[SocketAddr]) -> ResolvedSocketAddrs {
        let mut list = self.empty();
        for address in addresses {
            list.push(*address);
        }
        list
    }
}

/// The system offers no way to end a look-up early, so that a stop, or a time that is over, leaves it to itself.
fn look_up(
    uri: &Uri,
    config: &Config,
    timeout: NextTimeout,
) -> Result<ResolvedSocketAddrs, ureq::Error> {
    let (uri, config) = (uri.clone(), config.clone());
    let current = exchange::current();
    let unbounded = NextTimeout {
        after: time::Duration::NotHappening,
        ..timeout
    };
    let ask = move || DefaultResolver::default().resolve(&uri, &config, unbounded);
    match aside("oss-upload-resolve", current.stop(), *timeout.after, ask) {
        Ok(found) => found,
        Err(Left::TooLong) => Err(ureq::Error::Timeout(timeout.reason)),
        Err(Left::NoThread(error)) => Err(error.into()),
        Err(left @ (Left::Stopped | Left::Panicked)) => {
            Err(io::Error::other(format!("{left:?}")).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(resolver: &KeepingResolver, uri: &'static str) -> Vec<SocketAddr> {
        let uri = Uri::from_static(uri);
        let found = resolver.resolve(&uri, &Config::default(), NextTimeout::default());
        found.expect("an address").iter().copied().collect()
    }

    #[test]
    fn addresses_need_no_look_up_and_names_are_kept() {
        let resolver = KeepingResolver::default();
        for (uri, address) in [
            ("http://127.0.0.1:9000/b/k", "127.0.0.1:9000"),
            ("http://127.0.0.1/b/k", "127.0.0.1:80"),
            ("https://[::1]/b/k", "[::1]:443"),
        ] {
            assert_eq!(
                resolve(&resolver, uri),
                [address.parse().expect("an address")]
            );
        }
        assert!(resolver.kept.lock().expect("no panic").is_empty());
        let found = resolve(&resolver, "http://localhost:9000/b/k");
        assert_eq!(resolve(&resolver, "http://localhost:9000/other"), found);
        assert!(
            resolver
                .kept
                .lock()
                .expect("no panic")
                .contains_key("localhost:9000")
        );
    }
}
