//! What the tests share: inputs made by the `ffmpeg` program, and its view of files.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rave_core::{BoxError, HostFrame, Packet, Sink, Stage, Timestamp};
use rave_ffmpeg::{
    Container, DecodeReport, DecoderOptions, Demuxer, DemuxerOptions, EncoderOptions, Input, MuxSummary,
    Muxer, MuxerOptions, SoftwareDecoder, SoftwareEncoder, StreamPlan, VideoCodec,
};

pub type Failure = BoxError;

/// Runs `ffmpeg` with arguments separated by spaces, then further ones, and expects success.
pub fn ffmpeg(arguments: &str, more: &[&OsStr]) -> Vec<u8> {
    run("ffmpeg", &format!("-v error -nostdin -y {arguments}"), more)
}

pub fn run(program: &str, arguments: &str, more: &[&OsStr]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments} {more:?}: {words}");
    output.stdout
}

/// Makes `name` in `folder`.
pub fn make(folder: &Path, name: &str, arguments: &str) -> PathBuf {
    let path = folder.join(name);
    ffmpeg(arguments, &[path.as_os_str()]);
    path
}

/// Lines that ffprobe prints for entries of a file.
pub fn ffprobe(path: &Path, arguments: &str) -> Vec<String> {
    let output = run("ffprobe", &format!("-v error -of csv=p=0 {arguments}"), &[path.as_os_str()]);
    String::from_utf8_lossy(&output)
        .lines()
        .map(|line| line.trim_end_matches(',').to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// The folder of real media, or a printed reason why the test does nothing.
pub fn media() -> Option<PathBuf> {
    let folder = std::env::var_os("RAVE_MEDIA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: RAVE_MEDIA does not name the folder of test media");
    }
    folder
}

pub struct Decoded {
    pub frames: Vec<HostFrame>,
    pub report: DecodeReport,
}

impl Decoded {
    pub fn ticks(&self) -> Vec<i64> {
        self.frames.iter().map(|frame| frame.info().pts.ticks()).collect()
    }
}

/// Decodes a file and hands each frame to `each`.
pub fn decode_each(
    path: &Path,
    options: &DemuxerOptions,
    mut each: impl FnMut(HostFrame),
) -> Result<DecodeReport, Failure> {
    let demuxer = Demuxer::open(&Input::from(path), options)?;
    let mut decoder = SoftwareDecoder::new(demuxer.video(), &DecoderOptions::default())?;
    for packet in demuxer {
        decoder.process(packet?, &mut each)?;
    }
    decoder.finish(&mut each)?;
    Ok(decoder.report().get())
}

pub fn decode(path: &Path) -> Result<Decoded, Failure> {
    let mut frames = Vec::new();
    let report = decode_each(path, &DemuxerOptions::default(), |frame| frames.push(frame))?;
    Ok(Decoded { frames, report })
}

/// The samples of a frame in FFmpeg's plane order, rows without padding.
pub fn samples(frame: &HostFrame) -> Vec<u8> {
    let layout = frame.layout();
    let planes = layout.planes();
    let order: Vec<usize> = match layout.format() {
        rave_core::PixelFormat::Rgb { .. } => vec![1, 2, 0],
        _ => (0..planes.len()).collect(),
    };
    let mut bytes = Vec::new();
    for plane in order.into_iter().map(|index| planes[index]) {
        for row in 0..plane.rows {
            let start = plane.offset_bytes + row * plane.stride_bytes;
            bytes.extend_from_slice(&frame.buffer().as_bytes()[start..start + plane.row_bytes]);
        }
    }
    bytes
}

pub struct Written {
    pub summary: MuxSummary,
    pub plan: Vec<StreamPlan>,
    pub notes: Vec<String>,
    /// Presentation times of the frames that went in.
    pub times: Vec<Timestamp>,
}

/// Decodes `source` and writes it to `target` with everything else.
pub fn transcode(
    source: &Path,
    target: &Path,
    encoder: &EncoderOptions,
    muxer: &MuxerOptions,
) -> Result<Written, Failure> {
    Job { muxer: muxer.clone(), ..Job::default() }.transcode(source, target, encoder)
}

#[derive(Default)]
pub struct Job {
    /// Ends it after so many packets of video.
    pub frames: Option<usize>,
    pub demuxer: DemuxerOptions,
    pub muxer: MuxerOptions,
    /// Added to the times of the frames.
    pub delay_ticks: i64,
}

impl Job {
    pub fn transcode(
        &self,
        source: &Path,
        target: &Path,
        encoder: &EncoderOptions,
    ) -> Result<Written, Failure> {
        let input = Input::from(source);
        let container = Container::from_path(target)?;
        let demuxer = Demuxer::open(&input, &self.demuxer)?;
        let video = demuxer.video().clone();
        let mut info = *video.info();
        info.color = info.color.resolve(info.width, info.height).0;
        let mut decoder = SoftwareDecoder::new(&video, &DecoderOptions::default())?;
        let mut encoder = SoftwareEncoder::new(&info, encoder, &container)?;
        let mut muxer = Muxer::create(target, &container, &encoder.stream(), Some(&video), &self.muxer)?;
        let (plan, notes) = (muxer.plan().to_vec(), muxer.notes().to_vec());
        let mut times = Vec::new();
        let mut frames = Vec::new();
        let mut packets: Vec<Packet> = Vec::new();
        for packet in demuxer.take(self.frames.unwrap_or(usize::MAX)) {
            decoder.process(packet?, &mut |frame| frames.push(delayed(frame, self.delay_ticks)))?;
            encode(&mut frames, &mut encoder, &mut muxer, &mut times, &mut packets)?;
        }
        decoder.finish(&mut |frame| frames.push(delayed(frame, self.delay_ticks)))?;
        encode(&mut frames, &mut encoder, &mut muxer, &mut times, &mut packets)?;
        encoder.finish(&mut |packet| packets.push(packet))?;
        for packet in packets {
            muxer.write(packet)?;
        }
        let summary = if self.frames.is_some() { muxer.finish_at_video_end()? } else { muxer.finish()? };
        Ok(Written { summary, plan, notes, times })
    }
}

fn delayed(frame: HostFrame, ticks: i64) -> HostFrame {
    let (layout, color, mut info) = (*frame.layout(), frame.color(), frame.info());
    info.pts = info.pts.plus_ticks(ticks);
    HostFrame::new(frame.into_buffer(), layout, color, info).expect("the same layout")
}

fn encode(
    frames: &mut Vec<HostFrame>,
    encoder: &mut SoftwareEncoder,
    muxer: &mut Muxer,
    times: &mut Vec<Timestamp>,
    packets: &mut Vec<Packet>,
) -> Result<(), Failure> {
    for frame in frames.drain(..) {
        times.push(frame.info().pts);
        encoder.process(frame, &mut |packet| packets.push(packet))?;
    }
    for packet in packets.drain(..) {
        muxer.write(packet)?;
    }
    Ok(())
}

/// Options that make encoding quick.
pub fn fast(codec: VideoCodec) -> EncoderOptions {
    let preset = match codec {
        VideoCodec::H264 | VideoCodec::Hevc => Some("ultrafast".to_owned()),
        VideoCodec::Av1 => Some("12".to_owned()),
        _ => None,
    };
    // Without a B-frame the order of packets would prove nothing.
    let bframes = matches!(codec, VideoCodec::H264 | VideoCodec::Hevc).then_some(3);
    EncoderOptions { preset, bframes, ..EncoderOptions::new(codec) }
}

/// Transcodes with [`fast`] and everything else by default.
pub fn write(source: &Path, target: &Path, codec: VideoCodec) -> Written {
    transcode(source, target, &fast(codec), &MuxerOptions::default())
        .unwrap_or_else(|error| panic!("{} -> {}: {error}", source.display(), target.display()))
}

/// Presentation times of the packets of sound.
pub fn audio_times(path: &Path) -> Vec<String> {
    ffprobe(path, "-select_streams a -show_entries packet=pts_time")
}
