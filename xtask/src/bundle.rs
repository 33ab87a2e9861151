//! Folders that run where nothing is installed: the program and the libraries that it needs.

mod libraries;
mod notices;
mod programs;
mod readme;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, OnPath};
use crate::workspace::Workspace;
use crate::{process, setup};

use programs::Program;

/// What `cargo xtask help bundle` says.
pub const BUNDLE_DETAILS: &str = "\
A folder and a .tar.xz in target/bundle that runs on x86-64 Linux with nothing but glibc and GCC's runtime libraries:
    bin/         the program, and xtask, whose `bench gpu --rave bin/rave` needs no cargo
    tests/       tests that may demand a GPU (RAVE_REQUIRE_GPU), as `cargo test` builds them, named CRATE-TEST
    bench/       examples that use a GPU, with optimisation, named CRATE-EXAMPLE
    lib/         every shared library that they need, found beside them by a relative run path
    --only TEXT  only programs whose path in the folder contains TEXT, of any crate of the workspace; may be repeated.
                 Nothing else is built, and lib/ holds what these need.
ONNX Runtime is not in it, since the build for GPUs is too large: name that in ORT_DYLIB_PATH.
Example: cargo xtask bundle --only tests/rave-cuda --only bench/rave-cuda-bandwidth";

/// What `cargo xtask help dist` says.
pub const DIST_DETAILS: &str = "\
A folder and a .tar.xz in target/dist: the program, ONNX Runtime for the CPU, every shared library that they need, the
manual, and the licences of all that is in it. The licences are those of Debian's packages and of the crates' sources:
it works on Debian and its relatives.";

/// What an archive may have.
const LIMIT_BYTES: u64 = 60_000_000;

/// `bundle [--only TEXT]`.
pub fn task(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    let patterns = parse(arguments)?;
    let chosen = programs::choose(&workspace.packages, &patterns)?;
    setup::ensure(workspace)?;
    let folder = Folder::new(workspace.target.join("bundle"), "rave-bundle")?;
    assemble(workspace, &folder, &chosen, if patterns.is_empty() { Scope::Gpu } else { Scope::All })?;
    folder.pack()
}

/// `dist`.
pub fn dist_task(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(Failure::Usage(format!("dist takes no argument `{}`", argument.to_string_lossy())));
    }
    setup::ensure(workspace)?;
    let name = format!("rave-{}-{}-linux", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let folder = Folder::new(workspace.target.join("dist"), &name)?;
    let needs = assemble(workspace, &folder, &[Program::main()], Scope::All)?;
    let runtime = setup::onnxruntime_library(&workspace.target);
    copy(&runtime, &folder.path.join("onnxruntime").join(runtime.file_name().unwrap_or_default()))?;
    notices::write(workspace, &folder.path, &needs.libraries)?;
    readme::write(workspace, &folder.path, &needs)?;
    folder.pack()
}

fn parse(arguments: &[OsString]) -> Result<Vec<String>, Failure> {
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    words
        .chunks(2)
        .map(|pair| match pair {
            [option, text] if option == "--only" => Ok(text.clone()),
            [option] if option == "--only" => Err(Failure::Usage("--only wants a text".into())),
            [stranger, ..] => Err(Failure::Usage(format!("bundle knows no `{stranger}`"))),
            [] => unreachable!("chunks are never empty"),
        })
        .collect()
}

/// Which of the chosen programs are taken once they are built.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    All,
    /// Not the tests that need no GPU.
    Gpu,
}

/// Builds the programs and lays them out with their libraries.
fn assemble(
    workspace: &Workspace,
    folder: &Folder,
    chosen: &[Program],
    scope: Scope,
) -> Result<libraries::Needs, Failure> {
    let mut files = Vec::new();
    for program in chosen {
        let (file, built) = (folder.path.join(program.path()), program.build(workspace)?);
        if scope == Scope::Gpu && program.is_gpu_free(&built)? {
            println!("{} needs no GPU: left out", program.path());
            continue;
        }
        copy(&built, &file)?;
        process::run(Command::new("strip").arg(&file))?;
        files.push(file);
    }
    let needs = libraries::copy_needed(&files, &folder.path.join("lib"))?;
    libraries::check(&files, &folder.path)?;
    println!("runs on glibc {} or newer, {} libraries included", needs.glibc, needs.libraries.len());
    Ok(needs)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let parent = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).on("create", parent)?;
    fs::copy(from, to).on("copy", from).map(drop)
}

