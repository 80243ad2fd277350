//! How far an upload is: counted by the routines without locks, shown on the caller's thread.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What an upload is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Opening the file and the checkpoint, asking the server what it has.
    Preparing,
    /// Reading finished parts again to prove that the file has not changed.
    Verifying,
    /// Sending parts.
    Sending,
    /// Joining the parts and checking the object.
    Completing,
    /// The object is there and its checksum is right.
    Done,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Preparing => "preparing",
            Phase::Verifying => "verifying",
            Phase::Sending => "sending",
            Phase::Completing => "completing",
            Phase::Done => "done",
        })
    }
}

/// How far an upload is, at one moment.
///
/// `elapsed`, `bytes_sent`, `bytes_resent` and `retries` never fall. Where nothing goes wrong, neither do `bytes_done`
/// and their sum with `bytes_in_flight`, [`position`](Self::position), which is what a bar shows best.
///
/// Each byte that was sent is in flight, acknowledged or to be sent again:
/// `bytes_sent = bytes_in_flight + (bytes_done - bytes_resumed) + bytes_resent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// What the upload is doing.
    pub phase: Phase,
    /// Whether it is [paused](crate::Control::pause).
    pub is_paused: bool,
    /// The time since [`run`](crate::UploadFile::run) was called, pauses included.
    pub elapsed: Duration,
    /// The length of the object.
    pub bytes_total: u64,
    /// Bytes of parts that the server has acknowledged, those of earlier runs included. It falls back only when the
    /// upload starts again from scratch, or when the server lost a part.
    pub bytes_done: u64,
    /// Bytes of `bytes_done` that an earlier run had sent, or that turned out to be stored although it had not been heard
    /// of.
    pub bytes_resumed: u64,
    /// Bytes of parts that are under way: handed to the network, and not acknowledged yet. It falls when a part is
    /// acknowledged or fails.
    pub bytes_in_flight: u64,
    /// Body bytes handed to the network by this run, repetitions included.
    pub bytes_sent: u64,
    /// Bytes of `bytes_sent` that came to nothing: by attempts that failed or were broken off, by parts that the
    /// server lost, and by starting again from scratch.
    pub bytes_resent: u64,
    /// Bytes a second that got on, by `bytes_done` and `bytes_in_flight`, over the last five seconds. Nothing that an
    /// earlier run sent counts. 0 while no parts are sent, during pauses and where it is too early to tell.
    pub rate: u64,
    /// How long the rest of the file takes at this rate, without what the server needs to join the parts. `None`
    /// where it cannot be told, zero when all is done.
    pub time_left: Option<Duration>,
    /// The number of parts.
    pub parts_total: u16,
    /// Parts that the server has acknowledged.
    pub parts_done: u16,
    /// Parts that are being sent at this moment: the routines that are at work.
    pub parts_in_flight: u16,
    /// Requests repeated after a failure.
    pub retries: u64,
}

impl Snapshot {
    /// How far a bar is, of `bytes_total`: what is acknowledged and what is under way.
    pub fn position(&self) -> u64 {
        self.bytes_done.saturating_add(self.bytes_in_flight)
    }

    /// [`position`](Self::position) as a fraction, 0 to 1; 1 of an empty file only when all is done.
    pub fn fraction(&self) -> f64 {
        match self.phase {
            Phase::Done => 1.0,
            _ => fraction(self.position(), self.bytes_total),
        }
    }

    /// Bytes that got on by this run, whether they are acknowledged yet or not.
    pub(super) fn bytes_useful(&self) -> u64 {
        self.bytes_sent.saturating_sub(self.bytes_resent)
    }

    /// Bytes that are neither acknowledged nor under way.
    pub(super) fn bytes_left(&self) -> u64 {
        self.bytes_total.saturating_sub(self.position())
    }
}

/// How much of a whole there is, 0 to 1; 0 of nothing.
pub(in crate::upload) fn fraction(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        _ => (part as f64 / whole as f64).min(1.0),
    }
}

/// The one thing that is counted for every read is what was sent.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    phase: AtomicU8,
    bytes_total: AtomicU64,
    bytes_done: AtomicU64,
    bytes_resumed: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_resent: AtomicU64,
    parts_total: AtomicU64,
    parts_done: AtomicU64,
    parts_in_flight: AtomicU64,
    retries: AtomicU64,
}

impl Progress {
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// Begins, or begins again, with nothing done.
    pub(crate) fn begin(&self, bytes_total: u64, parts_total: u16) {
        self.set_phase(Phase::Preparing);
        self.bytes_total.store(bytes_total, Relaxed);
        self.parts_total.store(parts_total.into(), Relaxed);
        let done = self.bytes_done.swap(0, Relaxed);
        let resumed = self.bytes_resumed.swap(0, Relaxed);
        self.add_resent(done.saturating_sub(resumed));
        self.parts_done.store(0, Relaxed);
    }

    /// The object is there, whoever sent the last of it.
    pub(crate) fn finish(&self) {
        let total = self.bytes_total.load(Relaxed);
        let done = self.bytes_done.swap(total, Relaxed);
        let by_others = total.saturating_sub(done);
        self.bytes_resumed.fetch_add(by_others, Relaxed);
        let parts = self.parts_total.load(Relaxed);
        self.parts_done.store(parts, Relaxed);
        self.set_phase(Phase::Done);
    }

    pub(crate) fn add_resumed(&self, len: u64) {
        self.bytes_resumed.fetch_add(len, Relaxed);
        self.add_done(len);
    }

