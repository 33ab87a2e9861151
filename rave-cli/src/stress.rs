use rave_core::BoxError;
use rave_pipeline::{AllocationSite, StressOptions, StressReport};
use rave_tensorrt::Runtime;
use serde_json::{Value, json};

use crate::{json, stdout};

/// The exit status of a run that was not steady.
const UNSTEADY: u8 = 7;

pub fn run(runtime: &Runtime, options: &StressOptions, is_json: bool) -> Result<u8, BoxError> {
    let report = rave_pipeline::stress(runtime, options)?;
    if is_json {
        json::print(&to_json(&report))?;
    } else {
        stdout::print(&to_text(&report))?;
    }
    Ok(if report.failures.is_empty() { 0 } else { UNSTEADY })
}

fn to_text(report: &StressReport) -> String {
    let mut text: String = report.choices.iter().map(|choice| format!("{choice}\n")).collect();
    let (into, out) = report.frames;
    let seconds = report.elapsed.as_secs_f64();
    text += &format!("{into} frames in, {out} out in {seconds:.1} s, {:.1} fps\n", report.rate);
    if let Some(pace) = &report.pace {
        let (window, change) = (pace.window.as_secs_f64(), 100.0 * (pace.late / pace.early - 1.0));
        text += &format!(
            "the second {window:.0} s: {:.1} fps, the last: {:.1} fps ({change:+.1}%)\n",
            pace.early, pace.late
        );
    }
    if let Some(memory) = &report.memory {
        text += &format!(
            "after the warm-up: {} buffers taken, {} allocated; memory drifted by {} bytes in the pool, {} on the GPU\n",
            memory.taken, memory.allocated, memory.pool_drift_bytes, memory.device_drift_bytes
        );
    }
    text += &match &report.allocations {
        Some(allocations) => {
            format!("after the warm-up: {} allocations in host memory\n", allocations.count)
                + &allocations.sites.iter().map(site).collect::<String>()
        }
        None => {
            "allocations in host memory were not counted: a build with `--features debug-alloc` does\n".into()
        }
    };
    if let Some(growth) = &report.growth {
        text += &format!(
            "after the warm-up: {} bytes of host memory, {} handles, {} threads more\n",
            growth.resident_bytes, growth.handles, growth.threads
        );
    }
    text += &report.failures.iter().map(|failure| format!("FAILED: {failure}\n")).collect::<String>();
    text + if report.failures.is_empty() { "steady\n" } else { "" }
}

fn site(site: &AllocationSite) -> String {
    format!("  {}: {} bytes at {}\n", site.thread, site.bytes, site.places.join(" from "))
}

fn to_json(report: &StressReport) -> Value {
    json!({
        "version": json::VERSION,
        "choices": report.choices.iter().map(json::choice).collect::<Vec<_>>(),
        "elapsed_seconds": report.elapsed.as_secs_f64(),
        "frames_in": report.frames.0,
        "frames_out": report.frames.1,
        "frames_per_second": report.rate,
        "pace": report.pace.map(|pace| json!({
            "window_seconds": pace.window.as_secs_f64(),
            "second_frames_per_second": pace.early,
            "last_frames_per_second": pace.late,
        })),
        "memory": report.memory.map(|memory| json!({
            "taken": memory.taken,
            "allocated": memory.allocated,
            "pool_drift_bytes": memory.pool_drift_bytes,
            "device_drift_bytes": memory.device_drift_bytes,
        })),
        "allocations": report.allocations.as_ref().map(|allocations| json!({
            "count": allocations.count,
            "bytes": allocations.bytes,
            "sites": allocations.sites.iter().map(|site| json!({
                "thread": site.thread,
                "bytes": site.bytes,
                "places": site.places,
            })).collect::<Vec<_>>(),
        })),
        "growth": report.growth.map(|growth| json!({
            "resident_bytes": growth.resident_bytes,
            "handles": growth.handles,
            "threads": growth.threads,
        })),
        "failures": report.failures,
    })
}
