use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::failure::Failure;
use crate::process;

/// By name, so that a machine without a GPU is an error.
const DEVICE: &str = "cuda:0";

/// Pictures in a round of the network alone.
const RUNS: &str = "120";
/// The same where it is about sizes, of which the largest cost much.
const SIZE_RUNS: &str = "48";

/// The program that is measured.
pub struct Rave {
    pub program: PathBuf,
}

/// What `rave bench` has measured in turn.
#[derive(Debug, PartialEq)]
pub struct Rates {
    /// Frames a second of the network alone, and of the whole job with a digest of each frame.
    pub model: f64,
    pub whole: f64,
    /// The median of the rounds' ratios.
    pub whole_of_model: f64,
    pub report: Value,
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

    /// The network alone and the whole job, `rounds` times in turn.
    pub fn rates(&self, clip: &Path, model: &str, rounds: usize) -> Result<Rates, Failure> {
        let mut command = self.bench(model, rounds);
        let report = run(command.arg("-i").arg(clip).args(["--ways", "model,hashed", "--frames", RUNS]))?;
        Rates::read(report)
    }

    /// What a megapixel costs at these sizes.
    pub fn costs(&self, model: &str, sizes: &str, rounds: usize) -> Result<Value, Failure> {
        run(self.bench(model, rounds).args(["--sizes", sizes, "--frames", SIZE_RUNS]))
    }

    fn bench(&self, model: &str, rounds: usize) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["bench", "-m", model, "--device", DEVICE, "--json", "--rounds", &rounds.to_string()]);
        command
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

impl Rates {
    fn read(report: Value) -> Result<Self, Failure> {
        let find = |list: &str, name: &str| {
            let mut items = report[list].as_array().into_iter().flatten();
            items.find(|item| item["way"] == name).cloned().unwrap_or_default()
        };
        let rate = |name: &str| find("ways", name)["median_frames_per_second"].as_f64();
        match (rate("model"), rate("hashed"), find("ratios", "hashed")["ratio"].as_f64()) {
            (Some(model), Some(whole), Some(whole_of_model)) => {
                Ok(Self { model, whole, whole_of_model, report })
            }
            _ => Err(Failure::Message(format!("rave bench gives no rates: {report}"))),
        }
    }
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
    use serde_json::json;

    use super::*;

    #[test]
    fn rate_and_start_follow_from_the_last_stage() {
        let report = json!({ "frames": 101, "elapsed_seconds": 2.5, "digest": "ab",
            "stages": [{ "name": "demux", "first_item_seconds": 0.1 }, { "name": "hash", "first_item_seconds": 0.5 }] });
        let job = Job::read(report, 3.25).unwrap();
        assert_eq!((job.frames, job.rate, job.start_seconds, job.digest()), (101, 50.0, 1.25, "ab"));
        assert!(Job::read(json!({ "frames": 1 }), 1.0).is_err());
    }

    #[test]
    fn rates_and_their_ratio_are_found_by_name() {
        let report = json!({ "ratios": [{ "way": "hashed", "of": "model", "ratio": 0.97 }], "ways": [
            { "way": "model", "median_frames_per_second": 50.0 },
            { "way": "hashed", "median_frames_per_second": 48.5 }] });
        let rates = Rates::read(report.clone()).unwrap();
        assert_eq!((rates.model, rates.whole, rates.whole_of_model), (50.0, 48.5, 0.97));
        assert!(Rates::read(json!({ "ways": report["ways"] })).is_err());
    }
}
