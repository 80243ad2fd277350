//! What the example `upload` prints of them, every line.

use super::Named;
use crate::support::process::Program;
use crate::support::tls::{Authority, TlsServer};
use crate::support::{BUCKET, Case, Scene};
use oss_upload::local_server::{ACCESS_KEY_ID, ACCESS_KEY_SECRET, Fault, Operation};
use std::fs;
use std::net::SocketAddr;

/// One run of the program that fails.
struct Row {
    name: &'static str,
    run: fn(&Scene) -> Program,
    code: i32,
    stderr: &'static str,
}

fn denied_at_part_2(scene: &Scene) {
    let denied = Fault::deny().message("You have no right to access this object.");
    scene.server.fault(denied.on(Operation::UploadPart).part(2));
}

const ROWS: &[Row] = &[
    Row {
        name: "a part is denied",
        run: |scene| {
            denied_at_part_2(scene);
            scene.program()
        },
        code: 1,
        stderr: "error: uploading part 2 of `/DIR/file.bin` to oss://examplebucket/dir/object.bin: OSS \
               answered 403 AccessDenied: You have no right to access this object [request id ID]; see \
               that oss:PutObject is granted, and no policy denies it; what was sent is kept: run it \
               again to continue\n",
    },
    Row {
        name: "a part is denied, and nothing is kept",
        run: |scene| {
            denied_at_part_2(scene);
            scene.program_without_checkpoint()
        },
        code: 1,
        stderr: "error: uploading part 2 of `/DIR/file.bin` to oss://examplebucket/dir/object.bin: OSS \
               answered 403 AccessDenied: You have no right to access this object [request id ID]; see \
               that oss:PutObject is granted, and no policy denies it\n\
               With --checkpoint-beside, the parts that have been sent would be kept.\n",
    },
    Row {
        name: "nothing is kept, nor taken away",
        run: |scene| {
            denied_at_part_2(scene);
            scene
                .server
                .fault(Fault::deny().on(Operation::AbortMultipartUpload));
            scene.program_without_checkpoint()
        },
        code: 1,
        stderr: "error: uploading part 2 of `/DIR/file.bin` to oss://examplebucket/dir/object.bin: OSS \
               answered 403 AccessDenied: You have no right to access this object [request id ID]; see \
               that oss:PutObject is granted, and no policy denies it (left on the server, billed \
               until aborted: UPLOAD)\n\
               With --checkpoint-beside, the parts that have been sent would be kept.\n\
               `pending oss://examplebucket` lists what is left on the server, and can abort it.\n",
    },
    Row {
        name: "an unknown key",
        run: |scene| scene.program().credentials("nobody", "secret"),
        code: 1,
        stderr: "error: beginning to upload `/DIR/file.bin` to oss://examplebucket/dir/object.bin: OSS \
               answered 403 InvalidAccessKeyId: The OSS Access Key Id you provided does not exist in \
               our records [request id ID]; see whether the access key is of this cloud, and enabled\n",
    },
    Row {
        name: "no secret",
        run: |scene| scene.program().without_env("OSS_ACCESS_KEY_SECRET"),
        code: 1,
        stderr: "error: beginning to upload `/DIR/file.bin` to oss://examplebucket/dir/object.bin: no \
               credentials: the environment variable OSS_ACCESS_KEY_SECRET is not set\n\
               --credentials says where they come from: see `upload --help`.\n",
    },
    Row {
        name: "no file",
        run: |scene| {
            fs::remove_file(&scene.file).expect("removed");
            scene.program()
        },
        code: 1,
        stderr: "error: opening `/DIR/file.bin`: No such file or directory (os error 2)\n",
    },
    Row {
        name: "no folder for the checkpoint",
        run: |scene| {
            let checkpoint = scene.dir.path().join("none/state.cp");
            let program = scene.program_without_checkpoint();
            program.arg("--checkpoint").arg(checkpoint)
        },
        code: 1,
        stderr: "error: opening the checkpoint `/DIR/none/state.cp`: No such file or directory (os error \
               2); see whether the path is right, and its folder there\n",
    },
    Row {
        name: "a part that is too small",
        run: |scene| scene.program().args(["--part-size", "1KiB"]),
        code: 2,
        stderr: "error: uploading `/DIR/file.bin` to oss://examplebucket/dir/object.bin: a part has \
               102400 to 5368709120 bytes, not 1024\n\
               Try `upload --help`.\n",
    },
    Row {
        name: "nobody listens until the deadline",
        run: |scene| {
            scene.server.go_away();
            scene.program().args(["--deadline", "2s"])
        },
        code: 1,
        stderr: "error: uploading `/DIR/file.bin` to oss://examplebucket/dir/object.bin: the time \
               allowed for it is over; what failed last: InitiateMultipartUpload: Connection refused \
               (os error 111) [endpoint http://127.0.0.1:PORT]\n",
    },
];

