//! Structural similarity (Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE Transactions on Image
//! Processing 13(4), 2004), on luma: a Gaussian window of 11x11 with a standard deviation of 1.5, K1 = 0.01, K2 = 0.03,
//! the mean over every place where the whole window lies inside the picture.

use std::ops::Range;

use rave_core::{HostFrame, SampleType};

use super::bands::Bands;

const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
const C1: f32 = 0.01 * 0.01;
const C2: f32 = 0.03 * 0.03;

/// Of the first planes; `None` if a side is shorter than the window.
pub(super) fn ssim(first: &HostFrame, second: &HostFrame, bands: Bands) -> Option<f64> {
    match first.layout().format().sample().bytes() {
        1 => ssim_of::<u8>(first, second, bands),
        _ => ssim_of::<u16>(first, second, bands),
    }
}

fn ssim_of<T: SampleType + Into<f32>>(first: &HostFrame, second: &HostFrame, bands: Bands) -> Option<f64> {
    let (width, height) = (first.layout().width() as usize, first.layout().height() as usize);
    let (columns, rows) = (valid(width)?, valid(height)?);
    let bits = first.layout().format().bits().unwrap_or(16);
    let peak = ((1_u32 << bits) - 1) as f32;
    let (first, second): (Vec<&[T]>, Vec<&[T]>) = (first.rows(0).collect(), second.rows(0).collect());
    let sums = bands.map(rows, |band| {
        let mut strip = Strip::new(columns, peak);
        strip.sum(&first, &second, band)
    });
    Some(sums.into_iter().sum::<f64>() / (columns * rows) as f64)
}

fn valid(side: usize) -> Option<usize> {
    (side + 1).checked_sub(WINDOW).filter(|&count| count > 0)
}

/// Means of x, y, x^2, y^2 and xy.
const MOMENTS: usize = 5;

/// Rows that have been filtered horizontally, in a ring as high as the window.
struct Strip {
    columns: usize,
    peak: f32,
    kernel: [f32; WINDOW],
    products: [Vec<f32>; MOMENTS],
    ring: [[Vec<f32>; MOMENTS]; WINDOW],
    means: [Vec<f32>; MOMENTS],
}

impl Strip {
    fn new(columns: usize, peak: f32) -> Self {
        let width = columns + WINDOW - 1;
        Self {
            columns,
            peak,
            kernel: kernel(),
            products: std::array::from_fn(|_| vec![0.0; width]),
            ring: std::array::from_fn(|_| std::array::from_fn(|_| vec![0.0; columns])),
            means: std::array::from_fn(|_| vec![0.0; columns]),
        }
    }

    /// The sum over the windows that start in the rows of `band`.
    fn sum<T: Copy + Into<f32>>(&mut self, first: &[&[T]], second: &[&[T]], band: Range<usize>) -> f64 {
        let mut sum = 0.0;
        for row in band.start..band.start + WINDOW - 1 {
            self.filter_row(row, first[row], second[row]);
        }
        for top in band {
            let row = top + WINDOW - 1;
            self.filter_row(row, first[row], second[row]);
            self.filter_columns(top);
            sum += self.similarity();
        }
        sum
    }

    /// Variances do not depend on an offset: around zero single precision is enough.
    fn filter_row<T: Copy + Into<f32>>(&mut self, row: usize, first: &[T], second: &[T]) {
        let [xs, ys, xx, yy, xy] = &mut self.products;
        for (out, &sample) in xs.iter_mut().zip(first) {
            *out = sample.into() / self.peak - 0.5;
        }
        for (out, &sample) in ys.iter_mut().zip(second) {
            *out = sample.into() / self.peak - 0.5;
        }
        multiply(xs, xs, xx);
        multiply(ys, ys, yy);
        multiply(xs, ys, xy);
        for (products, out) in self.products.iter().zip(&mut self.ring[row % WINDOW]) {
            out.fill(0.0);
            for (tap, &weight) in self.kernel.iter().enumerate() {
                add_weighted(weight, &products[tap..tap + self.columns], out);
            }
        }
    }

    fn filter_columns(&mut self, top: usize) {
        for (moment, out) in self.means.iter_mut().enumerate() {
            out.fill(0.0);
            for (tap, &weight) in self.kernel.iter().enumerate() {
                add_weighted(weight, &self.ring[(top + tap) % WINDOW][moment], out);
            }
        }
    }

    fn similarity(&self) -> f64 {
        let [x, y, xx, yy, xy] = &self.means;
        let terms = (0..self.columns).map(|at| {
            let (x, y) = (x[at], y[at]);
            let (x_variance, y_variance, covariance) = (xx[at] - x * x, yy[at] - y * y, xy[at] - x * y);
            let (x, y) = (x + 0.5, y + 0.5);
            (2.0 * x * y + C1) * (2.0 * covariance + C2)
                / ((x * x + y * y + C1) * (x_variance + y_variance + C2))
        });
        terms.map(f64::from).sum()
    }
}

