//! Code values that are known from the standards.
#![allow(clippy::unwrap_used)]

mod common;

use common::{CHROMAS, MATRICES, RANGES, color, components, convert, fill, frame, rgb_u, yuv};
use rave_core::{
    Chroma, ChromaFilter, Matrix, MatrixCoefficients, Packing, PixelFormat, Quantization, Range, Sample,
    Siting,
};

fn codes_of(rgb: [f64; 3], matrix: Matrix, range: Range, bits: u8) -> [f64; 3] {
    let color = color(matrix, range, Siting::Left);
    let mut source = frame(PixelFormat::RGB_F32, color.to_rgb(), (2, 2));
    fill(&mut source, |plane, _, _| rgb[plane]);
    let format = yuv(Chroma::C420, Sample::Uint { bits }, Packing::Planar);
    let planes = components(&convert(&source, format, color, ChromaFilter::Bilinear));
    [planes[0][0], planes[1][0], planes[2][0]]
}

/// Full-amplitude colour bars; BT.601: EBU Tech. 3325 and SMPTE EG 1 digital values; BT.709: SMPTE RP 219 (10 bits).
#[test]
fn primaries_and_secondaries_have_their_published_codes() {
    let (white, black) = ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0]);
    let (red, green, blue) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
    let (yellow, cyan, magenta) = ([1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]);
    for (matrix, bits, rgb, codes) in [
        (Matrix::Bt709, 8, red, [63.0, 102.0, 240.0]),
        (Matrix::Bt709, 8, green, [173.0, 42.0, 26.0]),
        (Matrix::Bt709, 8, blue, [32.0, 240.0, 118.0]),
        (Matrix::Bt709, 8, yellow, [219.0, 16.0, 138.0]),
        (Matrix::Bt709, 8, cyan, [188.0, 154.0, 16.0]),
        (Matrix::Bt709, 8, magenta, [78.0, 214.0, 230.0]),
        (Matrix::Bt709, 8, white, [235.0, 128.0, 128.0]),
        (Matrix::Bt709, 8, black, [16.0, 128.0, 128.0]),
        (Matrix::Smpte170m, 8, red, [81.0, 90.0, 240.0]),
        (Matrix::Bt470bg, 8, green, [145.0, 54.0, 34.0]),
        (Matrix::Smpte170m, 8, blue, [41.0, 240.0, 110.0]),
        (Matrix::Smpte170m, 8, yellow, [210.0, 16.0, 146.0]),
        (Matrix::Smpte170m, 8, cyan, [170.0, 166.0, 16.0]),
        (Matrix::Smpte170m, 8, magenta, [106.0, 202.0, 222.0]),
        (Matrix::Bt709, 10, red, [250.0, 409.0, 960.0]),
        (Matrix::Bt709, 10, green, [691.0, 167.0, 105.0]),
        (Matrix::Bt709, 10, blue, [127.0, 960.0, 471.0]),
        (Matrix::Bt709, 10, white, [940.0, 512.0, 512.0]),
    ] {
        assert_eq!(codes_of(rgb, matrix, Range::Limited, bits), codes, "{matrix} {bits} {rgb:?}");
    }
    assert_eq!(codes_of(red, Matrix::Smpte170m, Range::Full, 8), [76.0, 85.0, 255.0]);
    assert_eq!(codes_of(white, Matrix::Smpte170m, Range::Full, 8), [255.0, 128.0, 128.0]);
}

