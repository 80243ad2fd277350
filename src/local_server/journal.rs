//! What was asked of the server, in order of arrival.

use crate::lock::lock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

/// A call of the OSS API that the server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// `POST /key?uploads`
    InitiateMultipartUpload,
    /// `PUT /key?partNumber=n&uploadId=id`
    UploadPart,
    /// `GET /key?uploadId=id`
    ListParts,
    /// `POST /key?uploadId=id`
    CompleteMultipartUpload,
    /// `DELETE /key?uploadId=id`
    AbortMultipartUpload,
    /// `GET /?uploads`
    ListMultipartUploads,
    /// `PUT /key`
    PutObject,
    /// `HEAD /key`, with and without `objectMeta`
    HeadObject,
    /// `GET /key`
    GetObject,
    /// `DELETE /key`
    DeleteObject,
    /// Anything else. It is refused.
    Other,
}

/// One request as the server saw it.
///
/// `Debug` leaves the headers out, which may hold tokens and signatures.
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestLog {
    /// Which call it was, also when it was refused.
    pub operation: Operation,
    /// `PUT`, `POST` and so on.
    pub method: String,
    /// The path as it was on the wire, without the query.
    pub path: String,
    /// Names and values of the query, decoded, in the order they came.
    pub query: Vec<(String, String)>,
    /// Names and values of the headers as received.
    pub headers: Vec<(String, String)>,
    /// The parameter `partNumber`, when it is a number.
    pub part_number: Option<u16>,
    /// The parameter `uploadId`.
    pub upload_id: Option<String>,
    /// How many bytes of the body arrived.
    pub body_len: u64,
    /// The status that was answered; `None` when the exchange broke off, by a fault or by the client.
    pub status: Option<u16>,
    /// The number of the connection, in order of being accepted: equal numbers prove that it was used again.
    pub connection: u64,
    /// Whether a fault acted on it.
    pub fault: bool,
}

impl fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLog")
            .field("operation", &self.operation)
            .field("path", &self.path)
            .field("part_number", &self.part_number)
            .field("body_len", &self.body_len)
            .field("status", &self.status)
            .field("connection", &self.connection)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl RequestLog {
    /// The value of the first header of this name, in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(candidate, _): &&(String, String)| candidate.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| &**value)
    }
}

/// So that a server that runs for days does not grow for days.
const MAX_ENTRIES: usize = 100_000;

/// The last 100,000 requests.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    by_arrival: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    log: RequestLog,
    is_finished: bool,
}

impl Journal {
    /// Notes a request that arrives. It is listed once it is finished.
    pub(super) fn arrive(&self, log: RequestLog) -> u64 {
        let mut entries = lock(&self.0);
        let number = entries.next;
        entries.next += 1;
        let is_finished = false;
        entries
            .by_arrival
            .insert(number, Entry { log, is_finished });
        if entries.by_arrival.len() > MAX_ENTRIES {
            entries.by_arrival.pop_first();
        }
        number
    }

    pub(super) fn finish(&self, number: u64, body_len: u64, status: Option<u16>) {
        if let Some(entry) = lock(&self.0).by_arrival.get_mut(&number) {
            entry.log.body_len = body_len;
            entry.log.status = status;
            entry.is_finished = true;
        }
    }

    pub(super) fn finished(&self) -> Vec<RequestLog> {
        let entries = lock(&self.0);
        let finished = entries.by_arrival.values().filter(|e| e.is_finished);
        finished.map(|entry| entry.log.clone()).collect()
    }

    pub(super) fn count(&self, operation: Operation) -> usize {
        let wanted = |entry: &&Entry| entry.is_finished && entry.log.operation == operation;
        lock(&self.0).by_arrival.values().filter(wanted).count()
    }

    /// Forgets the finished ones; those under way will be listed.
    pub(super) fn forget(&self) {
        lock(&self.0).by_arrival.retain(|_, e| !e.is_finished);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_requests_are_kept() {
        let journal = Journal::default();
        let log = || RequestLog {
            operation: Operation::Other,
            method: String::new(),
            path: String::new(),
            query: vec![],
            headers: vec![],
            part_number: None,
            upload_id: None,
            body_len: 0,
            status: None,
            connection: 0,
            fault: false,
        };
        for _ in 0..=MAX_ENTRIES {
            let number = journal.arrive(log());
            journal.finish(number, 0, Some(200));
        }
        assert_eq!(journal.count(Operation::Other), MAX_ENTRIES);
    }
}
