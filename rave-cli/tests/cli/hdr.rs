//! HDR metadata, byte by byte, and what becomes of metadata that changes from scene to scene.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Folder, probe, upscale, with_box};

/// HEVC as an encoder writes it, with HDR10's static metadata.
fn film(folder: &Folder, name: &str) -> PathBuf {
    let static_metadata = "hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)\
        L(10000000,50):max-cll=1000,400:log-level=none";
    let arguments = format!(
        "-f lavfi -i testsrc2=s=128x96:r=25:d=0.2 -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 \
         -colorspace bt2020nc -color_range tv -c:v libx265 -preset ultrafast -x265-params {static_metadata}"
    );
    folder.clip(name, &arguments)
}

/// The fields of the bitstream's mastering display and content light level, as FFmpeg reads them bit by bit.
fn static_fields(path: &Path) -> Vec<String> {
    const FIELDS: [&str; 7] = [
        "display_primaries",
        "white_point",
        "primary_chromaticity",
        "luminance_",
        "display_mastering_luminance",
        "max_content_light_level",
        "max_pic_average_light_level",
    ];
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-i"]).arg(path);
    let output = command.args(["-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_wanted = |line: &&str| {
        FIELDS.iter().any(|field| line.contains(field))
            || line.contains("max_cll")
            || line.contains("max_fall")
    };
    let value = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("{} {}", words[words.len().saturating_sub(4)], words[words.len() - 1])
    };
    let mut fields: Vec<String> = text.lines().filter(is_wanted).map(value).collect();
    fields.sort();
    fields.dedup();
    fields
}

/// What follows a box's name in MP4.
fn contents<const N: usize>(path: &Path, name: &[u8; 4]) -> [u8; N] {
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(4).position(|window| window == name);
    let at = at.unwrap_or_else(|| panic!("{} has no {}", path.display(), String::from_utf8_lossy(name))) + 4;
    bytes[at..at + N].try_into().unwrap()
}

/// Matroska's mastering metadata: the element's contents.
fn mastering_element(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(2).position(|window| window == [0x55, 0xd0]).expect("the element") + 2;
    // A length of one byte has its highest bit set.
    let length = usize::from(bytes[at] & 0x7f);
    bytes[at + 1..at + 1 + length].to_vec()
}

/// The boxes of SMPTE ST 2086 and CTA-861.3 in ISO/IEC 14496-12: green, blue, red, white, greatest and least luminance.
const MDCV: [u8; 24] = [
    0x33, 0xc2, 0x86, 0xc4, 0x1d, 0x4c, 0x0b, 0xb8, 0x84, 0xd0, 0x3e, 0x80, 0x3d, 0x13, 0x40, 0x42, 0x00,
    0x98, 0x96, 0x80, 0x00, 0x00, 0x00, 0x32,
];
const CLLI: [u8; 4] = [0x03, 0xe8, 0x01, 0x90];

#[test]
fn static_metadata_of_hevc_is_the_same_byte_by_byte() {
    let folder = Folder::new();
    let source = film(&folder, "in.mkv");
    let expected = static_fields(&source);
    assert!(expected.len() >= 12, "{expected:?}");
    let (first, second) = (folder.file("first.mp4"), folder.file("second.mp4"));
    upscale(&source, &first, &["--codec", "hevc"]).succeeded();
    upscale(&first, &second, &["--codec", "hevc"]).succeeded();
    for output in [&first, &second] {
        assert_eq!(static_fields(output), expected, "{}", output.display());
        assert_eq!(contents(output, b"mdcv"), MDCV, "{}", output.display());
        assert_eq!(contents(output, b"clli"), CLLI, "{}", output.display());
    }
    let (first, second) = (folder.file("first.mkv"), folder.file("second.mkv"));
    upscale(&source, &first, &["--codec", "hevc"]).succeeded();
    upscale(&first, &second, &["--codec", "hevc"]).succeeded();
    assert_eq!(mastering_element(&first), mastering_element(&second));
    for output in [&first, &second] {
        assert_eq!(static_fields(output), expected, "{}", output.display());
        let transfer = probe(output, &["-show_entries", "stream=color_transfer,color_primaries"]);
        assert_eq!(transfer, ["smpte2084", "bt2020"]);
    }
}

#[test]
fn static_metadata_of_av1_is_the_same_byte_by_byte() {
    let folder = Folder::new();
    let source = film(&folder, "in.mkv");
    let (first, second) = (folder.file("first.mkv"), folder.file("second.mkv"));
    for (input, output) in [(&source, &first), (&first, &second)] {
        upscale_fast(input, output, &["--codec", "av1", "--preset", "p1"]);
    }
    let expected = static_fields(&first);
    assert!(expected.len() >= 12, "{expected:?}");
    assert_eq!(static_fields(&second), expected);
    assert_eq!(mastering_element(&second), mastering_element(&first));
}

/// Without a preset of x264's.
fn upscale_fast(input: &Path, output: &Path, flags: &[&str]) -> Value {
    let files = ["-i".as_ref(), input.as_os_str(), "-o".as_ref(), output.as_os_str()];
    let flags = ["--json", "-m", "resize-cubic-x2"].iter().chain(flags).map(AsRef::as_ref);
    crate::support::rave(files.into_iter().chain(flags)).succeeded().json()
}

