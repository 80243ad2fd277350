//! Uploads all files of a folder in one call, and continues where an earlier run ended.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example many_files -- /data/photos /var/lib/my-backup
//! ```

use oss_upload::{Client, Error, FileOutcome};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn upload(folder: &Path, checkpoints: &Path) -> Result<Vec<FileOutcome>, Error> {
    let bucket = Client::from_env().build()?.bucket("examplebucket")?;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file());
    let key_and_path = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        (format!("photos/{name}"), path)
    };
    bucket
        .upload_files(files.map(key_and_path))
        .routines(8)
        .checkpoints_in(checkpoints)
        .on_progress(|progress| {
            eprint!(
                "\r{} of {} bytes ",
                progress.bytes_done, progress.bytes_total
            )
        })
        .run()
}

fn main() -> Result<(), Error> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, checkpoints] = &arguments[..] else {
        eprintln!("usage: many_files FOLDER CHECKPOINTS");
        std::process::exit(2);
    };
    let outcomes = upload(folder, checkpoints)?;
    eprintln!();
    for outcome in &outcomes {
        match &outcome.result {
            Ok(done) => println!("{}: {} bytes", outcome.key, done.size),
            Err(why) => println!("{}: {why}", outcome.key),
        }
    }
    // Run it again, from cron for example: those that failed continue.
    let failed = outcomes.iter().any(|outcome| outcome.result.is_err());
    std::process::exit(i32::from(failed));
}
