//! Resizing, dithering and YCgCo, against other programs and by definition.
#![allow(clippy::unwrap_used)]

mod common;

use common::{color, components, convert, frame, frame_of, noise, yuv};
use rave_core::{
    Chroma, ChromaFilter, ColorSpec, Convert, Dither, Kernel, Matrix, Packing, PixelFormat, Range, Rational,
    Resize, Sample, Siting, TimeBase, VideoInfo,
};

fn video(format: PixelFormat, color: ColorSpec, (width, height): (u32, u32)) -> VideoInfo {
    VideoInfo::new(format, (width, height), color, TimeBase::new(1, 25).unwrap())
}

fn first_frame(graph: &str, pix_fmt: &str) -> Vec<u8> {
    common::ffmpeg::raw_video(&["-f", "lavfi", "-i", graph, "-t", "0.04", "-pix_fmt", pix_fmt])
}

#[test]
fn lanczos_is_zimgs() {
    if !common::ffmpeg::is_installed() {
        return;
    }
    let from = (320, 180);
    for (format, name) in [
        (PixelFormat::YUV420P, "yuv420p"),
        (PixelFormat::YUV444P, "yuv444p"),
        (yuv(Chroma::C422, Sample::Uint { bits: 10 }, Packing::Planar), "yuv422p10le"),
    ] {
        let source =
            "testsrc2=s=320x180:d=0.04,trim=end_frame=1,setparams=range=tv:colorspace=bt709,setsar=1";
        // Half the saturation and contrast: zimg clips what overshoots between its two passes.
        let soft = "lutyuv=y=val/2+maxval/4:u=val/2+maxval/4:v=val/2+maxval/4";
        let filter = format!("{source},format={name},{soft}");
        let input = first_frame(&filter, name);
        let source = frame_of(format, ColorSpec::BT709, from, &input);
        for to in [(480, 270), (214, 120), (322, 242), (160, 90)] {
            let scale =
                format!("{filter},zscale=w={}:h={}:f=lanczos:chromalin=left:chromal=left", to.0, to.1);
            let expected = frame_of(format, ColorSpec::BT709, to, &first_frame(&scale, name));
            let mut resize =
                Resize::new(&video(format, ColorSpec::BT709, from), to, Kernel::Lanczos3).unwrap();
            let found = resize.resize(&source).unwrap();
            for (plane, (found, expected)) in components(&found).iter().zip(components(&expected)).enumerate()
            {
                // zimg mirrors the picture at its edges, here the edge is repeated: six samples are another's business.
                let (width, height) = format.plane_size(plane, to.0, to.1);
                let inside = |index: usize, length: u32| (6..length as usize - 6).contains(&index);
                let differences = found.iter().zip(&expected).enumerate().filter(|(index, _)| {
                    inside(index % width as usize, width) && inside(index / width as usize, height)
                });
                let largest = differences.map(|(_, (a, b))| (a - b).abs()).fold(0.0, f64::max);
                assert!(largest <= 1.0, "{name} to {to:?}, plane {plane}: {largest}");
            }
        }
    }
}

#[test]
fn a_resized_picture_keeps_its_shape() {
    let mut info = video(PixelFormat::YUV420P, ColorSpec::BT709, (720, 576));
    info.sample_aspect_ratio = Rational::new(64, 45).ok();
    let ratio = info.display_aspect_ratio().unwrap().to_f64();
    for (width, height) in [(1440, 1152), (1920, 1080), (1023, 577), (720, 577)] {
        let resized = info.resized(width, height).unwrap();
        let found = resized.display_aspect_ratio().unwrap().to_f64();
        assert!((found / ratio - 1.0).abs() < 1e-4, "{width}x{height}: {found}");
    }
    assert_eq!(info.resized(1440, 1152).unwrap().sample_aspect_ratio, info.sample_aspect_ratio);
}

