//! Row 4: files of every size: exactly so many parts, one byte more, holes, and whatever lies beyond 2³² bytes.

use crate::support::{BUCKET, Case, KEY, PART, Scene, random_bytes};
use Operation::{CompleteMultipartUpload, ListParts, PutObject, UploadPart};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{Control, ErrorKind, Verify};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn discarding() -> LocalServer {
    let server = LocalServer::builder().discard_bodies(true);
    server.start().expect("a port")
}

fn write_at(scene: &Scene, offset: u64, bytes: &[u8]) {
    let mut file = File::options()
        .write(true)
        .open(&scene.file)
        .expect("the file");
    file.seek(SeekFrom::Start(offset)).expect("a place");
    file.write_all(bytes).expect("written");
}

/// How many bytes the requests had, in ascending order of parts.
fn body_lens(scene: &Scene, operation: Operation) -> Vec<u64> {
    let mut requests = scene.server.requests();
    requests.retain(|request| request.operation == operation);
    requests.sort_by_key(|request| request.part_number);
    requests.iter().map(|request| request.body_len).collect()
}

#[test]
fn a_file_has_as_many_parts_as_it_needs_and_no_empty_one() {
    for (len, parts) in [
        (0, &[0][..]),
        (1, &[1]),
        (PART - 1, &[PART - 1]),
        (PART, &[PART]),
        (PART + 1, &[PART, 1]),
        (2 * PART - 1, &[PART, PART - 1]),
        (2 * PART, &[PART, PART]),
        (2 * PART + 1, &[PART, PART, 1]),
        (4 * PART, &[PART, PART, PART, PART]),
        (4 * PART + 1, &[PART, PART, PART, PART, 1]),
    ] {
        for routines in [1, 4] {
            let _case = Case((len, routines));
            let scene = Scene::with_len(len);
            let uploaded = scene.upload().routines(routines).run().expect("uploaded");
            let operation = match parts.len() {
                1 => PutObject,
                _ => UploadPart,
            };
            assert_eq!(body_lens(&scene, operation), parts);
            assert_eq!(usize::from(uploaded.parts), parts.len());
            scene.expect_done(&uploaded);
            if operation == UploadPart {
                scene.interrupt_after(1);
                let uploaded = scene.upload().routines(routines).run().expect("resumed");
                assert_eq!(body_lens(&scene, UploadPart), parts[1..]);
                scene.expect_done(&uploaded);
            }
        }
    }
}

#[test]
fn holes_are_sent_as_the_zeros_that_they_are() {
    for routines in [1, 4] {
        let server = LocalServer::start().expect("a port");
        let scene = Scene::with_holes(server, 8 * PART + 777);
        // The first parts are a hole, then some end and begin in one, and the last ends in one.
        write_at(&scene, 2 * PART + 5000, &random_bytes(PART, 1));
        write_at(&scene, 6 * PART, &random_bytes(2 * PART + 1, 2));
        scene.interrupt_after(4);
        let upload = scene.upload().routines(routines).verify(Verify::Content);
        let uploaded = upload.run().expect("resumed");
        scene.expect_resumed(&uploaded, 4);
    }
}

