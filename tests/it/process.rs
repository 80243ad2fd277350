//! The example `upload`, as scripts and people see it: killed, interrupted, misused, and what it prints.

mod checkpoint;
mod connection;
mod object;
mod several;
mod transfer;
mod usage;

use crate::support::process::{Halt, Moment, Program, Ran, WATCHDOG};
use crate::support::{BUCKET, KEY, PART, Scene, random_bytes, seed};
use oss_upload::ErrorKind;
use oss_upload::local_server::{Fault, LocalServer, Operation};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Parts of a scene that is killed.
const PARTS: u16 = 6;

/// What the server knows of an upload whose process is dead.
#[derive(Clone, Copy, Debug)]
struct Remains {
    parts: u64,
    bytes: u64,
}

fn remains(scene: &Scene) -> Remains {
    let pending = scene.server.pending_uploads();
    let parts = || pending.iter().flat_map(|upload| &upload.parts);
    Remains {
        parts: parts().count() as u64,
        bytes: parts().map(|part| part.size).sum(),
    }
}

fn number(json: &Value, field: &str) -> u64 {
    let value = &json[field];
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{field} is {value}"))
}

fn file_len(scene: &Scene) -> u64 {
    fs::metadata(&scene.file).expect("the file").len()
}

/// Starts the program and kills it at a request.
fn kill_at(
    scene: &Scene,
    program: Program,
    moment: Moment,
    filter: impl Fn(Fault) -> Fault,
) -> Remains {
    let halt = Halt::at(&scene.server, moment, filter);
    let running = program.start();
    halt.wait();
    let killed = running.kill();
    assert_ne!(killed.code, Some(0), "it was killed: {killed:?}");
    let remains = remains(scene);
    halt.lift(&scene.server);
    scene.server.forget_requests();
    remains
}

/// The next run sends what the server does not have, and no more.
#[track_caller]
fn expect_resumed(scene: &Scene, program: Program, remains: Remains) -> Ran {
    let ran = program.run();
    let json = ran.json();
    let missing = file_len(scene) - remains.bytes;
    assert!(number(&json, "bytes_sent") <= missing, "{remains:?} {json}");
    assert!(
        number(&json, "parts_resumed") >= remains.parts,
        "{remains:?} {json}"
    );
    assert_eq!(number(&json, "restarts"), 0, "{json}");
    scene.expect_object(0);
    ran
}

fn nth(operation: Operation, n: u32) -> impl Fn(Fault) -> Fault {
    move |fault| fault.on(operation).nth(n).times(1)
}

#[test]
fn killed_at_any_part_it_continues_with_what_is_missing() {
    for routines in ["1", "4"] {
        for moment in [Moment::Lost, Moment::Done] {
            for part in 1..=u32::from(PARTS) {
                let scene = Scene::with_parts(PARTS);
                let program = || scene.program().args(["--routines", routines]);
                let at = nth(Operation::UploadPart, part);
                let remains = kill_at(&scene, program(), moment, at);
                if routines == "1" {
                    let done = u64::from(part - u32::from(moment == Moment::Lost));
                    assert_eq!(remains.parts, done, "{moment:?} {part}");
                }
                expect_resumed(&scene, program(), remains);
                let initiated = scene.server.count(Operation::InitiateMultipartUpload);
                assert_eq!(initiated, 0, "{routines} {moment:?} {part}");
            }
        }
    }
}

/// Where ListParts is forbidden, only the record counts.
#[test]
fn killed_it_has_recorded_what_was_acknowledged() {
    for routines in [1, 4] {
        for part in [3, 5, 8, 10] {
            let scene = Scene::with_parts(10);
            // The server takes its time, which leaves some to the thread that records.
            let slow = Fault::latency(Duration::from_millis(30)).on(Operation::UploadPart);
            scene.server.fault(slow);
            scene.server.fault(Fault::deny().on(Operation::ListParts));
            let halt = Halt::at(
                &scene.server,
                Moment::Lost,
                nth(Operation::UploadPart, part),
            );
            let program = || {
                scene
                    .program()
                    .args(["--routines", &u64::to_string(&routines)])
            };
            let running = program().start();
            halt.wait();
            let log = scene.server.requests().into_iter();
            let acknowledged =
                log.filter(|r| r.operation == Operation::UploadPart && r.status == Some(200));
            let acknowledged = acknowledged.count() as u64;
            running.kill();
            halt.lift(&scene.server);
            scene.server.fault(Fault::deny().on(Operation::ListParts));
            let json = program().run().json();
            let resumed = number(&json, "parts_resumed");
            assert!(
                resumed + routines >= acknowledged,
                "{acknowledged} acknowledged, {json}"
            );
            scene.expect_object(0);
        }
    }
}

