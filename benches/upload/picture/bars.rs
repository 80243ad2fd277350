//! The bars of a picture, in columns: a row each, held against its target.

use super::super::report::{Result, Row, number, with_unit};
use super::page::{
    BESIDE, GAP, GRID, GROUND, INK, MARGIN, MET, NOT_MET, OVERHANG, Page, RIGHT, path,
};
use super::text::{FIGURE, Font, HEADING, NOTE, TEXT};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// Rows under one heading, which have one line to be seen against.
pub(super) struct Block<'a> {
    heading: &'static str,
    /// What the line stands for.
    line: &'static str,
    pub(super) bars: Vec<Bar<'a>>,
}

/// What is shown of a row.
pub(super) struct Bar<'a> {
    /// Not said again where it is that of the row above.
    work: Option<&'a str>,
    figure: &'a str,
    /// How far the bar goes, if the line is at 1.
    share: f64,
    /// Where the target is, if it is not the line itself.
    mark: Option<f64>,
    /// What stands at the end of the bar.
    said: String,
    /// What a ratio was made of.
    parts: String,
    target: String,
    is_met: bool,
}

impl<'a> Bar<'a> {
    fn new(row: &'a Row, work: Option<&'a str>) -> Self {
        let (ours, bound) = (number(row.ours), row.target.bound());
        let (share, mark, said, parts) = match row.ratio().zip(row.floor) {
            Some((ratio, floor)) => {
                let parts = format!("{ours} / {}", number(floor));
                let parts = with_unit(&parts, &row.unit);
                (ratio, Some(bound), format!("{ratio:.2}"), parts)
            }
            None => {
                // Of a bound of zero there is no share: none of it, or more than can be shown.
                let share = match row.ours {
                    0.0 => 0.0,
                    ours => ours / bound,
                };
                (share, None, with_unit(&ours, &row.unit), String::new())
            }
        };
        Self {
            work,
            figure: &row.figure,
            share,
            mark,
            said,
            parts,
            target: row.target_with_unit(),
            is_met: row.is_met(),
        }
    }

    fn names_width(&self) -> i32 {
        let figure = NOTE.width(self.figure);
        self.work.map_or(0, |work| TEXT.width(work) + GAP) + figure
    }

    fn color(&self) -> RGBColor {
        match self.is_met {
            true => MET,
            false => NOT_MET,
        }
    }
}

impl<'a> Block<'a> {
    const HEAD: i32 = 36;
    const ROW: i32 = 18;
    const TAIL: i32 = 8;

    pub(super) fn new(heading: &'static str, line: &'static str, rows: &[&'a Row]) -> Self {
        let mut bars = vec![];
        let mut above = None;
        for row in rows {
            let work = Some(row.work.as_str());
            bars.push(Bar::new(row, work.filter(|_| work != above)));
            above = work;
        }
        Self {
            heading,
            line,
            bars,
        }
    }

    pub(super) fn height(&self) -> i32 {
        Self::HEAD + self.n_rows() * Self::ROW + Self::TAIL
    }

    fn n_rows(&self) -> i32 {
        i32::try_from(self.bars.len()).unwrap_or(i32::MAX)
    }

    pub(super) fn draw(&self, page: &Page, columns: &Columns, top: i32) -> Result<()> {
        let first = top + Self::HEAD;
        self.draw_head(page, columns, first - Self::ROW / 2)?;
        let middles = (first + Self::ROW / 2..).step_by(Self::ROW as usize);
        for (bar, middle) in self.bars.iter().zip(middles) {
            if bar.work.is_some() {
                let y = middle - Self::ROW / 2;
                page.draw(&path([(MARGIN, y), (RIGHT, y)], GRID, 1))?;
            }
            columns.draw_bar(page, bar, middle)?;
            columns.draw_texts(page, bar, middle)?;
        }
        let x = columns.x(1.0);
        let bottom = first + self.n_rows() * Self::ROW;
        page.draw(&path([(x, first - OVERHANG), (x, bottom)], INK, 1))?;
        Ok(())
    }

    fn draw_head(&self, page: &Page, columns: &Columns, y: i32) -> Result<()> {
        let room = columns.names_width;
        HEADING.write(page, self.heading, HPos::Left, (MARGIN, y), room)?;
        let at = (columns.x(1.0), y);
        NOTE.write(page, self.line, HPos::Center, at, columns.bars_width)?;
        if self.bars.iter().any(|bar| bar.mark.is_some()) {
            let at = (columns.parts, y);
            NOTE.write(page, PARTS, HPos::Right, at, columns.parts_width)?;
            draw_mark(page, columns.target - NOTE.width(TARGET) - BESIDE, y)?;
        }
        let at = (columns.target, y);
        NOTE.write(page, TARGET, HPos::Right, at, columns.target_width)
    }
}

const PARTS: &str = "ours / floor";
const TARGET: &str = "target";
/// Half of how thick a bar is.
const HALF_BAR: i32 = 5;

fn draw_mark(page: &Page, x: i32, middle: i32) -> Result<()> {
    const THICKNESS: u32 = 2;
    let half = HALF_BAR + OVERHANG;
    let ends = [(x, middle - half), (x, middle + half)];
    Ok(page.draw(&path(ends, INK, THICKNESS))?)
}

/// Where the columns of all blocks are, and how long a bar is.
pub(super) struct Columns {
    /// How much the names have, the work's on the left and the figure's on the right.
    names_width: i32,
    bars: i32,
    bars_width: i32,
    said_width: i32,
    /// Where what a ratio was made of ends.
    parts: i32,
    parts_width: i32,
    /// Where the target ends.
    target: i32,
    target_width: i32,
    /// The share at which the column of bars ends.
    end: f64,
}

impl Columns {
    const LEAST_BARS: i32 = 120;
    const SIGN: i32 = 20;
    /// How far the column of bars goes at least and at most: longer ones are cut, or nothing would be seen of the others.
    const LEAST_END: f64 = 1.2;
    const MOST_END: f64 = 1.5;

