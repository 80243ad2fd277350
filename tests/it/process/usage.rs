//! The command line's help, and what is said of mistakes.

use super::names_in;
use crate::support::process::Program;
use crate::support::{Case, KEY, Scene};
use std::collections::BTreeSet;

/// All that there is, `--help` apart.
const OPTIONS: [&str; 56] = [
    "--acl",
    "--any-mtime",
    "--ca-file",
    "--cache-control",
    "--callback-body",
    "--callback-json",
    "--callback-url",
    "--callback-var",
    "--checkpoint",
    "--checkpoint-beside",
    "--checkpoint-dir",
    "--client-cert",
    "--client-key",
    "--cname",
    "--content-disposition",
    "--content-encoding",
    "--content-language",
    "--content-md5",
    "--content-type",
    "--credentials",
    "--deadline",
    "--endpoint",
    "--expires",
    "--find",
    "--forbid-overwrite",
    "--header",
    "--host-header",
    "--ignore",
    "--into",
    "--ipv4",
    "--ipv6",
    "--json",
    "--meta",
    "--mtime-within",
    "--network",
    "--no-proxy",
    "--on-change",
    "--part-size",
    "--path-style",
    "--plan",
    "--progress",
    "--proxy",
    "--query",
    "--range",
    "--rate-limit",
    "--region",
    "--request-payer",
    "--routines",
    "--signature",
    "--sse",
    "--stall-timeout",
    "--stop-at-first-error",
    "--storage-class",
    "--tag",
    "--traffic-limit",
    "--verify",
];

#[test]
fn help_fits_on_a_screen_and_names_every_option() {
    for flag in ["--help", "-h"] {
        let ran = Program::bare().arg(flag).run().expect_code(0);
        assert_eq!(ran.stderr, "");
        assert!(ran.stdout.lines().count() <= 48, "{ran:#?}");
        for line in ran.stdout.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        let words = ran
            .stdout
            .split(|c: char| c != '-' && !c.is_ascii_alphanumeric());
        let named: BTreeSet<&str> = words.filter(|word| word.starts_with("--")).collect();
        assert_eq!(named, BTreeSet::from(OPTIONS));
        for word in [
            "OSS_ACCESS_KEY_ID",
            "OSS_ACCESS_KEY_SECRET",
            "OSS_SESSION_TOKEN",
            "OSS_ENDPOINT",
            "OSS_REGION",
            "130",
        ] {
            assert!(ran.stdout.contains(word), "{word} is missing");
        }
    }
}

#[test]
fn every_option_of_the_help_is_one() {
    for option in OPTIONS {
        let ran = Program::bare().arg(option).run().expect_code(2);
        let taken = ["name a FILE", "missing argument"];
        assert!(
            taken.iter().any(|words| ran.stderr.contains(words)),
            "{option}: {ran:#?}"
        );
    }
}

#[test]
fn a_mistyped_option_is_answered_with_the_one_that_was_meant() {
    for (typed, meant) in [
        ("--regoin", "--region?"),
        ("--routine", "--routines?"),
        ("--checkpoints-dir", "--checkpoint-dir?"),
        ("--contenttype", "--content-type?"),
    ] {
        let ran = Program::bare().arg(typed).run();
        ran.expect_error(2, &[typed, meant]);
    }
    let ran = Program::bare().arg("--frobnicate").run();
    let ran = ran.expect_error(2, &["there is no option --frobnicate"]);
    assert!(!ran.stderr.contains('?'), "{ran:#?}");
}

