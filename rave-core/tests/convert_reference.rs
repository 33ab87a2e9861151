//! Every conversion against a slow implementation in double precision.
#![allow(clippy::unwrap_used)]

mod common;

use common::{
    CHROMAS, MATRICES, RANGES, SITINGS, color, components, convert, frame, gray, noise, reference, rgb_u, yuv,
};
use rave_core::{Chroma, ChromaFilter, HostFrame, Matrix, Packing, PixelFormat, Range, Sample, Siting};

const FILTERS: [ChromaFilter; 2] = [ChromaFilter::Nearest, ChromaFilter::Bilinear];
const PACKINGS: [Packing; 2] = [Packing::Planar, Packing::SemiPlanar];
const SAMPLES: [Sample; 7] = [
    Sample::U8,
    Sample::Uint { bits: 9 },
    Sample::Uint { bits: 10 },
    Sample::Uint { bits: 12 },
    Sample::Uint { bits: 16 },
    Sample::F16,
    Sample::F32,
];
const SIZES: [(u32, u32); 9] = [(1, 1), (2, 1), (1, 2), (2, 2), (3, 3), (5, 4), (4, 5), (17, 9), (34, 12)];

/// How far the result may lie from the exact value, which itself is below 2 in floating point and below 2^bits
/// otherwise: the rounding to what can be stored, and ten roundings of single precision.
fn tolerance(sample: Sample) -> f64 {
    let rounding = 10.0 * f64::from(f32::EPSILON);
    match sample {
        Sample::Uint { bits } => 0.5 + rounding * f64::from(1_u32 << bits),
        Sample::F16 => 0.5 * f64::from(half::f16::EPSILON) * 2.0 + 2.0 * rounding,
        Sample::F32 => 2.0 * rounding,
    }
}

fn assert_close(result: &HostFrame, exact: &[Vec<f64>], what: &str) {
    let format = result.layout().format();
    let max = format.bits().map(|bits| f64::from(1_u32 << bits) - 1.0);
    let planes = components(result);
    assert_eq!(planes.len(), exact.len(), "{what}");
    for (component, (plane, exact)) in planes.iter().zip(exact).enumerate() {
        assert_eq!(plane.len(), exact.len(), "{what}");
        for (i, (&value, &exact)) in plane.iter().zip(exact).enumerate() {
            let exact = max.map_or(exact, |max| exact.clamp(0.0, max));
            let error = (value - exact).abs();
            assert!(
                error <= tolerance(format.sample()),
                "{what}: sample {i} of component {component} is {value}, exactly {exact}"
            );
        }
    }
}

fn check_to_rgb(source: &HostFrame, format: PixelFormat, filter: ChromaFilter) {
    let rgb = source.color().to_rgb();
    let result = convert(source, format, rgb, filter);
    let exact = reference::to_rgb(source, format, rgb.range, filter);
    let layout = source.layout();
    let what = format!(
        "{} {}x{} {:?} to {format}, {filter:?}",
        layout.format(),
        layout.width(),
        layout.height(),
        source.color()
    );
    assert_close(&result, &exact, &what);
}

fn check_from_rgb(source: &HostFrame, target: (PixelFormat, rave_core::ColorSpec), filter: ChromaFilter) {
    let result = convert(source, target.0, target.1, filter);
    let exact = reference::from_rgb(source, &result, filter);
    let layout = source.layout();
    let what = format!(
        "{} {}x{} to {} {:?}, {filter:?}",
        layout.format(),
        layout.width(),
        layout.height(),
        target.0,
        target.1
    );
    assert_close(&result, &exact, &what);
}

#[test]
fn every_siting_and_size_to_rgb() {
    for (seed, size) in SIZES.into_iter().enumerate() {
        for chroma in CHROMAS {
            for siting in SITINGS {
                for filter in FILTERS {
                    let spec = color(Matrix::Bt709, Range::Limited, siting);
                    let source = noise(yuv(chroma, Sample::U8, Packing::Planar), spec, size, seed as u64);
                    check_to_rgb(&source, PixelFormat::RGB_F32, filter);
                }
            }
        }
    }
}

#[test]
fn every_siting_and_size_from_rgb() {
    for (seed, size) in SIZES.into_iter().enumerate() {
        for chroma in CHROMAS {
            for siting in SITINGS {
                for filter in FILTERS {
                    let spec = color(Matrix::Bt709, Range::Limited, siting);
                    let source = noise(PixelFormat::RGB_F32, spec.to_rgb(), size, seed as u64);
                    check_from_rgb(&source, (yuv(chroma, Sample::U8, Packing::Planar), spec), filter);
                }
            }
        }
    }
}

