//! Row 7: an answer's checksum or ETag is missing, odd or another, and bytes are damaged on the way.
//!
//! The table is every call that tells of stored bytes × everything that may be wrong with what it tells. What is expected
//! is worked out by [`expected`].

use crate::support::{BUCKET, Case, KEY, PART, Scene, listing};
use Operation::{CompleteMultipartUpload, HeadObject, ListParts, PutObject, UploadPart};
use oss_upload::local_server::{Fault, Operation, PendingPart};
use oss_upload::{Error, ErrorKind, Outcome, RestartReason, Uploaded};

/// HeadObject is asked when an answer to Complete was lost.
const OPERATIONS: [Operation; 5] = [
    UploadPart,
    PutObject,
    CompleteMultipartUpload,
    HeadObject,
    ListParts,
];

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Odd {
    /// It names no CRC-64, or none that can be read.
    NoCrc,
    OtherCrc,
    /// It names no ETag, or none that can be read.
    NoTag,
    OtherTag,
}

const ODDS: [Odd; 4] = [Odd::NoCrc, Odd::OtherCrc, Odd::NoTag, Odd::OtherTag];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// Nothing is sent twice.
    Done,
    /// The same, after a look at the object.
    DoneAfterHead,
    /// The request is repeated. When that never helps, the upload fails, and the next run goes on.
    Again(ErrorKind),
    /// The part is not believed in, and sent again.
    PartAgain,
    /// Complete refuses the part, which is sent again. When that never helps, the upload fails after bounded starts.
    Refused,
    /// Nothing proves that the object is ours, and all is sent again.
    Anew,
    /// The object is stored and wrong: an error, and the next run begins anew.
    Wrong,
}

fn expected(operation: Operation, odd: Odd) -> Expected {
    use Odd::{NoCrc, NoTag, OtherCrc, OtherTag};
    match (operation, odd) {
        // The whole object will be checked.
        (UploadPart, NoCrc) => Expected::Done,
        (CompleteMultipartUpload | PutObject, NoCrc) => Expected::DoneAfterHead,
        (HeadObject, NoCrc | OtherCrc) => Expected::Anew,
        (UploadPart | PutObject, OtherCrc) => Expected::Again(ErrorKind::Integrity),
        (CompleteMultipartUpload, OtherCrc) => Expected::Wrong,
        // A part without a tag cannot be named to Complete, and no object of OSS is without one.
        (UploadPart | PutObject | ListParts | HeadObject, NoTag) => {
            Expected::Again(ErrorKind::Transport)
        }
        (UploadPart, OtherTag) => Expected::Refused,
        (ListParts, OtherTag) => Expected::PartAgain,
        // A recorded part is known by its tag.
        (ListParts, NoCrc | OtherCrc) => Expected::Done,
        // The XML has it, or it is only handed on.
        (CompleteMultipartUpload, NoTag | OtherTag) => Expected::Done,
        (HeadObject | PutObject, OtherTag) => Expected::Done,
        _ => unreachable!("{operation:?} is not in the table"),
    }
}

const OTHER_TAG: &str = "0123456789ABCDEF0123456789ABCDEF";

/// How often a request is attempted, by default.
const ATTEMPTS: u32 = 8;

/// How many parts an interrupted run has sent, of those that the file has.
const N_RESUMED: u16 = 2;
const N_PARTS: u16 = 5;

/// The part whose answer is odd, and in a list one that is recorded.
const PART_SENT: u16 = 4;
const PART_LISTED: u16 = 2;

/// One cell of the table.
#[derive(Clone, Copy, Debug)]
struct Cell {
    operation: Operation,
    odd: Odd,
    /// What stands in place of the header; `None` when it is missing.
    value: Option<&'static str>,
    routines: usize,
    is_resumed: bool,
}

impl Odd {
    fn values(self) -> &'static [Option<&'static str>] {
        match self {
            Odd::NoCrc => &[
                None,
                Some(""),
                Some("-1"),
                Some("0x7"),
                Some("18446744073709551616"),
            ],
            Odd::OtherCrc => &[Some("7")],
            Odd::NoTag => &[
                None,
                Some(""),
                Some("\"\""),
                Some("W/\"\""),
                Some("\"a b\""),
            ],
            Odd::OtherTag => &[Some(OTHER_TAG)],
        }
    }

    fn is_of_tag(self) -> bool {
        matches!(self, Odd::NoTag | Odd::OtherTag)
    }
}

