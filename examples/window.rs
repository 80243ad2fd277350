//! A program with a window: the upload has a thread of its own, the window hears of it by messages, and its buttons steer it.
//! Here the window is the terminal, and a button is a line: `pause`, `resume`, `cancel`.
//!
//! Credentials come from `OSS_ACCESS_KEY_ID` and `OSS_ACCESS_KEY_SECRET`; the region from `OSS_REGION`, or `OSS_ENDPOINT`.
//!
//! ```text
//! cargo run --release --example window -- /data/holiday.mov
//! ```

use oss_upload::{Bucket, Checkpoint, Client, Control, Error, Snapshot, Uploaded};
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::{env, io, process, thread};

/// What the window is told.
enum Message {
    Progress(Snapshot),
    Button(String),
    Ended(Result<Uploaded, Error>),
}

fn upload(bucket: &Bucket, file: PathBuf, control: &Control, window: &Sender<Message>) {
    let ended = bucket
        .upload_file("videos/holiday.mov", file)
        .checkpoint(Checkpoint::beside_file())
        .control(control)
        // A window that was closed is not told any more.
        .on_progress(|now| drop(window.send(Message::Progress(*now))))
        .run();
    let _ = window.send(Message::Ended(ended));
}

fn buttons(window: &Sender<Message>) {
    for line in io::stdin().lines().map_while(Result::ok) {
        if window.send(Message::Button(line)).is_err() {
            return;
        }
    }
}

fn main() -> Result<(), Error> {
    let Some(file) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: window FILE");
        process::exit(2);
    };
    let bucket = Client::from_env().build()?.bucket("examplebucket")?;
    let control = Control::new();
    let (to_window, messages) = mpsc::channel();
    let (of_buttons, of_upload) = (to_window.clone(), control.clone());
    thread::spawn(move || buttons(&of_buttons));
    thread::spawn(move || upload(&bucket, file, &of_upload, &to_window));
    for message in messages {
        match message {
            Message::Progress(now) => println!("{} {:.0} %", now.phase, now.fraction() * 100.0),
            Message::Button(name) => match name.as_str() {
                "pause" => control.pause(),
                "resume" => control.resume(),
                "cancel" => control.cancel(),
                other => println!("there is no button `{other}`"),
            },
            Message::Ended(ended) => {
                println!("{}", ended?.outcome);
                break;
            }
        }
    }
    Ok(())
}
