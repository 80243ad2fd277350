//! The calls of STS, which give a role's credentials to whoever may assume it.
//!
//! Source: <https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole>

use super::asking::{Deadline, Trouble, check_url, shown};
use super::issued::{self, Issued, Kind, shown_code};
use super::provider::Credentials;
use super::surroundings::Surroundings;
use crate::escape;
use crate::protocol::parse_http_date;
use crate::sign::rpc;
use crate::transport::fetch::{Fetch, Fetched};
use crate::transport::{Proxy, Tls};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

const ENDPOINT: &str = "https://sts.aliyuncs.com";

const CONNECT: Duration = Duration::from_secs(5);

/// From a quarter of an hour to half a day.
const DURATIONS: [u64; 2] = [900, 43_200];

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Which STS is asked.
#[derive(Clone, Default)]
pub(super) struct Endpoint {
    pub(super) url: Option<String>,
    pub(super) region: Option<String>,
    pub(super) is_vpc: bool,
    pub(super) tls: Tls,
}

impl Endpoint {
    pub(super) fn check(&self) -> Result<(), String> {
        self.tls.check()?;
        match (&self.url, &self.region) {
            (Some(url), _) => check_url("the endpoint of STS", &with_scheme(url)),
            (None, Some(region)) => check_region(region),
            (None, None) => Ok(()),
        }
    }

    fn resolve(&self, surroundings: &Surroundings) -> Result<String, String> {
        if let Some(url) = &self.url {
            return Ok(with_scheme(url));
        }
        let region = surroundings.or(self.region.as_deref(), "ALIBABA_CLOUD_STS_REGION");
        let Some(region) = region else {
            return Ok(ENDPOINT.to_owned());
        };
        check_region(&region)?;
        let is_vpc = self.is_vpc || surroundings.says_true("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED");
        let service = if is_vpc { "sts-vpc" } else { "sts" };
        Ok(format!("https://{service}.{region}.aliyuncs.com"))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.url.as_deref().map(with_scheme);
        f.debug_struct("Endpoint")
            .field("at", &at.as_deref().map(shown))
            .field("region", &self.region)
            .field("is_vpc", &self.is_vpc)
            .finish()
    }
}

fn with_scheme(url: &str) -> String {
    match url.contains("://") {
        true => url.to_owned(),
        false => format!("https://{url}"),
    }
}

fn check_region(region: &str) -> Result<(), String> {
    match crate::endpoint::is_region(region) {
        true => Ok(()),
        false => Err(format!(
            "`{region}` is not a region of STS, such as `cn-hangzhou`"
        )),
    }
}

/// How a role is assumed.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) name: Option<String>,
    pub(super) duration: Duration,
    pub(super) policy: Option<String>,
}

impl Default for Session {
    fn default() -> Session {
        Session {
            name: None,
            duration: Duration::from_secs(3600),
            policy: None,
        }
    }
}