/// The one thing a kill can leave behind: an upload whose id nobody ever heard.
#[test]
fn killed_before_it_knows_the_upload_s_id_it_starts_anew() {
    for moment in [Moment::Lost, Moment::Done] {
        let scene = Scene::with_parts(3);
        let at = nth(Operation::InitiateMultipartUpload, 1);
        kill_at(&scene, scene.program(), moment, at);
        let json = scene.program().run().json();
        assert_eq!(number(&json, "bytes_sent"), file_len(&scene));
        assert_eq!(number(&json, "parts_resumed"), 0);
        let orphans = usize::from(moment == Moment::Done);
        scene.expect_object(orphans);
    }
}

#[test]
fn killed_while_complete_is_pending_it_sends_no_part_again() {
    for routines in ["1", "4"] {
        for moment in [Moment::Lost, Moment::Done] {
            let scene = Scene::with_parts(4);
            let program = || scene.program().args(["--routines", routines]);
            let at = nth(Operation::CompleteMultipartUpload, 1);
            kill_at(&scene, program(), moment, at);
            let json = program().run().json();
            assert_eq!(number(&json, "bytes_sent"), 0, "{json}");
            assert_eq!(scene.parts_sent(), [0; 0]);
            scene.expect_object(0);
        }
    }
}

#[test]
fn killed_while_it_asks_for_parts_it_has_lost_nothing() {
    for moment in [Moment::Lost, Moment::Done] {
        let scene = Scene::with_parts(PARTS);
        let first = nth(Operation::UploadPart, 4);
        kill_at(&scene, scene.program(), Moment::Lost, first);
        let second = nth(Operation::ListParts, 1);
        let remains = kill_at(&scene, scene.program(), moment, second);
        assert_eq!(remains.parts, 3);
        expect_resumed(&scene, scene.program(), remains);
    }
}

#[test]
fn killed_again_and_again_it_still_gets_there() {
    for kills in [2, 3] {
        for routines in ["1", "4"] {
            let scene = Scene::with_parts(24);
            let program = || scene.program().args(["--routines", routines]);
            let mut last = Remains { parts: 0, bytes: 0 };
            for _ in 0..kills {
                // From the second part that a run sends: every run gets somewhere, and not all the way.
                let at = |fault: Fault| fault.on(Operation::UploadPart).nth(2);
                let remains = kill_at(&scene, program(), Moment::Done, at);
                assert!(remains.parts > last.parts, "{remains:?}");
                last = remains;
            }
            expect_resumed(&scene, program(), last);
        }
    }
}

#[test]
fn killed_at_any_moment_the_object_is_right_in_the_end() {
    let mut random = fastrand::Rng::with_seed(seed());
    for _ in 0..20 {
        let n_parts = random.u16(2..=12);
        let routines = random.u16(1..=6);
        // Initiate, the parts, Complete.
        let request = random.u32(1..=u32::from(n_parts) + 2);
        let moment = match random.bool() {
            true => Moment::Lost,
            false => Moment::Done,
        };
        println!("{n_parts} parts, {routines} routines, {moment:?} at request {request}");
        let scene = Scene::with_parts(n_parts);
        let program = || scene.program().args(["--routines", &routines.to_string()]);
        let remains = kill_at(&scene, program(), moment, |fault| {
            fault.nth(request).times(1)
        });
        if request == 1 {
            program().run().expect_code(0);
            scene.expect_object(usize::from(moment == Moment::Done));
        } else if scene.server.object(BUCKET, KEY).is_some() {
            assert_eq!(number(&program().run().json(), "bytes_sent"), 0);
            scene.expect_object(0);
        } else {
            expect_resumed(&scene, program(), remains);
        }
    }
}

