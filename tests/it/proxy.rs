//! Uploads through a proxy: tunnels, refusals, hosts that go direct; and other ways to an endpoint.

use crate::defects::child;
use crate::support::front::Front;
use crate::support::logs::heard_during;
use crate::support::process::WATCHDOG;
use crate::support::proxy::ConnectProxy;
use crate::support::runs::{STALL, watched};
use crate::support::tls::{Authority, TlsServer};
use crate::support::{BUCKET, KEY, PART, Scene, bucket, client_at, hasty, meanwhile};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{Addressing, ClientBuilder, Credentials, ErrorKind, IpFamily, Proxy, Tls};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// A name that nobody resolves but the proxy.
const ELSEWHERE: &str = "http://oss.invalid";

fn address(server: &LocalServer) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port()))
}

/// A scene whose client goes through a proxy.
fn proxied(scene: Scene, proxy: Proxy) -> Scene {
    proxied_with(scene, proxy, |client| client)
}

fn proxied_with(
    mut scene: Scene,
    proxy: Proxy,
    set: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Scene {
    scene.bucket = bucket(set(client_at(ELSEWHERE.to_owned()).proxy(proxy)));
    scene
}

mod tunnels {
    use super::*;

    #[test]
    fn each_routine_has_one_tunnel_and_names_are_resolved_by_the_proxy() {
        for routines in [1, 4] {
            let scene = Scene::with_parts(20);
            let proxy = ConnectProxy::to(address(&scene.server));
            let scene = proxied(scene, Proxy::new(proxy.url()));
            let hold = Fault::hold();
            let few = u32::try_from(routines).expect("few");
            scene
                .server
                .fault(hold.0.on(Operation::UploadPart).times(few));
            let run = || watched(scene.upload().routines(routines));
            // All routines are at work before the first is through.
            let uploaded = meanwhile(run, || {
                crate::support::wait_reached(&hold.1, few);
                hold.1.open();
            });
            let uploaded = uploaded.expect("uploaded");
            assert_eq!((proxy.tunnels(), uploaded.retries), (routines, 0));
            let asked_for = proxy.asked_for();
            assert_eq!(asked_for, vec!["examplebucket.oss.invalid:80"; routines]);
            scene.expect_done(&uploaded);
        }
    }

    #[test]
    fn tls_goes_through_a_tunnel_and_so_does_a_tunnel_through_tls() {
        let authority = Authority::new();
        let identity = authority.certify(&["*.oss.invalid", "localhost"], |_| {});
        for routines in [1, 4] {
            let mut scene = Scene::with_parts(8);
            let endpoint = TlsServer::before(address(&scene.server), &identity);
            let proxy = ConnectProxy::to(endpoint.address());
            let in_front = TlsServer::before(proxy.address(), &identity);
            for url in [proxy.url(), in_front.endpoint()] {
                let client = client_at("https://oss.invalid".to_owned());
                let tls = Tls::new().root_pem(authority.root_pem());
                scene.bucket = bucket(client.tls(tls).proxy(Proxy::new(&url)));
                let uploaded = watched(scene.upload().routines(routines)).expect("uploaded");
                assert_eq!(uploaded.retries, 0, "{url}");
                let asked_for = proxy.asked_for();
                assert!((1..=routines).contains(&asked_for.len()), "{url}");
                assert_eq!(asked_for[0], "examplebucket.oss.invalid:443");
                scene.expect_done(&uploaded);
                assert!(scene.server.remove_object(BUCKET, KEY));
            }
            assert!(in_front.connections() > 0);
        }
    }

    #[test]
    fn a_tunnel_that_breaks_costs_one_more_request_each() {
        let scene = Scene::with_parts(8);
        let proxy = ConnectProxy::to(address(&scene.server));
        let scene = proxied(scene, Proxy::new(proxy.url()));
        let hold = Fault::hold();
        scene
            .server
            .fault(hold.0.on(Operation::UploadPart).nth(3).times(1));
        let run = || watched(scene.upload());
        let uploaded = meanwhile(run, || {
            crate::support::wait_reached(&hold.1, 1);
            proxy.die();
            hold.1.open();
        });
        let uploaded = uploaded.expect("uploaded");
        assert_eq!((uploaded.retries, proxy.tunnels()), (1, 2));
        scene.expect_done(&uploaded);
    }

    #[test]
    fn silence_in_a_tunnel_is_noticed() {
        let scene = Scene::with_parts(3);
        let proxy = ConnectProxy::to(address(&scene.server));
        let proxy_there = Proxy::new(proxy.url());
        let scene = proxied_with(scene, proxy_there, |client| client.stall_timeout(STALL));
        let silent = Fault::no_answer()
            .on(Operation::UploadPart)
            .part(2)
            .times(1);
        let silent = scene.server.fault(silent);
        let uploaded = scene.run_ok("silence");
        assert_eq!((silent.hits(), uploaded.retries), (1, 1));
    }
}

mod refusals {
    use super::*;

    #[test]
    fn user_and_password_are_given_to_the_proxy_and_to_nobody_else() {
        let scene = Scene::with_parts(5);
        let proxy = ConnectProxy::demanding(address(&scene.server), "us er:pa55w0rd:of/proxy");
        let url = proxy
            .url()
            .replace("://", "://us%20er:pa55w0rd:of%2Fproxy@");
        let mut scene = Some(proxied(scene, Proxy::new(url)));
        let heard = heard_during(|| {
            let scene = scene.as_ref().expect("a scene");
            let uploaded = watched(scene.upload().routines(2)).expect("uploaded");
            scene.expect_done(&uploaded);
        });
        let scene = scene.take().expect("a scene");
        assert!(!format!("{:?} {heard:?}", scene.bucket).contains("pa55w0rd"));
        for request in scene.server.requests() {
            assert_eq!(request.header("proxy-authorization"), None);
        }
    }

    #[test]
    fn a_proxy_that_refuses_ends_an_upload_at_once_and_is_named() {
        for (user, status, words) in [
            ("", 407, "password"),
            ("user:wr0ng@", 407, "password"),
            ("user:secret@", 403, "refuses"),
            ("user:secret@", 405, "refuses"),
        ] {
            let scene = Scene::with_parts(3);
            let proxy = ConnectProxy::demanding(address(&scene.server), "user:secret");
            proxy.refuse(u32::MAX, status);
            let url = proxy.url().replace("://", &format!("://{user}"));
            let scene = proxied(scene, Proxy::new(url));
            let error = scene.run_err("refused");
            assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
            let said = format!("{error} {error:?}");
            for word in [
                words,
                &format!("({status})"),
                &format!("the proxy {}", proxy.url()),
            ] {
                assert!(said.contains(word), "{said}");
            }
            assert!(
                !said.contains("wr0ng") && !said.contains("secret"),
                "{said}"
            );
            assert_eq!(proxy.asked_for().len(), 1, "{said}");
            assert!(!scene.checkpoint().exists());
        }
    }

    #[test]
    fn a_proxy_without_a_way_is_sat_out_and_costs_no_attempt() {
        for status in [502, 503, 504] {
            let scene = Scene::with_parts(3);
            let proxy = ConnectProxy::to(address(&scene.server));
            proxy.refuse(5, status);
            let patient = hasty().max_attempts(1).outage(WATCHDOG);
            let client = |client: ClientBuilder| client.retry(patient);
            let scene = proxied_with(scene, Proxy::new(proxy.url()), client);
            let uploaded = scene.run_ok("it finds a way");
            assert_eq!((uploaded.retries, proxy.tunnels()), (5, 1), "{status}");
        }
    }

    #[test]
    fn a_proxy_that_is_not_there_is_sat_out_and_named() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let nobody = taken.local_addr().expect("bound");
        drop(taken);
        let once = hasty().max_attempts(1).outage(Duration::from_millis(1));
        let attempts = Arc::new(AtomicU32::new(0));
        let asked = Arc::clone(&attempts);
        let proxy = Proxy::new(nobody.to_string());
        let scene = proxied_with(Scene::with_parts(3), proxy, |client| {
            client.retry(once).credentials(move || {
                asked.fetch_add(1, SeqCst);
                Ok(Credentials::new("id", "secret"))
            })
        });
        let error = scene.run_err("nobody is there");
        assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
        let said = error.to_string();
        let named = format!("the proxy http://{nobody}");
        assert!(said.contains(&named) && said.contains("refused"), "{said}");
        assert!(attempts.load(SeqCst) > 1, "it was an attempt");
    }

    /// Each byte comes in time; all of them never would.
    #[test]
    fn a_proxy_that_trickles_ends_with_the_time_for_connecting() {
        let trickling = Front::new(|mut stream, _| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
            let (_held, pace) = mpsc::channel::<()>();
            loop {
                let _ = pace.recv_timeout(Duration::from_millis(5));
                stream.write_all(b"x")?;
            }
        });
        let proxy = Proxy::new(format!("http://{}", trickling.address()));
        let scene = proxied_with(Scene::with_parts(3), proxy, |client| {
            let client = client.connect_timeout(Duration::from_millis(200));
            client.retry(hasty().max_attempts(2))
        });
        let error = scene.run_err("it never ends").to_string();
        assert!(error.contains("connecting took too long"), "{error}");
    }

    #[test]
    fn a_cancel_is_heard_while_a_proxy_says_nothing() {
        let (mute, asked) = Front::mute();
        let proxy = Proxy::new(format!("http://{}", mute.address()));
        let a_minute = Duration::from_secs(60);
        let scene = proxied_with(Scene::with_parts(3), proxy, |client| {
            client.connect_timeout(a_minute).stall_timeout(a_minute)
        });
        scene.expect_cancelled_once(&asked);
    }
}

