//! What comes from the system's package manager.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::process::{self, find_program};

/// Something that building or testing needs.
struct Need {
    what: &'static str,
    is_met: fn() -> bool,
    apt: &'static [&'static str],
}

const BUILD_NEEDS: &[Need] = &[
    Need { what: "pkg-config", is_met: || find_program("pkg-config").is_some(), apt: &["pkg-config"] },
    Need {
        what: "FFmpeg's development files, 5.1 or later",
        is_met: has_ffmpeg_libraries,
        apt: &["libavcodec-dev", "libavformat-dev", "libavutil-dev", "libswscale-dev"],
    },
    Need { what: "libclang", is_met: has_libclang, apt: &["libclang-dev"] },
    Need {
        what: "the programs ffmpeg and ffprobe",
        is_met: || find_program("ffmpeg").is_some() && find_program("ffprobe").is_some(),
        apt: &["ffmpeg"],
    },
];

const PIP: &[Need] = &[Need { what: "pip for python3", is_met: has_pip, apt: &["python3-pip"] }];

/// Installs what building and testing need.
pub fn ensure() -> Result<(), Failure> {
    ensure_needs(BUILD_NEEDS.iter())
}

/// Installs pip too. Apart, because starting Python to find it takes a while, and it is for downloads only.
pub fn ensure_with_pip() -> Result<(), Failure> {
    ensure_needs(BUILD_NEEDS.iter().chain(PIP))
}

fn ensure_needs(needs: impl Iterator<Item = &'static Need> + Clone) -> Result<(), Failure> {
    let missing = unmet(needs.clone());
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        eprintln!("setup: missing: {}", need.what);
    }
    if find_program("apt-get").is_none() {
        return Err(by_hand(&by_hand_commands()));
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.apt).copied().collect();
    install_with_apt(&packages)?;
    match unmet(needs).first() {
        None => Ok(()),
        Some(need) => Err(Failure::Message(format!(
            "{} is still missing after installing {}; this system's packages may be too old",
            need.what,
            packages.join(" ")
        ))),
    }
}

fn unmet(needs: impl Iterator<Item = &'static Need>) -> Vec<&'static Need> {
    needs.filter(|need| !(need.is_met)()).collect()
}

/// Whether ffmpeg-sys-next will find FFmpeg: by `FFMPEG_DIR` or pkg-config. libavcodec 59.37 is that of FFmpeg 5.1.
fn has_ffmpeg_libraries() -> bool {
    let libraries = ["--exists", "libavcodec >= 59.37", "libavformat", "libavutil", "libswscale"];
    env::var_os("FFMPEG_DIR").is_some() || process::succeeds(Command::new("pkg-config").args(libraries))
}

/// Whether bindgen will find libclang, in the places where its loader looks.
fn has_libclang() -> bool {
    if env::var_os("LIBCLANG_PATH").is_some() || find_program("llvm-config").is_some() {
        return true;
    }
    let by_version = folders_below("/usr/lib", "llvm").chain(folders_below("/usr/local", "llvm"));
    let by_target = folders_below("/usr/lib", "-linux-gnu");
    let fixed =
        ["/usr/lib64", "/usr/lib", "/usr/local/lib", "/opt/homebrew/opt/llvm/lib", "/usr/local/opt/llvm/lib"];
    by_version
        .map(|folder| format!("{folder}/lib"))
        .chain(by_target)
        .chain(fixed.map(String::from))
        .any(|folder| holds_libclang(Path::new(&folder)))
}

fn folders_below(parent: &str, part: &str) -> impl Iterator<Item = String> {
    let names = fs::read_dir(parent).into_iter().flatten().flatten();
    let paths = names.filter(move |entry| entry.file_name().to_string_lossy().contains(part));
    paths.map(|entry| entry.path().to_string_lossy().into_owned()).collect::<Vec<_>>().into_iter()
}

/// `libclang.so` of the development package, or a versioned one that bindgen also takes; not `libclang-cpp`.
fn holds_libclang(folder: &Path) -> bool {
    let mut names = fs::read_dir(folder).into_iter().flatten().flatten();
    names.any(|entry| is_libclang(&entry.file_name().to_string_lossy()))
}

fn is_libclang(name: &str) -> bool {
    let is_library = name.contains(".so") || name.ends_with(".dylib");
    let rest = name.strip_prefix("libclang");
    is_library && rest.is_some_and(|rest| rest.starts_with('.') || versioned(rest))
}

fn versioned(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn has_pip() -> bool {
    process::succeeds(Command::new("python3").args(["-m", "pip", "--version"]))
}

fn install_with_apt(packages: &[&str]) -> Result<(), Failure> {
    let prefix = root_prefix().ok_or_else(|| by_hand(&apt_command(packages)))?;
    eprintln!("setup: installing {} with apt-get", packages.join(" "));
    process::run(&mut apt(prefix, &["update", "--quiet"]))?;
    let install = ["install", "--quiet", "--yes", "--no-install-recommends"];
    process::run(apt(prefix, &install).args(packages))
}

/// What must stand before a command to run it as root; `None` if there is no way.
fn root_prefix() -> Option<&'static [&'static str]> {
    let user = process::output(Command::new("id").arg("-u")).unwrap_or_default();
    if user.trim() == "0" {
        return Some(&[]);
    }
    find_program("sudo").map(|_| ["sudo"].as_slice())
}

/// `env` sets the variable, because sudo drops the caller's.
fn apt(prefix: &[&str], arguments: &[&str]) -> Command {
    let words: Vec<&str> =
        prefix.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments);
    command
}

