//! Encoding on a GPU. NVENC is a conformance double (tests/double), since the GPUs at hand have none; frames, memory and
//! streams are the GPU's. What there is of the real NVENC is asked.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod clip;
mod double;

use clip::{Rate, assert_times, clip, encode, pool, refusal, video};
use double::{Double, Kind, Settings, digest};
use rave_core::{
    Code, CodedError, ColorSpec, ContentLight, HostFrame, MasteringDisplay, Packet, PixelFormat, Range,
    Rational, Siting, Stage, VideoInfo,
};
use rave_cuda::{Pool, Upload};
use rave_nvcodec::sys::nvenc::{self, Caps, Guid, Status};
use rave_nvcodec::{
    EncodeError, EncoderCapabilities, NvEncoder, NvencBReferences, NvencCodec, NvencLibrary, NvencMultiPass,
    NvencOptions, NvencParameterSets, NvencPreset, NvencRateControl, NvencSpatialAq, NvencSwitch,
    NvencTuning,
};

const SIZE: (u32, u32) = (66, 34);

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
    for (codec, format, size) in [
        (NvencCodec::H264, PixelFormat::NV12, (66, 34)),
        (NvencCodec::H264, PixelFormat::NV12, (256, 128)),
        (NvencCodec::Hevc, PixelFormat::NV12, (130, 98)),
        (NvencCodec::Hevc, PixelFormat::P010, (66, 34)),
        (NvencCodec::Av1, PixelFormat::P010, (514, 66)),
        (NvencCodec::H264, PixelFormat::NV12, (1920, 1080)),
    ] {
        let video = video(format, size);
        let double = Double::new(Settings::default());
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
                for count in [1, 2, 3, 5, 64] {
                    let options = NvencOptions {
                        gop,
                        bframes: Some(bframes),
                        b_references: Some(b_references),
                        lookahead: Some(lookahead),
                        ..NvencOptions::new(codec)
                    };
                    let frames = clip(&video, rate, count);
                    let double = Double::new(Settings::default());
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
fn an_abandoned_encoder_is_flushed_and_leaks_nothing() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    for sent in [0, 1, 2, 9] {
        let double = Double::new(Settings::default());
        let mut encoder =
            NvEncoder::new(&double.library().unwrap(), &pool, &video, &NvencOptions::new(NvencCodec::H264))
                .unwrap();
        let mut upload = Upload::new(&pool, &video).unwrap();
        for frame in clip(&video, Rate::Constant, sent) {
            encoder.process(upload.upload(&frame).unwrap(), &mut |_| {}).unwrap();
        }
        drop(encoder);
        double.assert_clean();
    }
}

/// What an injected failure led to.
struct Injected {
    error: Option<String>,
    function: &'static str,
    leaks: Vec<String>,
    breaches: Vec<String>,
}

/// Runs a job in which one call fails.
fn run_with_failure(
    pool: &Pool,
    video: &VideoInfo,
    call: Option<usize>,
    status: Status,
) -> (Injected, usize) {
    let double = Double::new(Settings::default());
    if let Some(call) = call {
        double.fail(call, status);
    }
    let options = NvencOptions {
        bframes: Some(2),
        rate_control: NvencRateControl::Cbr { kilobits_per_second: 1000 },
        ..NvencOptions::new(NvencCodec::H264)
    };
    let frames = clip(video, Rate::Constant, 12);
    let result = (|| -> Result<(), Box<dyn std::error::Error>> {
        let library = double.library()?;
        let mut encoder = NvEncoder::new(&library, pool, video, &options)?;
        encoder.set_bit_rate(2000, None)?;
        let mut upload = Upload::new(pool, video)?;
        encode(&mut encoder, &mut upload, &frames).map(drop)
    })();
    let calls = double.calls();
    let injected = Injected {
        error: result.err().map(|error| error.to_string()),
        function: call.map_or("", |call| calls[call]),
        leaks: double.leaks(),
        breaches: double.breaches(),
    };
    (injected, calls.len())
}

#[test]
fn each_call_that_fails_is_named_and_nothing_leaks() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    let (whole, calls) = run_with_failure(&pool, &video, None, Status::GENERIC);
    assert_eq!((whole.error, whole.leaks, whole.breaches), (None, vec![], vec![]));
    for call in 0..calls {
        let (injected, _) = run_with_failure(&pool, &video, Some(call), Status::GENERIC);
        let function = injected.function;
        assert_eq!(injected.breaches, [""; 0], "call {call}, {function}");
        match &injected.error {
            Some(error) => {
                let name = function.strip_prefix("NvEnc").unwrap();
                assert!(error.contains(name) && error.contains("NV_ENC_ERR_GENERIC"), "{function}: {error}");
                assert_eq!(injected.leaks, [""; 0], "call {call}, {function}");
            }
            None => assert_releases_the_rest(function, &injected.leaks),
        }
    }
    assert_eq!(pool.health().used_bytes, 0, "all memory came back");
}

