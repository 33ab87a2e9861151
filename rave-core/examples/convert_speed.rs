//! Times the main colour conversions and the chroma enlargement on one thread.
//!
//!     cargo run --release -p rave-core --example convert_speed [-- --json]
//!
//! Prints milliseconds per frame (the median) and gigabytes read and written per second; with `--json` one object per
//! line.
use std::time::Instant;

use rave_core::{
    Chroma, ChromaFilter, ColorSpec, Converter, Error, FrameInfo, HostBuffer, HostFrame, Kernel, Layout,
    Packing, PixelFormat, ResampleAxis, Resampler, Sample, Siting, TimeBase, Timestamp,
};

const FRAMES: usize = 25;
const HD: (u32, u32) = (1920, 1080);
const UHD: (u32, u32) = (3840, 2160);

fn main() -> Result<(), Error> {
    let json = std::env::args().any(|argument| argument == "--json");
    let report = |name: String, millis: f64, bytes: usize| {
        let rate = bytes as f64 / millis / 1e6;
        match json {
            true => println!("{{\"name\":\"{name}\",\"millis\":{millis:.3},\"gb_per_second\":{rate:.2}}}"),
            false => println!("{name:44} {millis:8.3} ms {rate:7.2} GB/s"),
        }
    };
    let luma_chroma = |sample| PixelFormat::Yuv { chroma: Chroma::C420, sample, packing: Packing::Planar };
    let rgb8 = PixelFormat::Rgb { sample: Sample::U8 };
    for (from, to, size) in [
        (PixelFormat::NV12, PixelFormat::RGB_F32, HD),
        (PixelFormat::YUV420P, PixelFormat::RGB_F32, HD),
        (PixelFormat::YUV420P, PixelFormat::RGB_F16, HD),
        (PixelFormat::P010, PixelFormat::RGB_F32, HD),
        (PixelFormat::YUV444P, PixelFormat::RGB_F32, HD),
        (PixelFormat::NV12, rgb8, HD),
        (PixelFormat::YUV420P, luma_chroma(Sample::F32), HD),
        (PixelFormat::RGB_F32, PixelFormat::NV12, UHD),
        (PixelFormat::RGB_F32, PixelFormat::YUV420P, UHD),
        (PixelFormat::RGB_F32, PixelFormat::YUV420P10, UHD),
        (PixelFormat::RGB_F16, PixelFormat::YUV420P, UHD),
        (PixelFormat::RGB_F32, PixelFormat::P010, UHD),
        (luma_chroma(Sample::F32), PixelFormat::YUV420P, UHD),
    ] {
        let (millis, bytes) = time_conversion(from, to, size)?;
        report(format!("{from} to {to} {}x{}", size.0, size.1), millis, bytes);
    }
    for kernel in [Kernel::CatmullRom, Kernel::Lanczos3] {
        let (millis, bytes) = time_resampling(kernel)?;
        report(format!("{kernel:?} x2 to 1920x1080 f32"), millis, bytes);
    }
    Ok(())
}

fn time_conversion(from: PixelFormat, to: PixelFormat, size: (u32, u32)) -> Result<(f64, usize), Error> {
    let (source, mut target) = (frame(from, size)?, frame(to, size)?);
    let sides = ((from, source.color()), (to, target.color()));
    let mut converter = Converter::new(sides.0, sides.1, size, ChromaFilter::Bilinear)?;
    let millis = median_millis(|| converter.convert(&source, &mut target))?;
    Ok((millis, source.layout().size_bytes() + target.layout().size_bytes()))
}

fn time_resampling(kernel: Kernel) -> Result<(f64, usize), Error> {
    let [x, y] = ResampleAxis::for_chroma(Chroma::C420, Siting::Left, HD, 2)?;
    let mut resampler = Resampler::new(kernel, x, y)?;
    let side = |side: u32| side as usize;
    let source: Vec<f32> = (0..x.input * y.input).map(|i| (i % 251) as f32 / 250.0).collect();
    let mut target = vec![0.0; side(x.output) * side(y.output)];
    let millis = median_millis(|| {
        resampler.resample(&source, side(x.input), &mut target, side(x.output));
        Ok(())
    })?;
    Ok((millis, 4 * (source.len() + target.len())))
}

/// A frame of a slow gradient with some noise, all values in range.
fn frame(format: PixelFormat, (width, height): (u32, u32)) -> Result<HostFrame, Error> {
    let layout = Layout::packed(format, width, height)?;
    let mut buffer = HostBuffer::zeroed(layout.size_bytes());
    let value = |i: usize| ((i % 1021) as f32 + (i.wrapping_mul(2_654_435_761) >> 7 & 31) as f32) / 1052.0;
    for (plane, &place) in layout.planes().iter().enumerate() {
        let bytes = &mut buffer.as_bytes_mut()[place.offset_bytes..place.end_bytes()];
        let offset = if plane > 0 && format.chroma().is_some() { 0.5 } else { 0.0 };
        for (i, sample) in bytes.chunks_exact_mut(format.sample().bytes()).enumerate() {
            match format.sample() {
                Sample::U8 => sample[0] = (16.0 + 219.0 * value(i)) as u8,
                Sample::Uint { bits } => {
                    let code = (value(i) * ((1_u32 << bits) - 1) as f32) as u16;
                    sample.copy_from_slice(&(code << format.sample_shift()).to_ne_bytes());
                }
                Sample::F16 => sample.copy_from_slice(&half::f16::from_f32(value(i) - offset).to_ne_bytes()),
                Sample::F32 => sample.copy_from_slice(&(value(i) - offset).to_ne_bytes()),
            }
        }
    }
    let color = match format {
        PixelFormat::Rgb { .. } => ColorSpec::BT709.to_rgb(),
        _ => ColorSpec::BT709,
    };
    let pts = Timestamp::new(0, TimeBase::new(1, 25)?);
    HostFrame::new(buffer, layout, color, FrameInfo::new(pts))
}

fn median_millis(mut run: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let mut times = Vec::with_capacity(FRAMES);
    for _ in 0..FRAMES {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[FRAMES / 2])
}
