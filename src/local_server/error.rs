//! Errors as OSS answers them: a status, a code, a message, and elements that depend on the code.
//!
//! Source: <https://www.alibabacloud.com/help/en/oss/support/http-status-code-403> and its siblings.

use super::answer::Answer;
use super::xml::Xml;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::io;

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(super) struct OssError {
    status: u16,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    ec: &'static str,
    details: Vec<(&'static str, String)>,
}

/// What an error says about the request it answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) request_id: &'a str,
    pub(super) host: &'a str,
    pub(super) is_head: bool,
}

impl OssError {
    pub(super) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> OssError {
        OssError {
            status,
            code: code.into(),
            message: message.into(),
            ec: "",
            details: vec![],
        }
    }

    /// Adds the number by which OSS documents the cause.
    pub(super) fn ec(mut self, ec: &'static str) -> OssError {
        self.ec = ec;
        self
    }

    /// Adds an element of its own to the answer.
    pub(super) fn detail(mut self, name: &'static str, value: impl Into<String>) -> OssError {
        self.details.push((name, value.into()));
        self
    }

    pub(super) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> OssError {
        OssError::new(400, "InvalidArgument", message)
    }

    /// An argument with its name and the value it came with.
    pub(super) fn argument(
        message: &'static str,
        name: &'static str,
        value: impl Into<String>,
    ) -> OssError {
        OssError::invalid_argument(message)
            .detail("ArgumentName", name)
            .detail("ArgumentValue", value)
    }

    pub(super) fn not_implemented(what: &str) -> OssError {
        let message = format!("This local server does not implement {what}.");
        OssError::new(400, "NotImplemented", message)
    }

    pub(super) fn access_denied(message: &'static str) -> OssError {
        OssError::new(403, "AccessDenied", message)
    }

    pub(super) fn no_such_upload(upload_id: &str) -> OssError {
        OssError::new(
            404,
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may \
             have been aborted or completed.",
        )
        .detail("UploadId", upload_id)
        .ec("0042-00000002")
    }

    pub(super) fn no_such_key(key: &str) -> OssError {
        OssError::new(404, "NoSuchKey", "The specified key does not exist.")
            .detail("Key", key)
            .ec("0026-00000001")
    }

    pub(super) fn file_already_exists(ec: &'static str) -> OssError {
        OssError::new(
            409,
            "FileAlreadyExists",
            "The object you specified already exists and can not be overwritten.",
        )
        .ec(ec)
    }

    pub(super) fn malformed_xml() -> OssError {
        OssError::new(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published \
             schema.",
        )
        .ec("0042-00000205")
    }

    pub(super) fn invalid_digest(ec: &'static str) -> OssError {
        let message = "The Content-MD5 you specified was invalid.";
        OssError::new(400, "InvalidDigest", message).ec(ec)
    }

    pub(super) fn too_large() -> OssError {
        let message = "Your proposed upload exceeds the maximum allowed size.";
        OssError::new(400, "EntityTooLarge", message)
    }

    /// The disk under the server's folder failed, not the client.
    pub(super) fn internal(cause: &io::Error) -> OssError {
        log::warn!(target: "oss_upload::local_server", "answering InternalError: {cause}");
        let message = "We encountered an internal error. Please try again.";
        OssError::new(500, "InternalError", message)
    }

    pub(super) fn answer(&self, asked: Asked<'_>) -> Answer {
        let body = self.xml(asked);
        let mut answer = Answer::new(self.status);
        if !self.ec.is_empty() {
            answer = answer.header("x-oss-ec", self.ec);
        }
        // An answer to HEAD has no body, so the error travels in a header.
        if asked.is_head {
            return answer.header("x-oss-err", STANDARD.encode(body));
        }
        answer.header("Content-Type", "application/xml").body(body)
    }

    fn xml(&self, asked: Asked<'_>) -> Vec<u8> {
        let mut xml = Xml::new("Error");
        xml.element("Code", &self.code);
        xml.element("Message", &self.message);
        xml.element("RequestId", asked.request_id);
        xml.element("HostId", asked.host);
        for (name, value) in &self.details {
            xml.element(name, value);
        }
        if !self.ec.is_empty() {
            xml.element("EC", self.ec);
            let doc = format!("https://api.aliyun.com/troubleshoot?q={}", self.ec);
            xml.element("RecommendDoc", &doc);
        }
        xml.finish()
    }
}
