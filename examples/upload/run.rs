//! One file or several, planned or uploaded.

use crate::INTERRUPTED;
use crate::arguments::Arguments;
use crate::display::Display;
use crate::files::Files;
use crate::report;
use oss_upload::{Bucket, Control, Error, ErrorKind};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let client = arguments.connection.client()?;
    let bucket = client.bucket(arguments.files.bucket())?;
    let control = Control::new();
    match &arguments.files {
        Files::One { key, file, .. } if arguments.plan => plan(arguments, &bucket, key, file),
        Files::Several { files, .. } if arguments.plan => plan_each(arguments, &bucket, files),
        Files::One { key, file, .. } => {
            cancel_on_ctrl_c(&control);
            upload(arguments, &bucket, &control, (key, file))
        }
        Files::Several { files, .. } => {
            refuse_early(arguments, &bucket, files)?;
            cancel_on_ctrl_c(&control);
            upload_each(arguments, &bucket, &control, files)
        }
    }
}

fn plan(arguments: &Arguments, bucket: &Bucket, key: &str, file: &Path) -> Result<ExitCode, Error> {
    let plan = arguments.one(bucket, key, file).plan()?;
    report::print_plan(&plan, arguments, key, file);
    Ok(ExitCode::SUCCESS)
}

fn plan_each(
    arguments: &Arguments,
    bucket: &Bucket,
    files: &[(String, PathBuf)],
) -> Result<ExitCode, Error> {
    let mut code = ExitCode::SUCCESS;
    for (key, file) in files {
        match plan(arguments, bucket, key, file) {
            Err(error) if error.kind() == ErrorKind::Options => return Err(error),
            Err(error) => {
                report::print_error(&error, arguments);
                code = ExitCode::FAILURE;
            }
            Ok(_) => {}
        }
    }
    Ok(code)
}

fn upload(
    arguments: &Arguments,
    bucket: &Bucket,
    control: &Control,
    (key, file): (&str, &Path),
) -> Result<ExitCode, Error> {
    let mut display = Display::new(arguments.progress);
    let uploaded = arguments
        .one(bucket, key, file)
        .control(control)
        .on_progress(|progress| display.show(progress))
        .run()?;
    report::print_uploaded(&uploaded, arguments, file);
    Ok(ExitCode::SUCCESS)
}

fn upload_each(
    arguments: &Arguments,
    bucket: &Bucket,
    control: &Control,
    files: &[(String, PathBuf)],
) -> Result<ExitCode, Error> {
    let display = RefCell::new(Display::new(arguments.progress));
    let each = |(key, file): &(String, PathBuf)| arguments.each(bucket, key, file);
    let uploads = bucket
        .upload_files(files.iter().map(each))
        .control(control)
        .on_progress(|progress| display.borrow_mut().show_files(progress))
        .on_outcome(|outcome| {
            let display = display.borrow();
            display.beside(|| report::print_outcome(outcome, arguments));
        });
    let mut uploads = arguments.transfer.of_all(uploads);
    if arguments.stop_at_first_error {
        uploads = uploads.stop_at_first_error();
    }
    let outcomes = uploads.run()?;
    drop(display);
    report::print_advice(&outcomes, arguments);
    let has_failed = outcomes.len() < files.len() || outcomes.iter().any(|o| o.result.is_err());
    Ok(match (has_failed, control.is_cancelled()) {
        (false, _) => ExitCode::SUCCESS,
        (true, false) => ExitCode::FAILURE,
        (true, true) => ExitCode::from(INTERRUPTED),
    })
}

/// What would be refused for any of the files is refused before any of them is sent.
fn refuse_early(
    arguments: &Arguments,
    bucket: &Bucket,
    files: &[(String, PathBuf)],
) -> Result<(), Error> {
    files.iter().try_for_each(|(key, file)| {
        let planned = arguments.one(bucket, key, file).plan();
        match planned {
            Err(error) if matches!(error.kind(), ErrorKind::Options | ErrorKind::Checkpoint) => {
                Err(error)
            }
            _ => Ok(()),
        }
    })
}

/// The first Ctrl-C ends the uploads in order, the second ends the process.
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
