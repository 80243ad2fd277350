//! Credentials that a URI answers with, mostly of a helper on the same machine.

use super::asking::{Deadline, Trouble, check_url, shown};
use super::issued::{self, Kind};
use super::provider::{Credentials, ProviderError};
use super::source::{Fetching, Source, provide_by_fetching};
use super::surroundings::Surroundings;
use crate::transport::fetch::Fetch;
use crate::transport::{Proxy, Tls};
use std::fmt;
use std::time::Duration;

const VARIABLE: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";

const CONNECT: Duration = Duration::from_secs(5);

/// Credentials that a URI answers with, mostly of a helper on the same machine.
///
/// A GET request is answered with status 200 and JSON: `AccessKeyId`, `AccessKeySecret`, `SecurityToken` and
/// `Expiration`, of which none may be missing. It takes 10 s at most, and what may pass is tried three times. They are
/// kept and renewed as [`Refreshing`](crate::Refreshing) does it. Only `https` goes through the environment's proxy.
///
/// The URI itself should hold no secret: at level `trace`, `ureq` logs it.
pub struct CredentialsUri(Fetching<Settings>);

provide_by_fetching!(CredentialsUri);

#[derive(Clone)]
struct Settings {
    uri: Option<String>,
    tls: Tls,
    surroundings: Surroundings,
}

impl CredentialsUri {
    /// What this URI answers: `http[s]://HOST[:PORT][/PATH]`.
    pub fn new(uri: impl Into<String>) -> CredentialsUri {
        let uri = uri.into();
        CredentialsUri::from_environment().with(|settings| settings.uri = Some(uri))
    }

    /// What the URI in the environment variable `ALIBABA_CLOUD_CREDENTIALS_URI` answers.
    pub fn from_environment() -> CredentialsUri {
        CredentialsUri::within(Surroundings::of_process())
    }

    pub(super) fn within(surroundings: Surroundings) -> CredentialsUri {
        CredentialsUri(Fetching::new(Settings {
            uri: None,
            tls: Tls::new(),
            surroundings,
        }))
    }

    /// Sets whom to trust when the URI is one of `https`, which the client's own settings do not concern. Default:
    /// [`Tls::new`].
    #[must_use]
    pub fn tls(self, tls: Tls) -> CredentialsUri {
        self.with(|settings| settings.tls = tls)
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> CredentialsUri {
        CredentialsUri(self.0.with(change))
    }
}

impl Source for Settings {
    fn fetch(&self) -> Result<Credentials, ProviderError> {
        let uri = match &self.uri {
            Some(uri) => uri.clone(),
            None => self.surroundings.required(VARIABLE)?,
        };
        check_url("the credentials' URI", &uri)?;
        let deadline = Deadline::new();
        let asked = deadline.persist(|| ask(deadline, &uri, &self.tls));
        asked.map_err(|trouble| {
            let at = shown(&uri);
            format!("the credentials' URI at {at}: {}", trouble.what).into()
        })
    }

    fn check(&self) -> Result<(), String> {
        self.tls.check()?;
        match &self.uri {
            Some(uri) => check_url("the credentials' URI", uri),
            None => Ok(()),
        }
    }
}

fn ask(deadline: Deadline, uri: &str, tls: &Tls) -> Result<Credentials, Trouble> {
    let answer = deadline.send(&Fetch {
        method: "GET",
        url: uri,
        headers: &[],
        body: "",
        proxy: Some(&Proxy::from_env()),
        tls,
        connect: CONNECT,
    })?;
    if answer.status != 200 {
        return Err(Trouble::status(answer.status));
    }
    let issued = issued::credentials(&answer.body, Kind::Temporary);
    issued.map_err(|why| Trouble::lasting(format!("what it answers cannot be used: {why}")))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("at", &self.uri.as_deref().map(shown))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::provider::CredentialsProvider;

    #[test]
    fn what_is_no_uri_is_refused_and_not_repeated() {
        for bad in ["", "s3cr3t", "ftp://s3cr3t", "http://s3cr3t /"] {
            let given = CredentialsUri::new(bad).check().expect_err(bad);
            let surroundings = Surroundings::of(&[(VARIABLE, bad)]);
            let set = CredentialsUri::within(surroundings).credentials();
            for why in [given, set.expect_err(bad)] {
                let why = why.to_string();
                assert!(!why.contains("s3cr3t"), "{why}");
                assert!(why.contains("URI"), "{why}");
            }
        }
        CredentialsUri::new("http://127.0.0.1:1/path")
            .check()
            .expect("a URI");
    }

    #[test]
    fn neither_error_nor_debug_shows_more_than_where_it_leads() {
        let provider = CredentialsUri::new("http://127.0.0.1:1/s3cr3t?token=s3cr3t");
        let why = provider
            .credentials()
            .expect_err("nobody is there")
            .to_string();
        for shown in [why, format!("{provider:?}")] {
            assert!(
                shown.contains("127.0.0.1:1") && !shown.contains("s3cr3t"),
                "{shown}"
            );
        }
    }
}
