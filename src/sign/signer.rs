//! Signs the requests of a client: one version, one region, the key of the day kept.

use super::{Signable, SignatureVersion, basic_date, http_date, v1, v4};
use crate::credentials::Credentials;
use jiff::Timestamp;
use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

/// Headers to add to a request.
pub(crate) type SignedHeaders = Vec<(&'static str, Cow<'static, str>)>;

#[derive(Debug)]
pub(crate) struct Signer {
    version: SignatureVersion,
    /// Not empty where it is needed: version 4.
    region: String,
    product: &'static str,
    day_key: RwLock<Option<Arc<DayKey>>>,
}

/// Deriving a key costs four HMACs, and it is the same from midnight to midnight for one secret.
struct DayKey {
    secret: String,
    date: String,
    key: v4::SigningKey,
}

impl std::fmt::Debug for DayKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DayKey")
            .field("date", &self.date)
            .finish_non_exhaustive()
    }
}

impl Signer {
    pub(crate) fn new(version: SignatureVersion, region: String, product: &'static str) -> Signer {
        Signer {
            version,
            region,
            product,
            day_key: RwLock::new(None),
        }
    }

    /// The headers that make the request signed by these credentials at this time.
    pub(crate) fn sign(
        &self,
        request: &Signable<'_>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> SignedHeaders {
        let mut added = vec![("date", http_date(now).into())];
        if credentials.is_anonymous() {
            return added;
        }
        if self.version == SignatureVersion::V4 {
            added.push(("x-oss-date", basic_date(now).into()));
            added.push(("x-oss-content-sha256", v4::UNSIGNED_PAYLOAD.into()));
        }
        if let Some(token) = credentials.security_token() {
            added.push(("x-oss-security-token", token.to_owned().into()));
        }
        let mut headers = request.headers.to_vec();
        headers.extend(added.iter().map(|(name, value)| (*name, &**value)));
        let complete = Signable {
            headers: &headers,
            ..*request
        };
        let authorization = match self.version {
            SignatureVersion::V1 => sign_v1(&complete, credentials),
            SignatureVersion::V4 => self.sign_v4(&complete, credentials),
        };
        added.push(("authorization", authorization.into()));
        added
    }

    fn sign_v4(&self, request: &Signable<'_>, credentials: &Credentials) -> String {
        let datetime = request.header("x-oss-date");
        let scope = v4::Scope {
            date: &datetime[..8],
            region: &self.region,
            product: self.product,
        };
        let canonical = v4::canonical_request(request, &[]);
        let text = v4::string_to_sign(datetime, &scope, &canonical);
        let day_key = self.day_key(credentials.access_key_secret(), &scope);
        let signature = day_key.key.sign(&text);
        v4::authorization(credentials.access_key_id(), &scope, &[], &signature)
    }

    fn day_key(&self, secret: &str, scope: &v4::Scope<'_>) -> Arc<DayKey> {
        let fits = |key: &&Arc<DayKey>| key.secret == secret && key.date == scope.date;
        let kept = self.day_key.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = kept.as_ref().filter(fits) {
            return Arc::clone(key);
        }
        drop(kept);
        let key = Arc::new(DayKey {
            secret: secret.to_owned(),
            date: scope.date.to_owned(),
            key: v4::SigningKey::derive(secret, scope),
        });
        let mut kept = self.day_key.write().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Arc::clone(&key));
        key
    }
}

fn sign_v1(request: &Signable<'_>, credentials: &Credentials) -> String {
    let text = v1::string_to_sign(request, request.header("date"), &[]);
    let signature = v1::signature(credentials.access_key_secret(), &text);
    v1::authorization(credentials.access_key_id(), &signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(version: SignatureVersion) -> Signer {
        Signer::new(version, "cn-hangzhou".to_owned(), "oss")
    }

    fn upload_part<'a>() -> Signable<'a> {
        Signable {
            method: "PUT",
            bucket: Some("examplebucket"),
            key: Some("backup/2024 Q1/report+final~v2*(a)!.bin"),
            query: &[
                ("partNumber", "1"),
                ("uploadId", "0004B9895DBBB6EC98E36A7C1B2D3E4F"),
            ],
            headers: &[],
        }
    }

    fn header<'a>(headers: &'a SignedHeaders, name: &str) -> Option<&'a str> {
        let found = headers.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| &**value)
    }

    fn june_first() -> Timestamp {
        Timestamp::from_second(1_717_243_384).expect("in range")
    }

    #[test]
    fn a_client_s_requests_carry_the_published_signatures() {
        let credentials = Credentials::new("test-key-id", "test-key-secret");
        let v4 = signer(SignatureVersion::V4).sign(&upload_part(), &credentials, june_first());
        let authorization = header(&v4, "authorization").expect("signed");
        assert!(
            authorization.ends_with(
                "Signature=6580139125cb0b67fb14dd8e733c879ad3ff7536fbb5a8b23e71e3a308baa79b"
            ),
            "{authorization}"
        );
        let v1 = signer(SignatureVersion::V1).sign(&upload_part(), &credentials, june_first());
        let expected = "OSS test-key-id:fSHcKkfqAxGPAAcUpzS2dcS1UNU=";
        assert_eq!(header(&v1, "authorization"), Some(expected));
        assert_eq!(header(&v1, "x-oss-date"), None);
    }

    #[test]
    fn the_day_s_key_is_derived_once_and_anew_for_another_day_or_secret() {
        let signer = signer(SignatureVersion::V4);
        let key = |secret: &str, second: i64| {
            let time = Timestamp::from_second(second).expect("in range");
            signer.sign(&upload_part(), &Credentials::new("id", secret), time);
            let kept = signer.day_key.read().expect("no panic").clone();
            kept.expect("a key")
        };
        let first = key("secret", 1_717_243_384);
        assert!(Arc::ptr_eq(&first, &key("secret", 1_717_243_999)));
        assert!(!Arc::ptr_eq(&first, &key("secret", 1_717_243_384 + 86_400)));
        assert!(!Arc::ptr_eq(&first, &key("other", 1_717_243_384)));
    }

    #[test]
    fn without_credentials_nothing_is_signed() {
        let signed = signer(SignatureVersion::V4);
        let headers = signed.sign(&upload_part(), &Credentials::anonymous(), june_first());
        assert_eq!(header(&headers, "authorization"), None);
        assert_eq!(header(&headers, "x-oss-date"), None);
    }

    #[test]
    fn debug_shows_no_key() {
        let signer = signer(SignatureVersion::V4);
        let credentials = Credentials::new("id", "the-secret");
        signer.sign(&upload_part(), &credentials, june_first());
        assert!(!format!("{signer:?}").contains("the-secret"));
    }
}
