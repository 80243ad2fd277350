//! Uploads files to OSS, and continues where an earlier run ended. `--help` says how.

mod arguments;
mod connection;
mod credentials;
mod display;
mod files;
mod object;
mod report;
mod run;
mod settings;
mod transfer;
mod values;

use arguments::Arguments;
use oss_upload::ErrorKind;
use std::io::{self, Write};
use std::process::ExitCode;
use values::Usage;

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(Usage::Help) => {
            // Whoever stopped reading has read enough.
            let _ = write!(io::stdout(), "{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(Usage::Wrong(why)) => {
            eprintln!("error: {why}\nTry `upload --help`.");
            return ExitCode::from(2);
        }
    };
    run::run(&arguments).unwrap_or_else(|error| {
        report::print_error(&error, &arguments);
        ExitCode::from(match error.kind() {
            ErrorKind::Cancelled => INTERRUPTED,
            ErrorKind::Options => 2,
            _ => 1,
        })
    })
}
