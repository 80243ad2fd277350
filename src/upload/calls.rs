//! The calls of one upload, repeated where that may help.

use super::control::Control;
use super::events::{Event, EventFailure, Events};
use super::options::ObjectHeaders;
use super::pace::Pace;
use super::plan::Part;
use super::progress::Progress;
use super::source::{PartReader, ReadFailure, Source};
use super::valve::Valve;
use crate::checkpoint::record::Owed;
use crate::client::Bucket;
use crate::error::{Error, ErrorKind};
use crate::part::{DonePart, PartNumber};
use crate::protocol::complete::Completed;
use crate::protocol::head_object::Head;
use crate::protocol::list_parts::ListedPart;
use crate::protocol::list_uploads::Marker;
use crate::protocol::{
    Additions, Answer, Body, Operation, Request, Unreadable, abort, complete, content_md5,
    head_object, initiate, list_parts, list_uploads, put_object, upload_part,
};
use crate::retry::{Failure, Next, RetryPolicy, Tries};
use crate::stop::Stop;
use crate::transport::TransportErrorKind;
use md5::{Digest, Md5};
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often an upload is aborted that keeps having parts.
const MAX_ABORTS: usize = 4;

#[derive(Debug)]
pub(super) struct Calls<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) key: &'a str,
    pub(super) headers: &'a ObjectHeaders,
    /// Whether every body goes with its MD5.
    pub(super) content_md5: bool,
    pub(super) progress: &'a Progress,
    pub(super) control: &'a Control,
    pub(super) events: &'a Events,
}

/// What the bytes of a part come to, read before they are sent.
#[derive(Debug)]
struct Proof {
    crc64: u64,
    content_md5: String,
}

/// Why a part, or a file of one part, could not be sent.
#[derive(Debug)]
pub(super) enum SendFailure {
    Request(Failure),
    Read(ReadFailure),
}

impl From<Failure> for SendFailure {
    fn from(failure: Failure) -> SendFailure {
        SendFailure::Request(failure)
    }
}

