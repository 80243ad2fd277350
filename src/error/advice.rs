//! What to do about an error, as far as that is known: pure.

use super::kind::ErrorKind;
use std::io;

/// In a few words, for whoever reads the error.
pub(super) fn about(
    kind: ErrorKind,
    code: Option<&str>,
    system: Option<io::ErrorKind>,
) -> Option<&'static str> {
    match (kind, code, system) {
        (ErrorKind::Service, Some(code), _) => about_code(code),
        (ErrorKind::Checkpoint, _, Some(system)) => about_checkpoint(system),
        (ErrorKind::CheckpointBusy, ..) => {
            Some("wait for that one, or give each a checkpoint of its own")
        }
        (ErrorKind::SourceChanged, ..) => Some("upload a copy or a snapshot that nobody writes to"),
        (ErrorKind::Callback, ..) => Some("see to that server, there is nothing to upload again"),
        (ErrorKind::Integrity, ..) => Some("have this machine's memory and network looked at"),
        _ => None,
    }
}

/// By what OSS's pages and users name as the usual cause.
fn about_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessDenied" => "see what the access key may do, and which policies forbid it",
        "InvalidAccessKeyId" => "see whether the access key is of this cloud, and enabled",
        "SignatureDoesNotMatch" => "see whether id and secret belong together",
        "InvalidSecurityToken" | "SecurityTokenExpired" => "get new temporary credentials",
        "RequestTimeTooSkewed" => "set this machine's clock",
        "NoSuchBucket" => "see how the bucket is spelt, and in which region it is",
        "NoSuchUpload" => "see which other process or lifecycle rule ends it",
        "FileAlreadyExists" => "the object was left as it is",
        "FileImmutable" => "the bucket's retention rule keeps the object as it is",
        "UserDisable" => "see to the account, which is locked or in arrears",
        "InternalError" | "QpsLimitExceeded" | "ServiceUnavailable" | "SlowDown" => {
            "try again later"
        }
        _ => return None,
    })
}

fn about_checkpoint(system: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind::{
        IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull,
    };
    match system {
        NotFound => Some("see whether the path is right, and its folder there"),
        IsADirectory | NotADirectory | PermissionDenied | ReadOnlyFilesystem => {
            Some("give the checkpoint a place that can be written")
        }
        StorageFull => Some("make room on that disk, or give the checkpoint another place"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_for_what_it_helps_with() {
        let service = |code| about(ErrorKind::Service, Some(code), None);
        assert_eq!(
            service("RequestTimeTooSkewed"),
            Some("set this machine's clock")
        );
        assert_eq!(service("InvalidArgument"), None);
        let disk = |system| about(ErrorKind::Checkpoint, None, Some(system));
        assert!(disk(io::ErrorKind::StorageFull).is_some_and(|advice| advice.contains("room")));
        assert_eq!(disk(io::ErrorKind::TimedOut), None);
        // The same of the local file speaks for itself.
        assert_eq!(
            about(ErrorKind::Source, None, Some(io::ErrorKind::NotFound)),
            None
        );
    }
}
