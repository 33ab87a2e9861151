//! R'G'B' against the reference frames of torchcodec, which are swscale's.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::ffmpeg::{is_installed, media, raw_video};
use common::{color, components, convert, frame_of, rgb_u, yuv};
use rave_core::{Chroma, ChromaFilter, Matrix, Packing, Range, Sample, Siting};

struct Case {
    clip: &'static str,
    stream: u32,
    frame: u32,
    size: (u32, u32),
    matrix: Matrix,
    bits: u8,
}

const HD: Matrix = Matrix::Bt709;
const SD: Matrix = Matrix::Smpte170m;
const UHD: Matrix = Matrix::Bt2020Ncl;

const fn case(
    clip: &'static str,
    stream: u32,
    frame: u32,
    size: (u32, u32),
    matrix: Matrix,
    bits: u8,
) -> Case {
    Case { clip, stream, frame, size, matrix, bits }
}

const EIGHT_BITS: [Case; 7] = [
    case("nasa_13013.mp4", 0, 0, (320, 180), HD, 8),
    case("nasa_13013.mp4", 0, 35, (320, 180), HD, 8),
    case("nasa_13013.mp4", 3, 0, (480, 270), HD, 8),
    case("nasa_13013.mp4", 3, 10, (480, 270), HD, 8),
    case("nasa_13013.mp4", 3, 389, (480, 270), HD, 8),
    case("av1_video.mkv", 0, 10, (640, 360), HD, 8),
    case("h265_video.mp4", 0, 5, (128, 128), SD, 8),
];

const MORE_BITS: [Case; 3] = [
    case("nasa_13013_hdr.mp4", 0, 0, (320, 180), UHD, 10),
    case("nasa_13013_hdr.mp4", 0, 10, (320, 180), UHD, 10),
    case("testsrc2_12bit_hdr.mp4", 0, 10, (320, 180), UHD, 12),
];

/// The frame as raw video, after `filters` and in `pix_fmt`.
fn decoded(media: &Path, case: &Case, filters: &str, pix_fmt: &str) -> Vec<u8> {
    let clip = media.join("clips").join(format!("tc__{}", case.clip));
    let (map, filters) = (format!("0:{}", case.stream), format!("select=eq(n\\,{}){filters}", case.frame));
    let mut arguments = vec!["-i".into(), clip.into_os_string()];
    let further = ["-map", &map, "-vf", &filters, "-frames:v", "1", "-pix_fmt", pix_fmt];
    arguments.extend(further.map(Into::into));
    raw_video(&arguments)
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
    /// How much brighter ours is.
    mean: f64,
    beyond_two_codes: f64,
}

/// Between our eight-bit R'G'B' with nearest chroma and `packed_rgb`.
fn difference(media: &Path, case: &Case, packed_rgb: &[u8]) -> Difference {
    let format = yuv(Chroma::C420, Sample::Uint { bits: case.bits }, Packing::Planar);
    let spec = color(case.matrix, Range::Limited, Siting::Left);
    let coded = frame_of(format, spec, case.size, &decoded(media, case, "", &format.to_string()));
    let ours = components(&convert(&coded, rgb_u(8), spec.to_rgb(), ChromaFilter::Nearest));
    let theirs = |component: usize| packed_rgb.iter().skip(component).step_by(3);
    let differences: Vec<f64> = (0..3)
        .flat_map(|component| ours[component].iter().zip(theirs(component)))
        .map(|(&ours, &theirs)| ours - f64::from(theirs))
        .collect();
    let count = differences.len() as f64;
    Difference {
        largest: differences.iter().fold(0.0, |largest, difference| difference.abs().max(largest)),
        mean: differences.iter().sum::<f64>() / count,
        beyond_two_codes: differences.iter().filter(|difference| difference.abs() > 2.0).count() as f64
            / count,
    }
}

/// The references come from swscale's fast path, whose tables and sums are cut instead of rounded: it is darker by up
/// to one code on average and, at times, by three.
#[test]
fn the_references_differ_by_swscales_rounding() {
    let Some(media) = media().filter(|_| is_installed()) else { return };
    for case in &EIGHT_BITS {
        let Difference { largest, mean, beyond_two_codes } =
            difference(&media, case, &reference(&media, case));
        println!(
            "{} {} {}: largest {largest}, mean {mean:.3}, {:.3} % beyond 2",
            case.clip,
            case.stream,
            case.frame,
            100.0 * beyond_two_codes
        );
        assert!(largest <= 3.0 && (0.0..1.0).contains(&mean) && beyond_two_codes < 0.003, "{}", case.clip);
    }
}

/// The same frames through swscale's accurate path, with chroma repeated as well.
#[test]
fn swscales_accurate_path_is_within_one_code() {
    let Some(media) = media().filter(|_| is_installed()) else { return };
    for case in EIGHT_BITS.iter().chain(&MORE_BITS) {
        let accurate = ",scale=flags=neighbor+accurate_rnd+full_chroma_int";
        let Difference { largest, mean, .. } =
            difference(&media, case, &decoded(&media, case, accurate, "rgb24"));
        println!("{} {} {}: largest {largest}, mean {mean:.4}", case.clip, case.stream, case.frame);
        assert!(largest <= 1.0 && mean.abs() < 0.01, "{}", case.clip);
    }
}