fn multiply(a: &[f32], b: &[f32], out: &mut [f32]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = a * b;
    }
}

#[inline(never)]
fn add_weighted(weight: f32, values: &[f32], out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out += weight * value;
    }
}

fn kernel() -> [f32; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let weights: [f64; WINDOW] = std::array::from_fn(|tap| {
        let distance = tap as f64 - middle;
        (-distance * distance / (2.0 * SIGMA * SIGMA)).exp()
    });
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| (weight / sum) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::{ColorSpec, FrameInfo, HostPool, Layout, PixelFormat, Sample, TimeBase, Timestamp};

    fn gray(width: u32, height: u32, bits: u8, value: impl Fn(usize, usize) -> u16) -> HostFrame {
        let format = PixelFormat::Gray { sample: Sample::Uint { bits } };
        let layout = Layout::packed(format, width, height).unwrap();
        let pts = Timestamp::new(0, TimeBase::new(1, 25).unwrap());
        let info = FrameInfo::new(pts);
        let mut frame = HostFrame::from_pool(&HostPool::new(), layout, ColorSpec::BT709, info);
        if bits == 8 {
            for (y, row) in frame.rows_mut::<u8>(0).enumerate() {
                row.iter_mut().enumerate().for_each(|(x, sample)| *sample = value(x, y) as u8);
            }
        } else {
            for (y, row) in frame.rows_mut::<u16>(0).enumerate() {
                row.iter_mut().enumerate().for_each(|(x, sample)| *sample = value(x, y));
            }
        }
        frame
    }

    /// The definition, sample by sample, in double precision.
    fn by_definition(
        width: usize,
        height: usize,
        peak: f64,
        first: &dyn Fn(usize, usize) -> u16,
        second: &dyn Fn(usize, usize) -> u16,
    ) -> f64 {
        let kernel = kernel().map(f64::from);
        let (mut sum, mut count) = (0.0, 0.0);
        for top in 0..=height - WINDOW {
            for left in 0..=width - WINDOW {
                let mut m = [0.0; MOMENTS];
                for (j, wy) in kernel.iter().enumerate() {
                    for (i, wx) in kernel.iter().enumerate() {
                        let x = f64::from(first(left + i, top + j));
                        let y = f64::from(second(left + i, top + j));
                        for (m, value) in m.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                            *m += wx * wy * value;
                        }
                    }
                }
                let (c1, c2) = ((0.01 * peak).powi(2), (0.03 * peak).powi(2));
                let (vx, vy, c) = (m[2] - m[0] * m[0], m[3] - m[1] * m[1], m[4] - m[0] * m[1]);
                sum += (2.0 * m[0] * m[1] + c1) * (2.0 * c + c2)
                    / ((m[0].powi(2) + m[1].powi(2) + c1) * (vx + vy + c2));
                count += 1.0;
            }
        }
        sum / count
    }

    fn noise(x: usize, y: usize, seed: usize) -> u16 {
        ((x * 7919 + y * 104_729 + seed * 31).wrapping_mul(2_654_435_761) >> 16 & 63) as u16
    }

    #[test]
    fn it_is_the_definition() {
        for (bits, scale) in [(8, 1), (10, 4)] {
            let first = |x: usize, y: usize| scale * (90 + (x as u16 % 40) + noise(x, y, 1));
            let second =
                |x: usize, y: usize| scale * (95 + (x as u16 % 40) + noise(x, y, 1) / 2 + noise(x, y, 2) / 4);
            let expected = by_definition(37, 29, f64::from((1 << bits) - 1), &first, &second);
            let found =
                ssim(&gray(37, 29, bits, first), &gray(37, 29, bits, second), Bands::new(None)).unwrap();
            // Single precision: 24 bits over sums of 121 products.
            assert!((found - expected).abs() < 2e-5, "{bits} bits: {found}, expected {expected}");
        }
    }

    #[test]
    fn equal_pictures_are_one_and_small_ones_have_none() {
        let picture = gray(200, 150, 8, |x, y| noise(x, y, 3));
        let found = ssim(&picture, &picture, Bands::new(std::num::NonZeroUsize::new(2))).unwrap();
        assert!((found - 1.0).abs() < 1e-6, "{found}");
        let small = gray(10, 50, 8, |_, _| 3);
        assert_eq!(ssim(&small, &small, Bands::new(None)), None);
        let least = gray(11, 11, 8, |_, _| 3);
        assert!(ssim(&least, &least, Bands::new(None)).is_some());
    }
}
