//! Encoding on a GPU. NVENC is a conformance double (tests/double), since the GPUs at hand have none; frames, memory and
//! streams are the GPU's. What there is of the real NVENC is asked.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

#[path = "encode_device/breaches.rs"]
mod breaches;
mod clip;
mod double;
#[path = "encode_device/failures.rs"]
mod failures;
#[path = "encode_device/limits.rs"]
mod limits;
#[path = "encode_device/options.rs"]
mod options;

use clip::{Rate, assert_times, clip, encode, pool, refusal, video};
use double::{Double, Kind, Mode, Settings, digest};
use rave_core::{
    Code, CodedError, ColorSpec, ContentLight, HostFrame, MasteringDisplay, Packet, PixelFormat, Range,
    Rational, Siting, Stage, VideoInfo,
};
use rave_cuda::{Pool, Upload};
use rave_nvcodec::sys::nvenc::{self, Caps, Guid, Status};
use rave_nvcodec::{
    EncodeError, EncoderCapabilities, NvEncoder, NvencBReferences, NvencCodec, NvencLibrary, NvencMultiPass,
    NvencOptions, NvencParameterSets, NvencPreset, NvencRateControl, NvencSpatialAq, NvencSwitch,
    NvencTuning, RandomAccess, StreamCodec,
};

const SIZE: (u32, u32) = (66, 34);
/// How the end of a picture is told: on Linux, and on Windows.
const MODES: [Mode; 2] = [Mode::Lock, Mode::Event];

/// Encodes with a double and checks that it holds by the rules and that each frame arrived as it was sent.
fn encode_clip(
    pool: &Pool,
    double: &Double,
    video: &VideoInfo,
    options: &NvencOptions,
    frames: &[HostFrame],
) -> Vec<Packet> {
    let library = double.library().unwrap();
    let mut encoder = NvEncoder::new(&library, pool, video, options).unwrap();
    let mut upload = Upload::new(pool, video).unwrap();
    let packets = encode(&mut encoder, &mut upload, frames).unwrap();
    drop(encoder);
    double.assert_clean();
    let pictures = double.pictures();
    assert_eq!(pictures.len(), frames.len());
    for picture in pictures {
        let sent = &frames[picture.stamp as usize];
        assert_eq!(picture.digest, digest(sent), "frame {} arrived as it was sent", picture.stamp);
    }
    packets
}

#[test]
fn every_frame_arrives_as_it_was_sent() {
    let Some(pool) = pool() else { return };
    for (codec, format, size, mode) in [
        (NvencCodec::H264, PixelFormat::NV12, (66, 34), Mode::Lock),
        (NvencCodec::H264, PixelFormat::NV12, (256, 128), Mode::Event),
        (NvencCodec::Hevc, PixelFormat::NV12, (130, 98), Mode::Lock),
        (NvencCodec::Hevc, PixelFormat::P010, (66, 34), Mode::Event),
        (NvencCodec::Av1, PixelFormat::P010, (514, 66), Mode::Lock),
        (NvencCodec::H264, PixelFormat::NV12, (1920, 1080), Mode::Event),
    ] {
        let video = video(format, size);
        let double = Double::new(Settings { mode, ..Settings::default() });
        let frames = clip(&video, Rate::Constant, 12);
        let packets = encode_clip(&pool, &double, &video, &NvencOptions::new(codec), &frames);
        assert_times(&packets, &frames, &format!("{codec} {format} {size:?}"));
        assert!(packets.iter().all(|packet| packet.duration_ticks == Some(7)));
    }
}

/// Groups of pictures, B-frames, B-frames as references, look-ahead.
const STRUCTURES: [(u32, u32, NvencBReferences, u32); 8] = [
    (1, 0, NvencBReferences::None, 0),
    (250, 0, NvencBReferences::None, 0),
    (12, 1, NvencBReferences::None, 0),
    (30, 2, NvencBReferences::Each, 0),
    (10, 3, NvencBReferences::Middle, 0),
    (250, 7, NvencBReferences::Middle, 0),
    (25, 4, NvencBReferences::Middle, 16),
    (7, 5, NvencBReferences::None, 26),
];

