//! Several encoders at once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::num::NonZeroUsize;
use std::path::Path;

use rave_core::{
    ColorSpec, Frame, FrameInfo, HostBuffer, HostFrame, Layout, Packet, PixelFormat, Rational, Sink, Stage,
    TimeBase, Timestamp, VideoInfo,
};
use rave_ffmpeg::{Container, EncoderOptions, Muxer, MuxerOptions, Quality, SoftwareEncoder, VideoCodec};
use support::{decode, fast, ffprobe};

const SIZE: (u32, u32) = (96, 64);
const SEGMENT: usize = 120;
/// Where three workers' segments start.
const STARTS: [usize; 5] = [0, 40, 120, 240, 360];

fn info() -> VideoInfo {
    VideoInfo {
        frame_rate: Rational::new(25, 1).ok(),
        ..VideoInfo::new(PixelFormat::YUV420P, SIZE, ColorSpec::BT709, TimeBase::new(1, 1000).unwrap())
    }
}

/// A texture that moves, so that frames differ and encoders use B-frames.
fn frame(number: usize, ticks: i64) -> HostFrame {
    let layout = Layout::packed(PixelFormat::YUV420P, SIZE.0, SIZE.1).unwrap();
    let mut buffer = HostBuffer::zeroed(layout.size_bytes());
    buffer.as_bytes_mut().iter_mut().enumerate().for_each(|(index, sample)| {
        let (x, y) = (index % SIZE.0 as usize + number, index / SIZE.0 as usize);
        *sample = 60 + ((x * x / 7 + y * 3) % 120) as u8;
    });
    let pts = Timestamp::new(ticks, info().time_base);
    let info = FrameInfo::new(pts);
    Frame::new(buffer, layout, ColorSpec::BT709, info).unwrap()
}

fn options(codec: VideoCodec, workers: usize) -> EncoderOptions {
    EncoderOptions { workers: NonZeroUsize::new(workers), threads: NonZeroUsize::new(2), ..fast(codec) }
}

fn encoder(options: &EncoderOptions, name: &str) -> SoftwareEncoder {
    SoftwareEncoder::new(&info(), options, &Container::from_path(name.as_ref()).unwrap()).unwrap()
}

fn encode(encoder: &mut SoftwareEncoder, times: &[i64]) -> Vec<Packet> {
    let mut packets = Vec::new();
    for (number, &ticks) in times.iter().enumerate() {
        encoder.process(frame(number, ticks), &mut |packet| packets.push(packet)).unwrap();
    }
    encoder.finish(&mut |packet| packets.push(packet)).unwrap();
    packets
}

fn constant(frames: i64) -> Vec<i64> {
    (0..frames).map(|number| 40 * number).collect()
}

/// Short and long frames in turns of half a segment, so that a segment's first frames are longer than the last one's.
fn variable(frames: i64) -> Vec<i64> {
    let length = |number: i64| if number / (SEGMENT as i64 / 2) % 2 == 0 { 700 } else { 7 };
    (0..frames)
        .scan(-300, |time, number| {
            *time += length(number);
            Some(*time)
        })
        .collect()
}

fn ticks(time: Option<Timestamp>) -> i64 {
    time.unwrap().ticks()
}

fn check_times(packets: &[Packet], times: &[i64], context: &str) {
    let mut pts: Vec<i64> = packets.iter().map(|packet| ticks(packet.pts)).collect();
    pts.sort_unstable();
    assert_eq!(pts, times, "{context}");
    let dts: Vec<i64> = packets.iter().map(|packet| ticks(packet.dts)).collect();
    assert!(dts.is_sorted_by(|a, b| a < b), "{context}: {dts:?}");
    assert!(
        packets.iter().all(|packet| ticks(packet.dts) <= ticks(packet.pts)),
        "{context}: {pts:?}, {dts:?}"
    );
}

fn write(encoder: &SoftwareEncoder, packets: Vec<Packet>, path: &Path) {
    let container = Container::from_path(path).unwrap();
    let mut muxer =
        Muxer::create(path, &container, &encoder.stream(), None, &MuxerOptions::default()).unwrap();
    packets.into_iter().for_each(|packet| muxer.write(packet).unwrap());
    muxer.finish().unwrap();
}

