//! How fast NVDEC decodes a file, over and over: by one session, by several, and by one with conversion to RGB.
//!
//! `rate FILE ROUNDS` prints a JSON object for each way, with its ratio to one session of the same run. Packets are read before, so
//! that the file is not measured, and one round goes before those that are, so that decoders and memory are there.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use rave_core::{BoxError, ChromaFilter, CustomError, Packet, PixelFormat, Stage, Timestamp};
use rave_cuda::{CudaConvert, CudaFrame, Device, Pool, PoolOptions};
use rave_ffmpeg::{BitstreamFilter, Demuxer, DemuxerOptions, Input};
use rave_nvcodec::{
    Codec, CodedVideo, DecodeSessions, DecoderOptions, NvDecoder, NvdecLibrary, SessionOptions,
};

const SESSIONS: [usize; 4] = [1, 2, 4, 7];

struct Job {
    library: NvdecLibrary,
    device: Device,
    video: CodedVideo,
    packets: Vec<Packet>,
    rounds: i64,
}

fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = || CustomError::new("usage: rate FILE ROUNDS");
    let path = PathBuf::from(arguments.next().ok_or_else(usage)?);
    let rounds = arguments.next().and_then(|rounds| rounds.to_str()?.parse().ok()).ok_or_else(usage)?;
    let job = Job::new(path, rounds)?;
    let one = job.measure(job.decoder(), job.rounds, &mut |_frame| Ok(()))?;
    job.print("one session", one, one);
    job.print("one session and conversion to rgb f16", job.measure_converted()?, one);
    for sessions in SESSIONS {
        // For about the same time.
        let rounds = job.rounds * sessions as i64;
        let rate = job.measure(job.sessions(sessions), rounds, &mut |_frame| Ok(()))?;
        job.print(&format!("{sessions} sessions"), rate, one);
    }
    job.print("one session again", job.measure(job.decoder(), job.rounds, &mut |_frame| Ok(()))?, one);
    Ok(())
}

type AnyDecoder = Result<Box<dyn Stage<Input = Packet, Output = CudaFrame>>, BoxError>;

impl Job {
    fn new(path: PathBuf, rounds: i64) -> Result<Self, BoxError> {
        let demuxer = Demuxer::open(&Input::File(path), &DemuxerOptions::default())?;
        let stream = demuxer.video().clone();
        let codec =
            Codec::from_name(stream.codec_name()).ok_or_else(|| CustomError::new("no GPU decodes this"))?;
        let mut filter = BitstreamFilter::new(&stream)?;
        let video = CodedVideo { codec, extradata: filter.extradata().to_vec(), info: *stream.info() };
        let mut packets = Vec::new();
        for packet in demuxer {
            filter.process(packet?, &mut |packet| packets.push(packet))?;
        }
        Ok(Self { library: NvdecLibrary::open()?, device: Device::open(0)?, video, packets, rounds })
    }

    fn pool(&self) -> Pool {
        Pool::new(&self.device, PoolOptions::default())
    }

    fn decoder(&self) -> AnyDecoder {
        let decoder = NvDecoder::new(&self.library, &self.pool(), &self.video, &DecoderOptions::default())?;
        Ok(Box::new(decoder))
    }

    fn sessions(&self, sessions: usize) -> AnyDecoder {
        let options = SessionOptions { sessions: NonZero::new(sessions), ..SessionOptions::default() };
        Ok(Box::new(DecodeSessions::new(&self.library, &self.pool(), &self.video, &options)?))
    }

    /// The file once and so many times more, with times that go on.
    fn stream(&self, rounds: i64) -> impl Iterator<Item = Packet> + '_ {
        let period = self.packets.len() as i64 * self.packets[0].duration_ticks.unwrap_or(1);
        (0..=rounds).flat_map(move |round| {
            self.packets.iter().map(move |packet| {
                let later = |time: Timestamp| time.plus_ticks(round * period);
                Packet { pts: packet.pts.map(later), dts: packet.dts.map(later), ..packet.clone() }
            })
        })
    }

    /// Frames per second.
    fn measure(
        &self,
        decoder: AnyDecoder,
        rounds: i64,
        each: &mut dyn FnMut(CudaFrame) -> Result<(), BoxError>,
    ) -> Result<f64, BoxError> {
        let mut decoder = decoder?;
        let (mut start, mut frames, mut result) = (Instant::now(), 0_usize, Ok(()));
        let warm_up = self.packets.len();
        let mut count = |frame| {
            frames += 1;
            if frames == warm_up {
                start = Instant::now();
            }
            if result.is_ok() {
                result = each(frame);
            }
        };
        self.stream(rounds).try_for_each(|packet| decoder.process(packet, &mut count))?;
        decoder.finish(&mut count)?;
        result?;
        Ok(frames.saturating_sub(warm_up) as f64 / start.elapsed().as_secs_f64())
    }

    /// As in a pipeline, the conversion is on a thread of its own.
    fn measure_converted(&self) -> Result<f64, BoxError> {
        let pool = self.pool();
        let decoder = NvDecoder::new(&self.library, &pool, &self.video, &DecoderOptions::default())?;
        let (info, color) =
            (*decoder.info(), decoder.info().color.resolve(decoder.info().width, decoder.info().height).0);
        let info = rave_core::VideoInfo { color, ..info };
        let mut convert =
            CudaConvert::new(&pool, &info, PixelFormat::RGB_F16, color.to_rgb(), ChromaFilter::Bilinear)?;
        let (frames, to_convert) = sync_channel::<CudaFrame>(4);
        thread::scope(|scope| {
            let converter = scope.spawn(move || {
                to_convert.iter().try_for_each(|frame| convert.convert(&frame).map(drop))?;
                pool.device().context().synchronize().map_err(CustomError::new)?;
                Ok::<_, BoxError>(())
            });
            let rate = self.measure(Ok(Box::new(decoder)), self.rounds, &mut |frame| {
                Ok(frames.send(frame).map_err(CustomError::new)?)
            });
            drop(frames);
            converter.join().map_err(|_| CustomError::new("the converter panicked"))??;
            rate
        })
    }

    fn print(&self, way: &str, rate: f64, one: f64) {
        let (codec, width, height) = (self.video.codec, self.video.info.width, self.video.info.height);
        println!(
            "{{\"codec\": \"{codec}\", \"size\": \"{width}x{height}\", \"way\": \"{way}\", \"fps\": {rate:.1}, \"ratio\": {:.3}}}",
            rate / one
        );
    }
}