/// Options that are wrong, and what the message must name.
const MISUSES: [(&[&str], &str); 84] = [
    (&["--frobnicate"], "--frobnicate"),
    (&["-x"], "-x"),
    (&["another", "file"], "FILE"),
    (&["--into"], "dir/object.bin/"),
    (&["--json=yes"], "--json"),
    (&["--plan=yes"], "--plan"),
    (&["--progress", "loud"], "auto, bar, plain or none"),
    // How.
    (&["--part-size"], "--part-size"),
    (&["--part-size", "many"], "--part-size"),
    (&["--part-size", "-1"], "--part-size"),
    (&["--part-size", "0"], "part"),
    (&["--part-size", "102399"], "102399"),
    (&["--part-size", "6GiB"], "part"),
    (&["--routines", "few"], "--routines"),
    (&["--routines", "-1"], "--routines"),
    (&["--routines", "0"], "routines"),
    (&["--routines", "101"], "101"),
    (&["--verify", "luck"], "--verify"),
    (&["--on-change", "cry"], "--on-change"),
    (&["--checkpoint"], "--checkpoint"),
    (&["--checkpoint", "a"], "--checkpoint-beside"),
    (&["--rate-limit", "fast"], "--rate-limit"),
    (&["--rate-limit", "1023"], "1024"),
    (&["--rate-limit", "1023", "--plan"], "1024"),
    (&["--deadline", "soon"], "--deadline"),
    (&["--deadline", "-5"], "--deadline"),
    (&["--deadline", "nan"], "--deadline"),
    (&["--deadline", "0"], "deadline"),
    (&["--range", "5"], "START..END"),
    (&["--range", "a..b"], "START..END"),
    (&["--range", "9..3"], "9..3"),
    (&["--range", "0..1TiB"], "not inside"),
    (&["--ignore", "ctime,mtime"], "mtime"),
    (&["--mtime-within", "a bit"], "--mtime-within"),
    (&["--find", "--tag", "a=b"], "tag"),
    // Where.
    (&["--signature", "v2"], "v1 or v4"),
    (&["--endpoint", "ftp://host"], "ftp"),
    (&["--endpoint", "http://host/path"], "/path"),
    (&["--region", "Hang Zhou"], "Hang Zhou"),
    (&["--network", "lan"], "dual-stack, accelerate or"),
    (&["--network", "public"], "--endpoint and --network"),
    (&["--cname", "--path-style"], "--path-style and --cname"),
    (&["--host-header", "a b"], "Host"),
    (&["--proxy", "socks5://host:1"], "http"),
    (
        &["--proxy", "http://h:1", "--no-proxy"],
        "--proxy and --no-proxy",
    ),
    (&["--ca-file", "/no/such.pem"], "/no/such.pem"),
    (&["--client-cert", "x"], "--client-key"),
    (&["--client-key", "x"], "--client-cert"),
    (&["--ipv4", "--ipv6"], "--ipv4 and --ipv6"),
    (&["--ipv6"], "other family"),
    (&["--stall-timeout", "ages"], "--stall-timeout"),
    (&["--stall-timeout", "0"], "time-out"),
    // Who.
    (&["--credentials", "luck"], "profile[:NAME]"),
    (&["--credentials", "profile:"], "--credentials"),
    (&["--credentials", "process"], "process:COMMAND"),
    (&["--credentials", "process: "], "command"),
    (&["--credentials", "env:x"], "env"),
    (&["--credentials", "ecs:no/role"], "role"),
    (&["--credentials", "ecs:role@nowhere"], "http"),
    (&["--credentials", "uri:nowhere"], "http"),
    // The object.
    (&["--meta", "novalue"], "--meta"),
    (&["--meta", "a_b=1"], "a_b"),
    (&["--header", "novalue"], "--header"),
    (&["--header", "Host: elsewhere"], "host"),
    (&["--query", "novalue"], "--query"),
    (&["--query", "uploadId=1"], "uploadId"),
    (&["--tag", "novalue"], "--tag"),
    (&["--tag", "a=!"], "tag"),
    (
        &["--content-type", "a", "--header", "content-type:b"],
        "content-type",
    ),
    (&["--cache-control", "a\u{7}b"], "cache-control"),
    (&["--acl", "everyone"], "public-read or public-read-write"),
    (&["--storage-class", "cool"], "deep-cold-archive"),
    (&["--sse", "rot13"], "aes256"),
    (&["--sse", "aes256:key"], "kms:KEY"),
    (&["--sse", "kms:a key"], "key"),
    (&["--traffic-limit", "fast"], "819200"),
    (&["--traffic-limit", "1"], "819"),
    (&["--traffic-limit", "9999999999"], "838860800"),
    (&["--callback-url", "http://h"], "--callback-body"),
    (&["--callback-body", "x"], "--callback-url"),
    (&["--callback-var", "a=b"], "--callback-url"),
    (
        &["--callback-body", "x", "--callback-json", "{}"],
        "--callback-body and --callback-json",
    ),
    (
        &["--callback-url", "ftp://h", "--callback-body", "x"],
        "http://",
    ),
    (
        &["--callback-url", "http://h", "--callback-json", "{"],
        "JSON",
    ),
];

#[test]
fn a_wrong_option_is_named_and_nothing_is_sent() {
    let scene = Scene::with_parts(3);
    for (arguments, named) in MISUSES {
        let _case = Case(arguments);
        let program = Program::upload(&scene.server, &scene.file, KEY);
        let program = program.arg("--checkpoint-beside").args(arguments);
        program.run().expect_error(2, &[named, "upload --help"]);
    }
    for target in [
        "examplebucket/key",
        "oss://examplebucket",
        "oss://examplebucket/",
    ] {
        let program = Program::bare().args(["file", target]);
        program.run().expect_error(2, &[target]);
    }
    for target in ["oss://Bad_Bucket/key", "oss://examplebucket//key"] {
        let program = Program::bare().credentials("id", "secret").arg(&scene.file);
        let to = [
            "--endpoint",
            &scene.server.endpoint(),
            "--region",
            "cn-hangzhou",
        ];
        let named = target.trim_start_matches("oss://").split('/').next();
        let ran = program.arg(target).args(to).run();
        ran.expect_error(2, &[named.expect("a bucket")]);
    }
    let nowhere = || {
        let program = Program::bare().credentials("id", "secret").arg(&scene.file);
        program.arg("oss://examplebucket/key")
    };
    nowhere().run().expect_error(2, &["--endpoint", "--region"]);
    let ran = nowhere().args(["--network", "internal"]).run();
    ran.expect_error(2, &["--network", "--region"]);
    assert_eq!(scene.server.requests().len(), 0);
    assert_eq!(names_in(scene.dir.path()), ["file.bin"]);
}

/// What stands there instead of a source may be a key.
#[test]
fn what_is_given_as_credentials_is_not_repeated() {
    let ran = Program::bare().args(["--credentials", "LTAI:s3cr3t"]).run();
    let ran = ran.expect_error(2, &["process:COMMAND"]);
    assert!(!ran.stderr.contains("s3cr3t"), "{ran:#?}");
}
