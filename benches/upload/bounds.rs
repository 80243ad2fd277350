//! Memory, bytes on the disk, requests and system calls: what has a bound of its own.

use crate::process::{Serving, run, run_failing, run_under};
use crate::report::Target::AtMost;
use crate::report::{Report, Row};
use crate::role::{Role, Server};
use crate::workshop::{GIB, KIB, MANY, MIB, SMALL, Workshop, plain_server, upload};
use oss_upload::benched;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

pub(crate) fn memory(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let server = plain_server()?;
    let big = workshop.file(GIB)?;
    let works = [
        ("1 GiB, parts of 10 MiB", &big, 10 * MIB, 1),
        ("1 GiB, parts of 10 MiB", &big, 10 * MIB, 4),
        ("1 GiB, parts of 10 MiB", &big, 10 * MIB, 64),
        (
            "9,995 parts of 100 KiB",
            &workshop.file(MANY * SMALL)?,
            SMALL,
            4,
        ),
        (
            "6 GiB, parts of 5 GiB",
            &workshop.hole(6 * GIB)?,
            5 * GIB,
            2,
        ),
    ];
    for (work, file, part_size, routines) in works {
        let upload = server.upload(upload(file, part_size, routines));
        let peak = run(&Role::Ours(upload))?.peak;
        let work = format!("{work}, {routines} routines");
        let most = 6.0 + 0.4 * routines as f64;
        report.add(Row::bound_of(
            [&work, "peak memory", "MiB"],
            peak,
            AtMost(most),
        ));
    }
    Ok(())
}

/// Writing and reading it alone. With and without a checkpoint, uploads differ by less than from one run to the next.
pub(crate) fn checkpoint(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    const PARTS: u16 = 10_000;
    const BATCH: usize = 64;
    const SCANS: usize = 20;
    let record = benched::recording(PARTS, BATCH);
    let mut disk = benched::OnDisk::begun();
    let started = Instant::now();
    record(&mut disk);
    // Hardly less than its CPU: nothing is waited for.
    let recording = started.elapsed().as_secs_f64();
    let server = plain_server()?;
    let file = workshop.file(MANY * SMALL)?;
    let whole = run(&Role::Ours(server.upload(upload(&file, SMALL, 4))))?.cpu;
    let row = ["recording 10,000 parts, of uploading them", "CPU", "s"];
    report.add(Row::ratio_of(row, (recording, whole), AtMost(0.01)));
    let scan = benched::scanning(PARTS);
    let millis = |started: Instant| started.elapsed().as_secs_f64() * 1e3;
    let times = (0..SCANS).map(|_| {
        let started = Instant::now();
        let scanned = scan();
        assert_eq!(scanned.parts(), usize::from(PARTS));
        millis(started)
    });
    // Whatever disturbs it makes it longer.
    let least = times.fold(f64::MAX, f64::min);
    let row = [
        "opening and scanning a record of 10,000 parts",
        "wall",
        "ms",
    ];
    report.add(Row::bound_of(row, least, AtMost(2.0)));
    Ok(())
}

pub(crate) fn resume(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    const PARTS: u16 = 10_000;
    const PAGES: f64 = 10.0;
    const TIMES: usize = 5;
    let mut server = Serving::start(Server {
        refused_part: Some(PARTS),
        ..Server::default()
    })?;
    let file = workshop.hole(u64::from(PARTS) * SMALL)?;
    // One routine sends the parts in order, so that the last is the one that is missing.
    let role = Role::Ours(server.upload(upload(&file, SMALL, 1)));
    let mut spent = vec![];
    let (mut record, mut requests) = (0, 0);
    for _ in 0..TIMES {
        run_failing(&role)?;
        record = fs::metadata(file.with_extension("hole.cp"))?.len();
        server.seen()?;
        spent.push(run(&role)?.cpu);
        requests = server.seen()?.requests;
    }
    spent.sort_by(f64::total_cmp);
    let work = "resume with 9,999 of 10,000 parts done";
    report.add(Row::bound_of(
        [work, "CPU", "ms"],
        spent[TIMES / 2] * 1e3,
        AtMost(50.0),
    ));
    // The pages of ListParts, the part, Complete.
    let requests = requests as f64;
    report.add(Row::bound_of(
        [work, "requests", ""],
        requests,
        AtMost(PAGES + 2.0),
    ));
    let each = record as f64 / f64::from(PARTS - 1);
    report.add(Row::bound_of(
        [work, "record a part", "B"],
        each,
        AtMost(64.0),
    ));
    Ok(())
}

pub(crate) fn system_calls(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let works = [
        ("1 GiB, parts of 10 MiB, 4 routines", GIB, 10 * MIB),
        ("9,995 parts of 100 KiB, 4 routines", MANY * SMALL, SMALL),
    ];
    for (work, len, part_size) in works {
        let mut server = plain_server()?;
        let file = workshop.file(len)?;
        let role = Role::Ours(server.upload(upload(&file, part_size, 4)));
        let Some(calls) = counted(workshop.folder(), &role)? else {
            println!("system calls are not counted: strace is not there");
            return Ok(());
        };
        // A read and a write for each piece, and twelve for each part.
        let most = 2 * len.div_ceil(128 * KIB) + 12 * len.div_ceil(part_size);
        report.add(Row::bound_of(
            [work, "system calls", ""],
            calls,
            AtMost(most as f64),
        ));
        let connections = server.seen()?.connections as f64;
        report.add(Row::bound_of(
            [work, "connections", ""],
            connections,
            AtMost(4.0),
        ));
    }
    Ok(())
}

/// How many system calls the process makes; `None` without strace.
fn counted(folder: &Path, role: &Role) -> io::Result<Option<f64>> {
    let summary = folder.join("strace");
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(&summary);
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
