//! Steers an upload while it runs: another thread takes commands from standard input, one a line. It ends by itself when
//! it has taken too long, and whatever ended it, the same call continues.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example control -- /data/backup.tar 28800
//! ```

use oss_upload::{Bucket, Checkpoint, Client, Control, Error, Uploaded};
use std::path::Path;
use std::time::Duration;
use std::{env, io, process, thread};

fn upload(bucket: &Bucket, file: &Path, within: Duration) -> Result<Uploaded, Error> {
    let control = Control::new();
    let commanded = control.clone();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            match obey(&commanded, &line) {
                Ok(()) => println!("{line}: done"),
                Err(why) => println!("{line}: {why}"),
            }
        }
    });
    bucket
        .upload_file("backup/latest.tar", file)
        .routines(4)
        .checkpoint(Checkpoint::beside_file())
        .control(&control)
        .deadline(within)
        .run()
}

fn obey(control: &Control, line: &str) -> Result<(), Box<dyn std::error::Error>> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["pause"] => control.pause(),
        ["resume"] => control.resume(),
        ["rate", "none"] => control.set_rate_limit(None)?,
        ["rate", bytes_a_second] => control.set_rate_limit(Some(bytes_a_second.parse()?))?,
        ["routines", n] => control.set_routines(n.parse()?)?,
        // Keeps what was sent for the next run; keeps nothing.
        ["cancel"] => control.cancel(),
        ["abandon"] => control.abandon(),
        _ => return Err("pause, resume, rate N, rate none, routines N, cancel, abandon".into()),
    }
    Ok(())
}

fn main() {
    let mut arguments = env::args_os().skip(1);
    let (file, seconds) = (arguments.next(), arguments.next());
    let seconds = seconds.map_or(Some(28_800), |text| text.to_str()?.parse().ok());
    let (Some(file), Some(seconds)) = (file, seconds) else {
        eprintln!("usage: control FILE [SECONDS]");
        process::exit(2);
    };
    let within = Duration::from_secs(seconds);
    match bucket().and_then(|bucket| upload(&bucket, file.as_ref(), within)) {
        Ok(done) => println!("{} bytes", done.size),
        Err(error) => {
            match error.is_resumable() {
                true => eprintln!("to be continued: {error}"),
                false => eprintln!("failed: {error}"),
            }
            process::exit(1);
        }
    }
}

fn bucket() -> Result<Bucket, Error> {
    Client::from_env().build()?.bucket("examplebucket")
}
