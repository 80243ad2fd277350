//! What a process has cost by the time it ends.

use crate::role::Cost;
use nix::sys::resource::{UsageWho, getrusage};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// Does the work and tells the parent what it cost.
pub(crate) fn tell_cost_of(work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let started = Instant::now();
    work()?;
    let cost = Cost {
        wall: started.elapsed().as_secs_f64(),
        cpu: cpu()?.as_secs_f64(),
        peak: peak().unwrap_or_default(),
    };
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}

/// The CPU time of this process so far.
pub(crate) fn cpu() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let times = [usage.user_time(), usage.system_time()];
    let micros = times.map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Ok(Duration::from_micros(
        micros.iter().sum::<i64>().unsigned_abs(),
    ))
}

/// `ru_maxrss` would be the parent's, when that was larger before `exec`.
fn peak() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