#[test]
fn segments_are_joined_to_one_stream_that_depends_on_the_options_alone() {
    let folder = tempfile::tempdir().unwrap();
    for codec in VideoCodec::ALL {
        for times in [constant(2 * SEGMENT as i64 + 31), variable(3 * SEGMENT as i64 + 1)] {
            let context = format!("{codec}, {} frames", times.len());
            let mut first = encoder(&options(codec, 3), "a.mkv");
            assert!(first.description().ends_with("3 workers on segments of 120 frames"), "{context}");
            let packets = encode(&mut first, &times);
            check_times(&packets, &times, &context);
            for start in STARTS.into_iter().filter(|&start| start < times.len()) {
                assert!(packets[start].is_key, "{context}: packet {start}");
                assert_eq!(ticks(packets[start].pts), times[start], "{context}: packet {start}");
            }
            assert!(packets == encode(&mut encoder(&options(codec, 3), "a.mkv"), &times), "{context}");

            let path = folder.path().join("a.mkv");
            write(&first, packets, &path);
            let decoded = decode(&path).unwrap();
            assert_eq!(decoded.ticks(), times, "{context}");
            assert_eq!(decoded.report.concealed_frames, 0, "{context}");
        }
    }
}

#[test]
fn decoding_times_are_those_of_a_single_encoder() {
    let times = constant(2 * SEGMENT as i64 + 9);
    for codec in [VideoCodec::H264, VideoCodec::Hevc] {
        for bframes in [0, 1, 3] {
            let dts = |workers| -> Vec<i64> {
                let options = EncoderOptions { bframes: Some(bframes), ..options(codec, workers) };
                let packets = encode(&mut encoder(&options, "a.mkv"), &times);
                packets.iter().map(|packet| ticks(packet.dts)).collect()
            };
            assert_eq!(dts(1), dts(2), "{codec} with {bframes} B-frames");
        }
    }
}

#[test]
fn streams_without_a_global_header_and_without_times_are_joined_too() {
    let folder = tempfile::tempdir().unwrap();
    let times = constant(SEGMENT as i64 + 40);
    for name in ["a.ts", "a.h264"] {
        let path = folder.path().join(name);
        let mut encoder = encoder(&options(VideoCodec::H264, 2), name);
        let packets = encode(&mut encoder, &times);
        write(&encoder, packets, &path);
        let frames = ffprobe(&path, "-count_frames -select_streams v -show_entries stream=nb_read_frames");
        assert_eq!(frames.first(), Some(&times.len().to_string()), "{name}");
    }
}

#[test]
fn a_stream_can_be_empty_or_shorter_than_the_delay() {
    for codec in [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1] {
        for frames in [0, 1, 2, SEGMENT as i64] {
            let times = constant(frames);
            let packets = encode(&mut encoder(&options(codec, 2), "a.mkv"), &times);
            check_times(&packets, &times, &format!("{codec}, {frames} frames"));
        }
    }
}

#[test]
fn a_stream_that_is_given_up_leaves_no_thread_behind() {
    for codec in [VideoCodec::H264, VideoCodec::Hevc, VideoCodec::Av1, VideoCodec::Vp9] {
        for frames in [0, 1, SEGMENT + 20] {
            let mut encoder = encoder(&options(codec, 2), "a.mkv");
            for number in 0..frames {
                encoder.process(frame(number, 40 * number as i64), &mut |_| ()).unwrap();
            }
        }
    }
}

#[test]
fn frames_out_of_order_and_of_another_size_are_refused() {
    let mut encoder = encoder(&options(VideoCodec::H264, 2), "a.mkv");
    encoder.process(frame(0, 40), &mut |_| ()).unwrap();
    let error = encoder.process(frame(1, 40), &mut |_| ()).unwrap_err();
    assert_eq!(error.code(), rave_core::Code::EncodeFailed, "{error}");
}

/// A texture that falls fast, so that motion reaches into rows that are not yet coded where frames overlap.
fn falling(number: usize) -> HostFrame {
    let layout = Layout::packed(PixelFormat::YUV420P, FALLING.0, FALLING.1).unwrap();
    let mut buffer = HostBuffer::zeroed(layout.size_bytes());
    buffer.as_bytes_mut().iter_mut().enumerate().for_each(|(index, sample)| {
        let (x, y) = (index % FALLING.0 as usize, index / FALLING.0 as usize + 50 * number);
        *sample = 60 + ((x * x / 7 + y * y / 11) % 120) as u8;
    });
    let pts = Timestamp::new(40 * number as i64, info().time_base);
    Frame::new(buffer, layout, ColorSpec::BT709, FrameInfo::new(pts)).unwrap()
}

const FALLING: (u32, u32) = (128, 512);

