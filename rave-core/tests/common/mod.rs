//! What several test binaries share; not each uses all of it.
#![allow(dead_code)]

pub mod ffmpeg;
pub mod reference;

use rave_core::{
    Chroma, ChromaFilter, ColorSpec, Converter, FieldOrder, FrameInfo, HostBuffer, HostFrame, Layout, Matrix,
    Packing, PixelFormat, Primaries, Range, Sample, Siting, TimeBase, Timestamp, Transfer,
};

pub const CHROMAS: [Chroma; 3] = [Chroma::C420, Chroma::C422, Chroma::C444];
pub const SITINGS: [Siting; 6] =
    [Siting::Left, Siting::Center, Siting::TopLeft, Siting::Top, Siting::BottomLeft, Siting::Bottom];
pub const MATRICES: [Matrix; 5] =
    [Matrix::Smpte170m, Matrix::Bt709, Matrix::Bt2020Ncl, Matrix::Fcc, Matrix::Smpte240m];
pub const RANGES: [Range; 2] = [Range::Limited, Range::Full];

pub fn color(matrix: Matrix, range: Range, siting: Siting) -> ColorSpec {
    ColorSpec { matrix, range, siting, primaries: Primaries::Unspecified, transfer: Transfer::Unspecified }
}

pub fn yuv(chroma: Chroma, sample: Sample, packing: Packing) -> PixelFormat {
    PixelFormat::Yuv { chroma, sample, packing }
}

pub fn rgb_u(bits: u8) -> PixelFormat {
    PixelFormat::Rgb { sample: Sample::Uint { bits } }
}

pub fn gray(sample: Sample) -> PixelFormat {
    PixelFormat::Gray { sample }
}

pub fn info() -> FrameInfo {
    let pts = Timestamp::new(3, TimeBase::new(1, 25).unwrap());
    FrameInfo { pts, duration_ticks: Some(1), field_order: FieldOrder::TopFirst }
}

pub fn frame(format: PixelFormat, color: ColorSpec, size: (u32, u32)) -> HostFrame {
    aligned_frame(format, color, size, 1)
}

pub fn aligned_frame(
    format: PixelFormat,
    color: ColorSpec,
    (width, height): (u32, u32),
    alignment: usize,
) -> HostFrame {
    let layout = Layout::aligned(format, width, height, alignment).unwrap();
    HostFrame::new(HostBuffer::zeroed(layout.size_bytes()), layout, color, info()).unwrap()
}

/// A packed frame with these bytes.
pub fn frame_of(format: PixelFormat, color: ColorSpec, size: (u32, u32), bytes: &[u8]) -> HostFrame {
    let mut frame = frame(format, color, size);
    let length = frame.layout().size_bytes();
    assert_eq!(bytes.len(), length, "{format} {size:?}");
    frame.buffer_mut().as_bytes_mut().copy_from_slice(bytes);
    frame
}

pub fn convert(source: &HostFrame, format: PixelFormat, color: ColorSpec, filter: ChromaFilter) -> HostFrame {
    let (layout, from) = (source.layout(), source.color());
    let size = (layout.width(), layout.height());
    let mut converter = Converter::new((layout.format(), from), (format, color), size, filter).unwrap();
    let mut target = frame(format, color, size);
    converter.convert(source, &mut target).unwrap();
    target
}

/// The planes as numbers: integers without their shift, pairs of Cb and Cr taken apart.
pub fn components(frame: &HostFrame) -> Vec<Vec<f64>> {
    let format = frame.layout().format();
    let mut planes: Vec<_> = (0..format.plane_count()).map(|plane| plane_values(frame, plane)).collect();
    if planes.len() == 2 {
        let pairs = planes.pop().unwrap();
        for component in 0..2 {
            planes.push(pairs.iter().copied().skip(component).step_by(2).collect());
        }
    }
    planes
}

fn plane_values(frame: &HostFrame, plane: usize) -> Vec<f64> {
    let format = frame.layout().format();
    match format.sample() {
        Sample::U8 => frame.rows::<u8>(plane).flatten().map(|&v| f64::from(v)).collect(),
        Sample::Uint { .. } => {
            let shift = format.sample_shift();
            frame.rows::<u16>(plane).flatten().map(|&v| f64::from(v >> shift)).collect()
        }
        Sample::F16 => frame.rows::<half::f16>(plane).flatten().map(|v| v.to_f64()).collect(),
        Sample::F32 => frame.rows::<f32>(plane).flatten().map(|&v| f64::from(v)).collect(),
    }
}

/// Writes every sample by its plane, column, row and, in a plane of pairs, component.
pub fn fill(frame: &mut HostFrame, mut value: impl FnMut(usize, usize, usize) -> f64) {
    let format = frame.layout().format();
    let pairs = format.plane_count() == 2;
    for plane in 0..format.plane_count() {
        let mut at = |x: usize, y: usize| match pairs && plane == 1 {
            true => value(1 + x % 2, x / 2, y),
            false => value(plane, x, y),
        };
        let shift = format.sample_shift();
        match format.sample() {
            Sample::U8 => write_rows(frame.rows_mut::<u8>(plane), |x, y| at(x, y) as u8),
            Sample::Uint { .. } => {
                write_rows(frame.rows_mut::<u16>(plane), |x, y| (at(x, y) as u16) << shift);
            }
            Sample::F16 => write_rows(frame.rows_mut(plane), |x, y| half::f16::from_f64(at(x, y))),
            Sample::F32 => write_rows(frame.rows_mut(plane), |x, y| at(x, y) as f32),
        }
    }
}

fn write_rows<'a, T: 'a>(rows: impl Iterator<Item = &'a mut [T]>, mut value: impl FnMut(usize, usize) -> T) {
    for (y, row) in rows.enumerate() {
        for (x, sample) in row.iter_mut().enumerate() {
            *sample = value(x, y);
        }
    }
}

/// A reproducible sequence (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// In 0..1.
    pub fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In 0..2^bits.
    pub fn code(&mut self, bits: u8) -> f64 {
        (self.unit() * f64::from(1_u32 << bits)).floor()
    }
}

/// A frame of noise: all codes for integers, -0.2..1.2 for R'G'B' and luma, -0.6..0.6 for chroma in floating point.
pub fn noise(format: PixelFormat, color: ColorSpec, size: (u32, u32), seed: u64) -> HostFrame {
    let mut random = Random::new(seed);
    let mut frame = frame(format, color, size);
    let has_chroma = format.chroma().is_some();
    fill(&mut frame, |plane, _, _| match format.bits() {
        Some(bits) => random.code(bits),
        None if has_chroma && plane > 0 => random.unit() * 1.2 - 0.6,
        None => random.unit() * 1.4 - 0.2,
    });
    frame
}
