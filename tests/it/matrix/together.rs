//! Row 10: two at once, on one checkpoint, one file or one key. The second is told at once, or both are whole.
//!
//! The second on one checkpoint is met in `process` and `defects` too, at one moment; here at all of them.

use crate::support::process::{Program, WATCHDOG};
use crate::support::{
    BUCKET, KEY, PART, Scene, bucket, client, meanwhile, random_bytes, seed, wait_reached,
};
use fastrand::Rng;
use oss_upload::local_server::{Fault, Gate, LocalServer, Operation};
use oss_upload::{Checkpoint, Error, ErrorKind, UploadFile, Uploaded};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

#[track_caller]
fn expect_busy(scene: &Scene, second: Result<Uploaded, Error>, case: &str) {
    let error = second.err();
    let error = error.unwrap_or_else(|| panic!("{case}: it is in use"));
    assert_eq!(error.kind(), ErrorKind::CheckpointBusy, "{case}: {error}");
    assert!(!error.is_resumable(), "{case}");
    // What is open belongs to the other.
    assert_eq!(error.upload_id(), None, "{case}");
    assert_eq!(error.path(), Some(&*scene.checkpoint()), "{case}");
}

/// Requests that wait with their work done, until this is dropped: a test that fails lets them go.
struct Held(Gate);

impl Held {
    fn at(server: &LocalServer, filter: impl FnOnce(Fault) -> Fault) -> Held {
        let (fault, gate) = Fault::hold();
        server.fault(filter(fault));
        Held(gate)
    }