/// One byte more is an error before the first request: `d25_too_many_parts_are_an_error_before_the_first_request`.
#[test]
fn ten_thousand_parts_are_sent_listed_and_completed() {
    let scene = Scene::with_holes(discarding(), 10_000 * PART);
    scene.once(Fault::deny(), CompleteMultipartUpload);
    let error = scene.upload().routines(4).run();
    assert!(error.expect_err("not completed").is_resumable());
    assert_eq!(scene.server.count(UploadPart), 10_000);
    let uploaded = scene.upload().run().expect("resumed");
    assert_eq!(scene.server.count(ListParts), 10);
    assert_eq!((uploaded.parts_resumed(), uploaded.bytes_sent), (10_000, 0));
    assert!(uploaded.crc64_confirmed);
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    assert_eq!((object.len, object.parts), (10_000 * PART, Some(10_000)));
    assert_eq!(scene.server.pending_uploads(), []);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn the_part_size_that_is_chosen_grows_with_the_file() {
    for (len, part_size) in [
        (10_000 * 8 * MIB, 8 * MIB),
        (10_000 * 8 * MIB + 1, 9 * MIB),
        (10 << 40, 1049 * MIB),
    ] {
        let _case = Case(len);
        let scene = Scene::with_holes(discarding(), len);
        let refused = Fault::early_answer(403, "AccessDenied").on(UploadPart);
        scene.server.fault(refused);
        let upload = scene.bucket.upload_file(KEY, &scene.file);
        let error = upload.run().expect_err("denied");
        assert_eq!(error.kind(), ErrorKind::Service, "{error}");
        assert_eq!(announced(&scene, 1), part_size);
    }
}

/// The length that the first request with this part announced.
fn announced(scene: &Scene, part: u16) -> u64 {
    let requests = scene.server.requests().into_iter();
    let mut sent = requests.filter(|request| request.part_number == Some(part));
    let request = sent.next().expect("it was sent");
    let len = request.header("content-length").expect("a length");
    len.parse().expect("a number")
}

/// A file of zeros, with known bytes as its last part.
fn with_tail(part_size: u64, n_parts: u16) -> (Scene, Vec<u8>) {
    let tail = random_bytes(MIB + 777, 1);
    let offset = u64::from(n_parts - 1) * part_size;
    let scene = Scene::with_holes(discarding(), offset + tail.len() as u64);
    write_at(&scene, offset, &tail);
    (scene, tail)
}

/// Part sizes that put the last of so many parts beyond 2³².
const BEYOND: [(u64, u16); 3] = [(4 * GIB + MIB, 2), (5 * GIB, 2), (GIB, 5)];

/// Part number, length and checksum of the only part that the server has.
fn stored(scene: &Scene) -> (u16, u64, u64) {
    let [upload] = &scene.server.pending_uploads()[..] else {
        panic!("not one upload")
    };
    let [part] = &upload.parts[..] else {
        panic!("not one part: {:?}", upload.parts)
    };
    (part.number, part.size, part.crc64)
}

/// The server takes nothing of the parts before, so that it does not take long.
#[test]
fn a_part_beyond_four_gib_is_read_at_its_place_and_proved_there() {
    for (part_size, n_parts) in BEYOND {
        let _case = Case((part_size, n_parts));
        let (scene, tail) = with_tail(part_size, n_parts);
        for part in 1..n_parts {
            let stuck = Fault::stop_reading_after(0).on(UploadPart).part(part);
            scene.server.fault(stuck);
        }
        let control = Control::new();
        let upload = || scene.upload().part_size(part_size);
        let error = upload()
            .routines(n_parts.into())
            .control(&control)
            .on_progress(|seen| {
                let has_all = scene.server.count(UploadPart) == usize::from(n_parts);
                if has_all && seen.parts_done == 1 {
                    control.cancel();
                }
            })
            .run()
            .expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
        assert_eq!(announced(&scene, 1), part_size);
        scene.server.put_object(BUCKET, "tail", &tail);
        let expected = scene.server.object(BUCKET, "tail").expect("an object");
        let expected = (n_parts, expected.len, expected.crc64);
        assert_eq!(stored(&scene), expected);

        scene.server.clear_faults();
        scene.server.forget_requests();
        let refused = Fault::early_answer(403, "AccessDenied").on(UploadPart);
        scene.server.fault(refused);
        let error = upload().verify(Verify::Content).run();
        assert_eq!(error.expect_err("denied").part_number(), Some(1));
        assert_eq!(scene.parts_sent(), [1]);
        assert_eq!(stored(&scene), expected, "the last part counts");
    }
}

/// `cargo test --release --all-features --test it four_gib -- --ignored`: half a minute on two busy cores, and two without
/// `--release`.
#[test]
#[ignore = "long: sends 26 GiB"]
fn files_of_more_than_four_gib_arrive_whole_fresh_and_resumed() {
    for (part_size, n_parts) in BEYOND {
        let _case = Case((part_size, n_parts));
        let (scene, tail) = with_tail(part_size, n_parts);
        let last = Fault::deny().on(UploadPart).part(n_parts).times(1);
        scene.server.fault(last);
        let upload = || scene.upload().part_size(part_size);
        upload().run().expect_err("the last part is denied");
        let mut lens = vec![part_size; usize::from(n_parts) - 1];
        lens.push(tail.len() as u64);
        assert_eq!(body_lens(&scene, UploadPart), lens);
        scene.server.forget_requests();
        let resumed = upload().verify(Verify::Content).routines(4).run();
        let resumed = resumed.expect("resumed");
        assert_eq!(body_lens(&scene, UploadPart), lens[lens.len() - 1..]);
        assert!(resumed.crc64_confirmed);
        let object = scene.server.object(BUCKET, KEY).expect("an object");
        assert_eq!(object.len, lens.iter().sum::<u64>());
        assert_eq!(object.parts, Some(lens.len()));
        assert_eq!(object.crc64, resumed.crc64);

        let fresh = upload().routines(4).run().expect("uploaded");
        assert_eq!(fresh.crc64, resumed.crc64);
        assert_eq!(fresh.bytes_sent, fresh.size);
        assert_eq!(scene.server.pending_uploads(), []);
    }
}
