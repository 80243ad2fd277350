//! What goes wrong on demand: faults, what they apply to, and the plan they make for one request.

use super::answer::Answer;
use super::error::{Asked, OssError};
use super::journal::{Operation, RequestLog};
use super::request::Request;
use crate::lock::lock;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Something that goes wrong with the requests it applies to.
///
/// Given to [`LocalServer::fault`](super::LocalServer::fault). Without narrowing it applies to every request.
///
/// Faults are tried in the order in which they were added, and several may act on one request. Those that
/// decide the fate of a request ([`status`](Fault::status), [`answer`](Fault::answer), [`deny`](Fault::deny),
/// [`early_answer`](Fault::early_answer), [`reset_after`](Fault::reset_after),
/// [`close_after`](Fault::close_after), [`no_answer`](Fault::no_answer),
/// [`stop_reading_after`](Fault::stop_reading_after), [`lose_answer`](Fault::lose_answer),
/// [`cut_answer`](Fault::cut_answer)) exclude each other: the first one acts, and a later one that would have acted keeps its
/// [`times`](Fault::times) for the next request. So faults with `times` that are added one after another make a
/// script. Of all others every one acts: latencies add up, of bandwidths the smallest counts.
///
/// A request whose work is not done, because its fate is decided, is not checked either: not even its signature.
#[derive(Clone, Debug)]
#[must_use = "a fault does nothing until it is given to `LocalServer::fault`"]
pub struct Fault {
    act: Act,
    filter: Filter,
}

#[derive(Clone, Debug, Default)]
struct Filter {
    operation: Option<Operation>,
    part: Option<u16>,
    key: Option<String>,
    first: Option<u32>,
    every: Option<u32>,
    times: Option<u32>,
}

#[derive(Clone)]
enum Act {
    Answer(Canned),
    EarlyAnswer(Canned),
    ResetAfter(u64),
    CloseAfter(u64),
    NoAnswer,
    StopReadingAfter(u64),
    LoseAnswer,
    CutAnswer(u64),
    WrongCrc,
    RemoveHeader(&'static str),
    ReplaceHeader(String, String),
    AddHeader(String, String),
    FlipByte(u64),
    Latency(Duration),
    Bandwidth(u64),
    TrickleAnswer(Duration),
    ForgetUpload,
    LosePart(u16),
    ChunkedAnswer,
    InformationalFirst,
    CloseSilently,
    Run(Hook),
    Hold(Gate),
}

type Hook = Arc<dyn Fn(&RequestLog) + Send + Sync>;

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Act::Answer(_) => "Answer",
            Act::EarlyAnswer(_) => "EarlyAnswer",
            Act::ResetAfter(_) => "ResetAfter",
            Act::CloseAfter(_) => "CloseAfter",
            Act::NoAnswer => "NoAnswer",
            Act::StopReadingAfter(_) => "StopReadingAfter",
            Act::LoseAnswer => "LoseAnswer",
            Act::CutAnswer(_) => "CutAnswer",
            Act::WrongCrc => "WrongCrc",
            Act::RemoveHeader(_) => "RemoveHeader",
            Act::ReplaceHeader(..) => "ReplaceHeader",
            Act::AddHeader(..) => "AddHeader",
            Act::FlipByte(_) => "FlipByte",
            Act::Latency(_) => "Latency",
            Act::Bandwidth(_) => "Bandwidth",
            Act::TrickleAnswer(_) => "TrickleAnswer",
            Act::ForgetUpload => "ForgetUpload",
            Act::LosePart(_) => "LosePart",
            Act::ChunkedAnswer => "ChunkedAnswer",
            Act::InformationalFirst => "InformationalFirst",
            Act::CloseSilently => "CloseSilently",
            Act::Run(_) => "Run",
            Act::Hold(_) => "Hold",
        };
        f.write_str(name)
    }
}

/// An answer that does not depend on the request.
#[derive(Clone, Debug)]
pub(super) enum Canned {
    Error {
        status: u16,
        code: String,
        message: Option<String>,
        retry_after: Option<u64>,
    },
    Body {
        status: u16,
        content_type: String,
        body: Arc<Vec<u8>>,
    },
}

