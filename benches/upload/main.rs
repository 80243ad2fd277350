//! What the library promises to cost, held against a floor: `cargo bench --bench upload [-- GROUP… --keep]`.
//!
//! Server, library and floor are processes of their own, which the bench `roles` plays. The floor is what a program
//! without any HTTP library would do. Each figure is of one run of the table: the ratios are what counts, since
//! machines differ and are shared.

mod bounds;
mod build;
mod cold;
mod files;
mod growth;
mod picture;
mod process;
mod report;
#[path = "../roles/role.rs"]
mod role;
mod speed;
mod workshop;

use report::Report;
use std::path::{Path, PathBuf};
use std::{env, fs, io};
use workshop::Workshop;

fn main() -> io::Result<()> {
    let arguments = Arguments::read()?;
    let mut report = Report::begin(&machine());
    let mut workshop = Workshop::open()?;
    println!("{}", report::heading());
    for (_, measure) in arguments.groups() {
        measure(&mut workshop, &mut report)?;
    }
    println!("{}", report.summary());
    let folder = arguments.folder();
    fs::create_dir_all(&folder)?;
    files::write(&report, &folder)?;
    println!("written: {0}/upload.json, {0}/upload.svg", folder.display());
    Ok(())
}

type Measure = fn(&mut Workshop, &mut Report) -> io::Result<()>;

/// All that can be asked for by name.
const GROUPS: [(&str, Measure); 12] = [
    ("throughput", speed::throughput),
    ("small-parts", speed::small_parts),
    ("tls", speed::tls),
    ("latency", speed::latency),
    ("memory", bounds::memory),
    ("checkpoint", bounds::checkpoint),
    ("resume", bounds::resume),
    ("system-calls", bounds::system_calls),
    ("cold", cold::cold),
    ("many-files", speed::many_files),
    ("growth", growth::growth),
    ("build", build::build),
];

struct Arguments {
    asked: Vec<String>,
    keep: bool,
}

impl Arguments {
    fn read() -> io::Result<Arguments> {
        // `--bench` is what cargo says.
        let given: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
        let (options, asked): (Vec<_>, Vec<_>) =
            given.into_iter().partition(|a| a.starts_with('-'));
        let known = |group: &String| GROUPS.iter().any(|(name, _)| name == group);
        let keep = options.iter().any(|option| option == "--keep");
        if let Some(what) = options.iter().find(|o| *o != "--keep") {
            return Err(io::Error::other(format!(
                "what is `{what}`? `--keep` is known"
            )));
        }
        if let Some(what) = asked.iter().find(|group| !known(group)) {
            let names = GROUPS.map(|(name, _)| name).join(", ");
            return Err(io::Error::other(format!(
                "there is no group `{what}`, but {names}"
            )));
        }
        Ok(Arguments { asked, keep })
    }

    fn groups(&self) -> impl Iterator<Item = &'static (&'static str, Measure)> {
        let asked = |name: &str| self.asked.is_empty() || self.asked.iter().any(|a| a == name);
        GROUPS.iter().filter(move |(name, _)| asked(name))
    }

    /// Where the report goes: into the repository only when asked.
    fn folder(&self) -> PathBuf {
        match self.keep {
            true => Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/measured"),
            false => Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned(),
        }
    }
}

/// `2 × AMD EPYC, linux`
fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or(env::consts::ARCH, |m| {
        m.trim_start_matches([' ', '\t', ':'])
    });
    format!("{cpus} × {model}, {}", env::consts::OS)
}
