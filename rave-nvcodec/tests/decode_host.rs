//! What decoding rests on, without a GPU: damaged streams on their way to the parser, and going on in software.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "media/mod.rs"]
mod media;

use std::path::{Path, PathBuf};
use std::process::Command;

use media::{Clip, codes, damaged, digest, filter, run};
use rave_core::{HostFrame, Packet, Stage};
use rave_ffmpeg::SoftwareDecoder;
use rave_nvcodec::{GopSplitter, RandomAccess, Replay, SplitOptions};

/// A clip of 50 frames, made by `ffmpeg`; `None`, with the reason printed, if it lacks the encoder.
fn make(folder: &Path, name: &str, encoder: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    let source = "-v error -nostdin -y -f lavfi -i testsrc2=size=128x96:rate=25:duration=2 -pix_fmt yuv420p";
    let arguments = source.split(' ').chain(encoder.split(' '));
    let output = Command::new("ffmpeg").args(arguments).arg(&path).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    if words.contains("Unknown encoder") {
        println!("skipped: {}", words.trim());
        return None;
    }
    assert!(output.status.success(), "ffmpeg {encoder}: {words}");
    Some(path)
}

const ENCODERS: [(&str, &str); 8] = [
    ("h264.mp4", "-c:v libx264 -g 10 -bf 2"),
    ("h264.ts", "-c:v libx264 -g 10 -bf 2"),
    ("hevc.mp4", "-c:v libx265 -x265-params log-level=none:keyint=10:open-gop=1"),
    ("vp9.webm", "-c:v libvpx-vp9 -deadline realtime -g 10"),
    ("av1.mkv", "-c:v libsvtav1 -preset 12 -g 10"),
    ("mpeg4.avi", "-c:v mpeg4 -g 10 -bf 2"),
    ("mpeg2.ts", "-c:v mpeg2video -g 10 -bf 2"),
    ("mjpeg.mkv", "-c:v mjpeg -pix_fmt yuvj420p"),
];

#[test]
fn damaged_streams_pass_filter_and_splitter() {
    const VARIANTS: u64 = 200;
    let folder = tempfile::tempdir().unwrap();
    for (name, encoder) in ENCODERS {
        let Some(path) = make(folder.path(), name, encoder) else { continue };
        let clip = Clip::open(&path).unwrap();
        let video = clip.coded().unwrap();
        let mut corrupt = 0;
        for seed in 0..VARIANTS {
            let packets = filter(&clip.stream, &damaged(&clip.packets, seed));
            corrupt += packets.iter().filter(|packet| packet.is_corrupt).count();
            let Some(codec) = video.codec.stream_codec() else { continue };
            let options = SplitOptions { sessions: 3, min_segment_packets: 1 };
            let mut splitter = GopSplitter::new(codec, options).unwrap();
            damaged(&packets, seed + VARIANTS).into_iter().for_each(|packet| drop(splitter.route(packet)));
        }
        println!("{name}: {corrupt} packets could not be filtered");
    }
}

#[test]
fn packets_of_mp4_become_those_of_annex_b() {
    let folder = tempfile::tempdir().unwrap();
    for (name, encoder) in &ENCODERS[..3] {
        let Some(path) = make(folder.path(), name, encoder) else { continue };
        let clip = Clip::open(&path).unwrap();
        let video = clip.coded().unwrap();
        let codec = video.codec.stream_codec().unwrap();
        let packets = clip.filtered();
        assert_eq!(packets.len(), clip.packets.len());
        for (packet, original) in packets.iter().zip(&clip.packets) {
            assert!(packet.data.starts_with(&[0, 0, 1]) || packet.data.starts_with(&[0, 0, 0, 1]), "{name}");
            assert_eq!(
                (packet.pts, packet.dts, packet.is_key),
                (original.pts, original.dts, original.is_key)
            );
            assert_eq!(codec.random_access(&packet.data) != RandomAccess::None, packet.is_key, "{name}");
        }
        let in_container = name.ends_with("mp4");
        assert!(!in_container || video.extradata.starts_with(&[0, 0, 0, 1]), "{name}");
    }
}

/// Decodes as if the decoder broke after so many packets and frames, and goes on with another one.
fn with_a_break(clip: &Clip, packets: usize, frames: usize) -> Vec<HostFrame> {
    let options = rave_ffmpeg::DecoderOptions::default();
    let mut replay = Replay::new();
    let mut shown = Vec::new();
    let mut decoder = SoftwareDecoder::new(&clip.stream, &options).unwrap();
    for packet in &clip.packets[..packets] {
        replay.push(packet);
        let mut keep = |frame: HostFrame| {
            if shown.len() < frames {
                replay.shown(&frame.info());
                shown.push(frame);
            }
        };
        decoder.process(packet.clone(), &mut keep).unwrap();
    }
    let mut resume = replay.resume().unwrap();
    let rest: Vec<Packet> = resume.packets().iter().chain(&clip.packets[packets..]).cloned().collect();
    let mut decoder = SoftwareDecoder::new(&clip.stream, &options).unwrap();
    shown.extend(run(&mut decoder, rest).unwrap().into_iter().filter(|frame| resume.is_new(&frame.info())));
    shown
}

#[test]
fn a_decoder_that_breaks_is_followed_by_another_without_a_frame_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    for (name, encoder) in &ENCODERS[..3] {
        let Some(path) = make(folder.path(), name, encoder) else { continue };
        let clip = Clip::open(&path).unwrap();
        let all = |frames: &[HostFrame]| -> Vec<u64> {
            frames.iter().map(|frame| digest(&codes(frame), frame.info().pts)).collect()
        };
        let whole = all(&clip.software().unwrap());
        assert_eq!(whole.len(), 50);
        for packets in [0_usize, 1, 2, 9, 10, 11, 12, 13, 25, 31, 49, 50] {
            for frames in [packets, packets.saturating_sub(3), packets.saturating_sub(8)] {
                let parts = all(&with_a_break(&clip, packets, frames));
                assert!(
                    parts == whole,
                    "{name} after {packets} packets and {frames} frames: {}",
                    parts.len()
                );
            }
        }
    }
}
