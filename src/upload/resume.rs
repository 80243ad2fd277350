//! What a resume is decided from: the record, the server's list, the file. Pure.

use super::builder::Verify;
use super::outcome::RestartReason;
use super::plan::Plan;
use super::source::identity::{Change, Identity};
use crate::checkpoint::record::{Header, Owed};
use crate::part::{DonePart, PartNumber, Parts};
use crate::protocol::list_parts::ListedPart;
use std::collections::BTreeMap;

/// What a checkpoint held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) header: Option<Header>,
    pub(crate) parts: Parts,
    pub(crate) owed: Vec<Owed>,
    /// The file was damaged, so that only the uploads it names are of use.
    pub(crate) damaged: bool,
}

/// What the server says of the recorded upload.
#[derive(Debug)]
pub(crate) enum Listed {
    NotAsked,
    Parts(Vec<ListedPart>),
    /// To credentials that may only write.
    Forbidden,
    /// It knows no such upload.
    Gone,
}

/// What the caller believes without reading it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust {
    pub(crate) identity: Identity,
    pub(crate) verify: Verify,
}

/// How to go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing was recorded.
    Begin,
    /// What was recorded is of no use.
    Discard(RestartReason),
    /// The server is to be asked, and then decided again.
    Ask,
    /// The upload is complete or gone: the object itself tells. By the record it has these parts, which are those of the
    /// file as it is.
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
    /// The file has another identity than the record says, which makes no other version of it once they are proved.
    pub(crate) is_suspicious: bool,
    /// Parts that only the server has: to be adopted if their checksum is that of the local bytes.
    pub(crate) candidates: Vec<DonePart>,
    /// Recorded parts that the server does not have, or has differently: to be sent again.
    pub(crate) lost: Vec<PartNumber>,
}

/// Decides from all that is known. The upload id of `asked`, what is to be uploaded now, does not matter.
pub(crate) fn decide(
    found: &Found,
    asked: &Header,
    trust: Trust,
    listed: &Listed,
    plan: &Plan,
) -> Decision {
    if found.damaged {
        return Decision::Discard(RestartReason::CheckpointDamaged);
    }
    let Some(recorded) = &found.header else {
        return Decision::Begin;
    };
    let change = trust.identity.compare(&recorded.identity, &asked.identity);
    if let Some(reason) = mismatch(recorded, asked, change) {
        return Decision::Discard(reason);
    }
    let is_suspicious = change == Change::Suspicious;
    let is_to_be_proved = is_suspicious
        || trust.verify == Verify::Content
        || !trust.identity.tells_what_was_between();
    let mut continuation = match listed {
        Listed::NotAsked => return Decision::Ask,
        // An object is held against the bytes as they are.
        Listed::Gone if is_to_be_proved => return Decision::Settle(Parts::new()),
        Listed::Gone => return Decision::Settle(within(&found.parts, plan)),
        Listed::Forbidden => Continuation {
            done: within(&found.parts, plan),
            ..Continuation::default()
        },
        Listed::Parts(listed) => reconcile(&found.parts, listed, plan),
    };
    continuation.is_to_be_proved = is_to_be_proved;
    continuation.is_suspicious = is_suspicious;
    Decision::Continue(continuation)
}

