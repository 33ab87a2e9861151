//! PTX from the CUDA C++ of rave-cuda, by NVRTC from PyPI: no GPU and no CUDA is needed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, OnPath};
use crate::process;
use crate::workspace::Workspace;

/// What `help kernels` says.
pub const DETAILS: &str = "Writes rave-cuda/ptx/*.ptx from rave-cuda/kernels/*.cu, with NVRTC 12.4.127 and its headers from PyPI\n\
                           (through pip, checked by SHA-256, in target/nvrtc). --check fails if a file is not what its source gives.";

/// The last version whose PTX, 8.4, drivers from 550 on take. A hash for each kind of machine.
const REQUIREMENTS: &str = "nvidia-cuda-nvrtc-cu12==12.4.127 \
    --hash=sha256:a178759ebb095827bd30ef56598ec182b85547f1508941a3d560eb7ea1fbf338 \
    --hash=sha256:0eedf14185e04b76aa05b1fea04133e59f465b6f960c0cbf4e37c3cb6b0ea198\n\
    nvidia-cuda-runtime-cu12==12.4.127 \
    --hash=sha256:64403288fa2136ee8e467cdc9c9427e0434110899d07c779f25b5c068934faa5 \
    --hash=sha256:961fe0e2e716a2a1d967aab7caee97512f71767f852f67432d572e36cb3a11f3\n";
const LIBRARY: &str = "nvidia/cuda_nvrtc/lib/libnvrtc.so.12";
const HEADERS: &str = "nvidia/cuda_runtime/include";

/// `kernels [--check]`.
pub fn task(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    match words.iter().map(AsRef::as_ref).collect::<Vec<&str>>()[..] {
        [] => write(workspace),
        ["--check"] => {
            download(workspace)?;
            check(workspace)
        }
        _ => Err(Failure::Usage(format!("kernels takes nothing or --check, not `{}`", words.join(" ")))),
    }
}

/// `ci`'s step: the check, skipped with a reason where the compiler cannot be downloaded.
pub fn check_if_possible(workspace: &Workspace) -> Result<(), Failure> {
    match download(workspace) {
        Ok(()) => check(workspace),
        Err(Failure::Message(reason)) => {
            println!("kernels: skipped, NVRTC cannot be had from PyPI: {reason}");
            Ok(())
        }
        Err(other) => Err(other),
    }
}

fn write(workspace: &Workspace) -> Result<(), Failure> {
    download(workspace)?;
    compile(workspace, &workspace.root.join("rave-cuda/ptx"))
}

fn check(workspace: &Workspace) -> Result<(), Failure> {
    let fresh = nvrtc_folder(workspace).join(format!("check-{}", std::process::id()));
    fs::create_dir_all(&fresh).on("create", &fresh)?;
    let result =
        compile(workspace, &fresh).and_then(|()| compare(&workspace.root.join("rave-cuda/ptx"), &fresh));
    fs::remove_dir_all(&fresh).on("remove", &fresh)?;
    result
}

/// Both folders hold the same files.
fn compare(committed: &Path, fresh: &Path) -> Result<(), Failure> {
    let (old, new) = (files(committed, "ptx")?, files(fresh, "ptx")?);
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_os_string();
    let stale = new.iter().filter(|path| {
        let read = |path: &Path| fs::read(path).ok();
        read(path) != read(&committed.join(name(path)))
    });
    let orphans = old.iter().filter(|path| !fresh.join(name(path)).is_file());
    let wrong: Vec<String> =
        stale.chain(orphans).map(|path| name(path).to_string_lossy().into_owned()).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::Message(format!(
        "not what the sources in rave-cuda/kernels give: {}; run `cargo xtask kernels` and commit rave-cuda/ptx",
        wrong.join(", ")
    )))
}

fn compile(workspace: &Workspace, target: &Path) -> Result<(), Failure> {
    let sources = files(&workspace.root.join("rave-cuda/kernels"), "cu")?;
    let nvrtc = nvrtc_folder(workspace);
    fs::create_dir_all(target).on("create", target)?;
    let mut python = Command::new("python3");
    python.args(["-c", include_str!("kernels.py")]);
    python.arg(nvrtc.join(LIBRARY)).arg(nvrtc.join(HEADERS)).arg(target).args(sources);
    process::run(&mut python)
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).on("read", folder)?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    found.sort_unstable();
    Ok(found)
}

fn nvrtc_folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("nvrtc/12.4.127")
}

/// The compiler and its headers, unless they are there.
fn download(workspace: &Workspace) -> Result<(), Failure> {
    let folder = nvrtc_folder(workspace);
    if folder.join(LIBRARY).is_file() {
        return Ok(());
    }
    eprintln!("kernels: downloading NVRTC 12.4.127 and its headers from PyPI");
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    fs::create_dir_all(&partial).on("create", &partial)?;
    let result = install(&partial).and_then(|()| {
        // Another one may have been quicker: then its folder, which is the same, stays.
        if folder.is_dir() { Ok(()) } else { fs::rename(&partial, &folder).on("create", &folder) }
    });
    let _ = fs::remove_dir_all(&partial);
    result
}

fn install(folder: &Path) -> Result<(), Failure> {
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).on("write", &requirements)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]);
    pip.args(["--disable-pip-version-check", "--no-compile", "--target"]).arg(folder);
    process::output(pip.arg("--requirement").arg(&requirements)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_missing_and_surplus_files_are_named() {
        let folder = std::env::temp_dir().join(format!("rave-xtask-kernels-{}", std::process::id()));
        let (committed, fresh) = (folder.join("committed"), folder.join("fresh"));
        for (parent, name, text) in [
            (&committed, "same.ptx", "1"),
            (&fresh, "same.ptx", "1"),
            (&committed, "stale.ptx", "1"),
            (&fresh, "stale.ptx", "2"),
            (&fresh, "missing.ptx", "1"),
            (&committed, "surplus.ptx", "1"),
        ] {
            fs::create_dir_all(parent).unwrap();
            fs::write(parent.join(name), text).unwrap();
        }
        let Err(Failure::Message(message)) = compare(&committed, &fresh) else { panic!("must fail") };
        assert!(message.contains(": missing.ptx, stale.ptx, surplus.ptx;"), "{message}");
        assert_eq!(compare(&fresh, &fresh), Ok(()));
        fs::remove_dir_all(folder).unwrap();
    }
}
