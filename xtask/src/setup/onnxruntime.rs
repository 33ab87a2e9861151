//! ONNX Runtime's CPU library, from the wheel that its makers publish on PyPI.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, OnPath};
use crate::process;

/// The version whose wheels are pinned below.
pub const VERSION: &str = "1.31.1";

/// A wheel for one kind of machine. The library inside needs no Python: the tag only picks one of the files.
struct Wheel {
    arch: &'static str,
    platform: &'static str,
    sha256: &'static str,
}

const PYTHON: &str = "3.12";
const WHEELS: &[Wheel] = &[
    Wheel {
        arch: "x86_64",
        platform: "manylinux_2_28_x86_64",
        sha256: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
    },
    Wheel {
        arch: "aarch64",
        platform: "manylinux_2_28_aarch64",
        sha256: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
    },
];

/// Whether the library lies where the program and the tests look.
pub fn is_present(target: &Path) -> bool {
    library_below(target).is_file()
}

/// Downloads the library; `python3 -m pip` must be there.
pub fn download(target: &Path) -> Result<(), Failure> {
    let wheel = wheel_for(env::consts::OS, env::consts::ARCH).ok_or_else(no_wheel)?;
    eprintln!("setup: downloading ONNX Runtime {VERSION} for {} from PyPI", wheel.platform);
    let library = library_below(target);
    let partial = Partial::new(&target.join(FOLDER))?;
    let file = download_wheel(wheel, &partial.0)?;
    check(&file, wheel.sha256)?;
    let unpacked = partial.0.join("library");
    unpack(&file, &format!("capi/{}", library_name()), &unpacked)?;
    // A rename within one folder is all or nothing: an interrupted setup never leaves half a library under this name.
    fs::rename(&unpacked, &library).on("create", &library)
}

/// Writes the library's licence, and those of what is built into it, to `folder`; downloads the wheel.
pub fn unpack_notices(target: &Path, folder: &Path) -> Result<(), Failure> {
    let wheel = wheel_for(env::consts::OS, env::consts::ARCH).ok_or_else(no_wheel)?;
    let partial = Partial::new(&target.join(FOLDER))?;
    let file = download_wheel(wheel, &partial.0)?;
    check(&file, wheel.sha256)?;
    NOTICES.iter().try_for_each(|name| unpack(&file, name, &folder.join(name)))
}

const NOTICES: &[&str] = &["LICENSE", "ThirdPartyNotices.txt"];
const FOLDER: &str = "onnxruntime";

/// Where the library lies, once it is there.
pub fn library_below(target: &Path) -> PathBuf {
    target.join(FOLDER).join(library_name())
}

fn library_name() -> String {
    format!("libonnxruntime.so.{VERSION}")
}

fn wheel_for(os: &str, arch: &str) -> Option<&'static Wheel> {
    WHEELS.iter().find(|wheel| os == "linux" && wheel.arch == arch)
}

fn no_wheel() -> Failure {
    Failure::Message(format!(
        "no ONNX Runtime is pinned for {} on {}; install {VERSION} and name its library in ORT_DYLIB_PATH",
        env::consts::OS,
        env::consts::ARCH
    ))
}

/// A folder for what is not complete yet; removed when this is dropped. Two setups at once have one each.
struct Partial(PathBuf);

impl Partial {
    fn new(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(format!("partial-{}", std::process::id()));
        let partial = Self(path);
        fs::create_dir_all(&partial.0).on("create", &partial.0)?;
        Ok(partial)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The wheel's file in `folder`.
fn download_wheel(wheel: &Wheel, folder: &Path) -> Result<PathBuf, Failure> {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--implementation",
        "cp",
    ]);
    pip.args(["--python-version", PYTHON, "--platform", wheel.platform, "--dest"]).arg(folder);
    process::output(pip.arg(format!("onnxruntime=={VERSION}")))?;
    let mut files = fs::read_dir(folder).on("read", folder)?.flatten().map(|entry| entry.path());
    files
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| Failure::Message(format!("pip has put no wheel into {}", folder.display())))
}

fn check(file: &Path, expected: &str) -> Result<(), Failure> {
    let found = sha256(file)?;
    if found == expected {
        return Ok(());
    }
    Err(Failure::Message(format!(
        "{} has SHA-256 {found}, expected {expected}: the download is damaged or not what was published",
        file.file_name().unwrap_or_default().to_string_lossy()
    )))
}

fn sha256(file: &Path) -> Result<String, Failure> {
    let line = process::output(Command::new("sha256sum").arg("--binary").arg(file))?;
    // A name with a backslash or a newline makes sha256sum put a backslash first.
    Ok(line.trim_start_matches('\\').split_whitespace().next().unwrap_or_default().to_string())
}

/// Writes a file of the package in the wheel, which is a zip file, to `to`.
fn unpack(wheel: &Path, member: &str, to: &Path) -> Result<(), Failure> {
    const SCRIPT: &str = "import shutil, sys, zipfile\n\
        with zipfile.ZipFile(sys.argv[1]) as wheel:\n    \
            with wheel.open(sys.argv[2]) as source, open(sys.argv[3], 'wb') as target:\n        \
                shutil.copyfileobj(source, target)\n";
    let member = format!("onnxruntime/{member}");
    process::output(Command::new("python3").args(["-c", SCRIPT]).arg(wheel).arg(member).arg(to)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("rave-xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_with_another_hash_is_refused() {
        let folder = scratch("hash");
        let file = folder.join("abc.whl");
        fs::write(&file, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(check(&file, abc), Ok(()));
        fs::write(&file, "abd").unwrap();
        let Err(Failure::Message(message)) = check(&file, abc) else { panic!("must be refused") };
        assert!(message.starts_with("abc.whl has SHA-256 "), "{message}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn only_the_library_is_unpacked() {
        let folder = scratch("unpack");
        let (wheel, library) = (folder.join("w.whl"), folder.join("library"));
        let member = format!("onnxruntime/capi/{}", library_name());
        let script =
            "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr(sys.argv[2], 'library')";
        process::output(Command::new("python3").args(["-c", script]).arg(&wheel).arg(member)).unwrap();
        let member = format!("capi/{}", library_name());
        unpack(&wheel, &member, &library).unwrap();
        assert_eq!(fs::read_to_string(&library).unwrap(), "library");
        assert!(unpack(&library, &member, &folder.join("other")).is_err(), "not a zip file");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_partial_folder_goes_away_with_its_guard() {
        let folder = scratch("partial");
        let partial = Partial::new(&folder).unwrap();
        let path = partial.0.clone();
        assert!(path.is_dir());
        drop(partial);
        assert!(!path.exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn wheels_are_pinned_for_both_architectures() {
        assert!(wheel_for("linux", "x86_64").is_some_and(|wheel| wheel.platform.ends_with("x86_64")));
        assert!(wheel_for("linux", "aarch64").is_some_and(|wheel| wheel.platform.ends_with("aarch64")));
        assert!(wheel_for("linux", "riscv64").is_none());
        assert!(wheel_for("macos", "aarch64").is_none());
    }
}