    fn wait_reached(&self, n: u32) {
        wait_reached(&self.0, n);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// An upload that does not wait for the one that is held.
#[track_caller]
fn told_at_once(held: &Held, upload: UploadFile<'_>) -> Result<Uploaded, Error> {
    thread::scope(|scope| {
        let (sender, told) = mpsc::channel();
        scope.spawn(move || {
            let _ = sender.send(upload.run());
        });
        let told = told.recv_timeout(WATCHDOG);
        told.unwrap_or_else(|_| {
            held.0.open();
            panic!("it waits")
        })
    })
}

#[test]
fn in_every_phase_a_second_upload_on_one_checkpoint_is_told_at_once_and_sends_nothing() {
    use Operation::{
        CompleteMultipartUpload, InitiateMultipartUpload, ListParts, PutObject, UploadPart,
    };
    for (operation, n_parts, is_resumed) in [
        (InitiateMultipartUpload, 6, false),
        (UploadPart, 6, false),
        (CompleteMultipartUpload, 6, false),
        (ListParts, 6, true),
        (UploadPart, 6, true),
        (CompleteMultipartUpload, 6, true),
        (PutObject, 1, false),
    ] {
        for routines in [1, 4] {
            let case = format!("{operation:?}, resumed: {is_resumed}, {routines} routines");
            let mut scene = Scene::with_parts(n_parts);
            if is_resumed {
                scene.interrupt_after(2);
            }
            let second = std::mem::replace(
                &mut scene.bucket,
                bucket(client(&scene.server).user_agent("first")),
            );
            let held = Held::at(&scene.server, |fault| fault.on(operation));
            let run = || scene.upload().routines(routines).run();
            let first = meanwhile(run, || {
                let held = held;
                held.wait_reached(1);
                let upload = scene.upload_to(&second, KEY);
                expect_busy(&scene, told_at_once(&held, upload), &case);
                let words = ["another upload is using it"];
                scene.program().run().expect_error(1, &words);
            });
            let first = first.unwrap_or_else(|error| panic!("{case}: {error}"));
            scene.expect_done(&first);
            assert_eq!(first.retries, 0, "{case}");
            for request in scene.server.requests() {
                let agent = request.header("user-agent");
                let is_first = agent.is_some_and(|agent| agent.ends_with("first"));
                assert!(is_first, "{case}: {request:?}");
            }
        }
    }
}

/// However it is spelt.
#[test]
fn one_checkpoint_by_other_names_is_still_one_checkpoint() {
    let scene = Scene::with_parts(4);
    let dir = scene.dir.path();
    let mut names = vec![dir.join("./state.cp")];
    let held = Held::at(&scene.server, |fault| fault.on(Operation::UploadPart));
    let first = meanwhile(
        || scene.upload().run(),
        || {
            let held = held;
            held.wait_reached(1);
            let hard = dir.join("hard");
            fs::hard_link(scene.checkpoint(), &hard).expect("a link");
            names.push(hard);
            #[cfg(unix)]
            {
                let link = dir.join("link");
                std::os::unix::fs::symlink("state.cp", &link).expect("a link");
                names.push(link);
            }
            for name in names {
                let upload = scene.upload().checkpoint(Checkpoint::at(&name));
                let error = told_at_once(&held, upload).expect_err("it is in use");
                assert_eq!(error.kind(), ErrorKind::CheckpointBusy, "{error}");
            }
        },
    );
    scene.expect_done(&first.expect("uploaded"));
}

/// Seven of eight, while the eighth does not get anywhere: nobody waits for it.
#[test]
fn of_eight_threads_on_one_checkpoint_one_uploads_and_seven_are_told_at_once() {
    for routines in [1, 4] {
        let scene = Scene::with_parts(4);
        for round in 0..4 {
            let initiate = Operation::InitiateMultipartUpload;
            let held = Held::at(&scene.server, |fault| fault.on(initiate));
            let (sender, ends) = mpsc::channel();
            thread::scope(|scope| {
                let _held = held;
                for _ in 0..8 {
                    let (sender, scene) = (sender.clone(), &scene);
                    scope.spawn(move || {
                        let _ = sender.send(scene.upload().routines(routines).run());
                    });
                }
                for _ in 0..7 {
                    let end = ends.recv_timeout(WATCHDOG).expect("told at once");
                    expect_busy(&scene, end, &format!("round {round}"));
                }
            });
            scene.expect_done(&ends.recv().expect("the eighth").expect("uploaded"));
            scene.server.clear_faults();
            assert_eq!(scene.server.count(initiate), round + 1);
        }
    }
}

/// Lets threads try again when it is worth it: while an owner is about to delete its checkpoint.
#[derive(Default)]
struct Turnstile {
    is_open: Mutex<bool>,
    changed: Condvar,
}

impl Turnstile {
    fn set_open(&self, is_open: bool) {
        *self.is_open.lock().expect("no panic") = is_open;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().expect("no panic");
        let waited = (self.changed).wait_timeout_while(is_open, WATCHDOG, |is_open| !*is_open);
        let waited = waited.expect("no panic").1;
        assert!(!waited.timed_out(), "nobody gets to Complete");
    }
}

/// Opens the turnstile while an upload is completed, and tells of every one that begins how many others are open.
fn watch(scene: &Arc<Scene>, turnstile: &Arc<Turnstile>) -> Receiver<Option<usize>> {
    let (open, close) = (Arc::clone(turnstile), Arc::clone(turnstile));
    let completing = Fault::run(move |_| open.set_open(true));
    let completing = completing.on(Operation::CompleteMultipartUpload);
    scene.server.fault(completing);
    // Longer than somebody waits for a lock, so that some are refused, and some come just before it is deleted.
    let joining = Fault::latency(Duration::from_millis(30));
    let joining = joining.on(Operation::CompleteMultipartUpload);
    scene.server.fault(joining);
    let (sender, begun) = mpsc::channel();
    let weak = Arc::downgrade(scene);
    let beginning = Fault::run(move |_| {
        close.set_open(false);
        let others = weak.upgrade().map(|scene| scene.server.pending_uploads());
        let _ = sender.send(others.map(|others| others.len()));
    });
    let beginning = beginning.on(Operation::InitiateMultipartUpload);
    scene.server.fault(beginning);
    begun
}

/// Between opening a checkpoint and locking it its owner may delete it: whoever then believed to hold it would go on
/// with what it told, or upload beside the next one, who creates it anew.
#[test]
fn threads_that_race_for_a_checkpoint_never_believe_a_deleted_one() {
    const UPLOADS: usize = 25;
    let mut random = Rng::with_seed(seed());
    let scene = Arc::new(Scene::with_parts(2));
    let turnstile = Arc::new(Turnstile::default());
    turnstile.set_open(true);
    let begun = watch(&scene, &turnstile);
    let (done, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let race = |mut random: Rng| {
        while done.load(Ordering::SeqCst) < UPLOADS {
            turnstile.pass();
            (0..random.u32(0..1000)).for_each(|_| std::hint::spin_loop());
            let counter = match scene.upload().run() {
                Ok(_) => &done,
                Err(error) if error.kind() == ErrorKind::CheckpointBusy => &refused,
                Err(error) => panic!("{error}"),
            };
            counter.fetch_add(1, Ordering::SeqCst);
        }
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            let (race, random) = (&race, random.fork());
            scope.spawn(move || race(random));
        }
    });
    let (done, refused) = (done.into_inner(), refused.into_inner());
    println!("{done} uploads, {refused} refusals");
    let others: Vec<_> = begun.try_iter().collect();
    assert_eq!(others.len(), done, "some believed a deleted one");
    // The checkpoint is locked from before Initiate until after Complete.
    assert_eq!(others, vec![Some(0); done], "begun beside another");
    assert!(refused > 0, "nobody raced");
    scene.expect_object(0);
}

/// Two files of the same length, with a place for their checkpoints.
struct Rivals {
    scene: Scene,
    other: PathBuf,
}

impl Rivals {
    fn with_parts(n_parts: u16) -> Rivals {
        let scene = Scene::with_parts(n_parts);
        let other = scene.dir.path().join("other.bin");
        let len = fs::metadata(&scene.file).expect("the file").len();
        fs::write(&other, random_bytes(len, 2)).expect("written");
        Rivals { scene, other }
    }

