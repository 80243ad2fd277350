//! Whole uploads over TLS: whom a client trusts, how it shows who it is, and connections that break beneath.

use crate::support::front::Front;
use crate::support::runs::{STALL, watched};
use crate::support::tls::{Authority, Identity, Tamper, TlsServer};
use crate::support::{PART, Scene, bucket, client_at, hasty, meanwhile};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{Client, ClientBuilder, Credentials, Error, ErrorKind, Tls, Trust};
use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Every way to trust a root that is given.
fn ways_to_trust() -> Vec<Trust> {
    vec![
        Trust::WebPki,
        Trust::Given,
        #[cfg(feature = "platform-verifier")]
        Trust::Platform,
    ]
}

fn address(server: &LocalServer) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port()))
}

/// A scene whose client speaks TLS with a server that an authority vouches for.
fn secured(scene: Scene) -> (Scene, TlsServer) {
    secured_with(scene, |client| client)
}

fn secured_with(
    mut scene: Scene,
    set: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> (Scene, TlsServer) {
    let authority = Authority::new();
    let server = TlsServer::before(address(&scene.server), &authority.for_this_machine());
    let tls = Tls::new().root_pem(authority.root_pem());
    scene.bucket = bucket(set(client_at(server.endpoint()).tls(tls)));
    (scene, server)
}

/// The error of an upload that is tried at once, and only once.
fn refused_at_once(endpoint: &str, tls: Tls) -> Error {
    let dir = tempfile::tempdir().expect("a temp folder");
    let file = dir.path().join("file");
    fs::write(&file, "small").expect("written");
    let attempts = Arc::new(AtomicU32::new(0));
    let asked = Arc::clone(&attempts);
    let client = client_at(endpoint.to_owned())
        .credentials(move || {
            asked.fetch_add(1, SeqCst);
            Ok(Credentials::new("id", "secret"))
        })
        .tls(tls);
    let error = watched(bucket(client).upload_file("key", &file)).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    assert_eq!(attempts.load(SeqCst), 1, "{error}");
    error
}

mod trust {
    use super::*;

    #[test]
    fn a_root_that_is_given_is_trusted_and_the_object_is_the_file() {
        let authority = Authority::new();
        for trust in ways_to_trust() {
            for (host, routines) in [("localhost", 1), ("127.0.0.1", 4)] {
                let mut scene = Scene::with_parts(20);
                let identity = authority.for_this_machine();
                let server = TlsServer::before(address(&scene.server), &identity);
                let root = scene.dir.path().join("root.pem");
                fs::write(&root, authority.root_pem()).expect("written");
                let tls = Tls::new().trust(trust).root_file(root);
                let endpoint = format!("https://{host}:{}", server.address().port());
                scene.bucket = bucket(client_at(endpoint).tls(tls));
                let uploaded = watched(scene.upload().routines(routines)).expect("uploaded");
                assert_eq!(uploaded.retries, 0);
                assert!(server.connections() <= routines, "not one a routine");
                scene.expect_done(&uploaded);
            }
        }
    }

    #[test]
    fn a_certificate_that_is_no_proof_ends_an_upload_at_once_with_what_to_do() {
        let server = LocalServer::start().expect("a port");
        let (trusted, other) = (Authority::new(), Authority::new());
        let here = ["localhost", "127.0.0.1"];
        let expired = trusted.certify(&here, |params| {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        });
        let early = trusted.certify(&here, |params| {
            params.not_before = rcgen::date_time_ymd(2998, 1, 1);
            params.not_after = rcgen::date_time_ymd(2999, 1, 1);
        });
        let elsewhere = trusted.certify(&["oss.example"], |_| {});
        for (identity, words) in [
            (&expired, ["has expired", "clock"]),
            (&early, ["not valid yet", "clock"]),
            (&elsewhere, ["oss.example", "localhost"]),
            (
                &other.for_this_machine(),
                ["nobody who is trusted", "Tls::root_file"],
            ),
            (
                &Identity::self_signed(),
                ["nobody who is trusted", "Tls::root_file"],
            ),
        ] {
            let server = TlsServer::before(address(&server), identity);
            for trust in ways_to_trust() {
                let tls = Tls::new().trust(trust).root_pem(trusted.root_pem());
                let error = refused_at_once(&server.endpoint(), tls).to_string();
                for word in words {
                    assert!(error.contains(word), "{trust:?}: {error}");
                }
            }
            assert_eq!(server.connections(), ways_to_trust().len());
        }
        assert_eq!(
            server.requests().len(),
            0,
            "something was sent all the same"
        );
    }

    #[test]
    fn a_root_that_is_not_given_is_not_trusted() {
        let scene = Scene::with_len(1);
        let identity = Authority::new().for_this_machine();
        let server = TlsServer::before(address(&scene.server), &identity);
        let error = refused_at_once(&server.endpoint(), Tls::new());
        assert!(
            error.to_string().contains("nobody who is trusted"),
            "{error}"
        );
    }

    #[test]
    fn a_server_without_tls_is_told_as_such_at_once() {
        let plain = Front::new(|mut stream, _| {
            stream.read_exact(&mut [0; 5])?;
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
            stream.read_to_end(&mut vec![]).map(drop)
        });
        let endpoint = format!("https://{}", plain.address());
        let error = refused_at_once(&endpoint, Tls::new()).to_string();
        assert!(error.contains("does not speak TLS"), "{error}");
        assert_eq!(plain.taken(), 1);
    }

    /// The system's roots are files here, which the environment may name.
    #[cfg(all(
        feature = "platform-verifier",
        unix,
        not(target_vendor = "apple"),
        not(target_os = "android")
    ))]
    #[test]
    fn what_the_system_trusts_is_trusted_when_asked_for() {
        use crate::defects::child;
        const TEST: &str = "what_the_system_trusts_is_trusted_when_asked_for";
        if child::is_here() {
            let tls = Tls::new().trust(Trust::Platform);
            child::upload_with(|client| client.tls(tls)).expect("uploaded");
            return;
        }
        let scene = Scene::with_parts(3);
        let authority = Authority::new();
        let server = TlsServer::before(address(&scene.server), &authority.for_this_machine());
        let root = scene.dir.path().join("root.pem");
        fs::write(&root, authority.root_pem()).expect("written");
        let mut command = child::command(&scene, module_path!(), TEST);
        command.env(child::ENDPOINT, server.endpoint());
        let ran = command.env("SSL_CERT_FILE", root).output().expect("run");
        assert!(ran.status.success(), "{ran:?}");
        assert!(
            scene
                .server
                .object("examplebucket", "dir/object.bin")
                .is_some()
        );
    }
}

