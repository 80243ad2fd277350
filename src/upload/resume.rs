//! What a resume is decided from: the record, the server's list, the file. Pure.

use super::outcome::RestartReason;
use super::plan::Plan;
use super::source::{Change, compare};
use crate::checkpoint::record::{FileIdentity, Header};
use crate::part::{DonePart, PartNumber};
use crate::protocol::list_parts::ListedPart;
use std::collections::BTreeMap;

/// Parts by number.
pub(crate) type Parts = BTreeMap<PartNumber, DonePart>;

/// What to make of a recorded upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It is this very upload.
    Continue,
    /// It is, if the local bytes of its finished parts are what they were.
    Prove,
    /// It is of no use.
    Discard(RestartReason),
}

/// Compares a recorded upload with the one that is asked for. The upload id of `asked` does not matter.
pub(crate) fn judge(recorded: &Header, asked: &Header, prove_always: bool) -> Judgement {
    if target(recorded) != target(asked) {
        return Judgement::Discard(RestartReason::OtherTarget);
    }
    if recorded.part_size != asked.part_size {
        return Judgement::Discard(RestartReason::PartSizeChanged);
    }
    if recorded.options != asked.options {
        return Judgement::Discard(RestartReason::OptionsChanged);
    }
    judge_file(&recorded.identity, &asked.identity, prove_always)
}

/// What is uploaded where.
fn target(header: &Header) -> (&str, &str, &str, &[u8]) {
    (&header.endpoint, &header.bucket, &header.key, &header.path)
}

fn judge_file(recorded: &FileIdentity, now: &FileIdentity, prove_always: bool) -> Judgement {
    match compare(recorded, now) {
        Change::Changed => Judgement::Discard(RestartReason::FileChanged),
        Change::Suspicious => Judgement::Prove,
        Change::None if prove_always => Judgement::Prove,
        Change::None => Judgement::Continue,
    }
}

/// Record and server, held against each other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reconciled {
    /// Parts on which both agree.
    pub(crate) done: Parts,
    /// Parts that only the server has: to be adopted if their checksum is that of the local bytes.
    pub(crate) candidates: Vec<DonePart>,
    /// Recorded parts that the server does not have, or has differently: to be sent again.
    pub(crate) lost: Vec<PartNumber>,
}

/// A part counts when record and server agree on number, length and ETag.
pub(crate) fn reconcile(recorded: &Parts, listed: &[ListedPart], plan: &Plan) -> Reconciled {
    let fitting: BTreeMap<PartNumber, &ListedPart> = listed
        .iter()
        .filter_map(|listed| Some((PartNumber::new(listed.number)?, listed)))
        .filter(|(number, listed)| {
            plan.part(*number)
                .is_some_and(|part| part.len == listed.len)
        })
        .collect();
    let mut reconciled = Reconciled::default();
    for (number, part) in recorded {
        match fitting.get(number) {
            Some(listed) if listed.etag == part.etag => {
                reconciled.done.insert(*number, part.clone());
            }
            _ => reconciled.lost.push(*number),
        }
    }
    for (number, listed) in fitting {
        let Some(crc64) = listed.crc64.filter(|_| !recorded.contains_key(&number)) else {
            continue;
        };
        reconciled.candidates.push(DonePart {
            number,
            etag: listed.etag.clone(),
            crc64,
        });
    }
    reconciled
}

