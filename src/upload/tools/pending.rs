//! The open uploads of a bucket: listed, looked at, aborted by age.

use crate::checkpoint::record::Owed;
use crate::client::Bucket;
use crate::endpoint::check_key;
use crate::error::{Error, ErrorKind};
use crate::protocol::list_uploads::{self, ListedUpload, Marker, Page};
use crate::protocol::{NOTHING_MORE, Operation, Unreadable};
use crate::upload::calls::Calls;
use crate::upload::calls::aborting::try_abort;
use crate::upload::calls::last_failure::LastFailure;
use crate::upload::calls::repeating::{call, error};
use crate::upload::control::Control;
use crate::upload::options::ObjectHeaders;
use crate::upload::watch::events::Events;
use crate::upload::watch::progress::Progress;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Ten million uploads. What has more is no list of a bucket.
const MAX_PAGES: usize = 10_000;

impl Bucket {
    /// Lists the uploads to keys that begin with `prefix` which are neither complete nor aborted: those that run, and
    /// those that were left behind. An empty prefix lists all of the bucket's.
    ///
    /// They come sorted by key and id, a page of up to 1,000 at a time, each fetched when it is needed. Requests are
    /// repeated as all are ([`RetryPolicy`](crate::RetryPolicy)). After an error nothing more comes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Options`] when no key begins so; else the error says why a page could not be had, such as
    /// [`ErrorKind::Service`] to credentials without `oss:ListMultipartUploads`.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), oss_upload::Error> {
    /// # let client = oss_upload::Client::for_region("cn-hangzhou").build()?;
    /// for upload in client.bucket("examplebucket")?.pending_uploads("backup/") {
    ///     let upload = upload?;
    ///     let stored = upload.stored()?;
    ///     println!("{}: {} parts, {} bytes", upload.key, stored.parts, stored.bytes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pending_uploads(&self, prefix: impl Into<String>) -> PendingUploads {
        PendingUploads {
            bucket: self.clone(),
            prefix: prefix.into(),
            state: State::Next(Marker::default()),
            listed: VecDeque::new(),
            pages: 0,
        }
    }

    /// Aborts the uploads to keys that begin with `prefix` which were begun so long ago or longer, whoever began them.
    ///
    /// An upload that still runs is aborted as well, and fails or begins anew: choose an age that none reaches. Ages are
    /// told by the server's clock alone, at the time of the list, so that a wrong local clock harms nothing. All is
    /// listed before anything is aborted. Each upload is aborted until the server lists no part of it; one that is gone by
    /// then counts as aborted.
    ///
    /// # Errors
    ///
    /// Nothing was aborted: the list could not be had, as with [`pending_uploads`](Self::pending_uploads), or the server did
    /// not say what time it is ([`ErrorKind::Transport`]). What could not be aborted is told by the result.
    pub fn abort_pending(
        &self,
        prefix: impl Into<String>,
        older_than: Duration,
    ) -> Result<AbortedUploads, Error> {
        let mut old = vec![];
        for upload in self.pending_uploads(prefix) {
            let upload = upload?;
            match upload.age() {
                Some(age) if age >= older_than => old.push(upload),
                Some(_) => {}
                None => {
                    let doing = listing(self, &upload.key);
                    let why = "the answer does not say what time it is, so that no age is known";
                    return Err(Error::text(ErrorKind::Transport, doing, why));
                }
            }
        }
        let mut aborted = AbortedUploads::default();
        for upload in old {
            match upload.abort() {
                Ok(()) => aborted.aborted.push(upload),
                Err(why) => aborted.failed.push((upload, why)),
            }
        }
        Ok(aborted)
    }
}

/// What became of the uploads that were to be aborted, from [`Bucket::abort_pending`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct AbortedUploads {
    /// Those of which nothing is left on the server.
    pub aborted: Vec<PendingUpload>,
    /// Those that could not be aborted, and why.
    pub failed: Vec<(PendingUpload, Error)>,
}

/// The open uploads of a bucket, from [`Bucket::pending_uploads`].
#[derive(Debug)]
#[must_use = "nothing is listed until it is iterated over"]
pub struct PendingUploads {
    bucket: Bucket,
    prefix: String,
    state: State,
    /// What is left of the latest page.
    listed: VecDeque<PendingUpload>,
    pages: usize,
}

/// What comes after the latest page.
#[derive(Debug)]
enum State {
    Next(Marker),
    Nothing,
}

impl Iterator for PendingUploads {
    type Item = Result<PendingUpload, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.listed.is_empty() {
            let State::Next(after) = &self.state else {
                return None;
            };
            match self.fetch(after) {
                Ok(page) => self.take(page),
                Err(why) => {
                    self.state = State::Nothing;
                    return Some(Err(why));
                }
            }
        }
        self.listed.pop_front().map(Ok)
    }
}

