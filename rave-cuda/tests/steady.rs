//! A long run on a GPU. It is alone in its program, because it watches the GPU's free memory.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use common::{clip, gpu, video};
use rave_core::{ChromaFilter, ColorSpec, PixelFormat, Stage};
use rave_cuda::{CudaConvert, Download, Upload};

#[test]
fn after_warm_up_nothing_is_allocated_or_freed() {
    let Some((pool, _)) = gpu() else { return };
    let video = video(PixelFormat::NV12, ColorSpec::BT709, (96, 54));
    let frames = clip(&video, 10);
    let rgb = ColorSpec::BT709.to_rgb();
    let mut upload = Upload::new(&pool, &video).unwrap();
    let mut to_rgb =
        CudaConvert::new(&pool, &video, PixelFormat::RGB_F16, rgb, ChromaFilter::Bilinear).unwrap();
    let rgb_info = *to_rgb.output_info();
    let mut from_rgb =
        CudaConvert::new(&pool, &rgb_info, video.format, video.color, ChromaFilter::Bilinear).unwrap();
    let mut download = Download::new(&pool, &video).unwrap();
    let (mut warm, mut free) = (None, 0);
    let mut count = 0;
    for index in 0..5100 {
        if index == 100 {
            warm = Some(pool.health());
            free = pool.device().info().unwrap().free_bytes;
        }
        let frame = upload.upload(&frames[index % frames.len()]).unwrap();
        let frame = from_rgb.convert(&to_rgb.convert(&frame).unwrap()).unwrap();
        download.process(frame, &mut |_| count += 1).unwrap();
    }
    download.finish(&mut |_| count += 1).unwrap();
    let (warm, end) = (warm.unwrap(), pool.health());
    println!("{end:?}");
    assert_eq!(count, 5100);
    assert_eq!(end.misses, warm.misses, "driver allocations");
    assert_eq!((end.overflowed, end.evicted), (warm.overflowed, warm.evicted), "driver frees");
    assert_eq!((end.allocated_bytes, end.peak_bytes), (warm.allocated_bytes, warm.peak_bytes));
    let after = pool.device().info().unwrap().free_bytes;
    // Another program on the same GPU would move this; on a machine of its own it is exact.
    assert_eq!(after, free, "free memory of the GPU");
}
