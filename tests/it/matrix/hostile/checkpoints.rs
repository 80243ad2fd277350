//! Checkpoints that somebody forged who knows the format: whatever they say, the object is the file or there is an error,
//! and nothing else is touched.

use super::{expect_clear, one_of, random};
use crate::support::format::{Header, Record, Tag, file, honest};
use crate::support::runs::watched;
use crate::support::{BUCKET, KEY, PART, Scene, random_bytes};
use fastrand::Rng;
use oss_upload::local_server::{Fault, Operation, PendingUpload};
use std::collections::BTreeMap;
use std::fs;

const CASES: usize = 120;

/// An object that no checkpoint of ours is about.
const BYSTANDER: &str = "bystander.bin";

#[test]
fn a_checkpoint_by_the_documented_format_is_the_library_s_byte_for_byte() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let [upload] = &scene.server.pending_uploads()[..] else {
        panic!("one upload")
    };
    let written = fs::read(scene.checkpoint()).expect("the checkpoint");
    assert_eq!(file(&honest(&scene, upload)), written);
}

/// A change of one field.
type Change = Box<dyn Fn(&mut Header)>;

/// Every field with every absurd value.
fn changes() -> Vec<(String, Change)> {
    let texts = [
        "",
        "\0",
        "/",
        "a\r\nx-oss-acl: public-read",
        "..",
        "https://oss-cn-hangzhou.aliyuncs.com",
        "otherbucket",
        BYSTANDER,
        "a?uploads",
    ];
    let long = [1024, 2000, 60_000].map(|len| vec![b'a'; len]);
    let texts = texts
        .map(|text| text.as_bytes().to_vec())
        .into_iter()
        .chain(long)
        .chain([vec![0xff]]);
    let mut changes: Vec<(String, Change)> = vec![];
    for text in texts {
        let shown = format!(
            "{:?} of {} bytes",
            String::from_utf8_lossy(&text[..text.len().min(20)]),
            text.len()
        );
        for field in 0..4 {
            let text = text.clone();
            let set = move |header: &mut Header| header.texts[field] = text.clone();
            changes.push((format!("text {field} {shown}"), Box::new(set)));
        }
        changes.push((
            format!("path {shown}"),
            Box::new(move |header| header.path = text.clone()),
        ));
    }
    for n in [0, 1, 250, 251, PART - 1, PART + 1, 5 << 30, u64::MAX] {
        changes.push((
            format!("length {n}"),
            Box::new(move |header| header.len = n),
        ));
        changes.push((
            format!("device {n}"),
            Box::new(move |header| header.device = n),
        ));
        changes.push((
            format!("inode {n}"),
            Box::new(move |header| header.inode = n),
        ));
        changes.push((
            format!("part size {n}"),
            Box::new(move |header| header.part_size = n),
        ));
    }
    for time in [i128::MIN, i128::MAX, 0, -1] {
        changes.push((
            format!("mtime {time}"),
            Box::new(move |header| header.mtime = time),
        ));
        changes.push((
            format!("ctime {time}"),
            Box::new(move |header| header.ctime = time),
        ));
    }
    changes.push((
        "options".to_owned(),
        Box::new(|header| header.options[31] ^= 1),
    ));
    changes
}

/// Adds records that say something else than the server.
fn forge_parts(random: &mut Rng, records: &mut Vec<Record>) {
    for _ in 0..random.usize(..4) {
        let number = match random.u8(..8) {
            0 => one_of(random, &[0, 10_001, 65_536, u64::MAX]),
            _ => one_of(random, &[1, 2, 3, 4, 5, 10_000]),
        };
        let tag = match random.u8(..8) {
            0 => Tag::Text(b"\"></ETag><Part>".to_vec()),
            1 => Tag::Text(vec![b'a'; one_of(random, &[0, 256, 257, 60_000])]),
            2 => Tag::Text(b"not-an-md5-1".to_vec()),
            _ => Tag::Md5([7; 16]),
        };
        let crc64 = random.u64(..);
        records.push(match random.u8(..20) {
            0..4 => Record::Lost(number),
            4 => Record::Raw(vec![random.u8(..); random.usize(..40)]),
            _ => Record::Done { number, tag, crc64 },
        });
    }
    // Of a part that the server has, the tag is right and the checksum is not.
    if let Some(Record::Done { crc64, .. }) = records.get_mut(1).filter(|_| random.u8(..8) == 0) {
        *crc64 ^= 1;
    }
}

/// Makes it the record of a slice, or something like that.
fn forge_slice(random: &mut Rng, records: &mut Vec<Record>) {
    let at = one_of(random, &[1, 1, 1, records.len()]);
    let numbers = [0, 1, PART, PART + 1, 2 * PART + 777, u64::MAX];
    let [offset, len] = [(); 2].map(|()| one_of(random, &numbers));
    records.insert(at, Record::Slice { offset, len });
}

