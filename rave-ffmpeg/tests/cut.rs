//! A part of an input: to the frame, with everything else cut alike.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::path::{Path, PathBuf};

use rave_core::{Code, CodedError, SampleType, Timestamp};
use rave_ffmpeg::{
    Demuxer, DemuxerOptions, Error, Input, StreamOutcome, TimeRange, VideoCodec, parse_time, probe,
};
use support::{Job, Written, decode, decode_each, fast, make, run, write};

fn range(start: &str, end: &str) -> DemuxerOptions {
    let time = |text: &str| (!text.is_empty()).then(|| parse_time(text).unwrap());
    DemuxerOptions { range: TimeRange { start: time(start), end: time(end) }, ..DemuxerOptions::default() }
}

fn cut(source: &Path, target: &Path, range: DemuxerOptions) -> Written {
    let job = Job { demuxer: range, ..Job::default() };
    job.transcode(source, target, &fast(VideoCodec::H264)).unwrap()
}

/// A white frame and a beep at each full second, ten seconds long.
fn flashes(folder: &Path, name: &str, rate: &str, coding: &str) -> PathBuf {
    let arguments = format!(
        "-f lavfi -i color=black:s=64x48:r={rate}:d=10,format=gray,geq=lum='if(lt(mod(T\\,1)\\,0.03)\\,235\\,16)',format=yuv420p \
         -f lavfi -i aevalsrc='if(lt(mod(t\\,1)\\,0.03)\\,sin(2*PI*1000*t)\\,0)':d=10:s=48000 {coding}"
    );
    make(folder, name, &arguments)
}

/// When the white frames are shown.
fn flash_times(path: &Path) -> Vec<f64> {
    let mut times = Vec::new();
    decode_each(path, &DemuxerOptions::default(), |frame| {
        if mean::<u8>(&frame) > 128.0 {
            times.push(frame.info().pts.seconds());
        }
    })
    .unwrap();
    times
}

fn mean<T: SampleType + Into<f64>>(frame: &rave_core::HostFrame) -> f64 {
    let rows: Vec<&[T]> = frame.rows::<T>(0).collect();
    let count = rows.iter().map(|row| row.len()).sum::<usize>() as f64;
    rows.iter().flat_map(|row| row.iter()).map(|&sample| sample.into()).sum::<f64>() / count
}

/// When the beeps begin, as a player plays them.
fn beep_times(path: &Path) -> Vec<f64> {
    const RATE: usize = 48_000;
    let arguments = format!(
        "-v error -nostdin -copyts -i file:{} -map 0:a:0 -af aresample=async=1:first_pts=0 -ac 1 -ar {RATE} -f s16le -",
        path.display()
    );
    let bytes = run("ffmpeg", &arguments, &[]);
    let samples: Vec<i16> =
        bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let mut times: Vec<f64> = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let time = index as f64 / RATE as f64;
        if sample.unsigned_abs() > 8000 && times.last().is_none_or(|last| time - last > 0.5) {
            times.push(time);
        }
    }
    times
}

