//! By what a file is recognized, and that its bytes are proved where that does not settle it.

use crate::support::format::{file, honest};
use crate::support::{
    BUCKET, Case, KEY, PART, Scene, keeping_mtime, mtime, random_bytes, set_mtime,
};
use Operation::{CompleteMultipartUpload, HeadObject, UploadPart};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{
    Error, ErrorKind, Identity, OnChange, Outcome, Phase, RestartReason, Uploaded, Verify,
};
use std::fs::{self};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

/// Flips a bit of the file, and sets the mtime back.
fn change_byte(file: &Path, at: u64) {
    let mut bytes = fs::read(file).expect("the file");
    bytes[usize::try_from(at).expect("short")] ^= 1;
    keeping_mtime(file, || fs::write(file, bytes).expect("written"));
}

/// The record says what it would say if the parts had been sent of the file as it is now: nothing of it tells of a change.
fn hide_change(scene: &Scene) {
    let pending = scene.server.pending_uploads();
    let forged = file(&honest(scene, &pending[0]));
    fs::write(scene.checkpoint(), forged).expect("forged");
}

/// What the server has of the upload, or of the object.
fn object(scene: &Scene) -> Vec<u8> {
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    object.bytes().expect("readable")
}

#[test]
fn verifying_content_finds_bytes_that_were_changed_behind_length_mtime_and_ctime() {
    // In the first, a middle and the last of the parts that are there, and in one that is not.
    for (at, is_of_a_finished_part) in [
        (0, true),
        (2 * PART - 1, true),
        (3 * PART - 1, true),
        (3 * PART, false),
    ] {
        for routines in [1, 4] {
            let _case = Case((at, routines));
            let scene = Scene::with_parts(5).interrupted_after(3);
            change_byte(&scene.file, at);
            hide_change(&scene);
            let upload = scene.upload().routines(routines).verify(Verify::Content);
            let uploaded = upload.run().expect("uploaded");
            match is_of_a_finished_part {
                true => assert_eq!(uploaded.restarts, [RestartReason::FileChanged]),
                false => assert_eq!(uploaded.parts_resumed(), 3),
            }
            scene.expect_done(&uploaded);
        }
    }
}

/// Else the test above would show nothing.
#[test]
fn a_change_hidden_from_all_metadata_is_found_by_content_alone() {
    let scene = Scene::with_parts(5).interrupted_after(3);
    change_byte(&scene.file, 0);
    hide_change(&scene);
    let uploaded = scene.upload().run().expect("uploaded");
    assert_eq!(uploaded.parts_resumed(), 3);
    assert!(object(&scene) != fs::read(&scene.file).expect("the file"));
}

#[test]
fn verifying_content_adopts_what_is_ours_and_costs_nothing_where_nothing_is_resumed() {
    let scene = Scene::with_parts(4);
    // Part 3 is stored, but no answer says so.
    let of_part_3 = |fault: Fault| fault.on(UploadPart).part(3).times(1);
    scene.server.fault(of_part_3(Fault::lose_answer()));
    scene.server.fault(of_part_3(Fault::deny().nth(2)));
    scene.upload().run().expect_err("part 3 is refused");
    scene.server.clear_faults();
    scene.server.forget_requests();
    let upload = || scene.upload().verify(Verify::Content);
    let uploaded = upload().run().expect("resumed");
    assert_eq!(scene.parts_sent(), [4]);
    scene.expect_resumed(&uploaded, 3);

    for part_size in [PART, 10 * PART] {
        let mut phases = vec![];
        let upload = upload().part_size(part_size);
        let uploaded = upload.on_progress(|seen| phases.push(seen.phase)).run();
        scene.expect_done(&uploaded.expect("uploaded"));
        assert!(!phases.contains(&Phase::Verifying), "{phases:?}");
    }
}

#[test]
fn verifying_content_a_file_that_changes_before_complete_is_sent_anew() {
    for (change, is_another) in [
        (rewrite as fn(&Path), true),
        (rewrite_keeping_mtime, true),
        (touch_mode, false),
    ] {
        let scene = Scene::with_parts(4);
        let file = scene.file.clone();
        let hook = Fault::run(move |_| change(&file)).on(UploadPart);
        scene.server.fault(hook.part(4).times(1));
        let upload = scene.upload().verify(Verify::Content);
        let uploaded = upload.run().expect("uploaded");
        let restarts = &[RestartReason::FileChanged][..usize::from(is_another)];
        assert_eq!(uploaded.restarts, restarts);
        scene.expect_done(&uploaded);
    }
}

fn rewrite(file: &Path) {
    let len = fs::metadata(file).expect("the file").len();
    fs::write(file, random_bytes(len, 2)).expect("written");
}

fn rewrite_keeping_mtime(file: &Path) {
    keeping_mtime(file, || rewrite(file));
}

/// Another ctime, and nothing else.
fn touch_mode(file: &Path) {
    let mut permissions = fs::metadata(file).expect("the file").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o640);
    fs::set_permissions(file, permissions).expect("set");
}

