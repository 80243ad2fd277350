//! Where credentials come from: whoever issues them is a server on loopback, a file or a command, and OSS checks them.

use crate::support::logs::heard_during;
use crate::support::tls::{Authority as CertifiedBy, TlsServer};
use crate::support::web::{Asked, Web};
use crate::support::{Case, PART, Scene, bucket, client, hasty, meanwhile, wait_reached};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, LocalServer, Operation};
use oss_upload::{
    CliProfile, Client, Credentials, CredentialsChain, CredentialsFile, CredentialsProvider,
    CredentialsUri, EcsRamRole, ErrorKind, ExternalProcess, OidcRole, ProviderError, RamRole,
    Refreshing, Tls,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const FAR: &str = "2999-01-01T00:00:00Z";

/// What the metadata service calls its token, and what pods have in their file.
const METADATA_TOKEN: &str = "m3tadata-token-that-nobody-may-see";
const OIDC_TOKEN: &str = "0idc.token.that-nobody-may-see";

const ROLE: &str = "acs:ram::1:role/uploader";
const PROVIDER: &str = "acs:ram::1:oidc-provider/cluster";

fn good() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
}

/// A token is good for as long as a test wants it; a string that all share.
#[derive(Clone)]
struct Authority(Arc<Mutex<String>>);

impl Authority {
    fn new(token: &str) -> Authority {
        Authority(Arc::new(Mutex::new(token.to_owned())))
    }

    fn set(&self, token: &str) {
        token.clone_into(&mut self.0.lock().expect("no panic"));
    }

    /// The key that OSS takes, with the token of now, in JSON.
    fn issue(&self) -> String {
        let token = self.0.lock().expect("no panic");
        format!(
            r#"{{"AccessKeyId":"{ACCESS_KEY_ID}","AccessKeySecret":"{ACCESS_KEY_SECRET}","SecurityToken":"{token}","Expiration":"{FAR}","Code":"Success"}}"#
        )
    }

