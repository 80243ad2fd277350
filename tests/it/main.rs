//! The promises, one module each.

mod server;