    pub(crate) fn add_done(&self, len: u64) {
        self.bytes_done.fetch_add(len, Relaxed);
        self.parts_done.fetch_add(1, Relaxed);
    }

    /// A part that had counted as done is to be sent again.
    pub(crate) fn take_back(&self, len: u64, was_resumed: bool) {
        self.bytes_done.fetch_sub(len, Relaxed);
        self.parts_done.fetch_sub(1, Relaxed);
        match was_resumed {
            true => drop(self.bytes_resumed.fetch_sub(len, Relaxed)),
            false => self.add_resent(len),
        }
    }

    pub(crate) fn add_sent(&self, n: u64) {
        self.bytes_sent.fetch_add(n, Relaxed);
    }

    /// So much of what was sent came to nothing.
    pub(crate) fn add_resent(&self, n: u64) {
        self.bytes_resent.fetch_add(n, Relaxed);
    }

    /// A part is under way until this is dropped.
    pub(crate) fn under_way(&self) -> UnderWay<'_> {
        self.parts_in_flight.fetch_add(1, Relaxed);
        UnderWay(self)
    }

    pub(crate) fn add_retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    /// What was counted. The rest of a snapshot is known to who takes it.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let parts = |count: &AtomicU64| u16::try_from(count.load(Relaxed)).unwrap_or(u16::MAX);
        // What is in flight is what has been sent and is neither done nor lost: one figure moves a part from there to
        // here, and no sum is ever seen half-way. What was sent is read last, and so is no less than the others.
        let bytes_resent = self.bytes_resent.load(Relaxed);
        let bytes_done = self.bytes_done.load(Relaxed);
        let bytes_resumed = self.bytes_resumed.load(Relaxed);
        let bytes_sent = self.bytes_sent.load(Relaxed);
        let settled = bytes_resent + bytes_done.saturating_sub(bytes_resumed);
        Snapshot {
            phase: match self.phase.load(Relaxed) {
                0 => Phase::Preparing,
                1 => Phase::Verifying,
                2 => Phase::Sending,
                3 => Phase::Completing,
                _ => Phase::Done,
            },
            is_paused: false,
            elapsed: Duration::ZERO,
            bytes_total: self.bytes_total.load(Relaxed),
            bytes_done,
            bytes_resumed,
            bytes_in_flight: bytes_sent.saturating_sub(settled),
            bytes_sent,
            bytes_resent,
            rate: 0,
            time_left: None,
            parts_total: parts(&self.parts_total),
            parts_done: parts(&self.parts_done),
            parts_in_flight: parts(&self.parts_in_flight),
            retries: self.retries.load(Relaxed),
        }
    }
}

/// A part on its way.
#[derive(Debug)]
pub(crate) struct UnderWay<'a>(&'a Progress);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.parts_in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect_every_byte_is_somewhere(seen: &Snapshot) {
        let acknowledged = seen.bytes_done - seen.bytes_resumed;
        let sum = seen.bytes_in_flight + acknowledged + seen.bytes_resent;
        assert_eq!(seen.bytes_sent, sum, "{seen:?}");
    }

    #[test]
    fn each_byte_is_in_flight_then_done_or_to_be_sent_again() {
        let progress = Progress::default();
        progress.begin(100, 4);
        progress.add_resumed(30);
        progress.add_sent(30);
        progress.add_sent(20);
        let steps: [(&dyn Fn(), [u64; 3]); 6] = [
            (&|| {}, [30, 50, 0]),
            (&|| progress.add_done(30), [60, 20, 0]),
            (&|| progress.add_resent(20), [60, 0, 20]),
            (&|| progress.take_back(30, true), [30, 0, 20]),
            (&|| progress.take_back(30, false), [0, 0, 50]),
            (&|| progress.begin(100, 4), [0, 0, 50]),
        ];
        for (step, [done, in_flight, resent]) in steps {
            step();
            let seen = progress.snapshot();
            assert_eq!(seen.bytes_done, done);
            assert_eq!(seen.bytes_in_flight, in_flight);
            assert_eq!(seen.bytes_resent, resent);
            expect_every_byte_is_somewhere(&seen);
        }
    }

    #[test]
    fn starting_again_throws_away_what_this_run_sent_and_nothing_of_an_earlier_one() {
        let progress = Progress::default();
        progress.begin(100, 4);
        progress.add_resumed(60);
        progress.add_sent(10);
        progress.add_done(10);
        progress.begin(80, 4);
        let seen = progress.snapshot();
        assert_eq!(
            (seen.bytes_total, seen.bytes_done, seen.bytes_resent),
            (80, 0, 10)
        );
        expect_every_byte_is_somewhere(&seen);
    }

    #[test]
    fn what_another_sent_counts_as_resumed_when_all_is_done() {
        let progress = Progress::default();
        progress.begin(100, 4);
        progress.add_sent(30);
        progress.add_done(30);
        progress.finish();
        let seen = progress.snapshot();
        assert_eq!((seen.phase, seen.parts_done), (Phase::Done, 4));
        assert_eq!((seen.bytes_done, seen.bytes_resumed), (100, 70));
        expect_every_byte_is_somewhere(&seen);
    }

    #[test]
    fn parts_are_counted_while_they_are_under_way() {
        let progress = Progress::default();
        let first = progress.under_way();
        let second = progress.under_way();
        assert_eq!(progress.snapshot().parts_in_flight, 2);
        drop((first, second));
        assert_eq!(progress.snapshot().parts_in_flight, 0);
    }
}
