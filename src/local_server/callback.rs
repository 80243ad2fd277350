//! Callbacks: what a request asks for, and the call to the application once the object is stored.
//!
//! The call is not signed as OSS signs it (`x-oss-pub-key-url`): nobody but Alibaba Cloud has that key.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/callback>

use super::answer::Answer;
use super::error::OssError;
use super::request::Request;
use crate::escape;
use crate::sign::http_date;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const MAX_URLS: usize = 5;
const MAX_HEADER: usize = 5 << 10;
/// Of the application's answer.
const MAX_BODY: usize = 3 << 20;
const MAX_HEAD: usize = 64 << 10;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// What OSS knows when it calls, apart from variables of the request's own.
const SYSTEM_VARIABLES: [&str; 14] = [
    "bucket",
    "clientIp",
    "contentMd5",
    "crc64",
    "etag",
    "imageInfo.format",
    "imageInfo.height",
    "imageInfo.width",
    "mimeType",
    "object",
    "operation",
    "reqId",
    "size",
    "vpcId",
];

/// A callback that a request asks for.
#[derive(Debug)]
pub(super) struct Callback {
    targets: Vec<Target>,
    host: Option<String>,
    body: Vec<Piece>,
    body_type: &'static str,
    /// Names with their `x:`.
    variables: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Target {
    address: SocketAddr,
    authority: String,
    path: String,
}

/// A stretch of the body.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

/// `x-oss-callback` as JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    callback_url: String,
    callback_host: Option<String>,
    callback_body: String,
    callback_body_type: Option<String>,
    /// Of TLS, which is not spoken here.
    #[serde(rename = "callbackSNI")]
    _callback_sni: Option<bool>,
}

/// The object that the application is told of.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) etag: &'a str,
    pub(super) len: u64,
    pub(super) mime_type: &'a str,
    pub(super) crc: Option<u64>,
    pub(super) md5: Option<[u8; 16]>,
    pub(super) operation: &'static str,
    pub(super) request_id: &'a str,
    pub(super) now: Timestamp,
}

/// A header or the parameter of the same meaning, as it came.
fn asked<'r>(request: &'r Request, name: &'static str) -> Result<Option<&'r str>, OssError> {
    let header = request.header(match name {
        "callback" => "x-oss-callback",
        _ => "x-oss-callback-var",
    });
    match (header, request.parameter(name)) {
        (Some(_), Some(_)) => Err(refused("Both a header and a parameter.", name, "")),
        (header, parameter) => Ok(header.or(parameter)),
    }
}

fn refused(message: &'static str, name: &'static str, value: &str) -> OssError {
    OssError::argument(message, name, value)
}

/// Refuses a callback with a call that makes no object.
pub(super) fn refuse(request: &Request) -> Result<(), OssError> {
    for name in ["callback", "callback-var"] {
        if let Some(value) = asked(request, name)? {
            return Err(refused("This call has no callback.", name, value));
        }
    }
    Ok(())
}

/// Calls the application back, if the request asks for it. Its answer takes the place of the body.
pub(super) fn call_back(
    request: &Request,
    told: &Told<'_>,
    within: Duration,
    answer: Answer,
) -> Result<Answer, OssError> {
    let Some(callback) = Callback::of(request)? else {
        return Ok(answer);
    };
    let body = callback.call(told, within)?;
    Ok(answer
        .replaced("Content-Type", "application/json")
        .body(body))
}

impl Callback {
    /// The callback that a request asks for, if it asks for one; an error when it cannot be called.
    pub(super) fn of(request: &Request) -> Result<Option<Callback>, OssError> {
        let (callback, variables) = (asked(request, "callback")?, asked(request, "callback-var")?);
        match (callback, variables) {
            (None, None) => Ok(None),
            (None, Some(value)) => {
                let message = "Variables without a callback.";
                Err(refused(message, "callback-var", value))
            }
            (Some(callback), variables) => Callback::parse(callback, variables).map(Some),
        }
    }

    fn parse(callback: &str, variables: Option<&str>) -> Result<Callback, OssError> {
        let wrong = |message| refused(message, "callback", callback);
        let configuration: Configuration = decode(callback).ok_or_else(|| {
            wrong("The callback configuration is not base64 of the JSON that is known.")
        })?;
        let variables = match variables {
            None => BTreeMap::new(),
            Some(text) => parse_variables(text)?,
        };
        let body_type = match configuration.callback_body_type.as_deref() {
            None | Some(FORM) => FORM,
            Some(JSON) => JSON,
            Some(_) => return Err(wrong("The callbackBodyType is invalid.")),
        };
        let body = parse_body(&configuration.callback_body)
            .filter(|body| body.iter().all(|piece| piece.is_known(&variables)))
            .ok_or_else(|| wrong("The callbackBody is empty, or names an unknown variable."))?;
        let urls: Vec<&str> = configuration.callback_url.split(';').collect();
        if urls.len() > MAX_URLS {
            return Err(wrong("The callbackUrl has more than 5 URLs."));
        }
        Ok(Callback {
            targets: urls
                .into_iter()
                .map(Target::parse)
                .collect::<Result<_, _>>()?,
            host: configuration.callback_host,
            body,
            body_type,
            variables,
        })
    }

