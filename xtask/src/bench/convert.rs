//! Colour conversion against swscale, one thread each.

use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::comparison::{Bound, Comparison, median};
use super::cpu::Outcome;
use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// Our time over swscale's.
const WANTED: f64 = 3.0;
const ROUNDS: usize = 3;
const FRAMES: u32 = 60;

/// A conversion by our name for it, and by FFmpeg's names.
struct Conversion {
    ours: &'static str,
    from: &'static str,
    to: &'static str,
    size: &'static str,
}

const CONVERSIONS: &[Conversion] = &[
    Conversion { ours: "nv12 to rgbpf32le", from: "nv12", to: "gbrpf32le", size: "1920x1080" },
    Conversion { ours: "yuv420p to rgbpf32le", from: "yuv420p", to: "gbrpf32le", size: "1920x1080" },
    Conversion { ours: "rgbpf32le to nv12", from: "gbrpf32le", to: "nv12", size: "3840x2160" },
    Conversion { ours: "rgbpf32le to yuv420p", from: "gbrpf32le", to: "yuv420p", size: "3840x2160" },
];

pub fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    let mut cargo = process::cargo(&workspace.root);
    cargo.args([
        "run",
        "--quiet",
        "--release",
        "-p",
        "rave-core",
        "--example",
        "convert_speed",
        "--",
        "--json",
    ]);
    let text = process::output(&mut cargo)?;
    let mut comparisons = Vec::new();
    for conversion in CONVERSIONS {
        let ours = our_millis(&text, conversion)
            .ok_or_else(|| Failure::Message(format!("convert_speed does not time {}", conversion.ours)))?;
        let theirs = swscale_millis(conversion)?;
        comparisons.push(Comparison {
            what: format!("{} {}, time per frame", conversion.ours, conversion.size),
            ours: format!("{ours:.2} ms"),
            theirs: format!("{theirs:.2} ms (swscale)"),
            ratio: ours / theirs,
            wanted: Bound::AtMost(WANTED),
        });
    }
    let lines = comparisons.iter().map(
        |line| json!({ "what": line.what, "rave": line.ours, "peer": line.theirs, "ratio": line.ratio }),
    );
    let value = lines.collect();
    Ok((comparisons, value))
}

/// From a line such as `{"name":"nv12 to rgbpf32le 1920x1080","millis":1.5}`.
fn our_millis(text: &str, conversion: &Conversion) -> Option<f64> {
    let name = format!("{} {}", conversion.ours, conversion.size);
    let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.find(|line| line["name"] == name.as_str())?["millis"].as_f64()
}

/// Milliseconds a frame: a run of ffmpeg that converts, less one that only passes the same frames on.
fn swscale_millis(conversion: &Conversion) -> Result<f64, Failure> {
    let mut samples = Vec::new();
    for _ in 0..ROUNDS {
        let with = seconds(&graph(conversion, &format!(",scale=flags=bilinear,format={}", conversion.to)))?;
        let without = seconds(&graph(conversion, ""))?;
        samples.push((with - without) * 1000.0 / f64::from(FRAMES));
    }
    Ok(median(&samples))
}

/// One frame in the source's format, again and again, so that only the conversion costs time.
fn graph(conversion: &Conversion, tail: &str) -> String {
    let Conversion { from, size, .. } = conversion;
    format!("testsrc2=size={size},format={from},loop=loop=-1:size=1,trim=end_frame={FRAMES}{tail}[out]")
}

fn seconds(graph: &str) -> Result<f64, Failure> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-filter_threads", "1", "-filter_complex_threads", "1"]);
    ffmpeg.args(["-filter_complex", graph, "-map", "[out]", "-f", "null", "-"]);
    let start = Instant::now();
    process::output(&mut ffmpeg)?;
    Ok(start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_line_is_found_by_name_and_size() {
        let text = "{\"name\":\"nv12 to rgbpf32le 3840x2160\",\"millis\":9.0}\nnot json\n\
                    {\"name\":\"nv12 to rgbpf32le 1920x1080\",\"millis\":1.5}\n";
        assert_eq!(our_millis(text, &CONVERSIONS[0]), Some(1.5));
        assert_eq!(our_millis("", &CONVERSIONS[0]), None);
    }
}
