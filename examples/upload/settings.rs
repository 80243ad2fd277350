//! What options make of an upload: each file of a run has all of them.

use oss_upload::UploadFile;

type Setting = Box<dyn for<'a> Fn(UploadFile<'a>) -> UploadFile<'a>>;

/// In the order in which they were given.
#[derive(Default)]
pub(crate) struct Settings(Vec<Setting>);

impl Settings {
    pub(crate) fn add(&mut self, set: impl for<'a> Fn(UploadFile<'a>) -> UploadFile<'a> + 'static) {
        self.0.push(Box::new(set));
    }

    pub(crate) fn apply<'a>(&self, upload: UploadFile<'a>) -> UploadFile<'a> {
        self.0.iter().fold(upload, |upload, set| set(upload))
    }
}
