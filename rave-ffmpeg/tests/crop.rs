//! Cropping that only the container tells, against ffmpeg's filter of that name.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::path::{Path, PathBuf};

use rave_core::Rational;
use rave_ffmpeg::{Cropping, Demuxer, DemuxerOptions, Input};
use support::{decode_each, ffmpeg, make, samples};

const CLIP: &str = "-f lavfi -i testsrc2=s=66x50:r=25:d=0.2";
const TRACKS: [u8; 4] = [0x16, 0x54, 0xae, 0x6b];
const CROPS: [[u8; 2]; 4] = [[0x54, 0xcc], [0x54, 0xdd], [0x54, 0xbb], [0x54, 0xaa]];

/// An EBML element: number, contents and the bytes that it takes.
fn element(bytes: &[u8]) -> (&[u8], &[u8], usize) {
    let id = bytes[0].leading_zeros() as usize + 1;
    let length = bytes[id].leading_zeros() as usize + 1;
    let value = bytes[id..id + length].iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    let value = (value & ((1 << (7 * length)) - 1)) as usize;
    let start = id + length;
    (&bytes[..id], &bytes[start..start + value], start + value)
}

fn written(id: &[u8], contents: &[u8]) -> Vec<u8> {
    let length = (contents.len() as u64 | 1 << 56).to_be_bytes();
    [id, &length, contents].concat()
}

/// The same contents with `added` in the element that `path` leads to.
fn with_elements(contents: &[u8], path: &[&[u8]], added: &[u8]) -> Vec<u8> {
    let (mut rest, mut changed) = (contents, Vec::new());
    while !rest.is_empty() {
        let (id, contents, bytes) = element(rest);
        match path {
            [last] if *last == id => changed.extend(written(id, &[contents, added].concat())),
            [first, path @ ..] if *first == id => {
                changed.extend(written(id, &with_elements(contents, path, added)))
            }
            _ => changed.extend(&rest[..bytes]),
        }
        rest = &rest[bytes..];
    }
    changed
}

/// Matroska with left, right, top and bottom to be left out, and the size that the rest is shown with.
fn matroska(folder: &Path, arguments: &str, crop: [u8; 4], display: Option<[u8; 2]>) -> PathBuf {
    let plain = std::fs::read(make(folder, "plain.mkv", &format!("{CLIP} {arguments}"))).unwrap();
    let (_, _, header) = element(&plain);
    let (segment, contents, _) = element(&plain[header..]);
    let mut added: Vec<u8> = CROPS.iter().zip(crop).flat_map(|(id, count)| written(id, &[count])).collect();
    let sizes = display.iter().flat_map(|size| [[0x54, 0xb0], [0x54, 0xba]].into_iter().zip(*size));
    added.extend(sizes.flat_map(|(id, size)| written(&id, &[size])));
    let changed = with_elements(contents, &[&TRACKS, &[0xae], &[0xe0]], &added);
    let path = folder.join("cropped.mkv");
    std::fs::write(&path, [&plain[..header], &written(segment, &changed)].concat()).unwrap();
    path
}

/// MP4 with a clean aperture of this size around the centre, which is moved by some pixels.
fn mp4(folder: &Path, size: [i32; 2], offset: [i32; 2]) -> PathBuf {
    let mut bytes = std::fs::read(make(folder, "plain.mp4", &format!("{CLIP} -c:v libx264 -qp 0"))).unwrap();
    let mut aperture = [40_u32.to_be_bytes(), *b"clap"].concat();
    let fractions = [size, offset].concat().into_iter().flat_map(|value| [value, 1]);
    aperture.extend(fractions.flat_map(i32::to_be_bytes));
    let (mut at, mut end, mut places) = (0, bytes.len(), Vec::new());
    let boxes =
        [(b"moov", 8), (b"trak", 8), (b"mdia", 8), (b"minf", 8), (b"stbl", 8), (b"stsd", 16), (b"avc1", 8)];
    for (name, header) in boxes {
        let size = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        while &bytes[at + 4..at + 8] != name {
            at += size(at) as usize;
            assert!(at < end, "no {}", String::from_utf8_lossy(name));
        }
        end = at + size(at) as usize;
        places.push((at, size(at) + 40));
        at += header;
    }
    for (place, size) in places {
        bytes[place..place + 4].copy_from_slice(&size.to_be_bytes());
    }
    bytes.splice(end..end, aperture);
    let path = folder.join("cropped.mp4");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn options(cropping: Cropping) -> DemuxerOptions {
    DemuxerOptions { cropping, ..DemuxerOptions::default() }
}

fn assert_cropped(path: &Path, filter: &str) {
    let expected = ffmpeg(&format!("-i {} -vf {filter} -f rawvideo -", path.display()), &[]);
    let mut found = Vec::new();
    decode_each(path, &options(Cropping::Applied), |frame| found.extend(samples(&frame))).unwrap();
    assert!(found == expected, "{} is not {filter}", path.display());
}

#[test]
fn matroska_leaves_out_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, crop, filter) in [
        ("-c:v ffv1 -pix_fmt yuv444p10le", [3, 2, 5, 1], "crop=61:44:3:5:exact=1"),
        ("-c:v ffv1 -pix_fmt yuv420p", [4, 2, 6, 0], "crop=60:44:4:6"),
        ("-c:v ffv1 -pix_fmt yuv422p", [4, 2, 5, 0], "crop=60:45:4:5:exact=1"),
        ("-c:v libx264 -qp 0 -pix_fmt yuv420p", [0, 2, 0, 4], "crop=64:46:0:0"),
    ] {
        let path = matroska(folder.path(), arguments, crop, None);
        assert_cropped(&path, filter);
    }
}

#[test]
fn the_size_that_is_shown_is_that_of_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = matroska(folder.path(), "-c:v ffv1 -pix_fmt yuv420p", [4, 2, 6, 0], Some([120, 66]));
    let open = |cropping| Demuxer::open(&Input::from(path.as_path()), &options(cropping)).unwrap();
    let demuxer = open(Cropping::Applied);
    let info = demuxer.video().info();
    assert_eq!((info.width, info.height), (60, 44));
    assert_eq!(info.sample_aspect_ratio, Rational::new(4, 3).ok(), "120:66 of 60x44");
    assert!(demuxer.video().is_cropped());
    assert!(
        demuxer.video().notices().contains(&"the container crops the pictures to 60x44 of 66x50".to_owned())
    );
    let demuxer = open(Cropping::Ignored);
    assert_eq!((demuxer.video().info().width, demuxer.video().is_cropped()), (66, false));
    let told = "the container asks for 60x44 of 66x50 of its pictures: nothing is cropped".to_owned();
    assert!(demuxer.video().notices().contains(&told), "{:?}", demuxer.video().notices());
}

#[test]
fn the_clean_aperture_of_mp4_is_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    assert_cropped(&mp4(folder.path(), [60, 44], [1, -1]), "crop=60:44:4:2");
    assert_cropped(&mp4(folder.path(), [66, 48], [0, -1]), "crop=66:48:0:0");
    assert_cropped(&mp4(folder.path(), [80, 44], [0, 0]), "crop=66:50:0:0");
}
