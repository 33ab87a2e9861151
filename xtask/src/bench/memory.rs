//! Resident memory over a long clip.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::comparison::{Bound, Comparison};
use super::cpu::Outcome;
use crate::failure::{Failure, OnPath};
use crate::workspace::Workspace;
use crate::{fixtures, run as program};

const CLIP: &str = "clips/intel__bottle-detection.mp4";
/// Frames after which nothing may grow: queues, pools and caches are full by then.
const WARM_UP_FRAMES: u64 = 100;
/// Largest over smallest.
const WANTED: f64 = 1.02;

#[derive(Debug, PartialEq)]
struct Sample {
    frames: u64,
    resident_kib: u64,
}

pub fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    let clip = clip(workspace)?;
    let samples = watch(workspace, &clip)?;
    let (least, most) = spread(&samples).ok_or_else(|| {
        Failure::Message(format!("{} progress lines, none after frame {WARM_UP_FRAMES}", samples.len()))
    })?;
    let frames = samples.last().map_or(0, |sample| sample.frames);
    let line = Comparison {
        what: format!("resident memory from frame {WARM_UP_FRAMES} to {frames}: most over least"),
        ours: format!("{} MiB", most / 1024),
        theirs: format!("{} MiB", least / 1024),
        ratio: most as f64 / least as f64,
        wanted: Bound::AtMost(WANTED),
    };
    let points: Vec<Value> =
        samples.iter().map(|sample| json!([sample.frames, sample.resident_kib])).collect();
    let value = json!({ "clip": clip, "least_kib": least, "most_kib": most, "ratio": line.ratio,
        "frames_and_resident_kib": points });
    Ok((vec![line], value))
}

/// 1189 frames of real footage, or as many generated ones.
fn clip(workspace: &Workspace) -> Result<PathBuf, Failure> {
    match env::var_os("RAVE_MEDIA").map(|folder| PathBuf::from(folder).join(CLIP)) {
        Some(clip) if clip.is_file() => Ok(clip),
        _ => Ok(fixtures::ensure(workspace, &fixtures::LONG_360P)?.0),
    }
}

/// Runs the program and looks at its memory whenever it prints a line of progress.
fn watch(workspace: &Workspace, clip: &PathBuf) -> Result<Vec<Sample>, Failure> {
    let output = workspace.target.join("bench/memory.mkv");
    let program = program::build_program(workspace)?;
    let mut command = Command::new(&program);
    command.arg("-i").arg(clip).arg("-o").arg(output).args([
        "-y",
        "--progress",
        "json",
        "--preset",
        "ultrafast",
    ]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .on("start", &program)?;
    let status_file = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut samples = Vec::new();
    let mut last_line = String::new();
    for line in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()).flatten() {
        if let Some(frames) = frames(&line) {
            let status = fs::read_to_string(&status_file).unwrap_or_default();
            samples.extend(resident_kib(&status).map(|resident_kib| Sample { frames, resident_kib }));
        }
        last_line = line;
    }
    let status = child.wait().on("wait for", &program)?;
    if status.success() {
        return Ok(samples);
    }
    Err(Failure::Message(format!("{} failed ({status}): {last_line}", program.display())))
}

fn frames(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?["frames"].as_u64()
}

/// `VmRSS` of proc(5)'s `/proc/PID/status`.
fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Least and most after the warm-up, while frames were coming: after the last one the stages end, one by one.
fn spread(samples: &[Sample]) -> Option<(u64, u64)> {
    let last = samples.last()?.frames;
    let steady = samples.iter().filter(|sample| (WARM_UP_FRAMES..last).contains(&sample.frames));
    let resident = steady.map(|sample| sample.resident_kib);
    Some((resident.clone().min()?, resident.max()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_the_status_file() {
        assert_eq!(resident_kib("Name:\trave\nVmRSS:\t  123456 kB\nThreads:\t9\n"), Some(123456));
        assert_eq!(resident_kib("Name:\trave\n"), None, "a process that has ended");
    }

    #[test]
    fn warm_up_and_end_do_not_count() {
        let sample = |frames, resident_kib| Sample { frames, resident_kib };
        let samples = [sample(0, 10), sample(99, 500), sample(100, 200), sample(150, 210), sample(300, 50)];
        assert_eq!(spread(&samples), Some((200, 210)));
        assert_eq!(spread(&samples[..2]), None);
    }

    #[test]
    fn only_progress_lines_count() {
        assert_eq!(frames("{\"frames\": 12, \"total\": 40}"), Some(12));
        assert_eq!(frames("rave: untagged input"), None);
    }
}
