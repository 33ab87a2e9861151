//! Decode, encode and mux: times, other streams, tags, and what a container cannot hold.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::path::{Path, PathBuf};

use rave_core::{Code, CodedError, PixelFormat, Timestamp};
use rave_ffmpeg::{
    EncoderOptions, Incompatible, Input, MuxerOptions, Quality, VideoCodec, read_video_timestamps,
};
use support::{Written, audio_times, decode, fast, ffmpeg, ffprobe, make, samples, transcode, write};

/// The times that the output has to have: the source's, shifted if the summary says so, in the output's time base.
fn expected(written: &Written, output: &[Timestamp]) -> Vec<Timestamp> {
    let shift = written.summary.timestamp_shift;
    let time_base = output[0].time_base();
    let shifted = |time: &Timestamp| match shift {
        Some(shift) => time.plus_ticks(shift.rescale(time.time_base()).ticks()).rescale(time_base),
        None => time.rescale(time_base),
    };
    written.times.iter().map(shifted).collect()
}

fn assert_times_kept(source: &Path, target: &Path, codec: VideoCodec) -> Written {
    let written = write(source, target, codec);
    let output = read_video_timestamps(target, None).unwrap();
    assert_eq!(output, expected(&written, &output), "{}", target.display());
    assert_eq!(written.summary.video_packets, written.times.len() as u64);
    assert_eq!(written.summary.bytes, std::fs::metadata(target).unwrap().len());
    written
}

/// Ten frames at 0, 1, 4, 9, .. 81 times 10 ms: no two gaps alike.
fn variable_rate(folder: &Path) -> PathBuf {
    make(
        folder,
        "vfr.mkv",
        "-f lavfi -i testsrc2=s=64x64:r=25:d=0.4 -vf settb=1/1000,setpts=N*N*10 -fps_mode passthrough \
         -enc_time_base 1/1000 -c:v libx264 -bf 2",
    )
}

#[test]
fn uneven_times_are_kept_in_every_container() {
    let folder = tempfile::tempdir().unwrap();
    let source = variable_rate(folder.path());
    let times = read_video_timestamps(&source, None).unwrap();
    let ticks: Vec<i64> = times.iter().map(|time| time.ticks()).collect();
    assert_eq!(ticks, [0, 10, 40, 90, 160, 250, 360, 490, 640, 810]);
    for (name, codec) in [
        ("a.mp4", VideoCodec::H264),
        ("b.mp4", VideoCodec::Hevc),
        ("c.mp4", VideoCodec::Av1),
        ("a.mov", VideoCodec::Hevc),
        ("a.mkv", VideoCodec::H264),
        ("b.mkv", VideoCodec::Ffv1),
        ("c.mkv", VideoCodec::Hevc),
        ("a.webm", VideoCodec::Av1),
        ("b.webm", VideoCodec::Vp9),
        ("a.ts", VideoCodec::H264),
        ("b.ts", VideoCodec::Hevc),
        ("a.m2ts", VideoCodec::H264),
        ("a.nut", VideoCodec::H264),
        ("a.ivf", VideoCodec::Av1),
    ] {
        assert_times_kept(&source, &folder.path().join(name), codec);
    }
}

#[test]
fn mp4_times_are_exact_for_fractional_rates_and_late_starts() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rate, start) in
        [("ntsc", "30000/1001", "0"), ("film", "24000/1001", "1.5"), ("pal", "25", "8.36")]
    {
        let arguments = format!(
            "-f lavfi -i testsrc2=s=64x48:r={rate}:d=0.5 -f lavfi -i sine=d=0.5 -output_ts_offset {start} \
             -c:v libx264 -bf 2 -c:a aac"
        );
        let source = make(folder.path(), &format!("{name}.mp4"), &arguments);
        let target = folder.path().join(format!("{name}-out.mp4"));
        let written = assert_times_kept(&source, &target, VideoCodec::H264);
        let output = read_video_timestamps(&target, None).unwrap();
        assert_eq!(output, written.times, "{name}: without rounding");
        assert_eq!(written.summary.timestamp_shift, None);
        assert_eq!(audio_times(&source), audio_times(&target), "{name}");
    }
}

