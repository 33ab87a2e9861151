//! Frames that go through the network together, and frames that are not finite.

use rave_core::{Chroma, Code, CodedError, HostBuffer, HostFrame, Packing, PixelFormat, Sample, Stage};
use rave_tensorrt::{
    Batch, BatchReason, Model, ModelSource, OnNan, Precision, SessionOptions, Tile, Upscaler, UpscalerOptions,
};

use super::support::{self, load, rows, runtime, video};
use super::{RGB, numbered};

const LUMA: PixelFormat =
    PixelFormat::Yuv { chroma: Chroma::C420, sample: Sample::F32, packing: Packing::Planar };

/// Frames of soft shapes and noise through the model, `batch` at once.
fn together(name: &str, format: PixelFormat, tile: Tile, batch: Batch, count: i64) -> Vec<HostFrame> {
    let input = video(format, 75, 52);
    let mut upscaler = support::batched(load(name).unwrap(), &input, tile, batch);
    let mut emitted = Vec::new();
    for number in 0..count {
        let frame = support::gpu::picture(format, (75, 52), number);
        upscaler.process(frame, &mut |frame| emitted.push(frame)).unwrap();
    }
    upscaler.finish(&mut |frame| emitted.push(frame)).unwrap();
    emitted
}

#[test]
fn batches_give_what_frames_alone_give() {
    for (name, format) in [
        ("bench-unshuffle2-4x32.onnx", RGB),
        ("shift-multiple-4-x2.onnx", RGB),
        ("nearest-nhwc-x2.onnx", RGB),
        ("nearest-luma-x2.onnx", LUMA),
        ("nearest-rgb-f16-x2.onnx", PixelFormat::RGB_F16),
    ] {
        for tile in [Tile::Off, Tile::Size(40)] {
            let alone = together(name, format, tile, Batch::Size(1), 7);
            for batch in [2, 4, 5, 16] {
                let found = together(name, format, tile, Batch::Size(batch), 7);
                assert_eq!(found.len(), 7);
                for (number, (found, alone)) in found.iter().zip(&alone).enumerate() {
                    assert_eq!(found.info().pts.ticks(), number as i64);
                    let distance = support::gpu::distance(found, alone);
                    // Sums of up to 288 products, in an order that may depend on the batch.
                    assert!(distance <= 1e-5, "{name} {tile:?} {batch}, frame {number}: {distance}");
                }
            }
        }
    }
}

#[test]
fn a_batch_that_cannot_be_is_refused() {
    let of = |name, batch| {
        let options = UpscalerOptions { batch, ..UpscalerOptions::default() };
        Upscaler::<HostBuffer>::new(load(name).unwrap(), &video(RGB, 64, 48), &options)
    };
    let fixed = "nearest-fixed-64x48-x2.onnx";
    for (name, size, why) in [
        ("nearest-rgb-x2.onnx", 0, "from 1 to 16 are"),
        ("nearest-rgb-x2.onnx", 17, "from 1 to 16 are"),
        (fixed, 2, "takes one picture at a time"),
    ] {
        let error = of(name, Batch::Size(size)).unwrap_err();
        assert_eq!(error.code(), Code::SessionOptions);
        assert!(error.to_string().contains(why), "{error}");
    }
    for (name, batch, expected) in [
        (fixed, Batch::Size(1), (1, BatchReason::Asked)),
        (fixed, Batch::Auto, (1, BatchReason::Model)),
        ("nearest-rgb-x2.onnx", Batch::Auto, (1, BatchReason::Cpu)),
        ("nearest-rgb-x2.onnx", Batch::Size(16), (16, BatchReason::Asked)),
    ] {
        let report = of(name, batch).unwrap().report().get();
        assert_eq!((report.batch, report.batch_reason), expected, "{name} {batch:?}");
    }
}

#[test]
fn what_was_gathered_comes_out_when_nothing_follows() {
    let model = load("nearest-rgb-x2.onnx").unwrap();
    let mut upscaler = support::batched(model, &video(RGB, 64, 48), Tile::Auto, Batch::Size(4));
    let mut emitted = Vec::new();
    assert_eq!(upscaler.patience(), None);
    upscaler.process(numbered(0), &mut |frame| emitted.push(frame)).unwrap();
    assert!(emitted.is_empty());
    while upscaler.patience().is_some() {
        upscaler.flush(&mut |frame| emitted.push(frame)).unwrap();
    }
    assert_eq!(emitted.len(), 1);
}

/// Frames of which number 3 is too bright for half precision on its way, through a model that is rewritten for it.
fn bright(
    on_nan: OnNan,
    precision: Precision,
    batch: Batch,
) -> (Result<Vec<HostFrame>, Code>, Upscaler<HostBuffer>) {
    let bytes = support::models::overflow_in_between();
    let source = ModelSource::File(support::write_model("overflow-in-between.onnx", &bytes));
    let options = SessionOptions { precision, on_nan, ..support::OPTIONS };
    let model = Model::load(&runtime(), &source, &options).unwrap();
    let format = model.info().input_format(RGB);
    let mut upscaler = support::batched(model, &video(format, 40, 36), Tile::Off, batch);
    let mut emitted = Vec::new();
    let mut run = || {
        for number in 0..6 {
            let mut frame = support::gpu::picture(format, (40, 36), number);
            if number == 3 {
                let bright = if precision == Precision::Fp16 { 1.5 } else { f32::INFINITY };
                support::fill_with(&mut frame, 1, |_, x, y| if (x, y) == (5, 7) { bright } else { 0.5 });
            }
            upscaler.process(frame, &mut |frame| emitted.push(frame)).map_err(|error| error.code())?;
        }
        upscaler.finish(&mut |frame| emitted.push(frame)).map_err(|error| error.code())
    };
    let result = run();
    (result.map(|()| emitted), upscaler)
}

#[test]
fn a_frame_that_is_not_finite_is_run_again_in_single_precision() {
    for batch in [Batch::Size(1), Batch::Size(4)] {
        let (found, upscaler) = bright(OnNan::Fp32, Precision::Fp16, batch);
        let (found, report) = (found.unwrap(), upscaler.report().get());
        assert_eq!((report.not_finite_frames, report.run_again, report.still_not_finite), (vec![3], 1, 0));
        assert_eq!(found.len(), 6);
        // A step of half precision from 1 to 2 is 0.001.
        assert!((rows(&found[3], 1)[7][5] - 1.5).abs() <= 1e-3);
    }
}

#[test]
fn a_frame_that_is_not_finite_is_kept_or_an_error_as_asked() {
    let (found, upscaler) = bright(OnNan::Keep, Precision::Fp16, Batch::Auto);
    let report = upscaler.report().get();
    assert!(!rows(&found.unwrap()[3], 1)[7][5].is_finite());
    assert_eq!((report.not_finite_frames, report.run_again), (vec![3], 0));
    for batch in [Batch::Size(1), Batch::Size(4)] {
        let (result, _) = bright(OnNan::Error, Precision::Fp16, batch);
        assert_eq!(result.err(), Some(Code::OutputNotFinite));
    }
}

#[test]
fn single_precision_is_no_help_for_single_precision() {
    let (found, upscaler) = bright(OnNan::Fp32, Precision::Model, Batch::Auto);
    let report = upscaler.report().get();
    assert!(!rows(&found.unwrap()[3], 1)[7][5].is_finite());
    assert_eq!((report.not_finite, report.run_again, report.still_not_finite), (1, 0, 1));
}
