//! There and back: what a picture loses by passing through R'G'B'.
#![allow(clippy::unwrap_used)]

mod common;

use common::{CHROMAS, MATRICES, RANGES, Random, SITINGS, color, components, convert, fill, frame, yuv};
use rave_core::{Chroma, ChromaFilter, ColorSpec, HostFrame, Packing, PixelFormat, Sample, Siting};

fn largest_difference(a: &HostFrame, b: &HostFrame) -> f64 {
    let (a, b) = (components(a), components(b));
    let differences = a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f64::max)
}

fn there_and_back(source: &HostFrame, rgb: PixelFormat) -> f64 {
    let (format, color) = (source.layout().format(), source.color());
    let rgb = convert(source, rgb, color.to_rgb(), ChromaFilter::Bilinear);
    largest_difference(source, &convert(&rgb, format, color, ChromaFilter::Bilinear))
}

/// Luma is noise; chroma is noise where it is not subsampled, otherwise the same everywhere, which every filter keeps.
fn source(chroma: Chroma, bits: u8, packing: Packing, color: ColorSpec, size: (u32, u32)) -> HostFrame {
    let mut random = Random::new(u64::from(bits));
    let mut frame = frame(yuv(chroma, Sample::Uint { bits }, packing), color, size);
    let flat = [random.code(bits), random.code(bits)];
    fill(&mut frame, |plane, _, _| match plane {
        1 | 2 if chroma != Chroma::C444 => flat[plane - 1],
        _ => random.code(bits),
    });
    frame
}

#[test]
fn single_precision_loses_nothing() {
    for matrix in MATRICES {
        for range in RANGES {
            for bits in 8..=16 {
                for chroma in CHROMAS {
                    for packing in [Packing::Planar, Packing::SemiPlanar] {
                        let source =
                            source(chroma, bits, packing, color(matrix, range, Siting::Left), (37, 23));
                        let loss = there_and_back(&source, PixelFormat::RGB_F32);
                        assert_eq!(loss, 0.0, "{matrix} {range} {bits} {chroma:?} {packing:?}");
                    }
                }
            }
        }
    }
}

/// Of pictures without colours beyond R'G'B': half precision has steps of 2^-11 below 1, and coarser ones above.
#[test]
fn half_precision_loses_nothing_up_to_ten_bits() {
    for matrix in MATRICES {
        for range in RANGES {
            for (bits, most) in [(8, 0.0), (10, 0.0), (12, 1.0), (16, 16.0)] {
                for chroma in CHROMAS {
                    let color = color(matrix, range, Siting::Left);
                    let mut rgb = frame(common::rgb_u(bits), color.to_rgb(), (100, 100));
                    let mut random = Random::new(5);
                    let flat = [(); 3].map(|()| random.code(bits));
                    fill(&mut rgb, |plane, _, _| match chroma {
                        Chroma::C444 => random.code(bits),
                        _ => flat[plane],
                    });
                    let format = yuv(chroma, Sample::Uint { bits }, Packing::Planar);
                    let source = convert(&rgb, format, color, ChromaFilter::Bilinear);
                    let loss = there_and_back(&source, PixelFormat::RGB_F16);
                    assert!(loss <= most, "{matrix} {range} {bits} {chroma:?}: {loss}");
                }
            }
        }
    }
}

#[test]
fn a_smooth_picture_keeps_its_subsampled_chroma() {
    for siting in SITINGS {
        for chroma in [Chroma::C420, Chroma::C422] {
            for size in [(64, 48), (63, 47)] {
                let color = color(rave_core::Matrix::Bt709, rave_core::Range::Limited, siting);
                let mut source = frame(yuv(chroma, Sample::U8, Packing::Planar), color, size);
                fill(&mut source, |plane, x, y| (100 + plane * 10 + x + y / 2) as f64);
                let rgb = convert(&source, PixelFormat::RGB_F32, color.to_rgb(), ChromaFilter::Bilinear);
                let back = convert(&rgb, source.layout().format(), color, ChromaFilter::Bilinear);
                let loss = largest_difference(&source, &back);
                assert!(loss <= 1.0, "{siting} {chroma:?} {size:?}: {loss}");
            }
        }
    }
}

#[test]
fn nearest_is_lossless_for_any_chroma_in_even_sizes() {
    for chroma in [Chroma::C420, Chroma::C422] {
        let color = color(rave_core::Matrix::Bt709, rave_core::Range::Limited, Siting::Left);
        let source = common::noise(yuv(chroma, Sample::U8, Packing::Planar), color, (34, 22), 9);
        let rgb = convert(&source, PixelFormat::RGB_F32, color.to_rgb(), ChromaFilter::Nearest);
        let back = convert(&rgb, source.layout().format(), color, ChromaFilter::Nearest);
        assert_eq!(largest_difference(&source, &back), 0.0, "{chroma:?}");
    }
}
