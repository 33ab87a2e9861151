//! The pool and the order of work on a GPU.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use common::{Rows, blank, clip, device, distance, gpu, layout, noise, to_device, to_host, video};
use rave_core::{ChromaFilter, CodedError, ColorSpec, Convert, HostFrame, PixelFormat, Stage, VideoInfo};
use rave_cuda::{CudaConvert, Device, Download, Error, Pool, PoolOptions, Upload};

#[test]
fn the_gpu_says_what_it_is() {
    let Some(device) = device() else { return };
    let info = device.info().unwrap();
    println!("{info:?}");
    let listed = Device::list().unwrap();
    assert_eq!(listed[0].uuid, info.uuid);
    assert!(info.compute_capability >= (7, 5) && info.cuda_version >= (12, 4));
    assert!(info.free_bytes <= info.total_bytes && info.total_bytes > 1 << 30);
    assert!(info.uuid.starts_with("GPU-") && info.pci_bus_id.contains(':'));
}

#[test]
fn a_second_thread_can_use_the_device() {
    let Some((pool, stream)) = gpu() else { return };
    let frame = noise(layout(PixelFormat::NV12, (320, 180), Rows::Padded), 1);
    let found = std::thread::scope(|scope| {
        let work = || {
            pool.device().bind().unwrap();
            to_host(&stream, &to_device(&pool, &stream, &frame))
        };
        scope.spawn(work).join().unwrap()
    });
    assert_eq!(distance(&frame, &found), 0.0);
}

#[test]
fn a_dropped_buffer_is_used_again() {
    let Some((pool, stream)) = gpu() else { return };
    let buffer = pool.take(3 << 20).unwrap();
    let address = buffer.read(&stream).unwrap().address();
    assert_eq!(address % 256, 0);
    drop(buffer);
    let again = pool.take((4 << 20) - 5).unwrap();
    assert_eq!(again.read(&stream).unwrap().address(), address);
    let health = pool.health();
    assert_eq!((health.hits, health.misses, health.recycled), (1, 1, 1));
    assert_eq!((health.allocated_bytes, health.used_bytes, health.peak_bytes), (4 << 20, 4 << 20, 4 << 20));
}

#[test]
fn a_full_bucket_frees_what_comes_back() {
    let Some((pool, _)) = gpu() else { return };
    let buffers: Vec<_> = (0..40).map(|_| pool.take(1000).unwrap()).collect();
    drop(buffers);
    let health = pool.health();
    assert_eq!((health.recycled, health.overflowed), (32, 8));
    assert_eq!((health.allocated_bytes, health.used_bytes), (32 * 4096, 0));
}

#[test]
fn the_limit_is_hard_but_counts_no_idle_buffer_of_another_size() {
    let Some(device) = device() else { return };
    let pool = Pool::new(&device, PoolOptions { limit_mib: Some(8) });
    drop(pool.take(6 << 20).unwrap());
    let buffer = pool.take(4 << 20).unwrap();
    assert_eq!(pool.health().evicted, 1);
    let Err(error) = pool.take(6 << 20) else { panic!("must be refused") };
    assert!(matches!(error, Error::VramLimit { limit_mib: 8, .. }), "{error}");
    assert!(error.is_recoverable());
    drop(buffer);
    assert!(pool.take(6 << 20).is_ok());
    assert!(pool.health().peak_bytes <= 8 << 20);
}

#[test]
fn more_than_the_gpu_has_is_an_error_of_its_own() {
    let Some((pool, _)) = gpu() else { return };
    let total = pool.device().info().unwrap().total_bytes;
    let Err(error) = pool.take(total * 2) else { panic!("must be refused") };
    assert!(matches!(error, Error::VramExhausted { .. }), "{error}");
    assert_eq!(pool.health().allocated_bytes, 0);
    assert!(pool.take(4096).is_ok(), "the pool can be used afterwards");
}

/// Upload, to RGB, back, download: with `depth` frames under way between the stages.
fn run_chain(pool: &Pool, frames: &[HostFrame], video: &VideoInfo, depth: usize) -> Vec<HostFrame> {
    let rgb = ColorSpec::BT709.to_rgb();
    let mut upload = Upload::new(pool, video).unwrap();
    let mut to_rgb =
        CudaConvert::new(pool, video, PixelFormat::RGB_F16, rgb, ChromaFilter::Bilinear).unwrap();
    let rgb_info = *to_rgb.output_info();
    let mut from_rgb =
        CudaConvert::new(pool, &rgb_info, video.format, video.color, ChromaFilter::Bilinear).unwrap();
    let mut download = Download::new(pool, video).unwrap();
    let mut outputs = Vec::new();
    let mut under_way = std::collections::VecDeque::new();
    for frame in frames {
        let converted = from_rgb.convert(&to_rgb.convert(&upload.upload(frame).unwrap()).unwrap()).unwrap();
        under_way.push_back(converted);
        if under_way.len() == depth {
            let oldest = under_way.pop_front().unwrap();
            download.process(oldest, &mut |frame| outputs.push(frame)).unwrap();
        }
    }
    for rest in under_way {
        download.process(rest, &mut |frame| outputs.push(frame)).unwrap();
    }
    download.finish(&mut |frame| outputs.push(frame)).unwrap();
    outputs
}