impl Cell {
    fn all() -> Vec<Cell> {
        let mut cells = vec![];
        for operation in OPERATIONS {
            for odd in ODDS {
                for &value in odd.values() {
                    for (routines, is_resumed) in [(1, false), (4, true)] {
                        cells.push(Cell {
                            operation,
                            odd,
                            value,
                            routines,
                            is_resumed,
                        });
                    }
                }
            }
        }
        // An upload that is not resumed lists nothing, and one of a single part is never resumed.
        cells.retain(|cell| match cell.operation {
            ListParts => cell.is_resumed,
            PutObject => !cell.is_resumed,
            _ => true,
        });
        cells
    }

    /// A scene whose next run needs the call.
    fn scene(self) -> Scene {
        let scene = match self.operation {
            PutObject => Scene::with_len(PART - 1),
            _ => Scene::with_parts(N_PARTS),
        };
        if self.is_resumed {
            scene.interrupt_after(N_RESUMED.into());
        }
        if self.operation == HeadObject {
            scene.once(Fault::lose_answer(), CompleteMultipartUpload);
        }
        scene
    }

    fn run(self, scene: &Scene) -> Result<Uploaded, Error> {
        scene.upload().routines(self.routines).run()
    }

    fn fault(self, scene: &Scene) -> Fault {
        let fault = match (self.operation, self.value) {
            (ListParts, value) => listing(scene, |part| self.describe(part, value)),
            (_, None) if self.odd.is_of_tag() => Fault::no_etag(),
            (_, None) => Fault::no_crc(),
            (_, Some(value)) if self.odd.is_of_tag() => Fault::replace_answer_header("ETag", value),
            (_, Some(value)) => Fault::replace_answer_header("x-oss-hash-crc64ecma", value),
        };
        let fault = fault.on(self.operation);
        match self.operation {
            UploadPart => fault.part(PART_SENT),
            _ => fault,
        }
    }

    /// A part of a list, one of them odd.
    fn describe(self, part: &PendingPart, value: Option<&str>) -> String {
        let (tag, crc, size) = (
            format!("\"{}\"", part.etag),
            part.crc64.to_string(),
            part.size,
        );
        let (mut tag, mut crc) = (Some(&*tag), Some(&*crc));
        if part.number == PART_LISTED {
            *(if self.odd.is_of_tag() {
                &mut tag
            } else {
                &mut crc
            }) = value;
        }
        let element = |name, value: Option<&str>| {
            value.map_or_else(String::new, |value| format!("<{name}>{value}</{name}>"))
        };
        let (tag, crc) = (element("ETag", tag), element("HashCrc64ecma", crc));
        format!("{tag}{crc}<Size>{size}</Size>")
    }

    fn resumed_bytes(self) -> u64 {
        match self.is_resumed {
            true => u64::from(N_RESUMED) * PART,
            false => 0,
        }
    }