mod choice {
    use super::*;

    /// Uploads to the server's own endpoint; returns how many tunnels there were.
    fn tunnels(choose: impl FnOnce(Proxy) -> Proxy) -> usize {
        let scene = Scene::with_parts(2);
        let proxy = ConnectProxy::to(address(&scene.server));
        let chosen = choose(Proxy::new(proxy.url()));
        let scene = scene.with_client(|client| client.proxy(chosen));
        scene.run_ok("either way");
        proxy.tunnels()
    }

    #[test]
    fn a_proxy_that_is_given_leads_to_this_machine_too_unless_it_goes_direct() {
        assert_eq!(tunnels(|proxy| proxy), 1);
        for direct in ["127.0.0.1", "127.0.0.0/8", "*"] {
            assert_eq!(tunnels(|proxy| proxy.no_proxy([direct])), 0, "{direct}");
        }
        assert_eq!(
            tunnels(|proxy| proxy.no_proxy(["10.0.0.0/8", "localhost"])),
            1
        );
        assert_eq!(tunnels(|_| Proxy::none()), 0);
        assert_eq!(tunnels(|_| Proxy::from_env()), 0);
    }

    #[test]
    fn a_proxy_that_is_none_is_refused_before_anything_is_sent() {
        let proxy = Proxy::new("http://user:pa55w0rd@proxy/path");
        let built = client_at(ELSEWHERE.to_owned()).proxy(proxy).build();
        let error = built.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        assert!(error.to_string().contains("URL of a proxy"), "{error}");
        assert!(
            !format!("{error} {error:?}").contains("pa55w0rd"),
            "{error}"
        );
    }

