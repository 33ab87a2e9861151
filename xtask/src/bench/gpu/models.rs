use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};

use super::clips::{in_folder, stem};
use super::options::Options;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Networks of the kind that the promise is about, by the names that their weights are published under.
const KNOWN: &[&str] = &["2x_AnimeJaNai_HD_V3_Compact", "realesr-animevideov3-x2-fp16"];
/// The GPU's default model.
pub const BUILT_IN: &str = "rave-x2";
/// Of the network's own speed, what the whole job must have.
const WANTED: f64 = 0.97;
/// The same for the built-in network, which takes so little that all else weighs more.
const WANTED_OF_BUILT_IN: f64 = 0.92;

/// A network that is measured.
pub struct Model {
    pub name: String,
    /// How the program is told.
    pub argument: String,
    /// Its ONNX file, for the Python pipeline; `None` where only the program has it.
    pub file: Option<PathBuf>,
    /// Of the network's own speed, what the whole job must have.
    pub wanted: f64,
}

/// The networks, the heavy ones first, and which are not at hand.
pub fn find(workspace: &Workspace, options: &Options) -> Result<(Vec<Model>, Vec<String>), Failure> {
    let mut files = Vec::new();
    for folder in folders(workspace, options) {
        files.extend(in_folder(&folder, &["onnx"])?);
    }
    // A folder that is given goes before the others.
    let mut names = HashSet::new();
    files.retain(|file| names.insert(stem(file)));
    let is_given = |file: &PathBuf| options.models.iter().any(|folder| file.starts_with(folder));
    let heavy = files.iter().filter(|file| {
        let name = stem(file);
        name != BUILT_IN && (is_given(file) || KNOWN.contains(&name.as_str()))
    });
    let mut models: Vec<Model> = heavy.map(|file| Model::of_file(file)).collect();
    let absent = KNOWN.iter().filter(|name| models.iter().all(|model| model.name != **name));
    let mut absent: Vec<String> =
        absent.map(|name| format!("{name}: no {name}.onnx in --models or $RAVE_MEDIA/weights")).collect();
    let file = files.iter().find(|file| stem(file) == BUILT_IN).cloned();
    if file.is_none() {
        absent.push(format!("{BUILT_IN} with Python: no {BUILT_IN}.onnx in --models"));
    }
    let (name, argument) = (BUILT_IN.to_string(), BUILT_IN.to_string());
    models.push(Model { name, argument, file, wanted: WANTED_OF_BUILT_IN });
    Ok((models, absent))
}

fn folders(workspace: &Workspace, options: &Options) -> Vec<PathBuf> {
    let mut folders = options.models.clone();
    let media = env::var_os("RAVE_MEDIA").map(|media| PathBuf::from(media).join("weights"));
    let own = workspace.root.join("rave-tensorrt/models");
    folders.extend(media.into_iter().chain([own]).filter(|folder| folder.is_dir()));
    folders
}

impl Model {
    fn of_file(file: &Path) -> Self {
        let argument = file.to_string_lossy().into_owned();
        Self { name: stem(file), argument, file: Some(file.to_path_buf()), wanted: WANTED }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::bench::gpu::options;

    #[test]
    fn given_networks_come_before_the_built_in_one() {
        let folder = std::env::temp_dir().join(format!("rave-xtask-models-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in ["rave-x2.onnx", "2x_AnimeJaNai_HD_V3_Compact.onnx", "mine.onnx"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let name = folder.to_string_lossy().into_owned();
        let options = options::parse(&["--models", &name]).unwrap();
        let workspace = Workspace { root: "/".into(), target: "/".into(), packages: Vec::new() };
        let (models, _) = find(&workspace, &options).unwrap();
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names.first(), Some(&"2x_AnimeJaNai_HD_V3_Compact"));
        assert!(names.contains(&"mine"));
        let last = models.last().unwrap();
        assert_eq!((last.name.as_str(), last.argument.as_str(), last.wanted), ("rave-x2", "rave-x2", 0.92));
        assert_eq!(last.file, Some(folder.join("rave-x2.onnx")));
        fs::remove_dir_all(folder).unwrap();
    }
}
