use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::program::Job;
use crate::failure::{Failure, OnPath};
use crate::workspace::Workspace;

/// In the program itself, since it may be measured where there is no checkout.
const SCRIPTS: &[(&str, &str)] = &[
    ("torch_pipeline.py", include_str!("../../../peers/torch_pipeline.py")),
    ("onnx_torch.py", include_str!("../../../peers/onnx_torch.py")),
];

/// The Python pipeline: a process that answers requests, so that PyTorch starts and compiles once.
pub struct Peer {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What it consists of.
    pub versions: Value,
}

/// How the Python pipeline runs its network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    Eager,
    Compiled,
}

impl Mode {
    pub const ALL: [Self; 2] = [Self::Eager, Self::Compiled];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Compiled => "compiled",
        }
    }
}

impl Peer {
    /// Starts it; where that is not possible, the text says why.
    pub fn start(workspace: &Workspace) -> Result<Result<Self, String>, Failure> {
        let folder = workspace.target.join("bench/peers");
        fs::create_dir_all(&folder).on("create", &folder)?;
        for (name, text) in SCRIPTS {
            let path = folder.join(name);
            fs::write(&path, text).on("write", &path)?;
        }
        let log = folder.join("log.txt");
        let stderr = File::create(&log).on("create", &log)?;
        let mut python = Command::new("python3");
        python.arg(folder.join(SCRIPTS[0].0)).arg("--serve");
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        Ok(Self::greet(&mut python, &log))
    }

    fn greet(python: &mut Command, log: &Path) -> Result<Self, String> {
        let mut child = python.spawn().map_err(|cause| format!("python3: {cause}"))?;
        let (Some(requests), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("python3 has no pipes".into());
        };
        let mut answers = BufReader::new(stdout);
        let mut line = String::new();
        let _ = answers.read_line(&mut line);
        match serde_json::from_str(&line) {
            Ok(versions) => Ok(Self { child, requests, answers, versions }),
            Err(_) => {
                let _ = child.wait();
                Err(last_line(&fs::read_to_string(log).unwrap_or_default()))
            }
        }
    }

    /// Measures `way` on as many frames of the clip as `job` had; where it fails, the text says why.
    pub fn measure(
        &mut self,
        way: &str,
        mode: Mode,
        (clip, model): (&Path, &Path),
        job: &Job,
    ) -> Result<Value, String> {
        let request =
            json!({ "way": way, "mode": mode.name(), "clip": clip, "model": model, "frames": job.frames });
        let answer = self.ask(&request).map_err(|cause| format!("the Python pipeline ended: {cause}"))?;
        match answer["error"].as_str() {
            None => Ok(answer),
            Some(error) => Err(error.to_string()),
        }
    }

    fn ask(&mut self, request: &Value) -> std::io::Result<Value> {
        writeln!(self.requests, "{request}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Of a traceback, what it is about.
fn last_line(log: &str) -> String {
    let line = log.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or("python3 ended without a word").trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: &Path) -> Result<Peer, String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(log).unwrap());
        Peer::greet(&mut command, log)
    }

    fn job() -> Job {
        Job { frames: 50, rate: 1.0, start_seconds: 0.0, report: Value::Null }
    }

    #[test]
    fn requests_are_answered_one_by_one() {
        let log = std::env::temp_dir().join(format!("rave-xtask-peer-{}", std::process::id()));
        let script =
            "echo '{\"torch\":\"2\"}'; read line; echo \"$line\"; read line; echo '{\"error\":\"no\"}'";
        let mut peer = shell(script, &log).unwrap();
        assert_eq!(peer.versions, json!({ "torch": "2" }));
        let files = (Path::new("a.mp4"), Path::new("m.onnx"));
        let echoed = peer.measure("model", Mode::Eager, files, &job()).unwrap();
        assert_eq!(
            (&echoed["way"], &echoed["mode"], &echoed["frames"]),
            (&json!("model"), &json!("eager"), &json!(50))
        );
        assert_eq!(peer.measure("model", Mode::Compiled, files, &job()), Err("no".into()));
        let ended = peer.measure("model", Mode::Eager, files, &job()).unwrap_err();
        assert!(ended.starts_with("the Python pipeline ended"), "{ended}");
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_pipeline_that_does_not_start_says_why() {
        let log = std::env::temp_dir().join(format!("rave-xtask-nopeer-{}", std::process::id()));
        let reason = shell("echo Traceback >&2; echo 'ModuleNotFoundError: torch' >&2; exit 1", &log);
        assert_eq!(reason.err(), Some("ModuleNotFoundError: torch".into()));
        fs::remove_file(log).unwrap();
    }
}
