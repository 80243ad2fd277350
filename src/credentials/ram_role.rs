//! A role that is assumed with other credentials.
//!
//! Source: <https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole>

use super::asking::Trouble;
use super::provider::{Credentials, CredentialsProvider, ProviderError};
use super::source::{Fetching, Source, provide_by_fetching};
use super::sts::{Call, Endpoint, Session};
use super::surroundings::Surroundings;
use crate::transport::Tls;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Codes with which STS refuses credentials that may have been good before.
const REFUSED_CREDENTIALS: [&str; 2] = ["InvalidAccessKeyId", "InvalidSecurityToken"];

/// Credentials of a RAM role that is assumed with those of another provider, by AssumeRole of STS.
///
/// They are kept and renewed as [`Refreshing`](crate::Refreshing) does it; the other provider is asked each time.
///
/// ```
/// use oss_upload::{Client, Environment, RamRole};
///
/// # fn main() -> Result<(), oss_upload::Error> {
/// let role = RamRole::new(Environment, "acs:ram::123456789012:role/uploader").region("cn-hangzhou");
/// let client = Client::for_region("cn-hangzhou").credentials(role).build()?;
/// # Ok(())
/// # }
/// ```
pub struct RamRole(Fetching<Settings>);

provide_by_fetching!(RamRole);

#[derive(Clone)]
struct Settings {
    asker: Arc<dyn CredentialsProvider>,
    role_arn: String,
    external_id: Option<String>,
    session: Session,
    endpoint: Endpoint,
    surroundings: Surroundings,
}

impl RamRole {
    /// The role `acs:ram::ACCOUNT:role/NAME`, assumed by whom the provider names.
    pub fn new(
        provider: impl CredentialsProvider + 'static,
        role_arn: impl Into<String>,
    ) -> RamRole {
        RamRole::within(
            Surroundings::of_process(),
            Arc::new(provider),
            role_arn.into(),
        )
    }

    pub(super) fn within(
        surroundings: Surroundings,
        asker: Arc<dyn CredentialsProvider>,
        role_arn: String,
    ) -> RamRole {
        RamRole(Fetching::new(Settings {
            asker,
            role_arn,
            external_id: None,
            session: Session::default(),
            endpoint: Endpoint::default(),
            surroundings,
        }))
    }

    /// Sets the external id, which the role may demand: 2 to 1224 characters. Default: none.
    #[must_use]
    pub fn external_id(self, id: impl Into<String>) -> RamRole {
        RamRole(
            self.0
                .with(|settings| settings.external_id = Some(id.into())),
        )
    }

    /// How it is assumed, and whose STS is asked, all at once.
    pub(super) fn assumed(self, session: Session, endpoint: Endpoint) -> RamRole {
        RamRole(self.0.with(|settings| {
            settings.session = session;
            settings.endpoint = endpoint;
        }))
    }

    /// Sets the name of the session, by which audits know who assumed the role: 2 to 64 letters, digits, `.`, `@`, `-`
    /// and `_`. Default: the environment variable `ALIBABA_CLOUD_ROLE_SESSION_NAME`, else `oss-upload`.
    #[must_use]
    pub fn session_name(self, name: impl Into<String>) -> RamRole {
        RamRole(
            self.0
                .with(|settings| settings.session.name = Some(name.into())),
        )
    }

    /// Sets how long the credentials are good: 900 to 43,200 s, and no longer than the role allows. Default: 3600 s.
    #[must_use]
    pub fn duration(self, duration: Duration) -> RamRole {
        RamRole(self.0.with(|settings| settings.session.duration = duration))
    }

    /// Sets a policy, in JSON, that allows less than the role's own: 1 to 2048 characters. Default: none.
    #[must_use]
    pub fn policy(self, policy: impl Into<String>) -> RamRole {
        RamRole(
            self.0
                .with(|settings| settings.session.policy = Some(policy.into())),
        )
    }

    /// Sets the region whose STS is asked, such as `cn-hangzhou`. Default: the environment variable
    /// `ALIBABA_CLOUD_STS_REGION`, else `https://sts.aliyuncs.com` is asked, which belongs to no region.
    #[must_use]
    pub fn region(self, region: impl Into<String>) -> RamRole {
        RamRole(
            self.0
                .with(|settings| settings.endpoint.region = Some(region.into())),
        )
    }

    /// Asks the region's STS inside its VPCs; without a region it changes nothing. Default: when the environment variable
    /// `ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED` is `true`.
    #[must_use]
    pub fn vpc(self) -> RamRole {
        RamRole(self.0.with(|settings| settings.endpoint.is_vpc = true))
    }

