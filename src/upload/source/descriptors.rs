//! The open file, once for each who reads it at the same time.
//!
//! A system reads ahead of whoever reads in order, and keeps where that is with the open file. Routines that shared one
//! would look like somebody who jumps about: with Linux's usual 128 KiB of readahead four of them got 0.7 of what one
//! reader gets from a disk, with open files of their own 1.1.

use crate::lock::lock;
use std::fs::File;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub(super) struct Descriptors {
    first: File,
    is_first_in_use: AtomicBool,
    /// Further ones that nobody uses now.
    spare: Mutex<Vec<File>>,
}

impl Descriptors {
    pub(super) fn new(first: File) -> Descriptors {
        Descriptors {
            first,
            is_first_in_use: AtomicBool::new(false),
            spare: Mutex::default(),
        }
    }

    /// The one that was opened first, whose file it is about.
    pub(super) fn first(&self) -> &File {
        &self.first
    }

    pub(super) fn into_first(self) -> File {
        self.first
    }

    /// One that nobody else reads from, until it is dropped: the first, a spare one, or what `open` gives. Without that,
    /// the first is shared: slower, and no harm.
    pub(super) fn take(&self, open: impl FnOnce() -> Option<File>) -> Taken<'_> {
        let kind = match self.is_first_in_use.swap(true, Ordering::Relaxed) {
            false => Kind::First,
            true => {
                let spare = lock(&self.spare).pop();
                spare.or_else(open).map_or(Kind::Shared, Kind::Further)
            }
        };
        Taken { of: self, kind }
    }
}

/// An open file while it is read from.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    of: &'a Descriptors,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    First,
    Further(File),
    Shared,
}

impl Taken<'_> {
    pub(super) fn file(&self) -> &File {
        match &self.kind {
            Kind::Further(file) => file,
            Kind::First | Kind::Shared => &self.of.first,
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.kind, Kind::Shared) {
            Kind::First => self.of.is_first_in_use.store(false, Ordering::Relaxed),
            Kind::Further(file) => lock(&self.of.spare).push(file),
            Kind::Shared => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_at_the_same_time_has_another_and_they_are_used_again() {
        let open = || tempfile::tempfile().expect("a temp file");
        let all = Descriptors::new(open());
        let mut opened = 0;
        let mut more = || {
            opened += 1;
            Some(open())
        };
        for _ in 0..3 {
            let one = all.take(&mut more);
            let two = all.take(&mut more);
            let three = all.take(&mut more);
            assert!(std::ptr::eq(one.file(), all.first()));
            assert!(matches!(
                (&two.kind, &three.kind),
                (Kind::Further(_), Kind::Further(_))
            ));
        }
        assert_eq!(opened, 2);
    }

    #[test]
    fn where_none_is_to_be_had_the_first_is_shared() {
        let all = Descriptors::new(tempfile::tempfile().expect("a temp file"));
        let one = all.take(|| None);
        let two = all.take(|| None);
        assert!(std::ptr::eq(two.file(), all.first()));
        drop(two);
        assert!(
            matches!(all.take(|| None).kind, Kind::Shared),
            "still in use"
        );
        drop(one);
        assert!(matches!(all.take(|| None).kind, Kind::First));
    }
}
