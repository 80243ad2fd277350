//! Which bytes of the file are the object: what was asked for, and what that is in a file of a certain length. Pure.

use crate::checkpoint::record::Slice;
use std::ops::{Bound, RangeBounds};

/// Bytes of a file, `start..end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    start: u64,
    /// `None` for the end of the file, wherever that is.
    end: Option<u64>,
}

impl Range {
    pub(crate) fn new(bytes: impl RangeBounds<u64>) -> Range {
        // No file reaches so far that the last of these numbers would name a byte of it.
        let behind = |at: u64| at.saturating_add(1);
        Range {
            start: match bytes.start_bound() {
                Bound::Included(start) => *start,
                Bound::Excluded(before) => behind(*before),
                Bound::Unbounded => 0,
            },
            end: match bytes.end_bound() {
                Bound::Included(last) => Some(behind(*last)),
                Bound::Excluded(end) => Some(*end),
                Bound::Unbounded => None,
            },
        }
    }

    /// What is wrong with it whatever the file may be.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.end {
            Some(end) if end < self.start => Err(format!(
                "a range of bytes ends where it starts or behind that: {self} does not"
            )),
            _ => Ok(()),
        }
    }

    /// These bytes in a file of that length; `None` when they are all it has.
    pub(crate) fn of(&self, file_len: u64) -> Result<Option<Slice>, String> {
        let end = self.end.unwrap_or(file_len);
        if self.start > file_len || end > file_len {
            return Err(format!(
                "bytes {self} are not inside of the file, which has {file_len} bytes"
            ));
        }
        self.check()?;
        let slice = Slice {
            offset: self.start,
            len: end - self.start,
        };
        Ok((slice.len != file_len).then_some(slice))
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.end {
            Some(end) => write!(f, "{}..{end}", self.start),
            None => write!(f, "{}..", self.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: impl RangeBounds<u64>, file_len: u64) -> Result<Option<Slice>, String> {
        Range::new(bytes).of(file_len)
    }

    fn slice(offset: u64, len: u64) -> Result<Option<Slice>, String> {
        Ok(Some(Slice { offset, len }))
    }

    #[test]
    fn every_kind_of_range_names_its_bytes() {
        assert_eq!(of(2..5, 10), slice(2, 3));
        assert_eq!(of(2..=5, 10), slice(2, 4));
        assert_eq!(of(2.., 10), slice(2, 8));
        assert_eq!(of(..5, 10), slice(0, 5));
        assert_eq!(of(..=5, 10), slice(0, 6));
        let between = (Bound::Excluded(2), Bound::Excluded(5));
        assert_eq!(of(between, 10), slice(3, 2));
        assert_eq!(of(9..10, 10), slice(9, 1));
        for at in [0, 5, 10] {
            assert_eq!(of(at..at, 10), slice(at, 0), "nothing, at {at}");
        }
        assert_eq!(of(10.., 10), slice(10, 0));
        assert_eq!(of(6 << 30.., 8 << 30), slice(6 << 30, 2 << 30));
    }

    #[test]
    fn all_bytes_of_a_file_are_no_slice() {
        for len in [0, 1, 10] {
            assert_eq!(of(.., len), Ok(None));
            assert_eq!(of(0..len, len), Ok(None));
        }
        assert_eq!(of(0..=9, 10), Ok(None));
        assert_eq!(Range::default(), Range::new(..));
    }

    #[test]
    fn what_the_file_does_not_have_is_refused_with_its_length() {
        let max = u64::MAX;
        let beyond: [(Bound<u64>, Bound<u64>); 7] = [
            (Bound::Included(0), Bound::Excluded(11)),
            (Bound::Included(0), Bound::Included(10)),
            (Bound::Included(11), Bound::Unbounded),
            (Bound::Included(11), Bound::Excluded(11)),
            (Bound::Included(max), Bound::Included(max)),
            (Bound::Excluded(max), Bound::Unbounded),
            (Bound::Unbounded, Bound::Included(max)),
        ];
        for bytes in beyond {
            let why = of(bytes, 10).expect_err("beyond");
            assert!(why.contains("which has 10 bytes"), "{bytes:?}: {why}");
        }
    }

    #[test]
    fn a_range_that_ends_before_it_starts_is_refused_whatever_the_file() {
        for (start, end) in [(1, 0), (10, 9), (u64::MAX, 0)] {
            let range = Range::new((Bound::Included(start), Bound::Excluded(end)));
            let why = range.check().expect_err("backwards");
            assert!(why.contains(&format!("{start}..{end}")), "{why}");
            assert!(range.of(u64::MAX).is_err());
        }
        assert_eq!(Range::new(3..3).check(), Ok(()));
        assert_eq!(Range::new(3..).check(), Ok(()));
    }
}