impl Canned {
    pub(super) fn answer(&self, asked: Asked<'_>) -> Answer {
        match self {
            Canned::Error {
                status,
                code,
                message,
                retry_after,
            } => {
                let message = message.as_deref().unwrap_or(usual_message(code));
                let error = OssError::new(*status, code.clone(), message.to_owned());
                let answer = error.answer(asked);
                match retry_after {
                    Some(seconds) => answer.header("Retry-After", seconds.to_string()),
                    None => answer,
                }
            }
            Canned::Body {
                status,
                content_type,
                body,
            } => Answer::new(*status)
                .header("Content-Type", content_type.clone())
                .body(body.to_vec()),
        }
    }
}

fn usual_message(code: &str) -> &'static str {
    match code {
        "AccessDenied" => "You have no right to access this object because of bucket acl.",
        "InternalError" => "We encountered an internal error. Please try again.",
        "RequestTimeout" => {
            "Your socket connection to the server was not read from or written to within the \
             timeout period. Idle connections will be closed."
        }
        "QpsLimitExceeded" | "ServiceUnavailable" => "Please reduce your request rate.",
        "SecurityTokenExpired" => "The security token you provided has expired.",
        _ => "A fault of the local server.",
    }
}

/// What is done.
impl Fault {
    fn new(act: Act) -> Fault {
        let filter = Filter::default();
        Fault { act, filter }
    }

    /// Answers with an OSS error of this status and code. The body of the request is read, nothing is done.
    pub fn status(status: u16, code: &str) -> Fault {
        Fault::new(Act::Answer(Canned::Error {
            status,
            code: code.to_owned(),
            message: None,
            retry_after: None,
        }))
    }

    /// Answers 403 `AccessDenied`, as to credentials without the permission.
    pub fn deny() -> Fault {
        Fault::status(403, "AccessDenied")
    }

    /// Answers with any body: garbage, a proxy's HTML, endless or truncated XML. The body of the request is
    /// read, nothing is done.
    pub fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Fault {
        Fault::new(Act::Answer(Canned::Body {
            status,
            content_type: content_type.to_owned(),
            body: Arc::new(body.into()),
        }))
    }

    /// Answers with an OSS error before the body is read, then closes. A client that still sends gets a reset.
    pub fn early_answer(status: u16, code: &str) -> Fault {
        let mut fault = Fault::status(status, code);
        if let Act::Answer(canned) = fault.act {
            fault.act = Act::EarlyAnswer(canned);
        }
        fault
    }

    /// Resets the connection (RST) once so many bytes of the body were read, or at its end if it is shorter.
    pub fn reset_after(bytes: u64) -> Fault {
        Fault::new(Act::ResetAfter(bytes))
    }

    /// Closes the connection (FIN) once so many bytes of the body were read, or at its end if it is shorter.
    pub fn close_after(bytes: u64) -> Fault {
        Fault::new(Act::CloseAfter(bytes))
    }

    /// Reads the request, does nothing and never answers, until the client goes away or the server stops.
    pub fn no_answer() -> Fault {
        Fault::new(Act::NoAnswer)
    }

    /// Stops reading for ever once so many bytes of the body were read, or at its end if it is shorter. The
    /// connection stays open until the server stops.
    ///
    /// A few kilobytes more may be taken from the socket; how much then fits into the socket's buffers depends
    /// on [`Builder::receive_buffer`](super::Builder::receive_buffer).
    pub fn stop_reading_after(bytes: u64) -> Fault {
        Fault::new(Act::StopReadingAfter(bytes))
    }

    /// Does the work, then closes the connection without a byte of answer.
    pub fn lose_answer() -> Fault {
        Fault::new(Act::LoseAnswer)
    }

    /// Does the work, sends so many bytes of the answer, its head included, then closes the connection.
    pub fn cut_answer(bytes: u64) -> Fault {
        Fault::new(Act::CutAnswer(bytes))
    }

    /// Does the work and answers with another `x-oss-hash-crc64ecma`, if there is one.
    pub fn wrong_crc() -> Fault {
        Fault::new(Act::WrongCrc)
    }

    /// Leaves the header `x-oss-hash-crc64ecma` out of the answer.
    pub fn no_crc() -> Fault {
        Fault::new(Act::RemoveHeader("x-oss-hash-crc64ecma"))
    }

    /// Leaves the header `ETag` out of the answer.
    pub fn no_etag() -> Fault {
        Fault::new(Act::RemoveHeader("ETag"))
    }

    /// Sets a header of the answer, instead of those of this name. A `Content-Length` may be wrong: the body that is
    /// sent stays what it is.
    pub fn replace_answer_header(name: &str, value: &str) -> Fault {
        Fault::new(Act::ReplaceHeader(name.to_owned(), value.to_owned()))
    }

