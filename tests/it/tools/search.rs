//! Going on with an upload that is known by its parts alone, where no checkpoint tells of one.

use super::{leave_open, lose_checkpoint, open_uploads};
use crate::support::logs::heard_during;
use crate::support::process::{Halt, Moment, Program};
use crate::support::runs::{code, watched};
use crate::support::{
    BUCKET, Case, KEY, PART, Scene, bucket, client, listing, meanwhile, random_bytes,
};
use Operation::{
    AbortMultipartUpload, HeadObject, InitiateMultipartUpload, ListMultipartUploads, ListParts,
    UploadPart,
};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{
    Checkpoint, Encryption, Error, ErrorKind, Kms, Outcome, RestartReason, SignatureVersion,
    StorageClass, UploadFile, Uploaded,
};
use std::fs;

fn find(scene: &Scene) -> Result<Uploaded, Error> {
    watched(scene.upload().find_on_server())
}

fn resumed(parts: u16) -> Outcome {
    let bytes = u64::from(parts) * PART;
    Outcome::Resumed { parts, bytes }
}

/// An upload of other bytes to the scene's key, the first of which are the file's.
fn leave_other_bytes(scene: &Scene, same: u64, n_parts: u32) -> String {
    let mut bytes = fs::read(&scene.file).expect("the file");
    let len = bytes.len() as u64 - same;
    let at = usize::try_from(same).expect("fits");
    bytes[at..].copy_from_slice(&random_bytes(len, 7));
    let other = scene.dir.path().join("other");
    fs::write(&other, bytes).expect("written");
    leave_open(
        scene,
        scene.bucket.upload_file(KEY, other).part_size(PART),
        n_parts,
    )
}

/// The object is the file, and these uploads, sorted, are left as they were.
#[track_caller]
fn expect_done_beside(scene: &Scene, uploaded: &Uploaded, mut left: Vec<String>) {
    left.sort();
    assert_eq!(open_uploads(scene), left);
    for id in &left {
        scene.server.drop_upload(id);
    }
    scene.expect_done(uploaded);
}

#[test]
fn an_upload_whose_checkpoint_is_lost_is_found_and_continued() {
    for version in [SignatureVersion::V1, SignatureVersion::V4] {
        for (routines, with_checkpoint) in [(1, true), (1, false), (4, true), (4, false)] {
            let _case = Case((version, routines, with_checkpoint));
            let mut scene = Scene::with_parts(6);
            scene.bucket = bucket(client(&scene.server).signature_version(version));
            let id = lose_checkpoint(&scene, 3);
            let upload = match with_checkpoint {
                true => scene.upload(),
                false => scene.upload_without_checkpoint(),
            };
            let uploaded = watched(upload.routines(routines).find_on_server()).expect("uploaded");
            assert_eq!(uploaded.outcome, resumed(3));
            assert_eq!(uploaded.upload_id, Some(id));
            assert_eq!(uploaded.bytes_sent, uploaded.size - 3 * PART);
            let mut sent = scene.parts_sent();
            sent.sort();
            assert_eq!(sent, [4, 5, 6]);
            assert_eq!(scene.server.count(InitiateMultipartUpload), 0);
            scene.expect_done(&uploaded);
        }
    }
}

#[test]
fn nothing_is_looked_for_unless_asked_for() {
    let scene = Scene::with_parts(4);
    let id = lose_checkpoint(&scene, 2);
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    assert_eq!(scene.server.count(ListMultipartUploads), 0);
    expect_done_beside(&scene, &uploaded, vec![id]);
}

#[test]
fn nothing_is_looked_for_where_a_checkpoint_tells_or_one_part_is_all() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let uploaded = find(&scene).expect("resumed");
    assert_eq!(uploaded.outcome, resumed(2));
    let one_part = scene.upload().part_size(8 << 20).find_on_server();
    let uploaded = watched(one_part).expect("uploaded");
    assert_eq!(uploaded.upload_id, None);
    assert_eq!(scene.server.count(ListMultipartUploads), 0);
    scene.expect_done(&uploaded);
}

