//! The kernels on a GPU against the host, over a table of formats, matrices, ranges, sitings, sizes and strides.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::cell::Cell;

use common::{Rows, blank, distance, gpu, layout, noise, to_device, to_host, tolerance, video};
use rave_core::{
    Chroma, ChromaFilter, ColorSpec, Converter, Kernel, Layout, Matrix, Packing, PixelFormat, Range,
    ResampleAxis, Resampler, Sample, Siting,
};
use rave_cuda::{
    CudaConverter, CudaResize, DigestTaker, Feather, Pool, Statistics, Stream, TensorAt, TensorAxes,
    TensorShape, TileCopier, Window,
};

type Side = (PixelFormat, ColorSpec);

const SIZES: [(u32, u32); 9] =
    [(1, 1), (2, 2), (3, 5), (8, 8), (17, 9), (64, 33), (66, 2), (255, 31), (1922, 66)];
const ROWS: [(Rows, Rows); 3] =
    [(Rows::Packed, Rows::Packed), (Rows::Padded, Rows::Padded), (Rows::Odd, Rows::Odd)];

/// Compares conversions and counts how many are not equal to the last bit.
struct Oracle {
    pool: Pool,
    stream: Stream,
    compared: Cell<u32>,
    unequal: Cell<u32>,
}

impl Oracle {
    fn new() -> Option<Self> {
        let (pool, stream) = gpu()?;
        Some(Self { pool, stream, compared: Cell::new(0), unequal: Cell::new(0) })
    }

    fn check(&self, from: Side, to: Side, size: (u32, u32), filter: ChromaFilter, rows: (Rows, Rows)) {
        let source = noise(layout(from.0, size, rows.0), u64::from(size.0) * 31 + u64::from(size.1));
        let mut expected = blank(layout(to.0, size, rows.1));
        let mut target = to_device(&self.pool, &self.stream, &expected);
        Converter::new(from, to, size, filter).unwrap().convert(&source, &mut expected).unwrap();
        let source = to_device(&self.pool, &self.stream, &source);
        let converter = CudaConverter::new(self.pool.device(), from, to, size, filter).unwrap();
        converter.convert(&self.stream, &source, &mut target).unwrap();
        let found = to_host(&self.stream, &target);
        let what = || format!("{} {:?} to {} {:?}, {size:?} {filter:?} {rows:?}", from.0, from.1, to.0, to.1);
        let distance = distance(&expected, &found);
        assert!(distance <= tolerance(to.0), "{distance}: {}", what());
        let (expected_bytes, found_bytes) = (expected.buffer().as_bytes(), found.buffer().as_bytes());
        let padding = padding(expected.layout());
        let stray = padding.iter().find(|&&byte| expected_bytes[byte] != found_bytes[byte]);
        assert_eq!(stray, None, "written between the rows: {}", what());
        self.compared.set(self.compared.get() + 1);
        self.unequal.set(self.unequal.get() + u32::from(expected_bytes != found_bytes));
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        println!(
            "{} of {} conversions differ from the host's in some bit",
            self.unequal.get(),
            self.compared.get()
        );
    }
}

/// The bytes of a layout that belong to no row.
fn padding(layout: &Layout) -> Vec<usize> {
    let mut is_padding = vec![true; layout.size_bytes()];
    for plane in layout.planes() {
        for y in 0..plane.rows {
            let start = plane.offset_bytes + y * plane.stride_bytes;
            is_padding[start..start + plane.row_bytes].fill(false);
        }
    }
    (0..is_padding.len()).filter(|&byte| is_padding[byte]).collect()
}

fn integer_formats() -> Vec<PixelFormat> {
    let mut formats = vec![PixelFormat::NV12, PixelFormat::P010, PixelFormat::P016];
    for chroma in [Chroma::C420, Chroma::C422, Chroma::C444] {
        formats.extend([8, 10, 12, 16].map(|bits| PixelFormat::yuv_planar(chroma, bits)));
    }
    for chroma in [Chroma::C422, Chroma::C444] {
        for bits in [8, 12] {
            let sample = Sample::Uint { bits };
            formats.push(PixelFormat::Yuv { chroma, sample, packing: Packing::SemiPlanar });
        }
    }
    formats
}

