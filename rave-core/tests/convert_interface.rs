//! What the converter accepts, refuses and leaves alone.
#![allow(clippy::unwrap_used)]

mod common;

use common::{CHROMAS, aligned_frame, color, components, convert, frame, info, noise, rgb_u, yuv};
use rave_core::{
    Chroma, ChromaFilter, Code, CodedError, ColorSpec, Convert, Converter, Matrix, Packing, PixelFormat,
    Primaries, Range, Sample, Siting, Stage, TimeBase, Transfer, VideoInfo,
};

const HD: ColorSpec = ColorSpec::BT709;

fn refusal(input: (PixelFormat, ColorSpec), output: (PixelFormat, ColorSpec)) -> (Code, String) {
    let error = Converter::new(input, output, (16, 16), ChromaFilter::Bilinear).unwrap_err();
    (error.code(), error.to_string())
}

#[test]
fn padded_strides_change_nothing_and_the_padding_is_left_alone() {
    for chroma in CHROMAS {
        for (from, to) in [
            (yuv(chroma, Sample::U8, Packing::SemiPlanar), PixelFormat::RGB_F32),
            (yuv(chroma, Sample::Uint { bits: 10 }, Packing::Planar), PixelFormat::RGB_F16),
            (PixelFormat::RGB_F32, yuv(chroma, Sample::U8, Packing::SemiPlanar)),
            (PixelFormat::RGB_F16, yuv(chroma, Sample::Uint { bits: 12 }, Packing::Planar)),
            (yuv(chroma, Sample::U8, Packing::SemiPlanar), yuv(chroma, Sample::F32, Packing::Planar)),
        ] {
            let spec = |format| if matches!(format, PixelFormat::Rgb { .. }) { HD.to_rgb() } else { HD };
            let size = (21, 9);
            let packed = noise(from, spec(from), size, 4);
            let mut padded = aligned_frame(from, spec(from), size, 64);
            padded.buffer_mut().as_bytes_mut().fill(0xa5);
            let planes = components(&packed);
            common::fill(&mut padded, |plane, x, y| {
                let width = if plane > 0 { chroma_width(from, size) } else { size.0 as usize };
                planes[plane][y * width + x]
            });
            let expected = convert(&packed, to, spec(to), ChromaFilter::Bilinear);
            let mut result = aligned_frame(to, spec(to), size, 64);
            result.buffer_mut().as_bytes_mut().fill(0x5a);
            let sides = ((from, spec(from)), (to, spec(to)));
            let mut converter = Converter::new(sides.0, sides.1, size, ChromaFilter::Bilinear).unwrap();
            converter.convert(&padded, &mut result).unwrap();
            assert_eq!(components(&result), components(&expected), "{from} to {to}");
            assert!(padding(&result).all(|byte| byte == 0x5a), "{from} to {to}");
        }
    }
}

fn chroma_width(format: PixelFormat, size: (u32, u32)) -> usize {
    format.chroma().map_or(size.0, |chroma| chroma.size(size.0, size.1).0) as usize
}

fn padding(frame: &rave_core::HostFrame) -> impl Iterator<Item = u8> {
    frame.layout().planes().iter().flat_map(|plane| {
        (0..plane.rows).flat_map(|row| {
            let start = plane.offset_bytes + row * plane.stride_bytes;
            frame.buffer().as_bytes()[start + plane.row_bytes..start + plane.stride_bytes].iter().copied()
        })
    })
}

#[test]
fn planar_and_semi_planar_are_the_same_picture() {
    for bits in [8, 10, 12, 16] {
        for chroma in CHROMAS {
            let planar = noise(yuv(chroma, Sample::Uint { bits }, Packing::Planar), HD, (15, 7), 6);
            let pairs = convert(
                &planar,
                yuv(chroma, Sample::Uint { bits }, Packing::SemiPlanar),
                HD,
                ChromaFilter::Bilinear,
            );
            assert_eq!(components(&planar), components(&pairs));
            let rgb = |frame| convert(frame, PixelFormat::RGB_F32, HD.to_rgb(), ChromaFilter::Bilinear);
            assert_eq!(components(&rgb(&planar)), components(&rgb(&pairs)));
        }
    }
}

#[test]
fn one_converter_gives_the_same_for_the_same_frame() {
    let size = (11, 10);
    for (from, to, from_color, to_color) in [
        (PixelFormat::NV12, PixelFormat::RGB_F32, HD, HD.to_rgb()),
        (PixelFormat::RGB_F32, PixelFormat::NV12, HD.to_rgb(), HD),
    ] {
        let mut converter =
            Converter::new((from, from_color), (to, to_color), size, ChromaFilter::Bilinear).unwrap();
        let mut results = Vec::new();
        for seed in [1, 2, 1] {
            let mut target = frame(to, to_color, size);
            converter.convert(&noise(from, from_color, size, seed), &mut target).unwrap();
            results.push(target.buffer().as_bytes().to_vec());
        }
        assert_eq!(results[0], results[2]);
        assert_ne!(results[0], results[1]);
    }
}

