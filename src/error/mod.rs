//! One error for the whole library: a kind to branch on, a text to read, answers to what comes next.

mod advice;
mod kind;

pub use kind::ErrorKind;

use crate::part::PartNumber;
use crate::protocol::Operation;
use crate::protocol::service_error::ServiceError;
use std::fmt::{self, Write};
use std::io;
use std::path::{Path, PathBuf};

/// What a failed upload, or a client that could not be built, has to say.
///
/// `Display` says what was being done, to what, and what went wrong; what to do about it, where that is known; whether the
/// next run continues, and what is left on the server. All of that in one line. Nothing it says is repeated by
/// [`source`](std::error::Error::source), and secrets are never part of it.
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    doing: String,
    cause: Cause,
    /// What the server did not do.
    asked: Option<Operation>,
    is_temporary: bool,
    part_number: Option<PartNumber>,
    path: Option<PathBuf>,
    upload_id: Option<String>,
    left_behind: Vec<String>,
}

enum Cause {
    Text(String),
    Io(io::Error),
    Service(ServiceError),
}

impl Error {
    fn new(kind: ErrorKind, doing: impl Into<String>, cause: Cause) -> Error {
        Error(Box::new(Repr {
            kind,
            doing: doing.into(),
            cause,
            asked: None,
            is_temporary: false,
            part_number: None,
            path: None,
            upload_id: None,
            left_behind: vec![],
        }))
    }

    pub(crate) fn text(
        kind: ErrorKind,
        doing: impl Into<String>,
        cause: impl Into<String>,
    ) -> Error {
        Error::new(kind, doing, Cause::Text(cause.into()))
    }

    pub(crate) fn options(doing: impl Into<String>, cause: impl Into<String>) -> Error {
        Error::text(ErrorKind::Options, doing, cause)
    }

    pub(crate) fn io(kind: ErrorKind, doing: &str, path: &Path, cause: io::Error) -> Error {
        let doing = format!("{doing} `{}`", path.display());
        Error::new(kind, doing, Cause::Io(cause)).at_path(path)
    }

    pub(crate) fn service(doing: impl Into<String>, cause: ServiceError) -> Error {
        match cause.code() {
            "CallbackFailed" => {
                let doing = format!(
                    "{}: the object is stored, its callback failed",
                    doing.into()
                );
                Error::new(ErrorKind::Callback, doing, Cause::Service(cause))
            }
            _ => Error::new(ErrorKind::Service, doing, Cause::Service(cause)),
        }
    }

    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Error {
        self.0.kind = kind;
        self
    }

    /// Says which request failed, and whether the same request may succeed at another time.
    pub(crate) fn asked(mut self, operation: Operation, is_temporary: bool) -> Error {
        self.0.asked = Some(operation);
        self.0.is_temporary = is_temporary;
        self
    }

    pub(crate) fn at_path(mut self, path: &Path) -> Error {
        self.0.path = Some(path.to_owned());
        self
    }

    pub(crate) fn at_part(mut self, part: Option<PartNumber>) -> Error {
        self.0.part_number = part;
        self
    }

    /// Says which upload stays on the server for the next run to continue.
    pub(crate) fn with_state(mut self, upload_id: Option<&str>) -> Error {
        self.0.upload_id = upload_id.map(str::to_owned);
        self
    }

    pub(crate) fn with_left_behind(mut self, upload_ids: Vec<String>) -> Error {
        self.0.left_behind = upload_ids;
        self
    }

    /// The kind, to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The number of the part that could not be uploaded, counted from 1.
    pub fn part_number(&self) -> Option<u16> {
        self.0.part_number.map(PartNumber::get)
    }

    /// What OSS answered, with its code and request id.
    pub fn service_error(&self) -> Option<&ServiceError> {
        match &self.0.cause {
            Cause::Service(error) => Some(error),
            _ => None,
        }
    }

    /// The code that OSS answered with, such as `NoSuchBucket`.
    pub fn code(&self) -> Option<&str> {
        self.service_error().map(ServiceError::code)
    }

    /// The operating system's error, for [`ErrorKind::Source`], [`ErrorKind::Checkpoint`] and the like.
    pub fn io_error(&self) -> Option<&io::Error> {
        match &self.0.cause {
            Cause::Io(error) => Some(error),
            _ => None,
        }
    }

