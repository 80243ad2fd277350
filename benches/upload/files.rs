//! The report's files: what has been found, and the picture of it.

use super::picture;
use super::report::Report;
use std::path::Path;
use std::{fs, io};

/// Writes the file and, from what is in it, the picture.
pub(crate) fn write(report: &Report, folder: &Path) -> io::Result<()> {
    let json = report.to_json().map_err(io::Error::other)?;
    fs::write(folder.join("upload.json"), &json)?;
    let written = Report::from_json(&json);
    let picture = written.and_then(|report| picture::draw(&report));
    fs::write(
        folder.join("upload.svg"),
        picture.map_err(io::Error::other)?,
    )
}
