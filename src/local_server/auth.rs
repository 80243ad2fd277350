//! Who asks: signatures of version 1 and 4, dates and tokens.

use super::error::OssError;
use super::request::Request;
use crate::lock::lock;
use crate::sign::{Signable, basic_date, http_date, v1, v4};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

/// How far a client's clock may be off.
const MAX_SKEW_SECONDS: i64 = 900;

/// Who may use the server.
pub(super) struct Keeper {
    access_key_id: String,
    access_key_secret: String,
    region: String,
    allows_anonymous: bool,
    tokens: Mutex<Tokens>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// The security tokens of temporary credentials.
#[derive(Default)]
struct Tokens {
    required: Option<String>,
    seen: BTreeSet<String>,
    expired: BTreeSet<String>,
}

impl Tokens {
    fn require(&mut self, token: Option<&str>) {
        self.required = token.map(str::to_owned);
        if let Some(token) = token {
            self.expired.remove(token);
            self.seen.insert(token.to_owned());
        }
    }

    /// Lets the required token, and all that were shown so far, expire.
    fn expire(&mut self) {
        self.expired.append(&mut self.seen);
        self.expired.extend(self.required.clone());
    }

    fn check(&mut self, shown: Option<&str>, access_key_id: &str) -> Result<(), OssError> {
        let Some(shown) = shown else {
            // A temporary key id is unknown without its token.
            return match self.required {
                Some(_) => Err(invalid_access_key_id(access_key_id)),
                None => Ok(()),
            };
        };
        if self.expired.contains(shown) {
            let message = "The security token you provided has expired.";
            return Err(OssError::new(403, "SecurityTokenExpired", message));
        }
        self.seen.insert(shown.to_owned());
        if self.required.as_deref() != Some(shown) {
            let message = "The security token you provided is invalid.";
            return Err(OssError::new(403, "InvalidSecurityToken", message));
        }
        Ok(())
    }
}

/// The parts of an `Authorization` header.
#[derive(Debug, PartialEq, Eq)]
enum Authorization<'a> {
    V1 {
        access_key_id: &'a str,
        signature: &'a str,
    },
    V4 {
        access_key_id: &'a str,
        scope: v4::Scope<'a>,
        additional: Vec<&'a str>,
        signature: &'a str,
    },
}

impl Keeper {
    pub(super) fn new(
        access_key_id: String,
        access_key_secret: String,
        region: String,
        allows_anonymous: bool,
        token: Option<&str>,
    ) -> Keeper {
        let mut tokens = Tokens::default();
        tokens.require(token);
        Keeper {
            access_key_id,
            access_key_secret,
            region,
            allows_anonymous,
            tokens: Mutex::new(tokens),
        }
    }

    pub(super) fn require_token(&self, token: Option<&str>) {
        lock(&self.tokens).require(token);
    }

    pub(super) fn expire_tokens(&self) {
        lock(&self.tokens).expire();
    }

    /// Checks a request in the order: form of the header, date, key id, token, signature.
    pub(super) fn admit(&self, request: &Request, now: Timestamp) -> Result<(), OssError> {
        let Some(header) = request.header("authorization") else {
            return match self.allows_anonymous {
                true => Ok(()),
                false => Err(OssError::access_denied(
                    "You have no right to access this object because of bucket acl.",
                )
                .ec("0003-00000001")),
            };
        };
        let authorization = Authorization::parse(header)?;
        let date = Date::of(request);
        if let Authorization::V4 { scope, .. } = &authorization {
            self.check_scope(request, scope, date.as_ref())?;
        }
        let date = date.ok_or_else(|| {
            OssError::access_denied("OSS authentication requires a valid Date.").ec("0002-00000041")
        })?;
        check_skew(date.time, now)?;
        let id = authorization.access_key_id();
        if id != self.access_key_id {
            return Err(invalid_access_key_id(id));
        }
        lock(&self.tokens).check(request.header("x-oss-security-token"), id)?;
        self.check_signature(request, &authorization, &date)
    }

    fn check_scope(
        &self,
        request: &Request,
        scope: &v4::Scope<'_>,
        date: Option<&Date>,
    ) -> Result<(), OssError> {
        if request.header("x-oss-content-sha256") != Some(v4::UNSIGNED_PAYLOAD) {
            let message = "The x-oss-content-sha256 header must be UNSIGNED-PAYLOAD.";
            return Err(OssError::invalid_argument(message).ec("0002-00000214"));
        }
        if date.is_some_and(|date| basic_date(date.time)[..8] != *scope.date) {
            let message = "Invalid signing date in Authorization header.";
            return Err(OssError::argument(message, "date", scope.date).ec("0002-00000212"));
        }
        if scope.region != self.region {
            let ec = match scope.region.starts_with("oss-") {
                true => "0002-00000228",
                false => "0002-00000226",
            };
            let message = "Invalid signing region in Authorization header.";
            return Err(OssError::argument(message, "region", scope.region).ec(ec));
        }
        if scope.product != "oss" {
            let message = "Invalid signing product in Authorization header.";
            return Err(OssError::argument(message, "product", scope.product).ec("0002-00000213"));
        }
        Ok(())
    }

