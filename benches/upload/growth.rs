//! How the cost grows: curves that are to be flat.

use crate::report::{Curve, Report};
use crate::role::Role;
use crate::workshop::{GIB, MANY, MIB, SMALL, Workshop, median, pairs_with, plain_server, upload};
use std::io;

/// A curve shows its course, not its third digit.
const PAIRS: usize = 3;

pub(crate) fn growth(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    // Parts of 100 KiB.
    let parts = [10, 100, 1_000, 9_995].map(|n| (n as f64, n * SMALL, SMALL, 4));
    curve(workshop, report, "Parts", "parts", &parts)?;
    // Parts of 1 MiB.
    let routines = [1, 4, 16, 64].map(|n| (n as f64, 256 * MIB, MIB, n));
    curve(workshop, report, "Routines", "routines", &routines)?;
    let sizes = [SMALL, MIB, 10 * MIB, 100 * MIB, GIB];
    let sizes = sizes.map(|size| (size as f64, (MANY * size).min(GIB), size, 4));
    curve(workshop, report, "Part size", "part size, bytes", &sizes)
}

fn curve(
    workshop: &Workshop,
    report: &mut Report,
    name: &str,
    x: &str,
    points: &[(f64, u64, u64, usize)],
) -> io::Result<()> {
    let server = plain_server()?;
    let (mut ours, mut floor) = (vec![], vec![]);
    for &(x, len, part_size, routines) in points {
        let file = workshop.file(len)?;
        let upload = upload(&file, part_size, routines);
        let pairs = pairs_with(&server, &upload, Role::Floor, PAIRS)?;
        let (a, b) = median(&pairs, |c| c.cpu * GIB as f64 / len as f64);
        ours.push((x, a));
        floor.push((x, b));
    }
    report.add_curve(Curve {
        name: name.to_owned(),
        x: x.to_owned(),
        y: "CPU s a GiB".to_owned(),
        ours,
        floor,
    });
    Ok(())
}
