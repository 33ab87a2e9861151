//! How fast the colour kernels move memory, as a fraction of a device-to-device copy of the same traffic measured in the
//! same run. Prints JSON; needs a GPU.

use std::time::{SystemTime, UNIX_EPOCH};

use cudarc::driver::sys::CUevent_flags;
use cudarc::driver::{CudaEvent, result};
use rave_core::{
    Buffer, ChromaFilter, ColorSpec, FrameInfo, Layout, PixelFormat, Range, TimeBase, Timestamp,
};
use rave_cuda::{
    CudaBuffer, CudaConverter, CudaFrame, Device, Error, Pool, PoolOptions, Stream, device_layout,
};
use serde_json::{Value, json};

const YUV: ColorSpec = ColorSpec::BT709;
const RGB: ColorSpec = ColorSpec::BT709.to_rgb();
const HD: (u32, u32) = (1920, 1080);
const UHD: (u32, u32) = (3840, 2160);
/// What a case reads and writes at least, in bytes: many times the largest L2 cache.
const TRAFFIC: usize = 1 << 30;
const TRIALS: usize = 7;
const ROUNDS: u32 = 5;

struct Case {
    name: &'static str,
    from: (PixelFormat, ColorSpec),
    to: (PixelFormat, ColorSpec),
    size: (u32, u32),
    /// The fraction that is asked for, where one is.
    at_least: Option<f64>,
}

const CASES: &[Case] = &[
    Case {
        name: "nv12-to-rgb-f16-1080p",
        from: (PixelFormat::NV12, YUV),
        to: (PixelFormat::RGB_F16, RGB),
        size: HD,
        at_least: Some(0.6),
    },
    Case {
        name: "rgb-f16-to-nv12-2160p",
        from: (PixelFormat::RGB_F16, RGB),
        to: (PixelFormat::NV12, YUV),
        size: UHD,
        at_least: Some(0.6),
    },
    Case {
        name: "p010-to-rgb-f16-2160p",
        from: (PixelFormat::P010, YUV),
        to: (PixelFormat::RGB_F16, RGB),
        size: UHD,
        at_least: None,
    },
    Case {
        name: "rgb-f16-to-p010-2160p",
        from: (PixelFormat::RGB_F16, RGB),
        to: (PixelFormat::P010, YUV),
        size: UHD,
        at_least: None,
    },
    Case {
        name: "rgb-f32-to-nv12-2160p",
        from: (PixelFormat::RGB_F32, RGB),
        to: (PixelFormat::NV12, YUV),
        size: UHD,
        at_least: None,
    },
    Case {
        name: "rgb-f32-to-rgb-f16-1080p",
        from: (PixelFormat::RGB_F32, RGB),
        to: (PixelFormat::RGB_F16, RGB),
        size: HD,
        at_least: None,
    },
    Case {
        name: "yuv420p-limited-to-full-1080p",
        from: (PixelFormat::YUV420P, YUV),
        to: (PixelFormat::YUV420P, ColorSpec { range: Range::Full, ..YUV }),
        size: HD,
        at_least: None,
    },
];

fn main() -> Result<(), Error> {
    let device = Device::open(0)?;
    let info = device.info()?;
    let bench = Bench {
        pool: Pool::new(&device, PoolOptions::default()),
        stream: device.new_stream()?,
        start: timer(&device)?,
        end: timer(&device)?,
    };
    let cases = CASES.iter().map(|case| bench.run(case)).collect::<Result<Vec<_>, Error>>()?;
    let report = json!({
        "benchmark": "rave-cuda bandwidth",
        "machine": std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim(),
        "unix_seconds": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        "gpu": info.name,
        "driver": info.driver_version,
        "cases": cases,
    });
    println!("{report:#}");
    Ok(())
}

fn timer(device: &Device) -> Result<CudaEvent, Error> {
    let event = device.context().new_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
    event.map_err(|source| Error::Cuda { action: "create a timer", source })
}

struct Bench {
    pool: Pool,
    stream: Stream,
    start: CudaEvent,
    end: CudaEvent,
}

