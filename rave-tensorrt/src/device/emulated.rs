//! The stage on an emulated GPU (rave-cuda/tests/emulated/driver.cpp), whose memory is the host's: the model runs on the CPU's
//! provider.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use half::f16;
use rave_core::{
    BoxError, Chroma, ColorSpec, FieldOrder, FrameInfo, HostBuffer, HostFrame, HostPool, Layout, Packing,
    PixelFormat, Sample, Siting, Stage, TimeBase, Timestamp, VideoInfo,
};
use rave_cuda::{CudaBuffer, Device, Download, Pool, PoolOptions, Stream, Upload};

use crate::device::model::{DeviceModel, DeviceSessionOptions};
use crate::model::{Model, SessionOptions};
use crate::onnx::{Dim, FLOAT, Graph, INT64, Value, floats};
use crate::plan::{Batch, Tile, UpscalerOptions};
use crate::{BatchReason, MemoryStep, ModelSource, OnNan, Precision, Provider, Runtime, Upscaler};

/// The most elements that a network is given memory for.
static MOST_ELEMENTS: AtomicU64 = AtomicU64::new(u64::MAX);

/// Brings the emulated GPU as far as the run's input, or says that memory does not suffice.
pub(super) fn before_run(stream: &Stream, shape: [i64; 4]) -> Result<(), ort::Error> {
    if shape.iter().product::<i64>() as u64 > MOST_ELEMENTS.load(Ordering::Relaxed) {
        return Err(ort::Error::new("Failed to allocate memory for requested buffer"));
    }
    stream.synchronize().map_err(|error| ort::Error::new(error.to_string()))
}

/// Names of the tests below, run by [`the_stage_works_on_an_emulated_gpu`] in a process with the emulated driver.
const PREFIX: &str = "device::emulated::on_gpu_";

#[test]
fn the_stage_works_on_an_emulated_gpu() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rave-cuda");
    let driver = sources.join("tests/emulated/driver.cpp");
    if !driver.is_file() || Command::new("c++").arg("--version").output().is_err() {
        println!("skipped: the sources or a C++ compiler are missing");
        return;
    }
    if Device::open(0).is_ok() {
        println!("skipped: there is a GPU");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for topic in ["resample", "tiles", "reduce", "digest"] {
        let library = folder.path().join(format!("kernels_{topic}.so"));
        build(&sources.join(format!("kernels/{topic}.cu")), &library);
    }
    build(&driver, &folder.path().join("libcuda.so"));
    let output = Command::new(env::current_exe().unwrap())
        .args([PREFIX, "--test-threads", "1", "--nocapture"])
        .env("LD_LIBRARY_PATH", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(PREFIX) && !said.contains("skipped"), "{said}");
}

fn build(source: &Path, library: &Path) {
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-DRAVE_HOST"]);
    compiler.args(["-Wno-unknown-pragmas", "-x", "c++"]).arg(source).arg("-o").arg(library).arg("-ldl");
    let output = compiler.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A pool on the emulated GPU; nothing where the test was not started with it.
fn pool() -> Option<Pool> {
    MOST_ELEMENTS.store(u64::MAX, Ordering::Relaxed);
    let is_emulated = |device: &Device| device.info().is_ok_and(|info| info.name == "Emulated GPU");
    let Some(device) = Device::open(0).ok().filter(is_emulated) else {
        println!("skipped: the GPU is not the emulated one");
        return None;
    };
    Some(Pool::new(&device, PoolOptions::default()))
}

fn runtime() -> Runtime {
    let explicit = env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/onnxruntime");
    Runtime::load(explicit.as_deref(), &[folder]).unwrap()
}

const ANY: [Dim; 3] = [Dim::Any("batch"), Dim::Any("height"), Dim::Any("width")];

fn shape(channels: u64) -> [Dim; 4] {
    let [batch, height, width] = ANY;
    [batch, Dim::Fixed(channels), height, width]
}

/// A convolution of 3x3 whose weights are all different, and pixels repeated twice.
fn blurring(channels: u64) -> Vec<u8> {
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
fn overflowing() -> Vec<u8> {
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

struct File {
    _folder: tempfile::TempDir,
    source: ModelSource,
}

fn file(model: &[u8]) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, model).unwrap();
    File { _folder: folder, source: ModelSource::File(path) }
}

fn load(pool: &Pool, file: &File, precision: Precision, on_nan: OnNan) -> DeviceModel {
    let providers = vec![Provider::Cpu];
    let options = DeviceSessionOptions { providers, precision, on_nan, ..DeviceSessionOptions::default() };
    DeviceModel::load_for(&runtime(), &file.source, pool, &options).unwrap()
}

fn video(format: PixelFormat, width: u32, height: u32) -> VideoInfo {
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

fn value(number: i64, plane: usize, x: usize, y: usize) -> f32 {
    ((x * 7 + y * 31 + plane * 101 + number as usize * 57) % 251) as f32 / 250.0
}

fn set(frame: &mut HostFrame, plane: usize, value: impl Fn(usize, usize) -> f32) {
    match frame.layout().format().sample() {
        Sample::F16 => frame.rows_mut::<f16>(plane).enumerate().for_each(|(y, row)| {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = f16::from_f32(value(x, y)));
        }),
        _ => frame.rows_mut::<f32>(plane).enumerate().for_each(|(y, row)| {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = value(x, y));
        }),
    }
}