#[test]
fn an_mtime_within_the_tolerance_is_proved_and_one_beyond_is_a_change() {
    let identity = Identity::strict().mtime_within(Duration::from_secs(2));
    for (moved, is_changed) in [(2_000, false), (2_001, true)] {
        for is_later in [true, false] {
            let _case = Case((moved, is_later));
            let scene = Scene::with_parts(4).interrupted_after(2);
            let (old, moved) = (mtime(&scene.file), Duration::from_millis(moved));
            let moved = if is_later { old + moved } else { old - moved };
            set_mtime(&scene.file, moved);
            let uploaded = scene.upload().identity(identity).run().expect("uploaded");
            match is_changed {
                true => assert_eq!(uploaded.restarts, [RestartReason::FileChanged]),
                false => assert_eq!(uploaded.parts_resumed(), 2),
            }
            scene.expect_done(&uploaded);
        }
    }
}

/// Puts a copy in the file's place, which has its mtime.
fn replace_by_copy(scene: &Scene) {
    let copy = scene.dir.path().join("copy");
    fs::copy(&scene.file, &copy).expect("copied");
    set_mtime(&copy, mtime(&scene.file));
    fs::rename(copy, &scene.file).expect("replaced");
}

#[test]
fn what_is_left_out_is_not_looked_at() {
    let strict = Identity::strict();
    for (identity, is_proved) in [
        (strict, true),
        (strict.without_inode(), true),
        (strict.without_ctime(), true),
        (strict.without_ctime().without_inode(), false),
    ] {
        let _case = Case(identity);
        let scene = Scene::with_parts(4).interrupted_after(2);
        replace_by_copy(&scene);
        let mut phases = vec![];
        let upload = scene.upload().identity(identity);
        let uploaded = upload.on_progress(|seen| phases.push(seen.phase)).run();
        let uploaded = uploaded.expect("resumed");
        assert_eq!(phases.contains(&Phase::Verifying), is_proved, "{phases:?}");
        scene.expect_resumed(&uploaded, 2);
    }
}

/// Touches the file at every part that arrives, as a network file system may seem to do.
fn with_jitter(identity: Identity, on_change: OnChange) -> Result<Uploaded, Error> {
    let scene = Scene::with_parts(6);
    let (file, n) = (scene.file.clone(), AtomicU32::new(0));
    let mtime = mtime(&file);
    let jitter = Fault::run(move |_| {
        let moved = Duration::from_millis(n.fetch_add(1, SeqCst).into());
        set_mtime(&file, mtime - moved);
    });
    scene.server.fault(jitter.on(UploadPart));
    let upload = scene.upload().identity(identity).on_change(on_change);
    let ran = upload.routines(2).run();
    if let Ok(uploaded) = &ran {
        assert_eq!(uploaded.bytes_sent, uploaded.size);
        scene.expect_done(uploaded);
    }
    ran
}

#[test]
fn an_mtime_that_jitters_while_the_file_is_sent_costs_a_proof_and_no_restart() {
    let identity = Identity::strict().mtime_within(Duration::from_secs(2));
    for on_change in [OnChange::Restart, OnChange::Fail] {
        let uploaded = with_jitter(identity, on_change).expect("uploaded");
        assert_eq!(uploaded.outcome, Outcome::Fresh);
    }
    let error = with_jitter(Identity::strict(), OnChange::Fail);
    let error = error.expect_err("another mtime");
    assert_eq!(error.kind(), ErrorKind::SourceChanged, "{error}");
}

/// Two files of the same length and mtime that begin alike, and a name that leads to one or the other.
struct Twins {
    scene: Scene,
    first: Vec<u8>,
}

impl Twins {
    fn new() -> Twins {
        let scene = Scene::with_parts(5);
        let (a, b) = (scene.dir.path().join("a"), scene.dir.path().join("b"));
        fs::rename(&scene.file, &a).expect("moved");
        let first = fs::read(&a).expect("the file");
        let mut second = first.clone();
        for byte in &mut second[2 * PART as usize..] {
            *byte ^= 1;
        }
        fs::write(&b, second).expect("written");
        set_mtime(&b, mtime(&a));
        let twins = Twins { scene, first };
        twins.lead_to("a");
        twins
    }

    fn lead_to(&self, name: &str) {
        let link = self.scene.dir.path().join("link");
        std::os::unix::fs::symlink(self.scene.dir.path().join(name), &link).expect("linked");
        fs::rename(link, &self.scene.file).expect("replaced");
    }
}

/// Parts 1 and 2 are those of both files, part 3 was sent of the second, and now the first is back as it was recorded.
#[test]
fn a_file_that_comes_back_is_not_believed_to_have_what_was_sent_of_another() {
    for identity in [Identity::strict(), Identity::strict().any_mtime()] {
        let twins = Twins::new();
        let scene = &twins.scene;
        scene.interrupt_after(2);
        twins.lead_to("b");
        let refused = Fault::deny().on(UploadPart).part(4).times(1);
        scene.server.fault(refused);
        let upload = || scene.upload().identity(identity);
        upload().run().expect_err("part 4 is refused");
        assert_eq!(scene.parts_sent(), [3, 4], "it went on");
        twins.lead_to("a");
        let uploaded = upload().run().expect("uploaded");
        assert!(object(scene) == twins.first);
        scene.expect_restarted(&uploaded, RestartReason::FileChanged);
    }
}