fn apt_command(packages: &[&str]) -> String {
    format!("    apt-get update && apt-get install {}", packages.join(" "))
}

fn by_hand(commands: &str) -> Failure {
    Failure::Message(format!(
        "something is missing that cannot be installed from here; install it, as root where needed, with\n\n\
         {commands}\n\nand run the command again (git, a C compiler and cargo are also needed)"
    ))
}

/// Package manager's program, and what to type.
const BY_HAND: &[(&str, &str)] = &[
    (
        "dnf",
        "dnf install ffmpeg ffmpeg-devel clang-devel pkgconf-pkg-config python3-pip   # ffmpeg: from RPM Fusion",
    ),
    ("pacman", "pacman -S --needed ffmpeg clang pkgconf python-pip"),
    (
        "zypper",
        "zypper install ffmpeg-7 ffmpeg-7-libavcodec-devel ffmpeg-7-libavformat-devel ffmpeg-7-libavutil-devel \
         ffmpeg-7-libswscale-devel clang-devel pkgconf-pkg-config python3-pip",
    ),
    ("brew", "brew install ffmpeg llvm pkgconf python"),
];

/// The line for this system's package manager; every line where none is known.
fn by_hand_commands() -> String {
    match BY_HAND.iter().find(|(program, _)| find_program(program).is_some()) {
        Some((_, command)) => format!("    {command}"),
        None => BY_HAND.iter().map(|(_, command)| format!("    {command}")).collect::<Vec<_>>().join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libclang_is_told_from_its_neighbours() {
        for (name, expected) in [
            ("libclang.so", true),
            ("libclang.so.1", true),
            ("libclang-14.so.1", true),
            ("libclang-14.so.14.0.6", true),
            ("libclang.dylib", true),
            ("libclang-cpp.so.14", false),
            ("libclang.a", false),
            ("libclangBasic.so", false),
        ] {
            assert_eq!(is_libclang(name), expected, "{name}");
        }
    }

    #[test]
    fn apt_runs_through_sudo_with_its_environment() {
        assert_eq!(
            process::line(&apt(&["sudo"], &["update"])),
            "sudo env DEBIAN_FRONTEND=noninteractive apt-get update"
        );
        assert_eq!(
            process::line(&apt(&[], &["update"])),
            "env DEBIAN_FRONTEND=noninteractive apt-get update"
        );
    }

    #[test]
    fn a_need_that_is_met_installs_nothing() {
        const MET: &Need = &Need { what: "nothing", is_met: || true, apt: &["rave-no-such-package"] };
        assert_eq!(ensure_needs(std::iter::once(MET)), Ok(()));
    }
}