    /// Sets the endpoint of STS, `[http[s]://]HOST[:PORT]`, whatever the region; `https` when no scheme is written.
    #[must_use]
    pub fn endpoint(self, url: impl Into<String>) -> RamRole {
        RamRole(
            self.0
                .with(|settings| settings.endpoint.url = Some(url.into())),
        )
    }

    /// Sets whom to trust as STS, which the client's own settings do not concern. Default: [`Tls::new`].
    #[must_use]
    pub fn tls(self, tls: Tls) -> RamRole {
        RamRole(self.0.with(|settings| settings.endpoint.tls = tls))
    }
}

impl Source for Settings {
    fn fetch(&self) -> Result<Credentials, ProviderError> {
        let asker = self.ask()?;
        let trouble = match self.call(&asker).make() {
            Ok(issued) => return Ok(issued),
            Err(trouble) => trouble,
        };
        if is_refusal(&trouble) {
            self.asker.refused(&asker);
            let renewed = self.ask()?;
            if renewed != asker {
                return self.call(&renewed).make().map_err(|t| t.what.into());
            }
        }
        Err(trouble.what.into())
    }

    fn check(&self) -> Result<(), String> {
        check_arn(&self.role_arn)?;
        self.session.check()?;
        self.endpoint.check()?;
        if let Some(id) = &self.external_id
            && !(2..=1224).contains(&id.chars().count())
        {
            return Err("an external id has 2 to 1224 characters".to_owned());
        }
        self.asker.check().map_err(|why| why.to_string())
    }
}

impl Settings {
    fn ask(&self) -> Result<Credentials, ProviderError> {
        let asker = self.asker.credentials()?;
        asker.check()?;
        match asker.is_anonymous() {
            true => Err("nobody assumes a role without credentials".into()),
            false => Ok(asker),
        }
    }

    fn call<'a>(&'a self, signer: &'a Credentials) -> Call<'a> {
        let id = self.external_id.clone().map(|id| ("ExternalId", id));
        Call {
            endpoint: &self.endpoint,
            session: &self.session,
            surroundings: &self.surroundings,
            action: "AssumeRole",
            own: [("RoleArn", self.role_arn.clone())]
                .into_iter()
                .chain(id)
                .collect(),
            signer: Some(signer),
        }
    }
}

fn is_refusal(trouble: &Trouble) -> bool {
    let code = trouble.code.as_deref().unwrap_or_default();
    REFUSED_CREDENTIALS
        .iter()
        .any(|prefix| code.starts_with(prefix))
}

/// Only what is surely none is refused: accounts and names are STS's business.
pub(super) fn check_arn(arn: &str) -> Result<(), String> {
    let is_plain = !arn.chars().any(|c| c.is_whitespace() || c.is_control());
    match arn.starts_with("acs:ram::") && is_plain {
        true => Ok(()),
        false => Err(format!(
            "`{}` is no ARN, such as `acs:ram::123456789012:role/uploader`",
            arn.escape_debug()
        )),
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("role_arn", &self.role_arn)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_are_refused_with_what_is_allowed() {
        let role = || RamRole::new(Credentials::new("id", "secret"), "acs:ram::1:role/r");
        role().check().expect("good settings");
        for (role, word) in [
            (
                RamRole::new(Credentials::new("id", "secret"), "r"),
                "no ARN",
            ),
            (
                RamRole::new(Credentials::new("id", "secret"), "acs:ram::1:role/r\n"),
                "no ARN",
            ),
            (role().duration(Duration::from_secs(899)), "900 to 43200"),
            (role().session_name("a"), "2 to 64"),
            (role().policy(""), "1 to 2048"),
            (role().external_id("1"), "2 to 1224"),
            (role().region("cn hangzhou"), "region"),
            (role().endpoint("ftp://host"), "http[s]://HOST"),
            (role().tls(Tls::new().root_pem("")), "root certificates"),
            (
                RamRole::new(role().session_name(""), "acs:ram::1:role/r"),
                "2 to 64",
            ),
        ] {
            let why = role.check().expect_err(word).to_string();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn nobody_is_no_asker() {
        for (asker, word) in [
            (Credentials::anonymous(), "without credentials"),
            (Credentials::new("", ""), "is empty"),
        ] {
            let role = RamRole::new(asker, "acs:ram::1:role/r").endpoint("http://127.0.0.1:1");
            let why = role.credentials().expect_err(word).to_string();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let role = RamRole::new(Credentials::new("id", "the-secret"), "acs:ram::1:role/r");
        let role = role.endpoint("https://user:the-secret@host/the-secret");
        let shown = format!("{role:?}");
        assert!(
            shown.contains("role/r") && !shown.contains("the-secret"),
            "{shown}"
        );
    }
}
