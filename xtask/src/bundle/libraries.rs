use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, OnPath};
use crate::process;

/// What stays the system's: glibc, which must fit the system's loader, and the runtime libraries of GCC, which must not
/// be older than what a driver or another ONNX Runtime wants.
const OF_THE_SYSTEM: &[&str] = &[
    "ld-linux",
    "libanl",
    "libc",
    "libdl",
    "libgcc_s",
    "libm",
    "libmvec",
    "libpthread",
    "libresolv",
    "librt",
    "libstdc++",
    "libutil",
    "linux-vdso",
];

/// What programs need to run.
pub struct Needs {
    /// The shared libraries that came from this system: the file's name, and where it was.
    pub libraries: BTreeMap<String, PathBuf>,
    /// The oldest glibc that has every symbol.
    pub glibc: Version,
    /// The oldest libstdc++ that has every symbol, as the version of its symbols.
    pub libstdcxx: Version,
}

/// Copies every shared library that `files` need, but for the system's own, into `folder`.
pub fn copy_needed(files: &[PathBuf], folder: &Path) -> Result<Needs, Failure> {
    let mut libraries = BTreeMap::new();
    for file in files {
        libraries.extend(resolved(file)?.into_iter().filter(|(name, _)| !is_of_the_system(name)));
    }
    fs::create_dir_all(folder).on("create", folder)?;
    let mut all = files.to_vec();
    for (name, path) in &libraries {
        let copy = folder.join(name);
        fs::copy(path, &copy).on("copy", path)?;
        all.push(copy);
    }
    let mut readelf = Command::new("readelf");
    let symbols = process::output(readelf.args(["--wide", "--version-info"]).args(all))?;
    Ok(Needs { libraries, glibc: newest(&symbols, "GLIBC_"), libstdcxx: newest(&symbols, "GLIBCXX_") })
}

/// Makes sure that the loader, started with an empty environment, takes nothing from outside of `root` but what is the
/// system's.
pub fn check(programs: &[PathBuf], root: &Path) -> Result<(), Failure> {
    let root = root.canonicalize().on("find", root)?;
    for program in programs {
        for (name, path) in resolved(program)? {
            let path = path.canonicalize().on("find", &path)?;
            if !is_of_the_system(&name) && !path.starts_with(&root) {
                let program = program.display();
                return Err(Failure::Message(format!("{program} takes {name} from {}", path.display())));
            }
        }
    }
    Ok(())
}

/// The libraries that the loader takes for `file`, and where from.
fn resolved(file: &Path) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut ldd = Command::new("ldd");
    ldd.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").arg(file);
    parse(&process::output(&mut ldd)?).map_err(|name| {
        Failure::Message(format!("{} needs {name}, which is not installed here", file.display()))
    })
}

/// What `ldd` prints; the name of a library that it does not find is the error. Lines without an arrow are the kernel's
/// and the loader's.
fn parse(text: &str) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut libraries = BTreeMap::new();
    for (name, place) in text.lines().filter_map(|line| line.trim().split_once(" => ")) {
        let path = place.rsplit_once(" (").map_or(place, |(path, _)| path);
        if !path.starts_with('/') {
            return Err(name.to_string());
        }
        libraries.insert(name.to_string(), PathBuf::from(path));
    }
    Ok(libraries)
}

fn is_of_the_system(name: &str) -> bool {
    let stem = name.split(".so").next().unwrap_or(name);
    OF_THE_SYSTEM.contains(&stem) || stem.starts_with("ld-linux")
}

/// A version of symbols, such as 2.36.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u32>);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// The newest version with this prefix that `readelf --version-info` lists.
fn newest(symbols: &str, prefix: &str) -> Version {
    let words = symbols.split_whitespace().filter_map(|word| word.strip_prefix(prefix));
    let versions = words.filter_map(|word| word.split('.').map(|number| number.parse().ok()).collect());
    versions.map(Version).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_loader_finds_is_read_and_what_it_lacks_is_named() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibz.so.1 => /lib/x/libz.so.1 (0x00007f)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = BTreeMap::from([("libz.so.1".to_string(), PathBuf::from("/lib/x/libz.so.1"))]);
        assert_eq!(parse(text), Ok(expected));
        assert_eq!(parse("\tlibq.so.3 => not found\n"), Err("libq.so.3".to_string()));
    }

    #[test]
    fn glibc_and_the_compilers_runtime_stay_the_systems() {
        for name in ["libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"] {
            assert!(is_of_the_system(name), "{name}");
        }
        for name in ["libcodec2.so.1.0", "libmp3lame.so.0", "libresample.so.1", "libgomp.so.1"] {
            assert!(!is_of_the_system(name), "{name}");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let text = "0x0010: Name: GLIBC_2.4 Flags: none\n Name: GLIBC_2.34 Name: GLIBC_2.2.5\n GLIBC_PRIVATE GLIBCXX_3.4.30";
        assert_eq!(newest(text, "GLIBC_").to_string(), "2.34");
        assert_eq!(newest(text, "GLIBCXX_").to_string(), "3.4.30");
    }

    #[test]
    fn a_library_from_outside_is_found() {
        let folder = std::env::temp_dir().join(format!("rave-xtask-libraries-{}", std::process::id()));
        let readelf = [PathBuf::from("/usr/bin/readelf")];
        let needs = copy_needed(&readelf, &folder).unwrap();
        assert!(!needs.libraries.is_empty(), "readelf needs more than glibc");
        assert!(needs.libraries.keys().all(|name| folder.join(name).is_file()));
        assert!(needs.glibc > Version(vec![2, 2, 5]), "{}", needs.glibc);
        let Err(Failure::Message(message)) = check(&readelf, &folder) else { panic!("must fail") };
        assert!(message.starts_with("/usr/bin/readelf takes lib"), "{message}");
        fs::remove_dir_all(folder).unwrap();
    }
}
