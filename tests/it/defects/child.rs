//! An upload in a process of its own: this very binary, started again for one test.
//!
//! A process has an environment, limits and a death of its own, which no thread has.

use crate::support::{KEY, PART, Scene, bucket, client_at};
use oss_upload::{Checkpoint, ClientBuilder, Error, UploadFile, Uploaded};
use std::env;
use std::ffi::{OsStr, OsString};
use std::process::Command;

/// Where the child uploads to: the scene's server, unless it is set anew.
pub(crate) const ENDPOINT: &str = "OSS_UPLOAD_TEST_ENDPOINT";
const FILE: &str = "OSS_UPLOAD_TEST_FILE";
const CHECKPOINT: &str = "OSS_UPLOAD_TEST_CHECKPOINT";

/// Whether this process is the child. Its test uploads, and does nothing else.
pub(crate) fn is_here() -> bool {
    env::var_os(ENDPOINT).is_some()
}

/// In the child: the upload of the parent's scene.
pub(crate) fn upload() -> Result<Uploaded, Error> {
    upload_seen_by(|| {})
}

/// The same with other settings of the client.
#[cfg(all(
    feature = "platform-verifier",
    unix,
    not(target_vendor = "apple"),
    not(target_os = "android")
))]
pub(crate) fn upload_with(
    set: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<Uploaded, Error> {
    with_upload_by(set, |upload| upload.run())
}

/// The same, and whenever there is progress `look_on` is called.
pub(crate) fn upload_seen_by(mut look_on: impl FnMut() + Send) -> Result<Uploaded, Error> {
    with_upload(|upload| upload.on_progress(|_| look_on()).run())
}

/// In the child: does something with the upload.
pub(crate) fn with_upload<T>(act: impl FnOnce(UploadFile<'_>) -> T) -> T {
    with_upload_by(|client| client, act)
}

fn with_upload_by<T>(
    set: impl FnOnce(ClientBuilder) -> ClientBuilder,
    act: impl FnOnce(UploadFile<'_>) -> T,
) -> T {
    let text = |name: &str| env::var_os(name).expect("set by the parent");
    let endpoint = text(ENDPOINT).into_string().expect("ASCII");
    let bucket = bucket(set(client_at(endpoint)));
    let upload = bucket
        .upload_file(KEY, text(FILE))
        .part_size(PART)
        .checkpoint(Checkpoint::at(text(CHECKPOINT)));
    act(upload)
}

/// In the parent: the command that runs `test` of `module` as a child.
pub(crate) fn command(scene: &Scene, module: &str, test: &str) -> Command {
    of_scene(scene, Command::new(program()), arguments(module, test))
}

/// The same by way of a shell, which runs `script` first.
#[cfg(unix)]
pub(crate) fn command_after(scene: &Scene, script: &str, module: &str, test: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{script}; exec \"$0\" \"$@\"")]);
    shell.arg(program());
    of_scene(scene, shell, arguments(module, test))
}

fn of_scene(
    scene: &Scene,
    mut command: Command,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Command {
    command
        .args(arguments)
        .env(ENDPOINT, scene.server.endpoint())
        .env(FILE, &scene.file)
        .env(CHECKPOINT, scene.checkpoint());
    command
}

fn program() -> OsString {
    env::current_exe()
        .expect("this binary has a path")
        .into_os_string()
}

fn arguments(module: &str, test: &str) -> [String; 3] {
    // The harness leaves the name of the binary out.
    let (_, module) = module.split_once("::").expect("a module of a binary");
    let name = format!("{module}::{test}");
    [name, "--exact".to_owned(), "--nocapture".to_owned()]
}
