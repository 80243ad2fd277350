//! What to do about an error, as far as that is known: pure.

use super::kind::ErrorKind;
use crate::protocol::Operation;
use std::io;

/// In a few words, for whoever reads the error.
pub(super) fn about(
    kind: ErrorKind,
    code: Option<&str>,
    system: Option<io::ErrorKind>,
    asked: Option<Operation>,
) -> Option<&'static str> {
    match (kind, code, system) {
        (ErrorKind::Service, Some(code), _) => about_code(code, asked),
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
fn about_code(code: &str, asked: Option<Operation>) -> Option<&'static str> {
    Some(match code {
        "AccessDenied" => about_permission(asked?),
        "InvalidAccessKeyId" => "see whether the access key is of this cloud, and enabled",
        "SignatureDoesNotMatch" => {
            "see whether id and secret belong together, and whether the region is right"
        }
        "AccessKeyIdAndSecurityTokenNotMatch" | "InvalidSecurityToken" | "SecurityTokenExpired" => {
            "get new temporary credentials"
        }
        "RequestTimeTooSkewed" => "set this machine's clock",
        "NoSuchBucket" => "see how the bucket is spelt, and in which region it is",
        "NoSuchUpload" => "see which other process or lifecycle rule ends it",
        "FileAlreadyExists" => "the object was left as it is",
        "FileImmutable" => "the bucket's retention rule keeps the object as it is",
        "BucketDisable" | "InDebt" | "UserDisable" => {
            "see to the account, which is locked or in arrears"
        }
        "KmsServiceNotEnabled" => "have KMS enabled for the account",
        "InternalError" | "QpsLimitExceeded" | "ServiceUnavailable" | "SlowDown" => {
            "try again later"
        }
        // HEAD is answered without a body that could say who answers.
        _ if code.starts_with("HTTP ") && asked != Some(Operation::HeadObject) => {
            "see who answers in OSS's place, a gateway, a proxy or another endpoint"
        }
        _ => return None,
    })
}

/// Policies may deny what was granted elsewhere.
fn about_permission(asked: Operation) -> &'static str {
    match asked {
        Operation::InitiateMultipartUpload | Operation::PutObject => {
            "see that oss:PutObject is granted (with tags, oss:PutObjectTagging too), and no policy denies it"
        }
        Operation::UploadPart | Operation::CompleteMultipartUpload => {
            "see that oss:PutObject is granted, and no policy denies it"
        }
        Operation::ListParts => "see that oss:ListParts is granted, and no policy denies it",
        Operation::AbortMultipartUpload => {
            "see that oss:AbortMultipartUpload is granted, and no policy denies it"
        }
        Operation::ListMultipartUploads => {
            "see that oss:ListMultipartUploads is granted, and no policy denies it"
        }
        Operation::HeadObject => "see that oss:GetObject is granted, and no policy denies it",
    }
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
        let service = |code| about(ErrorKind::Service, Some(code), None, None);
        assert_eq!(
            service("RequestTimeTooSkewed"),
            Some("set this machine's clock")
        );
        assert_eq!(service("InvalidArgument"), None);
        let disk = |system| about(ErrorKind::Checkpoint, None, Some(system), None);
        assert!(disk(io::ErrorKind::StorageFull).is_some_and(|advice| advice.contains("room")));
        assert_eq!(disk(io::ErrorKind::TimedOut), None);
        // The same of the local file speaks for itself.
        assert_eq!(
            about(ErrorKind::Source, None, Some(io::ErrorKind::NotFound), None),
            None
        );
    }
    #[test]
    fn what_is_denied_is_told_by_the_permission_that_it_takes() {
        let denied = |asked| about(ErrorKind::Service, Some("AccessDenied"), None, Some(asked));
        for (asked, permission) in [
            (Operation::PutObject, "oss:PutObjectTagging "),
            (Operation::UploadPart, "oss:PutObject "),
            (Operation::ListParts, "oss:ListParts "),
            (Operation::HeadObject, "oss:GetObject "),
        ] {
            let advice = denied(asked).expect("some");
            assert!(advice.contains(permission), "{asked}: {advice}");
        }
    }

    #[test]
    fn an_answer_without_a_body_does_not_say_whose_it_is() {
        let page = |asked| about(ErrorKind::Service, Some("HTTP 403"), None, Some(asked));
        assert!(page(Operation::UploadPart).is_some());
        assert_eq!(page(Operation::HeadObject), None);
    }
}