#[test]
fn a_broadcast_clock_starts_at_zero_and_sound_stays_with_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.5 -f lavfi -i sine=d=0.5 -output_ts_offset 5000 \
                     -c:v libx264 -bf 2 -c:a mp2 -f mpegts";
    let source = make(folder.path(), "source.ts", arguments);
    for name in ["out.mp4", "out.mkv"] {
        let target = folder.path().join(name);
        let written = assert_times_kept(&source, &target, VideoCodec::H264);
        let shift = written.summary.timestamp_shift.unwrap().seconds();
        assert!((-5002.0..-5000.0).contains(&shift), "{name}: {shift}");
        assert_same_offset(&source, &target);
    }
    let target = folder.path().join("out.ts");
    let written = assert_times_kept(&source, &target, VideoCodec::H264);
    assert_eq!(written.summary.timestamp_shift, None);
    assert_same_offset(&source, &target);
}

/// The distance of the first sound from the first picture, to a millisecond: the coarsest container's unit.
fn assert_same_offset(source: &Path, target: &Path) {
    let offset = |path: &Path| {
        let first = |stream: &str| -> f64 {
            let entries = format!("-select_streams {stream} -show_entries packet=pts_time");
            let times = ffprobe(path, &entries);
            times.iter().map(|time| time.parse::<f64>().unwrap()).fold(f64::INFINITY, f64::min)
        };
        first("a") - first("v")
    };
    let (before, after) = (offset(source), offset(target));
    assert!((before - after).abs() <= 0.001, "{}: {before} became {after}", target.display());
}

#[test]
fn an_edit_list_is_honoured_once() {
    let folder = tempfile::tempdir().unwrap();
    let whole = make(folder.path(), "whole.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -c:v libx264 -g 50");
    let source = folder.path().join("cut.mp4");
    ffmpeg(&format!("-ss 0.6 -i {} -c copy", whole.display()), &[source.as_os_str()]);
    let decoded = decode(&source).unwrap();
    assert!(decoded.report.discarded_by_edit_list > 0);
    let target = folder.path().join("out.mp4");
    let written = assert_times_kept(&source, &target, VideoCodec::H264);
    assert_eq!(read_video_timestamps(&source, None).unwrap(), written.times);
    assert_eq!(decode(&target).unwrap().frames.len(), decoded.frames.len());
}

#[test]
fn raw_streams_hold_the_frames_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let source = variable_rate(folder.path());
    for (name, codec) in
        [("a.264", VideoCodec::H264), ("a.265", VideoCodec::Hevc), ("a.obu", VideoCodec::Av1)]
    {
        let target = folder.path().join(name);
        write(&source, &target, codec);
        assert_eq!(decode(&target).unwrap().frames.len(), 10, "{name}");
        assert_eq!(read_video_timestamps(&target, None).unwrap().len(), 10, "{name}");
    }
}

#[test]
fn lossless_encoders_give_back_every_sample() {
    let folder = tempfile::tempdir().unwrap();
    for (name, codec, format) in [
        ("a.mkv", VideoCodec::Ffv1, "yuv422p10le"),
        ("b.mkv", VideoCodec::Ffv1, "gbrp10le"),
        ("c.mkv", VideoCodec::Ffv1, "gray"),
        ("d.mkv", VideoCodec::H264, "yuv420p"),
        ("e.mkv", VideoCodec::H264, "yuv444p10le"),
        ("f.mkv", VideoCodec::Hevc, "yuv420p10le"),
        ("g.mkv", VideoCodec::Vp9, "yuv420p"),
        ("h.mkv", VideoCodec::Ffv1, "yuv420p16le"),
    ] {
        let arguments = format!("-f lavfi -i testsrc2=s=66x50:d=0.2 -c:v ffv1 -pix_fmt {format}");
        let source = make(folder.path(), "source.nut", &arguments);
        let target = folder.path().join(name);
        let options = EncoderOptions { quality: Quality::Lossless, ..fast(codec) };
        transcode(&source, &target, &options, &MuxerOptions::default()).unwrap();
        let (before, after) = (decode(&source).unwrap(), decode(&target).unwrap());
        assert_eq!(before.frames.len(), after.frames.len());
        for (before, after) in before.frames.iter().zip(&after.frames) {
            assert_eq!(before.layout().format(), after.layout().format(), "{name}");
            assert!(samples(before) == samples(after), "{name}");
        }
    }
}