mod client_certificate {
    use super::*;

    #[test]
    fn who_shows_the_certificate_that_is_demanded_is_let_in() {
        let authority = Authority::new();
        let client = authority.for_a_client();
        for routines in [1, 4] {
            let mut scene = Scene::with_parts(10);
            let here = authority.for_this_machine();
            let server = TlsServer::demanding(address(&scene.server), &here, &authority);
            // As many programs have it: both in one file.
            let both = scene.dir.path().join("client.pem");
            let text = format!("{}{}", client.key_pem(), client.chain_pem);
            fs::write(&both, text).expect("written");
            let tls = Tls::new().root_pem(authority.root_pem());
            let tls = tls.client_files(&both, &both);
            scene.bucket = bucket(client_at(server.endpoint()).tls(tls));
            let uploaded = watched(scene.upload().routines(routines)).expect("uploaded");
            assert_eq!(uploaded.retries, 0);
            scene.expect_done(&uploaded);
        }
    }

    #[test]
    fn who_shows_none_or_another_is_told_at_once() {
        let (authority, other) = (Authority::new(), Authority::new());
        let local = LocalServer::start().expect("a port");
        let here = authority.for_this_machine();
        let server = TlsServer::demanding(address(&local), &here, &authority);
        let tls = || Tls::new().root_pem(authority.root_pem());
        let error = refused_at_once(&server.endpoint(), tls());
        assert!(error.to_string().contains("Tls::client_files"), "{error}");
        let wrong = other.for_a_client();
        let tls = tls().client_pem(wrong.chain_pem.clone(), wrong.key_pem());
        let error = refused_at_once(&server.endpoint(), tls);
        assert!(
            error.to_string().contains("refuses the client certificate"),
            "{error}"
        );
        assert_eq!(local.requests().len(), 0);
    }
}

mod breaks {
    use super::*;

    /// In the handshake, in a request, in a part, behind several.
    #[test]
    fn a_connection_that_breaks_costs_one_more_request() {
        for routines in [1, 4] {
            for bytes in [0, 100, 600, 1500, PART / 2, 3 * PART] {
                let (scene, server) = secured(Scene::with_parts(6));
                server.cut_after(bytes);
                let upload = scene.upload().routines(routines);
                let uploaded = watched(upload).unwrap_or_else(|why| panic!("{bytes}: {why}"));
                assert!(server.is_spent(), "{bytes}");
                assert_eq!(uploaded.retries, 1, "{bytes}");
                scene.expect_done_but_for_orphans(&uploaded);
            }
        }
    }

