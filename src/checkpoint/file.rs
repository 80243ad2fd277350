//! The file on disk: opened and locked, appended to, synced, deleted.

use super::journal::Storage;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

/// 10,000 parts take 400 KB. No more than this is read of a file, and one byte that tells that there is more.
const MAX_LEN: u64 = 64 << 20;

/// A look at a checkpoint locks it too, for a moment: who wants to use it waits so often, and so long.
const MAX_LOOKS: usize = 10;
const LOOK_LASTS: Duration = Duration::from_millis(2);

/// How often the file may be deleted and created by others between our opening and locking it.
const MAX_OPENINGS: usize = 100;

/// A checkpoint's file, as a run sees it: locked as long as this lives.
pub(crate) trait Disk: Storage {
    /// All bytes, from the start, up to one more than any checkpoint has.
    fn read(&mut self) -> io::Result<Vec<u8>>;
    /// Whether the next run will find what was written: somebody may have removed, replaced or emptied the file.
    fn is_in_place(&self) -> io::Result<bool>;
    /// Whether this file and that path are one and the same.
    fn is_same_file(&self, other: &Path) -> io::Result<bool>;
    /// Renames a file that is not ours to a free name, which is returned, and opens a new one in its place.
    fn set_aside(&mut self) -> Result<PathBuf, OpenError>;
    /// Removes the file while its lock is held, unless the name belongs to another file by now.
    fn delete(&mut self) -> io::Result<()>;
}

/// Why a checkpoint could not be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Another upload holds the lock.
    Busy,
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        OpenError::Io(error)
    }
}

/// A checkpoint's file in a folder.
#[derive(Debug)]
pub(crate) struct CheckpointFile {
    file: File,
    path: PathBuf,
    /// How long the file is at least, unless somebody else has a hand in it.
    len: u64,
    directory_synced: bool,
}

impl CheckpointFile {
    /// Opens the file, creating it when needed, and locks it.
    pub(crate) fn open(path: &Path) -> Result<CheckpointFile, OpenError> {
        CheckpointFile::open_with(path, open_or_create)
    }

    /// Opens a file that is there, and locks it.
    pub(crate) fn open_existing(path: &Path) -> Result<CheckpointFile, OpenError> {
        CheckpointFile::open_with(path, |path| {
            // Looked at before it is opened: opening a pipe would wait for its other end.
            check_regular(&fs::metadata(path)?)?;
            OpenOptions::new().read(true).write(true).open(path)
        })
    }

    fn open_with(
        path: &Path,
        open: impl Fn(&Path) -> io::Result<File>,
    ) -> Result<CheckpointFile, OpenError> {
        for _ in 0..MAX_OPENINGS {
            let file = open(path)?;
            check_regular(&file.metadata()?)?;
            lock(&file)?;
            // Its owner may just have finished and deleted it: then we hold the lock of a file without a name.
            if names(path, &file)? {
                // Of a link, what it leads to is replaced and deleted.
                return Ok(CheckpointFile::locked(file, &fs::canonicalize(path)?)?);
            }
        }
        Err(io::Error::other("it is deleted as fast as it is created").into())
    }

    fn locked(file: File, path: &Path) -> io::Result<CheckpointFile> {
        Ok(CheckpointFile {
            len: file.metadata()?.len(),
            file,
            path: path.to_owned(),
            directory_synced: false,
        })
    }

    /// A locked file that has these bytes and takes the place of this one.
    fn successor(&self, bytes: &[u8]) -> io::Result<CheckpointFile> {
        let mut new = tempfile::Builder::new()
            .prefix(".checkpoint-")
            .tempfile_in(folder_of(&self.path))?;
        new.as_file().try_lock()?;
        new.write_all(bytes)?;
        new.as_file().sync_all()?;
        let (file, at) = new.keep().map_err(|error| error.error)?;
        // tempfile's own renaming cannot take the place of a file that is open, as the old one is, on Windows; std's can.
        if let Err(error) = fs::rename(&at, &self.path) {
            let _ = fs::remove_file(&at);
            return Err(error);
        }
        CheckpointFile::locked(file, &self.path)
    }
}

/// What a look at a checkpoint shows.
#[derive(Debug)]
pub(crate) struct Look {
    /// As [`Disk::read`].
    pub(crate) bytes: Vec<u8>,
    /// Somebody has it locked.
    pub(crate) is_in_use: bool,
    /// When it was last written to, where the system tells.
    pub(crate) written: Option<SystemTime>,
    file: File,
}

impl Look {
    /// As [`Disk::is_same_file`].
    pub(crate) fn is_same_file(&self, other: &Path) -> io::Result<bool> {
        names(other, &self.file)
    }
}