    /// Adds a header to the answer, beside those of this name. With a `Content-Length` or a `Transfer-Encoding`
    /// the server adds none of its own: what faults say of the length is all that is said.
    pub fn add_answer_header(name: &str, value: &str) -> Fault {
        Fault::new(Act::AddHeader(name.to_owned(), value.to_owned()))
    }

    /// Damages the body on the way: the lowest bit of the byte at this offset is flipped before it is
    /// checksummed and stored.
    pub fn flip_byte(offset: u64) -> Fault {
        Fault::new(Act::FlipByte(offset))
    }

    /// Waits before answering.
    pub fn latency(duration: Duration) -> Fault {
        Fault::new(Act::Latency(duration))
    }

    /// Reads the body no faster than this, on each connection.
    pub fn bandwidth(bytes_per_second: u64) -> Fault {
        Fault::new(Act::Bandwidth(bytes_per_second.max(1)))
    }

    /// Sends the answer byte by byte with a pause before each.
    pub fn trickle_answer(pause: Duration) -> Fault {
        Fault::new(Act::TrickleAnswer(pause))
    }

    /// Forgets the upload that the request names, then handles the request.
    pub fn forget_upload() -> Fault {
        Fault::new(Act::ForgetUpload)
    }

    /// Loses a stored part of the upload that the request names, then handles the request.
    pub fn lose_part(number: u16) -> Fault {
        Fault::new(Act::LosePart(number))
    }

    /// Sends the same answer with chunked transfer encoding.
    pub fn chunked_answer() -> Fault {
        Fault::new(Act::ChunkedAnswer)
    }

    /// Sends `HTTP/1.1 100 Continue` before the answer, unasked.
    pub fn informational_first() -> Fault {
        Fault::new(Act::InformationalFirst)
    }

    /// Closes the connection right after an answer that promised to keep it.
    pub fn close_after_answer_silently() -> Fault {
        Fault::new(Act::CloseSilently)
    }

    /// Calls a function when the body was read and nothing was done yet. The request waits for it.
    ///
    /// Together with a fault that wants only the first bytes of the body, such as
    /// [`stop_reading_after`](Fault::stop_reading_after), it is called when those were read: a moment in the middle of
    /// a body.
    ///
    /// The function may use the server, even make it [go away](super::LocalServer::go_away). It should hold the
    /// server by a [`Weak`](std::sync::Weak) pointer: the server owns the function.
    pub fn run(hook: impl Fn(&RequestLog) + Send + Sync + 'static) -> Fault {
        Fault::new(Act::Run(Arc::new(hook)))
    }

    /// Lets requests wait, the work done, the answer not sent, until the gate is opened.
    pub fn hold() -> (Fault, Gate) {
        let gate = Gate(Arc::default());
        (Fault::new(Act::Hold(gate.clone())), gate)
    }

    /// Adds a `Retry-After` header to [`status`](Fault::status), [`deny`](Fault::deny) or
    /// [`early_answer`](Fault::early_answer). Any other fault stays as it is.
    pub fn retry_after(mut self, seconds: u64) -> Fault {
        if let Act::Answer(Canned::Error { retry_after, .. })
        | Act::EarlyAnswer(Canned::Error { retry_after, .. }) = &mut self.act
        {
            *retry_after = Some(seconds);
        }
        self
    }

    /// Sets the message of [`status`](Fault::status), [`deny`](Fault::deny) or
    /// [`early_answer`](Fault::early_answer). Any other fault stays as it is.
    pub fn message(mut self, text: &str) -> Fault {
        if let Act::Answer(Canned::Error { message, .. })
        | Act::EarlyAnswer(Canned::Error { message, .. }) = &mut self.act
        {
            *message = Some(text.to_owned());
        }
        self
    }
}

/// What it is done to.
impl Fault {
    /// Only requests of this operation.
    pub fn on(mut self, operation: Operation) -> Fault {
        self.filter.operation = Some(operation);
        self
    }

    /// Only requests with this `partNumber`.
    pub fn part(mut self, number: u16) -> Fault {
        self.filter.part = Some(number);
        self
    }

    /// Only requests for this key.
    pub fn key(mut self, key: &str) -> Fault {
        self.filter.key = Some(key.to_owned());
        self
    }

