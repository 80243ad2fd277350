//! A bare client: signs by the published rules, not with the library's own code, and speaks HTTP over a socket.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, LocalServer};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub(super) const BUCKET: &str = "examplebucket";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V4,
    Anonymous,
}

/// A request to be signed and sent. Fields are open, so that a test can spoil one.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: String,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) version: Version,
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) region: String,
    pub(super) product: String,
    pub(super) time: Timestamp,
    pub(super) with_length: bool,
    pub(super) path: Option<String>,
    pub(super) host: String,
}

pub(super) fn ask(method: &str, key: &str) -> Ask {
    Ask {
        method: method.into(),
        bucket: BUCKET.into(),
        key: key.into(),
        query: vec![],
        headers: vec![],
        body: vec![],
        version: Version::V4,
        id: ACCESS_KEY_ID.into(),
        secret: ACCESS_KEY_SECRET.into(),
        region: "cn-hangzhou".into(),
        product: "oss".into(),
        time: Timestamp::now(),
        with_length: true,
        path: None,
        host: "127.0.0.1".into(),
    }
}

pub(super) fn put(key: &str, body: &[u8]) -> Ask {
    ask("PUT", key).body(body)
}

pub(super) fn get(key: &str) -> Ask {
    ask("GET", key)
}

pub(super) fn head(key: &str) -> Ask {
    ask("HEAD", key)
}

pub(super) fn initiate(key: &str) -> Ask {
    ask("POST", key).query("uploads", "")
}

pub(super) fn part(key: &str, id: &str, number: u16, body: &[u8]) -> Ask {
    put(key, body)
        .query("partNumber", &number.to_string())
        .query("uploadId", id)
}

