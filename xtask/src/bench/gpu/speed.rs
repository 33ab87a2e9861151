use std::path::Path;

use serde_json::{Map, Value, json};

use super::Bench;
use super::clips::stem;
use super::peer::{Mode, Peer};
use super::program::{Job, Rates};
use crate::bench::comparison::{Bound, Comparison, median};
use crate::failure::Failure;

/// Times as fast as the Python pipeline as it is; the compiled one is stated.
const WANTED_OF_EAGER: f64 = 1.1;

/// Each clip with each network.
pub fn run(bench: &mut Bench) -> Result<(), Failure> {
    let mut peer = start_peer(bench)?;
    let mut rows = Vec::new();
    for clip in bench.clips.clone() {
        for index in 0..bench.models.len() {
            let what = format!("{}, {}", bench.models[index].name, stem(&clip));
            if !what.contains(&bench.options.filter) || !bench.has_time_for(&what) {
                continue;
            }
            let row = Row::measure(bench, peer.as_mut(), &clip, index);
            let Some(row) = bench.attempt(&what, row) else { continue };
            let lines = row.comparisons(&what, bench.models[index].wanted);
            rows.push(row.to_json(&bench.models[index].name, &clip));
            let versions = peer.as_ref().map(|peer| &peer.versions);
            bench.keep("speed", json!({ "peer": versions, "rows": rows }), lines)?;
        }
    }
    Ok(())
}

/// The Python pipeline, if it is wanted and there.
fn start_peer(bench: &mut Bench) -> Result<Option<Peer>, Failure> {
    if bench.options.python.is_empty() {
        return Ok(None);
    }
    match Peer::start(&bench.workspace)? {
        Ok(peer) => Ok(Some(peer)),
        Err(reason) => {
            bench.absent.push(format!("the Python pipeline: {reason}"));
            Ok(None)
        }
    }
}

/// What was measured of one clip and network.
struct Row {
    rates: Rates,
    /// One for each turn with the Python pipeline.
    jobs: Vec<Job>,
    peers: Vec<(Mode, Python)>,
}

/// The Python pipeline in one mode.
#[derive(Default)]
struct Python {
    whole: Vec<Value>,
    model: Option<Value>,
    failure: Option<String>,
}

impl Row {
    fn measure(
        bench: &mut Bench,
        peer: Option<&mut Peer>,
        clip: &Path,
        index: usize,
    ) -> Result<Self, Failure> {
        let model = &bench.models[index];
        let rates = bench.rave.rates(clip, &model.argument, bench.options.rounds)?;
        let mut contest = Contest::new(peer, &bench.options.python, clip, model.file.as_deref());
        let mut jobs = Vec::new();
        for _ in 0..contest.rounds(bench.options.rounds) {
            let job = bench.rave.job(clip, &model.argument, "hash:", &[])?;
            contest.round(&job);
            jobs.push(job);
        }
        if let Some(job) = jobs.first() {
            contest.model_alone(job);
        }
        Ok(Self { rates, jobs, peers: contest.modes })
    }

    fn comparisons(&self, what: &str, wanted: f64) -> Vec<Comparison> {
        let mut lines = vec![Comparison {
            what: format!("{what}: whole job against its network alone"),
            ours: format!("{:.2} fps", self.rates.whole),
            theirs: format!("{:.2} fps", self.rates.model),
            ratio: self.rates.whole_of_model,
            wanted: Bound::AtLeast(wanted),
        }];
        let rate = median(&self.jobs.iter().map(|job| job.rate).collect::<Vec<_>>());
        for (mode, python) in self.peers.iter().filter(|(_, python)| !python.whole.is_empty()) {
            lines.push(Comparison {
                what: format!("{what}: whole job against Python, {}", mode.name()),
                ours: format!("{rate:.2} fps"),
                theirs: format!("{:.2} fps", python.rate()),
                ratio: rate / python.rate(),
                wanted: if *mode == Mode::Eager { Bound::AtLeast(WANTED_OF_EAGER) } else { Bound::Open },
            });
        }
        lines
    }

