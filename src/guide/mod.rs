//! The guide: one page a task, from the first upload to the cron job that nobody looks at.
//!
//! | page | for the day when |
//! |---|---|
//! | [`first_upload`] | a file is to go to a bucket |
//! | [`resuming`] | it is to go on where it stopped |
//! | [`credentials`] | somebody has to sign |
//! | [`errors`] | it failed, and the program or a person has to decide what to do |
//! | [`tuning`] | it is too slow, or too greedy |
//! | [`testing`] | your program is to be tried, with everything that can go wrong |
//! | [`cleaning_up`] | the bill shows parts of uploads that nobody completes |
//! | [`unattended`] | it runs at night, from cron or systemd, or for a few minutes at a time |
//! | [`moving`] | it did so with one of the official SDKs before |

#[doc = include_str!("first_upload.md")]
pub mod first_upload {}

#[doc = include_str!("resuming.md")]
pub mod resuming {}

#[doc = include_str!("credentials.md")]
pub mod credentials {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("tuning.md")]
pub mod tuning {}

#[cfg_attr(feature = "local-server", doc = include_str!("testing.md"))]
#[cfg_attr(
    not(feature = "local-server"),
    doc = "A page of the documentation with the feature `local-server`."
)]
pub mod testing {}

#[doc = include_str!("cleaning_up.md")]
pub mod cleaning_up {}

#[doc = include_str!("unattended.md")]
pub mod unattended {}

#[doc = include_str!("moving.md")]
pub mod moving {}