#[test]
fn flashes_and_beeps_stay_together_at_both_ends() {
    let folder = tempfile::tempdir().unwrap();
    for (source, rate, coding, targets) in [
        ("a.mp4", "25", "-c:v libx264 -bf 2 -g 40 -c:a aac", ["a.mp4", "a.mkv", "a.ts"]),
        ("b.mkv", "30000/1001", "-c:v libx264 -bf 2 -g 100 -c:a libopus", ["b.mkv", "b.mp4", "b2.mkv"]),
        ("c.ts", "25", "-c:v libx264 -bf 2 -g 30 -c:a mp2", ["c.ts", "c.mp4", "c.mkv"]),
        ("d.mov", "24", "-c:v mpeg4 -c:a pcm_s16le", ["d.mov", "d.mkv", "d2.mkv"]),
    ] {
        let source = flashes(folder.path(), &format!("source-{source}"), rate, coding);
        for target in targets {
            let target = folder.path().join(format!("out-{target}"));
            let written = cut(&source, &target, range("2.52", "7.3"));
            let (flashes, beeps) = (flash_times(&target), beep_times(&target));
            let label = format!("{} -> {}: {flashes:?} {beeps:?}", source.display(), target.display());
            assert_eq!(flashes.len(), 5, "{label}");
            assert!(beeps.len() >= 5, "{label}");
            for (flash, beep) in flashes.iter().zip(&beeps) {
                // Half a frame of 30 Hz.
                assert!((flash - beep).abs() < 0.0167, "{label}");
            }
            let first = written.times.first().unwrap().seconds() - origin(&source);
            let last = written.times.last().unwrap().seconds() - origin(&source);
            assert!(
                (2.52..2.562).contains(&first) && (7.258..7.3).contains(&last),
                "{first} {last}: {label}"
            );
            assert_eq!(decode(&target).unwrap().frames.len(), written.times.len(), "{label}");
        }
    }
}

/// When the earliest stream starts.
fn origin(path: &Path) -> f64 {
    let streams = probe(&Input::from(path)).unwrap().streams;
    streams.iter().filter_map(|stream| stream.start).map(Timestamp::seconds).fold(f64::INFINITY, f64::min)
}

#[test]
fn every_start_gives_the_frames_from_there_on() {
    let folder = tempfile::tempdir().unwrap();
    for (name, coding) in [
        ("a.mp4", "-c:v libx264 -bf 3 -g 17"),
        ("b.mkv", "-c:v libx264 -bf 3 -g 17 -x264-params open-gop=1"),
        ("c.ts", "-c:v libx264 -bf 3 -g 17 -x264-params open-gop=1"),
        ("d.ts", "-c:v mpeg2video -bf 2 -g 12"),
        ("e.avi", "-c:v mpeg4 -g 10"),
        ("g.264", "-c:v libx264 -bf 3 -g 17"),
        ("f.webm", "-c:v libvpx-vp9 -g 20 -deadline realtime -cpu-used 8"),
    ] {
        let arguments = format!("-f lavfi -i testsrc2=s=64x48:r=25:d=4 {coding}");
        let source = make(folder.path(), name, &arguments);
        let all = decode(&source).unwrap();
        let origin = all.frames[0].info().pts.seconds();
        for (start, end) in [("0", "0.5"), ("0.04", "1"), ("1.2", "1.24"), ("2.02", ""), ("3.9", "")] {
            let mut frames = Vec::new();
            let report = decode_each(&source, &range(start, end), |frame| frames.push(frame)).unwrap();
            let within = |frame: &&rave_core::HostFrame| {
                let seconds = frame.info().pts.seconds() - origin;
                let limit = |text: &str, default: f64| text.parse::<f64>().unwrap_or(default);
                // Half a millisecond for containers that round to one.
                seconds > limit(start, 0.0) - 5e-4 && seconds < limit(end, 1e9) - 5e-4
            };
            let expected: Vec<&rave_core::HostFrame> = all.frames.iter().filter(within).collect();
            assert_eq!(frames.len(), expected.len(), "{name} from {start} to {end}");
            for (found, expected) in frames.iter().zip(expected) {
                assert_eq!(found.info().pts, expected.info().pts, "{name} from {start}");
                assert!(support::samples(found) == support::samples(expected), "{name} from {start}");
            }
            assert_eq!((report.concealed_frames, report.corrupt_packets), (0, 0), "{name} from {start}");
        }
    }
}

