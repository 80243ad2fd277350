//! One binary, a module a promise; `support` is what they share.

mod api;
mod bench_report;
mod credentials;
mod defects;
// What the system says of its own errors differs elsewhere.
#[cfg(target_os = "linux")]
mod errors;
mod examples;
mod files;
// Inodes and ctimes are Unix's.
#[cfg(unix)]
mod identity;
mod journey;
mod log_targets;
mod matrix;
mod network;
mod options;
mod process;
mod progress;
mod proxy;
mod readme;
mod resume;
mod server;
mod signing;
mod slices;
mod support;
mod tls;
mod tools;
