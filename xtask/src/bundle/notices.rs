use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::failure::{Failure, OnPath};
use crate::workspace::Workspace;
use crate::{process, setup};

/// Where Debian keeps the licences that its packages refer to.
const COMMON_LICENSES: &str = "/usr/share/common-licenses";

/// Writes to `folder` the licences of all that is in it: the project's own, the libraries', ONNX Runtime's, the crates'.
pub fn write(
    workspace: &Workspace,
    folder: &Path,
    libraries: &BTreeMap<String, PathBuf>,
) -> Result<(), Failure> {
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        super::copy(&workspace.root.join(name), &folder.join(name))?;
    }
    let licenses = folder.join("licenses");
    write_packages(libraries, &licenses)?;
    let onnxruntime = licenses.join("onnxruntime");
    fs::create_dir_all(&onnxruntime).on("create", &onnxruntime)?;
    setup::onnxruntime_notices(&workspace.target, &onnxruntime)?;
    write_crates(workspace, &licenses)
}

/// The copyright file of each package that a library is from, the licences that they refer to, and the list of both.
fn write_packages(libraries: &BTreeMap<String, PathBuf>, licenses: &Path) -> Result<(), Failure> {
    let mut list = String::from("library\tpackage\tversion\tsource package\tversion of the source\n");
    let mut packages = BTreeSet::new();
    for (name, path) in libraries {
        let package = package_of(path)?;
        let versions = process::output(Command::new("dpkg-query").args([
            "--show",
            "--showformat=${Version}\t${source:Package}\t${source:Version}",
            &package,
        ]))?;
        list += &format!("{name}\t{package}\t{versions}\n");
        packages.insert(package);
    }
    for package in packages {
        let bare = package.split(':').next().unwrap_or(&package);
        let copyright = Path::new("/usr/share/doc").join(bare).join("copyright");
        super::copy(&copyright, &licenses.join("packages").join(bare))?;
    }
    let path = licenses.join("packages.txt");
    fs::write(&path, list).on("write", &path)?;
    for license in files_in(Path::new(COMMON_LICENSES))? {
        super::copy(&license, &licenses.join("common").join(license.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

/// Debian's package that a library is from.
fn package_of(path: &Path) -> Result<String, Failure> {
    let names = spellings(path)?;
    names.iter().find_map(|path| owner(path)).ok_or_else(|| {
        Failure::Message(format!(
            "{} is of no Debian package, so its licence is not known: dist works on Debian and its relatives, with \
             FFmpeg as packaged there",
            path.display()
        ))
    })
}

/// The package database knows a file either below `/usr` or below `/`, where the second is a link to the first.
fn spellings(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let real = path.canonicalize().on("find", path)?;
    let mut all = vec![path.to_path_buf(), real];
    for known in all.clone() {
        match known.strip_prefix("/usr") {
            Ok(rest) => all.push(Path::new("/").join(rest)),
            Err(_) => all.push(Path::new("/usr").join(known.strip_prefix("/").unwrap_or(&known))),
        }
    }
    Ok(all)
}

fn owner(path: &Path) -> Option<String> {
    let text = process::output(Command::new("dpkg-query").arg("--search").arg(path)).ok()?;
    // `libx264-164:amd64: /usr/lib/x86_64-linux-gnu/libx264.so.164`; several packages would be separated by commas.
    let (packages, _) = text.lines().next()?.split_once(": ")?;
    packages.split(", ").next().map(ToString::to_string)
}

/// Licence files of the crates that are built into the program, and the list of them.
fn write_crates(workspace: &Workspace, licenses: &Path) -> Result<(), Failure> {
    let mut list = String::from("crate\tversion\tlicence\n");
    for package in built_in(workspace)? {
        let text = |field: &str| package[field].as_str().unwrap_or_default().to_string();
        let (name, version) = (text("name"), text("version"));
        list += &format!("{name}\t{version}\t{}\n", text("license"));
        let manifest = PathBuf::from(text("manifest_path"));
        let source = manifest.parent().unwrap_or(Path::new("."));
        for file in files_in(source)?.into_iter().filter(|file| is_notice(file)) {
            let folder = licenses.join("crates").join(format!("{name}-{version}"));
            super::copy(&file, &folder.join(file.file_name().unwrap_or_default()))?;
        }
    }
    let path = licenses.join("crates.txt");
    fs::write(&path, list).on("write", &path)
}

/// The crates from elsewhere that are linked into the program, as `cargo metadata` describes them.
fn built_in(workspace: &Workspace) -> Result<Vec<Value>, Failure> {
    let mut tree = process::cargo(&workspace.root);
    tree.args(["tree", "-p", "rave-cli", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let names = linked(&process::output(&mut tree)?);
    let mut metadata = process::cargo(&workspace.root);
    let text = process::output(metadata.args(["metadata", "--format-version=1", "--offline"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|cause| format!("cargo metadata: {cause}"))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let is_linked = |package: &&Value| {
        let name = package["name"].as_str().unwrap_or_default().to_string();
        let version = package["version"].as_str().unwrap_or_default().to_string();
        !package["source"].is_null() && names.contains(&(name, version))
    };
    Ok(packages.filter(is_linked).cloned().collect())
}

/// Names and versions from lines such as `clap v4.6.1 (proc-macro)`.
fn linked(tree: &str) -> BTreeSet<(String, String)> {
    tree.lines()
        .filter(|line| !line.contains("(proc-macro)"))
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_string(), words.next()?.strip_prefix('v')?.to_string()))
        })
        .collect()
}

fn is_notice(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"]
        .iter()
        .any(|word| name.starts_with(word))
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).on("read", folder)?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_time_crates_are_not_linked() {
        let tree =
            "rave-cli v0.1.0 (/w/rave-cli)\nclap v4.6.1\nclap_derive v4.6.1 (proc-macro)\nlog v0.4.2 (*)\n";
        let names: Vec<String> = linked(tree).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["clap", "log", "rave-cli"]);
    }

    #[test]
    fn notices_are_known_by_name() {
        for (name, expected) in [
            ("LICENSE-MIT", true),
            ("license.txt", true),
            ("COPYING", true),
            ("README.md", false),
            ("lib.rs", false),
        ] {
            assert_eq!(is_notice(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_file_is_looked_for_with_and_without_usr() {
        let found = spellings(Path::new("/usr/bin/env")).unwrap();
        assert!(found.contains(&PathBuf::from("/bin/env")) && found.contains(&PathBuf::from("/usr/bin/env")));
    }
}
