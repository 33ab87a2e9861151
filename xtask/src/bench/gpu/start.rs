use std::fs;

use serde_json::{Value, json};

use super::clips::stem;
use super::program::Job;
use super::{Bench, models};
use crate::bench::comparison::{Bound, Comparison, median};
use crate::failure::{Failure, OnPath};

/// Long enough for an encoder that looks ahead to give its first packet.
const SECONDS: &str = "2";
const WANTED_SECONDS: f64 = 2.0;

/// From the start of the program to the first packet with the default model, and to the first frame without an encoder.
pub fn run(bench: &mut Bench) -> Result<(), Failure> {
    let folder = bench.workspace.target.join("bench");
    fs::create_dir_all(&folder).on("create", &folder)?;
    let output = folder.join("gpu-start.mkv").to_string_lossy().into_owned();
    let ends = [("packet", output.as_str(), Bound::AtMost(WANTED_SECONDS)), ("frame", "null:", Bound::Open)];
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for (until, output, wanted) in ends {
        let what = format!("start to the first {until}");
        if !bench.has_time_for(&what) {
            continue;
        }
        let measured = measure(bench, output);
        let Some(jobs) = bench.attempt(&what, measured) else { continue };
        let seconds: Vec<f64> = jobs.iter().map(|job| job.start_seconds).collect();
        lines.push(line(
            &format!("{}, {}: {what}", models::BUILT_IN, stem(&bench.clips[0])),
            &seconds,
            wanted,
        ));
        values.push(json!({ "until": until, "seconds": seconds, "steps": last(&jobs) }));
    }
    bench.keep("start", Value::Array(values), lines)
}

fn measure(bench: &Bench, output: &str) -> Result<Vec<Job>, Failure> {
    let flags = ["-t".to_string(), SECONDS.to_string()];
    let job = |_| bench.rave.job(&bench.clips[0], models::BUILT_IN, output, &flags);
    (0..bench.options.rounds).map(job).collect()
}

fn line(what: &str, seconds: &[f64], wanted: Bound) -> Comparison {
    let median = median(seconds);
    let ours = format!("{median:.2} s");
    Comparison { what: what.into(), ours, theirs: "1 s".into(), ratio: median, wanted }
}

/// Where the time goes, by the last one.
fn last(jobs: &[Job]) -> Value {
    jobs.last().map_or(Value::Null, |job| job.report["startup"].clone())
}
