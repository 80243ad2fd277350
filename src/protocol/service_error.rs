//! What OSS says when it refuses.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/developer-reference/error-responses>

use super::xml::{self, limited};
use super::{Answer, digits, parse_http_date};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use std::fmt;

/// An error that OSS, or something in front of it, answered with.
///
/// Branch on [`status`](Self::status) and [`code`](Self::code); messages may change.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceError(Box<Fields>);

#[derive(Clone, Default, PartialEq, Eq)]
struct Fields {
    status: u16,
    code: String,
    message: String,
    request_id: Option<String>,
    ec: Option<String>,
    host_id: Option<String>,
    part_number: Option<u16>,
    endpoint: Option<String>,
    server_time: Option<Timestamp>,
    retry_after: Option<u64>,
}

impl ServiceError {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The code, such as `NoSuchBucket`. `HTTP 502` and the like when the answer was not OSS's.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The message, as sent.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The id under which Alibaba Cloud finds the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The number of the error in OSS's list of errors ("EC").
    pub fn ec(&self) -> Option<&str> {
        self.0.ec.as_deref()
    }

    /// The host that answered.
    pub fn host_id(&self) -> Option<&str> {
        self.0.host_id.as_deref()
    }

    /// The endpoint that OSS names when the bucket lives elsewhere.
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// The part that Complete found missing or different.
    pub(crate) fn part_number(&self) -> Option<u16> {
        self.0.part_number
    }

    /// What the server's clock says, when it refused ours.
    pub(crate) fn server_time(&self) -> Option<Timestamp> {
        self.0.server_time
    }

