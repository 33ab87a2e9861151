//! Frames that go through the network together.

use rave_core::{Code, CodedError, HostFrame, PixelFormat, Stage};
use rave_cuda::{CudaBuffer, Download, Pool, Upload};
use rave_tensorrt::{
    Batch, BatchReason, DeviceModel, ModelSource, OnNan, Precision, Tile, Upscaler, UpscalerOptions,
};

use super::support;
use super::support::gpu::{self, batched, distance, load, options, picture, psnr, through, video_of};
use super::{bright_clip, built_in, media, overflowing, written};

/// Networks with the pictures' format, in half and in single precision.
fn networks(pool: &Pool) -> Vec<(String, DeviceModel, PixelFormat)> {
    let mut sources = vec![written("bench-unshuffle2-4x32.onnx"), built_in("rave-x2")];
    if let Some(folder) = media() {
        sources.push(ModelSource::File(folder.join("weights/realesr-animevideov3-x2-fp16.onnx")));
    }
    let mut all = Vec::new();
    for source in sources {
        for precision in [Precision::Fp16, Precision::Fp32] {
            let model = load(pool, &source, &options(precision));
            let format = model.info().input_format(PixelFormat::RGB_F32);
            all.push((format!("{source} {precision}"), model, format));
        }
    }
    all
}

fn pictures(format: PixelFormat, size: (u32, u32), count: i64) -> Vec<HostFrame> {
    (0..count).map(|number| picture(format, size, number)).collect()
}

#[test]
fn batches_give_what_frames_alone_give() {
    let Some(pool) = gpu::pool(None) else { return };
    for (name, model, format) in networks(&pool) {
        // How near half precision is to single, and products in TF32 to those of single.
        let least = if format == PixelFormat::RGB_F16 { 60.0 } else { 70.0 };
        let frames = pictures(format, (320, 180), 7);
        let input = video_of(&frames[0]);
        let alone = through(&mut batched(&model, &input, Tile::Off, Batch::Size(1)), &pool, &frames);
        for (batch, tile) in [(2, Tile::Off), (4, Tile::Off), (5, Tile::Off), (4, Tile::Size(128))] {
            let mut upscaler = batched(&model, &input, tile, Batch::Size(batch));
            let together = through(&mut upscaler, &pool, &frames);
            assert_eq!((together.len(), upscaler.report().get().batch), (7, batch as usize));
            let pairs = || alone.iter().zip(&together);
            let nearest = pairs().map(|(a, b)| psnr(a, b)).fold(f64::INFINITY, f64::min);
            let farthest = pairs().map(|(a, b)| distance(a, b)).fold(0.0, f32::max);
            let is_recorded = upscaler.report().get().is_recorded;
            println!("{name} {batch} {tile:?}: {nearest:.1} dB, {farthest}, recorded: {is_recorded}");
            assert!(nearest >= least, "{name} {batch} {tile:?}: {nearest:.1} dB");
            for (number, frame) in together.iter().enumerate() {
                assert_eq!(frame.info().pts.ticks(), number as i64);
            }
        }
    }
}

#[test]
fn a_batch_that_was_not_asked_for_gives_the_same_bits_however_frames_come() {
    let Some(pool) = gpu::pool(None) else { return };
    for (name, model, format) in networks(&pool) {
        let frames = pictures(format, (320, 180), 7);
        let input = video_of(&frames[0]);
        let mut upscaler = batched(&model, &input, Tile::Auto, Batch::Auto);
        let report = upscaler.report().get();
        println!("{name}: {}, {}, recorded: {}", report.batch, report.batch_reason, report.is_recorded);
        let together = through(&mut upscaler, &pool, &frames);
        for (step, other) in [1, 3].map(|step| (step, flushed(&mut upscaler, &pool, &frames, step))) {
            for (together, other) in together.iter().zip(&other) {
                assert_eq!(together.buffer().as_bytes(), other.buffer().as_bytes(), "{name}, after {step}");
            }
        }
    }
}

/// The frames, where none comes for a while after each `step` of them.
fn flushed(
    upscaler: &mut Upscaler<CudaBuffer>,
    pool: &Pool,
    frames: &[HostFrame],
    step: usize,
) -> Vec<HostFrame> {
    let mut upload = Upload::new(pool, &video_of(&frames[0])).unwrap();
    let mut download = Download::new(pool, upscaler.output_info()).unwrap();
    let (mut emitted, mut done) = (Vec::new(), Vec::new());
    for part in frames.chunks(step) {
        for frame in part {
            upscaler.process(upload.upload(frame).unwrap(), &mut |frame| emitted.push(frame)).unwrap();
        }
        upscaler.flush(&mut |frame| emitted.push(frame)).unwrap();
        assert_eq!(upscaler.patience(), None);
    }
    for frame in emitted {
        download.process(frame, &mut |frame| done.push(frame)).unwrap();
    }
    download.finish(&mut |frame| done.push(frame)).unwrap();
    done
}

