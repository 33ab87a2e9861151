use std::ffi::OsString;

use crate::failure::Failure;
use crate::workspace::Workspace;

/// What `cargo xtask help bench` says.
pub const DETAILS: &str = "";

/// `bench cpu|media`.
pub fn task(_: &Workspace, _: &[OsString]) -> Result<(), Failure> {
    Err(Failure::Usage("not yet".into()))
}
