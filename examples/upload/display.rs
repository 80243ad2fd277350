//! How far it is, on standard error.

use crate::arguments::Progress;
use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressStyle};
use oss_upload::{FilesSnapshot, Phase, Snapshot};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Plain lines come at most this often, unless something else is done.
const LINE_EVERY: Duration = Duration::from_secs(1);

const PAUSED: &str = "paused";

pub(crate) enum Display {
    Bar(ProgressBar),
    Lines {
        last: Option<(Instant, &'static str)>,
    },
    Nothing,
}

/// What is shown, of one file or of several.
struct Seen {
    /// What it is doing. A line is due at once when that is something else.
    stage: &'static str,
    /// The same, in more detail.
    doing: String,
    bytes: u64,
    bytes_total: u64,
    rate: u64,
    time_left: Option<Duration>,
    /// What only lines have room for.
    details: String,
}

impl Display {
    pub(crate) fn new(asked: Progress) -> Display {
        match asked {
            Progress::None => Display::Nothing,
            Progress::Auto if !stderr().is_terminal() => Display::Lines { last: None },
            Progress::Plain => Display::Lines { last: None },
            Progress::Auto | Progress::Bar => {
                let style = "{prefix:10} [{wide_bar}] {percent:>3} %  {binary_bytes} of {binary_total_bytes}{msg}";
                let style = ProgressStyle::with_template(style).expect("a valid template");
                Display::Bar(ProgressBar::new(0).with_style(style))
            }
        }
    }

    pub(crate) fn show(&mut self, progress: &Snapshot) {
        let stage = stage(progress);
        self.show_seen(Seen {
            stage,
            doing: stage.to_owned(),
            bytes: progress.position(),
            bytes_total: progress.bytes_total,
            rate: progress.rate,
            time_left: progress.time_left,
            details: format!(
                "parts {}/{}  retries {}",
                progress.parts_done, progress.parts_total, progress.retries
            ),
        });
        match self {
            Display::Bar(bar) if progress.phase == Phase::Done => bar.finish(),
            _ => {}
        }
    }

    pub(crate) fn show_files(&mut self, progress: &FilesSnapshot) {
        let (through, total) = (progress.files_through, progress.files_total);
        let stage = match (progress.is_paused, through == total) {
            (true, _) => PAUSED,
            (false, false) => "files",
            (false, true) => "done",
        };
        self.show_seen(Seen {
            stage,
            doing: match stage {
                PAUSED => PAUSED.to_owned(),
                _ => format!("{through} of {total}"),
            },
            bytes: progress.position(),
            bytes_total: progress.bytes_total,
            rate: progress.rate,
            time_left: progress.time_left,
            details: format!(
                "failed {}  retries {}",
                progress.files_failed, progress.retries
            ),
        });
    }

    /// Prints without a bar in between.
    pub(crate) fn beside(&self, print: impl FnOnce()) {
        match self {
            Display::Bar(bar) => bar.suspend(print),
            Display::Lines { .. } | Display::Nothing => print(),
        }
    }

    fn show_seen(&mut self, seen: Seen) {
        match self {
            Display::Nothing => {}
            Display::Bar(bar) => {
                bar.set_length(seen.bytes_total);
                bar.set_message(seen.speed());
                bar.set_prefix(seen.doing);
                bar.set_position(seen.bytes);
            }
            Display::Lines { last } => {
                let is_due = match last {
                    None => true,
                    Some((at, stage)) => *stage != seen.stage || at.elapsed() >= LINE_EVERY,
                };
                if is_due {
                    seen.print_line();
                    *last = Some((Instant::now(), seen.stage));
                }
            }
        }
    }
}

impl Seen {
    fn print_line(&self) {
        let percent = match self.bytes_total {
            0 => 100,
            total => u128::from(self.bytes) * 100 / u128::from(total),
        };
        eprintln!(
            "{:10} {percent:>3} %  {} of {}{}  {}",
            self.doing,
            BinaryBytes(self.bytes),
            BinaryBytes(self.bytes_total),
            self.speed(),
            self.details
        );
    }

    /// Nothing where nothing moves, or all has.
    fn speed(&self) -> String {
        match (self.rate, self.time_left) {
            (0, _) => String::new(),
            (rate, Some(left)) if !left.is_zero() => {
                format!("  {}/s  {:#} left", BinaryBytes(rate), HumanDuration(left))
            }
            (rate, _) => format!("  {}/s", BinaryBytes(rate)),
        }
    }
}

fn stage(progress: &Snapshot) -> &'static str {
    match progress.phase {
        _ if progress.is_paused => PAUSED,
        Phase::Preparing => "preparing",
        Phase::Verifying => "verifying",
        Phase::Sending => "sending",
        Phase::Completing => "completing",
        Phase::Done => "done",
        _ => "working",
    }
}
