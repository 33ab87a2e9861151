//! Every real clip and every damaged file of the folder that `RAVE_MEDIA` names.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::path::{Path, PathBuf};

use rave_core::Code;
use rave_ffmpeg::{
    DemuxerOptions, EncoderOptions, Incompatible, Input, MuxerOptions, StreamOutcome, VideoCodec, probe,
    read_video_timestamps,
};
use support::{decode_each, ffprobe, transcode};

/// File names and the facts that the index states, in the order of its table.
fn index(folder: &Path, section: &str) -> Vec<(PathBuf, String)> {
    let index = std::fs::read_to_string(folder.join("INDEX.md")).unwrap();
    let start = index.find(&format!("## {section}/")).unwrap();
    let rest = &index[start + 3..];
    let table = &rest[..rest.find("\n## ").unwrap_or(rest.len())];
    table
        .lines()
        .filter_map(|line| {
            let (name, facts) = line.strip_prefix("| `")?.split_once('`')?;
            Some((folder.join(section).join(name), facts.to_owned()))
        })
        .collect()
}

/// The number after `word` in the facts.
fn number(facts: &str, word: &str) -> Option<u64> {
    let rest = &facts[facts.find(word)? + word.len()..];
    rest.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// ffprobe's timestamps of the frames of the stream that is decoded; `None` where it has none.
fn expected_ticks(path: &Path) -> Vec<Option<i64>> {
    let media = probe(&Input::from(path)).unwrap();
    let stream = media.best_video.unwrap();
    ffprobe(path, &format!("-select_streams {stream} -show_entries frame=best_effort_timestamp"))
        .iter()
        .map(|line| line.split(',').next().and_then(|ticks| ticks.parse().ok()))
        .collect()
}

#[test]
fn every_clip_gives_its_frames_at_their_times() {
    let Some(folder) = support::media() else {
        return;
    };
    let mut wrong = Vec::new();
    for (path, facts) in index(&folder, "clips") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut ticks = Vec::new();
        match decode_each(&path, &DemuxerOptions::default(), |frame| ticks.push(frame.info().pts.ticks())) {
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(report) => {
                // The index describes the first video stream, which is not always the best.
                let is_described = !facts.contains("multivideo");
                if is_described && number(&facts, "; frames ") != Some(ticks.len() as u64) {
                    wrong.push(format!("{name}: {} frames, the index says {facts}", ticks.len()));
                }
                let expected = expected_ticks(&path);
                let is_same = expected.len() == ticks.len()
                    && expected
                        .iter()
                        .zip(&ticks)
                        .all(|(expected, &ticks)| expected.is_none_or(|e| e == ticks));
                if !is_same {
                    wrong.push(format!("{name}: ffprobe says {expected:?}, decoded {ticks:?}"));
                }
                let untimed = expected.iter().filter(|ticks| ticks.is_none()).count() as u64;
                if report.reconstructed_timestamps != untimed {
                    wrong.push(format!("{name}: {report:?}, ffprobe lacks {untimed}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_damaged_file_gives_its_frames_or_a_true_reason() {
    let Some(folder) = support::media() else {
        return;
    };
    let mut wrong = Vec::new();
    for (path, facts) in index(&folder, "bad") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut frames = 0;
        let outcome = decode_each(&path, &DemuxerOptions::default(), |_| frames += 1);
        println!("{name}: {frames} frames, {outcome:?}");
        let expected = number(&facts, "; frames ").unwrap_or(0);
        match outcome {
            Ok(_) if frames == expected => {}
            Err(ref error) if expected == 0 && Some(error.code()) == true_code(&name) => {}
            outcome => wrong.push(format!("{name}: {frames} frames, {outcome:?}; the index says {facts}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is really wrong with a file that gives no frame.
fn true_code(name: &str) -> Option<Code> {
    match name {
        "mp__result.webm" | "sio__empty.flv" | "rr__Big_Buck_Bunny_1080_1s_h264.mp4" | "sio__broken.mp4" => {
            Some(Code::InputNotMedia)
        }
        "m4__chunk_out_of_range.mp4" | "lw__chapters_truncated_chapter_string.mkv" => {
            Some(Code::InputNotMedia)
        }
        "lw__projection_float_overflow.webm" | "tc__gradient.heic" => Some(Code::InputNotMedia),
        "b4__audio-aac-001.mp4" => Some(Code::InputNoVideo),
        "m4__short-cenc.mp4" => Some(Code::InputEncrypted),
        // Only headers.
        "m4__invalid_userdata.mp4" | "m4__bipbop_nonfragment_header.mp4" | "tsd__test-012.ts" => {
            Some(Code::InputNoFrames)
        }
        // Nothing that decodes.
        "lw__invalid_vp9_bitstream-bug_1416.webm" | "lw__colour.webm" | "exo__invalid-bitstream.webm" => {
            Some(Code::InputNoFrames)
        }
        _ => None,
    }
}

#[test]
fn every_clip_keeps_its_times_and_streams_in_another_container() {
    let Some(folder) = support::media() else {
        return;
    };
    let outputs = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (number, (path, facts)) in index(&folder, "clips").into_iter().enumerate() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if std::fs::metadata(&path).unwrap().len() > MAX_ENCODED_BYTES {
            continue;
        }
        // A transport stream of a few packets is too short for FFmpeg to recognise.
        let is_tiny = facts.contains("tiny");
        let containers = if is_tiny {
            ["out.mp4", "out.mkv"].as_slice()
        } else {
            &["out.mp4", "out.mkv", "out.ts", "out.mov"]
        };
        let target = outputs.path().join(containers[number % containers.len()]);
        if let Err(reason) = assert_kept(&path, &target) {
            wrong.push(format!("{name} -> {}: {reason}", target.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Larger clips take too long to encode here and have no other streams than small ones.
const MAX_ENCODED_BYTES: u64 = 600_000;

fn assert_kept(source: &Path, target: &Path) -> Result<(), String> {
    let encoder =
        EncoderOptions { preset: Some("ultrafast".to_owned()), ..EncoderOptions::new(VideoCodec::H264) };
    let muxer = MuxerOptions { incompatible: Incompatible::Drop, ..MuxerOptions::default() };
    let demuxer = rave_ffmpeg::Demuxer::open(&Input::from(source), &DemuxerOptions::default());
    let info = *demuxer.map_err(|error| error.to_string())?.video().info();
    let (format, _) =
        rave_ffmpeg::SoftwareEncoder::pixel_format(&info, &encoder).map_err(|error| error.to_string())?;
    if format != info.format {
        // There is no colour conversion in this crate.
        return Ok(());
    }
    let written = transcode(source, target, &encoder, &muxer).map_err(|error| error.to_string())?;
    let video = written.plan.iter().find_map(|plan| match plan.outcome {
        StreamOutcome::Encoded { output_index } => Some(output_index),
        _ => None,
    });
    let found = read_video_timestamps(target, video).map_err(|error| error.to_string())?;
    let to = found[0].time_base();
    let shift = written.summary.timestamp_shift;
    let expected: Vec<_> = written
        .times
        .iter()
        .map(|time| {
            let shift = shift.map_or(0, |shift| shift.rescale(time.time_base()).ticks());
            time.plus_ticks(shift).rescale(to)
        })
        .collect();
    if found != expected {
        return Err(format!("expected {expected:?}, found {found:?}, shift {shift:?}"));
    }
    println!("{}: {:?} {:?}", source.display(), written.summary, written.plan);
    Ok(())
}
