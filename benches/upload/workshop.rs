//! What the measurements share: a folder with files, and pairs of runs.

use crate::process::{Serving, run};
use crate::role::{Cost, Role, Server, Upload};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;

/// Nearly the most parts that an upload may have.
pub(crate) const MANY: u64 = 9_995;
/// The smallest part that OSS takes.
pub(crate) const SMALL: u64 = 100 * KIB;

/// Runs of each, ours and the floor in turn; the median pair counts.
pub(crate) const PAIRS: usize = 9;

pub(crate) struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// On the disk that the project is built on: the system's temp folder may be memory.
    pub(crate) fn open() -> io::Result<Workshop> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Workshop { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of so many bytes of noise, in the page cache. The same length is the same file.
    pub(crate) fn file(&self, len: u64) -> io::Result<PathBuf> {
        let path = self.folder().join(format!("{len}.bin"));
        if !path.exists() {
            let mut noise = vec![0; 1 << 20];
            fastrand::Rng::with_seed(len).fill(&mut noise);
            let mut file = File::create(&path)?;
            let mut left = len;
            while left > 0 {
                let n = left.min(noise.len() as u64);
                file.write_all(&noise[..usize::try_from(n).expect("fits")])?;
                left -= n;
            }
            // What the system writes back later would be counted for whoever runs then.
            file.sync_all()?;
        }
        Ok(path)
    }

    /// A file that is all hole: of any length at no cost.
    pub(crate) fn hole(&self, len: u64) -> io::Result<PathBuf> {
        let path = self.folder().join(format!("{len}.hole"));
        File::create(&path)?.set_len(len)?;
        Ok(path)
    }

    /// A folder of so many files.
    pub(crate) fn files(&self, n: u32, len: u64) -> io::Result<PathBuf> {
        let folder = self.folder().join(format!("{n} files"));
        fs::create_dir(&folder)?;
        let noise = vec![7; usize::try_from(len).expect("short")];
        for i in 0..n {
            fs::write(folder.join(format!("{i:05}.bin")), &noise)?;
        }
        Ok(folder)
    }
}

/// What an upload of this file means.
pub(crate) fn upload(path: &Path, part_size: u64, routines: usize) -> Upload {
    Upload {
        endpoint: String::new(),
        root: None,
        path: path.to_owned(),
        part_size,
        routines,
        checkpoint: true,
    }
}

/// The same work, done by the library and by somebody else.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) ours: Cost,
    pub(crate) floor: Cost,
}

/// Runs the library and the floor several times, in turn.
pub(crate) fn pairs(server: &Serving, upload: &Upload) -> io::Result<Vec<Pair>> {
    pairs_with(server, upload, Role::Floor, PAIRS)
}

/// The same with somebody else in the floor's place.
pub(crate) fn pairs_with(
    server: &Serving,
    upload: &Upload,
    other: impl Fn(Upload) -> Role,
    n: usize,
) -> io::Result<Vec<Pair>> {
    let once = || {
        Ok(Pair {
            ours: run(&Role::Ours(server.upload(upload.clone())))?,
            floor: run(&other(server.upload(upload.clone())))?,
        })
    };
    // Nothing is warm before the first.
    once()?;
    (0..n).map(|_| once()).collect()
}

/// The pair whose ratio of a figure is the median one.
pub(crate) fn median(pairs: &[Pair], figure: impl Fn(&Cost) -> f64) -> (f64, f64) {
    let mut figures: Vec<(f64, f64)> = pairs
        .iter()
        .map(|p| (figure(&p.ours), figure(&p.floor)))
        .collect();
    figures.sort_by(|(a, b), (c, d)| (a / b).total_cmp(&(c / d)));
    figures[figures.len() / 2]
}

pub(crate) fn plain_server() -> io::Result<Serving> {
    Serving::start(Server::default())
}
