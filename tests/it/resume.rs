//! Each row of the rules of resuming.

use crate::support::{
    BUCKET, KEY, PART, Scene, bucket, client, keeping_mtime, mtime, random_bytes, set_mtime,
};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use oss_upload::{
    Checkpoint, CheckpointState, ErrorKind, OnChange, Outcome, RestartReason, SignatureVersion,
    Verify,
};
use std::fs;

#[test]
fn without_a_checkpoint_file_an_upload_is_fresh() {
    let scene = Scene::with_parts(4);
    let uploaded = scene.upload().routines(3).run().expect("uploaded");
    assert_eq!(uploaded.outcome, Outcome::Fresh);
    assert_eq!(uploaded.parts, 4);
    assert_eq!(uploaded.bytes_sent, uploaded.size);
    scene.expect_done(&uploaded);
}

#[test]
fn an_interrupted_upload_sends_only_the_missing_parts() {
    for version in [SignatureVersion::V1, SignatureVersion::V4] {
        let scene = Scene::with_parts(5).with_client(|client| client.signature_version(version));
        scene.interrupt_after(3);
        let uploaded = scene.upload().run().expect("resumed");
        let bytes = 3 * PART;
        assert_eq!(uploaded.outcome, Outcome::Resumed { parts: 3, bytes });
        assert_eq!(scene.parts_sent(), [4, 5]);
        assert_eq!(uploaded.bytes_sent, uploaded.size - bytes);
        assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 0);
        scene.expect_done(&uploaded);
    }
}

#[test]
fn gaps_and_the_short_last_part_are_no_obstacle() {
    let scene = Scene::with_parts(5).interrupted_after(4);
    let id = scene.upload_id();
    // Part 5 is short. The server loses 2, and 5 has never been there; then the other way round.
    scene.server.drop_part(&id, 2);
    scene
        .server
        .fault(Fault::deny().on(Operation::UploadPart).part(2).times(1));
    scene.upload().run().expect_err("part 2 is refused");
    assert_eq!(scene.parts_sent(), [2]);
    scene.server.forget_requests();
    scene.once(Fault::deny(), Operation::CompleteMultipartUpload);
    scene.upload().run().expect_err("Complete is refused");
    assert_eq!(scene.parts_sent(), [2, 5]);
    scene.server.forget_requests();
    scene.server.drop_part(&id, 1);
    scene.server.drop_part(&id, 3);
    let uploaded = scene.upload().run().expect("resumed");
    assert_eq!(scene.parts_sent(), [1, 3]);
    scene.expect_done(&uploaded);
}

#[test]
fn a_checkpoint_of_another_upload_is_discarded_and_that_upload_aborted() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let upload = scene.upload_to(&scene.bucket, "another/key");
    let uploaded = upload.run().expect("uploaded");
    assert_eq!(scene.parts_sent(), [1, 2, 3, 4]);
    assert!(scene.server.object(BUCKET, KEY).is_none());
    scene.expect_restarted(&uploaded, RestartReason::OtherTarget);
}

#[test]
fn a_checkpoint_of_another_bucket_aborts_there() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    scene.server.create_bucket("otherbucket");
    let bucket = client(&scene.server)
        .build()
        .and_then(|c| c.bucket("otherbucket"));
    let bucket = bucket.expect("a client");
    let uploaded = scene.upload_to(&bucket, KEY).run().expect("uploaded");
    assert_eq!(uploaded.restarts, [RestartReason::OtherTarget]);
    assert_eq!(scene.server.pending_uploads().len(), 0);
}

#[test]
fn an_upload_begun_at_another_endpoint_is_named_not_forgotten() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let id = scene.upload_id();
    let elsewhere = LocalServer::start().expect("a port");
    let there = bucket(client(&elsewhere));
    let uploaded = scene.upload_to(&there, KEY).run().expect("uploaded");
    assert_eq!(uploaded.restarts, [RestartReason::OtherTarget]);
    assert_eq!(uploaded.left_behind, [id]);
}

