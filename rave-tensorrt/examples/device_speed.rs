//! Measures models on a GPU: the network alone, back to back, against the upscaler's stage around it, in turn.
//!
//!     cargo run --release -p rave-tensorrt --example device_speed -- [--size 1920x1080] [--runs 200] [--rounds 3]
//!         [--precision model|fp16|fp32] [--exhaustive] [--tf32] [--batch auto|N[,N...]] MODEL...
//!
//! MODEL is a file or a built-in model's name. Frames are synthetic and on the GPU already. Prints a JSON object for each
//! model and batch: medians of the rounds, in milliseconds for each frame, and the ratios of the rates. `model_ms` is of the
//! network alone, a picture at a time; `batch_ms` of the network alone with as many at once as the stage has.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rave_core::{
    ColorSpec, FrameInfo, HostFrame, HostPool, Layout, PixelFormat, Sample, Stage, TimeBase, Timestamp,
    VideoInfo,
};
use rave_cuda::{CudaBuffer, Device, Pool, PoolOptions, Upload, device_layout};
use rave_tensorrt::{
    Batch, BuiltIn, ConvolutionSearch, DeviceModel, DeviceSessionOptions, ModelSource, ModelTime, Multiply,
    Precision, Provider, Runtime, Upscaler, UpscalerOptions,
};

struct Arguments {
    models: Vec<String>,
    size: (u32, u32),
    runs: u32,
    rounds: usize,
    batches: Vec<Batch>,
    options: DeviceSessionOptions,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = arguments()?;
    let library = env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let runtime = Runtime::load(library.as_deref(), &[])?;
    let device = Device::open(0)?;
    println!("# {} driver {:?}", device.info()?.name, device.info()?.driver_version);
    for name in &arguments.models {
        measure(&arguments, &runtime, &device, name)?;
    }
    Ok(())
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let options = DeviceSessionOptions { providers: vec![Provider::Cuda], ..DeviceSessionOptions::default() };
    let mut all = Arguments {
        models: vec![],
        size: (1920, 1080),
        runs: 200,
        rounds: 3,
        batches: vec![Batch::Auto],
        options,
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--size" => {
                let text = value()?;
                let (width, height) = text.split_once('x').ok_or("a size is WIDTHxHEIGHT")?;
                all.size = (width.parse()?, height.parse()?);
            }
            "--runs" => all.runs = value()?.parse()?,
            "--rounds" => all.rounds = value()?.parse()?,
            "--precision" => {
                all.options.precision = match value()?.as_str() {
                    "fp16" => Precision::Fp16,
                    "fp32" => Precision::Fp32,
                    _ => Precision::Model,
                }
            }
            "--batch" => all.batches = value()?.split(',').map(batch).collect::<Result<_, _>>()?,
            "--exhaustive" => all.options.cuda.search = ConvolutionSearch::Exhaustive,
            "--tf32" => all.options.cuda.multiply = Multiply::Tf32,
            _ => all.models.push(word),
        }
    }
    Ok(all)
}

fn batch(text: &str) -> Result<Batch, Box<dyn Error>> {
    Ok(if text == "auto" { Batch::Auto } else { Batch::Size(text.parse()?) })
}

/// A stage under measurement.
struct Subject {
    options: UpscalerOptions,
    upscaler: Upscaler<CudaBuffer>,
    open: Duration,
    alone: Vec<ModelTime>,
    /// Of all runs together, and what the host needs for a frame.
    staged: Vec<(Duration, Duration)>,
}

fn measure(
    arguments: &Arguments,
    runtime: &Runtime,
    device: &Device,
    name: &str,
) -> Result<(), Box<dyn Error>> {
    let source = BuiltIn::find(name).map_or_else(|| ModelSource::File(name.into()), ModelSource::BuiltIn);
    let pool = Pool::new(device, PoolOptions::default());
    let start = Instant::now();
    let model = DeviceModel::load(runtime, &source, &pool, &arguments.options)?;
    let load = start.elapsed();
    let input = video(model.info().input_format(PixelFormat::YUV420P), arguments.size);
    let mut subjects = Vec::new();
    for &batch in &arguments.batches {
        subjects.push(subject(&model, &input, batch)?);
    }
    // Of its own, so that a frame is noise and not what another kind of buffer of the same size holds.
    let pool = Pool::new(device, PoolOptions::default());
    fill_pool(&pool, &input)?;
    let single = UpscalerOptions { batch: Batch::Size(1), ..UpscalerOptions::default() };
    let mut singly = Vec::new();
    for _ in 0..arguments.rounds {
        singly.push(model.time(&input, &single, arguments.runs)?);
        for subject in &mut subjects {
            subject.alone.push(model.time(&input, &subject.options, arguments.runs)?);
            stage(&mut subject.upscaler, &pool, &input, 20)?;
            let staged = stage(&mut subject.upscaler, &pool, &input, arguments.runs)?;
            subject.staged.push(staged);
        }
    }
    for subject in &subjects {
        print(arguments, &model, load, &singly, subject);
    }
    Ok(())
}

