//! What the GPU tests share. They run as plain programs on a machine with a GPU.
#![allow(dead_code, reason = "no test binary uses all of it")]

use rave_core::{FrameInfo, HostBuffer, HostFrame, PixelFormat, Stage, Timestamp, VideoInfo};
use rave_cuda::{CudaBuffer, Device, Download, Pool, PoolOptions, Upload};
use rave_tensorrt::{
    Batch, DeviceModel, DeviceSessionOptions, Model, ModelSource, Precision, Provider, SessionOptions, Tile,
    Upscaler, UpscalerOptions,
};

use super::{fill_with, frame, frame_info, rows, runtime};

/// A pool on the first GPU; nothing, with the reason printed, where there is none. `RAVE_REQUIRE_GPU=1` makes that a
/// failure.
pub fn pool(limit_mib: Option<u64>) -> Option<Pool> {
    match Device::open(0) {
        Ok(device) => Some(Pool::new(&device, PoolOptions { limit_mib })),
        Err(reason) if std::env::var_os("RAVE_REQUIRE_GPU").is_some_and(|value| value == "1") => {
            panic!("RAVE_REQUIRE_GPU=1, but {reason}")
        }
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

pub fn options(precision: Precision) -> DeviceSessionOptions {
    DeviceSessionOptions { providers: vec![Provider::Cuda], precision, ..DeviceSessionOptions::default() }
}

pub fn load(pool: &Pool, source: &ModelSource, options: &DeviceSessionOptions) -> DeviceModel {
    DeviceModel::load(&runtime(), source, pool, options).unwrap_or_else(|error| panic!("{source}: {error}"))
}

pub fn upscaler(model: &DeviceModel, input: &VideoInfo, tile: Tile) -> Upscaler<CudaBuffer> {
    batched(model, input, tile, Batch::Auto)
}

pub fn batched(model: &DeviceModel, input: &VideoInfo, tile: Tile, batch: Batch) -> Upscaler<CudaBuffer> {
    let options = UpscalerOptions { tile, batch, overlap: None };
    Upscaler::<CudaBuffer>::new(model.clone(), input, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// Frames through the GPU and back, numbered by their times.
pub fn through(upscaler: &mut Upscaler<CudaBuffer>, pool: &Pool, frames: &[HostFrame]) -> Vec<HostFrame> {
    let input = video_of(&frames[0]);
    let mut upload = Upload::new(pool, &input).unwrap();
    let mut download = Download::new(pool, upscaler.output_info()).unwrap();
    let mut upscaled = Vec::new();
    for frame in frames {
        let mut emitted = Vec::new();
        upscaler.process(upload.upload(frame).unwrap(), &mut |frame| emitted.push(frame)).unwrap();
        for frame in emitted {
            download.process(frame, &mut |frame| upscaled.push(frame)).unwrap();
        }
    }
    let mut emitted = Vec::new();
    upscaler.finish(&mut |frame| emitted.push(frame)).unwrap();
    for frame in emitted {
        download.process(frame, &mut |frame| upscaled.push(frame)).unwrap();
    }
    download.finish(&mut |frame| upscaled.push(frame)).unwrap();
    upscaled
}

/// One frame through a fresh upscaler on the GPU.
pub fn on_gpu(pool: &Pool, model: &DeviceModel, frame: &HostFrame, tile: Tile) -> HostFrame {
    let mut upscaler = upscaler(model, &video_of(frame), tile);
    through(&mut upscaler, pool, std::slice::from_ref(frame)).remove(0)
}

/// One frame through the model on the CPU.
pub fn on_cpu(source: &ModelSource, precision: Precision, frame: &HostFrame) -> HostFrame {
    let options = SessionOptions { precision, ..SessionOptions::default() };
    let model = Model::load(&runtime(), source, &options).unwrap();
    let options = UpscalerOptions { tile: Tile::Off, ..UpscalerOptions::default() };
    let mut upscaler = Upscaler::<HostBuffer>::new(model, &video_of(frame), &options).unwrap();
    super::run(&mut upscaler, frame.clone()).unwrap()
}

pub fn video_of(frame: &HostFrame) -> VideoInfo {
    let layout = frame.layout();
    super::video(layout.format(), layout.width(), layout.height())
}

/// The same samples rounded to the sample type of `format`.
pub fn as_format(frame: &HostFrame, format: PixelFormat) -> HostFrame {
    let mut copy = super::frame(format, frame.layout().width(), frame.layout().height(), 1);
    for plane in 0..format.plane_count() {
        let samples = rows(frame, plane);
        fill_with(&mut copy, plane, |_, x, y| samples[y][x]);
    }
    copy
}

/// A picture of noise and soft shapes, its time the number.
pub fn picture(format: PixelFormat, (width, height): (u32, u32), number: i64) -> HostFrame {
    let mut picture = frame(format, width, height, 1);
    for plane in 0..format.plane_count() {
        fill_with(&mut picture, plane, |plane, x, y| {
            let noise = (x * 7919 + y * 104_729 + plane * 31 + number as usize * 131) % 251;
            0.8 * super::soft(plane, x + 3 * number as usize, y) + 0.2 * noise as f32 / 251.0
        });
    }
    at_time(picture, number)
}

fn at_time(frame: HostFrame, ticks: i64) -> HostFrame {
    let pts = Timestamp::new(ticks, frame.info().pts.time_base());
    let (layout, color) = (*frame.layout(), frame.color());
    HostFrame::new(frame.into_buffer(), layout, color, FrameInfo { pts, ..frame_info() }).unwrap()
}

/// How near two frames are, of all planes, for values from 0 to 1.
pub fn psnr(a: &HostFrame, b: &HostFrame) -> f64 {
    assert_eq!((a.layout().width(), a.layout().height()), (b.layout().width(), b.layout().height()));
    let (mut sum, mut count) = (0.0, 0);
    for plane in 0..a.layout().planes().len() {
        for (a, b) in rows(a, plane).iter().flatten().zip(rows(b, plane).iter().flatten()) {
            sum += f64::from(a - b).powi(2);
            count += 1;
        }
    }
    -10.0 * (sum / f64::from(count)).log10()
}

/// The largest difference of two samples.
pub fn distance(a: &HostFrame, b: &HostFrame) -> f32 {
    let planes = 0..a.layout().planes().len();
    planes
        .flat_map(|plane| {
            let (a, b) = (rows(a, plane), rows(b, plane));
            a.into_iter()
                .flatten()
                .zip(b.into_iter().flatten())
                .map(|(a, b)| (a - b).abs())
                .collect::<Vec<_>>()
        })
        .fold(0.0, f32::max)
}