    /// Calls one URL after the other until an application answers well. The answer's body, or why none came.
    fn call(&self, told: &Told<'_>, within: Duration) -> Result<Vec<u8>, OssError> {
        let body = self.fill(told);
        let mut failure = Failure::Unreached;
        for target in &self.targets {
            let end = Instant::now() + within;
            match self.post(target, &body, told, end) {
                Ok(answer) => return Ok(answer),
                Err(why) => failure = why,
            }
        }
        Err(failure.error())
    }

    fn fill(&self, told: &Told<'_>) -> String {
        let mut body = String::new();
        for piece in &self.body {
            match piece {
                Piece::Text(text) => body.push_str(text),
                Piece::Variable(name) => {
                    let value = match self.variables.get(name) {
                        Some(value) => value.clone(),
                        None => told.value(name),
                    };
                    match self.body_type {
                        FORM => escape::push_query(&mut body, &value),
                        // Texts bring their quotes along.
                        _ if name == "size" => body.push_str(&value),
                        _ => body.push_str(&serde_json::Value::from(value).to_string()),
                    }
                }
            }
        }
        body
    }

    fn post(
        &self,
        target: &Target,
        body: &str,
        told: &Told<'_>,
        end: Instant,
    ) -> Result<Vec<u8>, Failure> {
        let mut stream = TcpStream::connect_timeout(&target.address, left(end)?)?;
        let head = self.head(target, body, told);
        stream.set_write_timeout(Some(left(end)?))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let answer = read_answer(&mut stream, end)?;
        match serde_json::from_slice::<IgnoredAny>(&answer) {
            Ok(_) => Ok(answer),
            Err(_) => Err(Failure::NoJson),
        }
    }

    fn head(&self, target: &Target, body: &str, told: &Told<'_>) -> String {
        let host = self.host.as_deref().unwrap_or(&target.authority);
        let md5 = STANDARD.encode(Md5::digest(body));
        let mut head = format!("POST {} HTTP/1.1\r\n", target.path);
        for (name, value) in [
            ("Host", host),
            ("Connection", "close"),
            ("Content-Length", &body.len().to_string()),
            ("Content-MD5", &md5),
            ("Content-Type", self.body_type),
            ("Date", &http_date(told.now)),
            ("User-Agent", "aliyun-oss-callback"),
            ("x-oss-bucket", told.bucket),
            ("x-oss-request-id", told.request_id),
            ("x-oss-tag", "CALLBACK"),
        ] {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head + "\r\n"
    }
}

impl Told<'_> {
    fn value(&self, name: &str) -> String {
        match name {
            "bucket" => self.bucket.to_owned(),
            "object" => self.key.to_owned(),
            "etag" => self.etag.to_owned(),
            "size" => self.len.to_string(),
            "mimeType" => self.mime_type.to_owned(),
            "crc64" => self.crc.map(|crc| crc.to_string()).unwrap_or_default(),
            "contentMd5" => self.md5.map(|md5| STANDARD.encode(md5)).unwrap_or_default(),
            "operation" => self.operation.to_owned(),
            "reqId" => self.request_id.to_owned(),
            // Nobody else can reach the server.
            "clientIp" => Ipv4Addr::LOCALHOST.to_string(),
            // No image is looked into, and there is no VPC.
            _ => String::new(),
        }
    }
}

impl Piece {
    fn is_known(&self, variables: &BTreeMap<String, String>) -> bool {
        match self {
            Piece::Text(_) => true,
            Piece::Variable(name) => {
                SYSTEM_VARIABLES.contains(&&**name) || variables.contains_key(name)
            }
        }
    }
}

impl Target {
    /// A URL of this machine. Without a scheme it is `http`.
    fn parse(url: &str) -> Result<Target, OssError> {
        let elsewhere = || OssError::not_implemented("callbacks but to http on loopback");
        let rest = match url.split_once("://") {
            None => url,
            Some(("http", rest)) => rest,
            Some(_) => return Err(elsewhere()),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let is_sound = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if authority.is_empty() || !is_sound(rest) {
            return Err(refused("The callbackUrl is no URL.", "callback", url));
        }
        let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
        let ip = match host {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host => host.parse().ok().filter(IpAddr::is_loopback),
        };
        let address = ip.zip(port.parse().ok()).ok_or_else(elsewhere)?;
        Ok(Target {
            address: address.into(),
            authority: authority.to_owned(),
            path: match path.starts_with('/') {
                true => path.to_owned(),
                false => format!("/{path}"),
            },
        })
    }
}

/// JSON out of base64.
fn decode<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    let json = Some(text).filter(|text| text.len() <= MAX_HEADER)?;
    serde_json::from_slice(&STANDARD.decode(json).ok()?).ok()
}

