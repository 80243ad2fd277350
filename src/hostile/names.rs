//! What the caller, or who fills in the caller's configuration, may say.

use super::shown::expect_line;
use crate::client::signer::Signer;
use crate::client::{Client, signable};
use crate::credentials::Credentials;
use crate::endpoint::{Addressing, Endpoint, check_bucket, check_key, is_region};
use crate::error::Error;
use crate::protocol::{
    NOTHING_MORE, Operation, Request, abort, complete, head_object, initiate, list_parts,
    put_object, upload_part,
};
use crate::sign::{SignatureVersion, v4};
use crate::transport::Proxy;
use crate::upload::options::{Given, ObjectHeaders};
use jiff::Timestamp;
use ureq::http::{HeaderName, HeaderValue, Uri};

const BUCKET: &str = "examplebucket";

/// More than any reason says of itself; what the caller said may stand in it.
const MAX_REASON: usize = 300;

/// Whatever is refused is so for a reason, which the error shows.
fn refused<T>(given: &str, why: String) -> Option<T> {
    assert!(!why.trim().is_empty());
    failed(given, &Error::options("checking", why))
}

/// An error is one line, and repeats what was given at most twice.
fn failed<T>(given: &str, error: &Error) -> Option<T> {
    let escaped = "\\u{10ffff}".len() * given.chars().count();
    expect_line(&error.to_string(), MAX_REASON + 2 * escaped);
    None
}

/// The endpoint as it is shown, when it is one.
pub(super) fn endpoint(text: &str) -> Option<String> {
    use Addressing::{Cname, Path, VirtualHosted};
    let parsed = [None, Some(VirtualHosted), Some(Path), Some(Cname)].map(|asked| {
        match Endpoint::parse(text, asked) {
            Ok(endpoint) => {
                expect_where_it_says(&endpoint, text);
                Some(endpoint.to_string())
            }
            Err(why) => {
                let built = Client::builder(text).addressing(asked.unwrap_or(Path));
                if let Err(error) = built.anonymous().build() {
                    failed::<()>(text, &error);
                }
                refused(text, why)
            }
        }
    });
    // Only a bucket's name in the host makes a difference: an IP address cannot carry one.
    assert_eq!(parsed[0], parsed[2]);
    assert_eq!(parsed[0], parsed[3]);
    assert!(parsed[1].is_none() || parsed[1] == parsed[0]);
    parsed.into_iter().flatten().next()
}

/// URLs lead to the host and port that were written, and nowhere else.
fn expect_where_it_says(endpoint: &Endpoint, text: &str) {
    let text = text.trim().to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", &text));
    let said = rest.strip_suffix('/').unwrap_or(rest);
    assert_eq!(endpoint.to_string(), format!("{scheme}://{said}"));
    let again = Endpoint::parse(&endpoint.to_string(), None).expect("what it is shown as");
    assert_eq!(again.to_string(), endpoint.to_string());
    let url = endpoint.url(BUCKET, "k", &[("uploads", "")]);
    let uri: Uri = url.parse().unwrap_or_else(|why| panic!("{url}: {why}"));
    let authority = uri.authority().expect("an authority");
    let hosts = [said.to_owned(), format!("{BUCKET}.{said}")];
    assert!(
        hosts.contains(&authority.to_string()),
        "{authority} is not {said}"
    );
    assert!(
        !said.contains(['@', '/', '?', '#', '\\', '%'])
            && said.bytes().all(|b| b.is_ascii_graphic()),
        "{said:?}"
    );
    assert_eq!(uri.scheme_str(), Some(scheme));
    let port = said.rsplit_once(':').map(|(_, port)| port);
    let port = port.filter(|port| !port.ends_with(']'));
    let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    assert!(port.is_none_or(digits), "{said}");
    let port = port.map(|port| port.parse::<u16>().expect("a port"));
    assert!(authority.port_u16() == port && port != Some(0), "{said}");
    assert!(endpoint.region().is_none_or(is_region));
}

/// What no error and no `Debug` may repeat.
pub(super) const PASSWORD: &str = "pa55w0rd";

/// The proxy as it is shown, when it is one. It may hold the password.
pub(super) fn proxy(text: &str) -> Option<String> {
    let proxy = Proxy::new(text);
    let shown = format!("{proxy:?}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    match proxy.route(true, false) {
        Ok(via) => {
            assert!(via.expect("it is given").leads_to("oss.example.com"));
            expect_line(&shown, MAX_REASON + text.len());
            Some(shown)
        }
        Err(why) => {
            assert!(!why.contains(PASSWORD), "{why}");
            refused(text, why)
        }
    }
}

