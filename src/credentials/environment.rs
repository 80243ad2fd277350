//! Credentials from the environment, under the names that OSS's SDKs read and those of Alibaba Cloud's others.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/oss-sdk-credential-configuration>

use super::provider::{Credentials, CredentialsProvider, ProviderError};
use super::surroundings::Surroundings;

const OSS: [&str; 3] = [
    "OSS_ACCESS_KEY_ID",
    "OSS_ACCESS_KEY_SECRET",
    "OSS_SESSION_TOKEN",
];

const ALIBABA_CLOUD: [&str; 3] = [
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
];

/// Reads `OSS_ACCESS_KEY_ID`, `OSS_ACCESS_KEY_SECRET` and, when set, `OSS_SESSION_TOKEN` anew for every request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment;

impl CredentialsProvider for Environment {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        Surroundings::of_process().credentials(OSS)
    }

    fn answers_at_once(&self) -> bool {
        true
    }
}

/// Reads `ALIBABA_CLOUD_ACCESS_KEY_ID`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET` and, when set, `ALIBABA_CLOUD_SECURITY_TOKEN`
/// anew for every request: the names that the tools and SDKs of Alibaba Cloud share, those of OSS apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlibabaCloudEnvironment;

impl CredentialsProvider for AlibabaCloudEnvironment {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        Surroundings::of_process().credentials(ALIBABA_CLOUD)
    }

    fn answers_at_once(&self) -> bool {
        true
    }
}

/// One of the two above, in surroundings that are given.
pub(super) struct Variables {
    names: [&'static str; 3],
    surroundings: Surroundings,
}

impl Variables {
    pub(super) fn of_oss(surroundings: Surroundings) -> Variables {
        Variables {
            names: OSS,
            surroundings,
        }
    }

    pub(super) fn of_alibaba_cloud(surroundings: Surroundings) -> Variables {
        Variables {
            names: ALIBABA_CLOUD,
            surroundings,
        }
    }
}

impl CredentialsProvider for Variables {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        self.surroundings.credentials(self.names)
    }

    fn answers_at_once(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_secret_are_required_and_the_token_is_not() {
        for names @ [id, secret, token] in [OSS, ALIBABA_CLOUD] {
            let read = |variables: &[(&str, &str)]| Surroundings::of(variables).credentials(names);
            let [id, secret] = [(id, " id\n"), (secret, "secret")];
            let plain = read(&[id, secret, (token, "")]).expect("credentials");
            assert_eq!(plain, Credentials::new("id", "secret"));
            let sts = read(&[id, secret, (token, "token")]).expect("credentials");
            assert_eq!(sts.security_token(), Some("token"));
            for (missing, name) in [
                (&[id][..], secret.0),
                (&[secret], id.0),
                (&[id, (secret.0, " ")], secret.0),
            ] {
                let why = read(missing).expect_err("incomplete").to_string();
                assert!(why.contains(name), "{why}");
            }
        }
    }
}
