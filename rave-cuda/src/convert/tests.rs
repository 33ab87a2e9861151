use std::convert::Infallible;

use rave_core::{
    Chroma, ChromaFilter, ColorSpec, Converter, Frame, FrameInfo, HostBuffer, HostFrame, Layout, Matrix,
    Packing, PixelFormat, Range, Sample, Siting, TimeBase, Timestamp,
};

use super::plan::{Batch, Plan};
use crate::emulator::Emulator;
use crate::kernels::Launch;

type Side = (PixelFormat, ColorSpec);

fn info() -> FrameInfo {
    let pts = Timestamp::new(0, TimeBase::new(1, 25).unwrap());
    FrameInfo::new(pts)
}

/// How rows lie: packed, padded to 256 bytes, or padded by one sample, so that no access can be wide.
#[derive(Clone, Copy, Debug)]
enum Rows {
    Packed,
    Padded,
    Odd,
}

fn layout(format: PixelFormat, (width, height): (u32, u32), rows: Rows) -> Layout {
    let odd = || {
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
    };
    match rows {
        Rows::Packed => Layout::packed(format, width, height).unwrap(),
        Rows::Padded => Layout::aligned(format, width, height, 256).unwrap(),
        Rows::Odd => odd(),
    }
}

fn frame(layout: Layout) -> HostFrame {
    let mut frame =
        Frame::new(HostBuffer::zeroed(layout.size_bytes()), layout, ColorSpec::BT709, info()).unwrap();
    frame.buffer_mut().as_bytes_mut().fill(0xa5);
    frame
}

/// A reproducible row of numbers.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

fn fill(frame: &mut HostFrame, seed: u64) {
    let mut numbers = Numbers(seed);
    let format = frame.layout().format();
    for plane in 0..format.plane_count() {
        match format.sample() {
            Sample::U8 => frame.rows_mut::<u8>(plane).flatten().for_each(|code| *code = numbers.next() as u8),
            Sample::Uint { bits } => {
                let mask = ((1_u32 << bits) - 1) as u64;
                let shift = format.sample_shift();
                let codes = frame.rows_mut::<u16>(plane).flatten();
                codes.for_each(|code| *code = ((numbers.next() & mask) << shift) as u16);
            }
            Sample::F16 => {
                let values = frame.rows_mut::<half::f16>(plane).flatten();
                values.for_each(|value| *value = half::f16::from_f32(unit(&mut numbers)));
            }
            Sample::F32 => {
                frame.rows_mut::<f32>(plane).flatten().for_each(|value| *value = unit(&mut numbers));
            }
        }
    }
}

/// From somewhat below black to somewhat above white.
fn unit(numbers: &mut Numbers) -> f32 {
    (numbers.next() % 12_000) as f32 / 10_000.0 - 0.1
}

/// Converts by the host and by the kernels, and compares every byte, those between the rows too.
fn check(from: Side, to: Side, size: (u32, u32), filter: ChromaFilter, rows: (Rows, Rows)) {
    let Some(emulator) = Emulator::get() else { return };
    let mut source = frame(layout(from.0, size, rows.0));
    fill(&mut source, u64::from(size.0) * 31 + u64::from(size.1));
    let (mut expected, mut found) = (frame(layout(to.0, size, rows.1)), frame(layout(to.0, size, rows.1)));
    Converter::new(from, to, size, filter).unwrap().convert(&source, &mut expected).unwrap();
    let plan = Plan::new(from, to, size, filter).unwrap();
    let sources = [source.buffer().as_bytes().as_ptr() as u64];
    let targets = [found.buffer_mut().as_bytes_mut().as_mut_ptr() as u64];
    let batch = Batch { sources: &sources, targets: &targets, from: source.layout(), to: expected.layout() };
    let run = |launch: &Launch| {
        // SAFETY: both frames hold their layouts and are not used by anyone else.
        unsafe { emulator.run(launch) };
        Ok::<_, Infallible>(())
    };
    plan.each_launch(&batch, run).unwrap();
    let (expected, found) = (expected.buffer().as_bytes(), found.buffer().as_bytes());
    let differing = expected.iter().zip(found).position(|(expected, found)| expected != found);
    let what = || format!("{} {:?} to {} {:?}, {size:?} {filter:?} {rows:?}", from.0, from.1, to.0, to.1);
    assert_eq!(differing, None, "{}", what());
}

const SIZES: [(u32, u32); 9] =
    [(1, 1), (2, 2), (3, 5), (8, 8), (17, 9), (64, 33), (66, 2), (255, 31), (264, 36)];
const SITINGS: [Siting; 6] =
    [Siting::Left, Siting::Center, Siting::TopLeft, Siting::Top, Siting::BottomLeft, Siting::Bottom];
const ROWS: [(Rows, Rows); 3] =
    [(Rows::Packed, Rows::Packed), (Rows::Padded, Rows::Padded), (Rows::Odd, Rows::Odd)];

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
fn yuv_and_rgb_are_converted_as_on_the_host_in_every_format_size_and_stride() {
    let yuv = color(Matrix::Bt709, Range::Limited, Siting::Left);
    for format in integer_formats() {
        for rgb in [PixelFormat::RGB_F16, PixelFormat::RGB_F32] {
            for size in SIZES {
                for rows in ROWS {
                    check((format, yuv), (rgb, yuv.to_rgb()), size, ChromaFilter::Bilinear, rows);
                    check((rgb, yuv.to_rgb()), (format, yuv), size, ChromaFilter::Bilinear, rows);
                }
            }
        }
    }
}

