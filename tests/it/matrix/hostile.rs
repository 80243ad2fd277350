//! Row 13: hostile input. Forged checkpoints and answers that make no sense, given to real uploads; what the library's
//! readers make of them byte by byte is tried by `src/hostile`.

mod answers;
#[cfg(unix)]
mod checkpoints;
mod http;
mod options;

use crate::support::process::WATCHDOG;
use crate::support::seed;
use oss_upload::{Error, ErrorKind};

fn random() -> fastrand::Rng {
    fastrand::Rng::with_seed(seed())
}

fn one_of<T: Clone>(random: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())].clone()
}

/// An error for people: of a kind that is nobody's mistake here, in one line, not endless.
fn expect_clear(error: &Error, what: &str) {
    let text = error.to_string();
    assert_ne!(error.kind(), ErrorKind::Internal, "{what}: {text}");
    assert_ne!(
        error.kind(),
        ErrorKind::Cancelled,
        "{what} hung for {WATCHDOG:?}: {text}"
    );
    assert!(!text.contains(char::is_control), "{what}: {text:?}");
    assert!(text.chars().count() < 3000, "{what}: {text}");
}
