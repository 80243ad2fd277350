//! Credentials, and whoever is asked for them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Far more than any key or token has, and few enough for one request.
const MAX_LEN: usize = 32 << 10;

/// An access key, with a token and a time of expiry when it is temporary (STS), or nothing at all.
///
/// Two are equal when they are the same key: id, secret and token. `Debug` shows no more than the id and the expiry.
#[derive(Clone)]
pub struct Credentials {
    access_key_id: String,
    access_key_secret: String,
    security_token: Option<String>,
    expiration: Option<SystemTime>,
    /// Asked for by name: an id and a secret that are merely empty are a mistake.
    is_anonymous: bool,
}

/// Whoever asks whether credentials were renewed wants another key, not another date on the same one.
impl PartialEq for Credentials {
    fn eq(&self, other: &Credentials) -> bool {
        self.access_key_id == other.access_key_id
            && self.access_key_secret == other.access_key_secret
            && self.security_token == other.security_token
            && self.is_anonymous == other.is_anonymous
    }
}

impl Eq for Credentials {}

impl Credentials {
    /// A long-lived access key. White space around id and secret is dropped.
    pub fn new(access_key_id: impl AsRef<str>, access_key_secret: impl AsRef<str>) -> Credentials {
        Credentials {
            access_key_id: access_key_id.as_ref().trim().to_owned(),
            access_key_secret: access_key_secret.as_ref().trim().to_owned(),
            security_token: None,
            expiration: None,
            is_anonymous: false,
        }
    }

    /// Adds the token of temporary credentials.
    #[must_use]
    pub fn with_security_token(mut self, token: impl AsRef<str>) -> Credentials {
        self.security_token = Some(token.as_ref().trim().to_owned());
        self
    }

    /// Says when they expire. Default: never, or nobody knows.
    #[must_use]
    pub fn with_expiration(mut self, expiration: SystemTime) -> Credentials {
        self.expiration = Some(expiration);
        self
    }

    /// No credentials: requests go out unsigned, for buckets that everyone may write to.
    pub fn anonymous() -> Credentials {
        Credentials {
            is_anonymous: true,
            ..Credentials::new("", "")
        }
    }

    /// The id of the key, which is no secret.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// When they expire, as whoever issued them said.
    pub fn expiration(&self) -> Option<SystemTime> {
        self.expiration
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.is_anonymous
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
        let mut shown = f.debug_struct("Credentials");
        shown.field("access_key_id", &self.access_key_id);
        if let Some(expiration) = &self.expiration {
            shown.field("expiration", expiration);
        }
        shown.finish_non_exhaustive()
    }
}

/// Why a provider has no credentials to give. Its text is shown to the user, so it must hold no secret.
pub type ProviderError = Box<dyn std::error::Error + Send + Sync>;

/// Where credentials come from.
///
/// It is asked before every request, from several threads at once, so an answer should be ready: a provider that
/// has to fetch credentials keeps them and fetches new ones before the old expire, as [`Refreshing`](crate::Refreshing) does for any
/// function. One that panics, or that takes
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

    /// Whether both of the above return at once now, as they do where nothing is fetched and no lock is held for long.
    ///
    /// Asked before each of them. They are then called on the thread that sends the request. If not, which is the
    /// default, on a thread of their own, so that the upload can be cancelled while they wait: some 20 µs a request.
    fn answers_at_once(&self) -> bool {
        false
    }

    /// Whether its settings can be. Nothing is read or fetched.
    ///
    /// # Errors
    ///
    /// What is wrong, and what is allowed: [`ClientBuilder::build`](crate::ClientBuilder::build) then fails with
    /// [`ErrorKind::Options`](crate::ErrorKind::Options). The default finds nothing wrong.
    fn check(&self) -> Result<(), ProviderError> {
        Ok(())
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

/// Which provider it is may be decided when the program runs, and be shared.
macro_rules! provide_by_pointer {
    ($pointer:ty) => {
        impl CredentialsProvider for $pointer {
            fn credentials(&self) -> Result<Credentials, ProviderError> {
                (**self).credentials()
            }

            fn refused(&self, refused: &Credentials) {
                (**self).refused(refused);
            }

            fn answers_at_once(&self) -> bool {
                (**self).answers_at_once()
            }

            fn check(&self) -> Result<(), ProviderError> {
                (**self).check()
            }
        }
    };
}

provide_by_pointer!(Box<dyn CredentialsProvider>);
provide_by_pointer!(Arc<dyn CredentialsProvider>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_behind_a_pointer_is_that_provider() {
        let own: Box<dyn CredentialsProvider> = Box::new(Credentials::new("boxed", "secret"));
        let shared: Arc<dyn CredentialsProvider> = Arc::new(Credentials::new("shared", "secret"));
        for (provider, id) in [
            (&own as &dyn CredentialsProvider, "boxed"),
            (&shared, "shared"),
        ] {
            let given = provider.credentials().expect("credentials");
            assert_eq!(given.access_key_id(), id);
            assert!(provider.answers_at_once() && provider.check().is_ok());
        }
        let wrong: Box<dyn CredentialsProvider> =
            Box::new(crate::credentials::CredentialsUri::new("no uri"));
        assert!(wrong.check().is_err() && !wrong.answers_at_once());
    }

    #[test]
    fn debug_shows_the_id_only() {
        let credentials = Credentials::new("the-id", "the-secret").with_security_token("the-token");
        let shown = format!("{credentials:?}");
        assert!(shown.contains("the-id"));
        assert!(!shown.contains("the-secret") && !shown.contains("the-token"));
    }

    #[test]
    fn the_same_key_with_another_date_is_the_same_key() {
        let key = || Credentials::new("id", "secret").with_security_token("token");
        let dated = key().with_expiration(SystemTime::UNIX_EPOCH);
        assert_eq!(key(), dated);
        assert_eq!(dated.expiration(), Some(SystemTime::UNIX_EPOCH));
        assert_eq!(key().expiration(), None);
        for other in [
            Credentials::new("id", "secret"),
            key().with_security_token("another"),
            Credentials::new("another", "secret").with_security_token("token"),
            Credentials::new("id", "another").with_security_token("token"),
        ] {
            assert_ne!(key(), other);
        }
    }

    #[test]
    fn a_key_of_nothing_is_a_mistake_and_no_anonymous_request() {
        assert!(Credentials::anonymous().is_anonymous());
        let nothing = Credentials::new(" ", "");
        assert!(!nothing.is_anonymous());
        assert_ne!(nothing, Credentials::anonymous());
        let why = nothing.check().expect_err("a mistake").to_string();
        assert!(why.contains("access key id is empty"), "{why}");
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
