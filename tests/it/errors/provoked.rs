//! One error of each sort, provoked as users would meet it.

use super::Named;
use crate::support::application::Application;
use crate::support::front::Front;
use crate::support::proxy::ConnectProxy;
use crate::support::tls::{Authority, TlsServer};
use crate::support::{BUCKET, KEY, PART, Scene, bucket, client, client_at, wait_reached};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{
    Bucket, Callback, Checkpoint, Client, Control, Credentials, Error, OnChange, Proxy,
    RetryPolicy, Tls, UploadFile, Uploaded,
};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::time::Duration;

pub(super) type Provoked = (&'static str, Error, Named);

/// All of them, provoked once.
pub(super) fn all() -> &'static [Provoked] {
    static ALL: OnceLock<Vec<Provoked>> = OnceLock::new();
    ALL.get_or_init(|| {
        let groups = [
            clients,
            options,
            files,
            checkpoints,
            permissions,
            keys,
            codes,
            objects,
            network,
            ends,
        ];
        groups.into_iter().flat_map(|provoke| provoke()).collect()
    })
}

fn named(scene: &Scene) -> Named {
    let mut named = Named::default();
    for upload in scene.server.pending_uploads() {
        named.add(upload.upload_id, "UPLOAD");
    }
    named.add(scene.dir.path().display(), "/DIR");
    named.add(format!(":{}", scene.server.port()), ":PORT");
    named
}

fn of(name: &'static str, scene: &Scene, ended: Result<Uploaded, Error>) -> Provoked {
    let error = ended.expect_err(name);
    (name, error, named(scene))
}

/// An upload in three parts that is provoked by how it is asked for.
fn asked(name: &'static str, ask: impl Fn(UploadFile<'_>) -> UploadFile<'_>) -> Provoked {
    let scene = Scene::with_parts(3);
    of(name, &scene, ask(scene.upload()).run())
}

/// An upload in three parts that is provoked by what the server does.
fn met(name: &'static str, faults: impl IntoIterator<Item = Fault>) -> Provoked {
    let scene = Scene::with_parts(3);
    for fault in faults {
        scene.server.fault(fault);
    }
    of(name, &scene, scene.upload().run())
}

fn refused(name: &'static str, built: Result<Client, Error>) -> Provoked {
    (name, built.expect_err(name), Named::default())
}

fn clients() -> Vec<Provoked> {
    let server = LocalServer::start().expect("a port");
    let client = client(&server).build().expect("a client");
    let hangzhou = || Client::builder("oss-cn-hangzhou.aliyuncs.com");
    vec![
        refused("no endpoint", Client::builder("https://").build()),
        refused("no region", Client::builder("files.example.com").build()),
        refused(
            "a region that is none",
            hangzhou().region("Hang zhou").build(),
        ),
        refused(
            "a proxy that is none",
            hangzhou().proxy(Proxy::new("socks5://here:1")).build(),
        ),
        refused(
            "a root that is not there",
            hangzhou()
                .tls(Tls::new().root_file("/nowhere/root.pem"))
                .build(),
        ),
        (
            "a bucket that cannot be",
            client.bucket("Example_Bucket").expect_err("no such name"),
            Named::default(),
        ),
    ]
}

fn options() -> Vec<Provoked> {
    vec![
        asked("parts that are too small", |upload| upload.part_size(1)),
        asked("no routines", |upload| upload.routines(0)),
        asked("a header of the protocol", |upload| {
            upload.header("Authorization", "x")
        }),
        asked("a header with a line break", |upload| {
            upload.meta("note", "a\r\nb")
        }),
        asked("a parameter of the protocol", |upload| {
            upload.query("uploadId", "1")
        }),
        asked("metadata that cannot be", |upload| upload.meta("a_b", "c")),
        asked("a tag that cannot be", |upload| upload.tag("a?b", "c")),
        asked("a range beyond the file", |upload| upload.range(..u64::MAX)),
        asked("no time at all", |upload| upload.deadline(Duration::ZERO)),
        asked("a rate that is too low", |upload| upload.rate_limit(1)),
        {
            let scene = Scene::with_len(1);
            let ended = scene.bucket.upload_file("", &scene.file).run();
            of("no key", &scene, ended)
        },
        {
            let scene = Scene::with_holes(LocalServer::start().expect("a port"), 2 << 30);
            of("parts too small for the file", &scene, scene.upload().run())
        },
    ]
}

