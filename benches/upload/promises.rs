//! What is promised of whole uploads.

use crate::process::{Cost, Serving, run, run_under};
use crate::report::{Report, Row, Target};
use crate::role::{Role, Server, Upload};
use crate::workshop::{Pair, Workshop, median, pairs, pairs_with, plain_server, upload};
use Target::{AtLeast, AtMost};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The most parts whose number OSS takes, nearly.
const MANY: u64 = 9_995;
const SMALL: u64 = 100 * KIB;

fn against_floor(
    work: &str,
    figure: &str,
    unit: &str,
    (ours, floor): (f64, f64),
    target: Target,
) -> Row {
    Row {
        work: work.to_owned(),
        figure: figure.to_owned(),
        unit: unit.to_owned(),
        ours,
        floor: Some(floor),
        target,
    }
}

fn bound(work: &str, figure: &str, unit: &str, ours: f64, target: Target) -> Row {
    Row {
        work: work.to_owned(),
        figure: figure.to_owned(),
        unit: unit.to_owned(),
        ours,
        floor: None,
        target,
    }
}

fn cpu_row(work: &str, pairs: &[Pair], most: f64) -> Row {
    against_floor(work, "CPU", "s", median(pairs, |c| c.cpu), AtMost(most))
}

fn wall_row(work: &str, pairs: &[Pair], most: f64) -> Row {
    against_floor(work, "wall", "s", median(pairs, |c| c.wall), AtMost(most))
}

pub(crate) fn throughput(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let mut server = plain_server()?;
    let file = workshop.file(GIB)?;
    let work = "1 GiB, parts of 10 MiB, 4 routines";
    let before = server.seen()?.cpu;
    let pairs = pairs(&server, &upload(&file, 10 * MIB, 4))?;
    report.add(cpu_row(work, &pairs, 1.08));
    report.add(wall_row(work, &pairs, 1.08));
    // Were it the bottleneck, it would hide what a client costs.
    let served = (server.seen()?.cpu - before) / (2 * (pairs.len() + 1)) as f64;
    let (_, floor) = median(&pairs, |c| c.cpu);
    report.add(against_floor(
        work,
        "server's CPU",
        "s",
        (served, floor),
        AtMost(1.0),
    ));
    Ok(())
}

pub(crate) fn small_parts(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let server = plain_server()?;
    let file = workshop.file(MANY * SMALL)?;
    let upload = upload(&file, SMALL, 4);
    let work = "9,995 parts of 100 KiB, 4 routines";
    let against_floor = pairs(&server, &upload)?;
    report.add(cpu_row(work, &against_floor, 1.30));
    let against_ureq = pairs_with(&server, &upload, Role::Bare)?;
    let work = format!("{work}, bare ureq");
    report.add(cpu_row(&work, &against_ureq, 1.0));
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
        report.add(cpu_row(&work, &pairs, 1.10));
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
    // Initiate, eight rounds of eight parts, Complete: nobody can be faster.
    let ideal = 10.0 * LATENCY_MS as f64 / 1e3;
    let (ours, floor) = median(&pairs, |c| c.wall);
    let work = "64 parts of 1 MiB, 8 routines, 30 ms an answer";
    report.add(against_floor(
        work,
        "wall, ideal",
        "s",
        (ours, ideal),
        AtMost(1.05),
    ));
    report.add(against_floor(
        work,
        "wall",
        "s",
        (ours, floor),
        AtMost(1.05),
    ));
    Ok(())
}

pub(crate) fn memory(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let server = plain_server()?;
    let small = workshop.file(256 * MIB)?;
    let big = workshop.file(GIB)?;
    let many = workshop.file(MANY * SMALL)?;
    let huge = workshop.hole(6 * GIB)?;
    let works = [
        ("256 MiB, parts of 10 MiB", &small, 10 * MIB, 1),
        ("1 GiB, parts of 10 MiB", &big, 10 * MIB, 4),
        ("1 GiB, parts of 10 MiB", &big, 10 * MIB, 16),
        ("1 GiB, parts of 10 MiB", &big, 10 * MIB, 64),
        ("9,995 parts of 100 KiB", &many, SMALL, 4),
        ("6 GiB, parts of 5 GiB", &huge, 5 * GIB, 2),
    ];
    for (work, file, part_size, routines) in works {
        let cost = run(&Role::Ours(
            server.upload(upload(file, part_size, routines)),
        ))?;
        let work = format!("{work}, {routines} routines");
        let most = 6.0 + 0.4 * routines as f64;
        report.add(bound(&work, "peak memory", "MiB", cost.peak, AtMost(most)));
    }
    Ok(())
}

