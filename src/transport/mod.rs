//! HTTP over ureq: the only room that names it.
//!
//! A [`Transport`] sends one request over a pooled connection and reads the answer, bounded in size. It neither
//! repeats nor redirects: a signature is for one URL and one time.

mod buffers;
mod exchange;
mod failure;
pub(crate) mod fetch;
mod proxy;
mod resolver;
mod socket;
mod tls;
mod tunnel;
mod unsent;

pub(crate) use failure::{TransportError, TransportErrorKind};
pub use proxy::Proxy;
pub(crate) use proxy::Via;
pub use resolver::IpFamily;
pub use tls::{Tls, Trust};

use crate::protocol::{Answer, Body, Headers, Operation, Request};
use crate::sign::SignedHeaders;
use crate::stop::Stop;
use exchange::Exchange;
use std::borrow::Cow;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use ureq::unversioned::transport::Connector;
use ureq::{Agent, SendBody};

/// A full page of ListParts has about 300 KiB, more when the key is long; nothing else comes near.
const MAX_ANSWER: u64 = 4 << 20;

/// One positional read, one CRC update in cache and one write are of this size.
const OUTPUT_BUFFER: usize = 128 << 10;

/// Answers are small; a page of ListParts takes a few reads.
const INPUT_BUFFER: usize = 16 << 10;

/// What a connection takes of memory.
pub(crate) const BUFFERS: usize = OUTPUT_BUFFER + INPUT_BUFFER;

/// One connection a worker stays open between parts: more than the pool of any client.
const MAX_IDLE: usize = 1024;

/// How long an unused connection is kept. OSS closes idle ones after about a minute.
const MAX_IDLE_AGE: Duration = Duration::from_secs(30);

/// As good as for ever, and no clock overflows.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// In place of a time at which nothing has happened yet.
const NEVER: u64 = u64::MAX;

/// What a client lets pass before it gives an attempt up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// For resolving the name, connecting and the TLS handshake together.
    pub(crate) connect: Duration,
    /// For silence: no byte moved, or no answer after the last byte.
    pub(crate) stall: Duration,
}

/// What a client says about its connections.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) timeouts: Timeouts,
    pub(crate) user_agent: String,
    /// What is said in `Host` in place of the URL's.
    pub(crate) host_header: Option<String>,
    pub(crate) ip_family: IpFamily,
    pub(crate) via: Option<Via>,
    pub(crate) tls: Tls,
}

#[derive(Debug)]
pub(crate) struct Transport {
    direct: Agent,
    /// The agent that goes through the proxy, and what it is for.
    proxied: Option<(Via, Agent)>,
    user_agent: HeaderValue,
    host_header: Option<HeaderValue>,
    stall: Duration,
    since: Instant,
    /// When a kept connection was last found closed, in milliseconds from then: the others may be closed too.
    found_stale: AtomicU64,
}

impl Transport {
    /// The error says which setting cannot be.
    pub(crate) fn new(settings: Settings) -> Result<Transport, String> {
        let tls = settings.tls.config()?;
        let agent = |via: Option<&Via>| {
            let tunnel = tunnel::Tunnel::to(via.map(|via| &via.shown));
            let connector =
                ().chain(tunnel)
                    .chain(socket::SocketConnector)
                    .chain(tls::secured::Secure(Arc::clone(&tls)));
            let resolver = resolver::KeepingResolver::default();
            Agent::with_parts(config(&settings, via), tunnel::Bounded(connector), resolver)
        };
        let direct = agent(None);
        let proxied = settings.via.as_ref().map(|via| agent(Some(via)));
        let user_agent = header_value(&settings.user_agent).map_err(|why| why.to_string())?;
        let host_header = settings.host_header.as_deref().map(header_value);
        Ok(Transport {
            direct,
            proxied: settings.via.zip(proxied),
            user_agent,
            host_header: host_header.transpose().map_err(|why| why.to_string())?,
            stall: settings.timeouts.stall.min(LONGEST),
            since: Instant::now(),
            found_stale: AtomicU64::new(NEVER),
        })
    }

    /// The one for a URL.
    fn agent(&self, url: &Uri) -> &Agent {
        match (&self.proxied, url.host()) {
            (Some((via, agent)), Some(host)) if via.leads_to(host) => agent,
            _ => &self.direct,
        }
    }

    /// Sends a request, already addressed and signed, and reads its answer. Gives way when `stop` is set.
    pub(crate) fn send(
        &self,
        url: String,
        request: &mut Request<'_>,
        signed: SignedHeaders,
        stop: &Arc<Stop>,
    ) -> Result<Answer, TransportError> {
        let patience = self.patience(request.operation);
        let exchange = Exchange::new(stop, self.stall, patience, self.is_wary());
        let sent = exchange.during(|| self.run(url, request, signed));
        let answer = sent.map_err(|error| {
            let error = failure::explain(&exchange, error);
            if error.kind == TransportErrorKind::Stale {
                self.found_stale.store(self.millis(), Ordering::Relaxed);
            }
            error
        })?;
        // An error that came instead of taking the whole body is worth reading; success cannot be one.
        if exchange.peer_is_gone.get() && answer.is_success() {
            return Err(TransportError {
                kind: TransportErrorKind::Broken,
                what: "the server closed the connection before it had the whole body".to_owned(),
            });
        }
        Ok(answer)
    }

    /// How long silence is put up with.
    pub(crate) fn stall(&self) -> Duration {
        self.stall
    }

    /// Whether kept connections are looked at before they are used, however fresh.
    fn is_wary(&self) -> bool {
        let found = self.found_stale.load(Ordering::Relaxed);
        found != NEVER
            && self.millis().saturating_sub(found) < socket::SURELY_OPEN.as_millis() as u64
    }

