//! Models rewritten for another precision, run on the CPU.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::env;
use std::path::{Path, PathBuf};

use rave_core::{Code, CodedError, HostFrame, PixelFormat, Sample};
use rave_tensorrt::{
    BuiltIn, Error, Model, ModelInfo, ModelSource, Precision, SessionOptions, Tile, built_in_models,
};
use support::{fill_with, frame, models, rows, run, runtime, soft, upscaler, video};

fn load(source: &ModelSource, precision: Precision) -> Result<Model, Error> {
    Model::load(&runtime(), source, &SessionOptions { precision, ..support::OPTIONS })
}

fn written(name: &str) -> ModelSource {
    let (_, bytes) = models::all().into_iter().find(|(known, _)| *known == name).unwrap();
    ModelSource::File(support::write_model(name, &bytes))
}

fn built_in(name: &str) -> ModelSource {
    ModelSource::BuiltIn(BuiltIn::find(name).unwrap())
}

/// A soft picture through the model.
fn upscaled(
    source: &ModelSource,
    precision: Precision,
    (width, height): (u32, u32),
) -> (ModelInfo, HostFrame) {
    let model = load(source, precision).unwrap_or_else(|error| panic!("{source} in {precision}: {error}"));
    let info = model.info().clone();
    let format = info.input_format(PixelFormat::YUV420P);
    let mut picture = frame(format, width, height, 1);
    (0..format.plane_count()).for_each(|plane| fill_with(&mut picture, plane, soft));
    let output = run(&mut upscaler(model, &video(format, width, height), Tile::Auto), picture).unwrap();
    (info, output)
}

#[test]
fn half_precision_agrees_with_single() {
    let mut sources: Vec<_> = [
        "bench-unshuffle2-4x32.onnx",
        "nearest-rgb-x3.onnx",
        "nearest-luma-x2.onnx",
        "nearest-nhwc-x2.onnx",
        "nearest-fixed-64x48-x2.onnx",
        "shift-multiple-4-x2.onnx",
        "weights-as-input-x2.onnx",
        "shape-arithmetic-x2.onnx",
        "needs-single-x1.onnx",
        "constants-x1.onnx",
    ]
    .map(written)
    .into();
    sources.push(built_in("resize-cubic-x2"));
    sources.extend(weights("realesr-animevideov3-x2.onnx"));
    for source in &sources {
        let (single_info, single) = upscaled(source, Precision::Model, (61, 53));
        let (half_info, half) = upscaled(source, Precision::Fp16, (61, 53));
        assert_eq!((single_info.sample, half_info.sample), (Sample::F32, Sample::F16), "{source}");
        let inner_bytes_per_pixel = half_info.inner_bytes_per_pixel;
        let expected = ModelInfo { sample: Sample::F16, inner_bytes_per_pixel, ..single_info };
        assert_eq!(half_info, expected);
        let psnr = psnr(&single, &half);
        println!("{source}: {psnr:.1} dB");
        assert!(psnr >= 50.0, "{source}: {psnr:.1} dB");
    }
}

#[test]
fn a_model_of_half_precision_becomes_single() {
    let mut sources = vec![written("nearest-rgb-f16-x2.onnx"), written("nearest-luma-f16-x2.onnx")];
    sources.extend(built_in_models().iter().map(|model| ModelSource::BuiltIn(*model)));
    sources.extend(weights("realesr-animevideov3-x2-fp16.onnx"));
    for source in &sources {
        let (_, as_it_is) = upscaled(source, Precision::Model, (61, 53));
        let (info, single) = upscaled(source, Precision::Fp32, (61, 53));
        assert_eq!(info.sample, Sample::F32, "{source}");
        let psnr = psnr(&as_it_is, &single);
        println!("{source}: {psnr:.1} dB");
        assert!(psnr >= 50.0, "{source}: {psnr:.1} dB");
    }
}

#[test]
fn the_published_half_precision_weights_are_what_this_makes_of_the_single_ones() {
    let (Some(single), Some(half)) =
        (weights("realesr-animevideov3-x2.onnx"), weights("realesr-animevideov3-x2-fp16.onnx"))
    else {
        return;
    };
    let (_, ours) = upscaled(&single, Precision::Fp16, (61, 53));
    let (_, published) = upscaled(&half, Precision::Model, (61, 53));
    let psnr = psnr(&ours, &published);
    println!("{psnr:.1} dB");
    assert!(psnr >= 60.0, "{psnr:.1} dB");
}

#[test]
fn a_model_that_has_the_precision_is_run_as_it_is() {
    for (name, precision) in
        [("nearest-rgb-f16-x2.onnx", Precision::Fp16), ("nearest-rgb-x2.onnx", Precision::Fp32)]
    {
        let (model, same) = (load(&written(name), Precision::Model), load(&written(name), precision));
        assert_eq!(model.unwrap().info(), same.unwrap().info());
    }
}

#[test]
fn tensors_in_files_beside_the_model_are_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = models::external("weights.bin");
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, model).unwrap();
    std::fs::write(folder.path().join("weights.bin"), data).unwrap();
    let source = ModelSource::File(path);
    let (_, half) = upscaled(&source, Precision::Fp16, (40, 36));
    let (_, single) = upscaled(&source, Precision::Model, (40, 36));
    assert!(psnr(&single, &half) >= 50.0);

    std::fs::remove_file(folder.path().join("weights.bin")).unwrap();
    let error = load(&source, Precision::Fp16).unwrap_err();
    assert_eq!(error.code(), Code::ModelMissing);
    assert!(error.to_string().contains("weights.bin"), "{error}");
}

#[test]
fn tensors_outside_of_the_models_folder_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (model, _) = models::external("../weights.bin");
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, model).unwrap();
    let error = load(&ModelSource::File(path), Precision::Fp16).unwrap_err();
    assert_eq!(error.code(), Code::ModelMissing);
}

#[test]
fn what_cannot_be_rewritten_is_refused_with_the_reason() {
    let control_flow = support::write_model("control-flow.onnx", &models::control_flow());
    let error = load(&ModelSource::File(control_flow), Precision::Fp16).unwrap_err();
    assert_eq!(error.code(), Code::ModelUnsupported);
    assert!(error.to_string().ends_with("another precision: it has control flow (If)"), "{error}");

    let text = support::write_model("text.onnx", b"version https://git-lfs.github.com/spec/v1");
    let error = load(&ModelSource::File(text), Precision::Fp16).unwrap_err();
    assert_eq!(error.code(), Code::ModelUnsupported);
    assert_eq!(
        load(&ModelSource::File("missing.onnx".into()), Precision::Fp16).unwrap_err().code(),
        Code::ModelMissing
    );
}

fn weights(name: &str) -> Option<ModelSource> {
    let Some(folder) = env::var_os("RAVE_MEDIA").map(PathBuf::from) else {
        println!("skipped {name}: RAVE_MEDIA is not set");
        return None;
    };
    Some(ModelSource::File(folder.join("weights").join(Path::new(name))))
}

/// Of all planes, for values from 0 to 1.
fn psnr(a: &HostFrame, b: &HostFrame) -> f64 {
    let mut squares = Vec::new();
    for plane in 0..a.layout().planes().len() {
        let pairs = rows(a, plane).into_iter().flatten().zip(rows(b, plane).into_iter().flatten());
        squares.extend(pairs.map(|(a, b)| f64::from(a - b).powi(2)));
    }
    -10.0 * (squares.iter().sum::<f64>() / squares.len() as f64).log10()
}