    pub(super) fn of(blocks: &[Block]) -> Result<Self> {
        let bars = || blocks.iter().flat_map(|block| &block.bars);
        let widest = |font: Font, text: for<'b> fn(&'b Bar<'b>) -> &'b str| {
            let widths = bars().map(|bar| font.width(text(bar)));
            widths.max().unwrap_or(0)
        };
        let names = bars().map(Bar::names_width);
        let headings = blocks.iter().map(|block| HEADING.width(block.heading));
        let names_width = names.chain(headings).max().unwrap_or(0);
        let first_bar = MARGIN + names_width + GAP;
        let said_width = widest(FIGURE, |bar| &bar.said);
        let target_width = widest(TEXT, |bar| &bar.target).max(NOTE.width(TARGET) + GAP);
        let parts_width = widest(NOTE, |bar| &bar.parts).max(NOTE.width(PARTS));
        let target = RIGHT - Self::SIGN;
        let parts = target - target_width - GAP;
        let bars_width = parts - parts_width - GAP - said_width - GAP - first_bar;
        if bars_width < Self::LEAST_BARS {
            let longest = bars().max_by_key(|bar| bar.names_width());
            let longest = longest.and_then(|bar| bar.work).unwrap_or_default();
            return Err(format!("`{longest}` is too long: there is no place for bars").into());
        }
        let shares = bars().flat_map(|bar| [bar.share, bar.mark.unwrap_or(0.0)]);
        Ok(Self {
            names_width,
            bars: first_bar,
            bars_width,
            said_width,
            parts,
            parts_width,
            target,
            target_width,
            end: shares.fold(Self::LEAST_END, f64::max).min(Self::MOST_END),
        })
    }

    fn x(&self, share: f64) -> i32 {
        let part = share.min(self.end) / self.end;
        self.bars + (part * f64::from(self.bars_width)).round() as i32
    }

    fn draw_bar(&self, page: &Page, bar: &Bar, middle: i32) -> Result<()> {
        let (end, color) = (self.x(bar.share), bar.color());
        let corners = [(self.bars, middle - HALF_BAR), (end, middle + HALF_BAR)];
        page.draw(&Rectangle::new(corners, color.filled()))?;
        if bar.share > self.end {
            draw_cut(page, end, middle)?;
        }
        // The text stands beyond the line and the mark, which would go through it.
        let mut beyond = end.max(self.x(1.0));
        if let Some(mark) = bar.mark {
            draw_mark(page, self.x(mark), middle)?;
            beyond = beyond.max(self.x(mark));
        }
        let at = (beyond + BESIDE, middle);
        let said = FIGURE.colored(color);
        said.write(page, &bar.said, HPos::Left, at, self.said_width)
    }

    fn draw_texts(&self, page: &Page, bar: &Bar, middle: i32) -> Result<()> {
        let work = bar.work.unwrap_or_default();
        let room = self.names_width;
        TEXT.write(page, work, HPos::Left, (MARGIN, middle), room)?;
        let at = (MARGIN + self.names_width, middle);
        NOTE.write(page, bar.figure, HPos::Right, at, room)?;
        let at = (self.parts, middle);
        NOTE.write(page, &bar.parts, HPos::Right, at, self.parts_width)?;
        let at = (self.target, middle);
        TEXT.write(page, &bar.target, HPos::Right, at, self.target_width)?;
        draw_sign(page, bar, middle)
    }
}

/// Shows that a bar goes on beyond its end.
fn draw_cut(page: &Page, end: i32, middle: i32) -> Result<()> {
    const BEFORE_END: i32 = 12;
    const SLANT: i32 = 4;
    const THICKNESS: u32 = 3;
    let (x, half) = (end - BEFORE_END, HALF_BAR + OVERHANG);
    let ends = [(x, middle + half), (x + SLANT, middle - half)];
    Ok(page.draw(&path(ends, GROUND, THICKNESS))?)
}

/// Says by a form what the color says too. It is drawn because not every font has it.
fn draw_sign(page: &Page, bar: &Bar, middle: i32) -> Result<()> {
    const CHECK: &[&[(i32, i32)]] = &[&[(-10, 0), (-7, 4), (-1, -4)]];
    const CROSS: &[&[(i32, i32)]] = &[&[(-10, -4), (-2, 4)], &[(-10, 4), (-2, -4)]];
    const THICKNESS: u32 = 2;
    let strokes = match bar.is_met {
        true => CHECK,
        false => CROSS,
    };
    for stroke in strokes {
        let points = stroke.iter().map(|(x, y)| (RIGHT + x, middle + y));
        let points: Vec<(i32, i32)> = points.collect();
        page.draw(&path(points, bar.color(), THICKNESS))?;
    }
    Ok(())
}
