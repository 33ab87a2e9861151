use std::env;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use half::f16;
use rave_core::{
    BoxError, ColorSpec, FrameInfo, HostBuffer, HostFrame, HostPool, Layout, PixelFormat, Sample, Siting,
    Stage, TimeBase, Timestamp, VideoInfo,
};
use rave_cuda::{CudaBuffer, Device, Download, Pool, PoolOptions, Upload};

use super::MOST_ELEMENTS;
use crate::device::model::{DeviceModel, DeviceSessionOptions};
use crate::model::{Model, SessionOptions};
use crate::onnx::{Dim, FLOAT, Graph, INT64, Value, floats};
use crate::plan::{Batch, Tile, UpscalerOptions};
use crate::{ModelSource, OnNan, Precision, Provider, Runtime, Upscaler};

/// A pool on the emulated GPU; nothing where the test was not started with it.
pub(super) fn pool() -> Option<Pool> {
    MOST_ELEMENTS.store(u64::MAX, Ordering::Relaxed);
    let is_emulated = |device: &Device| device.info().is_ok_and(|info| info.name == "Emulated GPU");
    let Some(device) = Device::open(0).ok().filter(is_emulated) else {
        println!("skipped: the GPU is not the emulated one");
        return None;
    };
    Some(Pool::new(&device, PoolOptions::default()))
}

pub(super) fn runtime() -> Runtime {
    let explicit = env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/onnxruntime");
    Runtime::load(explicit.as_deref(), &[folder]).unwrap()
}

pub(super) const ANY: [Dim; 3] = [Dim::Any("batch"), Dim::Any("height"), Dim::Any("width")];

pub(super) fn shape(channels: u64) -> [Dim; 4] {
    let [batch, height, width] = ANY;
    [batch, Dim::Fixed(channels), height, width]
}

/// A convolution of 3x3 whose weights are all different, and pixels repeated twice.
pub(super) fn blurring(channels: u64) -> Vec<u8> {
    let weights: Vec<f32> = (0..channels * channels * 9).map(|index| 0.01 + 0.003 * index as f32).collect();
    let nearest = [
        ("mode", Value::Text("nearest")),
        ("coordinate_transformation_mode", Value::Text("asymmetric")),
        ("nearest_mode", Value::Text("floor")),
    ];
    let kernel = [channels as i64, channels as i64, 3, 3];
    Graph::new("blurring")
        .input("picture", FLOAT, &shape(channels))
        .output(
            "larger",
            FLOAT,
            &[Dim::Any("n"), Dim::Fixed(channels), Dim::Any("rows"), Dim::Any("columns")],
        )
        .constant("kernel", FLOAT, &kernel, &floats(&weights))
        .constant("scales", FLOAT, &[4], &floats(&[1.0, 1.0, 2.0, 2.0]))
        .node("Conv", &["picture", "kernel"], "blurred", &[("pads", Value::Ints(&[1; 4]))])
        .node("Resize", &["blurred", "", "scales"], "larger", &nearest)
        .model(13)
}

/// What half precision does not hold where a pixel is above 1.09, and then the pixel again, for a batch of any size.
pub(super) fn overflowing() -> Vec<u8> {
    Graph::new("overflowing")
        .input("picture", FLOAT, &shape(3))
        .output("same", FLOAT, &shape(3))
        .constant("large", FLOAT, &[1], &floats(&[60_000.0]))
        .node("Mul", &["picture", "large"], "bright", &[])
        // What the CPU can do in half precision, so that values are rounded to it.
        .constant("last", INT64, &[1], &(-1_i64).to_le_bytes())
        .constant("before_first", INT64, &[1], &i64::MIN.to_le_bytes())
        .constant("axis", INT64, &[1], &3_i64.to_le_bytes())
        .node("Slice", &["bright", "last", "before_first", "axis", "last"], "mirrored", &[])
        .node("Slice", &["mirrored", "last", "before_first", "axis", "last"], "back", &[])
        .node("Div", &["back", "large"], "same", &[])
        .model(13)
}

pub(super) struct File {
    _folder: tempfile::TempDir,
    pub(super) source: ModelSource,
}

pub(super) fn file(model: &[u8]) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, model).unwrap();
    File { _folder: folder, source: ModelSource::File(path) }
}

pub(super) fn load(pool: &Pool, file: &File, precision: Precision, on_nan: OnNan) -> DeviceModel {
    let providers = vec![Provider::Cpu];
    let options = DeviceSessionOptions { providers, precision, on_nan, ..DeviceSessionOptions::default() };
    DeviceModel::load_for(&runtime(), &file.source, pool, &options).unwrap()
}

