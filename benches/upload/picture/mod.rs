//! The picture of a report: a bar for each row, and under them how figures grow.

mod bars;
mod charts;
mod page;
mod text;

use super::report::{Report, Result, Row};
use bars::{Block, Columns};
use charts::{CHARTS_IN_A_LINE, LINE_OF_CHARTS, draw_charts};
use page::{EDGE, GROUND, MARGIN, Page, RIGHT, WIDTH};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use text::{HEADING, NOTE, TITLE};

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