fn subject(model: &DeviceModel, input: &VideoInfo, batch: Batch) -> Result<Subject, Box<dyn Error>> {
    let options = UpscalerOptions { batch, ..UpscalerOptions::default() };
    let start = Instant::now();
    let upscaler = Upscaler::<CudaBuffer>::new(model.clone(), input, &options)?;
    Ok(Subject { options, upscaler, open: start.elapsed(), alone: vec![], staged: vec![] })
}

fn print(
    arguments: &Arguments,
    model: &DeviceModel,
    load: Duration,
    singly: &[ModelTime],
    subject: &Subject,
) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let of = |times: &[ModelTime], part: fn(&ModelTime) -> Duration| {
        median(times.iter().map(|time| milliseconds(part(time))).collect())
    };
    let (single, alone) = (of(singly, |time| time.run), of(&subject.alone, |time| time.run));
    let enqueue = of(&subject.alone, |time| time.enqueue);
    let per_frame = |time: Duration| milliseconds(time) / f64::from(arguments.runs);
    let frame = median(subject.staged.iter().map(|(total, _)| per_frame(*total)).collect());
    let host = median(subject.staged.iter().map(|(_, least)| milliseconds(*least)).collect());
    let report = subject.upscaler.report().get();
    println!(
        "{{\"model\":\"{}\",\"size\":\"{}x{}\",\"sample\":\"{:?}\",\"options\":\"{:?}\",\"batch\":{},\"batch_reason\":\"{}\",\
         \"load_ms\":{:.1},\"open_ms\":{:.1},\"model_ms\":{single:.4},\"batch_ms\":{alone:.4},\"batch_enqueue_ms\":{enqueue:.4},\
         \"stage_ms\":{frame:.4},\"stage_host_ms\":{host:.4},\"ratio_to_model\":{:.4},\"ratio_to_batch\":{:.4},\
         \"recorded\":{},\"runtime_mib\":{},\"tile\":\"{:?}\",\"not_finite\":{}}}",
        model.info().name,
        arguments.size.0,
        arguments.size.1,
        model.info().sample,
        arguments.options.cuda,
        report.batch,
        report.batch_reason,
        milliseconds(load),
        milliseconds(subject.open),
        single / frame,
        alone / frame,
        report.is_recorded,
        report.runtime_bytes >> 20,
        report.tile,
        report.not_finite,
    );
}

fn video(format: PixelFormat, (width, height): (u32, u32)) -> VideoInfo {
    VideoInfo::new(
        format,
        (width, height),
        ColorSpec::BT709,
        TimeBase::new(1, 25).expect("1/25 is a time base"),
    )
}

/// Fills the buffers that the pool will lend for frames of this kind with noise from 0.5 to 1.
fn fill_pool(pool: &Pool, input: &VideoInfo) -> Result<(), Box<dyn Error>> {
    let layout = Layout::packed(input.format, input.width, input.height)?;
    let mut noise = HostFrame::from_pool(&HostPool::new(), layout, input.color, info(input, 0));
    let exponent: &[u8] = if input.format.sample() == Sample::F16 { &[0, 0x38] } else { &[0, 0, 0, 0x3f] };
    let mut state = 1_u64;
    for (index, byte) in noise.buffer_mut().as_bytes_mut().iter_mut().enumerate() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let is_high = index % exponent.len() == exponent.len() - 1;
        *byte = if is_high { exponent[exponent.len() - 1] } else { (state >> 56) as u8 };
    }
    let mut upload = Upload::new(pool, input)?;
    let frames = (0..HELD).map(|_| upload.upload(&noise)).collect::<Result<Vec<_>, _>>()?;
    drop(frames);
    Ok(pool.device().context().synchronize()?)
}

/// More than the stage and the network hold of the same size.
const HELD: usize = 24;

fn info(input: &VideoInfo, ticks: u32) -> FrameInfo {
    let pts = Timestamp::new(i64::from(ticks), input.time_base);
    FrameInfo::new(pts)
}

/// How long the stage takes for `count` frames until the GPU has done all, and the least that the host needs for one: as
/// many as the stage takes at once are timed together, so that a call that waited for the GPU does not count. The output
/// goes nowhere.
fn stage(
    upscaler: &mut Upscaler<CudaBuffer>,
    pool: &Pool,
    input: &VideoInfo,
    count: u32,
) -> Result<(Duration, Duration), Box<dyn Error>> {
    let layout = device_layout(input.format, input.width, input.height)?;
    let batch = upscaler.report().get().batch as u32;
    let (start, mut least, mut begin) = (Instant::now(), Duration::MAX, Instant::now());
    for ticks in 0..count {
        let frame = pool.frame(layout, input.color, info(input, ticks))?;
        upscaler.process(frame, &mut drop).map_err(|error| error.to_string())?;
        if (ticks + 1).is_multiple_of(batch) {
            least = least.min(begin.elapsed() / batch);
            begin = Instant::now();
        }
    }
    upscaler.finish(&mut drop).map_err(|error| error.to_string())?;
    pool.device().context().synchronize()?;
    Ok((start.elapsed(), least))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
