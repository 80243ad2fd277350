//! Where OSS is: endpoints, how a bucket is addressed there, and the names that OSS takes.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/user-guide/regions-and-endpoints>

use crate::escape;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// How a bucket is named in a URL. What is signed does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Addressing {
    /// `https://BUCKET.ENDPOINT/KEY`, the way of the public service.
    VirtualHosted,
    /// `http://ENDPOINT/BUCKET/KEY`: IP addresses, localhost, private installations.
    Path,
    /// `https://HOST/KEY`: a domain of your own that is bound to one bucket.
    Cname,
}

/// A parsed endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    https: bool,
    /// `host` or `host:port`, lower case.
    authority: String,
    addressing: Addressing,
    region: Option<String>,
    product: &'static str,
}

impl Endpoint {
    /// Reads `[http[s]://]HOST[:PORT][/]`. The error says what is wrong with it.
    pub(crate) fn parse(text: &str, asked: Option<Addressing>) -> Result<Endpoint, String> {
        let text = text.trim();
        // Before anything of it is repeated.
        if text.contains('@') {
            return Err("an endpoint has no user and no password".to_owned());
        }
        let (https, rest) = match text.split_once("://") {
            None => (true, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, _)) => return Err(format!("`{scheme}` is neither http nor https")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        if let Some(bad) = authority.find(['/', '?', '#']) {
            return Err(format!(
                "only a host and a port belong into an endpoint, not `{}`",
                &authority[bad..]
            ));
        }
        check_authority(&authority)?;
        let (host, _) = split_port(&authority)?;
        let local = is_ip(host) || host == "localhost";
        let addressing = asked.unwrap_or(match local {
            true => Addressing::Path,
            false => Addressing::VirtualHosted,
        });
        if local && addressing == Addressing::VirtualHosted {
            return Err(format!(
                "`{host}` cannot carry a bucket's name: path style only"
            ));
        }
        let (region, product) = region_and_product(host);
        let region = region.map(str::to_owned);
        Ok(Endpoint {
            https,
            authority,
            addressing,
            region,
            product,
        })
    }

    /// Whether it is on this machine, where no proxy of the environment leads.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// Without a port.
    pub(crate) fn host(&self) -> &str {
        split_port(&self.authority).map_or("", |(host, _)| host)
    }

    /// The address that is written in place of a name.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        without_brackets(self.host()).parse().ok()
    }

    /// The region that the host's name tells, without the prefix `oss-`.
    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The product in a V4 scope.
    pub(crate) fn product(&self) -> &'static str {
        self.product
    }

    /// The URL of an object, path and query escaped.
    pub(crate) fn url(&self, bucket: &str, key: &str, query: &[(&str, &str)]) -> String {
        let mut url = String::with_capacity(self.authority.len() + bucket.len() + key.len() + 128);
        url.push_str(self.scheme());
        if self.addressing == Addressing::VirtualHosted {
            url.extend([bucket, "."]);
        }
        url.push_str(&self.authority);
        url.push('/');
        if self.addressing == Addressing::Path {
            url.extend([bucket, "/"]);
        }
        escape::push_path(&mut url, key);
        if !query.is_empty() {
            url.push('?');
            escape::push_query_string(&mut url, query);
        }
        url
    }

    fn scheme(&self) -> &'static str {
        if self.https { "https://" } else { "http://" }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scheme(), self.authority)
    }
}

/// What may be shown of a text that was meant to be an endpoint: not the user and the password that some URLs have.
pub(crate) fn shown(text: &str) -> &str {
    text.rsplit('@').next().unwrap_or_default()
}

/// Whether it is a host and perhaps a port; the error says what is wrong with it.
pub(crate) fn check_authority(text: &str) -> Result<(), String> {
    let (host, port) = split_port(text)?;
    check_port(port)?;
    match is_ip(host) {
        true => Ok(()),
        false => check_host(host),
    }
}

/// Whether a host is this machine, by its name or address.
pub(crate) fn is_loopback(host: &str) -> bool {
    let ip = without_brackets(host).parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// An IPv6 address stands in brackets where a port may follow.
pub(crate) fn without_brackets(host: &str) -> &str {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    bare.unwrap_or(host)
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), String> {
    if authority.starts_with('[') {
        let end = authority.find(']').ok_or("`[` without `]`")?;
        let (host, rest) = authority.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(format!("`{rest}` behind `{host}` is not a port")),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

fn check_port(port: Option<&str>) -> Result<(), String> {
    match port {
        // What Rust reads as a number may have a sign.
        Some(port)
            if port.starts_with('+') || !port.parse::<u16>().is_ok_and(|number| number > 0) =>
        {
            Err(format!("`{port}` is not a port, 1 to 65535"))
        }
        _ => Ok(()),
    }
}

fn is_ip(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match bare {
        Some(bare) => bare.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()),
    }
}

pub(crate) fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("it names no host".to_owned());
    }
    let legal = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    match host.len() <= 253 && host.split('.').all(legal) {
        true => Ok(()),
        false => Err(format!("`{host}` is not a host name")),
    }
}

