//! Alpha channels against FFmpeg's own, bit for bit, and through encoders that hold them.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use std::path::{Path, PathBuf};

use rave_core::{HostFrame, Range, Sink, Stage, VideoInfo};
use rave_ffmpeg::{
    AlphaEncoder, Container, DecoderOptions, Demuxer, DemuxerOptions, EncoderOptions, Input, Muxer,
    MuxerOptions, SoftwareDecoder, VideoCodec,
};
use support::{decode, fast, ffmpeg, ffprobe, make, samples};

/// A picture whose alpha differs from its luma everywhere, and from frame to frame.
fn clip(folder: &Path, name: &str, size: &str, arguments: &str) -> PathBuf {
    let graph = format!(
        "testsrc2=s={size}:r=25:d=0.2,format=yuv444p[v];\
         color=black:s={size}:r=25:d=0.2,format=gray,geq=lum='mod(X*5+Y*3+N*40\\,256)'[a];[v][a]alphamerge"
    );
    let graph = graph.replace(' ', "");
    make(folder, name, &format!("-filter_complex {graph} {arguments}"))
}

fn open(path: &Path) -> Demuxer {
    Demuxer::open(&Input::from(path), &DemuxerOptions::default()).unwrap()
}

fn alpha_of(path: &Path) -> (VideoInfo, Vec<HostFrame>) {
    let demuxer = open(path);
    let decoder = SoftwareDecoder::of_alpha(demuxer.video(), &DecoderOptions::default()).unwrap();
    let (mut decoder, mut frames) = (decoder.expect("it has alpha"), Vec::new());
    for packet in demuxer {
        decoder.process(packet.unwrap(), &mut |frame| frames.push(frame)).unwrap();
    }
    decoder.finish(&mut |frame| frames.push(frame)).unwrap();
    (*decoder.info(), frames)
}

/// `input` is what stands before the file, `filter` what before the extraction.
fn expected(path: &Path, input: &str, filter: &str, format: &str) -> Vec<u8> {
    let arguments = format!(
        "{input} -i {} -vf {filter}alphaextract,format={format} -f rawvideo -fps_mode passthrough -",
        path.display()
    );
    ffmpeg(&arguments, &[])
}

#[test]
fn alpha_within_the_picture_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format, arguments) in [
        ("a.nut", "gray", "-pix_fmt yuva420p -c:v ffv1"),
        ("b.nut", "gray10le", "-pix_fmt yuva444p10le -c:v ffv1"),
        ("c.nut", "gray12le", "-pix_fmt gbrap12le -c:v ffv1"),
        ("d.nut", "gray", "-pix_fmt bgra -c:v ffv1"),
        ("e.mov", "gray", "-pix_fmt rgba -c:v png"),
        ("f.mov", "gray16le", "-pix_fmt rgba64be -c:v png"),
        ("g.mov", "gray", "-pix_fmt ya8 -c:v png"),
        ("h.mov", "gray", "-pix_fmt argb -c:v qtrle"),
        ("i.mov", "gray", "-pix_fmt yuva444p10le -c:v prores_ks"),
    ] {
        let path = clip(folder.path(), name, "33x17", arguments);
        let (info, frames) = alpha_of(&path);
        let format = if name == "i.mov" { info.format.to_string() } else { format.to_owned() };
        assert_eq!(info.format.to_string(), format, "{arguments}");
        assert_eq!((info.width, info.height, info.color.range), (33, 17, Range::Full), "{arguments}");
        let found: Vec<u8> = frames.iter().flat_map(samples).collect();
        // FFmpeg 5.1 takes the wrong bytes of ya8.
        let filter = if arguments.contains("ya8") { "format=rgba," } else { "" };
        assert!(found == expected(&path, "", filter, &format), "{arguments}");
        let times = |frames: &[HostFrame]| frames.iter().map(|frame| frame.info()).collect::<Vec<_>>();
        assert_eq!(times(&frames), times(&decode(&path).unwrap().frames), "{arguments}");
    }
}