#[test]
fn where_nothing_is_open_an_upload_is_fresh() {
    let scene = Scene::with_parts(4);
    let uploaded = find(&scene).expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    assert_eq!(scene.server.count(HeadObject), 0);
    scene.expect_done(&uploaded);
}

#[test]
fn all_parts_may_be_there_already() {
    let scene = Scene::with_parts(4);
    scene.once(Fault::deny(), Operation::CompleteMultipartUpload);
    scene.upload().run().expect_err("Complete is refused");
    fs::remove_file(scene.checkpoint()).expect("a checkpoint");
    scene.server.forget_requests();
    let uploaded = find(&scene).expect("uploaded");
    assert_eq!(uploaded.bytes_sent, 0);
    scene.expect_resumed(&uploaded, 4);
}

#[test]
fn of_several_the_one_with_most_of_the_file_s_bytes_is_continued() {
    for order in [[1, 4, 2], [4, 1, 2], [1, 2, 4]] {
        let _case = Case(order);
        let scene = Scene::with_parts(6);
        let mut ids: Vec<_> = order
            .iter()
            .map(|n| (*n, lose_checkpoint(&scene, *n)))
            .collect();
        // More parts, of other bytes.
        ids.push((0, leave_other_bytes(&scene, PART, 5)));
        let uploaded = find(&scene).expect("uploaded");
        assert_eq!(uploaded.outcome, resumed(4));
        ids.retain(|(n, id)| {
            assert_eq!(*n == 4, uploaded.upload_id.as_ref() == Some(id));
            *n != 4
        });
        let left = ids.into_iter().map(|(_, id)| id).collect();
        expect_done_beside(&scene, &uploaded, left);
    }
}

#[test]
fn of_several_alike_the_newest_is_continued() {
    let scene = Scene::with_parts(4);
    let begun_at = |minutes: i64| {
        scene.server.set_clock_offset(60 * minutes);
        lose_checkpoint(&scene, 2)
    };
    let [old, new, older] = [-9, -5, -10].map(begun_at);
    scene.server.set_clock_offset(0);
    let uploaded = find(&scene).expect("uploaded");
    assert_eq!(uploaded.upload_id, Some(new));
    expect_done_beside(&scene, &uploaded, vec![old, older]);
}

#[test]
fn only_uploads_of_exactly_this_key_are_looked_at() {
    let scene = Scene::with_parts(4);
    let longer = format!("{KEY}.bak");
    let keys = [&*longer, "dir/object", "dir/objecu"];
    let others = keys.map(|key| leave_open(&scene, scene.upload_to(&scene.bucket, key), 3));
    let uploaded = find(&scene).expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    assert_eq!(scene.server.count(ListParts), 0);
    expect_done_beside(&scene, &uploaded, others.into());
}

#[test]
fn parts_of_another_size_are_somebody_else_s() {
    let scene = Scene::with_parts(4);
    let other = scene
        .bucket
        .upload_file(KEY, &scene.file)
        .part_size(PART + 1);
    let other = leave_open(&scene, other, 2);
    let uploaded = find(&scene).expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    expect_done_beside(&scene, &uploaded, vec![other]);
}

#[test]
fn parts_of_other_bytes_are_not_continued_and_some_are_sent_again() {
    let scene = Scene::with_parts(5);
    let other = leave_other_bytes(&scene, 0, 3);
    let uploaded = find(&scene).expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    expect_done_beside(&scene, &uploaded, vec![other]);

    let scene = Scene::with_parts(5);
    leave_other_bytes(&scene, 2 * PART, 4);
    let uploaded = find(&scene).expect("uploaded");
    assert_eq!(uploaded.outcome, resumed(2));
    assert_eq!(scene.parts_sent(), [3, 4, 5]);
    scene.expect_done(&uploaded);
}

