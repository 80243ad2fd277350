//! A client for one endpoint, and its buckets.

pub(crate) mod builder;
mod clock;
pub(crate) mod signer;

use crate::aside::{Left, aside};
use crate::credentials::{Credentials, CredentialsProvider};
use crate::endpoint::{self, Endpoint};
use crate::error::Error;
use crate::protocol::service_error::ServiceError;
use crate::protocol::{Answer, Request};
use crate::retry::{Failure, RetryPolicy};
use crate::sign::Signable;
use crate::stop::Stop;
use crate::transport::Transport;
use clock::Clock;
use signer::Signer;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

/// Codes with which OSS refuses credentials that may have been good before.
const REFUSED_CREDENTIALS: [&str; 4] = [
    "SecurityTokenExpired",
    "InvalidSecurityToken",
    "InvalidAccessKeyId",
    "AccessKeyIdAndSecurityTokenNotMatch",
];

/// A client for one endpoint: its connections, credentials and clock. Cheap to clone; clones share all of it.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    signer: Signer,
    provider: Arc<dyn CredentialsProvider>,
    credentials_timeout: Duration,
    transport: Transport,
    retry: RetryPolicy,
    clock: Clock,
}

impl Client {
    /// A bucket at this endpoint. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`](crate::ErrorKind::Options) when OSS takes no such name.
    pub fn bucket(&self, name: impl Into<String>) -> Result<Bucket, Error> {
        let name = name.into();
        endpoint::check_bucket(&name)
            .map_err(|why| Error::options(format!("opening bucket `{name}`"), why))?;
        Ok(Bucket {
            client: self.clone(),
            name,
        })
    }

    pub(crate) fn retry_policy(&self) -> &RetryPolicy {
        &self.0.retry
    }

    pub(crate) fn stall_timeout(&self) -> Duration {
        self.0.transport.stall()
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.0.endpoint.to_string())
            .finish_non_exhaustive()
    }
}

/// A bucket, at the endpoint of its [`Client`].
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Signs and sends one request. An answer that is no success is a failure.
    pub(crate) fn exchange(
        &self,
        mut request: Request<'_>,
        stop: &Arc<Stop>,
    ) -> Result<Answer, Failure> {
        let client = &*self.client.0;
        if stop.is_set() {
            return Err(Failure::stopped());
        }
        let credentials = client.ask_for_credentials(stop)?;
        let used_offset = client.clock.offset();
        let signable = signable(&self.name, &request);
        let signed = (client.signer).sign(&signable, &credentials, Clock::at(used_offset));
        let url = client.endpoint.url(&self.name, request.key, &request.query);
        let sent = client.transport.send(url, &mut request, signed, stop);
        let answer = sent.map_err(Failure::Transport)?;
        log::trace!(
            target: "oss_upload::request",
            "{} {}: {} {:?}",
            request.operation,
            request.key.escape_debug(),
            answer.status,
            answer.header("x-oss-request-id"),
        );
        match answer.is_success() {
            true => Ok(answer),
            false => Err(client.learn_from(&answer, &credentials, used_offset, stop)),
        }
    }
}

impl Inner {
    fn ask_for_credentials(&self, stop: &Stop) -> Result<Credentials, Failure> {
        let given = self.with_provider(stop, |provider| provider.credentials())?;
        given
            .and_then(|credentials| credentials.check().map(|()| credentials))
            .map_err(|why| Failure::Credentials(why.to_string()))
    }

    /// Turns to the provider, which may panic or hang.
    fn with_provider<T: Send + 'static>(
        &self,
        stop: &Stop,
        ask: impl FnOnce(&dyn CredentialsProvider) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let provider = Arc::clone(&self.provider);
        let at_once = panic::catch_unwind(AssertUnwindSafe(|| provider.answers_at_once()));
        let asked = match at_once.unwrap_or(false) {
            true => panic::catch_unwind(AssertUnwindSafe(|| ask(&*provider)))
                .map_err(|_| Left::Panicked),
            false => {
                let ask = move || ask(&*provider);
                aside("oss-upload-keys", stop, self.credentials_timeout, ask)
            }
        };
        asked.map_err(|left| match left {
            Left::Stopped => Failure::stopped(),
            Left::Panicked => Failure::Credentials("the credentials provider panicked".to_owned()),
            Left::NoThread(error) => Failure::Credentials(format!("no thread to ask on: {error}")),
            Left::TooLong => Failure::Credentials(format!(
                "the credentials provider has not answered for {} s",
                self.credentials_timeout.as_secs_f32()
            )),
        })
    }

    /// Reads a refusal, and puts right what can be: the clock, the credentials.
    fn learn_from(
        &self,
        answer: &Answer,
        used: &Credentials,
        used_offset: i64,
        stop: &Stop,
    ) -> Failure {
        let error = ServiceError::from_answer(answer);
        if error.code() == "RequestTimeTooSkewed" {
            return match self.clock.correct(error.server_time(), used_offset) {
                true => Failure::ClockCorrected(error),
                false => Failure::Service(error),
            };
        }
        if REFUSED_CREDENTIALS.contains(&error.code()) {
            let refused = used.clone();
            let told = self.with_provider(stop, move |provider| provider.refused(&refused));
            if let Err(failure) = told {
                return failure;
            }
            if self.ask_for_credentials(stop).is_ok_and(|now| now != *used) {
                return Failure::CredentialsRenewed(error);
            }
        }
        Failure::Service(error)
    }
}

/// What is signed of a request to a bucket.
pub(crate) fn signable<'a>(bucket: &'a str, request: &'a Request<'_>) -> Signable<'a> {
    Signable {
        method: request.operation.method(),
        bucket: Some(bucket),
        key: Some(request.key).filter(|key| !key.is_empty()),
        query: &request.query,
        headers: &request.headers,
    }
}
