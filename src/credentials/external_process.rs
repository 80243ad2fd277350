//! Credentials that a command prints.

use super::issued::{self, Kind};
use super::provider::{Credentials, ProviderError};
use super::source::{Fetching, Source, provide_by_fetching};
use crossbeam_channel::{Receiver, bounded};
use std::fmt;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than credentials need.
const MAX_OUTPUT: u64 = 64 << 10;

/// Longer than that nobody waits for credentials.
const LONGEST: Duration = Duration::from_secs(60);

/// How often it is looked whether a command that has said everything has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Credentials that a command prints on its standard output, run by `sh -c`, on Windows by `cmd /C`.
///
/// It prints JSON: `AccessKeyId` and `AccessKeySecret`, and if they are temporary `SecurityToken` and `Expiration`; or
/// `access_key_id`, `access_key_secret`, `sts_token` and `expiration`, as for the mode `External` of the command line.
/// Its standard input and its standard error lead nowhere. They are kept and renewed as
/// [`Refreshing`](crate::Refreshing) does it.
///
/// A command that takes too long, or prints more than 64 KiB, is killed: on Unix with all the processes of its group, on
/// Windows alone.
pub struct ExternalProcess(Fetching<Settings>);

provide_by_fetching!(ExternalProcess);

#[derive(Clone)]
struct Settings {
    command: String,
    timeout: Duration,
}

impl ExternalProcess {
    /// What this command line prints. It is run when credentials are asked for.
    pub fn new(command: impl Into<String>) -> ExternalProcess {
        ExternalProcess(Fetching::new(Settings {
            command: command.into(),
            timeout: Duration::from_secs(15),
        }))
    }

    /// Sets how long the command may run: up to 60 s. Default: 15 s.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> ExternalProcess {
        ExternalProcess(self.0.with(|settings| settings.timeout = timeout))
    }
}

impl Source for Settings {
    fn fetch(&self) -> Result<Credentials, ProviderError> {
        let printed = self.run();
        let read = printed.and_then(|printed| {
            let issued = issued::credentials(&printed, Kind::Any);
            issued.map_err(|why| format!("what it prints cannot be used: {why}"))
        });
        read.map_err(|why| format!("the command for credentials: {why}").into())
    }

    fn check(&self) -> Result<(), String> {
        if self.command.trim().is_empty() || self.command.contains('\0') {
            return Err("the command for credentials is none".to_owned());
        }
        match !self.timeout.is_zero() && self.timeout <= LONGEST {
            true => Ok(()),
            false => {
                Err("the command for credentials may run for up to 60 s, but not for 0".to_owned())
            }
        }
    }
}

impl Settings {
    fn run(&self) -> Result<Vec<u8>, String> {
        self.check()?;
        let end = Instant::now() + self.timeout;
        let started = shell(&self.command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let child = started.map_err(|error| format!("it cannot be run: {error}"))?;
        let mut running = Running {
            child,
            ended: false,
        };
        let too_long = || format!("it has not ended within {} s", self.timeout.as_secs_f32());
        let printed = running.output()?;
        let left = end.saturating_duration_since(Instant::now());
        let Ok(printed) = printed.recv_timeout(left) else {
            return Err(too_long());
        };
        let printed = printed.map_err(|error| format!("reading its output: {error}"))?;
        if printed.len() as u64 > MAX_OUTPUT {
            return Err(format!("it prints more than {MAX_OUTPUT} bytes"));
        }
        match running.wait_until(end) {
            Some(status) if status.success() => Ok(printed),
            Some(status) => Err(format!("it failed: {status}")),
            None => Err(too_long()),
        }
    }
}

#[cfg(unix)]
fn shell(line: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("sh");
    // A group of its own, so that what it starts can be killed with it.
    command.arg("-c").arg(line).process_group(0);
    command
}

#[cfg(windows)]
fn shell(line: &str) -> Command {
    use std::os::windows::process::CommandExt;
    let mut command = Command::new("cmd");
    // Its quoting is its own.
    command.arg("/C").raw_arg(line);
    command
}

/// A command that does not outlive this: it is killed, and its end taken note of.
struct Running {
    child: Child,
    ended: bool,
}

impl Running {
    /// Everything that it prints, up to the limit. Whatever it started may hold the pipe open for longer than it lives,
    /// so that a thread reads, which nobody waits for.
    fn output(&mut self) -> Result<Receiver<io::Result<Vec<u8>>>, String> {
        let (tell, told) = bounded(1);
        let pipe = self.child.stdout.take();
        let read = move || {
            let mut printed = vec![];
            let read = pipe.map_or(Ok(0), |pipe| {
                pipe.take(MAX_OUTPUT + 1).read_to_end(&mut printed)
            });
            let _ = tell.send(read.map(|_| printed));
        };
        let spawned = thread::Builder::new()
            .name("oss-upload-pipe".to_owned())
            .spawn(read);
        match spawned {
            Ok(_) => Ok(told),
            Err(error) => Err(format!("no thread to read its output on: {error}")),
        }
    }

