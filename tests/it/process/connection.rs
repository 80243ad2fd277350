//! Where the program goes, on which way, and who it is.

use crate::support::process::Program;
use crate::support::proxy::ConnectProxy;
use crate::support::tls::{Authority, TlsServer};
use crate::support::web::Web;
use crate::support::{BUCKET, Case, KEY, PART, Scene};
use oss_upload::local_server::{
    ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, LocalServer, Operation, RequestLog,
};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

fn address(server: &LocalServer) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port()))
}

/// An upload of the scene's file to wherever the arguments say.
fn upload(scene: &Scene) -> Program {
    Program::bare()
        .credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
        .arg(&scene.file)
        .arg(format!("oss://{BUCKET}/{KEY}"))
        .args(["--region", "cn-hangzhou", "--part-size", "102400"])
        .args(["--progress", "none", "--json"])
}

/// Writes a file beside the scene's.
fn written(scene: &Scene, name: &str, text: &str) -> PathBuf {
    let path = scene.dir.path().join(name);
    fs::write(&path, text).expect("written");
    path
}

#[test]
fn a_network_is_the_endpoint_of_the_region_there() {
    let authority = Authority::new();
    let names = [
        "*.oss-cn-hangzhou.aliyuncs.com",
        "*.oss-cn-hangzhou-internal.aliyuncs.com",
        "*.cn-hangzhou.oss.aliyuncs.com",
        "*.oss-accelerate.aliyuncs.com",
        "*.oss-accelerate-overseas.aliyuncs.com",
    ];
    let identity = authority.certify(&names, |_| {});
    for (network, name) in [None, Some("public")]
        .into_iter()
        .map(|network| (network, names[0]))
        .chain([
            (Some("internal"), names[1]),
            (Some("dual-stack"), names[2]),
            (Some("accelerate"), names[3]),
            (Some("accelerate-overseas"), names[4]),
        ])
    {
        let _case = Case(network);
        let scene = Scene::with_parts(2);
        let endpoint = TlsServer::before(address(&scene.server), &identity);
        let proxy = ConnectProxy::to(endpoint.address());
        let root = written(&scene, "root.pem", &authority.root_pem());
        let mut program = upload(&scene)
            .args(["--proxy", &proxy.url(), "--ca-file"])
            .arg(root);
        if let Some(network) = network {
            // What is asked for wins over the environment.
            program = program.args(["--network", network]);
            program = program.env("OSS_ENDPOINT", "http://127.0.0.1:1");
        }
        program.run().json();
        let host = name.replace('*', BUCKET);
        assert_eq!(proxy.asked_for(), [format!("{host}:443")]);
        scene.expect_object(0);
    }
}

#[test]
fn a_private_root_must_be_given_and_a_client_may_show_who_it_is() {
    let authority = Authority::new();
    let scene = Scene::with_parts(2);
    let identity = authority.for_this_machine();
    let endpoint = TlsServer::demanding(address(&scene.server), &identity, &authority);
    let root = written(&scene, "root.pem", &authority.root_pem());
    let client = authority.for_a_client();
    let certificate = written(&scene, "client.pem", &client.chain_pem);
    let key = written(&scene, "client.key", &client.key_pem());
    let program = || upload(&scene).args(["--endpoint", &endpoint.endpoint()]);
    program().run().expect_error(1, &["certificate"]);
    let trusting = || program().arg("--ca-file").arg(&root);
    trusting().run().expect_error(1, &["certificate"]);
    assert_eq!(scene.server.requests().len(), 0);
    let shown = trusting()
        .arg("--client-cert")
        .arg(certificate)
        .arg("--client-key")
        .arg(key);
    shown.run().json();
    scene.expect_object(0);
}

#[test]
fn a_proxy_is_gone_through_or_passed_by() {
    let scene = Scene::with_parts(2);
    let proxy = ConnectProxy::demanding(address(&scene.server), "me:0pen");
    let url = proxy.url().replace("//", "//me:0pen@");
    let elsewhere = ["--endpoint", "http://oss.invalid"];
    upload(&scene)
        .args(elsewhere)
        .args(["--proxy", &url])
        .run()
        .json();
    assert_eq!(proxy.asked_for(), [format!("{BUCKET}.oss.invalid:80")]);
    scene.expect_object(0);
    // By the name alone the server takes the bucket for a part of it.
    let path_style =
        upload(&scene)
            .args(elsewhere)
            .args(["--path-style", "--host-header", "localhost"]);
    path_style.env("HTTP_PROXY", &url).run().json();
    assert_eq!(proxy.asked_for(), ["oss.invalid:80"]);
    let without = upload(&scene).args(["--endpoint", "http://127.1"]).args([
        "--path-style",
        "--no-proxy",
        "--deadline",
        "1",
    ]);
    without.env("HTTP_PROXY", &url).run().expect_code(1);
    assert_eq!(proxy.asked_for(), [""; 0]);
    let wrong = upload(&scene)
        .args(elsewhere)
        .args(["--proxy", &proxy.url()]);
    let ran = wrong.run().expect_error(1, &["407"]);
    assert!(!ran.stderr.contains("0pen"), "{ran:#?}");
}

