//! The program against the usual script, end to end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::comparison::{Bound, Comparison, median};
use super::cpu::Outcome;
use super::{machine, make_models};
use crate::failure::{Failure, OnPath};
use crate::workspace::Workspace;
use crate::{fixtures, process, run as program, setup};

/// Alternations; each runs both once.
const ROUNDS: usize = 3;
const MODEL: &str = "bench-unshuffle2-4x32.onnx";
const CRF: &str = "18";
/// Times as fast as the script.
const WANTED_SPEED: f64 = 1.35;
/// End-to-end speed over that of the stages one after another.
const WANTED_OVERLAP: f64 = 0.95;

pub fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    let race = Race::prepare(workspace)?;
    let (mut ours, mut theirs, mut reports) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let (seconds, report) = race.run_program()?;
        theirs.push(race.run_script()?);
        ours.push(seconds);
        eprintln!("bench: round {round}: rave {seconds:.2} s, script {:.2} s", theirs[theirs.len() - 1]);
        reports.push(report);
    }
    let frames = race.check_outputs()?;
    let overlaps: Vec<f64> = reports.iter().filter_map(overlap).collect();
    let (ours_median, theirs_median) = (median(&ours), median(&theirs));
    let speed = Comparison {
        what: format!("540p to 1080p with {MODEL}, {} threads, x264 ultrafast", race.threads),
        ours: format!("{:.2} fps", frames / ours_median),
        theirs: format!("{:.2} fps (script)", frames / theirs_median),
        ratio: theirs_median / ours_median,
        wanted: Bound::AtLeast(WANTED_SPEED),
    };
    let stages = Comparison {
        what: "the same against its stages one after another".into(),
        ours: speed.ours.clone(),
        theirs: format!("{:.2} fps (1 / sum of stages)", frames / ours_median / median(&overlaps)),
        ratio: median(&overlaps),
        wanted: Bound::AtLeast(WANTED_OVERLAP),
    };
    let value = json!({ "model": MODEL, "frames": frames, "threads": race.threads, "rave_seconds": ours,
        "script_seconds": theirs, "speed_ratio": speed.ratio, "overlap_ratio": stages.ratio, "reports": reports });
    Ok((vec![speed, stages], value))
}

/// Time that the stages were busy, over the time that the job took.
fn overlap(report: &Value) -> Option<f64> {
    let stages = report["stages"].as_array()?;
    let busy: f64 = stages.iter().filter_map(|stage| stage["busy_seconds"].as_f64()).sum();
    Some(busy / report["elapsed_seconds"].as_f64()?)
}

/// Both contestants and what they work on.
struct Race {
    program: PathBuf,
    script: PathBuf,
    packages: PathBuf,
    input: PathBuf,
    model: PathBuf,
    folder: PathBuf,
    threads: String,
}

impl Race {
    fn prepare(workspace: &Workspace) -> Result<Self, Failure> {
        let folder = workspace.target.join("bench");
        Ok(Self {
            program: program::build_program(workspace)?,
            script: workspace.root.join("xtask/peers/upscale.py"),
            packages: python_packages(workspace)?,
            input: fixtures::ensure(workspace, &fixtures::BENCH_540P)?.0,
            model: make_models(workspace)?.join(MODEL),
            folder,
            threads: machine::threads().to_string(),
        })
    }

    fn output(&self, who: &str) -> PathBuf {
        self.folder.join(format!("{who}.mp4"))
    }

    /// Seconds, and the program's own report.
    fn run_program(&self) -> Result<(f64, Value), Failure> {
        let mut command = Command::new(&self.program);
        command.arg("-i").arg(&self.input).arg("-o").arg(self.output("rave")).arg("-m").arg(&self.model);
        command.args(["-y", "--json", "--progress", "none", "--threads", &self.threads]);
        command.args(["--codec", "h264", "--preset", "ultrafast", "--crf", CRF]);
        let start = Instant::now();
        let text = process::output(&mut command)?;
        let seconds = start.elapsed().as_secs_f64();
        let report = serde_json::from_str(&text)
            .map_err(|cause| format!("result of {}: {cause}", self.program.display()))?;
        Ok((seconds, report))
    }

    fn run_script(&self) -> Result<f64, Failure> {
        let mut command = Command::new("python3");
        command.arg(&self.script).arg(&self.input).arg(self.output("script")).arg(&self.model);
        command.args([&self.threads, CRF]).env("PYTHONPATH", &self.packages);
        let start = Instant::now();
        process::output(&mut command)?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Both must have done the same work; gives the number of frames.
    fn check_outputs(&self) -> Result<f64, Failure> {
        let (ours, theirs) = (describe_video(&self.output("rave"))?, describe_video(&self.output("script"))?);
        if ours != theirs {
            return Err(Failure::Message(format!(
                "the outputs differ: {ours:?} by rave, {theirs:?} by the script"
            )));
        }
        let frames = ours.split(',').nth(2).and_then(|frames| frames.trim().parse().ok());
        frames.ok_or_else(|| Failure::Message(format!("ffprobe says {ours:?}, which has no frame count")))
    }
}

/// `width,height,packets`.
fn describe_video(path: &Path) -> Result<String, Failure> {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-select_streams", "v:0", "-count_packets", "-of", "csv=p=0"]);
    ffprobe.args(["-show_entries", "stream=width,height,nb_read_packets"]).arg(path);
    Ok(process::output(&mut ffprobe)?.trim().to_string())
}

/// A folder with numpy and onnxruntime for Python; a folder of its own leaves the system's packages alone.
fn python_packages(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let folder = workspace.target.join("peer-python");
    if folder.is_dir() {
        return Ok(folder);
    }
    setup::ensure_pip()?;
    let partial = workspace.target.join("peer-python.partial");
    let _ = fs::remove_dir_all(&partial);
    let runtime = format!("onnxruntime=={}", setup::ONNXRUNTIME_VERSION);
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:", "numpy", &runtime, "--target"]);
    process::output(pip.arg(&partial))?;
    fs::rename(&partial, &folder).on("create", &folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_busy_time_over_elapsed_time() {
        let report = json!({ "elapsed_seconds": 10.0,
            "stages": [{ "busy_seconds": 4.0 }, { "busy_seconds": 8.0 }] });
        assert_eq!(overlap(&report), Some(1.2));
        assert_eq!(overlap(&json!({})), None);
    }
}
