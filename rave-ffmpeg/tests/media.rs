//! Every real clip and every damaged file of the folder that `RAVE_MEDIA` names.

mod support;

use std::path::{Path, PathBuf};

use rave_ffmpeg::{DemuxerOptions, Input, probe};
use support::{decode_each, ffprobe};

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
            Err(_) if expected == 0 => {}
            outcome => wrong.push(format!("{name}: {frames} frames, {outcome:?}; the index says {facts}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