    fn check_signature(
        &self,
        request: &Request,
        authorization: &Authorization<'_>,
        date: &Date,
    ) -> Result<(), OssError> {
        let query = borrowed(&request.query);
        let headers = borrowed(&request.head.headers);
        let signable = Signable {
            method: &request.head.method,
            bucket: request.bucket.as_deref(),
            key: request.key.as_deref(),
            query: &query,
            headers: &headers,
        };
        match authorization {
            Authorization::V1 {
                access_key_id,
                signature,
            } => {
                let text = v1::string_to_sign(&signable, &date.text, &[]);
                if v1::signature(&self.access_key_secret, &text) == *signature {
                    return Ok(());
                }
                Err(mismatch(access_key_id, signature, &text).ec("0002-00000040"))
            }
            Authorization::V4 {
                access_key_id,
                scope,
                additional,
                signature,
            } => {
                let additional = v4::additional_headers(&signable, additional);
                let canonical = v4::canonical_request(&signable, &additional);
                let datetime = basic_date(date.time);
                let text = v4::string_to_sign(&datetime, &scope.text(), &canonical);
                let key = v4::SigningKey::derive(&self.access_key_secret, scope);
                // What is signed is the query of the wire, so it must be escaped there as it was for signing.
                if request.is_query_canonical && key.sign(&text) == *signature {
                    return Ok(());
                }
                Err(mismatch(access_key_id, signature, &text)
                    .detail("CanonicalRequest", canonical)
                    .ec("0002-00000201"))
            }
        }
    }
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Result<Authorization<'a>, OssError> {
        if let Some(fields) = header.strip_prefix("OSS4-HMAC-SHA256 ") {
            return Authorization::parse_v4(fields);
        }
        let fields = header.strip_prefix("OSS ").and_then(|f| f.split_once(':'));
        match fields.map(|(id, signature)| (id.trim(), signature.trim())) {
            Some((access_key_id, signature))
                if !access_key_id.is_empty() && !signature.is_empty() =>
            {
                Ok(Authorization::V1 {
                    access_key_id,
                    signature,
                })
            }
            _ => Err(malformed_authorization("0002-00000016")),
        }
    }

    fn parse_v4(fields: &'a str) -> Result<Authorization<'a>, OssError> {
        let (mut credential, mut signature, mut additional) = (None, None, None);
        for field in fields.split(',') {
            let (name, value) = field
                .trim()
                .split_once('=')
                .ok_or_else(|| malformed_authorization("0002-00000207"))?;
            let slot = match name {
                "Credential" => &mut credential,
                "Signature" => &mut signature,
                "AdditionalHeaders" => &mut additional,
                _ => return Err(malformed_authorization("0002-00000207")),
            };
            if slot.replace(value).is_some() {
                return Err(malformed_authorization("0002-00000207"));
            }
        }
        let (access_key_id, scope) = credential
            .and_then(parse_credential)
            .ok_or_else(|| malformed_authorization("0002-00000213"))?;
        let signature = signature
            .filter(|signature| !signature.is_empty())
            .ok_or_else(|| malformed_authorization("0002-00000208"))?;
        let additional: Vec<&str> = match additional {
            None => vec![],
            Some("") => return Err(malformed_authorization("0002-00000209")),
            Some(names) => names.split(';').collect(),
        };
        if additional.contains(&"") {
            return Err(malformed_authorization("0002-00000210"));
        }
        Ok(Authorization::V4 {
            access_key_id,
            scope,
            additional,
            signature,
        })
    }

    fn access_key_id(&self) -> &'a str {
        let (Authorization::V1 { access_key_id, .. } | Authorization::V4 { access_key_id, .. }) =
            self;
        access_key_id
    }
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(n, v)| (&**n, &**v)).collect()
}

fn parse_credential(credential: &str) -> Option<(&str, v4::Scope<'_>)> {
    let mut fields = credential.split('/');
    let id = fields.next().filter(|id| !id.is_empty())?;
    let scope = v4::Scope {
        date: fields.next()?,
        region: fields.next()?,
        product: fields.next()?,
    };
    let last = fields.next()?;
    (last == "aliyun_v4_request" && fields.next().is_none()).then_some((id, scope))
}

/// The date that is signed, and the time it stands for.
#[derive(Debug)]
struct Date {
    text: String,
    time: Timestamp,
}

impl Date {
    /// `x-oss-date` counts when it is there, `Date` else.
    fn of(request: &Request) -> Option<Date> {
        let text = request
            .header("x-oss-date")
            .or_else(|| request.header("date"))?;
        let time = parse_date(text)?;
        let text = text.to_owned();
        Some(Date { text, time })
    }
}

