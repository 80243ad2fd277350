//! Where no checkpoint helps: an upload that an earlier run left on the server, known by the bytes of its parts.

use super::{Attempt, Ended, Open};
use crate::part::{DonePart, PartNumber, Parts};
use crate::protocol::Operation;
use crate::protocol::list_parts::ListedPart;
use crate::protocol::list_uploads::{ListedUpload, Marker};
use crate::retry::Failure;
use crate::upload::outcome::RestartReason;
use crate::upload::plan::{Part, Plan};
use crate::upload::resume::reconcile;
use std::collections::BTreeMap;
use std::mem;

/// How many open uploads of the key are looked at, the newest first.
const MAX_UPLOADS: usize = 100;

/// How many of them are listed to find the newest: as many as fit into so many pages.
const MAX_PAGES: usize = 10;

/// The checksums of parts as their local bytes are; `None` where the file is shorter.
type LocalCrcs = BTreeMap<PartNumber, Option<u64>>;

/// An open upload, and those of its parts that have the file's bytes.
#[derive(Debug, Default)]
struct Match {
    upload_id: String,
    parts: Parts,
    bytes: u64,
}

impl Attempt<'_, '_> {
    /// The open upload of this key that has most of the file's bytes, to go on with; `None` when none has any, or when
    /// nobody asked for it. Once in a run: what it has found of no use is not to be found again.
    pub(super) fn find_on_server(&mut self) -> Result<Option<Open>, Ended> {
        if !mem::take(&mut self.state.is_to_search) {
            return Ok(None);
        }
        let uploads = newest(self.open_uploads()?);
        let looked_at = uploads.len();
        let best = self.best_match(uploads)?;
        if best.parts.is_empty() {
            log::debug!(
                target: "oss_upload::upload",
                "none of {looked_at} open uploads has a part of this file"
            );
            return Ok(None);
        }
        match self.may_look_at_object()? {
            true => self.adopt(best).map(Some),
            false => Ok(None),
        }
    }

    /// The open uploads of exactly this key, but for those that are to be aborted.
    fn open_uploads(&mut self) -> Result<Vec<ListedUpload>, Ended> {
        let (mut found, mut after) = (vec![], Marker::default());
        for _ in 0..MAX_PAGES {
            let page = self.call(|calls, stop| calls.list_uploads(&after, stop))?;
            let Some(page) = self.granted(Operation::ListMultipartUploads, page)? else {
                return Ok(vec![]);
            };
            found.extend(page.uploads);
            match page.next {
                // Sorted by key, and no key that begins with this one comes before it.
                Some(next) if next.key == self.job.key => after = next,
                _ => break,
            }
        }
        let owed = &self.state.owed;
        let is_owed = |id: &str| owed.iter().any(|owed| owed.upload_id == id);
        found.retain(|upload| upload.key == self.job.key && !is_owed(&upload.upload_id));
        Ok(found)
    }

    /// The one of the uploads that has most of the file's bytes, the first of several.
    fn best_match(&mut self, uploads: Vec<ListedUpload>) -> Result<Match, Ended> {
        let mut local = LocalCrcs::new();
        let mut best = Match::default();
        for upload in uploads {
            let upload_id = &upload.upload_id;
            let listed = self.call(|calls, stop| calls.list_parts(upload_id, stop))?;
            let Some(listed) = self.granted(Operation::ListParts, listed)? else {
                continue;
            };
            let candidates = candidates(&listed, self.plan);
            self.read_local(&candidates, &mut local)?;
            let parts = same_bytes(candidates, &local);
            let bytes = parts
                .numbers()
                .map(|number| self.plan.part_len(number))
                .sum();
            if bytes > best.bytes {
                best = Match {
                    upload_id: upload.upload_id,
                    parts,
                    bytes,
                };
            }
            if best.bytes == self.plan.object_len() {
                break;
            }
        }
        Ok(best)
    }

    /// Reads the bytes of those of the parts that were not read yet.
    fn read_local(&mut self, parts: &[DonePart], local: &mut LocalCrcs) -> Result<(), Ended> {
        let unread = parts.iter().map(|part| part.number);
        let unread = unread.filter(|number| !local.contains_key(number));
        let unread: Vec<Part> = unread.filter_map(|number| self.plan.part(number)).collect();
        if !unread.is_empty() {
            local.extend(self.local_crcs(self.source, &unread, |_, _| false)?);
        }
        Ok(())
    }

    /// Whether the object can be looked at when it is complete: else nobody could tell with which options it began.
    fn may_look_at_object(&mut self) -> Result<bool, Ended> {
        match self.call(|calls, stop| calls.head_object(stop))? {
            Err(Failure::Service(error)) if error.status() == 404 => Ok(true),
            head => Ok(self.granted(Operation::HeadObject, head)?.is_some()),
        }
    }

    /// What a request brought; `None` when it is refused for good, which costs no more than what would have been found.
    fn granted<T>(
        &self,
        operation: Operation,
        answer: Result<T, Failure>,
    ) -> Result<Option<T>, Ended> {
        match answer {
            Ok(brought) => Ok(Some(brought)),
            Err(failure @ Failure::Service(_)) if !failure.may_pass(operation) => {
                log::debug!(
                    target: "oss_upload::upload",
                    "looking for an open upload: {operation} is refused: {failure}"
                );
                Ok(None)
            }
            Err(failure) => Err(self.job.request_failed(operation, failure).into()),
        }
    }

