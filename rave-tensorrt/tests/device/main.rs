//! Models on a GPU, against the same models on the CPU.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod batch;
#[path = "../support/mod.rs"]
mod support;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use rave_core::{
    Chroma, Code, CodedError, HostFrame, Packing, PixelFormat, Sample, Siting, Stage, VideoInfo,
};
use rave_cuda::{CudaBuffer, Pool, Upload};
use rave_tensorrt::{
    BuiltIn, CudaOptions, DeviceModel, DeviceSessionOptions, Error, ModelSource, Multiply, OnNan, Precision,
    Provider, Tile, Upscaler, UpscalerOptions,
};
use support::gpu::{
    self, as_format, distance, load, on_cpu, on_gpu, options, picture, psnr, through, video_of,
};
use support::{frame, models, runtime, video};

const RGB: PixelFormat = PixelFormat::RGB_F32;

fn written(name: &str) -> ModelSource {
    let (_, bytes) = models::all().into_iter().find(|(known, _)| *known == name).unwrap();
    ModelSource::File(support::write_model(name, &bytes))
}

fn built_in(name: &str) -> ModelSource {
    ModelSource::BuiltIn(BuiltIn::find(name).unwrap())
}

fn media() -> Option<PathBuf> {
    let folder = env::var_os("RAVE_MEDIA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: RAVE_MEDIA is not set");
    }
    folder
}

/// Networks that are no mere interpolation, with the published ones where `RAVE_MEDIA` says where they are.
fn networks() -> Vec<ModelSource> {
    let mut all = vec![written("bench-unshuffle2-4x32.onnx"), built_in("rave-x2"), built_in("rave-x4")];
    if let Some(folder) = media() {
        let names = ["realesr-animevideov3-x2.onnx", "2x_AnimeJaNai_HD_V3_Compact.onnx"];
        let found =
            names.into_iter().map(|name| folder.join("weights").join(name)).filter(|path| path.is_file());
        all.extend(found.map(ModelSource::File));
    }
    all
}

/// A frame of a film, as PyTorch stores it: the uncompressed member `data/0` of a zip file, 8-bit R, G, B interleaved.
fn film(folder: &Path, name: &str, (width, height): (usize, usize)) -> Option<HostFrame> {
    let file = fs::read(folder.join("expected/torchcodec").join(name)).ok()?;
    let length_at = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    let start = file.windows(4).enumerate().find_map(|(at, window)| {
        let is_entry = window == b"PK\x03\x04";
        let name_end = at + 30 + if is_entry { length_at(at + 26) } else { 0 };
        (is_entry && file[..name_end].ends_with(b"/data/0")).then(|| name_end + length_at(at + 28))
    })?;
    let mut picture = frame(RGB, width as u32, height as u32, 1);
    for plane in 0..3 {
        let sample =
            |plane: usize, x: usize, y: usize| f32::from(file[start + (y * width + x) * 3 + plane]) / 255.0;
        support::fill_with(&mut picture, plane, sample);
    }
    Some(picture)
}

fn pictures() -> Vec<HostFrame> {
    let mut all = vec![picture(RGB, (192, 108), 0), picture(RGB, (97, 83), 1)];
    if let Some(folder) = media() {
        all.extend(film(&folder, "nasa_13013.mp4.stream0.frame000035.pt", (320, 180)));
        all.extend(film(&folder, "nasa_13013.mp4.stream3.frame000010.pt", (480, 270)));
    }
    all
}

#[test]
fn in_single_precision_the_gpu_agrees_with_the_cpu() {
    let Some(pool) = gpu::pool(None) else { return };
    for source in networks() {
        for multiply in [Multiply::Fp32, Multiply::Tf32] {
            let cuda = CudaOptions { multiply, ..CudaOptions::default() };
            let model = load(&pool, &source, &DeviceSessionOptions { cuda, ..options(Precision::Fp32) });
            assert_eq!(model.provider(), Provider::Cuda);
            for picture in pictures() {
                let cpu = on_cpu(&source, Precision::Fp32, &picture);
                let psnr = psnr(&cpu, &on_gpu(&pool, &model, &picture, Tile::Off));
                let (width, height) = (picture.layout().width(), picture.layout().height());
                println!("{source} {multiply:?} {width}x{height}: {psnr:.1} dB");
                assert!(psnr >= 60.0, "{source} {multiply:?}: {psnr:.1} dB");
            }
        }
    }
}