    fn millis(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }

    /// How long to wait for the first byte of an answer. Complete joins all parts first, which takes longer.
    fn patience(&self, operation: Operation) -> Duration {
        match operation {
            Operation::CompleteMultipartUpload => self.stall.saturating_mul(3),
            _ => self.stall,
        }
    }

    fn run(
        &self,
        url: String,
        request: &mut Request<'_>,
        signed: SignedHeaders,
    ) -> Result<Answer, ureq::Error> {
        let url = Uri::try_from(url).map_err(ureq::http::Error::from)?;
        let agent = self.agent(&url);
        let mut builder = ureq::http::Request::builder()
            .method(request.operation.method())
            .uri(url);
        if let Some(headers) = builder.headers_mut() {
            self.put_headers(headers, request, signed)?;
        }
        let (source, left): (&mut dyn Read, u64) = match &mut request.body {
            Body::Empty => {
                return read_answer(agent.run(builder.body(())?)?, request.operation);
            }
            Body::Bytes(bytes) => {
                let len = bytes.len() as u64;
                (bytes, len)
            }
            Body::Reader { len, reader } => (reader, *len),
        };
        let exchange = exchange::current();
        exchange.body_follows.set(left > 0);
        let mut paced = Paced {
            source,
            left,
            exchange,
        };
        let body = SendBody::from_reader(&mut paced);
        let response = agent.run(builder.body(body)?)?;
        read_answer(response, request.operation)
    }

    fn put_headers(
        &self,
        headers: &mut HeaderMap,
        request: &Request<'_>,
        signed: SignedHeaders,
    ) -> Result<(), ureq::Error> {
        let own = request.headers.iter().map(|(name, value)| (*name, *value));
        // Ours come on top: user agent, length, host.
        let room = headers.try_reserve(request.headers.len() + signed.len() + 3);
        room.map_err(bad)?;
        for (name, value) in own {
            append(headers, header_name(name)?, header_value(value)?)?;
        }
        for (name, value) in signed {
            let value = match value {
                Cow::Borrowed(value) => header_value(value),
                Cow::Owned(value) => HeaderValue::try_from(value).map_err(bad),
            };
            append(headers, HeaderName::from_static(name), value?)?;
        }
        headers.insert("user-agent", self.user_agent.clone());
        if let Some(len) = body_len(&request.body) {
            headers.insert("content-length", HeaderValue::from(len));
        }
        if let Some(host) = &self.host_header {
            headers.insert("host", host.clone());
        }
        Ok(())
    }
}

fn config(settings: &Settings, via: Option<&Via>) -> ureq::config::Config {
    let connect = Some(settings.timeouts.connect.min(LONGEST));
    Agent::config_builder()
        .proxy(via.map(|via| via.proxy.clone()))
        .ip_family(settings.ip_family.as_config())
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(&settings.user_agent)
        .accept("")
        .accept_encoding("")
        .timeout_connect(connect)
        .timeout_resolve(connect)
        .output_buffer_size(OUTPUT_BUFFER)
        .input_buffer_size(INPUT_BUFFER)
        .max_idle_connections(MAX_IDLE)
        .max_idle_connections_per_host(MAX_IDLE)
        .max_idle_age(MAX_IDLE_AGE)
        .build()
}

fn body_len(body: &Body<'_>) -> Option<u64> {
    match body {
        Body::Empty => None,
        Body::Bytes(bytes) => Some(bytes.len() as u64),
        Body::Reader { len, .. } => Some(*len),
    }
}

fn append(
    headers: &mut HeaderMap,
    name: HeaderName,
    mut value: HeaderValue,
) -> Result<(), ureq::Error> {
    // Keeps signatures and tokens out of everything that prints headers.
    value.set_sensitive(true);
    headers.try_append(name, value).map(drop).map_err(bad)
}

fn header_name(name: &str) -> Result<HeaderName, ureq::Error> {
    HeaderName::from_bytes(name.as_bytes()).map_err(bad)
}

fn header_value(value: &str) -> Result<HeaderValue, ureq::Error> {
    HeaderValue::from_str(value).map_err(bad)
}

/// A header that cannot be sent.
fn bad(error: impl Into<ureq::http::Error>) -> ureq::Error {
    ureq::Error::Http(error.into())
}

fn read_answer(
    response: ureq::http::Response<ureq::Body>,
    operation: Operation,
) -> Result<Answer, ureq::Error> {
    let (parts, body) = response.into_parts();
    let mut answer = Answer {
        status: parts.status.as_u16(),
        headers: read_headers(&parts.headers),
        body: vec![],
    };
    if operation != Operation::HeadObject {
        let mut bounded = body.into_reader().take(MAX_ANSWER + 1);
        bounded.read_to_end(&mut answer.body)?;
        if answer.body.len() as u64 > MAX_ANSWER {
            let what = format!("the answer is longer than {MAX_ANSWER} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what).into());
        }
    }
    Ok(answer)
}

fn read_headers(headers: &HeaderMap) -> Headers {
    let lens = headers.iter().map(|(n, v)| n.as_str().len() + v.len());
    let mut read = Headers::with_capacity(headers.len(), lens.sum());
    for (name, value) in headers {
        read.push(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    read
}

/// A body that hurries to its end, unread, once the peer has stopped listening: what is left then is to read the
/// answer that it may have sent before.
struct Paced<'a> {
    source: &'a mut dyn Read,
    left: u64,
    exchange: Rc<Exchange>,
}

impl Read for Paced<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.exchange.give_way()?;
        let n = match self.exchange.peer_is_gone.get() {
            true => room,
            false => self.source.read(&mut buffer[..room])?,
        };
        self.left -= n as u64;
        Ok(n)
    }
}
