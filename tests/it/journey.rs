//! All of it at once, as somebody on an ECS instance behind a proxy has it: the credentials of a role, an endpoint whose
//! certificate a private root has signed, a proxy that wants a password, metadata, progress, a pause, a kill, a resume,
//! a look at the checkpoint and giving it up.

use crate::support::process::{Halt, Moment, Program};
use crate::support::proxy::ConnectProxy;
use crate::support::tls::{Authority, TlsServer};
use crate::support::web::Web;
use crate::support::{BUCKET, KEY, PART, Scene, hasty, meanwhile, wait_reached};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{
    Addressing, Checkpoint, Client, Control, EcsRamRole, FileState, Phase, Proxy, StorageClass, Tls,
};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ROLE: &str = "/latest/meta-data/ram/security-credentials/";
const PASSWORD: &str = "alice:wonder";
const OWNER: &str = "爱丽丝 +%";

/// Everything that lies between a program and the server.
struct Surroundings {
    scene: Scene,
    metadata: Web,
    endpoint: TlsServer,
    proxy: ConnectProxy,
    root: PathBuf,
}

impl Surroundings {
    fn new() -> Surroundings {
        let builder = LocalServer::builder().credentials("role-id", "role-secret");
        let server = builder.security_token("role-token").start();
        let scene = Scene::on(server.expect("a port"), 8 * PART + 7);
        let authority = Authority::new();
        let address = SocketAddr::from(([127, 0, 0, 1], scene.server.port()));
        let endpoint = TlsServer::before(address, &authority.for_this_machine());
        let root = scene.dir.path().join("root.pem");
        std::fs::write(&root, authority.root_pem()).expect("written");
        Surroundings {
            scene,
            metadata: Web::start(|asked| match (&*asked.method, &*asked.path) {
                ("PUT", "/latest/api/token") => (200, "metadata-token".to_owned()),
                _ if asked.header("x-aliyun-ecs-metadata-token") != Some("metadata-token") => {
                    (403, String::new())
                }
                (_, ROLE) => (200, "backup".to_owned()),
                (_, path) if path == format!("{ROLE}backup") => (200, issued()),
                _ => (404, String::new()),
            }),
            proxy: ConnectProxy::demanding(endpoint.address(), PASSWORD),
            endpoint,
            root,
        }
    }

    fn metadata_url(&self) -> String {
        format!("http://{}", self.metadata.address())
    }

    fn proxy_url(&self) -> String {
        self.proxy.url().replace("//", &format!("//{PASSWORD}@"))
    }

    /// What `upload` and `checkpoint` are told of the way.
    fn way(&self, program: Program) -> Program {
        let from = format!("ecs:@{}", self.metadata_url());
        program
            .args(["--endpoint", &self.endpoint.endpoint(), "--path-style"])
            .args(["--region", "cn-hangzhou", "--credentials", &from])
            .args(["--proxy", &self.proxy_url(), "--ca-file"])
            .arg(&self.root)
    }

    fn upload(&self) -> Program {
        let program = Program::bare()
            .arg(&self.scene.file)
            .arg(format!("oss://{BUCKET}/{KEY}"))
            .args(["--part-size", "102400", "--routines", "2", "--checkpoint"])
            .arg(self.scene.checkpoint())
            .args(["--meta", &format!("owner={OWNER}"), "--storage-class", "ia"])
            .args(["--progress", "plain", "--json"]);
        self.way(program)
    }

    /// `checkpoint WHAT`, of the scene's checkpoint.
    fn checkpoint(&self, what: &str) -> Program {
        Program::example("checkpoint")
            .arg(what)
            .arg(self.scene.checkpoint())
    }

    /// Kills an upload after it has sent at least three parts.
    fn kill_one(&self) {
        let sixth = |fault: Fault| fault.on(Operation::UploadPart).nth(6).times(1);
        let halt = Halt::at(&self.scene.server, Moment::Lost, sixth);
        let running = self.upload().start();
        halt.wait();
        running.kill();
        halt.lift(&self.scene.server);
    }

