//! From a request head to a call: bucket, key, parameters.

use super::error::OssError;
use super::journal::{Operation, RequestLog};
use super::store::Overwrite;
use super::wire::Head;
use super::xml::Encoding;
use crate::escape;
use std::net::IpAddr;

/// A request as far as its head tells.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) head: Head,
    pub(super) operation: Operation,
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    /// Decoded, in the order of the wire.
    pub(super) query: Vec<(String, String)>,
    /// Whether the query is escaped as signatures of version 4 escape it.
    pub(super) is_query_canonical: bool,
    path: String,
    /// What is wrong with the address itself.
    unreadable: Option<OssError>,
}

impl Request {
    pub(super) fn new(head: Head) -> Request {
        let (authority, path, raw_query) = split_target(&head.target);
        let host = authority
            .or_else(|| head.header("host"))
            .unwrap_or_default();
        let mut request = Request {
            operation: Operation::Other,
            bucket: None,
            key: None,
            query: vec![],
            is_query_canonical: true,
            path: path.to_owned(),
            unreadable: None,
            head: Head::default(),
        };
        request.read_address(host, path);
        request.read_query(raw_query);
        request.head = head;
        request.operation = request.classify();
        request
    }

    /// A head that could not be parsed, for the log.
    pub(super) fn unreadable(reason: &str) -> Request {
        let mut request = Request::new(Head::default());
        let message = format!("The request is malformed: {reason}.");
        request.unreadable = Some(OssError::new(400, "BadRequest", message));
        request
    }

