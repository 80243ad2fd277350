//! Who signs: credentials, and the providers that are asked for them before every request.

mod environment;

pub use environment::Environment;

use std::fmt;

/// Far more than any key or token has, and few enough for one request.
const MAX_LEN: usize = 32 << 10;

/// An access key, with a token when it is temporary (STS), or nothing at all.
///
/// `Debug` shows the id of the key only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    access_key_id: String,
    access_key_secret: String,
    security_token: Option<String>,
}

impl Credentials {
    /// A long-lived access key. White space around id and secret is dropped.
    pub fn new(access_key_id: impl AsRef<str>, access_key_secret: impl AsRef<str>) -> Credentials {
        Credentials {
            access_key_id: access_key_id.as_ref().trim().to_owned(),
            access_key_secret: access_key_secret.as_ref().trim().to_owned(),
            security_token: None,
        }
    }

    /// Adds the token of temporary credentials.
    #[must_use]
    pub fn with_security_token(mut self, token: impl AsRef<str>) -> Credentials {
        self.security_token = Some(token.as_ref().trim().to_owned());
        self
    }

    /// No credentials: requests go out unsigned, for buckets that everyone may write to.
    pub fn anonymous() -> Credentials {
        Credentials::new("", "")
    }

    /// The id of the key, which is no secret.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.access_key_id.is_empty() && self.access_key_secret.is_empty()
    }

    pub(crate) fn access_key_secret(&self) -> &str {
        &self.access_key_secret
    }

    pub(crate) fn security_token(&self) -> Option<&str> {
        self.security_token.as_deref()
    }

    /// Whether they can stand in headers; the error says what is wrong without showing them.
    pub(crate) fn check(&self) -> Result<(), ProviderError> {
        if self.is_anonymous() {
            return Ok(());
        }
        let token = self.security_token.as_deref();
        for (what, value) in [
            ("access key id", Some(&*self.access_key_id)),
            ("access key secret", Some(&*self.access_key_secret)),
            ("security token", token),
        ] {
            match value {
                Some("") => return Err(format!("the {what} is empty").into()),
                Some(v) if !v.bytes().all(|b| b.is_ascii_graphic()) => {
                    return Err(format!("the {what} has characters that no key has").into());
                }
                Some(v) if v.len() > MAX_LEN => {
                    return Err(format!("the {what} is longer than any key").into());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Why a provider has no credentials to give. Its text is shown to the user, so it must hold no secret.
pub type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// Where credentials come from.
///
/// It is asked before every request, from several threads at once, so an answer should be ready: a provider that
/// has to fetch credentials keeps them and fetches new ones before the old expire. One that panics, or that takes
/// longer than the client's [`credentials_timeout`](crate::ClientBuilder::credentials_timeout), ends the upload.
pub trait CredentialsProvider: Send + Sync {
    /// The credentials to sign the next request with.
    ///
    /// # Errors
    ///
    /// An error ends the upload with [`ErrorKind::Credentials`](crate::ErrorKind::Credentials); its checkpoint stays.
    fn credentials(&self) -> Result<Credentials, ProviderError>;

    /// OSS refused these (expired, unknown, or with a token that does not belong to them).
    ///
    /// The provider is asked again right afterwards; when it then gives others, the request is repeated once
    /// with them. The default does nothing.
    fn refused(&self, refused: &Credentials) {
        let _ = refused;
    }

    /// Whether both of the above return at once, always, as they do where nothing is fetched and no lock is held for long.
    ///
    /// They are then called on the thread that sends the request. If not, which is the default, on a thread of
    /// their own, so that the upload can be cancelled while they wait: some 20 µs a request.
    fn answers_at_once(&self) -> bool {
        false
    }
}

impl CredentialsProvider for Credentials {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        Ok(self.clone())
    }

    fn answers_at_once(&self) -> bool {
        true
    }
}

impl<F> CredentialsProvider for F
where
    F: Fn() -> Result<Credentials, ProviderError> + Send + Sync,
{
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        self()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_id_only() {
        let credentials = Credentials::new("the-id", "the-secret").with_security_token("the-token");
        let shown = format!("{credentials:?}");
        assert!(shown.contains("the-id"));
        assert!(!shown.contains("the-secret") && !shown.contains("the-token"));
    }

    #[test]
    fn what_could_break_out_of_a_header_is_refused_and_not_shown() {
        for bad in ["a\r\nb", "a b", "\u{e9}", "", &"t".repeat(40_000)] {
            let why = Credentials::new("id", bad).check().expect_err(bad);
            assert!(bad.is_empty() || !why.to_string().contains(bad));
            assert!(Credentials::new(bad, "secret").check().is_err());
            let token = Credentials::new("id", "secret").with_security_token(bad);
            assert!(token.check().is_err());
        }
        assert!(Credentials::new(" id\n", " secret ").check().is_ok());
        assert!(Credentials::anonymous().check().is_ok());
    }
}