#[test]
fn a_second_process_on_the_same_checkpoint_is_refused_and_the_first_goes_on() {
    let scene = Scene::with_parts(4);
    let (release, held) = mpsc::channel::<()>();
    let (sender, arrived) = mpsc::channel();
    let held = std::sync::Mutex::new(held);
    let hook = Fault::run(move |_| {
        let _ = sender.send(());
        let _ = held.lock().expect("one request").recv_timeout(WATCHDOG);
    });
    scene
        .server
        .fault(hook.on(Operation::UploadPart).nth(2).times(1));
    let first = scene.program().start();
    arrived.recv_timeout(WATCHDOG).expect("part 2 arrives");

    let requests = scene.server.requests().len();
    let path = scene.checkpoint().display().to_string();
    let words = [&*path, "another upload is using it"];
    scene.program().run().expect_error(1, &words);
    assert_eq!(
        scene.server.requests().len(),
        requests,
        "the second sent something"
    );

    release.send(()).expect("the hook waits");
    let json = first.wait().json();
    assert_eq!(number(&json, "bytes_sent"), file_len(&scene));
    assert_eq!(scene.server.count(Operation::InitiateMultipartUpload), 1);
    scene.expect_object(0);
}

#[test]
fn a_second_thread_on_the_same_checkpoint_is_refused_and_the_first_goes_on() {
    let scene = Scene::with_parts(4);
    let halt = Halt::at(&scene.server, Moment::Done, nth(Operation::UploadPart, 2));
    thread::scope(|scope| {
        let first = scope.spawn(|| scene.upload().run());
        halt.wait();
        let error = scene.upload().run().expect_err("it is taken");
        assert_eq!(error.kind(), ErrorKind::CheckpointBusy);
        assert_eq!(error.path(), Some(&*scene.checkpoint()));
        assert!(!error.is_resumable());
        halt.lift(&scene.server);
        let uploaded = first.join().expect("no panic").expect("uploaded");
        assert_eq!(uploaded.retries, 0);
        scene.expect_done(&uploaded);
    });
}

/// SIGINT, which Windows does not know.
#[cfg(unix)]
mod interrupted {
    use super::*;
    use crate::support::process::Running;
    use std::time::Instant;

    /// Interrupts a program that has reached what `halt` waits for.
    fn interrupt(running: Running) -> Ran {
        running.interrupt();
        running.wait()
    }

    #[test]
    fn it_says_how_to_go_on_and_does() {
        for routines in ["1", "4"] {
            let scene = Scene::with_parts(PARTS);
            let program = || scene.program().args(["--routines", routines]);
            let halt = Halt::at(&scene.server, Moment::Done, nth(Operation::UploadPart, 3));
            let running = program().start();
            halt.wait();
            let words = ["cancelled", "run it again to continue"];
            interrupt(running).expect_error(130, &words);
            assert!(scene.checkpoint().exists());
            let remains = remains(&scene);
            assert!(remains.parts >= 3);
            halt.lift(&scene.server);
            scene.server.forget_requests();
            expect_resumed(&scene, program(), remains);
        }
    }

    #[test]
    fn without_a_checkpoint_nothing_is_left() {
        let scene = Scene::with_parts(4);
        let halt = Halt::at(&scene.server, Moment::Lost, nth(Operation::UploadPart, 3));
        let running = scene.program_without_checkpoint().start();
        halt.wait();
        let ran = interrupt(running).expect_error(130, &["cancelled"]);
        assert!(!ran.stderr.contains("to continue"), "{ran:?}");
        assert_eq!(scene.server.pending_uploads(), []);
    }

    #[test]
    fn it_ends_though_the_server_hangs() {
        for operation in [
            Operation::InitiateMultipartUpload,
            Operation::UploadPart,
            Operation::CompleteMultipartUpload,
        ] {
            for program in [Scene::program, Scene::program_without_checkpoint] {
                let scene = Scene::with_parts(3);
                let halt = Halt::at(&scene.server, Moment::Lost, nth(operation, 1));
                // Not even Abort is answered.
                let abort = Operation::AbortMultipartUpload;
                scene.server.fault(Fault::no_answer().on(abort));
                let running = program(&scene).start();
                halt.wait();
                interrupt(running).expect_error(130, &["cancelled"]);
            }
        }
    }

