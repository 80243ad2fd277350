//! The profiles of the command line `aliyun`, in `~/.aliyun/config.json`.
//!
//! Source: <https://www.alibabacloud.com/help/en/cli/configure-credentials>

use super::issued;
use super::profile::{Entries, Mode, Profile};
use super::profile_file::{ProfileFile, provide_by_profile};
use super::provider::{Credentials, ProviderError};
use super::surroundings::Surroundings;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Profiles that lean on profiles: more than anybody has, and no circle goes on for ever.
const MAX_DEPTH: usize = 8;

const MODES: [(&str, Mode); 8] = [
    ("AK", Mode::AccessKey),
    ("StsToken", Mode::SecurityToken),
    ("RamRoleArn", Mode::RamRole),
    ("EcsRamRole", Mode::EcsRamRole),
    ("RamRoleArnWithRoleName", Mode::RamRoleByEcs),
    ("OIDC", Mode::OidcRole),
    ("External", Mode::Process),
    ("CredentialsURI", Mode::Uri),
];

/// The mode in which another profile assumes the role.
const CHAINABLE: &str = "ChainableRamRoleArn";

/// Credentials of a profile of the command line `aliyun`, which keeps them in `~/.aliyun/config.json`.
///
/// The profile is the one that is [named](CliProfile::named), else the one in the environment variable
/// `ALIBABA_CLOUD_PROFILE`, else the current one. Its mode is `AK`, `StsToken`, `RamRoleArn`, `ChainableRamRoleArn`,
/// `EcsRamRole`, `RamRoleArnWithRoleName`, `OIDC`, `External` or `CredentialsURI`; any other is an error.
///
/// What was read is kept for a minute, and read again at once when OSS refuses it. While the file cannot be read, it
/// keeps what it said. The environment variable `ALIBABA_CLOUD_CLI_PROFILE_DISABLED=true` makes an error of each
/// question.
pub struct CliProfile(ProfileFile);

provide_by_profile!(CliProfile);

impl CliProfile {
    /// The current profile, unless the environment names another.
    pub fn new() -> CliProfile {
        CliProfile::within(Surroundings::of_process())
    }

    /// The profile of this name.
    pub fn named(name: impl Into<String>) -> CliProfile {
        let mut profile = CliProfile::new();
        profile.0.name = Some(name.into());
        profile
    }

    /// Sets where the file is. Default: `.aliyun/config.json` in the home directory.
    #[must_use]
    pub fn path(mut self, path: impl Into<PathBuf>) -> CliProfile {
        self.0.path = Some(path.into());
        self
    }

    pub(super) fn profile(&self, text: &[u8]) -> Result<Profile, ProviderError> {
        let config: Config = issued::parse(text)?;
        let current = || config.current.clone().filter(|name| !name.is_empty());
        let name = self.0.asked_for().or_else(current);
        let name = name.unwrap_or_else(|| "default".to_owned());
        config.profile(&name, &self.0.surroundings, MAX_DEPTH)
    }

    fn read(&self) -> Result<Credentials, ProviderError> {
        const OFF: &str = "ALIBABA_CLOUD_CLI_PROFILE_DISABLED";
        if self.0.surroundings.says_true(OFF) {
            return Err(format!("the command line's profiles are not read: {OFF} is true").into());
        }
        let find = || match &self.0.path {
            Some(path) => Ok(path.clone()),
            None => self.0.surroundings.in_home(".aliyun/config.json"),
        };
        self.0.read.credentials(find, |text| self.profile(text))
    }
}

#[derive(Deserialize)]
struct Config {
    current: Option<String>,
    #[serde(default)]
    profiles: Vec<CliEntries>,
}

/// As the command line writes them; it leaves out what is empty, but not always.
#[derive(Deserialize)]
struct CliEntries {
    name: Option<String>,
    mode: Option<String>,
    access_key_id: Option<String>,
    access_key_secret: Option<String>,
    sts_token: Option<String>,
    sts_region: Option<String>,
    ram_role_name: Option<String>,
    ram_role_arn: Option<String>,
    ram_session_name: Option<String>,
    external_id: Option<String>,
    source_profile: Option<String>,
    expired_seconds: Option<u64>,
    policy: Option<String>,
    process_command: Option<String>,
    credentials_uri: Option<String>,
    oidc_provider_arn: Option<String>,
    oidc_token_file: Option<String>,
    enable_vpc: Option<bool>,
}