#[test]
fn another_part_size_is_a_fresh_start() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let uploaded = scene.upload().part_size(PART + 1).run().expect("uploaded");
    assert_eq!(uploaded.bytes_sent, uploaded.size);
    scene.expect_restarted(&uploaded, RestartReason::PartSizeChanged);
}

#[test]
fn a_part_size_that_takes_the_whole_file_discards_the_parts() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let uploaded = scene.upload().part_size(10 * PART).run().expect("uploaded");
    assert_eq!(scene.server.count(Operation::PutObject), 1);
    assert_eq!(uploaded.upload_id, None);
    scene.expect_restarted(&uploaded, RestartReason::PartSizeChanged);
}

#[test]
fn other_options_are_a_fresh_start_and_not_an_object_with_yesterdays_metadata() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let uploaded = scene
        .upload()
        .meta("owner", "alice")
        .run()
        .expect("uploaded");
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    assert_eq!(object.headers["x-oss-meta-owner"], "alice");
    scene.expect_restarted(&uploaded, RestartReason::OptionsChanged);
}

#[test]
fn a_file_of_another_length_or_mtime_is_a_fresh_start() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    scene.rewrite();
    scene.expect_restarted_for(RestartReason::FileChanged);
    assert_eq!(scene.parts_sent(), [1, 2, 3, 4]);

    scene.interrupt_after(2);
    fs::write(&scene.file, random_bytes(6 * PART, 3)).expect("grown");
    scene.expect_restarted_for(RestartReason::FileChanged);
}

/// A copy with the same mtime, put in the file's place: another inode.
fn replace_by_copy(scene: &Scene, bytes: &[u8]) {
    let copy = scene.dir.path().join("copy");
    fs::write(&copy, bytes).expect("written");
    set_mtime(&copy, mtime(&scene.file));
    fs::rename(&copy, &scene.file).expect("replaced");
}

#[test]
fn a_copy_in_the_files_place_is_proved_and_continued() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    replace_by_copy(&scene, &fs::read(&scene.file).expect("the file"));
    let uploaded = scene.upload().routines(2).run().expect("resumed");
    scene.expect_resumed(&uploaded, 2);
}

#[test]
fn other_bytes_behind_the_same_length_and_mtime_are_found_by_proof() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let mut bytes = fs::read(&scene.file).expect("the file");
    bytes[PART as usize + 5] ^= 1;
    replace_by_copy(&scene, &bytes);
    scene.expect_restarted_for(RestartReason::FileChanged);
}

#[test]
fn a_change_with_the_mtime_set_back_is_found_by_ctime() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    keeping_mtime(&scene.file, || scene.rewrite());
    scene.expect_restarted_for(RestartReason::FileChanged);
}

#[test]
fn verifying_content_reads_the_finished_parts_and_sends_no_more_for_it() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let uploaded = scene
        .upload()
        .verify(Verify::Content)
        .run()
        .expect("resumed");
    assert_eq!(scene.parts_sent(), [3, 4]);
    scene.expect_resumed(&uploaded, 2);
}

#[test]
fn a_part_that_the_server_lost_or_has_differently_is_sent_again() {
    let scene = Scene::with_parts(5).interrupted_after(4);
    scene.server.drop_part(&scene.upload_id(), 3);
    let uploaded = scene.upload().run().expect("resumed");
    assert_eq!(scene.parts_sent(), [3, 5]);
    scene.expect_resumed(&uploaded, 3);
}

/// Part 3 meets the fault and, when it is sent again, a refusal: the run ends without having recorded it.
fn interrupt_at_part_3(scene: &Scene, fault: Fault) {
    let of_part_3 = |fault: Fault| fault.on(Operation::UploadPart).part(3).times(1);
    scene.server.fault(of_part_3(fault));
    scene.server.fault(of_part_3(Fault::deny().nth(2)));
    let interrupted = scene.upload().run();
    interrupted.expect_err("part 3 is refused the second time");
    scene.server.clear_faults();
    scene.server.forget_requests();
}