fn forge(random: &mut Rng, mut records: Vec<Record>) -> Vec<u8> {
    if let Some(Record::Header(header)) = records.first_mut().filter(|_| random.u8(..4) == 0) {
        let changes = changes();
        changes[random.usize(..changes.len())].1(header);
    }
    forge_parts(random, &mut records);
    if random.u8(..8) == 0 {
        forge_slice(random, &mut records);
    }
    let (a, b) = (random.usize(..records.len()), random.usize(..records.len()));
    match random.u8(..12) {
        0 => records.swap(a, b),
        1 => records.insert(a, records[b].clone()),
        2 => drop(records.remove(a)),
        _ => {}
    }
    let mut bytes = file(&records);
    match random.u8(..12) {
        0 => bytes.truncate(random.usize(..bytes.len())),
        1 => bytes.extend([0; 4096]),
        2 => bytes.extend(b"and more"),
        _ => {}
    }
    bytes
}

/// What was asked is what an upload asks, and about nothing but this upload's object.
fn expect_harmless(scene: &Scene, what: &str) {
    use Operation::{
        AbortMultipartUpload, CompleteMultipartUpload, HeadObject, InitiateMultipartUpload,
        ListParts, UploadPart,
    };
    for request in scene.server.requests() {
        let ours = match request.operation {
            AbortMultipartUpload => request
                .upload_id
                .as_deref()
                .is_some_and(|id| !id.is_empty()),
            InitiateMultipartUpload
            | ListParts
            | UploadPart
            | CompleteMultipartUpload
            | HeadObject => request.path == format!("/{BUCKET}/{KEY}"),
            _ => false,
        };
        assert!(ours, "{what}: {request:?}");
    }
    let bystander = scene.server.object(BUCKET, BYSTANDER).expect("untouched");
    assert_eq!(bystander.bytes().expect("readable"), b"mine", "{what}");
}

/// What became of an upload with that checkpoint, once the object is right.
fn expect_right(
    scene: &Scene,
    forge: impl FnOnce(Vec<Record>) -> Vec<u8>,
    routines: usize,
    what: &str,
) -> &'static str {
    scene.server.remove_object(BUCKET, KEY);
    scene.interrupt_after(1);
    let pending = scene.server.pending_uploads();
    let bytes = forge(honest(scene, &pending[0]));
    fs::write(scene.checkpoint(), bytes).expect("forged");
    let became = match watched(scene.upload().routines(routines)) {
        Ok(uploaded) if uploaded.parts_resumed() > 0 => "resumed",
        Ok(_) => "restarted",
        Err(error) => {
            expect_clear(&error, what);
            watched(scene.upload()).unwrap_or_else(|why| panic!("{what}, again: {why}"));
            "failed"
        }
    };
    expect_harmless(scene, what);
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    let right = object.bytes().expect("readable") == fs::read(&scene.file).expect("the file");
    assert!(right, "{what}: another object than the file");
    assert!(
        !scene.checkpoint().exists(),
        "{what}: a checkpoint was left behind"
    );
    clean_up(scene, &pending, what);
    became
}

fn scene() -> Scene {
    let scene = Scene::with_parts(3);
    scene.server.put_object(BUCKET, BYSTANDER, b"mine");
    scene
}

#[test]
fn a_header_with_any_field_forged_stops_no_upload() {
    let scene = scene();
    for (what, change) in changes() {
        let forge = |mut records: Vec<Record>| {
            if let Some(Record::Header(header)) = records.first_mut() {
                change(header);
            }
            file(&records)
        };
        let became = expect_right(&scene, forge, 1, &what);
        assert_ne!(became, "failed", "{what}");
    }
}

#[test]
fn a_forged_checkpoint_ends_in_the_right_object_or_a_clear_error_and_stops_no_later_run() {
    let mut random = random();
    let scene = scene();
    let mut tally = BTreeMap::<_, u32>::new();
    for case in 0..CASES {
        // Where listing is forbidden, the record alone counts.
        let forbidden = Fault::deny().on(Operation::ListParts);
        let forbidden = (random.u8(..4) == 0).then(|| scene.server.fault(forbidden));
        let routines = one_of(&mut random, &[1, 4]);
        let what = format!("case {case}");
        let became = expect_right(&scene, |honest| forge(&mut random, honest), routines, &what);
        *tally.entry(became).or_default() += 1;
        forbidden.iter().for_each(|fault| fault.remove());
    }
    println!("{tally:?}");
    assert!(
        tally.contains_key("resumed") && tally.contains_key("restarted"),
        "{tally:?}"
    );
}

/// The upload that the forged checkpoint no longer names may be left; what the runs began may not.
fn clean_up(scene: &Scene, known: &[PendingUpload], what: &str) {
    for upload in scene.server.pending_uploads() {
        let is_known = known
            .iter()
            .any(|known| known.upload_id == upload.upload_id);
        assert!(is_known, "{what}: an upload was left behind");
        scene.server.drop_upload(&upload.upload_id);
    }
    for entry in fs::read_dir(scene.dir.path()).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path != scene.file {
            fs::remove_file(path).expect("removed");
        }
    }
    scene.server.forget_requests();
}

#[test]
fn a_checkpoint_of_any_bytes_ends_in_the_right_object() {
    let mut random = random();
    let scene = Scene::with_parts(2);
    for case in 0..20 {
        let mut bytes = random_bytes(random.u64(..300), random.u64(..));
        if random.bool() {
            bytes.splice(..0, *b"OSSUPCP1");
        }
        fs::write(scene.checkpoint(), &bytes).expect("written");
        let uploaded = watched(scene.upload()).unwrap_or_else(|why| panic!("case {case}: {why}"));
        scene.expect_done(&uploaded);
    }
}
