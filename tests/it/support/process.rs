//! Examples as processes of their own: started, killed, interrupted, and what they printed.

use super::{BUCKET, KEY, PART, Scene};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, Gate, LocalServer};
use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// No test waits as long as this for anything. What takes longer hangs.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(30);

/// An example's executable, built like this test: same profile, same target folder.
fn executable(example: &str) -> &'static Path {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        // TARGET/PROFILE/deps/it-HASH
        let test = env::current_exe().expect("the path of this test");
        let [profile_dir, target_dir] = [2, 3].map(|n| test.ancestors().nth(n).expect("a folder"));
        let profile = match profile_dir.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
        // What cargo told this test of its package would look like a change to build scripts that ask for it.
        for (name, _) in env::vars_os() {
            let told = ["CARGO_PKG_", "CARGO_MANIFEST_"];
            if told.iter().any(|p| name.to_string_lossy().starts_with(p)) {
                cargo.env_remove(name);
            }
        }
        let built = cargo
            .args(["build", "--all-features", "--examples"])
            .args([
                "--message-format=json",
                "--profile",
                profile,
                "--target-dir",
            ])
            .arg(target_dir)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo can be run");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(
            built.status.success(),
            "the examples cannot be built: {said}"
        );
        let messages = String::from_utf8_lossy(&built.stdout).into_owned();
        let executables = messages.lines().filter_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, message["executable"].as_str()?.into()))
        });
        executables.collect()
    });
    built.get(example).expect("an example of this package")
}

/// A run of the program that is to be started.
#[derive(Debug)]
pub(crate) struct Program(Command);

impl Program {
    /// `upload`, without arguments.
    pub(crate) fn bare() -> Program {
        Program::example("upload")
    }

    /// Without arguments, and without any variable of ours or of the machine's owner.
    pub(crate) fn example(name: &str) -> Program {
        let mut command = Command::new(executable(name));
        let foreign = |name: &OsString| {
            let name = name.to_string_lossy().to_ascii_uppercase();
            let ours = ["OSS_", "ALIBABA_CLOUD_"];
            ours.iter().any(|prefix| name.starts_with(prefix)) || name.ends_with("_PROXY")
        };
        for (name, _) in env::vars_os().filter(|(name, _)| foreign(name)) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        Program(command)
    }

    /// An upload of `file` to a server, with the credentials it knows.
    pub(crate) fn upload(server: &LocalServer, file: &Path, key: &str) -> Program {
        Program::bare()
            .credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
            .arg(file)
            .arg(format!("oss://{BUCKET}/{key}"))
            .args(["--endpoint", &server.endpoint(), "--region", "cn-hangzhou"])
    }

    pub(crate) fn credentials(self, id: &str, secret: &str) -> Program {
        self.env("OSS_ACCESS_KEY_ID", id)
            .env("OSS_ACCESS_KEY_SECRET", secret)
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Program {
        self.0.arg(argument);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(
        mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Program {
        self.0.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Program {
        self.0.env(name, value);
        self
    }

    pub(crate) fn in_folder(mut self, folder: &Path) -> Program {
        self.0.current_dir(folder);
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Program {
        self.0.env_remove(name);
        self
    }

    /// For a program that is talked to while it runs.
    pub(crate) fn into_command(self) -> Command {
        self.0
    }

    pub(crate) fn start(mut self) -> Running {
        let shown = format!("{:?}", self.0);
        let child = self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the example can be run");
        Running {
            stdout: read_all(child.stdout.take().expect("a pipe")),
            stderr: read_all(child.stderr.take().expect("a pipe")),
            child,
            shown,
        }
    }

    pub(crate) fn run(self) -> Ran {
        self.start().wait()
    }
}

/// Reads a pipe to its end, which is the end of the process, on a thread of its own.
fn read_all(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = vec![];
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// The program under way.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    shown: String,
}

impl Running {
    /// SIGKILL, and it is dead on return.
    pub(crate) fn kill(mut self) -> Ran {
        self.child.kill().expect("it can be killed");
        self.wait()
    }

    /// SIGINT, as from Ctrl-C.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.expect("`kill` can be run").success());
    }

    /// Whether it came to an end of its own.
    pub(crate) fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait();
        status.expect("its status").is_some()
    }

    pub(crate) fn wait(mut self) -> Ran {
        // Both ends come together, with the process's.
        let ended = self.stdout.recv_timeout(WATCHDOG);
        let Some((stdout, stderr)) = ended.ok().zip(self.stderr.recv_timeout(WATCHDOG / 10).ok())
        else {
            panic!("it hangs: {}", self.shown);
        };
        Ran {
            code: self.child.wait().expect("its status").code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // For a test that fails meanwhile; an ended process cannot be killed.
        let _ = self.child.kill();
    }
}

/// The program at its end.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// It failed with this exit status, and standard error says all of this.
    #[track_caller]
    pub(crate) fn expect_error(self, code: i32, words: &[&str]) -> Ran {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing: {self:#?}");
        }
        assert_eq!(self.stdout, "", "{self:#?}");
        self.expect_code(code)
    }

    /// The one line of `--json`.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, Some(0), "{self:#?}");
        let lines: Vec<&str> = self.stdout.lines().collect();
        let [line] = lines[..] else {
            panic!("not one line: {self:#?}")
        };
        serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))
    }
}