#[test]
fn shared_libx265_codes_pictures_alike_with_few_threads_and_many() {
    let info = VideoInfo { width: FALLING.0, height: FALLING.1, ..info() };
    let pictures = |threads| {
        let options = EncoderOptions { threads: NonZeroUsize::new(threads), ..options(VideoCodec::Hevc, 2) };
        let container = Container::from_path("a.mkv".as_ref()).unwrap();
        let mut encoder = SoftwareEncoder::new(&info, &options, &container).unwrap();
        let mut packets = Vec::new();
        for number in 0..SEGMENT {
            encoder.process(falling(number), &mut |packet| packets.push(packet)).unwrap();
        }
        encoder.finish(&mut |packet| packets.push(packet)).unwrap();
        // Those of the segments' starts hold the encoder's settings, too.
        packets.retain(|packet| !packet.is_key);
        packets
    };
    let (few, many) = (pictures(2), pictures(10));
    assert!(few.len() > SEGMENT / 2 && few == many);
}

#[test]
fn what_workers_hold_is_counted() {
    let held = |workers| SoftwareEncoder::frames_held(&info(), &options(VideoCodec::Hevc, workers)).unwrap();
    assert!(held(1) < held(2) && held(2) < held(4));
}

#[test]
fn the_common_presets_are_each_encoders_own() {
    let container = Container::from_path("a.mkv".as_ref()).unwrap();
    for (codec, preset, expected) in [
        (VideoCodec::H264, None, "preset medium"),
        (VideoCodec::H264, Some("p5"), "preset medium"),
        (VideoCodec::H264, Some("placebo"), "preset placebo"),
        (VideoCodec::Hevc, Some("p1"), "preset superfast"),
        (VideoCodec::Hevc, Some("p7"), "preset slower"),
        (VideoCodec::Av1, Some("p5"), "preset 8"),
        (VideoCodec::Av1, Some("p1"), "preset 12"),
        (VideoCodec::Av1, Some("11"), "preset 11"),
        (VideoCodec::Vp9, Some("p3"), "preset 4"),
    ] {
        let options = EncoderOptions { preset: preset.map(str::to_owned), ..options(codec, 1) };
        let description = SoftwareEncoder::new(&info(), &options, &container).unwrap().description();
        assert!(description.contains(expected), "{description}");
    }
}

#[test]
fn bit_rate_and_tune_reach_the_encoder_or_are_refused() {
    use std::num::NonZeroU32;
    let container = Container::from_path("a.mkv".as_ref()).unwrap();
    let rate = |kilobits_per_second| Quality::Bitrate { kilobits_per_second };
    let tuned = |codec, tune: &str| EncoderOptions { tune: Some(tune.into()), ..options(codec, 1) };
    let capped =
        |codec, quality| EncoderOptions { max_bitrate: NonZeroU32::new(500), quality, ..options(codec, 1) };
    for (options, words) in [
        (tuned(VideoCodec::H264, "film"), Ok("tune film")),
        (tuned(VideoCodec::Hevc, "grain"), Ok("tune grain")),
        (tuned(VideoCodec::Av1, "psnr"), Ok("tune psnr")),
        (tuned(VideoCodec::Hevc, "film"), Err("use one of psnr, ssim, grain")),
        (tuned(VideoCodec::Vp9, "psnr"), Err("no tunes")),
        (tuned(VideoCodec::Ffv1, "psnr"), Err("no tunes")),
        (capped(VideoCodec::H264, Quality::Default), Ok("at most 500 kbit/s")),
        (capped(VideoCodec::Hevc, rate(300)), Ok("300 kbit/s, at most 500 kbit/s")),
        (capped(VideoCodec::Av1, Quality::Crf(40.0)), Ok("at most 500 kbit/s")),
        (capped(VideoCodec::Av1, rate(300)), Err("only with constant quality")),
        (capped(VideoCodec::H264, rate(501)), Err("less than the average")),
        (capped(VideoCodec::H264, Quality::Lossless), Err("lossless")),
        (capped(VideoCodec::Ffv1, Quality::Default), Err("lossless")),
        (capped(VideoCodec::Vp9, Quality::Default), Err("no maximum")),
    ] {
        match (SoftwareEncoder::new(&info(), &options, &container), words) {
            (Ok(encoder), Ok(words)) => {
                assert!(encoder.description().contains(words), "{}", encoder.description());
            }
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (result, _) => panic!("{options:?}: {:?}", result.map(|encoder| encoder.description())),
        }
    }
}
