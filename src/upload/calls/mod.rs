//! The calls of one upload, repeated where that may help.

pub(super) mod aborting;
pub(super) mod last_failure;
pub(super) mod repeating;

use super::control::Control;
use super::control::valve::Valve;
use super::crew::pace::Pace;
use super::options::ObjectHeaders;
use super::plan::Part;
use super::source::Source;
use super::source::part_reader::{PartReader, ReadFailure};
use super::watch::events::{Event, EventFailure, Events};
use super::watch::progress::Progress;
use crate::client::Bucket;
use crate::error::ErrorKind;
use crate::part::{DonePart, PartNumber, Parts};
use crate::protocol::complete::{Completed, PartList};
use crate::protocol::head_object::Head;
use crate::protocol::list_parts::ListedPart;
use crate::protocol::list_uploads::Marker;
use crate::protocol::{
    Answer, Body, Operation, Request, Unreadable, complete, content_md5, head_object, initiate,
    list_parts, list_uploads, put_object, upload_part,
};
use crate::retry::Failure;
use crate::stop::Stop;
use crate::transport::TransportErrorKind;
use last_failure::{Call, LastFailure};
use md5::{Digest, Md5};
use repeating::{Repeatable, repeat, said};
use std::cell::Cell;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    pub(super) last_failure: &'a LastFailure,
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
        let md5 = self.md5_of(&mut io::empty());
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
        let proof = self.proof(source, part, stop)?;
        let body = PartBody::unsent(source, part, proof.as_ref());
        let (done, _) = self.send(body, pace, stop, request, read)?;
        Ok(done)
    }

    /// Sends a file that fits into one part. Returns the object and the checksum of what was sent.
    pub(super) fn put_object(
        &self,
        source: &Source,
        part: &Part,
        pace: &Pace,
        stop: &Arc<Stop>,
    ) -> Result<(Completed, u64), SendFailure> {
        let request = || put_object::request(self.key, &self.headers.put);
        let read = |answer: &Answer, sent| {
            let read = put_object::read(answer, self.headers.has_callback())?;
            let object = read.object().map_err(Failure::Service)?;
            compare(sent, object.crc64)?;
            Ok(object)
        };
        let proof = self.proof(source, part, stop)?;
        let body = PartBody::unsent(source, part, proof.as_ref());
        self.send(body, pace, stop, request, read)
    }

    /// A request whose body is a part. Returns what `read` makes of the answer, and the checksum of what was sent.
    fn send<'r, T>(
        &self,
        body: PartBody<'r>,
        pace: &Pace,
        stop: &Arc<Stop>,
        request: impl Fn() -> Request<'r>,
        read: impl Fn(&Answer, u64) -> Result<T, Failure>,
    ) -> Result<(T, u64), SendFailure> {
        let operation = request().operation;
        self.repeat(operation, Some(body.part.number), stop, |attempt| {
            let body = PartBody { attempt, ..body };
            pace.attempt(stop, || self.attempt(&request, &body, stop, &read), why)
        })
    }

    /// One attempt, made anew as often as a pause breaks it off.
    fn attempt<'r, T>(
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

    /// Of a body that is in memory, when that is to be sent.
    fn md5_of(&self, body: &mut dyn Read) -> Option<String> {
        self.content_md5.then(|| {
            let mut bytes = vec![];
            body.read_to_end(&mut bytes).expect("it reads from memory");
            content_md5(Md5::digest(bytes).into())
        })
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
        parts: &Parts,
        stop: &Arc<Stop>,
    ) -> Result<Completed, Failure> {
        let len = PartList::len(parts);
        let md5 = self.md5_of(&mut PartList::new(parts));
        self.repeat(Operation::CompleteMultipartUpload, None, stop, |_| {
            let reader = &mut PartList::new(parts);
            let request = complete::request(self.key, upload_id, &self.headers.complete);
            let request = request.body(Body::Reader { len, reader });
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
        let call = Call { operation, part };
        let done = repeat(policy, operation, stop, now, once, |failure, delay| {
            self.progress.add_retry();
            self.events
                .retried(operation, part, attempt.get(), failure, delay);
            let why = said(self.bucket, failure);
            self.last_failure.note(call, why, Instant::now());
        });
        if done.is_ok() && attempt.get() > 1 {
            self.last_failure.overcome(call);
        }
        done
    }
}

/// A part's bytes, and how often they have been on their way.
#[derive(Clone, Copy)]
struct PartBody<'a> {
    source: &'a Source,
    part: &'a Part,
    proof: Option<&'a Proof>,
    attempt: u32,
}

impl<'a> PartBody<'a> {
    fn unsent(source: &'a Source, part: &'a Part, proof: Option<&'a Proof>) -> PartBody<'a> {
        PartBody {
            source,
            part,
            proof,
            attempt: 0,
        }
    }

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

/// Why an attempt at sending failed, for those who learn from that.
fn why<T>(sent: &Result<T, SendFailure>) -> Option<&Failure> {
    sent.as_ref().err()?.failure()
}

impl Repeatable for SendFailure {
    fn failure(&self) -> Option<&Failure> {
        match self {
            SendFailure::Request(failure) => Some(failure),
            SendFailure::Read(_) => None,
        }
    }
}

/// A server other than OSS may name no checksum; then the ETag and the length are all there is.
fn compare(sent: u64, stored: Option<u64>) -> Result<(), Failure> {
    match stored {
        Some(stored) if stored != sent => Err(Failure::Damaged { sent, stored }),
        _ => Ok(()),
    }
}
