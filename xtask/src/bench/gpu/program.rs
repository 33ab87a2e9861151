use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::process;

/// By name, so that a machine without a GPU is an error.
const DEVICE: &str = "cuda:0";

/// The program that is measured.
pub struct Rave {
    pub program: PathBuf,
}

/// One job from start to end.
pub struct Job {
    pub frames: u64,
    /// Frames a second, after the first one.
    pub rate: f64,
    /// From the start of the program to the first item at its end, and what it took to leave: no less than the start.
    pub start_seconds: f64,
    pub report: Value,
}

impl Rave {
    /// Upscales `clip` into `output`.
    pub fn job(&self, clip: &Path, model: &str, output: &str, flags: &[String]) -> Result<Job, Failure> {
        let mut command = Command::new(&self.program);
        command.args(["upscale", "-m", model, "--device", DEVICE, "--json", "-q", "-y", "--verify", "off"]);
        command.arg("-i").arg(clip).args(["-o", output]);
        let start = Instant::now();
        let report = run(command.args(flags))?;
        Job::read(report, start.elapsed().as_secs_f64())
    }

    /// What it says of itself.
    pub fn version(&self) -> Option<String> {
        let text = process::output(Command::new(&self.program).arg("--version")).ok()?;
        text.lines().next().map(str::to_string)
    }

    /// What it says of the machine's GPUs.
    pub fn devices(&self) -> Result<Value, Failure> {
        run(Command::new(&self.program).args(["devices", "--json"]))
    }
}

fn run(command: &mut Command) -> Result<Value, Failure> {
    let text = process::output(command)?;
    serde_json::from_str(&text)
        .map_err(|cause| Failure::Message(format!("result of `{}`: {cause}", process::line(command))))
}

impl Job {
    fn read(report: Value, wall_seconds: f64) -> Result<Self, Failure> {
        let (frames, rate, start_seconds) = rates(&report, wall_seconds)
            .ok_or_else(|| Failure::Message(format!("rave reports no stages: {report}")))?;
        Ok(Self { frames, rate, start_seconds, report })
    }

    pub fn digest(&self) -> &str {
        self.report["digest"].as_str().unwrap_or_default()
    }

    /// Width and height of the source.
    pub fn size(&self) -> (u64, u64) {
        let side = |name: &str| self.report["source"][name].as_u64().unwrap_or_default();
        (side("width"), side("height"))
    }

    /// When each stage gave its first item, in seconds from the start of the chain.
    pub fn first_items(&self) -> Vec<Value> {
        let stages = self.report["stages"].as_array().into_iter().flatten();
        stages.map(|stage| json!([stage["name"], stage["first_item_seconds"]])).collect()
    }
}

/// Frames, their rate, and the start, by the last stage.
fn rates(report: &Value, wall_seconds: f64) -> Option<(u64, f64, f64)> {
    let (frames, elapsed) = (report["frames"].as_u64()?, report["elapsed_seconds"].as_f64()?);
    let first = report["stages"].as_array()?.last()?["first_item_seconds"].as_f64()?;
    let rate = frames.saturating_sub(1) as f64 / (elapsed - first);
    Some((frames, rate, wall_seconds - elapsed + first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_start_follow_from_the_last_stage() {
        let report = json!({ "frames": 101, "elapsed_seconds": 2.5, "digest": "ab",
            "stages": [{ "name": "demux", "first_item_seconds": 0.1 }, { "name": "hash", "first_item_seconds": 0.5 }] });
        let job = Job::read(report, 3.25).unwrap();
        assert_eq!((job.frames, job.rate, job.start_seconds, job.digest()), (101, 50.0, 1.25, "ab"));
        assert_eq!(job.first_items(), [json!(["demux", 0.1]), json!(["hash", 0.5])]);
        assert!(Job::read(json!({ "frames": 1 }), 1.0).is_err());
    }
}
