//! Ranges, rates, sizes, rotation and colour, as a user asks for them.

use std::path::Path;

use crate::support::{Folder, frames, probe, rave, upscale, with_box};

const CLIP: &str = "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -f lavfi -i sine=d=2 -pix_fmt yuv420p -c:v libx264 \
    -preset ultrafast -bf 2 -c:a aac";

fn size(path: &Path) -> Vec<String> {
    probe(path, &["-select_streams", "v:0", "-show_entries", "stream=width,height,sample_aspect_ratio"])
}

#[test]
fn a_part_is_cut_to_the_frame() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mp4", CLIP), folder.file("out.mp4"));
    for (flags, count) in
        [(&["-ss", "0.4", "-t", "1"][..], 25), (&["-ss", "0:00.52", "-to", "0.72"], 5), (&["-t", "200ms"], 5)]
    {
        let flags: Vec<_> = flags.iter().copied().chain(["-y"]).collect();
        let json = upscale(&input, &output, &flags).succeeded().json();
        assert_eq!(json["frames"].as_u64(), Some(count), "{flags:?}");
        assert_eq!(json["missing_frames"], 0);
        assert_eq!(frames(&output, "pts_time")[0], "0.000000", "{flags:?}");
    }
    let answer = upscale(&input, &output, &["-ss", "5", "-y"]);
    assert_eq!((answer.status, answer.error_name()), (2, "option-invalid"), "{}", answer.stderr);
}

#[test]
fn a_part_of_silence_is_checked_by_its_time() {
    let folder = Folder::new();
    let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -f lavfi -i anullsrc=d=2 -c:v libx264 -preset ultrafast \
        -c:a libopus -t 2";
    let (input, output) = (folder.clip("in.mkv", arguments), folder.file("out.mkv"));
    let json = upscale(&input, &output, &["-ss", "1", "-t", "0.4"]).succeeded().json();
    assert_eq!(json["frames"].as_u64(), Some(10));
}

#[test]
fn a_constant_rate_is_made_only_when_asked_for() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mp4", CLIP), folder.file("out.mkv"));
    for (rate, count) in [("12.5", 25), ("50", 100), ("30000/1001", 60)] {
        let json = upscale(&input, &output, &["--fps", rate, "-y"]).succeeded().json();
        assert_eq!(json["frames"].as_u64(), Some(count), "{rate}");
        let times = frames(&output, "pts_time");
        assert_eq!(times.len() as u64, count, "{rate}");
    }
    let json = upscale(&input, &output, &["--fps", "5", "-ss", "1", "-y"]).succeeded().json();
    assert_eq!(json["frames"].as_u64(), Some(5));
}

#[test]
fn sizes_other_than_the_models_are_resampled() {
    let folder = Folder::new();
    let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -vf setsar=16/15 -c:v libx264 -preset ultrafast";
    let (input, output) = (folder.clip("in.mkv", arguments), folder.file("out.mkv"));
    for (flags, expected) in [
        (&["--scale", "3"][..], ["192", "144", "16:15"]),
        (&["--scale", "1.5"], ["96", "72", "16:15"]),
        (&["--scale", "2"], ["128", "96", "16:15"]),
        (&["--width", "100"], ["100", "76", "76:75"]),
        (&["--fit", "320x100"], ["134", "100", "1.06"]),
        (&["--width", "160", "--height", "90"], ["160", "90", "4:5"]),
    ] {
        let flags: Vec<_> = flags.iter().copied().chain(["-y"]).collect();
        upscale(&input, &output, &flags).succeeded();
        let found = size(&output);
        assert_eq!(found[..2], expected[..2], "{flags:?}");
        let [width, height]: [f64; 2] = [0, 1].map(|index| found[index].parse().unwrap());
        let (numerator, denominator) = found[2].split_once(':').unwrap();
        let pixel: f64 = numerator.parse::<f64>().unwrap() / denominator.parse::<f64>().unwrap();
        let shape = width * pixel / height;
        assert!((shape / (64.0 / 45.0) - 1.0).abs() < 1e-4, "{flags:?}: {found:?}");
    }
    let answer = upscale(&input, &output, &["--scale", "2", "--width", "5"]);
    assert_eq!(answer.status, 2, "{}", answer.stderr);
}

