//! One connection: request after request, and what faults make of them.

use super::answer::{Answer, Delimiting};
use super::calls::{self, Intake, Received};
use super::error::{Asked, OssError};
use super::fault::{Fate, Plan};
use super::journal::RequestLog;
use super::pace::Pace;
use super::request::Request;
use super::session::Session;
use super::shared::Shared;
use super::store::upper_hex;
use super::wire::{Body, Framing, Incoming, Wire};
use crate::crc64;
use crate::sign::http_date;
use md5::{Digest, Md5};
use socket2::SockRef;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    session: Arc<Session>,
    wire: Wire,
    number: u64,
}

/// What follows an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    NextRequest,
    Close,
    /// Close, but read on until the client has seen the answer: closing with unread bytes would be a reset, and
    /// a reset may destroy the answer on its way.
    Linger,
}

/// A request under way.
#[derive(Debug)]
struct Exchange {
    request: Request,
    plan: Plan,
    /// Its number in the journal.
    entry: u64,
    request_id: String,
    started: Instant,
    body_len: u64,
}

impl Exchange {
    fn asked(&self) -> Asked<'_> {
        Asked {
            request_id: &self.request_id,
            host: self.request.host(),
            is_head: self.request.is_head(),
        }
    }
}

/// How reading a body ended.
#[derive(Debug)]
enum Reception {
    Whole(Received),
    /// A fault wanted no more of it.
    Stopped,
    /// It cannot be taken, and not all of it was read.
    Refused(OssError),
}

impl Connection {
    pub(super) fn new(
        shared: Arc<Shared>,
        session: Arc<Session>,
        stream: Arc<TcpStream>,
        number: u64,
    ) -> Connection {
        Connection {
            shared,
            session,
            wire: Wire::new(stream),
            number,
        }
    }

    pub(super) fn serve(mut self) {
        loop {
            match self.serve_one() {
                Ok(After::NextRequest) => {}
                Ok(After::Close) => return,
                Ok(After::Linger) => return self.linger(),
                Err(error) => {
                    log::debug!(target: "oss_upload::local_server", "connection {}: {error}", self.number);
                    return;
                }
            }
        }
    }

    fn serve_one(&mut self) -> io::Result<After> {
        let request = match self.wire.read_head()? {
            Incoming::Closed => return Ok(After::Close),
            Incoming::Malformed(reason) => Request::unreadable(&reason),
            Incoming::Head(head) => Request::new(head),
        };
        let plan = self.shared.faults.plan(&request);
        let log = request.log(self.number, plan.is_faulty);
        let mut exchange = Exchange {
            entry: self.shared.journal.arrive(log),
            request,
            plan,
            request_id: upper_hex(fastrand::u128(..), 24),
            started: Instant::now(),
            body_len: 0,
        };
        let after = self.exchange(&mut exchange);
        if after.is_err() {
            self.note_broken(&exchange);
        }
        after
    }