#[test]
fn semi_planar_chroma_is_resized_as_planar() {
    let planar = noise(PixelFormat::YUV420P, ColorSpec::BT709, (32, 18), 7);
    let pairs = convert(&planar, PixelFormat::NV12, ColorSpec::BT709, ChromaFilter::Bilinear);
    let resized = |source, format| {
        let info = video(format, ColorSpec::BT709, (32, 18));
        components(&Resize::new(&info, (47, 29), Kernel::Lanczos3).unwrap().resize(source).unwrap())
    };
    assert_eq!(resized(&planar, PixelFormat::YUV420P), resized(&pairs, PixelFormat::NV12));
}

#[test]
fn a_dithered_gradient_has_the_mean_of_its_values() {
    let (width, height) = (256, 64);
    let format = PixelFormat::Gray { sample: Sample::F32 };
    let limited = ColorSpec { range: Range::Full, ..ColorSpec::BT709 };
    let mut source = frame(format, limited, (width, height));
    // A quarter of a code from one end to the other.
    common::fill(&mut source, |_, x, _| (100.3 + 0.25 * x as f64 / 256.0) / 255.0);
    let info = video(format, limited, (width, height));
    let target = PixelFormat::Gray { sample: Sample::U8 };
    let mean = |dither| {
        let mut stage = Convert::with_dither(&info, target, limited, ChromaFilter::Bilinear, dither).unwrap();
        let values = components(&stage.convert(&source).unwrap()).remove(0);
        assert!(values.iter().all(|&code| (100.0..=101.0).contains(&code)));
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert!((mean(Dither::Ordered) - 100.425).abs() < 0.01, "{}", mean(Dither::Ordered));
    assert_eq!(mean(Dither::None), 100.0 + fraction_above_half());
}

/// The part of that gradient that is nearer to the upper code.
fn fraction_above_half() -> f64 {
    (0..256).filter(|x| 0.3 + 0.25 * f64::from(*x) / 256.0 >= 0.5).count() as f64 / 256.0
}

#[test]
fn codes_stay_when_dithered() {
    let source = noise(PixelFormat::YUV420P, ColorSpec::BT709, (33, 17), 3);
    let info = video(PixelFormat::YUV420P, ColorSpec::BT709, (33, 17));
    let mut stage = Convert::with_dither(
        &info,
        PixelFormat::NV12,
        ColorSpec::BT709,
        ChromaFilter::Bilinear,
        Dither::Ordered,
    )
    .unwrap();
    assert_eq!(components(&stage.convert(&source).unwrap()), components(&source));
}

/// H.273, clause 8.3, equations for MatrixCoefficients 8 on code values of R', G' and B'.
fn ycgco([red, green, blue]: [f64; 3], bits: u8) -> [f64; 3] {
    let middle = f64::from(1 << (bits - 1));
    let green_part = 0.5 * green;
    let rest = 0.25 * (red + blue);
    [green_part + rest, green_part - rest + middle, 0.5 * (red - blue) + middle]
}

#[test]
fn ycgco_is_h273s() {
    for range in [Range::Limited, Range::Full] {
        for bits in [8_u8, 10] {
            let spec = color(Matrix::YCgCo, range, Siting::Left);
            let rgb_format = PixelFormat::Rgb { sample: Sample::Uint { bits } };
            let source = noise(rgb_format, ColorSpec { matrix: Matrix::Identity, ..spec }, (16, 9), 5);
            let format = PixelFormat::yuv_planar(Chroma::C444, bits);
            let coded = convert(&source, format, spec, ChromaFilter::Bilinear);
            let (from, to) = (components(&source), components(&coded));
            for index in 0..from[0].len() {
                let expected = ycgco([from[0][index], from[1][index], from[2][index]], bits);
                for (plane, expected) in expected.iter().enumerate() {
                    let limit = f64::from((1_u32 << bits) - 1);
                    let difference = (to[plane][index] - expected.clamp(0.0, limit)).abs();
                    assert!(difference <= 0.5 + 1e-3, "{range} {bits} {plane}: {difference}");
                }
            }
            let float = yuv(Chroma::C444, Sample::F32, Packing::Planar);
            let exact = convert(&source, float, spec, ChromaFilter::Bilinear);
            let again = convert(
                &exact,
                rgb_format,
                ColorSpec { matrix: Matrix::Identity, ..spec },
                ChromaFilter::Bilinear,
            );
            assert_eq!(components(&again), from, "{range} {bits}");
        }
    }
}
