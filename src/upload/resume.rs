//! What a resume is decided from: the record, the server's list, the file. Pure.

use super::outcome::RestartReason;
use super::plan::Plan;
use super::source::{Change, compare};
use crate::checkpoint::record::{Header, Owed};
use crate::part::{DonePart, PartNumber};
use crate::protocol::list_parts::ListedPart;
use std::collections::BTreeMap;

/// Parts by number.
pub(crate) type Parts = BTreeMap<PartNumber, DonePart>;

/// What a checkpoint held when it was opened.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) header: Option<Header>,
    pub(super) parts: Parts,
    pub(super) owed: Vec<Owed>,
    /// The file was damaged, so that only the uploads it names are of use.
    pub(super) damaged: bool,
}

/// What the server says of the recorded upload.
#[derive(Debug)]
pub(super) enum Listed {
    NotAsked,
    Parts(Vec<ListedPart>),
    /// To credentials that may only write.
    Forbidden,
    /// It knows no such upload.
    Gone,
}

/// How to go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing was recorded.
    Begin,
    /// What was recorded is of no use.
    Discard(RestartReason),
    /// The server is to be asked, and then decided again.
    Ask,
    /// The upload, which has these parts by the record, is complete or gone: the object itself tells.
    Settle(Parts),
    Continue(Continuation),
}

/// Record and server, held against each other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Continuation {
    /// Parts on which both agree.
    pub(crate) done: Parts,
    /// They count only if their local bytes are what they were.
    pub(crate) is_to_be_proved: bool,
    /// Parts that only the server has: to be adopted if their checksum is that of the local bytes.
    pub(crate) candidates: Vec<DonePart>,
    /// Recorded parts that the server does not have, or has differently: to be sent again.
    pub(crate) lost: Vec<PartNumber>,
}

/// Decides from all that is known. The upload id of `asked`, what is to be uploaded now, does not matter.
pub(super) fn decide(
    found: &Found,
    asked: &Header,
    prove_always: bool,
    listed: &Listed,
    plan: &Plan,
) -> Decision {
    if found.damaged {
        return Decision::Discard(RestartReason::CheckpointDamaged);
    }
    let Some(recorded) = &found.header else {
        return Decision::Begin;
    };
    if let Some(reason) = mismatch(recorded, asked) {
        return Decision::Discard(reason);
    }
    let mut continuation = match listed {
        Listed::NotAsked => return Decision::Ask,
        Listed::Gone => return Decision::Settle(within(&found.parts, plan)),
        Listed::Forbidden => Continuation {
            done: within(&found.parts, plan),
            ..Continuation::default()
        },
        Listed::Parts(listed) => reconcile(&found.parts, listed, plan),
    };
    let suspicious = compare(&recorded.identity, &asked.identity) == Change::Suspicious;
    continuation.is_to_be_proved = suspicious || prove_always;
    Decision::Continue(continuation)
}

/// Why a recorded upload is not the one that is asked for.
fn mismatch(recorded: &Header, asked: &Header) -> Option<RestartReason> {
    if target(recorded) != target(asked) {
        Some(RestartReason::OtherTarget)
    } else if recorded.part_size != asked.part_size {
        Some(RestartReason::PartSizeChanged)
    } else if recorded.options != asked.options && !recorded.has_unseen_options(&asked.options) {
        Some(RestartReason::OptionsChanged)
    } else if compare(&recorded.identity, &asked.identity) == Change::Changed {
        Some(RestartReason::FileChanged)
    } else {
        None
    }
}

/// What is uploaded where.
fn target(header: &Header) -> (&str, &str, &str, &[u8]) {
    (&header.endpoint, &header.bucket, &header.key, &header.path)
}

