//! Calls that fail, and jobs that are abandoned.

use super::*;

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
