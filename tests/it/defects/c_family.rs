//! D16 to D19: the SDKs for C++, C, C# and Ruby.

use crate::support::{KEY, Notes, PART, Scene, keeping_mtime, random_bytes, set_mtime};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{Checkpoint, Outcome, Phase, RestartReason, Verify};
use std::fs;
use std::time::{Duration, SystemTime};

/// C++ takes a listed part for finished only when it is as long as all others, so that the last goes again.
#[test]
fn d16_the_short_last_part_is_not_sent_again() {
    let scene = Scene::with_parts(5);
    let refused = Fault::deny().on(Operation::CompleteMultipartUpload);
    scene.server.fault(refused.times(1));
    scene.upload().run().expect_err("not completed");
    scene.server.forget_requests();
    scene.server.drop_part(&scene.upload_id(), 2);
    let uploaded = scene.upload().run().expect("resumed");
    assert_eq!(scene.parts_sent(), [2]);
    scene.expect_done(&uploaded);
}

/// C++ compares times by the second.
#[test]
fn d16_a_change_within_the_same_second_is_a_change() {
    let scene = Scene::with_parts(4);
    let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    set_mtime(&scene.file, second + Duration::from_millis(100));
    scene.interrupt_after(2);
    set_mtime(&scene.file, second + Duration::from_millis(101));
    scene.expect_restarted_for(RestartReason::FileChanged);
}

/// The check of the C SDK's state says "right" whatever the state holds.
#[test]
fn d17_no_bit_of_a_recorded_part_can_change_unnoticed() {
    // Variant, number, ETag and checksum of the last part.
    const RECORD: usize = 28;
    let scene = Scene::with_parts(3);
    for at in 1..=RECORD {
        scene.interrupt_after(1);
        let mut bytes = fs::read(scene.checkpoint()).expect("the state");
        let len = bytes.len();
        bytes[len - at] ^= 1 << (at % 8);
        fs::write(scene.checkpoint(), bytes).expect("damaged");
        let uploaded = scene.upload().run().expect("uploaded");
        let reason = RestartReason::CheckpointDamaged;
        assert_eq!(uploaded.outcome, Outcome::Restarted(reason), "{at}");
        assert_eq!(scene.parts_sent(), [1, 2, 3], "{at}");
        scene.expect_done(&uploaded);
    }
}

/// C# finds the state by bucket and key alone, so that another file continues the upload of the first.
#[test]
fn d18_another_file_for_the_same_key_starts_afresh() {
    let mut scene = Scene::with_parts(4);
    let states = scene.dir.path().to_owned();
    let third = Fault::deny().on(Operation::UploadPart).nth(3).times(1);
    scene.server.fault(third);
    let upload = scene.upload().checkpoint(Checkpoint::in_dir(&states));
    upload.run().expect_err("interrupted");
    let first = scene.upload_id();
    let len = fs::metadata(&scene.file).expect("the file").len();
    let old = std::mem::replace(&mut scene.file, states.join("other.bin"));
    fs::write(&scene.file, random_bytes(len, 2)).expect("written");
    let upload = scene.upload().checkpoint(Checkpoint::in_dir(&states));
    let other = upload.run().expect("uploaded");
    assert_eq!(other.outcome, Outcome::Fresh);
    // The upload of the first file is its own, and goes on.
    assert_eq!(scene.upload_id(), first);
    scene.file = old;
    let upload = scene.upload().checkpoint(Checkpoint::in_dir(&states));
    let uploaded = upload.run().expect("resumed");
    scene.expect_resumed(&uploaded, 2);
}

/// C# knows nothing of the content, so that a changed file is continued with old parts.
#[cfg(unix)]
#[test]
fn d18_old_and_new_bytes_are_never_mixed_even_when_length_and_time_are_the_same() {
    // Between the runs.
    let scene = Scene::with_parts(4).interrupted_after(2);
    keeping_mtime(&scene.file, || scene.rewrite());
    scene.expect_restarted_for(RestartReason::FileChanged);
    // During a run.
    for routines in [1, 3] {
        let scene = Scene::with_parts(6);
        let file = scene.file.clone();
        let rewrite = Fault::run(move |_| {
            let len = fs::metadata(&file).expect("the file").len();
            keeping_mtime(&file, || {
                fs::write(&file, random_bytes(len, 2)).expect("written");
            });
        });
        scene
            .server
            .fault(rewrite.on(Operation::UploadPart).part(3).times(1));
        let uploaded = scene.upload().routines(routines).run().expect("uploaded");
        scene.expect_restarted(&uploaded, RestartReason::FileChanged);
    }
}

/// Ruby compares a text with a time, finds a change every time, and hashes the whole file after every part.
#[test]
fn d19_an_unchanged_file_is_not_read_again_to_be_proved() {
    for (verify, reads_again) in [(Verify::Metadata, false), (Verify::Content, true)] {
        let scene = Scene::with_parts(6).interrupted_after(3);
        let phases = Notes::new();
        let noting = phases.clone();
        let upload = scene.upload().routines(2).verify(verify);
        let upload = upload.on_progress(move |seen| noting.add(seen.phase));
        let uploaded = upload.run().expect("resumed");
        let has_verified = phases.take().contains(&Phase::Verifying);
        assert_eq!(has_verified, reads_again, "{verify:?}");
        scene.expect_resumed(&uploaded, 3);
    }
}

/// Ruby compares two values that are both absent, so that a change between the runs goes unnoticed.
#[test]
fn d19_a_change_between_the_runs_is_noticed() {
    let scene = Scene::with_parts(4).interrupted_after(2);
    let mut bytes = fs::read(&scene.file).expect("the file");
    bytes[PART as usize / 2] ^= 1;
    fs::write(&scene.file, bytes).expect("changed");
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(uploaded.key, KEY);
    scene.expect_restarted(&uploaded, RestartReason::FileChanged);
}
