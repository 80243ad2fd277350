//! A service that runs for months: files come in by a queue, several at a time go out, and the credentials, which a vault issues for
//! an hour each, are renewed while uploads go on.
//!
//! The vault is here the file that the first argument names: id, secret, token, a line each. Files to upload come in as lines. The
//! region comes from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example service -- /run/vault/oss /var/lib/uploads < queue
//! ```

use oss_upload::{Bucket, Checkpoint, Client, Credentials, Error, ProviderError, Refreshing};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, SystemTime};
use std::{env, fs, io, process, thread};

const WORKERS: usize = 3;

fn ask(vault: &Path) -> Result<Credentials, ProviderError> {
    let issued = fs::read_to_string(vault)?;
    let [id, secret, token] = issued.lines().collect::<Vec<_>>()[..] else {
        return Err("the vault has not three lines".into());
    };
    let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    Ok(Credentials::new(id, secret)
        .with_security_token(token)
        .with_expiration(in_an_hour))
}

fn upload(bucket: &Bucket, file: &Path, state: &Path) -> Result<(), Error> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let done = bucket
        .upload_file(format!("incoming/{name}"), file)
        .routines(4)
        .checkpoint(Checkpoint::in_dir(state))
        .run()?;
    println!("{}: {}", done.key, done.outcome);
    Ok(())
}

fn main() -> Result<(), Error> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [vault, state] = &arguments[..] else {
        eprintln!("usage: service VAULT FOLDER-FOR-CHECKPOINTS");
        process::exit(2);
    };
    let vault = vault.clone();
    // One for all: its connections and credentials are shared by the workers.
    let client = Client::from_env()
        .credentials(Refreshing::new(move || ask(&vault)))
        .build()?;
    let bucket = client.bucket("examplebucket")?;
    let (queue, queued) = mpsc::channel::<PathBuf>();
    let queued = Mutex::new(queued);
    let next = || queued.lock().expect("no worker panics").recv().ok();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(file) = next() {
                    if let Err(error) = upload(&bucket, &file, state) {
                        // It is continued when the file comes again.
                        eprintln!("{}: {error}", file.display());
                    }
                }
            });
        }
        for line in io::stdin().lines().map_while(Result::ok) {
            queue.send(line.into()).expect("workers wait for it");
        }
        drop(queue);
    });
    Ok(())
}
