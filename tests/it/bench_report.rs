//! What the bench `upload` says of its figures: a bench has a main of its own and runs no tests, so its two modules that
//! measure nothing are taken in here.

#[path = "../../benches/upload/files.rs"]
mod files;
#[path = "../../benches/upload/picture/mod.rs"]
mod picture;
#[path = "../../benches/upload/report.rs"]
mod report;

use report::Target::{AtLeast, AtMost};
use report::{Curve, Report, Row, Target, heading, number};
use roxmltree::{Document, Node};
use std::fs;

const MET_COLOR: &str = "#0072B2";
const NOT_MET_COLOR: &str = "#D55E00";

fn row(work: &str, ours: f64, floor: Option<f64>, target: Target) -> Row {
    let named = [work, "CPU", "ms"];
    match floor {
        Some(floor) => Row::ratio_of(named, (ours, floor), target),
        None => Row::bound_of(named, ours, target),
    }
}

fn curve(name: &str, xs: impl IntoIterator<Item = f64>) -> Curve {
    let ours: Vec<(f64, f64)> = xs.into_iter().map(|x| (x, 1.5)).collect();
    Curve {
        name: name.to_owned(),
        x: "parts of an upload".to_owned(),
        y: "CPU, µs a part".to_owned(),
        floor: ours.iter().map(|(x, _)| (*x, 1.25)).collect(),
        ours,
    }
}

/// One row of each outcome, with a floor and without, and two curves.
fn report() -> Report {
    let mut report = Report::begin("a machine");
    report.date = "2001-02-03".to_owned();
    for row in [
        row("1 GiB, 10 MiB parts", 1.0, Some(1.0), AtMost(1.08)),
        row(
            "1 GiB, parts of <100 KiB & more",
            5.0,
            Some(4.0),
            AtMost(1.2),
        ),
        row("cold file", 3.0, Some(4.0), AtLeast(0.8)),
        row("resume", 31.0, None, AtMost(50.0)),
        row("many files", 31.0, None, AtLeast(50.0)),
        row("nothing is sent again", 0.0, None, AtMost(0.0)),
    ] {
        report.add(row);
    }
    report.add_curve(curve("Parts", [10.0, 100.0, 1000.0]));
    report.add_curve(curve("Routines & <more>", [1.0, 64.0]));
    report
}

/// The texts of a picture, which has to be well-formed.
fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("XML");
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    let texts = texts.filter_map(|node| node.text());
    texts.map(|text| text.trim().to_owned()).collect()
}

fn n_of_color(svg: &str, color: &str) -> usize {
    let document = Document::parse(svg).expect("XML");
    let is_bar =
        |node: &Node<'_, '_>| node.has_tag_name("rect") && node.attribute("fill") == Some(color);
    document.descendants().filter(is_bar).count()
}

#[test]
fn the_ratio_is_held_to_the_target_and_without_a_floor_the_figure_itself() {
    let cases = [
        (2.16, Some(2.0), AtMost(1.08), true),
        (2.18, Some(2.0), AtMost(1.08), false),
        (1.6, Some(2.0), AtLeast(0.8), true),
        (1.58, Some(2.0), AtLeast(0.8), false),
        (50.0, None, AtMost(50.0), true),
        (50.1, None, AtMost(50.0), false),
        (50.0, None, AtLeast(50.0), true),
        (49.9, None, AtLeast(50.0), false),
        (0.0, None, AtMost(0.0), true),
    ];
    for (ours, floor, target, is_met) in cases {
        let row = row("work", ours, floor, target);
        assert_eq!(row.is_met(), is_met, "{row:?}");
        assert_eq!(row.ratio(), floor.map(|floor| ours / floor), "{row:?}");
    }
}

#[test]
fn what_is_no_number_meets_nothing() {
    for target in [AtMost(1.0), AtLeast(1.0)] {
        for ours in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!row("work", ours, None, target).is_met(), "{ours} {target}");
            assert!(
                !row("work", ours, Some(1.0), target).is_met(),
                "{ours} {target}"
            );
        }
        assert!(!row("work", 1.0, Some(0.0), target).is_met(), "{target}");
    }
}

#[test]
fn a_report_knows_the_version_and_the_day() {
    let report = Report::begin("a machine");
    assert_eq!(report.version, env!("CARGO_PKG_VERSION"));
    let date: Result<jiff::civil::Date, _> = report.date.parse();
    assert_eq!(date.expect("a date").to_string(), report.date);
}

#[test]
fn a_target_is_said_as_it_was_meant() {
    let sum = 0.1 + 0.2;
    assert_eq!(AtMost(sum).to_string(), "≤ 0.3");
    assert_eq!(AtLeast(1.125).to_string(), "≥ 1.125");
}