#[test]
fn alpha_beside_the_picture_is_read_as_libvpx_does() {
    let folder = tempfile::tempdir().unwrap();
    for codec in ["libvpx", "libvpx-vp9"] {
        let arguments = format!("-pix_fmt yuva420p -c:v {codec} -auto-alt-ref 0 -b:v 1M");
        let path = clip(folder.path(), &format!("{codec}.webm"), "64x48", &arguments);
        let (info, frames) = alpha_of(&path);
        assert_eq!((info.format.to_string().as_str(), frames.len()), ("gray", 5), "{codec}");
        let found: Vec<u8> = frames.iter().flat_map(samples).collect();
        assert!(found == expected(&path, &format!("-c:v {codec}"), "", "gray"), "{codec}");
    }
}

#[test]
fn what_has_no_alpha_has_none() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["yuv420p", "bgr0"] {
        let path =
            clip(folder.path(), &format!("{format}.nut"), "32x16", &format!("-c:v ffv1 -pix_fmt {format}"));
        let demuxer = open(&path);
        assert_eq!(demuxer.video().alpha(), None, "{format}");
        assert!(SoftwareDecoder::of_alpha(demuxer.video(), &DecoderOptions::default()).unwrap().is_none());
    }
}

fn encode(source: &Path, output: &Path, options: &EncoderOptions) {
    let container = Container::from_path(output).unwrap();
    let pictures = decode(source).unwrap();
    let info = *open(source).video().info();
    let format = AlphaEncoder::pixel_format(&info, options, &container).unwrap().unwrap().0;
    assert_eq!(format, info.format);
    let mut encoder = AlphaEncoder::new(&info, options, &container).unwrap();
    let stream = encoder.stream();
    let mut muxer = Muxer::create(output, &container, &stream, None, &MuxerOptions::default()).unwrap();
    let mut packets = Vec::new();
    for pair in pictures.frames.into_iter().zip(alpha_of(source).1) {
        encoder.process(pair, &mut |packet| packets.push(packet)).unwrap();
    }
    encoder.finish(&mut |packet| packets.push(packet)).unwrap();
    packets.into_iter().for_each(|packet| muxer.write(packet).unwrap());
    muxer.finish().unwrap();
}

#[test]
fn lossless_encoders_give_alpha_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["yuva420p", "yuva422p10le", "yuva444p16le", "gbrap12le"] {
        let source =
            clip(folder.path(), &format!("{format}.nut"), "33x17", &format!("-c:v ffv1 -pix_fmt {format}"));
        let output = folder.path().join(format!("{format}.mkv"));
        encode(&source, &output, &fast(VideoCodec::Ffv1));
        assert_eq!(ffprobe(&output, "-show_entries stream=pix_fmt"), [format]);
        let raw = |path: &Path| ffmpeg(&format!("-i {} -f rawvideo -", path.display()), &[]);
        assert!(raw(&output) == raw(&source), "{format}");
    }
}

#[test]
fn vp9_has_alpha_beside_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(folder.path(), "in.nut", "64x48", "-c:v ffv1 -pix_fmt yuva420p");
    for name in ["out.webm", "out.mkv"] {
        let output = folder.path().join(name);
        encode(&source, &output, &fast(VideoCodec::Vp9));
        assert!(open(&output).media().streams[0].has_added_alpha(), "{name}");
        let (before, after) = (alpha_of(&source).1, alpha_of(&output).1);
        assert_eq!(before.len(), after.len(), "{name}");
        let pairs = before.iter().flat_map(samples).zip(after.iter().flat_map(samples));
        let error: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(b))).sum();
        let mean = error / (before.len() * 64 * 48) as f64;
        assert!(mean < 12.0, "{name}: the mean error is {mean}");
    }
    let mp4 = Container::from_path("a.mp4".as_ref()).unwrap();
    let info = *open(&source).video().info();
    assert_eq!(AlphaEncoder::pixel_format(&info, &fast(VideoCodec::Vp9), &mp4).unwrap(), None);
    assert_eq!(AlphaEncoder::pixel_format(&info, &fast(VideoCodec::H264), &mp4).unwrap(), None);
}
