//! What an upload, of one file or of many, may be told of its pace.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How many routines one upload may have.
pub(super) const ROUTINES: RangeInclusive<usize> = 1..=100;

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

pub(super) fn check_deadline(within: Option<Duration>) -> Result<(), String> {
    match within {
        Some(Duration::ZERO) => Err("a deadline of zero lets nothing succeed".to_owned()),
        _ => Ok(()),
    }
}

pub(super) fn check_progress_every(every: Duration) -> Result<(), String> {
    match every >= PROGRESS_EVERY_LEAST {
        true => Ok(()),
        false => Err(format!(
            "progress is shown every {} ms or less often, not every {every:?}",
            PROGRESS_EVERY_LEAST.as_millis()
        )),
    }
}
