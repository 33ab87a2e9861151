//! What holds in this repository and no compiler checks.

mod crates;
mod docs;
mod errors;
mod links;
mod root;
mod source;

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, OnPath};
use crate::process;
use crate::workspace::Workspace;

/// `tidy`.
pub fn task(workspace: &Workspace, _: &[OsString]) -> Result<(), Failure> {
    let files = list_files(&workspace.root)?;
    let mut findings = root::check(&files);
    findings.extend(crates::check(&workspace.packages, &files));
    findings.extend(source::check(&texts(&workspace.root, &files, "rs")?));
    let pages = texts(&workspace.root, &files, "md")?;
    findings.extend(links::check(&pages, &files));
    findings.extend(errors::check(&workspace.root)?);
    findings.extend(docs::check(workspace, &files)?);
    report(&findings)
}

/// Something that should not be so.
#[derive(Debug, PartialEq)]
pub struct Finding {
    severity: Severity,
    path: String,
    /// Counted from 1; 0 for the whole file.
    line: usize,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Severity {
    Warning,
    Error,
}

impl Finding {
    fn error(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path: path.into(), line, message: message.into() }
    }

    fn warning(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, line, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning: ",
            Severity::Error => "",
        };
        match self.line {
            0 => write!(f, "{}: {severity}{}", self.path, self.message),
            line => write!(f, "{}:{line}: {severity}{}", self.path, self.message),
        }
    }
}

fn report(findings: &[Finding]) -> Result<(), Failure> {
    for finding in findings {
        println!("{finding}");
    }
    match findings.iter().filter(|finding| finding.severity == Severity::Error).count() {
        0 => Ok(()),
        errors => Err(Failure::Message(format!("tidy found {errors} things to put right"))),
    }
}

/// Every file that is or may be committed, relative to the root, with `/`.
fn list_files(root: &Path) -> Result<Vec<String>, Failure> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let names = process::output(&mut git)?;
    let mut files: Vec<String> = names.split_terminator('\0').map(String::from).collect();
    files.retain(|file| root.join(file).is_file());
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// Path and contents of the files with this extension.
fn texts(root: &Path, files: &[String], extension: &str) -> Result<Vec<(String, String)>, Failure> {
    let wanted =
        files.iter().filter(|file| Path::new(file).extension().is_some_and(|found| found == extension));
    wanted.map(|file| Ok((file.clone(), read(root, file)?))).collect()
}

fn read(root: &Path, file: &str) -> Result<String, Failure> {
    let path = root.join(file);
    fs::read_to_string(&path).on("read", &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_alone_do_not_fail() {
        assert_eq!(report(&[Finding::warning("a.rs", 1, "long")]), Ok(()));
        assert!(report(&[Finding::warning("a.rs", 1, "long"), Finding::error("b.rs", 0, "wrong")]).is_err());
    }

    #[test]
    fn a_finding_reads_like_a_compiler_message() {
        assert_eq!(Finding::error("a.rs", 3, "wrong").to_string(), "a.rs:3: wrong");
        assert_eq!(Finding::warning("a.rs", 0, "long").to_string(), "a.rs: warning: long");
    }
}