impl PendingUploads {
    fn fetch(&self, after: &Marker) -> Result<Page, Error> {
        let doing = || listing(&self.bucket, &self.prefix);
        let failed = |failure| {
            let operation = Operation::ListMultipartUploads;
            error(&self.bucket, operation, doing(), failure)
        };
        if !self.prefix.is_empty() {
            check_key(&self.prefix).map_err(|why| Error::options(doing(), why))?;
        }
        if self.pages == MAX_PAGES {
            let what = format!("ListMultipartUploads has more than {MAX_PAGES} pages");
            return Err(failed(Unreadable(what).into()));
        }
        let request = || list_uploads::request(&self.prefix, after, &NOTHING_MORE);
        let read = |answer: &_| list_uploads::read(answer, &self.prefix, after);
        let page = call(&self.bucket, &Arc::default(), request, read);
        page.map_err(failed)
    }

    fn take(&mut self, page: Page) {
        self.pages += 1;
        self.state = page.next.map_or(State::Nothing, State::Next);
        let date = page.date;
        let uploads = page.uploads.into_iter();
        let bucket = &self.bucket;
        self.listed
            .extend(uploads.map(|listed| PendingUpload::new(bucket, listed, date)));
    }
}

fn listing(bucket: &Bucket, prefix: &str) -> String {
    format!(
        "listing the open uploads of oss://{}/{prefix}",
        bucket.name()
    )
}

/// An upload on the server that is neither complete nor aborted.
#[derive(Clone)]
#[non_exhaustive]
pub struct PendingUpload {
    /// The key of the object to be.
    pub key: String,
    /// The upload's id.
    pub upload_id: String,
    /// When it was begun, by the server's clock.
    pub initiated: SystemTime,
    begun: Timestamp,
    /// What the server's clock said when it was listed.
    listed: Option<Timestamp>,
    bucket: Bucket,
}

/// What the server has of an upload, from [`PendingUpload::stored`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredParts {
    /// The number of parts.
    pub parts: u16,
    /// Their bytes, which are billed.
    pub bytes: u64,
}

impl PendingUpload {
    fn new(bucket: &Bucket, listed: ListedUpload, date: Option<Timestamp>) -> PendingUpload {
        PendingUpload {
            key: listed.key,
            upload_id: listed.upload_id,
            initiated: listed.initiated.into(),
            begun: listed.initiated,
            listed: date,
            bucket: bucket.clone(),
        }
    }

    /// How old it was when it was listed, by the server's clock; `None` when the server did not say what time it was.
    pub fn age(&self) -> Option<Duration> {
        let age = self.listed?.duration_since(self.begun);
        Some(Duration::try_from(age).unwrap_or(Duration::ZERO))
    }

    /// Asks how many parts the server has of it, and how long they are together.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Service`] with the code `NoSuchUpload` when it is complete or aborted by now; else why the list could
    /// not be had.
    pub fn stored(&self) -> Result<StoredParts, Error> {
        let (headers, progress) = (ObjectHeaders::default(), Progress::default());
        let (control, events) = (Control::new(), Events::to_nobody());
        let last_failure = LastFailure::default();
        let calls = Calls {
            bucket: &self.bucket,
            key: &self.key,
            headers: &headers,
            content_md5: false,
            progress: &progress,
            control: &control,
            events: &events,
            last_failure: &last_failure,
        };
        let listed = calls.list_parts(&self.upload_id, &Arc::default());
        let listed = listed.map_err(|failure| {
            let doing = self.doing("listing the parts of");
            error(&self.bucket, Operation::ListParts, doing, failure)
        })?;
        let bytes = listed.iter().map(|part| part.len);
        Ok(StoredParts {
            parts: u16::try_from(listed.len()).unwrap_or(u16::MAX),
            bytes: bytes.fold(0, u64::saturating_add),
        })
    }

    /// Aborts it, until the server lists no part of it. One that is gone already is fine.
    ///
    /// # Errors
    ///
    /// Why it may still be there: the service's refusal, or that no answer came.
    pub fn abort(&self) -> Result<(), Error> {
        let owed = Owed {
            endpoint: self.bucket.client().endpoint().to_string(),
            bucket: self.bucket.name().to_owned(),
            key: self.key.clone(),
            upload_id: self.upload_id.clone(),
        };
        let aborted = try_abort(&self.bucket, &owed, &NOTHING_MORE, &Arc::default());
        aborted.map_err(|why| why.into_error(&self.bucket, self.doing("aborting")))
    }

    fn doing(&self, what: &str) -> String {
        let (id, bucket, key) = (&self.upload_id, self.bucket.name(), &self.key);
        format!("{what} upload {id} of oss://{bucket}/{key}")
    }
}

impl fmt::Debug for PendingUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingUpload")
            .field("bucket", &self.bucket.name())
            .field("key", &self.key)
            .field("upload_id", &self.upload_id)
            .field("initiated", &self.begun.to_string())
            .finish_non_exhaustive()
    }
}