impl Calls<'_> {
    pub(super) fn initiate(&self, stop: &Arc<Stop>) -> Result<String, Failure> {
        let md5 = self.md5_of(b"");
        self.repeat(Operation::InitiateMultipartUpload, None, stop, |_| {
            let request = initiate::request(self.key, &self.headers.initiate);
            let answer = self.exchange(request.content_md5(md5.as_deref()), stop)?;
            Ok(initiate::read(&answer)?)
        })
    }

    /// Sends a part, read anew from the file at every attempt, and checks that the server stored those bytes.
    pub(super) fn upload_part(
        &self,
        source: &Source,
        part: &Part,
        upload_id: &str,
        pace: &Pace,
        stop: &Arc<Stop>,
    ) -> Result<DonePart, SendFailure> {
        let number = part.number.to_string();
        let proof = self.proof(source, part, stop)?;
        let request = || {
            let additions = &self.headers.upload_part;
            upload_part::request(self.key, upload_id, &number, additions)
        };
        let read = |answer: &Answer, sent| {
            let stored = upload_part::read(answer)?;
            compare(sent, stored.crc64)?;
            Ok(DonePart {
                number: part.number,
                etag: stored.etag,
                crc64: sent,
            })
        };
        self.repeat(Operation::UploadPart, Some(part.number), stop, |attempt| {
            let body = PartBody {
                source,
                part,
                proof: proof.as_ref(),
                attempt,
            };
            let once = || self.send(&request, &body, stop, &read);
            let sent = pace.attempt(stop, once, why);
            sent.map(|(done, _)| done)
        })
    }

    /// Sends a file that fits into one part. Returns the object and the checksum of what was sent.
    pub(super) fn put_object(
        &self,
        source: &Source,
        part: &Part,
        pace: &Pace,
        stop: &Arc<Stop>,
    ) -> Result<(Completed, u64), SendFailure> {
        let proof = self.proof(source, part, stop)?;
        let request = || put_object::request(self.key, &self.headers.put);
        let read = |answer: &Answer, sent| {
            let read = put_object::read(answer, self.headers.has_callback())?;
            let object = read.object().map_err(Failure::Service)?;
            compare(sent, object.crc64)?;
            Ok(object)
        };
        self.repeat(Operation::PutObject, Some(part.number), stop, |attempt| {
            let body = PartBody {
                source,
                part,
                proof: proof.as_ref(),
                attempt,
            };
            let once = || self.send(&request, &body, stop, &read);
            pace.attempt(stop, once, why)
        })
    }

    /// One attempt at a request whose body is a part, made anew as often as a pause breaks it off. Returns what `read`
    /// makes of the answer, and the checksum of what was sent.
    fn send<'r, T>(
        &self,
        request: &impl Fn() -> Request<'r>,
        body: &PartBody<'r>,
        stop: &Arc<Stop>,
        read: &impl Fn(&Answer, u64) -> Result<T, Failure>,
    ) -> Result<(T, u64), SendFailure> {
        loop {
            // Before the wait: a pause that begins as the wait ends has begun during the request.
            let pauses = self.control.pauses();
            if !self.control.goes_on(stop) {
                return Err(Failure::stopped().into());
            }
            let was_paused = || self.control.pauses() > pauses;
            if let Some(sent) = self.send_once(request(), body, stop, read, was_paused) {
                return sent;
            }
        }
    }

    /// Makes the request once, and tells of it. `None` when a pause broke it off.
    fn send_once<'r, T>(
        &self,
        request: Request<'r>,
        body: &PartBody<'r>,
        stop: &Arc<Stop>,
        read: impl Fn(&Answer, u64) -> Result<T, Failure>,
        was_paused: impl Fn() -> bool,
    ) -> Option<Result<(T, u64), SendFailure>> {
        let started = Instant::now();
        let _under_way = self.progress.under_way();
        self.events.tell(|| body.started());
        let (sent, bytes) = self.put(request, body, stop, read);
        let took = started.elapsed();
        match &sent {
            Ok((_, crc64)) => self.events.tell(|| body.finished(*crc64, took)),
            Err(failure) => {
                self.progress.add_resent(bytes);
                if failure.is_of_impatience() && was_paused() {
                    let number = body.part.number;
                    log::debug!(target: "oss_upload::retry", "a pause broke part {number} off: again after it");
                    self.events.tell(|| body.paused(bytes));
                    return None;
                }
                self.events.tell(|| body.failed(failure, bytes, took));
            }
        }
        Some(sent)
    }

    /// Says too how many bytes were handed to the network.
    fn put<'r, T>(
        &self,
        request: Request<'r>,
        body: &PartBody<'r>,
        stop: &Arc<Stop>,
        read: impl Fn(&Answer, u64) -> Result<T, Failure>,
    ) -> (Result<(T, u64), SendFailure>, u64) {
        let stall = self.bucket.client().stall_timeout();
        let valve = Valve::new(self.control, stop, stall);
        let expected = body.proof.map(|proof| proof.crc64);
        let reader = PartReader::new(body.source, body.part, self.progress, valve);
        let mut reader = reader.expecting(expected);
        let request = request.content_md5(body.proof.map(|proof| &*proof.content_md5));
        let bytes = Body::Reader {
            len: body.part.len,
            reader: &mut reader,
        };
        let answered = self.bucket.exchange(request.body(bytes), stop);
        let bytes = reader.sent();
        // A request that broke off because the file could not be read is not the network's fault.
        let read_whole = reader.finish().map_err(SendFailure::Read);
        let sent = read_whole.and_then(|crc64| Ok((read(&answered?, crc64)?, crc64)));
        (sent, bytes)
    }

    /// Reads a part for its MD5, when that is to be sent. Done once, whatever the number of attempts: should the bytes
    /// change in between, the other checksum will tell.
    fn proof(
        &self,
        source: &Source,
        part: &Part,
        stop: &Stop,
    ) -> Result<Option<Proof>, SendFailure> {
        if !self.content_md5 {
            return Ok(None);
        }
        let go_on = || self.control.goes_on(stop);
        match source.digests(part, go_on) {
            Ok(Some(digests)) => Ok(Some(Proof {
                crc64: digests.crc64,
                content_md5: content_md5(digests.md5),
            })),
            Ok(None) if stop.is_set() => Err(Failure::stopped().into()),
            Ok(None) => Err(SendFailure::Read(ReadFailure::Changed)),
            Err(error) => Err(SendFailure::Read(ReadFailure::Io(error))),
        }
    }

    fn md5_of(&self, body: &[u8]) -> Option<String> {
        self.content_md5
            .then(|| content_md5(Md5::digest(body).into()))
    }

    /// All parts that the server has of an upload.
    pub(super) fn list_parts(
        &self,
        upload_id: &str,
        stop: &Arc<Stop>,
    ) -> Result<Vec<ListedPart>, Failure> {
        let mut parts = vec![];
        let mut marker = 0;
        loop {
            let page: list_parts::Page = self.repeat(Operation::ListParts, None, stop, |_| {
                let marker = marker.to_string();
                let request =
                    list_parts::request(self.key, upload_id, &marker, &self.headers.other);
                list_parts::read(&self.exchange(request, stop)?).map_err(Failure::from)
            })?;
            parts.extend(page.parts);
            if parts.len() > PartNumber::MAX.into() {
                let what = "ListParts names more parts than an upload has";
                return Err(Failure::Unreadable(Unreadable(what.to_owned())));
            }
            match page.next {
                None => return Ok(parts),
                // A marker that does not advance, or leaves the numbers that parts have, would lead nowhere for ever.
                Some(next) if next > marker && next < PartNumber::MAX.into() => marker = next,
                Some(next) => {
                    let what =
                        format!("the pages of ListParts lead nowhere: {next} after {marker}");
                    return Err(Failure::Unreadable(Unreadable(what)));
                }
            }
        }
    }

    /// A page of the open uploads of this key, and of those that begin with it.
    pub(super) fn list_uploads(
        &self,
        after: &Marker,
        stop: &Arc<Stop>,
    ) -> Result<list_uploads::Page, Failure> {
        self.repeat(Operation::ListMultipartUploads, None, stop, |_| {
            let request = list_uploads::request(self.key, after, &self.headers.other);
            let answer = self.exchange(request, stop)?;
            Ok(list_uploads::read(&answer, self.key, after)?)
        })
    }

    pub(super) fn complete(
        &self,
        upload_id: &str,
        body: &str,
        stop: &Arc<Stop>,
    ) -> Result<Completed, Failure> {
        let md5 = self.md5_of(body.as_bytes());
        self.repeat(Operation::CompleteMultipartUpload, None, stop, |_| {
            let additions = &self.headers.complete;
            let request = complete::request(self.key, upload_id, additions, body);
            let answer = self.exchange(request.content_md5(md5.as_deref()), stop)?;
            let read = complete::read(&answer, self.headers.has_callback())?;
            read.object().map_err(Failure::Service)
        })
    }

    pub(super) fn head_object(&self, stop: &Arc<Stop>) -> Result<Head, Failure> {
        self.repeat(Operation::HeadObject, None, stop, |_| {
            let request = head_object::request(self.key, &self.headers.other);
            Ok(head_object::read(&self.exchange(request, stop)?)?)
        })
    }

    fn exchange(&self, request: Request<'_>, stop: &Arc<Stop>) -> Result<Answer, Failure> {
        self.control.hold(stop);
        self.bucket.exchange(request, stop)
    }

    fn repeat<T, E: Repeatable>(
        &self,
        operation: Operation,
        part: Option<PartNumber>,
        stop: &Arc<Stop>,
        mut once: impl FnMut(u32) -> Result<T, E>,
    ) -> Result<T, E> {
        let policy = self.bucket.client().retry_policy();
        let attempt = Cell::new(0);
        let once = || {
            attempt.set(attempt.get() + 1);
            once(attempt.get())
        };
        // A pause is no outage.
        let now = || self.control.awake();
        repeat(policy, operation, stop, now, once, |failure, delay| {
            self.progress.add_retry();
            self.events
                .retried(operation, part, attempt.get(), failure, delay);
        })
    }
}