fn files() -> Vec<Provoked> {
    let scene = Scene::with_parts(3);
    let from = |name, path: &str| {
        let upload = scene.bucket.upload_file(KEY, scene.dir.path().join(path));
        of(name, &scene, upload.run())
    };
    let changing = |name, times, on_change| {
        let scene = Scene::with_parts(3);
        let file = scene.file.clone();
        let append = move |_: &_| {
            let opened = fs::File::options().append(true).open(&file);
            opened
                .and_then(|mut file| file.write_all(b"more"))
                .expect("appended");
        };
        let fault = Fault::run(append).on(Operation::UploadPart).part(2);
        scene.server.fault(fault.times(times));
        of(name, &scene, scene.upload().on_change(on_change).run())
    };
    vec![
        from("a file that is not there", "missing.tar"),
        from("a folder", "."),
        {
            let upload = scene.bucket.upload_file(KEY, "");
            of("no path", &scene, upload.run())
        },
        {
            let scene = Scene::with_parts(3);
            let file = scene.file.clone();
            let remove = Fault::run(move |_| fs::remove_file(&file).expect("removed"));
            scene.once(remove.part(2), Operation::UploadPart);
            of("a file that goes away", &scene, scene.upload().run())
        },
        changing("a file that changes", 1, OnChange::Fail),
        changing(
            "a file that never stands still",
            u32::MAX,
            OnChange::Restart,
        ),
    ]
}

fn checkpoints() -> Vec<Provoked> {
    let other = |name, path: &str| {
        let scene = Scene::with_parts(3);
        let path = scene.dir.path().join(path);
        let upload = scene.upload().checkpoint(Checkpoint::at(path));
        of(name, &scene, upload.run())
    };
    let busy = {
        let scene = Scene::with_parts(3);
        let (hold, gate) = Fault::hold();
        scene.server.fault(hold.on(Operation::UploadPart).times(1));
        let second = std::thread::scope(|scope| {
            let first = scope.spawn(|| scene.upload().run());
            wait_reached(&gate, 1);
            let second = scene.upload().run();
            gate.open();
            first.join().expect("no panic").expect("uploaded");
            second
        });
        of("a checkpoint in use", &scene, second)
    };
    vec![
        other("a checkpoint in a folder that is not there", "nowhere/a.cp"),
        other("a checkpoint that is a folder", "."),
        other("a checkpoint that is the file", "file.bin"),
        busy,
    ]
}

fn permissions() -> Vec<Provoked> {
    use Operation::{CompleteMultipartUpload, InitiateMultipartUpload, UploadPart};
    let denied = |name, operation, ask: fn(&Bucket) -> Error| {
        let scene = Scene::with_parts(3).interrupted_after(1);
        scene.server.fault(Fault::deny().on(operation));
        (name, ask(&scene.bucket), named(&scene))
    };
    let elsewhere = "<Error><Code>AccessDenied</Code><Message>The bucket you are attempting to access must be addressed \
                     using the specified endpoint.</Message><RequestId>5C3D</RequestId>\
                     <Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint></Error>";
    vec![
        met(
            "no permission to begin",
            [Fault::deny().on(InitiateMultipartUpload)],
        ),
        met(
            "no permission midway",
            [Fault::deny().on(UploadPart).part(2)],
        ),
        met(
            "no permission to complete",
            [Fault::deny().on(CompleteMultipartUpload)],
        ),
        met(
            "a bucket of another region",
            [Fault::answer(403, "application/xml", elsewhere).on(InitiateMultipartUpload)],
        ),
        denied(
            "no permission to list uploads",
            Operation::ListMultipartUploads,
            |bucket| {
                let denied = bucket.pending_uploads("dir/").next();
                denied.expect("an answer").expect_err("denied")
            },
        ),
        denied(
            "no permission to abort",
            Operation::AbortMultipartUpload,
            |bucket| {
                let open = bucket.pending_uploads("dir/").next();
                let open = open.expect("one").expect("listed");
                open.abort().expect_err("denied")
            },
        ),
    ]
}

fn keys() -> Vec<Provoked> {
    let with = |name, credentials: Credentials| {
        let mut scene = Scene::with_parts(3);
        scene.bucket = bucket(client(&scene.server).credentials(credentials));
        of(name, &scene, scene.upload().run())
    };
    vec![
        with(
            "an unknown access key",
            Credentials::new("nobody", "secret"),
        ),
        with(
            "a wrong secret",
            Credentials::new(oss_upload::local_server::ACCESS_KEY_ID, "wrong"),
        ),
    ]
}