#[test]
fn a_part_that_only_the_server_knows_is_adopted_when_its_bytes_are_ours() {
    let scene = Scene::with_parts(4);
    // Part 3 is stored, but no answer says so: it is not in the record.
    interrupt_at_part_3(&scene, Fault::lose_answer());
    let uploaded = scene.upload().run().expect("resumed");
    assert_eq!(scene.parts_sent(), [4]);
    scene.expect_resumed(&uploaded, 3);
}

#[test]
fn a_part_that_only_the_server_knows_is_not_adopted_when_its_bytes_are_others() {
    let scene = Scene::with_parts(4);
    // What arrives as part 3 is damaged: stored with other bytes, and never recorded.
    interrupt_at_part_3(&scene, Fault::flip_byte(9));
    let uploaded = scene.upload().run().expect("resumed");
    assert_eq!(scene.parts_sent(), [3, 4]);
    scene.expect_resumed(&uploaded, 2);
}

#[test]
fn where_listing_is_forbidden_the_checkpoint_is_trusted() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    scene.server.fault(Fault::deny().on(Operation::ListParts));
    let uploaded = scene.upload().run().expect("resumed");
    assert_eq!(scene.parts_sent(), [3, 4]);
    scene.expect_resumed(&uploaded, 2);
}

#[test]
fn a_listing_that_fails_for_a_while_never_costs_the_progress() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let failing = Fault::status(500, "InternalError").on(Operation::ListParts);
    let handle = scene.server.fault(failing);
    let error = scene.upload().run().expect_err("ListParts keeps failing");
    assert_eq!(error.kind(), ErrorKind::Service);
    assert!(error.is_resumable());
    assert_eq!(handle.hits(), 8);
    assert_eq!(scene.parts_sent(), [0; 0]);
    handle.remove();
    let uploaded = scene.upload().run().expect("resumed");
    scene.expect_resumed(&uploaded, 2);
}

#[test]
fn an_upload_gone_before_the_resume_is_begun_again_in_the_same_call() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    scene.server.drop_upload(&scene.upload_id());
    scene.expect_restarted_for(RestartReason::UploadGone);
    assert_eq!(scene.parts_sent(), [1, 2, 3, 4]);
}

#[test]
fn an_upload_gone_while_parts_are_sent_is_begun_again_in_the_same_call() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6);
        scene.server.fault(
            Fault::forget_upload()
                .on(Operation::UploadPart)
                .nth(4)
                .times(1),
        );
        let uploaded = scene.upload().routines(routines).run().expect("uploaded");
        assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 2);
        scene.expect_restarted(&uploaded, RestartReason::UploadGone);
    }
}

#[test]
fn an_upload_gone_at_complete_is_begun_again_in_the_same_call() {
    let scene = Scene::with_parts(4);
    let gone = Fault::forget_upload().on(Operation::CompleteMultipartUpload);
    scene.server.fault(gone.times(1));
    scene.expect_restarted_for(RestartReason::UploadGone);
}

#[test]
fn an_upload_that_keeps_vanishing_ends_in_an_error() {
    let scene = Scene::with_parts(4);
    scene
        .server
        .fault(Fault::forget_upload().on(Operation::CompleteMultipartUpload));
    let error = scene.upload().run().expect_err("it never gets there");
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 4);
    assert!(!error.is_resumable());
    assert_eq!(scene.server.pending_uploads().len(), 0);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn a_lost_answer_to_complete_is_settled_by_the_object() {
    for fault in [Fault::lose_answer(), Fault::cut_answer(30)] {
        let scene = Scene::with_parts(4);
        scene
            .server
            .fault(fault.on(Operation::CompleteMultipartUpload).times(1));
        let uploaded = scene.upload().run().expect("uploaded");
        assert_eq!(uploaded.outcome, Outcome::Fresh);
        assert_eq!(scene.server.count(Operation::HeadObject), 1);
        assert_eq!(uploaded.bytes_sent, uploaded.size);
        scene.expect_done(&uploaded);
    }
}

