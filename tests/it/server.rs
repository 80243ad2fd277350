//! The local server is as strict as OSS, and its faults do what they say.

mod calls;
pub(crate) mod client;
mod faults;
mod lifecycle;
mod strictness;
