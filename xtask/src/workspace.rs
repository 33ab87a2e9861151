use std::env;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;
use crate::process;

/// The checkout, and where its builds go.
pub struct Workspace {
    /// The folder with the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Cargo's target folder, wherever the configuration puts it.
    pub target: PathBuf,
    /// The workspace's packages, as `cargo metadata` describes them.
    pub packages: Vec<Value>,
}

impl Workspace {
    /// The workspace that this program was built from.
    pub fn find() -> Result<Self, Failure> {
        let manifest_dir =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest_dir).parent().unwrap_or(Path::new(".")).to_path_buf();
        let text = process::output(process::cargo(&root).args([
            "metadata",
            "--format-version=1",
            "--no-deps",
            "--offline",
        ]))?;
        let metadata: Value =
            serde_json::from_str(&text).map_err(|cause| format!("cargo metadata: {cause}"))?;
        let target = metadata["target_directory"]
            .as_str()
            .ok_or("cargo metadata names no target folder".to_string())?;
        let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
        Ok(Self { target: PathBuf::from(target), root, packages })
    }

    /// Where there is no checkout and no cargo: what is written goes to `target` in the current folder.
    pub fn current_folder() -> Result<Self, Failure> {
        let root = env::current_dir().map_err(|cause| format!("current folder: {cause}"))?;
        Ok(Self { target: root.join("target"), root, packages: Vec::new() })
    }

    /// The program, as `cargo build --release` makes it.
    pub fn release_program(&self) -> PathBuf {
        self.target.join("release").join(format!("rave{}", env::consts::EXE_SUFFIX))
    }
}
