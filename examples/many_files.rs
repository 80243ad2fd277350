//! Uploads all files below a folder in one call, and continues where an earlier run ended.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example many_files -- /data/photos /var/lib/my-backup
//! ```

use oss_upload::{Client, Error, FileOutcome};
use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

fn upload(files: Vec<(String, PathBuf)>, checkpoints: &Path) -> Result<Vec<FileOutcome>, Error> {
    Client::from_env()
        .build()?
        .bucket("examplebucket")?
        .upload_files(files)
        .routines(8)
        .checkpoints_in(checkpoints)
        .on_progress(|now| eprint!("\r{:.1} % ", now.fraction() * 100.0))
        .run()
}

/// Finds the files below a folder, each with its key. A folder that cannot be read is no empty one.
fn find(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let unread = |why| io::Error::other(format!("{}: {why}", folder.display()));
    for entry in fs::read_dir(folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let Ok(name) = entry.file_name().into_string() else {
            let why = format!("{}: a key has to be UTF-8", path.display());
            return Err(io::Error::other(why));
        };
        if kind.is_dir() {
            find(&path, &format!("{prefix}{name}/"), files)?;
        } else if kind.is_file() {
            files.push((format!("{prefix}{name}"), path));
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, checkpoints] = &arguments[..] else {
        eprintln!("usage: many_files FOLDER CHECKPOINTS");
        process::exit(2);
    };
    let mut files = vec![];
    find(folder, "photos/", &mut files)?;
    let outcomes = upload(files, checkpoints)?;
    eprintln!();
    for outcome in &outcomes {
        match &outcome.result {
            Ok(done) => println!("{}: {} bytes", outcome.key, done.size),
            Err(why) => println!("{}: {why}", outcome.key),
        }
    }
    // Run it again, from cron for example: those that failed continue.
    let failed = outcomes.iter().any(|outcome| outcome.result.is_err());
    process::exit(i32::from(failed));
}
