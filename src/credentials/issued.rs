//! The JSON in which credentials are issued: by the metadata service, STS, a URI or a command. Pure.
//!
//! Nothing of a text that cannot be read is repeated: it may be a secret.

use super::provider::Credentials;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime};

/// What may be issued. The names in lower case are those of the command line's `External` mode.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Issued {
    code: Option<String>,
    #[serde(alias = "access_key_id")]
    access_key_id: Option<String>,
    #[serde(alias = "access_key_secret")]
    access_key_secret: Option<String>,
    #[serde(alias = "sts_token", alias = "security_token")]
    security_token: Option<String>,
    #[serde(alias = "expiration")]
    expiration: Option<String>,
}

/// What has to be there beside id and secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A token and the time of its expiry: what a role gets.
    Temporary,
    /// Neither.
    Any,
}

/// Reads JSON of a known shape.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("it is not the JSON that it should be (line {line}, column {column})")
    })
}

/// Reads credentials that were issued; the error says what is wrong with them.
pub(super) fn credentials(text: &[u8], kind: Kind) -> Result<Credentials, String> {
    parse::<Issued>(text)?.credentials(kind)
}

impl Issued {
    pub(super) fn credentials(self, kind: Kind) -> Result<Credentials, String> {
        if let Some(code) = self
            .code
            .filter(|code| !code.eq_ignore_ascii_case("success"))
        {
            return Err(match shown_code(&code) {
                Some(code) => format!("its Code is `{code}`, not `Success`"),
                None => "its Code is not `Success`".to_owned(),
            });
        }
        let is_temporary = kind == Kind::Temporary;
        let filled = |what, value: Option<String>| match value {
            Some(value) if !value.trim().is_empty() => Ok(value),
            _ => Err(format!("it has no {what}")),
        };
        let id = filled("AccessKeyId", self.access_key_id)?;
        let secret = filled("AccessKeySecret", self.access_key_secret)?;
        let mut issued = Credentials::new(id, secret);
        if is_temporary || self.security_token.as_ref().is_some_and(|t| !t.is_empty()) {
            issued = issued.with_security_token(filled("SecurityToken", self.security_token)?);
        }
        if is_temporary || self.expiration.as_ref().is_some_and(|e| !e.is_empty()) {
            let expiration = filled("Expiration", self.expiration)?;
            let time = time(&expiration).ok_or("its Expiration is no time")?;
            issued = issued.with_expiration(time);
        }
        issued.check().map_err(|why| why.to_string())?;
        Ok(issued)
    }
}

/// `2024-06-01T18:00:00Z`.
fn time(text: &str) -> Option<SystemTime> {
    let time: Timestamp = text.trim().parse().ok()?;
    let seconds = u64::try_from(time.as_second()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// A code of the service, if it is one: anything else may be a text that repeats what was sent.
pub(super) fn shown_code(code: &str) -> Option<&str> {
    let is_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = (1..=64).contains(&code.len()) && code.chars().all(is_code);
    fits.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The metadata service's answer as documented.
    const DOCUMENTED: &str = r#"{"AccessKeyId": "STS.NSexample", "AccessKeySecret": "exampleSecret",
        "SecurityToken": "CAISexample", "Expiration": "2024-06-01T18:00:00Z",
        "LastUpdated": "2024-06-01T12:00:00Z", "Code": "Success"}"#;

    fn read(text: &str, kind: Kind) -> Result<Credentials, String> {
        credentials(text.as_bytes(), kind)
    }

    #[test]
    fn the_documented_answer_is_read() {
        let expiration = SystemTime::UNIX_EPOCH + Duration::from_secs(1_717_264_800);
        let expected =
            Credentials::new("STS.NSexample", "exampleSecret").with_security_token("CAISexample");
        for kind in [Kind::Temporary, Kind::Any] {
            let issued = read(DOCUMENTED, kind).expect("issued");
            assert_eq!(issued, expected);
            assert_eq!(issued.expiration(), Some(expiration));
        }
        let in_lower_case = r#"{"mode": "StsToken", "access_key_id": "STS.NSexample",
            "access_key_secret": "exampleSecret", "sts_token": "CAISexample"}"#;
        let issued = read(in_lower_case, Kind::Any).expect("issued");
        assert_eq!(issued, expected);
        assert_eq!(issued.expiration(), None);
    }

    #[test]
    fn a_key_for_good_is_enough_where_it_need_not_be_temporary() {
        let plain = r#"{"AccessKeyId": "id", "AccessKeySecret": "secret", "SecurityToken": null, "Expiration": ""}"#;
        assert_eq!(read(plain, Kind::Any), Ok(Credentials::new("id", "secret")));
        let why = read(plain, Kind::Temporary).expect_err("not temporary");
        assert_eq!(why, "it has no SecurityToken");
    }

    #[test]
    fn what_is_missing_is_named() {
        for field in [
            "AccessKeyId",
            "AccessKeySecret",
            "SecurityToken",
            "Expiration",
        ] {
            for (pattern, put) in [("\"X\"", "\"Y\""), ("\"X\": \"", "\"X\": \" \", \"Z\": \"")] {
                let [pattern, put] = [pattern, put].map(|text| text.replace('X', field));
                let broken = DOCUMENTED.replace(&pattern, &put);
                let why = read(&broken, Kind::Temporary).expect_err(field);
                assert_eq!(why, format!("it has no {field}"));
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused_and_never_shown() {
        let secret = "s3cr3t";
        for (broken, word) in [
            ("", "line 1"),
            ("s3cr3t", "line 1"),
            ("<html>s3cr3t</html>", "JSON"),
            (r#""s3cr3t""#, "JSON"),
            (r#"["s3cr3t"]"#, "JSON"),
            (r#"{"AccessKeyId": ["s3cr3t"]}"#, "JSON"),
            (
                r#"{"AccessKeyId": "s3cr3t", "AccessKeyId": "s3cr3t"}"#,
                "JSON",
            ),
            (
                r#"{"Code": "Failed", "AccessKeySecret": "s3cr3t"}"#,
                "`Failed`",
            ),
            (r#"{"Code": "it was s3cr3t"}"#, "not `Success`"),
            (
                r#"{"AccessKeyId": "id", "AccessKeySecret": "s3cr3t\r\n\u0000"}"#,
                "characters",
            ),
            (
                r#"{"AccessKeyId": "id", "AccessKeySecret": "x", "Expiration": "s3cr3t"}"#,
                "no time",
            ),
        ] {
            for kind in [Kind::Temporary, Kind::Any] {
                let Err(why) = read(broken, kind) else {
                    panic!("{broken} was taken")
                };
                assert!(!why.contains(secret), "{why}");
                if kind == Kind::Any {
                    assert!(why.contains(word), "{broken}: {why}");
                }
            }
        }
        let deep = "[".repeat(60_000);
        assert!(read(&deep, Kind::Any).is_err());
    }

    #[test]
    fn a_time_is_read_as_it_is_documented_or_not_at_all() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_717_243_200);
        for same in [
            "2024-06-01T12:00:00Z",
            " 2024-06-01T12:00:00.999Z\n",
            "2024-06-01T14:00:00+02:00",
        ] {
            assert_eq!(time(same), Some(noon), "{same}");
        }
        for none in [
            "",
            "now",
            "2024-06-01",
            "1717243200",
            "-009999-01-02T00:00:00Z",
        ] {
            assert_eq!(time(none), None, "{none}");
        }
        assert!(time("9999-12-30T00:00:00Z").is_some());
    }
}
