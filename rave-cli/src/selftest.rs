use rave_core::BoxError;
use rave_pipeline::{Check, Outcome, SelftestReport, UpscaleOptions};
use serde_json::{Value, json};

use crate::args::SelftestArgs;
use crate::signals::Scratch;
use crate::{json, logging, stdout, table, upscale};

/// The exit status of a check that failed.
const FAILED: u8 = 7;

pub fn run(args: &SelftestArgs) -> Result<u8, BoxError> {
    logging::start(false, 0);
    let runtime = upscale::runtime(args.inference.ort_lib.as_deref())?;
    let mut options = UpscaleOptions::default();
    args.inference.put_into(&mut options);
    let scratch = Scratch::new()?;
    let report = rave_pipeline::selftest(&runtime, &options, scratch.path(), |check| {
        say!("rave: {}: {}", check.name, outcome(&check.outcome).0);
    })?;
    if args.json {
        json::print(&to_json(&report))?;
    } else {
        stdout::print(&to_text(&report))?;
    }
    Ok(if report.failures().next().is_some() { FAILED } else { 0 })
}

fn outcome(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Passed { detail } => ("passed", detail),
        Outcome::Failed { reason } => ("FAILED", reason),
        Outcome::Skipped { reason } => ("skipped", reason),
    }
}

fn to_text(report: &SelftestReport) -> String {
    let row = |check: &Check| {
        let (word, detail) = outcome(&check.outcome);
        let seconds = format!("{:.1} s", check.elapsed.as_secs_f64());
        vec![word.to_owned(), check.name.clone(), seconds, detail.to_owned()]
    };
    let rows: Vec<_> = report.checks.iter().map(row).collect();
    let counts = counts(report).map(|(word, count)| format!("{count} {word}"));
    table::aligned(&rows) + &counts.join(", ") + "\n"
}

fn counts(report: &SelftestReport) -> [(&'static str, usize); 3] {
    ["passed", "FAILED", "skipped"].map(|wanted| {
        let is_so = |check: &&Check| outcome(&check.outcome).0 == wanted;
        (wanted, report.checks.iter().filter(is_so).count())
    })
}

fn to_json(report: &SelftestReport) -> Value {
    let checks = report.checks.iter().map(|check| {
        let (word, detail) = outcome(&check.outcome);
        json!({
            "name": check.name,
            "outcome": word.to_lowercase(),
            "detail": detail,
            "elapsed_seconds": check.elapsed.as_secs_f64(),
        })
    });
    let [passed, failed, skipped] = counts(report).map(|(_, count)| count);
    json!({
        "version": json::VERSION,
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "checks": checks.collect::<Vec<_>>(),
    })
}
