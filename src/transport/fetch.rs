//! One small request beside the uploads, for whoever issues credentials: bounded in time and size, never redirected.
//!
//! It has a connection of its own and ureq's own socket, which keeps to one deadline from the look-up of the name to the
//! last byte of the answer. Whom it trusts are Mozilla's roots.

use super::proxy::{Proxy, Via};
use super::tls::{Tls, failure, secured};
use super::tunnel::Tunnel;
use crate::endpoint;
use std::fmt;
use std::io::{self, Read};
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderValue, Method, Uri};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, TcpConnector};

/// Far more than credentials need.
const MAX_ANSWER: u64 = 64 << 10;

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct Fetch<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(&'static str, &'a str)],
    /// Sent with any method but GET.
    pub(crate) body: &'a str,
    pub(crate) route: Route,
    /// For resolving the name and connecting.
    pub(crate) connect: Duration,
    /// For all of it.
    pub(crate) total: Duration,
}

/// Which way a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Never through a proxy.
    Direct,
    /// Through the environment's proxy if there is one, but only by `https`: it would read the secrets else.
    Environment,
}

#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    /// The `Date` header.
    pub(crate) date: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Why no answer came. The text holds nothing of request or answer.
#[derive(Debug)]
pub(crate) struct FetchError {
    /// Nobody was there: nothing was sent.
    pub(crate) is_unreached: bool,
    what: String,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// `http[s]://HOST[:PORT]` of a URL: what may be shown of it.
pub(crate) fn origin(url: &str) -> Result<String, String> {
    let refuse = || Err("it is no URL: `http[s]://HOST[:PORT][/PATH]`".to_owned());
    let Ok(uri) = url.parse::<Uri>() else {
        return refuse();
    };
    let (Some(scheme @ ("http" | "https")), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return refuse();
    };
    if host.is_empty() {
        return refuse();
    }
    Ok(match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

impl Fetch<'_> {
    /// Asks once. An answer of any status is an answer.
    pub(crate) fn send(&self) -> Result<Fetched, FetchError> {
        self.run().map_err(explain)
    }

    fn run(&self) -> Result<Fetched, ureq::Error> {
        let method = Method::from_bytes(self.method.as_bytes());
        let method = method.map_err(|error| ureq::Error::Http(error.into()))?;
        let mut builder = ureq::http::Request::builder().method(&method).uri(self.url);
        for (name, value) in self.headers {
            let value = HeaderValue::from_str(value);
            let mut value = value.map_err(|error| ureq::Error::Http(error.into()))?;
            // Keeps tokens out of everything that prints headers.
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        let agent = self.agent()?;
        let answer = match method {
            Method::GET => agent.run(builder.body(())?)?,
            _ => agent.run(builder.body(self.body.as_bytes())?)?,
        };
        read(answer)
    }

    fn agent(&self) -> Result<Agent, ureq::Error> {
        let tls = Tls::new().config().map_err(io::Error::other)?;
        let via = match self.route {
            Route::Environment if self.url.starts_with("https:") => self.via()?,
            _ => None,
        };
        let tunnel = Tunnel::to(via.as_ref().map(|via| &via.shown));
        let connector = ().chain(tunnel).chain(TcpConnector::default()).chain(secured::Secure(tls));
        let config = Agent::config_builder()
            .proxy(via.map(|via| via.proxy))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("oss-upload/", env!("CARGO_PKG_VERSION")))
            .accept("")
            .accept_encoding("")
            .timeout_resolve(Some(self.connect))
            .timeout_connect(Some(self.connect))
            .timeout_global(Some(self.total));
        let resolver = DefaultResolver::default();
        Ok(Agent::with_parts(config.build(), connector, resolver))
    }

    /// The environment's proxy, where it leads to this host.
    fn via(&self) -> Result<Option<Via>, ureq::Error> {
        let url: Uri = self.url.parse().map_err(ureq::http::Error::from)?;
        let host = url.host().unwrap_or_default();
        let via = Proxy::from_env().route(true, endpoint::is_loopback(host));
        Ok(via
            .map_err(io::Error::other)?
            .filter(|via| via.leads_to(host)))
    }
}

fn read(answer: ureq::http::Response<ureq::Body>) -> Result<Fetched, ureq::Error> {
    let (parts, body) = answer.into_parts();
    let date = parts
        .headers
        .get("date")
        .and_then(|date| date.to_str().ok());
    let mut fetched = Fetched {
        status: parts.status.as_u16(),
        date: date.map(str::to_owned),
        body: vec![],
    };
    let mut bounded = body.into_reader().take(MAX_ANSWER + 1);
    bounded.read_to_end(&mut fetched.body)?;
    if fetched.body.len() as u64 > MAX_ANSWER {
        let what = format!("the answer is longer than {MAX_ANSWER} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what).into());
    }
    Ok(fetched)
}

/// Says it without what ureq repeats of the request.
fn explain(error: ureq::Error) -> FetchError {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable,
    };
    use ureq::Timeout::{Connect, Resolve};
    let (is_unreached, what) = match error {
        ureq::Error::HostNotFound => (true, "the host's name cannot be resolved".to_owned()),
        ureq::Error::ConnectionFailed => (true, "connecting failed".to_owned()),
        ureq::Error::Timeout(Connect | Resolve) => (true, "connecting took too long".to_owned()),
        ureq::Error::Timeout(_) => (false, "the answer took too long".to_owned()),
        ureq::Error::BadUri(_) => (false, "the URL is none".to_owned()),
        ureq::Error::Io(error) => {
            let kind = error.kind();
            let unreached = [
                AddrNotAvailable,
                ConnectionRefused,
                HostUnreachable,
                NetworkDown,
                NetworkUnreachable,
            ];
            let tls = failure::of(&error).and_then(|why| failure::hopeless(why, true));
            let what = tls.unwrap_or_else(|| error.to_string());
            (unreached.contains(&kind), what)
        }
        other => (false, other.to_string()),
    };
    FetchError { is_unreached, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    /// Takes one request and answers with these bytes, and then as `and_then` likes.
    fn serve(
        answer: &'static str,
        and_then: impl FnOnce(std::net::TcpStream) + Send + 'static,
    ) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!(
            "http://{}/path?q=1",
            listener.local_addr().expect("an address")
        );
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accepted");
            let mut asked = vec![];
            let mut byte = [0];
            while !asked.ends_with(b"the end") && stream.read(&mut byte).expect("read") > 0 {
                asked.push(byte[0]);
                if asked.starts_with(b"GET") && asked.ends_with(b"\r\n\r\n") {
                    break;
                }
            }
            stream.write_all(answer.as_bytes()).expect("written");
            and_then(stream);
            String::from_utf8(asked).expect("text")
        });
        (url, serving)
    }

