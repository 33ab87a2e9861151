use serde_json::{Value, json};

use super::Bench;
use super::clips::stem;
use super::program::Job;
use crate::bench::comparison::{Bound, Comparison, median};
use crate::failure::Failure;

/// Long enough for an encoder that looks ahead to give its first packet.
const SECONDS: &str = "4";
const WANTED_SECONDS: f64 = 2.0;

/// From the start of the program to the first packet, and to the first frame where nothing is encoded.
pub fn run(bench: &mut Bench) -> Result<(), Failure> {
    let output = bench.workspace.target.join("bench/gpu-start.mkv").to_string_lossy().into_owned();
    let clip = bench.clips[0].clone();
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for (name, model) in models(bench) {
        for (what, output, wanted) in [
            ("packet", output.as_str(), Bound::AtMost(WANTED_SECONDS)),
            ("frame", "null:", Bound::Open),
        ] {
            if !bench.has_time_for(&format!("start of {name} to the first {what}")) {
                continue;
            }
            let jobs = (0..bench.options.rounds)
                .map(|_| bench.rave.job(&clip, &model, output, &["-t".into(), SECONDS.into()]))
                .collect::<Result<Vec<Job>, Failure>>();
            let Some(jobs) = bench.attempt("start", jobs) else { continue };
            let seconds: Vec<f64> = jobs.iter().map(|job| job.start_seconds).collect();
            lines.push(line(&format!("{name}, {}: seconds to the first {what}", stem(&clip)), &seconds, wanted));
            values.push(json!({ "model": name, "until": what, "seconds": seconds, "first_items": last(&jobs) }));
        }
    }
    bench.keep("start", Value::Array(values), lines)
}

fn models(bench: &Bench) -> Vec<(String, String)> {
    bench.models.iter().map(|model| (model.name.clone(), model.argument.clone())).collect()
}

fn line(what: &str, seconds: &[f64], wanted: Bound) -> Comparison {
    let median = median(seconds);
    let ours = format!("{median:.2} s");
    Comparison { what: what.into(), ours, theirs: "1 s".into(), ratio: median, wanted }
}

/// Where the time goes.
fn last(jobs: &[Job]) -> Vec<Value> {
    jobs.last().map(Job::first_items).unwrap_or_default()
}
