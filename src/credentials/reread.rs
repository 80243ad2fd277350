//! A provider that a file describes, read again when it may have changed.

use super::profile::Profile;
use super::provider::{Credentials, CredentialsProvider, ProviderError};
use crate::lock::lock;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Files of profiles are small.
const MAX_FILE: u64 = 1 << 20;

/// How long what was read is taken for what the file says.
const KEEP: Duration = Duration::from_secs(60);

/// The file's provider, kept for as long as the file says the same.
#[derive(Default)]
pub(super) struct Reread {
    read: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    text: Arc<[u8]>,
    provider: Arc<dyn CredentialsProvider>,
    /// When the file is looked at again.
    until: Instant,
}

impl Reread {
    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        lock(&self.read)
    }

    fn fresh(&self, now: Instant) -> Option<Arc<dyn CredentialsProvider>> {
        let read = self.lock();
        let known = read.as_ref().filter(|known| now < known.until)?;
        Some(Arc::clone(&known.provider))
    }

    /// The provider that the file describes now. Where the file is, is found out when it is to be read.
    ///
    /// A file that cannot be read any more, perhaps because it is being written, keeps what it said.
    fn provider(
        &self,
        now: Instant,
        find: impl FnOnce() -> Result<PathBuf, ProviderError>,
        describe: impl Fn(&[u8]) -> Result<Profile, ProviderError>,
    ) -> Result<Arc<dyn CredentialsProvider>, ProviderError> {
        if let Some(provider) = self.fresh(now) {
            return Ok(provider);
        }
        // The lock is not held meanwhile: a disk may hang.
        let path = find()?;
        let text = read_file(&path);
        let old = self.lock().clone();
        let provider = match (text, old) {
            (Ok(text), Some(old)) if *text == *old.text => Ok((old.text, old.provider)),
            (Ok(text), old) => match (describe(&text), old) {
                (Ok(profile), _) => Ok((text.into(), profile.provider())),
                (Err(why), None) => Err(why),
                (Err(why), Some(old)) => {
                    log::debug!(target: "oss_upload::credentials", "`{}`: {why}", path.display());
                    Ok((old.text, old.provider))
                }
            },
            (Err(_), Some(old)) => Ok((old.text, old.provider)),
            (Err(error), None) => Err(error.to_string().into()),
        };
        let (text, provider) = provider
            .map_err(|why| -> ProviderError { format!("`{}`: {why}", path.display()).into() })?;
        *self.lock() = Some(Known {
            text,
            provider: Arc::clone(&provider),
            until: now + KEEP,
        });
        Ok(provider)
    }

    pub(super) fn credentials(
        &self,
        find: impl FnOnce() -> Result<PathBuf, ProviderError>,
        describe: impl Fn(&[u8]) -> Result<Profile, ProviderError>,
    ) -> Result<Credentials, ProviderError> {
        let provider = self.provider(Instant::now(), find, describe)?;
        provider.credentials()
    }

    pub(super) fn refused(&self, refused: &Credentials) {
        let known = self.lock().as_mut().map(|known| {
            // The file may have others by now.
            known.until = Instant::now();
            Arc::clone(&known.provider)
        });
        if let Some(provider) = known {
            provider.refused(refused);
        }
    }

    pub(super) fn answers_at_once(&self) -> bool {
        let fresh = self.fresh(Instant::now());
        fresh.is_some_and(|provider| provider.answers_at_once())
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = vec![];
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut text)?;
    match text.len() as u64 > MAX_FILE {
        true => Err(io::Error::other(format!(
            "it is longer than {MAX_FILE} bytes"
        ))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A file whose text is an id.
    fn describe(text: &[u8]) -> Result<Profile, ProviderError> {
        let id = str::from_utf8(text)?;
        match id.is_empty() {
            true => Err("it is empty".into()),
            false => Ok(Profile::Given(Credentials::new(id, "secret"))),
        }
    }

    #[test]
    fn a_file_is_looked_at_again_after_a_while_and_at_once_after_a_refusal() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("file");
        let reread = Reread::default();
        let start = Instant::now();
        let id = |after: Duration| {
            let provider = reread.provider(start + after, || Ok(path.clone()), describe);
            let given = provider.and_then(|provider| provider.credentials());
            given.map(|given| given.access_key_id().to_owned())
        };
        let why = id(Duration::ZERO).expect_err("no file").to_string();
        assert!(why.contains("file`: "), "{why}");
        fs::write(&path, "first").expect("written");
        assert_eq!(id(Duration::ZERO).expect("read"), "first");
        fs::write(&path, "second").expect("written");
        assert_eq!(id(KEEP - Duration::from_millis(1)).expect("kept"), "first");
        assert_eq!(id(KEEP).expect("read"), "second");
        fs::write(&path, "third").expect("written");
        assert!(reread.answers_at_once());
        reread.refused(&Credentials::new("second", "secret"));
        assert!(!reread.answers_at_once());
        assert_eq!(id(Instant::now() - start).expect("read"), "third");
        assert!(reread.answers_at_once());
    }

    #[test]
    fn a_file_that_is_being_written_or_gone_keeps_what_it_said() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("file");
        fs::write(&path, "good").expect("written");
        let reread = Reread::default();
        let mut now = Instant::now();
        let breaks: [&dyn Fn(); 4] = [
            &|| (),
            &|| fs::write(&path, "").expect("written"),
            &|| fs::write(&path, vec![b'x'; 1 + MAX_FILE as usize]).expect("written"),
            &|| fs::remove_file(&path).expect("removed"),
        ];
        for break_it in breaks {
            break_it();
            let provider = reread.provider(now, || Ok(path.clone()), describe);
            let provider = provider.expect("kept");
            let given = provider.credentials().expect("given");
            assert_eq!(given.access_key_id(), "good");
            now += KEEP;
        }
    }

    /// What a role's provider has fetched is not thrown away each minute.
    #[test]
    fn a_file_that_says_the_same_keeps_its_provider() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let path = dir.path().join("file");
        fs::write(&path, "same").expect("written");
        let reread = Reread::default();
        let now = Instant::now();
        let find = || Ok(path.clone());
        let first = reread.provider(now, find, describe).expect("read");
        let second = reread.provider(now + KEEP, find, describe).expect("read");
        assert!(Arc::ptr_eq(&first, &second));
        // What answers at once looks at no disk, not even for the path.
        let lost = || Err("it was looked for".into());
        let third = reread.provider(now + KEEP, lost, describe).expect("kept");
        assert!(Arc::ptr_eq(&first, &third));
    }
}
