//! What the encoder is told.

use super::*;

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
fn a_new_bit_rate_in_mid_stream_changes_nothing_else() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    let rate_control = NvencRateControl::Cbr { kilobits_per_second: 1000 };
    let options = NvencOptions { rate_control, bframes: Some(3), ..NvencOptions::new(NvencCodec::Hevc) };
    let frames = clip(&video, Rate::Variable, 40);
    for mode in MODES {
        let run = |changes: &[(usize, u32)]| {
            let double = Double::new(Settings { mode, ..Settings::default() });
            let mut encoder = NvEncoder::new(&double.library().unwrap(), &pool, &video, &options).unwrap();
            let mut upload = Upload::new(&pool, &video).unwrap();
            let mut packets = Vec::new();
            for (index, frame) in frames.iter().enumerate() {
                if let Some((_, kilobits)) = changes.iter().find(|(at, _)| *at == index) {
                    encoder.set_bit_rate(*kilobits, None).unwrap();
                }
                encoder.process(upload.upload(frame).unwrap(), &mut |packet| packets.push(packet)).unwrap();
            }
            encoder.finish(&mut |packet| packets.push(packet)).unwrap();
            drop(encoder);
            double.assert_clean();
            (packets, double.pictures(), double.reconfigured())
        };
        let (packets, pictures, _) = run(&[]);
        let (changed_packets, changed_pictures, changes) = run(&[(10, 2000), (11, 500), (39, 4000)]);
        assert_eq!(changes, [2_000_000, 500_000, 4_000_000].map(|bits| (bits, bits)));
        assert_times(&changed_packets, &frames, "changed");
        assert!(changed_pictures == pictures && changed_packets == packets, "{mode:?}");
    }
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