    /// The local file or the checkpoint that the error is about.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The upload that stays open on the server, with the parts sent so far, for the next run to continue.
    pub fn upload_id(&self) -> Option<&str> {
        self.0.upload_id.as_deref()
    }

    /// Uploads that are of no use any more but could not be aborted. Their parts are billed until they are.
    pub fn left_behind(&self) -> &[String] {
        &self.0.left_behind
    }

    /// OSS tells of another endpoint in its own words.
    fn advice(&self) -> Option<&'static str> {
        let system = self.io_error().map(io::Error::kind);
        match self.service_error().and_then(ServiceError::endpoint) {
            Some(_) => Some("use that endpoint"),
            None => advice::about(self.0.kind, self.code(), system, self.0.asked),
        }
    }

    /// Whether the same call, made again, continues from the checkpoint instead of starting anew. It says nothing about
    /// whether that will get any further: see [`is_temporary`](Self::is_temporary).
    pub fn is_resumable(&self) -> bool {
        self.0.upload_id.is_some()
    }

    /// Whether the same call may succeed later although nobody changes anything: no usable answer came, OSS was overloaded
    /// or failed inside, bytes were damaged on the way, the deadline passed, the upload was cancelled, or another one uses
    /// the checkpoint. All but the last three have been repeated as the [`RetryPolicy`](crate::RetryPolicy) says.
    ///
    /// `false` means that somebody has to look: a refusal such as `AccessDenied`, missing credentials, a wrong option, a
    /// file or a checkpoint that cannot be read or written, or a file that changes again and again.
    pub fn is_temporary(&self) -> bool {
        use ErrorKind::{Cancelled, CheckpointBusy, DeadlineExceeded};
        let kind = self.0.kind;
        self.0.is_temporary || matches!(kind, Cancelled | CheckpointBusy | DeadlineExceeded)
    }
}

/// Keeps a text in one line, whatever paths, names and other people's errors have in them.
pub(crate) struct OneLine<'a, 'b>(pub(crate) &'a mut fmt::Formatter<'b>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c.is_control() {
            true => write!(self.0, "{}", c.escape_debug()),
            false => self.0.write_char(c),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = OneLine(f);
        write!(f, "{}: ", self.0.doing)?;
        match &self.0.cause {
            Cause::Text(text) => f.write_str(text),
            Cause::Io(error) => write!(f, "{error}"),
            Cause::Service(error) => write!(f, "{error}"),
        }?;
        if let Some(advice) = self.advice() {
            write!(f, "; {advice}")?;
        }
        if self.is_resumable() {
            f.write_str("; what was sent is kept: run it again to continue")?;
        }
        match self.0.left_behind.len() {
            0 => Ok(()),
            _ => write!(
                f,
                " (left on the server, billed until aborted: {})",
                self.0.left_behind.join(", ")
            ),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("text", &self.to_string())
            .field("part_number", &self.part_number())
            .field("upload_id", &self.0.upload_id)
            .finish()
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word_wide_and_crosses_threads() {
        fn crosses_threads<T: Send + Sync + 'static>() {}
        crosses_threads::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_text_names_the_act_the_place_and_the_cause() {
        let cause = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = Error::io(
            ErrorKind::Checkpoint,
            "opening the checkpoint",
            Path::new("/a/b.cp"),
            cause,
        );
        assert_eq!(
            error.to_string(),
            "opening the checkpoint `/a/b.cp`: permission denied; give the checkpoint a place that can be written"
        );
        assert_eq!(error.path(), Some(Path::new("/a/b.cp")));
        assert!(std::error::Error::source(&error).is_none());
    }

    #[test]
    fn the_text_is_one_line_whatever_stands_in_it() {
        let cause = io::Error::other("first\nsecond");
        let error = Error::io(
            ErrorKind::Source,
            "opening",
            Path::new("/a\n\u{1b}[1m备"),
            cause,
        );
        let left = error.with_left_behind(vec!["a\tb".to_owned()]);
        assert_eq!(
            left.to_string(),
            "opening `/a\\n\\u{1b}[1m备`: first\\nsecond (left on the server, billed until aborted: a\\tb)"
        );
    }
}
