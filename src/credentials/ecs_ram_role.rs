//! The role of an ECS instance, from the instance's metadata service.
//!
//! Source: <https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata>

use super::asking::{Deadline, Trouble, check_url, shown};
use super::issued::{self, Kind};
use super::provider::{Credentials, ProviderError};
use super::source::{Fetching, Source, provide_by_fetching};
use super::surroundings::Surroundings;
use crate::transport::Tls;
use crate::transport::fetch::{Fetch, Fetched};
use std::fmt;
use std::time::Duration;

const METADATA_SERVICE: &str = "http://100.100.100.200";

const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

/// The longest life that a token for the service can have: it is used at once, and for one fetch.
const TOKEN_SECONDS: &str = "21600";

/// It is next door, or not there at all.
const CONNECT: Duration = Duration::from_secs(2);

/// Credentials of the RAM role that is attached to the ECS instance on which this runs.
///
/// They come from the instance's metadata service, in its hardened mode: a token is asked for first. Where the service
/// does not know that mode, plain requests follow, unless the environment variable `ALIBABA_CLOUD_IMDSV1_DISABLED` is
/// `true`. Requests never go through a proxy, take 10 s at most, and what may pass is tried three times. They are kept
/// and renewed as [`Refreshing`](crate::Refreshing) does it.
///
/// The environment variable `ALIBABA_CLOUD_ECS_METADATA_DISABLED=true` makes an error of each fetch.
///
/// ```
/// use oss_upload::{Client, EcsRamRole, Network};
///
/// # fn main() -> Result<(), oss_upload::Error> {
/// let client = Client::for_region("cn-hangzhou")
///     .network(Network::Internal)
///     .credentials(EcsRamRole::new())
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub struct EcsRamRole(Fetching<Settings>);

provide_by_fetching!(EcsRamRole);

#[derive(Clone)]
struct Settings {
    role_name: Option<String>,
    base_url: Option<String>,
    surroundings: Surroundings,
}

impl EcsRamRole {
    /// The instance's role, at the instance's metadata service.
    pub fn new() -> EcsRamRole {
        EcsRamRole::within(Surroundings::of_process())
    }

    pub(super) fn within(surroundings: Surroundings) -> EcsRamRole {
        EcsRamRole(Fetching::new(Settings {
            role_name: None,
            base_url: None,
            surroundings,
        }))
    }

    /// Sets the name of the role: 1 to 64 letters, digits, `.`, `_` and `-`. Default: the environment variable
    /// `ALIBABA_CLOUD_ECS_METADATA`, else the service is asked for it.
    #[must_use]
    pub fn role_name(self, name: impl Into<String>) -> EcsRamRole {
        EcsRamRole(
            self.0
                .with(|settings| settings.role_name = Some(name.into())),
        )
    }

    /// Sets where the service is, for relays of it. Default: `http://100.100.100.200`.
    #[must_use]
    pub fn base_url(self, url: impl Into<String>) -> EcsRamRole {
        EcsRamRole(self.0.with(|settings| settings.base_url = Some(url.into())))
    }
}

impl Default for EcsRamRole {
    fn default() -> EcsRamRole {
        EcsRamRole::new()
    }
}

impl Source for Settings {
    fn fetch(&self) -> Result<Credentials, ProviderError> {
        const OFF: &str = "ALIBABA_CLOUD_ECS_METADATA_DISABLED";
        if self.surroundings.says_true(OFF) {
            return Err(format!("the metadata service of ECS is not asked: {OFF} is true").into());
        }
        let service = Service {
            base: self.base().trim_end_matches('/'),
            tls: &Tls::new(),
            deadline: Deadline::new(),
            plain_is_allowed: !self.surroundings.says_true("ALIBABA_CLOUD_IMDSV1_DISABLED"),
        };
        let given = self.role_name.as_deref();
        let role = self.surroundings.or(given, "ALIBABA_CLOUD_ECS_METADATA");
        let fetched = service.deadline.persist(|| service.ask(role.as_deref()));
        fetched.map_err(|trouble| self.explain(&trouble).into())
    }

