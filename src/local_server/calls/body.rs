//! The body of a request: what is to be done with it, and what came.

use crate::local_server::answer::Answer;
use crate::local_server::content::{Content, Writer};
use crate::local_server::error::OssError;
use crate::local_server::journal::Operation;
use crate::local_server::request::Request;
use crate::local_server::shared::Shared;
use crate::local_server::store::{Keep, md5_etag, upper_hex};
use crate::local_server::wire::Framing;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The largest part, and the largest object that is put at once.
const MAX_BODY: u64 = 5 << 30;
/// Completing ten thousand parts takes about one megabyte.
const MAX_XML: u64 = 4 << 20;

/// What is to be done with the body of a request.
#[derive(Debug)]
pub(in crate::local_server) struct Intake {
    pub(in crate::local_server) writer: Writer,
    pub(in crate::local_server) most: u64,
    pub(in crate::local_server) with_crc: bool,
    pub(in crate::local_server) with_md5: bool,
    content_md5: Option<[u8; 16]>,
}

impl Intake {
    pub(super) fn of(
        shared: &Shared,
        request: &Request,
        framing: Framing,
    ) -> Result<Intake, OssError> {
        let content_md5 = content_md5(request)?;
        let is_stored = matches!(
            request.operation,
            Operation::UploadPart | Operation::PutObject
        );
        if !is_stored {
            return Ok(Intake {
                writer: Writer::memory(Some(0)),
                most: MAX_XML,
                with_crc: false,
                with_md5: content_md5.is_some(),
                content_md5,
            });
        }
        let len = framing.len();
        if len.is_some_and(|len| len > MAX_BODY) {
            return Err(OssError::too_large());
        }
        let writer = shared.store.writer(len);
        Ok(Intake {
            writer: writer.map_err(|error| OssError::internal(&error))?,
            most: MAX_BODY,
            with_crc: shared.store.keep != Keep::Nothing,
            // MD5 takes longer than everything else together.
            with_md5: shared.store.keep == Keep::Everything || content_md5.is_some(),
            content_md5,
        })
    }

    /// Reads the body of a request that is refused, so that the client gets to read the answer.
    pub(in crate::local_server) fn ignored() -> Intake {
        Intake {
            writer: Writer::Discard,
            most: MAX_BODY,
            with_crc: false,
            with_md5: false,
            content_md5: None,
        }
    }

    pub(in crate::local_server) fn expected_md5(&self) -> Option<[u8; 16]> {
        self.content_md5
    }
}

/// A body that arrived as a whole.
#[derive(Debug)]
pub(in crate::local_server) struct Received {
    pub(in crate::local_server) len: u64,
    pub(in crate::local_server) crc: Option<u64>,
    pub(in crate::local_server) md5: Option<[u8; 16]>,
    pub(in crate::local_server) content: Content,
}

impl Received {
    /// The ETag of a body: its MD5, or, where none was computed, 32 digits of what is known.
    pub(super) fn etag(&self) -> String {
        match (self.md5, self.crc) {
            (Some(md5), _) => md5_etag(md5),
            (None, Some(crc)) => upper_hex(u128::from(crc) << 64 | u128::from(self.len), 32),
            (None, None) => upper_hex(u128::from(self.len), 32),
        }
    }

    /// What is answered to a body that was stored: its checksums.
    pub(super) fn answer(&self) -> Answer {
        let mut answer = Answer::new(200).header("ETag", format!("\"{}\"", self.etag()));
        if let Some(crc) = self.crc {
            answer = answer.header("x-oss-hash-crc64ecma", crc.to_string());
        }
        if let Some(md5) = self.md5 {
            answer = answer.header("Content-MD5", STANDARD.encode(md5));
        }
        answer
    }
}

fn content_md5(request: &Request) -> Result<Option<[u8; 16]>, OssError> {
    let Some(text) = request.header("content-md5") else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(text).ok();
    match bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
        Some(md5) => Ok(Some(md5)),
        None => Err(OssError::invalid_digest("0017-00000502").detail("Content-MD5", text)),
    }
}