    #[test]
    fn while_it_asks_for_parts_it_keeps_the_checkpoint() {
        let scene = Scene::with_parts(4).interrupted_after(2);
        let halt = Halt::at(&scene.server, Moment::Lost, nth(Operation::ListParts, 1));
        let running = scene.program().start();
        halt.wait();
        interrupt(running).expect_error(130, &["run it again"]);
        let remains = remains(&scene);
        assert_eq!(remains.parts, 2);
        halt.lift(&scene.server);
        expect_resumed(&scene, scene.program(), remains);
    }

    /// Waits for the server to have noted that many requests.
    fn wait_for_requests(server: &LocalServer, n: usize) {
        let started = Instant::now();
        while server.requests().len() < n {
            assert!(started.elapsed() < WATCHDOG, "they never came");
            thread::yield_now();
        }
    }

    #[test]
    fn it_ends_though_the_server_takes_no_more_bytes() {
        for routines in ["1", "4"] {
            let server = LocalServer::builder().receive_buffer(8192).start();
            let scene = Scene::on(server.expect("a port"), 40 << 20);
            let wall = Fault::stop_reading_after(100_000).on(Operation::UploadPart);
            scene.server.fault(wall);
            let program = scene.program().args(["--routines", routines]);
            let running = program.args(["--part-size", "8MiB"]).start();
            // Initiate, and one part that ran into the wall.
            wait_for_requests(&scene.server, 2);
            interrupt(running).expect_error(130, &["run it again"]);
            assert!(scene.checkpoint().exists());
        }
    }
}

/// What `--json` prints, and the type of each: a script may count on it.
#[test]
fn json_is_one_line_with_these_fields_and_types() {
    let is_string: fn(&Value) -> bool = Value::is_string;
    let is_number: fn(&Value) -> bool = Value::is_u64;
    let is_nothing: fn(&Value) -> bool = Value::is_null;
    for (len, upload_id) in [(3 * PART + 1, is_string), (10, is_nothing), (0, is_nothing)] {
        let scene = Scene::with_len(len);
        let ran = scene.program().run();
        let json = ran.json();
        let fields = [
            ("bucket", is_string),
            ("key", is_string),
            ("size", is_number),
            ("etag", is_string),
            ("crc64", is_string),
            ("upload_id", upload_id),
            ("parts", is_number),
            ("parts_resumed", is_number),
            ("bytes_sent", is_number),
            ("retries", is_number),
            ("restarts", is_number),
            ("elapsed_ms", is_number),
            ("file", is_string),
            ("version_id", is_nothing),
            ("callback_response", is_nothing),
            ("left_behind", Value::is_array),
        ];
        let object = json.as_object().expect("an object");
        let mut expected: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        let mut found: Vec<&str> = object.keys().map(String::as_str).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
        // A reader sees what matters first.
        let mut after = 0;
        for (name, _) in fields {
            let at = ran.stdout.find(&format!("\"{name}\":"));
            assert!(at >= Some(after), "{name}: {ran:#?}");
            after = at.expect("it is there");
        }
        for (name, is_right) in fields {
            assert!(is_right(&json[name]), "{name}: {json}");
        }
        let stored = scene.server.object(BUCKET, KEY).expect("an object");
        assert_eq!(json["bucket"], BUCKET);
        assert_eq!(json["key"], KEY);
        assert_eq!(json["crc64"], stored.crc64.to_string());
        assert_eq!(json["etag"], stored.etag.trim_matches('"'));
        assert_eq!(json["size"], len);
        assert_eq!(json["bytes_sent"], len);
        assert_eq!(json["parts"], len.div_ceil(PART).max(1));
        assert_eq!(ran.stderr, "");
        scene.expect_object(0);
    }
}

