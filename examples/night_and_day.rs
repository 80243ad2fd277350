//! Uploads all day, but lets others have the line in office hours: fewer routines and a limit by day, all of it by night.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`. The second
//! argument is the length of an hour in seconds, 3600 but for trying it out.
//!
//! ```text
//! cargo run --release --example night_and_day -- /data/archive.tar 3600
//! ```

use oss_upload::{Checkpoint, Client, Control, Error};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};
use std::{env, process, thread};

/// For the hour of the day: routines, and bytes a second.
fn plan(hour: u64) -> (usize, Option<u64>) {
    match hour {
        9..18 => (1, Some(1 << 20)),
        _ => (8, None),
    }
}

/// Steers until the upload is over.
fn steer(control: &Control, hour: Duration, over: Receiver<()>) -> Result<(), Error> {
    loop {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let (routines, rate) = plan(now.as_millis() as u64 / hour.as_millis().max(1) as u64 % 24);
        control.set_routines(routines)?;
        control.set_rate_limit(rate)?;
        if over.recv_timeout(hour / 60) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
    }
}

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let asked = match &arguments[..] {
        [file, hour] => seconds_of(hour).map(|hour| (file, hour)),
        _ => None,
    };
    let Some((file, hour)) = asked else {
        eprintln!("usage: night_and_day FILE SECONDS-AN-HOUR");
        process::exit(2);
    };
    let bucket = Client::from_env().build()?.bucket("examplebucket")?;
    let control = Control::new();
    let (is_over, over) = mpsc::channel();
    thread::scope(|scope| {
        let control = &control;
        let steering = scope.spawn(move || steer(control, hour, over));
        let ended = bucket
            .upload_file("archive.tar", file)
            .checkpoint(Checkpoint::beside_file())
            .control(control)
            .run();
        drop(is_over);
        steering.join().expect("it does not panic")?;
        println!("{}", ended?.outcome);
        Ok(())
    })
}

fn seconds_of(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}
