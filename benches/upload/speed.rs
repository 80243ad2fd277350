//! Time and CPU of whole uploads, against the floor.

use crate::process::Serving;
use crate::report::Target::{self, AtLeast, AtMost};
use crate::report::{Report, Row};
use crate::role::{Cost, Role, Server};
use crate::workshop::{
    GIB, KIB, MANY, MIB, PAIRS, Pair, SMALL, Workshop, median, pairs, pairs_with, plain_server,
    upload,
};
use std::io;

fn cpu(work: &str, pairs: &[Pair], target: Target) -> Row {
    Row::ratio_of([work, "CPU", "s"], median(pairs, |c| c.cpu), target)
}

fn wall(work: &str, pairs: &[Pair], target: Target) -> Row {
    Row::ratio_of([work, "wall", "s"], median(pairs, |c| c.wall), target)
}

pub(crate) fn throughput(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let mut server = plain_server()?;
    let file = workshop.file(GIB)?;
    let work = "1 GiB, parts of 10 MiB, 4 routines";
    let before = server.seen()?.cpu;
    let pairs = pairs(&server, &upload(&file, 10 * MIB, 4))?;
    report.add(cpu(work, &pairs, AtMost(1.08)));
    report.add(wall(work, &pairs, AtMost(1.08)));
    // Were it the bottleneck, it would hide what a client costs.
    let served = (server.seen()?.cpu - before) / (2 * (pairs.len() + 1)) as f64;
    let (_, floor) = median(&pairs, |c| c.cpu);
    let row = [work, "server's CPU", "s"];
    report.add(Row::ratio_of(row, (served, floor), AtMost(1.0)));
    Ok(())
}

pub(crate) fn small_parts(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let server = plain_server()?;
    let file = workshop.file(MANY * SMALL)?;
    let upload = upload(&file, SMALL, 4);
    let work = "9,995 parts of 100 KiB, 4 routines";
    report.add(cpu(work, &pairs(&server, &upload)?, AtMost(1.30)));
    let against_ureq = pairs_with(&server, &upload, Role::Bare, PAIRS)?;
    let work = "the same, against a loop over ureq";
    report.add(cpu(work, &against_ureq, AtMost(1.0)));
    Ok(())
}

pub(crate) fn tls(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let server = Serving::start(Server {
        with_tls: true,
        ..Server::default()
    })?;
    let file = workshop.file(GIB)?;
    for part_size in [10, 1] {
        let pairs = pairs(&server, &upload(&file, part_size * MIB, 4))?;
        let work = format!("1 GiB over TLS, parts of {part_size} MiB, 4 routines");
        report.add(cpu(&work, &pairs, AtMost(1.10)));
    }
    Ok(())
}

pub(crate) fn latency(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    const LATENCY_MS: u64 = 30;
    let server = Serving::start(Server {
        latency_ms: LATENCY_MS,
        ..Server::default()
    })?;
    let file = workshop.file(64 * MIB)?;
    let pairs = pairs(&server, &upload(&file, MIB, 8))?;
    let work = "64 parts of 1 MiB, 8 routines, answers in 30 ms";
    report.add(wall(work, &pairs, AtMost(1.05)));
    // Initiate, eight rounds of eight parts, Complete, and no time to send anything: nobody can be faster.
    let ideal = 10.0 * LATENCY_MS as f64 / 1e3;
    let (ours, _) = median(&pairs, |c| c.wall);
    let row = ["the same, against waiting alone", "wall", "s"];
    report.add(Row::ratio_of(row, (ours, ideal), AtMost(1.05)));
    Ok(())
}

pub(crate) fn many_files(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    const FILES: u32 = 10_000;
    let rate = |cost: &Cost| f64::from(FILES) / cost.wall;
    let server = plain_server()?;
    let folder = workshop.files(FILES, 10 * KIB)?;
    for routines in [4, 16] {
        let upload = upload(&folder, MIB, routines);
        let of = |pairs: &[Pair], work: &str, target| {
            Row::ratio_of([work, "requests", "a second"], median(pairs, rate), target)
        };
        let work = format!("10,000 files of 10 KiB, {routines} routines");
        report.add(of(&pairs(&server, &upload)?, &work, AtLeast(0.8)));
        let against_ureq = pairs_with(&server, &upload, Role::Bare, PAIRS)?;
        let work = "the same, against a loop over ureq";
        report.add(of(&against_ureq, work, AtLeast(1.0)));
    }
    Ok(())
}
