//! What is written into a checkpoint: frames, in order, and nothing more after a failure.

use super::record::{MAGIC, Record, push_frame};
use std::fmt;
use std::io;

/// Where frames go: the seam for tests that let a disk fail or forget.
pub(crate) trait Storage: Send + fmt::Debug {
    /// Writes all of it behind what is there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything appended is on the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts everything behind `len` off; the next append goes there.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// Puts this in place of all that is there, on the disk on return. Whatever happens meanwhile, the old or the new is
    /// there, whole.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;
}

impl<S: Storage + ?Sized> Storage for Box<S> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (**self).append(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        (**self).sync()
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        (**self).truncate(len)
    }
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        (**self).replace(bytes)
    }
}

/// Appends frames, and refuses to go on after a failure: nobody knows what reached the disk.
#[derive(Debug)]
pub(crate) struct Journal<S> {
    storage: S,
    failed: bool,
}

impl<S: Storage> Journal<S> {
    pub(crate) fn new(storage: S) -> Journal<S> {
        Journal {
            storage,
            failed: false,
        }
    }

    pub(crate) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let bytes = frames(vec![], records);
        self.latched(|storage| storage.append(&bytes))
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.latched(Storage::sync)
    }

    /// Drops a tail that a crash left.
    pub(crate) fn cut(&mut self, valid_len: u64) -> io::Result<()> {
        self.latched(|storage| storage.truncate(valid_len))
    }

    /// Begins the file anew with a header and what belongs to it, which is on the disk on return.
    pub(crate) fn begin(&mut self, records: &[Record]) -> io::Result<()> {
        let bytes = frames(MAGIC.to_vec(), records);
        self.latched(|storage| storage.replace(&bytes))
    }

    fn latched(&mut self, act: impl FnOnce(&mut S) -> io::Result<()>) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other(
                "an earlier write of the checkpoint failed",
            ));
        }
        let done = act(&mut self.storage);
        self.failed = done.is_err();
        done
    }

    pub(crate) fn storage(&self) -> &S {
        &self.storage
    }

    pub(crate) fn into_storage(self) -> S {
        self.storage
    }
}

/// Records as frames, behind what is there.
fn frames(mut bytes: Vec<u8>, records: &[Record]) -> Vec<u8> {
    for record in records {
        push_frame(&mut bytes, record);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails at the n-th call.
    #[derive(Debug)]
    struct Failing(usize);

    impl Failing {
        fn call(&mut self) -> io::Result<()> {
            self.0 -= 1;
            match self.0 {
                0 => Err(io::Error::from(io::ErrorKind::StorageFull)),
                _ => Ok(()),
            }
        }
    }

    impl Storage for Failing {
        fn append(&mut self, _: &[u8]) -> io::Result<()> {
            self.call()
        }
        fn sync(&mut self) -> io::Result<()> {
            self.call()
        }
        fn truncate(&mut self, _: u64) -> io::Result<()> {
            self.call()
        }
        fn replace(&mut self, _: &[u8]) -> io::Result<()> {
            self.call()
        }
    }

    #[test]
    fn after_one_failure_nothing_more_is_written() {
        for n in 1..=4 {
            let mut journal = Journal::new(Failing(n));
            let results = [
                journal.begin(&[]),
                journal.append(&[]),
                journal.sync(),
                journal.cut(0),
            ];
            let failed = results.iter().position(Result::is_err);
            assert_eq!(failed, Some(n - 1));
            // The storage would count below zero, and panic, were it called once more.
            assert!(results[n - 1..].iter().all(Result::is_err));
            assert!(journal.append(&[]).is_err());
        }
    }
}
