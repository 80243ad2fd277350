//! What the README and the guide show, run as a reader would: their commands on the local server, their programs as examples.

use crate::examples::{LATEST, example, expect_stored};
use crate::support::process::Program;
use crate::support::{BUCKET, PART, Scene};
use oss_upload::local_server::{Fault, Operation};
use std::fs;
use std::path::Path;

const README: &str = include_str!("../../README.md");

/// Where else commands are shown.
const PAGES: [&str; 9] = [
    include_str!("../../src/guide/first_upload.md"),
    include_str!("../../src/guide/resuming.md"),
    include_str!("../../src/guide/credentials.md"),
    include_str!("../../src/guide/errors.md"),
    include_str!("../../src/guide/tuning.md"),
    include_str!("../../src/guide/testing.md"),
    include_str!("../../src/guide/cleaning_up.md"),
    include_str!("../../src/guide/unattended.md"),
    include_str!("../../src/guide/moving.md"),
];

/// The blocks of a page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    let after = page.split(&begin).skip(1);
    after
        .map(|rest| rest.split("```").next().expect("a block"))
        .collect()
}

/// The code of an example, without what stands above it about it.
fn code_of(example: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{example}.rs"));
    fs::read_to_string(path).expect("an example")
}

/// What is compared is the code, not how wide the page is.
fn without_space(code: &str) -> String {
    let code: String = code.split_whitespace().collect();
    code.replace(",)", ")")
}

#[test]
fn the_readme_s_programs_are_examples() {
    let blocks = blocks(README, "rust,no_run");
    let [embed, many_files] = &blocks[..] else {
        panic!("{} programs", blocks.len())
    };
    let whole = without_space(&code_of("embed"));
    assert!(whole.ends_with(&without_space(embed)), "{embed}");
    let (_, upload) = many_files.split_once("\n\n").expect("imports first");
    let whole = without_space(&code_of("many_files"));
    assert!(whole.contains(&without_space(upload)), "{upload}");
}

#[test]
fn the_readme_s_program_uploads_and_continues_where_it_was_cut_off() {
    let scene = Scene::with_len(9 << 20);
    let latest = scene.dir.path().join("latest.tar");
    fs::copy(&scene.file, &latest).expect("copied");
    let run = || example("embed", &scene).in_folder(scene.dir.path()).run();
    let denied = Fault::deny().on(Operation::CompleteMultipartUpload);
    let denied = scene.server.fault(denied);
    let cut_off = run().expect_code(1);
    assert!(cut_off.stderr.contains("AccessDenied"), "{cut_off:?}");
    denied.remove();
    let ended = run().expect_code(0);
    expect_stored(&scene, LATEST);
    let said = "resumed: 2 parts, 9437184 bytes, were there already, 9437184 bytes, CRC-64 ";
    assert!(ended.stdout.starts_with(said), "{ended:?}");
}

/// The commands that are shown, without their comments.
fn commands() -> Vec<&'static str> {
    let pages = PAGES.into_iter().chain([README]);
    let lines = pages
        .flat_map(|page| blocks(page, "sh"))
        .flat_map(str::lines);
    let bare = lines.map(|line| line.split(" #").next().unwrap_or_default().trim());
    bare.filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_command_that_is_shown_does_what_it_is_shown_for() {
    for command in commands() {
        if let Some(run) = command.strip_prefix("cargo run --release --example ") {
            let mut words = run.split_whitespace().filter(|word| *word != "--");
            let name = words.next().expect("an example");
            run_example(name, &words.collect::<Vec<_>>());
        } else {
            let is_known = ["cargo test --all-features", "export OSS_"];
            let is_known = is_known.iter().any(|begin| command.starts_with(begin));
            assert!(is_known, "no test runs `{command}`");
        }
    }
}

/// Runs it in a folder with an upload that was cut off, and with the words of the page filled in.
fn run_example(name: &str, words: &[&str]) {
    let scene = Scene::with_parts(3);
    if name != "upload" {
        scene.interrupt_after(1);
    }
    let fill_in = |word: &&str| match *word {
        "FILE" => scene.file.display().to_string(),
        "FILE.cp" => scene.checkpoint().display().to_string(),
        word => word
            .replace("oss://BUCKET/PREFIX", &format!("oss://{BUCKET}/dir/"))
            .replace("oss://BUCKET", &format!("oss://{BUCKET}")),
    };
    let words: Vec<String> = words.iter().map(fill_in).collect();
    let ended = example(name, &scene).args(&words).run().expect_code(0);
    match (name, words.first().map(String::as_str)) {
        ("demo", None) => assert!(ended.stdout.contains("Done: "), "{ended:?}"),
        ("upload", _) => drop(expect_stored(&scene, "KEY")),
        ("checkpoint", Some("inspect")) => {
            assert!(ended.stdout.contains("1 of 3 parts"), "{ended:?}");
        }
        ("checkpoint", Some("abandon")) => {
            assert_eq!(scene.server.pending_uploads(), []);
            assert!(!scene.checkpoint().exists());
        }
        ("pending", _) => {
            let upload_id = scene.upload_id();
            assert!(ended.stdout.contains(&upload_id), "{ended:?}");
            assert!(scene.bytes_stored(&upload_id) >= PART);
        }
        _ => panic!("no test knows what `{name}` is shown for"),
    }
}

/// The examples that the pages name are there.
#[test]
fn every_example_that_is_named_exists() {
    let (_, named) = README.split_once("One example a topic").expect("the list");
    let (named, _) = named.split_once("They run against").expect("its end");
    let names: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        drop(Program::example(name));
    }
}