/// Releasing fails after the last packet is out: what failed stays, everything else is released.
fn assert_releases_the_rest(function: &str, leaks: &[String]) {
    match function {
        "NvEncDestroyEncoder" => assert_eq!(leaks, ["session: 1"]),
        "NvEncUnregisterResource" | "NvEncDestroyBitstreamBuffer" => assert_eq!(leaks, [""; 0]),
        other => panic!("{other} failed and no one was told"),
    }
}

#[test]
fn a_lost_device_is_one_clear_error() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    for status in [Status::DEVICE_NOT_EXIST, Status::INVALID_DEVICE, Status::INVALID_ENCODERDEVICE] {
        let (injected, _) = run_with_failure(&pool, &video, Some(100), status);
        let error = injected.error.unwrap();
        assert!(error.starts_with("the GPU was lost: nvEnc"), "{error}");
        assert_eq!(injected.leaks, [""; 0]);
    }
}

#[test]
fn what_cannot_be_opened_is_a_sentence() {
    let Some(pool) = pool() else { return };
    let gpu = pool.device().info().unwrap().name;
    let video = video(PixelFormat::NV12, SIZE);
    let options = NvencOptions::new(NvencCodec::Av1);
    let open = |settings: Settings| {
        let double = Double::new(settings);
        let error = refusal(NvEncoder::new(&double.library().unwrap(), &pool, &video, &options));
        double.assert_clean();
        (error.to_string(), error.code(), error.is_recoverable())
    };
    let absent = open(Settings { open: Status::UNSUPPORTED_DEVICE, ..Settings::default() });
    assert_eq!(absent, (format!("{gpu} has no NVENC: encode in software"), Code::NvencAbsent, false));
    let full = open(Settings { sessions: 0, ..Settings::default() });
    let words = format!(
        "the driver opens no further NVENC session on {gpu} (NV_ENC_ERR_OUT_OF_MEMORY): end another program that encodes"
    );
    assert_eq!(full, (words, Code::NvencSessions, true));
    let codec = open(Settings { codecs: vec![Guid::CODEC_H264], ..Settings::default() });
    assert_eq!(codec, (format!("the NVENC of {gpu} does not encode av1"), Code::EncoderMissing, false));
    let old = Double::new(Settings { version: 0xb1, ..Settings::default() }).library().unwrap_err();
    assert_eq!(
        old.to_string(),
        "the driver supports NVENC 11.1, 12.2 is needed: install driver 550 or later"
    );
}

#[test]
fn sessions_are_counted_until_they_are_closed() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    let options = NvencOptions::new(NvencCodec::H264);
    let double = Double::new(Settings { sessions: 2, ..Settings::default() });
    let library = double.library().unwrap();
    let open = || NvEncoder::new(&library, &pool, &video, &options);
    let (first, second) = (open().unwrap(), open().unwrap());
    assert!(matches!(refusal(open()), EncodeError::SessionLimit { .. }));
    drop(first);
    let third = open().unwrap();
    drop((second, third));
    double.assert_clean();
}

#[test]
fn limits_are_asked_before_an_encoder_is_made() {
    let Some(pool) = pool() else { return };
    let gpu = pool.device().info().unwrap().name;
    for (format, size, capabilities, reason) in [
        (PixelFormat::NV12, (8194, 64), vec![], "8194x64 as h264: the widest is 4096"),
        (PixelFormat::NV12, (30, 64), vec![], "30x64 as h264: the narrowest is 32"),
        (PixelFormat::NV12, (65, 64), vec![], "65x64 as h264: 4:2:0 needs even sides here"),
        (
            PixelFormat::NV12,
            (1920, 1080),
            vec![(Caps::LEVEL_MAX, 31)],
            "1920x1080 as h264: it needs level 4.0, 3.1 is the highest",
        ),
        (PixelFormat::P010, (64, 64), vec![], "p010le as h264: it has no 10 bits"),
        (PixelFormat::YUV420P, (64, 64), vec![], "yuv420p as h264: frames have to be nv12 or p010"),
    ] {
        let double = Double::new(Settings { capabilities, ..Settings::default() });
        let video = video(format, size);
        let error = refusal(NvEncoder::new(
            &double.library().unwrap(),
            &pool,
            &video,
            &NvencOptions::new(NvencCodec::H264),
        ));
        assert_eq!(error.to_string(), format!("the NVENC of {gpu} does not encode {reason}"));
        assert_eq!(error.code(), Code::EncoderOptions);
        assert!(!double.calls().contains(&"NvEncInitializeEncoder"));
        double.assert_clean();
    }
}