/// Ways to OSS in a region.
///
/// Source: <https://www.alibabacloud.com/help/en/oss/user-guide/regions-and-endpoints>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// Over the internet.
    #[default]
    Public,
    /// From within Alibaba Cloud, in the same region: no traffic is billed.
    Internal,
    /// Over the internet by IPv4 or IPv6. Not in every region.
    DualStack,
    /// Over the nearest entry to Alibaba Cloud's network, in a bucket with transfer acceleration.
    Accelerated,
    /// The same for places outside of mainland China.
    AcceleratedOverseas,
}

impl Network {
    /// The endpoint of a region, https.
    pub(crate) fn endpoint(self, region: &str) -> String {
        match self {
            Network::Public => format!("https://oss-{region}.aliyuncs.com"),
            Network::Internal => format!("https://oss-{region}-internal.aliyuncs.com"),
            Network::DualStack => format!("https://{region}.oss.aliyuncs.com"),
            Network::Accelerated => "https://oss-accelerate.aliyuncs.com".to_owned(),
            Network::AcceleratedOverseas => {
                "https://oss-accelerate-overseas.aliyuncs.com".to_owned()
            }
        }
    }
}

/// What the documented host names tell; a CNAME, an IP address or an accelerating endpoint tells nothing.
fn region_and_product(host: &str) -> (Option<&str>, &'static str) {
    if let Some(rest) = host.strip_suffix(".oss-cloudbox.aliyuncs.com") {
        let id = rest.split('.').rev().nth(1);
        return (id.filter(|id| id.starts_with("cb-")), "oss-cloudbox");
    }
    let Some(rest) = host.strip_suffix(".aliyuncs.com") else {
        return (None, "oss");
    };
    let region = match rest.strip_suffix(".oss") {
        Some(dual_stack) => dual_stack.rsplit('.').next(),
        None => rest
            .rsplit('.')
            .next()
            .and_then(|label| label.strip_prefix("oss-"))
            .map(|label| label.strip_suffix("-internal").unwrap_or(label))
            .filter(|label| !label.starts_with("accelerate")),
    };
    (region.filter(|region| is_region(region)), "oss")
}