#[test]
fn av1_of_every_size_and_subsampling_has_an_encoder() {
    let folder = tempfile::tempdir().unwrap();
    for (name, size, format) in
        [("a", "64x64", "yuv420p"), ("b", "33x17", "yuv420p"), ("c", "64x64", "yuv444p10le")]
    {
        let arguments = format!("-f lavfi -i testsrc2=s={size}:d=0.12 -c:v ffv1 -pix_fmt {format}");
        let source = make(folder.path(), "source.mkv", &arguments);
        let target = folder.path().join(format!("{name}.mp4"));
        let options = EncoderOptions { preset: Some("8".to_owned()), ..EncoderOptions::new(VideoCodec::Av1) };
        transcode(&source, &target, &options, &MuxerOptions::default()).unwrap();
        let decoded = decode(&target).unwrap();
        assert_eq!(decoded.frames.len(), 3);
        assert_eq!(decoded.frames[0].layout().format().to_string(), format, "{size}");
    }
}

#[test]
fn colour_aspect_rotation_and_hdr_metadata_reach_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "-f lavfi -i testsrc2=s=64x64:d=0.2 -vf setsar=4/3 -c:v libx265 -pix_fmt yuv420p10le \
        -colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084 -color_range tv -tag:v hvc1 -x265-params \
        log-level=none:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400";
    let upright = make(folder.path(), "upright.mp4", arguments);
    let source = folder.path().join("source.mp4");
    let turned = format!("-i {} -c copy -metadata:s:v rotate=90", upright.display());
    ffmpeg(&turned, &[source.as_os_str()]);
    let before = described(&source);
    assert_eq!(before.2.map(|display| display.max_luminance), Some(10_000_000));
    assert_eq!(before.3.map(|light| (light.max_content, light.max_frame_average)), Some((1000, 400)));
    for (name, codec) in [
        ("a.mp4", VideoCodec::Hevc),
        ("b.mp4", VideoCodec::Av1),
        ("c.mkv", VideoCodec::Hevc),
        ("d.mkv", VideoCodec::H264),
        ("e.mkv", VideoCodec::Ffv1),
        ("f.mov", VideoCodec::Hevc),
    ] {
        let target = folder.path().join(name);
        let drop = MuxerOptions { incompatible: Incompatible::Drop, ..MuxerOptions::default() };
        transcode(&source, &target, &fast(codec), &drop).unwrap();
        let mut after = described(&target);
        let mut expected = before;
        // Matroska has no matrix; a siting is only in some codecs.
        if name.ends_with("mkv") {
            (expected.4, after.4) = (None, None);
        }
        (expected.0.siting, after.0.siting) = Default::default();
        assert_eq!(after, expected, "{name}");
        if name.ends_with("mp4") || name.ends_with("mov") {
            let tag = ffprobe(&target, "-select_streams v -show_entries stream=codec_tag_string");
            assert!(codec != VideoCodec::Hevc || tag == ["hvc1"], "{tag:?}");
        }
    }
}

#[test]
fn a_container_that_would_lose_the_rotation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let upright = make(folder.path(), "upright.mp4", "-f lavfi -i testsrc2=s=64x48:d=0.2 -c:v libx264");
    let source = folder.path().join("source.mp4");
    ffmpeg(&format!("-i {} -c copy -metadata:s:v rotate=90", upright.display()), &[source.as_os_str()]);
    let target = folder.path().join("out.ts");
    let refused = transcode(&source, &target, &fast(VideoCodec::H264), &MuxerOptions::default());
    let error = refused.err().expect("a transport stream has no display matrix");
    assert_eq!(error.code(), Code::StreamIncompatible);
    assert!(error.to_string().contains("rotation"), "{error}");
    let target = folder.path().join("out.mkv");
    match transcode(&source, &target, &fast(VideoCodec::H264), &MuxerOptions::default()) {
        // Releases before 7 do not write it.
        Err(error) => assert_eq!(error.code(), Code::StreamIncompatible),
        Ok(_) => assert_eq!(described(&source).4, described(&target).4),
    }
}

type Described = (
    rave_core::ColorSpec,
    Option<rave_core::Rational>,
    Option<rave_core::MasteringDisplay>,
    Option<rave_core::ContentLight>,
    Option<[i32; 9]>,
);

fn described(path: &Path) -> Described {
    let options = rave_ffmpeg::DemuxerOptions::default();
    let demuxer = rave_ffmpeg::Demuxer::open(&Input::from(path), &options).unwrap();
    let info = demuxer.video().info();
    (info.color, info.sample_aspect_ratio, info.mastering_display, info.content_light, info.display_matrix)
}

