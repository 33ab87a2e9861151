//! Which models are accepted, what is read from them, and what is said about the others.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::error::Error as _;
use std::fs;
use std::path::Path;

use rave_core::{Chroma, Code, CodedError, Packing, PixelFormat, Sample};
use rave_tensorrt::{BuiltIn, Error, Model, ModelColor, ModelInfo, ModelSource, TensorAxes, built_in_models};
use support::{OPTIONS, load, load_bytes, load_file, models, runtime};

const RGB: ModelInfo = ModelInfo {
    name: String::new(),
    sample: Sample::F32,
    color: ModelColor::Rgb,
    axes: TensorAxes::Nchw,
    size: None,
    multiple: 1,
    scale: 2,
    takes_batches: true,
    unshuffle: 1,
    inner_bytes_per_pixel: 0,
};

#[test]
fn properties_are_read_and_proved() {
    for (name, expected) in [
        ("nearest-rgb-x1", ModelInfo { scale: 1, ..RGB }),
        ("nearest-rgb-x2", RGB),
        ("nearest-rgb-x3", ModelInfo { scale: 3, ..RGB }),
        ("nearest-rgb-x4", ModelInfo { scale: 4, ..RGB }),
        ("nearest-rgb-f16-x2", ModelInfo { sample: Sample::F16, ..RGB }),
        ("nearest-luma-x2", ModelInfo { color: ModelColor::Luma, ..RGB }),
        ("nearest-luma-f16-x2", ModelInfo { color: ModelColor::Luma, sample: Sample::F16, ..RGB }),
        ("nearest-nhwc-x2", ModelInfo { axes: TensorAxes::Nhwc, ..RGB }),
        ("nearest-all-dims-free-x2", RGB),
        ("nearest-fixed-64x48-x2", ModelInfo { size: Some((64, 48)), takes_batches: false, ..RGB }),
        ("shift-multiple-4-x2", ModelInfo { multiple: 4, unshuffle: 4, ..RGB }),
        ("shift-multiple-3-x2", ModelInfo { multiple: 3, unshuffle: 3, ..RGB }),
        ("bench-unshuffle2-4x32", ModelInfo { multiple: 2, unshuffle: 2, ..RGB }),
        ("weights-as-input-x2", RGB),
    ] {
        let model = load(&format!("{name}.onnx")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let inner_bytes_per_pixel = model.info().inner_bytes_per_pixel;
        assert_eq!(model.info(), &ModelInfo { name: name.to_owned(), inner_bytes_per_pixel, ..expected });
    }
}

#[test]
fn pictures_that_are_not_independent_are_no_batch() {
    let model = load_bytes("mixing-x1.onnx", &models::mixing()).unwrap();
    assert!(!model.info().takes_batches);
}

#[test]
fn other_models_are_refused_by_what_they_are() {
    for (name, reason) in [
        ("classifier", "its output is ?x3: it is a classifier"),
        ("two-inputs", "it has 2 inputs, one is supported"),
        ("2x-by-4x", "it scales width by 2 and height by 4"),
        ("8x", "it scales by 8, at most 4 is supported"),
        ("half", "it makes 17x16 pixels of 35x33: not a whole multiple"),
        ("uint8", "its input is uint8, float32 and float16 are supported"),
        ("four-channels", "its input is ?x4x?x?: neither 3 channels (RGB) nor 1 (luma)"),
        ("batch-of-4", "it takes batches of 4, only 1 is supported"),
        ("only-width-fixed", "its input is 1x3x?x64: one of height and width is fixed"),
        ("vector", "its input is 1x10: 2 dimensions, a picture has 4"),
    ] {
        let error = load(&format!("refused-{name}.onnx")).expect_err(name);
        assert_eq!(error.code(), Code::ModelUnsupported, "{name}: {error}");
        let Error::ModelUnsupported { reason: said, .. } = error else { panic!("{name}: {error}") };
        assert_eq!(said, reason, "{name}");
    }
}

#[test]
fn a_missing_model_is_named() {
    for path in ["/nowhere/model.onnx", "/"] {
        let error = load_file(Path::new(path)).unwrap_err();
        assert_eq!(error.code(), Code::ModelMissing);
        assert!(error.to_string().contains(path), "{error}");
        assert!(error.source().is_some());
    }
}

#[test]
fn what_is_not_onnx_is_refused_in_onnx_runtimes_words() {
    let whole = models::nearest(2);
    let cut = &whole[..whole.len() - 20];
    for (name, bytes) in
        [("empty.onnx", &b""[..]), ("text.onnx", b"version https://git-lfs"), ("cut.onnx", cut)]
    {
        let error = load_bytes(name, bytes).unwrap_err();
        assert_eq!(error.code(), Code::ModelInvalid, "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
        assert!(!error.source().unwrap().to_string().is_empty());
    }
}

#[test]
fn an_operation_that_onnx_runtime_lacks_is_not_called_invalid() {
    let error = load_bytes("relu.onnx", &models::not_implemented()).unwrap_err();
    assert_eq!(error.code(), Code::ModelUnsupported, "{error}");
    assert!(error.source().unwrap().to_string().contains("Relu"), "{error:?}");
}

#[test]
fn weights_beside_the_model_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let (model, weights) = models::external("model.data");
    fs::write(&path, model).unwrap();
    let error = load_file(&path).unwrap_err();
    assert!(error.source().unwrap().to_string().contains("model.data"), "{error:?}");
    fs::write(folder.path().join("model.data"), weights).unwrap();
    assert_eq!(load_file(&path).unwrap().info().scale, 1);
}

#[cfg(unix)]
#[test]
fn a_path_need_not_be_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join(OsStr::from_bytes(b"models \xff\xfe"));
    fs::create_dir(&folder).unwrap();
    let path = folder.join(OsStr::from_bytes(b"m\xe9.onnx"));
    let (model, weights) = models::external("weights");
    fs::write(&path, model).unwrap();
    fs::write(folder.join("weights"), weights).unwrap();
    assert_eq!(load_file(&path).unwrap().info().color, ModelColor::Rgb);
}

