//! Credentials from the environment, under the names that every OSS SDK reads.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/oss-sdk-credential-configuration>

use super::{Credentials, CredentialsProvider, ProviderError};
use std::env;

/// Reads `OSS_ACCESS_KEY_ID`, `OSS_ACCESS_KEY_SECRET` and, when set, `OSS_SESSION_TOKEN` anew for every request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment;

impl CredentialsProvider for Environment {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        from_variables(|name| env::var(name).ok())
    }

    fn answers_at_once(&self) -> bool {
        true
    }
}

fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Credentials, ProviderError> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let required =
        |name: &str| set(name).ok_or_else(|| format!("the environment variable {name} is not set"));
    let credentials = Credentials::new(
        required("OSS_ACCESS_KEY_ID")?,
        required("OSS_ACCESS_KEY_SECRET")?,
    );
    Ok(match set("OSS_SESSION_TOKEN") {
        Some(token) => credentials.with_security_token(token),
        None => credentials,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Credentials, ProviderError> {
        from_variables(|name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn id_and_secret_are_required_and_the_token_is_not() {
        let id = ("OSS_ACCESS_KEY_ID", " id\n");
        let secret = ("OSS_ACCESS_KEY_SECRET", "secret");
        let plain = read(&[id, secret, ("OSS_SESSION_TOKEN", "")]).expect("credentials");
        assert_eq!(plain, Credentials::new("id", "secret"));
        let sts = read(&[id, secret, ("OSS_SESSION_TOKEN", "token")]).expect("credentials");
        assert_eq!(sts.security_token(), Some("token"));
        for missing in [&[id][..], &[secret], &[id, ("OSS_ACCESS_KEY_SECRET", " ")]] {
            let why = read(missing).expect_err("incomplete").to_string();
            assert!(why.contains("OSS_ACCESS_KEY_"), "{why}");
        }
    }
}
