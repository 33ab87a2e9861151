//! Calls that fail, and jobs that are abandoned.

use super::*;

#[test]
fn an_abandoned_encoder_is_flushed_and_leaks_nothing() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    for (sent, mode) in [0, 1, 2, 9].into_iter().flat_map(|sent| MODES.map(|mode| (sent, mode))) {
        let double = Double::new(Settings { mode, ..Settings::default() });
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

/// What goes wrong.
#[derive(Clone, Copy)]
enum Wrong {
    Nothing,
    /// One call.
    Call(usize, Status),
    /// The GPU is gone from this call on.
    Gpu(usize),
}

/// Runs a job in which something goes wrong, and returns the calls.
fn run_with_failure(
    pool: &Pool,
    video: &VideoInfo,
    mode: Mode,
    wrong: Wrong,
) -> (Injected, Vec<&'static str>) {
    let double = Double::new(Settings { mode, ..Settings::default() });
    match wrong {
        Wrong::Nothing => {}
        Wrong::Call(call, status) => double.fail(call, status),
        Wrong::Gpu(call) => double.lose(call),
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
    let function = match wrong {
        Wrong::Nothing => "",
        Wrong::Call(call, _) | Wrong::Gpu(call) => calls[call],
    };
    let error = result.err().map(|error| error.to_string());
    (Injected { error, function, leaks: double.leaks(), breaches: double.breaches() }, calls)
}

#[test]
fn each_call_that_fails_is_named_and_nothing_leaks() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    for mode in MODES {
        let (whole, calls) = run_with_failure(&pool, &video, mode, Wrong::Nothing);
        assert_eq!((whole.error, whole.leaks, whole.breaches), (None, vec![], vec![]));
        for call in 0..calls.len() {
            let (injected, _) = run_with_failure(&pool, &video, mode, Wrong::Call(call, Status::GENERIC));
            let function = injected.function;
            assert_eq!(injected.breaches, [""; 0], "call {call}, {function}");
            match &injected.error {
                Some(error) => {
                    let name = function.strip_prefix("NvEnc").unwrap();
                    assert!(
                        error.contains(name) && error.contains("NV_ENC_ERR_GENERIC"),
                        "{function}: {error}"
                    );
                    assert_eq!(injected.leaks, [""; 0], "call {call}, {function}");
                }
                None => assert_releases_the_rest(function, &injected.leaks),
            }
        }
        assert_eq!(pool.health().used_bytes, 0, "all memory came back");
    }
}

/// Releasing fails after the last packet is out: what failed stays, everything else is released.
fn assert_releases_the_rest(function: &str, leaks: &[String]) {
    match function {
        "NvEncDestroyEncoder" => assert_eq!(leaks, ["session: 1"]),
        "NvEncUnregisterResource" | "NvEncDestroyBitstreamBuffer" | "NvEncUnregisterAsyncEvent" => {
            assert_eq!(leaks, [""; 0]);
        }
        other => panic!("{other} failed and no one was told"),
    }
}

#[test]
fn a_lost_device_is_one_clear_error_wherever_it_is_lost_and_all_is_given_back_once() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    for mode in MODES {
        let (_, calls) = run_with_failure(&pool, &video, mode, Wrong::Nothing);
        for call in 0..calls.len() {
            let (injected, made) = run_with_failure(&pool, &video, mode, Wrong::Gpu(call));
            let function = injected.function;
            assert_eq!(injected.breaches, [""; 0], "call {call}, {function}");
            if let Some(error) = &injected.error {
                let name = function.replacen("NvEnc", "nvEnc", 1);
                let is_of_library = function.starts_with("NvEncodeAPI");
                let expected = format!("the GPU was lost: {name} failed with NV_ENC_ERR_DEVICE_NOT_EXIST");
                assert!(error.starts_with(&expected) || is_of_library, "call {call}: {error}");
            }
            for (take, give) in PAIRS {
                let count = |calls: &[&str], name: &str| calls.iter().filter(|call| **call == name).count();
                assert_eq!(count(&made[..call], take), count(&made, give), "call {call}, {function}: {give}");
            }
        }
        assert_eq!(pool.health().used_bytes, 0, "all memory came back");
    }
}

/// What takes, and what gives back.
const PAIRS: [(&str, &str); 6] = [
    ("NvEncOpenEncodeSessionEx", "NvEncDestroyEncoder"),
    ("NvEncRegisterResource", "NvEncUnregisterResource"),
    ("NvEncMapInputResource", "NvEncUnmapInputResource"),
    ("NvEncCreateBitstreamBuffer", "NvEncDestroyBitstreamBuffer"),
    ("NvEncLockBitstream", "NvEncUnlockBitstream"),
    ("NvEncRegisterAsyncEvent", "NvEncUnregisterAsyncEvent"),
];

#[test]
fn each_status_of_a_lost_device_is_one() {
    let Some(pool) = pool() else { return };
    let video = video(PixelFormat::NV12, SIZE);
    for status in [Status::DEVICE_NOT_EXIST, Status::INVALID_DEVICE, Status::INVALID_ENCODERDEVICE] {
        let (injected, _) = run_with_failure(&pool, &video, Mode::Lock, Wrong::Call(100, status));
        let error = injected.error.unwrap();
        assert!(error.starts_with("the GPU was lost: nvEnc"), "{error}");
        assert_eq!(injected.leaks, [""; 0]);
    }
}
