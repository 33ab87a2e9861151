//! Segments against a real decoder: decoded one by one, each by a decoder that saw nothing else, they give the frames of
//! the whole stream.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use rave_core::Packet;
use rave_nvcodec::{GopSplitter, SplitOptions, StreamCodec};

const START_CODE: &[u8] = &[0, 0, 0, 1];

/// Runs `ffmpeg`; `None`, with the reason printed, if it lacks the encoder.
fn ffmpeg(arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(arguments).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    if words.contains("Unknown encoder") {
        println!("skipped: {}", words.trim());
        return None;
    }
    assert!(output.status.success(), "ffmpeg {arguments:?}: {words}");
    Some(output.stdout)
}

fn encode(encoder: &[&str], format: &str) -> Option<Vec<u8>> {
    let source = ["-f", "lavfi", "-i", "testsrc2=size=128x96:rate=25:duration=4", "-pix_fmt", "yuv420p"];
    ffmpeg(&[&source[..], encoder, &["-f", format, "-"]].concat())
}

/// The hash of each frame.
fn decode(folder: &Path, format: &str, stream: &[u8]) -> Vec<String> {
    let file = folder.join("stream");
    std::fs::write(&file, stream).unwrap();
    let name = file.to_str().unwrap();
    let output = ffmpeg(&[
        "-f",
        format,
        "-i",
        name,
        "-fps_mode",
        "passthrough",
        "-autoscale",
        "0",
        "-f",
        "framemd5",
        "-",
    ])
    .unwrap();
    let text = String::from_utf8(output).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_string()).collect()
}

/// Access units of a stream that has a delimiter before each.
fn access_units(stream: &[u8], delimiter: u8) -> Vec<Vec<u8>> {
    let starts: Vec<_> = (0..stream.len() - 4)
        .filter(|&at| stream[at..].starts_with(START_CODE) && stream[at + 4] == delimiter)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    starts.iter().zip(ends).map(|(&start, end)| stream[start..end].to_vec()).collect()
}