#[test]
fn capabilities_are_what_the_driver_says() {
    let Some(pool) = pool() else { return };
    let double =
        Double::new(Settings { capabilities: vec![(Caps::NUM_MAX_BFRAMES, 4)], ..Settings::default() });
    let found = EncoderCapabilities::query(&double.library().unwrap(), pool.device()).unwrap();
    double.assert_clean();
    assert_eq!(found.codecs.len(), 3);
    let hevc = found.codec(NvencCodec::Hevc).unwrap();
    assert_eq!((hevc.max_width, hevc.max_height, hevc.max_level), (8192, 8192, 186));
    assert_eq!((hevc.max_bframes, hevc.engines), (4, 1));
    assert_eq!(hevc.b_references, [NvencBReferences::Each, NvencBReferences::Middle]);
    assert_eq!(hevc.formats, [PixelFormat::NV12, PixelFormat::P010]);
    assert!(hevc.has_10_bit && hevc.has_lookahead && hevc.has_lossless);
}

#[test]
fn options_reach_the_encoder() {
    let Some(pool) = pool() else { return };
    let video = VideoInfo {
        sample_aspect_ratio: Rational::new(4, 3).ok(),
        frame_rate: Rational::new(30_000, 1001).ok(),
        color: ColorSpec { range: Range::Full, siting: Siting::TopLeft, ..ColorSpec::BT709 },
        ..video(PixelFormat::P010, (720, 480))
    };
    let options = NvencOptions {
        preset: NvencPreset::P7,
        rate_control: NvencRateControl::Vbr {
            average_kilobits_per_second: 4000,
            maximum_kilobits_per_second: Some(6000),
        },
        gop: 48,
        bframes: Some(3),
        b_references: Some(NvencBReferences::Each),
        lookahead: Some(20),
        spatial_aq: NvencSpatialAq::Strength(8),
        temporal_aq: NvencSwitch::On,
        multi_pass: NvencMultiPass::FullResolution,
        parameter_sets: NvencParameterSets::InBand,
        ..NvencOptions::new(NvencCodec::Hevc)
    };
    let double = Double::new(Settings::default());
    let encoder = NvEncoder::new(&double.library().unwrap(), &pool, &video, &options).unwrap();
    let (params, config) = double.parameters();
    assert_eq!((params.encode_guid, params.preset_guid), (Guid::CODEC_HEVC, Guid::PRESET_P7));
    assert_eq!((params.dar_width, params.dar_height), (2, 1));
    assert_eq!((params.frame_rate_num, params.frame_rate_den), (30_000, 1001));
    assert_eq!(config.profile_guid, Guid::HEVC_PROFILE_MAIN10);
    assert_eq!((config.gop_length, config.frame_interval_p), (48, 4));
    let rc = &config.rc_params;
    assert_eq!((rc.average_bit_rate, rc.max_bit_rate), (4_000_000, 6_000_000));
    assert_eq!((rc.enable_lookahead(), rc.lookahead_depth), (1, 20));
    assert_eq!((rc.enable_aq(), rc.aq_strength(), rc.enable_temporal_aq()), (1, 8, 1));
    assert_eq!(rc.multi_pass, nvenc::MultiPass::TWO_PASS_FULL_RESOLUTION);
    // SAFETY: the encoder was made for HEVC.
    let hevc = unsafe { config.encode_codec_config.hevc_config };
    assert_eq!((hevc.idr_period, hevc.repeat_sps_pps(), hevc.disable_sps_pps()), (48, 1, 0));
    assert_eq!(
        (hevc.input_bit_depth, hevc.output_bit_depth),
        (nvenc::BitDepth::BITS_10, nvenc::BitDepth::BITS_10)
    );
    assert_eq!(hevc.use_b_frames_as_ref, nvenc::BFrameRefMode::EACH);
    let vui = &hevc.hevc_vui_parameters;
    assert_eq!((vui.colour_matrix, vui.video_full_range_flag), (nvenc::VuiMatrixCoeffs::BT709, 1));
    assert_eq!((vui.chroma_sample_location_flag, vui.chroma_sample_location_top), (1, 2));
    let gpu = pool.device().info().unwrap().name;
    assert_eq!(
        encoder.description(),
        format!(
            "NVENC hevc on {gpu}, 4000 kbit/s, at most 6000, preset p7, 3 B-frames, look-ahead 20, p010le"
        )
    );
    assert_eq!(encoder.parameter_sets(), b"parameter sets");
    assert_eq!(encoder.time_base(), video.time_base);
    drop(encoder);
    double.assert_clean();
}