/// Whether a host goes without a proxy, when they are hosts.
pub(super) fn no_proxy(hosts: &str, host: &str) -> Option<bool> {
    match Proxy::new("http://proxy")
        .no_proxy([hosts])
        .route(true, false)
    {
        Ok(via) => Some(!via.expect("it is given").leads_to(host)),
        Err(why) => refused(hosts, why),
    }
}

/// What is said in `Host`, when it can be.
pub(super) fn host_header(text: &str) -> Option<String> {
    let client = Client::builder("https://oss-cn-hangzhou.aliyuncs.com").anonymous();
    if let Err(error) = client.host_header(text).build() {
        return failed(text, &error);
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:[]".contains(&b);
    assert!(!text.is_empty() && text.bytes().all(is_plain), "{text:?}");
    Some(text.to_owned())
}

/// The region as it is signed, when it is one.
pub(super) fn region(text: &str) -> Option<String> {
    let region = text.strip_prefix("oss-").unwrap_or(text);
    if is_region(region) {
        assert!(
            region
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        );
        return Some(region.to_owned());
    }
    let built = Client::builder("oss-cn-hangzhou.aliyuncs.com")
        .region(text)
        .build();
    failed(text, &built.expect_err("no region"))
}

/// The name, when it is one.
pub(super) fn bucket(name: &str) -> Option<String> {
    if let Err(why) = check_bucket(name) {
        return refused(name, why);
    }
    let endpoint = Endpoint::parse("oss-cn-hangzhou.aliyuncs.com", None).expect("an endpoint");
    let uri: Uri = endpoint.url(name, "k", &[]).parse().expect("a URL");
    assert_eq!(
        uri.host(),
        Some(&*format!("{name}.oss-cn-hangzhou.aliyuncs.com"))
    );
    Some(name.to_owned())
}

/// The key, when it is one.
pub(super) fn key(key: &str) -> Option<String> {
    if let Err(why) = check_key(key) {
        return refused(key, why);
    }
    for (addressing, before) in [
        (Addressing::VirtualHosted, "/"),
        (Addressing::Path, "/examplebucket/"),
        (Addressing::Cname, "/"),
    ] {
        let endpoint =
            Endpoint::parse("oss-cn-hangzhou.aliyuncs.com", Some(addressing)).expect("an endpoint");
        for id in ["5D0F+/=B4E", key] {
            let url = endpoint.url(BUCKET, key, &[("partNumber", "7"), ("uploadId", id)]);
            let uri: Uri = url.parse().unwrap_or_else(|why| panic!("{url}: {why}"));
            assert!(
                url.bytes().all(|b| b.is_ascii_graphic()) && !url.contains('#'),
                "{url}"
            );
            let path = uri
                .path()
                .strip_prefix(before)
                .expect("the way to the bucket");
            assert_eq!(unescape(path), key.as_bytes());
            let query = uri
                .query()
                .expect("a query")
                .strip_prefix("partNumber=7&uploadId=");
            assert_eq!(unescape(query.expect("both")), id.as_bytes());
        }
    }
    for request in [
        initiate::request(key, &NOTHING_MORE),
        list_parts::request(key, key, "0", &NOTHING_MORE),
        abort::request(key, key, &NOTHING_MORE),
        head_object::request(key, &NOTHING_MORE),
    ] {
        expect_sendable(&request);
    }
    Some(key.to_owned())
}

/// What `%XX` stands for; by hand, since it is the judge.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = vec![];
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || {
            char::from(rest.next().expect("a digit"))
                .to_digit(16)
                .expect("hex") as u8
        };
        bytes.push(match byte {
            b'%' => digit() << 4 | digit(),
            plain => plain,
        });
    }
    bytes
}

/// How many headers and parameters are taken, when they are. Lines of parameters begin with a question mark.
pub(super) fn object_headers(lines: &str) -> Option<usize> {
    let (queried, headed): (Vec<&str>, Vec<&str>) =
        lines.split('\n').partition(|line| line.starts_with('?'));
    let query = pairs(queried.iter().map(|line| &line[1..]), '=');
    let given = pairs(headed.into_iter(), ':');
    let asked = Given {
        headers: given.clone(),
        query: query.clone(),
        ..Given::default()
    };
    let sorted = match ObjectHeaders::new(&asked) {
        Ok(sorted) => sorted,
        Err(why) => return refused(lines, why),
    };
    let said: Vec<_> = given
        .iter()
        .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
        .collect();
    assert_eq!(
        sorted.put.headers, said,
        "PutObject carries each, as it was given"
    );
    let len: usize = said
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!(len <= 64 << 10, "{len} bytes");
    assert_eq!(sorted.put.query, query, "and each parameter");
    let endpoint = Endpoint::parse("oss-cn-hangzhou.aliyuncs.com", None).expect("an endpoint");
    for request in [
        put_object::request("k", &sorted.put),
        initiate::request("k", &sorted.initiate),
        upload_part::request("k", "id", "1", &sorted.upload_part),
        complete::request("k", "id", &sorted.complete),
        list_parts::request("k", "id", "0", &sorted.other),
    ] {
        expect_of_given(&request, &said, &query);
        let url = endpoint.url(BUCKET, "k", &request.query);
        let uri: Result<Uri, _> = url.parse();
        assert!(
            uri.is_ok() && url.bytes().all(|b| b.is_ascii_graphic()),
            "{url}"
        );
        expect_sendable(&request);
    }
    Some(given.len() + query.len())
}

