use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::failure::{Failure, OnPath};
use crate::process;
use crate::workspace::Workspace;

/// Crates whose tests and examples a bundle carries when nothing is chosen, if they need a GPU.
const GPU_PACKAGES: &[&str] = &["rave-cuda", "rave-nvcodec", "rave-tensorrt", "rave-pipeline"];

/// Libraries lie in `lib` beside the program's folder. `DT_RPATH`, unlike `DT_RUNPATH`, also serves the libraries that
/// those libraries load (ld.so(8)), so the copies need no patching; it comes before `LD_LIBRARY_PATH`, so a foreign
/// FFmpeg cannot slip in.
const LINK: &str = "link-arg=-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib";

/// A program that a bundle carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    package: String,
    target: String,
    kind: Kind,
    source: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Binary,
    Test,
    Example,
}

impl Kind {
    fn of(target: &Value) -> Option<Self> {
        match target["kind"][0].as_str()? {
            "bin" => Some(Kind::Binary),
            "test" => Some(Kind::Test),
            "example" => Some(Kind::Example),
            _ => None,
        }
    }
}

/// The programs whose path contains one of `patterns`; without patterns, the program and what the crates for GPUs have.
pub fn choose(packages: &[Value], patterns: &[String]) -> Result<Vec<Program>, Failure> {
    let all: Vec<Program> = packages.iter().flat_map(programs_of).collect();
    let chosen: Vec<Program> = all.iter().filter(|program| program.is_chosen(patterns)).cloned().collect();
    if chosen.is_empty() {
        let paths: Vec<String> = all.iter().map(Program::path).collect();
        return Err(Failure::Usage(format!(
            "no program's path contains {}; there are\n  {}",
            patterns.join(" or "),
            paths.join("\n  ")
        )));
    }
    Ok(chosen)
}

fn programs_of(package: &Value) -> Vec<Program> {
    let name = package["name"].as_str().unwrap_or_default();
    let targets = package["targets"].as_array().into_iter().flatten();
    targets
        .filter_map(|target| {
            let kind = Kind::of(target)?;
            let text = |field: &str| target[field].as_str().map(str::to_string);
            let source = text("src_path")?.into();
            Some(Program { package: name.to_string(), target: text("name")?, kind, source })
        })
        .filter(|program| program.kind != Kind::Binary || program.is_main() || program.is_xtask())
        .collect()
}

impl Program {
    /// `rave` itself.
    pub fn main() -> Self {
        let source = PathBuf::new();
        Self { package: "rave-cli".into(), target: "rave".into(), kind: Kind::Binary, source }
    }

    /// Whether this is `rave` itself.
    pub fn is_main(&self) -> bool {
        self.kind == Kind::Binary && self.target == "rave"
    }

    /// This program, which measures the other on a machine with a GPU.
    fn is_xtask(&self) -> bool {
        self.kind == Kind::Binary && self.target == "xtask"
    }

    /// Its place in the folder.
    pub fn path(&self) -> String {
        match self.kind {
            Kind::Binary => format!("bin/{}", self.target),
            Kind::Test => format!("tests/{}-{}", self.package, self.target),
            Kind::Example => format!("bench/{}-{}", self.package, self.target),
        }
    }

    /// Builds it, with a run path to the folder's libraries, and says where it lies.
    pub fn build(&self, workspace: &Workspace) -> Result<PathBuf, Failure> {
        println!("building {}", self.path());
        let messages = process::output(&mut self.command(workspace))?;
        self.executable(&messages)
            .ok_or_else(|| Failure::Message(format!("cargo names no executable for {}", self.path())))
    }

    fn command(&self, workspace: &Workspace) -> Command {
        let mut cargo = process::cargo(&workspace.root);
        cargo.args(["rustc", "--message-format=json-render-diagnostics", "-p", &self.package]);
        match self.kind {
            Kind::Binary => cargo.args(["--release", "--bin"]),
            Kind::Test => cargo.arg("--test"),
            Kind::Example => cargo.args(["--release", "--example"]),
        };
        cargo.args([&self.target, "--", "-C", LINK]);
        cargo
    }