impl Config {
    fn profile(
        &self,
        name: &str,
        surroundings: &Surroundings,
        depth: usize,
    ) -> Result<Profile, ProviderError> {
        let of_name = |entries: &&CliEntries| entries.name.as_deref() == Some(name);
        let found = self.profiles.iter().find(of_name);
        let found = found.ok_or_else(|| format!("it has no profile `{name}`"))?;
        let profile = self.profile_of(found, surroundings, depth);
        profile.map_err(|why| format!("its profile `{name}`: {why}").into())
    }

    fn profile_of(
        &self,
        found: &CliEntries,
        surroundings: &Surroundings,
        depth: usize,
    ) -> Result<Profile, ProviderError> {
        let mode = found.mode.as_deref().unwrap_or_default();
        if mode.eq_ignore_ascii_case(CHAINABLE) {
            let source = filled(&found.source_profile).ok_or("it has no source_profile")?;
            let depth = depth.checked_sub(1);
            let depth = depth.ok_or("too many profiles lean on one another")?;
            let asker = self.profile(&source, surroundings, depth)?.provider();
            return found.entries().ram_role(asker, surroundings);
        }
        let known = MODES
            .iter()
            .find(|(name, _)| mode.eq_ignore_ascii_case(name));
        match known {
            Some((_, mode)) => found.entries().profile(*mode, surroundings),
            None => {
                let known: Vec<_> = MODES.iter().map(|(name, _)| *name).collect();
                let mode = mode.escape_debug();
                let known = known.join(", ");
                Err(format!("its mode `{mode}` is none of {known} and {CHAINABLE}").into())
            }
        }
    }
}

