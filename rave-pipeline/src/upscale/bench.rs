//! How fast the parts of a job are, alone and together, in one run.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use rave_core::{
    BoxError, Buffer, ChromaFilter, Frame, HostBuffer, HostFrame, HostPool, PixelFormat, Sink, Stage,
    VideoInfo,
};
use rave_cuda::{CudaBuffer, CudaConvert, CudaFrame, Pool, Upload};
use rave_ffmpeg::{Demuxer, Input, VideoCodec};
use rave_tensorrt::{Runtime, Upscaler};

use super::convert::{Conversions, Wanted};
use super::decode::Decoded;
use super::device::{Network, Placed};
use super::end::{Assembling, FrameEnd, Source};
use super::enlarge::{Enlarged, upscaler_options, working_color};
use super::line::{Line, LineIn, Whole};
use super::sinks::{CudaNullSink, NullSink};
use super::synthetic::{Synthetic, write_clip};
use super::{Choice, Existing, FrameTarget, Target, UpscaleJob, UpscaleOptions};
use crate::meter::Meter;
use crate::{Chain, Control, Error, Report, StageReport};

/// What is measured.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The job, of which the options count, not the output.
    pub upscale: UpscaleOptions,
    /// The file; `None` for a clip that is made for it.
    pub input: Option<PathBuf>,
    /// Size of the clip that is made, in pixels.
    pub size: (u32, u32),
    /// Frames of the clip that is made, and of the ways without a file.
    pub frames: u64,
    /// How often each way is measured, after a run that does not count; at least 3.
    pub rounds: usize,
}

/// A way of using a job's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// The network alone, one frame after the other.
    Model,
    /// Conversion, network and conversion of frames that are there, as a chain.
    Chain,
    /// Demuxing and decoding alone.
    Decode,
    /// The whole job, but for the encoder.
    EndToEnd,
    /// The whole job into a file.
    Encoded,
}

impl Way {
    /// All ways, in the order in which they alternate.
    pub const ALL: [Self; 5] = [Self::Model, Self::Chain, Self::Decode, Self::EndToEnd, Self::Encoded];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Chain => "chain",
            Self::Decode => "decode",
            Self::EndToEnd => "end_to_end",
            Self::Encoded => "encoded",
        }
    }
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct BenchReport {
    /// The network.
    pub model: String,
    /// Width and height of the input, in pixels.
    pub size: (u32, u32),
    /// What was chosen for the whole job.
    pub choices: Vec<Choice>,
    /// Each way, in the order of [`Way::ALL`].
    pub ways: Vec<WayReport>,
}

/// The rates of one way.
#[derive(Clone, Debug, PartialEq)]
pub struct WayReport {
    /// The way.
    pub way: Way,
    /// Frames a second of each round.
    pub rates: Vec<f64>,
    /// The slowest stage of the last round; `None` where there is one thread.
    pub bottleneck: Option<String>,
    /// Seconds from the start until the first frame was done, in the last round.
    pub first_frame_seconds: f64,
}

impl WayReport {
    /// The median of the rounds, in frames a second.
    pub fn median(&self) -> f64 {
        let mut sorted = self.rates.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
    }
}

impl BenchReport {
    /// The median rate of `way` over that of `of`.
    pub fn ratio(&self, way: Way, of: Way) -> f64 {
        let median = |wanted| self.ways.iter().find(|way| way.way == wanted).map_or(0.0, WayReport::median);
        median(way) / median(of)
    }
}

/// One run of a way.
struct Run {
    rate: f64,
    bottleneck: Option<String>,
    first_frame_seconds: f64,
}

/// Measures every way in turn, over and over, so that none has a better moment than the others.
///
/// `progress` is called before each run, with the number of the round; round 0 does not count.
///
/// # Errors
/// Those of [`UpscaleJob::open`] and [`UpscaleJob::run`].
pub fn bench(
    runtime: &Runtime,
    options: &BenchOptions,
    mut progress: impl FnMut(Way, usize),
) -> Result<BenchReport, Error> {
    options.upscale.check()?;
    let folder = Scratch::new()?;
    let clip = match &options.input {
        Some(input) => input.clone(),
        None => {
            let path = folder.file("clip.mp4");
            write_clip(&path, VideoCodec::H264, PixelFormat::YUV420P, options.size, options.frames)?;
            path
        }
    };
    let bench = Bench { runtime, options, input: Input::File(clip), output: folder.file("encoded.mkv") };
    let mut report = bench.empty_report()?;
    for round in 0..=options.rounds.max(3) {
        for way in &mut report.ways {
            progress(way.way, round);
            let run = bench.once(way.way)?;
            if round > 0 {
                way.rates.push(run.rate);
            }
            (way.bottleneck, way.first_frame_seconds) = (run.bottleneck, run.first_frame_seconds);
        }
    }
    Ok(report)
}

