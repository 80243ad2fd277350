//! Programs as users write them: a cron job, a window, a function that is called again, a service, a log shipper, and one that
//! lets others have the line by day.

use super::{example, expect_stored, unsigned};
use crate::support::process::Program;
use crate::support::{BUCKET, Scene, wait_reached};
use oss_upload::local_server::{Fault, Operation};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

const MIB: u64 = 1 << 20;

fn cron_job(scene: &Scene, minutes: &str) -> Program {
    let program = example("cron_job", scene).arg(&scene.file);
    program.arg(scene.dir.path()).arg(minutes)
}

#[test]
fn a_cron_job_is_continued_the_next_night_and_calls_nobody_for_that() {
    let scene = Scene::with_len(17 * MIB);
    // The second part is stored; nothing is said of the third until the night is over.
    let stuck = Fault::no_answer().on(Operation::UploadPart).part(3);
    let stuck = scene.server.fault(stuck);
    let first = cron_job(&scene, "0.08").run().expect_code(0);
    assert!(first.stdout.starts_with("to be continued: "), "{first:?}");
    // A night in which nothing gets through.
    let second = cron_job(&scene, "0.02").run().expect_code(1);
    assert!(second.stderr.starts_with("failed: "), "{second:?}");
    stuck.remove();
    let third = cron_job(&scene, "9").run().expect_code(0);
    assert!(third.stdout.starts_with("resumed: "), "{third:?}");
    expect_stored(&scene, "backup/db.dump");
}

#[test]
fn a_cron_job_that_the_next_night_will_not_help_calls_somebody() {
    let scene = Scene::with_len(17 * MIB);
    let denied = Fault::deny().on(Operation::CompleteMultipartUpload);
    scene.server.fault(denied);
    let ran = cron_job(&scene, "9").run().expect_code(1);
    let words = ["failed: ", "AccessDenied", "run it again to continue"];
    assert!(words.iter().all(|w| ran.stderr.contains(w)), "{ran:?}");
}

#[test]
fn a_cron_job_that_still_runs_is_left_alone() {
    let scene = Scene::with_len(17 * MIB);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).times(1));
    let running = cron_job(&scene, "9").start();
    wait_reached(&gate, 1);
    let second = cron_job(&scene, "9").run().expect_code(0);
    assert!(second.stdout.starts_with("still running: "), "{second:?}");
    gate.open();
    running.wait().expect_code(0);
    expect_stored(&scene, "backup/db.dump");
}

#[test]
fn the_buttons_of_a_window_steer_its_upload() {
    let scene = Scene::with_len(17 * MIB);
    let window = || example("window", &scene).arg(&scene.file);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).times(1));
    let mut first = window().talk();
    wait_reached(&gate, 1);
    first.say("pause\nminimize\nresume\ncancel");
    while first.hear() != "there is no button `minimize`" {}
    gate.open();
    let cancelled = first.wait().expect_code(1);
    assert!(cancelled.stderr.contains("Cancelled"), "{cancelled:?}");
    let again = window().run().expect_code(0);
    assert!(
        again.stdout.contains("sending ") && again.stdout.contains("done 100 %"),
        "{again:?}"
    );
    expect_stored(&scene, "videos/holiday.mov");
}

#[test]
fn a_function_goes_on_where_the_last_invocation_ended_without_its_disk() {
    let scene = Scene::with_len(17 * MIB);
    let invoke = |seconds: &str| {
        let own_disk = tempfile::tempdir().expect("a temp folder");
        let function = example("function", &scene).arg(&scene.file).arg(seconds);
        let disk = own_disk.path().to_str().expect("text");
        function
            .env("TMPDIR", disk)
            .env("TMP", disk)
            .run()
            .expect_code(0)
    };
    let stuck = Fault::no_answer().on(Operation::UploadPart).part(3);
    let stuck = scene.server.fault(stuck);
    let first = invoke("5");
    assert!(first.stdout.starts_with("call again: "), "{first:?}");
    stuck.remove();
    let second = invoke("60");
    assert_eq!(
        second.stdout,
        format!("done, {MIB} bytes by this invocation\n")
    );
    expect_stored(&scene, "archive/2026.tar");
}

