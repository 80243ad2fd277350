//! Several providers, of which the first that has credentials is taken.

use super::cli_profile::CliProfile;
use super::credentials_file::CredentialsFile;
use super::credentials_uri::CredentialsUri;
use super::ecs_ram_role::EcsRamRole;
use super::environment::Variables;
use super::oidc_role::OidcRole;
use super::provider::{Credentials, CredentialsProvider, ProviderError};
use super::surroundings::Surroundings;
use std::fmt;
use std::sync::OnceLock;

/// Asks providers in turn until one has credentials, and stays with that one.
///
/// When none has any, the error says what each of them said. Later errors of the one that had some are final: nobody
/// wants the second half of an upload to be somebody else's.
///
/// ```
/// use oss_upload::{Client, CliProfile, CredentialsChain, EcsRamRole, Environment};
///
/// # fn main() -> Result<(), oss_upload::Error> {
/// let chain = CredentialsChain::new()
///     .or(Environment)
///     .or(CliProfile::named("uploads"))
///     .or(EcsRamRole::new());
/// let client = Client::for_region("cn-hangzhou").credentials(chain).build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a chain without a member has no credentials"]
pub struct CredentialsChain {
    members: Vec<Box<dyn CredentialsProvider>>,
    /// The place of the one that had credentials.
    found: OnceLock<usize>,
}

impl CredentialsChain {
    /// A chain without a member.
    #[expect(
        clippy::new_without_default,
        reason = "users expect the default chain there"
    )]
    pub fn new() -> CredentialsChain {
        CredentialsChain {
            members: vec![],
            found: OnceLock::new(),
        }
    }

    /// Where Alibaba Cloud's tools and SDKs look, in their order, after the names that OSS's SDKs read:
    ///
    /// 1. [`Environment`](crate::Environment), `OSS_ACCESS_KEY_ID` and its kin, of which the others do not know
    /// 2. [`AlibabaCloudEnvironment`](crate::AlibabaCloudEnvironment), `ALIBABA_CLOUD_ACCESS_KEY_ID` and its kin
    /// 3. [`OidcRole`], when the environment names one
    /// 4. [`CliProfile`], in `~/.aliyun/config.json`
    /// 5. [`CredentialsFile`], `~/.alibabacloud/credentials`
    /// 6. [`EcsRamRole`]; where there is no metadata service, it takes some seconds to find that out
    /// 7. [`CredentialsUri`], when the environment names one
    pub fn default_chain() -> CredentialsChain {
        CredentialsChain::default_in(&Surroundings::of_process())
    }

    fn default_in(surroundings: &Surroundings) -> CredentialsChain {
        let around = || surroundings.clone();
        CredentialsChain::new()
            .or(Variables::of_oss(around()))
            .or(Variables::of_alibaba_cloud(around()))
            .or(OidcRole::within(around()))
            .or(CliProfile::within(around()))
            .or(CredentialsFile::within(around()))
            .or(EcsRamRole::within(around()))
            .or(CredentialsUri::within(around()))
    }

    /// Adds a provider, to be asked when those before it have nothing.
    pub fn or(mut self, provider: impl CredentialsProvider + 'static) -> CredentialsChain {
        self.members.push(Box::new(provider));
        self.found = OnceLock::new();
        self
    }

    fn found(&self) -> Option<&dyn CredentialsProvider> {
        let member = self.members.get(*self.found.get()?)?;
        Some(&**member)
    }

    fn look(&self) -> Result<Credentials, ProviderError> {
        let mut said = vec![];
        for (n, member) in self.members.iter().enumerate() {
            match member
                .credentials()
                .and_then(|given| given.check().map(|()| given))
            {
                Ok(given) => {
                    log::debug!(
                        target: "oss_upload::credentials",
                        "number {} of the chain has credentials: {given:?}", n + 1,
                    );
                    // Another thread may have found another first; then all stay with that one.
                    return match *self.found.get_or_init(|| n) == n {
                        true => Ok(given),
                        false => self.credentials(),
                    };
                }
                Err(why) => said.push(why.to_string()),
            }
        }
        match said.is_empty() {
            true => Err("a chain without a member has no credentials".into()),
            false => Err(format!("nobody has credentials: {}", said.join("; ")).into()),
        }
    }
}

impl CredentialsProvider for CredentialsChain {
    fn credentials(&self) -> Result<Credentials, ProviderError> {
        match self.found() {
            Some(member) => member.credentials(),
            None => self.look(),
        }
    }

    fn refused(&self, refused: &Credentials) {
        if let Some(member) = self.found() {
            member.refused(refused);
        }
    }

    fn answers_at_once(&self) -> bool {
        self.found()
            .is_some_and(CredentialsProvider::answers_at_once)
    }

    fn check(&self) -> Result<(), ProviderError> {
        if self.members.is_empty() {
            return Err("a chain needs a member: `or` adds one".into());
        }
        self.members.iter().try_for_each(|member| member.check())
    }
}

