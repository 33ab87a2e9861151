//! Encoders and their options, as a user asks for them.

use crate::support::{Folder, probe, rave, upscale};

const CLIP: &str = "-f lavfi -i testsrc2=s=64x48:r=25:d=6 -pix_fmt yuv420p -c:v libx264 -preset ultrafast";

#[test]
fn several_encoders_make_one_whole_file() {
    let folder = Folder::new();
    let input = folder.clip("in.mp4", CLIP);
    for (codec, name) in [("h264", "a.mp4"), ("hevc", "b.mkv")] {
        let output = folder.file(name);
        let json = upscale(&input, &output, &["--codec", codec, "--encode-workers", "2"]).succeeded().json();
        assert_eq!(
            (json["frames"].as_u64(), json["missing_frames"].as_u64()),
            (Some(150), Some(0)),
            "{codec}"
        );
        let encoder = json["encoder"].to_string();
        assert!(encoder.contains("2 workers on segments of 120 frames"), "{encoder}");
        let keys = probe(
            &output,
            &["-select_streams", "v:0", "-skip_frame", "nokey", "-show_entries", "frame=pts_time"],
        );
        assert!(
            keys.iter().any(|time| time == "2.400000"),
            "the second segment starts at frame 60: {keys:?}"
        );
    }
}

#[test]
fn what_an_encoder_does_not_have_is_a_usage_error_in_its_words() {
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mp4", CLIP), folder.file("out.mkv"));
    for (flags, words) in [
        (&["--codec", "ffv1", "--crf", "20"][..], "ffv1"),
        (&["--codec", "hevc", "--tune", "film"], "use one of psnr, ssim"),
        (&["--codec", "vp9", "--max-bitrate", "900"], "no maximum"),
        (&["--encoder", "libx265", "--bitrate", "900", "--max-bitrate", "800"], "less than the average"),
        (&["--encoder", "nvenc", "-d", "cpu"], "encoder nvenc needs a GPU"),
    ] {
        let fixed = ["-m", "resize-cubic-x2", "-i"].map(str::as_ref).into_iter();
        let files = [input.as_os_str(), "-o".as_ref(), output.as_os_str()];
        let answer = rave(fixed.chain(files).chain(flags.iter().map(AsRef::as_ref)));
        assert_eq!(answer.status, 2, "{flags:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(words), "{flags:?}: {}", answer.stderr);
    }
    assert_eq!(folder.names(), ["in.mp4"]);
}

#[test]
fn nvenc_without_a_gpu_is_an_error_of_the_device() {
    let Err(missing) = rave_cuda::Device::open(0) else { return println!("skipped: there is a GPU") };
    let folder = Folder::new();
    let (input, output) = (folder.clip("in.mp4", CLIP), folder.file("out.mkv"));
    let flags = ["-m", "resize-cubic-x2", "--encoder", "nvenc", "-i"].map(str::as_ref);
    let answer = rave(flags.into_iter().chain([input.as_os_str(), "-o".as_ref(), output.as_os_str()]));
    assert_eq!(answer.status, 5, "{}", answer.stderr);
    assert!(answer.stderr.contains(&missing.to_string()), "{}", answer.stderr);
    assert_eq!(folder.names(), ["in.mp4"]);
}