    /// As STS answers it.
    fn assume(&self) -> String {
        format!(r#"{{"RequestId":"R-1","Credentials":{}}}"#, self.issue())
    }
}

const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

/// A metadata service that knows the hardened mode only.
fn metadata_service(authority: &Authority) -> Web {
    Web::start(hardened_answer(authority))
}

fn hardened_answer(authority: &Authority) -> impl Fn(&Asked) -> (u16, String) + use<> {
    let authority = authority.clone();
    move |asked| {
        let may = asked.header("x-aliyun-ecs-metadata-token") == Some(METADATA_TOKEN);
        let ttl = asked.header("x-aliyun-ecs-metadata-token-ttl-seconds");
        match (&*asked.method, asked.path.strip_prefix(ROLES)) {
            ("PUT", None) if asked.path == "/latest/api/token" && ttl == Some("21600") => {
                (200, METADATA_TOKEN.to_owned())
            }
            ("GET", Some("")) if may => (200, "the-role".to_owned()),
            ("GET", Some("the-role")) if may => (200, authority.issue()),
            ("GET", Some(_)) if may => (404, String::new()),
            _ => (403, String::new()),
        }
    }
}

fn ecs(service: &Web) -> EcsRamRole {
    EcsRamRole::new().base_url(&service.url)
}

fn asked(web: &Web) -> Vec<(String, String)> {
    let asked = web.asked().into_iter();
    asked.map(|asked| (asked.method, asked.path)).collect()
}

/// A scene on a server that demands a token.
fn scene(token: &str, n_parts: u64) -> Scene {
    let server = LocalServer::builder().security_token(token);
    Scene::on(server.start().expect("a port"), n_parts * PART - 1)
}

/// Uploads with a provider, without a second attempt for anything, and by four routines.
fn upload_with(provider: impl CredentialsProvider + 'static, scene: &mut Scene) {
    let once = client(&scene.server).retry(hasty().max_attempts(1));
    scene.bucket = bucket(once.credentials(provider));
    let uploaded = scene.upload().routines(4).run();
    scene.expect_done(&uploaded.expect("uploaded"));
}

/// The error of an upload for which there are no credentials, and which therefore asks OSS for nothing.
#[track_caller]
fn expect_none(provider: impl CredentialsProvider + 'static) -> String {
    let mut scene = Scene::with_parts(3);
    scene.bucket = bucket(client(&scene.server).credentials(provider));
    let error = scene.upload().run().expect_err("no credentials");
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    assert_eq!(scene.server.requests().len(), 0, "{error}");
    error.to_string()
}

#[test]
fn an_instances_role_is_asked_for_in_hardened_mode_once_for_all_parts() {
    let authority = Authority::new("first");
    let service = metadata_service(&authority);
    upload_with(ecs(&service), &mut scene("first", 12));
    let credentials = format!("{ROLES}the-role");
    let expected = [
        ("PUT", "/latest/api/token"),
        ("GET", ROLES),
        ("GET", &credentials),
    ];
    let expected = expected.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(asked(&service), expected);
    // Its name need not be asked for when it is known.
    let service = metadata_service(&authority);
    upload_with(ecs(&service).role_name("the-role"), &mut scene("first", 2));
    assert_eq!(asked(&service), [expected[0].clone(), expected[2].clone()]);
}

#[test]
fn a_metadata_service_without_a_hardened_mode_is_asked_plainly() {
    for refusal in [404, 403, 405, 500] {
        let authority = Authority::new("first");
        let service = Web::start(move |asked| match (&*asked.method, &*asked.path) {
            ("GET", ROLES) => (200, "the-role\n".to_owned()),
            ("GET", _) if asked.header("x-aliyun-ecs-metadata-token").is_none() => {
                (200, authority.issue())
            }
            _ => (refusal, String::new()),
        });
        upload_with(ecs(&service), &mut scene("first", 2));
        assert_eq!(asked(&service).len(), 3);
    }
}

#[test]
fn a_metadata_service_that_stumbles_over_a_token_is_asked_again_where_it_takes_no_plain_request() {
    let authority = Authority::new("first");
    let tokens = AtomicUsize::new(0);
    let hardened = hardened_answer(&authority);
    let service = Web::start(move |asked| match &*asked.method {
        "PUT" if tokens.fetch_add(1, Ordering::SeqCst) == 0 => (503, String::new()),
        _ => hardened(asked),
    });
    upload_with(ecs(&service), &mut scene("first", 2));
    let methods: Vec<_> = asked(&service).into_iter().map(|(m, _)| m).collect();
    assert_eq!(methods, ["PUT", "GET", "PUT", "GET", "GET"]);
    // For good it is told as what it is.
    let service = Web::start(|asked| match &*asked.method {
        "PUT" => (404, String::new()),
        _ => (403, String::new()),
    });
    let why = expect_none(ecs(&service));
    assert!(why.contains("404"), "{why}");
}

#[test]
fn where_no_metadata_service_is_the_error_says_what_to_do() {
    let why = expect_none(EcsRamRole::new().base_url(Web::gone()));
    for word in [
        "metadata service",
        "127.0.0.1",
        "ECS instances only",
        "other credentials",
    ] {
        assert!(why.contains(word), "{why}");
    }
    let authority = Authority::new("first");
    let service = metadata_service(&authority);
    let why = expect_none(ecs(&service).role_name("another"));
    assert!(why.contains("no role `another`"), "{why}");
    let service = Web::start(|_| (404, String::new()));
    let why = expect_none(ecs(&service));
    assert!(why.contains("no RAM role is attached"), "{why}");
}

/// Uploads while the token is replaced in the middle, when all routines wait for the answer to a part.
fn upload_across_a_new_token(
    provider: impl CredentialsProvider + 'static,
    authority: &Authority,
    routines: usize,
) {
    let mut scene = scene("first", 16);
    let once = client(&scene.server).retry(hasty().max_attempts(1));
    scene.bucket = bucket(once.credentials(provider));
    let (hold, gate) = Fault::hold();
    let hold = hold.on(Operation::UploadPart).nth(5);
    scene.server.fault(hold);
    let run = || scene.upload().routines(routines).run();
    let uploaded = meanwhile(run, || {
        wait_reached(&gate, u32::try_from(routines).expect("few"));
        scene.server.expire_tokens();
        scene.server.set_security_token(Some("second"));
        authority.set("second");
        gate.open();
    });
    scene.expect_done(&uploaded.expect("no attempt is counted"));
    let refused = scene.server.requests().into_iter();
    let refused = refused.filter(|r| r.status == Some(403)).count();
    assert!((1..=routines).contains(&refused), "{refused} were refused");
}

#[test]
fn a_roles_credentials_that_expire_midway_are_fetched_once_for_all_and_cost_no_attempt() {
    for routines in [1, 4] {
        let authority = Authority::new("first");
        let service = metadata_service(&authority);
        upload_across_a_new_token(ecs(&service), &authority, routines);
        assert_eq!(asked(&service).len(), 2 * 3, "two fetches");

        let sts = sts(&authority, &good());
        let role = RamRole::new(good(), ROLE).endpoint(&sts.url);
        authority.set("first");
        upload_across_a_new_token(role, &authority, routines);
        assert_eq!(asked(&sts).len(), 2);

        // A chain and a profile pass on what OSS refuses.
        authority.set("first");
        let uri = uri(&authority);
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("config.json");
        let profile = format!(
            r#"{{"current":"p","profiles":[{{"name":"p","mode":"CredentialsURI","credentials_uri":"{}"}}]}}"#,
            uri.url
        );
        fs::write(&path, profile).expect("written");
        let chain = CredentialsChain::new().or(CliProfile::named("p").path(&path));
        upload_across_a_new_token(chain, &authority, routines);
        assert_eq!(asked(&uri).len(), 2);
    }
}

fn uri(authority: &Authority) -> Web {
    let authority = authority.clone();
    Web::start(move |_| (200, authority.issue()))
}

#[test]
fn a_uri_is_asked_once_for_all_parts() {
    let authority = Authority::new("first");
    let web = uri(&authority);
    let provider = CredentialsUri::new(format!("{}/path?of=mine", web.url));
    upload_with(provider, &mut scene("first", 8));
    let expected = ("GET".to_owned(), "/path?of=mine".to_owned());
    assert_eq!(asked(&web), [expected]);
}

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// The signature of a form as STS computes it again.
fn signature_of(asked: &Asked, secret: &str) -> String {
    let mut form: Vec<_> = asked.form().into_iter().collect();
    form.retain(|(name, _)| name != "Signature");
    form.sort();
    let pairs = form.iter().map(|(name, value)| {
        let (name, value) = (escaped(name), escaped(value));
        format!("{name}={value}")
    });
    let text = format!("POST&%2F&{}", escaped(&pairs.collect::<Vec<_>>().join("&")));
    let key = format!("{secret}&");
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("any key");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn refuse(code: &str) -> (u16, String) {
    // As STS does, it repeats what was sent.
    (
        400,
        format!(
            r#"{{"Code":"{code}","RequestId":"R-1","Message":"{OIDC_TOKEN} {ACCESS_KEY_SECRET}"}}"#
        ),
    )
}

/// What both calls share is as it has to be.
fn check_common(asked: &Asked) {
    assert_eq!((&*asked.method, &*asked.path), ("POST", "/"));
    let kind = asked.header("content-type");
    assert_eq!(kind, Some("application/x-www-form-urlencoded"));
    let form = asked.form();
    for (name, value) in [
        ("Format", "JSON"),
        ("Version", "2015-04-01"),
        ("RoleArn", ROLE),
    ] {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}");
    }
    let timestamp = &form["Timestamp"];
    assert_eq!(timestamp.len(), "2024-06-01T12:00:00Z".len(), "{timestamp}");
    assert!(form["SignatureNonce"].len() >= 16);
}

/// An STS that lets this key assume the role.
fn sts(authority: &Authority, key: &Credentials) -> Web {
    let (authority, id) = (authority.clone(), key.access_key_id().to_owned());
    let nonces = Mutex::new(vec![]);
    Web::start(move |asked| {
        check_common(asked);
        let form = asked.form();
        let nonce = form["SignatureNonce"].clone();
        let mut nonces = nonces.lock().expect("no panic");
        if form["AccessKeyId"] != id {
            return refuse("InvalidAccessKeyId.NotFound");
        }
        let signed = form["Signature"] == signature_of(asked, ACCESS_KEY_SECRET)
            && form["SignatureMethod"] == "HMAC-SHA1"
            && form["SignatureVersion"] == "1.0"
            && form["Action"] == "AssumeRole";
        if !signed {
            return refuse("IncompleteSignature");
        }
        if nonces.contains(&nonce) {
            return refuse("SignatureNonceUsed");
        }
        nonces.push(nonce);
        (200, authority.assume())
    })
}

#[test]
fn a_role_is_assumed_with_a_signature_that_sts_computes_again() {
    let authority = Authority::new("first");
    let web = sts(&authority, &good());
    let asker = good().with_security_token("an asker's t/o+k=e*n~".replace([' ', '\''], ""));
    let role = RamRole::new(asker, ROLE)
        .endpoint(&web.url)
        .session_name("me@here")
        .duration(Duration::from_secs(900))
        .policy(r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Resource": "acs:oss:*:*:备/*"}]}"#)
        .external_id("ext/1");
    upload_with(role, &mut scene("first", 8));
    let [asked] = &web.asked()[..] else {
        panic!("one fetch: {:?}", web.asked())
    };
    let form = asked.form();
    for (name, value) in [
        ("SecurityToken", "anaskerst/o+k=e*n~"),
        ("RoleSessionName", "me@here"),
        ("DurationSeconds", "900"),
        ("ExternalId", "ext/1"),
    ] {
        assert_eq!(form[name], value);
    }
    assert!(form["Policy"].contains("备/*"));
}

#[test]
fn what_sts_refuses_is_told_by_its_code_alone() {
    let authority = Authority::new("first");
    let web = sts(&authority, &good());
    let wrong = Credentials::new(ACCESS_KEY_ID, "wrong");
    let why = expect_none(RamRole::new(wrong, ROLE).endpoint(&web.url));
    for word in ["AssumeRole", "IncompleteSignature", "R-1", "127.0.0.1"] {
        assert!(why.contains(word), "{why}");
    }
    assert!(
        !why.contains(OIDC_TOKEN) && !why.contains(ACCESS_KEY_SECRET),
        "{why}"
    );
    assert_eq!(web.asked().len(), 1, "it was asked again");
}

/// Has an old key until it is told that it is none.
struct Renewing(Mutex<Credentials>);

impl CredentialsProvider for Renewing {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        Ok(self.0.lock().expect("no panic").clone())
    }

    fn refused(&self, refused: &Credentials) {
        let mut kept = self.0.lock().expect("no panic");
        assert_eq!(*kept, *refused);
        *kept = good();
    }
}

#[test]
fn an_askers_key_that_sts_refuses_is_renewed_once() {
    let authority = Authority::new("first");
    let web = sts(&authority, &good());
    let old = Renewing(Mutex::new(Credentials::new("old", ACCESS_KEY_SECRET)));
    let role = RamRole::new(old, ROLE).endpoint(&web.url);
    upload_with(role, &mut scene("first", 2));
    assert_eq!(web.asked().len(), 2);
    let nobody = Credentials::new("nobody", ACCESS_KEY_SECRET);
    let why = expect_none(RamRole::new(nobody, ROLE).endpoint(&web.url));
    assert!(why.contains("InvalidAccessKeyId.NotFound"), "{why}");
    assert_eq!(web.asked().len(), 3);
}

#[test]
fn a_pods_role_is_assumed_with_the_token_that_is_in_its_file_now() {
    let authority = Authority::new("first");
    let dir = tempfile::tempdir().expect("a temp folder");
    let file = dir.path().join("token");
    fs::write(&file, OIDC_TOKEN).expect("written");
    let (issuing, rotated) = (authority.clone(), file.clone());
    let web = Web::start(move |asked| {
        check_common(asked);
        let form = asked.form();
        assert_eq!(form["Action"], "AssumeRoleWithOIDC");
        assert_eq!(form["OIDCProviderArn"], PROVIDER);
        for signed in ["AccessKeyId", "Signature", "SecurityToken"] {
            assert!(!form.contains_key(signed), "{signed}");
        }
        if form["OIDCToken"] != fs::read_to_string(&rotated).expect("a token").trim() {
            return refuse("AuthenticationFail.OIDCToken.Expired");
        }
        // The cluster writes another before this one expires.
        fs::write(&rotated, format!("{OIDC_TOKEN}.another\n")).expect("written");
        (200, issuing.assume())
    });
    let role = OidcRole::new()
        .role_arn(ROLE)
        .provider_arn(PROVIDER)
        .token_file(&file)
        .endpoint(&web.url);
    upload_across_a_new_token(role, &authority, 4);
    let tokens = web
        .asked()
        .into_iter()
        .map(|asked| asked.form()["OIDCToken"].clone());
    let tokens: Vec<_> = tokens.collect();
    assert_eq!(
        tokens,
        [OIDC_TOKEN.to_owned(), format!("{OIDC_TOKEN}.another")]
    );
    let elsewhere = OidcRole::new()
        .role_arn(ROLE)
        .provider_arn(PROVIDER)
        .token_file(dir.path().join("none"))
        .endpoint(&web.url);
    let why = expect_none(elsewhere);
    assert!(why.contains("none`"), "{why}");
}

#[test]
fn whoever_issues_by_https_has_to_prove_who_it_is() {
    let authority = Authority::new("first");
    let certified = CertifiedBy::new();
    let identity = certified.for_this_machine();
    let [web, sts] = [uri(&authority), sts(&authority, &good())];
    let front = |web: &Web| TlsServer::before(web.address(), &identity);
    let [front_of_web, front_of_sts] = [front(&web), front(&sts)];
    let by_uri = || CredentialsUri::new(front_of_web.endpoint());
    let by_role = || RamRole::new(good(), ROLE).endpoint(front_of_sts.endpoint());
    for why in [expect_none(by_uri()), expect_none(by_role())] {
        assert!(why.contains("Tls::root_file"), "{why}");
    }
    // It is not asked again, and nothing was sent.
    assert_eq!((front_of_web.connections(), web.asked().len()), (1, 0));
    assert_eq!((front_of_sts.connections(), sts.asked().len()), (1, 0));
    let trusting = || Tls::new().root_pem(certified.root_pem());
    upload_with(by_uri().tls(trusting()), &mut scene("first", 2));
    upload_with(by_role().tls(trusting()), &mut scene("first", 2));
}

/// Everybody who asks over HTTP, at the same address.
fn askers(url: &str, token_file: &std::path::Path) -> Vec<Box<dyn CredentialsProvider>> {
    vec![
        Box::new(CredentialsUri::new(url)),
        Box::new(EcsRamRole::new().base_url(url).role_name("r")),
        Box::new(RamRole::new(good(), ROLE).endpoint(url)),
        Box::new(
            OidcRole::new()
                .role_arn(ROLE)
                .provider_arn(PROVIDER)
                .token_file(token_file)
                .endpoint(url),
        ),
    ]
}

/// What an attacker, a captive portal or a broken helper may answer.
fn hostile_answers() -> Vec<(u16, String)> {
    let secret = r#""AccessKeyId":"i","AccessKeySecret":"s3cr3t-in-the-answer""#;
    let dated = r#""SecurityToken":"t0ken-in-the-answer","Expiration""#;
    let issued = |rest: &str| format!(r#"{{{secret},{dated}:"{FAR}"{rest}}}"#);
    let both = |text: String| [text.clone(), format!(r#"{{"Credentials":{text}}}"#)];
    let mut bodies = vec![
        String::new(),
        "s3cr3t-in-the-answer".to_owned(),
        "<html>s3cr3t-in-the-answer</html>".to_owned(),
        "[".repeat(50_000),
        "x".repeat(200_000),
        format!("{}{}", issued(""), " ".repeat(100_000)),
        "null".to_owned(),
        "{\"Credentials\":null}".to_owned(),
    ];
    for text in [
        "{}".to_owned(),
        format!("{{{secret}}}"),
        format!(r#"{{{secret},{dated}:"s3cr3t-in-the-answer"}}"#),
        format!(r#"{{{secret},{dated}:17}}"#),
        format!(r#"{{{secret},{dated}:"{FAR}","SecurityToken":"t"}}"#),
        issued(r#","Code":"Failed""#),
        issued(r#","Code":"the s3cr3t-in-the-answer""#),
        issued("").replace("\"i\"", "\"\""),
        issued("").replace("\"i\"", "\"i\\r\\nHost: x\""),
        issued("").replace("\"i\"", "null"),
    ] {
        bodies.extend(both(text));
    }
    let mut answers: Vec<_> = bodies.into_iter().map(|body| (200, body)).collect();
    for status in [204, 302, 400, 403, 404, 500] {
        answers.extend(both(issued("")).map(|body| (status, body)));
    }
    answers
}

#[test]
fn an_answer_that_cannot_be_used_is_an_error_that_shows_nothing_of_it() {
    let dir = tempfile::tempdir().expect("a temp folder");
    let file = dir.path().join("token");
    fs::write(&file, OIDC_TOKEN).expect("written");
    std::thread::scope(|scope| {
        for answer in hostile_answers() {
            let file = &file;
            // Three tries each, with pauses: side by side.
            scope.spawn(move || {
                let hostile = answer.clone();
                let web = Web::start(move |_| hostile.clone());
                let n = askers(&web.url, file).len();
                for i in 0..n {
                    let asker = askers(&web.url, file).swap_remove(i);
                    let _case = Case((i, answer.0, answer.1.chars().take(200).collect::<String>()));
                    let why = asker.credentials().expect_err("not usable").to_string();
                    for secret in ["s3cr3t", "t0ken", OIDC_TOKEN, ACCESS_KEY_SECRET] {
                        assert!(!why.contains(secret), "{why}");
                    }
                    assert!(why.contains("127.0.0.1"), "{why}");
                }
            });
        }
    });
}

#[test]
fn a_helper_that_stumbles_is_asked_again() {
    let authority = Authority::new("first");
    let n = AtomicUsize::new(0);
    let web = Web::start(move |_| match n.fetch_add(1, Ordering::SeqCst) {
        0 => (503, String::new()),
        1 => (429, String::new()),
        _ => (200, authority.issue()),
    });
    upload_with(CredentialsUri::new(&web.url), &mut scene("first", 2));
    assert_eq!(web.asked().len(), 3);
}

#[cfg(unix)]
#[test]
fn what_a_command_prints_uploads_and_it_runs_once() {
    let dir = tempfile::tempdir().expect("a temp folder");
    let (answer, runs) = (dir.path().join("answer"), dir.path().join("runs"));
    fs::write(&answer, Authority::new("first").issue()).expect("written");
    let command = format!("echo run >> {}; cat {}", runs.display(), answer.display());
    upload_with(ExternalProcess::new(command), &mut scene("first", 8));
    assert_eq!(fs::read_to_string(runs).expect("it ran"), "run\n");
    let why = expect_none(ExternalProcess::new("echo s3cr3t-output; exit 1"));
    assert!(why.contains("command for credentials"), "{why}");
    assert!(!why.contains("s3cr3t"), "{why}");
}

#[test]
fn profiles_in_files_upload_and_a_key_that_is_replaced_in_the_file_is_used() {
    let dir = tempfile::tempdir().expect("a temp folder");
    let path = dir.path().join("profiles");
    let ini = |secret: &str| {
        let text = format!(
            "[default]\ntype = access_key\naccess_key_id = x\naccess_key_secret = y\n\
             [mine] # of uploads\ntype = sts\naccess_key_id = {ACCESS_KEY_ID}\n\
             access_key_secret = {ACCESS_KEY_SECRET}\nsecurity_token = {secret}\n"
        );
        fs::write(&path, text).expect("written");
    };
    ini("old");
    let mut scene = scene("new", 4);
    let provider = CredentialsFile::named("mine").path(&path);
    let once = client(&scene.server).retry(hasty().max_attempts(1));
    scene.bucket = bucket(once.credentials(provider));
    let error = scene.upload().run().expect_err("an old token");
    let code = error.service_error().map(|e| e.code().to_owned());
    assert_eq!(code.as_deref(), Some("InvalidSecurityToken"));
    ini("new");
    scene.expect_done(&scene.upload().routines(4).run().expect("uploaded"));

    let path = dir.path().join("config.json");
    let cli = format!(
        r#"{{"current":"p","profiles":[{{"name":"p","mode":"StsToken","access_key_id":"{ACCESS_KEY_ID}","access_key_secret":"{ACCESS_KEY_SECRET}","sts_token":"new"}}]}}"#
    );
    fs::write(&path, cli).expect("written");
    scene.bucket = bucket(client(&scene.server).credentials(CliProfile::named("p").path(&path)));
    scene.expect_done(&scene.upload().run().expect("uploaded"));
}

#[test]
fn a_chain_stays_with_the_first_that_has_credentials() {
    let authority = Authority::new("first");
    let web = uri(&authority);
    let never = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&never);
    let dir = tempfile::tempdir().expect("a temp folder");
    let chain = CredentialsChain::new()
        .or(CliProfile::new().path(dir.path().join("none.json")))
        .or(EcsRamRole::new().base_url(Web::gone()))
        .or(CredentialsUri::new(&web.url))
        .or(move || -> Result<Credentials, ProviderError> {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(good())
        });
    upload_with(chain, &mut scene("first", 8));
    assert_eq!((web.asked().len(), never.load(Ordering::SeqCst)), (1, 0));
    let nobody = CredentialsChain::new()
        .or(CliProfile::new().path(dir.path().join("none.json")))
        .or(EcsRamRole::new().base_url(Web::gone()));
    let why = expect_none(nobody);
    assert!(
        why.contains("none.json") && why.contains("metadata service"),
        "{why}"
    );
}

#[test]
fn settings_that_cannot_be_are_refused_when_the_client_is_built() {
    let refused: Vec<Box<dyn Fn() -> oss_upload::ClientBuilder>> = vec![
        Box::new(|| builder(EcsRamRole::new().role_name("../x"))),
        Box::new(|| builder(EcsRamRole::new().base_url("nowhere"))),
        Box::new(|| builder(OidcRole::new().duration(Duration::from_secs(1)))),
        Box::new(|| builder(OidcRole::new().role_arn("me"))),
        Box::new(|| builder(RamRole::new(good(), "me"))),
        Box::new(|| builder(CredentialsUri::new("nowhere"))),
        Box::new(|| builder(ExternalProcess::new(""))),
        Box::new(|| builder(CredentialsChain::new())),
        Box::new(|| builder(CredentialsChain::new().or(CredentialsUri::new("nowhere")))),
    ];
    for (n, refused) in refused.iter().enumerate() {
        let error = refused().build().expect_err("impossible");
        assert_eq!(error.kind(), ErrorKind::Options, "{n}: {error}");
    }
    builder(CredentialsChain::default_chain())
        .build()
        .expect("a client");
}

fn builder(provider: impl CredentialsProvider + 'static) -> oss_upload::ClientBuilder {
    Client::builder("https://oss-cn-hangzhou.aliyuncs.com").credentials(provider)
}

/// A function that hangs fails the upload that waits for it, and no other.
#[test]
fn a_fetch_that_hangs_harms_only_the_upload_that_waits_for_it() {
    let (tell, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let provider = Refreshing::new(move || {
        let _ = told.lock().expect("no panic").recv();
        Ok(good())
    });
    let mut scene = Scene::with_parts(4);
    let impatient = client(&scene.server).credentials_timeout(Duration::from_millis(20));
    scene.bucket = bucket(impatient.credentials(provider.clone()));
    let error = scene.upload().run().expect_err("it hangs");
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    tell.send(()).expect("it waits");
    scene.bucket = bucket(client(&scene.server).credentials(provider));
    scene.expect_done(&scene.upload().routines(4).run().expect("uploaded"));
}

/// Runs that succeed and fail in every way that has to do with where credentials come from.
fn talkative_runs() -> Vec<String> {
    let authority = Authority::new("t0ken-that-nobody-may-see");
    let dir = tempfile::tempdir().expect("a temp folder");
    let file = dir.path().join("token");
    fs::write(&file, OIDC_TOKEN).expect("written");
    let service = metadata_service(&authority);
    let signed = sts(&authority, &good());
    let assuming = authority.clone();
    let unsigned = Web::start(move |_| (200, assuming.assume()));
    let refusing = Web::start(|_| refuse("NoPermission"));
    let plain = uri(&authority);
    let oidc = |url: &str| {
        let role = OidcRole::new().role_arn(ROLE).provider_arn(PROVIDER);
        role.token_file(&file).endpoint(url)
    };
    let mut said = vec![];
    let good_ones: Vec<Box<dyn CredentialsProvider>> = vec![
        Box::new(ecs(&service)),
        Box::new(RamRole::new(good(), ROLE).endpoint(&signed.url)),
        Box::new(oidc(&unsigned.url)),
        Box::new(CredentialsUri::new(&plain.url)),
    ];
    said.push(format!("{:?}", ecs(&service)));
    said.push(format!("{:?}", RamRole::new(good(), ROLE)));
    said.push(format!("{:?}", oidc(&unsigned.url)));
    for provider in good_ones {
        let mut scene = scene("t0ken-that-nobody-may-see", 2);
        upload_with(Boxed(provider), &mut scene);
        said.push(format!("{:?}", scene.bucket));
    }
    said.push(expect_none(oidc(&refusing.url)));
    said.push(expect_none(
        RamRole::new(good(), ROLE).endpoint(&refusing.url),
    ));
    said.push(expect_none(CredentialsUri::new(&refusing.url)));
    said.push(expect_none(ecs(&refusing)));
    said
}

struct Boxed(Box<dyn CredentialsProvider>);

impl CredentialsProvider for Boxed {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        self.0.credentials()
    }
}

#[test]
fn no_error_no_debug_and_no_log_record_shows_a_secret_or_a_token() {
    let mut said = vec![];
    let heard = heard_during(|| said = talkative_runs());
    for target in ["ureq", "oss_upload::credentials"] {
        let from = |line: &String| line.contains(&format!(" {target}"));
        assert!(heard.iter().any(from), "{target} said nothing");
    }
    let secrets = [
        ACCESS_KEY_SECRET,
        METADATA_TOKEN,
        OIDC_TOKEN,
        "t0ken-that-nobody-may-see",
    ];
    // At its lowest level `ureq_proto` prints every byte that comes and goes, whatever it is.
    let bytes = |line: &&String| line.starts_with("TRACE ureq_proto");
    let heard = heard.iter().filter(|line| !bytes(line));
    for text in said.iter().chain(heard) {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is shown: {text}");
        }
    }
}
