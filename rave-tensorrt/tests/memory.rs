//! Memory over a long run. A test binary of its own: the process's memory is measured.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::fs;

use rave_core::{HostFrame, HostPool, Layout, PixelFormat, Stage};
use rave_tensorrt::Tile;
use support::{frame_info, load, upscaler, video};

#[test]
fn memory_stays_flat() {
    let format = PixelFormat::RGB_F32;
    let video = video(format, 320, 180);
    let mut upscaler = upscaler(load("bench-unshuffle2-4x32.onnx").unwrap(), &video, Tile::Auto);
    let (pool, layout) = (HostPool::new(), Layout::packed(format, 320, 180).unwrap());
    let mut run = |frames| {
        for _ in 0..frames {
            let mut frame = HostFrame::from_pool(&pool, layout, video.color, frame_info());
            frame.buffer_mut().as_bytes_mut().fill(0);
            upscaler.process(frame, &mut drop).unwrap();
        }
        resident_kib()
    };
    let before = run(30);
    let after = run(150);
    assert!(after <= before + before / 50, "{before} KiB after 30 frames, {after} KiB after 180");
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