    /// What the caller is told as the object's tag, where that is not its own.
    fn told_tag(self) -> Option<&'static str> {
        match (self.operation, self.odd) {
            (HeadObject | PutObject, Odd::OtherTag) => Some(OTHER_TAG),
            _ => None,
        }
    }

    fn check(self) {
        match expected(self.operation, self.odd) {
            Expected::Done => self.check_done(usize::from(self.operation == HeadObject)),
            Expected::DoneAfterHead => self.check_done(1),
            Expected::Again(kind) => {
                self.check_once();
                self.check_always(kind);
            }
            Expected::PartAgain => self.check_part_again(),
            Expected::Refused => self.check_refused(),
            Expected::Anew => self.check_anew(),
            Expected::Wrong => self.check_wrong(),
        }
    }

    fn check_done(self, heads: usize) {
        let scene = self.scene();
        scene.server.fault(self.fault(&scene));
        let mut uploaded = self.run(&scene).expect("uploaded");
        assert_eq!(uploaded.bytes_sent, uploaded.size - self.resumed_bytes());
        assert_eq!(uploaded.restarts, []);
        assert_eq!(scene.server.count(HeadObject), heads);
        if let Some(tag) = self.told_tag() {
            let object = scene.server.object(BUCKET, KEY).expect("an object");
            assert_eq!(std::mem::replace(&mut uploaded.etag, object.etag), tag);
        }
        scene.expect_done(&uploaded);
    }

    fn check_once(self) {
        let scene = self.scene();
        let once = scene.server.fault(self.fault(&scene).times(1));
        let uploaded = self.run(&scene).expect("the second answer is right");
        // HEAD is asked because Complete's answer was lost, which cost a request too.
        let lost = u64::from(self.operation == HeadObject);
        assert_eq!((once.hits(), uploaded.retries), (1, 1 + lost));
        let again = match self.operation {
            ListParts | HeadObject => 0,
            PutObject => uploaded.size,
            _ => PART,
        };
        assert_eq!(
            uploaded.bytes_sent,
            uploaded.size - self.resumed_bytes() + again
        );
        scene.expect_done(&uploaded);
    }

    fn check_always(self, kind: ErrorKind) {
        let scene = self.scene();
        let always = scene.server.fault(self.fault(&scene));
        let error = self.run(&scene).expect_err("no answer is right");
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(always.hits(), ATTEMPTS);
        assert_eq!(error.is_resumable(), self.operation != PutObject);
        let part = (self.operation == UploadPart).then_some(PART_SENT);
        assert_eq!(error.part_number(), part);
        always.remove();
        let uploaded = self.run(&scene).expect("now it is");
        assert!(uploaded.bytes_sent <= uploaded.size - self.resumed_bytes());
        assert_eq!(uploaded.restarts, []);
        scene.expect_done(&uploaded);
    }

    fn check_part_again(self) {
        let scene = self.scene();
        scene.server.fault(self.fault(&scene));
        let uploaded = self.run(&scene).expect("uploaded");
        let mut sent = scene.parts_sent();
        sent.sort_unstable();
        assert_eq!(sent, [PART_LISTED, 3, 4, 5]);
        scene.expect_resumed(&uploaded, N_RESUMED - 1);
    }

    fn check_refused(self) {
        let scene = self.scene();
        scene.server.fault(self.fault(&scene).times(1));
        let uploaded = self.run(&scene).expect("repaired");
        assert_eq!(
            uploaded.bytes_sent,
            uploaded.size - self.resumed_bytes() + PART
        );
        assert_eq!(uploaded.restarts, []);
        scene.expect_done(&uploaded);

        let scene = self.scene();
        let always = scene.server.fault(self.fault(&scene));
        let error = self.run(&scene).expect_err("never repaired");
        assert_eq!(error.kind(), ErrorKind::Service, "{error}");
        // Four starts, each with three repairs.
        assert_eq!(always.hits(), 4 * 4);
        self.expect_nothing_left(&scene, &error);
        always.remove();
        self.expect_fresh(&scene);
    }

    fn check_anew(self) {
        let scene = self.scene();
        scene.server.fault(self.fault(&scene));
        let uploaded = self.run(&scene).expect("uploaded");
        let sent = 2 * uploaded.size - self.resumed_bytes();
        assert_eq!(uploaded.bytes_sent, sent);
        scene.expect_restarted(&uploaded, RestartReason::UploadGone);
    }

    fn check_wrong(self) {
        let scene = self.scene();
        let wrong = scene.server.fault(self.fault(&scene));
        let error = self.run(&scene).expect_err("another checksum");
        assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
        let object = scene.server.object(BUCKET, KEY).expect("an object");
        let (told, ours) = (self.value.expect("a checksum"), object.crc64.to_string());
        for known in [told, &*ours, BUCKET, KEY] {
            assert!(error.to_string().contains(known), "{known}: {error}");
        }
        self.expect_nothing_left(&scene, &error);
        wrong.remove();
        self.expect_fresh(&scene);
    }

    fn expect_nothing_left(self, scene: &Scene, error: &Error) {
        assert!(!error.is_resumable(), "{error}");
        assert_eq!(error.left_behind().len(), 0, "{error}");
        assert_eq!(scene.server.pending_uploads(), []);
        assert!(!scene.checkpoint().exists());
    }

    fn expect_fresh(self, scene: &Scene) {
        let uploaded = self.run(scene).expect("the next run");
        assert_eq!(uploaded.outcome, Outcome::Fresh);
        assert_eq!(uploaded.bytes_sent, uploaded.size);
        scene.expect_done(&uploaded);
    }
}

fn play(operation: Operation) {
    let cells = Cell::all();
    for cell in cells.into_iter().filter(|cell| cell.operation == operation) {
        let _case = Case(cell);
        cell.check();
    }
}

#[test]
fn odd_answers_to_a_part_cost_that_part_at_most() {
    play(UploadPart);
}

