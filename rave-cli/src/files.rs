use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use rave_core::BoxError;
use rave_ffmpeg::Input;
use rave_pipeline::{Error, Existing};

use crate::usage::Usage;

/// Checks before the work that `reports` can be written after it, each to a file of its own that is none of those that
/// are read.
pub fn check(
    reports: &[&Path],
    inputs: &[&Path],
    output: Option<&Path>,
    existing: Existing,
) -> Result<(), BoxError> {
    let inputs: Vec<_> = inputs.iter().map(|input| resolved(input)).collect();
    let mut taken: Vec<_> = output.map(resolved).into_iter().collect();
    for &report in reports {
        let place = resolved(report);
        if inputs.contains(&place) {
            return Err(Error::OutputIsInput { path: report.to_path_buf() }.into());
        }
        if taken.contains(&place) {
            let words = format!("{} is named for two outputs; give each its own file", report.display());
            return Err(Usage(words).into());
        }
        check_writable(report, existing)?;
        taken.push(place);
    }
    Ok(())
}

/// The file that an input is, unless it is standard input.
pub fn of_input(input: &Input) -> Option<&Path> {
    if let Input::File(path) = input { Some(path) } else { None }
}

/// The path without links, also of a file that is yet to be.
fn resolved(path: &Path) -> PathBuf {
    let in_folder = || Some(fs::canonicalize(folder_of(path)).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(in_folder).unwrap_or_else(|| path.to_path_buf())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn check_writable(path: &Path, existing: Existing) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(unwritable(path, io::ErrorKind::IsADirectory.into())),
        Ok(metadata) if metadata.is_file() && existing == Existing::Keep => {
            Err(Error::OutputExists { path: path.to_path_buf() })
        }
        Ok(metadata) if metadata.is_file() => try_folder(path),
        Ok(_) => Ok(()),
        // What it points to may be the output, once that is there.
        Err(_) if path.is_symlink() => Err(unwritable(path, io::Error::other("it is a link to nowhere"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => try_folder(path),
        Err(error) => Err(unwritable(path, error)),
    }
}

/// Whether a file can be made beside `path`: after hours of work is too late to find that out.
fn try_folder(path: &Path) -> Result<(), Error> {
    let temporary = temporary(&resolved(path));
    let tried = fs::write(&temporary, b"").and_then(|()| fs::remove_file(&temporary));
    tried.map_err(|source| unwritable(path, source))
}

/// Writes a report: a file under a temporary name first, so that no half one has the final name; a device or a pipe as
/// it is.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), BoxError> {
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let written =
        if is_file || !path.exists() { replace(&resolved(path), bytes) } else { fs::write(path, bytes) };
    written.map_err(|source| unwritable(path, source).into())
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// A name beside `path`, short enough whatever that is called.
fn temporary(path: &Path) -> PathBuf {
    const LONGEST_NAME_BYTES: usize = 200;
    let name = path.file_name().filter(|name| name.len() <= LONGEST_NAME_BYTES);
    let mut temporary = name.unwrap_or("rave-report".as_ref()).to_owned();
    temporary.push(format!(".{}.part", process::id()));
    path.with_file_name(temporary)
}

fn unwritable(path: &Path, source: io::Error) -> Error {
    let path = path.to_path_buf();
    match source.kind() {
        io::ErrorKind::StorageFull => Error::DiskFull { path, source },
        _ => Error::OutputUnwritable { path, source },
    }
}
