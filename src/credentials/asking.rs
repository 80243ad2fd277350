//! How those who issue credentials are asked over HTTP: a few times when the trouble may pass, for so long in all.

use crate::transport::fetch::{Fetch, Fetched, origin};
use crate::transport::{TransportError, TransportErrorKind};
use std::thread;
use std::time::{Duration, Instant};

const TRIES: u32 = 3;

/// Before the second try; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(200);

/// All tries together, so that the answer of last resort comes before a client's patience with its provider is over.
const IN_ALL: Duration = Duration::from_secs(30);

/// One request.
const REQUEST: Duration = Duration::from_secs(10);

/// Why there is no answer that could be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) what: String,
    /// It may be well the next time.
    pub(super) may_pass: bool,
    /// Nobody was there.
    pub(super) is_unreached: bool,
    /// What the service calls it.
    pub(super) code: Option<String>,
}

impl Trouble {
    /// One that repeating does not help.
    pub(super) fn lasting(what: impl Into<String>) -> Trouble {
        Trouble {
            what: what.into(),
            may_pass: false,
            is_unreached: false,
            code: None,
        }
    }

    pub(super) fn passing(what: impl Into<String>) -> Trouble {
        Trouble {
            may_pass: true,
            ..Trouble::lasting(what)
        }
    }

    fn no_answer(error: &TransportError) -> Trouble {
        Trouble {
            may_pass: error.kind != TransportErrorKind::Hopeless,
            is_unreached: error.kind == TransportErrorKind::Unreached,
            ..Trouble::lasting(error.to_string())
        }
    }

    /// An answer of another status than 200.
    pub(super) fn status(status: u16) -> Trouble {
        Trouble {
            may_pass: status >= 500 || status == 429,
            ..Trouble::lasting(format!("it answered with status {status}"))
        }
    }
}

/// The time that all requests of one fetch have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn new() -> Deadline {
        Deadline(Instant::now() + IN_ALL)
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Asks once, for no longer than is left.
    pub(super) fn send(self, request: &Fetch<'_>) -> Result<Fetched, Trouble> {
        let left = self.left();
        if left.is_zero() {
            return Err(Trouble::lasting(format!(
                "it took more than {} s",
                IN_ALL.as_secs()
            )));
        }
        let sent = request.send(REQUEST.min(left));
        sent.map_err(|error| Trouble::no_answer(&error))
    }

    /// Does it again as long as that may help.
    pub(super) fn persist<T>(
        self,
        mut attempt: impl FnMut() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut n = 1;
        loop {
            let done = attempt();
            match &done {
                Err(trouble) if trouble.may_pass && n < TRIES => {
                    thread::sleep((PAUSE * n).min(self.left()));
                    n += 1;
                }
                _ => return done,
            }
        }
    }
}

/// Refuses what is no URL, with what it is for.
pub(super) fn check_url(what: &str, url: &str) -> Result<(), String> {
    match origin(url) {
        Ok(_) => Ok(()),
        Err(why) => Err(format!("{what}: {why}")),
    }
}

/// What may be shown of a URL.
pub(super) fn shown(url: &str) -> String {
    origin(url).unwrap_or_else(|_| "a URL that is none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is tried when each try ends like this.
    fn tries(end: &dyn Fn(u32) -> Result<(), Trouble>) -> u32 {
        let mut n = 0;
        let deadline = Deadline(Instant::now());
        let _ = deadline.persist(|| {
            n += 1;
            end(n)
        });
        n
    }

    #[test]
    fn what_may_pass_is_tried_three_times_and_what_cannot_once() {
        assert_eq!(tries(&|_| Ok(())), 1);
        assert_eq!(tries(&|_| Err(Trouble::lasting("no"))), 1);
        assert_eq!(tries(&|_| Err(Trouble::passing("later"))), 3);
        for (status, expected) in [(500, 3), (503, 3), (429, 3), (404, 1), (403, 1), (302, 1)] {
            assert_eq!(
                tries(&|_| Err(Trouble::status(status))),
                expected,
                "{status}"
            );
        }
        let second = |n| match n {
            1 => Err(Trouble::passing("later")),
            _ => Ok(()),
        };
        assert_eq!(tries(&second), 2);
    }

    #[test]
    fn whom_nobody_should_trust_is_not_asked_again() {
        use TransportErrorKind::{Broken, Hopeless, Stopped, Unreached};
        for (kind, may_pass, is_unreached) in [
            (Hopeless, false, false),
            (Unreached, true, true),
            (Broken, true, false),
            (Stopped, true, false),
        ] {
            let what = "why".to_owned();
            let trouble = Trouble::no_answer(&TransportError { kind, what });
            let found = (trouble.may_pass, trouble.is_unreached);
            assert_eq!(found, (may_pass, is_unreached), "{kind:?}");
        }
    }

    #[test]
    fn nothing_is_sent_when_the_time_is_over() {
        let request = Fetch {
            method: "GET",
            url: "http://127.0.0.1:1/",
            headers: &[],
            body: "",
            proxy: None,
            tls: &crate::transport::Tls::new(),
            connect: REQUEST,
        };
        let trouble = Deadline(Instant::now())
            .send(&request)
            .expect_err("no time");
        assert!(
            trouble.what.contains("30 s") && !trouble.may_pass,
            "{trouble:?}"
        );
    }
}
