//! What every room knows of a part: its number, and what is known once the server has it.

use crate::etag::ETag;
use std::fmt;
use std::num::NonZeroU16;

/// A part's position in its upload, `1..=PartNumber::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartNumber(NonZeroU16);

impl PartNumber {
    /// The largest number that OSS takes.
    pub(crate) const MAX: u16 = 10_000;

    /// `None` for zero and for numbers above [`Self::MAX`].
    pub(crate) fn new(number: u16) -> Option<PartNumber> {
        let number = NonZeroU16::new(number).filter(|n| n.get() <= PartNumber::MAX);
        number.map(PartNumber)
    }

    pub(crate) fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A part that the server acknowledged and whose checksum matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DonePart {
    pub(crate) number: PartNumber,
    pub(crate) etag: ETag,
    pub(crate) crc64: u64,
}
