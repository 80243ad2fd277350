//! A logger for the whole test binary, at the most talkative level: it keeps what is said while somebody listens.

use std::sync::{Mutex, Once, PoisonError};

static HEARD: Mutex<Vec<(usize, Vec<String>)>> = Mutex::new(vec![]);

struct Ear;

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
        if !heard.is_empty() {
            let line = format!("{} {}: {}", record.level(), record.target(), record.args());
            for (_, lines) in &mut *heard {
                lines.push(line.clone());
            }
        }
    }

    fn flush(&self) {}
}

/// Every record of the process while `act` runs, those of other tests included.
pub(crate) fn heard_during(act: impl FnOnce()) -> Vec<String> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        log::set_logger(&Ear).expect("there is no other logger");
        log::set_max_level(log::LevelFilter::Trace);
    });
    let lock = || HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    let listener = {
        let mut heard = lock();
        let listener = heard.iter().map(|(n, _)| n + 1).max().unwrap_or(0);
        heard.push((listener, vec![]));
        listener
    };
    act();
    let mut heard = lock();
    let place = heard.iter().position(|(n, _)| *n == listener);
    heard.swap_remove(place.expect("it was put there")).1
}