struct Bench<'a> {
    runtime: &'a Runtime,
    options: &'a BenchOptions,
    input: Input,
    output: PathBuf,
}

impl Bench<'_> {
    fn empty_report(&self) -> Result<BenchReport, Error> {
        let job = self.open(&Target::Frames(FrameTarget::Null))?;
        let plan = job.plan();
        let way = |way| WayReport { way, rates: Vec::new(), bottleneck: None, first_frame_seconds: 0.0 };
        Ok(BenchReport {
            model: format!("{} ({})", plan.model.name, plan.model),
            size: (plan.source.width, plan.source.height),
            choices: plan.choices.clone(),
            ways: Way::ALL.map(way).to_vec(),
        })
    }

    fn once(&self, way: Way) -> Result<Run, Error> {
        match way {
            Way::Model => self.model(),
            Way::Chain => self.chain(),
            Way::Decode => self.decode(),
            Way::EndToEnd => self.job(&Target::Frames(FrameTarget::Null)),
            Way::Encoded => self.job(&Target::File(self.output.clone())),
        }
    }

    fn open(&self, target: &Target) -> Result<UpscaleJob, Error> {
        let options = UpscaleOptions { existing: Existing::Replace, ..self.options.upscale.clone() };
        UpscaleJob::open(self.runtime, &self.input, target, &options)
    }

    fn job(&self, target: &Target) -> Result<Run, Error> {
        let start = Instant::now();
        let job = self.open(target)?;
        let opening = start.elapsed().as_secs_f64();
        let report = job.run(|_| {})?;
        Ok(Run::of(&report.stages, opening))
    }

    /// Pictures of the size and format that the file has.
    fn pictures(&self) -> Result<Synthetic, Error> {
        let demuxer = Demuxer::open(&self.input, &self.options.upscale.demuxer).map_err(Error::leaf)?;
        let info = demuxer.video().info();
        // What a decoder on a GPU gives, and what one on the CPU gives, is converted equally fast.
        Synthetic::new(info.format, (info.width, info.height)).map_err(Error::leaf)
    }

    fn decode(&self) -> Result<Run, Error> {
        let start = Instant::now();
        let control = Control::new();
        let mut job = Assembling::new(&self.options.upscale, &control);
        let demuxer = Demuxer::open(&self.input, &self.options.upscale.demuxer).map_err(Error::leaf)?;
        let placed = Placed::new(self.runtime, &self.options.upscale)?;
        let is_on_gpu = matches!(placed.network, Network::Device(..));
        let decoded = Decoded::open(demuxer, placed.gpu.as_ref(), is_on_gpu, &mut job)?;
        let chain = match decoded.line.whole()? {
            Whole::Host(line) => line.chain.sink("null", NullSink::<HostBuffer>::new()),
            Whole::Device(line, pool) => {
                line.chain.sink("null", CudaNullSink::new(&pool).map_err(Error::leaf)?)
            }
        };
        let opening = start.elapsed().as_secs_f64();
        let (_, report) = chain.run(&control, |_| {})?;
        Ok(Run::of(&report, opening))
    }

    fn chain(&self) -> Result<Run, Error> {
        let start = Instant::now();
        let control = Control::new();
        let mut job = Assembling::new(&self.options.upscale, &control);
        let demuxer = Demuxer::open(&self.input, &self.options.upscale.demuxer).map_err(Error::leaf)?;
        let (pictures, stream) = (self.pictures()?, demuxer.video().clone());
        let placed = Placed::new(self.runtime, &self.options.upscale)?;
        let source = Source { input: &self.input, stream, info: *pictures.info() };
        let line = synthetic_line(&pictures, &placed.network, self.options.frames)?;
        let line = line.queue(self.options.upscale.queues.decoded);
        let enlarged = Enlarged::new(line, pictures.info(), placed.network, &mut job)?;
        let end = FrameEnd::new(enlarged.line, &source, &FrameTarget::Null, &mut job)?;
        let opening = start.elapsed().as_secs_f64();
        let (_, report) = end.chain.run(&control, |_| {})?;
        Ok(Run::of(&report, opening))
    }

    fn model(&self) -> Result<Run, Error> {
        let start = Instant::now();
        let (upscale, pictures) = (&self.options.upscale, self.pictures()?);
        let placed = Placed::new(self.runtime, upscale)?;
        let format = placed.network.info().input_format(pictures.info().format);
        let wanted = Wanted::rounded(format, working_color(pictures.info()));
        let mut to_model = Conversions::new(pictures.info(), wanted)?;
        let (info, frame) = (*to_model.output_info(), pictures.frame(&HostPool::new(), 0));
        let frame = to_model.convert(frame).map_err(Error::leaf)?;
        let options = upscaler_options(upscale);
        match placed.network {
            Network::Host(model) => {
                let upscaler = Upscaler::<HostBuffer>::new(*model, &info, &options).map_err(Error::leaf)?;
                let sink = NullSink::<HostBuffer>::new();
                alone(upscaler, copies(frame, self.options.frames), sink, start)
            }
            Network::Device(model, gpu) => {
                let frames = device_copies(&gpu.pool, &info, &frame, self.options.frames)?;
                let upscaler = Upscaler::<CudaBuffer>::new(*model, &info, &options).map_err(Error::leaf)?;
                let sink = CudaNullSink::new(&gpu.pool).map_err(Error::leaf)?;
                alone(upscaler, frames, sink, start)
            }
        }
    }
}

