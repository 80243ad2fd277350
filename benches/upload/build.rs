//! What it costs to build the library, with all that it stands on.

use crate::process::cargo;
use crate::report::Target::AtMost;
use crate::report::{Report, Row};
use crate::workshop::Workshop;
use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

/// A clean release build takes no longer, in seconds.
const LONGEST: f64 = 60.0;

/// The library and what it stands on without features, this system's crates.
const CRATES: f64 = 75.0;

pub(crate) fn build(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let target = workshop.folder().join("target");
    let started = Instant::now();
    let built = cargo()
        .args(["build", "--release", "--lib", "--offline", "--target-dir"])
        .arg(target)
        .status()?;
    if !built.success() {
        return Err(io::Error::other("the library cannot be built"));
    }
    let took = started.elapsed().as_secs_f64();
    let work = "clean release build of the library";
    report.add(Row::bound_of([work, "time", "s"], took, AtMost(LONGEST)));
    report.add(Row::bound_of(
        [work, "crates", ""],
        crates()? as f64,
        AtMost(CRATES),
    ));
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
