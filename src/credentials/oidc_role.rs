//! A role that is assumed with the token of an identity provider: how pods get theirs (RRSA).
//!
//! Source: <https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerolewithoidc>

use super::provider::{Credentials, ProviderError};
use super::source::{Fetching, Source, provide_by_fetching};
use super::sts::{Call, Endpoint, Session};
use super::surroundings::Surroundings;
use crate::transport::Tls;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// STS takes less.
const MAX_TOKEN: u64 = 64 << 10;

/// Credentials of a RAM role that is assumed with an OIDC token: how pods of a Kubernetes cluster get theirs (RRSA).
///
/// What is not given comes from the environment, where the cluster puts it: `ALIBABA_CLOUD_ROLE_ARN`,
/// `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`, `ALIBABA_CLOUD_OIDC_TOKEN_FILE` and `ALIBABA_CLOUD_ROLE_SESSION_NAME`. The token
/// is read anew for each call of STS. They are kept and renewed as [`Refreshing`](crate::Refreshing) does it.
///
/// ```
/// use oss_upload::{Client, OidcRole};
///
/// # fn main() -> Result<(), oss_upload::Error> {
/// let client = Client::for_region("cn-hangzhou").credentials(OidcRole::new()).build()?;
/// # Ok(())
/// # }
/// ```
pub struct OidcRole(Fetching<Settings>);

provide_by_fetching!(OidcRole);

#[derive(Clone, Debug)]
struct Settings {
    role_arn: Option<String>,
    provider_arn: Option<String>,
    token_file: Option<PathBuf>,
    session: Session,
    endpoint: Endpoint,
    surroundings: Surroundings,
}

impl OidcRole {
    /// The role that the environment names.
    pub fn new() -> OidcRole {
        OidcRole::within(Surroundings::of_process())
    }

    pub(super) fn within(surroundings: Surroundings) -> OidcRole {
        OidcRole(Fetching::new(Settings {
            role_arn: None,
            provider_arn: None,
            token_file: None,
            session: Session::default(),
            endpoint: Endpoint::default(),
            surroundings,
        }))
    }

    /// Sets the role, `acs:ram::ACCOUNT:role/NAME`.
    #[must_use]
    pub fn role_arn(self, arn: impl Into<String>) -> OidcRole {
        OidcRole(self.0.with(|settings| settings.role_arn = Some(arn.into())))
    }

    /// Sets the identity provider, `acs:ram::ACCOUNT:oidc-provider/NAME`.
    #[must_use]
    pub fn provider_arn(self, arn: impl Into<String>) -> OidcRole {
        OidcRole(
            self.0
                .with(|settings| settings.provider_arn = Some(arn.into())),
        )
    }

    /// Sets the file in which the token is.
    #[must_use]
    pub fn token_file(self, path: impl Into<PathBuf>) -> OidcRole {
        OidcRole(
            self.0
                .with(|settings| settings.token_file = Some(path.into())),
        )
    }

    /// How it is assumed, and whose STS is asked, all at once.
    pub(super) fn assumed(self, session: Session, endpoint: Endpoint) -> OidcRole {
        OidcRole(self.0.with(|settings| {
            settings.session = session;
            settings.endpoint = endpoint;
        }))
    }

    /// Sets the name of the session, by which audits know who assumed the role: 2 to 64 letters, digits, `.`, `@`, `-`
    /// and `_`. Default: the environment variable `ALIBABA_CLOUD_ROLE_SESSION_NAME`, else `oss-upload`.
    #[must_use]
    pub fn session_name(self, name: impl Into<String>) -> OidcRole {
        OidcRole(
            self.0
                .with(|settings| settings.session.name = Some(name.into())),
        )
    }

    /// Sets how long the credentials are good: 900 to 43,200 s, and no longer than the role allows. Default: 3600 s.
    #[must_use]
    pub fn duration(self, duration: Duration) -> OidcRole {
        OidcRole(self.0.with(|settings| settings.session.duration = duration))
    }

    /// Sets a policy, in JSON, that allows less than the role's own: 1 to 2048 characters. Default: none.
    #[must_use]
    pub fn policy(self, policy: impl Into<String>) -> OidcRole {
        OidcRole(
            self.0
                .with(|settings| settings.session.policy = Some(policy.into())),
        )
    }

    /// Sets the region whose STS is asked, such as `cn-hangzhou`. Default: the environment variable
    /// `ALIBABA_CLOUD_STS_REGION`, else `https://sts.aliyuncs.com` is asked, which belongs to no region.
    #[must_use]
    pub fn region(self, region: impl Into<String>) -> OidcRole {
        OidcRole(
            self.0
                .with(|settings| settings.endpoint.region = Some(region.into())),
        )
    }