#[test]
fn parts_without_a_checksum_do_not_count() {
    let scene = Scene::with_parts(4);
    let id = lose_checkpoint(&scene, 3);
    let without = listing(&scene, |part| {
        format!("<ETag>\"{}\"</ETag><Size>{}</Size>", part.etag, part.size)
    });
    scene.server.fault(without);
    let uploaded = find(&scene).expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    expect_done_beside(&scene, &uploaded, vec![id]);
}

#[test]
fn where_looking_is_forbidden_an_upload_is_fresh_and_the_log_says_so() {
    for operation in [ListMultipartUploads, ListParts, HeadObject] {
        let _case = Case(operation);
        let scene = Scene::with_parts(4);
        let id = lose_checkpoint(&scene, 3);
        scene.server.fault(Fault::deny().on(operation));
        let mut uploaded = None;
        let heard = heard_during(|| uploaded = Some(find(&scene)));
        let uploaded = uploaded.expect("it ran").expect("uploaded");
        assert_eq!(uploaded.outcome, Outcome::Fresh);
        let says = format!("{operation:?} is refused");
        assert!(heard.iter().any(|line| line.contains(&says)), "{heard:?}");
        expect_done_beside(&scene, &uploaded, vec![id]);
    }
}

#[test]
fn a_list_that_cannot_be_had_for_now_is_an_error_and_no_fresh_start() {
    let scene = Scene::with_parts(4);
    let id = lose_checkpoint(&scene, 3);
    let away = scene
        .server
        .fault(Fault::status(503, "ServiceUnavailable").on(ListMultipartUploads));
    let error = find(&scene).expect_err("the service is away");
    assert_eq!(code(&error), Some("ServiceUnavailable"));
    assert!(
        error.to_string().contains("looking for open uploads"),
        "{error}"
    );
    assert_eq!(open_uploads(&scene), [id]);
    away.remove();
    let uploaded = find(&scene).expect("uploaded");
    assert_eq!(uploaded.outcome, resumed(3));
    scene.expect_done(&uploaded);
}

#[test]
fn one_that_is_gone_meanwhile_is_passed_over_or_begun_anew() {
    // When its parts are listed.
    let scene = Scene::with_parts(5);
    let best = lose_checkpoint(&scene, 3);
    lose_checkpoint(&scene, 2);
    let forget = Fault::forget_upload().on(ListParts);
    // Whichever is looked at first.
    scene.server.fault(forget.times(1));
    let uploaded = find(&scene).expect("uploaded");
    let left = if uploaded.upload_id == Some(best) {
        3
    } else {
        2
    };
    assert_eq!(uploaded.outcome, resumed(left));
    scene.expect_done(&uploaded);

    // When it is gone on with.
    let scene = Scene::with_parts(5);
    lose_checkpoint(&scene, 3);
    scene.once(Fault::forget_upload(), UploadPart);
    let uploaded = find(&scene).expect("uploaded");
    let gone = Outcome::Restarted(RestartReason::UploadGone);
    assert_eq!(uploaded.outcome, gone);
    assert_eq!(scene.server.count(ListMultipartUploads), 1);
    scene.expect_done(&uploaded);
}

#[test]
fn what_is_found_is_recorded_and_continued_by_the_checkpoint() {
    let scene = Scene::with_parts(6);
    let id = lose_checkpoint(&scene, 2);
    let third = Fault::deny().on(UploadPart).nth(3).times(1);
    let third = scene.server.fault(third);
    let error = find(&scene).expect_err("interrupted");
    assert_eq!((third.hits(), error.upload_id()), (1, Some(&*id)));
    let info = Checkpoint::inspect(scene.checkpoint()).expect("a checkpoint");
    assert_eq!(info.progress.expect("parts").parts_done, 4);
    scene.server.forget_requests();
    // Whether asked to look or not.
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(uploaded.outcome, resumed(4));
    assert_eq!(scene.parts_sent(), [5, 6]);
    assert_eq!(scene.server.count(ListMultipartUploads), 0);
    assert_eq!(scene.server.count(HeadObject), 1);
    scene.expect_done(&uploaded);
}

/// Sets options of an upload.
type Describe = for<'a> fn(UploadFile<'a>) -> UploadFile<'a>;