    /// From the n-th matching request on; the first has number 1. With `times(1)`: only the n-th.
    pub fn nth(mut self, n: u32) -> Fault {
        self.filter.first = Some(n.max(1));
        self
    }

    /// Every n-th matching request: n, 2n and so on, or, with [`nth`](Fault::nth), that one and every n-th after it.
    pub fn every(mut self, n: u32) -> Fault {
        self.filter.every = Some(n.max(1));
        self
    }

    /// At most so many times. Default: for ever.
    pub fn times(mut self, n: u32) -> Fault {
        self.filter.times = Some(n);
        self
    }
}

/// A fault that was added. Dropping the handle does not remove the fault.
#[derive(Clone, Debug)]
pub struct FaultHandle(Arc<Armed>);

impl FaultHandle {
    /// How often the fault acted.
    pub fn hits(&self) -> u32 {
        self.0.hits.load(Ordering::SeqCst)
    }

    /// Takes the fault away: it acts no more.
    pub fn remove(&self) {
        self.0.is_removed.store(true, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    matched: AtomicU32,
    hits: AtomicU32,
    is_removed: AtomicBool,
}

impl Armed {
    /// Counts the request if it matches, and says whether it is its turn.
    fn is_due(&self, request: &Request) -> bool {
        let filter = &self.fault.filter;
        let matches = filter.operation.is_none_or(|o| o == request.operation)
            && filter.part.is_none_or(|p| request.part_number() == Some(p))
            && (filter.key.as_deref()).is_none_or(|k| request.key.as_deref() == Some(k));
        if !matches || self.is_removed.load(Ordering::SeqCst) {
            return false;
        }
        let number = self.matched.fetch_add(1, Ordering::SeqCst) + 1;
        let every = filter.every.unwrap_or(1);
        let first = filter.first.unwrap_or(every);
        let has_times_left = (filter.times).is_none_or(|t| self.hits.load(Ordering::SeqCst) < t);
        has_times_left && number >= first && (number - first).is_multiple_of(every)
    }
}

/// All faults of a server.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Arc<Armed>>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault) -> FaultHandle {
        let armed = Arc::new(Armed {
            fault,
            matched: AtomicU32::new(0),
            hits: AtomicU32::new(0),
            is_removed: AtomicBool::new(false),
        });
        lock(&self.0).push(Arc::clone(&armed));
        FaultHandle(armed)
    }

    pub(super) fn clear(&self) {
        // Dropped outside of the lock: a hook may own things whose end asks for this lock.
        let all = std::mem::take(&mut *lock(&self.0));
        drop(all);
    }

    /// What is to happen to a request. Under one lock, so that counting is exact.
    pub(super) fn plan(&self, request: &Request) -> Plan {
        let mut plan = Plan::default();
        let mut all = lock(&self.0);
        let removed: Vec<Arc<Armed>> = all
            .extract_if(.., |armed| armed.is_removed.load(Ordering::SeqCst))
            .collect();
        for armed in &*all {
            if armed.is_due(request) && plan.take(&armed.fault.act) {
                armed.hits.fetch_add(1, Ordering::SeqCst);
            }
        }
        // Dropped outside of the lock, as in `clear`.
        drop(all);
        drop(removed);
        plan
    }
}

/// How a request ends.
#[derive(Clone, Debug, Default)]
pub(super) enum Fate {
    #[default]
    Served,
    Answered(Canned),
    AnsweredEarly(Canned),
    ResetAfter(u64),
    ClosedAfter(u64),
    Unanswered,
    UnreadAfter(u64),
    AnswerLost,
    AnswerCut(u64),
}

/// Everything that faults do to one request.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) is_faulty: bool,
    pub(super) fate: Fate,
    pub(super) flips: Vec<u64>,
    pub(super) bandwidth: Option<u64>,
    pub(super) latency: Duration,
    pub(super) forgets_upload: bool,
    pub(super) lost_parts: Vec<u16>,
    pub(super) trickle: Option<Duration>,
    pub(super) is_chunked: bool,
    pub(super) is_informational_first: bool,
    pub(super) closes_silently: bool,
    pub(super) gates: Vec<Gate>,
    edits: Vec<Edit>,
    hooks: Hooks,
}

#[derive(Debug)]
enum Edit {
    WrongCrc,
    Remove(&'static str),
    Replace(String, String),
    Add(String, String),
}

#[derive(Default)]
struct Hooks(Vec<Hook>);

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hooks", self.0.len())
    }
}