fn color(matrix: Matrix, range: Range, siting: Siting) -> ColorSpec {
    ColorSpec { matrix, range, siting, ..ColorSpec::BT709 }
}

#[test]
fn every_format_size_and_stride_is_converted_as_on_the_host() {
    let Some(oracle) = Oracle::new() else { return };
    let yuv = color(Matrix::Bt709, Range::Limited, Siting::Left);
    for format in integer_formats() {
        for rgb in [PixelFormat::RGB_F16, PixelFormat::RGB_F32] {
            for size in SIZES {
                for rows in ROWS {
                    oracle.check((format, yuv), (rgb, yuv.to_rgb()), size, ChromaFilter::Bilinear, rows);
                    oracle.check((rgb, yuv.to_rgb()), (format, yuv), size, ChromaFilter::Bilinear, rows);
                }
            }
        }
    }
}

#[test]
fn every_siting_and_filter_is_as_on_the_host() {
    let Some(oracle) = Oracle::new() else { return };
    let sitings =
        [Siting::Left, Siting::Center, Siting::TopLeft, Siting::Top, Siting::BottomLeft, Siting::Bottom];
    for format in [PixelFormat::NV12, PixelFormat::P010, PixelFormat::YUV420P10, PixelFormat::YUV422P] {
        for siting in sitings {
            for filter in [ChromaFilter::Nearest, ChromaFilter::Bilinear] {
                let yuv = color(Matrix::Bt709, Range::Limited, siting);
                for rgb in [PixelFormat::RGB_F16, PixelFormat::RGB_F32] {
                    for size in [(33, 17), (320, 180)] {
                        oracle.check((format, yuv), (rgb, yuv.to_rgb()), size, filter, ROWS[1]);
                        oracle.check((rgb, yuv.to_rgb()), (format, yuv), size, filter, ROWS[1]);
                    }
                }
            }
        }
    }
}

#[test]
fn every_matrix_and_range_is_as_on_the_host() {
    let Some(oracle) = Oracle::new() else { return };
    let matrices = [
        Matrix::Bt709,
        Matrix::Fcc,
        Matrix::Bt470bg,
        Matrix::Smpte170m,
        Matrix::Smpte240m,
        Matrix::Bt2020Ncl,
    ];
    for matrix in matrices {
        for range in [Range::Limited, Range::Full] {
            let yuv = color(matrix, range, Siting::TopLeft);
            for format in integer_formats() {
                for rgb in [PixelFormat::RGB_F16, PixelFormat::RGB_F32] {
                    let size = (320, 180);
                    oracle.check((format, yuv), (rgb, yuv.to_rgb()), size, ChromaFilter::Bilinear, ROWS[0]);
                    oracle.check((rgb, yuv.to_rgb()), (format, yuv), size, ChromaFilter::Bilinear, ROWS[0]);
                }
            }
        }
    }
}

#[test]
fn planes_are_rescaled_as_on_the_host() {
    let Some(oracle) = Oracle::new() else { return };
    let limited = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let full = ColorSpec { range: Range::Full, ..limited };
    let samples = [Sample::U8, Sample::Uint { bits: 12 }, Sample::F16, Sample::F32];
    for from in samples {
        for to in samples {
            let gray = |sample| PixelFormat::Gray { sample };
            let rgb = |sample| PixelFormat::Rgb { sample };
            for size in SIZES {
                for rows in ROWS {
                    let filter = ChromaFilter::Bilinear;
                    oracle.check((gray(from), limited), (gray(to), full), size, filter, rows);
                    oracle.check((rgb(from), full.to_rgb()), (rgb(to), full.to_rgb()), size, filter, rows);
                    let planar = PixelFormat::YUV420P.with_sample(to);
                    let pairs = PixelFormat::NV12.with_sample(from);
                    oracle.check((pairs, limited), (planar, full), size, filter, rows);
                    oracle.check((planar, full), (pairs, limited), size, filter, rows);
                }
            }
        }
    }
}

