//! Frames for the encoder's tests.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses its part; all of it is test code")]

use rave_core::{
    ColorSpec, FrameInfo, HostBuffer, HostFrame, Layout, Packet, PixelFormat, Rational, Stage, TimeBase,
    Timestamp, VideoInfo,
};
use rave_cuda::{CudaFrame, Device, Pool, PoolOptions, Upload};
use rave_nvcodec::{EncodeError, NvEncoder};

/// A pool on the first GPU; `None`, with the reason printed, where there is none. `RAVE_REQUIRE_GPU=1` makes that a
/// failure.
pub fn pool() -> Option<Pool> {
    match Device::open(0) {
        Ok(device) => Some(Pool::new(&device, PoolOptions::default())),
        Err(reason) if std::env::var_os("RAVE_REQUIRE_GPU").is_some_and(|value| value == "1") => {
            panic!("RAVE_REQUIRE_GPU=1, but {reason}")
        }
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

pub fn video(format: PixelFormat, (width, height): (u32, u32)) -> VideoInfo {
    VideoInfo {
        frame_rate: Rational::new(25, 1).ok(),
        ..VideoInfo::new(format, (width, height), ColorSpec::BT709, TimeBase::new(1, 1000).unwrap())
    }
}

/// Presentation times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    Constant,
    Variable,
}

impl Rate {
    pub fn pts(self, frame: u64) -> i64 {
        let frame = frame as i64;
        match self {
            Self::Constant => frame * 40 - 80,
            // Gaps of 1 to 331 ms, from before zero.
            Self::Variable => frame * 3 - 500 + (0..=frame).map(|frame| frame * frame * 7 % 330).sum::<i64>(),
        }
    }
}

/// Frames of noise that all differ.
pub fn clip(video: &VideoInfo, rate: Rate, count: u64) -> Vec<HostFrame> {
    let layout = Layout::packed(video.format, video.width, video.height).unwrap();
    let frame = |index: u64| {
        let mut buffer = HostBuffer::zeroed(layout.size_bytes());
        let mut number = index * 77 + 1;
        for byte in buffer.as_bytes_mut() {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (number >> 33) as u8;
        }
        let pts = Timestamp::new(rate.pts(index), video.time_base);
        let info = FrameInfo { duration_ticks: Some(7), ..FrameInfo::new(pts) };
        HostFrame::new(buffer, layout, video.color, info).unwrap()
    };
    (0..count).map(frame).collect()
}

/// Uploads, frame by frame as the encoder takes them, and encodes.
pub fn encode(
    encoder: &mut NvEncoder,
    upload: &mut Upload,
    frames: &[HostFrame],
) -> Result<Vec<Packet>, Box<dyn std::error::Error>> {
    let mut packets = Vec::new();
    let mut run = || -> Result<(), rave_core::BoxError> {
        for frame in frames {
            let frame: CudaFrame = upload.upload(frame)?;
            encoder.process(frame, &mut |packet| packets.push(packet))?;
        }
        encoder.finish(&mut |packet| packets.push(packet))
    };
    run().map_err(|error| error.to_string())?;
    Ok(packets)
}

/// Strictly rising decoding times that are not after the presentation times, and the presentation times of all frames.
pub fn assert_times(packets: &[Packet], frames: &[HostFrame], what: &str) {
    let times = packets.iter().map(|packet| (packet.dts.unwrap().ticks(), packet.pts.unwrap().ticks()));
    let times: Vec<_> = times.collect();
    assert!(times.is_sorted_by(|a, b| a.0 < b.0), "{what}: {times:?}");
    assert!(times.iter().all(|(dts, pts)| dts <= pts), "{what}: {times:?}");
    let mut shown: Vec<_> = times.iter().map(|(_, pts)| *pts).collect();
    shown.sort_unstable();
    let sent: Vec<_> = frames.iter().map(|frame| frame.info().pts.ticks()).collect();
    assert_eq!(shown, sent, "{what}");
}

/// The encoder's refusal.
pub fn refusal(result: Result<NvEncoder, EncodeError>) -> EncodeError {
    result.expect_err("the encoder refuses")
}