    fn check(&self) -> Result<(), String> {
        check_url("the metadata service's address", self.base())?;
        match &self.role_name {
            Some(name) => check_role(name),
            None => Ok(()),
        }
    }
}

impl Settings {
    fn base(&self) -> &str {
        self.base_url.as_deref().unwrap_or(METADATA_SERVICE)
    }

    fn explain(&self, trouble: &Trouble) -> String {
        let what = format!(
            "the metadata service of ECS at {}: {}",
            shown(self.base()),
            trouble.what
        );
        match trouble.is_unreached {
            true => format!(
                "{what}; it is there on ECS instances only, to which a RAM role is attached: elsewhere give other credentials"
            ),
            false => what,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("role_name", &self.role_name)
            .field("at", &shown(self.base()))
            .finish_non_exhaustive()
    }
}

/// Names stand in a path.
fn check_role(name: &str) -> Result<(), String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_name = (1..=64).contains(&name.len()) && name.chars().all(is_allowed);
    // A path's own names.
    match is_name && name.contains(|c| c != '.') {
        true => Ok(()),
        false => Err("a role's name has 1 to 64 letters, digits, `.`, `_` and `-`".to_owned()),
    }
}

struct Service<'a> {
    base: &'a str,
    /// For relays by https.
    tls: &'a Tls,
    deadline: Deadline,
    plain_is_allowed: bool,
}

impl Service<'_> {
    fn ask(&self, role: Option<&str>) -> Result<Credentials, Trouble> {
        let (token, no_token) = match self.token() {
            Ok(token) => (Some(token), None),
            // Where nobody is, plain requests are not answered either.
            Err(why) if self.plain_is_allowed && !why.is_unreached => (None, Some(why)),
            Err(why) => return Err(why),
        };
        let asked = self.ask_with(token.as_deref(), role);
        match (asked, no_token) {
            // It takes no plain requests, so that what matters is why there was no token.
            (Err(trouble), Some(why)) if trouble == Trouble::status(403) => Err(why),
            (asked, _) => asked,
        }
    }

    fn ask_with(&self, token: Option<&str>, role: Option<&str>) -> Result<Credentials, Trouble> {
        let asked;
        let role = match role {
            Some(role) => role,
            None => {
                asked = self.role(token)?;
                &asked
            }
        };
        check_role(role).map_err(Trouble::lasting)?;
        let answer = self.get(&format!("{ROLES}{role}"), token)?;
        match answer.status {
            200 => {}
            404 => return Err(Trouble::lasting(format!("it knows no role `{role}`"))),
            status => return Err(Trouble::status(status)),
        }
        let issued = issued::credentials(&answer.body, Kind::Temporary);
        // It may be about to renew them.
        issued.map_err(|why| Trouble::passing(format!("what it answers cannot be used: {why}")))
    }

    /// The token for the hardened mode.
    fn token(&self) -> Result<String, Trouble> {
        let answer = self.deadline.send(&Fetch {
            method: "PUT",
            headers: &[("x-aliyun-ecs-metadata-token-ttl-seconds", TOKEN_SECONDS)],
            ..self.request(&format!("{}/latest/api/token", self.base))
        })?;
        match answer.status {
            200 => token_in(&answer.body)
                .ok_or_else(|| Trouble::passing("the token that it answers is none")),
            status => Err(Trouble::status(status)),
        }
    }

    fn role(&self, token: Option<&str>) -> Result<String, Trouble> {
        let answer = self.get(ROLES, token)?;
        match answer.status {
            200 => {}
            404 => return Err(Trouble::lasting("no RAM role is attached to this instance")),
            status => return Err(Trouble::status(status)),
        }
        let name = String::from_utf8_lossy(&answer.body).trim().to_owned();
        match check_role(&name) {
            Ok(()) => Ok(name),
            Err(_) => Err(Trouble::passing("the role's name that it answers is none")),
        }
    }

    fn get(&self, path: &str, token: Option<&str>) -> Result<Fetched, Trouble> {
        let url = format!("{}{path}", self.base);
        let token = token.map(|token| [("x-aliyun-ecs-metadata-token", token)]);
        self.deadline.send(&Fetch {
            headers: token.as_ref().map_or(&[], |token| &token[..]),
            ..self.request(&url)
        })
    }

    fn request<'a>(&'a self, url: &'a str) -> Fetch<'a> {
        Fetch {
            method: "GET",
            url,
            headers: &[],
            body: "",
            proxy: None,
            tls: self.tls,
            connect: CONNECT,
        }
    }
}

