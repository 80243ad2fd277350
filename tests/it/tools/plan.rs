//! What a run would do, said without doing it.

use super::while_at_part;
use crate::support::{Case, PART, Scene, keeping_mtime, set_mtime};
use oss_upload::local_server::{Fault, Operation};
use oss_upload::{
    Checkpoint, ErrorKind, Identity, Outcome, PlannedStart, RestartReason, UploadFile, UploadPlan,
    Verify,
};
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

/// What a connection takes, by the documentation of the crate.
const BUFFERS: u64 = 144 << 10;

fn files(scene: &Scene) -> Vec<PathBuf> {
    let files = fs::read_dir(scene.dir.path()).expect("a folder");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

/// The plan, for which nothing was sent, created or written.
fn plan(scene: &Scene, upload: &UploadFile<'_>) -> UploadPlan {
    let (files_before, requests) = (files(scene), scene.server.requests().len());
    let bytes_before = fs::read(scene.checkpoint()).ok();
    let plan = upload.plan().expect("a plan");
    assert_eq!(files(scene), files_before);
    assert_eq!(fs::read(scene.checkpoint()).ok(), bytes_before);
    assert_eq!(scene.server.requests().len(), requests);
    plan
}

#[test]
fn it_tells_how_the_file_is_cut_and_what_that_takes() {
    let scene = Scene::with_parts(4);
    let told = plan(&scene, &scene.upload().routines(3));
    assert_eq!(told.size, 3 * PART + 777);
    assert_eq!((told.part_size, told.parts, told.routines), (PART, 4, 3));
    assert_eq!(told.memory, 3 * BUFFERS);
    assert_eq!(told.checkpoint, Some(scene.checkpoint()));
    assert_eq!(told.start, PlannedStart::Fresh);
    assert!(told.is_multipart() && !told.is_checkpoint_in_use);
    let shown = format!("{} bytes in 4 parts of {PART}, 3 at a time", told.size);
    assert!(told.to_string().starts_with(&shown), "{told}");

    let told = plan(&scene, &scene.upload().range(5..2 * PART + 6));
    assert_eq!((told.size, told.parts), (2 * PART + 1, 3));

    // One part, by a single PutObject.
    let chosen = scene.bucket.upload_file("k", &scene.file).routines(100);
    let told = plan(&scene, &chosen);
    assert_eq!((told.part_size, told.parts), (8 << 20, 1));
    assert_eq!((told.routines, told.memory), (1, BUFFERS));
    assert_eq!(told.checkpoint, None);
    assert!(
        !told.is_multipart() && told.to_string().contains("PutObject"),
        "{told}"
    );
}

/// What happens to an interrupted upload, and what then becomes of it.
type Difference = (
    &'static str,
    fn(&Scene),
    for<'a> fn(UploadFile<'a>) -> UploadFile<'a>,
    PlannedStart,
);

fn differences() -> Vec<Difference> {
    use PlannedStart::{Restart, Resume};
    use RestartReason::{
        CheckpointDamaged, FileChanged, OptionsChanged, PartSizeChanged, RangeChanged,
    };
    let resume = |reads_again| Resume {
        parts: 3,
        bytes: 3 * PART,
        reads_again,
    };
    vec![
        ("nothing", |_| {}, |upload| upload, resume(false)),
        (
            "the content is to be read",
            |_| {},
            |upload| upload.verify(Verify::Content),
            resume(true),
        ),
        #[cfg(unix)]
        (
            "the file was touched",
            |scene| {
                let bytes = fs::read(&scene.file).expect("the file");
                keeping_mtime(&scene.file, || {
                    fs::write(&scene.file, bytes).expect("written")
                });
            },
            |upload| upload,
            resume(true),
        ),
        (
            "the file was rewritten",
            Scene::rewrite,
            |upload| upload,
            Restart(FileChanged),
        ),
        (
            "another mtime, where any will do",
            |scene| set_mtime(&scene.file, SystemTime::UNIX_EPOCH),
            |upload| upload.identity(Identity::strict().any_mtime()),
            resume(true),
        ),
        (
            "another range",
            |_| {},
            |upload| upload.range(1..),
            Restart(RangeChanged),
        ),
        (
            "another part size",
            |_| {},
            |upload| upload.part_size(PART + 1),
            Restart(PartSizeChanged),
        ),
        (
            "one part",
            |_| {},
            |upload| upload.part_size(8 << 20),
            Restart(PartSizeChanged),
        ),
        (
            "other options",
            |_| {},
            |upload| upload.meta("owner", "alice"),
            Restart(OptionsChanged),
        ),
        (
            "damage",
            Scene::damage_checkpoint,
            |upload| upload,
            Restart(CheckpointDamaged),
        ),
        (
            "another's file",
            |scene| fs::write(scene.checkpoint(), "dear diary").expect("written"),
            |upload| upload,
            Restart(CheckpointDamaged),
        ),
    ]
}

