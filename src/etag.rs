//! Entity tags: opaque to us, except that 32 hex digits may be kept as 16 bytes.

use std::fmt;

/// An ETag without its quotes. Hex digits are upper case, as OSS writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ETag(Tag);

/// An upload keeps up to 10,000 of them, nearly always of the first kind.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tag {
    Md5([u8; 16]),
    Other(Box<str>),
}

impl ETag {
    /// The longest that is taken from an answer: OSS sends 32 to 38 characters.
    const MAX_LEN: usize = 256;

    /// Reads a header's or an element's value, with or without quotes. `None` when it holds no tag.
    pub(crate) fn parse(text: &str) -> Option<ETag> {
        let text = text.trim();
        let text = text.strip_prefix("W/").unwrap_or(text);
        let bare = text.trim_matches('"');
        if let Some(md5) = md5(bare) {
            return Some(ETag::from_md5(md5));
        }
        let legal = |b: u8| b.is_ascii_graphic() && b != b'"';
        let fits = (1..=ETag::MAX_LEN).contains(&bare.len()) && bare.bytes().all(legal);
        fits.then(|| ETag(Tag::Other(bare.into())))
    }

    /// The 16 bytes behind 32 hex digits.
    pub(crate) fn md5(&self) -> Option<[u8; 16]> {
        match self.0 {
            Tag::Md5(bytes) => Some(bytes),
            Tag::Other(_) => None,
        }
    }

    pub(crate) fn from_md5(bytes: [u8; 16]) -> ETag {
        ETag(Tag::Md5(bytes))
    }
}

/// Reads 32 hex digits.
fn md5(text: &str) -> Option<[u8; 16]> {
    let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Tag::Md5(bytes) => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                let mut text = [0; 32];
                for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
                    pair[0] = DIGITS[usize::from(byte >> 4)];
                    pair[1] = DIGITS[usize::from(byte & 15)];
                }
                f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
            Tag::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_case_of_a_tag_do_not_matter() {
        let tag = ETag::parse("\"1A0F81547E5BA2E9C4A4B94A74731993\"").expect("a tag");
        for spelling in [
            "1a0f81547e5ba2e9c4a4b94a74731993",
            " W/\"1A0F81547e5ba2e9c4a4b94a74731993\" ",
        ] {
            assert_eq!(ETag::parse(spelling), Some(tag.clone()), "{spelling}");
        }
        assert_eq!(tag.md5().map(ETag::from_md5), Some(tag));
    }

    #[test]
    fn other_tags_stay_as_they_are() {
        let tag = ETag::parse("\"9D3DE146D3DF372BCBA1210BEF25CA57-10\"").expect("a tag");
        assert_eq!(tag.to_string(), "9D3DE146D3DF372BCBA1210BEF25CA57-10");
        assert_eq!(tag.md5(), None);
        for none in ["", "\"\"", "a b", "a\nb", &"a".repeat(257)] {
            assert_eq!(ETag::parse(none), None, "{none:?}");
        }
    }
}
