//! Uploads all day, but lets others have the line in office hours: one routine and a limit by day, all of the line by night.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`. The
//! office opens at the first hour and closes at the second, in UTC.
//!
//! ```text
//! cargo run --release --example night_and_day -- /data/archive.tar 8 17
//! ```

use oss_upload::{Checkpoint, Client, Control, Error};
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};
use std::{env, process, thread};

const A_MINUTE: Duration = Duration::from_secs(60);

/// Sets what this hour allows.
fn steer(control: &Control, office_hours: &Range<u64>) -> Result<(), Error> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let hour = now.as_secs() / 3600 % 24;
    let (routines, bytes_a_second) = match office_hours.contains(&hour) {
        true => (1, Some(10 << 20)),
        false => (8, None),
    };
    control.set_routines(routines)?;
    control.set_rate_limit(bytes_a_second)
}

/// Steers every minute until the upload is over.
fn keep_steering(control: &Control, hours: &Range<u64>, over: Receiver<()>) -> Result<(), Error> {
    while over.recv_timeout(A_MINUTE) == Err(RecvTimeoutError::Timeout) {
        steer(control, hours)?;
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let asked = match &arguments[..] {
        [file, opens, closes] => hours(opens, closes).map(|hours| (file, hours)),
        _ => None,
    };
    let Some((file, hours)) = asked else {
        eprintln!("usage: night_and_day FILE HOUR HOUR");
        process::exit(2);
    };
    let bucket = Client::from_env().build()?.bucket("examplebucket")?;
    let control = Control::new();
    // Before it begins, so that it begins as it goes on.
    steer(&control, &hours)?;
    let (is_over, over) = mpsc::channel();
    thread::scope(|scope| {
        let steering = scope.spawn(|| keep_steering(&control, &hours, over));
        let ended = bucket
            .upload_file("archive.tar", file)
            .checkpoint(Checkpoint::beside_file())
            .control(&control)
            .run();
        drop(is_over);
        steering.join().expect("it does not panic")?;
        println!("{}", ended?.outcome);
        Ok(())
    })
}

fn hours(opens: &str, closes: &str) -> Option<Range<u64>> {
    Some(opens.parse().ok()?..closes.parse().ok()?)
}