impl Bench {
    fn run(&self, case: &Case) -> Result<Value, Error> {
        let layout = |format| device_layout(format, case.size.0, case.size.1);
        let (from, to) = (layout(case.from.0)?, layout(case.to.0)?);
        let frame_traffic = samples_bytes(&from) + samples_bytes(&to);
        let count = TRAFFIC.div_ceil(frame_traffic).next_multiple_of(16);
        let sources = self.frames(from, count)?;
        let mut targets = self.frames(to, count)?;
        let converter =
            CudaConverter::new(self.pool.device(), case.from, case.to, case.size, ChromaFilter::Bilinear)?;
        // Held over all rounds, so that the kernels are measured and not the events of a hundred buffers.
        let sources = sources.iter().map(|frame| frame.buffer().read(&self.stream));
        let sources = sources.collect::<Result<Vec<_>, Error>>()?;
        let targets = targets.iter_mut().map(|frame| frame.buffer_mut().write(&self.stream));
        let targets = targets.collect::<Result<Vec<_>, Error>>()?;
        let kernel =
            self.best_millis(|| converter.enqueue(&self.stream, (&sources, &from), (&targets, &to)))?;
        let traffic = frame_traffic * count;
        let (source, mut target) = (self.pool.take(traffic / 2)?, self.pool.take(traffic / 2)?);
        let copy = self.best_millis(|| self.copy(&source, &mut target))?;
        let gigabytes = |millis: f64| traffic as f64 / millis / 1e6;
        Ok(json!({
            "case": case.name,
            "frames": count,
            "microseconds_per_frame": kernel * 1e3 / count as f64,
            "kernel_gb_per_second": gigabytes(kernel),
            "copy_gb_per_second": gigabytes(copy),
            "fraction_of_copy": copy / kernel,
            "at_least": case.at_least,
            "is_met": case.at_least.is_none_or(|wanted| copy / kernel >= wanted),
        }))
    }

    fn frames(&self, layout: Layout, count: usize) -> Result<Vec<CudaFrame>, Error> {
        let pts = Timestamp::new(0, TimeBase::new(1, 25)?);
        let info = FrameInfo::new(pts);
        (0..count)
            .map(|_| {
                let mut frame = self.pool.frame(layout, YUV, info)?;
                self.fill(frame.buffer_mut())?;
                Ok(frame)
            })
            .collect()
    }

    /// Half-precision and single-precision samples of 0x2f2f and 0x2f2f2f2f are small and positive.
    fn fill(&self, buffer: &mut CudaBuffer) -> Result<(), Error> {
        let len = buffer.len_bytes();
        let access = buffer.write(&self.stream)?;
        // SAFETY: the buffer has this length; creating the stream's events has bound the context to this thread.
        unsafe { result::memset_d8_async(access.address(), 0x2f, len, self.stream.as_raw()) }
            .map_err(|source| Error::Cuda { action: "fill a frame", source })
    }

    fn copy(&self, source: &CudaBuffer, target: &mut CudaBuffer) -> Result<(), Error> {
        let len = source.len_bytes();
        let (read, written) = (source.read(&self.stream)?, target.write(&self.stream)?);
        // SAFETY: both buffers have this length; the accesses live until after the enqueue.
        unsafe { result::memcpy_dtod_async(written.address(), read.address(), len, self.stream.as_raw()) }
            .map_err(|source| Error::Cuda { action: "copy on the GPU", source })
    }

    /// The shortest time of one call, by the GPU's clock.
    fn best_millis(&self, mut work: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
        work()?;
        let mut best = f64::INFINITY;
        for _ in 0..TRIALS {
            let timed = |source| Error::Cuda { action: "measure time", source };
            self.start.record(self.stream.cudarc()).map_err(timed)?;
            for _ in 0..ROUNDS {
                work()?;
            }
            self.end.record(self.stream.cudarc()).map_err(timed)?;
            let millis = self.start.elapsed_ms(&self.end).map_err(timed)?;
            best = best.min(f64::from(millis) / f64::from(ROUNDS));
        }
        Ok(best)
    }
}

/// What a kernel must read or write: rows without their padding.
fn samples_bytes(layout: &Layout) -> usize {
    layout.planes().iter().map(|plane| plane.row_bytes * plane.rows).sum()
}
