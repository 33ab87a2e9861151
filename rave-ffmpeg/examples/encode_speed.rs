//! How fast several encoders at once are, how busy they keep the processor, and at what quality, as JSON lines:
//! `encode_speed FILE LENGTH ENCODER:WORKERS[:PRESET]..`, such as `encode_speed clip-4k.mp4 480 libx265:1 libx265:4:p1`.
//!
//! LENGTH is a number of frames, or of seconds, such as `60s`: then the speed in the steady state, after the first segment of
//! every worker, is measured within that time, and not the quality. The first frames of FILE are held in memory, and encoded forwards and backwards until there are
//! enough of them. Linux only.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use rave_core::{
    BoxError, CustomError, Frame, FrameInfo, HostFrame, Packet, Sink, Stage, Timestamp, VideoInfo,
};
use rave_ffmpeg::{
    Container, DecoderOptions, Demuxer, DemuxerOptions, EncoderChoice, EncoderOptions, Input, Muxer,
    MuxerOptions, SoftwareDecoder, SoftwareEncoder,
};

/// Frames of the source that are held.
const HELD: usize = 96;
/// So that a run of a few hundred frames has segments for every worker.
const GOP: u32 = 60;
/// Of /proc/PID/stat, see proc(5); it is 100 on every architecture that Rust and Linux share.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, length, runs @ ..] = arguments.as_slice() else {
        return Err(CustomError::new("usage: encode_speed FILE LENGTH ENCODER:WORKERS[:PRESET]..").into());
    };
    let (info, frames) = decode(Path::new(file), HELD)?;
    let source = Source { info, frames };
    for run in runs {
        let stage = source.stage(run)?;
        match length.strip_suffix('s') {
            Some(seconds) => source.watch(run, stage, seconds.parse().map_err(CustomError::new)?)?,
            None => source.measure(stage, length.parse().map_err(CustomError::new)?)?,
        }
    }
    Ok(())
}

/// What is measured between two moments.
struct Meter {
    start: Instant,
    cpu_seconds: f64,
}

impl Meter {
    fn start() -> Result<Self, BoxError> {
        Ok(Self { start: Instant::now(), cpu_seconds: cpu_seconds()? })
    }

    /// Frames per second and the part of the cores that were busy, as JSON.
    fn stop(&self, frames: usize) -> Result<String, BoxError> {
        let (seconds, cpu) = (self.start.elapsed().as_secs_f64(), cpu_seconds()? - self.cpu_seconds);
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get) as f64;
        let (fps, busy) = (frames as f64 / seconds, cpu / seconds / cores);
        Ok(format!("\"frames\": {frames}, \"fps\": {fps:.3}, \"busy\": {busy:.4}"))
    }
}

/// From the end of the first segments on.
struct Window {
    /// Packets of the first segment of each worker, or those with which one encoder warms up.
    skipped: usize,
    /// Packets at once that tell the end of a segment.
    burst: usize,
    start: Option<(Meter, usize)>,
    last: Option<String>,
}

impl Window {
    /// By what the encoder says of itself: `.., 4 workers on segments of 60 frames`.
    fn new(description: &str) -> Self {
        let number = |words: &str| words.split_whitespace().rev().find_map(|word| word.parse::<usize>().ok());
        let parts =
            description.rsplit(", ").next().and_then(|text| text.split_once(" workers on segments of "));
        let found = parts.and_then(|(workers, frames)| {
            Some((number(workers)?, number(frames.trim_end_matches(" frames"))?))
        });
        // The first segments are shorter, each by another part.
        let (skipped, burst) = found.map_or((10, 1), |(workers, frames)| (frames * (workers + 1) / 2, 8));
        Self { skipped, burst, start: None, last: None }
    }

    fn see(&mut self, before: usize, packets: usize) -> Result<(), BoxError> {
        if packets < self.skipped || packets < before + self.burst {
            return Ok(());
        }
        match &self.start {
            None => self.start = Some((Meter::start()?, packets)),
            Some((meter, first)) => self.last = Some(meter.stop(packets - first)?),
        }
        Ok(())
    }
}

struct Source {
    info: VideoInfo,
    frames: Vec<HostFrame>,
}

impl Source {
    /// The encoder for `ENCODER:WORKERS[:PRESET]`.
    fn stage(&self, run: &str) -> Result<SoftwareEncoder, BoxError> {
        let unknown = || CustomError::new(format!("{run} is no ENCODER:WORKERS[:PRESET]"));
        let mut parts = run.split(':');
        let encoder = EncoderChoice::Named(parts.next().unwrap_or_default().to_owned());
        let options = EncoderOptions {
            workers: Some(parts.next().ok_or_else(unknown)?.parse().map_err(CustomError::new)?),
            preset: parts.next().map(str::to_owned),
            gop: Some(GOP),
            ..EncoderOptions::new(encoder.codec().ok_or_else(unknown)?)
        };
        let info =
            VideoInfo { color: self.info.color.resolve(self.info.width, self.info.height).0, ..self.info };
        Ok(SoftwareEncoder::new(&info, &EncoderOptions { encoder, ..options }, &container()?)?)
    }

    /// The frame of this number: forwards, then backwards, so that motion goes on.
    fn frame(&self, number: usize) -> &HostFrame {
        let last = self.frames.len() - 1;
        let phase = number % (2 * last).max(1);
        &self.frames[if phase > last { 2 * last - phase } else { phase }]
    }