/// A date in one of the two forms of OSS, written exactly as the form demands.
fn parse_date(text: &str) -> Option<Timestamp> {
    let parse = |format: &str| -> Option<Timestamp> {
        let civil: DateTime = strtime::parse(format, text).ok()?.to_datetime().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let time = parse("%Y%m%dT%H%M%SZ").or_else(|| parse("%a, %d %b %Y %H:%M:%S GMT"))?;
    (basic_date(time) == text || http_date(time) == text).then_some(time)
}

fn check_skew(asked: Timestamp, now: Timestamp) -> Result<(), OssError> {
    if (asked.as_second() - now.as_second()).abs() <= MAX_SKEW_SECONDS {
        return Ok(());
    }
    let message = "The difference between the request time and the current time is too large.";
    Err(OssError::new(403, "RequestTimeTooSkewed", message)
        .detail(
            "MaxAllowedSkewMilliseconds",
            (MAX_SKEW_SECONDS * 1000).to_string(),
        )
        .detail("RequestTime", xml_date(asked))
        .detail("ServerTime", xml_date(now))
        .ec("0002-00000504"))
}

/// `2012-02-23T07:01:34.000Z`, the form of dates in XML. The milliseconds are always zeros: oss2 reads no others.
pub(super) fn xml_date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

fn malformed_authorization(ec: &'static str) -> OssError {
    OssError::invalid_argument("Authorization header is invalid.").ec(ec)
}

fn invalid_access_key_id(id: &str) -> OssError {
    let message = "The OSS Access Key Id you provided does not exist in our records.";
    OssError::new(403, "InvalidAccessKeyId", message)
        .detail("OSSAccessKeyId", id)
        .ec("0002-00000902")
}

fn mismatch(id: &str, signature: &str, string_to_sign: &str) -> OssError {
    let bytes: Vec<String> = string_to_sign.bytes().map(|b| format!("{b:02X}")).collect();
    let message = "The request signature we calculated does not match the signature you provided. \
                   Check your key and signing method.";
    OssError::new(403, "SignatureDoesNotMatch", message)
        .detail("OSSAccessKeyId", id)
        .detail("SignatureProvided", signature)
        .detail("StringToSign", string_to_sign)
        .detail("StringToSignBytes", bytes.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_both_forms_and_only_as_oss_writes_them() {
        let time = Timestamp::from_second(1_717_243_384).expect("in range");
        assert_eq!(parse_date("Sat, 01 Jun 2024 12:03:04 GMT"), Some(time));
        assert_eq!(parse_date("20240601T120304Z"), Some(time));
        let wrong = [
            "Sat, 1 Jun 2024 12:03:04 GMT",
            "Sun, 01 Jun 2024 12:03:04 GMT",
            "sat, 01 jun 2024 12:03:04 GMT",
            "2024-06-01T12:03:04Z",
            "",
        ];
        for text in wrong {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!(xml_date(time), "2024-06-01T12:03:04.000Z");
    }

    #[test]
    fn fields_may_stand_in_any_order_and_with_spaces() {
        let generation_2 = "OSS4-HMAC-SHA256 Credential=id/20240601/r/oss/aliyun_v4_request,\
                            AdditionalHeaders=host;range,Signature=s";
        let oss2 = "OSS4-HMAC-SHA256 Credential=id/20240601/r/oss/aliyun_v4_request, Signature=s, \
                    AdditionalHeaders=host;range";
        assert_eq!(
            Authorization::parse(generation_2).expect("valid"),
            Authorization::parse(oss2).expect("valid")
        );
    }

    #[test]
    fn malformed_authorizations_are_refused() {
        let scope = "id/20240601/r/oss/aliyun_v4_request";
        let malformed = [
            "".to_owned(),
            "OSS".to_owned(),
            "OSS id".to_owned(),
            "OSS :s".to_owned(),
            "Basic id:s".to_owned(),
            "OSS4-HMAC-SHA256 ".to_owned(),
            format!("OSS4-HMAC-SHA256 Credential={scope}"),
            format!("OSS4-HMAC-SHA256 Credential={scope},Signature="),
            format!("OSS4-HMAC-SHA256 Credential={scope}/more,Signature=s"),
            format!("OSS4-HMAC-SHA256 Credential={scope},AdditionalHeaders=,Signature=s"),
            format!("OSS4-HMAC-SHA256 Credential={scope},AdditionalHeaders=host;,Signature=s"),
            format!("OSS4-HMAC-SHA256 Credential={scope},Signature=s,Signature=s"),
            "OSS4-HMAC-SHA256 Credential=id/20240601/r/oss/aws4_request,Signature=s".to_owned(),
        ];
        for header in malformed {
            assert!(Authorization::parse(&header).is_err(), "{header}");
        }
    }
}
