//! What the test binaries share.
#![allow(dead_code, reason = "no test binary uses all of it")]
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

pub mod gpu;
pub mod models;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use half::f16;
use rave_core::{
    BoxError, ColorSpec, FrameInfo, HostBuffer, HostFrame, HostPool, Layout, PixelFormat, Rational, Sample,
    Stage, TimeBase, Timestamp, VideoInfo,
};
use rave_tensorrt::{
    Batch, Error, Model, ModelSource, OnNan, Precision, Runtime, SessionOptions, Tile, Upscaler,
    UpscalerOptions,
};

/// Where `cargo xtask setup` puts the library.
pub fn library_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/onnxruntime")
}

/// The library that `ORT_DYLIB_PATH` names, for test binaries that were carried to another machine, or the project's.
pub fn runtime() -> Runtime {
    let explicit = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    Runtime::load(explicit.as_deref(), &[library_folder()])
        .unwrap_or_else(|error| panic!("{error}\nthe tests need ONNX Runtime: run `cargo xtask setup` first"))
}

pub const THREADS: usize = 2;
pub const OPTIONS: SessionOptions =
    SessionOptions { threads: NonZeroUsize::new(THREADS), precision: Precision::Model, on_nan: OnNan::Fp32 };

pub fn load_file(path: &Path) -> Result<Model, Error> {
    Model::load(&runtime(), &ModelSource::File(path.to_path_buf()), &OPTIONS)
}

/// A model of `models::all()`.
pub fn load(name: &str) -> Result<Model, Error> {
    let (_, bytes) = models::all().into_iter().find(|(known, _)| *known == name).expect("a known model");
    load_bytes(name, &bytes)
}

pub fn load_bytes(name: &str, bytes: &[u8]) -> Result<Model, Error> {
    load_file(&write_model(name, bytes))
}

/// A file with these bytes, under the name that they always have.
pub fn write_model(name: &str, bytes: &[u8]) -> PathBuf {
    // Written under another name first: tests run at the same time, also in other processes.
    let folder = std::env::temp_dir().join("rave-tensorrt-tests");
    fs::create_dir_all(&folder).unwrap();
    let file = tempfile::NamedTempFile::new_in(&folder).unwrap();
    fs::write(file.path(), bytes).unwrap();
    let path = folder.join(name);
    file.persist(&path).unwrap();
    path
}

pub fn video(format: PixelFormat, width: u32, height: u32) -> VideoInfo {
    VideoInfo {
        sample_aspect_ratio: Some(Rational::new(4, 3).unwrap()),
        ..VideoInfo::new(format, (width, height), ColorSpec::BT709, TimeBase::new(1, 25).unwrap())
    }
}

pub fn frame_info() -> FrameInfo {
    let pts = Timestamp::new(7, TimeBase::new(1, 25).unwrap());
    FrameInfo { duration_ticks: Some(1), ..FrameInfo::new(pts) }
}

/// A different value for each sample, exact in half precision, some outside 0..1.
pub fn pattern(plane: usize, x: usize, y: usize) -> f32 {
    ((x * 7 + y * 31 + plane * 101) % 509) as f32 / 256.0 - 0.5
}

/// Soft shapes within 0..1, as a picture has.
pub fn soft(plane: usize, x: usize, y: usize) -> f32 {
    let (x, y) = (x as f32, y as f32);
    0.45 + 0.3 * (x / 20.0).sin() * (y / 15.0).cos() + 0.02 * plane as f32
}

/// A frame of [`pattern`] whose rows start at multiples of `stride_alignment` bytes.
pub fn frame(format: PixelFormat, width: u32, height: u32, stride_alignment: usize) -> HostFrame {
    let layout = Layout::aligned(format, width, height, stride_alignment).unwrap();
    let mut frame = HostFrame::from_pool(&HostPool::new(), layout, ColorSpec::BT709, frame_info());
    for plane in 0..format.plane_count() {
        fill_with(&mut frame, plane, pattern);
    }
    frame
}

/// Sets each sample of a plane to what `value` gives for plane, column and row.
pub fn fill_with(frame: &mut HostFrame, plane: usize, value: impl Fn(usize, usize, usize) -> f32) {
    if frame.layout().format().sample() == Sample::F16 {
        for (y, row) in frame.rows_mut::<f16>(plane).enumerate() {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = f16::from_f32(value(plane, x, y)));
        }
    } else {
        for (y, row) in frame.rows_mut::<f32>(plane).enumerate() {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = value(plane, x, y));
        }
    }
}

/// A plane's rows in single precision.
pub fn rows(frame: &HostFrame, plane: usize) -> Vec<Vec<f32>> {
    if frame.layout().format().sample() == Sample::F16 {
        frame.rows::<f16>(plane).map(|row| row.iter().map(|sample| sample.to_f32()).collect()).collect()
    } else {
        frame.rows::<f32>(plane).map(<[f32]>::to_vec).collect()
    }
}

pub fn upscaler(model: Model, input: &VideoInfo, tile: Tile) -> Upscaler<HostBuffer> {
    batched(model, input, tile, Batch::Auto)
}

pub fn batched(model: Model, input: &VideoInfo, tile: Tile, batch: Batch) -> Upscaler<HostBuffer> {
    Upscaler::<HostBuffer>::new(model, input, &UpscalerOptions { tile, batch, overlap: None }).unwrap()
}

pub fn run(upscaler: &mut Upscaler<HostBuffer>, frame: HostFrame) -> Result<HostFrame, BoxError> {
    let mut emitted = Vec::new();
    upscaler.process(frame, &mut |frame| emitted.push(frame))?;
    upscaler.finish(&mut |frame| emitted.push(frame))?;
    assert_eq!(emitted.len(), 1);
    Ok(emitted.remove(0))
}

/// Checks that each pixel of [`pattern`] appears `scale` times in both directions.
pub fn assert_repeated(frame: &HostFrame, planes: usize, scale: usize, what: &str) {
    for plane in 0..planes {
        for (y, row) in rows(frame, plane).iter().enumerate() {
            for (x, &sample) in row.iter().enumerate() {
                assert_eq!(sample, pattern(plane, x / scale, y / scale), "{what}: plane {plane} at {x}, {y}");
            }
        }
    }
}

/// Cubic convolution with a = -0.5 by two, edges repeated, straight from the formula (Keys 1981).
pub fn catmull_rom_x2(plane: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let kernel = |x: f32| match x.abs() {
        x if x < 1.0 => 1.5 * x.powi(3) - 2.5 * x.powi(2) + 1.0,
        x if x < 2.0 => -0.5 * x.powi(3) + 2.5 * x.powi(2) - 4.0 * x + 2.0,
        _ => 0.0,
    };
    let (height, width) = (plane.len() as i64, plane[0].len() as i64);
    let sample = |x: i64, y: i64| plane[y.clamp(0, height - 1) as usize][x.clamp(0, width - 1) as usize];
    let value = |x: i64, y: i64| {
        let (x, y) = ((x as f32 + 0.5) / 2.0 - 0.5, (y as f32 + 0.5) / 2.0 - 0.5);
        let (left, top) = (x.floor() as i64, y.floor() as i64);
        let weigh =
            |row: i64, column: i64| kernel(x - column as f32) * kernel(y - row as f32) * sample(column, row);
        (top - 1..top + 3)
            .flat_map(|row| (left - 1..left + 3).map(move |column| (row, column)))
            .map(|(row, column)| weigh(row, column))
            .sum()
    };
    (0..2 * height).map(|y| (0..2 * width).map(|x| value(x, y)).collect()).collect()
}