/// What OSS answers to Initiate, by code.
fn codes() -> Vec<Provoked> {
    let codes = [
        ("a token that has expired", 403, "SecurityTokenExpired"),
        ("a token of another key", 403, "InvalidSecurityToken"),
        (
            "a clock that cannot be corrected",
            403,
            "RequestTimeTooSkewed",
        ),
        ("a bucket in arrears", 403, "UserDisable"),
        ("an object under retention", 409, "FileImmutable"),
        ("a quota that is used up", 403, "QpsLimitExceeded"),
        ("a service that is away", 503, "ServiceUnavailable"),
        ("an argument that OSS does not take", 400, "InvalidArgument"),
        ("a key that OSS does not take", 400, "InvalidObjectName"),
    ];
    let answered = |(name, status, code)| {
        met(
            name,
            [Fault::status(status, code).on(Operation::InitiateMultipartUpload)],
        )
    };
    codes.into_iter().map(answered).collect()
}

/// What is there, or is not, or is gone.
fn objects() -> Vec<Provoked> {
    use Operation::{AbortMultipartUpload, CompleteMultipartUpload, UploadPart};
    vec![
        {
            let scene = Scene::with_parts(3);
            let client = client(&scene.server).build();
            let nowhere = client.and_then(|client| client.bucket("another-bucket"));
            let nowhere = nowhere.expect("a client");
            let upload = nowhere.upload_file(KEY, &scene.file).part_size(PART);
            of("a bucket that is not there", &scene, upload.run())
        },
        met(
            "an upload that is gone again and again",
            [Fault::forget_upload().on(UploadPart).part(2)],
        ),
        met(
            "parts that are refused again and again",
            [Fault::status(400, "InvalidPart").on(CompleteMultipartUpload)],
        ),
        {
            let scene = Scene::with_parts(3);
            scene.server.put_object(BUCKET, KEY, b"older");
            of(
                "an object that is there",
                &scene,
                scene.upload().forbid_overwrite().run(),
            )
        },
        {
            let scene = Scene::with_parts(3);
            let application = Application::answering(500, "{}");
            let callback = Callback::json(application.url(), "{}");
            let mut provoked = of(
                "a callback that fails",
                &scene,
                scene.upload().callback(callback).run(),
            );
            provoked.2.add(application.url(), "http://APPLICATION");
            provoked.2.add(application.host(), "APPLICATION");
            provoked
        },
        {
            let scene = Scene::with_parts(3);
            for operation in [AbortMultipartUpload, UploadPart] {
                scene.server.fault(Fault::deny().on(operation));
            }
            let ended = scene.upload_without_checkpoint().run();
            of("an upload that cannot be aborted", &scene, ended)
        },
    ]
}

/// An upload that never meets the server it is for.
fn sent_to(name: &'static str, bucket: &Bucket, port: u16) -> Provoked {
    let scene = Scene::with_parts(3);
    let upload = bucket.upload_file(KEY, &scene.file).part_size(PART);
    let mut provoked = of(name, &scene, upload.run());
    provoked.2.add(format!(":{port}"), ":PORT");
    provoked
}

fn refused_by_proxy(name: &'static str, status: u16) -> Provoked {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let proxy = ConnectProxy::to(nowhere);
    proxy.refuse(u32::MAX, status);
    let client = client_at("http://oss.example.com".to_owned()).proxy(Proxy::new(proxy.url()));
    sent_to(name, &bucket(client), proxy.address().port())
}