    fn upload(&self, file: &Path, place: Place, routines: usize) -> Result<Uploaded, Error> {
        let upload = self.scene.bucket.upload_file(KEY, file).part_size(PART);
        let checkpoint = match place {
            Place::Beside => Checkpoint::beside_file(),
            Place::InDir => Checkpoint::in_dir(self.scene.dir.path()),
        };
        upload.checkpoint(checkpoint).routines(routines).run()
    }

    /// The object is this file, whole, and nothing else is left of the two uploads.
    #[track_caller]
    fn expect_object(&self, file: &Path, case: &str) {
        let object = self.scene.server.object(BUCKET, KEY).expect("an object");
        let bytes = fs::read(file).expect("the file");
        assert!(object.bytes().expect("readable") == bytes, "{case}");
        assert_eq!(self.scene.server.pending_uploads(), [], "{case}");
        let left = fs::read_dir(self.scene.dir.path()).expect("a folder");
        assert_eq!(left.count(), 2, "{case}: more than the two files is left");
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Beside,
    InDir,
}

#[test]
fn two_files_sent_to_one_key_at_the_same_time_end_in_one_of_them_whole() {
    for place in [Place::Beside, Place::InDir] {
        for (n_parts, routines, operation) in [
            (1, 1, Operation::PutObject),
            (6, 1, Operation::UploadPart),
            (6, 4, Operation::UploadPart),
        ] {
            let case = format!("{place:?}, {n_parts} parts, {routines} routines");
            let rivals = Rivals::with_parts(n_parts);
            let held = Held::at(&rivals.scene.server, |fault| fault.on(operation));
            let (one, other) = thread::scope(|scope| {
                let rivals = &rivals;
                let run = |file: &'_ Path| rivals.upload(file, place, routines);
                let one = scope.spawn(move || run(&rivals.scene.file));
                let other = scope.spawn(move || run(&rivals.other));
                // All routines of both are in the middle of it.
                held.wait_reached(2 * u32::try_from(routines).expect("few"));
                drop(held);
                (one.join(), other.join())
            });
            let [one, other] = [one, other].map(|ended| ended.expect("no panic").expect(&case));
            assert_eq!((one.retries, other.retries), (0, 0), "{case}");
            let object = rivals.scene.server.object(BUCKET, KEY).expect("an object");
            let is_one = object.etag == one.etag;
            assert!(is_one || object.etag == other.etag, "{case}");
            let whose = [&rivals.other, &rivals.scene.file][usize::from(is_one)];
            rivals.expect_object(whose, &case);
        }
    }
}

/// A request that waits before anything is done about it.
struct Waiting {
    reached: Receiver<()>,
    release: Sender<()>,
}

impl Waiting {
    fn at_first(server: &LocalServer, operation: Operation) -> Waiting {
        let (arrive, reached) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let released = Mutex::new(released);
        let hook = Fault::run(move |_| {
            let _ = arrive.send(());
            let _ = released.lock().expect("one").recv_timeout(WATCHDOG);
        });
        server.fault(hook.on(operation).nth(1).times(1));
        Waiting { reached, release }
    }
}

#[test]
fn of_two_files_for_one_key_the_last_to_complete_is_the_object_and_both_know_their_own() {
    for routines in [1, 4] {
        let case = format!("{routines} routines");
        let rivals = Rivals::with_parts(6);
        let server = &rivals.scene.server;
        let complete = Waiting::at_first(server, Operation::CompleteMultipartUpload);
        let late = || rivals.upload(&rivals.scene.file, Place::InDir, routines);
        let late = meanwhile(late, || {
            complete.reached.recv_timeout(WATCHDOG).expect("it comes");
            let early = rivals.upload(&rivals.other, Place::InDir, routines);
            let early = early.expect("uploaded");
            let object = server.object(BUCKET, KEY).expect("an object");
            assert_eq!(object.etag, early.etag, "{case}");
            complete.release.send(()).expect("it waits");
        });
        let late = late.expect("uploaded");
        let object = server.object(BUCKET, KEY).expect("an object");
        assert_eq!((object.etag, object.crc64), (late.etag, late.crc64));
        rivals.expect_object(&rivals.scene.file, &case);
    }
}

/// Who must not overwrite fails, says so, and keeps what it has sent until the key is free.
#[test]
fn of_two_files_for_one_key_that_may_not_be_overwritten_the_second_fails_clearly() {
    let rivals = Rivals::with_parts(6);
    let server = &rivals.scene.server;
    let upload = |file: &Path| {
        let upload = rivals.scene.bucket.upload_file(KEY, file).part_size(PART);
        let upload = upload.header("x-oss-forbid-overwrite", "true");
        let place = Checkpoint::in_dir(rivals.scene.dir.path());
        upload.checkpoint(place).run()
    };
    let complete = Waiting::at_first(server, Operation::CompleteMultipartUpload);
    let late = meanwhile(
        || upload(&rivals.scene.file),
        || {
            complete.reached.recv_timeout(WATCHDOG).expect("it comes");
            upload(&rivals.other).expect("uploaded");
            complete.release.send(()).expect("it waits");
        },
    );
    let error = late.expect_err("the other was there first");
    let code = error.service_error().map(|error| error.code());
    assert_eq!(code, Some("FileAlreadyExists"), "{error}");
    assert!(error.is_resumable());
    let [pending] = &server.pending_uploads()[..] else {
        panic!("its parts are kept")
    };
    assert_eq!(error.upload_id(), Some(&*pending.upload_id));
    let object = server.object(BUCKET, KEY).expect("an object");
    let other = fs::read(&rivals.other).expect("the file");
    assert!(object.bytes().expect("readable") == other);

    assert!(server.remove_object(BUCKET, KEY));
    let uploaded = upload(&rivals.scene.file).expect("the key is free");
    assert_eq!((uploaded.bytes_sent, uploaded.parts_resumed()), (0, 6));
    rivals.expect_object(&rivals.scene.file, "then");
}

#[test]
fn two_processes_send_two_files_to_one_key_and_the_object_is_one_of_them_whole() {
    for routines in [1_u32, 4] {
        let case = format!("{routines} routines");
        let rivals = Rivals::with_parts(6);
        let server = &rivals.scene.server;
        let held = Held::at(server, |fault| fault.on(Operation::UploadPart));
        let start = |file: &Path| {
            let program = Program::upload(server, file, KEY);
            program
                .args(["--part-size", &PART.to_string(), "--checkpoint-beside"])
                .args(["--routines", &routines.to_string()])
                .args(["--progress", "none", "--json"])
                .start()
        };
        let both = [start(&rivals.scene.file), start(&rivals.other)];
        held.wait_reached(2 * routines);
        drop(held);
        let etags = both.map(|running| running.wait().json()["etag"].to_string());
        let object = server.object(BUCKET, KEY).expect("an object");
        let is_one = etags[0].trim_matches('"') == object.etag;
        let whose = [&rivals.other, &rivals.scene.file][usize::from(is_one)];
        rivals.expect_object(whose, &case);
    }
}

/// What `defects` shows of threads.
#[test]
fn two_processes_send_one_file_to_two_keys_with_two_checkpoints_and_not_with_one() {
    for routines in ["1", "4"] {
        let scene = Scene::with_parts(6);
        let program = |key, place: &[&str]| {
            Program::upload(&scene.server, &scene.file, key)
                .args(["--part-size", &PART.to_string(), "--routines", routines])
                .args(["--progress", "none", "--json"])
                .args(place)
        };
        let dir = scene.dir.path().display().to_string();
        for (place, is_shared) in [
            (&["--checkpoint-dir", &*dir][..], false),
            (&["--checkpoint-beside"], true),
        ] {
            let parts = |fault: Fault| fault.on(Operation::UploadPart).key(KEY);
            let held = Held::at(&scene.server, parts);
            let first = program(KEY, place).start();
            held.wait_reached(1);
            let second = program("second", place).run();
            drop(held);
            first.wait().expect_code(0);
            scene.expect_object(0);
            match is_shared {
                true => drop(second.expect_error(1, &["another upload is using it"])),
                false => assert_eq!(second.json()["parts_resumed"], 0),
            }
            let copy = scene.server.object(BUCKET, "second");
            assert_eq!(copy.is_some(), !is_shared);
            if let Some(copy) = copy {
                let file = fs::read(&scene.file).expect("the file");
                assert!(copy.bytes().expect("readable") == file);
            }
            scene.server.remove_object(BUCKET, "second");
            scene.server.clear_faults();
        }
    }
}

/// A lock ends with its run, and with the process that holds it, whatever else they have started.
#[cfg(unix)]
mod heirs {
    use super::*;
    use crate::defects::child;
    use crate::support::process::{Halt, Moment};
    use std::io::Write;
    use std::process::{Child, Command, Stdio};