    /// An environment is a process's own.
    #[test]
    fn the_environment_says_which_proxy() {
        const TEST: &str = "the_environment_says_which_proxy";
        if child::is_here() {
            child::upload().expect("uploaded");
            return;
        }
        let scene = Scene::with_parts(3);
        let proxy = ConnectProxy::demanding(address(&scene.server), "user:pa55w0rd");
        let mut command = child::command(&scene, module_path!(), TEST);
        command.env(child::ENDPOINT, ELSEWHERE);
        let url = proxy.url().replace("://", "://user:pa55w0rd@");
        command
            .env("HTTP_PROXY", url)
            .env("NO_PROXY", "oss.example,127.0.0.1");
        let ran = command.output().expect("run");
        assert!(ran.status.success(), "{ran:?}");
        assert_eq!(proxy.tunnels(), 1);
        assert!(scene.server.object(BUCKET, KEY).is_some());
    }
}

/// Other ways to an endpoint.
mod endpoints {
    use super::*;

    /// `127.1` is a name for the client, which the system resolves to 127.0.0.1 and nothing else.
    fn by_name(scene: &Scene) -> ClientBuilder {
        let client = client_at(format!("http://127.1:{}", scene.server.port()));
        let client = client.addressing(Addressing::Path).proxy(Proxy::none());
        client.host_header("127.0.0.1")
    }

