//! The picture of a report: a bar for each row, and under them how figures grow.

use super::report::{Curve, Report, Result, Row, number, with_unit, without_noise};
use plotters::coord::Shift;
use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

type Page<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: i32 = 960;
const MARGIN: i32 = 24;
const RIGHT: i32 = WIDTH - MARGIN;
/// Between columns, and between charts.
const GAP: i32 = 16;
/// Between what is drawn and the text that belongs to it.
const BESIDE: i32 = 6;
/// How far a mark stands out, over and under what it is on.
const OVERHANG: i32 = 2;

/// A light ground of its own: what is drawn on it reads the same where the page around it is dark.
const GROUND: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
const EDGE: RGBColor = RGBColor(0xD0, 0xD7, 0xDE);
const GRID: RGBColor = RGBColor(0xE6, 0xEA, 0xEE);
const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
const PALE_INK: RGBColor = RGBColor(0x59, 0x63, 0x6E);
/// Blue and vermilion of Okabe and Ito: no color-blindness confuses them.
const MET: RGBColor = RGBColor(0x00, 0x72, 0xB2);
const NOT_MET: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
const OURS: RGBColor = MET;
const FLOOR: RGBColor = RGBColor(0x6E, 0x77, 0x81);

const TITLE: Font = Font::new(18, FontStyle::Bold, INK);
const HEADING: Font = Font::new(13, FontStyle::Bold, INK);
const TEXT: Font = Font::new(12, FontStyle::Normal, INK);
const FIGURE: Font = Font::new(12, FontStyle::Bold, INK);
const NOTE: Font = Font::new(12, FontStyle::Normal, PALE_INK);
const TICK: Font = Font::new(10, FontStyle::Normal, PALE_INK);

/// Draws the picture as the text of an SVG file. Fails where a text is too long for its place, and names it.
pub(crate) fn draw(report: &Report) -> Result<String> {
    report.check()?;
    let (compared, bounded): (Vec<&Row>, Vec<&Row>) =
        report.rows.iter().partition(|row| row.floor.is_some());
    let mut blocks = vec![
        Block::new("Ratio to the floor", "floor", &compared),
        Block::new("Held to a bound", "bound", &bounded),
    ];
    blocks.retain(|block| !block.bars.is_empty());
    let columns = Columns::of(&blocks)?;
    let lines = report.curves.chunks(CHARTS_IN_A_LINE);
    let height_of_blocks: i32 = blocks.iter().map(Block::height).sum();
    let height_of_charts = i32::try_from(lines.len())? * LINE_OF_CHARTS;
    let height = HEADER + height_of_blocks + height_of_charts + MARGIN;

    let mut svg = String::new();
    let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
    let page = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    page.fill(&GROUND)?;
    page.draw(&Rectangle::new([(0, 0), (WIDTH - 1, height - 1)], EDGE))?;
    draw_header(&page, report)?;
    let mut top = HEADER;
    for block in &blocks {
        block.draw(&page, &columns, top)?;
        top += block.height();
    }
    for line in lines {
        draw_charts(&page, line, top)?;
        top += LINE_OF_CHARTS;
    }
    page.present()?;
    drop(page);
    Ok(svg)
}

const HEADER: i32 = 72;

fn draw_header(page: &Page, report: &Report) -> Result<()> {
    const SUM: i32 = 160;
    const TITLE_AT: i32 = 32;
    const RUN_AT: i32 = 56;
    let room = RIGHT - MARGIN - SUM;
    let title = format!("oss-upload {} against the floor", report.version);
    TITLE.write(page, &title, HPos::Left, (MARGIN, TITLE_AT), room)?;
    HEADING.write(page, &report.summary(), HPos::Right, (RIGHT, TITLE_AT), SUM)?;
    let run = format!("{}, {}", report.machine, report.date);
    NOTE.write(page, &run, HPos::Left, (MARGIN, RUN_AT), RIGHT - MARGIN)
}

/// Rows under one heading, which have one line to be seen against.
struct Block<'a> {
    heading: &'static str,
    /// What the line stands for.
    line: &'static str,
    bars: Vec<Bar<'a>>,
}