    #[test]
    fn an_answer_that_is_cut_or_damaged_costs_one_more_request() {
        for tamper in [Tamper::Truncate, Tamper::Flip, Tamper::Withhold] {
            // Initiate, parts, Complete.
            for answer in [0, 1, 3, 7] {
                let (scene, server) = secured(Scene::with_parts(6));
                server.tamper_after(answer, tamper);
                let what = format!("{tamper:?} of answer {answer}");
                let uploaded = scene.run_ok(&what);
                assert!(server.is_spent(), "{what}");
                assert_eq!(uploaded.retries, 1, "{what}");
            }
        }
    }

    #[test]
    fn a_server_that_dies_is_sat_out() {
        let (scene, server) = secured(Scene::with_parts(12));
        let hold = Fault::hold();
        scene
            .server
            .fault(hold.0.on(Operation::UploadPart).nth(5).times(1));
        let run = || watched(scene.upload().routines(4));
        let uploaded = meanwhile(run, || {
            crate::support::wait_reached(&hold.1, 1);
            server.die();
            hold.1.open();
        });
        let uploaded = uploaded.expect("uploaded");
        assert!((1..=4).contains(&uploaded.retries), "{uploaded:?}");
        scene.expect_done(&uploaded);
    }

    /// The good-bye of TLS comes where an answer is awaited, and is none.
    #[test]
    fn a_kept_connection_that_the_server_closed_is_no_failed_attempt() {
        for routines in [1, 4] {
            let once = hasty().max_attempts(1);
            let (scene, server) = secured_with(Scene::with_parts(20), |client| client.retry(once));
            let closed = scene.server.fault(Fault::close_after_answer_silently());
            let uploaded = watched(scene.upload().routines(routines)).expect("uploaded");
            assert_eq!(closed.hits(), 22);
            assert!(server.connections() >= 22);
            scene.expect_done(&uploaded);
        }
    }

    #[test]
    fn an_error_that_comes_before_the_body_is_taken_is_that_error() {
        let (scene, _server) = secured(Scene::with_len(17 << 20));
        let early = Fault::early_answer(403, "AccessDenied").on(Operation::UploadPart);
        scene.server.fault(early);
        let error = watched(scene.upload().part_size(8 << 20)).expect_err("denied");
        let code = error.service_error().map(|error| error.code());
        assert_eq!(code, Some("AccessDenied"), "{error}");
    }
}

mod silence {
    use super::*;

    #[test]
    fn a_peer_that_stops_reading_or_never_answers_is_left_and_the_part_sent_again() {
        for routines in [1, 4] {
            for fault in [Fault::no_answer(), Fault::stop_reading_after(1 << 20)] {
                let local = LocalServer::builder().receive_buffer(64 << 10).start();
                let scene = Scene::on(local.expect("a port"), 17 << 20);
                let set = |client: ClientBuilder| client.stall_timeout(STALL);
                let (scene, _server) = secured_with(scene, set);
                let silent = fault.on(Operation::UploadPart).part(2).times(1);
                let silent = scene.server.fault(silent);
                let upload = scene.upload().part_size(8 << 20).routines(routines);
                let uploaded = watched(upload).expect("uploaded");
                assert_eq!((silent.hits(), uploaded.retries), (1, 1), "{silent:?}");
                scene.expect_done(&uploaded);
            }
        }
    }

    #[test]
    fn a_slow_line_that_still_moves_is_never_cut_off() {
        let local = LocalServer::builder().receive_buffer(16 << 10).start();
        let set = |client: ClientBuilder| client.stall_timeout(STALL);
        let scene = Scene::on(local.expect("a port"), 2 << 20);
        let (scene, _server) = secured_with(scene, set);
        let slow = Fault::bandwidth(1 << 20).on(Operation::UploadPart);
        let slow = scene.server.fault(slow);
        let uploaded = watched(scene.upload().part_size(1 << 20)).expect("uploaded");
        assert_eq!((slow.hits(), uploaded.retries), (2, 0));
        scene.expect_done(&uploaded);
    }

    #[test]
    fn a_cancel_is_heard_during_a_handshake_that_hangs() {
        let (mute, reached) = Front::mute();
        let mut scene = Scene::with_parts(3);
        let client = client_at(format!("https://{}", mute.address()));
        let a_minute = Duration::from_secs(60);
        scene.bucket = bucket(client.connect_timeout(a_minute).stall_timeout(a_minute));
        scene.expect_cancelled_once(&reached);
    }

