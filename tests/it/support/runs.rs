//! Runs of an upload that are watched, and what is expected of them.

use super::process::WATCHDOG;
use super::{Scene, bucket, client, meanwhile};
use oss_upload::{ClientBuilder, Control, Error, ErrorKind, UploadFile, Uploaded};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How long an impatient client puts up with silence.
pub(crate) const STALL: Duration = Duration::from_millis(300);

impl Scene {
    /// The same with other settings of the client.
    pub(crate) fn with_client(mut self, set: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Scene {
        self.bucket = bucket(set(client(&self.server)));
        self
    }

    /// The same with a client that notices silence soon.
    pub(crate) fn impatient(self) -> Scene {
        self.with_client(|client| client.stall_timeout(STALL))
    }

    pub(crate) fn run_ok(&self, what: &str) -> Uploaded {
        let uploaded = watched(self.upload());
        let uploaded = uploaded.unwrap_or_else(|why| panic!("{what}: {why}"));
        self.expect_done_but_for_orphans(&uploaded);
        uploaded
    }

    /// As `expect_done`; an Initiate whose answer got lost leaves an upload behind that nobody knows.
    pub(crate) fn expect_done_but_for_orphans(&self, uploaded: &Uploaded) {
        for orphan in self.server.pending_uploads() {
            assert_eq!(orphan.parts, [], "an upload with parts was left behind");
            self.server.drop_upload(&orphan.upload_id);
        }
        self.expect_done(uploaded);
    }

    pub(crate) fn run_err(&self, what: &str) -> Error {
        let Err(error) = watched(self.upload()) else {
            panic!("{what}: it succeeded")
        };
        error
    }

    /// A cancel is heard, and ends the upload, once it has come that far.
    #[track_caller]
    pub(crate) fn expect_cancelled_once(&self, far: &Receiver<()>) {
        let control = Control::new();
        let (done, ended) = mpsc::channel();
        let run = || {
            let ran = self.upload().control(&control).run();
            let _ = done.send(());
            ran
        };
        let error = meanwhile(run, || {
            far.recv_timeout(WATCHDOG).expect("it comes that far");
            control.cancel();
            ended.recv_timeout(WATCHDOG).expect("it is heard");
        });
        assert_eq!(error.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    }
}

/// Runs an upload; one that hangs is cancelled, and the test fails instead of hanging too.
pub(crate) fn watched(upload: UploadFile<'_>) -> Result<Uploaded, Error> {
    watched_by(&Control::new(), upload)
}

/// The same for one that is given a control.
pub(crate) fn watched_by(control: &Control, upload: UploadFile<'_>) -> Result<Uploaded, Error> {
    let (done, awaited) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let cancel = control.clone();
        scope.spawn(move || {
            if let Err(RecvTimeoutError::Timeout) = awaited.recv_timeout(WATCHDOG) {
                cancel.cancel();
            }
        });
        let ran = upload.control(control).run();
        drop(done);
        ran
    })
}

/// The code that OSS answered with.
pub(crate) fn code(error: &Error) -> Option<&str> {
    error.service_error().map(|error| error.code())
}