    fn exchange(&mut self, x: &mut Exchange) -> io::Result<After> {
        if let Fate::AnsweredEarly(canned) = &x.plan.fate {
            let answer = canned.answer(x.asked());
            return self.deliver(x, answer, After::Close);
        }
        self.lose_what_faults_lose(x);
        let framing = match x.request.head.framing() {
            Ok(framing) => framing,
            Err(reason) => {
                let error = OssError::invalid_argument(reason);
                return self.deliver(x, error.answer(x.asked()), After::Linger);
            }
        };
        let (intake, refusal) = self.admit(x, framing);
        let content_md5 = intake.expected_md5();
        if x.request.head.expects_continue() && framing != Framing::None {
            // The client asks before it sends: refused, it need not.
            if let Some(error) = refusal {
                return self.deliver(x, error.answer(x.asked()), After::Linger);
            }
            self.wire
                .out()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let received = match self.receive(x, framing, intake)? {
            Reception::Whole(received) => received,
            Reception::Stopped => {
                self.run_hooks(x);
                return self.break_off(x);
            }
            Reception::Refused(error) => {
                let error = refusal.unwrap_or(error);
                return self.deliver(x, error.answer(x.asked()), After::Linger);
            }
        };
        self.run_hooks(x);
        if matches!(x.plan.fate, Fate::Unanswered) {
            self.note_broken(x);
            self.wire.drain();
            return Ok(After::Close);
        }
        let answer = self.answer(x, refusal, content_md5, received);
        let after = match x.request.head.wants_close() {
            true => After::Close,
            false => After::NextRequest,
        };
        self.deliver(x, answer, after)
    }

    /// What is answered to a request that came as a whole.
    fn answer(
        &self,
        x: &Exchange,
        refusal: Option<OssError>,
        content_md5: Option<[u8; 16]>,
        received: Received,
    ) -> Answer {
        let shared = &self.shared;
        let served = match (&x.plan.fate, refusal) {
            (Fate::Answered(canned), _) => return canned.answer(x.asked()),
            (_, Some(error)) => Err(error),
            (_, None) => calls::perform(shared, &x.request, &x.request_id, content_md5, received),
        };
        served.unwrap_or_else(|error| error.answer(x.asked()))
    }

    fn admit(&self, x: &Exchange, framing: Framing) -> (Intake, Option<OssError>) {
        let is_served = matches!(
            x.plan.fate,
            Fate::Served | Fate::AnswerLost | Fate::AnswerCut(_)
        );
        if !is_served {
            return (Intake::ignored(), None);
        }
        match calls::admit(&self.shared, &x.request, framing) {
            Ok(intake) => (intake, None),
            Err(error) => (Intake::ignored(), Some(error)),
        }
    }

    fn lose_what_faults_lose(&self, x: &Exchange) {
        let upload_id = x.request.upload_id();
        for number in &x.plan.lost_parts {
            self.shared.store.drop_part(upload_id, *number);
        }
        if x.plan.forgets_upload {
            self.shared.store.drop_upload(upload_id);
        }
    }

    fn run_hooks(&self, x: &Exchange) {
        x.plan.run_hooks(|| RequestLog {
            body_len: x.body_len,
            ..x.request.log(self.number, true)
        });
    }

    /// Reads the body, checksums it and stores it, all in one pass through one buffer.
    fn receive(
        &mut self,
        x: &mut Exchange,
        framing: Framing,
        intake: Intake,
    ) -> io::Result<Reception> {
        let mut body = Body::new(framing);
        let mut writer = intake.writer;
        let mut crc = intake.with_crc.then(crc64::Digest::new);
        let mut md5 = intake.with_md5.then(Md5::new);
        let wanted = wanted(&x.plan.fate);
        let pace = Pace::new(x.plan.bandwidth);
        if framing.len().is_some_and(|len| len > intake.most) && wanted.is_none() {
            return Ok(Reception::Refused(OssError::too_large()));
        }
        loop {
            let left = wanted.map_or(u64::MAX, |wanted| wanted.saturating_sub(x.body_len));
            if left == 0 {
                return Ok(Reception::Stopped);
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(pace.bite);
            let piece = body.next(&mut self.wire, most)?;
            if piece.is_empty() {
                break;
            }
            flip(piece, x.body_len, &x.plan.flips);
            x.body_len += piece.len() as u64;
            if x.body_len > intake.most {
                return Ok(Reception::Refused(OssError::too_large()));
            }
            if let Some(crc) = &mut crc {
                crc.update(piece);
            }
            if let Some(md5) = &mut md5 {
                md5.update(&*piece);
            }
            if let Err(error) = writer.write(piece) {
                return Ok(Reception::Refused(OssError::internal(&error)));
            }
            pace.keep(x.body_len, &self.session)?;
        }
        if wanted.is_some() {
            return Ok(Reception::Stopped);
        }
        Ok(Reception::Whole(Received {
            len: x.body_len,
            crc: crc.map(|crc| crc.value()),
            md5: md5.map(|md5| md5.finalize().into()),
            content: writer.finish(),
        }))
    }

    /// Ends a request of which a fault wanted no more.
    fn break_off(&mut self, x: &Exchange) -> io::Result<After> {
        self.note_broken(x);
        match x.plan.fate {
            Fate::ResetAfter(_) => {
                SockRef::from(self.wire.stream()).set_linger(Some(Duration::ZERO))?;
                Ok(After::Close)
            }
            Fate::UnreadAfter(_) => {
                self.session.wait_for_stop();
                Ok(After::Close)
            }
            _ => Ok(After::Linger),
        }
    }

    /// Sends an answer, as faults want it. The journal knows of it before the client does.
    fn deliver(&mut self, x: &Exchange, mut answer: Answer, after: After) -> io::Result<After> {
        let plan = &x.plan;
        answer = self.with_common_headers(x, answer, after);
        plan.edit(&mut answer);
        self.session.pause(plan.latency)?;
        for gate in &plan.gates {
            gate.pass(|| self.session.is_stopped());
        }
        if self.session.is_stopped() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server stops",
            ));
        }
        if matches!(plan.fate, Fate::AnswerLost | Fate::AnswerCut(_)) {
            self.note_broken(x);
        } else {
            let status = Some(answer.status);
            self.shared.journal.finish(x.entry, x.body_len, status);
        }
        self.send(x, answer)?;
        match (&plan.fate, plan.closes_silently) {
            (Fate::AnswerLost | Fate::AnswerCut(_), _) | (_, true) => Ok(After::Close),
            _ => Ok(after),
        }
    }

    fn with_common_headers(&self, x: &Exchange, answer: Answer, after: After) -> Answer {
        let connection = match after {
            After::NextRequest => "keep-alive",
            After::Close | After::Linger => "close",
        };
        let millis = x.started.elapsed().as_millis().to_string();
        answer
            .header("Server", "AliyunOSS")
            .header("Date", http_date(self.shared.now()))
            .header("Connection", connection)
            .header("x-oss-request-id", &*x.request_id)
            .header("x-oss-server-time", millis)
    }

    fn send(&self, x: &Exchange, answer: Answer) -> io::Result<()> {
        let mut out = self.wire.out();
        let delimiting = match (x.request.is_head(), x.plan.is_chunked) {
            (true, _) => Delimiting::HeadOnly,
            (false, true) if answer.status != 204 => Delimiting::Chunked,
            (false, _) => Delimiting::ContentLength,
        };
        let cut = match x.plan.fate {
            Fate::AnswerLost => return Ok(()),
            Fate::AnswerCut(bytes) => Some(usize::try_from(bytes).unwrap_or(usize::MAX)),
            _ => None,
        };
        if x.plan.is_informational_first {
            out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if cut.is_none() && x.plan.trickle.is_none() {
            return answer.write(&mut out, delimiting);
        }
        let mut bytes = vec![];
        answer.write(&mut bytes, delimiting)?;
        bytes.truncate(cut.unwrap_or(usize::MAX));
        let Some(pause) = x.plan.trickle else {
            return out.write_all(&bytes);
        };
        for byte in bytes {
            self.session.pause(pause)?;
            out.write_all(&[byte])?;
        }
        Ok(())
    }

    fn note_broken(&self, x: &Exchange) {
        self.shared.journal.finish(x.entry, x.body_len, None);
    }

    /// Says that nothing more will come, and reads until the client agrees.
    fn linger(mut self) {
        const LONGEST_SILENCE: Duration = Duration::from_secs(2);
        let stream = self.wire.stream();
        let _ = stream.shutdown(Shutdown::Write);
        if stream.set_read_timeout(Some(LONGEST_SILENCE)).is_ok() {
            self.wire.drain();
        }
    }
}

/// After how many bytes of the body a fault breaks the exchange off.
fn wanted(fate: &Fate) -> Option<u64> {
    match fate {
        Fate::ResetAfter(n) | Fate::ClosedAfter(n) | Fate::UnreadAfter(n) => Some(*n),
        _ => None,
    }
}

/// Flips the bytes of a piece that begins at `start`.
fn flip(piece: &mut [u8], start: u64, offsets: &[u64]) {
    for offset in offsets {
        let index = offset
            .checked_sub(start)
            .and_then(|i| usize::try_from(i).ok());
        if let Some(byte) = index.and_then(|index| piece.get_mut(index)) {
            *byte ^= 1;
        }
    }
}