/// What is shown of a row.
struct Bar<'a> {
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

    fn new(heading: &'static str, line: &'static str, rows: &[&'a Row]) -> Self {
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

    fn height(&self) -> i32 {
        Self::HEAD + self.n_rows() * Self::ROW + Self::TAIL
    }

    fn n_rows(&self) -> i32 {
        i32::try_from(self.bars.len()).unwrap_or(i32::MAX)
    }

    fn draw(&self, page: &Page, columns: &Columns, top: i32) -> Result<()> {
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
struct Columns {
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

    fn of(blocks: &[Block]) -> Result<Self> {
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

const CHARTS_IN_A_LINE: usize = 4;
const CHART_HEIGHT: i32 = 190;
const CHARTS_HEAD: i32 = 40;
const LINE_OF_CHARTS: i32 = CHARTS_HEAD + CHART_HEIGHT;

fn draw_charts(page: &Page, curves: &[Curve], top: i32) -> Result<()> {
    let middle = top + CHARTS_HEAD / 2;
    HEADING.write(page, "Growth", HPos::Left, (MARGIN, middle), RIGHT - MARGIN)?;
    draw_legend(page, middle)?;
    let n = i32::try_from(curves.len())?;
    let width = (RIGHT - MARGIN - GAP * (n - 1)) / n;
    let lefts = (MARGIN..).step_by(usize::try_from(width + GAP)?);
    for (curve, left) in curves.iter().zip(lefts) {
        let place = page
            .clone()
            .shrink((left, top + CHARTS_HEAD), (width, CHART_HEIGHT));
        draw_chart(&place, curve, width)?;
    }
    Ok(())
}

fn draw_legend(page: &Page, middle: i32) -> Result<()> {
    const SAMPLE: i32 = 24;
    let mut right = RIGHT;
    for (name, color, filling) in [("floor", FLOOR, GROUND), ("ours", OURS, OURS)] {
        let text = right - NOTE.width(name);
        NOTE.write(page, name, HPos::Left, (text, middle), right - text)?;
        let sample = text - SAMPLE - BESIDE;
        let ends = [(sample, middle), (sample + SAMPLE, middle)];
        page.draw(&path(ends, color, LINE))?;
        for circle in point((sample + SAMPLE / 2, middle), color, filling) {
            page.draw(&circle)?;
        }
        right = sample - GAP;
    }
    Ok(())
}

/// How thick a curve is.
const LINE: u32 = 2;

fn draw_chart(place: &Page, curve: &Curve, width: i32) -> Result<()> {
    const TITLES: i32 = 36;
    const X_AXIS: i32 = 38;
    const Y_AXIS: i32 = 44;
    const MARGIN_RIGHT: i32 = 12;
    const NAME_AT: i32 = 6;
    const Y_NAME_AT: i32 = 23;
    const X_NAME_AT: i32 = CHART_HEIGHT - 8;
    const Y_LABELS: usize = 5;
    let (x_name, x_unit) = Unit::of(&curve.x);
    let plot_width = width - Y_AXIS - MARGIN_RIGHT;
    let (x, y) = (x_range(curve), y_range(curve));
    let longest = number(y.end);
    if TICK.width(&longest) > Y_AXIS - GAP / 2 {
        return Err(format!("curve `{}`: {longest} is too long for an axis", curve.name).into());
    }
    let ticks = ticks(curve, &x, plot_width, x_unit);

    HEADING.write(place, &curve.name, HPos::Left, (0, NAME_AT), width)?;
    NOTE.write(place, &curve.y, HPos::Left, (0, Y_NAME_AT), width)?;
    let at = (Y_AXIS + plot_width / 2, X_NAME_AT);
    NOTE.write(place, x_name, HPos::Center, at, plot_width)?;

    let mut chart = ChartBuilder::on(place)
        .margin_top(TITLES)
        .margin_right(MARGIN_RIGHT)
        .x_label_area_size(X_AXIS)
        .y_label_area_size(Y_AXIS)
        .build_cartesian_2d(x.log_scale().with_key_points(ticks), y)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(EDGE)
        .label_style(TICK.style(HPos::Left))
        .x_label_formatter(&|x| x_unit.said(*x))
        .y_labels(Y_LABELS)
        .y_label_formatter(&|y| number(without_noise(*y)))
        .draw()?;
    let lines = [(&curve.floor, FLOOR, GROUND), (&curve.ours, OURS, OURS)];
    for (points, color, filling) in lines {
        let line = LineSeries::new(points.iter().copied(), color.stroke_width(LINE));
        chart.draw_series(line)?;
        chart.draw_series(points.iter().flat_map(|at| point(*at, color, filling)))?;
    }
    Ok(())
}

fn x_range(curve: &Curve) -> Range<f64> {
    /// How much of the axis is beyond the outermost points, on either side.
    const BEYOND: f64 = 0.05;
    let xs = || curve.ours.iter().chain(&curve.floor).map(|(x, _)| *x);
    let (least, most) = (xs().fold(f64::INFINITY, f64::min), xs().fold(0.0, f64::max));
    let beyond = (most / least).powf(BEYOND);
    least / beyond..most * beyond
}

fn y_range(curve: &Curve) -> Range<f64> {
    const ABOVE: f64 = 1.1;
    let ys = curve.ours.iter().chain(&curve.floor).map(|(_, y)| *y);
    match ys.fold(0.0, f64::max) {
        // All is zero, and an axis needs a length.
        0.0 => 0.0..1.0,
        most => 0.0..most * ABOVE,
    }
}

/// Where the axis has a label: at the last of the measured points, and at those before it that have room.
fn ticks(curve: &Curve, range: &Range<f64>, width: i32, unit: Unit) -> Vec<f64> {
    let mut places: Vec<f64> = curve.ours.iter().map(|(x, _)| *x).collect();
    places.sort_by(|one, other| other.total_cmp(one));
    let mut ticks = vec![];
    let mut free = f64::INFINITY;
    for place in places {
        let part = (place / range.start).ln() / (range.end / range.start).ln();
        let middle = part * f64::from(width);
        let half = f64::from(TICK.width(&unit.said(place)) + GAP / 2) / 2.0;
        if middle + half <= free {
            ticks.push(place);
            free = middle - half;
        }
    }
    ticks
}

/// How the places along an axis are said.
#[derive(Clone, Copy)]
enum Unit {
    /// Its unit is in its name.
    Named,
    Bytes,
}

impl Unit {
    fn of(name: &str) -> (&str, Self) {
        match name.strip_suffix(", bytes") {
            Some(name) => (name, Self::Bytes),
            None => (name, Self::Named),
        }
    }

    fn said(self, value: f64) -> String {
        const STEP: f64 = 1024.0;
        match self {
            Self::Named => number(value),
            Self::Bytes => {
                let mut left = value;
                let mut units = ["bytes", "KiB", "MiB", "GiB"].into_iter();
                let mut unit = units.next();
                while left >= STEP
                    && let Some(larger) = units.next()
                {
                    left /= STEP;
                    unit = Some(larger);
                }
                with_unit(&number(left), unit.unwrap_or_default())
            }
        }
    }
}

/// How a text looks.
#[derive(Clone, Copy)]
struct Font {
    pixels: i32,
    weight: FontStyle,
    color: RGBColor,
}

impl Font {
    const fn new(pixels: i32, weight: FontStyle, color: RGBColor) -> Self {
        Self {
            pixels,
            weight,
            color,
        }
    }

    fn colored(self, color: RGBColor) -> Self {
        Self { color, ..self }
    }

    /// How wide a text is at most. What fonts the reader has is not known; of those that are common, DejaVu is the widest.
    fn width(self, text: &str) -> i32 {
        const BOLD: f64 = 1.2;
        let of_character = |character: char| match character {
            ' ' | ',' | '.' | ':' | '/' | '(' | ')' | '-' => 0.41,
            'f' | 'i' | 'j' | 'l' | 'r' | 't' => 0.41,
            'm' | 'w' | 'M' | 'W' => 1.0,
            'a'..='z' | '0'..='9' => 0.64,
            'A'..='Z' => 0.79,
            _ => 1.0,
        };
        let ems: f64 = text.chars().map(of_character).sum();
        let weight = match self.weight {
            FontStyle::Bold => BOLD,
            _ => 1.0,
        };
        (ems * weight * f64::from(self.pixels)).ceil() as i32
    }

    fn style(self, side: HPos) -> TextStyle<'static> {
        /// What plotters divides the size by.
        const OF_PLOTTERS: f64 = 1.24;
        let size = f64::from(self.pixels) * OF_PLOTTERS;
        TextStyle {
            font: FontDesc::new(FontFamily::SansSerif, size, self.weight),
            color: self.color.to_backend_color(),
            pos: Pos::new(side, VPos::Center),
        }
    }

    /// Writes a text that begins, has its middle or ends at a place.
    fn write(self, page: &Page, text: &str, side: HPos, at: (i32, i32), room: i32) -> Result<()> {
        let width = self.width(text);
        if width > room {
            return Err(
                format!("`{text}` is too long: {width} pixels where {room} are free").into(),
            );
        }
        if !text.is_empty() {
            page.draw(&Text::new(text, at, self.style(side)))?;
        }
        Ok(())
    }
}

fn path<P: Into<Vec<(i32, i32)>>>(
    points: P,
    color: RGBColor,
    width: u32,
) -> PathElement<(i32, i32)> {
    PathElement::new(points, color.stroke_width(width))
}

/// A point of a curve. It is filled or hollow, for who sees no colors.
fn point<At: Copy>(at: At, color: RGBColor, filling: RGBColor) -> [Circle<At, i32>; 2] {
    const RADIUS: i32 = 3;
    [
        Circle::new(at, RADIUS, filling.filled()),
        Circle::new(at, RADIUS, color.stroke_width(LINE)),
    ]
}