    /// A process that lives as long as somebody may write to its standard input.
    fn heir(stdin: Stdio) -> Child {
        let mut heir = Command::new("cat");
        heir.stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        heir.spawn().expect("`cat` can be run")
    }

    #[test]
    fn a_child_that_was_started_meanwhile_does_not_keep_the_lock_of_a_run_that_ended() {
        for fails in [true, false] {
            let scene = Scene::with_parts(4);
            if fails {
                scene.once(Fault::deny(), Operation::UploadPart);
            }
            let mut child = None;
            let upload = scene.upload().on_progress(|_| {
                child.get_or_insert_with(|| heir(Stdio::piped()));
            });
            assert_eq!(upload.run().is_err(), fails);
            let mut child = child.expect("started");
            scene.expect_done(&scene.upload().run().expect("the lock is free"));
            assert_eq!(child.try_wait().expect("asked"), None, "it was alive");
            // Without a writer it ends.
            drop(child.stdin.take());
            child.wait().expect("ended");
        }
    }

    #[test]
    fn a_child_of_a_killed_process_does_not_keep_its_lock() {
        let test = "a_child_of_a_killed_process_does_not_keep_its_lock";
        if child::is_here() {
            let mut child = None;
            let start = || {
                child.get_or_insert_with(|| heir(Stdio::inherit()));
            };
            panic!("not killed: {:?}", child::upload_seen_by(start));
        }
        let scene = Scene::with_parts(4);
        let halt = Halt::at(&scene.server, Moment::Done, |fault| {
            fault.on(Operation::UploadPart).nth(2).times(1)
        });
        let mut command = child::command(&scene, module_path!(), test);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut owner = command.spawn().expect("started");
        let mut stdin = owner.stdin.take().expect("a pipe");
        halt.wait();
        owner.kill().expect("it can be killed");
        owner.wait().expect("dead");
        halt.lift(&scene.server);

        let uploaded = scene.upload().run().expect("the lock is free");
        scene.expect_resumed(&uploaded, 2);
        stdin
            .write_all(b"x")
            .expect("the heir was there to read it");
    }
}