#[test]
fn a_complete_that_succeeded_in_an_earlier_run_is_found_done() {
    let scene = Scene::with_parts(4);
    scene.once(Fault::lose_answer(), Operation::CompleteMultipartUpload);
    scene.server.fault(
        Fault::deny()
            .on(Operation::CompleteMultipartUpload)
            .nth(2)
            .times(1),
    );
    let error = scene
        .upload()
        .run()
        .expect_err("the second Complete is refused");
    assert!(error.is_resumable());
    scene.server.forget_requests();
    let uploaded = scene.upload().run().expect("it is there");
    assert_eq!(uploaded.outcome, Outcome::AlreadyComplete);
    assert_eq!(uploaded.bytes_sent, 0);
    scene.expect_done(&uploaded);
}

#[test]
fn where_head_is_forbidden_too_a_vanished_upload_is_sent_again() {
    let scene = Scene::with_parts(4);
    scene.once(Fault::lose_answer(), Operation::CompleteMultipartUpload);
    scene.server.fault(Fault::deny().on(Operation::HeadObject));
    let uploaded = scene
        .upload()
        .run()
        .expect("uploaded twice, which only costs");
    assert_eq!(uploaded.bytes_sent, 2 * uploaded.size);
    scene.expect_restarted(&uploaded, RestartReason::UploadGone);
}

#[test]
fn a_head_that_fails_for_a_while_is_no_reason_to_send_all_again() {
    for failing in [
        (500, "InternalError"),
        (400, "RequestTimeout"),
        (429, "QpsLimitExceeded"),
    ] {
        let scene = Scene::with_parts(4);
        let lost = Fault::lose_answer().on(Operation::CompleteMultipartUpload);
        scene.server.fault(lost.times(1));
        let failing = Fault::status(failing.0, failing.1).on(Operation::HeadObject);
        let failing = scene.server.fault(failing);
        let error = scene.upload().run().expect_err("HEAD keeps failing");
        assert!(error.is_resumable(), "{error}");
        failing.remove();
        let uploaded = scene.upload().run().expect("it is there");
        assert_eq!(uploaded.outcome, Outcome::AlreadyComplete);
        assert_eq!(uploaded.bytes_sent, 0);
        scene.expect_done(&uploaded);
    }
}

#[test]
fn another_object_of_the_same_length_is_not_taken_for_ours() {
    let scene = Scene::with_parts(4).interrupted_after(4 - 1);
    scene.server.drop_upload(&scene.upload_id());
    let len = fs::metadata(&scene.file).expect("the file").len();
    scene.server.put_object(BUCKET, KEY, &random_bytes(len, 9));
    scene.expect_restarted_for(RestartReason::UploadGone);
}

#[test]
fn complete_with_a_lost_part_lists_repairs_and_completes() {
    let scene = Scene::with_parts(5);
    scene.once(Fault::lose_part(2), Operation::CompleteMultipartUpload);
    let uploaded = scene.upload().run().expect("repaired");
    assert_eq!(scene.parts_sent(), [1, 2, 3, 4, 5, 2]);
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 1);
    assert_eq!(uploaded.restarts, []);
    scene.expect_done(&uploaded);
}

#[test]
fn where_listing_is_forbidden_complete_itself_names_the_lost_part() {
    let scene = Scene::with_parts(5);
    scene.server.fault(Fault::deny().on(Operation::ListParts));
    scene.once(Fault::lose_part(2), Operation::CompleteMultipartUpload);
    let uploaded = scene.upload().run().expect("repaired");
    assert_eq!(scene.parts_sent(), [1, 2, 3, 4, 5, 2]);
    scene.expect_done(&uploaded);
}

#[test]
fn a_200_with_an_error_in_it_is_that_error() {
    let scene = Scene::with_parts(4);
    let body = "<Error><Code>InternalError</Code><Message>again</Message></Error>";
    let lie = Fault::answer(200, "application/xml", body).on(Operation::CompleteMultipartUpload);
    scene.server.fault(lie.times(2));
    let uploaded = scene.upload().run().expect("the third answer is true");
    assert_eq!(scene.server.count(Operation::CompleteMultipartUpload), 3);
    scene.expect_done(&uploaded);
}

