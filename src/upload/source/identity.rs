//! By what a local file is recognized from one look to the next: pure.

use crate::checkpoint::record::FileIdentity;
use std::time::Duration;

/// By what a local file is recognized when it is looked at again: before an upload goes on, while its bytes are read, and
/// before the object is completed.
///
/// | what differs | what follows |
/// |---|---|
/// | the length, or the mtime | the file has changed: all of it is sent anew, or the upload fails ([`OnChange`]) |
/// | ctime, device or inode | the bytes decide: they are read again and compared with the checksums of what was sent |
///
/// On disks of this machine that is right. On network file systems device and inode may be others after every mount, and
/// mtimes are rounded, or told by a server's clock now and by ours later. There this setting makes less of a difference
/// count:
///
/// ```no_run
/// # fn main() -> Result<(), oss_upload::Error> {
/// # let bucket = oss_upload::Client::builder("https://oss-cn-hangzhou.aliyuncs.com").build()?.bucket("examplebucket")?;
/// use oss_upload::Identity;
/// use std::time::Duration;
///
/// let nfs = Identity::strict()
///     .without_device()
///     .without_inode()
///     .mtime_within(Duration::from_secs(2));
/// bucket.upload_file("key", "/mnt/nfs/file").identity(nfs).run()?;
/// # Ok(())
/// # }
/// ```
///
/// The length always counts. An mtime that differs is never passed over: where it does not make another version of the
/// file, the bytes decide. What is left out by `without_…` is not looked at at all: with the ctime goes the only sign of
/// bytes that were changed and had their mtime set back.
///
/// Bytes are proved wherever the difference is found: on resume those of the finished parts, before the object is
/// completed those of all parts, and of a file of one part all of them before the last are sent. The proof counts only if
/// the file stood still while it was read. So no setting makes an object of two versions of a file whose changes are seen.
/// Where neither the ctime counts nor a change of the mtime, nothing tells whether the file was another one between two runs:
/// then finished parts are proved on every resume.
///
/// [`OnChange`]: crate::OnChange
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "it changes nothing until it is given to `UploadFile::identity`"]
pub struct Identity {
    /// Nanoseconds by which the mtime may differ without being another version.
    mtime_tolerance: u128,
    ctime: bool,
    device: bool,
    inode: bool,
}

impl Identity {
    /// Everything counts, the default.
    pub fn strict() -> Identity {
        Identity {
            mtime_tolerance: 0,
            ctime: true,
            device: true,
            inode: true,
        }
    }

    /// An mtime that differs by no more than this, before or after, lets the bytes decide. Any tolerance is allowed.
    /// Default: zero, so that every other mtime makes another version of the file.
    pub fn mtime_within(mut self, tolerance: Duration) -> Identity {
        self.mtime_tolerance = tolerance.as_nanos();
        self
    }

    /// However much the mtime differs, the bytes decide.
    pub fn any_mtime(mut self) -> Identity {
        self.mtime_tolerance = u128::MAX;
        self
    }

    /// The ctime is not looked at; where the system has none, the time of birth.
    pub fn without_ctime(mut self) -> Identity {
        self.ctime = false;
        self
    }

    /// The number of the device is not looked at.
    pub fn without_device(mut self) -> Identity {
        self.device = false;
        self
    }

    /// The inode is not looked at.
    pub fn without_inode(mut self) -> Identity {
        self.inode = false;
        self
    }

    /// Whether a file that was another version in between can be told from one that never was: an mtime that may move, may
    /// have come back.
    pub(crate) fn tells_what_was_between(&self) -> bool {
        self.ctime || self.mtime_tolerance == 0
    }

    /// Compares what is known of a file with what it is now.
    pub(crate) fn compare(&self, before: &FileIdentity, now: &FileIdentity) -> Change {
        let mtime_moved = before.mtime.abs_diff(now.mtime);
        if before.len != now.len || mtime_moved > self.mtime_tolerance {
            return Change::Changed;
        }
        let differs = mtime_moved != 0
            || (self.ctime && before.ctime != now.ctime)
            || (self.device && before.device != now.device)
            || (self.inode && before.inode != now.inode);
        match differs {
            true => Change::Suspicious,
            false => Change::None,
        }
    }
}

