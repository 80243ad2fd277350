//! What failed last: for an upload that is ended from outside before its calls got through.

use crate::lock::lock;
use crate::part::PartNumber;
use crate::protocol::Operation;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What failed longer ago is not why an upload ends now.
const RECENT: Duration = Duration::from_secs(60);

/// The last failure of each call that is not through yet, the latest at the end.
///
/// One that its call overcame is forgotten: all that it did was to take time. What other calls achieve meanwhile changes
/// nothing: this one still waits for its next attempt. Touched at failures alone, and by calls that had some.
#[derive(Debug, Default)]
pub(in crate::upload) struct LastFailure(Mutex<Vec<Noted>>);

#[derive(Debug)]
struct Noted {
    call: Call,
    why: String,
    at: Instant,
}

/// An upload makes each call once at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) part: Option<PartNumber>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            None => self.operation.fmt(f),
            Some(number) => write!(f, "{} of part {number}", self.operation),
        }
    }
}

impl LastFailure {
    pub(super) fn note(&self, call: Call, why: String, at: Instant) {
        let mut noted = lock(&self.0);
        noted.retain(|noted| noted.call != call);
        noted.push(Noted { call, why, at });
    }

    pub(super) fn overcome(&self, call: Call) {
        lock(&self.0).retain(|noted| noted.call != call);
    }

    /// The call, and why it failed, when that was not long ago.
    pub(in crate::upload) fn told(&self, now: Instant) -> Option<String> {
        let noted = lock(&self.0);
        let last = noted.last()?;
        let age = now.saturating_duration_since(last.at);
        (age <= RECENT).then(|| format!("{}: {}", last.call, last.why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGINNING: Call = Call {
        operation: Operation::InitiateMultipartUpload,
        part: None,
    };

    fn sending(number: u16) -> Call {
        Call {
            operation: Operation::UploadPart,
            part: PartNumber::new(number),
        }
    }

    fn noted(calls: impl IntoIterator<Item = (Call, &'static str)>, at: Instant) -> LastFailure {
        let failures = LastFailure::default();
        for (call, why) in calls {
            failures.note(call, why.to_owned(), at);
        }
        failures
    }

    #[test]
    fn the_latest_is_told() {
        let now = Instant::now();
        assert_eq!(LastFailure::default().told(now), None);
        let failures = noted([(sending(3), "refused"), (BEGINNING, "reset")], now);
        let told = failures.told(now);
        assert_eq!(told.as_deref(), Some("InitiateMultipartUpload: reset"));
        failures.note(sending(3), "silent".to_owned(), now);
        let told = failures.told(now);
        assert_eq!(told.as_deref(), Some("UploadPart of part 3: silent"));
    }

    #[test]
    fn one_that_was_overcome_is_told_no_more_and_that_of_another_call_is() {
        let now = Instant::now();
        let failures = noted([(sending(1), "refused"), (sending(2), "reset")], now);
        failures.overcome(sending(2));
        let told = failures.told(now);
        assert_eq!(told.as_deref(), Some("UploadPart of part 1: refused"));
        failures.overcome(sending(1));
        assert_eq!(failures.told(now), None);
    }

    #[test]
    fn one_of_long_ago_is_not_told() {
        let at = Instant::now();
        let failures = noted([(BEGINNING, "refused")], at);
        assert!(failures.told(at + RECENT).is_some());
        assert_eq!(failures.told(at + RECENT + Duration::from_nanos(1)), None);
    }
}