#[test]
fn rate_control_is_what_was_asked_for() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    for (codec, rate_control, mode, quality) in [
        (NvencCodec::H264, NvencRateControl::ConstantQuality(22.5), nvenc::RcMode::VBR, (22, 128)),
        (NvencCodec::Av1, NvencRateControl::ConstantQuality(63.0), nvenc::RcMode::VBR, (63, 0)),
        (NvencCodec::H264, NvencRateControl::Cbr { kilobits_per_second: 9 }, nvenc::RcMode::CBR, (0, 0)),
        (
            NvencCodec::Hevc,
            NvencRateControl::ConstantQp { intra: 20, inter_p: 22, inter_b: 25 },
            nvenc::RcMode::CONSTQP,
            (0, 0),
        ),
        (NvencCodec::H264, NvencRateControl::Lossless, nvenc::RcMode::CONSTQP, (0, 0)),
    ] {
        let double = Double::new(Settings::default());
        let options = NvencOptions { rate_control, ..NvencOptions::new(codec) };
        drop(NvEncoder::new(&double.library().unwrap(), &pool, &video, &options).unwrap());
        double.assert_clean();
        let (params, config) = double.parameters();
        let rc = &config.rc_params;
        assert_eq!(rc.rate_control_mode, mode, "{rate_control:?}");
        assert_eq!((rc.target_quality, rc.target_quality_lsb), quality);
        if rate_control == NvencRateControl::Lossless {
            assert_eq!(params.tuning_info, nvenc::TuningInfo::LOSSLESS);
            assert_eq!(config.profile_guid, Guid::CODEC_PROFILE_AUTOSELECT);
        }
    }
}

#[test]
fn options_that_make_no_sense_are_refused_before_the_driver_is_asked() {
    let Some(pool) = pool() else { return };
    let base = NvencOptions::new(NvencCodec::H264);
    for (options, words) in [
        (
            NvencOptions { rate_control: NvencRateControl::ConstantQuality(0.0), ..base },
            "constant quality 0 for h264: it is from 1 to 51",
        ),
        (
            NvencOptions { rate_control: NvencRateControl::Cbr { kilobits_per_second: 0 }, ..base },
            "a bit rate of 0 kbit/s for h264: it is from 1 to 4294967",
        ),
        (
            NvencOptions {
                rate_control: NvencRateControl::Vbr {
                    average_kilobits_per_second: 9,
                    maximum_kilobits_per_second: Some(8),
                },
                ..base
            },
            "a maximum of 8 kbit/s for h264: it is less than the average of 9",
        ),
        (NvencOptions { gop: 0, ..base }, "gop 0 for h264: it is from 1 to 2147483647"),
        (
            NvencOptions { gop: 3, bframes: Some(3), ..base },
            "3 B-frames for h264: a group of 3 pictures has no room for them",
        ),
        (
            NvencOptions { bframes: Some(4), lookahead: Some(28), ..base },
            "a look-ahead of 28 frames for h264: with 4 B-frames it is at most 27",
        ),
        (
            NvencOptions { spatial_aq: NvencSpatialAq::Strength(16), ..base },
            "spatial AQ of strength 16 for h264: it is from 1 to 15",
        ),
    ] {
        let double = Double::new(Settings::default());
        let video = video(PixelFormat::NV12, SIZE);
        let error = refusal(NvEncoder::new(&double.library().unwrap(), &pool, &video, &options));
        assert_eq!(error.to_string(), format!("NVENC does not take {words}"));
        assert_eq!(error.code(), Code::EncoderOptions);
        double.assert_clean();
    }
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
fn a_new_bit_rate_is_set_without_a_new_encoder() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    let rate_control =
        NvencRateControl::Vbr { average_kilobits_per_second: 1000, maximum_kilobits_per_second: None };
    let options = NvencOptions { rate_control, ..NvencOptions::new(NvencCodec::H264) };
    let double = Double::new(Settings::default());
    let mut encoder = NvEncoder::new(&double.library().unwrap(), &pool, &video, &options).unwrap();
    encoder.set_bit_rate(2000, Some(3000)).unwrap();
    assert_eq!(double.reconfigured(), [(2_000_000, 3_000_000)]);
    let error = encoder.set_bit_rate(2000, Some(1000)).unwrap_err().to_string();
    assert!(error.contains("less than the average"), "{error}");
    drop(encoder);
    double.assert_clean();
    let quality = NvencOptions::new(NvencCodec::H264);
    let mut encoder = NvEncoder::new(&double.library().unwrap(), &pool, &video, &quality).unwrap();
    let error = encoder.set_bit_rate(2000, None).unwrap_err().to_string();
    assert_eq!(error, "NVENC does not take a new bit rate for h264: rate control has no such bit rate");
    drop(encoder);
    let double = Double::new(Settings {
        capabilities: vec![(Caps::SUPPORT_DYN_BITRATE_CHANGE, 0)],
        ..Settings::default()
    });
    let mut encoder = NvEncoder::new(&double.library().unwrap(), &pool, &video, &options).unwrap();
    let error = encoder.set_bit_rate(2000, None).unwrap_err().to_string();
    assert!(error.contains("this GPU cannot change it"), "{error}");
}

