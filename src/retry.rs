//! What is repeated, and after how long: pure, time and chance are passed in.

use crate::error::ErrorKind;
use crate::protocol::service_error::ServiceError;
use crate::protocol::{Operation, Unreadable};
use crate::transport::{TransportError, TransportErrorKind};
use std::time::Duration;

/// How failed requests are repeated.
///
/// A request is attempted up to [`max_attempts`](Self::max_attempts) times. Before the n-th repetition passes a random
/// time between zero and `base × 2ⁿ`, at most [`max_delay`](Self::max_delay) ("full jitter"); where the service
/// throttles, five times that, or what it asks for in `Retry-After`. Errors that cannot pass, such as wrong
/// credentials, are not repeated at all.
///
/// A server or a network that is away for less than [`outage`](Self::outage) is sat out, whatever chance makes of the
/// delays: an attempt that could not even connect does not count before so much time has passed since the server was
/// last heard of, and the last attempt of all comes no earlier than so long after the first failure.
///
/// Parts share what they learn. Where the service throttles, half of the routines pause, and one after the other comes
/// back as parts go well again. After two failures in a row for each routine, one alone goes on asking until it
/// gets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    max_attempts: u32,
    base_delay: Duration,
    max_delay: Duration,
    outage: Duration,
}

impl Default for RetryPolicy {
    /// 8 attempts, 200 ms, 20 s, 30 s.
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 8,
            base_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(20),
            outage: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// Sets how often a request is attempted, the first time included; 0 counts as 1. Default: 8.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> RetryPolicy {
        self.max_attempts = attempts.max(1);
        self
    }

    /// Sets the upper bound of the delay before the first repetition, doubled for each further one. Default: 200 ms.
    #[must_use]
    pub fn base_delay(mut self, delay: Duration) -> RetryPolicy {
        self.base_delay = delay;
        self
    }

    /// Sets the upper bound of every delay. Default: 20 s.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> RetryPolicy {
        self.max_delay = delay;
        self
    }

    /// Sets how long a server that cannot be reached is waited for, at least. Default: 30 s.
    #[must_use]
    pub fn outage(mut self, outage: Duration) -> RetryPolicy {
        self.outage = outage;
        self
    }

    /// A random delay before the `n`-th repetition, counted from 1. `chance` lies in `0.0..1.0`.
    fn delay(&self, base: Duration, n: u32, chance: f64) -> Duration {
        let doubled = base.saturating_mul(2_u32.saturating_pow(n));
        doubled.min(self.max_delay).mul_f64(chance)
    }
}

/// Why one attempt at a request gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No answer.
    Transport(TransportError),
    /// OSS answered with an error.
    Service(ServiceError),
    /// OSS refused our clock, which has been set by its own since.
    ClockCorrected(ServiceError),
    /// OSS refused the credentials, and the provider gives others since.
    CredentialsRenewed(ServiceError),
    /// An answer that cannot be read.
    Unreadable(Unreadable),
    /// The server stored other bytes than those sent.
    Damaged { sent: u64, stored: u64 },
    /// The provider gave no usable credentials.
    Credentials(String),
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Failure {
        Failure::Unreadable(unreadable)
    }
}

impl Failure {
    /// Whether OSS answered with this code.
    pub(crate) fn is_service(&self, code: &str) -> bool {
        matches!(self, Failure::Service(error) if error.code() == code)
    }

    /// Whether the same request may succeed at another time.
    pub(crate) fn may_pass(&self, operation: Operation) -> bool {
        self.verdict(operation) != Verdict::Fatal
    }

    /// The same of the last attempt of all. What was put right, and fails still, is not right.
    pub(crate) fn is_temporary(&self, operation: Operation) -> bool {
        use Failure::{ClockCorrected, CredentialsRenewed};
        self.may_pass(operation) && !matches!(self, ClockCorrected(_) | CredentialsRenewed(_))
    }

    pub(crate) fn verdict(&self, operation: Operation) -> Verdict {
        judge(operation, self)
    }

