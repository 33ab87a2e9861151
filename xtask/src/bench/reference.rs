//! What ffmpeg and ffprobe say about a file.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::failure::Failure;
use crate::process;

/// How ffmpeg decodes the video stream of a file that it thinks best.
#[derive(Debug, PartialEq)]
pub struct Decoded {
    /// Index of the stream in the file.
    pub stream: usize,
    /// Frames that come out of the decoder.
    pub frames: usize,
}

/// Decodes a whole file; `None` where no frame comes out.
pub fn decode(path: &Path) -> Option<Decoded> {
    let mut ffmpeg = Command::new("timeout");
    ffmpeg.args(["300", "ffmpeg", "-nostdin", "-i"]).arg(path);
    ffmpeg.args(["-an", "-sn", "-dn", "-fps_mode", "passthrough", "-f", "null", "-"]);
    let output = ffmpeg.output().ok()?;
    parse_decoding(&String::from_utf8_lossy(&output.stderr))
}

/// From the mapping `Stream #0:3 -> #0:0 (..)` and the last `frame=   12` of ffmpeg's messages.
fn parse_decoding(text: &str) -> Option<Decoded> {
    let mut mappings =
        text.lines().filter_map(|line| line.trim().strip_prefix("Stream #0:")?.split_once(" -> "));
    let stream = mappings.next()?.0.parse().ok()?;
    let (_, last) = text.rsplit_once("frame=")?;
    let frames = last.split_whitespace().next()?.parse().ok()?;
    (frames > 0).then_some(Decoded { stream, frames })
}

/// Presentation time of each decoded frame in seconds, by ffprobe; `None` for a frame that has none.
pub fn timestamps(path: &Path, stream: usize) -> Result<Vec<Option<f64>>, Failure> {
    let mut ffprobe = Command::new("timeout");
    ffprobe.args(["300", "ffprobe", "-v", "quiet", "-select_streams", &stream.to_string(), "-of", "json"]);
    ffprobe.args(["-show_frames", "-show_entries", "frame=best_effort_timestamp_time"]).arg(path);
    parse_timestamps(&process::output(&mut ffprobe)?)
}

fn parse_timestamps(text: &str) -> Result<Vec<Option<f64>>, Failure> {
    let value: Value = serde_json::from_str(text).map_err(|cause| format!("ffprobe's JSON: {cause}"))?;
    let frames = value["frames"].as_array().into_iter().flatten();
    Ok(frames.map(|frame| frame["best_effort_timestamp_time"].as_str()?.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_count_of_ffmpeg_is_taken() {
        let text = "Stream #0:1: Video: h264\nStream mapping:\n  Stream #0:3 -> #0:0 (h264 (native) -> x)\n\
                    frame=    1 fps=0\rframe=  390 fps=0.0 q=-0.0 Lsize=N/A\n";
        assert_eq!(parse_decoding(text), Some(Decoded { stream: 3, frames: 390 }));
        assert_eq!(parse_decoding("  Stream #0:0 -> #0:0 (vp8)\nframe=    0 fps=0"), None);
        assert_eq!(parse_decoding("x.mp4: Invalid data found"), None);
    }

    #[test]
    fn timestamps_may_be_missing() {
        let text = r#"{"frames": [{"best_effort_timestamp_time": "1.467000"}, {}]}"#;
        assert_eq!(parse_timestamps(text), Ok(vec![Some(1.467), None]));
        assert_eq!(parse_timestamps("{}"), Ok(vec![]));
    }
}