#[test]
fn a_lost_answer_does_not_make_our_own_object_a_conflict() {
    // The strict server looks for the object before it looks for the upload when it is told not to overwrite.
    for n_parts in [1, 4] {
        let scene = Scene::with_parts(n_parts);
        scene.once(Fault::lose_answer(), Operation::PutObject);
        scene.once(Fault::lose_answer(), Operation::CompleteMultipartUpload);
        let conflict = || Fault::status(409, "FileAlreadyExists");
        scene
            .server
            .fault(conflict().on(Operation::CompleteMultipartUpload).nth(2));
        let upload = scene.upload().header("x-oss-forbid-overwrite", "true");
        let uploaded = upload.run().expect("it is ours");
        scene.expect_done(&uploaded);

        let again = scene
            .upload()
            .header("x-oss-forbid-overwrite", "true")
            .run();
        let error = again.expect_err("nothing was lost this time");
        assert_eq!(
            error.service_error().map(|e| e.code()),
            Some("FileAlreadyExists")
        );
        assert_eq!(scene.server.pending_uploads().len(), 0);
    }
}

#[test]
fn a_fatal_error_keeps_the_state_with_a_checkpoint_and_nothing_without() {
    let scene = Scene::with_parts(6);
    let fatal = || Fault::deny().on(Operation::UploadPart).nth(3).times(1);
    scene.server.fault(fatal());
    let error = scene
        .upload_without_checkpoint()
        .routines(2)
        .run()
        .expect_err("denied");
    assert_eq!(
        error.service_error().map(|e| e.code()),
        Some("AccessDenied")
    );
    assert!(error.part_number().is_some());
    assert!(!error.is_resumable());
    assert_eq!(scene.server.pending_uploads().len(), 0, "aborted");

    scene.server.clear_faults();
    scene.server.fault(fatal());
    let error = scene.upload().routines(2).run().expect_err("denied");
    assert!(error.is_resumable());
    assert_eq!(error.upload_id(), Some(&*scene.upload_id()));
    scene.server.clear_faults();
    let uploaded = scene.upload().run().expect("resumed");
    assert!(uploaded.parts_resumed() >= 2);
    scene.expect_done(&uploaded);
}

/// Changes the file when the n-th part arrives.
fn change_at_part(scene: &Scene, nth: u32, times: u32, change: fn(&std::path::Path, u32)) {
    let file = scene.file.clone();
    let count = std::sync::atomic::AtomicU32::new(0);
    let hook = Fault::run(move |_| {
        change(
            &file,
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst),
        );
    });
    scene
        .server
        .fault(hook.on(Operation::UploadPart).nth(nth).times(times));
}

fn write_other_bytes(file: &std::path::Path, n: u32) {
    let len = fs::metadata(file).expect("the file").len();
    fs::write(file, random_bytes(len, 100 + u64::from(n))).expect("written");
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_sent_anew_and_never_mixed() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(6);
        change_at_part(&scene, 3, 1, write_other_bytes);
        let uploaded = scene.upload().routines(routines).run().expect("uploaded");
        scene.expect_restarted(&uploaded, RestartReason::FileChanged);
    }
}