#[test]
fn every_built_in_model_loads_as_described() {
    for model in built_in_models() {
        assert_eq!(BuiltIn::find(model.name()), Some(*model));
        let loaded = Model::load(&runtime(), &ModelSource::BuiltIn(*model), &OPTIONS)
            .unwrap_or_else(|error| panic!("{}: {error}: {:?}", model.name(), error.source()));
        assert_eq!((loaded.info().scale, loaded.info().name.as_str()), (model.scale(), model.name()));
        assert!(BuiltIn::default_for(model.scale()).is_some());
    }
    assert_eq!(BuiltIn::find("no such model"), None);
}

#[test]
fn the_input_format_follows_model_and_source() {
    let yuv = |chroma, sample| PixelFormat::Yuv { chroma, sample, packing: Packing::Planar };
    let rgb = ModelInfo { sample: Sample::F16, ..RGB };
    assert_eq!(rgb.input_format(PixelFormat::NV12), PixelFormat::RGB_F16);
    let luma = ModelInfo { color: ModelColor::Luma, ..RGB };
    for (source, expected) in [
        (PixelFormat::NV12, yuv(Chroma::C420, Sample::F32)),
        (PixelFormat::YUV422P, yuv(Chroma::C422, Sample::F32)),
        (PixelFormat::Gray { sample: Sample::U8 }, PixelFormat::Gray { sample: Sample::F32 }),
        (PixelFormat::Rgb { sample: Sample::U8 }, yuv(Chroma::C444, Sample::F32)),
    ] {
        assert_eq!(luma.input_format(source), expected);
        assert_eq!(luma.input_format(expected), expected);
    }
}