fn parse_variables(text: &str) -> Result<BTreeMap<String, String>, OssError> {
    let is_good = |name: &String| {
        let rest = name.strip_prefix("x:").unwrap_or_default();
        !rest.is_empty() && !rest.contains(char::is_uppercase)
    };
    decode::<BTreeMap<String, String>>(text)
        .filter(|variables| variables.keys().all(is_good))
        .ok_or_else(|| {
            let message =
                "The callback-var is not base64 of JSON whose keys are x: and lower case.";
            refused(message, "callback-var", text)
        })
}

/// The body in pieces; `None` when it is empty or a `${` has no end.
fn parse_body(body: &str) -> Option<Vec<Piece>> {
    let (mut pieces, mut rest) = (vec![], Some(body).filter(|body| !body.is_empty())?);
    while let Some((text, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}')?;
        pieces.push(Piece::Text(text.to_owned()));
        pieces.push(Piece::Variable(name.to_owned()));
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Some(pieces)
}

/// Why an application did not answer well.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    Unreached,
    TooLate,
    Status(u16),
    NoHttp,
    NoJson,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            // What a socket says whose time is over differs between systems.
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Failure::TooLate,
            _ => Failure::Unreached,
        }
    }
}

impl Failure {
    fn error(&self) -> OssError {
        let (ec, message) = match self {
            Failure::Unreached => (
                "0007-00000203",
                "Error status : -1.OSS can not connect to your callbackUrl, please check it."
                    .into(),
            ),
            Failure::TooLate => (
                "0007-00000202",
                "Error status : -1.Callback timeout.".into(),
            ),
            Failure::Status(status) => ("0007-00000203", format!("Error status : {status}.")),
            Failure::NoHttp => (
                "0007-00000203",
                "Response is not HTTP with a length.".into(),
            ),
            Failure::NoJson => (
                "0007-00000203",
                "Response body is not valid json format.".into(),
            ),
        };
        OssError::new(203, "CallbackFailed", message).ec(ec)
    }
}

fn left(end: Instant) -> Result<Duration, Failure> {
    match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(Failure::TooLate),
        left => Ok(left),
    }
}

/// The body of an answer with status 200, whose length it tells.
fn read_answer(stream: &mut TcpStream, end: Instant) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![];
    let mut expected = None;
    let mut piece = [0; 4096];
    loop {
        if expected.is_none() {
            expected = parse_head(&bytes)?;
        }
        if let Some((start, len)) = expected
            && bytes.len() >= start + len
        {
            bytes.truncate(start + len);
            return Ok(bytes.split_off(start));
        }
        stream.set_read_timeout(Some(left(end)?))?;
        match stream.read(&mut piece)? {
            0 => return Err(Failure::NoHttp),
            n => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

/// Where the body begins and how long it is; `None` while the head is not complete.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, usize)>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let start = match response.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        _ => return Err(Failure::NoHttp),
    };
    match response.code {
        Some(200) => {}
        Some(status) => return Err(Failure::Status(status)),
        None => return Err(Failure::NoHttp),
    }
    let is_length =
        |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case("content-length");
    let len = response.headers.iter().find(is_length);
    let len = len.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    match len {
        Some(len) if len <= MAX_BODY => Ok(Some((start, len))),
        _ => Err(Failure::NoHttp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_filled_in_as_its_type_asks() {
        let told = Told {
            bucket: "b",
            key: "a b/\"备\"",
            etag: "E",
            len: 7,
            mime_type: "text/plain",
            crc: Some(1),
            md5: None,
            operation: "PutObject",
            request_id: "R",
            now: Timestamp::UNIX_EPOCH,
        };
        let filled = |body_type: &'static str, body: &str| {
            let callback = Callback {
                targets: vec![],
                host: None,
                body: parse_body(body).expect("a body"),
                body_type,
                variables: BTreeMap::from([("x:v".to_owned(), "1&\"2\"".to_owned())]),
            };
            callback.fill(&told)
        };
        assert_eq!(
            filled(
                FORM,
                "k=${object}&s=${size}&v=${x:v}&m=${mimeType}&i=${imageInfo.width}$"
            ),
            "k=a%20b%2F%22%E5%A4%87%22&s=7&v=1%26%222%22&m=text%2Fplain&i=$"
        );
        assert_eq!(
            filled(
                JSON,
                "{\"k\":${object},\"s\":${size},\"v\":${x:v},\"i\":${imageInfo.width}}"
            ),
            "{\"k\":\"a b/\\\"备\\\"\",\"s\":7,\"v\":\"1&\\\"2\\\"\",\"i\":\"\"}"
        );
    }

    #[test]
    fn only_this_machine_is_called() {
        for (url, address, path) in [
            ("http://127.0.0.1:81/a?b=c", "127.0.0.1:81", "/a?b=c"),
            ("127.0.0.1/a", "127.0.0.1:80", "/a"),
            ("http://localhost:81?b", "127.0.0.1:81", "/?b"),
        ] {
            let target = Target::parse(url).expect(url);
            assert_eq!(target.address.to_string(), address);
            assert_eq!(target.path, path);
        }
        for url in [
            "https://127.0.0.1/",
            "http://192.0.2.1/",
            "http://app.example.com/",
            "http://127.0.0.1:99999/",
            "http:///a",
            "http://127.0.0.1/a b",
            "",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
