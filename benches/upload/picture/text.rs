//! The texts of a picture: how they look, and how much room they take.

use super::super::report::Result;
use super::page::{INK, PALE_INK, Page};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(super) const TITLE: Font = Font::new(18, FontStyle::Bold, INK);
pub(super) const HEADING: Font = Font::new(13, FontStyle::Bold, INK);
pub(super) const TEXT: Font = Font::new(12, FontStyle::Normal, INK);
pub(super) const FIGURE: Font = Font::new(12, FontStyle::Bold, INK);
pub(super) const NOTE: Font = Font::new(12, FontStyle::Normal, PALE_INK);
pub(super) const TICK: Font = Font::new(10, FontStyle::Normal, PALE_INK);

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Font {
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

    pub(super) fn colored(self, color: RGBColor) -> Self {
        Self { color, ..self }
    }

    /// How wide a text is at most. What fonts the reader has is not known; of those that are common, DejaVu is the widest.
    pub(super) fn width(self, text: &str) -> i32 {
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

    pub(super) fn style(self, side: HPos) -> TextStyle<'static> {
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
    pub(super) fn write(
        self,
        page: &Page,
        text: &str,
        side: HPos,
        at: (i32, i32),
        room: i32,
    ) -> Result<()> {
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
