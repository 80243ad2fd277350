//! Processes that are measured, and servers that are not.

use crate::role::{Role, Server, Upload};
use crate::server::Seen;
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

/// What a process says about itself before it ends.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// User and system, of all threads, since the process began.
    pub(crate) cpu: f64,
    /// Of the work alone.
    pub(crate) wall: f64,
    /// The most memory that was resident, in MiB; 0 where the system does not tell.
    pub(crate) peak: f64,
}

impl Cost {
    /// Does the work and tells the parent what it cost.
    pub(crate) fn of(work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let started = Instant::now();
        work()?;
        let cost = Cost {
            wall: started.elapsed().as_secs_f64(),
            cpu: cpu()?.as_secs_f64(),
            peak: peak().unwrap_or_default(),
        };
        println!("{}", serde_json::to_string(&cost)?);
        Ok(())
    }
}

/// The CPU time of this process so far.
pub(crate) fn cpu() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let times = [usage.user_time(), usage.system_time()];
    let micros = times.map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Ok(Duration::from_micros(
        micros.iter().sum::<i64>().unsigned_abs(),
    ))
}

/// `ru_maxrss` would be the parent's, when that was larger before `exec`.
fn peak() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Runs a process to its end.
pub(crate) fn run(role: &Role) -> io::Result<Cost> {
    run_under(Command::new(env::current_exe()?), role)
}

/// The same by way of another program, such as strace.
pub(crate) fn run_under(mut command: Command, role: &Role) -> io::Result<Cost> {
    let (name, value) = role.as_variable()?;
    let output = command.env(name, value).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{role:?}: {}", output.status)));
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
        let (name, value) = Role::Server(settings).as_variable()?;
        let mut child = Command::new(env::current_exe()?)
            .env(name, value)
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
