//! Clocks that wrap, jump, stand still, start before zero, or are not there.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::path::Path;

use rave_ffmpeg::{Demuxer, DemuxerOptions, Input, VideoCodec, read_video_timestamps};
use support::{Job, audio_times, decode, fast, make, write};

fn seconds(path: &Path) -> Vec<f64> {
    read_video_timestamps(path, None).unwrap().iter().map(|time| time.seconds()).collect()
}

fn assert_spaced(times: &[f64], period: f64, label: &str) {
    for pair in times.windows(2) {
        // Containers round to a millisecond.
        assert!((pair[1] - pair[0] - period).abs() < 0.0011, "{label}: {pair:?}");
    }
}

#[test]
fn a_transport_streams_clock_may_wrap() {
    let folder = tempfile::tempdir().unwrap();
    // 2^33 / 90000 is 95443.718 s.
    let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=3 -f lavfi -i sine=d=3 -output_ts_offset 95441 \
        -c:v libx264 -bf 2 -c:a mp2 -f mpegts";
    let source = make(folder.path(), "source.ts", arguments);
    let decoded = decode(&source).unwrap();
    assert_eq!(decoded.frames.len(), 75);
    assert_eq!(decoded.report.reconstructed_timestamps, 0);
    for name in ["out.mkv", "out.mp4", "out.ts"] {
        let target = folder.path().join(name);
        write(&source, &target, VideoCodec::H264);
        let times = seconds(&target);
        assert_eq!(times.len(), 75, "{name}");
        assert_spaced(&times, 0.04, name);
        let sound: Vec<f64> = audio_times(&target).iter().map(|time| time.parse().unwrap()).collect();
        assert_spaced(&sound, 1152.0 / 44100.0, name);
        let apart = |sound: &[f64], picture: &[f64]| sound.first().unwrap() - picture.first().unwrap();
        let before: Vec<f64> = audio_times(&source).iter().map(|time| time.parse().unwrap()).collect();
        let moved = apart(&sound, &times) - apart(&before, &seconds(&source));
        assert!(moved.abs() < 0.0011, "{name}: sound moves by {moved} s");
    }
}

#[test]
fn a_gap_stays_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -vf select=not(between(n\\,20\\,79)) -fps_mode passthrough \
        -c:v libx264 -bf 2";
    for name in ["source.mkv", "source.mp4", "source.ts"] {
        let source = make(folder.path(), name, arguments);
        let target = folder.path().join("out.mp4");
        write(&source, &target, VideoCodec::H264);
        let times = seconds(&target);
        assert_eq!(times.len(), 40, "{name}");
        assert!((times[20] - times[19] - 61.0 * 0.04).abs() < 0.0011, "{name}: {times:?}");
    }
}

#[test]
fn a_time_that_comes_twice_is_moved_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -c:v mpeg4 -bsf:v \
        setts=pts=if(eq(N\\,5)\\,PREV_OUTPTS\\,PTS):dts=if(eq(N\\,5)\\,PREV_OUTDTS\\,DTS)";
    let source = make(folder.path(), "source.mkv", arguments);
    let decoded = decode(&source).unwrap();
    assert_eq!(decoded.frames.len(), 10);
    assert_eq!(decoded.report.reconstructed_timestamps, 1);
    let target = folder.path().join("out.mkv");
    write(&source, &target, VideoCodec::H264);
    let times = seconds(&target);
    assert_eq!(times.len(), 10);
    assert!((times[5] - times[4] - 0.001).abs() < 1e-6, "by one tick: {times:?}");
}

#[test]
fn missing_times_follow_the_frame_rate() {
    let folder = tempfile::tempdir().unwrap();
    for (name, coding) in [
        ("source.avi", "-c:v libx264 -bf 2"),
        ("source.264", "-c:v libx264 -bf 2"),
        ("source.m2v", "-c:v mpeg2video -bf 2"),
    ] {
        let arguments = format!("-f lavfi -i testsrc2=s=64x48:r=25:d=1 {coding}");
        let source = make(folder.path(), name, &arguments);
        let target = folder.path().join("out.mp4");
        write(&source, &target, VideoCodec::H264);
        let times = seconds(&target);
        assert_eq!(times.len(), 25, "{name}");
        assert_spaced(&times, 0.04, name);
    }
}

#[test]
fn a_start_before_zero_loses_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let source = make(
        folder.path(),
        "source.mp4",
        "-f lavfi -i testsrc2=s=64x48:r=25:d=1 -c:v libx264 -bf 2 -video_track_timescale 1000",
    );
    for name in ["out.mp4", "out.mkv", "out.ts", "out.nut"] {
        let target = folder.path().join(name);
        let early = Job { delay_ticks: -500, ..Job::default() };
        let written = early.transcode(&source, &target, &fast(VideoCodec::H264)).unwrap();
        assert_eq!(written.times[0].ticks(), -500);
        let times = seconds(&target);
        assert_eq!(times.len(), 25, "{name}: {times:?}");
        assert_spaced(&times, 0.04, name);
        assert_eq!(decode(&target).unwrap().frames.len(), 25, "{name}");
    }
}

#[test]
fn the_number_of_frames_is_known_beforehand_by_the_header_or_by_a_duration() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["source.mp4", "source.mkv", "source.ts"] {
        let source = make(folder.path(), name, "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v libx264 -bf 0");
        let demuxer = Demuxer::open(&Input::from(source), &DemuxerOptions::default()).unwrap();
        assert_eq!(demuxer.video().estimated_frames(), Some(50), "{name}");
    }
}