    pub(super) fn host(&self) -> &str {
        self.head.header("host").unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name).map(str::trim)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let named = |(candidate, _): &&(String, String)| candidate == name;
        self.query.iter().find(named).map(|(_, value)| &**value)
    }

    /// The value of a header, or of the parameter of this name.
    pub(super) fn header_or_parameter(&self, name: &str) -> Option<&str> {
        self.header(name).or_else(|| self.parameter(name))
    }

    /// Refuses a value that is none of these.
    pub(super) fn check_choice(
        &self,
        name: &'static str,
        choices: &[&str],
    ) -> Result<(), OssError> {
        match self.header_or_parameter(name) {
            Some(value) if !choices.contains(&value) => Err(OssError::argument(
                "The value of a header is invalid.",
                name,
                value,
            )),
            _ => Ok(()),
        }
    }

    /// Whether its object may take the place of another, and the code of the refusal if not.
    pub(super) fn overwrite(&self, ec: &'static str) -> Overwrite {
        match self.header("x-oss-forbid-overwrite") {
            Some("true") => Overwrite::Forbidden(ec),
            _ => Overwrite::Allowed,
        }
    }

    pub(super) fn is_head(&self) -> bool {
        self.head.method == "HEAD"
    }

    /// The bucket and the key of a call that is known to have them.
    pub(super) fn place(&self) -> (&str, &str) {
        let bucket = self.bucket.as_deref().unwrap_or_default();
        (bucket, self.key.as_deref().unwrap_or_default())
    }

    pub(super) fn upload_id(&self) -> &str {
        self.parameter("uploadId").unwrap_or_default()
    }

    pub(super) fn encoding(&self) -> Encoding {
        match self.parameter("encoding-type") {
            Some(_) => Encoding::Url,
            None => Encoding::Plain,
        }
    }

    pub(super) fn part_number(&self) -> Option<u16> {
        self.parameter("partNumber")?.parse().ok()
    }

    pub(super) fn log(&self, connection: u64, fault: bool) -> RequestLog {
        RequestLog {
            operation: self.operation,
            method: self.head.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.head.headers.clone(),
            part_number: self.part_number(),
            upload_id: self.parameter("uploadId").map(str::to_owned),
            body_len: 0,
            status: None,
            connection,
            fault,
        }
    }

    fn read_address(&mut self, host: &str, path: &str) {
        let Some(path) = path.strip_prefix('/') else {
            self.unreadable = Some(OssError::invalid_argument(
                "The target of a request must be a path.",
            ));
            return;
        };
        let (bucket, raw_key) = match virtual_host_bucket(host) {
            Some(bucket) => (bucket, path),
            None => path.split_once('/').unwrap_or((path, "")),
        };
        self.bucket = Some(bucket.to_owned()).filter(|b| !b.is_empty());
        match escape::decode(raw_key) {
            Some(key) => self.key = Some(key).filter(|k| !k.is_empty()),
            None => self.unreadable = Some(invalid_object_name()),
        }
    }

    fn read_query(&mut self, raw_query: &str) {
        // oss2 sends `+` for a space, and signs `%20`. A plus itself is sent as `%2B` by everybody.
        let raw_query = raw_query.replace('+', "%20");
        for pair in raw_query.split('&').filter(|pair| !pair.is_empty()) {
            let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some((name, value)) = escape::decode(raw_name).zip(escape::decode(raw_value))
            else {
                let message = "A query parameter is not UTF-8.";
                self.unreadable = Some(OssError::invalid_argument(message));
                return;
            };
            let is_canonical = escape::query(&name).eq_ignore_ascii_case(raw_name)
                && escape::query(&value).eq_ignore_ascii_case(raw_value);
            self.is_query_canonical &= is_canonical;
            self.query.push((name, value));
        }
    }

    fn classify(&self) -> Operation {
        let has = |name| self.parameter(name).is_some();
        let method = &*self.head.method;
        if self.bucket.is_none() {
            return Operation::Other;
        }
        if self.key.is_none() {
            return match method {
                "GET" if has("uploads") => Operation::ListMultipartUploads,
                _ => Operation::Other,
            };
        }
        match method {
            "POST" if has("uploads") => Operation::InitiateMultipartUpload,
            "POST" if has("uploadId") => Operation::CompleteMultipartUpload,
            "PUT" if has("partNumber") || has("uploadId") => Operation::UploadPart,
            "PUT" => Operation::PutObject,
            "GET" if has("uploadId") => Operation::ListParts,
            "GET" => Operation::GetObject,
            "HEAD" => Operation::HeadObject,
            "DELETE" if has("uploadId") => Operation::AbortMultipartUpload,
            "DELETE" => Operation::DeleteObject,
            _ => Operation::Other,
        }
    }

    /// Method and parameters form a call that the server knows.
    pub(super) fn check_call(&self) -> Result<(), OssError> {
        if let Some(error) = &self.unreadable {
            return Err(error.clone());
        }
        if self.head.header("host").is_none() {
            return Err(OssError::invalid_argument("The Host header is missing."));
        }
        if !["GET", "HEAD", "PUT", "POST", "DELETE"].contains(&&*self.head.method) {
            let message = "The specified method is not allowed against this resource.";
            return Err(OssError::new(405, "MethodNotAllowed", message));
        }
        self.check_parameters()?;
        self.check_headers()
    }

    fn check_parameters(&self) -> Result<(), OssError> {
        let known = known_parameters(self.operation)
            .ok_or_else(|| OssError::not_implemented("this call"))?;
        for (i, (name, _)) in self.query.iter().enumerate() {
            let is_repeated = self.query[..i].iter().any(|(other, _)| other == name);
            let is_known = known.contains(&&**name)
                || COMMON_PARAMETERS.contains(&&**name)
                // What a caller adds for the logs, or for what stands in between.
                || name.starts_with("x-") && !name.starts_with("x-oss-");
            if !is_known || is_repeated {
                return Err(unexpected_parameter(name));
            }
        }
        let required = |name| match self.parameter(name) {
            Some(value) if !value.is_empty() => Ok(()),
            _ => Err(unexpected_parameter(name)),
        };
        if self.operation == Operation::UploadPart {
            required("partNumber")?;
            required("uploadId")?;
        }
        match self.parameter("encoding-type") {
            None | Some("url") => Ok(()),
            Some(other) => Err(OssError::argument(
                "Invalid Encoding Method specified in Request",
                "encoding-type",
                other,
            )),
        }
    }

    /// A header that OSS would act on must not be ignored in silence.
    fn check_headers(&self) -> Result<(), OssError> {
        for (name, _) in &self.head.headers {
            let name = name.to_ascii_lowercase();
            let is_known = !name.starts_with("x-oss-")
                || name.starts_with("x-oss-meta-")
                || KNOWN_HEADERS.contains(&&*name);
            if !is_known {
                return Err(OssError::not_implemented(&format!("the header {name}")));
            }
        }
        Ok(())
    }
}

