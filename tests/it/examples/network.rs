//! `network`: each way leads to the server, or to the host that it should.

use super::{LATEST, example, expect_stored};
use crate::support::process::Program;
use crate::support::proxy::ConnectProxy;
use crate::support::tls::{Authority, TlsServer};
use crate::support::{BUCKET, Scene};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

fn address(scene: &Scene) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], scene.server.port()))
}

fn program(scene: &Scene, way: &[&str]) -> Program {
    example("network", scene).arg(&scene.file).args(way)
}

/// Each request says whose it is.
#[track_caller]
fn expect_uploaded(scene: &Scene, program: Program) {
    program.run().expect_code(0);
    expect_stored(scene, LATEST);
    let requests = scene.server.requests();
    let agent = requests
        .last()
        .and_then(|request| request.header("user-agent"));
    let agent = agent.expect("a user agent");
    assert!(
        agent.starts_with("oss-upload/") && agent.ends_with("/nightly-backup/1.2"),
        "{agent}"
    );
}

/// No name is looked up and nothing leaves the machine: the proxy is asked for the host, and refuses.
#[test]
fn a_region_is_reached_at_its_endpoint_in_a_network() {
    let scene = Scene::with_len(1000);
    let proxy = ConnectProxy::to(address(&scene));
    for (way, host) in [
        ("internal", "oss-cn-hangzhou-internal.aliyuncs.com"),
        ("accelerated", "oss-accelerate.aliyuncs.com"),
    ] {
        proxy.refuse(1, 403);
        let ran = program(&scene, &[way])
            .env("HTTPS_PROXY", &proxy.url())
            .run();
        ran.expect_error(1, &["proxy", "403"]);
        assert_eq!(proxy.asked_for(), [format!("{BUCKET}.{host}:443")]);
    }
}

#[test]
fn a_proxy_leads_to_all_hosts_but_our_own_and_none_is_used_when_none_is_wanted() {
    let scene = Scene::with_len(1000);
    let proxy = ConnectProxy::to(address(&scene));
    let through = program(&scene, &["proxy", &proxy.url()]);
    expect_uploaded(&scene, through.env("OSS_ENDPOINT", "http://oss.invalid"));
    assert_eq!(proxy.asked_for(), [format!("{BUCKET}.oss.invalid:80")]);

    // One that cannot be used is not even looked at: all that is missing is the file.
    let missing = scene.dir.path().join("missing");
    let without = |way: &str| {
        let program = example("network", &scene).arg(&missing).arg(way);
        let elsewhere = program.env("OSS_ENDPOINT", "http://oss.invalid");
        elsewhere.env("HTTP_PROXY", "not a proxy").run()
    };
    without("no-proxy").expect_error(1, &["opening", "missing"]);
    without("ipv4").expect_error(1, &["HTTP_PROXY"]);
}

#[test]
fn a_private_cloud_is_trusted_by_its_root_and_shown_our_certificate() {
    let authority = Authority::new();
    let scene = Scene::with_len(1000);
    let write = |name: &str, pem: String| -> String {
        let path: PathBuf = scene.dir.path().join(name);
        fs::write(&path, pem).expect("written");
        path.into_os_string().into_string().expect("text")
    };
    let here = authority.for_this_machine();
    let ours = authority.for_a_client();
    let root = write("root.pem", authority.root_pem());
    let another = write("another.pem", Authority::new().root_pem());
    let (chain, key) = (
        write("chain.pem", ours.chain_pem.clone()),
        write("key.pem", ours.key_pem()),
    );

    let plain = TlsServer::before(address(&scene), &here);
    let secured = |way: &[&str], server: &TlsServer| {
        program(&scene, way).env("OSS_ENDPOINT", &server.endpoint())
    };
    expect_uploaded(&scene, secured(&["private", &root], &plain));
    let refused = secured(&["private", &another], &plain).run();
    refused.expect_error(1, &["nobody who is trusted"]);

    let demanding = TlsServer::demanding(address(&scene), &here, &authority);
    expect_uploaded(
        &scene,
        secured(&["private", &root, &chain, &key], &demanding),
    );
    secured(&["private", &root], &demanding)
        .run()
        .expect_error(1, &["certificate"]);
}

#[test]
fn where_only_ipv4_is_wanted_no_other_address_is_connected_to() {
    let scene = Scene::with_len(1000);
    let here = format!("http://localhost:{}", scene.server.port());
    expect_uploaded(
        &scene,
        program(&scene, &["ipv4"]).env("OSS_ENDPOINT", &here),
    );
    let other = program(&scene, &["ipv4"]).env("OSS_ENDPOINT", "http://[::1]:9");
    other.run().expect_error(1, &["V4"]);
}
