//! What every public type can be relied on for: crossing threads, being shown, being cloned where that is cheap.

use oss_upload::local_server::{Fault, LocalServer, Object, Operation, RequestLog};
use oss_upload::*;
use std::fmt::{Debug, Display};

fn crosses_threads<T: Send + Debug>() {}

fn is_shared<T: Send + Sync + Debug>() {}

fn is_a_value<T: Send + Sync + Debug + Clone + 'static>() {}

fn is_shown<T: Display>() {}

#[test]
fn clients_and_what_steers_uploads_are_shared_by_threads_and_cloned() {
    is_a_value::<Client>();
    is_a_value::<Bucket>();
    is_a_value::<Control>();
    is_a_value::<Credentials>();
    is_a_value::<Refreshing>();
    is_shared::<ClientBuilder>();
    is_shared::<LocalServer>();
}

#[test]
fn an_upload_in_the_making_may_be_run_by_another_thread() {
    crosses_threads::<UploadFile<'_>>();
}

#[test]
fn settings_are_values() {
    is_a_value::<Addressing>();
    is_a_value::<Callback>();
    is_a_value::<Checkpoint>();
    is_a_value::<Encryption>();
    is_a_value::<Identity>();
    is_a_value::<IpFamily>();
    is_a_value::<Kms>();
    is_a_value::<Network>();
    is_a_value::<ObjectAcl>();
    is_a_value::<OnChange>();
    is_a_value::<Proxy>();
    is_a_value::<RetryPolicy>();
    is_a_value::<SignatureVersion>();
    is_a_value::<StorageClass>();
    is_a_value::<Tls>();
    is_a_value::<Trust>();
    is_a_value::<Verify>();
}

#[test]
fn providers_are_shared_by_routines() {
    is_shared::<AlibabaCloudEnvironment>();
    is_shared::<CliProfile>();
    is_shared::<CredentialsChain>();
    is_shared::<CredentialsFile>();
    is_shared::<CredentialsUri>();
    is_shared::<EcsRamRole>();
    is_shared::<Environment>();
    is_shared::<ExternalProcess>();
    is_shared::<OidcRole>();
    is_shared::<RamRole>();
}

#[test]
fn what_is_told_can_be_kept_and_handed_on() {
    is_a_value::<Uploaded>();
    is_a_value::<Outcome>();
    is_a_value::<RestartReason>();
    is_a_value::<Snapshot>();
    is_a_value::<FilesSnapshot>();
    is_a_value::<Phase>();
    is_a_value::<Event>();
    is_a_value::<EventFailure>();
    is_a_value::<ErrorKind>();
    is_a_value::<UploadPlan>();
    is_a_value::<PlannedStart>();
    is_a_value::<CheckpointInfo>();
    is_a_value::<CheckpointState>();
    is_a_value::<FileState>();
    is_a_value::<RecordedProgress>();
    is_a_value::<RecordedUpload>();
    is_a_value::<PendingUpload>();
    is_a_value::<StoredParts>();
    is_shared::<Error>();
    is_shared::<ServiceError>();
    is_shared::<FileOutcome>();
    is_shared::<Abandoned>();
    is_shared::<AbortedUploads>();
    crosses_threads::<PendingUploads>();
    is_shared::<Fault>();
    is_shared::<Object>();
    is_a_value::<Operation>();
    is_a_value::<RequestLog>();
}

#[test]
fn what_people_read_is_written_for_them() {
    is_shown::<Error>();
    is_shown::<ServiceError>();
    is_shown::<Outcome>();
    is_shown::<RestartReason>();
    is_shown::<Phase>();
    is_shown::<Event>();
    is_shown::<EventFailure>();
    is_shown::<UploadPlan>();
    is_shown::<PlannedStart>();
    is_shown::<CheckpointInfo>();
    is_shown::<CheckpointState>();
    is_shown::<FileState>();
}
