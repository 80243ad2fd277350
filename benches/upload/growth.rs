//! How the cost grows: curves that are to be flat.

use crate::report::{Curve, Report};
use crate::workshop::{Workshop, median, pairs, plain_server, upload};
use std::io;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

pub(crate) fn growth(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let parts = [10, 100, 1_000, 9_995].map(|n| (n as f64, n * 100 * KIB, 100 * KIB, 4));
    curve(workshop, report, "parts", "parts of 100 KiB", &parts)?;
    let routines = [1, 4, 16, 64].map(|n| (n as f64, 256 * MIB, MIB, n));
    curve(
        workshop,
        report,
        "routines",
        "routines, parts of 1 MiB",
        &routines,
    )?;
    let sizes = [100 * KIB, MIB, 10 * MIB, 100 * MIB, GIB];
    let sizes = sizes.map(|size| (size as f64 / MIB as f64, GIB - GIB % size, size, 4));
    curve(workshop, report, "part size", "MiB a part", &sizes)
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
        let pairs = pairs(&server, &upload(&file, part_size, routines))?;
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
