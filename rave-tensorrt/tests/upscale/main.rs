//! Upscaling frames: sizes, padding, tiles, formats.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod batch;
#[path = "../support/mod.rs"]
mod support;

use std::num::NonZeroUsize;

use rave_core::{
    Chroma, Code, CodedError, ColorSpec, FrameInfo, HostBuffer, HostFrame, Packing, PixelFormat, Sample,
    Siting, Stage, Timestamp, VideoInfo,
};
use rave_tensorrt::{
    BuiltIn, Model, ModelColor, ModelSource, SessionOptions, Tile, Upscaler, UpscalerOptions,
    built_in_models, memory_estimate,
};
use support::{assert_repeated, frame, frame_info, load, pattern, rows, run, runtime, upscaler, video};

const RGB: PixelFormat = PixelFormat::RGB_F32;

fn upscale(model: &str, format: PixelFormat, (width, height): (u32, u32), tile: Tile) -> HostFrame {
    let mut upscaler = upscaler(load(model).unwrap(), &video(format, width, height), tile);
    run(&mut upscaler, frame(format, width, height, 1)).unwrap()
}

#[test]
fn any_size_comes_out_enlarged_pixel_for_pixel() {
    for scale in 1..=4 {
        for size in [(1, 1), (2, 1), (3, 5), (31, 33), (64, 48)] {
            let output = upscale(&format!("nearest-rgb-x{scale}.onnx"), RGB, size, Tile::Auto);
            assert_eq!((output.layout().width(), output.layout().height()), (size.0 * scale, size.1 * scale));
            assert_repeated(&output, 3, scale as usize, &format!("x{scale} of {size:?}"));
        }
    }
}

#[test]
fn every_kind_of_tensor_works() {
    let gray = |sample| PixelFormat::Gray { sample };
    for (model, format) in [
        ("nearest-rgb-f16-x2.onnx", PixelFormat::RGB_F16),
        ("nearest-nhwc-x2.onnx", RGB),
        ("nearest-luma-x2.onnx", gray(Sample::F32)),
        ("nearest-luma-f16-x2.onnx", gray(Sample::F16)),
        ("nearest-all-dims-free-x2.onnx", RGB),
    ] {
        for (size, tile) in [((45, 37), Tile::Off), ((3, 2), Tile::Auto), ((100, 70), Tile::Size(33))] {
            let output = upscale(model, format, size, tile);
            assert_repeated(&output, format.plane_count(), 2, &format!("{model} {size:?} {tile:?}"));
        }
    }
}

#[test]
fn frames_with_padded_rows_are_read_right() {
    for model in ["nearest-rgb-x2.onnx", "nearest-nhwc-x2.onnx"] {
        let mut upscaler = upscaler(load(model).unwrap(), &video(RGB, 45, 37), Tile::Off);
        let output = run(&mut upscaler, frame(RGB, 45, 37, 64)).unwrap();
        assert_repeated(&output, 3, 2, model);
    }
}

#[test]
fn what_is_missing_to_the_multiple_is_reflected() {
    for (model, multiple) in [("shift-multiple-4-x2.onnx", 4), ("shift-multiple-3-x2.onnx", 3)] {
        for (width, height) in [(33, 34), (43, 35), (5, 3), (2, 2), (1, 1), (1, 50)] {
            let output = upscale(model, RGB, (width, height), Tile::Off);
            let (columns, lines) = (padded(width, multiple), padded(height, multiple));
            for plane in 0..3 {
                for (y, row) in rows(&output, plane).iter().enumerate() {
                    for (x, &sample) in row.iter().enumerate() {
                        let (x, y) = (x / 2 + 2, y / 2 + 1);
                        let expected = match x < columns && y < lines {
                            true => {
                                pattern(plane, reflected(x, width as usize), reflected(y, height as usize))
                            }
                            false => 0.0,
                        };
                        assert_eq!(sample, expected, "{model} {width}x{height}: plane {plane} at {x}, {y}");
                    }
                }
            }
        }
    }
}

fn padded(length: u32, multiple: usize) -> usize {
    (length as usize).max(32).next_multiple_of(multiple)
}

/// Walks back and forth.
fn reflected(index: usize, length: usize) -> usize {
    let (mut position, mut forward) = (0, true);
    for _ in 0..index {
        if length == 1 {
            break;
        }
        forward = if forward { position != length - 1 } else { position == 0 };
        position = if forward { position + 1 } else { position - 1 };
    }
    position
}