#[test]
fn rgb_becomes_grey_as_on_the_host() {
    let Some(oracle) = Oracle::new() else { return };
    let spec = color(Matrix::Bt2020Ncl, Range::Limited, Siting::Left);
    for bits in [8, 10, 16] {
        let gray = PixelFormat::Gray { sample: Sample::Uint { bits } };
        for rgb in [PixelFormat::RGB_F16, PixelFormat::RGB_F32] {
            for size in SIZES {
                oracle.check((rgb, spec.to_rgb()), (gray, spec), size, ChromaFilter::Bilinear, ROWS[0]);
            }
        }
    }
}

#[test]
fn a_batch_gives_what_its_frames_give_one_by_one() {
    let Some((pool, stream)) = gpu() else { return };
    let yuv = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let (from, to) = ((PixelFormat::NV12, yuv), (PixelFormat::RGB_F16, yuv.to_rgb()));
    let size = (320, 180);
    let converter = CudaConverter::new(pool.device(), from, to, size, ChromaFilter::Bilinear).unwrap();
    let frame = |seed| to_device(&pool, &stream, &noise(layout(from.0, size, Rows::Padded), seed));
    let sources: Vec<_> = (0..20).map(frame).collect();
    let target = || to_device(&pool, &stream, &blank(layout(to.0, size, Rows::Packed)));
    let (mut together, mut alone): (Vec<_>, Vec<_>) = (0..20).map(|_| (target(), target())).unzip();
    let borrowed: Vec<_> = sources.iter().collect();
    converter.convert_batch(&stream, &borrowed, &mut together.iter_mut().collect::<Vec<_>>()).unwrap();
    for (source, target) in sources.iter().zip(&mut alone) {
        converter.convert(&stream, source, target).unwrap();
    }
    for (together, alone) in together.iter().zip(&alone) {
        assert_eq!(distance(&to_host(&stream, together), &to_host(&stream, alone)), 0.0);
    }
}