pub(super) fn video(format: PixelFormat, width: u32, height: u32) -> VideoInfo {
    VideoInfo {
        format,
        width,
        height,
        color: ColorSpec { siting: Siting::Left, ..ColorSpec::BT709 },
        sample_aspect_ratio: None,
        frame_rate: None,
        time_base: TimeBase::new(1, 25).unwrap(),
        display_matrix: None,
        mastering_display: None,
        content_light: None,
    }
}

pub(super) fn value(number: i64, plane: usize, x: usize, y: usize) -> f32 {
    ((x * 7 + y * 31 + plane * 101 + number as usize * 57) % 251) as f32 / 250.0
}

pub(super) fn set(frame: &mut HostFrame, plane: usize, value: impl Fn(usize, usize) -> f32) {
    match frame.layout().format().sample() {
        Sample::F16 => frame.rows_mut::<f16>(plane).enumerate().for_each(|(y, row)| {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = f16::from_f32(value(x, y)));
        }),
        _ => frame.rows_mut::<f32>(plane).enumerate().for_each(|(y, row)| {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = value(x, y));
        }),
    }
}

pub(super) fn pictures(input: &VideoInfo, count: i64) -> Vec<HostFrame> {
    let layout = Layout::packed(input.format, input.width, input.height).unwrap();
    let picture = |number| {
        let pts = Timestamp::new(number, input.time_base);
        let info = FrameInfo { duration_ticks: Some(1), ..FrameInfo::new(pts) };
        let mut frame = HostFrame::from_pool(&HostPool::new(), layout, input.color, info);
        for plane in 0..input.format.plane_count() {
            set(&mut frame, plane, |x, y| value(number, plane, x, y));
        }
        frame
    };
    (0..count).map(picture).collect()
}

pub(super) fn options(tile: Tile, batch: Batch) -> UpscalerOptions {
    UpscalerOptions { tile, batch, overlap: None }
}

pub(super) fn stage(
    model: &DeviceModel,
    input: &VideoInfo,
    tile: Tile,
    batch: Batch,
) -> Upscaler<CudaBuffer> {
    Upscaler::<CudaBuffer>::new(model.clone(), input, &options(tile, batch)).unwrap()
}

/// Frames to the GPU, through the stage, and back.
pub(super) fn through(
    stage: &mut Upscaler<CudaBuffer>,
    pool: &Pool,
    frames: &[HostFrame],
    input: &VideoInfo,
) -> Result<Vec<HostFrame>, BoxError> {
    let mut upload = Upload::new(pool, input)?;
    let mut download = Download::new(pool, stage.output_info())?;
    let (mut upscaled, mut done) = (Vec::new(), Vec::new());
    for frame in frames {
        stage.process(upload.upload(frame)?, &mut |frame| upscaled.push(frame))?;
    }
    stage.finish(&mut |frame| upscaled.push(frame))?;
    for frame in upscaled {
        download.process(frame, &mut |frame| done.push(frame))?;
    }
    download.finish(&mut |frame| done.push(frame))?;
    Ok(done)
}

pub(super) fn on_host(
    file: &File,
    precision: Precision,
    frames: &[HostFrame],
    input: &VideoInfo,
) -> Vec<HostFrame> {
    let session = SessionOptions { precision, ..SessionOptions::default() };
    let model = Model::load(&runtime(), &file.source, &session).unwrap();
    let mut stage = Upscaler::<HostBuffer>::new(model, input, &UpscalerOptions::default()).unwrap();
    let mut done = Vec::new();
    for frame in frames {
        stage.process(frame.clone(), &mut |frame| done.push(frame)).unwrap();
    }
    stage.finish(&mut |frame| done.push(frame)).unwrap();
    done
}

pub(super) fn samples(frame: &HostFrame, plane: usize) -> Vec<f32> {
    match frame.layout().format().sample() {
        Sample::F16 => frame.rows::<f16>(plane).flatten().map(|sample| sample.to_f32()).collect(),
        _ => frame.rows::<f32>(plane).flatten().copied().collect(),
    }
}

pub(super) fn assert_alike(found: &[HostFrame], expected: &[HostFrame], what: &str) {
    let ticks =
        |frames: &[HostFrame]| frames.iter().map(|frame| frame.info().pts.ticks()).collect::<Vec<_>>();
    assert_eq!(ticks(found), ticks(expected), "{what}");
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        for plane in 0..found.layout().format().plane_count() {
            let (found, expected) = (samples(found, plane), samples(expected, plane));
            let pairs = found.iter().zip(&expected);
            let distance = pairs.fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            // Sums of 27 products and a bicubic kernel, in another order; a step of half precision below 2 is 0.001.
            assert!(distance <= 2e-3, "{what}: frame {number}, plane {plane}: {distance}");
        }
    }
}
