//! The fault matrix: a module a row; tests/README.md says what each row promises.

mod credentials;
mod disk;
mod pace;
