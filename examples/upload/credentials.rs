//! `--credentials`: who signs.

use crate::values::{Usage, wrong};
use oss_upload::{
    CliProfile, ClientBuilder, CredentialsChain, CredentialsFile, CredentialsUri, EcsRamRole,
    ExternalProcess, OidcRole, Tls,
};

/// Where credentials come from.
#[derive(Default)]
pub(crate) enum Source {
    #[default]
    Environment,
    Chain,
    /// A role, and where the metadata service is; empty for what is found there, and the usual place.
    Ecs(String, String),
    Oidc,
    /// A profile of the command line `aliyun`.
    Profile(Option<String>),
    /// A profile in the file that SDKs share.
    File(Option<String>),
    Uri(String),
    Process(String),
    Anonymous,
}

impl Source {
    pub(crate) fn parse(given: &str) -> Result<Source, Usage> {
        let (kind, detail) = match given.split_once(':') {
            Some((_, "")) => return wrong("nothing stands behind the `:` of --credentials"),
            Some((kind, detail)) => (kind, Some(detail.to_owned())),
            None => (given, None),
        };
        Ok(match (kind, detail) {
            ("env", None) => Source::Environment,
            ("chain", None) => Source::Chain,
            ("ecs", detail) => {
                let detail = detail.unwrap_or_default();
                let (role, url) = detail.split_once('@').unwrap_or((&detail, ""));
                Source::Ecs(role.to_owned(), url.to_owned())
            }
            ("oidc", None) => Source::Oidc,
            ("profile", name) => Source::Profile(name),
            ("file", name) => Source::File(name),
            ("uri", Some(uri)) => Source::Uri(uri),
            ("process", Some(command)) => Source::Process(command),
            ("anonymous", None) => Source::Anonymous,
            // What is given is not repeated: it may be a secret.
            _ => {
                return wrong(
                    "--credentials is env, chain, ecs[:ROLE[@URL]], oidc, profile[:NAME], file[:NAME], uri:URL, \
                     process:COMMAND or anonymous",
                );
            }
        })
    }

    /// Whoever issues them over https may be known by other roots than the usual.
    pub(crate) fn sign_for(&self, client: ClientBuilder, roots: &Tls) -> ClientBuilder {
        match self {
            Source::Environment => client,
            Source::Chain => client.credentials(CredentialsChain::default_chain()),
            Source::Ecs(role, url) => client.credentials(ecs(role, url)),
            Source::Oidc => client.credentials(OidcRole::new().tls(roots.clone())),
            Source::Profile(None) => client.credentials(CliProfile::new()),
            Source::Profile(Some(name)) => client.credentials(CliProfile::named(name)),
            Source::File(None) => client.credentials(CredentialsFile::new()),
            Source::File(Some(name)) => client.credentials(CredentialsFile::named(name)),
            Source::Uri(uri) => client.credentials(CredentialsUri::new(uri).tls(roots.clone())),
            Source::Process(command) => client.credentials(ExternalProcess::new(command)),
            Source::Anonymous => client.anonymous(),
        }
    }
}

fn ecs(role: &str, url: &str) -> EcsRamRole {
    let mut ecs = EcsRamRole::new();
    if !role.is_empty() {
        ecs = ecs.role_name(role);
    }
    match url {
        "" => ecs,
        url => ecs.base_url(url),
    }
}
