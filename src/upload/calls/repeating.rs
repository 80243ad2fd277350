//! Requests that are made again until they succeed, cannot, or have been made often enough.

use crate::client::Bucket;
use crate::error::Error;
use crate::protocol::{Answer, Operation, Request, Unreadable};
use crate::retry::{Failure, Next, RetryPolicy, Tries};
use crate::stop::Stop;
use crate::transport::TransportErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One call outside of a run's progress, repeated where that may help.
pub(in crate::upload) fn call<'r, T>(
    bucket: &Bucket,
    stop: &Arc<Stop>,
    request: impl Fn() -> Request<'r>,
    read: impl Fn(&Answer) -> Result<T, Unreadable>,
) -> Result<T, Failure> {
    let policy = bucket.client().retry_policy();
    let operation = request().operation;
    let once = || Ok(read(&bucket.exchange(request(), stop)?)?);
    let started = Instant::now();
    repeat(
        policy,
        operation,
        stop,
        || started.elapsed(),
        once,
        |_, _| {},
    )
}

/// The error of a request that failed for good.
pub(in crate::upload) fn error(
    bucket: &Bucket,
    operation: Operation,
    doing: String,
    failure: Failure,
) -> Error {
    let (kind, is_temporary) = (failure.kind(), failure.is_temporary(operation));
    let error = match failure {
        Failure::Service(error)
        | Failure::ClockCorrected(error)
        | Failure::CredentialsRenewed(error) => Error::service(doing, error),
        _ if failure.is_stopped() => Error::text(kind, doing, "cancelled"),
        Failure::Credentials(why) => Error::text(kind, doing, format!("no credentials: {why}")),
        _ => Error::text(kind, doing, said(bucket, &failure)),
    };
    error.asked(operation, is_temporary)
}

/// What is said of a failure, and of one that is no answer of OSS's where that was asked for.
pub(super) fn said(bucket: &Bucket, failure: &Failure) -> String {
    match failure {
        Failure::Transport(_) | Failure::Unreadable(_) => {
            format!("{failure} [endpoint {}]", bucket.client().endpoint())
        }
        _ => failure.to_string(),
    }
}

/// An error that may hold a failure of a request.
pub(super) trait Repeatable: From<Failure> {
    /// `None` when the request is not to blame.
    fn failure(&self) -> Option<&Failure>;
}

impl Repeatable for Failure {
    fn failure(&self) -> Option<&Failure> {
        Some(self)
    }
}

/// Does it again until it succeeds, cannot, or has been tried often enough.
pub(super) fn repeat<T, E: Repeatable>(
    policy: &RetryPolicy,
    operation: Operation,
    stop: &Arc<Stop>,
    now: impl Fn() -> Duration,
    mut once: impl FnMut() -> Result<T, E>,
    mut repeating: impl FnMut(&Failure, Duration),
) -> Result<T, E> {
    let mut tries = Tries::default();
    while !stop.is_set() {
        let error = match once() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(failure) = error.failure() else {
            return Err(error);
        };
        if operation == Operation::InitiateMultipartUpload && may_have_begun(failure) {
            log::warn!(
                target: "oss_upload::upload",
                "the answer to {operation} was lost: an upload without parts may stay on the server until a \
                 lifecycle rule ends it"
            );
        }
        let chance = fastrand::f64();
        let Next::After(delay) = tries.after(policy, operation, failure, now(), chance) else {
            return Err(error);
        };
        log::debug!(
            target: "oss_upload::retry",
            "{operation} failed, again in {} ms: {failure}",
            delay.as_millis()
        );
        repeating(failure, delay);
        stop.sleep(delay);
    }
    Err(Failure::stopped().into())
}

/// Whether the server may have done what was asked, although no answer says so.
fn may_have_begun(failure: &Failure) -> bool {
    match failure {
        Failure::Transport(error) => error.kind != TransportErrorKind::Unreached,
        Failure::Unreadable(_) => true,
        _ => false,
    }
}
