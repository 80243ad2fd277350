//! Those who look on, on the caller's thread: an observer of the whole, a listener to what happens to its parts.

pub(super) mod estimate;
pub(super) mod events;
pub(super) mod progress;

use super::control::Control;
use crate::stop::Stop;
use crossbeam_channel::Receiver;
use estimate::{Estimator, time_left};
use events::{Event, Events};
use progress::{Phase, Progress, Snapshot};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Events wait no longer than this for somebody to take them, nor does another number of routines.
const LONGEST_BEAT: Duration = Duration::from_millis(100);

pub(super) type Observer<'a> = Box<dyn FnMut(&Snapshot) + Send + 'a>;

pub(super) type Listener<'a> = Box<dyn FnMut(&Event) + Send + 'a>;

/// What there is to see.
pub(super) struct Sight {
    pub(super) progress: Arc<Progress>,
    pub(super) control: Control,
    pub(super) started: Instant,
}

pub(super) struct Watch<'a> {
    sight: Sight,
    observer: Option<Observer<'a>>,
    listener: Option<Listener<'a>>,
    events: Option<Receiver<Event>>,
    every: Duration,
    shown: Option<Instant>,
    phase: Option<Phase>,
    estimator: Estimator,
    has_panicked: bool,
}

impl<'a> Watch<'a> {
    /// Returns the way to the listener too.
    pub(super) fn new(
        sight: Sight,
        observer: Option<Observer<'a>>,
        listener: Option<Listener<'a>>,
        every: Duration,
    ) -> (Watch<'a>, Events) {
        let (told, events) = match listener {
            Some(_) => {
                let (told, events) = Events::to_listener();
                (told, Some(events))
            }
            None => (Events::to_nobody(), None),
        };
        let watch = Watch {
            sight,
            observer,
            listener,
            events,
            every,
            shown: None,
            phase: None,
            estimator: Estimator::default(),
            has_panicked: false,
        };
        (watch, told)
    }

    /// Whether anybody looks on.
    pub(super) fn is_needed(&self) -> bool {
        self.observer.is_some() || self.listener.is_some()
    }

    /// How often to [look](Self::look): as often as asked, or so often that it fits into that.
    pub(super) fn beat(&self) -> Duration {
        let n = self.every.as_nanos().div_ceil(LONGEST_BEAT.as_nanos());
        u32::try_from(n).map_or(LONGEST_BEAT, |n| self.every / n.max(1))
    }

    /// Shows what is due by now. It may panic, as those who look on may.
    pub(super) fn look(&mut self) {
        self.deliver();
        let is_due = |at: Instant| at.elapsed() + self.beat() / 2 >= self.every;
        if self.shown.is_none_or(is_due) {
            self.observe();
        }
    }

    /// Shows all that there is, now. `false` when somebody panicked, now or earlier.
    pub(super) fn show(&mut self) -> bool {
        self.is_well_after(|watch| {
            watch.deliver();
            watch.enter(watch.sight.progress.snapshot().phase);
            watch.observe();
        })
    }

    /// Waits for the end of a pause, unless the upload is to end, and looks on meanwhile. A panic is told by the next
    /// [`show`](Self::show).
    pub(super) fn hold(&mut self, stop: &Stop) {
        let beat = self.beat();
        while self.sight.control.is_paused() && !stop.is_set() {
            self.sight.control.hold_for(stop, beat);
            self.is_well_after(Watch::look);
        }
    }

    /// Tells the listener what is left to be told. How the upload ended is decided: a panic changes nothing.
    pub(super) fn finish(&mut self) {
        self.is_well_after(Watch::deliver);
    }

    /// Whether nobody panicked, now or before: it may have been in a look, while a call was made that succeeded.
    fn is_well_after(&mut self, act: impl FnOnce(&mut Self)) -> bool {
        let acted = panic::catch_unwind(AssertUnwindSafe(|| act(self)));
        acted.is_ok() && !self.has_panicked
    }

