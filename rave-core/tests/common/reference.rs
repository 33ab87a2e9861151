//! Colour conversion written for being obviously right: one pixel at a time, in double precision, from the equations
//! of H.273, clause 8.3.

use rave_core::{Chroma, ChromaFilter, HostFrame, Layout, Matrix, PixelFormat, Range};

use super::components;

fn kr_kb(matrix: Matrix) -> (f64, f64) {
    match matrix {
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Smpte170m => (0.299, 0.114),
        Matrix::Bt2020Ncl => (0.2627, 0.0593),
        Matrix::Fcc => (0.30, 0.11),
        Matrix::Smpte240m => (0.212, 0.087),
        _ => unreachable!(),
    }
}

/// A code as a normalised value, or a value as an exact (not rounded) code.
#[derive(Clone, Copy)]
struct Scale {
    range: Range,
    bits: Option<u8>,
}

impl Scale {
    fn of(format: PixelFormat, range: Range) -> Self {
        Self { range, bits: format.bits() }
    }

    fn luma(self) -> (f64, f64) {
        match (self.bits, self.range) {
            (None, _) => (0.0, 1.0),
            (Some(bits), Range::Limited) => {
                (16.0 * 2f64.powi(i32::from(bits) - 8), 219.0 * 2f64.powi(i32::from(bits) - 8))
            }
            (Some(bits), _) => (0.0, 2f64.powi(i32::from(bits)) - 1.0),
        }
    }

    fn chroma(self) -> (f64, f64) {
        match (self.bits, self.range) {
            (None, _) => (0.0, 1.0),
            (Some(bits), Range::Limited) => {
                (128.0 * 2f64.powi(i32::from(bits) - 8), 224.0 * 2f64.powi(i32::from(bits) - 8))
            }
            (Some(bits), _) => (2f64.powi(i32::from(bits) - 1), 2f64.powi(i32::from(bits)) - 1.0),
        }
    }
}

fn normalise((offset, scale): (f64, f64), code: f64) -> f64 {
    (code - offset) / scale
}

fn quantise((offset, scale): (f64, f64), value: f64) -> f64 {
    value * scale + offset
}

struct Picture<'a> {
    samples: &'a [f64],
    width: usize,
    height: usize,
}

impl Picture<'_> {
    fn at(&self, x: i64, y: i64) -> f64 {
        let x = x.clamp(0, self.width as i64 - 1) as usize;
        let y = y.clamp(0, self.height as i64 - 1) as usize;
        self.samples[y * self.width + x]
    }

    /// At a position between samples, by linear interpolation.
    fn between(&self, x: f64, y: f64) -> f64 {
        let (left, top) = (x.floor(), y.floor());
        let (right_weight, bottom_weight) = (x - left, y - top);
        let (left, top) = (left as i64, top as i64);
        let upper = self.at(left, top) * (1.0 - right_weight) + self.at(left + 1, top) * right_weight;
        let lower = self.at(left, top + 1) * (1.0 - right_weight) + self.at(left + 1, top + 1) * right_weight;
        upper * (1.0 - bottom_weight) + lower * bottom_weight
    }
}

/// The exact R'G'B' samples, in codes of `format` where that is of integers, of a Y'CbCr frame.
pub fn to_rgb(source: &HostFrame, format: PixelFormat, range: Range, filter: ChromaFilter) -> Vec<Vec<f64>> {
    let (layout, color) = (source.layout(), source.color());
    let planes = components(source);
    let chroma = layout.format().chroma().unwrap();
    let (from, to) = (Scale::of(layout.format(), color.range), Scale::of(format, range));
    let (kr, kb) = kr_kb(color.matrix);
    let mut rgb = vec![Vec::new(); 3];
    for y in 0..layout.height() {
        for x in 0..layout.width() {
            let luma = planes[0][(y * layout.width() + x) as usize];
            let luma = normalise(from.luma(), luma);
            let chroma_at = |plane: &[f64]| {
                let position = chroma_position(chroma, color.siting.offset(), filter, x, y);
                let (width, height) = chroma.size(layout.width(), layout.height());
                let picture = Picture { samples: plane, width: width as usize, height: height as usize };
                normalise(from.chroma(), picture.between(position.0, position.1))
            };
            let (cb, cr) = (chroma_at(&planes[1]), chroma_at(&planes[2]));
            let red = luma + 2.0 * (1.0 - kr) * cr;
            let blue = luma + 2.0 * (1.0 - kb) * cb;
            let green = (luma - kr * red - kb * blue) / (1.0 - kr - kb);
            for (plane, value) in rgb.iter_mut().zip([red, green, blue]) {
                plane.push(quantise(to.luma(), value));
            }
        }
    }
    rgb
}

