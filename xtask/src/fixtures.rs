//! Test clips from ffmpeg's test sources, so that no media file is committed.

mod table;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, OnPath};
use crate::process;
use crate::workspace::Workspace;

pub use table::{BENCH_540P, GPU, LONG_360P};

/// A clip, and the ffmpeg runs that make it.
pub struct Fixture {
    /// File name in the folder of fixtures.
    pub file: &'static str,
    /// One list of arguments for each run. `{out}` is the clip, `{dir}` its folder; files that begin with `tmp-` are
    /// removed afterwards.
    pub runs: &'static [&'static [&'static str]],
    /// Whether it takes long enough to be made only on request.
    pub is_large: bool,
}

/// `fixtures [--large]`.
pub fn task(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    let with_large = match arguments {
        [] => false,
        [option] if option == "--large" => true,
        _ => return Err(Failure::Usage("fixtures takes only --large".into())),
    };
    let mut made = 0;
    for fixture in table::FIXTURES.iter().filter(|fixture| with_large || !fixture.is_large) {
        made += usize::from(ensure(workspace, fixture)?.1);
    }
    println!("{made} clips made, the others are up to date: {}", folder(workspace).display());
    Ok(())
}

/// Makes a clip unless it is up to date; says where it lies and whether it was made.
pub fn ensure(workspace: &Workspace, fixture: &Fixture) -> Result<(PathBuf, bool), Failure> {
    let folder = folder(workspace);
    fs::create_dir_all(&folder).on("create", &folder)?;
    write_texts(&folder)?;
    let (clip, stamp) = (folder.join(fixture.file), folder.join(format!(".{}.stamp", fixture.file)));
    let recipe = recipe(fixture);
    if clip.is_file() && fs::read_to_string(&stamp).is_ok_and(|last| last == recipe) {
        return Ok((clip, false));
    }
    make(fixture, &folder)?;
    fs::write(&stamp, recipe).on("write", &stamp)?;
    Ok((clip, true))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("fixtures")
}

/// Subtitles and chapters that some clips take in.
fn write_texts(folder: &Path) -> Result<(), Failure> {
    for (name, text) in table::TEXTS {
        let path = folder.join(name);
        fs::write(&path, text).on("write", &path)?;
    }
    Ok(())
}

/// All that a clip depends on, as text; the clip is made again when it changes.
fn recipe(fixture: &Fixture) -> String {
    let runs = fixture.runs.iter().map(|run| run.join("\u{1f}"));
    let texts = table::TEXTS.iter().map(|(_, text)| text.to_string());
    runs.chain(texts).collect::<Vec<_>>().join("\n")
}

fn make(fixture: &Fixture, folder: &Path) -> Result<(), Failure> {
    // The extension must stay what it is: it picks the container.
    let partial = folder.join(format!("tmp-{}", fixture.file));
    for run in fixture.runs {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.current_dir(folder).args(["-nostdin", "-v", "error", "-y", "-fflags", "+bitexact"]);
        process::output(ffmpeg.args(run.iter().map(|argument| fill(argument, folder, &partial))))
            .map_err(|failure| name_clip(failure, fixture))?;
    }
    let clip = folder.join(fixture.file);
    fs::rename(&partial, &clip).on("create", &clip)?;
    remove_temporary(folder)
}

fn name_clip(failure: Failure, fixture: &Fixture) -> Failure {
    match failure {
        Failure::Message(message) => Failure::Message(format!("fixture {}: {message}", fixture.file)),
        other => other,
    }
}

fn fill(argument: &str, folder: &Path, out: &Path) -> String {
    argument.replace("{out}", &out.to_string_lossy()).replace("{dir}", &folder.to_string_lossy())
}

fn remove_temporary(folder: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(folder).on("read", folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("tmp-") {
            fs::remove_file(entry.path()).on("remove", &entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled() {
        let (folder, out) = (Path::new("/f"), Path::new("/f/tmp-a.mp4"));
        assert_eq!(fill("{out}", folder, out), "/f/tmp-a.mp4");
        assert_eq!(fill("{dir}/s.srt", folder, out), "/f/s.srt");
    }

    #[test]
    fn names_are_unique_and_the_last_run_makes_the_clip() {
        let mut names: Vec<_> = table::FIXTURES.iter().map(|fixture| fixture.file).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table::FIXTURES.len());
        for fixture in table::FIXTURES {
            assert_eq!(fixture.runs.last().and_then(|run| run.last()), Some(&"{out}"), "{}", fixture.file);
        }
    }

    #[test]
    fn another_argument_is_another_recipe() {
        let clip = |runs| Fixture { file: "a.mp4", runs, is_large: false };
        assert_ne!(recipe(&clip(&[&["-t", "1", "{out}"]])), recipe(&clip(&[&["-t", "2", "{out}"]])));
        assert_ne!(recipe(&clip(&[&["a b", "{out}"]])), recipe(&clip(&[&["a", "b", "{out}"]])));
    }
}