#[test]
fn numbers_are_shown_by_the_digits_that_count() {
    let cases = [
        (0.0, "0"),
        (2.0, "2"),
        (1.396, "1.40"),
        (0.0031416, "0.00314"),
        (12.345, "12.3"),
        (999.6, "1,000"),
        (18_700.4, "18,700"),
        (1_048_576.0, "1,048,576"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
        (-1234.0, "-1234"),
    ];
    for (value, shown) in cases {
        assert_eq!(number(value), shown);
    }
}

#[test]
fn a_report_that_is_read_back_is_the_same() {
    let json = report().to_json().expect("JSON");
    assert_eq!(Report::from_json(&json).expect("a report"), report());
}

#[test]
fn what_cannot_be_written_or_drawn_is_refused_by_name() {
    type Spoil = fn(&mut Report);
    let spoiled: [(Spoil, &str); 10] = [
        (|it| it.rows[0].ours = f64::NAN, "1 GiB, 10 MiB parts"),
        (|it| it.rows[0].ours = -1.0, "1 GiB, 10 MiB parts"),
        (|it| it.rows[2].floor = Some(f64::INFINITY), "cold file"),
        (|it| it.rows[2].floor = Some(0.0), "cold file"),
        (|it| it.rows[3].target = AtMost(f64::NAN), "resume"),
        (|it| it.curves[0].ours[1].1 = f64::NAN, "Parts"),
        (|it| it.curves[0].ours[0].0 = 0.0, "Parts"),
        (|it| it.curves[0].floor[0].1 = f64::INFINITY, "Parts"),
        (|it| it.curves[0].ours.clear(), "Parts"),
        (|it| it.curves[0].ours.truncate(1), "Parts"),
    ];
    for (spoil, name) in spoiled {
        let folder = tempfile::tempdir().expect("a folder");
        let mut report = report();
        spoil(&mut report);
        let error = report.to_json().expect_err(name).to_string();
        assert!(error.contains(&format!("`{name}`")), "{error}");
        picture::draw(&report).expect_err(name);
        files::write(&report, folder.path()).expect_err(name);
        let mut written = fs::read_dir(folder.path()).expect("a folder");
        assert!(written.next().is_none(), "{name}");
    }
}

#[test]
fn a_file_that_holds_what_cannot_be_compared_is_refused() {
    let json = report().to_json().expect("JSON");
    for (good, bad) in [("\"floor\": 4.0", "\"floor\": 0.0"), ("10.0,", "0.0,")] {
        assert!(json.contains(good), "{json}");
        let spoiled = json.replace(good, bad);
        Report::from_json(&spoiled).expect_err(bad);
    }
}

#[test]
fn the_files_are_the_report_and_a_picture_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    files::write(&report(), folder.path()).expect("written");
    let read = |name| fs::read_to_string(folder.path().join(name)).expect("text");
    assert_eq!(read("upload.json"), report().to_json().expect("JSON"));
    assert_eq!(
        read("upload.svg"),
        picture::draw(&report()).expect("a picture")
    );
}

#[test]
fn the_table_is_aligned_and_what_is_not_met_stands_out() {
    const COLUMNS: usize = 120;
    let report = report();
    let rows: Vec<String> = report.rows.iter().map(Row::to_string).collect();
    let text = format!("{}\n{}\n", heading(), rows.join("\n"));
    let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    let [head, rule, rows @ ..] = &lines[..] else {
        panic!("{text}");
    };
    assert!(rule.len() < COLUMNS, "{text}");
    assert_eq!(report.summary(), "3 of 6 met");
    for (line, row) in rows.iter().zip(&report.rows) {
        let met = if row.is_met() { " met" } else { " NOT MET" };
        let (cells, said) = line.split_at(head.len());
        assert_eq!(said.iter().collect::<String>(), met, "{text}");
        assert!(!cells[head.len() - 1].is_whitespace(), "{text}");
        assert!(line.len() <= rule.len(), "{text}");
    }
}

#[test]
fn the_picture_says_every_name_whatever_its_characters() {
    let report = report();
    let texts = texts(&picture::draw(&report).expect("a picture"));
    let said = |text: &str| assert!(texts.iter().any(|said| said == text), "{text}: {texts:?}");
    for row in &report.rows {
        said(&row.work);
        said(&row.figure);
        said(&row.target_with_unit());
    }
    for curve in &report.curves {
        said(&curve.name);
        said(&curve.x);
        said(&curve.y);
    }
    said("a machine, 2001-02-03");
    said("3 of 6 met");
    said("1.25");
    said("31 ms");
    said("≤ 50 ms");
}

