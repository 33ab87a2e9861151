use std::sync::atomic::Ordering;

use rave_core::{Chroma, Packing, PixelFormat, Sample, Stage};
use rave_cuda::{CudaBuffer, Upload};

use super::MOST_ELEMENTS;
use super::support::{
    assert_alike, blurring, file, load, on_host, overflowing, pictures, pool, samples, set, stage, through,
    video,
};
use crate::device::model::DeviceSessionOptions;
use crate::plan::{Batch, Tile, UpscalerOptions};
use crate::{BatchReason, MemoryStep, OnNan, Precision, Provider, Upscaler};

#[test]
fn batches_give_what_frames_alone_give() {
    let Some(pool) = pool() else { return };
    let planar = |sample| PixelFormat::Yuv { chroma: Chroma::C420, sample, packing: Packing::Planar };
    for (channels, precision, format) in [
        (3, Precision::Fp32, PixelFormat::RGB_F32),
        (3, Precision::Fp16, PixelFormat::RGB_F16),
        (1, Precision::Fp32, planar(Sample::F32)),
        (1, Precision::Fp16, planar(Sample::F16)),
    ] {
        let file = file(&blurring(channels));
        let model = load(&pool, &file, precision, OnNan::Fp32);
        let input = video(format, 75, 52);
        let frames = pictures(&input, 7);
        let expected = on_host(&file, precision, &frames, &input);
        for (batch, tile) in
            [1, 2, 4, 5].into_iter().flat_map(|size| [(size, Tile::Off), (size, Tile::Size(48))])
        {
            let mut stage = stage(&model, &input, tile, Batch::Size(batch));
            let found = through(&mut stage, &pool, &frames, &input).unwrap();
            assert_alike(&found, &expected, &format!("{format} {batch} {tile:?}"));
            let report = stage.report().get();
            assert_eq!((report.batch, report.batch_reason), (batch as usize, BatchReason::Asked));
            assert_eq!((report.frames, report.not_finite), (7, 0));
            let times = stage.device_times().unwrap();
            drop(stage);
            let runs = times.totals().count;
            assert!(tile != Tile::Off || runs == 7_u64.div_ceil(u64::from(batch)), "{runs} runs");
        }
    }
}

#[test]
fn small_pictures_go_together() {
    let Some(pool) = pool() else { return };
    let file = file(&blurring(3));
    let model = load(&pool, &file, Precision::Fp32, OnNan::Fp32);
    let of = |width, height, tile| {
        let report =
            stage(&model, &video(PixelFormat::RGB_F32, width, height), tile, Batch::Auto).report().get();
        (report.batch, report.batch_reason)
    };
    assert_eq!(of(64, 48, Tile::Auto), (4, BatchReason::SmallPictures));
    assert_eq!(of(320, 300, Tile::Auto), (2, BatchReason::SmallPictures));
    assert_eq!(of(640, 360, Tile::Auto), (1, BatchReason::LargePictures));
    assert_eq!(of(64, 48, Tile::Size(32)), (1, BatchReason::Tiles));
}

#[test]
fn a_source_that_waits_gets_its_frames() {
    let Some(pool) = pool() else { return };
    let file = file(&blurring(3));
    let model = load(&pool, &file, Precision::Fp32, OnNan::Fp32);
    let input = video(PixelFormat::RGB_F32, 64, 48);
    let (mut stage, frames) = (stage(&model, &input, Tile::Off, Batch::Size(4)), pictures(&input, 2));
    let mut upload = Upload::new(&pool, &input).unwrap();
    let mut emitted = Vec::new();
    assert_eq!(stage.patience(), None);
    for (number, frame) in frames.iter().enumerate() {
        stage
            .process(upload.upload(frame).unwrap(), &mut |frame| emitted.push(frame.info().pts.ticks()))
            .unwrap();
        assert!(stage.patience().is_some());
        stage.flush(&mut |frame| emitted.push(frame.info().pts.ticks())).unwrap();
        assert_eq!((emitted.len(), stage.patience()), (number + 1, None));
    }
}

#[test]
fn a_frame_that_was_not_promised_is_refused_at_once() {
    let Some(pool) = pool() else { return };
    let file = file(&blurring(3));
    let model = load(&pool, &file, Precision::Fp32, OnNan::Fp32);
    let input = video(PixelFormat::RGB_F32, 64, 48);
    let mut stage = stage(&model, &input, Tile::Off, Batch::Size(4));
    let other = video(PixelFormat::RGB_F32, 64, 50);
    let frame = Upload::new(&pool, &other).unwrap().upload(&pictures(&other, 1)[0]).unwrap();
    let error = stage.process(frame, &mut drop).unwrap_err();
    assert!(error.to_string().contains("64x50"), "{error}");
}

#[test]
fn one_frame_of_a_batch_is_run_again() {
    let Some(pool) = pool() else { return };
    let file = file(&overflowing());
    let input = video(PixelFormat::RGB_F16, 40, 36);
    let mut frames = pictures(&input, 6);
    set(&mut frames[2], 1, |x, y| if (x, y) == (5, 7) { 1.5 } else { 0.5 });
    for on_nan in [OnNan::Fp32, OnNan::Keep, OnNan::Error] {
        let model = load(&pool, &file, Precision::Fp16, on_nan);
        let mut stage = stage(&model, &input, Tile::Off, Batch::Size(4));
        let result = through(&mut stage, &pool, &frames, &input);
        let report = stage.report().get();
        assert_eq!((report.not_finite, &report.not_finite_frames[..]), (1, &[2][..]), "{on_nan:?}");
        match (on_nan, result) {
            (OnNan::Fp32, Ok(found)) => {
                assert_alike(&found, &frames, "again");
                assert_eq!((report.run_again, report.still_not_finite), (1, 0));
            }
            (OnNan::Keep, Ok(found)) => {
                assert!(samples(&found[2], 1).iter().any(|sample| !sample.is_finite()))
            }
            (OnNan::Error, Err(error)) => assert!(error.to_string().contains("in frame 2"), "{error}"),
            (_, result) => panic!("{on_nan:?}: {:?}", result.map(|frames| frames.len())),
        }
    }
}

