use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use super::{Finding, read};
use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

const PAGES: &[&str] =
    &["docs/architecture.md", "docs/cli.md", "docs/color.md", "docs/errors.md", "docs/glossary.md"];
/// Flags that need no words.
const EVERYWHERE: &[&str] = &["-h", "--help", "-V", "--version"];
const COMMANDS: &[&str] = &["upscale", "probe", "verify", "compare"];

/// The pages that must be there, and that they name every flag of the program.
pub fn check(workspace: &Workspace, files: &[String]) -> Result<Vec<Finding>, Failure> {
    let missing = PAGES.iter().filter(|page| !files.iter().any(|file| file == *page));
    let mut findings: Vec<_> = missing.map(|page| Finding::error(page, 0, "is missing")).collect();
    if workspace.root.join("docs/cli.md").is_file() {
        findings.extend(check_flags(workspace)?);
    }
    if workspace.root.join("CHANGELOG.md").is_file() {
        findings.extend(check_changelog(&read(&workspace.root, "CHANGELOG.md")?));
    }
    Ok(findings)
}

fn check_changelog(text: &str) -> Option<Finding> {
    let version = env!("CARGO_PKG_VERSION");
    let is_current =
        |line: &str| line.starts_with("## ") && (line.contains(version) || line.contains("Unreleased"));
    (!text.lines().any(is_current))
        .then(|| Finding::error("CHANGELOG.md", 0, format!("has no heading for {version} or \"Unreleased\"")))
}

fn check_flags(workspace: &Workspace) -> Result<Vec<Finding>, Failure> {
    let Some(program) = newest_program(workspace) else {
        return Ok(vec![Finding::warning("docs/cli.md", 0, "flags not checked: the program is not built")]);
    };
    let page = read(&workspace.root, "docs/cli.md")?;
    let mut findings = Vec::new();
    for command in COMMANDS {
        let help = process::output(Command::new(&program).args([command, "--help"]))?;
        let known = |flag: &String| EVERYWHERE.contains(&flag.as_str()) || mentions(&page, flag);
        let absent = flags(&help).into_iter().filter(|flag| !known(flag));
        findings.extend(absent.map(|flag| {
            Finding::error(
                "docs/cli.md",
                0,
                format!("does not mention {flag}, which `rave {command} --help` lists"),
            )
        }));
    }
    Ok(findings)
}

/// The program as it was last built, in whichever profile.
fn newest_program(workspace: &Workspace) -> Option<PathBuf> {
    let name = format!("rave{}", std::env::consts::EXE_SUFFIX);
    let built = ["debug", "release"].map(|profile| workspace.target.join(profile).join(&name));
    built
        .into_iter()
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max()
        .map(|(_, path)| path)
}

/// The options that a help text defines: words with a dash at the beginning of a line, and those after a comma.
fn flags(help: &str) -> BTreeSet<String> {
    let definitions = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    definitions
        .flat_map(|line| line.split("  ").next().unwrap_or_default().split(", "))
        .filter_map(flag)
        .collect()
}

fn flag(text: &str) -> Option<String> {
    let is_part = |part: char| part.is_ascii_alphanumeric() || part == '-';
    let name: String = text.trim().chars().take_while(|part| is_part(*part)).collect();
    let is_flag = name.starts_with('-') && name.contains(|letter: char| letter.is_ascii_alphanumeric());
    is_flag.then_some(name)
}

/// Whether the page holds this flag and not only a longer one.
fn mentions(page: &str, flag: &str) -> bool {
    page.match_indices(flag).any(|(start, _)| {
        let before = page[..start].chars().next_back();
        let after = page[start + flag.len()..].chars().next();
        let goes_on =
            |part: Option<char>| part.is_some_and(|part| part.is_ascii_alphanumeric() || part == '-');
        !goes_on(before) && !goes_on(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "Usage: rave upscale [OPTIONS]\n\nOptions:\n  -i, --input <FILE>   What to read, or - for stdin\n  \
        -ss <TIME>  Start\n      --crf <CRF>\n          Quality, see --preset\n  -h, --help           Help\n";

    #[test]
    fn flags_are_read_from_their_definitions() {
        let found: Vec<_> = flags(HELP).into_iter().collect();
        assert_eq!(found, ["--crf", "--help", "--input", "-h", "-i", "-ss"]);
    }

    #[test]
    fn a_longer_flag_is_no_mention() {
        assert!(mentions("| `--crf` | quality |", "--crf"));
        assert!(!mentions("| `--crf-max` | quality |", "--crf"));
        assert!(!mentions("| `--crf` | quality |", "-f"));
        assert!(mentions("`-i FILE`", "-i"));
    }

    #[test]
    fn a_changelog_names_the_version() {
        assert_eq!(check_changelog(&format!("# Changelog\n\n## {}\n", env!("CARGO_PKG_VERSION"))), None);
        assert_eq!(check_changelog("# Changelog\n\n## Unreleased\n"), None);
        assert!(check_changelog("# Changelog\n").is_some());
    }
}