/// A part's bytes, and how often they have been on their way.
struct PartBody<'a> {
    source: &'a Source,
    part: &'a Part,
    proof: Option<&'a Proof>,
    attempt: u32,
}

impl PartBody<'_> {
    fn started(&self) -> Event {
        Event::PartStarted {
            part_number: self.part.number.get(),
            attempt: self.attempt,
        }
    }

    fn finished(&self, crc64: u64, duration: Duration) -> Event {
        Event::PartFinished {
            part_number: self.part.number.get(),
            attempt: self.attempt,
            bytes: self.part.len,
            crc64,
            duration,
        }
    }

    fn paused(&self, bytes: u64) -> Event {
        Event::PartPaused {
            part_number: self.part.number.get(),
            attempt: self.attempt,
            bytes,
        }
    }

    fn failed(&self, failure: &SendFailure, bytes: u64, duration: Duration) -> Event {
        Event::PartFailed {
            part_number: self.part.number.get(),
            attempt: self.attempt,
            bytes,
            duration,
            failure: match failure {
                SendFailure::Request(failure) => EventFailure::of(failure),
                SendFailure::Read(ReadFailure::Changed) => {
                    EventFailure::new(ErrorKind::SourceChanged, "the file has changed")
                }
                SendFailure::Read(ReadFailure::Io(error)) => {
                    EventFailure::new(ErrorKind::Source, error)
                }
            },
        }
    }
}

