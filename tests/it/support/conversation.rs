//! A program that is talked with: lines into its standard input, lines out of its standard output.

use super::process::{Program, Ran, WATCHDOG};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

pub(crate) struct Conversation {
    child: Child,
    input: Option<ChildStdin>,
    said: Receiver<String>,
    complained: Receiver<String>,
}

impl Program {
    pub(crate) fn talk(self) -> Conversation {
        let mut command = self.into_command();
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::piped()).spawn().expect("started");
        let stdout = child.stdout.take().expect("a pipe");
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.map(|line| say.send(line)).find(Result::is_err)
        });
        let mut stderr = child.stderr.take().expect("a pipe");
        let (complain, complained) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            complain.send(text)
        });
        Conversation {
            input: child.stdin.take(),
            child,
            said,
            complained,
        }
    }
}

impl Conversation {
    pub(crate) fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("nobody has hung up");
        writeln!(input, "{line}").expect("it listens");
    }

    /// Waits for what it says next.
    #[track_caller]
    pub(crate) fn hear(&self) -> String {
        self.said.recv_timeout(WATCHDOG).expect("a line in time")
    }

    /// Nothing more will be said to it.
    pub(crate) fn hang_up(&mut self) {
        self.input = None;
    }

    /// SIGKILL, and it is dead on return.
    pub(crate) fn kill(mut self) -> Ran {
        self.child.kill().expect("it can be killed");
        self.wait()
    }

    /// Waits for its end. Its output is what was not heard yet.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ran {
        let mut stdout = String::new();
        let silence = loop {
            match self.said.recv_timeout(WATCHDOG) {
                Ok(line) => stdout.extend([&*line, "\n"]),
                Err(why) => break why,
            }
        };
        assert_eq!(silence, RecvTimeoutError::Disconnected, "it hangs");
        let stderr = self.complained.recv_timeout(WATCHDOG);
        Ran {
            code: self.child.wait().expect("its status").code(),
            stdout,
            stderr: stderr.expect("it ends with the output"),
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // For a test that fails meanwhile; an ended process cannot be killed.
        let _ = self.child.kill();
    }
}
