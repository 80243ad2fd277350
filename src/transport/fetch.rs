//! One small request beside the uploads, for whoever issues credentials: bounded in time and size, never redirected.
//!
//! It has a connection of its own, and one end for everything, from the look-up of the name to the last byte of the
//! answer, even if each of them comes in time.

use super::exchange::Exchange;
use super::failure;
use super::proxy::Proxy;
use super::{IpFamily, Settings, Timeouts, Tls, Transport, TransportError, TransportErrorKind};
use crate::endpoint;
use crate::stop::Stop;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::http::{HeaderValue, Method, Uri};

/// Far more than credentials need.
const MAX_ANSWER: u64 = 64 << 10;

/// What is asked.
pub(crate) struct Fetch<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(&'static str, &'a str)],
    /// Sent with any method but GET.
    pub(crate) body: &'a str,
    /// Which proxy leads there, if any; only by `https`: it would read the secrets else.
    pub(crate) proxy: Option<&'a Proxy>,
    pub(crate) tls: &'a Tls,
    /// For resolving the name and connecting, TLS included.
    pub(crate) connect: Duration,
}

#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    /// The `Date` header.
    pub(crate) date: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// `http[s]://HOST[:PORT]` of a URL: what may be shown of it.
///
/// One with a user and a password is none: they would not be sent.
pub(crate) fn origin(url: &str) -> Result<String, String> {
    let refuse = || {
        let form = "`http[s]://HOST[:PORT][/PATH]`, without a user and a password";
        Err(format!("it is no URL: {form}"))
    };
    let Ok(uri) = url.parse::<Uri>() else {
        return refuse();
    };
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("http" | "https")), Some(place))
            if endpoint::check_authority(place.as_str()).is_ok() =>
        {
            Ok(format!("{scheme}://{place}"))
        }
        _ => refuse(),
    }
}