impl SendFailure {
    /// Whether it is what becomes of a request that stands still.
    fn is_of_impatience(&self) -> bool {
        use TransportErrorKind::{Broken, Stale};
        match self {
            SendFailure::Request(Failure::Transport(error)) => matches!(error.kind, Broken | Stale),
            SendFailure::Request(failure) => failure.is_service("RequestTimeout"),
            SendFailure::Read(_) => false,
        }
    }
}

/// Aborts an upload, of this key or of another; `false` when it may still be there.
///
/// A part that was in flight may be stored after an abort, so it is repeated until ListParts finds none.
pub(super) fn abort(bucket: &Bucket, owed: &Owed, additions: &Additions, stop: &Arc<Stop>) -> bool {
    let aborted = try_abort(bucket, owed, additions, stop);
    if let Err(why) = &aborted {
        log::warn!(
            target: "oss_upload::upload",
            "upload {} of {}/{} could not be aborted, its parts are billed until it is: {why}",
            owed.upload_id.escape_debug(),
            bucket.name(),
            owed.key.escape_debug()
        );
    }
    aborted.is_ok()
}

/// Why an upload may still be there.
#[derive(Debug)]
pub(super) enum NotAborted {
    Request(Failure),
    /// However often it is aborted.
    KeepsParts,
}

impl fmt::Display for NotAborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAborted::Request(failure) => failure.fmt(f),
            NotAborted::KeepsParts => write!(f, "after {MAX_ABORTS} times it still has parts"),
        }
    }
}

impl NotAborted {
    pub(super) fn into_error(self, doing: String) -> Error {
        match self {
            NotAborted::Request(failure) => error(doing, failure),
            NotAborted::KeepsParts => Error::text(ErrorKind::Service, doing, self.to_string()),
        }
    }
}

/// Aborts an upload as [`abort`] does, and leaves it to the caller to tell of a failure.
pub(super) fn try_abort(
    bucket: &Bucket,
    owed: &Owed,
    additions: &Additions,
    stop: &Arc<Stop>,
) -> Result<(), NotAborted> {
    let (key, upload_id) = (&owed.key, &owed.upload_id);
    let mut left = 0;
    for _ in 0..MAX_ABORTS {
        let request = || abort::request(key, upload_id, additions);
        match call(bucket, stop, request, abort::read) {
            Ok(()) => {}
            Err(failure) if failure.is_service("NoSuchUpload") => return Ok(()),
            Err(failure) => return Err(NotAborted::Request(failure)),
        }
        let request = || list_parts::request(key, upload_id, "0", additions);
        left = match call(bucket, stop, request, list_parts::read) {
            Ok(page) if page.parts.is_empty() => return Ok(()),
            Ok(page) => page.parts.len(),
            Err(failure) if failure.is_service("NoSuchUpload") => return Ok(()),
            // Nobody tells; the next abort may.
            Err(failure) if failure.is_service("AccessDenied") => 0,
            Err(failure) => return Err(NotAborted::Request(failure)),
        };
    }
    match left {
        // A server that keeps granting keeps nothing.
        0 => Ok(()),
        _ => Err(NotAborted::KeepsParts),
    }
}