/// Reads a checkpoint that may be in use, and changes nothing.
pub(crate) fn look(path: &Path) -> Result<Look, OpenError> {
    check_regular(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    // Where locks are kept off from reading too, nothing is seen of a file in use.
    let read = read_all(&file);
    let is_in_use = match file.try_lock_shared() {
        Ok(()) => {
            // Should that fail, closing it does it.
            let _ = file.unlock();
            false
        }
        Err(TryLockError::WouldBlock) => true,
        // Where there are no locks, nobody can use it.
        Err(TryLockError::Error(_)) => false,
    };
    match read {
        Ok(bytes) => Ok(Look {
            bytes,
            is_in_use,
            written: file.metadata()?.modified().ok(),
            file,
        }),
        Err(_) if is_in_use => Err(OpenError::Busy),
        Err(error) => Err(error.into()),
    }
}

fn read_all(mut file: &File) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = vec![];
    file.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check_regular(metadata: &Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("not a regular file")),
    }
}

fn lock(file: &File) -> Result<(), OpenError> {
    lock_patiently(file, || thread::sleep(LOOK_LASTS))
}

fn lock_patiently(file: &File, mut wait: impl FnMut()) -> Result<(), OpenError> {
    for _ in 0..MAX_LOOKS {
        match try_lock(file) {
            Err(OpenError::Busy) => wait(),
            tried => return tried,
        }
    }
    try_lock(file)
}

fn try_lock(file: &File) -> Result<(), OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(OpenError::Busy),
        Err(TryLockError::Error(error)) => {
            let why = format!("it cannot be locked ({error}): put it on a disk that knows locks");
            Err(io::Error::new(error.kind(), why).into())
        }
    }
}

impl Disk for CheckpointFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        read_all(&self.file)
    }

    fn is_in_place(&self) -> io::Result<bool> {
        Ok(names(&self.path, &self.file)? && self.file.metadata()?.len() >= self.len)
    }

    fn is_same_file(&self, other: &Path) -> io::Result<bool> {
        names(other, &self.file)
    }

    fn set_aside(&mut self) -> Result<PathBuf, OpenError> {
        let aside = free_name(&self.path);
        fs::rename(&self.path, &aside)?;
        *self = CheckpointFile::open(&self.path)?;
        Ok(aside)
    }

    fn delete(&mut self) -> io::Result<()> {
        match names(&self.path, &self.file)? {
            true => fs::remove_file(&self.path),
            false => Ok(()),
        }
    }
}

/// Closing alone would not do: a process that another thread is just starting holds a copy of every descriptor until it
/// becomes another program, and with it the lock.
impl Drop for CheckpointFile {
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            log::debug!(target: "oss_upload::checkpoint", "unlocking `{}`: {error}", self.path.display());
        }
    }
}

impl Storage for CheckpointFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.metadata()?.len() != self.len {
            return Err(io::Error::other("somebody else wrote to it"));
        }
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data().map_err(cannot_sync)?;
        // A file whose name is not on the disk is lost with the power, however well it was synced itself.
        if !self.directory_synced {
            sync_directory(folder_of(&self.path)).map_err(cannot_sync)?;
            self.directory_synced = true;
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.len = len;
        self.file.seek(SeekFrom::Start(len)).map(drop)
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Where nothing can be lost, no other file is needed.
        if self.len == 0 || !self.is_in_place()? {
            self.truncate(0)?;
            self.append(bytes)?;
        } else {
            *self = self.successor(bytes)?;
        }
        self.sync()
    }
}

fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether the path still names this very file.
#[cfg(unix)]
fn names(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Without a file index in std, birth time and length tell one file from another that took its place.
#[cfg(not(unix))]
fn names(path: &Path, file: &File) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok(there.created().ok() == ours.created().ok() && there.len() == ours.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn cannot_sync(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
            let why = format!("it cannot be synced ({error}): put it on a disk that can do that");
            io::Error::new(error.kind(), why)
        }
        _ => error,
    }
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Folders cannot be opened as files elsewhere; the system journals names itself.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn free_name(path: &Path) -> PathBuf {
    let name = |n: usize| {
        let mut name = OsString::from(path);
        name.push(match n {
            1 => ".not-a-checkpoint".to_owned(),
            n => format!(".not-a-checkpoint-{n}"),
        });
        PathBuf::from(name)
    };
    let free = (1..)
        .map(name)
        .find(|path| fs::symlink_metadata(path).is_err());
    free.expect("the numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temp() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("x.cp");
        (dir, path)
    }

    #[test]
    fn a_second_opener_is_refused_until_the_first_is_done() {
        let (_dir, path) = temp();
        let mut first = CheckpointFile::open(&path).expect("opened");
        assert!(matches!(CheckpointFile::open(&path), Err(OpenError::Busy)));
        first.delete().expect("deleted");
        assert!(!path.exists());
        let again = CheckpointFile::open(&path).expect("opened again");
        drop(again);
        CheckpointFile::open(&path).expect("the lock ends with its holder");
    }

    #[test]
    fn a_look_changes_nothing_and_sees_who_uses_it() {
        let (dir, path) = temp();
        assert!(matches!(look(&path), Err(OpenError::Io(_))));
        assert!(matches!(look(dir.path()), Err(OpenError::Io(_))));
        assert!(!path.exists(), "looking does not create it");
        let mut file = CheckpointFile::open(&path).expect("opened");
        file.replace(b"first").expect("written");
        #[cfg(unix)]
        {
            let seen = look(&path).expect("seen");
            assert_eq!((&*seen.bytes, seen.is_in_use), (&b"first"[..], true));
        }
        file.append(b", second")
            .expect("the look did not disturb it");
        drop(file);
        let seen = look(&path).expect("seen");
        let all = &b"first, second"[..];
        assert_eq!((&*seen.bytes, seen.is_in_use), (all, false));
        CheckpointFile::open(&path).expect("a look leaves no lock");
    }

    #[test]
    fn who_looks_does_not_keep_others_from_using_it() {
        let (_dir, path) = temp();
        fs::write(&path, "").expect("written");
        let looking = File::open(&path).expect("opened");
        looking.lock_shared().expect("locked");
        let using = File::open(&path).expect("opened");
        let mut waited = 0;
        let locked = lock_patiently(&using, || {
            waited += 1;
            if waited == MAX_LOOKS {
                looking.unlock().expect("unlocked");
            }
        });
        locked.expect("the look is over");
        let busy = lock_patiently(&looking, || {});
        assert!(matches!(busy, Err(OpenError::Busy)), "{busy:?}");
    }

    #[test]
    fn only_what_is_there_is_opened_where_nothing_is_to_be_created() {
        let (dir, path) = temp();
        let missing = CheckpointFile::open_existing(&path).expect_err("missing");
        let not_found = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        assert!(matches!(&missing, OpenError::Io(error) if not_found(error)));
        assert!(!path.exists());
        assert!(CheckpointFile::open_existing(dir.path()).is_err());
        fs::write(&path, "there").expect("written");
        let mut file = CheckpointFile::open_existing(&path).expect("opened");
        assert_eq!(file.read().expect("read"), b"there");
    }

    #[test]
    fn another_file_under_the_same_name_is_not_deleted() {
        let (_dir, path) = temp();
        let mut ours = CheckpointFile::open(&path).expect("opened");
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "theirs").expect("written");
        ours.delete().expect("nothing to do");
        assert_eq!(fs::read(&path).expect("still there"), b"theirs");
    }

    #[test]
    fn a_file_that_is_not_ours_is_kept_under_another_name() {
        let (_dir, path) = temp();
        for n in 1..3 {
            fs::write(&path, format!("diary {n}")).expect("written");
            let mut file = CheckpointFile::open(&path).expect("opened");
            let aside = file.set_aside().expect("set aside");
            assert_eq!(
                fs::read_to_string(aside).expect("kept"),
                format!("diary {n}")
            );
            assert_eq!(file.read().expect("read"), b"");
        }
    }

    #[cfg(unix)]
    #[test]
    fn behind_a_link_the_file_itself_is_replaced_and_deleted() {
        let (dir, path) = temp();
        let real = dir.path().join("real.cp");
        for _ in 0..2 {
            let _ = std::os::unix::fs::symlink(&real, &path);
            let mut file = CheckpointFile::open(&path).expect("opened");
            file.replace(b"first").expect("written");
            file.replace(b"second").expect("written");
            assert_eq!(fs::read(&real).expect("there"), b"second");
            file.delete().expect("deleted");
            assert!(!real.exists());
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, path) = temp();
        CheckpointFile::open(&path).expect("opened");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_a_checkpoint_is_an_error() {
        let (dir, path) = temp();
        assert!(matches!(
            CheckpointFile::open(dir.path()),
            Err(OpenError::Io(_))
        ));
        let nowhere = path.join("x.cp");
        assert!(matches!(
            CheckpointFile::open(&nowhere),
            Err(OpenError::Io(_))
        ));
    }

    #[test]
    fn a_fresh_start_takes_the_old_ones_place_at_once_and_stays_locked() {
        let (dir, path) = temp();
        let mut file = CheckpointFile::open(&path).expect("opened");
        file.replace(b"first").expect("written");
        let mut old = File::open(&path).expect("there");
        file.replace(b"the second, which is longer")
            .expect("written");
        file.append(b", and more").expect("appended");

        let mut before = String::new();
        old.read_to_string(&mut before).expect("readable");
        assert_eq!(before, "first", "the old file is not written to");
        let now = fs::read_to_string(&path).expect("there");
        assert_eq!(now, "the second, which is longer, and more");
        assert!(matches!(CheckpointFile::open(&path), Err(OpenError::Busy)));
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1);
        drop(file);
        CheckpointFile::open(&path).expect("the lock ends with its holder");
    }

    #[test]
    fn what_took_the_place_of_a_checkpoint_is_not_overwritten() {
        let (_dir, path) = temp();
        let mut file = CheckpointFile::open(&path).expect("opened");
        file.replace(b"first").expect("written");
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "theirs").expect("written");
        file.replace(b"second").expect("written");
        assert!(!file.is_in_place().expect("known"));
        assert_eq!(fs::read(&path).expect("still there"), b"theirs");
    }
}