#[test]
fn plain_progress_goes_to_standard_error_and_the_summary_to_standard_output() {
    let scene = Scene::with_parts(4);
    let program = || Program::upload(&scene.server, &scene.file, KEY);
    let size = PART.to_string();
    let plain = ["--part-size", &size, "--progress", "plain"];
    let ran = program().args(plain).arg("--json").run();
    ran.json();
    for phase in ["preparing", "sending", "completing", "done"] {
        assert!(
            ran.stderr.lines().any(|line| line.starts_with(phase)),
            "{ran:#?}"
        );
    }
    let ran = program().args(plain).run().expect_code(0);
    assert!(
        ran.stdout
            .starts_with(&format!("oss://{BUCKET}/{KEY}: uploaded\n")),
        "{ran:#?}"
    );
    // Where nobody looks on, `auto` is `plain`.
    let ran = program().arg("--json").run();
    assert!(ran.stderr.contains("done"), "{ran:#?}");
    let ran = program().args(["--progress", "none", "--json"]).run();
    assert_eq!(ran.stderr, "");
    let ran = program().args(["--progress", "bar", "--json"]).run();
    ran.json();
}

#[test]
fn parts_too_small_for_the_file_name_the_smallest_size_that_works() {
    let scene = Scene::with_len(0);
    let file = fs::File::options().write(true).open(&scene.file);
    // Sparse: 10,000 parts and one byte.
    file.and_then(|file| file.set_len(10_000 * PART + 1))
        .expect("a long file");
    let ran = scene.program().run();
    ran.expect_error(2, &["102400", "smallest part size that works is 102401"]);
    assert_eq!(scene.server.requests().len(), 0);
    assert!(!scene.checkpoint().exists());
}

#[test]
fn without_credentials_the_missing_variable_is_named_and_nothing_is_sent() {
    for len in [0, 3 * PART] {
        for name in ["OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"] {
            let scene = Scene::with_len(len);
            let ran = scene.program().without_env(name).run();
            ran.expect_error(1, &[name, "not set"]);
            let ran = scene.program().env(name, "").run();
            ran.expect_error(1, &[name, "not set"]);
            assert_eq!(scene.server.requests().len(), 0);
            assert!(!scene.checkpoint().exists());
        }
    }
}

#[test]
fn a_wrong_secret_is_asked_once_and_never_shown() {
    const SECRET: &str = "Sup3rS3cretNobodyMayS33";
    const TOKEN: &str = "T0kenNobodyMayS33";
    for len in [10, 3 * PART] {
        for signature in ["v1", "v4"] {
            for token in [None, Some(TOKEN)] {
                let mut server = LocalServer::builder();
                if let Some(token) = token {
                    server = server.security_token(token);
                }
                let scene = Scene::on(server.start().expect("a port"), len);
                let mut program = scene
                    .program()
                    .credentials("local-id", SECRET)
                    .args(["--signature", signature, "--progress", "plain"])
                    .env("RUST_LOG", "trace");
                if let Some(token) = token {
                    program = program.env("OSS_SESSION_TOKEN", token);
                }
                let ran = program.run().expect_error(1, &["SignatureDoesNotMatch"]);
                for secret in [SECRET, TOKEN] {
                    assert!(!ran.stderr.contains(secret), "{ran:#?}");
                }
                assert_eq!(scene.server.requests().len(), 1, "{len} {signature}");
                assert!(!scene.checkpoint().exists());
            }
        }
    }
}

#[test]
fn both_signatures_and_temporary_credentials_are_understood() {
    for signature in ["v1", "v4"] {
        for len in [10, 3 * PART] {
            let server = LocalServer::builder()
                .security_token("sts+token/==")
                .start();
            let scene = Scene::on(server.expect("a port"), len);
            let program = || scene.program().args(["--signature", signature]);
            program()
                .env("OSS_SESSION_TOKEN", "sts+token/==")
                .run()
                .expect_code(0);
            scene.expect_object(0);
            let without = program().run();
            without.expect_error(1, &["InvalidAccessKeyId"]);
        }
    }
}

