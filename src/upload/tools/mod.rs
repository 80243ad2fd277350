//! What looks, cleans up or gives up without uploading.

pub(crate) mod abandon;
pub(crate) mod inspect;
pub(crate) mod pending;
pub(crate) mod preview;
