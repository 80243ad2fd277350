//! What an upload does beside moving bytes, each alone: `cargo bench --bench small`, in ten seconds or so.
//!
//! A row is one call; `benched` says what exactly it does. Rows that end in numbers show how the cost grows with the parts.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use oss_upload::benched::{self, BATCH, MOST_PARTS, OnDisk, PAGE, PIECE};
use std::time::Duration;

/// Each row is timed at least so long, or until it has enough samples.
const MIN_TIME: Duration = Duration::from_millis(250);

/// And at most.
const MAX_TIME: Duration = Duration::from_secs(2);

/// What recording a part may take of a checkpoint, in bytes.
const MOST_PER_PART: usize = 64;

/// How many parts there are, where the cost may grow with them.
const PARTS: [u16; 4] = [10, 100, 1000, MOST_PARTS];

fn main() {
    divan::Divan::default()
        .min_time(MIN_TIME)
        .max_time(MAX_TIME)
        .config_with_args()
        .main();
}

mod request {
    use super::*;
    use oss_upload::SignatureVersion::{self, V1, V4};

    #[divan::bench(args = [V4, V1])]
    fn sign(bencher: Bencher<'_, '_>, version: SignatureVersion) {
        let sign = benched::signing(version);
        let signed = sign();
        assert!(signed.iter().any(|(name, _)| *name == "authorization"));
        bencher.bench(sign);
    }

    #[divan::bench]
    fn url(bencher: Bencher<'_, '_>) {
        let url = benched::addressing();
        assert!(url().contains("?partNumber="));
        bencher.bench(url);
    }
}

mod checkpoint {
    use super::*;

    #[divan::bench]
    fn frame(bencher: Bencher<'_, '_>) {
        let frame = benched::framing();
        assert!(frame().len() < MOST_PER_PART);
        bencher.bench(frame);
    }

    /// By how many go into one write. Not synced, which an upload does once a second.
    #[divan::bench(args = [1, BATCH])]
    fn append_10_000_parts(bencher: Bencher<'_, '_>, batch: usize) {
        let append = benched::recording(MOST_PARTS, batch);
        let mut disk = OnDisk::begun();
        append(&mut disk);
        assert_eq!(disk.read_back().parts(), usize::from(MOST_PARTS));
        bencher
            .counter(ItemsCount::new(MOST_PARTS))
            .with_inputs(OnDisk::begun)
            .bench_local_refs(append);
    }

    #[divan::bench(args = PARTS)]
    fn open_and_scan(bencher: Bencher<'_, '_>, n_parts: u16) {
        let scan = benched::scanning(n_parts);
        assert_eq!(scan().parts(), usize::from(n_parts));
        bencher.bench_local(scan);
    }

    /// Syncing is most of it where there are few parts, and the disk's affair.
    #[divan::bench(args = PARTS)]
    fn open_scan_and_prove(bencher: Bencher<'_, '_>, n_parts: u16) {
        let open = benched::opening(n_parts);
        assert_eq!(open().parts(), usize::from(n_parts));
        bencher.bench_local(open);
    }
}

mod crc64 {
    use super::*;

    const BLOCK: usize = 128 << 10;

    #[divan::bench]
    fn digest_128_kib(bencher: Bencher<'_, '_>) {
        let digest = benched::digesting(BLOCK);
        assert_ne!(digest(), benched::digesting(BLOCK - 1)());
        bencher.counter(BytesCount::new(BLOCK)).bench(digest);
    }

    #[divan::bench]
    fn combine_10_000(bencher: Bencher<'_, '_>) {
        let combine = benched::combining(MOST_PARTS);
        let whole = benched::digesting(usize::from(MOST_PARTS) * PIECE);
        assert_eq!(combine(), whole());
        bencher.counter(ItemsCount::new(MOST_PARTS)).bench(combine);
    }
}

mod resume {
    use super::*;

    #[divan::bench(args = PARTS)]
    fn all_recorded(bencher: Bencher<'_, '_>, n_parts: u16) {
        decide(bencher, n_parts, n_parts);
    }

    #[divan::bench(args = PARTS)]
    fn half_recorded(bencher: Bencher<'_, '_>, n_parts: u16) {
        decide(bencher, n_parts, n_parts / 2);
    }

    fn decide(bencher: Bencher<'_, '_>, n_parts: u16, n_recorded: u16) {
        let decide = benched::deciding(n_parts, n_recorded);
        let expected = (n_recorded.into(), (n_parts - n_recorded).into());
        assert_eq!(decide().done_and_candidates(), Some(expected));
        bencher.bench(decide);
    }
}

mod xml {
    use super::*;

    #[divan::bench]
    fn read_1000_listed_parts(bencher: Bencher<'_, '_>) {
        let read = benched::listing();
        assert_eq!(read().parts(), usize::from(PAGE));
        bencher.counter(ItemsCount::new(PAGE)).bench(read);
    }

    #[divan::bench]
    fn write_complete_of_10_000_parts(bencher: Bencher<'_, '_>) {
        let write = benched::completing(MOST_PARTS);
        assert_eq!(write().matches("<Part>").count(), usize::from(MOST_PARTS));
        bencher.counter(ItemsCount::new(MOST_PARTS)).bench(write);
    }
}
