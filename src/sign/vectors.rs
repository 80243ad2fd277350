//! Every published vector: inputs and signatures from the official SDKs' own tests and documents.

use super::{Signable, basic_date, hex, http_date, v1, v4};
use jiff::Timestamp;
use serde_json::Value;

struct Vector(Value);

impl Vector {
    fn all(group: &str) -> Vec<Vector> {
        let text = include_str!("../../tests/data/vectors/signing.json");
        let mut all: Value = serde_json::from_str(text).expect("valid JSON");
        let group = all[group].take();
        let Value::Array(vectors) = group else {
            panic!("an array")
        };
        vectors.into_iter().map(Vector).collect()
    }

    fn text(&self, field: &str) -> &str {
        self.0[field]
            .as_str()
            .unwrap_or_else(|| panic!("no {field} in {}", self.0))
    }

    fn token(&self) -> Option<&str> {
        self.0["security_token"].as_str()
    }

    fn query(&self) -> Vec<(String, String)> {
        let pair = |pair: &Value| (owned(&pair[0]), owned(&pair[1]));
        let pairs = self.0["query"].as_array().expect("an array");
        pairs.iter().map(pair).collect()
    }

    fn headers(&self) -> Vec<(String, String)> {
        let headers = self.0["headers"].as_object().expect("an object");
        let pair = |(name, value): (&String, &Value)| (name.clone(), owned(value));
        headers.iter().map(pair).collect()
    }

    fn list(&self, field: &str) -> Vec<&str> {
        let Some(list) = self.0[field].as_array() else {
            return vec![];
        };
        list.iter().map(|v| v.as_str().expect("text")).collect()
    }

    fn time(&self) -> Timestamp {
        let seconds = self.0["unix_time"].as_i64().expect("a number");
        Timestamp::from_second(seconds).expect("in range")
    }

    fn with_signable<R>(
        &self,
        query: &[(String, String)],
        headers: &[(String, String)],
        f: impl FnOnce(&Signable<'_>) -> R,
    ) -> R {
        let query: Vec<_> = query.iter().map(|(n, v)| (&**n, &**v)).collect();
        let headers: Vec<_> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
        f(&Signable {
            method: self.text("method"),
            bucket: self.0["bucket"].as_str(),
            key: self.0["key"].as_str(),
            query: &query,
            headers: &headers,
        })
    }
}

fn owned(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn version_1_headers() {
    let vectors = Vector::all("v1_header");
    assert_eq!(vectors.len(), 18);
    for vector in vectors {
        let name = vector.text("name");
        let mut headers = vector.headers();
        headers.extend(vector.token().map(|t| pair("x-oss-security-token", t)));
        let extra = vector.list("extra_sub_resources");
        let text = vector.with_signable(&vector.query(), &headers, |request| {
            v1::string_to_sign(request, vector.text("date"), &extra)
        });
        assert_eq!(text, vector.text("string_to_sign"), "{name}");
        let signature = v1::signature(vector.text("access_key_secret"), &text);
        assert_eq!(signature, vector.text("signature"), "{name}");
        let authorization = v1::authorization(vector.text("access_key_id"), &signature);
        assert_eq!(authorization, vector.text("authorization"), "{name}");
    }
}

#[test]
fn version_1_presigned() {
    let vectors = Vector::all("v1_query");
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let name = vector.text("name");
        let mut query = vector.query();
        query.extend(vector.token().map(|t| pair("security-token", t)));
        let expires = vector.0["expires"].to_string();
        let text = vector.with_signable(&query, &vector.headers(), |request| {
            v1::string_to_sign(request, &expires, &[])
        });
        assert_eq!(text, vector.text("string_to_sign"), "{name}");
        let signature = v1::signature(vector.text("access_key_secret"), &text);
        assert_eq!(signature, vector.text("signature"), "{name}");
    }
}

/// Signs as version 4 does and compares every step on the way. Returns the `Authorization`.
fn sign_v4(vector: &Vector, query: &[(String, String)], headers: &[(String, String)]) -> String {
    let name = vector.text("name");
    let datetime = basic_date(vector.time());
    assert_eq!(datetime, vector.text("datetime"), "{name}");
    let scope = v4::Scope {
        date: &datetime[..8],
        region: vector.text("region"),
        product: vector.text("product"),
    };
    let asked = vector.list("additional_headers");
    let (canonical, additional) = vector.with_signable(query, headers, |request| {
        let additional = v4::additional_headers(request, &asked);
        (v4::canonical_request(request, &additional), additional)
    });
    assert_eq!(canonical, vector.text("canonical_request"), "{name}");
    let text = v4::string_to_sign(&datetime, &scope.text(), &canonical);
    assert_eq!(text, vector.text("string_to_sign"), "{name}");
    let secret = vector.text("access_key_secret");
    let key = v4::signing_key(secret, &scope);
    assert_eq!(hex(&key), vector.text("signing_key_hex"), "{name}");
    let signature = v4::SigningKey::derive(secret, &scope).sign(&text);
    assert_eq!(signature, vector.text("signature"), "{name}");
    v4::authorization(
        vector.text("access_key_id"),
        &scope.text(),
        &additional,
        &signature,
    )
}

#[test]
fn version_4_headers() {
    let vectors = Vector::all("v4_header");
    assert_eq!(vectors.len(), 18);
    for vector in vectors {
        let name = vector.text("name");
        let mut headers = vector.headers();
        headers.push(pair("x-oss-date", vector.text("datetime")));
        headers.extend(vector.token().map(|t| pair("x-oss-security-token", t)));
        if !headers.iter().any(|(n, _)| n == "x-oss-content-sha256") {
            headers.push(pair("x-oss-content-sha256", v4::UNSIGNED_PAYLOAD));
        }
        let authorization = sign_v4(&vector, &vector.query(), &headers);
        assert_eq!(authorization, vector.text("authorization"), "{name}");
    }
}

#[test]
fn version_4_presigned() {
    let vectors = Vector::all("v4_query");
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let headers = vector.headers();
        let datetime = vector.text("datetime");
        let credential = format!(
            "{}/{}/{}/{}/aliyun_v4_request",
            vector.text("access_key_id"),
            &datetime[..8],
            vector.text("region"),
            vector.text("product"),
        );
        let mut query = vector.query();
        query.push(pair("x-oss-signature-version", "OSS4-HMAC-SHA256"));
        query.push(pair("x-oss-date", datetime));
        query.push(pair(
            "x-oss-expires",
            &vector.0["expires_seconds"].to_string(),
        ));
        query.push(pair("x-oss-credential", &credential));
        query.extend(vector.token().map(|t| pair("x-oss-security-token", t)));
        let asked = vector.list("additional_headers");
        let additional = vector.with_signable(&query, &headers, |request| {
            v4::additional_headers(request, &asked)
        });
        if !additional.is_empty() {
            query.push(pair("x-oss-additional-headers", &additional.join(";")));
        }
        sign_v4(&vector, &query, &headers);
    }
}

#[test]
fn dates_are_written_as_http_and_oss_write_them() {
    let time = Timestamp::from_second(1_672_223_261).expect("in range");
    assert_eq!(http_date(time), "Wed, 28 Dec 2022 10:27:41 GMT");
    assert_eq!(basic_date(time), "20221228T102741Z");
    let early = Timestamp::from_second(1_717_243_384).expect("in range");
    assert_eq!(http_date(early), "Sat, 01 Jun 2024 12:03:04 GMT");
}
