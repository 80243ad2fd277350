//! The one percent-encoding that OSS uses everywhere: unreserved bytes stay, all others become `%XX`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;

const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Appends `text` as it stands in a query, where `/` is escaped too.
pub(crate) fn push_query(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, QUERY));
}

/// Appends `text` as it stands in a path, where `/` separates.
pub(crate) fn push_path(out: &mut String, text: &str) {
    out.extend(utf8_percent_encode(text, PATH));
}

/// `text` as it stands in a query.
pub(crate) fn query(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, QUERY).into()
}

/// A query: pairs in the order given, a pair without value as the bare name.
pub(crate) fn query_string(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    push_query_string(&mut out, pairs);
    out
}

/// Appends a query.
pub(crate) fn push_query_string(out: &mut String, pairs: &[(&str, &str)]) {
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push('&');
        }
        push_query(out, name);
        if !value.is_empty() {
            out.push('=');
            push_query(out, value);
        }
    }
}

/// The text behind an escaped one; `None` when what it escapes is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let decoded = percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_bytes_become_upper_case_hex() {
        assert_eq!(query(" +*'()!%~/"), "%20%2B%2A%27%28%29%21%25~%2F");
        let mut path = String::new();
        push_path(&mut path, "备份/文件 1.txt");
        assert_eq!(path, "%E5%A4%87%E4%BB%BD/%E6%96%87%E4%BB%B6%201.txt");
    }

    #[test]
    fn an_empty_value_is_the_bare_name() {
        let pairs = [("uploads", ""), ("encoding-type", "url")];
        assert_eq!(query_string(&pairs), "uploads&encoding-type=url");
    }

    #[test]
    fn what_is_escaped_decodes_to_itself() {
        let text = "a b+c%d?e#f\u{1}\u{1f600}备";
        assert_eq!(decode(&query(text)).as_deref(), Some(text));
        assert_eq!(decode("%FF"), None);
    }
}
