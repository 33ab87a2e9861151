//! What becomes of alpha channels.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Answer, Folder, frames, probe, rave};

/// A grey texture that moves, and the same as alpha: what is done to one has to be done to the other.
fn twins(folder: &Folder, name: &str, arguments: &str) -> PathBuf {
    let graph = "color=black:s=64x48:r=25:d=0.8,format=gray,geq=lum='128+100*sin((X+N*4)/9)*cos(Y/7)',\
        format=gbrp,split[v][b];[b]format=gray[a];[v][a]alphamerge";
    folder.clip(name, &format!("-filter_complex {graph} {arguments}"))
}

/// Without a preset: FFV1 has none.
fn upscale(input: &Path, output: &Path, further: &[&str]) -> Answer {
    let files = [OsStr::new("-i"), input.as_os_str(), OsStr::new("-o"), output.as_os_str()];
    let flags = ["--json", "-m", "resize-cubic-x2"].iter().chain(further).map(OsStr::new);
    rave(files.into_iter().chain(flags))
}

/// The samples of each frame through a filter, as bytes.
fn bytes(path: &Path, filter: &str) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i"]).arg(path);
    let output = command.args(["-vf", filter, "-f", "rawvideo", "-"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// By how much alpha differs from green on average, in code values of 8 bits.
fn mean_difference(path: &Path) -> f64 {
    let green = bytes(path, "format=gbrap,extractplanes=g");
    let alpha = bytes(path, "format=gbrap,extractplanes=a");
    assert_eq!(green.len(), alpha.len());
    let sum: f64 = green.iter().zip(&alpha).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / green.len() as f64
}

fn notice<'a>(report: &'a Value, word: &str) -> Option<&'a str> {
    report["notices"].as_array()?.iter().filter_map(Value::as_str).find(|notice| notice.contains(word))
}

#[test]
fn alpha_is_enlarged_with_the_picture_where_the_output_holds_it() {
    let folder = Folder::new();
    for (name, arguments, format) in [
        ("a.mov", "-pix_fmt rgba -c:v png", "gbrap10le"),
        ("b.mov", "-pix_fmt argb -c:v qtrle", "gbrap10le"),
        ("c.mov", "-pix_fmt yuva444p10le -c:v prores_ks", "yuva444p16le"),
        ("d.mkv", "-pix_fmt yuva420p -c:v ffv1", "yuva420p"),
    ] {
        let input = twins(&folder, name, arguments);
        let output = folder.file(format!("{name}.mkv"));
        let report = upscale(&input, &output, &["--codec", "ffv1"]).succeeded().json();
        assert_eq!(probe(&output, &["-show_entries", "stream=pix_fmt"]), [format], "{name}");
        assert!(notice(&report, "alpha").unwrap().contains("bicubically"), "{name}");
        let difference = mean_difference(&output);
        assert!(difference < 1.5, "{name}: {difference}");
        assert_eq!(rave([Path::new("verify"), &input, &output]).status, 0, "{name}");
    }
}

#[test]
fn alpha_goes_through_everything_that_is_done_to_pictures() {
    let folder = Folder::new();
    let plain = twins(&folder, "plain.mov", "-pix_fmt rgba -c:v png");
    let turned =
        folder.clip("turned.mov", &format!("-i {} -c copy -metadata:s:v rotate=90", plain.display()));
    let output = folder.file("out.mkv");
    for (flags, count) in [
        (&["--fps", "50"][..], 40),
        (&["--fps", "10"], 8),
        (&["-ss", "0.2", "-t", "0.32"], 8),
        (&["--autorotate"], 20),
        (&["--deinterlace", "bwdif"], 20),
        (&["--width", "150", "--height", "70"], 20),
        (&["-ss", "0.2", "--fps", "50", "--autorotate", "--deinterlace", "bwdif", "--fit", "90x90"], 30),
    ] {
        let flags: Vec<_> = flags.iter().copied().chain(["--codec", "ffv1", "-y"]).collect();
        let input = if flags.contains(&"--autorotate") { &turned } else { &plain };
        upscale(input, &output, &flags).succeeded();
        assert_eq!(frames(&output, "pts_time").len(), count, "{flags:?}");
        // Lanczos and bicubic differ a little.
        let difference = mean_difference(&output);
        assert!(difference < 2.5, "{flags:?}: {difference}");
    }
}

#[test]
fn vp9_keeps_alpha_beside_the_picture() {
    let folder = Folder::new();
    let arguments = "-pix_fmt yuva420p -c:v libvpx-vp9 -auto-alt-ref 0 -crf 10 -b:v 0";
    let input = twins(&folder, "in.webm", arguments);
    let output = folder.file("out.webm");
    upscale(&input, &output, &["--codec", "vp9", "--preset", "p1"]).succeeded();
    assert_eq!(probe(&output, &["-show_entries", "stream_tags=alpha_mode"]), ["1"]);
    let decoder = Command::new("ffmpeg")
        .args(["-v", "error", "-c:v", "libvpx-vp9", "-i"])
        .arg(&output)
        .args(["-c:v", "ffv1", "-pix_fmt", "yuva420p"])
        .arg(folder.file("decoded.mkv"))
        .status();
    assert!(decoder.unwrap().success());
    let difference = mean_difference(&folder.file("decoded.mkv"));
    assert!(difference < 6.0, "{difference}");
}

#[test]
fn alpha_that_the_output_cannot_hold_is_said_to_be_left_out() {
    let folder = Folder::new();
    let input = twins(&folder, "in.mov", "-pix_fmt rgba -c:v png");
    for (name, reason) in [
        ("out.mkv", "h264 in mkv has no place for it; ffv1 in mkv and vp9 in webm have"),
        ("out.y4m", "bare samples have no place for it"),
    ] {
        let report = upscale(&input, &folder.file(name), &[]).succeeded().json();
        let expected = format!("the alpha channel is left out: {reason}");
        assert_eq!(notice(&report, "alpha"), Some(expected.as_str()), "{name}");
    }
}

#[test]
fn pictures_without_alpha_of_their_own_are_opaque() {
    let folder = Folder::new();
    let opaque = folder.clip("opaque.webm", "-f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -c:v libvpx-vp9");
    let told = format!("-i {} -c copy -metadata:s:v alpha_mode=1", opaque.display());
    let input = folder.clip("in.webm", &told);
    let output = folder.file("out.mkv");
    let answer = upscale(&input, &output, &["--codec", "ffv1"]);
    answer.succeeded();
    assert!(bytes(&output, "format=gbrap,extractplanes=a").iter().all(|&alpha| alpha == 255));
    assert!(answer.stderr.contains("opaque"), "{}", answer.stderr);
}
