//! The charts of a picture: how figures grow.

use super::super::report::{Curve, Result, number, with_unit, without_noise};
use super::page::{BESIDE, EDGE, FLOOR, GAP, GRID, GROUND, MARGIN, OURS, Page, RIGHT, path};
use super::text::{HEADING, NOTE, TICK};
use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use std::ops::Range;

/// How thick a curve is.
const LINE: u32 = 2;

pub(super) const CHARTS_IN_A_LINE: usize = 4;
const CHART_HEIGHT: i32 = 190;
const CHARTS_HEAD: i32 = 40;
pub(super) const LINE_OF_CHARTS: i32 = CHARTS_HEAD + CHART_HEIGHT;

pub(super) fn draw_charts(page: &Page, curves: &[Curve], top: i32) -> Result<()> {
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

/// A point of a curve. It is filled or hollow, for who sees no colors.
fn point<At: Copy>(at: At, color: RGBColor, filling: RGBColor) -> [Circle<At, i32>; 2] {
    const RADIUS: i32 = 3;
    [
        Circle::new(at, RADIUS, filling.filled()),
        Circle::new(at, RADIUS, color.stroke_width(LINE)),
    ]
}
