//! Which proxy leads where: what the caller or the environment says, read before anything is sent.

use crate::endpoint;
use std::env;
use std::fmt;
use std::net::IpAddr;
use ureq::ProxyProtocol;

/// What a proxy's URL looks like. What was given is never repeated: it may hold a password.
const FORM: &str =
    "`http://HOST:PORT`, with `USER:PASSWORD@` before the host when it asks for them";

/// Which proxy the connections of a client go through.
///
/// A proxy is asked for a tunnel (`CONNECT`) to the endpoint, whatever the endpoint's scheme: many let none through to other
/// ports than 443, so that an `http://` endpoint may be refused. The name of the endpoint is resolved by the proxy. Each
/// connection has a tunnel, not each request.
///
/// A proxy that refuses (407, 403 and the like) ends an upload at once. One that cannot be reached, or cannot reach the
/// endpoint (5xx), is sat out like an endpoint that cannot be reached.
///
/// ```
/// use oss_upload::{Client, Credentials, Proxy};
///
/// # fn main() -> Result<(), oss_upload::Error> {
/// let proxy = Proxy::new("http://user:password@proxy.example.com:3128").no_proxy(["10.0.0.0/8"]);
/// let client = Client::for_region("cn-hangzhou")
///     .credentials(Credentials::new("id", "secret"))
///     .proxy(proxy)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Proxy {
    source: Source,
    no_proxy: Vec<String>,
}

#[derive(Clone, Default)]
enum Source {
    #[default]
    Environment,
    Url(String),
    Nowhere,
}

impl Proxy {
    /// The default: what the environment says when the client is built.
    ///
    /// For an `https` endpoint the proxy is the first of `HTTPS_PROXY`, `https_proxy`, `ALL_PROXY` and `all_proxy` that is
    /// set and not empty; for an `http` endpoint of `HTTP_PROXY`, `http_proxy`, `ALL_PROXY` and `all_proxy`, of which the
    /// first two do not count in a CGI program (`REQUEST_METHOD` is set), where a header of a request would say them. Of
    /// `NO_PROXY`, or of `no_proxy` when that is empty or not set, the entries, apart by commas or spaces, go direct as
    /// [`no_proxy`](Proxy::no_proxy) says; those that are none are ignored. Endpoints on this machine (`localhost` and
    /// loopback addresses) always go direct.
    pub fn from_env() -> Proxy {
        Proxy::default()
    }

    /// This proxy, `[http[s]://][USER:PASSWORD@]HOST[:PORT]`, for whatever endpoint, on this machine too.
    ///
    /// User and password are percent-encoded. The port is 80 when none is written, 443 with `https`. With `https` the
    /// proxy itself is spoken to over TLS, by the client's settings of [`Tls`](crate::Tls). Anything else, SOCKS
    /// among it, is refused when the client is built.
    pub fn new(url: impl Into<String>) -> Proxy {
        Proxy {
            source: Source::Url(url.into()),
            no_proxy: vec![],
        }
    }

    /// No proxy, whatever the environment says.
    pub fn none() -> Proxy {
        Proxy {
            source: Source::Nowhere,
            no_proxy: vec![],
        }
    }