impl Scene {
    /// The scene's upload by the program, with a checkpoint and the outcome as JSON.
    pub(crate) fn program(&self) -> Program {
        self.program_without_checkpoint()
            .arg("--checkpoint")
            .arg(self.checkpoint())
    }

    pub(crate) fn program_without_checkpoint(&self) -> Program {
        Program::upload(&self.server, &self.file, KEY)
            .args(["--part-size", &PART.to_string()])
            .args(["--progress", "none", "--json"])
    }

    /// The object is the file, and no checkpoint is left; so many uploads are.
    #[track_caller]
    pub(crate) fn expect_object(&self, uploads_left: usize) {
        let object = self.server.object(BUCKET, KEY).expect("an object");
        let bytes = std::fs::read(&self.file).expect("the file");
        assert!(
            object.bytes().expect("readable") == bytes,
            "the object differs from the file"
        );
        let pending = self.server.pending_uploads();
        assert_eq!(pending.len(), uploads_left, "{pending:?}");
        assert!(!self.checkpoint().exists(), "a checkpoint is left");
    }
}

/// When a request is stopped on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It arrived whole, and nothing will be done about it.
    Lost,
    /// What it asked for is done, and no answer went out.
    Done,
    /// So many bytes of its body arrived, and no more will be taken.
    Within(u64),
}

/// Where a request will be stopped: it says so, and stays there until the client goes away.
#[derive(Debug)]
pub(crate) struct Halt {
    reached: Receiver<()>,
    gate: Option<Gate>,
}

impl Halt {
    /// Stops the requests of a fault that has its filters already (made by `filter`).
    pub(crate) fn at(
        server: &LocalServer,
        moment: Moment,
        filter: impl Fn(Fault) -> Fault,
    ) -> Halt {
        let stuck = match moment {
            Moment::Done => return Halt::when_done(server, filter),
            Moment::Lost => Fault::no_answer(),
            Moment::Within(bytes) => Fault::stop_reading_after(bytes),
        };
        let (sender, reached) = mpsc::channel();
        server.fault(filter(Fault::run(move |_| {
            let _ = sender.send(());
        })));
        server.fault(filter(stuck));
        let gate = None;
        Halt { reached, gate }
    }

    fn when_done(server: &LocalServer, filter: impl Fn(Fault) -> Fault) -> Halt {
        let (sender, reached) = mpsc::channel();
        let (fault, gate) = Fault::hold();
        server.fault(filter(fault));
        let watched = gate.clone();
        thread::spawn(move || {
            watched.wait_reached(1);
            let _ = sender.send(());
        });
        let gate = Some(gate);
        Halt { reached, gate }
    }

    /// Whether the request has come. Says so once.
    pub(crate) fn is_reached(&self) -> bool {
        self.reached.try_recv().is_ok()
    }

    /// Waits until the request is there.
    #[track_caller]
    pub(crate) fn wait(&self) {
        let reached = self.reached.recv_timeout(WATCHDOG);
        reached.expect("the request never came");
    }

    /// Lets what is held go on, and takes all faults away.
    pub(crate) fn lift(self, server: &LocalServer) {
        server.clear_faults();
        if let Some(gate) = self.gate {
            gate.open();
        }
    }
}