/// A part counts when record and server agree on number, length and ETag.
pub(crate) fn reconcile(recorded: &Parts, listed: &[ListedPart], plan: &Plan) -> Continuation {
    let fitting: BTreeMap<PartNumber, &ListedPart> = listed
        .iter()
        .filter_map(|listed| Some((PartNumber::new(listed.number)?, listed)))
        .filter(|(number, listed)| {
            plan.part(*number)
                .is_some_and(|part| part.len == listed.len)
        })
        .collect();
    let mut reconciled = Continuation::default();
    for (number, part) in &within(recorded, plan) {
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
fn within(recorded: &Parts, plan: &Plan) -> Parts {
    let known = |(number, _): &(&PartNumber, &DonePart)| plan.part(**number).is_some();
    let recorded = recorded.iter().filter(known);
    recorded
        .map(|(number, part)| (*number, part.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etag::ETag;

    /// How what is asked for differs from what is recorded, and what follows from that alone: a fresh start, or suspicion.
    type Difference = (fn(&mut Header), Option<RestartReason>, bool);

    fn differences() -> Vec<Difference> {
        use RestartReason::{FileChanged, OptionsChanged, OtherTarget, PartSizeChanged};
        vec![
            (|_| {}, None, false),
            (|asked| asked.upload_id.clear(), None, false),
            (|asked| asked.endpoint.push('x'), Some(OtherTarget), false),
            (|asked| asked.bucket.push('x'), Some(OtherTarget), false),
            (|asked| asked.key.push('x'), Some(OtherTarget), false),
            (|asked| asked.path.push(b'x'), Some(OtherTarget), false),
            (|asked| asked.part_size += 1, Some(PartSizeChanged), false),
            (|asked| asked.options[31] = 1, Some(OptionsChanged), false),
            (|asked| asked.identity.len += 1, Some(FileChanged), false),
            (|asked| asked.identity.mtime += 1, Some(FileChanged), false),
            (|asked| asked.identity.ctime += 1, None, true),
            (|asked| asked.identity.device += 1, None, true),
            (|asked| asked.identity.inode += 1, None, true),
        ]
    }

    /// What the server says of one part.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Has {
        Nothing,
        Same,
        OtherETag,
        OtherLen,
        WithoutCrc,
    }

    /// Whether a part is recorded, and what the server says of it.
    type State = (bool, Has);

    /// A file of three parts, the last of which is short.
    const LENS: [u64; 3] = [102_400, 102_400, 1];

    fn plan() -> Plan {
        Plan::new(LENS.iter().sum(), Some(LENS[0])).expect("a plan")
    }

    /// Every combination of states of three parts.
    fn combinations() -> Vec<[State; 3]> {
        use Has::{Nothing, OtherETag, OtherLen, Same, WithoutCrc};
        let states: Vec<State> = [false, true]
            .into_iter()
            .flat_map(|recorded| {
                [Nothing, Same, OtherETag, OtherLen, WithoutCrc].map(|has| (recorded, has))
            })
            .collect();
        let pick = |n: usize, digit: u32| states[n / states.len().pow(digit) % states.len()];
        let all = 0..states.len().pow(3);
        all.map(|n| [0, 1, 2].map(|digit| pick(n, digit))).collect()
    }

    fn number(n: u16) -> PartNumber {
        PartNumber::new(n).expect("a part number")
    }

    fn tag(n: u16) -> ETag {
        ETag::from_md5([n as u8; 16])
    }

    fn numbered(states: [State; 3]) -> impl Iterator<Item = (u16, State)> {
        (1..).zip(states)
    }

    fn recorded(states: [State; 3]) -> Parts {
        let recorded = numbered(states).filter(|(_, (recorded, _))| *recorded);
        let part = |n: u16| DonePart {
            number: number(n),
            etag: tag(n),
            crc64: n.into(),
        };
        recorded.map(|(n, _)| (number(n), part(n))).collect()
    }

    fn listed(states: [State; 3]) -> Vec<ListedPart> {
        let listed = numbered(states).filter(|(_, (_, has))| *has != Has::Nothing);
        let part = |n: u16, has: Has| ListedPart {
            number: n,
            len: LENS[usize::from(n) - 1] + u64::from(has == Has::OtherLen),
            etag: tag(n + if has == Has::OtherETag { 100 } else { 0 }),
            crc64: (has != Has::WithoutCrc).then_some(n.into()),
        };
        listed.map(|(n, (_, has))| part(n, has)).collect()
    }

    /// Numbers of the parts in one of the states.
    fn those(states: [State; 3], which: impl Fn(State) -> bool) -> Vec<u16> {
        let those = numbered(states).filter(|(_, state)| which(*state));
        those.map(|(n, _)| n).collect()
    }

    fn check_parts(went_on: &Continuation, states: [State; 3], forbidden: bool) {
        let agree = |has| forbidden || matches!(has, Has::Same | Has::WithoutCrc);
        let done: Vec<u16> = went_on.done.keys().map(|n| n.get()).collect();
        let expected = those(states, |(recorded, has)| recorded && agree(has));
        assert_eq!(done, expected, "{states:?}");
        let lost: Vec<u16> = went_on.lost.iter().map(|n| n.get()).collect();
        let expected = those(states, |(recorded, has)| recorded && !agree(has));
        assert_eq!(lost, expected, "{states:?}");
        let candidates: Vec<u16> = went_on.candidates.iter().map(|p| p.number.get()).collect();
        let expected = those(states, |(recorded, has)| {
            !recorded && !forbidden && matches!(has, Has::Same | Has::OtherETag)
        });
        assert_eq!(candidates, expected, "{states:?}");
    }

    /// What follows where the parts do not matter.
    fn expected(
        listed: &Listed,
        reason: Option<RestartReason>,
        states: [State; 3],
    ) -> Option<Decision> {
        match (reason, listed) {
            (Some(reason), _) => Some(Decision::Discard(reason)),
            (None, Listed::NotAsked) => Some(Decision::Ask),
            (None, Listed::Gone) => Some(Decision::Settle(recorded(states))),
            (None, Listed::Forbidden | Listed::Parts(_)) => None,
        }
    }

    /// Every difference × damaged or not × proving always or not × every combination of three parts × every kind of list.
    #[test]
    fn every_combination_of_record_list_and_file_is_decided_rightly() {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        for (differ, reason, suspicious) in differences() {
            for (damaged, prove_always) in flags {
                let mut asked = Header::sample();
                differ(&mut asked);
                let reason = match damaged {
                    true => Some(RestartReason::CheckpointDamaged),
                    false => reason,
                };
                let is_to_be_proved = suspicious || prove_always;
                check_all_parts(&asked, (damaged, prove_always), reason, is_to_be_proved);
            }
        }
    }

    fn check_all_parts(
        asked: &Header,
        (damaged, prove_always): (bool, bool),
        reason: Option<RestartReason>,
        is_to_be_proved: bool,
    ) {
        let (plan, combinations) = (plan(), combinations());
        assert_eq!(combinations.len(), 1000);
        for states in combinations {
            let found = Found {
                header: Some(Header::sample()),
                parts: recorded(states),
                owed: vec![],
                damaged,
            };
            for listed in [
                Listed::NotAsked,
                Listed::Gone,
                Listed::Forbidden,
                Listed::Parts(listed(states)),
            ] {
                let decision = decide(&found, asked, prove_always, &listed, &plan);
                match (decision, expected(&listed, reason, states)) {
                    (decision, Some(expected)) => assert_eq!(decision, expected),
                    (Decision::Continue(went_on), None) => {
                        assert_eq!(went_on.is_to_be_proved, is_to_be_proved);
                        check_parts(&went_on, states, matches!(listed, Listed::Forbidden));
                    }
                    (decision, None) => panic!("{states:?}: {decision:?}"),
                }
            }
        }
    }

    #[test]
    fn where_nothing_was_recorded_nothing_is_asked() {
        let found = Found::default();
        let decision = decide(&found, &Header::sample(), true, &Listed::NotAsked, &plan());
        assert_eq!(decision, Decision::Begin);
    }

    #[test]
    fn an_upload_that_was_found_goes_on_with_the_options_asked_for_then() {
        let asked = Header::sample();
        let found = asked.clone().with_unseen_options();
        assert_ne!(found.options, asked.options);
        assert_eq!(mismatch(&found, &asked), None);
        let mut other = asked;
        other.options[31] = 1;
        let changed = Some(RestartReason::OptionsChanged);
        assert_eq!(mismatch(&found, &other), changed);
        let twice = found.clone().with_unseen_options();
        assert_eq!(mismatch(&found, &twice), changed);
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
            Continuation::default()
        );
        let beyond = recorded([(true, Has::Nothing); 3]);
        let lost = reconcile(&beyond, &[], &plan).lost;
        assert_eq!(lost, [number(1)], "what the file does not have is not lost");
    }
}