    fn numbered(&self, number: usize) -> Result<HostFrame, BoxError> {
        let frame = self.frame(number);
        let pts = Timestamp::new(number as i64, self.info.time_base);
        let info = FrameInfo { pts, duration_ticks: Some(1), ..frame.info() };
        Ok(Frame::new(frame.buffer().clone(), *frame.layout(), frame.color(), info)?)
    }

    /// Encodes for a while and gives up. What is measured lies between two moments at which a segment was complete, so that
    /// equally much was under way.
    fn watch(&self, run: &str, mut stage: SoftwareEncoder, seconds: u64) -> Result<(), BoxError> {
        let (start, mut packets, mut window) = (Instant::now(), 0, Window::new(&stage.description()));
        for number in 0.. {
            let before = packets;
            stage.process(self.numbered(number)?, &mut |_| packets += 1)?;
            window.see(before, packets)?;
            if start.elapsed().as_secs() >= seconds {
                break;
            }
        }
        let measured = window.last.unwrap_or_else(|| "\"frames\": 0".to_owned());
        println!("{{\"run\": \"{run}\", \"encoder\": \"{}\", {measured}}}", stage.description());
        Ok(())
    }

    fn measure(&self, mut stage: SoftwareEncoder, frames: usize) -> Result<(), BoxError> {
        let (meter, mut packets) = (Meter::start()?, Vec::new());
        for number in 0..frames {
            stage.process(self.numbered(number)?, &mut |packet| packets.push(packet))?;
        }
        stage.finish(&mut |packet| packets.push(packet))?;
        let speed = meter.stop(frames)?;
        let bytes: usize = packets.iter().map(|packet| packet.data.len()).sum();
        let path = self.write(&stage, packets)?;
        let psnr = self.psnr(&path)?;
        fs::remove_file(&path).map_err(CustomError::new)?;
        println!(
            "{{\"encoder\": \"{}\", {speed}, \"psnr_y\": {psnr:.3}, \"bytes\": {bytes}, \"peak_memory_mib\": {}}}",
            stage.description(),
            peak_memory_mib()?
        );
        Ok(())
    }

    fn write(&self, stage: &SoftwareEncoder, packets: Vec<Packet>) -> Result<PathBuf, BoxError> {
        let path = std::env::temp_dir().join(format!("rave-encode-speed-{}.mkv", std::process::id()));
        let mut muxer = Muxer::create(&path, &container()?, &stage.stream(), None, &MuxerOptions::default())?;
        packets.into_iter().try_for_each(|packet| muxer.write(packet))?;
        muxer.finish()?;
        Ok(path)
    }

    /// Of luma, over all frames, in decibel.
    fn psnr(&self, path: &Path) -> Result<f64, BoxError> {
        let peak = f64::from((1u32 << self.info.format.bits().unwrap_or(8)) - 1);
        let (mut squares, mut samples, mut number) = (0.0, 0.0, 0);
        decode_each(path, usize::MAX, |frame| {
            squares += square_error(&frame, self.frame(number));
            samples += f64::from(self.info.width) * f64::from(self.info.height);
            number += 1;
        })?;
        Ok(10.0 * (peak * peak * samples / squares).log10())
    }
}

fn container() -> Result<Container, BoxError> {
    Ok(Container::from_path("speed.mkv".as_ref())?)
}

fn square_error(a: &HostFrame, b: &HostFrame) -> f64 {
    let square = |a: i32, b: i32| ((a - b) * (a - b)) as u64;
    let sum: u64 = if a.layout().format().sample().bytes() == 1 {
        let rows = a.rows::<u8>(0).zip(b.rows::<u8>(0));
        rows.flat_map(|(a, b)| a.iter().zip(b)).map(|(&a, &b)| square(a.into(), b.into())).sum()
    } else {
        let rows = a.rows::<u16>(0).zip(b.rows::<u16>(0));
        rows.flat_map(|(a, b)| a.iter().zip(b)).map(|(&a, &b)| square(a.into(), b.into())).sum()
    };
    sum as f64
}

fn decode(path: &Path, limit: usize) -> Result<(VideoInfo, Vec<HostFrame>), BoxError> {
    let mut frames = Vec::new();
    let info = decode_each(path, limit, |frame| frames.push(frame))?;
    frames.truncate(limit);
    Ok((info, frames))
}

/// Frames of the first `limit` packets.
fn decode_each(path: &Path, limit: usize, mut each: impl FnMut(HostFrame)) -> Result<VideoInfo, BoxError> {
    let demuxer = Demuxer::open(&Input::from(path), &DemuxerOptions::default())?;
    let mut decoder = SoftwareDecoder::new(demuxer.video(), &DecoderOptions::default())?;
    for packet in demuxer.take(limit) {
        decoder.process(packet?, &mut each)?;
    }
    decoder.finish(&mut each)?;
    Ok(*decoder.info())
}

/// Processor time of this process, all threads.
fn cpu_seconds() -> Result<f64, BoxError> {
    let text = fs::read_to_string("/proc/self/stat").map_err(CustomError::new)?;
    // The second field, the name, may hold spaces; the 14th and 15th are user and system time.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS_PER_SECOND)
}

/// Of the process so far, with the frames that are held.
fn peak_memory_mib() -> Result<u64, BoxError> {
    let text = fs::read_to_string("/proc/self/status").map_err(CustomError::new)?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024)
}