#[test]
fn metadata_and_headers_land_on_the_object() {
    for len in [10, 3 * PART] {
        let scene = Scene::with_len(len);
        let ran = scene
            .program()
            .args(["--meta", "owner=alice", "--meta", "note=a = b, c"])
            .args(["--header", "Content-Type: text/plain; charset=utf-8"])
            .args(["--header", "Cache-Control:no-cache"])
            .args(["--header", "x-oss-object-acl: private"])
            .run();
        ran.expect_code(0);
        let object = scene.server.object(BUCKET, KEY).expect("an object");
        for (name, value) in [
            ("x-oss-meta-owner", "alice"),
            ("x-oss-meta-note", "a = b, c"),
            ("content-type", "text/plain; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("x-oss-object-acl", "private"),
        ] {
            let found = object.headers.get(name).map(String::as_str);
            assert_eq!(found, Some(value), "{name}, {len} bytes");
        }
    }
}

/// Files in a folder, sorted.
fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        name.to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn a_checkpoint_may_lie_in_a_folder_or_beside_the_file() {
    let scene = Scene::with_parts(4);
    let states = scene.dir.path().join("states");
    fs::create_dir(&states).expect("a folder");
    let states_argument = states.display().to_string();
    let fail = || {
        let fatal = Fault::deny().on(Operation::UploadPart).nth(3).times(1);
        scene.server.fault(fatal)
    };
    for (arguments, dir) in [
        (&["--checkpoint-dir", &*states_argument][..], &*states),
        (&["--checkpoint-beside"], scene.dir.path()),
    ] {
        let program = || scene.program_without_checkpoint().args(arguments);
        let before = names_in(dir);
        let denied = fail();
        program()
            .run()
            .expect_error(1, &["AccessDenied", "part 3", "run it again"]);
        denied.remove();
        let kept = names_in(dir);
        assert_eq!(kept.len(), before.len() + 1, "{kept:?}");
        if arguments.len() == 1 {
            assert!(kept.contains(&"file.bin.cp".to_owned()), "{kept:?}");
        }
        let json = program().run().json();
        assert_eq!(number(&json, "parts_resumed"), 2);
        assert_eq!(names_in(dir), before);
        scene.expect_object(0);
    }
}

#[test]
fn no_proxy_is_asked_for_a_server_on_this_machine() {
    let scene = Scene::with_len(1);
    // Nobody listens there: a request that went that way would fail.
    let nowhere = "http://127.0.0.1:1";
    let program = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"]
        .into_iter()
        .fold(scene.program(), |program, name| program.env(name, nowhere));
    program.run().expect_code(0);
}

#[test]
fn endpoint_and_region_may_come_from_the_environment() {
    let scene = Scene::with_parts(3);
    let program = || {
        let size = PART.to_string();
        Program::bare()
            .credentials("local-id", "local-secret")
            .arg(&scene.file)
            .arg(format!("oss://{BUCKET}/{KEY}"))
            .args(["--part-size", &size, "--json", "--progress", "none"])
    };
    let endpoint = scene.server.endpoint();
    let ran = program()
        .env("OSS_ENDPOINT", &endpoint)
        .env("OSS_REGION", "cn-hangzhou")
        .run();
    ran.expect_code(0);
    scene.expect_object(0);
    // What is given wins.
    let ran = program()
        .env("OSS_ENDPOINT", "http://127.0.0.1:1")
        .env("OSS_REGION", "cn-beijing")
        .args(["--endpoint", &endpoint, "--region", "cn-hangzhou"])
        .run();
    ran.expect_code(0);
    // Version 4 needs the region, and an IP address does not tell it; version 1 does not.
    let ran = program().env("OSS_ENDPOINT", &endpoint).run();
    ran.expect_error(2, &["region"]);
    let ran = program()
        .args(["--signature", "v1", "--endpoint", &endpoint])
        .run();
    ran.expect_code(0);
}

#[test]
fn keys_of_all_sorts_arrive_as_they_were_written() {
    let scene = Scene::with_parts(2);
    for key in [
        "with space",
        " lead and trail ",
        "a+b",
        "100%",
        "%41",
        "what?",
        "c#",
        "a=b&c",
        "dir/",
        "a//b",
        "a/../b",
        "-dash",
        "中文/文件.txt",
        "emoji-🦀",
        "quote'\"",
    ] {
        for signature in ["v1", "v4"] {
            let program = Program::upload(&scene.server, &scene.file, key);
            let size = PART.to_string();
            let ran = program
                .args(["--part-size", &size, "--signature", signature])
                .args(["--progress", "none", "--json"])
                .run();
            assert_eq!(ran.json()["key"], key);
            assert!(
                scene.server.remove_object(BUCKET, key),
                "{key:?} {signature}"
            );
        }
    }
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let scene = Scene::with_parts(2);
    let program = |file: &Path| {
        let program = Program::upload(&scene.server, file, KEY);
        program.arg("--checkpoint").arg(scene.checkpoint())
    };
    let expect_refused = |file: &Path, word: &str| {
        let path = file.display().to_string();
        program(file).run().expect_error(1, &[&path, word]);
    };
    expect_refused(scene.dir.path(), "folder");
    expect_refused(&scene.dir.path().join("missing"), "opening");
    #[cfg(unix)]
    {
        expect_refused(Path::new("/dev/null"), "device");
        let fifo = scene.dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.expect("`mkfifo` can be run").success());
        expect_refused(&fifo, "pipe");
        let dangling = scene.dir.path().join("dangling");
        std::os::unix::fs::symlink("nowhere", &dangling).expect("a link");
        expect_refused(&dangling, "opening");
    }
    assert_eq!(scene.server.requests().len(), 0);
    assert!(!scene.checkpoint().exists());
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_followed() {
    let scene = Scene::with_parts(3);
    let link = scene.dir.path().join("link");
    std::os::unix::fs::symlink(&scene.file, &link).expect("a link");
    let program = Program::upload(&scene.server, &link, KEY);
    let size = PART.to_string();
    program.args(["--part-size", &size]).run().expect_code(0);
    scene.expect_object(0);
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_an_error_before_any_request() {
    let scene = Scene::with_parts(3);
    let refused = |option: &str, path: &Path, code: i32| {
        let program = scene.program_without_checkpoint().arg(option).arg(path);
        let path = path.display().to_string();
        program.run().expect_error(code, &["checkpoint", &path]);
    };
    let dir = scene.dir.path();
    refused("--checkpoint", &dir.join("no/such/folder/x.cp"), 1);
    refused("--checkpoint-dir", &dir.join("no/such/folder"), 1);
    // Something below a file, and a folder itself.
    refused("--checkpoint", &scene.file.join("x.cp"), 1);
    refused("--checkpoint", dir, 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let locked = dir.join("locked");
        fs::create_dir(&locked).expect("a folder");
        let closed = fs::Permissions::from_mode(0o555);
        fs::set_permissions(&locked, closed).expect("changed");
        // Root writes everywhere.
        if fs::write(locked.join("probe"), "").is_err() {
            refused("--checkpoint", &locked.join("x.cp"), 1);
            refused("--checkpoint-dir", &locked, 1);
        }
    }
    assert_eq!(scene.server.requests().len(), 0);
}

/// `--checkpoint FILE`, by any of its names.
#[test]
fn the_file_itself_is_not_taken_as_its_checkpoint() {
    let scene = Scene::with_parts(3);
    let dir = scene.dir.path();
    let mut names = vec![scene.file.clone(), dir.join("./file.bin")];
    let hard = dir.join("hard");
    fs::hard_link(&scene.file, &hard).expect("a link");
    names.push(hard);
    #[cfg(unix)]
    {
        let link = dir.join("link");
        std::os::unix::fs::symlink(&scene.file, &link).expect("a link");
        names.push(link);
    }
    let len = file_len(&scene);
    let files = names_in(dir);
    for name in names {
        let program = scene.program_without_checkpoint();
        let ran = program.arg("--checkpoint").arg(&name).run();
        ran.expect_error(2, &[&name.display().to_string(), "very file"]);
        let bytes = fs::read(&scene.file).expect("the file");
        assert!(bytes == random_bytes(len, 1), "the file was touched");
        assert_eq!(names_in(dir), files);
    }
    assert_eq!(scene.server.requests().len(), 0);
}

/// What a process records, a thread may continue, and the other way round.
#[test]
fn program_and_library_continue_each_other_s_uploads() {
    let scene = Scene::with_parts(PARTS);
    let at = nth(Operation::UploadPart, 3);
    kill_at(&scene, scene.program(), Moment::Done, at);
    let uploaded = scene.upload().run().expect("resumed");
    scene.expect_resumed(&uploaded, 3);
    scene.interrupt_after(2);
    let json = scene.program().run().json();
    assert_eq!(number(&json, "parts_resumed"), 2);
    scene.expect_object(0);
}