impl Fetch<'_> {
    /// Asks once, and for no longer than that. An answer of any status is an answer; an error holds nothing of request
    /// or answer.
    pub(crate) fn send(&self, within: Duration) -> Result<Fetched, TransportError> {
        let stop = Arc::new(Stop::until(Instant::now().checked_add(within)));
        let exchange = Exchange::new(&stop, within, within, false);
        exchange.during(|| self.run(within)).map_err(|error| {
            let error = failure::explain(&exchange, error);
            match error.kind {
                TransportErrorKind::Stopped => TransportError {
                    what: "the answer took too long".to_owned(),
                    ..error
                },
                _ => error,
            }
        })
    }

    fn run(&self, within: Duration) -> Result<Fetched, ureq::Error> {
        let method = Method::from_bytes(self.method.as_bytes());
        let method = method.map_err(|error| ureq::Error::Http(error.into()))?;
        let url: Uri = self.url.parse().map_err(ureq::http::Error::from)?;
        let transport = self.transport(&url, within).map_err(io::Error::other)?;
        let agent = transport.agent(&url);
        let mut builder = ureq::http::Request::builder().method(&method).uri(url);
        for (name, value) in self.headers {
            let value = HeaderValue::from_str(value);
            let mut value = value.map_err(|error| ureq::Error::Http(error.into()))?;
            // Keeps tokens out of everything that prints headers.
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        let answer = match method {
            Method::GET => agent.run(builder.body(())?)?,
            _ => agent.run(builder.body(self.body.as_bytes())?)?,
        };
        read(answer)
    }

    fn transport(&self, url: &Uri, within: Duration) -> Result<Transport, String> {
        let host = url.host().unwrap_or_default();
        let via = match self.proxy {
            Some(proxy) if url.scheme_str() == Some("https") => {
                proxy.route(true, endpoint::is_loopback(host))?
            }
            _ => None,
        };
        Transport::new(Settings {
            timeouts: Timeouts {
                connect: self.connect,
                stall: within,
            },
            user_agent: concat!("oss-upload/", env!("CARGO_PKG_VERSION")).to_owned(),
            host_header: None,
            ip_family: IpFamily::Any,
            via,
            tls: self.tls.clone(),
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::OnceLock;
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

    /// Far more than a request of these tests needs, and never waited for.
    const LONG: Duration = Duration::from_secs(60);

    static TLS: OnceLock<Tls> = OnceLock::new();

    fn get(url: &str) -> Fetch<'_> {
        Fetch {
            method: "GET",
            url,
            headers: &[("x-header", "its-value")],
            body: "",
            proxy: None,
            tls: TLS.get_or_init(Tls::new),
            connect: LONG,
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
            let fetched = get(&url).send(LONG).expect("an answer");
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
        let error = get(&url).send(LONG).expect_err("no TLS").to_string();
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
            let fetched = post.send(LONG).expect("an answer");
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
        let error = get(&url).send(LONG).expect_err("too long");
        assert_eq!(error.kind, TransportErrorKind::Broken);
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
        let hasty = Duration::from_millis(50);
        let error = get(&url).send(hasty).expect_err("too slow");
        assert_eq!(error.to_string(), "the answer took too long");
        serving.join().expect("served");
    }

    /// Asks through a proxy that begins its answer like this and goes on byte by byte.
    fn refused_by_proxy(answer: &'static str) -> (TransportError, Proxy) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Proxy::new(format!("http://{}", listener.local_addr().expect("bound")));
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accepted");
            stream.read_exact(&mut [0; 7]).expect("read");
            stream.write_all(answer.as_bytes()).expect("written");
            while stream.write_all(b"x").is_ok() {
                thread::park_timeout(Duration::from_millis(1));
            }
        });
        let asked = Fetch {
            proxy: Some(&proxy),
            connect: Duration::from_millis(50),
            ..get("https://sts.invalid/")
        };
        let error = asked.send(LONG).expect_err("no way");
        serving.join().expect("served");
        (error, proxy)
    }

    #[test]
    fn a_proxy_that_leads_nowhere_is_named_and_one_that_trickles_left_in_time() {
        use TransportErrorKind::{Hopeless, Unreached};
        for (answer, kind, words) in [
            (
                "HTTP/1.1 200 OK\r\nX: ",
                Unreached,
                "connecting took too long",
            ),
            ("HTTP/1.1 407 No\r\n\r\n", Hopeless, "a user and a password"),
            ("HTTP/1.1 502 No\r\n\r\n", Unreached, "no way"),
        ] {
            let (error, proxy) = refused_by_proxy(answer);
            assert_eq!(error.kind, kind, "{error}");
            let via = proxy.route(true, false).expect("a proxy").expect("a proxy");
            let named = format!("the proxy {}: ", via.shown);
            let said = error.to_string();
            assert!(said.starts_with(&named) && said.contains(words), "{said}");
        }
    }

    /// What is asked for in the clear would be read by the proxy.
    #[test]
    fn a_proxy_leads_to_https_only() {
        let proxy = Proxy::new("http://127.0.0.1:1");
        let (url, serving) = serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", drop);
        let asked = Fetch {
            proxy: Some(&proxy),
            ..get(&url)
        };
        assert_eq!(asked.send(LONG).expect("an answer").status, 200);
        serving.join().expect("served");
    }

    #[test]
    fn where_nobody_listens_nothing_was_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        drop(listener);
        let error = get(&url).send(LONG).expect_err("nobody");
        assert_eq!(error.kind, TransportErrorKind::Unreached, "{error}");
    }

    #[test]
    fn what_may_be_shown_of_a_url_is_where_it_leads() {
        for (url, shown) in [
            ("http://127.0.0.1:80/secret?secret", "http://127.0.0.1:80"),
            ("https://host/", "https://host"),
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
            "https://user:secret@host/",
            "https://secret@host/",
            "http://host:99999/",
            "http://host:/",
            "http://host..name/",
        ] {
            let why = origin(no_url).expect_err(no_url);
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
