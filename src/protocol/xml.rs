//! Reading the XML of answers, which may be hostile, cut off or no XML at all.

use super::digits;
use roxmltree::{Document, Node, ParsingOptions};

/// More elements than a full page of 1,000 parts has, with room for new ones. Bounds the depth as well: the parser
/// does not recurse.
const MAX_NODES: u32 = 40_000;

/// OSS's answers have an XML declaration and a namespace. The parser compares every attribute with all others of its
/// element, and every namespace with those of all elements around: without a bound 120 KB take it half a minute.
const MAX_ATTRIBUTES: usize = 100;

/// Parses an answer and looks at its root, which must have this local name (namespaces vary).
pub(super) fn with_root<T>(
    body: &[u8],
    name: &str,
    read: impl FnOnce(Element<'_, '_>) -> Result<T, String>,
) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|_| "is not UTF-8".to_owned())?;
    if attributes(text) > MAX_ATTRIBUTES {
        return Err(format!("has endless attributes: {}", beginning(body)));
    }
    let options = ParsingOptions {
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    // Document types, and with them entities of one's own, are off by default.
    let document = Document::parse_with_options(text, options).map_err(|why| {
        let why = limited(&why.to_string(), 120);
        format!("is not XML ({why}): {}", beginning(body))
    })?;
    let root = Element(document.root_element());
    if root.name() != name {
        let there = limited(root.name(), 60);
        return Err(format!("is <{there}> instead of <{name}>"));
    }
    read(root)
}

/// The first characters of a body, printable, for an error's text.
pub(super) fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
    match limited(&text, 120).trim() {
        "" => "it is empty".to_owned(),
        shown => format!("it begins `{shown}`"),
    }
}

/// Text from outside as it may be shown: without control characters, and not longer than that.
pub(super) fn limited(text: &str, max_chars: usize) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(printable).take(max_chars).collect()
}

/// How many attributes the parser will see: what is quoted in a tag.
fn attributes(text: &str) -> usize {
    let (mut rest, mut n) = (text, 0);
    while let Some((_, tag)) = rest.split_once('<') {
        let hidden = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")];
        let end = hidden.iter().find(|(begin, _)| tag.starts_with(begin));
        rest = match end {
            Some((_, end)) => tag.split_once(end).map_or("", |(_, rest)| rest),
            None => {
                let (quoted, rest) = behind_tag(tag);
                n += quoted;
                rest
            }
        };
    }
    n
}

/// How many values are quoted in a tag, and what follows it.
fn behind_tag(tag: &str) -> (usize, &str) {
    let (mut quote, mut n) = (None, 0);
    for (i, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                n += 1;
            }
            (None, b'>') => return (n, &tag[i..]),
            _ => {}
        }
    }
    (n, "")
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

    /// The text of the first child of that name, trimmed; `None` when absent or empty, or when there is something else
    /// among it: half a text is none.
    pub(super) fn text(self, name: &'static str) -> Option<&'a str> {
        let child = self.children(name).next()?.0;
        let only = child
            .first_child()
            .filter(|first| Some(*first) == child.last_child());
        let text = only.filter(Node::is_text)?.text()?.trim();
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn required(self, name: &'static str) -> Result<&'a str, String> {
        self.text(name).ok_or_else(|| format!("has no <{name}>"))
    }

    pub(super) fn number<N: std::str::FromStr>(self, name: &'static str) -> Result<N, String> {
        let text = self.required(name)?;
        digits(text).ok_or_else(|| {
            let shown = limited(text, 60);
            format!("has `{shown}` as <{name}>, which is no such number")
        })
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
        let numbered = |one: fn(u32) -> String| (0..2000).map(one).collect::<String>();
        let attributes = format!("<R{}/>", numbered(|n| format!(" a{n} =\n''")));
        let namespaces = numbered(|n| format!("<a xmlns:b{n}=\"{n}\">"));
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
            (&attributes, "endless attributes"),
            (&namespaces, "endless attributes"),
        ] {
            let why = upload_id(bad).expect_err(part_of_reason);
            assert!(why.contains(part_of_reason), "{why}");
        }
        assert!(with_root(b"\xff\xfe", "R", |_| Ok(())).is_err());
    }

    #[test]
    fn half_a_text_is_none() {
        for content in ["A<b/>C", "<b/>A", "A<!-- b -->C", "A<?b?>C"] {
            let body = format!("<R><UploadId>{content}</UploadId></R>");
            assert!(upload_id(&body).is_err(), "{content}");
        }
        let body = "<R><UploadId>A<![CDATA[<b/>]]>&amp;C</UploadId></R>";
        assert_eq!(upload_id(body), Ok("A<b/>&C".to_owned()));
    }

    #[test]
    fn what_only_looks_like_an_attribute_is_none() {
        for (text, n) in [
            ("<a>=''=''</a>", 0),
            ("<!-- <b c=''> --><?d e=''?><![CDATA[<f g=''>]]>", 0),
            ("<a b='>' c=\"'\">=''</a>", 2),
            ("<!-- ' --><a b='1'/><![CDATA[ \" ]]><a b='1'/>", 2),
            ("<a b='<c d=''>", 2),
            ("<", 0),
            ("<!--", 0),
        ] {
            assert_eq!(attributes(text), n, "{text}");
        }
    }

    #[test]
    fn a_reason_is_short_and_in_one_line_whatever_the_answer_says() {
        let long = "1".repeat(100_000);
        let number = format!("<R><N>{long}\n</N></R>");
        let root = format!("<a{long}/>");
        let unclosed = format!("<a{long}></b{long}>");
        for body in [&number, &root, &unclosed, "<a \0=\"\"/>"] {
            let read = with_root(body.as_bytes(), "R", |root| root.number::<u16>("N"));
            let why = read.expect_err("no such number");
            assert!(
                why.len() < 500 && !why.contains(char::is_control),
                "{why:?}"
            );
        }
    }
}
