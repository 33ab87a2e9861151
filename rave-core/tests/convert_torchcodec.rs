//! R'G'B' against the reference frames of torchcodec, which are swscale's.

mod common;

use std::path::Path;

use common::ffmpeg::{is_installed, media, raw_video};
use common::{color, components, convert, frame_of, rgb_u, yuv};
use rave_core::{Chroma, ChromaFilter, ColorSpec, Matrix, Packing, Range, Sample, Siting};

struct Case {
    clip: &'static str,
    stream: u32,
    frame: u32,
    size: (u32, u32),
    matrix: Matrix,
    bits: u8,
}

const CASES: [Case; 10] = [
    Case { clip: "nasa_13013.mp4", stream: 0, frame: 0, size: (320, 180), matrix: Matrix::Bt709, bits: 8 },
    Case { clip: "nasa_13013.mp4", stream: 0, frame: 35, size: (320, 180), matrix: Matrix::Bt709, bits: 8 },
    Case { clip: "nasa_13013.mp4", stream: 3, frame: 0, size: (480, 270), matrix: Matrix::Bt709, bits: 8 },
    Case { clip: "nasa_13013.mp4", stream: 3, frame: 10, size: (480, 270), matrix: Matrix::Bt709, bits: 8 },
    Case { clip: "nasa_13013.mp4", stream: 3, frame: 389, size: (480, 270), matrix: Matrix::Bt709, bits: 8 },
    Case { clip: "av1_video.mkv", stream: 0, frame: 10, size: (640, 360), matrix: Matrix::Bt709, bits: 8 },
    Case {
        clip: "h265_video.mp4",
        stream: 0,
        frame: 5,
        size: (128, 128),
        matrix: Matrix::Smpte170m,
        bits: 8,
    },
    Case {
        clip: "nasa_13013_hdr.mp4",
        stream: 0,
        frame: 0,
        size: (320, 180),
        matrix: Matrix::Bt2020Ncl,
        bits: 10,
    },
    Case {
        clip: "nasa_13013_hdr.mp4",
        stream: 0,
        frame: 10,
        size: (320, 180),
        matrix: Matrix::Bt2020Ncl,
        bits: 10,
    },
    Case {
        clip: "testsrc2_12bit_hdr.mp4",
        stream: 0,
        frame: 10,
        size: (320, 180),
        matrix: Matrix::Bt2020Ncl,
        bits: 12,
    },
];

fn coded_frame(media: &Path, case: &Case) -> Vec<u8> {
    let format = yuv(Chroma::C420, Sample::Uint { bits: case.bits }, Packing::Planar);
    let clip = media.join("clips").join(format!("tc__{}", case.clip));
    let (map, select) = (format!("0:{}", case.stream), format!("select=eq(n\\,{})", case.frame));
    let arguments = ["-map", &map, "-vf", &select, "-frames:v", "1", "-pix_fmt", &format.to_string()];
    let mut command: Vec<_> = vec!["-i".into(), clip.into_os_string()];
    command.extend(arguments.map(Into::into));
    raw_video(&command)
}

/// The samples of a `.pt` file: a zip whose members are stored as they are.
fn reference(media: &Path, case: &Case) -> Vec<u8> {
    let name = format!("{}.stream{}.frame{:06}.pt", case.clip, case.stream, case.frame);
    let zip = std::fs::read(media.join("expected/torchcodec").join(name)).unwrap();
    stored_member(&zip, b"/data/0", (case.size.0 * case.size.1 * 3) as usize).to_vec()
}

/// Finds a member by its local header (PKWARE APPNOTE, 4.3.7).
fn stored_member<'a>(zip: &'a [u8], name_end: &[u8], length: usize) -> &'a [u8] {
    let header = (0..zip.len()).find(|&start| {
        zip[start..].starts_with(b"PK\x03\x04") && {
            let name = &zip[start + 30..][..number(&zip[start + 26..])];
            name.ends_with(name_end)
        }
    });
    let header = &zip[header.unwrap()..];
    assert_eq!(number(&header[8..]), 0, "the member is compressed");
    &header[30 + number(&header[26..]) + number(&header[28..])..][..length]
}

fn number(bytes: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))
}

struct Difference {
    largest: f64,
    mean: f64,
    beyond_two: usize,
}

fn difference(case: &Case, coded: &[u8], packed_rgb: &[u8], filter: ChromaFilter) -> Difference {
    let format = yuv(Chroma::C420, Sample::Uint { bits: case.bits }, Packing::Planar);
    let spec: ColorSpec = color(case.matrix, Range::Limited, Siting::Left);
    let coded = frame_of(format, spec, case.size, coded);
    let ours = components(&convert(&coded, rgb_u(8), spec.to_rgb(), filter));
    let theirs = |component: usize| packed_rgb.iter().skip(component).step_by(3);
    let differences: Vec<f64> = (0..3)
        .flat_map(|component| ours[component].iter().zip(theirs(component)))
        .map(|(&a, &b)| (a - f64::from(b)).abs())
        .collect();
    Difference {
        largest: differences.iter().copied().fold(0.0, f64::max),
        mean: differences.iter().sum::<f64>() / differences.len() as f64,
        beyond_two: differences.iter().filter(|&&difference| difference > 2.0).count(),
    }
}

#[test]
fn measure() {
    if !is_installed() {
        return;
    }
    let Some(media) = media() else { return };
    for case in &CASES {
        let (coded, packed) = (coded_frame(&media, case), reference(&media, case));
        for filter in [ChromaFilter::Nearest, ChromaFilter::Bilinear] {
            let Difference { largest, mean, beyond_two } = difference(case, &coded, &packed, filter);
            println!(
                "{} {} {} {filter:?}: largest {largest} mean {mean:.3} beyond two {beyond_two} of {}",
                case.clip,
                case.stream,
                case.frame,
                packed.len()
            );
        }
    }
}