#[test]
fn a_service_takes_files_from_its_queue_and_a_new_token_from_its_vault() {
    let scene = Scene::with_len(3);
    let vault = scene.dir.path().join("vault");
    let issue = |token: &str| {
        fs::write(&vault, format!("local-id\nlocal-secret\n{token}\n")).expect("written");
        scene.server.set_security_token(Some(token));
    };
    issue("of-the-first-hour");
    let service = unsigned("service", &scene).arg(&vault);
    let mut service = service.arg(scene.dir.path()).talk();
    let mut upload = |name: &str| {
        let file = scene.dir.path().join(name);
        fs::copy(&scene.file, &file).expect("copied");
        service.say(&file.display().to_string());
        let key = format!("incoming/{name}");
        assert_eq!(service.hear(), format!("{key}: uploaded"));
        expect_stored(&scene, &key);
    };
    upload("a.bin");
    upload("b.bin");
    issue("of-the-second-hour");
    upload("c.bin");
    service.say(&scene.dir.path().join("missing").display().to_string());
    service.hang_up();
    let ended = service.wait().expect_code(0);
    let complaints = &ended.stderr;
    assert!(
        complaints.lines().count() == 1 && complaints.contains("missing"),
        "{complaints}"
    );
    let refused = |status: &Option<u16>| *status == Some(403);
    let requests = scene.server.requests();
    let n_refused = requests.iter().filter(|r| refused(&r.status)).count();
    assert_eq!(n_refused, 1, "the old token, once");
}

fn ship(scene: &Scene, logs: &[&Path]) -> Program {
    example("log_shipper", scene).arg("web-1").args(logs)
}

#[test]
fn a_log_is_deleted_once_it_is_confirmed_and_not_before() {
    let scene = Scene::with_len(3);
    let [a, b] = ["a.log.gz", "b.log.gz"].map(|name| scene.dir.path().join(name));
    for log in [&a, &b] {
        fs::copy(&scene.file, log).expect("copied");
        let log = File::options().write(true).open(log).expect("opened");
        log.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400))
            .expect("set");
    }
    let key_of_b = "logs/web-1/86400-b.log.gz";
    let denied = scene.server.fault(Fault::deny().key(key_of_b));
    let ran = ship(&scene, &[&a, &b]).run().expect_code(1);
    assert_eq!(ran.stdout, "logs/web-1/86400-a.log.gz: shipped\n");
    assert!(!a.exists() && b.exists());
    denied.remove();
    let unconfirmed = scene.server.fault(Fault::no_crc());
    let ran = ship(&scene, &[&b]).run().expect_code(0);
    assert!(ran.stderr.contains("nobody confirmed"), "{ran:?}");
    assert!(b.exists());
    unconfirmed.remove();
    // As after a machine that died before it was deleted.
    ship(&scene, &[&b]).run().expect_code(0);
    assert!(!b.exists());
    let object = scene.server.object(BUCKET, key_of_b).expect("shipped");
    let header = |name: &str| object.headers.get(name).map(String::as_str);
    assert_eq!(header("content-encoding"), Some("gzip"));
    assert_eq!(header("x-oss-meta-host"), Some("web-1"));
}

fn all_day(scene: &Scene, opens: &str, closes: &str) -> Program {
    let program = example("night_and_day", scene).arg(&scene.file);
    program.arg(opens).arg(closes)
}

#[test]
fn by_night_parts_go_up_at_the_same_time() {
    let scene = Scene::with_len(17 * MIB);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart));
    let running = all_day(&scene, "0", "0").start();
    wait_reached(&gate, 3);
    gate.open();
    assert_eq!(running.wait().expect_code(0).stdout, "uploaded\n");
    expect_stored(&scene, "archive.tar");
}

#[test]
fn by_day_one_part_goes_up_after_the_other() {
    let scene = Scene::with_len(17 * MIB);
    let ran = all_day(&scene, "0", "24").run().expect_code(0);
    assert_eq!(ran.stdout, "uploaded\n");
    expect_stored(&scene, "archive.tar");
    let parts = scene.server.requests().into_iter();
    let parts = parts.filter(|request| request.operation == Operation::UploadPart);
    let connections: BTreeSet<u64> = parts.map(|request| request.connection).collect();
    assert_eq!(connections.len(), 1);
}
