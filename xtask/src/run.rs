use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, OnPath};
use crate::workspace::Workspace;
use crate::{process, setup};

/// `run [-- ARGS]`.
pub fn task(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    setup::ensure(workspace)?;
    let program = build_program(workspace)?;
    match arguments.strip_prefix(&[OsString::from("--")]).unwrap_or(arguments) {
        [] => demonstrate(workspace, &program),
        arguments => become_program(Command::new(program).args(arguments)),
    }
}

/// Builds the program with optimisation and says where it lies.
pub fn build_program(workspace: &Workspace) -> Result<PathBuf, Failure> {
    process::run(process::cargo(&workspace.root).args(["build", "--release", "-p", "rave-cli"]))?;
    Ok(workspace.release_program())
}

/// Replaces this process, so that signals and the exit status are the program's own.
#[cfg(unix)]
fn become_program(command: &mut Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    let cause = command.exec();
    Err(Failure::Message(format!("cannot start `{}`: {cause}", process::line(command))))
}

#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Result<(), Failure> {
    process::run_through(command)
}

fn demonstrate(workspace: &Workspace, program: &Path) -> Result<(), Failure> {
    let folder = workspace.target.join("demo");
    fs::create_dir_all(&folder).on("create", &folder)?;
    let (input, output) = (folder.join("clip.mp4"), folder.join("clip-2x.mp4"));
    make_clip(&input)?;
    eprintln!("No arguments given: upscaling a test clip, {}", input.display());
    process::run_through(Command::new(program).arg("-i").arg(&input).arg("-o").arg(&output).arg("-y"))?;
    eprintln!("The upscaled clip is {}", output.display());
    Ok(())
}

/// Two seconds of ffmpeg's test picture, 640x360, with a tone.
fn make_clip(path: &Path) -> Result<(), Failure> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-y"]);
    ffmpeg.args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=2"]);
    ffmpeg.args(["-f", "lavfi", "-i", "sine=frequency=440:duration=2"]);
    ffmpeg.args(["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"]);
    process::run(ffmpeg.arg(path))
}