/// Why a recorded upload is not the one that is asked for.
fn mismatch(recorded: &Header, asked: &Header, change: Change) -> Option<RestartReason> {
    let has_changed = change == Change::Changed;
    if target(recorded) != target(asked) {
        Some(RestartReason::OtherTarget)
    // A range up to the file's end is another when the file is; and another range has other parts, if nobody asked for
    // their size.
    } else if recorded.slice != asked.slice && !has_changed {
        Some(RestartReason::RangeChanged)
    } else if recorded.part_size != asked.part_size {
        Some(RestartReason::PartSizeChanged)
    } else if recorded.options != asked.options && !recorded.has_unseen_options(&asked.options) {
        Some(RestartReason::OptionsChanged)
    } else if has_changed {
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
    for part in recorded.iter().filter(|part| is_within(plan, part)) {
        match fitting.get(&part.number) {
            Some(listed) if listed.etag == part.etag => reconciled.done.insert(part.clone()),
            _ => reconciled.lost.push(part.number),
        }
    }
    for (number, listed) in fitting {
        let Some(crc64) = listed.crc64.filter(|_| !recorded.contains(number)) else {
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

/// Recorded parts that the plan has.
fn within(recorded: &Parts, plan: &Plan) -> Parts {
    let known = recorded.iter().filter(|part| is_within(plan, part));
    known.cloned().collect()
}

/// A record may hold others only if it was tampered with.
fn is_within(plan: &Plan, part: &DonePart) -> bool {
    part.number.get() <= plan.n_parts()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::record::Slice;
    use crate::etag::ETag;

    /// What follows from a difference alone.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Follows {
        Nothing,
        Suspicion,
        FreshStart(RestartReason),
    }

    /// How what is asked for differs from what is recorded, and what follows: where everything counts, and where the mtime
    /// lets the bytes decide and nothing else of the file but its length is looked at.
    type Difference = (fn(&mut Header), Follows, Follows);

    fn fresh(differ: fn(&mut Header), reason: RestartReason) -> Difference {
        (
            differ,
            Follows::FreshStart(reason),
            Follows::FreshStart(reason),
        )
    }

    fn differences() -> Vec<Difference> {
        use Follows::{FreshStart, Nothing, Suspicion};
        use RestartReason::{
            FileChanged, OptionsChanged, OtherTarget, PartSizeChanged, RangeChanged,
        };
        vec![
            (|_| {}, Nothing, Nothing),
            (|asked| asked.upload_id.clear(), Nothing, Nothing),
            fresh(|asked| asked.endpoint.push('x'), OtherTarget),
            fresh(|asked| asked.bucket.push('x'), OtherTarget),
            fresh(|asked| asked.key.push('x'), OtherTarget),
            fresh(|asked| asked.path.push(b'x'), OtherTarget),
            fresh(|asked| asked.part_size += 1, PartSizeChanged),
            fresh(|asked| asked.options[31] = 1, OptionsChanged),
            fresh(|asked| asked.identity.len += 1, FileChanged),
            (
                |asked| asked.identity.mtime += 1,
                FreshStart(FileChanged),
                Suspicion,
            ),
            (|asked| asked.identity.ctime += 1, Suspicion, Nothing),
            (|asked| asked.identity.device += 1, Suspicion, Nothing),
            (|asked| asked.identity.inode += 1, Suspicion, Nothing),
            fresh(|asked| asked.slice = None, RangeChanged),
            fresh(|asked| asked.slice = slice(2, 5), RangeChanged),
            fresh(|asked| asked.slice = slice(1, 6), RangeChanged),
            // The part size that is chosen goes with the range, and a range up to the end of the file with the file.
            fresh(
                |asked| {
                    asked.slice = slice(1, 6);
                    asked.part_size += 1;
                },
                RangeChanged,
            ),
            fresh(
                |asked| {
                    asked.slice = slice(1, 6);
                    asked.identity.len += 1;
                },
                FileChanged,
            ),
        ]
    }

    fn slice(offset: u64, len: u64) -> Option<Slice> {
        Some(Slice { offset, len })
    }

    fn header() -> Header {
        Header {
            slice: slice(1, 5),
            ..Header::sample()
        }
    }

    fn lax() -> Identity {
        let strict = Identity::strict();
        let lax = strict.any_mtime().without_ctime();
        lax.without_device().without_inode()
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
        recorded.map(|(n, _)| part(n)).collect()
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
        let done: Vec<u16> = went_on.done.numbers().map(PartNumber::get).collect();
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
        follows: Follows,
        is_to_be_proved: bool,
        states: [State; 3],
    ) -> Option<Decision> {
        match (follows, listed) {
            (Follows::FreshStart(reason), _) => Some(Decision::Discard(reason)),
            (_, Listed::NotAsked) => Some(Decision::Ask),
            (_, Listed::Gone) if is_to_be_proved => Some(Decision::Settle(Parts::new())),
            (_, Listed::Gone) => Some(Decision::Settle(recorded(states))),
            (_, Listed::Forbidden | Listed::Parts(_)) => None,
        }
    }

    /// Every difference × what of the file counts × damaged or not × proving always or not × every combination of three
    /// parts × every kind of list.
    #[test]
    fn every_combination_of_record_list_and_file_is_decided_rightly() {
        for (differ, strictly, laxly) in differences() {
            let mut asked = header();
            differ(&mut asked);
            for (identity, follows) in [(Identity::strict(), strictly), (lax(), laxly)] {
                for verify in [Verify::Metadata, Verify::Content] {
                    let trust = Trust { identity, verify };
                    check_all_parts(&asked, false, trust, follows);
                    let damaged = Follows::FreshStart(RestartReason::CheckpointDamaged);
                    check_all_parts(&asked, true, trust, damaged);
                }
            }
        }
    }

    fn check_all_parts(asked: &Header, damaged: bool, trust: Trust, follows: Follows) {
        let (plan, combinations) = (plan(), combinations());
        assert_eq!(combinations.len(), 1000);
        let is_suspicious = follows == Follows::Suspicion;
        let always = trust.verify == Verify::Content || trust.identity == lax();
        let is_to_be_proved = is_suspicious || always;
        for states in combinations {
            let found = Found {
                header: Some(header()),
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
                let decision = decide(&found, asked, trust, &listed, &plan);
                match (
                    decision,
                    expected(&listed, follows, is_to_be_proved, states),
                ) {
                    (decision, Some(expected)) => assert_eq!(decision, expected),
                    (Decision::Continue(went_on), None) => {
                        assert_eq!(went_on.is_to_be_proved, is_to_be_proved);
                        assert_eq!(went_on.is_suspicious, is_suspicious);
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
        let trust = Trust {
            identity: lax(),
            verify: Verify::Content,
        };
        let decision = decide(&found, &header(), trust, &Listed::NotAsked, &plan());
        assert_eq!(decision, Decision::Begin);
    }

    #[test]
    fn an_upload_that_was_found_goes_on_with_the_options_asked_for_then() {
        let asked = Header::sample();
        let found = asked.clone().with_unseen_options();
        assert_ne!(found.options, asked.options);
        let mismatch = |recorded, asked| mismatch(recorded, asked, Change::None);
        assert_eq!(mismatch(&found, &asked), None);
        let mut other = asked.clone();
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
