//! The fault matrix: a module a row; tests/README.md says what each row promises.

#[cfg(unix)]
mod combined;
mod connect;
mod control;
mod credentials;
mod death;
mod disk;
// Inodes and ctimes are Unix's.
#[cfg(unix)]
mod file;
mod hostile;
mod integrity;
mod large_file;
mod moments;
mod network;
mod owed;
mod pace;
mod secrets;
mod service;
mod together;
mod upload_id;