#[test]
fn decoding_times_rise_and_are_not_after_presentation_for_every_structure_and_frame_rate() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    for codec in NvencCodec::ALL {
        for (gop, bframes, b_references, lookahead) in STRUCTURES {
            for rate in [Rate::Constant, Rate::Variable] {
                for (count, mode) in [1, 2, 3, 5, 64].into_iter().zip(MODES.into_iter().cycle()) {
                    let options = NvencOptions {
                        gop,
                        bframes: Some(bframes),
                        b_references: Some(b_references),
                        lookahead: Some(lookahead),
                        ..NvencOptions::new(codec)
                    };
                    let frames = clip(&video, rate, count);
                    let double = Double::new(Settings { mode, ..Settings::default() });
                    let packets = encode_clip(&pool, &double, &video, &options, &frames);
                    let what = format!("{codec}, gop {gop}, {bframes} B-frames, {rate:?}, {count} frames");
                    assert_times(&packets, &frames, &what);
                    check_keys(&double, &packets, gop, &what);
                }
            }
        }
    }
}

fn check_keys(double: &Double, packets: &[Packet], gop: u32, what: &str) {
    let keys: Vec<_> = packets.iter().map(|packet| packet.is_key).collect();
    let kinds: Vec<_> = double.pictures().iter().map(|picture| picture.kind == Kind::Idr).collect();
    assert_eq!(keys, kinds, "{what}");
    let expected = (packets.len() as u32).div_ceil(gop);
    assert_eq!(keys.iter().filter(|is_key| **is_key).count() as u32, expected, "{what}");
}

#[test]
fn b_frames_are_reordered_with_the_encoder_asking_for_more_input() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    let options = NvencOptions {
        bframes: Some(3),
        b_references: Some(NvencBReferences::Middle),
        ..NvencOptions::new(NvencCodec::H264)
    };
    let frames = clip(&video, Rate::Constant, 9);
    let packets = encode_clip(&pool, &Double::new(Settings::default()), &video, &options, &frames);
    let order: Vec<_> = packets.iter().map(|packet| (packet.pts.unwrap().ticks() + 80) / 40).collect();
    assert_eq!(order, [0, 4, 2, 1, 3, 8, 6, 5, 7]);
    let ahead: Vec<_> = packets.iter().map(|packet| (packet.dts.unwrap().ticks() + 80) / 40).collect();
    assert_eq!(ahead, [-3, -2, -1, 0, 1, 2, 3, 4, 5]);
}

#[test]
fn low_latency_hands_each_packet_on_at_once_and_high_quality_keeps_the_encoder_busy() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    let frames = clip(&video, Rate::Constant, 8);
    for (tuning, kept) in [(NvencTuning::LowLatency, 0), (NvencTuning::HighQuality, 3)] {
        let double = Double::new(Settings { preset: (0, 0), ..Settings::default() });
        let options = NvencOptions { tuning, ..NvencOptions::new(NvencCodec::Hevc) };
        let mut encoder = NvEncoder::new(&double.library().unwrap(), &pool, &video, &options).unwrap();
        let mut upload = Upload::new(&pool, &video).unwrap();
        let mut packets = 0;
        for (index, frame) in frames.iter().enumerate() {
            encoder.process(upload.upload(frame).unwrap(), &mut |_| packets += 1).unwrap();
            assert_eq!(packets, (index + 1_usize).saturating_sub(kept), "{tuning:?}");
        }
        encoder.finish(&mut |_| packets += 1).unwrap();
        assert_eq!(packets, frames.len());
        drop(encoder);
        double.assert_clean();
    }
}

#[test]
fn encoders_side_by_side_on_other_threads_than_they_were_made_on_keep_their_frames_apart() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    let double = Double::new(Settings { mode: Mode::Event, ..Settings::default() });
    let library = double.library().unwrap();
    let open = |codec| {
        let upload = Upload::new(&pool, &video).unwrap();
        (NvEncoder::new(&library, &pool, &video, &NvencOptions::new(codec)).unwrap(), upload)
    };
    let jobs = [NvencCodec::H264, NvencCodec::Hevc].map(open);
    let frames = clip(&video, Rate::Variable, 30);
    std::thread::scope(|scope| {
        for (mut encoder, mut upload) in jobs {
            let frames = &frames;
            scope.spawn(move || {
                let packets = encode(&mut encoder, &mut upload, frames).unwrap();
                assert_times(&packets, frames, &encoder.description());
            });
        }
    });
    double.assert_clean();
    let pictures = double.pictures();
    assert_eq!(pictures.len(), 60);
    assert!(pictures.iter().all(|picture| picture.digest == digest(&frames[picture.stamp as usize])));
}

