//! Decoded samples against FFmpeg's own, bit for bit, and inputs that are no video.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rave_core::Stage;
use rave_core::{BoxError, Chroma, Code, Matrix, PixelFormat, Range, Rational, Siting};
use rave_ffmpeg::{
    Corruption, DecoderOptions, Demuxer, DemuxerOptions, Input, RawVideo, SoftwareDecoder, probe,
};
use support::{decode, decode_each, ffmpeg, make, samples};

/// Decodes with RAVE and with `ffmpeg -pix_fmt FORMAT`, and compares every sample.
fn assert_same_samples(path: &Path, format: &str) {
    let expected = ffmpeg(
        &format!("-i file:{} -f rawvideo -pix_fmt {format} -fps_mode passthrough -", path.display()),
        &[],
    );
    let mut bytes = Vec::new();
    decode_each(path, &DemuxerOptions::default(), |frame| bytes.extend(samples(&frame))).unwrap();
    assert_eq!(bytes.len(), expected.len(), "{}", path.display());
    assert!(bytes == expected, "{} differs from ffmpeg's {format}", path.display());
}

#[test]
fn native_formats_are_copied_bit_for_bit_at_odd_sizes() {
    let folder = tempfile::tempdir().unwrap();
    for format in [
        "yuv420p",
        "yuv422p",
        "yuv444p",
        "yuv420p9le",
        "yuv420p10le",
        "yuv422p10le",
        "yuv444p10le",
        "yuv420p12le",
        "yuv444p12le",
        "yuv422p16le",
        "yuv420p16le",
        "yuv444p16le",
        "gray",
        "gray10le",
        "gray12le",
        "gray16le",
        "gbrp9le",
        "gbrp10le",
        "gbrp12le",
        "gbrp16le",
    ] {
        for size in ["33x17", "1x1"] {
            let source = format!(
                "-f lavfi -i testsrc2=s=64x48:d=0.12 -vf scale={} -c:v ffv1 -pix_fmt {format}",
                size.replace('x', ":")
            );
            let path = make(folder.path(), &format!("{format}-{size}.nut"), &source);
            let media = Demuxer::open(&Input::from(path.as_path()), &DemuxerOptions::default()).unwrap();
            assert_eq!(media.video().source_pixel_format(), format);
            assert!(media.video().notices().is_empty());
            assert_same_samples(&path, format);
        }
    }
}

#[test]
fn other_formats_are_repacked_without_a_change_of_value() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, source, target, format) in [
        ("png", "rgb24", "gbrp", "rgbp"),
        ("png", "rgba", "gbrp", "rgbp"),
        ("png", "rgb48be", "gbrp16le", "rgbp16le"),
        ("png", "ya8", "gray", "gray"),
        ("rawvideo", "bgr24", "gbrp", "rgbp"),
        ("rawvideo", "yuyv422", "yuv422p", "yuv422p"),
        ("rawvideo", "yuv420p10be", "yuv420p10le", "yuv420p10le"),
        ("rawvideo", "gray16be", "gray16le", "gray16le"),
        ("ffv1", "bgra", "gbrp", "rgbp"),
        ("ffv1", "yuva444p10le", "yuv444p10le", "yuv444p10le"),
        ("ffv1", "yuva420p", "yuv420p", "yuv420p"),
        ("rawvideo", "pal8", "gbrp", "rgbp"),
    ] {
        let make_it = format!("-f lavfi -i testsrc2=s=33x18:d=0.12 -pix_fmt {source} -c:v {codec}");
        let path = make(folder.path(), &format!("{source}.nut"), &make_it);
        assert_same_samples(&path, target);
        let demuxer = Demuxer::open(&Input::from(path.as_path()), &DemuxerOptions::default()).unwrap();
        let video = demuxer.video();
        assert_eq!(video.info().format.to_string(), format, "{source}");
        assert_eq!(
            video.alpha().is_some(),
            ["rgba", "ya8", "bgra", "yuva444p10le", "yuva420p", "pal8"].contains(&source),
            "{source}"
        );
    }
}

#[test]
fn luma_is_kept_where_chroma_is_resampled() {
    let folder = tempfile::tempdir().unwrap();
    for (source, chroma) in [("yuv411p", Chroma::C422), ("yuv410p", Chroma::C420), ("yuv440p", Chroma::C444)]
    {
        let make_it = format!("-f lavfi -i testsrc2=s=64x32:d=0.04 -pix_fmt {source} -c:v ffv1");
        let path = make(folder.path(), &format!("{source}.nut"), &make_it);
        let expected = ffmpeg(&format!("-i {} -f rawvideo -pix_fmt {source} -", path.display()), &[]);
        let decoded = decode(&path).unwrap();
        assert_eq!(decoded.frames[0].layout().format(), PixelFormat::yuv_planar(chroma, 8), "{source}");
        assert_eq!(samples(&decoded.frames[0])[..64 * 32], expected[..64 * 32], "{source}");
    }
}

