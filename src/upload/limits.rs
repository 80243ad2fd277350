//! What an upload, of one file or of many, may be told of its pace.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How many routines one upload may have.
pub(super) const ROUTINES: RangeInclusive<usize> = 1..=100;

/// Below this a part of the smallest size would take more than 100 seconds.
pub(super) const RATE_LEAST: u64 = 1024;

/// How often progress is shown unless told otherwise.
pub(super) const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// And at most.
const PROGRESS_EVERY_LEAST: Duration = Duration::from_millis(10);

pub(super) fn check_routines(routines: usize) -> Result<(), String> {
    match ROUTINES.contains(&routines) {
        true => Ok(()),
        false => Err(format!(
            "an upload has {} to {} routines, not {routines}",
            ROUTINES.start(),
            ROUTINES.end()
        )),
    }
}

/// What has to do with time, of one file or of many.
pub(super) fn check_times(
    deadline: Option<Duration>,
    progress_every: Duration,
    rate_limit: Option<u64>,
) -> Result<(), String> {
    check_deadline(deadline)?;
    check_progress_every(progress_every)?;
    rate_limit.map_or(Ok(()), check_rate)
}

/// Whether a limit is one that can be kept.
pub(super) fn check_rate(bytes_per_second: u64) -> Result<(), String> {
    match bytes_per_second >= RATE_LEAST {
        true => Ok(()),
        false => Err(format!(
            "the rate is limited to {RATE_LEAST} bytes a second or more, not {bytes_per_second}"
        )),
    }
}

fn check_deadline(within: Option<Duration>) -> Result<(), String> {
    match within {
        Some(Duration::ZERO) => Err("a deadline of zero lets nothing succeed".to_owned()),
        _ => Ok(()),
    }
}

fn check_progress_every(every: Duration) -> Result<(), String> {
    match every >= PROGRESS_EVERY_LEAST {
        true => Ok(()),
        false => Err(format!(
            "progress is shown every {} ms or less often, not every {every:?}",
            PROGRESS_EVERY_LEAST.as_millis()
        )),
    }
}
