//! Packets with the encoder's decoding times in a container, read back by ffprobe and decoded by ffmpeg. The double gives
//! the pictures of x264 and x265 in the order in which these coded them, so that the files are real.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

#[path = "../clip/mod.rs"]
mod clip;
#[path = "../double/mod.rs"]
mod double;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use clip::{Rate, assert_times, encode, pool, video};
use double::{Coded, Double, Kind, Settings};
use rave_core::{
    FrameInfo, HostBuffer, HostFrame, Layout, Packet, PixelFormat, Sink, Stage, Timestamp, VideoInfo,
};
use rave_cuda::{Pool, Upload};
use rave_ffmpeg::{
    Container, EncodedStream, EncoderOptions, MuxSummary, Muxer, MuxerOptions, SoftwareEncoder, VideoCodec,
};
use rave_nvcodec::{NvEncoder, NvencCodec, NvencOptions};

const FRAMES: u64 = 100;

/// Groups of pictures and B-frames.
const STRUCTURES: [(u32, u32); 8] = [(1, 0), (250, 0), (12, 1), (30, 2), (10, 3), (250, 3), (25, 4), (60, 7)];

#[test]
fn ffprobe_finds_rising_decoding_times_and_the_sources_presentation_times() {
    let Some(pool) = pool() else { return };
    if Command::new("ffprobe").arg("-version").output().is_err() {
        return println!("skipped: there is no ffprobe");
    }
    for (codec, name) in
        [(VideoCodec::H264, "clip.mp4"), (VideoCodec::Hevc, "clip.mp4"), (VideoCodec::H264, "clip.ts")]
    {
        for structure in STRUCTURES {
            for rate in [Rate::Constant, Rate::Variable] {
                check_file(&pool, codec, name, structure, rate);
            }
        }
    }
}

fn check_file(pool: &Pool, codec: VideoCodec, name: &str, (gop, bframes): (u32, u32), rate: Rate) {
    let video = video(PixelFormat::NV12, (128, 72));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let container = Container::from_path(&path).unwrap();
    let what = format!("{codec} in {name}, gop {gop}, {bframes} B-frames, {rate:?}");
    let frames = moving_clip(&video, rate);
    let (stream, pictures) = code_in_software(&video, &frames, codec, &container, (gop, bframes));
    let double = replay(&frames, pictures);
    let of = if codec == VideoCodec::Hevc { NvencCodec::Hevc } else { NvencCodec::H264 };
    let options = NvencOptions { gop, bframes: Some(bframes), ..NvencOptions::new(of) };
    let mut encoder = NvEncoder::new(&double.library().unwrap(), pool, &video, &options).unwrap();
    let mut upload = Upload::new(pool, &video).unwrap();
    let packets = encode(&mut encoder, &mut upload, &frames).unwrap();
    drop(encoder);
    double.assert_clean();
    let has_b = double.pictures().iter().any(|picture| picture.kind == Kind::B);
    assert_eq!(has_b, bframes > 0, "{what}");
    assert_times(&packets, &frames, &what);
    let summary = mux(&path, &container, &stream, packets);
    check_with_ffprobe(&path, &frames, &summary, &what);
    assert_eq!(decoded_frames(&path), FRAMES as usize, "{what}");
}

/// Something that moves, so that there are B-frames.
fn moving_clip(video: &VideoInfo, rate: Rate) -> Vec<HostFrame> {
    let layout = Layout::packed(video.format, video.width, video.height).unwrap();
    let frame = |index: u64| {
        // MP4 by itself begins at zero at the earliest.
        let pts = Timestamp::new(rate.pts(index) + 1000, video.time_base);
        let info = FrameInfo { duration_ticks: Some(1), ..FrameInfo::new(pts) };
        let buffer = HostBuffer::zeroed(layout.size_bytes());
        let mut frame = HostFrame::new(buffer, layout, video.color, info).unwrap();
        for (y, row) in frame.rows_mut::<u8>(0).enumerate() {
            let wave = |x: usize| ((x * 3 + y * 2 + index as usize) % 200) as u8 + 20;
            row.iter_mut().enumerate().for_each(|(x, code)| *code = wave(x));
        }
        frame.rows_mut::<u8>(1).flatten().for_each(|code| *code = 128);
        frame
    };
    (0..FRAMES).map(frame).collect()
}