    /// What an error says of it. One that was told to stop was most likely cancelled.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Failure::Service(error)
            | Failure::ClockCorrected(error)
            | Failure::CredentialsRenewed(error) => match error.code() {
                "CallbackFailed" => ErrorKind::Callback,
                _ => ErrorKind::Service,
            },
            Failure::Transport(_) if self.is_stopped() => ErrorKind::Cancelled,
            Failure::Transport(_) | Failure::Unreadable(_) => ErrorKind::Transport,
            Failure::Damaged { .. } => ErrorKind::Integrity,
            Failure::Credentials(_) => ErrorKind::Credentials,
        }
    }

    /// What a request comes to that was told to stop.
    pub(crate) fn stopped() -> Failure {
        Failure::Transport(TransportError {
            kind: TransportErrorKind::Stopped,
            what: "stopped".to_owned(),
        })
    }

    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self, Failure::Transport(error) if error.kind == TransportErrorKind::Stopped)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Transport(error) => error.fmt(f),
            Failure::Service(error)
            | Failure::ClockCorrected(error)
            | Failure::CredentialsRenewed(error) => error.fmt(f),
            Failure::Unreadable(what) => f.write_str(&what.0),
            Failure::Damaged { sent, stored } => write!(
                f,
                "the bytes were damaged on the way: CRC-64 {sent} was sent, {stored} was stored"
            ),
            Failure::Credentials(why) => f.write_str(why),
        }
    }
}

/// What a failure asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may pass: again, after a while.
    Backoff,
    /// The service is asked too much: again, after a longer while.
    Throttled,
    /// Nothing was reached.
    Unreached,
    /// What was wrong is put right: again, at once, not counted.
    AtOnce,
    /// It cannot pass.
    Fatal,
}

fn judge(operation: Operation, failure: &Failure) -> Verdict {
    match failure {
        Failure::Transport(error) => match error.kind {
            TransportErrorKind::Unreached => Verdict::Unreached,
            TransportErrorKind::Stale => Verdict::AtOnce,
            TransportErrorKind::Broken => Verdict::Backoff,
            TransportErrorKind::Hopeless | TransportErrorKind::Stopped => Verdict::Fatal,
        },
        Failure::Service(error) => judge_service(operation, error),
        Failure::ClockCorrected(_) | Failure::CredentialsRenewed(_) => Verdict::AtOnce,
        Failure::Unreadable(_) | Failure::Damaged { .. } => Verdict::Backoff,
        Failure::Credentials(_) => Verdict::Fatal,
    }
}

fn judge_service(operation: Operation, error: &ServiceError) -> Verdict {
    let status = match error.status() {
        // An `<Error>` in a success: the status says nothing, the code does.
        200..300 => usual_status(error.code()),
        status => status,
    };
    match (status, error.code()) {
        (_, "NotImplemented") => Verdict::Fatal,
        (429 | 503, _) => Verdict::Throttled,
        (408 | 500.., _) => Verdict::Backoff,
        (400, "RequestTimeout" | "BadRequest" | "IncompleteBody") => Verdict::Backoff,
        // The bytes may have been damaged on the way.
        (400, "InvalidDigest") if operation.has_body() => Verdict::Backoff,
        _ => Verdict::Fatal,
    }
}

/// The status with which OSS answers a code that may pass, and 400 for all others.
fn usual_status(code: &str) -> u16 {
    match code {
        "InternalError" => 500,
        "QpsLimitExceeded" => 429,
        "ActiveRequestLimitExceeded"
        | "CpuLimitExceeded"
        | "DownloadTrafficRateLimitExceeded"
        | "MetaOperationQpsLimitExceeded"
        | "ServiceUnavailable"
        | "TotalQpsLimitExceeded"
        | "UploadTrafficRateLimitExceeded" => 503,
        _ => 400,
    }
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Next {
    /// Again, after so long.
    After(Duration),
    GiveUp,
}

/// How often one request has been tried.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    /// Attempts that reached the server and failed, and when the first of them did.
    attempts: u32,
    failed_first: Duration,
    /// Attempts in a row that reached nothing, and since when.
    unreached: u32,
    unreached_since: Duration,
    /// Repetitions that did not wait.
    at_once: u32,
}

impl Tries {
    /// More than a clock, a token and a pooled connection can need; a bound should a server say so for ever.
    const MAX_AT_ONCE: u32 = 5;

    /// Decides after a failure. `now` is the time on any clock that does not run backwards, `chance` in `0.0..1.0`.
    pub(crate) fn after(
        &mut self,
        policy: &RetryPolicy,
        operation: Operation,
        failure: &Failure,
        now: Duration,
        chance: f64,
    ) -> Next {
        let verdict = judge(operation, failure);
        let exhausted = match verdict {
            Verdict::Fatal => true,
            Verdict::AtOnce if self.at_once < Tries::MAX_AT_ONCE => {
                self.at_once += 1;
                return Next::After(Duration::ZERO);
            }
            Verdict::Unreached => self.is_outage_over(policy, now),
            Verdict::AtOnce | Verdict::Backoff | Verdict::Throttled => {
                self.unreached = 0;
                if self.attempts == 0 {
                    self.failed_first = now;
                }
                self.attempts += 1;
                self.attempts >= policy.max_attempts
            }
        };
        match exhausted {
            true => Next::GiveUp,
            false => {
                let delay = self.delay(policy, verdict, failure, chance);
                Next::After(delay.max(self.at_least(policy, now)))
            }
        }
    }