#[test]
fn small_pictures_go_together_and_large_ones_do_not() {
    let Some(pool) = gpu::pool(None) else { return };
    let model = load(&pool, &built_in("rave-x2"), &options(Precision::Model));
    let of = |width, height| {
        let input = support::video(PixelFormat::RGB_F16, width, height);
        let report = batched(&model, &input, Tile::Auto, Batch::Auto).report().get();
        println!("{width}x{height}: {}, {}", report.batch, report.batch_reason);
        report.batch
    };
    assert!(of(320, 180) > 1);
    assert_eq!(of(1920, 1080), 1);
}

#[test]
fn with_batches_nothing_is_allocated_after_warm_up() {
    let Some(pool) = gpu::pool(None) else { return };
    let model = load(&pool, &built_in("rave-x2"), &options(Precision::Model));
    let host = picture(PixelFormat::RGB_F16, (320, 180), 0);
    let mut upload = Upload::new(&pool, &video_of(&host)).unwrap();
    let mut upscaler = batched(&model, &video_of(&host), Tile::Off, Batch::Size(4));
    let (mut warm, mut free, mut count) = (pool.health(), 0, 0);
    for number in 0..1000 {
        if number == 200 {
            (warm, free) = (pool.health(), pool.device().info().unwrap().free_bytes);
        }
        upscaler.process(upload.upload(&host).unwrap(), &mut |_| count += 1).unwrap();
        if number % 27 == 0 {
            upscaler.flush(&mut |_| count += 1).unwrap();
        }
    }
    upscaler.finish(&mut |_| count += 1).unwrap();
    let end = pool.health();
    println!("{end:?}, free: {free} then {}", pool.device().info().unwrap().free_bytes);
    assert_eq!((count, end.misses), (1000, warm.misses));
    assert_eq!((end.evicted, end.overflowed), (warm.evicted, warm.overflowed));
}

#[test]
fn one_frame_of_a_batch_that_is_not_finite_is_run_again() {
    let Some(pool) = gpu::pool(None) else { return };
    let (frames, model) = (bright_clip(), overflowing(&pool, OnNan::Fp32));
    let mut upscaler = batched(&model, &video_of(&frames[0]), Tile::Auto, Batch::Size(4));
    let report = upscaler.report();
    let upscaled = through(&mut upscaler, &pool, &frames);
    let report = report.get();
    assert_eq!((report.not_finite_frames, report.run_again, report.still_not_finite), (vec![1], 1, 0));
    assert!(support::rows(&upscaled[1], 1).iter().flatten().all(|sample| sample.is_finite()));
    // A step of half precision from 1 to 2 is 0.001.
    assert!((support::rows(&upscaled[1], 1)[14][10] - 1.5).abs() <= 2e-3);
}

#[test]
fn without_memory_for_a_batch_the_same_frames_go_in_smaller_ones() {
    let Some(pool) = gpu::pool(Some(1536)) else { return };
    let model = load(&pool, &built_in("rave-x2"), &options(Precision::Model));
    let frames = pictures(PixelFormat::RGB_F16, (1920, 1080), 3);
    let input = video_of(&frames[0]);
    let mut upscaler = batched(&model, &input, Tile::Auto, Batch::Size(16));
    println!("opened: {:?}", upscaler.report().get());
    let mut upload = Upload::new(&pool, &input).unwrap();
    let mut ticks = Vec::new();
    for number in 0..36 {
        let frame = upload.upload(&frames[number % 3]).unwrap();
        upscaler.process(frame, &mut |frame| ticks.push(frame.info().pts.ticks())).unwrap();
    }
    upscaler.finish(&mut |frame| ticks.push(frame.info().pts.ticks())).unwrap();
    let report = upscaler.report().get();
    println!("at the end: {report:?}");
    assert_eq!(ticks, (0..36).map(|number| number % 3).collect::<Vec<_>>());
    assert!(report.batch < 16 && report.batch_reason == BatchReason::Memory);
    assert!(!report.memory_steps.is_empty());
    assert!(report.runtime_bytes > 0, "what the last session takes is counted");
}

#[test]
fn a_batch_for_a_model_of_one_picture_is_refused() {
    let Some(pool) = gpu::pool(None) else { return };
    let model = load(&pool, &written("nearest-fixed-64x48-x2.onnx"), &options(Precision::Model));
    let input = support::video(PixelFormat::RGB_F32, 64, 48);
    let of = |batch| {
        let options = UpscalerOptions { batch, ..UpscalerOptions::default() };
        Upscaler::<CudaBuffer>::new(model.clone(), &input, &options)
    };
    assert_eq!(of(Batch::Size(2)).unwrap_err().code(), Code::SessionOptions);
    let report = of(Batch::Auto).unwrap().report().get();
    assert_eq!((report.batch, report.batch_reason), (1, BatchReason::Model));
}