fn network() -> Vec<Provoked> {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let nobody = nobody.expect("a port").port();
    let plain = Front::new(|mut stream, _| {
        // The beginning of a handshake, whose bytes stay unread when it closes.
        stream.read_exact(&mut [0; 5])?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")?;
        stream.read_to_end(&mut vec![]).map(drop)
    });
    let strangers = TlsServer::before(plain.address(), &Authority::new().for_this_machine());
    vec![
        sent_to(
            "nobody listens",
            &bucket(client_at(format!("http://127.0.0.1:{nobody}"))),
            nobody,
        ),
        sent_to(
            "a name that leads nowhere",
            &bucket(client_at("https://oss.invalid".to_owned()).proxy(Proxy::none())),
            0,
        ),
        sent_to(
            "no TLS",
            &bucket(client_at(format!("https://{}", plain.address()))),
            plain.address().port(),
        ),
        sent_to(
            "a certificate that nobody vouches for",
            &bucket(client_at(strangers.endpoint())),
            strangers.address().port(),
        ),
        refused_by_proxy("a proxy that wants a password", 407),
        refused_by_proxy("a proxy that refuses", 403),
        refused_by_proxy("a proxy that finds no way", 502),
        sent_to(
            "a proxy that is not there",
            &bucket(
                client_at("http://oss.example.com".to_owned())
                    .proxy(Proxy::new(format!("http://127.0.0.1:{nobody}"))),
            ),
            nobody,
        ),
        {
            let mut scene = Scene::with_parts(3);
            scene
                .server
                .fault(Fault::no_answer().on(Operation::UploadPart));
            let hasty = RetryPolicy::default()
                .max_attempts(1)
                .outage(Duration::ZERO);
            let client = client(&scene.server).stall_timeout(Duration::from_millis(200));
            scene.bucket = bucket(client.retry(hasty));
            of("no answer", &scene, scene.upload().run())
        },
        met(
            "connections that break",
            [Fault::reset_after(1000).on(Operation::UploadPart).part(2)],
        ),
        met(
            "a page of somebody else's",
            [
                Fault::answer(200, "text/html", "<html>Please log in</html>")
                    .on(Operation::InitiateMultipartUpload),
            ],
        ),
        met(
            "a gateway's page",
            [Fault::answer(502, "text/html", "<html>Bad gateway</html>")
                .on(Operation::UploadPart)
                .part(2)],
        ),
        met(
            "damage that nobody saw",
            [Fault::replace_answer_header("x-oss-hash-crc64ecma", "1")
                .on(Operation::CompleteMultipartUpload)],
        ),
        met(
            "damage on the way",
            [Fault::flip_byte(7).on(Operation::UploadPart).part(2)],
        ),
    ]
}

fn ends() -> Vec<Provoked> {
    let cancelled = |name, keeps: bool| {
        let scene = Scene::with_parts(3);
        let control = Control::new();
        let at_part_3 = {
            let control = control.clone();
            Fault::run(move |_| control.cancel())
                .on(Operation::UploadPart)
                .part(3)
        };
        scene.server.fault(at_part_3);
        let upload = match keeps {
            true => scene.upload(),
            false => scene.upload_without_checkpoint(),
        };
        of(name, &scene, upload.control(&control).run())
    };
    let abandoned = {
        let scene = Scene::with_parts(3);
        let control = Control::new();
        let abandon = control.clone();
        scene.once(
            Fault::run(move |_| abandon.abandon()),
            Operation::UploadPart,
        );
        of("abandoned", &scene, scene.upload().control(&control).run())
    };
    let held = Fault::no_answer().on(Operation::UploadPart).part(2);
    let late = {
        let scene = Scene::with_parts(3);
        scene.server.fault(held);
        let upload = scene.upload().deadline(Duration::from_millis(500));
        of("a deadline", &scene, upload.run())
    };
    let unreached = {
        let mut scene = Scene::with_parts(3);
        scene.bucket = bucket(client(&scene.server).retry(RetryPolicy::default()));
        scene.server.go_away();
        let upload = scene.upload().deadline(Duration::from_secs(2));
        of(
            "a deadline, with nothing but failures",
            &scene,
            upload.run(),
        )
    };
    let asking = |name, provider: fn() -> Result<Credentials, oss_upload::ProviderError>| {
        let mut scene = Scene::with_parts(3);
        scene.bucket = bucket(client(&scene.server).credentials(provider));
        of(name, &scene, scene.upload().run())
    };
    vec![
        cancelled("cancelled, with a checkpoint", true),
        cancelled("cancelled, without one", false),
        abandoned,
        late,
        unreached,
        asking("a provider that fails", || {
            Err(io::Error::other("the vault is sealed").into())
        }),
        asking("a provider that panics", || panic!("oh")),
        asking("a provider that gives nothing", || {
            Ok(Credentials::new("", ""))
        }),
        asked("a callback of yours that panics", |upload| {
            upload.on_progress(|_| panic!("oh"))
        }),
    ]
}
