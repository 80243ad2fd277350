//! What the front page says of logs, and what the code does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A target and a level.
type Kind = (String, String);

/// The rows of the table in `lib.rs`.
fn documented() -> BTreeSet<Kind> {
    let front_page = include_str!("../../src/lib.rs");
    let rows = front_page
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `oss_upload::"));
    let mut kinds = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        let target = format!("oss_upload::{}", cells[0].trim().trim_end_matches('`'));
        for level in cells[1].split(',') {
            let level = level.trim().trim_matches('`').to_owned();
            kinds.insert((target.clone(), level));
        }
    }
    kinds
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|ext| ext == "rs") => {
                found.push(fs::read_to_string(&path).expect("readable"));
            }
            false => {}
        }
    }
}

/// Every record that is written in the sources. One without a target would have the name of its module.
fn written() -> BTreeSet<Kind> {
    let mut all = vec![];
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let mut kinds = BTreeSet::new();
    for source in all {
        for record in source.split("log::").skip(1) {
            let Some((level, arguments)) = record.split_once("!(") else {
                continue;
            };
            if !["error", "warn", "info", "debug", "trace"].contains(&level) {
                continue;
            }
            let target = arguments.trim_start().strip_prefix("target: \"");
            let target = target.and_then(|rest| rest.split_once('"'));
            let (target, _) = target.unwrap_or_else(|| panic!("no target: {arguments:.80}"));
            kinds.insert((target.to_owned(), level.to_owned()));
        }
    }
    kinds
}

#[test]
fn the_front_page_names_every_target_and_level_that_is_used_and_no_other() {
    let documented = documented();
    assert!(documented.len() > 5, "{documented:?}");
    assert_eq!(documented, written());
}
