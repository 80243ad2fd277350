//! A provider that is a profile of a file: which one, where the file is, and what it said.

use super::reread::Reread;
use super::surroundings::Surroundings;
use std::path::PathBuf;

/// Settings of such a provider, and what was read.
pub(super) struct ProfileFile {
    pub(super) name: Option<String>,
    pub(super) path: Option<PathBuf>,
    pub(super) surroundings: Surroundings,
    pub(super) read: Reread,
}

impl ProfileFile {
    pub(super) fn within(surroundings: Surroundings) -> ProfileFile {
        ProfileFile {
            name: None,
            path: None,
            surroundings,
            read: Reread::default(),
        }
    }

    /// The profile that the caller asked for, or else the environment.
    pub(super) fn asked_for(&self) -> Option<String> {
        let given = self.name.as_deref();
        self.surroundings.or(given, "ALIBABA_CLOUD_PROFILE")
    }
}

/// Makes a provider of a newtype around [`ProfileFile`] which can `read` its profile.
macro_rules! provide_by_profile {
    ($provider:ident) => {
        impl $provider {
            pub(super) fn within(surroundings: Surroundings) -> $provider {
                $provider(ProfileFile::within(surroundings))
            }
        }

        impl Default for $provider {
            fn default() -> $provider {
                $provider::new()
            }
        }

        impl $crate::credentials::provider::CredentialsProvider for $provider {
            fn credentials(&self) -> Result<Credentials, ProviderError> {
                self.read()
            }

            fn refused(&self, refused: &Credentials) {
                self.0.read.refused(refused);
            }

            fn answers_at_once(&self) -> bool {
                self.0.read.answers_at_once()
            }
        }

        impl std::fmt::Debug for $provider {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($provider))
                    .field("name", &self.0.name)
                    .field("path", &self.0.path)
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(super) use provide_by_profile;