#[test]
fn what_is_not_said_is_refused() {
    let rgb = (PixelFormat::RGB_F32, HD.to_rgb());
    let without_range = ColorSpec { range: Range::Unspecified, ..HD };
    let without_matrix = ColorSpec { matrix: Matrix::Unspecified, ..HD };
    for unsaid in [without_range, without_matrix] {
        assert_eq!(refusal((PixelFormat::NV12, unsaid), rgb).0, Code::ColorUnsupported);
        assert_eq!(refusal(rgb, (PixelFormat::NV12, unsaid)).0, Code::ColorUnsupported);
    }
    let (resolved, _) = ColorSpec::default().resolve(16, 16);
    Converter::new(
        (PixelFormat::NV12, resolved),
        (rgb.0, resolved.to_rgb()),
        (16, 16),
        ChromaFilter::Bilinear,
    )
    .unwrap();
}

#[test]
fn a_matrix_that_is_not_one_is_refused() {
    let rgb = (PixelFormat::RGB_F32, HD.to_rgb());
    for matrix in [Matrix::Identity, Matrix::ChromaDerivedNcl, Matrix::Bt2020Cl, Matrix::ICtCp] {
        let (code, message) = refusal((PixelFormat::YUV444P, ColorSpec { matrix, ..HD }), rgb);
        assert_eq!(code, Code::ColorUnsupported);
        assert!(message.contains(matrix.name()), "{message}");
    }
    let (code, message) = refusal((PixelFormat::NV12, HD), (PixelFormat::RGB_F32, HD));
    assert_eq!(code, Code::ColorUnsupported);
    assert!(message.contains("gbr"), "{message}");
}

#[test]
fn what_would_change_the_colours_is_refused() {
    let rgb = (PixelFormat::RGB_F32, HD.to_rgb());
    let other_primaries = ColorSpec { primaries: Primaries::Bt2020, ..HD };
    let other_transfer = ColorSpec { transfer: Transfer::Pq, ..HD };
    for other in [other_primaries, other_transfer] {
        assert_eq!(refusal((PixelFormat::NV12, other), rgb).0, Code::ColorUnsupported);
    }
    let planar = (PixelFormat::YUV420P, HD);
    let other_matrix = ColorSpec { matrix: Matrix::Smpte170m, ..HD };
    let other_siting = ColorSpec { siting: Siting::Center, ..HD };
    for other in [other_matrix, other_siting] {
        assert_eq!(refusal((PixelFormat::NV12, other), planar).0, Code::ColorUnsupported);
    }
    assert_eq!(refusal((PixelFormat::YUV444P, HD), planar).0, Code::FormatUnsupported);
}

#[test]
fn impossible_sizes_and_depths_are_refused() {
    let rgb = (PixelFormat::RGB_F32, HD.to_rgb());
    let error = Converter::new((PixelFormat::NV12, HD), rgb, (0, 4), ChromaFilter::Bilinear).unwrap_err();
    assert_eq!(error.code(), Code::SizeInvalid);
    assert_eq!(refusal((rgb_u(17), HD.to_rgb()), rgb).0, Code::FormatUnsupported);
}

#[test]
fn a_frame_of_another_size_or_format_is_refused() {
    let rgb = (PixelFormat::RGB_F32, HD.to_rgb());
    let mut converter =
        Converter::new((PixelFormat::NV12, HD), rgb, (16, 16), ChromaFilter::Bilinear).unwrap();
    let mut target = frame(rgb.0, rgb.1, (16, 16));
    for source in [frame(PixelFormat::NV12, HD, (16, 18)), frame(PixelFormat::YUV420P, HD, (16, 16))] {
        let error = converter.convert(&source, &mut target).unwrap_err();
        assert_eq!(error.code(), Code::LayoutInvalid);
    }
    let mut small = frame(rgb.0, rgb.1, (16, 8));
    assert!(converter.convert(&frame(PixelFormat::NV12, HD, (16, 16)), &mut small).is_err());
}

fn video_info() -> VideoInfo {
    VideoInfo::new(PixelFormat::NV12, (16, 8), HD, TimeBase::new(1, 25).unwrap())
}

#[test]
fn the_stage_keeps_time_and_reuses_its_buffers() {
    let mut stage =
        Convert::new(&video_info(), PixelFormat::RGB_F16, HD.to_rgb(), ChromaFilter::Bilinear).unwrap();
    assert_eq!(
        stage.output_info(),
        &VideoInfo { format: PixelFormat::RGB_F16, color: HD.to_rgb(), ..video_info() }
    );
    let mut addresses = Vec::new();
    for seed in 0..3 {
        let source = noise(PixelFormat::NV12, HD, (16, 8), seed);
        stage
            .process(source, &mut |frame| {
                assert_eq!(frame.info(), info());
                assert_eq!(frame.color(), HD.to_rgb());
                addresses.push(frame.buffer().as_bytes().as_ptr() as usize);
            })
            .unwrap();
    }
    stage.finish(&mut |_| panic!("nothing was held back")).unwrap();
    assert_eq!(addresses, [addresses[0]; 3]);
    let error = stage.process(frame(PixelFormat::NV12, HD, (16, 16)), &mut |_| {}).unwrap_err();
    assert_eq!(error.code(), Code::LayoutInvalid);
}

#[test]
fn a_colour_that_only_differs_in_what_is_not_said_is_accepted() {
    let unsaid = color(Matrix::Bt709, Range::Limited, Siting::Left);
    let format = yuv(Chroma::C420, Sample::F32, Packing::Planar);
    Converter::new((PixelFormat::NV12, unsaid), (format, HD), (4, 4), ChromaFilter::Nearest).unwrap();
}
