//! The content type that a name tells, by the table of `mime_guess`.

use std::path::Path;

/// What OSS takes an object for whose type nobody names.
const UNKNOWN: &str = "application/octet-stream";

/// The type that the key's extension stands for, else that of the file's name.
///
/// Text types come without a charset: a name does not tell in which one the file is written.
pub(crate) fn guess(key: &str, path: &Path) -> &'static str {
    let name = key.rsplit('/').next().unwrap_or_default();
    of(Path::new(name)).or_else(|| of(path)).unwrap_or(UNKNOWN)
}

fn of(name: &Path) -> Option<&'static str> {
    let extension = name.extension()?.to_str()?;
    mime_guess::from_ext(extension).first_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tells_the_type_and_else_the_file() {
        for (key, file, expected) in [
            ("a.txt", "b.html", "text/plain"),
            ("a", "b.html", "text/html"),
            ("a.no-such-type", "b.html", "text/html"),
            ("photos/a.JPG", "b", "image/jpeg"),
            ("backup/a.tar.gz", "b", "application/gzip"),
            ("照片/猫.png", "b", "image/png"),
            // Not the extension of the last name, or none at all.
            ("site.html/a", "b.json", "application/json"),
            ("folder.html/", "b", UNKNOWN),
            (".html", "b", UNKNOWN),
            ("a.", "b", UNKNOWN),
            ("a", "b", UNKNOWN),
        ] {
            assert_eq!(guess(key, Path::new(file)), expected, "{key} {file}");
        }
    }
}