    /// Asks the region's STS inside its VPCs; without a region it changes nothing. Default: when the environment variable
    /// `ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED` is `true`.
    #[must_use]
    pub fn vpc(self) -> OidcRole {
        OidcRole(self.0.with(|settings| settings.endpoint.is_vpc = true))
    }

    /// Sets the endpoint of STS, `[http[s]://]HOST[:PORT]`, whatever the region; `https` when no scheme is written.
    #[must_use]
    pub fn endpoint(self, url: impl Into<String>) -> OidcRole {
        OidcRole(
            self.0
                .with(|settings| settings.endpoint.url = Some(url.into())),
        )
    }

    /// Sets whom to trust as STS, which the client's own settings do not concern. Default: [`Tls::new`].
    #[must_use]
    pub fn tls(self, tls: Tls) -> OidcRole {
        OidcRole(self.0.with(|settings| settings.endpoint.tls = tls))
    }
}

impl Default for OidcRole {
    fn default() -> OidcRole {
        OidcRole::new()
    }
}

impl Source for Settings {
    fn fetch(&self) -> Result<Credentials, ProviderError> {
        let required = |given: Option<&str>, name| match given {
            Some(given) => Ok(given.to_owned()),
            None => self.surroundings.required(name),
        };
        let token_file = match &self.token_file {
            Some(path) => path.clone(),
            None => PathBuf::from(
                self.surroundings
                    .required("ALIBABA_CLOUD_OIDC_TOKEN_FILE")?,
            ),
        };
        let role_arn = required(self.role_arn.as_deref(), "ALIBABA_CLOUD_ROLE_ARN")?;
        let provider_arn = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN";
        let provider_arn = required(self.provider_arn.as_deref(), provider_arn)?;
        let call = Call {
            endpoint: &self.endpoint,
            session: &self.session,
            surroundings: &self.surroundings,
            action: "AssumeRoleWithOIDC",
            own: vec![
                ("RoleArn", role_arn),
                ("OIDCProviderArn", provider_arn),
                ("OIDCToken", read_token(&token_file)?),
            ],
            signer: None,
        };
        call.make().map_err(|trouble| trouble.what.into())
    }

    fn check(&self) -> Result<(), String> {
        for arn in [&self.role_arn, &self.provider_arn].into_iter().flatten() {
            super::ram_role::check_arn(arn)?;
        }
        self.session.check()?;
        self.endpoint.check()
    }
}

fn read_token(path: &Path) -> Result<String, ProviderError> {
    let failed = |why: String| -> ProviderError {
        format!("reading the OIDC token in `{}`: {why}", path.display()).into()
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut token = String::new();
    let read = file.take(MAX_TOKEN + 1).read_to_string(&mut token);
    read.map_err(|error| failed(error.to_string()))?;
    let token = token.trim();
    if token.is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    match token.len() as u64 <= MAX_TOKEN && token.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(token.to_owned()),
        false => Err(failed("that is no token".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::provider::CredentialsProvider;
    use std::fs;

    #[test]
    fn debug_shows_of_the_endpoint_only_where_it_leads() {
        for url in ["https://host:8/s3cr3t", "host:8/s3cr3t"] {
            let shown = format!("{:?}", OidcRole::new().endpoint(url));
            assert!(shown.contains("https://host:8"), "{shown}");
            assert!(!shown.contains("s3cr3t"), "{shown}");
        }
    }

    #[test]
    fn what_is_not_set_is_named() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let token = dir.path().join("token");
        fs::write(&token, "t").expect("written");
        let token = token.to_str().expect("text");
        let all = [
            ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/r"),
            (
                "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
                "acs:ram::1:oidc-provider/p",
            ),
            ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", token),
        ];
        for missing in all {
            let others: Vec<_> = all.into_iter().filter(|other| *other != missing).collect();
            let role = OidcRole::within(Surroundings::of(&others)).endpoint("http://127.0.0.1:1");
            let why = role.credentials().expect_err("incomplete").to_string();
            assert!(why.contains(missing.0), "{why}");
        }
    }

    #[test]
    fn a_file_without_a_token_is_an_error_that_names_it_and_does_not_show_what_it_holds() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("token");
        let why = read_token(&path).expect_err("not there").to_string();
        assert!(why.contains("token`: "), "{why}");
        for bad in [
            &b""[..],
            b" \n",
            b"s3cr3t s3cr3t",
            b"s3cr3t\xff",
            &[b's'; 70_000],
        ] {
            fs::write(&path, bad).expect("written");
            let why = read_token(&path).expect_err("no token").to_string();
            assert!(why.contains("token`: ") && !why.contains("s3cr3t"), "{why}");
        }
        fs::write(&path, "a.b.c\n").expect("written");
        assert_eq!(read_token(&path).expect("a token"), "a.b.c");
    }
}