    /// Adds hosts that are connected to directly.
    ///
    /// `example.com` is that host and all below it, `.example.com` and `*.example.com` those below it only, `192.0.2.1`
    /// and `192.0.2.0/24` addresses, `*` all hosts. Names are compared as they are written in the endpoint, with a
    /// bucket's name before it where it is addressed that way; nothing is looked up. Anything else is refused when the client
    /// is built.
    #[must_use]
    pub fn no_proxy(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Proxy {
        self.no_proxy.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Checks the settings; `None` when no proxy leads anywhere.
    pub(crate) fn route(&self, is_https: bool, is_loopback: bool) -> Result<Option<Via>, String> {
        self.route_by(is_https, is_loopback, |name| env::var(name).ok())
    }

    fn route_by(
        &self,
        is_https: bool,
        is_loopback: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Via>, String> {
        let given = self.no_proxy.iter().map(|host| Direct::parse(host));
        let mut direct = given.collect::<Result<Vec<_>, _>>()?;
        let url = match &self.source {
            Source::Nowhere => return Ok(None),
            Source::Environment if is_loopback => return Ok(None),
            Source::Url(url) => url.clone(),
            Source::Environment => {
                let Some((name, url)) = variable_for(is_https, &variable) else {
                    return Ok(None);
                };
                direct.extend(direct_by(&variable));
                let via = Via::parse(&url, direct);
                return via.map(Some).map_err(|why| {
                    format!("the environment variable {name}: {why}; `Proxy::none()` goes without")
                });
            }
        };
        Via::parse(&url, direct).map(Some)
    }
}

/// A password may stand in it.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::Environment => "the environment's".to_owned(),
            Source::Nowhere => "none".to_owned(),
            Source::Url(url) => match Via::parse(url, vec![]) {
                Ok(via) => via.shown,
                Err(_) => "not a proxy's URL".to_owned(),
            },
        };
        f.debug_struct("Proxy")
            .field("proxy", &source)
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

fn variable_for(
    is_https: bool,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    let names = match is_https {
        true => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        false => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    // What a web server makes of a request's header `Proxy`.
    let is_cgi = variable("REQUEST_METHOD").is_some();
    let names = names.into_iter();
    let mut names = names.filter(|name| !(is_cgi && name.eq_ignore_ascii_case("HTTP_PROXY")));
    names.find_map(|name| Some((name, filled(variable(name))?)))
}

fn filled(variable: Option<String>) -> Option<String> {
    variable.filter(|value| !value.is_empty())
}

fn direct_by(variable: impl Fn(&str) -> Option<String>) -> Vec<Direct> {
    let names = ["NO_PROXY", "no_proxy"].into_iter();
    let said = names.map(variable).find_map(filled);
    let said = said.unwrap_or_default();
    let hosts = said.split([',', ' ']).filter(|host| !host.is_empty());
    hosts.filter_map(|host| Direct::parse(host).ok()).collect()
}

/// A proxy, and what it is not for.
pub(crate) struct Via {
    pub(super) proxy: ureq::Proxy,
    /// The proxy without user and password.
    pub(super) shown: String,
    direct: Vec<Direct>,
}

impl Via {
    fn parse(url: &str, direct: Vec<Direct>) -> Result<Via, String> {
        let none = || format!("it is not the URL of a proxy, {FORM}");
        let proxy = ureq::Proxy::new(url).map_err(|_| none())?;
        let scheme = match proxy.protocol() {
            ProxyProtocol::Http => "http",
            ProxyProtocol::Https => "https",
            _ => return Err(format!("only http and https proxies can be used: {FORM}")),
        };
        let uri = proxy.uri();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let place = authority.rsplit('@').next().unwrap_or_default();
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        match endpoint::check_authority(place) {
            Ok(()) if is_bare => Ok(Via {
                shown: format!("{scheme}://{place}"),
                proxy,
                direct,
            }),
            _ => Err(none()),
        }
    }

    /// Whether a host of a URL is connected to through the proxy.
    pub(crate) fn leads_to(&self, host: &str) -> bool {
        !self.direct.iter().any(|direct| direct.covers(host))
    }
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Via")
            .field("proxy", &self.shown)
            .field("direct", &self.direct)
            .finish()
    }
}

/// Hosts that need no proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Direct {
    All,
    /// A host and all below it.
    From(String),
    Below(String),
    /// So many leading bits of an address.
    Network(IpAddr, u32),
}

impl Direct {
    fn parse(text: &str) -> Result<Direct, String> {
        let host = text.trim().to_ascii_lowercase();
        if host == "*" {
            return Ok(Direct::All);
        }
        if let Some(network) = parse_network(&host) {
            return Ok(network);
        }
        let below = host.strip_prefix('*').unwrap_or(&host).strip_prefix('.');
        let name = below.unwrap_or(&host).to_owned();
        match (endpoint::check_host(&name), below) {
            (Ok(()), None) => Ok(Direct::From(name)),
            (Ok(()), Some(_)) => Ok(Direct::Below(name)),
            (Err(_), _) => Err(format!(
                "`{text}` are no hosts that could go without a proxy, such as `example.com`, `.example.com`, \
                 `192.0.2.0/24` or `*`"
            )),
        }
    }