#[test]
fn odd_answers_to_a_file_of_one_part_are_never_believed() {
    play(PutObject);
}

#[test]
fn odd_answers_to_complete_never_hide_a_wrong_object() {
    play(CompleteMultipartUpload);
}

#[test]
fn odd_answers_about_the_object_never_make_another_one_ours() {
    play(HeadObject);
}

#[test]
fn odd_lists_never_bring_in_a_part_that_is_not_ours() {
    play(ListParts);
}

/// Bytes that are damaged on the way.
mod damage {
    use super::*;

    #[test]
    fn any_damaged_byte_costs_its_part_once() {
        let last = u64::from(N_PARTS - 1) * PART;
        for (part, offset) in [(1, 0), (3, PART - 1), (N_PARTS, 0), (N_PARTS, 776)] {
            for (routines, is_resumed) in [(1, false), (4, false), (4, true)] {
                let _case = Case((part, offset, routines, is_resumed));
                let scene = Scene::with_parts(N_PARTS);
                if is_resumed {
                    scene.interrupt_after(0);
                }
                let flip = Fault::flip_byte(offset).on(UploadPart).part(part);
                let flip = scene.server.fault(flip.times(1));
                let upload = scene.upload().routines(routines);
                let uploaded = upload.run().expect("uploaded");
                assert_eq!((flip.hits(), uploaded.retries), (1, 1));
                let again = if part == N_PARTS { 777 } else { PART };
                assert_eq!(uploaded.bytes_sent, last + 777 + again);
                scene.expect_done(&uploaded);
            }
        }
    }

    /// Nobody tells of the damage when it happens, so that it is found in the end.
    #[test]
    fn damage_that_no_answer_tells_of_is_found_by_the_next_checksum() {
        for (operation, silent) in [
            (UploadPart, &[UploadPart][..]),
            (UploadPart, &[UploadPart, CompleteMultipartUpload]),
            (PutObject, &[PutObject]),
        ] {
            let _case = Case((operation, silent));
            let scene = damaged(operation, silent);
            let error = scene.upload().routines(4).run();
            let error = error.expect_err("a damaged object");
            assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
            // Where only HEAD tells, it may have told of an older object: the state is needed until that is settled.
            let is_unsettled = silent.contains(&CompleteMultipartUpload);
            assert_eq!(error.is_resumable(), is_unsettled);
            assert_eq!(scene.checkpoint().exists(), is_unsettled);
            assert_eq!(scene.server.pending_uploads(), []);
            let uploaded = scene.upload().run().expect("the next run");
            assert_eq!(uploaded.bytes_sent, uploaded.size);
            scene.server.clear_faults();
            scene.expect_done(&uploaded);
        }
    }

    /// A server that names no checksums leaves nothing to compare: the caller is told so.
    #[test]
    fn what_nobody_can_check_is_not_called_confirmed() {
        for (operation, silent) in [
            (
                UploadPart,
                &[UploadPart, CompleteMultipartUpload, HeadObject][..],
            ),
            (PutObject, &[PutObject, HeadObject]),
        ] {
            let _case = Case(operation);
            let scene = damaged(operation, silent);
            let uploaded = scene.upload().run().expect("nobody can know");
            assert!(!uploaded.crc64_confirmed);
            let object = scene.server.object(BUCKET, KEY).expect("an object");
            assert_ne!(uploaded.crc64, object.crc64);
        }
    }

    /// The first of these requests is damaged once, and none of those answers names a checksum.
    fn damaged(operation: Operation, silent: &[Operation]) -> Scene {
        let scene = match operation {
            PutObject => Scene::with_len(PART - 1),
            _ => Scene::with_parts(3),
        };
        scene.once(Fault::flip_byte(99), operation);
        for &operation in silent {
            scene.server.fault(Fault::no_crc().on(operation));
        }
        scene
    }

    /// The list that names the parts to Complete may be damaged, too.
    #[test]
    fn a_damaged_list_of_parts_makes_no_object() {
        let before_tag = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"";
        let number = before_tag.find('1').expect("a number");
        for (offset, code) in [
            (0, Some("MalformedXML")),
            (number, Some("InvalidArgument")),
            // What the server says then is that it has another part, and what it lists, that it has not.
            (before_tag.len(), None),
        ] {
            let _case = Case(offset);
            let scene = Scene::with_parts(3);
            scene.once(Fault::flip_byte(offset as u64), CompleteMultipartUpload);
            if let Some(code) = code {
                let error = scene.upload().run().expect_err("no list of parts");
                assert_eq!(error.service_error().map(|e| e.code()), Some(code));
                assert!(error.is_resumable(), "{error}");
            }
            let uploaded = scene.upload().run().expect("uploaded");
            let (restarts, sent) = match code {
                Some(_) => (vec![], 0),
                None => (vec![RestartReason::PartsRefused], 2 * uploaded.size),
            };
            assert_eq!((&uploaded.restarts, uploaded.bytes_sent), (&restarts, sent));
            scene.expect_done(&uploaded);
        }
    }
}