impl fmt::Debug for CredentialsChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialsChain")
            .field("members", &self.members.len())
            .field("found", &self.found.get())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn key(id: &str) -> Credentials {
        Credentials::new(id, "secret")
    }

    /// Answers its n-th question with the n-th of these, and the last for ever; counts questions and refusals.
    struct Member {
        says: Vec<Result<Credentials, &'static str>>,
        asked: Arc<AtomicUsize>,
        refused: Arc<AtomicUsize>,
    }

    type Counts = [Arc<AtomicUsize>; 2];

    fn member(says: &[Result<Credentials, &'static str>]) -> (Member, Counts) {
        let counts = Counts::default();
        let [asked, refused] = counts.clone();
        let says = says.to_vec();
        (
            Member {
                says,
                asked,
                refused,
            },
            counts,
        )
    }

    impl CredentialsProvider for Member {
        fn credentials(&self) -> Result<Credentials, ProviderError> {
            let n = self.asked.fetch_add(1, Ordering::SeqCst);
            let says = self.says[n.min(self.says.len() - 1)].clone();
            says.map_err(Into::into)
        }

        fn refused(&self, _: &Credentials) {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }

        fn answers_at_once(&self) -> bool {
            true
        }
    }

    fn count(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }

    #[test]
    fn the_first_that_has_credentials_is_taken_and_kept() {
        let (empty, [asked_empty, refused_empty]) = member(&[Err("none"), Ok(key("too late"))]);
        let (good, [asked_good, refused_good]) = member(&[Ok(key("good")), Err("gone")]);
        let (last, [asked_last, _]) = member(&[Ok(key("last"))]);
        let chain = CredentialsChain::new().or(empty).or(good).or(last);
        assert!(!chain.answers_at_once());
        chain.refused(&key("nobody's"));
        assert_eq!(chain.credentials().expect("good"), key("good"));
        assert!(chain.answers_at_once());
        // Its later error is final.
        let why = chain.credentials().expect_err("gone").to_string();
        assert_eq!(why, "gone");
        chain.refused(&key("good"));
        let asked = [asked_empty, asked_good, asked_last].map(|asked| count(&asked));
        assert_eq!(asked, [1, 2, 0]);
        assert_eq!([count(&refused_empty), count(&refused_good)], [0, 1]);
    }

    #[test]
    fn the_error_of_the_last_resort_says_what_each_said_and_is_not_for_good() {
        let (first, _) = member(&[Err("the first has none"), Ok(key("now"))]);
        let (second, _) = member(&[Err("the second has none")]);
        // An empty key is none.
        let chain = CredentialsChain::new()
            .or(first)
            .or(Credentials::new("", ""))
            .or(second);
        let why = chain.credentials().expect_err("none").to_string();
        for word in [
            "the first has none",
            "access key id is empty",
            "the second has none",
        ] {
            assert!(why.contains(word), "{why}");
        }
        assert_eq!(chain.credentials().expect("now"), key("now"));
    }

    #[test]
    fn settings_of_members_are_checked_and_a_chain_needs_one() {
        assert!(CredentialsChain::new().check().is_err());
        assert!(CredentialsChain::new().credentials().is_err());
        let bad = CredentialsChain::new()
            .or(key("id"))
            .or(EcsRamRole::new().role_name("a/b"));
        let why = bad.check().expect_err("a bad name").to_string();
        assert!(why.contains("1 to 64"), "{why}");
        CredentialsChain::default_chain()
            .check()
            .expect("good settings");
    }

    /// Who is found when so much of the surroundings is there.
    fn found(variables: &[(&str, &str)]) -> Result<String, String> {
        let chain = CredentialsChain::default_in(&Surroundings::of(variables));
        let given = chain.credentials().map_err(|why| why.to_string())?;
        Ok(given.access_key_id().to_owned())
    }

    #[test]
    fn the_default_chain_looks_in_the_order_that_is_documented() {
        let home = tempfile::tempdir().expect("a temp folder");
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            std::fs::write(path, text).expect("written");
        };
        let at = home.path().to_str().expect("text");
        let mut all = vec![
            ("HOME", at),
            ("USERPROFILE", at),
            ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
        ];
        let why = found(&all).expect_err("nothing is there");
        for word in [
            "OSS_ACCESS_KEY_ID",
            "ALIBABA_CLOUD_ACCESS_KEY_ID",
            "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
            "config.json",
            ".alibabacloud",
            "metadata service",
            "ALIBABA_CLOUD_CREDENTIALS_URI",
        ] {
            let (before, after) = why.split_once(word).expect(word);
            assert!(!before.is_empty() && !after.is_empty(), "{why}");
        }
        write(
            ".alibabacloud/credentials",
            "[default]\ntype=access_key\naccess_key_id=file\naccess_key_secret=s\n",
        );
        assert_eq!(found(&all).as_deref(), Ok("file"));
        write(
            ".aliyun/config.json",
            r#"{"profiles":[{"name":"default","mode":"AK","access_key_id":"cli","access_key_secret":"s"}]}"#,
        );
        assert_eq!(found(&all).as_deref(), Ok("cli"));
        all.extend([
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", "general"),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s"),
        ]);
        assert_eq!(found(&all).as_deref(), Ok("general"));
        all.extend([("OSS_ACCESS_KEY_ID", "oss"), ("OSS_ACCESS_KEY_SECRET", "s")]);
        assert_eq!(found(&all).as_deref(), Ok("oss"));
        // No thread for each request.
        let chain = CredentialsChain::default_in(&Surroundings::of(&all));
        chain.credentials().expect("credentials");
        assert!(chain.answers_at_once());
    }
}