    fn wait_until(&mut self, end: Instant) -> Option<ExitStatus> {
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.ended = true;
                return Some(status);
            }
            if Instant::now() >= end {
                return None;
            }
            // The system offers no wait that ends by itself.
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Only as long as its end has not been taken note of: later its number may be another's.
    #[cfg(unix)]
    fn kill(&mut self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        // An error means that it is gone.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }

    #[cfg(windows)]
    fn kill(&mut self) {
        let _ = self.child.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
            // Or it stays as a zombie for as long as this process lives.
            let _ = self.child.wait();
        }
    }
}

impl fmt::Debug for Settings {
    /// A command line may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::provider::CredentialsProvider;

    #[test]
    fn settings_that_cannot_be_are_refused() {
        for bad in [
            ExternalProcess::new(" "),
            ExternalProcess::new("a\0b"),
            ExternalProcess::new("true").timeout(Duration::ZERO),
            ExternalProcess::new("true").timeout(Duration::from_secs(61)),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
            assert!(bad.credentials().is_err(), "{bad:?}");
        }
        ExternalProcess::new("true").check().expect("good settings");
    }

    #[test]
    fn debug_does_not_show_the_command() {
        let shown = format!("{:?}", ExternalProcess::new("echo s3cr3t"));
        assert!(
            shown.contains("15s") && !shown.contains("s3cr3t"),
            "{shown}"
        );
    }
}

#[cfg(all(test, unix))]
mod unix_tests {
    use super::*;
    use crate::credentials::provider::CredentialsProvider;
    #[cfg(target_os = "linux")]
    use std::{fs, path::Path};

    fn run(command: &str, timeout: Duration) -> Result<Credentials, String> {
        let process = ExternalProcess::new(command).timeout(timeout);
        process.credentials().map_err(|why| why.to_string())
    }

    /// Far more than a command of these tests needs, and never waited for.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_a_command_prints_is_read() {
        let printed =
            r#"printf '{"AccessKeyId":"i",%s"AccessKeySecret":"s"}' '"SecurityToken":"t",'"#;
        let expected = Credentials::new("i", "s").with_security_token("t");
        assert_eq!(run(printed, LONG), Ok(expected));
    }

    #[test]
    fn a_command_that_fails_or_prints_nonsense_is_an_error_that_shows_nothing_of_it() {
        for (command, word) in [
            ("echo s3cr3t", "JSON"),
            ("true", "JSON"),
            ("echo s3cr3t; echo s3cr3t >&2; exit 3", "exit status: 3"),
            ("exec /no/such/s3cr3t", "failed"),
            ("while echo s3cr3t; do :; done", "65536"),
            (r#"echo '{"AccessKeyId":"i"}'"#, "no AccessKeySecret"),
        ] {
            let why = run(command, LONG).expect_err(command);
            assert!(why.contains(word), "{command}: {why}");
            assert!(!why.contains("s3cr3t"), "{why}");
        }
    }

    /// Whether the process is there and not merely waiting for somebody to take note of its end.
    #[cfg(target_os = "linux")]
    fn is_alive(pid: &str) -> bool {
        let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    /// Runs it until it had the time to say who it is. Returns the error, and the shell's and the other's number.
    #[cfg(target_os = "linux")]
    fn run_until_killed(hang: &str) -> (String, String) {
        let dir = tempfile::tempdir().expect("a temp folder");
        let said = dir.path().join("pids");
        let command = format!(
            "sleep 1000 >/dev/null & echo $$ $! > {}; {hang}",
            said.display()
        );
        for millis in [200, 2000, 20_000] {
            let why = run(&command, Duration::from_millis(millis)).expect_err("it hangs");
            let pids = fs::read_to_string(&said).unwrap_or_default();
            if pids.ends_with('\n') {
                return (why, pids);
            }
        }
        panic!("it has not come to it in 20 s");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_command_that_hangs_is_killed_with_all_that_it_started_and_leaves_no_zombie() {
        // The other has said all that it has to say, and stays.
        for hang in ["wait", "exec >/dev/null; wait"] {
            let (why, pids) = run_until_killed(hang);
            assert!(why.contains("has not ended within"), "{why}");
            let [shell, sleep] = pids.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("two numbers: {pids}")
            };
            assert!(
                !Path::new("/proc").join(shell).exists(),
                "the shell is left"
            );
            // Whoever adopted it takes note of its end at leisure, but it runs no more.
            let end = Instant::now() + LONG;
            while is_alive(sleep) {
                assert!(Instant::now() < end, "what it started is left");
                thread::yield_now();
            }
        }
    }
}