    #[test]
    fn a_handshake_that_hangs_ends_with_the_time_for_connecting() {
        let (mute, _reached) = Front::mute();
        let mut scene = Scene::with_parts(3);
        let client = client_at(format!("https://{}", mute.address()));
        scene.bucket = bucket(client.connect_timeout(Duration::from_millis(50)));
        let error = scene.run_err("nobody answers").to_string();
        assert!(error.contains("connecting took too long"), "{error}");
    }

    /// Each byte comes in time; all of them never would.
    #[test]
    fn a_handshake_that_trickles_ends_with_the_time_for_connecting() {
        let trickling = Front::new(|mut stream, _| {
            stream.write_all(&[22, 3, 3, 64, 0])?;
            let (_held, pace) = mpsc::channel::<()>();
            loop {
                let _ = pace.recv_timeout(Duration::from_millis(5));
                stream.write_all(&[0])?;
            }
        });
        let mut scene = Scene::with_parts(3);
        let client = client_at(format!("https://{}", trickling.address()));
        let client = client.retry(hasty().max_attempts(2));
        scene.bucket = bucket(client.connect_timeout(Duration::from_millis(200)));
        let error = scene.run_err("it never ends").to_string();
        assert!(error.contains("connecting took too long"), "{error}");
    }
}

/// What is refused before anything is sent.
mod settings {
    use super::*;

    fn refused(tls: Tls) -> String {
        let client = Client::builder("https://oss-cn-hangzhou.aliyuncs.com").tls(tls.clone());
        let error = client.build().expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        format!("{error} {tls:?} {tls:#?}")
    }

    #[test]
    fn certificates_and_keys_that_cannot_be_used_are_refused_with_a_reason() {
        let authority = Authority::new();
        let (one, two) = (authority.for_a_client(), authority.for_a_client());
        let chain = || one.chain_pem.clone();
        let broken = authority.root_pem().replacen("MII", "M*I", 1);
        let cut = authority
            .root_pem()
            .replace("-----END CERTIFICATE-----", "");
        let section = |name: &str, text: &str| {
            format!("-----BEGIN {name}-----\n{text}\n-----END {name}-----\n")
        };
        let encrypted = section("ENCRYPTED PRIVATE KEY", "AAAA");
        let missing = "/nowhere/to/be/found.pem";
        for (tls, word) in [
            (Tls::new().root_pem("no PEM"), "no certificate"),
            (Tls::new().root_pem(one.key_pem()), "no certificate"),
            (Tls::new().root_pem(broken), "not base64"),
            (Tls::new().root_pem(cut), "has no end"),
            (
                Tls::new().root_pem(section("CERTIFICATE", "AAAA")),
                "cannot be read",
            ),
            (Tls::new().root_file(missing), missing),
            (Tls::new().trust(Trust::Given), "nobody else is trusted"),
            (
                Tls::new().client_pem("", one.key_pem()),
                "the client certificate",
            ),
            (Tls::new().client_pem(chain(), chain()), "private key"),
            (Tls::new().client_pem(chain(), encrypted), "not encrypted"),
            (
                Tls::new().client_pem(chain(), section("PRIVATE KEY", "AAAA")),
                "cannot be used",
            ),
            (
                Tls::new().client_pem(chain(), two.key_pem()),
                "does not belong",
            ),
            (Tls::new().client_files(missing, missing), missing),
        ] {
            let said = refused(tls);
            assert!(said.contains(word), "{word}: {said}");
        }
    }

    #[test]
    fn a_private_key_is_never_shown() {
        let authority = Authority::new();
        let (one, two) = (authority.for_a_client(), authority.for_a_client());
        let key = two.key_pem();
        let cut = key.replace("-----END PRIVATE KEY-----", "");
        let broken = key.replace("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY----");
        let secret = key.lines().nth(1).expect("base64");
        let bytes = format!("{:?}", &secret.as_bytes()[..20]);
        for key in [&key, &cut, &broken] {
            let tls = Tls::new().client_pem(one.chain_pem.clone(), key.clone());
            let said = refused(tls);
            let bytes = bytes.trim_matches(['[', ']']);
            assert!(
                !said.contains(&secret[..20]) && !said.contains(bytes),
                "{said}"
            );
        }
        let tls = Tls::new().client_pem(two.chain_pem.clone(), key.clone());
        let built = client_at("https://localhost".to_owned()).tls(tls).build();
        let shown = format!("{:?}", built.expect("a client"));
        assert!(!shown.contains(&secret[..20]), "{shown}");
    }

    #[test]
    fn a_file_without_end_is_refused() {
        if cfg!(unix) {
            let said = refused(Tls::new().root_file("/dev/zero"));
            assert!(said.contains("longer than"), "{said}");
        }
    }
}