#[test]
fn in_half_precision_the_gpu_agrees_with_the_cpu_in_single() {
    let Some(pool) = gpu::pool(None) else { return };
    for source in networks() {
        let model = load(&pool, &source, &options(Precision::Fp16));
        assert_eq!(model.info().sample, Sample::F16);
        for picture in pictures() {
            let cpu = on_cpu(&source, Precision::Fp32, &picture);
            let half = as_format(&picture, PixelFormat::RGB_F16);
            let psnr = psnr(&cpu, &on_gpu(&pool, &model, &half, Tile::Off));
            println!("{source} {}x{}: {psnr:.1} dB", picture.layout().width(), picture.layout().height());
            assert!(psnr >= 45.0, "{source}: {psnr:.1} dB");
        }
    }
}

#[test]
fn every_kind_of_tensor_and_size_is_as_on_the_cpu() {
    let Some(pool) = gpu::pool(None) else { return };
    let gray = |sample| PixelFormat::Gray { sample };
    for (name, format) in [
        ("nearest-rgb-x1.onnx", RGB),
        ("nearest-rgb-x3.onnx", RGB),
        ("nearest-rgb-f16-x2.onnx", PixelFormat::RGB_F16),
        ("nearest-nhwc-x2.onnx", RGB),
        ("nearest-luma-x2.onnx", gray(Sample::F32)),
        ("nearest-luma-f16-x2.onnx", gray(Sample::F16)),
        ("nearest-fixed-64x48-x2.onnx", RGB),
        ("shift-multiple-4-x2.onnx", RGB),
        ("shift-multiple-3-x2.onnx", RGB),
    ] {
        let source = written(name);
        let model = load(&pool, &source, &options(Precision::Model));
        for size in [(64, 48), (45, 37), (33, 35), (1, 1), (3, 2), (130, 97)] {
            let frame = frame(format, size.0, size.1, 1);
            let cpu = on_cpu_in_tiles(&source, &frame);
            let gpu = on_gpu(&pool, &model, &frame, Tile::Auto);
            // Pixels are copied, not computed.
            assert_eq!(distance(&cpu, &gpu), 0.0, "{name} {size:?}");
        }
    }
}

fn on_cpu_in_tiles(source: &ModelSource, frame: &HostFrame) -> HostFrame {
    let model = rave_tensorrt::Model::load(&runtime(), source, &support::OPTIONS).unwrap();
    let mut upscaler = support::upscaler(model, &video_of(frame), Tile::Auto);
    support::run(&mut upscaler, frame.clone()).unwrap()
}

#[test]
fn tiles_give_what_the_whole_picture_gives() {
    let Some(pool) = gpu::pool(None) else { return };
    // Four 3x3 convolutions at half size reach 8 pixels: half of the default overlap.
    let source = written("bench-unshuffle2-4x32.onnx");
    // Sums of up to 288 products, in an order that depends on the size; a step of half precision below 1 is 0.0005.
    for (precision, tolerance) in [(Precision::Fp32, 1e-5), (Precision::Fp16, 2e-3)] {
        let model = load(&pool, &source, &options(precision));
        let picture = as_format(&picture(RGB, (150, 110), 0), model.info().input_format(RGB));
        let whole = on_gpu(&pool, &model, &picture, Tile::Off);
        let tiled = on_gpu(&pool, &model, &picture, Tile::Size(64));
        let distance = distance(&whole, &tiled);
        println!("{precision}: {distance}");
        assert!(distance <= tolerance, "{precision}: {distance}");
    }
}