#[test]
fn colour_is_as_tagged_and_nothing_is_assumed() {
    let folder = tempfile::tempdir().unwrap();
    let source = "-f lavfi -i testsrc2=s=64x48:d=0.04";
    let color = |name: &str, arguments: &str| {
        let path = make(folder.path(), name, &format!("{source} {arguments}"));
        let demuxer = Demuxer::open(&Input::from(path.as_path()), &DemuxerOptions::default()).unwrap();
        demuxer.video().info().color
    };
    let untagged = color("untagged.mp4", "-c:v libx264 -pix_fmt yuv420p");
    assert_eq!((untagged.matrix, untagged.range), (Matrix::Unspecified, Range::Unspecified));
    let tagged =
        color("tagged.mp4", "-c:v libx264 -pix_fmt yuv420p10le -colorspace bt2020nc -color_range pc");
    assert_eq!((tagged.matrix, tagged.range), (Matrix::Bt2020Ncl, Range::Full));
    let jpeg = color("jpeg.mkv", "-c:v mjpeg -pix_fmt yuvj420p");
    assert_eq!((jpeg.matrix, jpeg.range, jpeg.siting), (Matrix::Bt470bg, Range::Full, Siting::Center));
    let rgb = color("rgb.mkv", "-c:v ffv1 -pix_fmt bgra");
    assert_eq!((rgb.matrix, rgb.range), (Matrix::Identity, Range::Full));
}

#[test]
fn raw_streams_get_times_from_their_rate() {
    let folder = tempfile::tempdir().unwrap();
    let source = "-f lavfi -i testsrc2=s=64x48:r=30000/1001:d=0.5 -c:v libx264 -bf 3 -pix_fmt yuv420p";
    let path = make(folder.path(), "clip.264", source);
    let decoded = decode(&path).unwrap();
    let expected: Vec<i64> = (0..15).map(|index| index * 40040).collect();
    assert_eq!(decoded.ticks(), expected, "in 1/1200000 s, with B-frames");
    assert_eq!(decoded.report.reconstructed_timestamps, 15);
    let options = DemuxerOptions { frame_rate: Rational::new(50, 1).ok(), ..DemuxerOptions::default() };
    let mut ticks = Vec::new();
    decode_each(&path, &options, |frame| ticks.push(frame.info().pts.ticks())).unwrap();
    assert_eq!(ticks[..3], [0, 24000, 48000]);
}

#[test]
fn a_frame_rate_for_a_timed_input_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "a.mp4", "-f lavfi -i testsrc2=s=64x48:d=0.1 -c:v libx264");
    let options = DemuxerOptions { frame_rate: Rational::new(50, 1).ok(), ..DemuxerOptions::default() };
    assert_eq!(open_code(&path, &options), Some(Code::OptionInvalid));
}

#[test]
fn raw_samples_are_read_with_a_given_shape() {
    let folder = tempfile::tempdir().unwrap();
    for format in [PixelFormat::YUV420P, PixelFormat::NV12, PixelFormat::P010, PixelFormat::P016] {
        let source = format!("-f lavfi -i testsrc2=s=34x18:d=0.2 -f rawvideo -pix_fmt {format}");
        let path = make(folder.path(), &format!("{format}.yuv"), &source);
        let raw = RawVideo { width: 34, height: 18, format };
        let options =
            DemuxerOptions { raw: Some(raw), frame_rate: Rational::new(10, 1).ok(), ..Default::default() };
        let mut bytes = Vec::new();
        decode_each(&path, &options, |frame| {
            assert_eq!(frame.layout().format(), format);
            bytes.extend(samples(&frame));
        })
        .unwrap();
        assert!(bytes == fs::read(&path).unwrap(), "{format}");
    }
}

#[test]
fn a_new_size_is_scaled_to_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let part = |size: &str, name: &str| {
        let source = format!("-f lavfi -i testsrc2=s={size}:d=0.2 -c:v libx264 -pix_fmt yuv420p");
        fs::read(make(folder.path(), name, &source)).unwrap()
    };
    let path = folder.path().join("both.264");
    fs::write(&path, [part("64x48", "a.264"), part("128x96", "b.264")].concat()).unwrap();
    let decoded = decode(&path).unwrap();
    assert_eq!(decoded.frames.len(), 10);
    assert_eq!(decoded.report.resized_frames, 5);
    assert!(decoded.frames.iter().all(|frame| frame.layout().width() == 64));
}

