use std::time::Duration;

use rave_core::BoxError;
use rave_pipeline::{BenchOptions, BenchReport, StressReport, UpscaleOptions, Way};
use serde_json::{Value, json};

use crate::args::BenchArgs;
use crate::{json, logging, stdout, table, upscale};

pub fn run(args: &BenchArgs) -> Result<u8, BoxError> {
    logging::start(false, 0);
    let runtime = upscale::runtime(args.inference.ort_lib.as_deref())?;
    let mut options = BenchOptions {
        upscale: UpscaleOptions::default(),
        input: args.input.clone(),
        size: args.size,
        frames: args.frames,
        rounds: args.rounds,
    };
    args.inference.put_into(&mut options.upscale);
    if let Some(seconds) = args.stress {
        let duration = Duration::from_secs(seconds);
        return conclude(&rave_pipeline::stress(&runtime, &options.upscale, args.size, duration)?, args.json);
    }
    let report = rave_pipeline::bench(&runtime, &options, |way, round| match round {
        0 => say!("rave: {}, to warm up", way.name()),
        _ => say!("rave: {}, round {round}", way.name()),
    })?;
    if args.json {
        json::print(&to_json(&report))?;
    } else {
        stdout::print(&to_text(&report))?;
    }
    Ok(0)
}

/// The exit status of a run that was not steady.
const UNSTEADY: u8 = 7;

fn conclude(report: &StressReport, is_json: bool) -> Result<u8, BoxError> {
    if is_json {
        json::print(&stress_json(report))?;
    } else {
        stdout::print(&stress_text(report))?;
    }
    Ok(if report.failures.is_empty() { 0 } else { UNSTEADY })
}

fn stress_text(report: &StressReport) -> String {
    let mut text: String = report.choices.iter().map(|choice| format!("{choice}\n")).collect();
    let (into, out) = report.frames;
    let seconds = report.elapsed.as_secs_f64();
    text += &format!("{into} frames in, {out} out in {seconds:.1} s, {:.1} fps\n", report.rate);
    if let Some(memory) = &report.memory {
        text += &format!(
            "after the warm-up: {} buffers taken, {} allocated; memory drifted by {} bytes in the pool, {} on the GPU\n",
            memory.taken, memory.allocated, memory.pool_drift_bytes, memory.device_drift_bytes
        );
    }
    text += &report.failures.iter().map(|failure| format!("FAILED: {failure}\n")).collect::<String>();
    text + if report.failures.is_empty() { "steady\n" } else { "" }
}

fn stress_json(report: &StressReport) -> Value {
    json!({
        "version": json::VERSION,
        "choices": report.choices.iter().map(json::choice).collect::<Vec<_>>(),
        "elapsed_seconds": report.elapsed.as_secs_f64(),
        "frames_in": report.frames.0,
        "frames_out": report.frames.1,
        "frames_per_second": report.rate,
        "memory": report.memory.map(|memory| json!({
            "taken": memory.taken,
            "allocated": memory.allocated,
            "pool_drift_bytes": memory.pool_drift_bytes,
            "device_drift_bytes": memory.device_drift_bytes,
        })),
        "failures": report.failures,
    })
}

/// Each way over the one that it cannot be faster than.
const RATIOS: [(Way, Way); 4] = [
    (Way::Chain, Way::Model),
    (Way::EndToEnd, Way::Model),
    (Way::EndToEnd, Way::Decode),
    (Way::Encoded, Way::EndToEnd),
];

fn to_text(report: &BenchReport) -> String {
    let mut text = format!("{} at {}x{}\n", report.model, report.size.0, report.size.1);
    for choice in &report.choices {
        text += &format!("{choice}\n");
    }
    let header = ["way", "median fps", "rounds", "first frame", "limited by"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.ways.iter().map(|way| {
        let rounds: Vec<_> = way.rates.iter().map(|rate| format!("{rate:.1}")).collect();
        vec![
            way.way.name().to_owned(),
            format!("{:.1}", way.median()),
            rounds.join(" "),
            format!("{:.2} s", way.first_frame_seconds),
            way.bottleneck.clone().unwrap_or_else(|| "-".into()),
        ]
    }));
    text += &table::aligned(&rows);
    for (way, of) in RATIOS {
        text += &format!("{} / {}: {:.3}\n", way.name(), of.name(), report.ratio(way, of));
    }
    text
}

fn to_json(report: &BenchReport) -> Value {
    let ways = report.ways.iter().map(|way| {
        json!({
            "way": way.way.name(),
            "median_frames_per_second": way.median(),
            "frames_per_second": way.rates,
            "first_frame_seconds": way.first_frame_seconds,
            "bottleneck": way.bottleneck,
        })
    });
    let ratios =
        RATIOS.map(|(way, of)| json!({ "way": way.name(), "of": of.name(), "ratio": report.ratio(way, of) }));
    json!({
        "version": json::VERSION,
        "model": report.model,
        "width": report.size.0,
        "height": report.size.1,
        "choices": report.choices.iter().map(json::choice).collect::<Vec<_>>(),
        "ways": ways.collect::<Vec<_>>(),
        "ratios": ratios,
    })
}