#[test]
fn frames_with_padded_rows_are_read_right() {
    let Some(pool) = gpu::pool(None) else { return };
    // A frame of the pool with another layout than that of `Upload`: rows padded to 256 bytes.
    let source = written("nearest-rgb-x2.onnx");
    let model = load(&pool, &source, &options(Precision::Model));
    let packed = frame(RGB, 45, 37, 1);
    let expected = on_cpu(&source, Precision::Model, &packed);
    assert_eq!(distance(&on_gpu(&pool, &model, &frame(RGB, 45, 37, 256), Tile::Off), &expected), 0.0);
}

#[test]
fn luma_goes_through_the_network_and_chroma_keeps_its_siting() {
    let Some(pool) = gpu::pool(None) else { return };
    for (name, sample, tolerance) in
        [("nearest-luma-x2.onnx", Sample::F32, 1e-5), ("nearest-luma-f16-x2.onnx", Sample::F16, 1e-3)]
    {
        let source = written(name);
        let model = load(&pool, &source, &options(Precision::Model));
        for chroma in [Chroma::C420, Chroma::C422, Chroma::C444] {
            for siting in [Siting::Left, Siting::Center, Siting::TopLeft] {
                let format = PixelFormat::Yuv { chroma, sample, packing: Packing::Planar };
                let mut input = video(format, 71, 54);
                input.color.siting = siting;
                let picture = colored(&picture(format, (71, 54), 0), &input);
                let (cpu, gpu) = (host(&source, &input, &picture), device(&pool, &model, &input, &picture));
                let distance = distance(&cpu, &gpu);
                assert!(distance <= tolerance, "{name} {chroma:?} {siting:?}: {distance}");
            }
        }
    }
}

#[test]
fn the_default_model_for_the_cpu_works_on_the_gpu() {
    let Some(pool) = gpu::pool(None) else { return };
    let source = built_in("rave-fast-x2");
    let model = load(&pool, &source, &options(Precision::Fp32));
    let picture = picture(model.info().input_format(PixelFormat::YUV420P), (160, 90), 0);
    let psnr = psnr(&on_cpu(&source, Precision::Fp32, &picture), &on_gpu(&pool, &model, &picture, Tile::Off));
    println!("{psnr:.1} dB");
    assert!(psnr >= 60.0, "{psnr:.1} dB");
}

fn colored(frame: &HostFrame, input: &VideoInfo) -> HostFrame {
    HostFrame::new(frame.buffer().clone(), *frame.layout(), input.color, frame.info()).unwrap()
}

fn host(source: &ModelSource, input: &VideoInfo, frame: &HostFrame) -> HostFrame {
    let model = rave_tensorrt::Model::load(&runtime(), source, &support::OPTIONS).unwrap();
    support::run(&mut support::upscaler(model, input, Tile::Off), frame.clone()).unwrap()
}

fn device(pool: &Pool, model: &DeviceModel, input: &VideoInfo, frame: &HostFrame) -> HostFrame {
    through(&mut gpu::upscaler(model, input, Tile::Off), pool, std::slice::from_ref(frame)).remove(0)
}

#[test]
fn frames_stay_in_order_with_their_times_whatever_is_enqueued() {
    let Some(pool) = gpu::pool(None) else { return };
    let model = load(&pool, &written("bench-unshuffle2-4x32.onnx"), &options(Precision::Fp16));
    let frames: Vec<_> = (0..12).map(|number| picture(PixelFormat::RGB_F16, (320, 180), number)).collect();
    let mut together = gpu::upscaler(&model, &video_of(&frames[0]), Tile::Auto);
    let upscaled = through(&mut together, &pool, &frames);
    println!("recorded: {}", together.report().get().is_recorded);
    let ticks: Vec<_> = upscaled.iter().map(|frame| frame.info().pts.ticks()).collect();
    assert_eq!(ticks, (0..12).collect::<Vec<_>>());
    assert_eq!(together.report().get().frames, 12);
    for (frame, together) in frames.iter().zip(&upscaled) {
        let alone = on_gpu(&pool, &model, frame, Tile::Auto);
        assert_eq!(alone.buffer().as_bytes(), together.buffer().as_bytes(), "bit for bit");
    }
}

