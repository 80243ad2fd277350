//! What an error is branched on by.

/// What sort of trouble an [`Error`](crate::Error) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller asked for something that cannot be: nothing was sent.
    Options,
    /// The credentials provider gave none, or unusable ones.
    Credentials,
    /// The checkpoint could not be opened, locked, read or written.
    Checkpoint,
    /// Another upload, in this or another process, is using the checkpoint.
    CheckpointBusy,
    /// The local file could not be opened or read, or is not a regular file.
    Source,
    /// The local file changed while it was being uploaded.
    SourceChanged,
    /// OSS answered with an error: see [`Error::service_error`](crate::Error::service_error).
    Service,
    /// The object is stored and complete, but the caller's own server, which OSS was to call back, did not answer well.
    /// Uploading again is of no use.
    Callback,
    /// No usable answer came: connection, time-out, TLS, or an answer that is not OSS's.
    Transport,
    /// Checksums of the sent bytes and of what OSS stored differ.
    Integrity,
    /// The caller cancelled the upload.
    Cancelled,
    /// The time that the caller allowed for the whole call was over.
    DeadlineExceeded,
    /// A callback of the caller panicked, or the operating system refused a thread.
    Internal,
}