    #[test]
    fn only_addresses_of_the_family_are_connected_to() {
        for family in [IpFamily::Any, IpFamily::V4] {
            let mut scene = Scene::with_parts(3);
            scene.bucket = bucket(by_name(&scene).ip_family(family));
            let uploaded = scene.run_ok("it has an IPv4 address");
            assert_eq!(uploaded.retries, 0);
        }
        let mut scene = Scene::with_parts(3);
        scene.bucket = bucket(by_name(&scene).ip_family(IpFamily::V6));
        let error = scene.run_err("it has no IPv6 address");
        assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
        assert!(
            error.to_string().contains("`127.1` has no IPv6 address"),
            "{error}"
        );
        assert_eq!(scene.server.requests().len(), 0);
    }

    #[test]
    fn an_address_of_the_other_family_is_refused_before_anything_is_sent() {
        for (endpoint, family) in [
            ("http://127.0.0.1", IpFamily::V6),
            ("http://[::1]", IpFamily::V4),
        ] {
            let client = || client_at(endpoint.to_owned()).ip_family(family);
            let error = client().build().expect_err(endpoint);
            assert_eq!(error.kind(), ErrorKind::Options, "{error}");
            assert!(error.to_string().contains("other family"), "{error}");
            // The proxy is what is connected to.
            assert!(client().proxy(Proxy::new("http://proxy")).build().is_ok());
        }
    }

    #[test]
    fn every_request_says_the_host_that_is_to_be_said() {
        const SAID: &str = "examplebucket.oss-cn-hangzhou.aliyuncs.com";
        for routines in [1, 4] {
            let mut scene = Scene::with_parts(6).interrupted_after(2);
            let client = client_at(scene.server.endpoint()).addressing(Addressing::Cname);
            scene.bucket = bucket(client.host_header(SAID));
            let uploaded = watched(scene.upload().routines(routines)).expect("uploaded");
            scene.expect_done(&uploaded);
            let requests = scene.server.requests();
            assert!(requests.len() > 5);
            for request in requests {
                let hosts = request.headers.iter().filter(|(name, _)| name == "host");
                let hosts: Vec<_> = hosts.map(|(_, value)| &**value).collect();
                assert_eq!(hosts, [SAID], "{request:?}");
            }
        }
        let mut scene = Scene::with_len(PART - 1);
        let client = client_at(scene.server.endpoint()).addressing(Addressing::Cname);
        scene.bucket = bucket(client.host_header(SAID));
        let uploaded = scene.run_ok("a small file");
        assert_eq!(uploaded.size, PART - 1);
    }

    #[test]
    fn what_cannot_stand_in_a_host_header_is_refused() {
        for bad in [
            "",
            "a b",
            "host\r\nx-oss-acl: public",
            "host:0",
            "http://host",
            "user@host",
            "a,b",
        ] {
            let built = client_at(ELSEWHERE.to_owned()).host_header(bad).build();
            let error = built.expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::Options, "{error}");
            assert!(error.to_string().contains("`Host`"), "{error}");
        }
    }
}