#[test]
fn a_file_that_changes_before_complete_is_sent_anew() {
    let scene = Scene::with_parts(4);
    change_at_part(&scene, 4, 1, |file, _| {
        let mut bytes = fs::read(file).expect("the file");
        bytes.push(0);
        fs::write(file, bytes).expect("grown");
    });
    scene.expect_restarted_for(RestartReason::FileChanged);
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_is_sent_anew() {
    let scene = Scene::with_parts(6);
    change_at_part(&scene, 2, 1, |file, _| {
        let handle = fs::File::options()
            .write(true)
            .open(file)
            .expect("the file");
        handle.set_len(3 * PART + 1).expect("shrunk");
    });
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(uploaded.size, 3 * PART + 1);
    scene.expect_restarted(&uploaded, RestartReason::FileChanged);
}

#[test]
fn a_file_that_never_rests_ends_in_an_error_after_bounded_starts() {
    let scene = Scene::with_parts(4);
    change_at_part(&scene, 1, u32::MAX, write_other_bytes);
    let error = scene.upload().run().expect_err("it changes for ever");
    assert_eq!(error.kind(), ErrorKind::SourceChanged);
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 4);
    assert_eq!(scene.server.pending_uploads().len(), 0);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn the_caller_may_choose_to_fail_when_the_file_changes() {
    let scene = Scene::with_parts(6);
    change_at_part(&scene, 3, 1, write_other_bytes);
    let error = scene
        .upload()
        .on_change(OnChange::Fail)
        .run()
        .expect_err("changed");
    assert_eq!(error.kind(), ErrorKind::SourceChanged);
    assert_eq!(error.path(), Some(&*scene.file));
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 1);
    assert_eq!(scene.server.pending_uploads().len(), 0);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn a_damaged_checkpoint_is_a_fresh_start_and_its_upload_is_aborted() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    scene.damage_checkpoint();
    scene.expect_restarted_for(RestartReason::CheckpointDamaged);
    assert_eq!(scene.parts_sent(), [1, 2, 3, 4]);
}

#[test]
fn every_cut_of_a_checkpoint_resumes_and_every_flipped_byte_is_survived() {
    let scene = Scene::with_parts(4);
    let try_with = |at: usize, damage: fn(&mut Vec<u8>, usize)| {
        scene.server.remove_object(BUCKET, KEY);
        scene.interrupt_after(2);
        let id = scene.upload_id();
        let mut bytes = fs::read(scene.checkpoint()).expect("the checkpoint");
        let len = bytes.len();
        damage(&mut bytes, at.min(len - 1));
        fs::write(scene.checkpoint(), bytes).expect("damaged");
        let uploaded = scene
            .upload()
            .run()
            .unwrap_or_else(|why| panic!("byte {at}: {why}"));
        // Where the header itself is unreadable nobody can know the upload's id; a lifecycle rule ends it.
        let known = scene
            .server
            .pending_uploads()
            .iter()
            .all(|upload| upload.upload_id == id);
        assert!(known, "byte {at}");
        scene.server.drop_upload(&id);
        scene.expect_done(&uploaded);
        len
    };
    // Every eighth byte: each is two uploads. `checkpoint::scan` tries every bit.
    let mut at = 0;
    loop {
        let len = try_with(at, |bytes, at| bytes.truncate(at));
        try_with(at, |bytes, at| bytes[at] ^= 0x10);
        at += 8;
        if at > len {
            break;
        }
    }
}

#[test]
fn a_checkpoint_of_another_format_is_kept_for_the_version_that_knows_it() {
    let scene = Scene::with_parts(3);
    let bytes = "OSSUPCP2 what a later version knows";
    fs::write(scene.checkpoint(), bytes).expect("written");
    let info = Checkpoint::inspect(scene.checkpoint()).expect("read");
    assert_eq!(info.state, CheckpointState::OtherFormat);
    let client = client(&scene.server).build().expect("a client");
    let refused = client.abandon(scene.checkpoint()).expect_err("unknown");
    assert!(
        refused.to_string().contains("it is of format 2"),
        "{refused}"
    );
    scene.expect_restarted_for(RestartReason::CheckpointDamaged);
    let aside = scene.dir.path().join("state.cp.not-a-checkpoint");
    assert_eq!(fs::read_to_string(aside).expect("kept"), bytes);
}

#[test]
fn a_file_that_is_no_checkpoint_is_kept_under_another_name() {
    let scene = Scene::with_parts(3);
    fs::write(scene.checkpoint(), "my diary").expect("written");
    scene.expect_restarted_for(RestartReason::CheckpointDamaged);
    let aside = scene.dir.path().join("state.cp.not-a-checkpoint");
    assert_eq!(fs::read_to_string(aside).expect("kept"), "my diary");
}