#[test]
fn fixed_size_models_run_in_tiles() {
    for size in [(64, 48), (65, 48), (63, 49), (1, 1), (200, 130), (129, 97)] {
        let output = upscale("nearest-fixed-64x48-x2.onnx", RGB, size, Tile::Auto);
        assert_repeated(&output, 3, 2, &format!("{size:?}"));
    }
}

#[test]
fn a_tile_size_that_a_fixed_model_cannot_have_is_refused() {
    let refused = |tile, width| {
        let model = load("nearest-fixed-64x48-x2.onnx").unwrap();
        let options = UpscalerOptions { tile, ..UpscalerOptions::default() };
        Upscaler::<HostBuffer>::new(model, &video(RGB, width, 48), &options).err().map(|error| error.code())
    };
    assert_eq!(refused(Tile::Size(32), 64), Some(Code::SessionOptions));
    assert_eq!(refused(Tile::Off, 65), Some(Code::SessionOptions));
    assert_eq!(refused(Tile::Off, 64), None);
    assert_eq!(refused(Tile::Auto, 65), None);
}

#[test]
fn impossible_tiles_are_refused() {
    for (size, overlap, is_possible) in
        [(0, None, false), (64, Some(33), false), (64, Some(32), true), (1, None, true), (64, Some(0), true)]
    {
        let model = load("nearest-rgb-x2.onnx").unwrap();
        let options = UpscalerOptions { tile: Tile::Size(size), overlap, ..UpscalerOptions::default() };
        let result = Upscaler::<HostBuffer>::new(model, &video(RGB, 100, 100), &options);
        assert_eq!(result.is_ok(), is_possible, "tiles of {size} overlapping by {overlap:?}");
    }
}

#[test]
fn tiles_give_what_the_whole_picture_gives() {
    let name = "bench-unshuffle2-4x32.onnx";
    let whole = upscale(name, RGB, (150, 110), Tile::Off);
    // Four 3x3 convolutions at half size reach 8 pixels: half of the default overlap.
    let tiled = upscale(name, RGB, (150, 110), Tile::Size(64));
    for plane in 0..3 {
        for (one, other) in rows(&whole, plane).iter().flatten().zip(rows(&tiled, plane).iter().flatten()) {
            // Sums of up to 288 products, in an order that depends on the width.
            assert!((one - other).abs() < 1e-5, "{one} {other}");
        }
    }
}

#[test]
fn luma_goes_through_the_network_and_chroma_keeps_its_siting() {
    for (model, sample, tolerance) in
        [("nearest-luma-x2.onnx", Sample::F32, 1e-5), ("nearest-luma-f16-x2.onnx", Sample::F16, 1e-3)]
    {
        for chroma in [Chroma::C420, Chroma::C422, Chroma::C444] {
            for siting in [Siting::Left, Siting::Center, Siting::TopLeft] {
                let format = PixelFormat::Yuv { chroma, sample, packing: Packing::Planar };
                let color = ColorSpec { siting, ..ColorSpec::BT709 };
                let input = VideoInfo { color, ..video(format, 36, 34) };
                let mut upscaler = upscaler(load(model).unwrap(), &input, Tile::Off);
                let output = run(&mut upscaler, ramp(&input)).unwrap();
                assert_eq!(output.layout().format(), format);
                assert_repeated(&output, 1, 2, model);
                check_ramp(&output, chroma, siting, tolerance);
            }
        }
    }
}

/// Luma of `pattern`, and chroma that is a linear function of the place, by its siting.
fn ramp(input: &VideoInfo) -> HostFrame {
    let mut frame = frame(input.format, input.width, input.height, 1);
    let chroma = input.format.chroma().unwrap();
    for plane in 1..3 {
        support::fill_with(&mut frame, plane, |_, x, y| at(chroma, input.color.siting, (x, y), 1));
    }
    frame
}