#[test]
fn nothing_is_registered_or_allocated_after_warm_up() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    let double = Double::new(Settings::default());
    let frames = clip(&video, Rate::Constant, 400);
    let mut encoder =
        NvEncoder::new(&double.library().unwrap(), &pool, &video, &NvencOptions::new(NvencCodec::H264))
            .unwrap();
    let mut upload = Upload::new(&pool, &video).unwrap();
    let lasting = |double: &Double| {
        let calls = double.calls();
        calls.iter().filter(|name| name.contains("Register") || name.contains("CreateBitstream")).count()
    };
    let mut warm = None;
    for (index, frame) in frames.iter().enumerate() {
        if index == 50 {
            warm = Some((pool.health().misses, lasting(&double)));
        }
        encoder.process(upload.upload(frame).unwrap(), &mut |_| {}).unwrap();
    }
    assert_eq!(Some((pool.health().misses, lasting(&double))), warm);
    encoder.finish(&mut |_| {}).unwrap();
    drop(encoder);
    double.assert_clean();
    drop(upload);
    assert_eq!(pool.health().used_bytes, 0);
}

#[test]
fn a_forced_key_frame_begins_a_group() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    let options = NvencOptions { bframes: Some(3), ..NvencOptions::new(NvencCodec::H264) };
    let double = Double::new(Settings::default());
    let mut encoder = NvEncoder::new(&double.library().unwrap(), &pool, &video, &options).unwrap();
    let mut upload = Upload::new(&pool, &video).unwrap();
    let (frames, mut packets) = (clip(&video, Rate::Variable, 20), Vec::new());
    for (index, frame) in frames.iter().enumerate() {
        if index == 6 || index == 7 {
            encoder.force_key_frame();
        }
        encoder.process(upload.upload(frame).unwrap(), &mut |packet| packets.push(packet)).unwrap();
    }
    encoder.finish(&mut |packet| packets.push(packet)).unwrap();
    drop(encoder);
    double.assert_clean();
    assert_times(&packets, &frames, "forced");
    let keys: Vec<_> = packets.iter().filter(|packet| packet.is_key).map(|packet| packet.pts).collect();
    assert_eq!(keys, [0, 6, 7].map(|index| Some(frames[index as usize].info().pts)));
}

#[test]
fn the_presets_look_ahead_is_kept_within_what_its_b_frames_leave() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    let double = Double::new(Settings { preset: (4, 30), ..Settings::default() });
    let frames = clip(&video, Rate::Constant, 80);
    let packets = encode_clip(&pool, &double, &video, &NvencOptions::new(NvencCodec::Hevc), &frames);
    assert_times(&packets, &frames, "look-ahead of the preset");
    assert_eq!(double.parameters().1.rc_params.lookahead_depth, 27);
}

/// The driver's own library: on a GPU without NVENC a sentence, on one with it a clip.
#[test]
fn the_drivers_nvenc_encodes_or_says_why_not() {
    let Some(pool) = pool() else { return };
    let library = match NvencLibrary::open() {
        Ok(library) => library,
        Err(error) => return println!("skipped: {error}"),
    };
    println!("NVENC {}", library.version());
    let gpu = pool.device().info().unwrap().name;
    let capabilities = match EncoderCapabilities::query(&library, pool.device()) {
        Ok(capabilities) => capabilities,
        Err(error) => {
            println!("{error} ({})", error.code());
            assert_eq!(error.to_string(), format!("{gpu} has no NVENC: encode in software"));
            assert_eq!(error.code(), Code::NvencAbsent);
            return;
        }
    };
    println!("{capabilities:?}");
    for codec in &capabilities.codecs {
        for &format in &codec.formats {
            encode_by_driver(&library, &pool, codec.codec, format);
        }
    }
}

fn encode_by_driver(library: &NvencLibrary, pool: &Pool, codec: NvencCodec, format: PixelFormat) {
    if (codec, format) == (NvencCodec::H264, PixelFormat::P010) {
        return;
    }
    let video = video(format, (640, 360));
    let mut encoder = NvEncoder::new(library, pool, &video, &NvencOptions::new(codec)).unwrap();
    println!("{}, {} bytes of parameter sets", encoder.description(), encoder.parameter_sets().len());
    let frames = clip(&video, Rate::Variable, 90);
    let mut upload = Upload::new(pool, &video).unwrap();
    let packets = encode(&mut encoder, &mut upload, &frames).unwrap();
    assert_times(&packets, &frames, &encoder.description());
    let stream = match codec {
        NvencCodec::H264 => StreamCodec::H264,
        NvencCodec::Hevc => StreamCodec::Hevc,
        NvencCodec::Av1 => StreamCodec::Av1,
    };
    for (index, packet) in packets.iter().enumerate() {
        let is_closed = stream.random_access(&packet.data) == RandomAccess::Closed;
        assert_eq!((packet.is_key, is_closed), (index == 0, index == 0), "packet {index}");
    }
}