    fn to_json(&self, model: &str, clip: &Path) -> Value {
        let each = |figure: fn(&Job) -> Value| self.jobs.iter().map(figure).collect::<Vec<_>>();
        let peers = self.peers.iter().map(|(mode, python)| (mode.name().to_string(), python.to_json()));
        json!({
            "model": model, "clip": clip, "bench": self.rates.report,
            "jobs": { "fps": each(|job| json!(job.rate)), "start_seconds": each(|job| json!(job.start_seconds)),
                "digests": each(|job| json!(job.digest())), "frames": each(|job| json!(job.frames)) },
            "python": peers.collect::<Map<String, Value>>(),
        })
    }
}

impl Python {
    fn rate(&self) -> f64 {
        let rates = self.whole.iter().filter_map(|answer| answer["frames_per_second"].as_f64());
        median(&rates.collect::<Vec<_>>())
    }

    fn to_json(&self) -> Value {
        json!({ "whole": self.whole, "model": self.model, "failure": self.failure })
    }
}

/// The Python pipeline's side of a row.
struct Contest<'a> {
    peer: Option<&'a mut Peer>,
    clip: &'a Path,
    model: Option<&'a Path>,
    modes: Vec<(Mode, Python)>,
}

impl<'a> Contest<'a> {
    fn new(peer: Option<&'a mut Peer>, modes: &[Mode], clip: &'a Path, model: Option<&'a Path>) -> Self {
        Self { peer, clip, model, modes: modes.iter().map(|mode| (*mode, Python::default())).collect() }
    }

    /// None without a pipeline that could run.
    fn rounds(&self, wanted: usize) -> usize {
        if self.peer.is_some() && self.model.is_some() { wanted } else { 0 }
    }

    fn round(&mut self, job: &Job) {
        self.each("end_to_end", job, |python, answer| python.whole.push(answer));
    }

    fn model_alone(&mut self, job: &Job) {
        self.each("model", job, |python, answer| python.model = Some(answer));
    }

    /// A mode that has failed once is not tried again.
    fn each(&mut self, way: &str, job: &Job, keep: fn(&mut Python, Value)) {
        let (Some(peer), Some(model)) = (self.peer.as_deref_mut(), self.model) else { return };
        for (mode, python) in self.modes.iter_mut().filter(|(_, python)| python.failure.is_none()) {
            match peer.measure(way, *mode, (self.clip, model), job) {
                Ok(answer) => keep(python, answer),
                Err(reason) => {
                    eprintln!("bench: Python, {}: {reason}", mode.name());
                    python.failure = Some(reason);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_set_against_the_network_and_both_pipelines() {
        let job = |rate| Job { frames: 100, rate, start_seconds: 1.0, report: json!({ "digest": "ab" }) };
        let python =
            |rate: f64| Python { whole: vec![json!({ "frames_per_second": rate })], ..Python::default() };
        let failed = Python { failure: Some("no compiler".into()), ..Python::default() };
        let rates = Rates { model: 50.0, whole: 48.0, whole_of_model: 0.96, report: Value::Null };
        let mut row = Row {
            rates,
            jobs: vec![job(48.0), job(49.0), job(30.0)],
            peers: vec![(Mode::Eager, python(40.0)), (Mode::Compiled, python(60.0))],
        };
        let ratios: Vec<f64> = row.comparisons("x", 0.97).iter().map(|line| line.ratio).collect();
        assert_eq!(ratios, [0.96, 1.2, 0.8]);
        row.peers[1].1 = failed;
        assert_eq!(row.comparisons("x", 0.97).len(), 2);
        let value = row.to_json("x", Path::new("a.mp4"));
        assert_eq!(value["jobs"]["digests"][2], "ab");
        assert_eq!(value["python"]["compiled"]["failure"], "no compiler");
    }
}