fn named(scene: &Scene) -> Named {
    let mut named = Named::default();
    named.add(scene.dir.path().display(), "/DIR");
    named.add(format!(":{}", scene.server.port()), ":PORT");
    for upload in scene.server.pending_uploads() {
        named.add(upload.upload_id, "UPLOAD");
    }
    named
}

/// Of the progress, nothing is printed where nobody looks at a terminal.
#[test]
fn the_program_says_once_what_happened_to_what_and_what_to_do() {
    for row in ROWS {
        let _case = Case(row.name);
        let scene = Scene::with_parts(3);
        let ran = (row.run)(&scene).run().expect_code(row.code);
        assert_eq!(named(&scene).in_place(&ran.stderr), row.stderr);
    }
}

/// The library advises its own names, which whoever types a command does not know.
#[test]
fn the_program_advises_its_own_options_for_tls() {
    let scene = Scene::with_parts(3);
    let authority = Authority::new();
    let address = SocketAddr::from(([127, 0, 0, 1], scene.server.port()));
    let here = authority.for_this_machine();
    let server = TlsServer::demanding(address, &here, &authority);
    let root = scene.dir.path().join("root.pem");
    fs::write(&root, authority.root_pem()).expect("written");
    let program = || scene.program().args(["--endpoint", &server.endpoint()]);
    let mut named = named(&scene);
    named.add(server.endpoint(), "https://HERE");
    let doing =
        "error: beginning to upload `/DIR/file.bin` to oss://examplebucket/dir/object.bin: ";

    let ran = program().run().expect_code(1);
    let text = "the server's certificate: nobody who is trusted has signed it: add the root of who did, or of \
                the proxy that looks into the connection, by --ca-file (UnknownIssuer) [endpoint https://HERE]\n";
    assert_eq!(named.in_place(&ran.stderr), format!("{doing}{text}"));

    let ran = program().arg("--ca-file").arg(root).run().expect_code(1);
    let text = "the server demands a client certificate: give one by --client-cert and --client-key \
                (CertificateRequired) [endpoint https://HERE]\n";
    assert_eq!(named.in_place(&ran.stderr), format!("{doing}{text}"));
}

#[test]
fn an_error_in_json_is_the_one_that_is_printed() {
    let scene = Scene::with_parts(1);
    let address = SocketAddr::from(([127, 0, 0, 1], scene.server.port()));
    let server = TlsServer::before(address, &Authority::new().for_this_machine());
    let program = Program::bare()
        .credentials(ACCESS_KEY_ID, ACCESS_KEY_SECRET)
        .args([&scene.file, &scene.dir.path().join("missing")])
        .arg(format!("oss://{BUCKET}/"))
        .args(["--endpoint", &server.endpoint()])
        .args(["--region", "cn-hangzhou", "--progress", "none", "--json"]);
    let ran = program.run().expect_code(1);
    let errors = ran.stdout.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON in lines");
        line["error"].as_str().expect("an error").to_owned()
    });
    let errors: Vec<String> = errors.collect();
    assert_eq!(errors.len(), 2, "{ran:#?}");
    assert!(errors.iter().any(|e| e.contains("--ca-file")), "{ran:#?}");
    for error in errors {
        assert!(
            ran.stderr.contains(&format!("error: {error}\n")),
            "{ran:#?}"
        );
    }
}