pub(crate) fn checkpoint(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let server = plain_server()?;
    let file = workshop.file(MANY * SMALL)?;
    let with = upload(&file, SMALL, 4);
    let without = Upload {
        checkpoint: false,
        ..with.clone()
    };
    let once = |upload: &Upload| run(&Role::Ours(server.upload(upload.clone())));
    let runs = (0..11).map(|_| {
        Ok(Pair {
            ours: once(&with)?,
            floor: once(&without)?,
        })
    });
    let runs = runs.collect::<io::Result<Vec<_>>>()?;
    let work = "recording 9,995 parts: with, without checkpoint";
    report.add(cpu_row(work, &runs, 1.01));
    Ok(())
}

pub(crate) fn resume(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    const PARTS: u16 = 10_000;
    let mut server = Serving::start(Server {
        refused_part: Some(PARTS),
        ..Server::default()
    })?;
    let file = workshop.hole(u64::from(PARTS) * SMALL)?;
    // One routine sends the parts in order, so that the last is the one that is missing.
    let role = Role::Ours(server.upload(upload(&file, SMALL, 1)));
    let refused = run(&role);
    assert!(refused.is_err(), "the last part was to be refused");
    let checkpoint = file.with_extension("hole.oss-upload");
    let bytes = fs::metadata(&checkpoint).map(|m| m.len());
    server.seen()?;
    let cost = run(&role)?;
    let seen = server.seen()?;
    let work = "resume, 9,999 of 10,000 parts done";
    let pages = 10.0;
    report.add(bound(work, "CPU", "ms", cost.cpu * 1e3, AtMost(50.0)));
    report.add(bound(
        work,
        "requests",
        "",
        seen.requests as f64,
        AtMost(pages + 2.0),
    ));
    if let Ok(bytes) = bytes {
        let each = bytes as f64 / f64::from(PARTS);
        report.add(bound(work, "checkpoint a part", "B", each, AtMost(64.0)));
    }
    Ok(())
}

pub(crate) fn system_calls(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let works = [
        ("1 GiB, parts of 10 MiB, 4 routines", GIB, 10 * MIB),
        ("64 parts of 1 MiB, 4 routines", 64 * MIB, MIB),
        ("9,995 parts of 100 KiB, 4 routines", MANY * SMALL, SMALL),
    ];
    for (work, len, part_size) in works {
        let mut server = plain_server()?;
        let file = workshop.file(len)?;
        let role = Role::Ours(server.upload(upload(&file, part_size, 4)));
        let Some(calls) = counted(workshop.folder(), &role)? else {
            println!("strace is not there: system calls are not counted");
            return Ok(());
        };
        let most = 2 * len.div_ceil(128 * KIB) + 12 * len.div_ceil(part_size);
        report.add(against_floor(
            work,
            "system calls",
            "",
            (calls, most as f64),
            AtMost(1.0),
        ));
        let connections = server.seen()?.connections as f64;
        report.add(bound(work, "connections", "", connections, AtMost(4.0)));
    }
    Ok(())
}

/// How many system calls the process makes; `None` without strace.
fn counted(folder: &Path, role: &Role) -> io::Result<Option<f64>> {
    let summary = folder.join("strace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-c", "-o"])
        .arg(&summary)
        .arg(std::env::current_exe()?);
    match run_under(command, role) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        run => run?,
    };
    // The last line: percent, seconds, µs a call, calls, errors, `total`.
    let text = fs::read_to_string(summary)?;
    let total = text.lines().rfind(|line| line.ends_with("total"));
    let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    calls
        .map(Some)
        .ok_or_else(|| io::Error::other("what strace says has no sum"))
}

pub(crate) fn many_files(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    const FILES: usize = 10_000;
    let server = plain_server()?;
    let folder = workshop.files(FILES, 10 << 10)?;
    for routines in [4, 16] {
        let pairs = pairs(&server, &upload(&folder, MIB, routines))?;
        let rate = |cost: &Cost| FILES as f64 / cost.wall;
        let work = format!("10,000 files of 10 KiB, {routines} routines");
        report.add(against_floor(
            &work,
            "requests",
            "1/s",
            median(&pairs, rate),
            AtLeast(0.8),
        ));
    }
    Ok(())
}