fn filled(value: &Option<String>) -> Option<String> {
    let value = value.as_deref()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

impl CliEntries {
    fn entries(&self) -> Entries {
        Entries {
            access_key_id: filled(&self.access_key_id),
            access_key_secret: filled(&self.access_key_secret),
            security_token: filled(&self.sts_token),
            role_arn: filled(&self.ram_role_arn),
            session_name: filled(&self.ram_session_name),
            external_id: filled(&self.external_id),
            policy: filled(&self.policy),
            duration: self
                .expired_seconds
                .filter(|n| *n > 0)
                .map(Duration::from_secs),
            sts_region: filled(&self.sts_region),
            is_vpc: self.enable_vpc.unwrap_or(false),
            role_name: filled(&self.ram_role_name),
            oidc_provider_arn: filled(&self.oidc_provider_arn),
            oidc_token_file: filled(&self.oidc_token_file),
            process_command: filled(&self.process_command),
            credentials_uri: filled(&self.credentials_uri),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::provider::CredentialsProvider;

    /// As the command line writes it, one profile for each mode.
    const CONFIG: &str = r#"{
        "current": "ak",
        "profiles": [
            {"name": "ak", "mode": "AK", "access_key_id": "id", "access_key_secret": "s3cr3t",
             "sts_token": "", "region_id": "cn-hangzhou", "retry_timeout": 0, "output_format": "json"},
            {"name": "sts", "mode": "StsToken", "access_key_id": "id", "access_key_secret": "s3cr3t",
             "sts_token": "t0ken", "sts_expiration": 1717264800},
            {"name": "ram", "mode": "RamRoleArn", "access_key_id": "id", "access_key_secret": "s3cr3t",
             "ram_role_arn": "acs:ram::1:role/r", "ram_session_name": "me", "expired_seconds": 900,
             "sts_region": "cn-beijing"},
            {"name": "ecs", "mode": "EcsRamRole", "ram_role_name": "the-role"},
            {"name": "ram-by-ecs", "mode": "RamRoleArnWithRoleName", "ram_role_name": "the-role",
             "ram_role_arn": "acs:ram::1:role/r", "ram_session_name": "me"},
            {"name": "oidc", "mode": "OIDC", "ram_role_arn": "acs:ram::1:role/r", "ram_session_name": "me",
             "oidc_provider_arn": "acs:ram::1:oidc-provider/p", "oidc_token_file": "/var/token"},
            {"name": "external", "mode": "External", "process_command": "s3cr3t-helper"},
            {"name": "uri", "mode": "CredentialsURI", "credentials_uri": "http://127.0.0.1:7/s3cr3t"},
            {"name": "uri-of-environment", "mode": "credentialsuri"},
            {"name": "chained", "mode": "ChainableRamRoleArn", "source_profile": "ram",
             "ram_role_arn": "acs:ram::2:role/q", "ram_session_name": "me"},
            {"name": "circle", "mode": "ChainableRamRoleArn", "source_profile": "circle",
             "ram_role_arn": "acs:ram::2:role/q"},
            {"name": "sso", "mode": "CloudSSO", "access_token": "s3cr3t"},
            {"name": "none"},
            {"name": "no-id", "mode": "AK", "access_key_secret": "s3cr3t"},
            {"name": "bad-id", "mode": "AK", "access_key_id": "i d", "access_key_secret": "s3cr3t"},
            {"name": "short", "mode": "RamRoleArn", "access_key_id": "id", "access_key_secret": "s3cr3t",
             "ram_role_arn": "acs:ram::1:role/r", "expired_seconds": 1}
        ]
    }"#;

    fn read(name: Option<&str>, variables: &[(&str, &str)]) -> Result<Profile, String> {
        let mut profile = CliProfile::within(Surroundings::of(variables));
        profile.0.name = name.map(str::to_owned);
        let read = profile.profile(CONFIG.as_bytes());
        read.map_err(|why| why.to_string())
    }

    #[test]
    fn each_mode_is_read_as_the_command_line_writes_it() {
        let Ok(Profile::Given(ak)) = read(Some("ak"), &[]) else {
            panic!("a key")
        };
        assert_eq!(ak, Credentials::new("id", "s3cr3t"));
        let Ok(Profile::Given(sts)) = read(Some("sts"), &[]) else {
            panic!("a token")
        };
        assert_eq!(sts, ak.with_security_token("t0ken"));
        for (name, words) in [
            ("ram", &["RamRole", "1:role/r", "cn-beijing"][..]),
            ("ecs", &["EcsRamRole", "the-role"]),
            ("ram-by-ecs", &["RamRole", "1:role/r"]),
            (
                "oidc",
                &[
                    "OidcRole",
                    "1:role/r",
                    "oidc-provider/p",
                    "/var/token",
                    "me",
                ],
            ),
            ("external", &["ExternalProcess"]),
            ("uri", &["CredentialsUri", "http://127.0.0.1:7"]),
            ("uri-of-environment", &["CredentialsUri", "None"]),
            ("chained", &["RamRole", "2:role/q"]),
        ] {
            let shown = format!("{:?}", read(Some(name), &[]).expect(name));
            for word in words {
                assert!(shown.contains(word), "{name}: {shown}");
            }
            assert!(!shown.contains("s3cr3t"), "{name}: {shown}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_an_error_that_names_profile_and_reason() {
        for (name, word) in [
            ("sso", "its mode `CloudSSO` is none of AK, StsToken"),
            ("none", "its mode `` is none of"),
            ("no-id", "no access_key_id"),
            ("bad-id", "characters"),
            ("short", "900 to 43200"),
            ("circle", "too many profiles"),
            ("nobody", "no profile `nobody`"),
        ] {
            let why = read(Some(name), &[]).expect_err(name);
            assert!(why.contains(word) && why.contains(name), "{why}");
            assert!(!why.contains("s3cr3t"), "{why}");
        }
    }

    #[test]
    fn the_profile_is_the_given_one_or_the_environments_or_the_current_one() {
        let env = [("ALIBABA_CLOUD_PROFILE", "sts")];
        for (name, variables, has_token) in [
            (Some("ak"), &env[..], false),
            (None, &env, true),
            (None, &[], false),
        ] {
            let Ok(Profile::Given(given)) = read(name, variables) else {
                panic!("credentials")
            };
            assert_eq!(given.security_token().is_some(), has_token);
        }
    }

    #[test]
    fn it_is_found_at_home_unless_it_is_disabled() {
        let home = tempfile::tempdir().expect("a temp folder");
        let dir = home.path().join(".aliyun");
        std::fs::create_dir(&dir).expect("created");
        std::fs::write(dir.join("config.json"), CONFIG).expect("written");
        let home = home.path().to_str().expect("text");
        let home = [("HOME", home), ("USERPROFILE", home)];
        let profile = CliProfile::within(Surroundings::of(&home));
        let given = profile.credentials().expect("credentials");
        assert_eq!(given, Credentials::new("id", "s3cr3t"));
        let off = [&home[..], &[("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true")]].concat();
        let profile = CliProfile::within(Surroundings::of(&off));
        let why = profile.credentials().expect_err("disabled").to_string();
        assert!(why.contains("DISABLED is true"), "{why}");
    }

    #[test]
    fn a_file_that_is_none_is_an_error_that_shows_nothing_of_it() {
        let profile = CliProfile::within(Surroundings::of(&[]));
        for text in [
            "",
            "s3cr3t",
            "[null, \"s3cr3t\"]",
            r#"{"current": ["s3cr3t"]}"#,
            r#"{"profiles": "s3cr3t"}"#,
            r#"{"profiles": [{"mode": 1, "access_key_secret": "s3cr3t"}]}"#,
            r#"{}"#,
        ] {
            let why = profile
                .profile(text.as_bytes())
                .expect_err(text)
                .to_string();
            assert!(!why.contains("s3cr3t"), "{why}");
        }
    }
}
