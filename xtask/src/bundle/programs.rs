use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// Crates whose tests and examples a bundle carries when nothing is chosen.
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
            Some(Program { package: name.to_string(), target: target["name"].as_str()?.to_string(), kind })
        })
        .filter(|program| program.kind != Kind::Binary || program.is_main())
        .collect()
}

impl Program {
    /// `rave` itself.
    pub fn main() -> Self {
        Self { package: "rave-cli".into(), target: "rave".into(), kind: Kind::Binary }
    }

    /// Whether this is `rave` itself.
    pub fn is_main(&self) -> bool {
        *self == Self::main()
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
            return self.is_main() || GPU_PACKAGES.contains(&self.package.as_str());
        }
        patterns.iter().any(|pattern| self.path().contains(pattern))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn packages() -> Vec<Value> {
        let target = |name: &str, kind: &str| json!({ "name": name, "kind": [kind] });
        vec![
            json!({ "name": "rave-cuda", "targets": [target("rave_cuda", "lib"), target("kernels", "test"),
                target("bandwidth", "example")] }),
            json!({ "name": "rave-ffmpeg", "targets": [target("mux", "test")] }),
            json!({ "name": "rave-cli", "targets": [target("rave", "bin"), target("cli", "test")] }),
            json!({ "name": "xtask", "targets": [target("xtask", "bin")] }),
        ]
    }

    fn chosen(patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        choose(&packages(), &patterns).unwrap().iter().map(Program::path).collect()
    }

    #[test]
    fn the_program_and_what_needs_a_gpu_are_chosen_unless_asked_otherwise() {
        assert_eq!(chosen(&[]), ["tests/rave-cuda-kernels", "bench/rave-cuda-bandwidth", "bin/rave"]);
        assert_eq!(chosen(&["tests/rave-ffmpeg", "bin/"]), ["tests/rave-ffmpeg-mux", "bin/rave"]);
    }

    #[test]
    fn a_pattern_without_a_program_is_a_usage_error_that_lists_them() {
        let result = choose(&packages(), &["nothing".into()]);
        assert!(
            matches!(result, Err(Failure::Usage(message)) if message.contains("bench/rave-cuda-bandwidth"))
        );
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
