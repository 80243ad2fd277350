//! What a profile in a file says: the same things under other names in each kind of file.

use super::credentials_uri::CredentialsUri;
use super::ecs_ram_role::EcsRamRole;
use super::external_process::ExternalProcess;
use super::oidc_role::OidcRole;
use super::provider::{Credentials, CredentialsProvider, ProviderError};
use super::ram_role::RamRole;
use super::sts::{Endpoint, Session};
use super::surroundings::Surroundings;
use std::sync::Arc;
use std::time::Duration;

/// The entries of a profile.
#[derive(Clone, Default)]
pub(super) struct Entries {
    pub(super) access_key_id: Option<String>,
    pub(super) access_key_secret: Option<String>,
    pub(super) security_token: Option<String>,
    pub(super) role_arn: Option<String>,
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) policy: Option<String>,
    pub(super) duration: Option<Duration>,
    pub(super) sts_region: Option<String>,
    pub(super) is_vpc: bool,
    pub(super) role_name: Option<String>,
    pub(super) oidc_provider_arn: Option<String>,
    pub(super) oidc_token_file: Option<String>,
    pub(super) process_command: Option<String>,
    pub(super) credentials_uri: Option<String>,
}

/// Where a profile has its credentials from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    AccessKey,
    SecurityToken,
    RamRole,
    EcsRamRole,
    /// A role that the instance's role assumes.
    RamRoleByEcs,
    OidcRole,
    Process,
    Uri,
}

/// What a profile comes to.
#[derive(Debug)]
pub(super) enum Profile {
    Given(Credentials),
    Ram(RamRole),
    Ecs(EcsRamRole),
    Oidc(OidcRole),
    Process(ExternalProcess),
    Uri(CredentialsUri),
}

impl Profile {
    pub(super) fn provider(self) -> Arc<dyn CredentialsProvider> {
        match self {
            Profile::Given(credentials) => Arc::new(credentials),
            Profile::Ram(role) => Arc::new(role),
            Profile::Ecs(role) => Arc::new(role),
            Profile::Oidc(role) => Arc::new(role),
            Profile::Process(process) => Arc::new(process),
            Profile::Uri(uri) => Arc::new(uri),
        }
    }

    /// Settings that cannot be are found here, and not when they are used.
    fn checked(self) -> Result<Profile, ProviderError> {
        match &self {
            Profile::Given(credentials) => credentials.check(),
            Profile::Ram(role) => CredentialsProvider::check(role),
            Profile::Ecs(role) => role.check(),
            Profile::Oidc(role) => role.check(),
            Profile::Process(process) => process.check(),
            Profile::Uri(uri) => uri.check(),
        }?;
        Ok(self)
    }
}

fn required(entry: &Option<String>, name: &str) -> Result<String, ProviderError> {
    let missing = || format!("it has no {name}").into();
    entry.clone().ok_or_else(missing)
}

impl Entries {
    pub(super) fn profile(
        self,
        mode: Mode,
        surroundings: &Surroundings,
    ) -> Result<Profile, ProviderError> {
        let around = || surroundings.clone();
        let profile = match mode {
            Mode::AccessKey => Profile::Given(self.access_key()?),
            Mode::SecurityToken => {
                let token = required(&self.security_token, "security token")?;
                Profile::Given(self.access_key()?.with_security_token(token))
            }
            Mode::RamRole => {
                let mut asker = self.access_key()?;
                if let Some(token) = &self.security_token {
                    asker = asker.with_security_token(token);
                }
                self.ram_role(Arc::new(asker), surroundings)?
            }
            Mode::EcsRamRole => Profile::Ecs(self.ecs_role(around())),
            Mode::RamRoleByEcs => {
                let instance = self.ecs_role(around());
                self.ram_role(Arc::new(instance), surroundings)?
            }
            Mode::OidcRole => Profile::Oidc(self.oidc_role(around())?),
            Mode::Process => {
                let command = required(&self.process_command, "process_command")?;
                Profile::Process(ExternalProcess::new(command))
            }
            Mode::Uri => Profile::Uri(match self.credentials_uri {
                Some(uri) => CredentialsUri::new(uri),
                None => CredentialsUri::within(around()),
            }),
        };
        profile.checked()
    }

    fn access_key(&self) -> Result<Credentials, ProviderError> {
        let id = required(&self.access_key_id, "access_key_id")?;
        let secret = required(&self.access_key_secret, "access_key_secret")?;
        Ok(Credentials::new(id, secret))
    }

    fn ecs_role(&self, surroundings: Surroundings) -> EcsRamRole {
        let role = EcsRamRole::within(surroundings);
        match &self.role_name {
            Some(name) => role.role_name(name),
            None => role,
        }
    }

    /// The role of this profile, assumed by another's credentials.
    pub(super) fn ram_role(
        &self,
        asker: Arc<dyn CredentialsProvider>,
        surroundings: &Surroundings,
    ) -> Result<Profile, ProviderError> {
        let arn = required(&self.role_arn, "role ARN")?;
        let mut role = RamRole::within(surroundings.clone(), asker, arn);
        if let Some(id) = &self.external_id {
            role = role.external_id(id);
        }
        Profile::Ram(role.assumed(self.session(), self.endpoint())).checked()
    }

    fn oidc_role(&self, surroundings: Surroundings) -> Result<OidcRole, ProviderError> {
        let role = OidcRole::within(surroundings)
            .role_arn(required(&self.role_arn, "role ARN")?)
            .provider_arn(required(&self.oidc_provider_arn, "oidc_provider_arn")?)
            .token_file(required(&self.oidc_token_file, "OIDC token file")?);
        Ok(role.assumed(self.session(), self.endpoint()))
    }

    fn session(&self) -> Session {
        let usual = Session::default();
        Session {
            name: self.session_name.clone(),
            duration: self.duration.unwrap_or(usual.duration),
            policy: self.policy.clone(),
        }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint {
            region: self.sts_region.clone(),
            is_vpc: self.is_vpc,
            ..Endpoint::default()
        }
    }
}