/// The ramp at a chroma sample of a picture that was enlarged `scale` times.
fn at(chroma: Chroma, siting: Siting, (x, y): (usize, usize), scale: usize) -> f32 {
    let (x_shift, y_shift) = chroma.shifts();
    let (x_offset, y_offset) = siting.offset();
    let place = |index: usize, shift: u32, offset: f32| {
        let luma = (index << shift) as f32 + if shift == 0 { 0.0 } else { offset };
        (luma + 0.5) / scale as f32
    };
    place(x, x_shift, x_offset) / 64.0 - place(y, y_shift, y_offset) / 128.0
}

fn check_ramp(output: &HostFrame, chroma: Chroma, siting: Siting, tolerance: f32) {
    for plane in 1..3 {
        let rows = rows(output, plane);
        // The kernel reaches two samples: further in, a ramp stays a ramp.
        for (y, row) in rows.iter().enumerate().take(rows.len() - 6).skip(6) {
            for (x, &sample) in row.iter().enumerate().take(row.len() - 6).skip(6) {
                let expected = at(chroma, siting, (x, y), 2);
                assert!(
                    (sample - expected).abs() < tolerance,
                    "{chroma:?} {siting:?} {x} {y}: {sample} {expected}"
                );
            }
        }
    }
}

#[test]
fn colour_time_and_aspect_ratio_stay() {
    let input = video(RGB, 40, 30);
    let mut upscaler = upscaler(load("nearest-rgb-x3.onnx").unwrap(), &input, Tile::Auto);
    assert_eq!(upscaler.output_info(), &VideoInfo { width: 120, height: 90, ..input });
    let output = run(&mut upscaler, frame(RGB, 40, 30, 1)).unwrap();
    assert_eq!((output.info(), output.color()), (frame_info(), ColorSpec::BT709));
}

#[test]
fn frames_that_were_not_promised_are_refused() {
    let refused = |format| {
        let model = load("nearest-rgb-x2.onnx").unwrap();
        Upscaler::<HostBuffer>::new(model, &video(format, 40, 30), &UpscalerOptions::default())
            .err()
            .unwrap()
            .code()
    };
    assert_eq!(refused(PixelFormat::NV12), Code::FormatUnsupported);
    assert_eq!(refused(PixelFormat::RGB_F16), Code::FormatUnsupported);
    let mut upscaler = upscaler(load("nearest-rgb-x2.onnx").unwrap(), &video(RGB, 40, 30), Tile::Auto);
    let error = run(&mut upscaler, frame(RGB, 40, 31, 1)).unwrap_err();
    assert_eq!(error.code(), Code::LayoutInvalid);
    assert!(error.to_string().contains("40x31"), "{error}");
}

#[test]
fn a_picture_too_large_to_be_enlarged_is_refused() {
    let model = load("nearest-rgb-x4.onnx").unwrap();
    let error = Upscaler::<HostBuffer>::new(model, &video(RGB, 20000, 30), &UpscalerOptions::default())
        .err()
        .unwrap();
    assert_eq!(error.code(), Code::SizeInvalid);
}

#[test]
fn several_frames_are_worked_on_at_once_and_stay_in_order() {
    let mut upscaler = upscaler(load("nearest-rgb-x2.onnx").unwrap(), &video(RGB, 64, 48), Tile::Auto);
    assert_eq!(upscaler.frames_at_once(), support::THREADS);
    let mut emitted = Vec::new();
    for ticks in 0..20 {
        upscaler.process(numbered(ticks), &mut |frame| emitted.push(frame)).unwrap();
        let waiting = ticks as usize + 1 - emitted.len();
        assert!(waiting <= support::THREADS);
    }
    upscaler.finish(&mut |frame| emitted.push(frame)).unwrap();
    let ticks: Vec<_> = emitted.iter().map(|frame| frame.info().pts.ticks()).collect();
    assert_eq!(ticks, (0..20).collect::<Vec<_>>());
}

fn numbered(ticks: i64) -> HostFrame {
    let frame = frame(RGB, 64, 48, 1);
    let pts = Timestamp::new(ticks, frame.info().pts.time_base());
    let info = FrameInfo { pts, ..frame.info() };
    let (layout, color) = (*frame.layout(), frame.color());
    HostFrame::new(frame.into_buffer(), layout, color, info).unwrap()
}