/// Recorded parts that the plan has; a record may hold others only if it was tampered with.
pub(crate) fn within(recorded: Parts, plan: &Plan) -> Parts {
    let known = |number: &PartNumber| plan.part(*number).is_some();
    recorded
        .into_iter()
        .filter(|(number, _)| known(number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etag::ETag;

    fn changed(change: impl FnOnce(&mut Header)) -> Judgement {
        let mut asked = Header::sample();
        change(&mut asked);
        judge(&Header::sample(), &asked, false)
    }

    #[test]
    fn another_target_part_size_or_option_is_a_fresh_start() {
        use RestartReason::{OptionsChanged, OtherTarget, PartSizeChanged};
        for (judgement, reason) in [
            (changed(|h| h.endpoint.push('x')), OtherTarget),
            (changed(|h| h.bucket.push('x')), OtherTarget),
            (changed(|h| h.key.push('x')), OtherTarget),
            (changed(|h| h.path.push(b'x')), OtherTarget),
            (changed(|h| h.part_size += 1), PartSizeChanged),
            (changed(|h| h.options[31] = 1), OptionsChanged),
        ] {
            assert_eq!(judgement, Judgement::Discard(reason));
        }
        assert_eq!(changed(|h| h.upload_id.clear()), Judgement::Continue);
    }

    #[test]
    fn length_and_mtime_decide_and_the_rest_asks_for_proof() {
        let discard = Judgement::Discard(RestartReason::FileChanged);
        assert_eq!(changed(|h| h.identity.len += 1), discard);
        assert_eq!(changed(|h| h.identity.mtime += 1), discard);
        assert_eq!(changed(|h| h.identity.ctime += 1), Judgement::Prove);
        assert_eq!(changed(|h| h.identity.device += 1), Judgement::Prove);
        assert_eq!(changed(|h| h.identity.inode += 1), Judgement::Prove);
        assert_eq!(
            judge(&Header::sample(), &Header::sample(), true),
            Judgement::Prove
        );
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Recorded {
        No,
        Yes,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Listed {
        No,
        Same,
        OtherETag,
        OtherLen,
        WithoutCrc,
    }

    fn number(n: u16) -> PartNumber {
        PartNumber::new(n).expect("a part number")
    }

    fn tag(n: u16) -> ETag {
        ETag::from_md5([n as u8; 16])
    }

    /// Every combination of record and server, for three parts of which the last is short.
    #[test]
    fn every_combination_of_record_and_list_is_decided_rightly() {
        let plan = Plan::new(102_400 * 2 + 1, Some(102_400)).expect("a plan");
        let lens = [102_400, 102_400, 1];
        let states: Vec<(Recorded, Listed)> = [Recorded::No, Recorded::Yes]
            .into_iter()
            .flat_map(|recorded| {
                use Listed::{No, OtherETag, OtherLen, Same, WithoutCrc};
                [No, Same, OtherETag, OtherLen, WithoutCrc].map(|listed| (recorded, listed))
            })
            .collect();
        let mut combinations = 0;
        for a in &states {
            for b in &states {
                for c in &states {
                    combinations += 1;
                    check_combination(&plan, lens, [*a, *b, *c]);
                }
            }
        }
        assert_eq!(combinations, 1000);
    }

    fn check_combination(plan: &Plan, lens: [u64; 3], states: [(Recorded, Listed); 3]) {
        let (mut recorded, mut listed) = (Parts::new(), vec![]);
        for (n, (record, list)) in (1_u16..).zip(states) {
            if record == Recorded::Yes {
                let part = DonePart {
                    number: number(n),
                    etag: tag(n),
                    crc64: n.into(),
                };
                recorded.insert(number(n), part);
            }
            let len = lens[usize::from(n) - 1];
            if list != Listed::No {
                listed.push(ListedPart {
                    number: n,
                    len: if list == Listed::OtherLen {
                        len + 1
                    } else {
                        len
                    },
                    etag: tag(if list == Listed::OtherETag {
                        n + 100
                    } else {
                        n
                    }),
                    crc64: (list != Listed::WithoutCrc).then_some(n.into()),
                });
            }
        }
        let found = reconcile(&recorded, &listed, plan);
        for (n, state) in (1_u16..).zip(states) {
            let done = found.done.contains_key(&number(n));
            let lost = found.lost.contains(&number(n));
            let candidate = found.candidates.iter().any(|part| part.number == number(n));
            let expected = match state {
                (Recorded::Yes, Listed::Same | Listed::WithoutCrc) => (true, false, false),
                (Recorded::Yes, _) => (false, true, false),
                (Recorded::No, Listed::Same | Listed::OtherETag) => (false, false, true),
                (Recorded::No, _) => (false, false, false),
            };
            assert_eq!((done, lost, candidate), expected, "part {n} of {states:?}");
        }
    }

    #[test]
    fn parts_that_the_file_does_not_have_are_passed_over() {
        let plan = Plan::new(1, Some(102_400)).expect("a plan");
        let stray = |number| ListedPart {
            number,
            len: 1,
            etag: tag(1),
            crc64: Some(1),
        };
        let listed = [stray(0), stray(2), stray(10_001)];
        assert_eq!(
            reconcile(&Parts::new(), &listed, &plan),
            Reconciled::default()
        );
    }
}