#[test]
fn what_is_not_met_has_a_color_of_its_own() {
    let report = report();
    let svg = picture::draw(&report).expect("a picture");
    assert_eq!(n_of_color(&svg, MET_COLOR), 3);
    assert_eq!(n_of_color(&svg, NOT_MET_COLOR), 3);
}

#[test]
fn a_bar_is_as_long_as_its_share_up_to_the_end_of_the_column() {
    let widths = |ratios: &[f64]| -> Vec<f64> {
        let mut report = report();
        let row = |ratio: &f64| row("work", *ratio, Some(1.0), AtMost(100.0));
        report.rows = ratios.iter().map(row).collect();
        let svg = picture::draw(&report).expect("a picture");
        let document = Document::parse(&svg).expect("XML");
        let bars = document
            .descendants()
            .filter(|node| node.attribute("fill") == Some(MET_COLOR));
        let widths = bars.filter_map(|node| node.attribute("width"));
        widths
            .map(|width| width.parse().expect("a number"))
            .collect()
    };
    let [half, whole, long, longer] = widths(&[0.5, 1.0, 10.0, 20.0])[..] else {
        panic!("a bar a row");
    };
    assert!((2.0 * half - whole).abs() <= 1.0, "{half} {whole}");
    assert!(long == longer && long > whole, "{whole} {long} {longer}");
}

#[test]
fn places_of_bytes_are_shown_in_binary_units() {
    let mut report = report();
    report.curves = vec![curve(
        "Part size",
        [102_400.0, 1_048_576.0, 1_073_741_824.0],
    )];
    report.curves[0].x = "part size, bytes".to_owned();
    let texts = texts(&picture::draw(&report).expect("a picture"));
    for text in ["part size", "100 KiB", "1 MiB", "1 GiB"] {
        assert!(texts.iter().any(|said| said == text), "{text}: {texts:?}");
    }
}

/// A text and the place it takes: its line, and from where to where.
type Placed = (f64, f64, f64, String);

fn placed(node: Node<'_, '_>) -> Placed {
    /// Of a character, by the size of the font: somewhat less than in the fonts that are common.
    const WIDTH: f64 = 0.5;
    let value = |name| -> f64 {
        let value = node.attribute(name).expect(name);
        value.parse().expect("a number")
    };
    let text = node.text().expect("a text").trim().to_owned();
    let width = WIDTH * value("font-size") * text.chars().count() as f64;
    let left = match node.attribute("text-anchor") {
        Some("start") => value("x"),
        Some("middle") => value("x") - width / 2.0,
        _ => value("x") - width,
    };
    (value("y"), left, left + width, text)
}

#[test]
fn no_text_of_the_picture_is_cut_off_or_lies_on_another() {
    const LINE: f64 = 9.0;
    let mut report = report();
    let many = (0..200).map(|i| 1.05_f64.powi(i));
    report.curves = vec![curve("many places", many); 5];
    report.rows[0].work = "forty-eight characters are enough for all of work".to_owned();
    // A bar that would leave the picture, and take its figure with it.
    report.rows[1].ours = 400.0;
    let svg = picture::draw(&report).expect("a picture");
    let document = Document::parse(&svg).expect("XML");
    let size = |name| -> f64 {
        let value = document.root_element().attribute(name);
        value.expect(name).parse().expect("a number")
    };
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    let texts: Vec<Placed> = texts.map(placed).collect();
    for (i, (y, left, right, text)) in texts.iter().enumerate() {
        assert!(*left >= 0.0 && *right <= size("width"), "{text}");
        assert!(*y >= LINE && *y <= size("height") - LINE, "{text}");
        for (other_y, other_left, other_right, other) in &texts[..i] {
            let apart = (y - other_y).abs() >= LINE || left >= other_right || right <= other_left;
            assert!(apart, "`{text}` lies on `{other}`");
        }
    }
}

#[test]
fn what_has_no_place_is_named_instead_of_cut() {
    let long = "w".repeat(100);
    let spoiled: [fn(&mut Report, String); 3] = [
        |it, long| it.rows[1].work = long,
        |it, long| it.machine = long,
        |it, long| it.curves[0].y = long,
    ];
    for spoil in spoiled {
        let mut report = report();
        spoil(&mut report, long.clone());
        let error = picture::draw(&report).expect_err("too long").to_string();
        assert!(error.contains(&long), "{error}");
    }
    let mut report = report();
    report.curves[0].ours[0].1 = 1e9;
    let error = picture::draw(&report).expect_err("too long").to_string();
    assert!(error.contains("`Parts`"), "{error}");
}