/// Adds to each picture a NAL unit before its first slice.
fn with_units(stream: &[u8], unit: &[u8]) -> Vec<u8> {
    const START: [u8; 3] = [0, 0, 1];
    const FIRST_SLICE: u8 = 0x80;
    let starts: Vec<usize> =
        (0..stream.len() - 3).filter(|&at| stream[at..at + 3] == START).chain([stream.len()]).collect();
    let mut changed = stream[..starts[0]].to_vec();
    for old in starts.windows(2).map(|ends| &stream[ends[0]..ends[1]]) {
        let is_slice = old[3] >> 1 < 32;
        if is_slice && old[5] & FIRST_SLICE != 0 {
            changed.extend(START.iter().chain(unit));
        }
        changed.extend(old);
    }
    changed
}

/// Fields of so many bits, from the highest bit on.
fn bits(fields: &[(u32, usize)]) -> Vec<u8> {
    let bits: Vec<u8> = fields
        .iter()
        .flat_map(|&(value, count)| (0..count).rev().map(move |bit| (value >> bit & 1) as u8))
        .collect();
    bits.chunks(8)
        .map(|byte| byte.iter().enumerate().fold(0, |sum, (at, bit)| sum | bit << (7 - at)))
        .collect()
}

/// A prefix SEI unit with dynamic metadata of SMPTE ST 2094-40, one window, in the form of its ITU-T T.35 message.
fn hdr10_plus() -> Vec<u8> {
    let mut message = vec![0xb5, 0x00, 0x3c, 0x00, 0x01, 0x04, 0x01];
    let maximum = [(1, 2), (0x7f_ffff, 27), (0, 1), (0x1_5555, 17), (0x1_5555, 17), (0x1_5555, 17)];
    let distribution = [(0x1_5555, 17), (1, 4), (99, 7), (0x1_5555, 17), (0x155, 10), (0, 1), (0, 1), (0, 1)];
    message.extend(bits(&[&maximum[..], &distribution].concat()));
    let mut unit = vec![39 << 1, 0x01, 4, message.len() as u8];
    unit.extend(message);
    unit.push(0x80);
    unit
}

fn told(report: &Value, word: &str) -> bool {
    report["notices"].as_array().unwrap().iter().any(|notice| notice.as_str().unwrap().contains(word))
}

#[test]
fn dynamic_metadata_is_said_to_be_left_out_and_the_rest_kept() {
    let folder = Folder::new();
    let (plain, raw) = (film(&folder, "plain.265"), folder.file("dynamic.265"));
    std::fs::write(&raw, with_units(&std::fs::read(plain).unwrap(), &hdr10_plus())).unwrap();
    let source = folder.clip("dynamic.mp4", &format!("-r 25 -i {} -c copy", raw.display()));
    let found = |path: &Path| {
        let entries = "frame_side_data=side_data_type:stream=color_transfer";
        probe(path, &["-show_frames", "-show_entries", entries]).join(" ")
    };
    assert!(found(&source).contains("2094-40"), "{}", found(&source));
    for name in ["out.mkv", "out.mp4"] {
        let output = folder.file(name);
        let report = upscale(&source, &output, &["--codec", "hevc"]).succeeded().json();
        assert!(told(&report, "HDR10+ metadata is left out"), "{name}: {}", report["notices"]);
        assert_eq!(static_fields(&output), static_fields(&source), "{name}");
        let found = found(&output);
        assert!(!found.contains("2094") && found.contains("smpte2084"), "{name}: {found}");
    }
}

/// Dolby Vision's configuration, as a box.
fn configuration(profile: u8, compatibility: u8) -> Vec<u8> {
    let mut record = vec![0; 32];
    record[..4].copy_from_slice(&32_u32.to_be_bytes());
    record[4..8].copy_from_slice(b"dvcC");
    // Version 1.0; the profile's seven bits, the level's six, then that there are metadata and a base layer.
    record[8..13].copy_from_slice(&[1, 0, profile << 1, 6 << 3 | 0b101, compatibility << 4]);
    record
}

#[test]
fn dolby_vision_is_taken_by_its_base_layer_or_refused() {
    let folder = Folder::new();
    let plain = std::fs::read(film(&folder, "plain.mp4")).unwrap();
    let clip = |profile, compatibility| {
        let path = folder.file(format!("{profile}.{compatibility}.mp4"));
        std::fs::write(&path, with_box(plain.clone(), b"hev1", &configuration(profile, compatibility)))
            .unwrap();
        path
    };
    let output = folder.file("out.mkv");
    let report = upscale(&clip(8, 1), &output, &["--codec", "hevc"]).succeeded().json();
    assert!(told(&report, "Dolby Vision metadata (profile 8) is left out: the base layer, HDR10"));
    let side_data = probe(&output, &["-show_entries", "stream_side_data=side_data_type"]).join(" ");
    assert!(side_data.contains("Mastering") && !side_data.contains("DOVI"), "{side_data}");
    let answer = upscale(&clip(5, 0), &folder.file("refused.mkv"), &["--codec", "hevc"]);
    assert_ne!(answer.status, 0);
    assert!(answer.stderr.contains("Dolby Vision profile 5"), "{}", answer.stderr);
}

#[test]
fn what_h264_in_a_transport_stream_does_not_tell_is_said() {
    let folder = Folder::new();
    let clip = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -pix_fmt yuv420p10le -c:v libx265 -x265-params \
        log-level=none:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400";
    let input = folder.clip("in.mkv", clip);
    for (name, flags, is_said) in [
        ("a.ts", &[][..], true),
        ("b.264", &[][..], true),
        ("c.ts", &["--codec", "hevc"], false),
        ("d.mp4", &[], false),
    ] {
        let answer = upscale(&input, &folder.file(name), flags);
        answer.succeeded();
        assert_eq!(answer.stderr.contains("HDR metadata (mastering"), is_said, "{name}: {}", answer.stderr);
    }
}
