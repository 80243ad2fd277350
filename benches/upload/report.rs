//! What the bench has found: a table to read at once, and a file that the picture is drawn from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Widths of the table's columns; with the last, which is as wide as [`NOT_MET`], a line has 117 characters.
const WORK: usize = 48;
const FIGURE: usize = 18;
const VALUE: usize = 11;
const RATIO: usize = 6;
const TARGET: usize = 10;

const MET: &str = "met";
/// Loud, so that it is found in a column of the other.
const NOT_MET: &str = "NOT MET";
/// Where a line of the table has nothing to say.
const NOTHING: &str = "–";

/// One line of the table: what is promised, and what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `1 GiB, 10 MiB parts, 4 routines`.
    pub(crate) work: String,
    /// `CPU`, `wall`, `peak memory`.
    pub(crate) figure: String,
    /// Of `ours` and of the floor; it may be empty.
    pub(crate) unit: String,
    pub(crate) ours: f64,
    /// What it is held against; without it, the target is a bound of `ours` itself.
    pub(crate) floor: Option<f64>,
    pub(crate) target: Target,
}

/// What the ratio is to be, or the figure itself where there is no floor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// How a figure grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Curve {
    pub(crate) name: String,
    /// What grows and in which unit, as in `part size, bytes`; bytes are shown as KiB, MiB and GiB.
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) ours: Vec<(f64, f64)>,
    pub(crate) floor: Vec<(f64, f64)>,
}

/// All of one run of the bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) version: String,
    pub(crate) date: String,
    pub(crate) machine: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) curves: Vec<Curve>,
}

impl Target {
    pub(crate) fn bound(self) -> f64 {
        match self {
            Self::AtMost(bound) | Self::AtLeast(bound) => bound,
        }
    }

    /// Nothing is met by what is no number, or by a division by zero.
    fn is_met_by(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::AtMost(bound) => value <= bound,
                Self::AtLeast(bound) => value >= bound,
            }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self {
            Self::AtMost(_) => '≤',
            Self::AtLeast(_) => '≥',
        };
        // To the last digit: it was not measured.
        write!(f, "{sign} {}", without_noise(self.bound()))
    }
}

impl Row {
    /// Ours and the floor's are compared.
    pub(crate) fn ratio_of(
        [work, figure, unit]: [&str; 3],
        (ours, floor): (f64, f64),
        target: Target,
    ) -> Self {
        Self {
            floor: Some(floor),
            ..Self::bound_of([work, figure, unit], ours, target)
        }
    }

    /// Ours is bounded as it is.
    pub(crate) fn bound_of([work, figure, unit]: [&str; 3], ours: f64, target: Target) -> Self {
        Self {
            work: work.to_owned(),
            figure: figure.to_owned(),
            unit: unit.to_owned(),
            ours,
            floor: None,
            target,
        }
    }

    /// Ours by the floor's, where there is one.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.floor.map(|floor| self.ours / floor)
    }

    pub(crate) fn is_met(&self) -> bool {
        self.target.is_met_by(self.ratio().unwrap_or(self.ours))
    }

    /// The target in the unit that it is in: ratios have none.
    pub(crate) fn target_with_unit(&self) -> String {
        match self.floor {
            Some(_) => self.target.to_string(),
            None => with_unit(&self.target.to_string(), &self.unit),
        }
    }

    fn check(&self) -> Result<()> {
        let Self { work, figure, .. } = self;
        for value in [self.ours, self.target.bound()] {
            if !is_measure(value) {
                return Err(format!("{figure} of `{work}`: {value} is no measure").into());
            }
        }
        match self.floor {
            Some(floor) if !is_measure(floor) || floor == 0.0 => {
                Err(format!("{figure} of `{work}`: {floor} is no floor").into())
            }
            _ => Ok(()),
        }
    }
}

/// The row's line of the table.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value| with_unit(&number(value), &self.unit);
        let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
        let (ours, floor) = (value(self.ours), or_nothing(self.floor.map(value)));
        let ratio = or_nothing(self.ratio().map(|ratio| format!("{ratio:.3}")));
        let target = self.target_with_unit();
        let met = if self.is_met() { MET } else { NOT_MET };
        let named = [self.work.as_str(), &self.figure];
        f.write_str(&line(named, [&ours, &floor, &ratio, &target], met))
    }
}