impl Session {
    pub(super) fn check(&self) -> Result<(), String> {
        let [least, most] = DURATIONS;
        if !(least..=most).contains(&self.duration.as_secs()) {
            return Err(format!("a role is assumed for {least} to {most} s"));
        }
        if let Some(name) = &self.name {
            let is_allowed =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '@' | '-' | '_');
            if !(2..=64).contains(&name.len()) || !name.chars().all(is_allowed) {
                return Err(
                    "a session's name has 2 to 64 letters, digits, `.`, `@`, `-` and `_`"
                        .to_owned(),
                );
            }
        }
        match &self.policy {
            Some(policy) if !(1..=2048).contains(&policy.chars().count()) => {
                Err("a policy has 1 to 2048 characters".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The parameters that all ways of assuming a role share.
    fn parameters(&self, surroundings: &Surroundings) -> Vec<(&'static str, String)> {
        let given = self.name.as_deref();
        let name = surroundings.or(given, "ALIBABA_CLOUD_ROLE_SESSION_NAME");
        let name = name.unwrap_or_else(|| "oss-upload".to_owned());
        let mut parameters = vec![
            ("RoleSessionName", name),
            ("DurationSeconds", self.duration.as_secs().to_string()),
        ];
        parameters.extend(self.policy.clone().map(|policy| ("Policy", policy)));
        parameters
    }
}

/// One call, and all of its tries.
pub(super) struct Call<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) session: &'a Session,
    pub(super) surroundings: &'a Surroundings,
    pub(super) action: &'static str,
    /// What only this way of assuming a role has.
    pub(super) own: Vec<(&'static str, String)>,
    /// Who asks; STS knows others by what they bring.
    pub(super) signer: Option<&'a Credentials>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    credentials: Option<Issued>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    code: Option<String>,
    request_id: Option<String>,
}

impl Call<'_> {
    pub(super) fn make(&self) -> Result<Credentials, Trouble> {
        let url = self.endpoint.resolve(self.surroundings);
        let url = url.map_err(Trouble::lasting)?;
        let deadline = Deadline::new();
        let skew = Cell::new(None);
        let made = deadline.persist(|| {
            let form = self.form(&url_time(skew.get()), &nonce());
            let answer = deadline.send(&Fetch {
                method: "POST",
                url: &url,
                headers: &[FORM],
                body: &form,
                proxy: Some(&Proxy::from_env()),
                tls: &self.endpoint.tls,
                connect: CONNECT,
            })?;
            judge(&answer, &skew)
        });
        made.map_err(|trouble| Trouble {
            what: format!("{} at {}: {}", self.action, shown(&url), trouble.what),
            ..trouble
        })
    }

    /// All parameters go in the body, where no proxy and no log looks for tokens.
    fn form(&self, timestamp: &str, nonce: &str) -> String {
        let shared = self.session.parameters(self.surroundings);
        let mut parameters = vec![
            ("Action", self.action),
            ("Format", "JSON"),
            ("Version", "2015-04-01"),
            ("Timestamp", timestamp),
            ("SignatureNonce", nonce),
        ];
        let all = shared.iter().chain(&self.own);
        parameters.extend(all.map(|(name, value)| (*name, value.as_str())));
        let signature;
        if let Some(signer) = self.signer {
            parameters.extend([
                ("AccessKeyId", signer.access_key_id()),
                ("SignatureMethod", "HMAC-SHA1"),
                ("SignatureVersion", "1.0"),
            ]);
            let token = signer.security_token();
            parameters.extend(token.map(|token| ("SecurityToken", token)));
            signature = rpc::signature(signer.access_key_secret(), "POST", &parameters);
            parameters.push(("Signature", &signature));
        }
        escape::query_string(&parameters)
    }
}

fn judge(answer: &Fetched, skew: &Cell<Option<SignedDuration>>) -> Result<Credentials, Trouble> {
    let unusable = |why: String| Trouble::passing(format!("what it answers cannot be used: {why}"));
    if answer.status == 200 {
        let answer: Answer = issued::parse(&answer.body).map_err(unusable)?;
        let issued = answer
            .credentials
            .ok_or_else(|| unusable("it has no Credentials".to_owned()))?;
        return issued.credentials(Kind::Temporary).map_err(unusable);
    }
    let mut trouble = refusal(answer);
    // The message would say more, and may repeat what was signed: the token.
    let of_clock = ["InvalidTimeStamp", "IllegalTimestamp"];
    let is_of_clock = |code: &String| of_clock.iter().any(|prefix| code.starts_with(prefix));
    if trouble.code.as_ref().is_some_and(is_of_clock) && skew.get().is_none() {
        let date = answer.date.as_deref().and_then(parse_http_date);
        let found = date.map(|date| date.duration_since(Timestamp::now()));
        trouble.may_pass |= found.is_some();
        skew.set(found);
    }
    Err(trouble)
}

/// What STS says when it refuses: its code and the request's id.
fn refusal(answer: &Fetched) -> Trouble {
    let trouble = Trouble::status(answer.status);
    let Ok(refusal) = issued::parse::<Refusal>(&answer.body) else {
        return trouble;
    };
    let clean = |text: Option<String>| text.filter(|text| shown_code(text).is_some());
    let Some(code) = clean(refusal.code) else {
        return trouble;
    };
    let id = clean(refusal.request_id).unwrap_or_else(|| "none".to_owned());
    Trouble {
        what: format!("status {}, {code} (request id {id})", answer.status),
        may_pass: trouble.may_pass || code.starts_with("Throttling"),
        code: Some(code),
        ..trouble
    }
}

fn url_time(skew: Option<SignedDuration>) -> String {
    let now = Timestamp::now();
    let now = now.saturating_add(skew.unwrap_or_default()).unwrap_or(now);
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Of each request another, or STS takes it for a repeated one.
fn nonce() -> String {
    format!("{:032x}", fastrand::u128(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: Option<&str>, region: Option<&str>, is_vpc: bool) -> Endpoint {
        Endpoint {
            url: url.map(str::to_owned),
            region: region.map(str::to_owned),
            is_vpc,
            tls: Tls::new(),
        }
    }

    #[test]
    fn the_endpoint_is_given_or_the_regions_or_the_common_one() {
        let region = ("ALIBABA_CLOUD_STS_REGION", "eu-central-1");
        let vpc = ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "TRUE");
        for (endpoint, variables, expected) in [
            (
                endpoint(None, None, false),
                &[][..],
                "https://sts.aliyuncs.com",
            ),
            (
                endpoint(None, None, true),
                &[vpc],
                "https://sts.aliyuncs.com",
            ),
            (
                endpoint(None, None, false),
                &[region],
                "https://sts.eu-central-1.aliyuncs.com",
            ),
            (
                endpoint(None, None, false),
                &[region, vpc],
                "https://sts-vpc.eu-central-1.aliyuncs.com",
            ),
            (
                endpoint(None, Some("cn-beijing"), false),
                &[region],
                "https://sts.cn-beijing.aliyuncs.com",
            ),
            (
                endpoint(None, Some("cn-beijing"), true),
                &[],
                "https://sts-vpc.cn-beijing.aliyuncs.com",
            ),
            (
                endpoint(Some("sts.internal"), Some("x"), true),
                &[region],
                "https://sts.internal",
            ),
            (
                endpoint(Some("http://127.0.0.1:9"), None, false),
                &[region],
                "http://127.0.0.1:9",
            ),
        ] {
            let surroundings = Surroundings::of(variables);
            assert_eq!(endpoint.resolve(&surroundings).as_deref(), Ok(expected));
            assert_eq!(endpoint.check(), Ok(()));
        }
        let hostile = Surroundings::of(&[("ALIBABA_CLOUD_STS_REGION", "evil.example/")]);
        assert!(Endpoint::default().resolve(&hostile).is_err());
        assert!(
            endpoint(None, Some("evil.example/"), false)
                .check()
                .is_err()
        );
        assert!(endpoint(Some("ftp://host"), None, false).check().is_err());
    }

    #[test]
    fn sessions_that_sts_would_not_take_are_refused() {
        let session = |change: &dyn Fn(&mut Session)| {
            let mut session = Session::default();
            change(&mut session);
            session.check()
        };
        assert_eq!(session(&|_| {}), Ok(()));
        for (seconds, is_taken) in [
            (0, false),
            (899, false),
            (900, true),
            (43_200, true),
            (43_201, false),
        ] {
            let checked = session(&|s| s.duration = Duration::from_secs(seconds));
            assert_eq!(checked.is_ok(), is_taken, "{seconds} s");
        }
        for (name, is_taken) in [
            ("a", false),
            ("ab", true),
            ("a b", false),
            ("me@x.y-z_1", true),
            ("", false),
        ] {
            let checked = session(&|s| s.name = Some(name.to_owned()));
            assert_eq!(checked.is_ok(), is_taken, "{name}");
        }
        for (len, is_taken) in [(0, false), (1, true), (2048, true), (2049, false)] {
            let checked = session(&|s| s.policy = Some("备".repeat(len)));
            assert_eq!(checked.is_ok(), is_taken, "{len}");
        }
    }

    fn form(signer: Option<&Credentials>) -> String {
        let call = Call {
            endpoint: &Endpoint::default(),
            session: &Session::default(),
            surroundings: &Surroundings::of(&[]),
            action: "AssumeRole",
            own: vec![("RoleArn", "acs:ram::1:role/r".to_owned())],
            signer,
        };
        call.form("2024-06-01T12:00:00Z", "n0nce")
    }

    #[test]
    fn a_signed_form_has_every_parameter_and_its_signature_and_an_unsigned_one_no_key() {
        let unsigned = "Action=AssumeRole&Format=JSON&Version=2015-04-01&Timestamp=2024-06-01T12%3A00%3A00Z\
            &SignatureNonce=n0nce&RoleSessionName=oss-upload&DurationSeconds=3600\
            &RoleArn=acs%3Aram%3A%3A1%3Arole%2Fr";
        assert_eq!(form(None), unsigned);
        let signer = Credentials::new("id", "secret").with_security_token("to+ken");
        let signed = form(Some(&signer));
        let key = "&AccessKeyId=id&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&SecurityToken=to%2Bken&Signature=";
        assert!(signed.starts_with(&format!("{unsigned}{key}")), "{signed}");
        assert!(!signed.contains("secret"));
    }

    fn answer(status: u16, body: &str) -> Fetched {
        Fetched {
            status,
            date: Some("Sat, 01 Jun 2024 12:00:00 GMT".to_owned()),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_id_and_never_by_its_message() {
        for (status, body, what, may_pass) in [
            (
                403,
                r#"{"Code":"NoPermission","Message":"s3cr3t","RequestId":"A-1"}"#,
                "status 403, NoPermission (request id A-1)",
                false,
            ),
            (
                400,
                r#"{"Code":"Throttling.User","Message":"m"}"#,
                "status 400, Throttling.User (request id none)",
                true,
            ),
            (
                500,
                r#"{"Code":"InternalError"}"#,
                "status 500, InternalError (request id none)",
                true,
            ),
            (
                503,
                "<html>s3cr3t</html>",
                "it answered with status 503",
                true,
            ),
            (
                403,
                r#"{"Code":"the s3cr3t"}"#,
                "it answered with status 403",
                false,
            ),
            (302, "", "it answered with status 302", false),
        ] {
            let trouble = judge(&answer(status, body), &Cell::new(None)).expect_err(body);
            assert_eq!(trouble.what, what);
            assert_eq!(trouble.may_pass, may_pass, "{what}");
        }
    }

    #[test]
    fn a_wrong_clock_is_set_right_once() {
        let skewed = answer(400, r#"{"Code":"InvalidTimeStamp.Expired"}"#);
        let skew = Cell::new(None);
        assert!(judge(&skewed, &skew).expect_err("refused").may_pass);
        let found = skew.get().expect("the date was read");
        let time = url_time(Some(found));
        assert!(time.starts_with("2024-06-01T12:0"), "{time}");
        assert!(!judge(&skewed, &skew).expect_err("refused again").may_pass);
    }

    #[test]
    fn an_answer_without_credentials_is_an_error_that_shows_none() {
        for (body, word) in [
            ("", "JSON"),
            ("{}", "no Credentials"),
            (r#"{"Credentials": {}}"#, "no AccessKeyId"),
            (r#"{"Credentials": "s3cr3t"}"#, "JSON"),
            (
                r#"{"Credentials": {"AccessKeyId": "i", "AccessKeySecret": "s3cr3t"}}"#,
                "no SecurityToken",
            ),
        ] {
            let trouble = judge(&answer(200, body), &Cell::new(None)).expect_err(body);
            assert!(trouble.what.contains(word), "{}", trouble.what);
            assert!(!trouble.what.contains("s3cr3t"), "{}", trouble.what);
        }
    }
}