fn chroma_position(chroma: Chroma, offset: (f32, f32), filter: ChromaFilter, x: u32, y: u32) -> (f64, f64) {
    let position = |halved: u32, at: u32, offset: f32| match (halved, filter) {
        (0, _) => f64::from(at),
        (_, ChromaFilter::Nearest) => f64::from(at / 2),
        (_, ChromaFilter::Bilinear) => (f64::from(at) - f64::from(offset)) / 2.0,
    };
    (position(chroma.shifts().0, x, offset.0), position(chroma.shifts().1, y, offset.1))
}

/// The exact Y'CbCr samples, in codes of `target` where that is of integers, of an R'G'B' frame.
pub fn from_rgb(source: &HostFrame, target: &HostFrame, filter: ChromaFilter) -> Vec<Vec<f64>> {
    let layout = source.layout();
    let (from, color) = (Scale::of(layout.format(), source.color().range), target.color());
    let to = Scale::of(target.layout().format(), color.range);
    let (kr, kb) = kr_kb(color.matrix);
    let rgb = components(source);
    let mut full = vec![Vec::new(); 3];
    for ((&red, &green), &blue) in rgb[0].iter().zip(&rgb[1]).zip(&rgb[2]) {
        let [red, green, blue] = [red, green, blue].map(|code| normalise(from.luma(), code));
        let luma = kr * red + (1.0 - kr - kb) * green + kb * blue;
        full[0].push(quantise(to.luma(), luma));
        full[1].push(quantise(to.chroma(), 0.5 * (blue - luma) / (1.0 - kb)));
        full[2].push(quantise(to.chroma(), 0.5 * (red - luma) / (1.0 - kr)));
    }
    let Some(chroma) = target.layout().format().chroma() else { return full[..1].to_vec() };
    for plane in &mut full[1..] {
        *plane = reduce(plane, layout, chroma, color.siting.offset(), filter);
    }
    full
}

fn reduce(
    plane: &[f64],
    layout: &Layout,
    chroma: Chroma,
    offset: (f32, f32),
    filter: ChromaFilter,
) -> Vec<f64> {
    let (width, height) = (layout.width() as usize, layout.height() as usize);
    let picture = Picture { samples: plane, width, height };
    let (chroma_width, chroma_height) = chroma.size(layout.width(), layout.height());
    let mut reduced = Vec::new();
    for y in 0..chroma_height {
        for x in 0..chroma_width {
            let mut sum = 0.0;
            for (column, column_weight) in weights(chroma.shifts().0, x, offset.0, filter) {
                for (row, row_weight) in weights(chroma.shifts().1, y, offset.1, filter) {
                    sum += picture.at(column, row) * column_weight * row_weight;
                }
            }
            reduced.push(sum);
        }
    }
    reduced
}

fn weights(halved: u32, at: u32, offset: f32, filter: ChromaFilter) -> Vec<(i64, f64)> {
    let at = i64::from(at);
    match (halved, filter) {
        (0, _) => vec![(at, 1.0)],
        (_, ChromaFilter::Nearest) => vec![(2 * at, 0.5), (2 * at + 1, 0.5)],
        (_, ChromaFilter::Bilinear) => {
            let centre = (2 * at) as f64 + f64::from(offset);
            let triangle = |sample: i64| (1.0 - (sample as f64 - centre).abs() / 2.0).max(0.0);
            let sum: f64 = (2 * at - 4..2 * at + 5).map(triangle).sum();
            (2 * at - 4..2 * at + 5).map(|sample| (sample, triangle(sample) / sum)).collect()
        }
    }
}