/// Large enough for the other number of rows a thread.
#[test]
fn a_large_picture_is_converted_as_on_the_host() {
    let yuv = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let (nv12, rgb) = ((PixelFormat::NV12, yuv), (PixelFormat::RGB_F16, yuv.to_rgb()));
    check(nv12, rgb, (3842, 2163), ChromaFilter::Bilinear, ROWS[1]);
    check(rgb, nv12, (3842, 2163), ChromaFilter::Bilinear, ROWS[1]);
}

#[test]
fn yuv_and_rgb_are_converted_as_on_the_host_in_every_siting_and_filter() {
    for format in [PixelFormat::NV12, PixelFormat::YUV420P10, PixelFormat::YUV422P] {
        for siting in SITINGS {
            for filter in [ChromaFilter::Nearest, ChromaFilter::Bilinear] {
                let yuv = color(Matrix::Bt709, Range::Limited, siting);
                for rgb in [PixelFormat::RGB_F16, PixelFormat::RGB_F32] {
                    for size in [(33, 17), (64, 34)] {
                        check((format, yuv), (rgb, yuv.to_rgb()), size, filter, ROWS[1]);
                        check((rgb, yuv.to_rgb()), (format, yuv), size, filter, ROWS[1]);
                    }
                }
            }
        }
    }
}

#[test]
fn yuv_and_rgb_are_converted_as_on_the_host_in_every_matrix_and_range() {
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
            for format in [PixelFormat::NV12, PixelFormat::P010, PixelFormat::yuv_planar(Chroma::C444, 16)] {
                check(
                    (format, yuv),
                    (PixelFormat::RGB_F32, yuv.to_rgb()),
                    (40, 20),
                    ChromaFilter::Bilinear,
                    ROWS[0],
                );
                check(
                    (PixelFormat::RGB_F16, yuv.to_rgb()),
                    (format, yuv),
                    (40, 20),
                    ChromaFilter::Bilinear,
                    ROWS[0],
                );
            }
        }
    }
}

#[test]
fn planes_are_rescaled_as_on_the_host() {
    let limited = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let full = ColorSpec { range: Range::Full, ..limited };
    let gray = |sample| PixelFormat::Gray { sample };
    let float = |packing| PixelFormat::Yuv { chroma: Chroma::C420, sample: Sample::F16, packing };
    let sides = [
        ((PixelFormat::NV12, limited), (PixelFormat::YUV420P, full)),
        ((PixelFormat::NV12, limited), (PixelFormat::P010, limited)),
        ((PixelFormat::YUV420P10, full), (PixelFormat::P016, limited)),
        ((PixelFormat::P010, limited), (float(Packing::Planar), limited)),
        ((float(Packing::Planar), limited), (PixelFormat::NV12, limited)),
        ((float(Packing::SemiPlanar), limited), (float(Packing::Planar), limited)),
        ((gray(Sample::U8), limited), (PixelFormat::NV12, full)),
        ((gray(Sample::Uint { bits: 12 }), full), (PixelFormat::RGB_F16, full.to_rgb())),
        ((PixelFormat::P010, limited), (gray(Sample::F32), limited)),
        ((PixelFormat::RGB_F16, full.to_rgb()), (PixelFormat::RGB_F32, full.to_rgb())),
        ((PixelFormat::RGB_F32, full.to_rgb()), (PixelFormat::RGB_F16, full.to_rgb())),
        ((PixelFormat::RGB_F32, full.to_rgb()), (PixelFormat::Rgb { sample: Sample::U8 }, full.to_rgb())),
        ((PixelFormat::Rgb { sample: Sample::U8 }, full.to_rgb()), (PixelFormat::RGB_F16, full.to_rgb())),
    ];
    for (from, to) in sides {
        for size in SIZES {
            for rows in ROWS {
                check(from, to, size, ChromaFilter::Bilinear, rows);
            }
        }
    }
}

#[test]
fn luma_is_made_of_rgb_as_on_the_host() {
    let spec = color(Matrix::Bt2020Ncl, Range::Limited, Siting::Left);
    for bits in [8, 10, 16] {
        let gray = PixelFormat::Gray { sample: Sample::Uint { bits } };
        for size in SIZES {
            check((PixelFormat::RGB_F16, spec.to_rgb()), (gray, spec), size, ChromaFilter::Bilinear, ROWS[0]);
        }
    }
}

#[test]
fn a_batch_is_converted_frame_by_frame_in_as_few_launches_as_possible() {
    let yuv = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let (from, to) = ((PixelFormat::NV12, yuv), (PixelFormat::RGB_F16, yuv.to_rgb()));
    let plan = Plan::new(from, to, (64, 64), ChromaFilter::Bilinear).unwrap();
    let (from, to) = (layout(from.0, (64, 64), Rows::Packed), layout(to.0, (64, 64), Rows::Packed));
    let addresses: Vec<u64> = (1..=20).map(|frame| frame << 20).collect();
    let batch = Batch { sources: &addresses, targets: &addresses, from: &from, to: &to };
    let mut depths = Vec::new();
    let note = |launch: &Launch| {
        depths.push(launch.geometry.grid.2);
        Ok::<_, Infallible>(())
    };
    plan.each_launch(&batch, note).unwrap();
    assert_eq!(depths, [16, 4]);
}

#[test]
fn what_has_no_kernel_is_refused() {
    let yuv = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let float = PixelFormat::YUV444P.with_sample(Sample::F32);
    let plan = Plan::new((float, yuv), (PixelFormat::RGB_F32, yuv.to_rgb()), (8, 8), ChromaFilter::Bilinear);
    assert!(matches!(plan, Err(rave_core::Error::Format { action: "converted on a GPU", .. })));
}
