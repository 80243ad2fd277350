//! What every body passes on its way out: pauses, and the limit of the rate.

use super::Control;
use crate::stop::Stop;
use std::io;
use std::time::{Duration, Instant};

/// Servers wait longer than this for the next byte of a body: usually about a minute.
const LONGEST_HOLD: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Valve<'a> {
    control: &'a Control,
    stop: &'a Stop,
    /// How long a body may stand still.
    patience: Duration,
}

/// Nothing passes any more: because of a stop, or of a pause that lasts.
#[derive(Debug)]
pub(crate) struct Shut;

impl From<Shut> for io::Error {
    fn from(Shut: Shut) -> io::Error {
        io::Error::other("the body was stopped on its way")
    }
}

impl<'a> Valve<'a> {
    pub(in crate::upload) fn new(
        control: &'a Control,
        stop: &'a Stop,
        stall: Duration,
    ) -> Valve<'a> {
        Valve {
            control,
            stop,
            patience: LONGEST_HOLD.min(stall / 2),
        }
    }

    /// Waits until bytes may go, and says how many of so many.
    pub(in crate::upload) fn pass(&self, most: usize) -> Result<usize, Shut> {
        let mut shut_since = None;
        loop {
            if self.control.is_paused() {
                let since = *shut_since.get_or_insert_with(Instant::now);
                self.control
                    .hold_for(self.stop, self.patience.saturating_sub(since.elapsed()));
                self.look_for_a_stop()?;
                if self.control.is_paused() {
                    return Err(Shut);
                }
            }
            let turn = self.control.take_turn(most);
            if turn.wait.is_zero() || self.control.await_turn(&turn, self.stop) {
                return Ok(turn.bytes);
            }
            self.look_for_a_stop()?;
        }
    }

    pub(in crate::upload) fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }

    fn look_for_a_stop(&self) -> Result<(), Shut> {
        match self.is_stopped() {
            true => Err(Shut),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_nobody_restrains_passes_whole() {
        let (control, stop) = (Control::new(), Stop::default());
        let valve = Valve::new(&control, &stop, HOUR);
        assert!(matches!(valve.pass(1 << 17), Ok(0x2_0000)));
    }

    #[test]
    fn a_short_pause_holds_a_long_one_breaks_off_and_a_cancel_ends_it() {
        let (control, stop) = (Control::new(), Arc::new(Stop::default()));
        control.attach(&stop);
        control.pause();
        let patient = Valve::new(&control, &stop, HOUR);
        thread::scope(|scope| {
            let held = scope.spawn(|| patient.pass(7));
            control.resume();
            assert!(matches!(held.join().expect("no panic"), Ok(7)));
        });
        control.pause();
        let impatient = Valve::new(&control, &stop, Duration::from_millis(2));
        assert!(matches!(impatient.pass(7), Err(Shut)));
        control.cancel();
        assert!(matches!(patient.pass(7), Err(Shut)));
        control.resume();
        control.set_rate_limit(Some(1024)).expect("allowed");
        let late = (0..9).find_map(|_| patient.pass(1024).err());
        assert!(matches!(late, Some(Shut)));
    }

    /// Should it be taken from a stalled socket by its own watch, the attempt would count.
    #[test]
    fn it_is_broken_off_before_our_own_patience_and_a_servers_ends() {
        let (control, stop) = (Control::new(), Stop::default());
        let patience = |stall| Valve::new(&control, &stop, stall).patience;
        assert_eq!(patience(Duration::from_secs(4)), Duration::from_secs(2));
        assert_eq!(patience(HOUR), Duration::from_secs(5));
    }
}