#[test]
fn hdr10_metadata_comes_with_every_picture() {
    let Some(pool) = pool() else { return };
    let video = VideoInfo {
        mastering_display: Some(MasteringDisplay {
            primaries: [[35_400, 14_600], [8500, 39_850], [6550, 2300]],
            white_point: [15_635, 16_450],
            max_luminance: 10_000_000,
            min_luminance: 1,
        }),
        content_light: Some(ContentLight { max_content: 1000, max_frame_average: 400 }),
        ..video(PixelFormat::P010, SIZE)
    };
    for (codec, types, first) in
        [(NvencCodec::Hevc, [137, 144], [0x21, 0x34]), (NvencCodec::Av1, [2, 1], [0xb5, 0x3f])]
    {
        let double = Double::new(Settings::default());
        let frames = clip(&video, Rate::Constant, 6);
        encode_clip(&pool, &double, &video, &NvencOptions::new(codec), &frames);
        for picture in double.pictures() {
            let found: Vec<_> = picture.messages.iter().map(|(payload_type, _)| *payload_type).collect();
            assert_eq!(found, types, "{codec}");
            assert_eq!(picture.messages[0].1[..2], first, "{codec}");
            assert_eq!(picture.messages[1].1, [0x03, 0xe8, 0x01, 0x90], "{codec}");
        }
    }
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

#[test]
fn frames_that_do_not_fit_are_refused() {
    let Some(pool) = pool() else { return };
    let announced = video(PixelFormat::NV12, SIZE);
    let other = video(PixelFormat::NV12, (64, 32));
    let double = Double::new(Settings::default());
    let library = double.library().unwrap();
    let mut encoder =
        NvEncoder::new(&library, &pool, &announced, &NvencOptions::new(NvencCodec::H264)).unwrap();
    let frame = Upload::new(&pool, &other).unwrap().upload(&clip(&other, Rate::Constant, 1)[0]).unwrap();
    let error = encoder.process(frame, &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "a frame of 64x32 nv12 came where 66x34 nv12 was announced");
    let mut upload = Upload::new(&pool, &announced).unwrap();
    let frame = clip(&announced, Rate::Constant, 1).remove(0);
    encoder.process(upload.upload(&frame).unwrap(), &mut |_| {}).unwrap();
    let error = encoder.process(upload.upload(&frame).unwrap(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().starts_with("frame 1 at -0.080000 s"), "{error}");
    assert_eq!(error.code(), Code::EncodeFailed);
    drop(encoder);
    double.assert_clean();
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
        let video = video(PixelFormat::NV12, (640, 360));
        let mut encoder = NvEncoder::new(&library, &pool, &video, &NvencOptions::new(codec.codec)).unwrap();
        println!("{}, {} bytes of parameter sets", encoder.description(), encoder.parameter_sets().len());
        let frames = clip(&video, Rate::Variable, 90);
        let mut upload = Upload::new(&pool, &video).unwrap();
        let packets = encode(&mut encoder, &mut upload, &frames).unwrap();
        assert_times(&packets, &frames, "the driver's NVENC");
        assert!(packets[0].is_key && packets.iter().all(|packet| !packet.data.is_empty()));
    }
}