#[test]
fn one_thread_emits_each_frame_at_once() {
    let source = ModelSource::BuiltIn(BuiltIn::find("resize-cubic-x2").unwrap());
    let model = Model::load(
        &runtime(),
        &source,
        &SessionOptions { threads: NonZeroUsize::new(1), ..SessionOptions::default() },
    )
    .unwrap();
    let mut upscaler = upscaler(model, &video(RGB, 64, 48), Tile::Auto);
    assert_eq!(upscaler.frames_at_once(), 1);
    let mut count = 0;
    upscaler.process(numbered(0), &mut |_| count += 1).unwrap();
    assert_eq!(count, 1);
}

#[test]
fn an_unfinished_upscaler_can_be_dropped() {
    let mut upscaler = upscaler(load("nearest-rgb-x2.onnx").unwrap(), &video(RGB, 64, 48), Tile::Auto);
    upscaler.process(numbered(0), &mut drop).unwrap();
}

#[test]
fn output_buffers_are_used_again() {
    let mut upscaler = upscaler(load("nearest-rgb-x2.onnx").unwrap(), &video(RGB, 64, 64), Tile::Auto);
    let mut address = || {
        let output = run(&mut upscaler, frame(RGB, 64, 64, 1)).unwrap();
        output.buffer().as_bytes().as_ptr()
    };
    assert_eq!(address(), address());
}

#[test]
fn the_built_in_resize_is_catmull_rom() {
    let source = ModelSource::BuiltIn(BuiltIn::find("resize-cubic-x2").unwrap());
    let options = SessionOptions { threads: NonZeroUsize::new(1), ..SessionOptions::default() };
    let model = Model::load(&runtime(), &source, &options).unwrap();
    let mut upscaler = upscaler(model, &video(RGB, 40, 36), Tile::Auto);
    let input = frame(RGB, 40, 36, 1);
    let expected = support::catmull_rom_x2(&rows(&input, 1));
    let output = run(&mut upscaler, input).unwrap();
    for (row, expected) in rows(&output, 1).iter().zip(expected) {
        for (sample, expected) in row.iter().zip(expected) {
            // Sixteen products of numbers below 1.5.
            assert!((sample - expected).abs() < 1e-5, "{sample} {expected}");
        }
    }
}

#[test]
fn built_in_models_keep_flat_pictures_and_soft_edges() {
    for built_in in built_in_models() {
        let model = Model::load(&runtime(), &ModelSource::BuiltIn(*built_in), &support::OPTIONS).unwrap();
        let (info, format) = (model.info().clone(), model.info().input_format(PixelFormat::YUV420P));
        let (width, height) = (47, 41);
        let mut frame = frame(format, width, height, 1);
        (0..3).for_each(|plane| support::fill_with(&mut frame, plane, soft));
        let mut upscaler = upscaler(model, &video(format, width, height), Tile::Auto);
        let output = run(&mut upscaler, frame).unwrap();
        let planes = if info.color == ModelColor::Luma { 1 } else { 3 };
        for plane in 0..planes {
            for (y, row) in rows(&output, plane).iter().enumerate() {
                for (x, &sample) in row.iter().enumerate() {
                    let place = |index: usize| (index as f32 + 0.5) / info.scale as f32 - 0.5;
                    let expected = soft_at(place(x), place(y));
                    // What a model may add to a shape as soft as this: a few code values of eight bits.
                    let difference = (sample - expected).abs();
                    assert!(difference < 0.03, "{}: {x} {y}: {sample} {expected}", built_in.name());
                }
            }
        }
    }
}

fn soft(_plane: usize, x: usize, y: usize) -> f32 {
    soft_at(x as f32, y as f32)
}

fn soft_at(x: f32, y: f32) -> f32 {
    0.5 + 0.2 * (x / 9.0).sin() * (y / 11.0).cos()
}

#[test]
fn the_memory_estimate_grows_with_the_picture_and_does_not_overflow() {
    let model = load("nearest-rgb-x4.onnx").unwrap();
    let of = |width, height| memory_estimate(model.info(), width, height);
    assert!(of(1920, 1080) > 1920 * 1080 * 12 * 17);
    assert_eq!(of(3840, 2160), 4 * of(1920, 1080));
    let upscaler = upscaler(load("nearest-rgb-x4.onnx").unwrap(), &video(RGB, 1920, 1080), Tile::Off);
    assert!(upscaler.memory_estimate() >= support::THREADS as u64 * of(1920, 1080));
    assert!(of(u32::MAX, u32::MAX) > of(12336, 12336));
}
