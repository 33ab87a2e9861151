//! Frames on their way from one GPU to another.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use common::{clip, gpu, video};
use rave_core::{ChromaFilter, ColorSpec, HostFrame, PixelFormat, Stage, VideoInfo};
use rave_cuda::{CudaConvert, Device, Download, PeerCopy, Pool, PoolOptions, Upload};

/// Another GPU's pool, or another pool of the only one.
fn other() -> Pool {
    let device = Device::open(1).or_else(|_| Device::open(0)).unwrap();
    Pool::new(&device, PoolOptions::default())
}

/// Converts on one GPU, copies, and converts back on the other.
fn round_trip(pools: [&Pool; 2], video: &VideoInfo, frames: &[HostFrame]) -> Vec<HostFrame> {
    let (rgb, filter) = (video.color.to_rgb(), ChromaFilter::Bilinear);
    let mut upload = Upload::new(pools[0], video).unwrap();
    let mut to_rgb = CudaConvert::new(pools[0], video, PixelFormat::RGB_F16, rgb, filter).unwrap();
    let on_way = *to_rgb.output_info();
    let mut copy = PeerCopy::new(pools[0], pools[1], &on_way).unwrap();
    let mut from_rgb = CudaConvert::new(pools[1], &on_way, video.format, video.color, filter).unwrap();
    let mut download = Download::new(pools[1], video).unwrap();
    let mut back = Vec::new();
    for frame in frames {
        let rgb = to_rgb.convert(&upload.upload(frame).unwrap()).unwrap();
        let copied = copy.copy(&rgb).unwrap();
        drop(rgb);
        download.process(from_rgb.convert(&copied).unwrap(), &mut |frame| back.push(frame)).unwrap();
    }
    download.finish(&mut |frame| back.push(frame)).unwrap();
    back
}

#[test]
fn frames_arrive_as_they_were_and_at_their_time() {
    let Some((here, _)) = gpu() else { return };
    let there = other();
    let video = video(PixelFormat::NV12, ColorSpec::BT709, (96, 54));
    let frames = clip(&video, 40);
    let straight = round_trip([&here, &Pool::new(here.device(), PoolOptions::default())], &video, &frames);
    let crossed = round_trip([&here, &there], &video, &frames);
    println!("from GPU {} to GPU {}", here.device().ordinal(), there.device().ordinal());
    assert_eq!(crossed.len(), frames.len());
    for ((crossed, straight), frame) in crossed.iter().zip(&straight).zip(&frames) {
        assert_eq!(crossed.digest(), straight.digest());
        assert_eq!(crossed.info(), frame.info());
    }
    assert!(there.health().hit_rate() > 0.8, "{:?}", there.health());
}

#[test]
fn a_frame_of_another_size_is_refused() {
    let Some((here, _)) = gpu() else { return };
    let small = video(PixelFormat::NV12, ColorSpec::BT709, (64, 36));
    let large = video(PixelFormat::NV12, ColorSpec::BT709, (96, 54));
    let frame = Upload::new(&here, &small).unwrap().upload(&clip(&small, 1)[0]).unwrap();
    let error = PeerCopy::new(&here, &other(), &large).unwrap().copy(&frame).err().unwrap();
    assert!(error.to_string().contains("96x54"), "{error}");
}