/// A folder that will be an archive of the same name beside it.
struct Folder {
    path: PathBuf,
}

impl Folder {
    /// An empty folder; what an earlier call has left is removed.
    fn new(parent: PathBuf, name: &str) -> Result<Self, Failure> {
        let path = parent.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).on("remove", &path)?;
        }
        fs::create_dir_all(&path).on("create", &path)?;
        Ok(Self { path })
    }

    /// Writes the archive and says how large all of it is.
    fn pack(&self) -> Result<(), Failure> {
        let archive = self.path.with_file_name(format!("{}.tar.xz", self.name()));
        println!("packing {}", archive.display());
        // x86 code compresses better with its filter; blocks let xz use several threads.
        let mut tar = Command::new("tar");
        tar.args(["--use-compress-program", "xz --threads=0 --block-size=96MiB --x86 --lzma2=preset=9"]);
        tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--create", "--file"])
            .arg(&archive);
        process::run(tar.arg("--directory").arg(self.path.parent().unwrap_or(&self.path)).arg(self.name()))?;
        let bytes = archive.metadata().on("read", &archive)?.len();
        println!("{}: {} unpacked", self.path.display(), megabytes(size_of(&self.path)?));
        println!("{}: {}", archive.display(), megabytes(bytes));
        check_size(bytes)
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

fn check_size(bytes: u64) -> Result<(), Failure> {
    if bytes <= LIMIT_BYTES {
        return Ok(());
    }
    Err(Failure::Message(format!(
        "the archive has {}, more than {}: choose less with --only",
        megabytes(bytes),
        megabytes(LIMIT_BYTES)
    )))
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

fn size_of(path: &Path) -> Result<u64, Failure> {
    let metadata = path.metadata().on("read", path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let entries = fs::read_dir(path).on("read", path)?;
    entries.map(|entry| size_of(&entry.on("read", path)?.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn patterns_are_collected_and_strangers_refused() {
        assert_eq!(parse(&[]), Ok(Vec::new()));
        assert_eq!(
            parse(&words(&["--only", "a", "--only", "b"])),
            Ok(vec!["a".to_string(), "b".to_string()])
        );
        for bad in [&["--only"][..], &["tests"], &["--only", "a", "--fast"]] {
            assert!(matches!(parse(&words(bad)), Err(Failure::Usage(_))), "{bad:?}");
        }
    }

    #[test]
    fn an_archive_above_the_limit_is_a_failure_with_its_size() {
        assert_eq!(check_size(LIMIT_BYTES), Ok(()));
        let Err(Failure::Message(message)) = check_size(LIMIT_BYTES + 1_234_567) else { panic!("must fail") };
        assert!(message.contains("61.2 MB, more than 60.0 MB"), "{message}");
    }

    #[test]
    fn an_archive_holds_the_folder_under_its_name() {
        let parent = std::env::temp_dir().join(format!("rave-xtask-pack-{}", std::process::id()));
        let folder = Folder::new(parent.clone(), "thing").unwrap();
        fs::write(folder.path.join("a.txt"), "a").unwrap();
        folder.pack().unwrap();
        let list = process::output(Command::new("tar").arg("tf").arg(parent.join("thing.tar.xz"))).unwrap();
        assert_eq!(list, "thing/\nthing/a.txt\n");
        assert_eq!(size_of(&folder.path).unwrap(), 1);
        let again = Folder::new(parent.clone(), "thing").unwrap();
        assert!(fs::read_dir(&again.path).unwrap().next().is_none(), "what was there is gone");
        fs::remove_dir_all(parent).unwrap();
    }
}
