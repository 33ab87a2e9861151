use serde_json::json;

use super::clips::stem;
use super::{Bench, models};
use crate::bench::comparison::{Bound, Comparison};
use crate::failure::Failure;

/// Of each queue, in frames; the last one again shows whether two runs are the same.
const DEPTHS: &[&str] = &["1", "2", "4", "8", "4"];
const SECONDS: &str = "4";

/// The same digests at every depth of the queues.
pub fn run(bench: &mut Bench) -> Result<(), Failure> {
    let (clip, model) = (bench.clips[0].clone(), models::BUILT_IN);
    let (mut digests, mut frames) = (Vec::new(), 0);
    for depth in DEPTHS {
        if !bench.has_time_for("depths") {
            return Ok(());
        }
        let job = bench.rave.job(&clip, model, "hash:", &flags(depth));
        let Some(job) = bench.attempt("depths", job) else { return Ok(()) };
        frames = job.frames;
        digests.push(job.report["frame_digests"].to_string());
    }
    digests.sort();
    digests.dedup();
    let line = Comparison {
        what: format!("{model}, {}: results that differ, with queues of {}", stem(&clip), DEPTHS.join(", ")),
        ours: format!("{}", digests.len()),
        theirs: format!("{} runs of {frames} frames", DEPTHS.len()),
        ratio: digests.len() as f64,
        wanted: Bound::AtMost(1.0),
    };
    let value = json!({ "depths": DEPTHS, "frames": frames, "different": digests.len() });
    bench.keep("depths", value, vec![line])
}

fn flags(depth: &str) -> Vec<String> {
    let flags = ["-t", SECONDS, "--decode-cap", depth, "--preprocess-cap", depth, "--upscale-cap", depth];
    flags.map(str::to_string).to_vec()
}
