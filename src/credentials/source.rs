//! Where credentials are fetched from, and what was fetched there.

use super::provider::{Credentials, ProviderError};
use super::refreshing::Refreshing;
use std::fmt;
use std::sync::OnceLock;

/// Settings by which credentials can be fetched.
pub(super) trait Source: Clone + fmt::Debug + Send + Sync + 'static {
    /// Fetches them, which may take its time.
    fn fetch(&self) -> Result<Credentials, ProviderError>;

    /// Whether the settings can be; see [`CredentialsProvider::check`](super::CredentialsProvider::check).
    fn check(&self) -> Result<(), String>;
}

/// A source, and from the first question on what it gave.
pub(super) struct Fetching<S> {
    source: S,
    refreshing: OnceLock<Refreshing>,
}

impl<S: Source> Fetching<S> {
    pub(super) fn new(source: S) -> Fetching<S> {
        Fetching {
            source,
            refreshing: OnceLock::new(),
        }
    }

    /// The source with other settings; what the old ones gave is forgotten.
    pub(super) fn with(mut self, change: impl FnOnce(&mut S)) -> Fetching<S> {
        change(&mut self.source);
        Fetching::new(self.source)
    }

    pub(super) fn source(&self) -> &S {
        &self.source
    }

    pub(super) fn refreshing(&self) -> &Refreshing {
        self.refreshing.get_or_init(|| {
            let source = self.source.clone();
            Refreshing::new(move || source.fetch())
        })
    }
}

impl<S: Source> fmt::Debug for Fetching<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// Makes a provider of a newtype around [`Fetching`].
macro_rules! provide_by_fetching {
    ($provider:ty) => {
        impl $crate::credentials::provider::CredentialsProvider for $provider {
            fn credentials(
                &self,
            ) -> Result<
                $crate::credentials::provider::Credentials,
                $crate::credentials::provider::ProviderError,
            > {
                self.0.refreshing().credentials()
            }

            fn refused(&self, refused: &$crate::credentials::provider::Credentials) {
                self.0.refreshing().refused(refused);
            }

            fn answers_at_once(&self) -> bool {
                self.0.refreshing().answers_at_once()
            }

            fn check(&self) -> Result<(), $crate::credentials::provider::ProviderError> {
                use $crate::credentials::source::Source;
                self.0.source().check().map_err(Into::into)
            }
        }

        impl std::fmt::Debug for $provider {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($provider)).field(&self.0).finish()
            }
        }
    };
}

pub(super) use provide_by_fetching;