/// One call outside of a run's progress, repeated where that may help.
pub(super) fn call<'r, T>(
    bucket: &Bucket,
    stop: &Arc<Stop>,
    request: impl Fn() -> Request<'r>,
    read: impl Fn(&Answer) -> Result<T, Unreadable>,
) -> Result<T, Failure> {
    let policy = bucket.client().retry_policy();
    let operation = request().operation;
    let once = || Ok(read(&bucket.exchange(request(), stop)?)?);
    let started = Instant::now();
    repeat(
        policy,
        operation,
        stop,
        || started.elapsed(),
        once,
        |_, _| {},
    )
}

/// Why an attempt at sending failed, for those who learn from that.
fn why<T>(sent: &Result<T, SendFailure>) -> Option<&Failure> {
    sent.as_ref().err()?.failure()
}

/// The error of a request that failed for good.
pub(super) fn error(doing: String, failure: Failure) -> Error {
    let kind = failure.kind();
    match failure {
        Failure::Service(error)
        | Failure::ClockCorrected(error)
        | Failure::CredentialsRenewed(error) => Error::service(doing, error),
        _ if failure.is_stopped() => Error::text(kind, doing, "cancelled"),
        _ => Error::text(kind, doing, failure.to_string()),
    }
}

/// An error that may hold a failure of a request.
trait Repeatable: From<Failure> {
    /// `None` when the request is not to blame.
    fn failure(&self) -> Option<&Failure>;
}

impl Repeatable for Failure {
    fn failure(&self) -> Option<&Failure> {
        Some(self)
    }
}

impl Repeatable for SendFailure {
    fn failure(&self) -> Option<&Failure> {
        match self {
            SendFailure::Request(failure) => Some(failure),
            SendFailure::Read(_) => None,
        }
    }
}

/// Does it again until it succeeds, cannot, or has been tried often enough.
fn repeat<T, E: Repeatable>(
    policy: &RetryPolicy,
    operation: Operation,
    stop: &Arc<Stop>,
    now: impl Fn() -> Duration,
    mut once: impl FnMut() -> Result<T, E>,
    mut repeating: impl FnMut(&Failure, Duration),
) -> Result<T, E> {
    let mut tries = Tries::default();
    while !stop.is_set() {
        let error = match once() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(failure) = error.failure() else {
            return Err(error);
        };
        let chance = fastrand::f64();
        let Next::After(delay) = tries.after(policy, operation, failure, now(), chance) else {
            return Err(error);
        };
        log::debug!(
            target: "oss_upload::retry",
            "{operation} failed, again in {} ms: {failure}",
            delay.as_millis()
        );
        if operation == Operation::InitiateMultipartUpload && may_have_begun(failure) {
            log::warn!(
                target: "oss_upload::upload",
                "the answer to {operation} was lost: an upload without parts may stay on the server until a \
                 lifecycle rule ends it"
            );
        }
        repeating(failure, delay);
        stop.sleep(delay);
    }
    Err(Failure::stopped().into())
}

/// Whether the server may have done what was asked, although no answer says so.
fn may_have_begun(failure: &Failure) -> bool {
    match failure {
        Failure::Transport(error) => error.kind != TransportErrorKind::Unreached,
        Failure::Unreadable(_) => true,
        _ => false,
    }
}

/// A server other than OSS may name no checksum; then the ETag and the length are all there is.
fn compare(sent: u64, stored: Option<u64>) -> Result<(), Failure> {
    match stored {
        Some(stored) if stored != sent => Err(Failure::Damaged { sent, stored }),
        _ => Ok(()),
    }
}