    /// What the next attempt must wait for, so that the last one comes when the outage is over, with no delay above
    /// the longest.
    fn at_least(&self, policy: &RetryPolicy, now: Duration) -> Duration {
        let after_next = policy.max_attempts.saturating_sub(self.attempts + 1);
        let made_up_later = policy.max_delay.saturating_mul(after_next);
        let earliest = policy.outage.saturating_sub(made_up_later);
        let wait = self
            .failed_first
            .saturating_add(earliest)
            .saturating_sub(now);
        wait.min(policy.max_delay)
    }

    fn is_outage_over(&mut self, policy: &RetryPolicy, now: Duration) -> bool {
        if self.unreached == 0 {
            self.unreached_since = now;
        }
        self.unreached += 1;
        let away = now.saturating_sub(self.unreached_since);
        self.unreached >= policy.max_attempts && away >= policy.outage
    }

    fn delay(
        &self,
        policy: &RetryPolicy,
        verdict: Verdict,
        failure: &Failure,
        chance: f64,
    ) -> Duration {
        let base = match verdict {
            Verdict::Throttled => policy.base_delay.saturating_mul(5),
            _ => policy.base_delay,
        };
        let asked = match failure {
            Failure::Service(error) => error.retry_after().map_or(0, |seconds| seconds),
            _ => 0,
        };
        let asked = Duration::from_secs(asked).min(policy.max_delay);
        let n = self.attempts + self.unreached;
        policy.delay(base, n, chance).max(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Answer;
    use Operation::{CompleteMultipartUpload, ListParts, UploadPart};

    fn service(status: u16, code: &str) -> Failure {
        let body = format!("<Error><Code>{code}</Code></Error>").into_bytes();
        Failure::Service(ServiceError::from_answer(&Answer {
            status,
            body,
            ..Answer::default()
        }))
    }

    fn transport(kind: TransportErrorKind) -> Failure {
        Failure::Transport(TransportError {
            kind,
            what: "reason".to_owned(),
        })
    }

    #[test]
    fn what_may_pass_is_repeated_and_what_cannot_is_not() {
        use TransportErrorKind::{Broken, Hopeless, Stale, Stopped, Unreached};
        let damaged = Failure::Damaged { sent: 1, stored: 2 };
        for (operation, failure, verdict) in [
            (UploadPart, transport(Broken), Verdict::Backoff),
            (UploadPart, transport(Unreached), Verdict::Unreached),
            (UploadPart, transport(Stale), Verdict::AtOnce),
            (UploadPart, transport(Hopeless), Verdict::Fatal),
            (UploadPart, transport(Stopped), Verdict::Fatal),
            (UploadPart, damaged, Verdict::Backoff),
            (
                ListParts,
                Failure::Credentials(String::new()),
                Verdict::Fatal,
            ),
            (UploadPart, service(500, "InternalError"), Verdict::Backoff),
            (UploadPart, service(502, "HTTP 502"), Verdict::Backoff),
            (UploadPart, service(408, "HTTP 408"), Verdict::Backoff),
            (
                UploadPart,
                service(503, "ServiceUnavailable"),
                Verdict::Throttled,
            ),
            (
                UploadPart,
                service(429, "QpsLimitExceeded"),
                Verdict::Throttled,
            ),
            (UploadPart, service(400, "RequestTimeout"), Verdict::Backoff),
            (UploadPart, service(400, "BadRequest"), Verdict::Backoff),
            (UploadPart, service(400, "IncompleteBody"), Verdict::Backoff),
            (UploadPart, service(400, "InvalidDigest"), Verdict::Backoff),
            (
                CompleteMultipartUpload,
                service(400, "InvalidDigest"),
                Verdict::Backoff,
            ),
            (ListParts, service(400, "InvalidDigest"), Verdict::Fatal),
            (
                CompleteMultipartUpload,
                service(200, "InternalError"),
                Verdict::Backoff,
            ),
            (
                CompleteMultipartUpload,
                service(200, "InvalidPart"),
                Verdict::Fatal,
            ),
            (
                CompleteMultipartUpload,
                service(203, "CallbackFailed"),
                Verdict::Fatal,
            ),
            (UploadPart, service(400, "InvalidArgument"), Verdict::Fatal),
            (UploadPart, service(403, "AccessDenied"), Verdict::Fatal),
            (
                UploadPart,
                service(403, "SignatureDoesNotMatch"),
                Verdict::Fatal,
            ),
            (UploadPart, service(404, "NoSuchUpload"), Verdict::Fatal),
            (
                UploadPart,
                service(409, "FileAlreadyExists"),
                Verdict::Fatal,
            ),
            (UploadPart, service(501, "NotImplemented"), Verdict::Fatal),
        ] {
            assert_eq!(
                judge(operation, &failure),
                verdict,
                "{operation}: {failure}"
            );
        }
    }

    #[test]
    fn delays_double_up_to_the_cap_and_are_drawn_between_nothing_and_that() {
        let policy = RetryPolicy::default().outage(Duration::ZERO);
        let failure = service(500, "InternalError");
        let mut tries = Tries::default();
        let mut bounds = vec![];
        while let Next::After(delay) =
            tries.after(&policy, UploadPart, &failure, Duration::ZERO, 1.0)
        {
            bounds.push(delay.as_millis());
        }
        assert_eq!(bounds, [400, 800, 1600, 3200, 6400, 12_800, 20_000]);
        assert_eq!(policy.delay(policy.base_delay, 3, 0.0), Duration::ZERO);
        let half = policy.delay(policy.base_delay, 3, 0.5);
        assert_eq!(half, Duration::from_millis(800));
    }

    #[test]
    fn a_delay_without_end_is_the_longest() {
        let policy = RetryPolicy::default().base_delay(Duration::MAX);
        for code in ["InternalError", "ServiceUnavailable"] {
            let next = Tries::default().after(
                &policy,
                UploadPart,
                &service(503, code),
                Duration::ZERO,
                1.0,
            );
            assert_eq!(next, Next::After(policy.max_delay));
        }
    }

    #[test]
    fn throttling_waits_longer_and_as_long_as_asked() {
        let policy = RetryPolicy::default();
        let throttled = service(503, "ServiceUnavailable");
        let next = Tries::default().after(&policy, UploadPart, &throttled, Duration::ZERO, 1.0);
        assert_eq!(next, Next::After(Duration::from_secs(2)));
        let answer = Answer {
            status: 503,
            headers: [("retry-after", "7")].into_iter().collect(),
            ..Answer::default()
        };
        let asks = Failure::Service(ServiceError::from_answer(&answer));
        let next = Tries::default().after(&policy, UploadPart, &asks, Duration::ZERO, 0.0);
        assert_eq!(next, Next::After(Duration::from_secs(7)));
    }

    #[test]
    fn a_server_that_is_away_is_waited_for_beyond_the_last_attempt() {
        let policy = RetryPolicy::default();
        let away = transport(TransportErrorKind::Unreached);
        let mut tries = Tries::default();
        let mut at = |second: u64| {
            let now = Duration::from_secs(100 + second);
            tries.after(&policy, UploadPart, &away, now, 0.0)
        };
        for second in 0..30 {
            assert_ne!(at(second), Next::GiveUp, "after {second} s");
        }
        assert_eq!(at(30), Next::GiveUp);
    }

    #[test]
    fn the_last_attempt_comes_when_the_outage_is_over_however_short_the_delays_were() {
        let policy = RetryPolicy::default();
        let failure = service(500, "InternalError");
        let (mut tries, mut now) = (Tries::default(), Duration::from_secs(100));
        let mut delays = vec![];
        while let Next::After(delay) = tries.after(&policy, UploadPart, &failure, now, 0.001) {
            delays.push(delay);
            now += delay;
        }
        assert_eq!(delays.len(), 7);
        assert!(delays[..5].iter().all(|delay| delay.as_millis() < 20));
        assert!(delays.iter().all(|delay| *delay <= policy.max_delay));
        assert_eq!(now, Duration::from_secs(130));
    }

    #[test]
    fn what_was_put_right_does_not_count_but_cannot_go_on_for_ever() {
        let policy = RetryPolicy::default().max_attempts(1);
        let stale = transport(TransportErrorKind::Stale);
        let mut tries = Tries::default();
        let mut again = || tries.after(&policy, UploadPart, &stale, Duration::ZERO, 0.9);
        for _ in 0..5 {
            assert_eq!(again(), Next::After(Duration::ZERO));
        }
        assert_eq!(again(), Next::GiveUp);
    }
}