fn pictures(input: &VideoInfo, count: i64) -> Vec<HostFrame> {
    let layout = Layout::packed(input.format, input.width, input.height).unwrap();
    let picture = |number| {
        let pts = Timestamp::new(number, input.time_base);
        let info = FrameInfo { pts, duration_ticks: Some(1), field_order: FieldOrder::Progressive };
        let mut frame = HostFrame::from_pool(&HostPool::new(), layout, input.color, info);
        for plane in 0..input.format.plane_count() {
            set(&mut frame, plane, |x, y| value(number, plane, x, y));
        }
        frame
    };
    (0..count).map(picture).collect()
}

fn options(tile: Tile, batch: Batch) -> UpscalerOptions {
    UpscalerOptions { tile, batch, overlap: None }
}

fn stage(model: &DeviceModel, input: &VideoInfo, tile: Tile, batch: Batch) -> Upscaler<CudaBuffer> {
    Upscaler::<CudaBuffer>::new(model.clone(), input, &options(tile, batch)).unwrap()
}

/// Frames to the GPU, through the stage, and back.
fn through(
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

fn on_host(file: &File, precision: Precision, frames: &[HostFrame], input: &VideoInfo) -> Vec<HostFrame> {
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

fn samples(frame: &HostFrame, plane: usize) -> Vec<f32> {
    match frame.layout().format().sample() {
        Sample::F16 => frame.rows::<f16>(plane).flatten().map(|sample| sample.to_f32()).collect(),
        _ => frame.rows::<f32>(plane).flatten().copied().collect(),
    }
}

fn assert_alike(found: &[HostFrame], expected: &[HostFrame], what: &str) {
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

#[test]
fn on_gpu_batches_give_what_frames_alone_give() {
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
        }
    }
}

#[test]
fn on_gpu_small_pictures_go_together() {
    let Some(pool) = pool() else { return };
    let file = file(&blurring(3));
    let model = load(&pool, &file, Precision::Fp32, OnNan::Fp32);
    let of = |width, height, tile| {
        let report =
            stage(&model, &video(PixelFormat::RGB_F32, width, height), tile, Batch::Auto).report().get();
        (report.batch, report.batch_reason)
    };
    assert_eq!(of(64, 48, Tile::Auto), (4, BatchReason::SmallPictures));
    assert_eq!(of(400, 300, Tile::Auto), (2, BatchReason::SmallPictures));
    assert_eq!(of(640, 360, Tile::Auto), (1, BatchReason::LargePictures));
    assert_eq!(of(64, 48, Tile::Size(32)), (1, BatchReason::Tiles));
}

#[test]
fn on_gpu_a_source_that_waits_gets_its_frames() {
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
fn on_gpu_one_frame_of_a_batch_is_run_again() {
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
fn on_gpu_without_memory_batches_and_tiles_become_smaller() {
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
fn on_gpu_each_step_is_in_the_report() {
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
fn on_gpu_after_warm_up_nothing_is_allocated() {
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
fn on_gpu_a_provider_that_refuses_the_model_gives_way_to_the_next() {
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
    let error = open(&[Provider::TensorRt]).err().unwrap();
    assert!(error.to_string().contains("TensorRT"), "{error}");
}
