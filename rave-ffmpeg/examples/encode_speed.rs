//! How fast several encoders at once are, how busy they keep the processor, and at what quality, as JSON lines:
//! `encode_speed FILE LENGTH ENCODER:WORKERS..`, such as `encode_speed clip-4k.mp4 480 libx265:1 libx265:4`.
//!
//! LENGTH is a number of frames, or of seconds, such as `8s`: then the speed in the steady state is measured for as long,
//! and not the quality. The first frames of FILE are held in memory, and encoded forwards and backwards until there are
//! enough of them. Linux only.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

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
        return Err(CustomError::new("usage: encode_speed FILE LENGTH ENCODER:WORKERS..").into());
    };
    let (info, frames) = decode(Path::new(file), HELD)?;
    let source = Source { info, frames };
    for run in runs {
        let stage = source.stage(run)?;
        match length.strip_suffix('s') {
            Some(seconds) => source.watch(stage, seconds.parse().map_err(CustomError::new)?)?,
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

struct Source {
    info: VideoInfo,
    frames: Vec<HostFrame>,
}

impl Source {
    /// The encoder for `ENCODER:WORKERS`.
    fn stage(&self, run: &str) -> Result<SoftwareEncoder, BoxError> {
        let unknown = || CustomError::new(format!("{run} is no ENCODER:WORKERS"));
        let (encoder, workers) = run.split_once(':').ok_or_else(unknown)?;
        let encoder = EncoderChoice::Named(encoder.to_owned());
        let options = EncoderOptions {
            workers: Some(workers.parse().map_err(CustomError::new)?),
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

    /// Encodes for a while after queues and look-ahead are full, and gives up.
    fn watch(&self, mut stage: SoftwareEncoder, seconds: u64) -> Result<(), BoxError> {
        let (warm_up, length) = (Duration::from_secs(3), Duration::from_secs(seconds));
        let (start, mut meter, mut frames) = (Instant::now(), Meter::start()?, 0);
        for number in 0.. {
            stage.process(self.numbered(number)?, &mut |_| ())?;
            if start.elapsed() < warm_up {
                (meter, frames) = (Meter::start()?, 0);
                continue;
            }
            frames += 1;
            if meter.start.elapsed() >= length {
                break;
            }
        }
        println!("{{\"encoder\": \"{}\", {}}}", stage.description(), meter.stop(frames)?);
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