impl Plan {
    /// Adds an act; `false` when the fate of the request is decided already.
    fn take(&mut self, act: &Act) -> bool {
        if let Some(fate) = fate(act) {
            if !matches!(self.fate, Fate::Served) {
                return false;
            }
            self.fate = fate;
        } else {
            self.take_side(act.clone());
        }
        self.is_faulty = true;
        true
    }

    fn take_side(&mut self, act: Act) {
        match act {
            Act::WrongCrc => self.edits.push(Edit::WrongCrc),
            Act::RemoveHeader(name) => self.edits.push(Edit::Remove(name)),
            Act::ReplaceHeader(name, value) => self.edits.push(Edit::Replace(name, value)),
            Act::AddHeader(name, value) => self.edits.push(Edit::Add(name, value)),
            Act::FlipByte(offset) => self.flips.push(offset),
            Act::Latency(duration) => self.latency += duration,
            Act::Bandwidth(rate) => {
                self.bandwidth = Some(self.bandwidth.map_or(rate, |other| other.min(rate)));
            }
            Act::TrickleAnswer(pause) => self.trickle = Some(pause),
            Act::ForgetUpload => self.forgets_upload = true,
            Act::LosePart(number) => self.lost_parts.push(number),
            Act::ChunkedAnswer => self.is_chunked = true,
            Act::InformationalFirst => self.is_informational_first = true,
            Act::CloseSilently => self.closes_silently = true,
            Act::Run(hook) => self.hooks.0.push(hook),
            Act::Hold(gate) => self.gates.push(gate),
            _ => {}
        }
    }

    pub(super) fn run_hooks(&self, log: impl FnOnce() -> RequestLog) {
        if !self.hooks.0.is_empty() {
            let log = log();
            self.hooks.0.iter().for_each(|hook| hook(&log));
        }
    }

    pub(super) fn edit(&self, answer: &mut Answer) {
        for edit in &self.edits {
            match edit {
                Edit::Remove(name) => answer.remove(name),
                Edit::Replace(name, value) => answer.replace(name, value),
                Edit::Add(name, value) => answer.add(name, value),
                Edit::WrongCrc => {
                    let crc = answer.find("x-oss-hash-crc64ecma").map(str::parse::<u64>);
                    if let Some(Ok(crc)) = crc {
                        answer.replace("x-oss-hash-crc64ecma", &(crc ^ 1).to_string());
                    }
                }
            }
        }
    }
}

fn fate(act: &Act) -> Option<Fate> {
    Some(match act {
        Act::Answer(canned) => Fate::Answered(canned.clone()),
        Act::EarlyAnswer(canned) => Fate::AnsweredEarly(canned.clone()),
        Act::ResetAfter(bytes) => Fate::ResetAfter(*bytes),
        Act::CloseAfter(bytes) => Fate::ClosedAfter(*bytes),
        Act::NoAnswer => Fate::Unanswered,
        Act::StopReadingAfter(bytes) => Fate::UnreadAfter(*bytes),
        Act::LoseAnswer => Fate::AnswerLost,
        Act::CutAnswer(bytes) => Fate::AnswerCut(*bytes),
        _ => return None,
    })
}

/// Where the requests of [`Fault::hold`] wait.
#[derive(Clone, Debug)]
pub struct Gate(Arc<GateState>);

#[derive(Debug, Default)]
struct GateState {
    inner: Mutex<GateInner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateInner {
    reached: u32,
    is_open: bool,
}

impl Gate {
    /// Lets all waiting requests go on, and all that come later pass.
    pub fn open(&self) {
        lock(&self.0.inner).is_open = true;
        self.0.changed.notify_all();
    }

    /// Blocks until so many requests have reached the gate, those that passed it included.
    pub fn wait_reached(&self, n: u32) {
        let mut inner = lock(&self.0.inner);
        while inner.reached < n {
            inner = (self.0.changed.wait(inner)).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for the gate to be opened, or for the server to stop.
    pub(super) fn pass(&self, is_stopped: impl Fn() -> bool) {
        // The server's end does not ring here, so one looks for it.
        const LOOK: Duration = Duration::from_millis(20);
        let mut inner = lock(&self.0.inner);
        inner.reached += 1;
        self.0.changed.notify_all();
        while !inner.is_open && !is_stopped() {
            let waited = self.0.changed.wait_timeout(inner, LOOK);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