/// Single precision has no number that 219 can be multiplied by to give 1: white misses it by half an epsilon.
#[test]
fn black_is_zero_and_white_is_one() {
    for (matrix, range, bits, chroma) in everything() {
        let color = color(matrix, range, Siting::Left);
        let format = yuv(chroma, Sample::Uint { bits }, Packing::Planar);
        let scale = Quantization::new(format, range).unwrap();
        let (black, white) = (scale.luma_offset, scale.luma_offset + scale.luma_scale);
        for (luma, value) in [(black, 0.0), (white, 1.0)] {
            let mut source = frame(format, color, (3, 3));
            fill(&mut source, |plane, _, _| if plane == 0 { luma } else { scale.chroma_offset });
            for (rgb, tolerance) in
                [(PixelFormat::RGB_F32, value * f64::from(f32::EPSILON) / 2.0), (PixelFormat::RGB_F16, 0.0)]
            {
                let rgb = convert(&source, rgb, color.to_rgb(), ChromaFilter::Bilinear);
                for sample in components(&rgb).into_iter().flatten() {
                    assert!((sample - value).abs() <= tolerance, "{format} {matrix} {range}: {sample}");
                }
                let back = convert(&rgb, format, color, ChromaFilter::Bilinear);
                assert_eq!(back.buffer().as_bytes(), source.buffer().as_bytes(), "{format} {matrix} {range}");
            }
        }
    }
}

fn everything() -> impl Iterator<Item = (Matrix, Range, u8, Chroma)> {
    MATRICES.into_iter().flat_map(|matrix| {
        RANGES.into_iter().flat_map(move |range| {
            (8..=16).flat_map(move |bits| CHROMAS.map(|chroma| (matrix, range, bits, chroma)))
        })
    })
}

#[test]
fn neutral_chroma_gives_equal_red_green_and_blue() {
    let color = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let mut source = frame(PixelFormat::NV12, color, (256, 1));
    fill(&mut source, |plane, x, _| if plane == 0 { x as f64 } else { 128.0 });
    let rgb = components(&convert(&source, PixelFormat::RGB_F32, color.to_rgb(), ChromaFilter::Bilinear));
    assert_eq!(rgb[0], rgb[1]);
    assert_eq!(rgb[0], rgb[2]);
    let eight = components(&convert(&source, rgb_u(8), color.to_rgb(), ChromaFilter::Bilinear));
    assert_eq!((eight[0][16], eight[0][235], eight[0][0], eight[0][255]), (0.0, 255.0, 0.0, 255.0));
}

#[test]
fn excursions_beyond_black_and_white_are_kept_in_floating_point() {
    let color = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let mut source = frame(PixelFormat::NV12, color, (2, 1));
    fill(&mut source, |plane, x, _| if plane == 0 { [0.0, 255.0][x] } else { 128.0 });
    let rgb = components(&convert(&source, PixelFormat::RGB_F32, color.to_rgb(), ChromaFilter::Bilinear));
    assert!((rgb[0][0] + 16.0 / 219.0).abs() < 1e-7 && (rgb[0][1] - 239.0 / 219.0).abs() < 2e-7);
}

#[test]
fn the_two_matrices_are_inverses() {
    for matrix in MATRICES {
        let MatrixCoefficients { rgb_from_yuv, yuv_from_rgb } = MatrixCoefficients::new(matrix).unwrap();
        for (row, weights) in rgb_from_yuv.iter().enumerate() {
            let product = |column: usize| -> f64 {
                weights.iter().zip(&yuv_from_rgb).map(|(weight, other)| weight * other[column]).sum()
            };
            for column in 0..3 {
                let expected = if row == column { 1.0 } else { 0.0 };
                assert!((product(column) - expected).abs() < 1e-12, "{matrix}");
            }
        }
    }
}

#[test]
fn coefficients_are_the_published_ones() {
    let bt709 = MatrixCoefficients::new(Matrix::Bt709).unwrap();
    assert!((bt709.rgb_from_yuv[0][2] - 1.5748).abs() < 1e-12);
    assert!((bt709.rgb_from_yuv[2][1] - 1.8556).abs() < 1e-12);
    assert!((bt709.rgb_from_yuv[1][1] + 0.187_324).abs() < 1e-6);
    let bt601 = MatrixCoefficients::new(Matrix::Smpte170m).unwrap();
    assert!((bt601.rgb_from_yuv[0][2] - 1.402).abs() < 1e-12);
    assert!((bt601.rgb_from_yuv[1][1] + 0.344_136).abs() < 1e-6);
}