#[test]
fn damage_is_concealed_and_counted_unless_strict() {
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "a.nut", "-f lavfi -i testsrc2=s=64x48:d=1 -c:v ffv1 -slicecrc 1 -g 1");
    let demuxer = Demuxer::open(&Input::from(path.as_path()), &DemuxerOptions::default()).unwrap();
    let video = demuxer.video().clone();
    let mut packets: Vec<_> = demuxer.map(Result::unwrap).collect();
    let middle = packets[7].data.len() / 2;
    packets[7].data[middle] ^= 0x55;
    packets[9].data.clear();
    let run = |corruption| -> Result<(usize, u64, u64), BoxError> {
        let options = DecoderOptions { corruption, ..DecoderOptions::default() };
        let mut decoder = SoftwareDecoder::new(&video, &options)?;
        let mut frames = 0;
        for packet in packets.clone() {
            decoder.process(packet, &mut |_| frames += 1)?;
        }
        decoder.finish(&mut |_| frames += 1)?;
        let report = decoder.report().get();
        Ok((frames, report.concealed_frames, report.corrupt_packets))
    };
    let (frames, concealed, corrupt) = run(Corruption::Conceal).unwrap();
    assert_eq!(frames, 24);
    assert!(concealed + corrupt >= 1, "{concealed} {corrupt}");
    assert_eq!(run(Corruption::Strict).unwrap_err().code(), Code::DecodeFailed);
}

#[test]
fn a_truncated_file_gives_the_frames_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.mkv", "a.ts", "a.264", "a.mp4", "a.flv"] {
        let path = make(
            folder.path(),
            name,
            "-f lavfi -i testsrc2=s=320x240:d=2 -c:v libx264 -g 10 -bf 0 -threads 1 -movflags +faststart",
        );
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let frames = decode(&path).map(|decoded| decoded.frames.len());
        assert!(matches!(frames, Ok(10..50)), "{name}: {frames:?}");
    }
}

fn open_code(path: &Path, options: &DemuxerOptions) -> Option<Code> {
    use rave_core::CodedError;
    Demuxer::open(&Input::from(path), options).err().map(|error| error.code())
}

#[test]
fn what_is_no_video_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let audio = make(folder.path(), "a.m4a", "-f lavfi -i sine=d=0.2");
    let picture = make(folder.path(), "p.png", "-f lavfi -i testsrc2=s=64x48:d=0.04");
    let cover = folder.path().join("cover.m4a");
    let inputs = format!(
        "-i {} -i {} -map 0 -map 1 -c copy -disposition:v attached_pic",
        audio.display(),
        picture.display()
    );
    ffmpeg(&inputs, &[cover.as_os_str()]);
    for (path, code, words) in [
        (folder.path().join("missing.mp4"), Code::InputMissing, "does not exist"),
        (folder.path().to_owned(), Code::InputUnreadable, "folder"),
        ("/dev/null".into(), Code::InputUnreadable, "device"),
        (write("empty.mp4", b""), Code::InputNotMedia, "empty"),
        (write("text.mp4", b"hello, world\n"), Code::InputNotMedia, "text"),
        (write("text.txt", "hello, world\n".repeat(300).as_bytes()), Code::InputNotMedia, "text"),
        (write("page.mp4", b"<!DOCTYPE html><html></html>"), Code::InputNotMedia, "web page"),
        (write("lfs.mp4", b"version https://git-lfs.github.com/spec/v1\noid"), Code::InputNotMedia, "LFS"),
        (audio, Code::InputNoVideo, "audio"),
        (cover, Code::InputNoVideo, "cover"),
    ] {
        use rave_core::CodedError;
        let error = Demuxer::open(&Input::from(path.as_path()), &DemuxerOptions::default()).err();
        let error = error.unwrap_or_else(|| panic!("{} is no video", path.display()));
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// Runs itself again with a file as standard input.
#[test]
fn standard_input_is_decoded_whole() {
    const IS_CHILD: &str = "RAVE_TEST_READS_STDIN";
    if std::env::var_os(IS_CHILD).is_some() {
        let demuxer = Demuxer::open(&Input::Stdin, &DemuxerOptions::default()).unwrap();
        let mut decoder = SoftwareDecoder::new(demuxer.video(), &DecoderOptions::default()).unwrap();
        demuxer.for_each(|packet| decoder.process(packet.unwrap(), &mut |_| {}).unwrap());
        decoder.finish(&mut |_| {}).unwrap();
        println!("decoded {} frames", decoder.report().get().frames);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = make(folder.path(), "a.mkv", "-f lavfi -i testsrc2=s=64x48:d=1 -c:v libx264");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["standard_input_is_decoded_whole", "--exact", "--nocapture"])
        .env(IS_CHILD, "1")
        .stdin(fs::File::open(&path).unwrap())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(words.contains("decoded 25 frames"), "{words}");
}

#[test]
fn file_names_are_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let made = make(folder.path(), "a.mp4", "-f lavfi -i testsrc2=s=64x48:d=0.1 -c:v libx264");
    for name in [&b"caf\xe9.mp4"[..], b"-a.mp4", b"100%03d.mp4", b"a:b.mp4", b"it's a clip.mp4"] {
        let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
        fs::copy(&made, &path).unwrap();
        assert_eq!(probe(&Input::from(path.as_path())).unwrap().best_video, Some(0), "{}", path.display());
    }
}
