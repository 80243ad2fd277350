//! The page that is drawn on: its measures, its colors, its lines.

use plotters::coord::Shift;
use plotters::prelude::*;

pub(super) type Page<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub(super) const WIDTH: i32 = 960;
pub(super) const MARGIN: i32 = 24;
pub(super) const RIGHT: i32 = WIDTH - MARGIN;
/// Between columns, and between charts.
pub(super) const GAP: i32 = 16;
/// Between what is drawn and the text that belongs to it.
pub(super) const BESIDE: i32 = 6;
/// How far a mark stands out, over and under what it is on.
pub(super) const OVERHANG: i32 = 2;

/// A light ground of its own: what is drawn on it reads the same where the page around it is dark.
pub(super) const GROUND: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
pub(super) const EDGE: RGBColor = RGBColor(0xD0, 0xD7, 0xDE);
pub(super) const GRID: RGBColor = RGBColor(0xE6, 0xEA, 0xEE);
pub(super) const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
pub(super) const PALE_INK: RGBColor = RGBColor(0x59, 0x63, 0x6E);
/// Blue and vermilion of Okabe and Ito: no color-blindness confuses them.
pub(super) const MET: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub(super) const NOT_MET: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
pub(super) const OURS: RGBColor = MET;
pub(super) const FLOOR: RGBColor = RGBColor(0x6E, 0x77, 0x81);

pub(super) fn path<P: Into<Vec<(i32, i32)>>>(
    points: P,
    color: RGBColor,
    width: u32,
) -> PathElement<(i32, i32)> {
    PathElement::new(points, color.stroke_width(width))
}
