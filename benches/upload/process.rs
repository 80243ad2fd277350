//! Processes that are measured, and servers that are not.

use crate::role::{Cost, Role, Seen, Server, Upload, VARIABLE};
use serde_json::Value;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// The program that plays the roles: this package's bench of that name.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built = cargo()
            .args([
                "bench",
                "--bench",
                "roles",
                "--no-run",
                "--message-format=json",
            ])
            .output()
            .expect("cargo runs");
        let messages = String::from_utf8_lossy(&built.stdout);
        let messages = messages
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let is_ours = |message: &Value| message["target"]["name"] == "roles";
        let ours = messages
            .into_iter()
            .find(is_ours)
            .expect("the roles are built");
        ours["executable"].as_str().expect("a path").into()
    })
}

pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::null());
    cargo
}

/// A process that plays a role.
fn playing(role: &Role) -> io::Result<Command> {
    let mut command = Command::new(program());
    command.env(VARIABLE, serde_json::to_string(role)?);
    Ok(command)
}

/// Runs a process to its end.
pub(crate) fn run(role: &Role) -> io::Result<Cost> {
    cost_of(playing(role)?)
}

/// The same by way of another program, such as strace.
pub(crate) fn run_under(mut command: Command, role: &Role) -> io::Result<Cost> {
    command
        .arg(program())
        .env(VARIABLE, serde_json::to_string(role)?);
    cost_of(command)
}

/// Runs a process that is to fail, and need not say why.
pub(crate) fn run_failing(role: &Role) -> io::Result<()> {
    match playing(role)?.output()?.status.success() {
        true => Err(io::Error::other(format!("{role:?} was to fail"))),
        false => Ok(()),
    }
}

fn cost_of(mut command: Command) -> io::Result<Cost> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?}: {}", output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The server, in a process of its own, which ends with this.
pub(crate) struct Serving {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(crate) endpoint: String,
    pub(crate) root: Option<String>,
}

impl Serving {
    pub(crate) fn start(settings: Server) -> io::Result<Serving> {
        let mut child = playing(&Role::Server(settings))?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().expect("piped");
        let output = child.stdout.take().expect("piped");
        let mut serving = Serving {
            child,
            input,
            output: BufReader::new(output),
            endpoint: String::new(),
            root: None,
        };
        (serving.endpoint, serving.root) = serde_json::from_str(&serving.line()?)?;
        Ok(serving)
    }

    /// What came since it was last asked, and what serving it cost.
    pub(crate) fn seen(&mut self) -> io::Result<Seen> {
        self.input.write_all(b"\n")?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err(io::Error::other("the server is gone")),
            _ => Ok(line),
        }
    }

    /// An upload to it.
    pub(crate) fn upload(&self, upload: Upload) -> Upload {
        Upload {
            endpoint: self.endpoint.clone(),
            root: self.root.clone(),
            ..upload
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
