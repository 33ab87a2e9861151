//! How fast the parts of a job are, alone and together, in one run.

use std::path::PathBuf;
use std::time::Instant;

use rave_core::PixelFormat;
use rave_ffmpeg::{Demuxer, Input, VideoCodec};
use rave_tensorrt::Runtime;

use super::alone::{Run, model_alone};
use super::decode::Decoded;
use super::device::{Network, Placed};
use super::end::{Assembling, FrameEnd, Source};
use super::enlarge::Enlarged;
use super::synthetic::{Synthetic, synthetic_line, write_clip};
use super::{Choice, Existing, FrameTarget, Target, UpscaleJob, UpscaleOptions};
use crate::{Control, Error};

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
    /// What is measured.
    pub ways: Vec<Way>,
    /// A folder for the clip that is made and for output, which the caller removes.
    pub folder: PathBuf,
    /// How often each way is measured, after a short run that does not count; at least 3.
    pub rounds: usize,
}

/// A way of using a job's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// The network alone, over and over on the same picture in the same memory; on the CPU as a stage, one frame after the
    /// other.
    Model,
    /// Conversion, network and conversion of frames that are there, as a chain.
    Chain,
    /// Demuxing and decoding alone.
    Decode,
    /// The whole job, but for the encoder.
    EndToEnd,
    /// The same, and a digest of every frame.
    Hashed,
    /// The whole job into a file.
    Encoded,
}

impl Way {
    /// All ways, in the order in which they alternate.
    pub const ALL: [Self; 6] =
        [Self::Model, Self::Chain, Self::Decode, Self::EndToEnd, Self::Hashed, Self::Encoded];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Chain => "chain",
            Self::Decode => "decode",
            Self::EndToEnd => "end_to_end",
            Self::Hashed => "hashed",
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
    /// Each way, in the order in which they were asked for.
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
        median(self.rates.clone())
    }
}

/// The middle one, or the upper one of two in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

impl BenchReport {
    /// The rate of `way` over that of `of` in each round; nothing if one of them was not measured.
    pub fn ratios(&self, way: Way, of: Way) -> Vec<f64> {
        let rates = |wanted| self.ways.iter().find(|way| way.way == wanted).map(|way| way.rates.iter());
        let (Some(rates), Some(others)) = (rates(way), rates(of)) else { return Vec::new() };
        rates.zip(others).map(|(rate, other)| rate / other).collect()
    }

    /// The median of [`ratios`](Self::ratios); `None` if one of the two was not measured.
    pub fn ratio(&self, way: Way, of: Way) -> Option<f64> {
        let ratios = self.ratios(way, of);
        (!ratios.is_empty()).then(|| median(ratios))
    }
}

/// Measures every way in turn, over and over, there and back, so that none has a better moment than the others.
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
    let clip = match &options.input {
        Some(input) => input.clone(),
        None => {
            let path = options.folder.join("clip.mp4");
            write_clip(&path, VideoCodec::H264, PixelFormat::YUV420P, options.size, options.frames)?;
            path
        }
    };
    let bench =
        Bench { runtime, options, input: Input::File(clip), output: options.folder.join("encoded.mkv") };
    let mut report = bench.empty_report()?;
    for round in 0..=options.rounds.max(3) {
        let mut order: Vec<_> = report.ways.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for way in order {
            progress(way.way, round);
            let length = if round == 0 { Length::Short } else { Length::Whole };
            let run = bench.once(way.way, length)?;
            if round > 0 {
                way.rates.push(run.rate);
            }
            (way.bottleneck, way.first_frame_seconds) = (run.bottleneck, run.first_frame_seconds);
        }
    }
    Ok(report)
}

/// How much of the clip is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    /// Enough to warm up.
    Short,
    Whole,
}

/// Frames of a short run.
const SHORT: u64 = 48;

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
            ways: self.options.ways.iter().copied().map(way).collect(),
        })
    }

    fn once(&self, way: Way, length: Length) -> Result<Run, Error> {
        let frames =
            if length == Length::Short { SHORT.min(self.options.frames) } else { self.options.frames };
        match way {
            Way::Model => self.model(frames),
            Way::Chain => self.chain(frames),
            Way::Decode => self.decode(length),
            Way::EndToEnd => self.job(&Target::Frames(FrameTarget::Null), length),
            Way::Hashed => self.job(&Target::Frames(FrameTarget::Digest), length),
            Way::Encoded => self.job(&Target::File(self.output.clone()), length),
        }
    }

    fn open(&self, target: &Target) -> Result<UpscaleJob, Error> {
        let options = UpscaleOptions { existing: Existing::Replace, ..self.options.upscale.clone() };
        UpscaleJob::open(self.runtime, &self.input, target, &options)
    }

    fn job(&self, target: &Target, length: Length) -> Result<Run, Error> {
        let start = Instant::now();
        let job = self.open(target)?;
        let opening = start.elapsed().as_secs_f64();
        let control = job.control();
        let report = job.run(|progress| {
            if length == Length::Short && progress.frames >= SHORT {
                control.finish();
            }
        })?;
        Ok(Run::of(&report.stages, opening))
    }

    /// Pictures of the size and format that the file has.
    fn pictures(&self) -> Result<Synthetic, Error> {
        let demuxer = Demuxer::open(&self.input, &self.options.upscale.demuxer).map_err(Error::leaf)?;
        let info = demuxer.video().info();
        // What a decoder on a GPU gives, and what one on the CPU gives, is converted equally fast.
        Synthetic::new(info.format, (info.width, info.height)).map_err(Error::leaf)
    }

    fn decode(&self, length: Length) -> Result<Run, Error> {
        let start = Instant::now();
        let control = Control::new();
        let mut job = Assembling::new(&self.options.upscale, &control);
        let demuxer = Demuxer::open(&self.input, &self.options.upscale.demuxer).map_err(Error::leaf)?;
        let placed = Placed::new(self.runtime, &self.options.upscale)?;
        let is_on_gpu = matches!(placed.network, Network::Device(..));
        let decoded = Decoded::open(demuxer, placed.gpu.as_ref(), is_on_gpu, &mut job)?;
        let chain = decoded.line.into_null()?;
        let opening = start.elapsed().as_secs_f64();
        let (_, report) = chain.run(&control, |report| {
            let frames = report.stages.last().map_or(0, |sink| sink.items_out);
            if length == Length::Short && frames >= SHORT {
                control.finish();
            }
        })?;
        Ok(Run::of(&report, opening))
    }

    fn chain(&self, frames: u64) -> Result<Run, Error> {
        let start = Instant::now();
        let control = Control::new();
        let mut job = Assembling::new(&self.options.upscale, &control);
        let demuxer = Demuxer::open(&self.input, &self.options.upscale.demuxer).map_err(Error::leaf)?;
        let (pictures, stream) = (self.pictures()?, demuxer.video().clone());
        let placed = Placed::new(self.runtime, &self.options.upscale)?;
        let source = Source { input: &self.input, stream, info: *pictures.info() };
        let line = synthetic_line(&pictures, &placed.network, frames)?;
        let line = line.queue(self.options.upscale.queues.decoded);
        let enlarged = Enlarged::new(line, pictures.info(), placed.network, &mut job)?;
        let end = FrameEnd::new(enlarged.line, &source, &FrameTarget::Null, &mut job)?;
        let opening = start.elapsed().as_secs_f64();
        let (_, report) = end.chain.run(&control, |_| {})?;
        Ok(Run::of(&report, opening))
    }

    fn model(&self, frames: u64) -> Result<Run, Error> {
        model_alone(self.runtime, &self.options.upscale, &self.pictures()?, frames)
    }
}