/// One tag, written in many ways.
mod spelling {
    use super::*;

    const SPELLINGS: [fn(&str) -> String; 6] = [
        |tag| format!("\"{tag}\""),
        |tag| tag.to_owned(),
        |tag| format!("\"{}\"", tag.to_lowercase()),
        |tag| format!("W/\"{tag}\""),
        |tag| format!(" \t\"{tag}\" "),
        |tag| format!("W/\"{}\"", tag.to_lowercase()),
    ];

    /// The tags of the parts of every scene with so many.
    fn tags(n_parts: u16) -> Vec<String> {
        let scene = Scene::with_parts(n_parts);
        scene.once(Fault::deny(), CompleteMultipartUpload);
        scene.upload().run().expect_err("it stays open");
        let uploads = scene.server.pending_uploads();
        let parts = uploads.iter().flat_map(|upload| upload.parts.iter());
        parts.map(|part| part.etag.clone()).collect()
    }

    #[test]
    fn a_tag_recorded_in_one_spelling_is_known_in_every_other() {
        let tags = tags(N_PARTS);
        for (i, recorded) in SPELLINGS.into_iter().enumerate() {
            for (j, listed) in SPELLINGS.into_iter().enumerate() {
                let _case = Case((recorded("tag"), listed("tag")));
                let scene = Scene::with_parts(N_PARTS);
                for (part, tag) in (1..).zip(&tags) {
                    let spelt = Fault::replace_answer_header("ETag", &recorded(tag));
                    scene.server.fault(spelt.on(UploadPart).part(part));
                }
                scene.interrupt_after(N_RESUMED.into());
                let list = listing(&scene, |part| {
                    let (tag, size) = (listed(&part.etag), part.size);
                    format!("<ETag>{tag}</ETag><Size>{size}</Size>")
                });
                let list = scene.server.fault(list);
                let routines = 1 + (i + j) % 4;
                let uploaded = scene.upload().routines(routines).run().expect("resumed");
                assert_eq!((list.hits(), uploaded.retries), (1, 0));
                scene.expect_resumed(&uploaded, N_RESUMED);
            }
        }
    }

    /// A part that is not in the record: its answer got lost.
    #[test]
    fn a_part_adopted_from_a_list_is_known_in_every_spelling() {
        for listed in SPELLINGS {
            let _case = Case(listed("tag"));
            let scene = Scene::with_parts(N_PARTS);
            scene.once(Fault::lose_answer().part(3), UploadPart);
            let refused = Fault::deny().on(UploadPart).part(3).nth(2);
            scene.server.fault(refused.times(1));
            scene.upload().run().expect_err("denied");
            scene.server.forget_requests();
            let list = listing(&scene, |part| {
                let (tag, crc, size) = (listed(&part.etag), part.crc64, part.size);
                format!("<ETag>{tag}</ETag><HashCrc64ecma>{crc}</HashCrc64ecma><Size>{size}</Size>")
            });
            scene.server.fault(list);
            let uploaded = scene.upload().run().expect("resumed");
            assert_eq!(scene.parts_sent(), [4, 5]);
            scene.expect_done(&uploaded);
        }
    }

    #[test]
    fn the_object_is_told_by_its_bare_tag_however_it_was_spelt() {
        let scene = Scene::with_len(PART - 1);
        let uploaded = scene.upload().run().expect("uploaded");
        for spelt in SPELLINGS {
            let _case = Case(spelt("tag"));
            let scene = Scene::with_len(PART - 1);
            let spelt = spelt(&uploaded.etag);
            let fault = Fault::replace_answer_header("ETag", &spelt);
            scene.server.fault(fault.on(PutObject));
            let uploaded = scene.upload().run().expect("uploaded");
            assert_eq!(uploaded.retries, 0);
            scene.expect_done(&uploaded);
        }
    }
}
