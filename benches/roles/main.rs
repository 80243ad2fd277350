//! The processes that `upload` measures and their server: this program plays whichever role it is told. It is a program of
//! its own so that it holds nothing but what a role needs, like a program that uses the library.

mod bare;
mod cost;
mod floor;
mod ours;
mod reader;
mod role;
mod server;

use role::Role;
use std::{env, io};

fn main() -> io::Result<()> {
    let Ok(told) = env::var(role::VARIABLE) else {
        println!("nothing to measure here: the roles are played for `upload`");
        return Ok(());
    };
    match serde_json::from_str(&told)? {
        Role::Server(settings) => server::serve(&settings),
        Role::Ours(upload) => ours::run(&upload),
        Role::Floor(upload) => floor::run(&upload),
        Role::Bare(upload) => bare::run(&upload),
        Role::Reader(path) => reader::run(&path),
    }
}