#[test]
fn it_foresees_what_the_run_does_then() {
    for (name, happens, change, start) in differences() {
        let _case = Case(name);
        let scene = Scene::with_parts(5).interrupted_after(3);
        happens(&scene);
        let told = plan(&scene, &change(scene.upload()));
        assert_eq!(told.start, start);
        let uploaded = change(scene.upload()).run().expect("uploaded");
        let expected = match start {
            PlannedStart::Resume { parts, bytes, .. } => Outcome::Resumed { parts, bytes },
            PlannedStart::Restart(reason) => Outcome::Restarted(reason),
            _ => Outcome::Fresh,
        };
        assert_eq!(uploaded.outcome, expected);
        assert_eq!(uploaded.parts, told.parts);
    }
}

#[test]
fn a_checkpoint_of_another_target_is_no_start() {
    let scene = Scene::with_parts(3).interrupted_after(2);
    let other = scene.upload_to(&scene.bucket, "other");
    let told = plan(&scene, &other);
    let other_target = PlannedStart::Restart(RestartReason::OtherTarget);
    assert_eq!(told.start, other_target);
}

#[test]
fn it_refuses_what_a_run_refuses_before_its_first_request() {
    type Wrong = for<'a> fn(&'a Scene) -> UploadFile<'a>;
    let wrong: [(&str, Wrong, ErrorKind); 8] = [
        (
            "a part size",
            |s| s.upload().part_size(1),
            ErrorKind::Options,
        ),
        ("routines", |s| s.upload().routines(0), ErrorKind::Options),
        ("a key", |s| s.upload_to(&s.bucket, "/"), ErrorKind::Options),
        (
            "a header",
            |s| s.upload().header("host", "x"),
            ErrorKind::Options,
        ),
        (
            "the file itself",
            |s| s.upload().checkpoint(Checkpoint::at(&s.file)),
            ErrorKind::Options,
        ),
        (
            "no file",
            |s| s.bucket.upload_file("k", s.dir.path().join("none")),
            ErrorKind::Source,
        ),
        (
            "a folder as a checkpoint",
            |s| s.upload().checkpoint(Checkpoint::at(s.dir.path())),
            ErrorKind::Checkpoint,
        ),
        (
            "a checkpoint in no folder",
            |s| {
                let dir = s.dir.path().join("none");
                s.upload().checkpoint(Checkpoint::in_dir(dir))
            },
            ErrorKind::Checkpoint,
        ),
    ];
    for (name, upload, kind) in wrong {
        let _case = Case(name);
        let scene = Scene::with_parts(3);
        let planned = upload(&scene).plan().expect_err("refused");
        let ran = upload(&scene).run().expect_err("refused");
        assert_eq!((planned.kind(), ran.kind()), (kind, kind), "{planned}");
        if kind == ErrorKind::Options {
            assert_eq!(planned.to_string(), ran.to_string());
        }
        assert_eq!(scene.server.requests().len(), 0);
    }
}

#[test]
fn an_upload_under_way_is_seen() {
    let scene = Scene::with_parts(3);
    let told = while_at_part(&scene, 2, || scene.upload().plan());
    assert!(told.expect("a plan").is_checkpoint_in_use);
}

#[test]
fn a_checkpoint_can_be_found_wherever_it_is() {
    let scene = Scene::with_parts(3);
    let places = [
        Checkpoint::beside_file(),
        Checkpoint::at(scene.checkpoint()),
        Checkpoint::in_dir(scene.dir.path()),
    ];
    for place in places {
        let _case = Case(place.clone());
        let upload = || scene.upload_without_checkpoint().checkpoint(place.clone());
        let path = upload()
            .checkpoint_path()
            .expect("a path")
            .expect("asked for");
        assert!(!path.exists());
        let denied = Fault::deny().on(Operation::UploadPart).nth(2).times(1);
        let denied = scene.server.fault(denied);
        let error = upload().run().expect_err("the second part is refused");
        denied.remove();
        let info = Checkpoint::inspect(&path).expect("it is there");
        let id = info.upload.map(|upload| upload.upload_id);
        assert_eq!(id.as_deref(), error.upload_id());
        upload().run().expect("uploaded");
        assert!(!path.exists());
    }
    let none = scene.upload_without_checkpoint().checkpoint_path();
    assert_eq!(none.expect("a path"), None);
    let nowhere = scene.bucket.upload_file("k", "").checkpoint_path();
    assert_eq!(nowhere.expect_err("no path").kind(), ErrorKind::Source);
}
