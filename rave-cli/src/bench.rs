use std::time::Duration;

use rave_core::BoxError;
use rave_pipeline::{
    BenchOptions, BenchReport, MegapixelOptions, SizeCost, StressOptions, UpscaleOptions, Way, cost_spread,
};
use rave_tensorrt::Runtime;
use serde_json::{Value, json};

use crate::args::BenchArgs;
use crate::signals::Scratch;
use crate::{json, logging, stdout, stress, table, upscale};

pub fn run(args: &BenchArgs) -> Result<u8, BoxError> {
    logging::start(false, 0);
    let runtime = upscale::runtime(args.inference.ort_lib.as_deref())?;
    let mut upscale = UpscaleOptions::default();
    args.inference.put_into(&mut upscale);
    match args.stress {
        Some(seconds) => {
            let (input, duration) = (args.input.clone(), Duration::from_secs(seconds));
            let options = StressOptions { upscale, input, size: args.size, duration };
            stress::run(&runtime, &options, args.json)
        }
        None if args.sizes.is_empty() => ways(&runtime, upscale, args),
        None => megapixels(&runtime, upscale, args),
    }
}

fn ways(runtime: &Runtime, upscale: UpscaleOptions, args: &BenchArgs) -> Result<u8, BoxError> {
    let ways = if args.ways.is_empty() { Way::ALL.to_vec() } else { args.ways.clone() };
    let (input, size, frames, rounds) = (args.input.clone(), args.size, args.frames, args.rounds);
    let scratch = Scratch::new()?;
    let folder = scratch.path().to_path_buf();
    let options = BenchOptions { upscale, input, size, frames, ways, folder, rounds };
    let report = rave_pipeline::bench(runtime, &options, |way, round| match round {
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

/// Each way over the one that it cannot be faster than.
const RATIOS: [(Way, Way); 5] = [
    (Way::Chain, Way::Model),
    (Way::EndToEnd, Way::Model),
    (Way::Hashed, Way::Model),
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
        vec![
            way.way.name().to_owned(),
            format!("{:.1}", way.median()),
            rounded(&way.rates, 1),
            format!("{:.2} s", way.first_frame_seconds),
            way.bottleneck.clone().unwrap_or_else(|| "-".into()),
        ]
    }));
    text += &table::aligned(&rows);
    for (way, of) in RATIOS {
        if let Some(ratio) = report.ratio(way, of) {
            let rounds = rounded(&report.ratios(way, of), 3);
            text += &format!("{} / {}: {ratio:.3} ({rounds})\n", way.name(), of.name());
        }
    }
    text
}

fn rounded(values: &[f64], places: usize) -> String {
    values.iter().map(|value| format!("{value:.places$}")).collect::<Vec<_>>().join(" ")
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
    let ratios = RATIOS.into_iter().filter_map(|(way, of)| {
        let (ratio, rounds) = (report.ratio(way, of)?, report.ratios(way, of));
        Some(json!({ "way": way.name(), "of": of.name(), "ratio": ratio, "rounds": rounds }))
    });
    json!({
        "version": json::VERSION,
        "model": report.model,
        "width": report.size.0,
        "height": report.size.1,
        "choices": report.choices.iter().map(json::choice).collect::<Vec<_>>(),
        "ways": ways.collect::<Vec<_>>(),
        "ratios": ratios.collect::<Vec<_>>(),
    })
}

fn megapixels(runtime: &Runtime, upscale: UpscaleOptions, args: &BenchArgs) -> Result<u8, BoxError> {
    let (sizes, frames, rounds) = (args.sizes.clone(), args.frames, args.rounds);
    let options = MegapixelOptions { upscale, sizes, frames, rounds };
    let sizes = rave_pipeline::cost_per_megapixel(runtime, &options, |(width, height), round| match round {
        0 => say!("rave: {width}x{height}, to warm up"),
        _ => say!("rave: {width}x{height}, round {round}"),
    })?;
    if args.json {
        json::print(&megapixels_json(&sizes))?;
    } else {
        stdout::print(&megapixels_text(&sizes))?;
    }
    Ok(0)
}

fn megapixels_text(sizes: &[SizeCost]) -> String {
    let header = ["size", "model ms/MP", "chain ms/MP", "model fps", "chain fps"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(sizes.iter().map(|size| {
        let [model, chain] = size.seconds_per_megapixel().map(|cost| format!("{:.3}", 1000.0 * cost));
        let (width, height) = size.size;
        vec![format!("{width}x{height}"), model, chain, rounded(&size.model, 1), rounded(&size.chain, 1)]
    }));
    let [model, chain] = cost_spread(sizes);
    let spread = format!("dearest over cheapest: model {model:.3}, chain {chain:.3}\n");
    table::aligned(&rows) + &spread
}

fn megapixels_json(sizes: &[SizeCost]) -> Value {
    let rows = sizes.iter().map(|size| {
        let [model, chain] = size.seconds_per_megapixel();
        json!({
            "width": size.size.0,
            "height": size.size.1,
            "model_seconds_per_megapixel": model,
            "chain_seconds_per_megapixel": chain,
            "model_frames_per_second": size.model,
            "chain_frames_per_second": size.chain,
        })
    });
    let [model, chain] = cost_spread(sizes);
    json!({
        "version": json::VERSION,
        "sizes": rows.collect::<Vec<_>>(),
        "model_cost_spread": model,
        "chain_cost_spread": chain,
    })
}
