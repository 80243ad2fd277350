//! Reading the XML of answers, which may be hostile, cut off or no XML at all.

use roxmltree::{Document, Node, ParsingOptions};

/// More elements than a full page of 1,000 parts has, with room for new ones. Bounds the depth as well: the parser
/// does not recurse.
const MAX_NODES: u32 = 40_000;

/// Parses an answer and looks at its root, which must have this local name (namespaces vary).
pub(super) fn with_root<T>(
    body: &[u8],
    name: &str,
    read: impl FnOnce(Element<'_, '_>) -> Result<T, String>,
) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|_| "is not UTF-8".to_owned())?;
    let options = ParsingOptions {
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    // Document types, and with them entities of one's own, are off by default.
    let document = Document::parse_with_options(text, options)
        .map_err(|why| format!("is not XML ({why}): {}", beginning(body)))?;
    let root = Element(document.root_element());
    if root.name() != name {
        return Err(format!("is <{}> instead of <{name}>", root.name()));
    }
    read(root)
}

/// The first characters of a body, printable, for an error's text.
pub(super) fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = text.chars().map(printable).take(120).collect();
    match shown.trim() {
        "" => "it is empty".to_owned(),
        shown => format!("it begins `{shown}`"),
    }
}

/// An element; children are found by local name, unknown ones are passed over.
#[derive(Clone, Copy)]
pub(super) struct Element<'a, 'input>(Node<'a, 'input>);

impl<'a, 'input: 'a> Element<'a, 'input> {
    fn name(self) -> &'a str {
        self.0.tag_name().name()
    }

    pub(super) fn children(
        self,
        name: &'static str,
    ) -> impl Iterator<Item = Element<'a, 'input>> + 'a {
        self.0
            .children()
            .filter(move |node| node.is_element() && node.tag_name().name() == name)
            .map(Element)
    }

    /// The text of the first child of that name, trimmed; `None` when absent or empty.
    pub(super) fn text(self, name: &'static str) -> Option<&'a str> {
        let text = self.children(name).next()?.0.text()?.trim();
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn required(self, name: &'static str) -> Result<&'a str, String> {
        self.text(name).ok_or_else(|| format!("has no <{name}>"))
    }

    pub(super) fn number<N: std::str::FromStr>(self, name: &'static str) -> Result<N, String> {
        let text = self.required(name)?;
        text.parse()
            .map_err(|_| format!("has `{text}` as <{name}>, which is no such number"))
    }
}

/// Appends text with the characters escaped that mean something in XML.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload_id(body: &str) -> Result<String, String> {
        with_root(body.as_bytes(), "R", |root| {
            root.required("UploadId").map(str::to_owned)
        })
    }

    #[test]
    fn namespaces_order_and_unknown_elements_do_not_matter() {
        let body = "<?xml version=\"1.0\"?><R xmlns=\"http://x\"><New><Deep/></New>\n<UploadId> A </UploadId></R>";
        assert_eq!(upload_id(body), Ok("A".to_owned()));
    }

    #[test]
    fn what_is_not_the_answer_becomes_an_error_that_shows_it() {
        let bomb = "<!DOCTYPE R [<!ENTITY a \"aaaa\">]><R><UploadId>&a;</UploadId></R>";
        let deep = "<a>".repeat(1_000_000);
        let wide = format!("<R>{}</R>", "<a/>".repeat(60_000));
        for (bad, part_of_reason) in [
            ("", "it is empty"),
            ("<html><body>Bad gateway", "it begins `<html>"),
            ("<html></html>", "<html> instead of <R>"),
            ("<R></R>", "no <UploadId>"),
            ("<R><UploadId></UploadId></R>", "no <UploadId>"),
            ("<R><UploadId>A</Upl", "is not XML"),
            (bomb, "is not XML"),
            (&deep, "is not XML"),
            (&wide, "is not XML"),
        ] {
            let why = upload_id(bad).expect_err(part_of_reason);
            assert!(why.contains(part_of_reason), "{why}");
        }
        assert!(with_root(b"\xff\xfe", "R", |_| Ok(())).is_err());
    }
}