#[test]
fn chapters_and_texts_are_cut_with_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let words = "1\n00:00:00,500 --> 00:00:03,000\nLong\n\n2\n00:00:03,500 --> 00:00:09,000\nEnd\n\n\
        3\n00:00:09,100 --> 00:00:09,500\nGone\n";
    std::fs::write(folder.path().join("words.srt"), words).unwrap();
    let chapters = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=A\n\
        [CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=4000\ntitle=B\n\
        [CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=10000\ntitle=C\n";
    std::fs::write(folder.path().join("chapters.txt"), chapters).unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let arguments = format!(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=10 -i {} -i {} -map 0 -map 1 -map_chapters 2 -c:v libx264 -c:s srt",
        at("words.srt"),
        at("chapters.txt")
    );
    let source = make(folder.path(), "source.mkv", &arguments);
    let target = folder.path().join("out.mkv");
    cut(&source, &target, range("2", "5"));
    let media = probe(&Input::from(&*target)).unwrap();
    let spans: Vec<_> = media
        .chapters
        .iter()
        .map(|chapter| (chapter.start.seconds(), chapter.end.seconds(), chapter.title.clone().unwrap()))
        .collect();
    assert_eq!(spans, [(0.0, 2.0, "B".to_owned()), (2.0, 3.0, "C".to_owned())]);
    let output = run("ffmpeg", &format!("-v error -nostdin -i {} -map 0:s -f srt -", target.display()), &[]);
    let text = String::from_utf8(output).unwrap();
    assert!(text.contains("00:00:00,000 --> 00:00:01,000\nLong"), "{text}");
    assert!(text.contains("00:00:01,500 --> 00:00:03,000\nEnd"), "{text}");
    assert!(!text.contains("Gone"), "{text}");
}

#[test]
fn a_range_that_holds_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let source = make(folder.path(), "a.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v libx264");
    for (start, end) in [("3", ""), ("1", "1"), ("1", "0.5"), ("", "0")] {
        let error = Demuxer::open(&Input::from(&*source), &range(start, end)).err().unwrap();
        assert!(matches!(error, Error::InputOption { .. }), "{error}");
        assert_eq!(error.code(), Code::OptionInvalid);
    }
    let between = decode_each(&source, &range("1.001", "1.002"), |_| {}).unwrap_err();
    assert!(between.to_string().contains("no frame is shown"), "{between}");
}

/// Presentation time in milliseconds and sum of each frame of the second video of a Matroska file.
fn second_video(path: &Path) -> Vec<(i64, String)> {
    let arguments = format!(
        "-v quiet -nostdin -i file:{} -map 0:v:1 -vsync passthrough -f framemd5 -enc_time_base 1/1000 -",
        path.display()
    );
    let text = String::from_utf8(run("ffmpeg", &arguments, &[])).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(',').map(str::trim).collect();
        (cells[2].parse().unwrap(), cells[5].to_owned())
    })
    .collect()
}

#[test]
fn a_copied_video_keeps_its_times_and_every_picture_that_its_pictures_refer_to() {
    let folder = tempfile::tempdir().unwrap();
    // The second video is copied. It has B-pictures that refer to B-pictures, open groups, and in Matroska no decoding times.
    let source = make(
        folder.path(),
        "two.mkv",
        "-f lavfi -i testsrc2=s=128x96:r=25:d=4 -f lavfi -i testsrc2=s=64x48:r=25:d=4 -map 0 -map 1 -c:v libx264 -preset fast \
         -g 25 -bf 3 -x264-params open-gop=1:b-pyramid=normal:scenecut=0",
    );
    let whole = second_video(&source);
    for (start, end) in [("", ""), ("", "1.0"), ("", "1.04"), ("", "1.08"), ("0.5", "2.12"), ("0.9", "3.3")] {
        let target = folder.path().join("cut.mkv");
        cut(&source, &target, range(start, end));
        let part = second_video(&target);
        let find = |sum: &str| whole.iter().find(|(_, other)| other == sum).map(|(time, _)| *time);
        let shift = find(&part[0].1).unwrap() - part[0].0;
        for (time, sum) in &part {
            assert_eq!(find(sum), Some(time + shift), "{start} to {end}");
        }
        let end_millis = parse_time(if end.is_empty() { "10" } else { end }).unwrap().seconds() * 1000.0;
        let wanted = |time: i64| time >= part[0].0 + shift && (time as f64) < end_millis - 0.5;
        let missing =
            whole.iter().filter(|(time, sum)| wanted(*time) && part.iter().all(|(_, is)| is != sum));
        assert_eq!(missing.count(), 0, "{start} to {end}");
    }
}

