//! R'G'B' against zimg (ffmpeg's `zscale` filter), which is independent code of good repute.
#![allow(clippy::unwrap_used)]

mod common;

use common::ffmpeg::{is_installed, raw_video};
use common::{SITINGS, color, components, convert, fill, frame, frame_of, yuv};
use rave_core::{Chroma, ChromaFilter, ColorSpec, Matrix, Packing, PixelFormat, Range, Sample, Siting};

const SIZE: (u32, u32) = (320, 240);
const SOURCES: [&str; 3] = ["testsrc2", "smptebars", "mandelbrot"];

/// The first frame of a source; its length is bounded, so that a filter that fails does not fail for ever.
fn first_frame(source: &str, filters: &str, pix_fmt: &str) -> Vec<u8> {
    let graph = format!("{source}=size={}x{}:rate=25,trim=end_frame=1", SIZE.0, SIZE.1);
    raw_video(&["-f", "lavfi", "-i", &graph, "-vf", filters, "-pix_fmt", pix_fmt])
}

/// Planar floating-point G, B, R, as ffmpeg orders them, as R, G, B.
fn gbr(bytes: &[u8]) -> Vec<Vec<f64>> {
    let plane = (SIZE.0 * SIZE.1) as usize * 4;
    let values = |bytes: &[u8]| {
        let (samples, _) = bytes.as_chunks::<4>();
        samples.iter().map(|&sample| f64::from(f32::from_le_bytes(sample))).collect()
    };
    [2, 0, 1].map(|index| values(&bytes[index * plane..][..plane])).to_vec()
}

fn psnr(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let pairs = || a.iter().flatten().zip(b.iter().flatten());
    let squares: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
    -10.0 * (squares / pairs().count() as f64).max(1e-20).log10()
}

fn zimg_agreement(source: &str, chroma: Chroma, bits: u8, spec: ColorSpec) -> f64 {
    let format = yuv(chroma, Sample::Uint { bits }, Packing::Planar);
    let pix_fmt = format.to_string();
    let (range, siting) = (spec.range, spec.siting);
    let coded = first_frame(source, &format!("format={pix_fmt}"), &pix_fmt);
    let matrix = if spec.matrix == Matrix::Bt709 { "709" } else { "170m" };
    let from = format!("matrixin={matrix}:rangein={range}:chromalin={siting}");
    let to = "matrix=gbr:range=pc:filter=bilinear,format=gbrpf32le";
    let filters = format!("format={pix_fmt},zscale={from}:{to}");
    let theirs = gbr(&first_frame(source, &filters, "gbrpf32le"));
    let coded = frame_of(format, spec, SIZE, &coded);
    let ours = convert(&coded, PixelFormat::RGB_F32, spec.to_rgb(), ChromaFilter::Bilinear);
    psnr(&components(&ours), &theirs)
}

/// Both work in single precision, so that only its rounding separates them: some 145 dB.
fn assert_agreement(source: &str, chroma: Chroma, bits: u8, spec: ColorSpec) {
    let agreement = zimg_agreement(source, chroma, bits, spec);
    let what = format!("{source} {} {} {} {bits} bits {chroma:?}", spec.matrix, spec.range, spec.siting);
    println!("{what}: {agreement:.1} dB");
    assert!(agreement >= 130.0, "{what}");
}

#[test]
fn rgb_agrees_with_zimg() {
    if !is_installed() {
        return;
    }
    for source in SOURCES {
        for matrix in [Matrix::Smpte170m, Matrix::Bt709] {
            for range in [Range::Limited, Range::Full] {
                for bits in [8, 10] {
                    assert_agreement(source, Chroma::C420, bits, color(matrix, range, Siting::Left));
                }
            }
        }
    }
}

#[test]
fn every_siting_and_subsampling_agrees_with_zimg() {
    if !is_installed() {
        return;
    }
    for siting in SITINGS {
        assert_agreement("testsrc2", Chroma::C420, 8, color(Matrix::Bt709, Range::Limited, siting));
    }
    for bits in [8, 10] {
        for siting in [Siting::Left, Siting::Center] {
            assert_agreement("mandelbrot", Chroma::C422, bits, color(Matrix::Bt709, Range::Limited, siting));
        }
        assert_agreement(
            "mandelbrot",
            Chroma::C444,
            bits,
            color(Matrix::Bt709, Range::Limited, Siting::Left),
        );
    }
}

/// Codes may differ where the exact value lies in the middle between two. At the edges zimg mirrors where RAVE repeats,
/// which is the same for the one sample beyond that the filter needs in even sizes.
#[test]
fn yuv_agrees_with_zimg() {
    if !is_installed() {
        return;
    }
    for (bits, siting, range) in [
        (8, Siting::Left, Range::Limited),
        (8, Siting::Center, Range::Full),
        (10, Siting::TopLeft, Range::Limited),
        (12, Siting::BottomLeft, Range::Limited),
    ] {
        let spec = color(Matrix::Bt709, range, siting);
        let format = yuv(Chroma::C420, Sample::Uint { bits }, Packing::Planar);
        let pix_fmt = format.to_string();
        let mut rgb = frame(PixelFormat::RGB_F32, spec.to_rgb(), SIZE);
        let planes = gbr(&first_frame("testsrc2", "format=gbrp,format=gbrpf32le", "gbrpf32le"));
        fill(&mut rgb, |plane, x, y| planes[plane][y * SIZE.0 as usize + x]);
        let ours = components(&convert(&rgb, format, spec, ChromaFilter::Bilinear));
        let to = format!("matrix=709:range={range}:chromal={siting}:filter=bilinear");
        let filters =
            format!("format=gbrp,format=gbrpf32le,zscale=matrixin=gbr:rangein=pc:{to},format={pix_fmt}");
        let theirs = components(&frame_of(format, spec, SIZE, &first_frame("testsrc2", &filters, &pix_fmt)));
        let differences = || ours.iter().flatten().zip(theirs.iter().flatten()).map(|(a, b)| (a - b).abs());
        let largest = differences().fold(0.0, f64::max);
        let differing = differences().filter(|&difference| difference > 0.0).count();
        println!("{pix_fmt} {siting} {range}: {differing} of {} samples differ", differences().count());
        assert!(
            largest <= 1.0 && differing < 100,
            "{pix_fmt} {siting} {range}: {largest}, {differing} differ"
        );
    }
}
