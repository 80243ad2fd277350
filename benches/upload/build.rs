//! What it costs to build the library, with all that it stands on.

use crate::report::{Report, Row, Target};
use crate::workshop::Workshop;
use std::collections::BTreeSet;
use std::env;
use std::io;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A clean release build takes no longer, in seconds.
const LONGEST: f64 = 60.0;

/// The library and what it stands on without features, this system's crates.
const CRATES: f64 = 75.0;

pub(crate) fn build(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let row = |figure: &str, unit: &str, ours, most| Row {
        work: "release build of the library alone".to_owned(),
        figure: figure.to_owned(),
        unit: unit.to_owned(),
        ours,
        floor: None,
        target: Target::AtMost(most),
    };
    let target = workshop.folder().join("target");
    let started = Instant::now();
    let built = cargo()
        .args(["build", "--release", "--lib", "--offline", "--target-dir"])
        .arg(target)
        .status()?;
    if !built.success() {
        return Err(io::Error::other("the library cannot be built"));
    }
    report.add(row("time", "s", started.elapsed().as_secs_f64(), LONGEST));
    report.add(row("crates", "", crates()? as f64, CRATES));
    Ok(())
}

fn crates() -> io::Result<usize> {
    let tree = cargo()
        .args([
            "tree",
            "--edges",
            "no-dev,no-build",
            "--prefix",
            "none",
            "--offline",
        ])
        .output()?;
    let lines = String::from_utf8_lossy(&tree.stdout);
    let crates: BTreeSet<_> = lines
        .lines()
        .filter_map(|line| line.split(" (").next())
        .collect();
    Ok(crates.len())
}

fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::null());
    cargo
}