/// The index in the output of each stream of the source, or why it has none.
fn came(written: &Written) -> Vec<Result<usize, &str>> {
    let streams = written.summary.streams.iter();
    let came = streams.map(|stream| match &stream.outcome {
        StreamOutcome::Encoded { output_index }
        | StreamOutcome::Copied { output_index }
        | StreamOutcome::Converted { output_index, .. } => Ok(*output_index),
        StreamOutcome::Dropped { reason } => Err(reason.as_str()),
    });
    came.collect()
}

#[test]
fn a_copied_stream_without_a_packet_in_the_range_is_where_the_report_says() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("early.srt"), "1\n00:00:00,200 --> 00:00:00,400\nEarly\n").unwrap();
    // The first video is copied and has one key frame; a sound and a text are over before the range begins.
    let arguments = format!(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -f lavfi -i testsrc2=s=128x96:r=25:d=4 -f lavfi -i sine=d=0.5 \
         -f lavfi -i sine=d=4 -i {} -map 0 -map 2 -map 1 -map 4 -map 3 -c:v libx264 -g 200 -c:a aac -c:s srt -disposition:v:0 0 -disposition:v:1 default",
        folder.path().join("early.srt").display()
    );
    let source = make(folder.path(), "source.mkv", &arguments);
    let gone = Err("it has no packet in this part of the source");
    for (name, expected, codecs) in [
        ("out.mp4", vec![gone, gone, Ok(0), Ok(1), Ok(2)], "h264 mov_text aac"),
        ("out.mov", vec![gone, gone, Ok(0), Ok(1), Ok(2)], "h264 mov_text aac"),
        ("out.mkv", vec![Ok(0), Ok(1), Ok(2), Ok(3), Ok(4)], "h264 aac h264 subrip aac"),
    ] {
        let target = folder.path().join(name);
        let written = cut(&source, &target, range("2", "2.4"));
        assert_eq!(came(&written), expected, "{name}");
        let streams = probe(&Input::from(&*target)).unwrap().streams;
        let found: Vec<_> = streams.iter().filter_map(|stream| stream.codec.as_deref()).collect();
        assert_eq!(found.join(" "), codecs, "{name}");
    }
}

#[test]
fn a_stream_that_holds_nothing_is_left_out_of_mp4() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "-f lavfi -i testsrc2=s=128x96:r=25:d=0.4 -f lavfi -i sine=d=0.4 -map 1 -map 0 -map 1 -c:v libx264 \
        -c:a aac -bsf:a:0 noise=drop=1";
    let source = make(folder.path(), "source.mkv", arguments);
    let target = folder.path().join("out.mp4");
    let written = write(&source, &target, VideoCodec::H264);
    assert_eq!(came(&written), [Err("it has no packet"), Ok(0), Ok(1)]);
    assert_eq!(probe(&Input::from(&*target)).unwrap().streams.len(), 2);
}

#[test]
fn a_copied_video_that_begins_without_a_key_frame_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let second = make(
        folder.path(),
        "begun.ts",
        "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v mpeg2video -g 12 -bf 2 -bsf:v noise=drop='lt(n,5)'",
    );
    let source = make(
        folder.path(),
        "two.ts",
        &format!(
            "-f lavfi -i testsrc2=s=128x96:r=25:d=2 -i file:{} -map 0 -map 1 -c:v:0 libx264 -c:v:1 copy -copyinkf",
            second.display()
        ),
    );
    let packets = |path: &Path| support::ffprobe(path, "-select_streams v:1 -show_entries packet=size");
    let target = folder.path().join("whole.mkv");
    cut(&source, &target, range("", ""));
    assert!(packets(&source).len() > 40);
    assert_eq!(packets(&target).len(), packets(&source).len());
}