#[test]
fn without_memory_batches_and_tiles_become_smaller() {
    let Some(pool) = pool() else { return };
    let file = file(&blurring(3));
    let model = load(&pool, &file, Precision::Fp32, OnNan::Fp32);
    let input = video(PixelFormat::RGB_F32, 300, 300);
    let frames = pictures(&input, 12);
    let mut stage = stage(&model, &input, Tile::Auto, Batch::Size(4));
    let mut found = Vec::new();
    // Of four pictures, of two, and of a tile.
    for (part, most) in frames.chunks(4).zip([4 * 3 * 300 * 300, 2 * 3 * 300 * 300, 3 * 256 * 256]) {
        MOST_ELEMENTS.store(most, Ordering::Relaxed);
        found.extend(through(&mut stage, &pool, part, &input).unwrap());
    }
    let steps = stage.report().get().memory_steps;
    let steps: Vec<_> = steps.iter().map(|step| (step.frame, step.batch, step.tile)).collect();
    assert_eq!(steps, [(4, 2, None), (8, 1, None), (8, 1, Some((256, 256)))]);
    assert_alike(&found, &on_host(&file, Precision::Fp32, &frames, &input), "with less memory");
}

#[test]
fn each_step_is_in_the_report() {
    let Some(pool) = pool() else { return };
    let file = file(&blurring(3));
    let model = load(&pool, &file, Precision::Fp32, OnNan::Fp32);
    let input = video(PixelFormat::RGB_F32, 300, 300);
    let frames = pictures(&input, 6);
    // Of two pictures when it is opened, of tiles of 256 pixels afterwards.
    MOST_ELEMENTS.store(2 * 3 * 300 * 300, Ordering::Relaxed);
    let mut stage = stage(&model, &input, Tile::Auto, Batch::Size(4));
    MOST_ELEMENTS.store(3 * 256 * 256, Ordering::Relaxed);
    assert_eq!(through(&mut stage, &pool, &frames, &input).unwrap().len(), 6);
    let report = stage.report().get();
    let steps: Vec<_> = report.memory_steps.iter().map(|step| (step.frame, step.batch, step.tile)).collect();
    assert_eq!(steps, [(0, 2, None), (0, 1, None), (0, 1, Some((256, 256)))]);
    assert!(report.memory_steps.iter().all(|MemoryStep { reason, .. }| reason.contains("memory")));
    assert_eq!((report.batch, report.tile, report.batch_reason), (1, Some((256, 256)), BatchReason::Memory));
    MOST_ELEMENTS.store(100, Ordering::Relaxed);
    let error = through(&mut stage, &pool, &frames, &input).unwrap_err();
    assert_eq!(error.code(), rave_core::Code::InferenceMemory);
}

#[test]
fn after_warm_up_nothing_is_allocated() {
    let Some(pool) = pool() else { return };
    let file = file(&blurring(3));
    let model = load(&pool, &file, Precision::Fp32, OnNan::Fp32);
    let input = video(PixelFormat::RGB_F32, 64, 48);
    let mut stage = stage(&model, &input, Tile::Off, Batch::Size(4));
    let (mut upload, picture) = (Upload::new(&pool, &input).unwrap(), pictures(&input, 1).remove(0));
    let (mut count, mut warm) = (0, pool.health());
    for number in 0..99 {
        if number == 30 {
            warm = pool.health();
        }
        stage.process(upload.upload(&picture).unwrap(), &mut |_| count += 1).unwrap();
        if number % 13 == 0 {
            stage.flush(&mut |_| count += 1).unwrap();
        }
    }
    stage.finish(&mut |_| count += 1).unwrap();
    let end = pool.health();
    assert_eq!((count, end.misses, end.evicted), (99, warm.misses, warm.evicted));
}

#[test]
fn a_provider_that_refuses_the_model_gives_way_to_the_next() {
    let Some(pool) = pool() else { return };
    let file = file(&blurring(3));
    let input = video(PixelFormat::RGB_F32, 64, 48);
    let open = |providers: &[Provider]| {
        let options =
            DeviceSessionOptions { providers: providers.to_vec(), ..DeviceSessionOptions::default() };
        // As if it had passed the check, and then fails with the model.
        let model = load(&pool, &file, Precision::Fp32, OnNan::Fp32).as_if_chosen(options);
        Upscaler::<CudaBuffer>::new(model, &input, &UpscalerOptions::default())
    };
    let mut stage = open(&[Provider::TensorRt, Provider::Cuda, Provider::Cpu]).unwrap();
    let report = stage.report().get();
    let refused: Vec<_> = report.refused.iter().map(|refused| refused.provider).collect();
    assert_eq!((report.provider, &refused[..]), (Provider::Cpu, &[Provider::TensorRt, Provider::Cuda][..]));
    assert!(report.refused[0].reason.contains("TensorRT"), "{:?}", report.refused);
    let frames = pictures(&input, 3);
    let expected = on_host(&file, Precision::Fp32, &frames, &input);
    assert_alike(&through(&mut stage, &pool, &frames, &input).unwrap(), &expected, "the next provider");
    let error = open(&[Provider::TensorRt]).unwrap_err();
    assert!(error.to_string().contains("TensorRT"), "{error}");
}
