//! What of the process's surroundings credentials are found by. One seam, so that no test has to change them.

use super::provider::{Credentials, ProviderError};
use std::env;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

type Variable = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The environment's variables.
#[derive(Clone)]
pub(super) struct Surroundings(Arc<Variable>);

impl Surroundings {
    /// Those of this process, read anew each time.
    pub(super) fn of_process() -> Surroundings {
        Surroundings::new(|name| env::var(name).ok())
    }

    pub(super) fn new(
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Surroundings {
        Surroundings(Arc::new(variable))
    }

    #[cfg(test)]
    pub(super) fn of(variables: &[(&str, &str)]) -> Surroundings {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = variables.iter().map(owned).collect();
        Surroundings::new(move |name| {
            let found = variables.iter().find(|(n, _)| n == name);
            found.map(|(_, value)| value.clone())
        })
    }

    /// The variable, unless nothing but white space is in it.
    pub(super) fn set(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    pub(super) fn required(&self, name: &str) -> Result<String, ProviderError> {
        let set = self.set(name);
        set.ok_or_else(|| format!("the environment variable {name} is not set").into())
    }

    pub(super) fn says_true(&self, name: &str) -> bool {
        let set = self.set(name);
        set.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The given value, or else the variable.
    pub(super) fn or(&self, given: Option<&str>, name: &str) -> Option<String> {
        given.map(str::to_owned).or_else(|| self.set(name))
    }

    /// A file in the user's home.
    pub(super) fn in_home(&self, path: &str) -> Result<PathBuf, ProviderError> {
        let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let mut home = PathBuf::from(self.required(name)?);
        home.extend(path.split('/'));
        Ok(home)
    }

    /// Credentials from three variables, of which the last need not be set.
    pub(super) fn credentials(&self, names: [&str; 3]) -> Result<Credentials, ProviderError> {
        let [id, secret, token] = names;
        let credentials = Credentials::new(self.required(id)?, self.required(secret)?);
        Ok(match self.set(token) {
            Some(token) => credentials.with_security_token(token),
            None => credentials,
        })
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Surroundings")
    }
}