#[test]
fn after_warm_up_nothing_is_allocated() {
    let Some(pool) = gpu::pool(None) else { return };
    let model = load(&pool, &built_in("rave-x2"), &options(Precision::Model));
    for tile in [Tile::Off, Tile::Size(128)] {
        let host = picture(PixelFormat::RGB_F16, (320, 180), 0);
        let mut upload = Upload::new(&pool, &video_of(&host)).unwrap();
        let mut upscaler = gpu::upscaler(&model, &video_of(&host), tile);
        let (mut warm, mut free, mut count) = (None, 0, 0);
        for number in 0..600 {
            if number == 100 {
                (warm, free) = (Some(pool.health()), pool.device().info().unwrap().free_bytes);
            }
            upscaler.process(upload.upload(&host).unwrap(), &mut |_| count += 1).unwrap();
        }
        upscaler.finish(&mut |_| count += 1).unwrap();
        let (warm, end) = (warm.unwrap(), pool.health());
        println!("{end:?}");
        assert_eq!((count, end.misses), (600, warm.misses));
        assert_eq!((end.evicted, end.overflowed), (warm.evicted, warm.overflowed));
        // Other programs and tests on the same GPU move this: alone (`--test-threads 1`) it is exact.
        println!("free: {free} then {}", pool.device().info().unwrap().free_bytes);
    }
}

/// Three frames of which the second is too bright for half precision.
fn bright_clip() -> Vec<HostFrame> {
    (0..3)
        .map(|number| {
            let mut frame = picture(PixelFormat::RGB_F16, (64, 48), number);
            if number == 1 {
                support::fill_with(&mut frame, 1, |_, x, y| if (x, y) == (5, 7) { 1.5 } else { 0.5 });
            }
            frame
        })
        .collect()
}

fn overflowing(pool: &Pool, on_nan: OnNan) -> DeviceModel {
    load(pool, &written("overflow-x2.onnx"), &DeviceSessionOptions { on_nan, ..options(Precision::Fp16) })
}

#[test]
fn a_frame_that_is_not_finite_is_run_again_in_single_precision() {
    let Some(pool) = gpu::pool(None) else { return };
    let (frames, model) = (bright_clip(), overflowing(&pool, OnNan::Fp32));
    let mut upscaler = gpu::upscaler(&model, &video_of(&frames[0]), Tile::Auto);
    let report = upscaler.report();
    let upscaled = through(&mut upscaler, &pool, &frames);
    let report = report.get();
    assert_eq!((report.not_finite, report.not_finite_frames), (1, vec![1]));
    assert_eq!((report.run_again, report.still_not_finite, report.frames), (1, 0, 3));
    for (number, (input, output)) in frames.iter().zip(&upscaled).enumerate() {
        assert_eq!(output.info().pts.ticks(), number as i64);
        let (input, output) = (support::rows(input, 1), support::rows(output, 1));
        for (y, row) in output.iter().enumerate() {
            for (x, &sample) in row.iter().enumerate() {
                // Two roundings to half precision of values below 2.
                assert!((sample - input[y / 2][x / 2]).abs() <= 2e-3, "frame {number} at {x}, {y}: {sample}");
            }
        }
    }
}

#[test]
fn a_frame_that_is_not_finite_is_kept_or_an_error_as_asked() {
    let Some(pool) = gpu::pool(None) else { return };
    let frames = bright_clip();
    let mut keeping = gpu::upscaler(&overflowing(&pool, OnNan::Keep), &video_of(&frames[0]), Tile::Auto);
    let upscaled = through(&mut keeping, &pool, &frames);
    assert!(support::rows(&upscaled[1], 1)[14][10].is_infinite());
    let report = keeping.report().get();
    assert_eq!((report.not_finite_frames, report.run_again), (vec![1], 0));

    let mut failing = gpu::upscaler(&overflowing(&pool, OnNan::Error), &video_of(&frames[0]), Tile::Auto);
    let mut upload = Upload::new(&pool, &video_of(&frames[0])).unwrap();
    let mut emitted = 0;
    for frame in &frames {
        failing.process(upload.upload(frame).unwrap(), &mut |_| emitted += 1).unwrap();
    }
    let error = failing.finish(&mut |_| emitted += 1).unwrap_err();
    assert_eq!((error.code(), emitted), (Code::OutputNotFinite, 1));
    assert!(error.to_string().ends_with("in frame 1, counted from 0"), "{error}");
}

