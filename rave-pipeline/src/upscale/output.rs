use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// What to do with a file that already has the output's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse the job.
    #[default]
    Keep,
    /// Replace the file when the new one is complete and checked.
    Replace,
}

/// The output under its temporary name, beside the final one; removed when dropped.
#[derive(Debug)]
pub(crate) struct OutputFile {
    temporary: PathBuf,
    target: PathBuf,
    existing: Existing,
    is_kept: bool,
}

impl OutputFile {
    /// Creates the temporary file, after checking that `target` may be written and is not `source`.
    pub(crate) fn create(target: &Path, source: Option<&Path>, existing: Existing) -> Result<Self, Error> {
        check_target(target, source, existing)?;
        // A link is kept, and what it points to is replaced.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
        let temporary = create_temporary(&target).map_err(|source| unwritable(&target, source))?;
        Ok(Self { temporary, target, existing, is_kept: false })
    }

    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Gives the file its final name.
    pub(crate) fn publish(mut self) -> Result<(), Error> {
        // Whatever happens now, a complete output is not thrown away.
        self.is_kept = true;
        let named = File::open(&self.temporary).and_then(|file| file.sync_all()).and_then(|()| self.rename());
        named.map_err(|source| Error::OutputUnnamed {
            path: self.target.clone(),
            temporary: self.temporary.clone(),
            source,
        })
    }

