//! Uploads a file to OSS, and continues where an earlier run ended. `--help` says how.

mod arguments;
mod report;

use arguments::{Arguments, Usage};
use oss_upload::{Client, Control, Error, ErrorKind, Uploaded};
use std::process::ExitCode;

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(Usage::Help) => {
            print!("{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(Usage::Wrong(why)) => {
            eprintln!("error: {why}\nTry `upload --help`.");
            return ExitCode::from(2);
        }
    };
    match upload(&arguments) {
        Ok(uploaded) => {
            report::print_uploaded(&uploaded, arguments.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            report::print_error(&error);
            ExitCode::from(match error.kind() {
                ErrorKind::Cancelled => INTERRUPTED,
                ErrorKind::Options => 2,
                _ => 1,
            })
        }
    }
}

fn upload(arguments: &Arguments) -> Result<Uploaded, Error> {
    let mut client = Client::builder(&*arguments.endpoint).signature_version(arguments.signature);
    if let Some(region) = &arguments.region {
        client = client.region(region);
    }
    let bucket = client.build()?.bucket(&*arguments.bucket)?;

    let control = Control::new();
    cancel_on_ctrl_c(&control);
    let mut display = report::Display::new(arguments.progress);
    let mut upload = bucket
        .upload_file(&*arguments.key, &*arguments.file)
        .routines(arguments.routines)
        .verify(arguments.verify)
        .on_change(arguments.on_change)
        .control(&control)
        .on_progress(|progress| display.show(progress));
    if let Some(bytes) = arguments.part_size {
        upload = upload.part_size(bytes);
    }
    if let Some(checkpoint) = &arguments.checkpoint {
        upload = upload.checkpoint(checkpoint.clone());
    }
    for (name, value) in &arguments.meta {
        upload = upload.meta(name, value);
    }
    for (name, value) in &arguments.headers {
        upload = upload.header(name, value);
    }
    upload.run()
}

/// The first Ctrl-C ends the upload in order, the second ends the process.
fn cancel_on_ctrl_c(control: &Control) {
    let control = control.clone();
    let installed = ctrlc::set_handler(move || {
        if control.is_cancelled() {
            std::process::exit(INTERRUPTED.into());
        }
        control.cancel();
    });
    if let Err(why) = installed {
        eprintln!("warning: Ctrl-C will end this at once: {why}");
    }
}