    /// Seconds that the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.0.retry_after
    }

    /// Reads an answer that is no success, or the error in the body of one.
    pub(crate) fn from_answer(answer: &Answer) -> ServiceError {
        let from_body = ServiceError::from_xml(&answer.body).or_else(|| {
            let encoded = answer.header("x-oss-err")?;
            ServiceError::from_xml(&STANDARD.decode(encoded).ok()?)
        });
        let mut named = from_body.unwrap_or_else(|| ServiceError::from_status(answer));
        let error = &mut *named.0;
        error.status = answer.status;
        let header = |name| answer.header(name).map(|value| limited(value, 256));
        error.request_id = error
            .request_id
            .take()
            .or_else(|| header("x-oss-request-id"));
        error.ec = error.ec.take().or_else(|| header("x-oss-ec"));
        error.retry_after = answer.header("retry-after").and_then(digits);
        if error.server_time.is_none() {
            error.server_time = answer.header("date").and_then(parse_http_date);
        }
        named
    }

    /// Reads an `<Error>`; `None` when it is none.
    pub(crate) fn from_xml(body: &[u8]) -> Option<ServiceError> {
        let read = xml::with_root(body, "Error", |root| {
            let text = |name| root.text(name).map(|text| limited(text, 256));
            let code = limited(root.required("Code")?, 256);
            if code.trim().is_empty() {
                return Err("has an unprintable <Code>".to_owned());
            }
            Ok(Fields {
                status: 0,
                code,
                message: limited(root.text("Message").unwrap_or_default(), 1024),
                request_id: text("RequestId"),
                ec: text("EC"),
                host_id: text("HostId"),
                part_number: root.number("PartNumber").ok(),
                endpoint: text("Endpoint"),
                server_time: root.text("ServerTime").and_then(|t| t.parse().ok()),
                retry_after: None,
            })
        });
        read.ok().map(|fields| ServiceError(Box::new(fields)))
    }

    /// The error of an answer that is not OSS's: a gateway's, or none at all to HEAD.
    fn from_status(answer: &Answer) -> ServiceError {
        let message = match answer.body.is_empty() {
            true => String::new(),
            false => xml::beginning(&answer.body),
        };
        ServiceError(Box::new(Fields {
            status: answer.status,
            code: format!("HTTP {}", answer.status),
            message,
            ..Fields::default()
        }))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.code.starts_with("HTTP ") {
            true => write!(f, "the server answered {}", self.0.code)?,
            false => write!(f, "OSS answered {} {}", self.0.status, self.0.code)?,
        }
        if !self.0.message.is_empty() {
            write!(f, ": {}", self.0.message.trim_end_matches('.'))?;
        }
        if let Some(endpoint) = &self.0.endpoint {
            write!(f, " (the bucket's endpoint: {endpoint})")?;
        }
        match &self.0.request_id {
            Some(id) => write!(f, " [request id {id}]"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceError({self})")
    }
}

impl std::error::Error for ServiceError {}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_SUCH_UPLOAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<Error><Code>NoSuchUpload</Code><Message>The specified upload does not exist.</Message>
<RequestId>665B0DD86A0C3E3530F1A2B3</RequestId><HostId>b.oss-cn-hangzhou.aliyuncs.com</HostId>
<UploadId>5D0F9B4E</UploadId><EC>0042-00000002</EC></Error>";

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let owned = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
        Answer {
            status,
            headers: headers.iter().map(owned).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn an_error_keeps_code_message_request_id_ec_host_and_status() {
        let error = ServiceError::from_answer(&answer(404, &[], NO_SUCH_UPLOAD));
        assert_eq!((error.status(), error.code()), (404, "NoSuchUpload"));
        assert_eq!(error.request_id(), Some("665B0DD86A0C3E3530F1A2B3"));
        assert_eq!(error.ec(), Some("0042-00000002"));
        assert_eq!(error.host_id(), Some("b.oss-cn-hangzhou.aliyuncs.com"));
        assert_eq!(
            error.to_string(),
            "OSS answered 404 NoSuchUpload: The specified upload does not exist \
             [request id 665B0DD86A0C3E3530F1A2B3]"
        );
    }

    #[test]
    fn a_code_that_shows_nothing_is_none() {
        let error =
            ServiceError::from_answer(&answer(403, &[], "<Error><Code>\u{7f}</Code></Error>"));
        assert_eq!(error.code(), "HTTP 403");
    }

    #[test]
    fn an_answer_to_head_hides_its_error_in_a_header() {
        let encoded = STANDARD.encode(NO_SUCH_UPLOAD);
        let error = ServiceError::from_answer(&answer(404, &[("x-oss-err", &encoded)], ""));
        assert_eq!(error.code(), "NoSuchUpload");
    }

    #[test]
    fn a_gateway_s_page_keeps_its_status_and_beginning() {
        let headers = [("x-oss-request-id", "ID"), ("retry-after", "7")];
        let error = ServiceError::from_answer(&answer(502, &headers, "<html>\nBad gateway"));
        assert_eq!(error.code(), "HTTP 502");
        assert_eq!(error.retry_after(), Some(7));
        let text = "the server answered HTTP 502: it begins `<html> Bad gateway` [request id ID]";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn the_server_s_time_comes_from_the_body_before_the_header() {
        let date = ("date", "Sat, 01 Jun 2024 12:03:04 GMT");
        let body = "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>2024-06-01T12:03:05.000Z</ServerTime></Error>";
        let error = ServiceError::from_answer(&answer(403, &[date], body));
        assert_eq!(
            error.server_time().map(|t| t.as_second()),
            Some(1_717_243_385)
        );
        let error = ServiceError::from_answer(&answer(403, &[date], ""));
        assert_eq!(
            error.server_time().map(|t| t.as_second()),
            Some(1_717_243_384)
        );
    }

    #[test]
    fn secrets_in_the_body_of_a_refusal_are_not_kept() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>x-oss-security-token:TOKEN</StringToSign>\
                    <SignatureProvided>SIGNATURE</SignatureProvided></Error>";
        let shown = format!("{:?}", ServiceError::from_answer(&answer(403, &[], body)));
        assert!(
            !shown.contains("TOKEN") && !shown.contains("SIGNATURE"),
            "{shown}"
        );
    }
}