    fn expect_metadata(&self) {
        let object = self.scene.server.object(BUCKET, KEY).expect("an object");
        let of = |name: &str| object.headers.get(name).map(String::as_str);
        assert_eq!(of("x-oss-meta-owner"), Some(OWNER));
        assert_eq!(of("x-oss-storage-class"), Some("IA"));
    }
}

fn issued() -> String {
    serde_json::json!({
        "Code": "Success",
        "AccessKeyId": "role-id",
        "AccessKeySecret": "role-secret",
        "SecurityToken": "role-token",
        "Expiration": "2099-01-01T00:00:00Z",
    })
    .to_string()
}

#[test]
fn from_a_shell_it_is_killed_looked_at_continued_and_given_up() {
    let around = Surroundings::new();
    around.kill_one();
    let seen = around.checkpoint("inspect").run().expect_code(0).stdout;
    for word in [KEY, "unchanged", "of 9 parts"] {
        assert!(seen.contains(word), "{word}: {seen}");
    }
    let ran = around.upload().run();
    let json = ran.json();
    assert!(json["parts_resumed"].as_u64() >= Some(3), "{json}");
    assert_eq!(json["parts"], 9);
    for phase in ["sending", "completing", "done"] {
        assert!(ran.stderr.contains(phase), "{phase}: {ran:?}");
    }
    around.scene.expect_object(0);
    around.expect_metadata();

    around.kill_one();
    assert_eq!(around.scene.server.pending_uploads().len(), 1);
    let given_up = around.way(around.checkpoint("abandon"));
    given_up.run().expect_code(0);
    around.scene.expect_object(0);
    assert!(
        around.proxy.tunnels() > 0,
        "all of it went through the proxy"
    );
}

/// Looks at the checkpoint in use until it tells of so many parts: they are written down some milliseconds after they are
/// done.
fn watch_until_recorded(scene: &Scene, parts: u16) {
    let late = Instant::now() + Duration::from_secs(30);
    loop {
        let info = Checkpoint::inspect(scene.checkpoint()).expect("a checkpoint");
        let progress = info.progress.expect("an upload");
        assert_eq!(progress.file_state, FileState::Unchanged);
        assert!(info.is_in_use);
        if progress.parts_done == parts {
            return;
        }
        assert!(Instant::now() < late, "{progress:?}");
    }
}

#[test]
fn from_a_program_it_is_paused_watched_and_gone_on_with() {
    let around = Surroundings::new();
    let client = Client::builder(around.endpoint.endpoint())
        .region("cn-hangzhou")
        .addressing(Addressing::Path)
        .credentials(EcsRamRole::new().base_url(around.metadata_url()))
        .proxy(Proxy::new(around.proxy_url()))
        .tls(Tls::new().root_file(&around.root))
        .retry(hasty().max_attempts(1));
    let bucket = crate::support::bucket(client);
    let (scene, control) = (&around.scene, Control::new());
    let (hold, gate) = Fault::hold();
    scene
        .server
        .fault(hold.on(Operation::UploadPart).nth(4).times(1));
    let (mut was_paused, mut last) = (false, Phase::Preparing);
    let uploaded = meanwhile(
        || {
            bucket
                .upload_file(KEY, &scene.file)
                .part_size(PART)
                .checkpoint(Checkpoint::at(scene.checkpoint()))
                .meta("owner", OWNER)
                .storage_class(StorageClass::InfrequentAccess)
                .control(&control)
                .on_progress(|seen| {
                    was_paused |= seen.is_paused;
                    last = seen.phase;
                    // Once it was seen to be paused it goes on.
                    if seen.is_paused {
                        control.resume();
                    }
                })
                .run()
        },
        || {
            wait_reached(&gate, 1);
            watch_until_recorded(scene, 3);
            control.pause();
            gate.open();
        },
    );
    let uploaded = uploaded.expect("uploaded");
    assert!(was_paused);
    assert_eq!((last, uploaded.retries), (Phase::Done, 0));
    scene.expect_done(&uploaded);
    around.expect_metadata();
    assert_eq!(around.metadata.asked().len(), 3, "fetched once");
    assert_eq!(around.proxy.tunnels(), 1);
}
