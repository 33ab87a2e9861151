use std::fs;
use std::path::{Path, PathBuf};

use super::options::Options;
use crate::failure::{Failure, OnPath};
use crate::fixtures;
use crate::workspace::Workspace;

const EXTENSIONS: &[&str] = &["mp4", "mkv", "mov", "webm"];

/// The clips that are given, in the order in which they are given, or those that are made.
pub fn find(workspace: &Workspace, options: &Options) -> Result<Vec<PathBuf>, Failure> {
    if !options.has_clips() {
        return fixtures::GPU.iter().map(|clip| Ok(fixtures::ensure(workspace, clip)?.0)).collect();
    }
    let mut clips = options.inputs.clone();
    for folder in &options.clips {
        clips.extend(in_folder(folder, EXTENSIONS)?);
    }
    if clips.is_empty() {
        return Err(Failure::Usage(format!("no clips in {:?}", options.clips)));
    }
    Ok(clips)
}

/// A folder's files with one of these extensions, by name.
pub fn in_folder(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let is_wanted = |path: &PathBuf| {
        path.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension))
    };
    let entries = fs::read_dir(folder).on("read", folder)?.flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_wanted).collect();
    files.sort();
    Ok(files)
}

/// The name of a file without its folder and extension.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::gpu::options;

    #[test]
    fn given_clips_come_first_and_folders_by_name() {
        let folder = std::env::temp_dir().join(format!("rave-xtask-clips-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in ["b.mkv", "a.mp4", "notes.txt"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let workspace = Workspace::current_folder().unwrap();
        let name = folder.to_string_lossy().into_owned();
        let options = options::parse(&["-i", "z.mp4", "--clips", &name]).unwrap();
        let stems: Vec<String> = find(&workspace, &options).unwrap().iter().map(|clip| stem(clip)).collect();
        assert_eq!(stems, ["z", "a", "b"]);
        fs::remove_dir_all(folder).unwrap();
    }
}