    fn get(url: &str) -> Fetch<'_> {
        Fetch {
            method: "GET",
            url,
            headers: &[("x-header", "its-value")],
            body: "",
            route: Route::Environment,
            connect: Duration::from_secs(30),
            total: Duration::from_secs(30),
        }
    }

    #[test]
    fn an_answer_of_any_status_is_returned_and_redirects_are_not_followed() {
        for (answer, status, body) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                200,
                "hello",
            ),
            ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 404, ""),
            (
                "HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
                302,
                "",
            ),
            (
                "HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\nto the end",
                500,
                "to the end",
            ),
        ] {
            let (url, serving) = serve(answer, drop);
            let fetched = get(&url).send().expect("an answer");
            assert_eq!((fetched.status, &*fetched.body), (status, body.as_bytes()));
            let asked = serving.join().expect("served");
            assert!(asked.starts_with("GET /path?q=1 HTTP/1.1\r\n"), "{asked}");
            assert!(asked.contains("x-header: its-value\r\n"), "{asked}");
        }
    }

    #[test]
    fn https_is_spoken_and_nothing_sent_before_the_server_has_proved_who_it_is() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}/", listener.local_addr().expect("bound"));
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accepted");
            let mut greeting = [0; 3];
            stream.read_exact(&mut greeting).expect("read");
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            greeting
        });
        let asked = Fetch {
            route: Route::Direct,
            ..get(&url)
        };
        let error = asked.send().expect_err("no TLS").to_string();
        assert!(error.contains("does not speak TLS"), "{error}");
        // The record of a handshake.
        assert_eq!(serving.join().expect("served")[..2], [22, 3]);
    }

    #[test]
    fn a_body_is_sent_with_its_length() {
        for method in ["POST", "PUT"] {
            let answer = "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 0\r\n\r\n";
            let (url, serving) = serve(answer, drop);
            let post = Fetch {
                method,
                body: "from here to the end",
                ..get(&url)
            };
            let fetched = post.send().expect("an answer");
            assert_eq!(fetched.date.as_deref(), Some("today"));
            let asked = serving.join().expect("served").to_ascii_lowercase();
            assert!(asked.contains("content-length: 20\r\n"), "{asked}");
        }
    }

    #[test]
    fn an_answer_without_end_is_cut_off() {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        let (url, serving) = serve(
            head,
            |mut stream| {
                while stream.write_all(&[b'x'; 1 << 14]).is_ok() {}
            },
        );
        let error = get(&url).send().expect_err("too long");
        assert!(!error.is_unreached);
        assert!(error.to_string().contains("65536"), "{error}");
        serving.join().expect("served");
    }

    #[test]
    fn an_answer_that_trickles_is_given_up_when_its_time_is_over() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n";
        let (url, serving) = serve(head, |mut stream| {
            // A byte at a time, for as long as somebody listens.
            while stream.write_all(b"x").is_ok() {
                thread::park_timeout(Duration::from_millis(1));
            }
        });
        let hasty = Fetch {
            total: Duration::from_millis(50),
            ..get(&url)
        };
        let error = hasty.send().expect_err("too slow");
        assert_eq!(error.to_string(), "the answer took too long");
        serving.join().expect("served");
    }

    #[test]
    fn where_nobody_listens_nothing_was_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        drop(listener);
        assert!(get(&url).send().expect_err("nobody").is_unreached);
    }

    #[test]
    fn what_may_be_shown_of_a_url_is_where_it_leads() {
        for (url, shown) in [
            ("http://127.0.0.1:80/secret?secret", "http://127.0.0.1:80"),
            ("https://user:secret@host/", "https://host"),
            ("http://[::1]:8/x", "http://[::1]:8"),
        ] {
            assert_eq!(origin(url).as_deref(), Ok(shown));
        }
        for no_url in [
            "",
            "host",
            "/path",
            "ftp://host/",
            "http://",
            "http:// host/",
            "http://secret\n",
        ] {
            let why = origin(no_url).expect_err(no_url);
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