/// Header of the file and frames of an IVF stream.
fn ivf_frames(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &stream[32..];
    let mut frames = Vec::new();
    while let Some(size) = rest.first_chunk::<4>() {
        let (frame, after) = rest[12..].split_at(u32::from_le_bytes(*size) as usize);
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

fn ivf(header: &[u8], frames: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = header[..32].to_vec();
    for (pts, frame) in frames.iter().enumerate() {
        stream.extend((frame.len() as u32).to_le_bytes());
        stream.extend((pts as u64).to_le_bytes());
        stream.extend(frame);
    }
    stream
}

/// The packets of each segment.
fn split(codec: StreamCodec, packets: &[Vec<u8>], min_segment_packets: usize) -> Vec<Vec<Vec<u8>>> {
    let options = SplitOptions { sessions: 3, min_segment_packets };
    let mut splitter = GopSplitter::new(codec, options).unwrap();
    let mut segments: Vec<Vec<Vec<u8>>> = Vec::new();
    for data in packets {
        let routed = splitter.route(Packet { data: data.clone(), ..Packet::default() });
        let index = usize::try_from(routed.segment).unwrap();
        segments.resize_with(index + 1, Vec::new);
        segments[index].push(routed.packet.data);
    }
    segments
}

/// Decodes the stream as a whole and by segments; returns the number of segments.
fn assert_segments_decode_alike(
    codec: StreamCodec,
    format: &str,
    packets: &[Vec<u8>],
    to_stream: &dyn Fn(&[Vec<u8>]) -> Vec<u8>,
) -> usize {
    let segments = split(codec, packets, 1);
    if let [only] = segments.as_slice() {
        assert!(only == packets, "a stream of one segment is not changed");
        return 1;
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = decode(folder.path(), format, &to_stream(packets));
    assert!(!whole.is_empty());
    let parts: Vec<_> =
        segments.iter().flat_map(|packets| decode(folder.path(), format, &to_stream(packets))).collect();
    assert!(parts == whole, "{codec:?}: {} frames of {} segments differ", parts.len(), segments.len());
    segments.len()
}

#[test]
fn closed_gops_of_h264_with_b_frames() {
    let options = "keyint=10:min-keyint=10:scenecut=0:bframes=3:open-gop=0:aud=1";
    let Some(stream) = encode(&["-c:v", "libx264", "-x264-params", options], "h264") else { return };
    let units = access_units(&stream, 0x09);
    let segments = assert_segments_decode_alike(StreamCodec::H264, "h264", &units, &<[Vec<u8>]>::concat);
    assert_eq!(segments, 10);
    assert_eq!(split(StreamCodec::H264, &units, 25).len(), 4, "30, 30, 30 and 10 packets");
}

#[test]
fn parameter_sets_that_come_only_once_reach_every_segment() {
    let options = "keyint=10:min-keyint=10:scenecut=0:aud=1:repeat-headers=1";
    let Some(stream) = encode(&["-c:v", "libx264", "-x264-params", options], "h264") else { return };
    let mut units = access_units(&stream, 0x09);
    units[1..].iter_mut().for_each(|unit| *unit = without_parameter_sets(unit));
    assert_eq!(assert_segments_decode_alike(StreamCodec::H264, "h264", &units, &<[Vec<u8>]>::concat), 10);
}

fn without_parameter_sets(unit: &[u8]) -> Vec<u8> {
    let starts: Vec<_> = (0..unit.len() - 3).filter(|&at| unit[at..at + 3] == START_CODE[1..]).collect();
    let ends = starts.iter().skip(1).copied().chain([unit.len()]);
    let kept = starts.iter().zip(ends).filter(|&(&start, _)| !matches!(unit[start + 3] & 0x1f, 7 | 8));
    kept.flat_map(|(&start, end)| [&[0], &unit[start..end]].concat()).collect()
}

#[test]
fn open_gops_are_not_split() {
    let options = "keyint=10:min-keyint=10:scenecut=0:bframes=3:open-gop=1:aud=1";
    let Some(h264) = encode(&["-c:v", "libx264", "-x264-params", options], "h264") else { return };
    assert_eq!(split(StreamCodec::H264, &access_units(&h264, 0x09), 1).len(), 1);
    let options = "keyint=10:min-keyint=10:scenecut=0:bframes=3:open-gop=1:aud=1:log-level=error";
    let Some(hevc) = encode(&["-c:v", "libx265", "-x265-params", options], "hevc") else { return };
    assert_eq!(split(StreamCodec::Hevc, &access_units(&hevc, 0x46), 1).len(), 1);
}

#[test]
fn closed_gops_of_hevc_with_b_frames() {
    let options = "keyint=10:min-keyint=10:scenecut=0:bframes=3:open-gop=0:aud=1:log-level=error";
    let Some(stream) = encode(&["-c:v", "libx265", "-x265-params", options], "hevc") else { return };
    let units = access_units(&stream, 0x46);
    let segments = assert_segments_decode_alike(StreamCodec::Hevc, "hevc", &units, &<[Vec<u8>]>::concat);
    assert_eq!(segments, 10);
}

#[test]
fn key_frames_of_vp9() {
    let encoder = ["-c:v", "libvpx-vp9", "-g", "20", "-deadline", "realtime", "-cpu-used", "8"];
    let Some(stream) = encode(&encoder, "ivf") else { return };
    let to_stream = |frames: &[Vec<u8>]| ivf(&stream, frames);
    let frames = ivf_frames(&stream);
    assert_eq!(assert_segments_decode_alike(StreamCodec::Vp9, "ivf", &frames, &to_stream), 5);
}

#[test]
fn key_frames_of_av1() {
    let encoder =
        ["-c:v", "libaom-av1", "-g", "20", "-keyint_min", "20", "-usage", "realtime", "-cpu-used", "8"];
    let Some(stream) = encode(&encoder, "ivf") else { return };
    let to_stream = |frames: &[Vec<u8>]| ivf(&stream, frames);
    let frames = ivf_frames(&stream);
    assert_eq!(assert_segments_decode_alike(StreamCodec::Av1, "ivf", &frames, &to_stream), 5);
}

/// The video stream as raw packets, after a bitstream filter.
fn copy(clip: &Path, filter: &str, format: &str) -> Vec<u8> {
    let clip = clip.to_str().unwrap();
    ffmpeg(&["-i", clip, "-map", "0:v:0", "-c", "copy", "-bsf:v", filter, "-f", format, "-"]).unwrap()
}

fn codec_of(clip: &Path) -> String {
    let entries = ["-select_streams", "v:0", "-show_entries", "stream=codec_name", "-of", "csv=p=0"];
    let output = Command::new("ffprobe").args(["-v", "error"]).args(entries).arg(clip).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim_end_matches(',').into()
}

/// The number of segments; `None` for a clip of another codec.
fn assert_clip_decodes_alike(clip: &Path) -> Option<usize> {
    let (codec, format, filter, delimiter) = match codec_of(clip).as_str() {
        "h264" => (StreamCodec::H264, "h264", "h264_mp4toannexb,h264_metadata=aud=insert", 0x09),
        "hevc" => (StreamCodec::Hevc, "hevc", "hevc_mp4toannexb,hevc_metadata=aud=insert", 0x46),
        "vp9" => (StreamCodec::Vp9, "ivf", "null", 0),
        "av1" => (StreamCodec::Av1, "ivf", "null", 0),
        _ => return None,
    };
    let stream = copy(clip, filter, format);
    if format == "ivf" {
        let to_stream = |frames: &[Vec<u8>]| ivf(&stream, frames);
        return Some(assert_segments_decode_alike(codec, format, &ivf_frames(&stream), &to_stream));
    }
    let units = access_units(&stream, delimiter);
    Some(assert_segments_decode_alike(codec, format, &units, &<[Vec<u8>]>::concat))
}

#[test]
fn every_clip_decodes_alike() {
    let Some(media) = std::env::var_os("RAVE_MEDIA") else {
        println!("skipped: RAVE_MEDIA is not set");
        return;
    };
    let clips = std::fs::read_dir(Path::new(&media).join("clips")).unwrap();
    let mut segments_of_all = 0;
    for clip in clips.map(|entry| entry.unwrap().path()) {
        if let Some(segments) = assert_clip_decodes_alike(&clip) {
            println!("{}: {segments} segments", clip.display());
            segments_of_all += segments;
        }
    }
    assert!(segments_of_all > 0);
}
