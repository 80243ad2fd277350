//! Signs the requests of a client: one version, one region; what a second's requests have in common is kept.

use crate::credentials::Credentials;
use crate::sign::{Signable, SignatureVersion, SignedHeaders, basic_date, http_date, v1, v4};
use jiff::Timestamp;
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Debug)]
pub(crate) struct Signer {
    version: SignatureVersion,
    /// Not empty where it is needed: version 4.
    region: String,
    product: &'static str,
    kept: RwLock<Option<Arc<Second>>>,
}

/// What all requests of one second share that one secret signs. Printing dates and deriving a key cost more than the
/// signature itself.
struct Second {
    time: i64,
    secret: String,
    http_date: String,
    /// As version 4 has it.
    basic_date: String,
    scope: String,
    key: v4::SigningKey,
}

impl std::fmt::Debug for Second {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Second")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

impl Signer {
    pub(crate) fn new(version: SignatureVersion, region: String, product: &'static str) -> Signer {
        Signer {
            version,
            region,
            product,
            kept: RwLock::new(None),
        }
    }

    /// The headers that make the request signed by these credentials at this time.
    pub(crate) fn sign(
        &self,
        request: &Signable<'_>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> SignedHeaders {
        let second = self.second(credentials.access_key_secret(), now);
        let mut added = SignedHeaders::with_capacity(5);
        added.push(("date", second.http_date.clone().into()));
        if credentials.is_anonymous() {
            return added;
        }
        if self.version == SignatureVersion::V4 {
            added.push(("x-oss-date", second.basic_date.clone().into()));
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
            SignatureVersion::V4 => sign_v4(&complete, credentials, &second),
        };
        added.push(("authorization", authorization.into()));
        added
    }

    fn second(&self, secret: &str, now: Timestamp) -> Arc<Second> {
        let time = now.as_second();
        let fits = |kept: &&Arc<Second>| kept.time == time && kept.secret == secret;
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(second) = kept.as_ref().filter(fits) {
            return Arc::clone(second);
        }
        drop(kept);
        let basic_date = basic_date(now);
        let scope = v4::Scope {
            date: &basic_date[..8],
            region: &self.region,
            product: self.product,
        };
        let second = Arc::new(Second {
            time,
            secret: secret.to_owned(),
            http_date: http_date(now),
            scope: scope.text(),
            key: v4::SigningKey::derive(secret, &scope),
            basic_date,
        });
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Arc::clone(&second));
        second
    }
}

fn sign_v4(request: &Signable<'_>, credentials: &Credentials, second: &Second) -> String {
    let canonical = v4::canonical_request(request, &[]);
    let text = v4::string_to_sign(&second.basic_date, &second.scope, &canonical);
    let signature = second.key.sign(&text);
    v4::authorization(credentials.access_key_id(), &second.scope, &[], &signature)
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
    fn what_is_kept_serves_one_second_and_one_secret() {
        let signer = signer(SignatureVersion::V4);
        let sign = |secret: &str, millis: i64| {
            let time = Timestamp::from_millisecond(millis).expect("in range");
            let signed = signer.sign(&upload_part(), &Credentials::new("id", secret), time);
            let kept = signer.kept.read().expect("no panic").clone();
            (kept.expect("kept"), signed)
        };
        let (first, signed) = sign("secret", 1_717_243_384_001);
        let (later, same) = sign("secret", 1_717_243_384_999);
        assert!(Arc::ptr_eq(&first, &later));
        assert_eq!(signed, same);
        for (secret, millis) in [
            ("secret", 1_717_243_385_000),
            ("secret", 1_717_243_383_999),
            ("other", 1_717_243_384_001),
        ] {
            let (_, other) = sign(secret, millis);
            assert_ne!(signed, other, "{secret} {millis}");
            // And not for having been signed after others.
            let fresh = self::signer(SignatureVersion::V4);
            let time = Timestamp::from_millisecond(millis).expect("in range");
            let credentials = Credentials::new("id", secret);
            assert_eq!(other, fresh.sign(&upload_part(), &credentials, time));
        }
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
