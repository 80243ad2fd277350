//! One binary, a module a promise; `support` is what they share.

mod defects;
mod process;
mod resume;
mod server;
mod support;