pub(super) fn complete(key: &str, id: &str, parts: &[(u16, &str)]) -> Ask {
    let mut xml = String::from("<CompleteMultipartUpload>");
    for (number, etag) in parts {
        xml += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    xml += "</CompleteMultipartUpload>";
    complete_with(key, id, xml.as_bytes())
}

pub(super) fn complete_with(key: &str, id: &str, body: &[u8]) -> Ask {
    ask("POST", key).query("uploadId", id).body(body)
}

impl Ask {
    pub(super) fn query(mut self, name: &str, value: &str) -> Ask {
        self.query.push((name.into(), value.into()));
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn body(mut self, body: &[u8]) -> Ask {
        self.body = body.to_vec();
        self
    }

    pub(super) fn version(mut self, version: Version) -> Ask {
        self.version = version;
        self
    }

    pub(super) fn later(mut self, seconds: i64) -> Ask {
        self.time += SignedDuration::from_secs(seconds);
        self
    }

    /// Sends it on a connection of its own.
    pub(super) fn send(&self, server: &LocalServer) -> Answer {
        Client::to(server).ask(self).expect("an answer")
    }

    /// Sends it on a connection of its own and asserts that it is refused so.
    pub(super) fn refused(&self, server: &LocalServer, status: u16, code: &str) -> Answer {
        let answer = self.send(server);
        assert_eq!(
            (answer.status, &*answer.code()),
            (status, code),
            "{}",
            answer.text()
        );
        answer
    }

    pub(super) fn sent_ok(&self, server: &LocalServer) -> Answer {
        let answer = self.send(server);
        assert_eq!(answer.status / 100, 2, "{}", answer.text());
        answer
    }

    fn resource(&self) -> String {
        match &*self.bucket {
            "" => "/".into(),
            bucket => format!("/{bucket}/{}", self.key),
        }
    }

    /// The head, signed. The body is appended by the caller.
    pub(super) fn head_bytes(&self) -> Vec<u8> {
        let mut headers = self.headers.clone();
        let date = self.time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let has = |headers: &[(String, String)], name: &str| {
            headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        if !has(&headers, "date") {
            headers.push(("Date".into(), date.clone()));
        }
        if self.version == Version::V4 {
            let stamp = self.time.strftime("%Y%m%dT%H%M%SZ").to_string();
            for (name, value) in [
                ("x-oss-date", stamp.as_str()),
                ("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
            ] {
                if !has(&headers, name) {
                    headers.push((name.into(), value.into()));
                }
            }
        }
        if !has(&headers, "authorization") {
            match self.version {
                Version::V1 => {
                    headers.push(("Authorization".into(), self.sign_v1(&headers, &date)))
                }
                Version::V4 => headers.push(("Authorization".into(), self.sign_v4(&headers))),
                Version::Anonymous => {}
            }
        }
        let query: Vec<String> = self.query.iter().map(|(n, v)| pair(n, v, escape)).collect();
        let path = self.path.clone().unwrap_or_else(|| {
            let path: Vec<String> = self.resource().split('/').map(escape).collect();
            path.join("/")
        });
        let mut text = format!("{} {path}", self.method);
        if !query.is_empty() {
            text += &format!("?{}", query.join("&"));
        }
        text += &format!(" HTTP/1.1\r\nHost: {}\r\n", self.host);
        for (name, value) in &headers {
            text += &format!("{name}: {value}\r\n");
        }
        let is_chunked = has(&headers, "transfer-encoding");
        if self.with_length && !is_chunked && ["PUT", "POST"].contains(&&*self.method) {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        (text + "\r\n").into_bytes()
    }

    fn sign_v1(&self, headers: &[(String, String)], date: &str) -> String {
        let one = |name: &str| {
            let named = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            named.map_or("", |(_, value)| value.trim())
        };
        let signed = ["partNumber", "uploadId", "uploads", "objectMeta"];
        let mut query: Vec<String> = self
            .query
            .iter()
            .filter(|(name, _)| signed.contains(&&**name))
            .map(|(n, v)| pair(n, v, str::to_owned))
            .collect();
        query.sort();
        let mut resource = self.resource();
        if !query.is_empty() {
            resource += &format!("?{}", query.join("&"));
        }
        let text = format!(
            "{}\n{}\n{}\n{date}\n{}{resource}",
            self.method,
            one("content-md5"),
            one("content-type"),
            canonical_headers(headers, |name| name.starts_with("x-oss-")),
        );
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret.as_bytes()).expect("any length");
        mac.update(text.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        format!("OSS {}:{signature}", self.id)
    }

    fn sign_v4(&self, headers: &[(String, String)]) -> String {
        let mut query: Vec<String> = self.query.iter().map(|(n, v)| pair(n, v, escape)).collect();
        query.sort();
        let path: Vec<String> = self.resource().split('/').map(escape).collect();
        let signed = |name: &str| {
            name.starts_with("x-oss-") || name == "content-type" || name == "content-md5"
        };
        let canonical = format!(
            "{}\n{}\n{}\n{}\n\nUNSIGNED-PAYLOAD",
            self.method,
            path.join("/"),
            query.join("&"),
            canonical_headers(headers, signed),
        );
        let stamp = self.time.strftime("%Y%m%dT%H%M%SZ").to_string();
        let (region, product) = (&self.region, &self.product);
        let scope = format!("{}/{region}/{product}/aliyun_v4_request", &stamp[..8]);
        let hash = hex(&Sha256::digest(canonical.as_bytes()));
        let text = format!("OSS4-HMAC-SHA256\n{stamp}\n{scope}\n{hash}");
        let mut key = format!("aliyun_v4{}", self.secret).into_bytes();
        for step in [&stamp[..8], region, product, "aliyun_v4_request"] {
            key = hmac_sha256(&key, step);
        }
        let signature = hex(&hmac_sha256(&key, &text));
        let id = &self.id;
        format!("OSS4-HMAC-SHA256 Credential={id}/{scope},Signature={signature}")
    }
}

fn canonical_headers(headers: &[(String, String)], signed: impl Fn(&str) -> bool) -> String {
    let mut found: Vec<(String, &str)> = headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.trim()))
        .filter(|(name, _)| signed(name))
        .collect();
    // By name: of two lines, `x-oss-callback:` would come after `x-oss-callback-var:`.
    found.sort();
    let line = |(name, value): (String, &str)| format!("{name}:{value}\n");
    found.into_iter().map(line).collect()
}

fn pair(name: &str, value: &str, write: impl Fn(&str) -> String) -> String {
    match value {
        "" => write(name),
        value => format!("{}={}", write(name), write(value)),
    }
}

pub(super) fn escape(text: &str) -> String {
    let escape = |b: u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(b).to_string()
        }
        b => format!("%{b:02X}"),
    };
    text.bytes().map(escape).collect()
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A connection.
pub(super) struct Client(BufReader<TcpStream>);

impl Client {
    pub(super) fn to(server: &LocalServer) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
        // A test that hangs says less than one that fails.
        let limit = Some(Duration::from_secs(30));
        stream.set_read_timeout(limit).expect("a timeout");
        stream.set_write_timeout(limit).expect("a timeout");
        Client(BufReader::new(stream))
    }

    pub(super) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    pub(super) fn ask(&mut self, ask: &Ask) -> io::Result<Answer> {
        self.write(ask)?;
        self.read(&ask.method)
    }

    pub(super) fn write(&mut self, ask: &Ask) -> io::Result<()> {
        let bytes = [ask.head_bytes(), ask.body.clone()].concat();
        self.write_bytes(&bytes)
    }

    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream().write_all(bytes)
    }

    /// Reads an answer, and the informational ones before it.
    pub(super) fn read(&mut self, method: &str) -> io::Result<Answer> {
        let mut interim = vec![];
        loop {
            let (status, headers) = self.read_head()?;
            if status / 100 == 1 {
                interim.push(status);
                continue;
            }
            let mut answer = Answer {
                status,
                headers,
                body: vec![],
                interim,
            };
            if method != "HEAD" && status != 204 {
                answer.body = self.read_body(&answer)?;
            }
            return Ok(answer);
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn read_head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let line = self.read_line()?;
        let status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
        let mut headers = vec![];
        loop {
            let line = self.read_line()?;
            let Some((name, value)) = line.split_once(": ") else {
                return Ok((status.unwrap_or_else(|| panic!("{line}")), headers));
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    fn read_body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        let mut body = vec![];
        if let Some(len) = answer.header("content-length") {
            body.resize(len.parse().expect("a length"), 0);
            self.0.read_exact(&mut body)?;
            return Ok(body);
        }
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        loop {
            let size = usize::from_str_radix(&self.read_line()?, 16).expect("a chunk size");
            let mut chunk = vec![0; size + 2];
            self.0.read_exact(&mut chunk)?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) interim: Vec<u16>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let named = |(n, _): &&(String, String)| n.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| &**value)
    }

    pub(super) fn text(&self) -> String {
        let err = self.header("x-oss-err").map(|err| STANDARD.decode(err));
        match err {
            Some(xml) => String::from_utf8(xml.expect("Base64")).expect("UTF-8"),
            None => String::from_utf8_lossy(&self.body).into_owned(),
        }
    }

    pub(super) fn all(&self, element: &str) -> Vec<String> {
        let text = self.text();
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let inner = |rest: &str| rest.split(&close).next().unwrap_or_default().to_owned();
        text.split(&open).skip(1).map(inner).collect()
    }

    pub(super) fn element(&self, name: &str) -> String {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "one {name} in {}", self.text());
        all[0].clone()
    }

    pub(super) fn code(&self) -> String {
        self.all("Code").first().cloned().unwrap_or_default()
    }

    pub(super) fn etag(&self) -> String {
        let etag = self.header("etag").expect("an ETag");
        etag.trim_matches('"').to_owned()
    }
}

/// Initiates and returns the id.
pub(crate) fn begin(server: &LocalServer, key: &str) -> String {
    initiate(key).sent_ok(server).element("UploadId")
}

/// Byte i is i mod 251, as in the published checksums.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}