fn pairs<'a>(lines: impl Iterator<Item = &'a str>, between: char) -> Vec<(String, String)> {
    lines
        .filter_map(|line| line.split_once(between))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Nothing of the request is made up, and no parameter is there twice.
fn expect_of_given(request: &Request<'_>, said: &[(String, String)], query: &[(String, String)]) {
    for (name, value) in &request.headers {
        let ours =
            request.operation == Operation::CompleteMultipartUpload && *name == "content-type";
        let given = said
            .iter()
            .any(|(n, v)| (n.as_str(), v.as_str()) == (*name, *value));
        assert!(ours || given, "{name} is made up");
    }
    let own = ["uploads", "uploadId", "partNumber", "encoding-type"];
    let own = [&own[..], &["max-parts", "part-number-marker"]].concat();
    for (n, (name, _)) in request.query.iter().enumerate() {
        let is_given = query.iter().any(|(given, _)| given == name);
        assert!(
            own.contains(name) != is_given,
            "{name} is not one or the other"
        );
        let before = &request.query[..n];
        assert!(
            before.iter().all(|(other, _)| other != name),
            "{name} twice"
        );
    }
}

/// Whether they are taken.
pub(super) fn credentials(lines: &str) -> bool {
    let mut given = lines.splitn(3, '\n');
    let id = given.next().unwrap_or_default();
    let secret = given.next().unwrap_or_default();
    let mut credentials = Credentials::new(id, secret);
    if let Some(token) = given.next() {
        credentials = credentials.with_security_token(token);
    }
    let id = credentials.access_key_id();
    let shown = format!("Credentials {{ access_key_id: {id:?}, .. }}");
    assert_eq!(format!("{credentials:?}"), shown, "the id and nothing else");
    if let Err(why) = credentials.check() {
        // Words of ours alone, none of the secret.
        let parts = ["access key id", "access key secret", "security token"];
        let wrong = [
            "is empty",
            "has characters that no key has",
            "is longer than any key",
        ];
        let why = why.to_string();
        let ours = |part| {
            wrong
                .iter()
                .any(|wrong| why == format!("the {part} {wrong}"))
        };
        assert!(parts.into_iter().any(ours), "{why}");
        return false;
    }
    expect_signed(
        &initiate::request("k", &NOTHING_MORE),
        &credentials,
        Timestamp::UNIX_EPOCH,
    );
    true
}

/// Signed by both versions, a request is one that HTTP can carry.
pub(super) fn expect_sendable(request: &Request<'_>) {
    let credentials = Credentials::new("id", "secret");
    expect_signed(request, &credentials, Timestamp::UNIX_EPOCH);
}

/// The same at another time: a server may say what time it is.
pub(super) fn expect_sendable_at(time: Timestamp) {
    let request = initiate::request("k", &NOTHING_MORE);
    expect_signed(&request, &Credentials::new("id", "secret"), time);
}

fn expect_signed(request: &Request<'_>, credentials: &Credentials, time: Timestamp) {
    let signable = signable(BUCKET, request);
    for version in [SignatureVersion::V1, SignatureVersion::V4] {
        let signer = Signer::new(version, "cn-hangzhou".to_owned(), "oss");
        let signed = signer.sign(&signable, credentials, time);
        let signed = signed.iter().map(|(name, value)| (*name, &**value));
        for (name, value) in request.headers.iter().copied().chain(signed) {
            assert!(HeaderName::from_bytes(name.as_bytes()).is_ok(), "{name:?}");
            assert!(
                HeaderValue::from_bytes(value.as_bytes()).is_ok(),
                "{name}: {value:?}"
            );
            assert!(!value.contains(char::is_control), "{name}: {value:?}");
        }
    }
    // Nothing in a value can look like another line of what is signed.
    let lines = v4::canonical_request(&signable, &[]).matches('\n').count();
    let signed = |name: &str| name.starts_with("x-oss-") || name == "content-type";
    let n = request
        .headers
        .iter()
        .filter(|(name, _)| signed(name))
        .count();
    assert_eq!(lines, 5 + n);
}