    fn adopt(&mut self, found: Match) -> Result<Open, Ended> {
        let header = self
            .job
            .header(self.source, self.plan, found.upload_id.clone())
            .with_unseen_options();
        let parts: Vec<DonePart> = found.parts.iter().cloned().collect();
        self.state.record.begin(&header, &self.state.owed)?;
        self.state.record.adopt(&parts)?;
        let mut open = Open::new(found.upload_id, found.parts);
        open.has_unseen_options = true;
        self.count_resumed(&mut open);
        Ok(open)
    }

    /// Of an upload that was found nobody saw with which options it had begun: the object tells, now that it is complete.
    /// One with others is to be replaced.
    pub(super) fn check_options(&mut self, open: &Open) -> Result<(), Ended> {
        if !open.has_unseen_options {
            return Ok(());
        }
        let head = self.call(|calls, stop| calls.head_object(stop))?;
        let head = self.granted(Operation::HeadObject, head)?;
        let asked = &self.job.headers.initiate.headers;
        match head.is_some_and(|head| head.is_exactly_described_by(asked)) {
            true => Ok(()),
            false => Err(Ended::Again(RestartReason::OptionsChanged)),
        }
    }
}

/// The newest of the uploads, newest first.
fn newest(mut uploads: Vec<ListedUpload>) -> Vec<ListedUpload> {
    uploads.sort_by_key(|upload| std::cmp::Reverse(upload.initiated));
    uploads.truncate(MAX_UPLOADS);
    uploads
}

/// Parts of an upload that may have the file's bytes. One part that does not fit, and the upload is of something else.
fn candidates(listed: &[ListedPart], plan: &Plan) -> Vec<DonePart> {
    let fits = |listed: &ListedPart| {
        let part = PartNumber::new(listed.number).and_then(|number| plan.part(number));
        part.is_some_and(|part| part.len == listed.len)
    };
    match listed.iter().all(fits) {
        true => reconcile(&Parts::new(), listed, plan).candidates,
        false => vec![],
    }
}

fn same_bytes(candidates: Vec<DonePart>, local: &LocalCrcs) -> Parts {
    let is_same = |part: &DonePart| local.get(&part.number) == Some(&Some(part.crc64));
    let same = candidates.into_iter().filter(is_same);
    same.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etag::ETag;
    use jiff::Timestamp;

    const PART: u64 = 102_400;

    fn plan() -> Plan {
        Plan::new(2 * PART + 1, Some(PART)).expect("a plan")
    }

    fn listed(number: u16, len: u64, crc64: Option<u64>) -> ListedPart {
        ListedPart {
            number,
            len,
            etag: ETag::from_md5([1; 16]),
            crc64,
        }
    }

    fn numbers(listed: &[ListedPart]) -> Vec<u16> {
        let candidates = candidates(listed, &plan());
        candidates.iter().map(|part| part.number.get()).collect()
    }

    #[test]
    fn one_part_that_does_not_fit_makes_it_another_upload() {
        let good = [listed(1, PART, Some(1)), listed(3, 1, Some(3))];
        assert_eq!(numbers(&good), [1, 3]);
        for bad in [
            listed(2, PART - 1, Some(2)),
            listed(3, 2, Some(3)),
            listed(4, PART, Some(4)),
            listed(0, PART, Some(0)),
            listed(10_001, PART, Some(0)),
            listed(2, PART + 1, None),
        ] {
            let mixed = [&good[..], std::slice::from_ref(&bad)].concat();
            assert_eq!(numbers(&mixed), [0; 0], "{bad:?}");
        }
    }

    #[test]
    fn parts_without_a_checksum_or_with_other_bytes_do_not_count() {
        let parts = [
            listed(1, PART, Some(1)),
            listed(2, PART, None),
            listed(3, 1, Some(3)),
        ];
        assert_eq!(numbers(&parts), [1, 3]);
        let number = |n| PartNumber::new(n).expect("a part number");
        let local = |n, crc| LocalCrcs::from([(number(n), crc)]);
        let same = |local| same_bytes(candidates(&parts, &plan()), &local);
        assert_eq!(same(local(3, Some(3))).len(), 1);
        assert_eq!(same(local(3, Some(4))).len(), 0);
        assert_eq!(same(local(3, None)).len(), 0, "the file is shorter");
        assert_eq!(same(LocalCrcs::new()).len(), 0, "nobody read it");
    }

    #[test]
    fn a_bounded_number_is_looked_at_and_the_newest_first() {
        let begun = |n: i64| ListedUpload {
            key: "k".to_owned(),
            upload_id: n.to_string(),
            initiated: Timestamp::from_second(n * 7919 % 1009).expect("a time"),
        };
        let newest = newest((0..1000).map(begun).collect());
        assert_eq!(newest.len(), MAX_UPLOADS);
        assert!(newest.is_sorted_by(|a, b| a.initiated >= b.initiated));
        assert!(newest[0].initiated.as_second() >= 1000);
    }
}