#[test]
fn frames_come_out_in_order_alike_at_every_depth_and_as_on_the_host() {
    let Some((pool, _)) = gpu() else { return };
    let video = video(PixelFormat::NV12, ColorSpec::BT709, (642, 362));
    let frames = clip(&video, 24);
    let rgb = ColorSpec::BT709.to_rgb();
    let mut to_rgb = Convert::new(&video, PixelFormat::RGB_F16, rgb, ChromaFilter::Bilinear).unwrap();
    let rgb_info = *to_rgb.output_info();
    let mut from_rgb = Convert::new(&rgb_info, video.format, video.color, ChromaFilter::Bilinear).unwrap();
    let expected: Vec<_> =
        frames.iter().map(|frame| from_rgb.convert(&to_rgb.convert(frame).unwrap()).unwrap()).collect();
    let shallow = run_chain(&pool, &frames, &video, 1);
    let deep = run_chain(&pool, &frames, &video, 4);
    assert_eq!((shallow.len(), deep.len()), (24, 24));
    for (index, (shallow, deep)) in shallow.iter().zip(&deep).enumerate() {
        assert_eq!(shallow.info().pts.ticks(), index as i64);
        assert_eq!(deep.info(), shallow.info());
        assert_eq!(distance(shallow, deep), 0.0, "frame {index}: depth 1 against 4");
        assert!(distance(shallow, &expected[index]) <= 1.0, "frame {index}: against the host");
    }
}

#[test]
fn a_stage_refuses_a_frame_of_another_size() {
    let Some((pool, stream)) = gpu() else { return };
    let video = video(PixelFormat::NV12, ColorSpec::BT709, (64, 36));
    let mut upload = Upload::new(&pool, &video).unwrap();
    let other = blank(layout(PixelFormat::NV12, (36, 64), Rows::Packed));
    assert!(matches!(upload.upload(&other), Err(Error::Frame(_))));
    let mut download = Download::new(&pool, &video).unwrap();
    let other = to_device(&pool, &stream, &other);
    assert!(download.process(other, &mut |_| ()).is_err());
}

#[test]
fn memory_of_others_counts_against_the_limit() {
    let Some(device) = device() else { return };
    let pool = Pool::new(&device, PoolOptions { limit_mib: Some(8) });
    drop(pool.take(4 << 20).unwrap());
    let reserved = pool.reserve(6 << 20).unwrap();
    assert_eq!(
        (reserved.len_bytes(), pool.health().allocated_bytes),
        (6 << 20, 6 << 20),
        "the idle one is freed"
    );
    assert!(matches!(pool.take(4 << 20), Err(Error::VramLimit { .. })));
    drop(reserved);
    assert!(pool.take(4 << 20).is_ok());
}

#[test]
fn what_is_expected_is_there_before_it_is_taken() {
    let Some((pool, _)) = gpu() else { return };
    drop(pool.take(3 << 20).unwrap());
    // Two lengths of one bucket, and more small ones than a bucket keeps otherwise.
    for (len_bytes, count) in [(3 << 20, 2), ((4 << 20) - 1, 3), (1000, 40)] {
        pool.expect(len_bytes, count);
    }
    assert_eq!(pool.stock().unwrap(), 0);
    let ready = pool.health();
    assert_eq!((ready.misses, ready.stocked, ready.without_room), (1, 4 + 40, 0));
    assert_eq!((ready.used_bytes, ready.allocated_bytes), (0, 5 * (4 << 20) + 40 * 4096));
    for _ in 0..2 {
        let large: Vec<_> = (0..5).map(|_| pool.take(4 << 20).unwrap()).collect();
        let small: Vec<_> = (0..40).map(|_| pool.take(1000).unwrap()).collect();
        drop((large, small));
    }
    let end = pool.health();
    assert_eq!((end.misses, end.overflowed, end.allocated_bytes), (1, 0, ready.allocated_bytes));
    assert_eq!(pool.stock().unwrap(), 0);
    assert_eq!(pool.health().stocked, ready.stocked, "nothing is missing");
}

#[test]
fn as_much_is_stocked_as_the_limit_leaves_room_for() {
    let Some(device) = device() else { return };
    let pool = Pool::new(&device, PoolOptions { limit_mib: Some(16) });
    let held = pool.take(4 << 20).unwrap();
    pool.expect(6 << 20, 3);
    pool.expect(1000, 2);
    assert_eq!(pool.stock().unwrap(), 2, "one of three large ones has room");
    let health = pool.health();
    assert_eq!((health.stocked, health.without_room, health.evicted), (3, 2, 0));
    assert!(health.peak_bytes <= 16 << 20);
    drop(held);
    let buffers: Vec<_> = (0..2).map(|_| pool.take(6 << 20).unwrap()).collect();
    assert_eq!((buffers.len(), pool.health().misses), (2, 2), "the rest is allocated when it is taken");
}
