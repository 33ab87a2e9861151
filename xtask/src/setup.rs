//! Everything that a fresh machine lacks, installed; nothing to do is the usual case and must be quick.

mod onnxruntime;
mod packages;

use std::ffi::OsString;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// `setup`.
pub fn task(workspace: &Workspace, _: &[OsString]) -> Result<(), Failure> {
    ensure(workspace)
}

/// Installs what is missing; silent when nothing is.
pub fn ensure(workspace: &Workspace) -> Result<(), Failure> {
    packages::ensure()?;
    onnxruntime::ensure(&workspace.target)
}

/// Makes sure of `python3 -m pip`, which only some commands need.
pub use packages::ensure_pip;
