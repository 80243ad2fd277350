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

/// Finished parts, each number once, in ascending order. An upload has up to 10,000, which come nearly in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts(Vec<DonePart>);

impl Parts {
    pub(crate) fn new() -> Parts {
        Parts::default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, DonePart> {
        self.0.iter()
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = PartNumber> + '_ {
        self.0.iter().map(|part| part.number)
    }

    pub(crate) fn get(&self, number: PartNumber) -> Option<&DonePart> {
        self.place(number).ok().map(|place| &self.0[place])
    }

    pub(crate) fn contains(&self, number: PartNumber) -> bool {
        self.place(number).is_ok()
    }

    /// In place of one that has the same number.
    pub(crate) fn insert(&mut self, part: DonePart) {
        match self.place(part.number) {
            Ok(place) => self.0[place] = part,
            Err(place) => self.0.insert(place, part),
        }
    }

    pub(crate) fn remove(&mut self, number: PartNumber) {
        if let Ok(place) = self.place(number) {
            self.0.remove(place);
        }
    }

    /// Where a number is, or would be.
    fn place(&self, number: PartNumber) -> Result<usize, usize> {
        match self.0.last() {
            Some(last) if last.number < number => Err(self.0.len()),
            _ => self.0.binary_search_by_key(&number, |part| part.number),
        }
    }
}

impl FromIterator<DonePart> for Parts {
    fn from_iter<I: IntoIterator<Item = DonePart>>(parts: I) -> Parts {
        let mut all = Parts::new();
        all.extend(parts);
        all
    }
}

impl Extend<DonePart> for Parts {
    fn extend<I: IntoIterator<Item = DonePart>>(&mut self, parts: I) {
        parts.into_iter().for_each(|part| self.insert(part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u16, crc64: u64) -> DonePart {
        DonePart {
            number: PartNumber::new(number).expect("a part number"),
            etag: ETag::from_md5([1; 16]),
            crc64,
        }
    }

    #[test]
    fn parts_are_in_order_and_each_number_once_however_they_come() {
        let mut parts: Parts = [(7, 1), (2, 2), (10_000, 3), (2, 4), (5, 5)]
            .map(|(number, crc64)| part(number, crc64))
            .into_iter()
            .collect();
        let seen = |parts: &Parts| -> Vec<(u16, u64)> {
            parts.iter().map(|p| (p.number.get(), p.crc64)).collect()
        };
        assert_eq!(seen(&parts), [(2, 4), (5, 5), (7, 1), (10_000, 3)]);
        parts.remove(part(5, 0).number);
        parts.remove(part(6, 0).number);
        assert_eq!(seen(&parts), [(2, 4), (7, 1), (10_000, 3)]);
        assert!(parts.contains(part(7, 0).number) && !parts.contains(part(5, 0).number));
        assert_eq!(parts.get(part(7, 0).number), Some(&part(7, 1)));
    }
}