/// What the lost upload was begun with, and what is asked for now.
fn days() -> [(&'static str, Describe, Describe); 7] {
    let nothing: Describe = |upload| upload;
    [
        (
            "metadata",
            |upload| upload.meta("owner", "yesterday"),
            nothing,
        ),
        (
            "a type",
            |upload| upload.content_type("text/plain"),
            nothing,
        ),
        (
            "a cache",
            |upload| upload.cache_control("no-cache"),
            nothing,
        ),
        ("tags", |upload| upload.tag("day", "yesterday"), nothing),
        (
            "a language",
            |upload| upload.content_language("de"),
            nothing,
        ),
        ("nothing", nothing, |upload| upload.meta("day", "today")),
        (
            "other metadata",
            |upload| upload.meta("day", "yesterday"),
            |upload| upload.meta("day", "today"),
        ),
    ]
}

#[test]
fn an_object_never_keeps_what_another_run_had_asked_for() {
    for (name, yesterday, today) in days() {
        // Whether the run that finds it completes it, or the next one by its checkpoint.
        for is_interrupted in [false, true] {
            let _case = Case((name, is_interrupted));
            let scene = Scene::with_parts(5);
            leave_open(&scene, yesterday(scene.upload_without_checkpoint()), 2);
            let today = || watched(today(scene.upload().find_on_server()));
            if is_interrupted {
                let denied = Fault::deny().on(UploadPart).nth(2).times(1);
                scene.server.fault(denied);
                let error = today().expect_err("interrupted");
                assert!(error.is_resumable(), "{error}");
            }
            let uploaded = today().expect("uploaded");
            let changed = Outcome::Restarted(RestartReason::OptionsChanged);
            assert_eq!(uploaded.outcome, changed);
            expect_of_today(&scene, name);
            scene.expect_done(&uploaded);
        }
    }
}

#[track_caller]
fn expect_of_today(scene: &Scene, name: &str) {
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    let header = |name: &str| object.headers.get(name).map(String::as_str);
    let day = ["nothing", "other metadata"]
        .contains(&name)
        .then_some("today");
    assert_eq!(header("x-oss-meta-day"), day);
    assert_ne!(header("content-type"), Some("text/plain"));
    for foreign in [
        "x-oss-meta-owner",
        "cache-control",
        "x-oss-tagging",
        "content-language",
    ] {
        assert_eq!(header(foreign), None, "{foreign}");
    }
}

#[test]
fn an_upload_of_the_same_options_is_continued() {
    let scene = Scene::with_parts(5);
    fn describe(upload: UploadFile<'_>) -> UploadFile<'_> {
        upload
            .meta("owner", "alice")
            .content_type("text/plain")
            .cache_control("no-cache")
            .storage_class(StorageClass::InfrequentAccess)
            .encryption(Encryption::Aes256)
            .request_payer()
    }
    leave_open(&scene, describe(scene.upload_without_checkpoint()), 2);
    let uploaded = watched(describe(scene.upload()).find_on_server()).expect("uploaded");
    assert_eq!(uploaded.outcome, resumed(2));
    let requests = scene.server.requests();
    let pays = |operation| {
        let mut those = requests.iter().filter(|r| r.operation == operation);
        those.all(|request| request.header("x-oss-request-payer") == Some("requester"))
    };
    assert!(pays(ListMultipartUploads) && pays(ListParts) && pays(HeadObject));
    scene.expect_done(&uploaded);
}

#[test]
fn options_that_no_object_shows_are_refused_before_anything_is_sent() {
    let scene = Scene::with_parts(4);
    for (name, upload) in [
        ("x-oss-tagging", scene.upload().tag("a", "b")),
        ("x-oss-forbid-overwrite", scene.upload().forbid_overwrite()),
        (
            "x-oss-server-side-encryption-key-id",
            scene.upload().encryption(Kms::new().key_id("k")),
        ),
        ("x-custom", scene.upload().header("x-custom", "1")),
        ("x-asked", scene.upload().query("x-asked", "1")),
    ] {
        let error = upload.find_on_server().run().expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Options);
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(scene.server.requests().len(), 0);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn a_file_that_changes_meanwhile_is_sent_whole_and_nothing_is_found_again() {
    let scene = Scene::with_parts(5);
    lose_checkpoint(&scene, 3);
    let file = scene.file.clone();
    let rewrite = Fault::run(move |_| {
        let len = fs::metadata(&file).expect("the file").len();
        fs::write(&file, random_bytes(len, 9)).expect("written");
    });
    scene.once(rewrite, UploadPart);
    let uploaded = find(&scene).expect("uploaded");
    let changed = Outcome::Restarted(RestartReason::FileChanged);
    assert_eq!(uploaded.outcome, changed);
    assert_eq!(scene.server.count(ListMultipartUploads), 1);
    scene.expect_done(&uploaded);
}

#[test]
fn what_is_to_be_aborted_is_not_found() {
    let scene = Scene::with_parts(5);
    let old = scene.interrupt_after(3).upload_id().map(str::to_owned);
    scene.damage_checkpoint();
    let refused = scene.server.fault(Fault::deny().on(AbortMultipartUpload));
    let uploaded = find(&scene).expect("uploaded");
    let damaged = Outcome::Restarted(RestartReason::CheckpointDamaged);
    assert_eq!(uploaded.outcome, damaged);
    assert_eq!(scene.server.count(ListMultipartUploads), 1);
    assert_eq!(scene.server.count(ListParts), 0);
    assert_eq!(Some(&uploaded.left_behind[0]), old.as_ref());
    refused.remove();
}

#[test]
fn a_failure_keeps_what_was_found_where_there_is_a_checkpoint_and_aborts_it_where_there_is_none() {
    let scene = Scene::with_parts(5);
    let id = lose_checkpoint(&scene, 2);
    let denied = scene.server.fault(Fault::deny().on(UploadPart));
    let error = find(&scene).expect_err("refused");
    assert_eq!(error.upload_id(), Some(&*id));
    assert_eq!(open_uploads(&scene), [id]);
    fs::remove_file(scene.checkpoint()).expect("a checkpoint");
    let without = scene.upload_without_checkpoint().find_on_server();
    let error = watched(without).expect_err("refused");
    assert!(!error.is_resumable(), "{error}");
    assert_eq!(open_uploads(&scene), [""; 0]);
    denied.remove();
}

#[test]
fn a_killed_process_is_continued_without_any_state_on_the_disk() {
    let scene = Scene::with_parts(6);
    let part_4 = |fault: Fault| fault.on(UploadPart).part(4);
    let halt = Halt::at(&scene.server, Moment::Lost, part_4);
    let running = Program::upload(&scene.server, &scene.file, KEY)
        .args(["--part-size", &PART.to_string()])
        .start();
    halt.wait();
    running.kill();
    halt.lift(&scene.server);
    let id = scene.upload_id();
    let upload = scene.upload_without_checkpoint().find_on_server();
    let uploaded = watched(upload).expect("uploaded");
    assert_eq!(uploaded.outcome, resumed(3));
    assert_eq!(uploaded.upload_id, Some(id));
    scene.expect_done(&uploaded);
}

#[test]
fn two_at_once_make_one_object_that_is_the_file() {
    let scene = Scene::with_parts(8);
    lose_checkpoint(&scene, 3);
    let one = || watched(scene.upload_without_checkpoint().find_on_server());
    let mut second = None;
    let first = meanwhile(one, || second = Some(one()));
    for uploaded in [first, second.expect("it ran")] {
        let uploaded = uploaded.expect("uploaded");
        scene.expect_done(&uploaded);
    }
}

#[test]
fn a_server_without_checksums_has_nothing_to_be_found() {
    let server = LocalServer::builder()
        .discard_bodies(true)
        .checksum_bodies(false);
    let scene = Scene::on(server.start().expect("a port"), 3 * PART + 1);
    let id = lose_checkpoint(&scene, 2);
    let uploaded = find(&scene).expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    assert_eq!(open_uploads(&scene), [id]);
}
