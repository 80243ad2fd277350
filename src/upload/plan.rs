//! From a file's length to parts: pure.

use crate::part::PartNumber;
use std::ops::RangeInclusive;

/// What OSS takes as the length of a part, the last one excepted.
pub(crate) const PART_SIZES: RangeInclusive<u64> = 102_400..=5 << 30;

/// The part size when none is asked for, as long as 10,000 of them suffice.
const DEFAULT_PART_SIZE: u64 = 8 << 20;

/// A part's place in the object, which begins with the file or with the slice of it that is uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) number: PartNumber,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// How what is uploaded is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    object_len: u64,
    part_size: u64,
    n_parts: u16,
}

impl Plan {
    /// Cuts so many bytes; the part size is chosen when none is asked for. The error names what would work.
    pub(crate) fn new(object_len: u64, asked: Option<u64>) -> Result<Plan, String> {
        let least = object_len.div_ceil(u64::from(PartNumber::MAX));
        if least > *PART_SIZES.end() {
            let most = PART_SIZES.end() * u64::from(PartNumber::MAX);
            return Err(format!(
                "there are {object_len} bytes to upload, and an object has at most {most}"
            ));
        }
        let part_size = match asked {
            Some(size) => check_part_size(size)?,
            None => least.next_multiple_of(1 << 20).max(DEFAULT_PART_SIZE),
        };
        if part_size < least {
            return Err(format!(
                "parts of {part_size} bytes are too small: {object_len} bytes would need {} parts, and OSS takes \
                 10,000; the smallest part size that works is {least}",
                object_len.div_ceil(part_size)
            ));
        }
        // An empty object still has one part, which is empty.
        let n_parts = object_len.div_ceil(part_size).max(1);
        Ok(Plan {
            object_len,
            part_size,
            n_parts: u16::try_from(n_parts).map_err(|_| "too many parts".to_owned())?,
        })
    }

    pub(crate) fn object_len(&self) -> u64 {
        self.object_len
    }

    pub(crate) fn part_size(&self) -> u64 {
        self.part_size
    }

    pub(crate) fn n_parts(&self) -> u16 {
        self.n_parts
    }

    /// Every part, in the order of the file.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        (1..=self.n_parts)
            .filter_map(PartNumber::new)
            .filter_map(|number| self.part(number))
    }

    /// How long a part is; nothing when there is no such part.
    pub(crate) fn part_len(&self, number: PartNumber) -> u64 {
        self.part(number).map_or(0, |part| part.len)
    }

    /// `None` when there is no such part.
    pub(crate) fn part(&self, number: PartNumber) -> Option<Part> {
        let offset = u64::from(number.get() - 1) * self.part_size;
        (number.get() <= self.n_parts).then(|| Part {
            number,
            offset,
            len: self.part_size.min(self.object_len - offset),
        })
    }
}

/// The size itself, when OSS takes it.
pub(crate) fn check_part_size(size: u64) -> Result<u64, String> {
    match PART_SIZES.contains(&size) {
        true => Ok(size),
        false => Err(format!(
            "a part has {} to {} bytes, not {size}",
            PART_SIZES.start(),
            PART_SIZES.end()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn sizes(file_len: u64, part_size: u64) -> Vec<(u64, u64)> {
        let plan = Plan::new(file_len, Some(part_size)).expect("a plan");
        plan.parts().map(|part| (part.offset, part.len)).collect()
    }

    #[test]
    fn parts_cover_the_file_without_gap_or_overlap() {
        for file_len in [0, 1, 102_399, 102_400, 102_401, 204_800, 1_000_000] {
            let mut end = 0;
            for (offset, len) in sizes(file_len, 102_400) {
                assert_eq!(offset, end);
                end += len;
            }
            assert_eq!(end, file_len);
        }
        assert_eq!(sizes(0, 102_400), [(0, 0)]);
        assert_eq!(sizes(102_401, 102_400), [(0, 102_400), (102_400, 1)]);
    }

    #[test]
    fn ten_thousand_parts_are_enough_and_one_byte_more_is_not() {
        let full = 102_400 * 10_000;
        let plan = Plan::new(full, Some(102_400)).expect("just enough");
        assert_eq!(plan.n_parts(), 10_000);
        let why = Plan::new(full + 1, Some(102_400)).expect_err("one byte more");
        assert!(
            why.contains("smallest part size that works is 102401"),
            "{why}"
        );
        assert!(Plan::new(full + 1, Some(102_401)).is_ok());
    }

    #[test]
    fn the_chosen_size_always_suffices() {
        for (file_len, expected) in [
            (0, 8 * MIB),
            (8 * MIB * 10_000, 8 * MIB),
            (8 * MIB * 10_000 + 1, 9 * MIB),
            (10_000 * (5 << 30), 5 << 30),
        ] {
            let plan = Plan::new(file_len, None).expect("a plan");
            assert_eq!(plan.part_size(), expected, "{file_len}");
        }
        assert!(Plan::new(10_000 * (5 << 30) + 1, None).is_err());
    }

    #[test]
    fn part_sizes_outside_the_limits_are_refused() {
        for bad in [0, 102_399, (5 << 30) + 1, u64::MAX] {
            assert!(Plan::new(1, Some(bad)).is_err(), "{bad}");
        }
        for good in [102_400, 5 << 30] {
            assert!(Plan::new(1, Some(good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn offsets_go_beyond_32_bits() {
        let plan = Plan::new(12 << 30, Some(5 << 30)).expect("a plan");
        let last = plan.parts().last().expect("three parts");
        assert_eq!((last.offset, last.len), (10 << 30, 2 << 30));
    }
}