#[test]
fn every_matrix_range_and_sample_type_to_rgb() {
    let size = (19, 7);
    for (seed, matrix) in MATRICES.into_iter().enumerate() {
        for range in RANGES {
            for sample in SAMPLES {
                for packing in PACKINGS {
                    for chroma in CHROMAS {
                        let spec = color(matrix, range, Siting::Left);
                        let source = noise(yuv(chroma, sample, packing), spec, size, seed as u64);
                        for format in [PixelFormat::RGB_F32, PixelFormat::RGB_F16, rgb_u(8), rgb_u(16)] {
                            check_to_rgb(&source, format, ChromaFilter::Bilinear);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_matrix_range_and_sample_type_from_rgb() {
    let size = (19, 7);
    for (seed, matrix) in MATRICES.into_iter().enumerate() {
        for range in RANGES {
            for format in [PixelFormat::RGB_F32, PixelFormat::RGB_F16, rgb_u(8), rgb_u(16)] {
                let spec = color(matrix, range, Siting::TopLeft);
                let source = noise(format, spec.to_rgb(), size, seed as u64);
                for sample in SAMPLES {
                    for (packing, chroma) in
                        PACKINGS.into_iter().flat_map(|packing| CHROMAS.map(|chroma| (packing, chroma)))
                    {
                        check_from_rgb(&source, (yuv(chroma, sample, packing), spec), ChromaFilter::Bilinear);
                    }
                    check_from_rgb(&source, (gray(sample), spec), ChromaFilter::Bilinear);
                }
            }
        }
    }
}

#[test]
fn normalised_planes_keep_the_samples_meaning() {
    for range in RANGES {
        for sample in SAMPLES {
            let spec = color(Matrix::Bt709, range, Siting::Center);
            let source = noise(yuv(Chroma::C420, sample, Packing::SemiPlanar), spec, (13, 5), 1);
            let planar = yuv(Chroma::C420, Sample::F32, Packing::Planar);
            let normalised = convert(&source, planar, spec, ChromaFilter::Bilinear);
            let rgb = |frame| convert(frame, PixelFormat::RGB_F32, spec.to_rgb(), ChromaFilter::Bilinear);
            assert_close(&rgb(&normalised), &components(&rgb(&source)), &format!("{sample:?} {range}"));
            let back = convert(&normalised, source.layout().format(), spec, ChromaFilter::Bilinear);
            assert_eq!(back.buffer().as_bytes(), source.buffer().as_bytes(), "{sample:?} {range}");
        }
    }
}

#[test]
fn grey_has_equal_red_green_and_blue() {
    for range in RANGES {
        for sample in SAMPLES {
            let spec = color(Matrix::Bt709, range, Siting::Left);
            let source = noise(gray(sample), spec, (7, 3), 2);
            let rgb = convert(&source, PixelFormat::RGB_F32, spec.to_rgb(), ChromaFilter::Bilinear);
            let planes = components(&rgb);
            assert_eq!(planes[0], planes[1]);
            assert_eq!(planes[0], planes[2]);
            let luma = convert(&source, gray(Sample::F32), spec, ChromaFilter::Bilinear);
            assert_eq!(components(&luma)[0], planes[0]);
            let back = convert(&rgb, gray(sample), spec, ChromaFilter::Bilinear);
            assert_close(&back, &components(&source), &format!("{sample:?} {range}"));
        }
    }
}

#[test]
fn grey_becomes_yuv_with_neutral_chroma_and_yuv_grey_by_its_luma() {
    let spec = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let grey = noise(gray(Sample::Uint { bits: 10 }), spec, (5, 5), 3);
    let yuv = convert(&grey, PixelFormat::P010, spec, ChromaFilter::Bilinear);
    assert!(components(&yuv)[1..].iter().flatten().all(|&code| code == 512.0));
    let back = convert(&yuv, gray(Sample::Uint { bits: 10 }), spec, ChromaFilter::Bilinear);
    assert_eq!(back.buffer().as_bytes(), grey.buffer().as_bytes());
}

#[test]
fn rgb_integers_and_floats_are_exact_inverses() {
    for bits in 8..=16 {
        let spec = color(Matrix::Identity, Range::Full, Siting::Left);
        let source = noise(rgb_u(bits), spec, (64, 64), u64::from(bits));
        let floats = convert(&source, PixelFormat::RGB_F32, spec, ChromaFilter::Bilinear);
        let max = f64::from(1_u32 << bits) - 1.0;
        let exact: Vec<Vec<f64>> =
            components(&source).iter().map(|plane| plane.iter().map(|code| code / max).collect()).collect();
        assert_close(&floats, &exact, &format!("{bits} bits"));
        let back = convert(&floats, rgb_u(bits), spec, ChromaFilter::Bilinear);
        assert_eq!(back.buffer().as_bytes(), source.buffer().as_bytes(), "{bits} bits");
    }
}

#[test]
fn not_a_number_becomes_zero_and_the_rest_of_the_picture_stays() {
    let spec = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let mut source = frame(PixelFormat::RGB_F32, spec.to_rgb(), (9, 9));
    for plane in 0..3 {
        source.rows_mut::<f32>(plane).nth(4).unwrap()[4] = f32::NAN;
    }
    let luma = &components(&convert(&source, PixelFormat::NV12, spec, ChromaFilter::Bilinear))[0];
    for (i, &code) in luma.iter().enumerate() {
        assert_eq!(code, if i == 40 { 0.0 } else { 16.0 });
    }
}
