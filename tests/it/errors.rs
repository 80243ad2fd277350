//! What each error says: one text for all of them, so that whoever changes one sees it beside the others. Two lines of a
//! terminal hold each: what was being done, to what, what went wrong, what to do, and whether the next run continues.
//!
//! `OSS_UPLOAD_TEST_BLESS=1` writes `tests/data/errors.txt` anew.

mod program;
mod provoked;

use oss_upload::Error;
use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// What differs from run to run, and what stands in its place.
#[derive(Default)]
struct Named(Vec<(String, &'static str)>);

impl Named {
    fn add(&mut self, text: impl ToString, name: &'static str) {
        self.0.push((text.to_string(), name));
    }

    fn in_place(&self, text: &str) -> String {
        let replaced = |text: String, (from, to): &(String, &str)| text.replace(from, to);
        without_request_ids(&self.0.iter().fold(text.to_owned(), replaced))
    }
}

fn without_request_ids(text: &str) -> String {
    let mut pieces = text.split("[request id ");
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (id, rest) = piece.split_once(']').expect("an id");
        assert!(!id.is_empty());
        shown.push_str("[request id ID]");
        shown.push_str(rest);
    }
    shown
}

/// The catalogue: how each error comes about, its kind, what comes next, and its text.
fn catalogue() -> String {
    let mut catalogue = String::new();
    for (name, error, named) in provoked::all() {
        let said = [
            (true, format!("{:?}", error.kind())),
            (error.is_resumable(), "resumable".to_owned()),
            (error.is_temporary(), "temporary".to_owned()),
        ];
        let said = said.into_iter().filter_map(|(is, word)| is.then_some(word));
        let said = said.collect::<Vec<_>>().join(", ");
        let text = named.in_place(&error.to_string());
        writeln!(catalogue, "# {name} ({said})\n{text}\n").expect("written");
    }
    catalogue
}

#[test]
fn every_error_says_what_happened_to_what_and_what_to_do() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/errors.txt");
    let is = catalogue();
    if env::var_os("OSS_UPLOAD_TEST_BLESS").is_some() {
        fs::write(&path, &is).expect("written");
    }
    let was = fs::read_to_string(&path).expect("the catalogue");
    for (is, was) in is.split("\n\n").zip(was.split("\n\n")) {
        assert_eq!(is, was);
    }
    assert_eq!(is.len(), was.len(), "an error more or less");
}

#[test]
fn no_error_needs_more_than_two_lines_of_a_terminal() {
    for (name, error, named) in provoked::all() {
        let text = named.in_place(&error.to_string());
        assert!(text.chars().count() <= 2 * 160, "{name}: {text}");
        assert!(!text.contains('\n'), "{name}");
    }
}

#[test]
fn every_kind_of_error_is_in_the_catalogue() {
    let kind = |error: &Error| format!("{:?}", error.kind());
    let provoked = provoked::all().iter().map(|(_, error, _)| kind(error));
    let provoked: BTreeSet<String> = provoked.collect();
    let guide = include_str!("../../src/guide/errors.md");
    let named = guide.split("ErrorKind::").skip(1);
    let name = |rest: &str| rest.chars().take_while(char::is_ascii_alphabetic).collect();
    let documented: BTreeSet<String> = named.map(name).collect();
    assert_eq!(provoked, documented);
}

/// The codes of the guide's table of what OSS refuses.
#[test]
fn every_code_of_the_guide_is_in_the_catalogue() {
    let provoked = provoked::all()
        .iter()
        .filter_map(|(_, error, _)| error.code());
    let provoked: BTreeSet<&str> = provoked.collect();
    let guide = include_str!("../../src/guide/errors.md");
    let (_, table) = guide.split_once("| code |").expect("a table");
    let cells = table.lines().filter_map(|line| line.split('|').nth(1));
    let codes = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let documented: BTreeSet<&str> = codes.collect();
    assert!(documented.len() > 12, "{documented:?}");
    let missing: Vec<_> = documented.difference(&provoked).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