#[test]
fn a_private_link_is_told_which_host_is_meant() {
    const HOST: &str = "examplebucket.oss-cn-hangzhou.aliyuncs.com";
    let scene = Scene::with_parts(2);
    let endpoint = scene.server.endpoint();
    let program = upload(&scene).args(["--endpoint", &endpoint, "--cname"]);
    program.args(["--host-header", HOST]).run().json();
    let requests = scene.server.requests();
    let said: Vec<_> = requests.iter().map(|r| r.header("host")).collect();
    assert_eq!(said, vec![Some(HOST); said.len()]);
    let paths = requests.iter().map(|request| &*request.path);
    assert!(paths.eq(["/dir/object.bin"; 4]), "{requests:#?}");
    scene.expect_object(0);
}

#[test]
fn addresses_of_one_family_are_asked_for() {
    let scene = Scene::with_parts(2);
    // `127.1` is a name to us, and an IPv4 address to the system.
    let endpoint = format!("http://127.1:{}", scene.server.port());
    let program = || {
        let program = upload(&scene).args(["--endpoint", &endpoint, "--path-style"]);
        program.args(["--host-header", "localhost"])
    };
    program().arg("--ipv4").run().json();
    scene.expect_object(0);
    let requests = scene.server.requests().len();
    let ran = program().args(["--ipv6", "--deadline", "2"]).run();
    ran.expect_error(1, &[]);
    assert_eq!(scene.server.requests().len(), requests);
}

/// Twice the default would be longer than any test may take.
#[test]
fn silence_is_noticed_when_it_was_asked_for() {
    let scene = Scene::with_parts(2);
    let silent = Fault::no_answer().on(Operation::UploadPart).times(2);
    scene.server.fault(silent);
    let json = scene.program().args(["--stall-timeout", "1"]).run().json();
    assert_eq!(json["retries"], 2);
    scene.expect_object(0);
}

mod credentials {
    use super::*;

    const FAR: &str = "2999-01-01T00:00:00Z";

    /// A token only known to who was asked for it.
    const TOKEN: &str = "the+token/==";

    fn issued() -> String {
        format!(
            r#"{{"AccessKeyId":"{ACCESS_KEY_ID}","AccessKeySecret":"{ACCESS_KEY_SECRET}","SecurityToken":"{TOKEN}","Expiration":"{FAR}","Code":"Success"}}"#
        )
    }

    fn scene() -> Scene {
        let server = LocalServer::builder().security_token(TOKEN).start();
        Scene::on(server.expect("a port"), 3 * PART)
    }

    /// The program without credentials of the environment.
    fn program(scene: &Scene, from: &str) -> Program {
        scene
            .program()
            .without_env("OSS_ACCESS_KEY_ID")
            .without_env("OSS_ACCESS_KEY_SECRET")
            .env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
            .args(["--credentials", from])
    }

    #[track_caller]
    fn expect_taken(scene: &Scene, program: Program) {
        program.run().json();
        scene.expect_object(0);
        assert!(scene.server.remove_object(BUCKET, KEY));
    }

    #[test]
    fn an_instance_is_asked_for_those_of_its_role() {
        const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
        let service = Web::start(|asked| match (&*asked.method, &*asked.path) {
            ("PUT", "/latest/api/token") => (200, "metadata".to_owned()),
            ("GET", ROLES) => (200, "the-role".to_owned()),
            ("GET", path) if path.strip_prefix(ROLES) == Some("the-role") => (200, issued()),
            _ => (404, String::new()),
        });
        for from in ["ecs:the-role@", "ecs:@"] {
            let scene = scene();
            let program = program(&scene, &format!("{from}{}", service.url));
            let program = program.without_env("ALIBABA_CLOUD_ECS_METADATA_DISABLED");
            expect_taken(&scene, program);
        }
        let paths: Vec<_> = service.asked().into_iter().map(|a| a.path).collect();
        let credentials = format!("{ROLES}the-role");
        let token = "/latest/api/token";
        assert_eq!(paths, [token, &*credentials, token, ROLES, &*credentials]);
        let scene = scene();
        let ran = program(&scene, "ecs").run();
        ran.expect_error(1, &["ALIBABA_CLOUD_ECS_METADATA_DISABLED"]);
    }

