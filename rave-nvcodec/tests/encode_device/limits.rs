//! What a GPU, its driver or a stream does not permit.

use super::*;

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
    assert_eq!(error.to_string(), "a frame of nv12 64x32 was given to a stage for nv12 66x34");
    let mut upload = Upload::new(&pool, &announced).unwrap();
    let frame = clip(&announced, Rate::Constant, 1).remove(0);
    encoder.process(upload.upload(&frame).unwrap(), &mut |_| {}).unwrap();
    let error = encoder.process(upload.upload(&frame).unwrap(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().starts_with("frame 1 at -0.080000 s"), "{error}");
    assert_eq!(error.code(), Code::EncodeFailed);
    drop(encoder);
    double.assert_clean();
}
