//! Who signs: credentials, and the providers that are asked for them before every request.

mod asking;
#[cfg(test)]
mod broken_files;
mod chain;
mod cli_profile;
mod credentials_file;
mod credentials_uri;
mod ecs_ram_role;
mod environment;
mod external_process;
mod issued;
mod oidc_role;
mod profile;
mod profile_file;
mod provider;
mod ram_role;
mod refresh;
mod refreshing;
mod reread;
mod source;
mod sts;
mod surroundings;

pub use chain::CredentialsChain;
pub use cli_profile::CliProfile;
pub use credentials_file::CredentialsFile;
pub use credentials_uri::CredentialsUri;
pub use ecs_ram_role::EcsRamRole;
pub use environment::{AlibabaCloudEnvironment, Environment};
pub use external_process::ExternalProcess;
pub use oidc_role::OidcRole;
pub use provider::{Credentials, CredentialsProvider, ProviderError};
pub use ram_role::RamRole;
pub use refreshing::Refreshing;
