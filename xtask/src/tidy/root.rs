use super::Finding;

/// What may lie at the root, beside the crates.
const ENTRIES: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "docs",
    "rustfmt.toml",
    "xtask",
];

const REQUIRED: &[&str] =
    &["CHANGELOG.md", "CONTRIBUTING.md", "Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// The root holds what it must and nothing else.
pub fn check(files: &[String]) -> Vec<Finding> {
    let mut entries: Vec<&str> = files.iter().filter_map(|file| file.split('/').next()).collect();
    entries.dedup();
    let strangers = entries.iter().filter(|entry| !ENTRIES.contains(entry) && !entry.starts_with("rave-"));
    let missing = REQUIRED.iter().filter(|name| !entries.contains(name));
    strangers
        .map(|entry| Finding::error(entry, 0, "does not belong into the root folder"))
        .chain(missing.map(|name| Finding::error(name, 0, "is missing")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn a_stranger_and_a_gap_are_found() {
        let mut names = REQUIRED.to_vec();
        names.extend(["rave-core/src/lib.rs", "docs/cli.md"]);
        assert_eq!(check(&paths(&names)), []);
        names.push("notes.txt");
        names.remove(0);
        let found: Vec<_> = check(&paths(&names)).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["notes.txt: does not belong into the root folder", "CHANGELOG.md: is missing"]);
    }
}