impl Curve {
    fn check(&self) -> Result<()> {
        let Self { name, ours, .. } = self;
        for (x, y) in ours.iter().chain(&self.floor) {
            // The axis is logarithmic.
            if !is_measure(*x) || *x == 0.0 || !is_measure(*y) {
                return Err(format!("curve `{name}`: ({x}, {y}) is no point").into());
            }
        }
        match ours.iter().any(|(x, _)| *x != ours[0].0) {
            true => Ok(()),
            false => Err(format!("curve `{name}`: one place makes no curve").into()),
        }
    }
}

impl Report {
    /// Of today, of this version, and still without rows.
    pub(crate) fn begin(machine: &str) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            date: Timestamp::now().strftime("%F").to_string(),
            machine: machine.to_owned(),
            rows: vec![],
            curves: vec![],
        }
    }

    /// Takes a row in and prints it: who waits for the others sees what is known.
    pub(crate) fn add(&mut self, row: Row) {
        println!("{row}");
        self.rows.push(row);
    }

    pub(crate) fn add_curve(&mut self, curve: Curve) {
        self.curves.push(curve);
    }

    /// How many of the rows are met: the table's last line.
    pub(crate) fn summary(&self) -> String {
        let n_met = self.rows.iter().filter(|row| row.is_met()).count();
        format!("{n_met} of {} met", self.rows.len())
    }

    /// Fails on figures that JSON has no word for, or that cannot be compared, and names the first.
    pub(crate) fn to_json(&self) -> Result<String> {
        self.check()?;
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub(crate) fn from_json(text: &str) -> Result<Self> {
        let report: Self = serde_json::from_str(text)?;
        report.check()?;
        Ok(report)
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.rows.iter().try_for_each(Row::check)?;
        self.curves.iter().try_for_each(Curve::check)
    }
}

/// The table's first lines.
pub(crate) fn heading() -> String {
    let head = line(["work", "figure"], ["ours", "floor", "ratio", "target"], "");
    let rule = "-".repeat(head.chars().count() + NOT_MET.len());
    format!("{}\n{rule}", head.trim_end())
}

fn line(named: [&str; 2], measured: [&str; 4], met: &str) -> String {
    let [work, figure] = named;
    let [ours, floor, ratio, target] = measured;
    let named = format!("{work:WORK$} {figure:FIGURE$}");
    let measured = format!("{ours:>VALUE$} {floor:>VALUE$} {ratio:>RATIO$} {target:>TARGET$}");
    format!("{named} {measured} {met}")
}

fn is_measure(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

pub(crate) fn with_unit(number: &str, unit: &str) -> String {
    match unit {
        "" => number.to_owned(),
        unit => format!("{number} {unit}"),
    }
}

/// The number that was meant by a sum such as 0.6000000000000001.
pub(crate) fn without_noise(value: f64) -> f64 {
    const PLACES: f64 = 1e9;
    (value * PLACES).round() / PLACES
}

/// Three digits that count, or all that stand before the point; fewer where that is the whole truth.
pub(crate) fn number(value: f64) -> String {
    const DIGITS: i32 = 3;
    const MOST_DECIMALS: i32 = 6;
    let exact = value.to_string();
    if !is_measure(value) {
        return exact;
    }
    let before_point = match value {
        0.0 => 1,
        _ => value.log10().floor() as i32 + 1,
    };
    let decimals = (DIGITS - before_point).clamp(0, MOST_DECIMALS) as usize;
    let rounded = format!("{value:.decimals$}");
    let digits = match exact.len() < rounded.len() {
        true => exact,
        false => rounded,
    };
    match digits.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", in_thousands(whole)),
        None => in_thousands(&digits),
    }
}

fn in_thousands(digits: &str) -> String {
    let mut parted = String::new();
    for (i, digit) in digits.chars().enumerate() {
        let n_left = digits.len() - i;
        if i > 0 && n_left.is_multiple_of(3) {
            parted.push(',');
        }
        parted.push(digit);
    }
    parted
}
