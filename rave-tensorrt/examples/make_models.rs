//! Writes the models of the tests and benchmarks into a folder: `make_models FOLDER`.

#[path = "../tests/support/models.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod models;

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: make_models FOLDER"));
    };
    fs::create_dir_all(&folder)?;
    for (name, model) in models::all() {
        fs::write(folder.join(name), model)?;
    }
    Ok(())
}
