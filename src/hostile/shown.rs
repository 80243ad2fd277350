//! What people are shown.

/// A reason, in one line, and short.
pub(super) fn expect_line(text: &str, max_chars: usize) {
    let end = text
        .char_indices()
        .nth(200)
        .map_or(text.len(), |(at, _)| at);
    let beginning = &text[..end];
    assert!(!text.trim().is_empty(), "an empty reason");
    assert!(
        !text.contains(char::is_control),
        "not one line: {beginning:?}"
    );
    let len = text.chars().count();
    assert!(len <= max_chars, "{len} characters: {beginning}");
}
