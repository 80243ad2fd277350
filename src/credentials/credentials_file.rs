//! The profiles that Alibaba Cloud's SDKs share, in `~/.alibabacloud/credentials`.
//!
//! Source: <https://www.alibabacloud.com/help/en/sdk/developer-reference/v2-manage-access-credentials>

use super::profile::{Entries, Mode, Profile};
use super::profile_file::{ProfileFile, provide_by_profile};
use super::provider::{Credentials, ProviderError};
use super::surroundings::Surroundings;
use configparser::ini::Ini;
use std::path::PathBuf;
use std::time::Duration;

const TYPES: [(&str, Mode); 7] = [
    ("access_key", Mode::AccessKey),
    ("sts", Mode::SecurityToken),
    ("ram_role_arn", Mode::RamRole),
    ("ecs_ram_role", Mode::EcsRamRole),
    ("oidc_role_arn", Mode::OidcRole),
    ("external", Mode::Process),
    ("credentials_uri", Mode::Uri),
];

/// Credentials of a profile in the file that Alibaba Cloud's SDKs share, `~/.alibabacloud/credentials`.
///
/// A profile is a section, `[default]` unless the environment variable `ALIBABA_CLOUD_PROFILE` or
/// [`named`](CredentialsFile::named) says another. Its `type` says what else it holds; any other is an error:
///
/// | `type` | entries |
/// |---|---|
/// | `access_key` | `access_key_id`, `access_key_secret` |
/// | `sts` | these, and `security_token` |
/// | `ram_role_arn` | these, `security_token` if temporary, `role_arn`; if wanted `role_session_name`, `policy`, `external_id`, `duration_seconds`, `sts_region` |
/// | `ecs_ram_role` | `role_name` if wanted |
/// | `oidc_role_arn` | `role_arn`, `oidc_provider_arn`, `oidc_token_file_path`; if wanted as for `ram_role_arn` |
/// | `external` | `process_command` |
/// | `credentials_uri` | `credentials_uri` |
///
/// What follows white space and `#` is a comment. What was read is kept for a minute, and read again at once when OSS
/// refuses it. While the file cannot be read, it keeps what it said.
pub struct CredentialsFile(ProfileFile);

provide_by_profile!(CredentialsFile);

impl CredentialsFile {
    /// The default profile, unless the environment names another.
    pub fn new() -> CredentialsFile {
        CredentialsFile::within(Surroundings::of_process())
    }

    /// The profile of this name.
    pub fn named(name: impl Into<String>) -> CredentialsFile {
        let mut profile = CredentialsFile::new();
        profile.0.name = Some(name.into());
        profile
    }

    /// Sets where the file is. Default: what the environment variable `ALIBABA_CLOUD_CREDENTIALS_FILE` says, else
    /// `.alibabacloud/credentials` in the home directory, or where that is missing `.alibabacloud/credentials.ini`.
    #[must_use]
    pub fn path(mut self, path: impl Into<PathBuf>) -> CredentialsFile {
        self.0.path = Some(path.into());
        self
    }

    fn read(&self) -> Result<Credentials, ProviderError> {
        let find = || self.find();
        self.0.read.credentials(find, |text| self.profile(text))
    }

    fn find(&self) -> Result<PathBuf, ProviderError> {
        if let Some(path) = &self.0.path {
            return Ok(path.clone());
        }
        if let Some(path) = self.0.surroundings.set("ALIBABA_CLOUD_CREDENTIALS_FILE") {
            return Ok(path.into());
        }
        let usual = self.0.surroundings.in_home(".alibabacloud/credentials")?;
        let other = usual.with_extension("ini");
        Ok(match !usual.exists() && other.exists() {
            true => other,
            false => usual,
        })
    }

    pub(super) fn profile(&self, text: &[u8]) -> Result<Profile, ProviderError> {
        let ini = parse(text)?;
        let name = self.0.asked_for();
        let name = name.unwrap_or_else(|| "default".to_owned());
        if !ini.sections().contains(&name) {
            return Err(format!("it has no profile `{name}`").into());
        }
        let profile = Section {
            ini: &ini,
            name: &name,
        }
        .profile(&self.0.surroundings);
        profile.map_err(|why| format!("its profile `{name}`: {why}").into())
    }
}