#[test]
fn a_rotated_clip_is_turned_upright() {
    let folder = Folder::new();
    let flat = folder.clip("flat.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -c:v libx264 -crf 1");
    let turned = folder.clip("turned.mp4", &format!("-i {} -c copy -metadata:s:v rotate=90", flat.display()));
    let output = folder.file("out.mkv");
    upscale(&turned, &output, &["--autorotate", "--crf", "1"]).succeeded();
    assert_eq!(size(&output)[..2], ["96", "128"]);
    // ffmpeg turns the source itself; both are compared at the output's size.
    let filter = "[0:v]scale=96:128:flags=bicubic[a];[a][1:v]psnr=stats_file=-";
    let answer = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(&turned)
        .arg("-i")
        .arg(&output)
        .args(["-lavfi", filter, "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let psnr: f64 = text.split("psnr_avg:").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    // Two cubic filters of slightly different shape; turned the wrong way it is below 15 dB.
    assert!(psnr > 28.0, "{psnr} dB: {text}");
}

#[test]
fn colours_are_taken_and_made_as_asked_for() {
    let folder = Folder::new();
    let arguments = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -c:v libx264 -preset ultrafast -colorspace smpte170m \
        -color_primaries smpte170m -color_trc smpte170m -color_range tv";
    let (input, output) = (folder.clip("in.mkv", arguments), folder.file("out.mkv"));
    let tags = |flags: &[&str]| {
        let flags: Vec<_> = flags.iter().copied().chain(["-y"]).collect();
        let answer = upscale(&input, &output, &flags);
        let notices = answer.succeeded().json()["notices"].to_string();
        let entries = ["-show_entries", "stream=color_space,color_primaries,color_transfer,color_range"];
        (probe(&output, &entries), notices)
    };
    assert_eq!(tags(&[]).0, ["tv", "smpte170m", "smpte170m", "smpte170m"]);
    let (converted, notices) = tags(&["--color-out", "709"]);
    assert_eq!(converted, ["tv", "bt709", "smpte170m", "smpte170m"]);
    assert!(notices.contains("primaries stays smpte170m"), "{notices}");
    assert_eq!(tags(&["--color-out", "pc"]).0[0], "pc");
    let (overridden, notices) = tags(&["--color-in", "709"]);
    assert_eq!(overridden, ["tv", "bt709", "bt709", "bt709"]);
    assert!(notices.contains("matrix is tagged smpte170m"), "{notices}");
}

#[test]
fn dithered_output_is_made_on_request() {
    let folder = Folder::new();
    let input =
        folder.clip("in.mkv", "-f lavfi -i gradients=s=64x48:d=0.2:c0=0x303030:c1=0x383838 -c:v ffv1");
    let hash = |name: &str, flags: &[&str]| {
        let output = folder.file(name);
        upscale(&input, &output, flags).succeeded();
        std::fs::read(output).unwrap()
    };
    let (plain, dithered) = (hash("a.yuv", &[]), hash("b.yuv", &["--dither"]));
    assert_eq!(plain.len(), dithered.len());
    assert!(plain != dithered);
    let far = plain.iter().zip(&dithered).filter(|(a, b)| a.abs_diff(**b) > 1).count();
    assert_eq!(far, 0, "by one code at most");
}

#[test]
fn combed_pictures_are_deinterlaced_unless_that_is_off() {
    let folder = Folder::new();
    let moving = "testsrc2=s=160x96:r=50:d=0.8,scroll=h=0.02,tinterlace=interleave_top";
    let coding = "-c:v libx264 -preset ultrafast -crf 5";
    let flagged =
        folder.clip("a.mkv", &format!("-f lavfi -i {moving},fieldorder=tff {coding} -x264-params tff=1"));
    let unflagged = folder.clip("b.mkv", &format!("-f lavfi -i {moving},setfield=prog {coding}"));
    let pictures =
        folder.clip("c.mkv", &format!("-f lavfi -i testsrc2=s=160x96:r=25:d=0.8,scroll=h=0.02 {coding}"));
    let output = folder.file("out.mkv");
    let run = |input: &Path, flags: &[&str]| {
        let flags: Vec<_> = flags.iter().copied().chain(["-y"]).collect();
        let json = upscale(input, &output, &flags).succeeded().json();
        assert_eq!(json["frames"], 20);
        let stages = json["stages"].as_array().unwrap().iter().any(|stage| stage["name"] == "deinterlace");
        (stages, json["interlaced_frames"].as_u64().unwrap(), json["notices"].to_string())
    };
    let (is_done, left, notices) = run(&flagged, &[]);
    assert!(is_done && left == 0 && notices.contains("deinterlaced"), "{notices}");
    let (is_done, _, notices) = run(&unflagged, &[]);
    assert!(!is_done && notices.contains("look combed"), "{notices}");
    let (is_done, left, _) = run(&unflagged, &["--deinterlace", "bwdif"]);
    assert!(is_done && left == 0);
    let (is_done, left, notices) = run(&flagged, &["--deinterlace", "off"]);
    assert!(!is_done && left == 20 && notices.contains("combed"), "{left} {notices}");
    let (is_done, _, notices) = run(&pictures, &[]);
    assert!(!is_done && !notices.contains("interlace"), "{notices}");
    assert!(run(&pictures, &["--deinterlace", "bwdif"]).0);
}

#[test]
fn what_the_container_crops_is_cropped_unless_it_is_to_stay() {
    let folder = Folder::new();
    let plain =
        folder.clip("plain.mp4", "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -c:v libx264 -preset ultrafast");
    let fractions = [56, 1, 44, 1, 0, 1, -2, 1].into_iter().flat_map(i32::to_be_bytes);
    let aperture: Vec<u8> = 40_u32.to_be_bytes().into_iter().chain(*b"clap").chain(fractions).collect();
    let (input, output) = (folder.file("in.mp4"), folder.file("out.mp4"));
    std::fs::write(&input, with_box(std::fs::read(plain).unwrap(), b"avc1", &aperture)).unwrap();
    for (flags, expected, word) in [
        (&["-y"][..], ["112", "88"], "the container crops the pictures to 56x44 of 64x48"),
        (&["-y", "--no-crop"], ["128", "96"], "nothing is cropped"),
    ] {
        let report = upscale(&input, &output, flags).succeeded().json();
        assert_eq!(probe(&output, &["-show_entries", "stream=width,height"]), expected, "{flags:?}");
        let notices = report["notices"].as_array().unwrap();
        assert!(notices.iter().any(|notice| notice.as_str().unwrap().contains(word)), "{notices:?}");
    }
    upscale(&input, &output, &["-y"]).succeeded();
    assert_eq!(rave([Path::new("verify"), &input, &output]).status, 0);
}

#[test]
fn deep_grey_and_grey_with_alpha_become_what_the_encoder_holds() {
    let folder = Folder::new();
    for format in ["gray", "gray12le", "gray16le", "ya8"] {
        let clip = format!("-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -pix_fmt {format} -c:v rawvideo");
        let input = folder.clip(format!("{format}.nut"), &clip);
        for extension in ["mkv", "mp4"] {
            upscale(&input, &folder.file(format!("{format}.{extension}")), &[]).succeeded();
        }
    }
}