    fn covers(&self, host: &str) -> bool {
        let host = endpoint::without_brackets(host).to_ascii_lowercase();
        let is_below = |name: &str| {
            let above = host.strip_suffix(name).and_then(|h| h.strip_suffix('.'));
            above.is_some_and(|above| !above.is_empty())
        };
        match self {
            Direct::All => true,
            Direct::From(name) => host == *name || is_below(name),
            Direct::Below(name) => is_below(name),
            Direct::Network(network, len) => host.parse().is_ok_and(|ip| agree(ip, *network, *len)),
        }
    }
}

fn parse_network(text: &str) -> Option<Direct> {
    let (address, len) = match text.split_once('/') {
        Some((address, len)) => (address, Some(len)),
        None => (text, None),
    };
    let address: IpAddr = endpoint::without_brackets(address).parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let len = len.map_or(Some(all), |len| len.parse().ok())?;
    (len <= all).then_some(Direct::Network(address, len))
}

/// Whether the first `len` bits of two addresses of one kind are the same.
fn agree(one: IpAddr, other: IpAddr, len: u32) -> bool {
    let (differing, all) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits() ^ other.to_bits()), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits(), 128),
        _ => return false,
    };
    // A shift by all bits leaves none.
    differing.checked_shr(all - len).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "pa55w0rd";

    fn shown(proxy: &Proxy, is_https: bool, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let via = proxy.route_by(is_https, false, variable);
        via.expect("a proxy or none").map(|via| via.shown)
    }

    #[test]
    fn the_scheme_s_own_variable_comes_before_the_one_for_all() {
        let https = ("HTTPS_PROXY", "http://for-https:1");
        let http = ("http_proxy", "for-http:2");
        let all = ("ALL_PROXY", "https://for-all");
        for (variables, is_https, expected) in [
            (&[https, http, all][..], true, Some("http://for-https:1")),
            (&[https, http, all], false, Some("http://for-http:2")),
            (&[http, all], true, Some("https://for-all")),
            (&[https, all], false, Some("https://for-all")),
            (&[("https_proxy", ""), all], true, Some("https://for-all")),
            (&[http], true, None),
            (&[], true, None),
        ] {
            let found = shown(&Proxy::from_env(), is_https, variables);
            assert_eq!(found.as_deref(), expected, "{variables:?} {is_https}");
            assert_eq!(shown(&Proxy::none(), is_https, variables), None);
            let given = shown(&Proxy::new("given:3"), is_https, variables);
            assert_eq!(given.as_deref(), Some("http://given:3"));
        }
    }

    /// Or whoever asks a web server could read what its programs upload.
    #[test]
    fn a_header_of_a_request_chooses_no_proxy() {
        let cgi = ("REQUEST_METHOD", "GET");
        let http = [
            ("HTTP_PROXY", "http://evil:1"),
            ("http_proxy", "http://evil:2"),
        ];
        let all = ("ALL_PROXY", "http://for-all:3");
        for (is_https, variables, expected) in [
            (false, &[cgi, http[0], http[1]][..], None),
            (false, &[cgi, http[0], all], Some("http://for-all:3")),
            (true, &[cgi, http[0], all], Some("http://for-all:3")),
            (
                true,
                &[cgi, ("HTTPS_PROXY", "for-https:4")],
                Some("http://for-https:4"),
            ),
        ] {
            let found = shown(&Proxy::from_env(), is_https, variables);
            assert_eq!(found.as_deref(), expected, "{variables:?} {is_https}");
        }
    }

    #[test]
    fn this_machine_is_behind_a_proxy_only_when_one_is_given() {
        let variable = |_: &str| Some("http://proxy:1".to_owned());
        let routed = |proxy: Proxy| proxy.route_by(true, true, variable).expect("no error");
        assert!(routed(Proxy::from_env()).is_none());
        assert!(routed(Proxy::new("http://proxy:1")).is_some());
    }

    #[test]
    fn a_variable_that_names_no_proxy_is_refused_by_its_name() {
        for bad in ["socks5://proxy:1", "http://:80", "ftp://proxy"] {
            let variable = |name: &str| (name == "ALL_PROXY").then(|| bad.to_owned());
            let refused = Proxy::from_env().route_by(true, false, variable);
            let why = refused.expect_err(bad);
            assert!(why.contains("ALL_PROXY") && !why.contains(bad), "{why}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_not_repeated() {
        for bad in [
            "",
            "http://",
            "http://user:pa55w0rd",
            "http://user:pa55w0rd@",
            "http://user:pa55w0rd@host:port",
            "http://user:pa55w0rd@host:0",
            "http://user:pa55w0rd@ho st:1",
            "http://user:pa55w0rd@host:1/path",
            "http://user:pa55w0rd@host:1/?query",
            "http://user:pa55w0rd@host\r\nx:1",
            "http://us%ffer:pa55w0rd@host:1",
            "socks5://user:pa55w0rd@host:1",
        ] {
            let proxy = Proxy::new(bad);
            let why = proxy.route(true, false).expect_err(bad);
            for said in [why, format!("{proxy:?} {proxy:#?}")] {
                assert!(!said.is_empty() && !said.contains(SECRET), "{said}");
            }
        }
    }

    #[test]
    fn user_and_password_are_sent_and_not_shown() {
        let proxy = Proxy::new("http://us%40er:pa55w0rd%2F@[::1]:3128");
        let via = proxy.route(true, true).expect("a proxy").expect("a proxy");
        assert_eq!(via.proxy.username(), Some("us@er"));
        assert_eq!(via.proxy.password(), Some("pa55w0rd/"));
        assert_eq!(via.shown, "http://[::1]:3128");
        for said in [format!("{proxy:?}"), format!("{via:?}")] {
            assert!(!said.contains(SECRET) && said.contains("3128"), "{said}");
        }
    }

    #[test]
    fn hosts_without_a_proxy_are_named_as_everywhere() {
        for (entry, covered, others) in [
            ("*", &["a.b", "127.0.0.1", "[::1]"][..], &[][..]),
            (
                "Example.com",
                &["example.com", "b.EXAMPLE.com", "a.b.example.com"],
                &["anexample.com", "example.com.cn", "com"],
            ),
            (
                ".example.com",
                &["b.example.com"],
                &["example.com", "bexample.com"],
            ),
            ("*.example.com", &["b.example.com"], &["example.com"]),
            ("192.0.2.1", &["192.0.2.1"], &["192.0.2.2", "1.192.0.2.1"]),
            ("192.0.2.0/24", &["192.0.2.77"], &["192.0.3.77", "[::1]"]),
            ("0.0.0.0/0", &["192.0.2.77"], &["[::1]", "host"]),
            ("::1", &["[::1]"], &["[::2]", "0.0.0.1"]),
            ("[fd00::]/8", &["[fd12::1]"], &["[fe80::1]"]),
        ] {
            let direct = Direct::parse(entry).unwrap_or_else(|why| panic!("{entry}: {why}"));
            for host in covered {
                assert!(direct.covers(host), "{entry} {host}");
            }
            for host in others {
                assert!(!direct.covers(host), "{entry} {host}");
            }
        }
        for bad in [
            "",
            ".",
            "a b",
            "host:80",
            "1.2.3.0/33",
            "::/129",
            "x/8",
            "http://x",
        ] {
            let refused = Proxy::new("http://proxy:1")
                .no_proxy([bad])
                .route(true, false);
            let why = refused.expect_err(bad);
            assert!(why.contains("could go without a proxy"), "{why}");
        }
    }

    #[test]
    fn an_empty_list_of_hosts_that_go_direct_hides_no_other() {
        let variable = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://proxy:1".to_owned()),
            "NO_PROXY" => Some(String::new()),
            "no_proxy" => Some("a.example".to_owned()),
            _ => None,
        };
        let via = Proxy::from_env().route_by(true, false, variable);
        let via = via.expect("a proxy").expect("a proxy");
        assert!(!via.leads_to("a.example"));
    }

    #[test]
    fn hosts_that_go_direct_are_those_given_and_those_of_the_environment() {
        let variable = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://proxy:1".to_owned()),
            "NO_PROXY" => Some("a.example, b.example:80,10.0.0.0/8".to_owned()),
            _ => None,
        };
        let proxy = Proxy::from_env().no_proxy(["c.example"]);
        let via = proxy.route_by(true, false, variable).expect("a proxy");
        let via = via.expect("a proxy");
        for direct in ["bucket.a.example", "10.1.2.3", "c.example"] {
            assert!(!via.leads_to(direct), "{direct}");
        }
        for proxied in ["b.example", "11.1.2.3"] {
            assert!(via.leads_to(proxied), "{proxied}");
        }
    }
}
