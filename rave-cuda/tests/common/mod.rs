//! Frames and pictures for the GPU tests.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses its part; all of it is test code")]

use rave_core::{
    ColorSpec, Frame, FrameInfo, HostBuffer, HostFrame, Layout, PixelFormat, Sample, TimeBase, Timestamp,
    VideoInfo,
};
use rave_cuda::{CudaFrame, Device, Pool, PoolOptions, Stream};

/// The first GPU; `None`, with the reason printed, where there is none. `RAVE_REQUIRE_GPU=1` makes that a failure.
pub fn device() -> Option<Device> {
    match Device::open(0) {
        Ok(device) => Some(device),
        Err(reason) if std::env::var_os("RAVE_REQUIRE_GPU").is_some_and(|value| value == "1") => {
            panic!("RAVE_REQUIRE_GPU=1, but {reason}")
        }
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

/// A device, an unlimited pool and a stream.
pub fn gpu() -> Option<(Pool, Stream)> {
    let device = device()?;
    let stream = device.new_stream().unwrap();
    Some((Pool::new(&device, PoolOptions::default()), stream))
}

pub fn info(ticks: i64) -> FrameInfo {
    let pts = Timestamp::new(ticks, TimeBase::new(1, 25).unwrap());
    FrameInfo::new(pts)
}

pub fn video(format: PixelFormat, color: ColorSpec, (width, height): (u32, u32)) -> VideoInfo {
    VideoInfo::new(format, (width, height), color, TimeBase::new(1, 25).unwrap())
}

/// How rows lie: packed, padded to 256 bytes, or padded by one sample, so that no access can be wide.
#[derive(Clone, Copy, Debug)]
pub enum Rows {
    Packed,
    Padded,
    Odd,
}

pub fn layout(format: PixelFormat, (width, height): (u32, u32), rows: Rows) -> Layout {
    match rows {
        Rows::Packed => Layout::packed(format, width, height).unwrap(),
        Rows::Padded => Layout::aligned(format, width, height, 256).unwrap(),
        Rows::Odd => odd_layout(format, (width, height)),
    }
}

fn odd_layout(format: PixelFormat, (width, height): (u32, u32)) -> Layout {
    let sample = format.sample().bytes();
    let mut offset = 3 * sample;
    let planes: Vec<_> = (0..format.plane_count())
        .map(|plane| {
            let (samples, rows) = format.plane_size(plane, width, height);
            let stride = (samples as usize + 1) * sample;
            let start = offset;
            offset += stride * rows as usize;
            (start, stride)
        })
        .collect();
    Layout::with_planes(format, width, height, &planes).unwrap()
}

/// A frame whose every byte is the same, so that stray writes show.
pub fn blank(layout: Layout) -> HostFrame {
    let mut frame =
        Frame::new(HostBuffer::zeroed(layout.size_bytes()), layout, ColorSpec::BT709, info(0)).unwrap();
    frame.buffer_mut().as_bytes_mut().fill(0xa5);
    frame
}

/// A frame of noise that is the same for the same seed.
pub fn noise(layout: Layout, seed: u64) -> HostFrame {
    let mut frame = blank(layout);
    let mut numbers = Numbers(seed);
    let format = layout.format();
    for plane in 0..format.plane_count() {
        match format.sample() {
            Sample::U8 => frame.rows_mut::<u8>(plane).flatten().for_each(|code| *code = numbers.next() as u8),
            Sample::Uint { bits } => {
                let (mask, shift) = ((1_u64 << bits) - 1, format.sample_shift());
                let codes = frame.rows_mut::<u16>(plane).flatten();
                codes.for_each(|code| *code = ((numbers.next() & mask) << shift) as u16);
            }
            Sample::F16 => {
                let values = frame.rows_mut::<half::f16>(plane).flatten();
                values.for_each(|value| *value = half::f16::from_f32(numbers.unit()));
            }
            Sample::F32 => {
                frame.rows_mut::<f32>(plane).flatten().for_each(|value| *value = numbers.unit());
            }
        }
    }
    frame
}

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// From somewhat below black to somewhat above white.
    fn unit(&mut self) -> f32 {
        (self.next() % 12_000) as f32 / 10_000.0 - 0.1
    }
}

/// Frames of noise, numbered by their time.
pub fn clip(video: &VideoInfo, count: u64) -> Vec<HostFrame> {
    let layout = layout(video.format, (video.width, video.height), Rows::Packed);
    let frame = |index: u64| {
        let picture = noise(layout, index);
        HostFrame::new(picture.into_buffer(), layout, video.color, info(index as i64)).unwrap()
    };
    (0..count).map(frame).collect()
}

/// The same bytes at the same offsets in GPU memory.
pub fn to_device(pool: &Pool, stream: &Stream, frame: &HostFrame) -> CudaFrame {
    let mut target = pool.frame(*frame.layout(), frame.color(), frame.info()).unwrap();
    let bytes = &frame.buffer().as_bytes()[..frame.layout().size_bytes()];
    let access = target.buffer_mut().write(stream).unwrap();
    // SAFETY: the buffer holds the layout; the bytes are borrowed until the stream has run dry.
    unsafe {
        cudarc::driver::result::memcpy_htod_async(access.address(), bytes, stream.as_raw()).unwrap();
    }
    drop(access);
    stream.synchronize().unwrap();
    target
}

/// The same bytes at the same offsets in host memory.
pub fn to_host(stream: &Stream, frame: &CudaFrame) -> HostFrame {
    let mut target = blank(*frame.layout());
    let bytes = &mut target.buffer_mut().as_bytes_mut()[..frame.layout().size_bytes()];
    let access = frame.buffer().read(stream).unwrap();
    // SAFETY: as above.
    unsafe {
        cudarc::driver::result::memcpy_dtoh_async(bytes, access.address(), stream.as_raw()).unwrap();
    }
    drop(access);
    stream.synchronize().unwrap();
    target
}

/// The largest distance between two frames of one layout: code values of integers, the values of floating point.
pub fn distance(a: &HostFrame, b: &HostFrame) -> f64 {
    let format = a.layout().format();
    let shift = format.sample_shift();
    let mut largest = 0.0_f64;
    for plane in 0..format.plane_count() {
        let distance = match format.sample() {
            Sample::U8 => farthest(a.rows::<u8>(plane), b.rows::<u8>(plane), |code| f64::from(*code)),
            Sample::Uint { .. } => {
                farthest(a.rows::<u16>(plane), b.rows::<u16>(plane), |code| f64::from(*code >> shift))
            }
            Sample::F16 => {
                farthest(a.rows::<half::f16>(plane), b.rows::<half::f16>(plane), |value| value.to_f64())
            }
            Sample::F32 => farthest(a.rows::<f32>(plane), b.rows::<f32>(plane), |value| f64::from(*value)),
        };
        largest = largest.max(distance);
    }
    largest
}

fn farthest<'a, T: 'a>(
    a: impl Iterator<Item = &'a [T]>,
    b: impl Iterator<Item = &'a [T]>,
    value: impl Fn(&T) -> f64,
) -> f64 {
    let pairs = a.zip(b).flat_map(|(a, b)| a.iter().zip(b));
    pairs.map(|(a, b)| (value(a) - value(b)).abs()).fold(0.0, f64::max)
}

/// What is permitted between the GPU and the host: a code value; for floating point the 0.001 that half precision can
/// differ by after one more rounding.
pub fn tolerance(format: PixelFormat) -> f64 {
    if format.bits().is_some() { 1.0 } else { 1e-3 }
}