    #[test]
    fn a_helper_is_asked_by_its_uri_or_run_as_a_command() {
        let scene = scene();
        let helper = Web::start(|_| (200, issued()));
        let uri = format!("uri:{}/key", helper.url);
        expect_taken(&scene, program(&scene, &uri));
        assert_eq!(helper.asked().len(), 1);
        let authority = Authority::new();
        let secured = TlsServer::before(helper.address(), &authority.for_this_machine());
        let root = written(&scene, "root.pem", &authority.root_pem());
        let uri = format!("uri:{}/key", secured.endpoint());
        let trusting = program(&scene, &uri).arg("--ca-file").arg(root);
        expect_taken(&scene, trusting);
        assert_eq!(helper.asked().len(), 2);
        let printed = written(&scene, "printed.json", &issued());
        let command = format!("process:cat '{}'", printed.display());
        expect_taken(&scene, program(&scene, &command));
        let ran = program(&scene, "process:exit 3 # s3cr3t").run();
        let ran = ran.expect_error(1, &["command", "--credentials"]);
        assert!(!ran.stderr.contains("s3cr3t"), "{ran:#?}");
    }

    #[test]
    fn profiles_of_either_file_are_read() {
        let scene = scene();
        let home = scene.dir.path();
        let profile = |name: &str, token: &str| {
            format!(
                r#"{{"name":"{name}","mode":"StsToken","access_key_id":"{ACCESS_KEY_ID}","access_key_secret":"{ACCESS_KEY_SECRET}","sts_token":"{token}"}}"#
            )
        };
        fs::create_dir(home.join(".aliyun")).expect("a folder");
        let profiles = [profile("old", "0ld"), profile("new", TOKEN)].join(",");
        let text = format!(r#"{{"current":"new","profiles":[{profiles}]}}"#);
        written(&scene, ".aliyun/config.json", &text);
        let section = |name: &str, token: &str| {
            format!(
                "[{name}]\ntype = sts\naccess_key_id = {ACCESS_KEY_ID}\n\
                 access_key_secret = {ACCESS_KEY_SECRET}\nsecurity_token = {token}\n"
            )
        };
        fs::create_dir(home.join(".alibabacloud")).expect("a folder");
        let text = section("default", TOKEN) + &section("old", "0ld") + &section("new", TOKEN);
        written(&scene, ".alibabacloud/credentials", &text);
        let at_home = |from: &str| {
            let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
            program(&scene, from).env(name, &home.display().to_string())
        };
        for from in ["profile", "profile:new", "file", "file:new", "chain"] {
            let _case = Case(from);
            expect_taken(&scene, at_home(from));
        }
        for from in ["profile:old", "file:old"] {
            let ran = at_home(from).run();
            ran.expect_error(1, &["SecurityToken"]);
        }
        for from in ["profile:none", "file:none"] {
            let ran = at_home(from).run();
            ran.expect_error(1, &["none", "--credentials"]);
        }
    }

    /// STS is where it always is, as far as the program knows.
    #[test]
    fn a_pod_assumes_its_role_and_one_without_is_told_what_is_missing() {
        let scene = scene();
        let ran = program(&scene, "oidc").run();
        ran.expect_error(1, &["ALIBABA_CLOUD_OIDC_TOKEN_FILE", "--credentials"]);
        let sts = Web::start(|_| (200, format!(r#"{{"Credentials":{}}}"#, issued())));
        let authority = Authority::new();
        let identity = authority.certify(&["sts.aliyuncs.com"], |_| {});
        let secured = TlsServer::before(sts.address(), &identity);
        let proxy = ConnectProxy::to(secured.address());
        let root = written(&scene, "root.pem", &authority.root_pem());
        let token = written(&scene, "token", "the.pod's.token");
        let pod = || {
            program(&scene, "oidc")
                .env("HTTPS_PROXY", &proxy.url())
                .env("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/uploader")
                .env(
                    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
                    "acs:ram::1:oidc-provider/c",
                )
                .env(
                    "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
                    &token.display().to_string(),
                )
        };
        expect_taken(&scene, pod().arg("--ca-file").arg(&root));
        assert_eq!(proxy.asked_for(), ["sts.aliyuncs.com:443"]);
        assert_eq!(sts.asked()[0].form()["OIDCToken"], "the.pod's.token");
        pod().run().expect_error(1, &["certificate"]);
    }

    #[test]
    fn nobody_signs_when_nobody_is_to() {
        let server = LocalServer::builder().allow_anonymous(true).start();
        let scene = Scene::on(server.expect("a port"), 3 * PART);
        expect_taken(&scene, program(&scene, "anonymous"));
        let signed = |request: &RequestLog| request.header("authorization").is_some();
        assert!(!scene.server.requests().iter().any(signed));
        expect_taken(
            &scene,
            program(&scene, "env").credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET),
        );
        assert!(scene.server.requests().iter().any(signed));
    }
}