/// The same with a plane for each component, as x265 wants it.
fn planar(frame: &HostFrame) -> HostFrame {
    let (width, height) = (frame.layout().width(), frame.layout().height());
    let layout = Layout::packed(PixelFormat::YUV420P, width, height).unwrap();
    let mut buffer = HostBuffer::zeroed(layout.size_bytes());
    buffer.as_bytes_mut().fill(128);
    let mut planar = HostFrame::new(buffer, layout, frame.color(), frame.info()).unwrap();
    planar.rows_mut::<u8>(0).zip(frame.rows::<u8>(0)).for_each(|(to, from)| to.copy_from_slice(from));
    planar
}

fn code_in_software(
    video: &VideoInfo,
    frames: &[HostFrame],
    codec: VideoCodec,
    container: &Container,
    (gop, bframes): (u32, u32),
) -> (EncodedStream, Vec<Packet>) {
    let options = EncoderOptions {
        gop: Some(gop),
        bframes: Some(bframes),
        preset: Some("p2".to_owned()),
        ..EncoderOptions::new(codec)
    };
    let video = VideoInfo { format: PixelFormat::YUV420P, ..*video };
    let mut encoder = SoftwareEncoder::new(&video, &options, container).unwrap();
    let mut packets = Vec::new();
    for frame in frames {
        encoder.process(planar(frame), &mut |packet| packets.push(packet)).unwrap();
    }
    encoder.finish(&mut |packet| packets.push(packet)).unwrap();
    (encoder.stream(), packets)
}

/// A double that gives these pictures in their order.
fn replay(frames: &[HostFrame], pictures: Vec<Packet>) -> Double {
    let numbers: BTreeMap<i64, u64> =
        frames.iter().zip(0..).map(|(frame, number)| (frame.info().pts.ticks(), number)).collect();
    let (mut script, mut packets, mut latest) = (Vec::new(), BTreeMap::new(), None);
    for picture in pictures {
        let frame = numbers[&picture.pts.unwrap().ticks()];
        let kind = match (picture.is_key, latest > Some(frame)) {
            (true, _) => Kind::Idr,
            (false, true) => Kind::B,
            (false, false) => Kind::P,
        };
        latest = latest.max(Some(frame));
        script.push(Coded { frame, kind });
        packets.insert(frame, picture.data);
    }
    Double::new(Settings { script: Some(script), packets, ..Settings::default() })
}

fn mux(path: &Path, container: &Container, stream: &EncodedStream, packets: Vec<Packet>) -> MuxSummary {
    let mut muxer = Muxer::create(path, container, stream, None, &MuxerOptions::default()).unwrap();
    packets.into_iter().for_each(|packet| muxer.write(packet).unwrap());
    muxer.finish().unwrap()
}

/// Milliseconds, as the source counts them.
fn check_with_ffprobe(path: &Path, frames: &[HostFrame], summary: &MuxSummary, what: &str) {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "packet=pts_time,dts_time", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .expect("ffprobe runs");
    assert!(output.stderr.is_empty(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let millis = |text: &str| (text.parse::<f64>().unwrap() * 1000.0).round() as i64;
    let times: Vec<_> = text
        .lines()
        // Lines without are those of side data.
        .filter_map(|line| line.split_once(','))
        .map(|(pts, dts)| (millis(pts), millis(dts.trim_end_matches(','))))
        .collect();
    assert!(times.is_sorted_by(|a, b| a.1 < b.1), "{what}: {times:?}");
    assert!(times.iter().all(|(pts, dts)| dts <= pts), "{what}: {times:?}");
    let shift = summary.timestamp_shift.map_or(0, |shift| shift.ticks());
    let sent = frames.iter().map(|frame| frame.info().pts.ticks() + shift);
    let mut shown: Vec<_> = times.iter().map(|(pts, _)| *pts).collect();
    shown.sort_unstable();
    assert_eq!(shown, sent.collect::<Vec<_>>(), "{what}");
}

fn decoded_frames(path: &Path) -> usize {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).count()
}