fn parse(text: &[u8]) -> Result<Ini, ProviderError> {
    let text = str::from_utf8(text).map_err(|_| "it is no text")?;
    let text = text.trim_start_matches('\u{feff}');
    // Comments are looked for here: a `;` or a `#` may stand in a command.
    let bare: Vec<_> = text.lines().map(without_comment).collect();
    let mut ini = Ini::new_cs();
    ini.set_inline_comment_symbols(Some(&[]));
    // Its errors name a line, and show nothing of it.
    ini.read(bare.join("\n"))?;
    Ok(ini)
}

fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return &line[..at];
        }
        before = c;
    }
    line
}

struct Section<'a> {
    ini: &'a Ini,
    name: &'a str,
}

impl Section<'_> {
    fn entry(&self, name: &str) -> Option<String> {
        let value = self.ini.get(self.name, name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn profile(&self, surroundings: &Surroundings) -> Result<Profile, ProviderError> {
        let kind = self.entry("type").ok_or("it has no type")?;
        let known = TYPES.iter().find(|(name, _)| *name == kind);
        let Some((_, mode)) = known else {
            let known: Vec<_> = TYPES.iter().map(|(name, _)| *name).collect();
            let (kind, known) = (kind.escape_debug(), known.join(", "));
            return Err(format!("its type `{kind}` is none of {known}").into());
        };
        self.entries()?.profile(*mode, surroundings)
    }

    fn entries(&self) -> Result<Entries, ProviderError> {
        let seconds = self
            .entry("duration_seconds")
            .map(|text| text.parse::<u64>());
        let seconds = seconds
            .transpose()
            .map_err(|_| "its duration_seconds is no number")?;
        let token_file = self.entry("oidc_token_file_path");
        Ok(Entries {
            access_key_id: self.entry("access_key_id"),
            access_key_secret: self.entry("access_key_secret"),
            security_token: self.entry("security_token"),
            role_arn: self.entry("role_arn"),
            session_name: self.entry("role_session_name"),
            external_id: self.entry("external_id"),
            policy: self.entry("policy"),
            duration: seconds.map(Duration::from_secs),
            sts_region: self.entry("sts_region"),
            is_vpc: false,
            role_name: self.entry("role_name"),
            oidc_provider_arn: self.entry("oidc_provider_arn"),
            oidc_token_file: token_file.or_else(|| self.entry("oidc_token_file")),
            process_command: self.entry("process_command"),
            credentials_uri: self.entry("credentials_uri"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::provider::CredentialsProvider;

    /// As it is documented, one profile for each type.
    const FILE: &str = "\u{feff}# The profiles.\r\n\
        [default]                # the default profile\r\n\
        type = access_key        # a key\r\n\
        access_key_id = id       # [its] id\r\n\
        access_key_secret = s3cr3t#\r\n\
        \r\n\
        [token]\n\
        type=sts\n\
        access_key_id=id\n\
        access_key_secret=s3cr3t\n\
        security_token=t0k/en+==\n\
        [ram]\n\
        type = ram_role_arn\n\
        access_key_id = id\n\
        access_key_secret = s3cr3t\n\
        role_arn = acs:ram::1:role/r\n\
        policy = {\"Version\": \"1\"}\n\
        duration_seconds = 900\n\
        sts_region = cn-beijing\n\
        [ecs]\n\
        type = ecs_ram_role\n\
        role_name = the-role\n\
        [oidc]\n\
        type = oidc_role_arn\n\
        role_arn = acs:ram::1:role/r\n\
        oidc_provider_arn = acs:ram::1:oidc-provider/p\n\
        oidc_token_file_path = /var/token\n\
        role_session_name = me\n\
        [helper]\n\
        type = external\n\
        process_command = helper --secret=s3cr3t; echo 'a=b#c'\n\
        [uri]\n\
        type = credentials_uri\n\
        credentials_uri = http://127.0.0.1:7/s3cr3t\n\
        [pair]\n\
        type = rsa_key_pair\n\
        private_key_file = s3cr3t\n\
        [typeless]\n\
        access_key_id = id\n\
        [keyless]\n\
        type = access_key\n\
        access_key_id = id\n\
        [brief]\n\
        type = ram_role_arn\n\
        duration_seconds = s3cr3t\n";

    fn read(name: Option<&str>, variables: &[(&str, &str)]) -> Result<Profile, String> {
        let mut file = CredentialsFile::within(Surroundings::of(variables));
        file.0.name = name.map(str::to_owned);
        file.profile(FILE.as_bytes()).map_err(|why| why.to_string())
    }

    #[test]
    fn each_type_is_read_as_it_is_documented() {
        let Ok(Profile::Given(key)) = read(None, &[]) else {
            panic!("a key")
        };
        assert_eq!(key, Credentials::new("id", "s3cr3t#"));
        let Ok(Profile::Given(token)) = read(Some("token"), &[]) else {
            panic!("a token")
        };
        let expected = Credentials::new("id", "s3cr3t").with_security_token("t0k/en+==");
        assert_eq!(token, expected);
        for (name, words) in [
            ("ram", &["RamRole", "1:role/r", "cn-beijing"][..]),
            ("ecs", &["EcsRamRole", "the-role"]),
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
            ("helper", &["ExternalProcess"]),
            ("uri", &["CredentialsUri", "http://127.0.0.1:7"]),
        ] {
            let shown = format!("{:?}", read(Some(name), &[]).expect(name));
            for word in words {
                assert!(shown.contains(word), "{name}: {shown}");
            }
            assert!(!shown.contains("s3cr3t"), "{name}: {shown}");
        }
    }

    #[test]
    fn the_environment_names_profile_and_file() {
        let named = [("ALIBABA_CLOUD_PROFILE", "token")];
        let Ok(Profile::Given(token)) = read(None, &named) else {
            panic!("a token")
        };
        assert!(token.security_token().is_some());
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("profiles");
        std::fs::write(&path, FILE).expect("written");
        let path = path.to_str().expect("text");
        let variables = [("ALIBABA_CLOUD_CREDENTIALS_FILE", path)];
        let file = CredentialsFile::within(Surroundings::of(&variables));
        let given = file.credentials().expect("credentials");
        assert_eq!(given.access_key_id(), "id");
    }

    #[test]
    fn at_home_it_has_two_names() {
        let home = tempfile::tempdir().expect("a temp folder");
        let dir = home.path().join(".alibabacloud");
        std::fs::create_dir(&dir).expect("created");
        let home = home.path().to_str().expect("text");
        let home = [("HOME", home), ("USERPROFILE", home)];
        let file = CredentialsFile::within(Surroundings::of(&home));
        for (name, found) in [
            ("none", "credentials"),
            ("credentials.ini", "credentials.ini"),
            ("credentials", "credentials"),
        ] {
            std::fs::write(dir.join(name), "").expect("written");
            assert_eq!(file.find().expect("a path"), dir.join(found));
        }
    }

    #[test]
    fn what_cannot_be_used_is_an_error_that_names_profile_and_reason() {
        for (name, word) in [
            ("pair", "its type `rsa_key_pair` is none of access_key, sts"),
            ("typeless", "no type"),
            ("keyless", "no access_key_secret"),
            ("brief", "duration_seconds is no number"),
            ("nobody", "no profile `nobody`"),
        ] {
            let why = read(Some(name), &[]).expect_err(name);
            assert!(why.contains(word) && why.contains(name), "{why}");
            assert!(!why.contains("s3cr3t"), "{why}");
        }
    }

    #[test]
    fn a_file_that_is_none_is_an_error_that_shows_nothing_of_it() {
        let file = CredentialsFile::within(Surroundings::of(&[]));
        for text in [
            &b""[..],
            b"s3cr3t",
            b"[s3cr3t",
            b"= s3cr3t",
            b"\xff s3cr3t",
            b"{\"s3cr3t\"}",
        ] {
            let why = file.profile(text).expect_err("no profiles").to_string();
            assert!(!why.contains("s3cr3t"), "{why}");
        }
    }
}