    fn executable(&self, messages: &str) -> Option<PathBuf> {
        let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        artifacts
            .filter(|message| message["reason"] == "compiler-artifact")
            .filter(|message| message["target"]["name"] == self.target.as_str())
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
    }

    fn is_chosen(&self, patterns: &[String]) -> bool {
        if patterns.is_empty() {
            return self.is_main() || self.is_xtask() || self.may_need_gpu();
        }
        patterns.iter().any(|pattern| self.path().contains(pattern))
    }

    /// A test of the crates for GPUs, or an example that uses one, as its source says.
    fn may_need_gpu(&self) -> bool {
        GPU_PACKAGES.contains(&self.package.as_str())
            && match self.kind {
                Kind::Binary => false,
                Kind::Test => true,
                Kind::Example => {
                    fs::read_to_string(&self.source).is_ok_and(|text| text.contains("rave_cuda"))
                }
            }
    }

    /// Whether it is for a machine without a GPU: a test that never asks whether one is required.
    pub fn is_gpu_free(&self, executable: &Path) -> Result<bool, Failure> {
        const VARIABLE: &[u8] = b"RAVE_REQUIRE_GPU";
        if self.kind != Kind::Test {
            return Ok(false);
        }
        let bytes = fs::read(executable).on("read", executable)?;
        Ok(!bytes.windows(VARIABLE.len()).any(|window| window == VARIABLE))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Packages whose sources lie in `folder`.
    fn packages(folder: &Path) -> Vec<Value> {
        let target = |name: &str, kind: &str, text: &str| {
            let path = folder.join(format!("{name}.rs"));
            fs::write(&path, text).unwrap();
            json!({ "name": name, "kind": [kind], "src_path": path })
        };
        vec![
            json!({ "name": "rave-cuda", "targets": [target("rave_cuda", "lib", ""),
                target("kernels", "test", ""),
                target("bandwidth", "example", "use rave_cuda::Device;"), target("convert", "example", "")] }),
            json!({ "name": "rave-ffmpeg", "targets": [target("mux", "test", "")] }),
            json!({ "name": "rave-cli", "targets": [target("rave", "bin", ""), target("cli", "test", "")] }),
            json!({ "name": "xtask", "targets": [target("xtask", "bin", "")] }),
        ]
    }

    #[test]
    fn the_program_and_what_needs_a_gpu_are_chosen_unless_asked_otherwise() {
        let folder = std::env::temp_dir().join(format!("rave-xtask-programs-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let packages = packages(&folder);
        let chosen = |patterns: &[&str]| -> Vec<String> {
            let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            choose(&packages, &patterns).unwrap().iter().map(Program::path).collect()
        };
        assert_eq!(
            chosen(&[]),
            ["tests/rave-cuda-kernels", "bench/rave-cuda-bandwidth", "bin/rave", "bin/xtask"]
        );
        assert_eq!(chosen(&["tests/rave-ffmpeg", "bin/rave"]), ["tests/rave-ffmpeg-mux", "bin/rave"]);
        let kernels = &choose(&packages, &["kernels".into()]).unwrap()[0];
        let executable = folder.join("executable");
        for (text, expected) in [("..RAVE_REQUIRE_GPU..", false), ("RAVE_REQUIRE", true)] {
            fs::write(&executable, text).unwrap();
            assert_eq!(kernels.is_gpu_free(&executable), Ok(expected), "{text}");
        }
        let result = choose(&packages, &["nothing".into()]);
        assert!(
            matches!(result, Err(Failure::Usage(message)) if message.contains("bench/rave-cuda-bandwidth"))
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_executable_is_the_one_that_cargo_names() {
        let messages = "noise\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"rave_cli\"},\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"rave\"},\"executable\":\"/t/release/rave\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(Program::main().executable(messages), Some(PathBuf::from("/t/release/rave")));
        assert_eq!(Program::main().executable("{\"reason\":\"build-finished\"}"), None);
    }
}