    fn rename(&self) -> io::Result<()> {
        if self.existing == Existing::Replace {
            if let Ok(replaced) = fs::metadata(&self.target) {
                fs::set_permissions(&self.temporary, replaced.permissions())?;
            }
            return fs::rename(&self.temporary, &self.target);
        }
        // A link fails where there is a file, in one step with the look; not every file system has links.
        match fs::hard_link(&self.temporary, &self.target) {
            Ok(()) => fs::remove_file(&self.temporary),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) if self.target.symlink_metadata().is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(&self.temporary, &self.target),
        }
    }

    /// Leaves the file under its temporary name.
    ///
    /// # Errors
    /// [`Error::OutputUnwritable`] if somebody has taken it or its folder away.
    pub(crate) fn keep_temporary(mut self) -> Result<(), Error> {
        self.is_kept = true;
        fs::metadata(&self.temporary).map_err(|source| unwritable(&self.target, source))?;
        Ok(())
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Whether a job may write to `target`; nothing is created.
pub(crate) fn check_target(target: &Path, source: Option<&Path>, existing: Existing) -> Result<(), Error> {
    let path = target.to_path_buf();
    if target.file_name().is_none() {
        return Err(unwritable(target, io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let metadata = match fs::metadata(target) {
        Ok(metadata) => metadata,
        // Such as a name that is too long, which would be found out at the very end.
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(unwritable(target, source)),
        Err(_) => return check_absent(target, existing),
    };
    if source.is_some_and(|source| is_same_file(source, target)) {
        return Err(Error::OutputIsInput { path });
    }
    if metadata.is_dir() {
        return Err(unwritable(target, io::Error::from(io::ErrorKind::IsADirectory)));
    }
    if !metadata.is_file() {
        return Err(unwritable(target, io::Error::other("it is not a regular file")));
    }
    match existing {
        Existing::Keep => Err(Error::OutputExists { path }),
        Existing::Replace => Ok(()),
    }
}

/// A link to nowhere counts as a file that exists.
fn check_absent(target: &Path, existing: Existing) -> Result<(), Error> {
    if target.is_symlink() && existing == Existing::Keep {
        return Err(Error::OutputExists { path: target.to_path_buf() });
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    match fs::metadata(folder.unwrap_or(Path::new("."))) {
        Ok(folder) if folder.is_dir() => Ok(()),
        Ok(_) => Err(unwritable(target, io::ErrorKind::NotADirectory.into())),
        Err(source) => Err(unwritable(target, source)),
    }
}

#[cfg(unix)]
fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same_file(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// Creates a file beside `target`, past those that earlier jobs with the same process number left.
fn create_temporary(target: &Path) -> io::Result<PathBuf> {
    const MOST_LEFTOVERS: u32 = 1000;
    let name = target.file_name().unwrap_or_default();
    let mut attempt = 0;
    loop {
        let temporary = target.with_file_name(temporary_name(name, attempt));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(_) => return Ok(temporary),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < MOST_LEFTOVERS => {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// `NAME.PID.part`, then `NAME.PID-1.part`; a name that would be longer than file systems allow is replaced.
fn temporary_name(name: &OsStr, attempt: u32) -> OsString {
    const LONGEST_NAME_BYTES: usize = 200;
    let fits = name.len() <= LONGEST_NAME_BYTES;
    let mut temporary = if fits { name.to_owned() } else { OsString::from("rave") };
    let process = std::process::id();
    let suffix = if attempt == 0 { String::new() } else { format!("-{attempt}") };
    temporary.push(format!(".{process}{suffix}.part"));
    temporary
}

fn unwritable(path: &Path, source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::StorageFull {
        return Error::DiskFull { path: path.to_path_buf(), source };
    }
    Error::OutputUnwritable { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::{Code, CodedError};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn nothing_is_left_when_the_job_fails() {
        let folder = folder();
        let output = OutputFile::create(&folder.path().join("a.mkv"), None, Existing::Keep).unwrap();
        assert!(output.temporary().exists());
        drop(output);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_published_file_has_only_its_final_name() {
        let folder = folder();
        let target = folder.path().join("a.mkv");
        let output = OutputFile::create(&target, None, Existing::Keep).unwrap();
        fs::write(output.temporary(), b"done").unwrap();
        output.publish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"done");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_existing_file_is_replaced_only_when_wanted() {
        let folder = folder();
        let target = folder.path().join("a.mkv");
        fs::write(&target, b"old").unwrap();
        let refused = OutputFile::create(&target, None, Existing::Keep).unwrap_err();
        assert_eq!(refused.code(), Code::OutputExists);
        drop(OutputFile::create(&target, None, Existing::Replace).unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"old", "an abandoned job leaves the old file");
        OutputFile::create(&target, None, Existing::Replace).unwrap().publish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_kept() {
        let folder = folder();
        let target = folder.path().join("a.mkv");
        let output = OutputFile::create(&target, None, Existing::Keep).unwrap();
        fs::write(&target, b"other").unwrap();
        assert_eq!(output.publish().unwrap_err().code(), Code::OutputExists);
        assert_eq!(fs::read(&target).unwrap(), b"other");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the new output is kept too");
    }

    #[test]
    fn impossible_targets_are_refused() {
        let folder = folder();
        for target in [folder.path().to_path_buf(), folder.path().join("no/such/a.mkv"), PathBuf::from("/")] {
            let error = OutputFile::create(&target, None, Existing::Replace).unwrap_err();
            assert_eq!(error.code(), Code::OutputUnwritable, "{error}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_refused_before_the_work() {
        let folder = folder();
        let target = folder.path().join(format!("{}.mkv", "x".repeat(252)));
        let error = OutputFile::create(&target, None, Existing::Keep).unwrap_err();
        assert_eq!(error.code(), Code::OutputUnwritable, "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn the_source_is_never_the_target_whatever_its_name() {
        let folder = folder();
        let source = folder.path().join("in.mkv");
        fs::write(&source, b"film").unwrap();
        let (soft, hard) = (folder.path().join("soft.mkv"), folder.path().join("hard.mkv"));
        std::os::unix::fs::symlink(&source, &soft).unwrap();
        fs::hard_link(&source, &hard).unwrap();
        for target in [&source, &soft, &hard] {
            let error = OutputFile::create(target, Some(&source), Existing::Replace).unwrap_err();
            assert_eq!(error.code(), Code::OutputIsInput, "{}", target.display());
        }
        assert_eq!(fs::read(&source).unwrap(), b"film");
    }

    #[test]
    fn what_an_earlier_job_left_is_in_nobodys_way() {
        let folder = folder();
        let target = folder.path().join("a.mkv");
        OutputFile::create(&target, None, Existing::Keep).unwrap().keep_temporary().unwrap();
        OutputFile::create(&target, None, Existing::Keep).unwrap().publish().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_was_taken_away_is_not_said_to_be_kept() {
        let folder = folder();
        let output = OutputFile::create(&folder.path().join("a.mkv"), None, Existing::Keep).unwrap();
        fs::remove_file(output.temporary()).unwrap();
        assert_eq!(output.keep_temporary().unwrap_err().code(), Code::OutputUnwritable);
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_stays_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let target = folder.path().join("a.mkv");
        fs::write(&target, b"old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        OutputFile::create(&target, None, Existing::Replace).unwrap().publish().unwrap();
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nowhere_counts_as_existing() {
        let folder = folder();
        let link = folder.path().join("link.mkv");
        std::os::unix::fs::symlink("nowhere.mkv", &link).unwrap();
        let refused = OutputFile::create(&link, None, Existing::Keep).unwrap_err();
        assert_eq!(refused.code(), Code::OutputExists);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_never_replaced() {
        let error = OutputFile::create(Path::new("/dev/null"), None, Existing::Replace).unwrap_err();
        assert_eq!(error.code(), Code::OutputUnwritable);
    }

    #[test]
    fn a_name_as_long_as_the_file_system_allows_works() {
        let folder = folder();
        let target = folder.path().join(format!("{}.mkv", "x".repeat(251)));
        OutputFile::create(&target, None, Existing::Keep).unwrap().publish().unwrap();
        assert!(target.exists());
    }
}