/// Frames where the network wants them: each is a copy of one that is there.
pub(super) fn synthetic_line(pictures: &Synthetic, network: &Network, count: u64) -> Result<Line, Error> {
    let (info, frame) = (*pictures.info(), pictures.frame(&HostPool::new(), 0));
    Ok(match network {
        Network::Host(_) => {
            let chain = Chain::source("synthetic", copies(frame, count));
            Line::Host(LineIn { chain, info })
        }
        Network::Device(_, gpu) => {
            let chain = Chain::source("synthetic", device_copies(&gpu.pool, &info, &frame, count)?);
            Line::Device(LineIn { chain, info }, gpu.pool.clone())
        }
    })
}

/// Copies of a frame, as many as are asked for.
fn copies(frame: HostFrame, count: u64) -> impl Iterator<Item = Result<HostFrame, BoxError>> + use<> {
    (0..count).map(move |_| Ok(frame.clone()))
}

fn device_copies(
    pool: &Pool,
    info: &VideoInfo,
    frame: &HostFrame,
    count: u64,
) -> Result<impl Iterator<Item = Result<CudaFrame, BoxError>> + use<>, Error> {
    let frame = Upload::new(pool, info).and_then(|mut upload| upload.upload(frame)).map_err(Error::leaf)?;
    let copy = CudaConvert::new(pool, info, info.format, info.color, ChromaFilter::Bilinear);
    let mut copy = copy.map_err(Error::leaf)?;
    Ok((0..count).map(move |_| Ok(copy.convert(&frame)?)))
}

/// Runs the network on this thread.
fn alone<B: Buffer, K: Sink<Input = Frame<B>>>(
    mut upscaler: Upscaler<B>,
    frames: impl Iterator<Item = Result<Frame<B>, BoxError>>,
    mut sink: K,
    opened_at: Instant,
) -> Result<Run, Error> {
    let opening = opened_at.elapsed().as_secs_f64();
    let (meter, start, mut done) = (Meter::new("model"), Instant::now(), Vec::new());
    let mut take = |done: &mut Vec<Frame<B>>| {
        done.drain(..).try_for_each(|frame| {
            sink.write(frame)?;
            meter.count_out();
            Ok::<_, BoxError>(())
        })
    };
    for frame in frames {
        let frame = frame.map_err(Error::Leaf)?;
        upscaler.process(frame, &mut |frame| done.push(frame)).map_err(Error::Leaf)?;
        take(&mut done).map_err(Error::Leaf)?;
    }
    upscaler.finish(&mut |frame| done.push(frame)).map_err(Error::Leaf)?;
    take(&mut done).map_err(Error::Leaf)?;
    sink.finish().map_err(Error::Leaf)?;
    let stage = meter.read(start);
    Ok(Run::of_stage(&stage, opening, None))
}

impl Run {
    /// By the last stage.
    fn of(report: &Report, opening_seconds: f64) -> Self {
        let bottleneck = report.bottleneck().map(|stage| stage.name.clone());
        match report.stages.last() {
            Some(sink) => Self::of_stage(sink, opening_seconds, bottleneck),
            None => Self { rate: 0.0, bottleneck, first_frame_seconds: 0.0 },
        }
    }

    fn of_stage(stage: &StageReport, opening_seconds: f64, bottleneck: Option<String>) -> Self {
        let first = stage.first_item.unwrap_or_default().as_secs_f64();
        let rate = stage.rate().unwrap_or_default();
        Self { rate, bottleneck, first_frame_seconds: opening_seconds + first }
    }
}

/// A folder for the files of a run, which goes away with it.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// In the system's folder for temporary files.
    pub(super) fn new() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("rave-{}", std::process::id()));
        match fs::create_dir_all(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(Error::OutputUnwritable { path, source }),
        }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
