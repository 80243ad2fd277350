//! XML answers, written element by element.

use crate::escape;
use std::fmt::Write;

/// A document under construction.
#[derive(Debug)]
pub(super) struct Xml {
    text: String,
    root: &'static str,
}

impl Xml {
    pub(super) fn new(root: &'static str) -> Xml {
        let mut text = String::with_capacity(512);
        text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
        text.extend([root, ">"]);
        Xml { text, root }
    }

    pub(super) fn open(&mut self, name: &str) {
        self.text.extend(["<", name, ">"]);
    }

    pub(super) fn close(&mut self, name: &str) {
        self.text.extend(["</", name, ">"]);
    }

    pub(super) fn element(&mut self, name: &str, value: &str) {
        self.open(name);
        self.push_text(value);
        self.close(name);
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.element(name, &value.to_string());
    }

    /// A key or a prefix, percent-encoded when the client asked for it.
    pub(super) fn name(&mut self, element: &str, value: &str, encoding: Encoding) {
        match encoding {
            Encoding::Url => self.element(element, &escape::query(value)),
            Encoding::Plain => self.element(element, value),
        }
    }

    /// Says that names are percent-encoded, when they are.
    pub(super) fn encoding_type(&mut self, encoding: Encoding) {
        if encoding == Encoding::Url {
            self.element("EncodingType", "url");
        }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.close(self.root);
        self.text.into_bytes()
    }

    fn push_text(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                // Not allowed in XML 1.0 even so: who has such keys asks for `encoding-type=url`.
                c if c.is_control() && c != '\n' && c != '\t' => {
                    write!(self.text, "&#{};", u32::from(c)).expect("a string takes everything");
                }
                c => self.text.push(c),
            }
        }
    }
}

/// How keys are written in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Url,
}