/// Whether it could be a region id, `cn-hangzhou`.
pub(crate) fn is_region(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether OSS takes it as the name of a bucket; the error says what it takes.
pub(crate) fn check_bucket(name: &str) -> Result<(), String> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let legal = (3..=63).contains(&name.len())
        && name.bytes().all(|b| letter(b) || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    match legal {
        true => Ok(()),
        false => Err(
            "a bucket's name has 3 to 63 characters of a-z, 0-9 and `-`, and neither begins nor ends with `-`"
                .to_owned(),
        ),
    }
}

/// Whether OSS takes it as an object key; the error says what it takes.
pub(crate) fn check_key(key: &str) -> Result<(), String> {
    match key.len() {
        1..=1023 if key.starts_with(['/', '\\']) => {
            Err("an object key must not begin with `/` or `\\`".to_owned())
        }
        1..=1023 => Ok(()),
        len => Err(format!(
            "an object key has 1 to 1,023 bytes of UTF-8, this one has {len}"
        )),
    }
}

/// The longest upload id that is taken; today's have 32 characters.
const MAX_UPLOAD_ID_LEN: usize = 1024;

/// Whether it can be the id of an upload, which is opaque text: an empty one would make another request of those that
/// name it.
pub(crate) fn check_upload_id(id: &str) -> Result<(), String> {
    match id.len() {
        1..=MAX_UPLOAD_ID_LEN if id.contains(char::is_control) => {
            Err("an upload id has no control characters".to_owned())
        }
        1..=MAX_UPLOAD_ID_LEN => Ok(()),
        len => Err(format!(
            "an upload id has 1 to {MAX_UPLOAD_ID_LEN} bytes, this one has {len}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Endpoint {
        Endpoint::parse(text, None).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn the_bucket_stands_in_the_host_the_path_or_nowhere() {
        let public = parse("oss-cn-hangzhou.aliyuncs.com");
        let query = [("uploads", "")];
        assert_eq!(
            public.url("b-1", "a b/c+d", &query),
            "https://b-1.oss-cn-hangzhou.aliyuncs.com/a%20b/c%2Bd?uploads"
        );
        for host in ["127.0.0.1:9000", "localhost:9000", "[::1]:9000", "[::1]"] {
            let local = parse(&format!("http://{host}/"));
            assert_eq!(local.url("b-1", "k", &[]), format!("http://{host}/b-1/k"));
        }
        let cname = Endpoint::parse("https://files.example.com", Some(Addressing::Cname));
        let url = cname.expect("a CNAME").url("b-1", "k", &[]);
        assert_eq!(url, "https://files.example.com/k");
        let private = Endpoint::parse("http://oss.corp:8080", Some(Addressing::Path));
        let url = private.expect("path style").url("b-1", "k", &[]);
        assert_eq!(url, "http://oss.corp:8080/b-1/k");
    }

    #[test]
    fn the_region_is_read_from_documented_hosts_only() {
        for (host, region) in [
            ("oss-cn-hangzhou.aliyuncs.com", Some("cn-hangzhou")),
            ("oss-cn-hangzhou-internal.aliyuncs.com", Some("cn-hangzhou")),
            (
                "OSS-AP-SOUTHEAST-1.aliyuncs.com:443",
                Some("ap-southeast-1"),
            ),
            ("b.oss-us-west-1.aliyuncs.com", Some("us-west-1")),
            ("cn-beijing.oss.aliyuncs.com", Some("cn-beijing")),
            ("b.cn-beijing.oss.aliyuncs.com", Some("cn-beijing")),
            // The clouds of finance.
            ("oss-cn-hzfinance.aliyuncs.com", Some("cn-hzfinance")),
            ("oss-cn-hzjbp-a-internal.aliyuncs.com", Some("cn-hzjbp-a")),
            (
                "oss-cn-shenzhen-finance-1-pub.aliyuncs.com",
                Some("cn-shenzhen-finance-1-pub"),
            ),
            ("oss-accelerate.aliyuncs.com.example.com", None),
            ("oss-accelerate.aliyuncs.com", None),
            ("oss-accelerate-overseas.aliyuncs.com", None),
            ("files.example.com", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(parse(host).region(), region, "{host}");
        }
        let cloud_box = parse("cb-123.cn-shenzhen.oss-cloudbox.aliyuncs.com");
        assert_eq!(cloud_box.region(), Some("cb-123"));
        assert_eq!(cloud_box.product(), "oss-cloudbox");
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for here in [
            "http://127.0.0.1:9000",
            "http://127.1.2.3",
            "localhost",
            "http://[::1]:1",
        ] {
            assert!(parse(here).is_loopback(), "{here}");
        }
        for elsewhere in [
            "http://10.0.0.1",
            "oss-cn-hangzhou.aliyuncs.com",
            "localhost.example.com",
        ] {
            assert!(!parse(elsewhere).is_loopback(), "{elsewhere}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_a_reason() {
        for bad in [
            "",
            "https://",
            "ftp://host",
            "http://host/path",
            "http://host?x",
            "http://user@host",
            "host:0",
            "host:65536",
            "host:+80",
            "host:port",
            "[::1",
            "[::1]x",
            "ho st",
            "a..b",
            "host\r\nx",
        ] {
            let why = Endpoint::parse(bad, None).expect_err(bad);
            assert!(!why.is_empty(), "{bad}");
        }
        let asked = Some(Addressing::VirtualHosted);
        assert!(Endpoint::parse("http://127.0.0.1", asked).is_err());
    }

    #[test]
    fn names_are_checked_as_oss_does() {
        for good in ["abc", "a-1", &"a".repeat(63)] {
            assert_eq!(check_bucket(good), Ok(()), "{good}");
        }
        for bad in ["ab", "-ab", "ab-", "Abc", "a.b", "a_b", &"a".repeat(64), ""] {
            assert!(check_bucket(bad).is_err(), "{bad}");
        }
        for good in [
            "a",
            "dir/",
            "a//b",
            "a/../b",
            "备",
            "\u{1}",
            &"k".repeat(1023),
        ] {
            assert_eq!(check_key(good), Ok(()), "{good}");
        }
        for bad in ["", "/a", "\\a", &"k".repeat(1024), &"备".repeat(342)] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
    }
}