/// Neither ctime nor mtime tells, once the first version is back: what was seen in between does, and the bytes.
#[test]
fn a_version_that_was_there_for_a_while_is_not_mixed_in_where_no_time_counts() {
    let identity = Identity::strict().any_mtime().without_ctime();
    for is_killed in [false, true] {
        let scene = Scene::with_parts(6);
        let file = scene.file.clone();
        let (first, at) = (fs::read(&file).expect("the file"), mtime(&file));
        let mut second = first.clone();
        second.iter_mut().for_each(|byte| *byte ^= 1);
        let other = move |file: &Path| {
            fs::write(file, &second).expect("written");
            set_mtime(file, at + Duration::from_secs(60));
        };
        let (again, path) = (first.clone(), file.clone());
        let back = move || {
            fs::write(&path, &again).expect("written");
            set_mtime(&path, at);
        };
        // Read by then, part 2 is of the first version, and part 3 will be of the second.
        let changes = Fault::run(move |_| other(&file)).on(UploadPart).part(2);
        scene.server.fault(changes.times(1));
        let upload = || scene.upload().identity(identity);
        if is_killed {
            scene.once(Fault::deny().part(4), UploadPart);
            upload().run().expect_err("part 4 is refused");
            back();
        } else {
            let restores = Fault::run(move |_| back()).on(UploadPart).part(4);
            scene.server.fault(restores.times(1));
        }
        let uploaded = upload().run().expect("uploaded");
        assert!(object(&scene) == first);
        scene.expect_restarted(&uploaded, RestartReason::FileChanged);
    }
}

#[test]
fn what_was_proved_once_is_not_proved_again() {
    let scene = Scene::with_parts(5).interrupted_after(3);
    replace_by_copy(&scene);
    let refused = Fault::deny().on(UploadPart).part(5).times(1);
    scene.server.fault(refused);
    scene.upload().run().expect_err("part 5 is refused");
    let mut phases = vec![];
    let upload = scene.upload().on_progress(|seen| phases.push(seen.phase));
    let uploaded = upload.run().expect("resumed");
    assert!(!phases.contains(&Phase::Verifying), "{phases:?}");
    scene.expect_resumed(&uploaded, 4);
}

/// Nobody saw with which options an upload began that was found on the server, and the record keeps that in mind.
#[test]
fn options_that_nobody_saw_are_looked_at_although_the_record_was_written_anew() {
    let scene = Scene::with_parts(6);
    let deny = |part| scene.server.fault(Fault::deny().on(UploadPart).part(part));
    let denied = deny(3);
    let yesterday = scene.upload().meta("day", "yesterday").run();
    yesterday.expect_err("part 3 is refused");
    denied.remove();
    fs::remove_file(scene.checkpoint()).expect("a checkpoint");
    for part in [4, 5] {
        let denied = deny(part);
        let found = scene.upload().find_on_server().run();
        assert!(found.expect_err("refused").is_resumable());
        denied.remove();
        replace_by_copy(&scene);
    }
    let uploaded = scene.upload().run().expect("uploaded");
    let object = scene.server.object(BUCKET, KEY).expect("an object");
    assert_eq!(object.headers.get("x-oss-meta-day"), None);
    scene.expect_restarted(&uploaded, RestartReason::OptionsChanged);
}

/// The object is complete, its answer was lost, and the file was changed since: the object is not the file any more.
#[test]
fn an_object_of_yesterdays_bytes_is_not_taken_for_the_file() {
    let any_mtime = Identity::strict().any_mtime();
    for (change, identity) in [
        (rewrite_keeping_mtime as fn(&Path), Identity::strict()),
        (rewrite, any_mtime),
    ] {
        let scene = Scene::with_parts(4);
        scene.once(Fault::lose_answer(), CompleteMultipartUpload);
        let refused = Fault::deny().on(CompleteMultipartUpload).nth(2);
        scene.server.fault(refused.times(1));
        scene.upload().run().expect_err("nobody heard the answer");
        assert!(scene.server.object(BUCKET, KEY).is_some());
        scene.server.forget_requests();
        change(&scene.file);
        let uploaded = scene.upload().identity(identity).run().expect("uploaded");
        assert_eq!(scene.server.count(HeadObject), 1);
        scene.expect_restarted(&uploaded, RestartReason::UploadGone);
    }
}

#[test]
fn an_object_of_the_same_bytes_is_the_file_however_that_looks() {
    let scene = Scene::with_parts(4);
    scene.once(Fault::lose_answer(), CompleteMultipartUpload);
    let refused = Fault::deny().on(CompleteMultipartUpload).nth(2);
    scene.server.fault(refused.times(1));
    scene.upload().run().expect_err("nobody heard the answer");
    replace_by_copy(&scene);
    let uploaded = scene.upload().verify(Verify::Content).run().expect("there");
    assert_eq!(uploaded.outcome, Outcome::AlreadyComplete);
    assert_eq!(uploaded.bytes_sent, 0);
    scene.expect_done(&uploaded);
}