#[test]
fn pictures_are_resampled_as_on_the_host() {
    let Some((pool, stream)) = gpu() else { return };
    for kernel in [Kernel::Triangle, Kernel::CatmullRom, Kernel::Lanczos3] {
        for (from, to) in [((33, 17), (66, 34)), ((640, 360), (211, 131)), ((5, 3), (5, 3)), ((1, 1), (4, 3))]
        {
            let source = noise(layout(PixelFormat::RGB_F32, from, Rows::Padded), 7);
            let input = video(PixelFormat::RGB_F32, ColorSpec::BT709.to_rgb(), from);
            let mut resize = CudaResize::new(&pool, &input, to, kernel).unwrap();
            let found = to_host(&stream, &resize.resize(&to_device(&pool, &stream, &source)).unwrap());
            let axes = [ResampleAxis::fit(from.0, to.0).unwrap(), ResampleAxis::fit(from.1, to.1).unwrap()];
            let mut resampler = Resampler::new(kernel, axes[0], axes[1]).unwrap();
            for plane in 0..3 {
                let mut expected = vec![0.0; (to.0 * to.1) as usize];
                let (samples, stride) = source.plane::<f32>(plane);
                resampler.resample(samples, stride, &mut expected, to.0 as usize);
                let values = found.rows::<f32>(plane).flatten().zip(&expected);
                let distance = values.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(distance <= 1e-3, "{distance}: {kernel:?} {from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn a_picture_cut_into_tiles_and_put_together_is_the_same() {
    let Some((pool, stream)) = gpu() else { return };
    let tiles = TileCopier::new(pool.device()).unwrap();
    for format in [PixelFormat::RGB_F16, PixelFormat::RGB_F32, PixelFormat::Rgb { sample: Sample::U8 }] {
        for axes in [TensorAxes::Nchw, TensorAxes::Nhwc] {
            let size = (333, 217);
            let source = noise(layout(format, size, Rows::Padded), 3);
            let on_device = to_device(&pool, &stream, &source);
            let mut target = to_device(&pool, &stream, &blank(*source.layout()));
            let shape = TensorShape { channels: 3, width: 64, height: 48, sample: format.sample(), axes };
            let mut buffer = pool.take(shape.size_bytes() + 64).unwrap();
            for y in (0..217).step_by(32) {
                for x in (0..333).step_by(48) {
                    let (left, top) = (i64::from(x) - 8, i64::from(y) - 8);
                    let to = TensorAt { buffer: &mut buffer, offset_bytes: 64, shape };
                    tiles.gather(&stream, &on_device, (left, top), to).unwrap();
                    let from = TensorAt { buffer: &buffer, offset_bytes: 64, shape };
                    let keep = Window { x: 8, y: 8, width: 48, height: 32 };
                    let at = (i64::from(x), i64::from(y));
                    tiles.scatter(&stream, from, keep, &mut target, at).unwrap();
                }
            }
            assert_eq!(distance(&source, &to_host(&stream, &target)), 0.0, "{format} {axes:?}");
        }
    }
}

#[test]
fn feathered_tiles_add_to_the_picture() {
    let Some((pool, stream)) = gpu() else { return };
    let tiles = TileCopier::new(pool.device()).unwrap();
    let size = (40, 24);
    let source = noise(layout(PixelFormat::RGB_F32, size, Rows::Packed), 9);
    let on_device = to_device(&pool, &stream, &source);
    let mut target = to_device(&pool, &stream, &blank(*source.layout()));
    tiles.clear(&stream, &mut target).unwrap();
    let shape =
        TensorShape { channels: 3, width: 24, height: 24, sample: Sample::F32, axes: TensorAxes::Nchw };
    let mut buffer = pool.take(shape.size_bytes()).unwrap();
    let keep = Window { x: 0, y: 0, width: 24, height: 24 };
    for (x, left, right) in [(0, 0, 8), (16, 8, 0)] {
        let to = TensorAt { buffer: &mut buffer, offset_bytes: 0, shape };
        tiles.gather(&stream, &on_device, (x, 0), to).unwrap();
        let from = TensorAt { buffer: &buffer, offset_bytes: 0, shape };
        let feather = Feather { left, right, ..Feather::default() };
        tiles.feather(&stream, from, keep, &mut target, (x, 0), feather).unwrap();
    }
    // Weights add to one but for the last bits of single precision.
    assert!(distance(&source, &to_host(&stream, &target)) < 1e-6);
}

#[test]
fn values_that_are_not_finite_are_found() {
    let Some((pool, stream)) = gpu() else { return };
    let statistics = Statistics::new(&pool).unwrap();
    let mut frame = noise(layout(PixelFormat::RGB_F16, (1920, 1080), Rows::Packed), 5);
    let values: Vec<f64> = frame.rows::<half::f16>(0).flatten().map(|value| value.to_f64()).collect();
    let clean = statistics.start(&stream, &to_device(&pool, &stream, &frame)).unwrap().wait().unwrap();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    // Sums of eight are rounded to single precision.
    assert!((clean[0].mean - mean).abs() < 1e-6, "{} {mean}", clean[0].mean);
    assert_eq!(f64::from(clean[0].least), values.iter().copied().fold(f64::INFINITY, f64::min));
    assert_eq!(f64::from(clean[0].greatest), values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    assert_eq!(clean.iter().map(|plane| plane.not_finite).collect::<Vec<_>>(), [0, 0, 0]);
    let (samples, _) = frame.plane_mut::<half::f16>(2);
    samples[17] = half::f16::NAN;
    samples[1920 * 1080 - 1] = half::f16::INFINITY;
    let broken = statistics.start(&stream, &to_device(&pool, &stream, &frame)).unwrap().wait().unwrap();
    assert_eq!(broken.iter().map(|plane| plane.not_finite).collect::<Vec<_>>(), [0, 0, 2]);
}

#[test]
fn digests_are_those_of_the_host() {
    let Some((pool, stream)) = gpu() else { return };
    let digests = DigestTaker::new(&pool).unwrap();
    for format in [PixelFormat::NV12, PixelFormat::P010, PixelFormat::RGB_F16, PixelFormat::RGB_F32] {
        for (size, rows) in [((255, 31), Rows::Odd), ((1920, 1080), Rows::Packed), ((322, 66), Rows::Padded)]
        {
            let frame = noise(layout(format, size, rows), 7);
            let pending = digests.start(&stream, &to_device(&pool, &stream, &frame)).unwrap();
            assert_eq!(pending.wait().unwrap(), frame.digest(), "{format} {size:?} {rows:?}");
        }
    }
}
