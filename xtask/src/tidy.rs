use std::ffi::OsString;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// `tidy`.
pub fn task(_: &Workspace, _: &[OsString]) -> Result<(), Failure> {
    Ok(())
}
