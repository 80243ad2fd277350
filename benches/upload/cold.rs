//! A file that is not in the page cache: whoever uploads it should read it as fast as somebody who does nothing else.

use crate::process::run;
use crate::report::{Report, Row, Target};
use crate::role::Role;
use crate::workshop::{Workshop, plain_server, upload};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;
use std::io;
use std::path::Path;

const LEN: u64 = 512 << 20;
const MIB: u64 = 1 << 20;
const PAIRS: usize = 5;

pub(crate) fn cold(workshop: &mut Workshop, report: &mut Report) -> io::Result<()> {
    let server = plain_server()?;
    let file = workshop.file(LEN)?;
    for routines in [1, 4, 16] {
        let ours = Role::Ours(server.upload(upload(&file, 10 * MIB, routines)));
        let reader = Role::Reader(file.clone());
        let mut pairs = (0..PAIRS)
            .map(|_| Ok((once(&file, &ours)?, once(&file, &reader)?)))
            .collect::<io::Result<Vec<_>>>()?;
        pairs.sort_by(|(a, b), (c, d)| (a / b).total_cmp(&(c / d)));
        let (ours, floor) = pairs[PAIRS / 2];
        let work = format!("cold file, 512 MiB, {routines} routines");
        let row = [work.as_str(), "speed", "MiB/s"];
        report.add(Row::ratio_of(row, (ours, floor), Target::AtLeast(0.95)));
    }
    Ok(())
}

/// MiB/s.
fn once(file: &Path, role: &Role) -> io::Result<f64> {
    forget(file)?;
    Ok(LEN as f64 / MIB as f64 / run(role)?.wall)
}

/// Takes a file out of the page cache.
fn forget(file: &Path) -> io::Result<()> {
    let file = File::open(file)?;
    // What is not written cannot be forgotten.
    file.sync_all()?;
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}