/// A token stands in a header.
fn token_in(body: &[u8]) -> Option<String> {
    let token = str::from_utf8(body).ok()?.trim();
    let fits = (1..=4096).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::provider::CredentialsProvider;

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        for name in [
            "",
            "a/b",
            "..",
            ".",
            "a b",
            "a?b",
            "a\r\nb",
            "\u{e9}",
            &"r".repeat(65),
        ] {
            assert!(check_role(name).is_err(), "{name}");
            let why = EcsRamRole::new().role_name(name).check().expect_err(name);
            assert!(why.to_string().contains("1 to 64"), "{why}");
        }
        for name in ["role", "AliyunOSSRole-1_x.y", &"r".repeat(64)] {
            assert_eq!(check_role(name), Ok(()));
        }
        assert!(EcsRamRole::new().check().is_ok());
        for url in ["", "100.100.100.200", "ftp://host"] {
            let why = EcsRamRole::new().base_url(url).check().expect_err(url);
            assert!(why.to_string().contains("http[s]://HOST"), "{why}");
        }
    }

    #[test]
    fn debug_shows_of_the_address_only_where_it_leads() {
        let role = EcsRamRole::new().base_url("http://127.0.0.1:8/s3cr3t");
        let shown = format!("{role:?}");
        assert!(shown.contains("http://127.0.0.1:8"), "{shown}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }

    #[test]
    fn it_is_not_asked_when_the_environment_says_so() {
        let off = Surroundings::of(&[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "True")]);
        let role = EcsRamRole::within(off).base_url("http://127.0.0.1:1");
        let why = role.credentials().expect_err("disabled").to_string();
        assert!(why.contains("METADATA_DISABLED is true"), "{why}");
    }

    #[test]
    fn a_token_is_what_can_stand_in_a_header() {
        assert_eq!(token_in(b" token=\n").as_deref(), Some("token="));
        for none in [&b""[..], b" ", b"a b", b"a\r\nb", b"\xff", &[b'x'; 5000]] {
            assert_eq!(token_in(none), None);
        }
    }

    /// Answers one request with 404, and says which it was.
    fn not_found() -> (String, std::thread::JoinHandle<String>) {
        use std::io::{BufRead, BufReader, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("accepted");
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = lines.next().expect("a request");
            lines.find(String::is_empty).expect("its end");
            let answer = b"HTTP/1.1 404 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            (&stream).write_all(answer).expect("written");
            first
        });
        (url, serving)
    }

    #[test]
    fn plain_requests_are_not_made_when_the_environment_forbids_them() {
        let forbidden = Surroundings::of(&[("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")]);
        let (url, serving) = not_found();
        let role = EcsRamRole::within(forbidden).base_url(url);
        let why = role.credentials().expect_err("no token").to_string();
        assert!(why.contains("404"), "{why}");
        let asked = serving.join().expect("served");
        assert_eq!(asked, "PUT /latest/api/token HTTP/1.1");
    }

    #[test]
    fn the_environment_names_the_role() {
        let named = Surroundings::of(&[("ALIBABA_CLOUD_ECS_METADATA", "the role")]);
        let (url, serving) = not_found();
        let role = EcsRamRole::within(named).base_url(url);
        let why = role.credentials().expect_err("no name").to_string();
        assert!(why.contains("1 to 64"), "{why}");
        serving.join().expect("served");
    }
}