impl Default for Identity {
    fn default() -> Identity {
        Identity::strict()
    }
}

/// What two looks at a file tell, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// The same file as before.
    None,
    /// Nothing that makes another version of it, but something differs: its content must be proved.
    Suspicious,
    /// Another version.
    Changed,
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: FileIdentity = FileIdentity {
        len: 10,
        mtime: 1_000,
        ctime: 1,
        device: 1,
        inode: 1,
    };

    /// How far the mtime may be away, in nanoseconds, and how that is asked for.
    fn tolerances() -> [(u128, Identity); 4] {
        let strict = Identity::strict();
        [
            (0, strict),
            (0, strict.mtime_within(Duration::ZERO)),
            (500, strict.mtime_within(Duration::from_nanos(500))),
            (u128::MAX, strict.any_mtime()),
        ]
    }

    /// The setting and the file with each of ctime, device and inode left out, or other, as the bits say.
    fn leave_out(mut identity: Identity, bits: u8) -> Identity {
        if bits & 1 != 0 {
            identity = identity.without_ctime();
        }
        if bits & 2 != 0 {
            identity = identity.without_device();
        }
        if bits & 4 != 0 {
            identity = identity.without_inode();
        }
        identity
    }

    fn differ(bits: u8) -> FileIdentity {
        FileIdentity {
            ctime: 1 + i128::from(bits & 1),
            device: 1 + u64::from(bits >> 1 & 1),
            inode: 1 + u64::from(bits >> 2 & 1),
            ..BEFORE
        }
    }

    #[test]
    fn every_combination_of_setting_and_difference_is_judged_rightly() {
        let moves = [0, 1, -1, 500, -500, 501, -501, i128::MAX, i128::MIN];
        let mut tried = 0;
        for ((tolerance, identity), left_out) in tolerances()
            .iter()
            .flat_map(|t| (0..8).map(move |bits| (*t, bits)))
        {
            let identity = leave_out(identity, left_out);
            for (moved, others, longer) in moves
                .iter()
                .flat_map(|m| (0..8).flat_map(move |o| [0, 1].map(|l| (*m, o, l))))
            {
                let mut now = differ(others);
                now.mtime = now.mtime.saturating_add(moved);
                now.len += longer;
                let away = now.mtime.abs_diff(BEFORE.mtime);
                let expected = if longer == 1 || away > tolerance {
                    Change::Changed
                } else if away > 0 || others & !left_out != 0 {
                    Change::Suspicious
                } else {
                    Change::None
                };
                let what = format!("{identity:?}: {BEFORE:?}, {now:?}");
                assert_eq!(identity.compare(&BEFORE, &now), expected, "{what}");
                assert_eq!(identity.compare(&now, &BEFORE), expected, "{what}");
                tried += 1;
            }
        }
        assert_eq!(tried, 4 * 8 * 9 * 8 * 2);
    }

    #[test]
    fn an_mtime_at_the_ends_of_time_is_compared_too() {
        let at = |mtime| FileIdentity { mtime, ..BEFORE };
        let (first, last) = (at(i128::MIN), at(i128::MAX));
        let within = Identity::strict().mtime_within(Duration::MAX);
        assert_eq!(within.compare(&first, &last), Change::Changed);
        let any = Identity::strict().any_mtime();
        assert_eq!(any.compare(&first, &last), Change::Suspicious);
        assert_eq!(any.compare(&last, &last), Change::None);
    }

    #[test]
    fn what_counts_by_default_is_everything() {
        assert_eq!(Identity::default(), Identity::strict());
        for bits in 1..8 {
            let seen = Identity::default().compare(&BEFORE, &differ(bits));
            assert_eq!(seen, Change::Suspicious, "{bits}");
        }
    }
}