#[test]
fn a_full_disk_is_an_error_that_says_so() {
    if !Path::new("/dev/full").exists() {
        println!("skipped: there is no /dev/full");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = variable_rate(folder.path());
    for name in ["full.mkv", "full.264", "full.ts", "full.mp4"] {
        let target = folder.path().join(name);
        std::os::unix::fs::symlink("/dev/full", &target).unwrap();
        let error = transcode(&source, &target, &fast(VideoCodec::H264), &MuxerOptions::default()).err();
        assert_eq!(error.map(|error| error.code()), Some(Code::DiskFull), "{name}");
    }
}

#[test]
fn a_folder_that_is_not_there_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let source = variable_rate(folder.path());
    let target = folder.path().join("missing/out.mkv");
    let error = transcode(&source, &target, &fast(VideoCodec::H264), &MuxerOptions::default()).err().unwrap();
    assert_eq!(error.code(), Code::OutputUnwritable, "{error}");
}

#[test]
fn options_that_an_encoder_does_not_have_are_refused() {
    use rave_ffmpeg::{Container, EncoderChoice, SoftwareEncoder};
    let folder = tempfile::tempdir().unwrap();
    let source = variable_rate(folder.path());
    let demuxer = rave_ffmpeg::Demuxer::open(&Input::from(&*source), &Default::default()).unwrap();
    let info = *demuxer.video().info();
    let container = Container::from_path("a.mkv".as_ref()).unwrap();
    let base = |codec| EncoderOptions { preset: None, ..EncoderOptions::new(codec) };
    for (options, words) in [
        (EncoderOptions { quality: Quality::Crf(f32::NAN), ..base(VideoCodec::H264) }, "crf"),
        (EncoderOptions { quality: Quality::Crf(-1.0), ..base(VideoCodec::Hevc) }, "from 0 to 51"),
        (EncoderOptions { quality: Quality::Crf(20.5), ..base(VideoCodec::Av1) }, "whole"),
        (EncoderOptions { quality: Quality::Crf(20.0), ..base(VideoCodec::Ffv1) }, "constant quality"),
        (EncoderOptions { quality: Quality::Lossless, ..base(VideoCodec::Av1) }, "lossless"),
        (EncoderOptions { preset: Some("quick".to_owned()), ..base(VideoCodec::H264) }, "ultrafast"),
        (EncoderOptions { preset: Some("fast".to_owned()), ..base(VideoCodec::Av1) }, "numbers"),
        (EncoderOptions { preset: Some("fast".to_owned()), ..base(VideoCodec::Ffv1) }, "no presets"),
        (EncoderOptions { bframes: Some(2), ..base(VideoCodec::Av1) }, "B-frames"),
        (
            EncoderOptions { encoder: EncoderChoice::Named("libx265".into()), ..base(VideoCodec::H264) },
            "hevc",
        ),
        (EncoderOptions { pixel_format: Some(PixelFormat::P016), ..base(VideoCodec::H264) }, "p016le"),
    ] {
        let made = SoftwareEncoder::pixel_format(&info, &options).and_then(|(format, _)| {
            let info = rave_core::VideoInfo { format, ..info };
            SoftwareEncoder::new(&info, &options, &container)
        });
        let error = made.err().unwrap_or_else(|| panic!("{options:?} is accepted"));
        assert_eq!(error.code(), Code::EncoderOptions, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    for (name, words) in [
        ("libnothing", "encoder libnothing is not part of this build of FFmpeg: use auto"),
        ("prores_ks", "encoder prores_ks encodes prores, which cannot be written: use auto"),
        ("aac", "encoder aac encodes aac, which cannot be written: use auto"),
    ] {
        let named = EncoderOptions { encoder: EncoderChoice::Named(name.into()), ..base(VideoCodec::H264) };
        let error = SoftwareEncoder::pixel_format(&info, &named).unwrap_err();
        assert_eq!(error.code(), Code::EncoderMissing);
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("libx265") && !text.contains("h264"), "{text}");
    }
    let nvenc = EncoderOptions { encoder: EncoderChoice::Nvenc, ..base(VideoCodec::H264) };
    let error = SoftwareEncoder::pixel_format(&info, &nvenc).unwrap_err();
    assert!(error.to_string().contains("GPU memory"), "{error}");
    let webm = Container::from_path("a.webm".as_ref()).unwrap();
    let error = SoftwareEncoder::new(&info, &base(VideoCodec::H264), &webm).err().unwrap();
    assert_eq!(error.code(), Code::StreamIncompatible);
}
