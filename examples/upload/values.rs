//! What stands behind options: a word of some, a text, a time.

use jiff::SignedDuration;
use lexopt::{Parser, ValueExt};
use std::time::Duration;

/// Why there is nothing to run.
pub(crate) enum Usage {
    Help,
    Wrong(String),
}

impl<E: std::error::Error> From<E> for Usage {
    fn from(error: E) -> Usage {
        Usage::Wrong(error.to_string())
    }
}

pub(crate) fn wrong<T>(why: impl Into<String>) -> Result<T, Usage> {
    Err(Usage::Wrong(why.into()))
}

/// The value of the option that was read last.
pub(crate) fn text(parser: &mut Parser) -> Result<String, Usage> {
    Ok(parser.value()?.string()?)
}

/// One of these words.
pub(crate) fn choice<T: Copy>(
    name: &str,
    parser: &mut Parser,
    choices: &[(&str, T)],
) -> Result<T, Usage> {
    let given = text(parser)?;
    let chosen = choices
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(&given));
    match chosen {
        Some((_, chosen)) => Ok(*chosen),
        None => {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            wrong(format!("--{name} is {}, not `{given}`", listed(&words)))
        }
    }
}

/// `a, b or c`.
fn listed(words: &[&str]) -> String {
    match words {
        [most @ .., before, last] => {
            let most: String = most.iter().map(|word| format!("{word}, ")).collect();
            format!("{most}{before} or {last}")
        }
        _ => words.concat(),
    }
}

/// `90` or `1.5`, in seconds, or `10m`, `2h 30m` and the like.
pub(crate) fn time(name: &str, parser: &mut Parser) -> Result<Duration, Usage> {
    let given = text(parser)?;
    let seconds: Option<f64> = given.parse().ok();
    let time = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => {
            let time: Option<SignedDuration> = given.parse().ok();
            time.and_then(|time| Duration::try_from(time).ok())
        }
    };
    match time {
        Some(time) => Ok(time),
        None => wrong(format!(
            "--{name} is a time such as 90 (seconds), 10m or 2h, not `{given}`"
        )),
    }
}

/// Of some options only one can be given, and once.
pub(crate) fn only<T>(given: &mut Option<T>, value: T, options: &str) -> Result<(), Usage> {
    match given.replace(value) {
        None => Ok(()),
        Some(_) => wrong(format!("only one of {options}")),
    }
}