/// Parameters in place of headers, with every call.
const COMMON_PARAMETERS: &[&str] = &["x-oss-request-payer", "x-oss-traffic-limit"];

const KNOWN_HEADERS: &[&str] = &[
    "x-oss-callback",
    "x-oss-callback-var",
    "x-oss-complete-all",
    "x-oss-content-sha256",
    "x-oss-date",
    "x-oss-forbid-overwrite",
    "x-oss-object-acl",
    "x-oss-range-behavior",
    "x-oss-request-payer",
    "x-oss-security-token",
    "x-oss-server-side-data-encryption",
    "x-oss-server-side-encryption",
    "x-oss-server-side-encryption-key-id",
    "x-oss-storage-class",
    "x-oss-tagging",
    "x-oss-traffic-limit",
];

/// The parameters of a call; `None` of one that the server does not know.
fn known_parameters(operation: Operation) -> Option<&'static [&'static str]> {
    Some(match operation {
        Operation::InitiateMultipartUpload => &["uploads", "encoding-type"],
        Operation::UploadPart => &["partNumber", "uploadId"],
        Operation::ListParts => &[
            "uploadId",
            "max-parts",
            "part-number-marker",
            "encoding-type",
        ],
        Operation::CompleteMultipartUpload => {
            &["uploadId", "encoding-type", "callback", "callback-var"]
        }
        Operation::AbortMultipartUpload => &["uploadId"],
        Operation::ListMultipartUploads => &[
            "uploads",
            "prefix",
            "delimiter",
            "key-marker",
            "upload-id-marker",
            "max-uploads",
            "encoding-type",
        ],
        Operation::HeadObject => &["objectMeta"],
        Operation::PutObject => &["callback", "callback-var"],
        Operation::GetObject | Operation::DeleteObject => &[],
        Operation::Other => return None,
    })
}

fn unexpected_parameter(name: &str) -> OssError {
    OssError::argument("Unexpected query string parameter", "name", name).ec("0017-00000219")
}

pub(super) fn invalid_object_name() -> OssError {
    let message = "The specified object is not valid.";
    OssError::new(400, "InvalidObjectName", message)
}

/// Authority (of a request through a proxy), path and query.
fn split_target(target: &str) -> (Option<&str>, &str, &str) {
    let (authority, rest) = match target.strip_prefix("http://") {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, target),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    (authority, path, query)
}

/// The bucket in `bucket.some.domain:port`. An IP address and `localhost` have none: the path names it.
fn virtual_host_bucket(host: &str) -> Option<&str> {
    if host.starts_with('[') {
        return None;
    }
    let name = host.split(':').next().unwrap_or_default();
    if name.parse::<IpAddr>().is_ok() {
        return None;
    }
    let (bucket, domain) = name.split_once('.')?;
    (!domain.is_empty()).then_some(bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ip_address_and_localhost_are_addressed_path_style() {
        for host in ["127.0.0.1:80", "127.0.0.1", "[::1]:80", "localhost:9", ""] {
            assert_eq!(virtual_host_bucket(host), None, "{host}");
        }
        for host in ["b.127.0.0.1:80", "b.localhost", "b.oss.example.com:1"] {
            assert_eq!(virtual_host_bucket(host), Some("b"), "{host}");
        }
    }

    #[test]
    fn a_target_may_be_absolute_as_proxies_see_it() {
        assert_eq!(
            split_target("http://h:1/b/k?a=b"),
            (Some("h:1"), "/b/k", "a=b")
        );
        assert_eq!(split_target("/b/k"), (None, "/b/k", ""));
    }
}
