//! The calls of the OSS API, each in two steps: what the head allows, and what is done once the body is there.

mod body;
mod complete;
mod list;
mod metadata;
mod object;
mod upload;

pub(super) use body::{Intake, Received};

use super::answer::Answer;
use super::callback::{self, Callback};
use super::error::OssError;
use super::journal::Operation;
use super::request::{Request, invalid_object_name};
use super::shared::Shared;
use super::wire::Framing;

/// Checks everything that can be checked before the body is read.
pub(super) fn admit(
    shared: &Shared,
    request: &Request,
    framing: Framing,
) -> Result<Intake, OssError> {
    request.check_call()?;
    shared.keeper.admit(request, shared.now())?;
    shared.store.require_bucket(request.place().0)?;
    check_key(request)?;
    check_common_headers(request)?;
    if framing == Framing::None && ["PUT", "POST"].contains(&&*request.head.method) {
        let message = "You must provide the Content-Length HTTP header.";
        return Err(OssError::new(411, "MissingContentLength", message));
    }
    match request.operation {
        Operation::UploadPart => upload::admit_part(shared, request)?,
        Operation::PutObject => object::admit_put(shared, request)?,
        Operation::InitiateMultipartUpload => upload::admit_initiate(shared, request)?,
        Operation::CompleteMultipartUpload => complete::admit(shared, request)?,
        _ => {}
    }
    match request.operation {
        Operation::PutObject | Operation::CompleteMultipartUpload => drop(Callback::of(request)?),
        _ => callback::refuse(request)?,
    }
    Intake::of(shared, request, framing)
}

/// Does what is asked.
pub(super) fn perform(
    shared: &Shared,
    request: &Request,
    request_id: &str,
    intake_md5: Option<[u8; 16]>,
    received: Received,
) -> Result<Answer, OssError> {
    // Nothing is stored of a body that was damaged on the way.
    if intake_md5.is_some() && intake_md5 != received.md5 {
        return Err(OssError::invalid_digest("0017-00000503"));
    }
    match request.operation {
        Operation::InitiateMultipartUpload => upload::initiate(shared, request),
        Operation::UploadPart => upload::put_part(shared, request, received),
        Operation::ListParts => list::parts(shared, request),
        Operation::CompleteMultipartUpload => {
            complete::complete(shared, request, request_id, received)
        }
        Operation::AbortMultipartUpload => upload::abort(shared, request),
        Operation::ListMultipartUploads => list::uploads(shared, request),
        Operation::PutObject => object::put(shared, request, request_id, received),
        Operation::HeadObject => object::head(shared, request),
        Operation::GetObject => object::get(shared, request),
        Operation::DeleteObject => object::delete(shared, request),
        Operation::Other => Err(OssError::not_implemented("this call")),
    }
}

fn check_key(request: &Request) -> Result<(), OssError> {
    const LONGEST: usize = 1023;
    let Some(key) = &request.key else {
        return Ok(());
    };
    if key.len() > LONGEST || key.starts_with(['/', '\\']) {
        return Err(invalid_object_name());
    }
    Ok(())
}

fn check_common_headers(request: &Request) -> Result<(), OssError> {
    request.check_choice("x-oss-request-payer", &["requester"])?;
    request.check_choice("x-oss-forbid-overwrite", &["true", "false"])?;
    let Some(limit) = request.header_or_parameter("x-oss-traffic-limit") else {
        return Ok(());
    };
    // Sources disagree about the lower bound; this is the lower one.
    let is_good = limit
        .parse()
        .is_ok_and(|limit| (245_760_u64..=838_860_800).contains(&limit));
    match is_good {
        true => Ok(()),
        false => Err(OssError::argument(
            "The x-oss-traffic-limit is out of range.",
            "x-oss-traffic-limit",
            limit,
        )),
    }
}
