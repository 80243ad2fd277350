//! Programs as users write them: a cron job, a window, a function that is called again, a service, a log shipper, and one that
//! lets others have the line by day.

use super::{example, expect_stored, unsigned};
use crate::support::process::Program;
use crate::support::{BUCKET, Scene};
use oss_upload::local_server::{Fault, Operation};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

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
    stuck.remove();
    let second = cron_job(&scene, "9").run().expect_code(0);
    assert!(second.stdout.starts_with("resumed: "), "{second:?}");
    expect_stored(&scene, "backup/db.dump");
    let denied = scene.server.fault(Fault::deny());
    let third = cron_job(&scene, "9").run().expect_code(1);
    assert!(third.stderr.contains("AccessDenied"), "{third:?}");
    denied.remove();
    cron_job(&scene, "soon").run().expect_code(2);
}

#[test]
fn a_cron_job_that_still_runs_is_left_alone() {
    let scene = Scene::with_len(17 * MIB);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).times(1));
    let running = cron_job(&scene, "9").start();
    gate.wait_reached(1);
    let second = cron_job(&scene, "9").run().expect_code(0);
    assert!(second.stdout.starts_with("still running: "), "{second:?}");
    gate.open();
    running.wait().expect_code(0);
    expect_stored(&scene, "backup/db.dump");
}

#[test]
fn the_buttons_of_a_window_steer_its_upload() {
    let scene = Scene::with_len(17 * MIB);
    let (hold, gate) = Fault::hold();
    scene.server.fault(hold.on(Operation::UploadPart).times(1));
    let mut window = example("window", &scene).arg(&scene.file).into_command();
    let window = window.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut window = window.stderr(Stdio::null()).spawn().expect("started");
    let mut buttons = window.stdin.take().expect("a pipe");
    let shown = BufReader::new(window.stdout.take().expect("a pipe"));
    let mut shown = shown.lines().map(|line| line.expect("text"));
    gate.wait_reached(1);
    writeln!(buttons, "pause\nminimize\nresume\ncancel").expect("pressed");
    let answered = shown.any(|line| line == "there is no button `minimize`");
    assert!(answered);
    gate.open();
    assert!(!window.wait().expect("ended").success(), "it was cancelled");
    let again = example("window", &scene)
        .arg(&scene.file)
        .run()
        .expect_code(0);
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
fn a_service_takes_files_from_its_queue_and_credentials_from_its_vault() {
    let scene = Scene::with_len(3);
    scene.server.set_security_token(Some("token-of-this-hour"));
    let vault = scene.dir.path().join("vault");
    fs::write(&vault, "local-id\nlocal-secret\ntoken-of-this-hour\n").expect("written");
    let service = unsigned("service", &scene)
        .arg(&vault)
        .arg(scene.dir.path());
    let mut service = service.into_command();
    let service = service.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut service = service.stderr(Stdio::piped()).spawn().expect("started");
    let mut queue = service.stdin.take().expect("a pipe");
    let names = ["a.bin", "b.bin", "c.bin", "d.bin"];
    for name in names {
        let file = scene.dir.path().join(name);
        fs::copy(&scene.file, &file).expect("copied");
        writeln!(queue, "{}", file.display()).expect("queued");
    }
    writeln!(queue, "{}", scene.dir.path().join("missing").display()).expect("queued");
    drop(queue);
    let ended = service.wait_with_output().expect("ended");
    let (out, err) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{err}");
    for name in names {
        assert!(out.contains(&format!("incoming/{name}: uploaded")), "{out}");
        assert!(
            scene
                .server
                .object(BUCKET, &format!("incoming/{name}"))
                .is_some()
        );
    }
    assert!(err.lines().count() == 1 && err.contains("missing"), "{err}");
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
    }
    let denied = scene.server.fault(Fault::deny().key("logs/web-1/b.log.gz"));
    let ran = ship(&scene, &[&a, &b]).run().expect_code(1);
    assert_eq!(ran.stdout, "logs/web-1/a.log.gz: shipped\n");
    assert!(!a.exists() && b.exists());
    denied.remove();
    scene.server.fault(Fault::no_crc());
    let ran = ship(&scene, &[&b]).run().expect_code(0);
    assert!(ran.stderr.contains("nobody confirmed"), "{ran:?}");
    assert!(b.exists());
    let object = scene
        .server
        .object(BUCKET, "logs/web-1/b.log.gz")
        .expect("shipped");
    let header = |name: &str| object.headers.get(name).map(String::as_str);
    assert_eq!(header("content-encoding"), Some("gzip"));
    assert_eq!(header("x-oss-meta-host"), Some("web-1"));
}

/// Hours of no length at all: whatever time of day it is, the upload goes on.
#[test]
fn by_night_and_by_day_it_gets_through() {
    let scene = Scene::with_len(9 * MIB);
    let program = example("night_and_day", &scene).arg(&scene.file);
    let ran = program.arg("0.02").run().expect_code(0);
    assert_eq!(ran.stdout, "uploaded\n");
    expect_stored(&scene, "archive.tar");
}
