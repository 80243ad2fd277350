//! The one thread that records finished parts.

use super::journal::{Journal, Storage};
use super::record::Record;
use crate::part::DonePart;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::convert::Infallible;
use std::io;
use std::time::{Duration, Instant};

/// A power cut loses at most this much of the record; ListParts brings it back.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How many parts go into one write at most, and wait for it.
pub(crate) const BATCH: usize = 1024;

/// So soon after a write there is none: parts that come so fast share the next one, and this thread is not woken for each
/// of them, which costs more than writing. A killed process loses at most these from the record; ListParts brings them back.
pub(crate) const WRITE_EVERY: Duration = Duration::from_millis(20);

/// Records parts until the last worker is gone, several in one write when they come fast, and syncs at the end.
///
/// `recorded` is called for each part after it was written. Without a journal parts are only counted. Nothing comes through
/// `through`: that it is closed says that no more parts follow. The first error ends it: the channel closes, and the
/// workers notice.
pub(crate) fn write_parts<S: Storage>(
    mut journal: Option<&mut Journal<S>>,
    parts: &Receiver<DonePart>,
    through: &Receiver<Infallible>,
    write_every: Duration,
    mut recorded: impl FnMut(DonePart),
) -> io::Result<()> {
    let mut synced = Instant::now();
    let mut written: Option<Instant> = None;
    let mut unsynced = false;
    loop {
        if let Some(left) = written.and_then(|at| write_every.checked_sub(at.elapsed())) {
            // Ended by time or by the last worker, which is the same here.
            let _ = through.recv_timeout(left);
        }
        let batch = match next_batch(parts, unsynced.then_some(synced + SYNC_EVERY)) {
            Ok(batch) => batch,
            Err(RecvTimeoutError::Timeout) => vec![],
            Err(RecvTimeoutError::Disconnected) => break,
        };
        written = Some(Instant::now());
        if let Some(journal) = &mut journal {
            if !batch.is_empty() {
                record(journal, &batch)?;
                unsynced = true;
            }
            if unsynced && synced.elapsed() >= SYNC_EVERY {
                journal.sync()?;
                synced = Instant::now();
                unsynced = false;
            }
        }
        batch.into_iter().for_each(&mut recorded);
    }
    match journal {
        Some(journal) if unsynced => journal.sync(),
        _ => Ok(()),
    }
}

/// Records parts in one write.
pub(crate) fn record<S: Storage>(journal: &mut Journal<S>, parts: &[DonePart]) -> io::Result<()> {
    let records: Vec<_> = parts.iter().cloned().map(Record::PartDone).collect();
    journal.append(&records)
}

/// Waits for a part, until `deadline` when there is one, and takes along what has queued up behind it.
fn next_batch(
    parts: &Receiver<DonePart>,
    deadline: Option<Instant>,
) -> Result<Vec<DonePart>, RecvTimeoutError> {
    let first = match deadline {
        Some(deadline) => parts.recv_deadline(deadline)?,
        None => parts.recv().map_err(|_| RecvTimeoutError::Disconnected)?,
    };
    let mut batch = vec![first];
    batch.extend(parts.try_iter().take(BATCH - 1));
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::record::Header;
    use crate::checkpoint::scan::{End, scan};
    use crate::etag::ETag;
    use crate::part::PartNumber;
    use crossbeam_channel::{bounded, unbounded};
    use std::thread;

    const HOUR: Duration = Duration::from_secs(3600);

    #[derive(Debug, Default)]
    struct Memory {
        bytes: Vec<u8>,
        appends: usize,
        syncs: usize,
        fail_append: bool,
    }

    impl Storage for Memory {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            if self.fail_append {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(bytes);
            self.appends += 1;
            Ok(())
        }
        fn sync(&mut self) -> io::Result<()> {
            self.syncs += 1;
            Ok(())
        }
        fn truncate(&mut self, len: u64) -> io::Result<()> {
            self.bytes.truncate(usize::try_from(len).expect("short"));
            Ok(())
        }
        fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.bytes = bytes.to_vec();
            Ok(())
        }
    }

    fn part(number: u16) -> DonePart {
        DonePart {
            number: PartNumber::new(number).expect("a part number"),
            etag: ETag::from_md5([1; 16]),
            crc64: 1,
        }
    }

    fn queued(n: u16) -> Receiver<DonePart> {
        let (sender, receiver) = unbounded();
        for number in 1..=n {
            sender.send(part(number)).expect("open");
        }
        receiver
    }

    fn ended() -> Receiver<Infallible> {
        bounded(0).1
    }

    #[test]
    fn parts_that_follow_a_write_at_once_share_the_next_and_the_end_is_not_waited_for() {
        let mut journal = Journal::new(Memory::default());
        let (sender, parts) = unbounded();
        let (going_on, through) = bounded(0);
        let (tell, told) = unbounded();
        thread::scope(|scope| {
            let record = |part: DonePart| tell.send(part.number.get()).expect("heard");
            let journal = &mut journal;
            let writer =
                scope.spawn(move || write_parts(Some(journal), &parts, &through, HOUR, record));
            sender.send(part(1)).expect("open");
            assert_eq!(told.recv(), Ok(1), "the first is written at once");
            (2..=9).for_each(|number| sender.send(part(number)).expect("open"));
            drop((sender, going_on));
            writer.join().expect("no panic").expect("written");
        });
        assert_eq!(told.try_iter().count(), 8);
        assert_eq!(journal.into_storage().appends, 2);
    }

    #[test]
    fn parts_that_queue_up_share_a_write_and_one_sync_ends_it() {
        let mut journal = Journal::new(Memory::default());
        journal
            .begin(&[Record::Header(Box::new(Header::sample()))])
            .expect("begun");
        let mut recorded = 0;
        write_parts(Some(&mut journal), &queued(3000), &ended(), HOUR, |_| {
            recorded += 1
        })
        .expect("written");
        let memory = journal.into_storage();
        assert_eq!((recorded, memory.appends, memory.syncs), (3000, 3, 1));
        let found = scan(&memory.bytes);
        assert_eq!((found.end, found.parts.len()), (End::Clean, 3000));
    }

    #[test]
    fn a_part_that_was_not_written_is_not_reported() {
        let mut journal = Journal::new(Memory {
            fail_append: true,
            ..Memory::default()
        });
        let mut recorded = 0;
        let parts = queued(3);
        let written = write_parts(Some(&mut journal), &parts, &ended(), HOUR, |_| {
            recorded += 1
        });
        assert_eq!(
            written.expect_err("full").kind(),
            io::ErrorKind::StorageFull
        );
        assert_eq!(recorded, 0);
    }

    #[test]
    fn without_a_journal_parts_are_only_counted() {
        let mut recorded = 0;
        write_parts::<Memory>(None, &queued(5), &ended(), HOUR, |_| recorded += 1)
            .expect("counted");
        assert_eq!(recorded, 5);
    }
}
