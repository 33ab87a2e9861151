//! What part of a coded picture is shown.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use support::{decode, ffmpeg, make, run, samples};

#[test]
fn the_cropping_of_a_parameter_set_is_honoured() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, filter) in [("libx264", "h264_metadata"), ("libx265", "hevc_metadata")] {
        let arguments = format!("-f lavfi -i testsrc2=s=96x80:r=25:d=0.2 -pix_fmt yuv420p -c:v {codec}");
        let whole = make(folder.path(), "whole.mkv", &arguments);
        let cropped = folder.path().join("cropped.mkv");
        let crop = format!("-bsf:v {filter}=crop_left=4:crop_right=6:crop_top=2:crop_bottom=8");
        ffmpeg(&format!("-i {} -c copy {crop}", whole.display()), &[cropped.as_os_str()]);
        let decoded = decode(&cropped).unwrap();
        let layout = decoded.frames[0].layout();
        assert_eq!((layout.width(), layout.height()), (86, 70), "{codec}");
        let raw = run(
            "ffmpeg",
            &format!("-v error -nostdin -i {} -vf crop=86:70:4:2 -f rawvideo -", whole.display()),
            &[],
        );
        let found: Vec<u8> = decoded.frames.iter().flat_map(samples).collect();
        assert!(found == raw, "{codec}: the samples are those of the whole picture, cut");
    }
}
