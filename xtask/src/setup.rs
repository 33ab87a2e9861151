//! Everything that a fresh machine lacks, installed; nothing to do is the usual case and must be quick.

mod onnxruntime;
mod packages;

use std::ffi::OsString;

use crate::failure::Failure;
use crate::workspace::Workspace;

pub use onnxruntime::VERSION as ONNXRUNTIME_VERSION;
pub use onnxruntime::library_below as onnxruntime_library;
pub use onnxruntime::unpack_notices as onnxruntime_notices;
pub use packages::ensure_with_pip as ensure_pip;

/// `setup`.
pub fn task(workspace: &Workspace, _: &[OsString]) -> Result<(), Failure> {
    ensure(workspace)
}

/// Installs what is missing; silent when nothing is.
pub fn ensure(workspace: &Workspace) -> Result<(), Failure> {
    if onnxruntime::is_present(&workspace.target) {
        return packages::ensure();
    }
    packages::ensure_with_pip()?;
    onnxruntime::download(&workspace.target)
}