    fn deliver(&mut self) {
        while let Some(Ok(event)) = self.events.as_ref().map(Receiver::try_recv) {
            self.tell(&event);
        }
    }

    fn enter(&mut self, phase: Phase) {
        if self.phase.replace(phase) != Some(phase) {
            self.estimator.forget();
            self.tell(&Event::Entered { phase });
        }
    }

    fn tell(&mut self, event: &Event) {
        call_back(&mut self.listener, &mut self.has_panicked, |listener| {
            listener(event);
        });
    }

    fn observe(&mut self) {
        if self.observer.is_none() {
            return;
        }
        self.shown = Some(Instant::now());
        let Sight {
            progress,
            control,
            started,
        } = &self.sight;
        let mut seen = progress.snapshot();
        seen.is_paused = control.is_paused();
        seen.elapsed = started.elapsed();
        self.estimate(&mut seen);
        call_back(&mut self.observer, &mut self.has_panicked, |observer| {
            observer(&seen);
        });
    }

    fn estimate(&mut self, seen: &mut Snapshot) {
        match seen.phase {
            Phase::Done => seen.time_left = Some(Duration::ZERO),
            Phase::Sending if !seen.is_paused => {
                seen.rate = self.estimator.rate(seen.elapsed, seen.bytes_useful());
                seen.time_left = time_left(seen.bytes_left(), seen.rate);
            }
            _ => self.estimator.forget(),
        }
    }
}

/// Calls back, and never again whoever panics.
fn call_back<T>(callback: &mut Option<T>, has_panicked: &mut bool, call: impl FnOnce(&mut T)) {
    let Some(mut taken) = callback.take() else {
        return;
    };
    let before = mem::replace(has_panicked, true);
    call(&mut taken);
    *has_panicked = before;
    *callback = Some(taken);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn watch(listener: Option<Listener<'_>>, every: Duration) -> (Watch<'_>, Events) {
        let sight = Sight {
            progress: Arc::default(),
            control: Control::new(),
            started: Instant::now(),
        };
        Watch::new(sight, None, listener, every)
    }

    #[test]
    fn looks_fit_into_what_was_asked_for_and_are_a_tenth_of_a_second_apart_at_most() {
        for (every, beat) in [
            (10 * MS, 10 * MS),
            (100 * MS, 100 * MS),
            (150 * MS, 75 * MS),
            (3_600_000 * MS, 100 * MS),
            (Duration::MAX, 100 * MS),
        ] {
            assert_eq!(watch(None, every).0.beat(), beat);
        }
    }

    #[test]
    fn nothing_is_made_of_events_where_nobody_listens() {
        let (_, told) = watch(None, MS);
        told.tell(|| panic!("not needed"));
    }

    #[test]
    fn a_panic_is_not_forgotten() {
        let panics: Listener<'_> = Box::new(|_| panic!("on purpose"));
        let (mut watch, _told) = watch(Some(panics), MS);
        assert!(watch.is_well_after(|_| {}));
        let tell = |watch: &mut Watch<'_>| {
            watch.tell(&Event::Entered {
                phase: Phase::Sending,
            });
        };
        assert!(!watch.is_well_after(tell));
        assert!(!watch.is_well_after(tell), "nobody panics any more");
    }

    #[test]
    fn who_panics_is_called_no_more_and_others_do_not_hide_it() {
        let (mut bad, mut good, mut has_panicked) = (Some(()), Some(()), false);
        let panics = AssertUnwindSafe(|| {
            call_back(&mut bad, &mut has_panicked, |()| panic!("on purpose"));
        });
        assert!(panic::catch_unwind(panics).is_err());
        call_back(&mut bad, &mut has_panicked, |()| panic!("never again"));
        let mut called = false;
        call_back(&mut good, &mut has_panicked, |()| called = true);
        assert!(has_panicked && called);
    }
}