fn with_limit(limit_mib: u64, tile: Tile, size: (u32, u32)) -> Option<Result<Upscaler<CudaBuffer>, Error>> {
    let pool = gpu::pool(Some(limit_mib))?;
    let model = load(&pool, &built_in("rave-x2"), &options(Precision::Model));
    let input = video(PixelFormat::RGB_F16, size.0, size.1);
    Some(Upscaler::<CudaBuffer>::new(model, &input, &UpscalerOptions { tile, ..UpscalerOptions::default() }))
}

#[test]
fn too_little_memory_is_an_error_of_its_own() {
    // The least that the frames take is 238 MiB: beyond it, it is ONNX Runtime that finds no memory.
    for (limit_mib, code) in [(1, Code::VramLimit), (128, Code::VramLimit), (320, Code::InferenceMemory)] {
        let Some(result) = with_limit(limit_mib, Tile::Off, (3840, 2160)) else { return };
        let error = result.err().unwrap_or_else(|| panic!("{limit_mib} MiB do"));
        println!("{limit_mib} MiB: {} {error}", error.code());
        assert_eq!(error.code(), code);
        assert!(error.is_recoverable());
    }
}

#[test]
fn with_little_memory_pictures_are_cut_into_tiles() {
    let Some(result) = with_limit(1024, Tile::Auto, (3840, 2160)) else { return };
    let upscaler = result.unwrap_or_else(|error| panic!("{} {error}", error.code()));
    let report = upscaler.report().get();
    println!("{report:?}, estimate {} MiB", upscaler.memory_estimate() >> 20);
    assert!(report.tile.is_some() && report.runtime_bytes <= 1 << 30);
}

#[test]
fn what_tensorrt_lacks_is_said_and_the_cuda_provider_taken() {
    let Some(pool) = gpu::pool(None) else { return };
    let model = load(&pool, &built_in("rave-x2"), &DeviceSessionOptions::default());
    println!("{}: {:?}", model.provider(), model.refusals());
    if model.provider() == Provider::Cuda {
        assert!(model.refusals()[0].reason.contains("nvinfer"), "{:?}", model.refusals());
        let only =
            DeviceSessionOptions { providers: vec![Provider::TensorRt], ..DeviceSessionOptions::default() };
        let error = DeviceModel::load(&runtime(), &built_in("rave-x2"), &pool, &only).unwrap_err();
        assert_eq!(error.code(), Code::ProviderLoadFailed);
    }
}

#[test]
fn providers_that_are_none_for_a_gpu_are_refused() {
    let Some(pool) = gpu::pool(None) else { return };
    for providers in [vec![], vec![Provider::Cpu], vec![Provider::Cuda, Provider::Cpu]] {
        let options = DeviceSessionOptions { providers, ..DeviceSessionOptions::default() };
        let error = DeviceModel::load(&runtime(), &built_in("rave-x2"), &pool, &options).unwrap_err();
        assert_eq!(error.code(), Code::SessionOptions);
    }
}

#[test]
fn frames_that_were_not_promised_are_refused() {
    let Some(pool) = gpu::pool(None) else { return };
    let model = load(&pool, &written("nearest-rgb-x2.onnx"), &options(Precision::Model));
    let of = |format| {
        Upscaler::<CudaBuffer>::new(model.clone(), &video(format, 40, 30), &UpscalerOptions::default())
    };
    assert_eq!(of(PixelFormat::NV12).unwrap_err().code(), Code::FormatUnsupported);
    let mut upscaler = of(RGB).unwrap();
    let other = frame(RGB, 40, 31, 1);
    let uploaded = Upload::new(&pool, &video_of(&other)).unwrap().upload(&other).unwrap();
    assert_eq!(upscaler.process(uploaded, &mut drop).unwrap_err().code(), Code::LayoutInvalid);
}
