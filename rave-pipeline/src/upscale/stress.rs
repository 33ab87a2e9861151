//! Whether a job stays as it is for as long as it runs.

use std::path::PathBuf;
use std::time::Duration;

use rave_core::{PixelFormat, VideoInfo};
use rave_ffmpeg::{Demuxer, Input};
use rave_tensorrt::Runtime;

use super::allocations::{self, Allocations};
use super::convert::Wanted;
use super::decode::Decoded;
use super::device::{Network, Placed};
use super::end::Assembling;
use super::enlarge::{Enlarged, working_color};
use super::line::Line;
use super::looping::Looping;
use super::sinks::FrameSummary;
use super::steadiness::{Growth, Pace, StressMemory, Watch};
use super::synthetic::{Synthetic, synthetic_line};
use super::{Choice, UpscaleOptions};
use crate::{Assembly, Chain, Control, Error, Report};

/// What is run, and for how long.
#[derive(Clone, Debug)]
pub struct StressOptions {
    /// The job, of which the options count.
    pub upscale: UpscaleOptions,
    /// A file that is decoded over and over; `None` for frames that are there.
    pub input: Option<PathBuf>,
    /// Size of the frames that are there, in pixels.
    pub size: (u32, u32),
    /// For how long.
    pub duration: Duration,
}

/// What a long run of the chain was like after it had warmed up.
#[derive(Clone, Debug)]
pub struct StressReport {
    /// What was chosen.
    pub choices: Vec<Choice>,
    /// How long it ran in all.
    pub elapsed: Duration,
    /// Frames that were decoded, or were there, and frames that came out.
    pub frames: (u64, u64),
    /// Frames a second.
    pub rate: f64,
    /// Whether it got slower; `None` of a run that was too short, or gave too few frames.
    pub pace: Option<Pace>,
    /// The GPU's memory, if it ran there.
    pub memory: Option<StressMemory>,
    /// What the job's threads allocated in host memory after the warm-up; `None` if the program's allocator does not
    /// [tell](crate::note_allocation).
    pub allocations: Option<Allocations>,
    /// By how much the process grew; `None` where the system does not say what it holds.
    pub growth: Option<Growth>,
    /// What was not as it has to be, a sentence each.
    pub failures: Vec<String>,
}

/// How far the memory of a GPU may drift.
const ENVELOPE_BYTES: u64 = 2 << 20;

/// How far host memory may grow: the C library's allocator keeps some of what FFmpeg's threads give back, more or less of it.
const HOST_ENVELOPE_BYTES: u64 = 16 << 20;

/// By how much the last minute may be slower than the second.
const SLOWER: f64 = 0.03;

/// Shorter windows, or fewer frames in them, tell nothing.
const LEAST_WINDOW: Duration = Duration::from_secs(5);
const LEAST_FRAMES: f64 = 100.0;

/// Frames whose times are noted without further memory.
const MOST_NOTED: usize = 1 << 22;

/// The part of the time that is for warming up.
const WARM_UP: u32 = 4;

/// Runs conversion, network and conversion, and decoding if there is a file, for as long as `options` say.
///
/// # Errors
/// Those of [`UpscaleJob::open`](super::UpscaleJob::open) and of the stages. That memory drifts is no error: it is in the
/// report.
pub fn stress(runtime: &Runtime, options: &StressOptions) -> Result<StressReport, Error> {
    options.upscale.check()?;
    let (control, duration) = (Control::new(), options.duration);
    let mut job = Assembling::new(&options.upscale, &control);
    let placed = Placed::new(runtime, &options.upscale)?;
    job.choices.extend(placed.choices.clone());
    let (line, source) = match &options.input {
        Some(path) => decoded_line(&Input::File(path.clone()), &placed, &mut job)?,
        None => {
            let pictures = Synthetic::new(PixelFormat::YUV420P, options.size).map_err(Error::leaf)?;
            (synthetic_line(&pictures, &placed.network, u64::MAX)?, *pictures.info())
        }
    };
    let pool = placed.gpu.as_ref().map(|gpu| gpu.pool.clone());
    let mut watch = Watch::new(pool, duration / WARM_UP, duration);
    job.pools.extend(placed.pools());
    let chain = to_null(line, &source, placed, &mut job)?;
    job.stock()?;
    let mut is_warm = false;
    let ran = chain.run(&control, |report| {
        if !is_warm && report.elapsed >= duration / WARM_UP {
            is_warm = true;
            allocations::count();
        }
        // The last report is of a chain that has ended and given its memory back.
        if report.elapsed >= duration {
            allocations::stop();
            control.finish();
        } else {
            watch.look(report.elapsed, report.stages.last().map_or(0, |sink| sink.items_out));
        }
    });
    allocations::stop();
    let (_, report) = ran?;
    let mut result = StressReport {
        choices: job.choices,
        elapsed: report.elapsed,
        frames: frames(&report),
        rate: report.stages.last().and_then(|sink| sink.rate()).unwrap_or_default(),
        pace: watch.pace().filter(|pace| {
            pace.window >= LEAST_WINDOW && pace.early * pace.window.as_secs_f64() >= LEAST_FRAMES
        }),
        memory: watch.memory(),
        allocations: allocations::counted().filter(|_| is_warm),
        growth: watch.growth(),
        failures: Vec::new(),
    };
    result.failures = failures(&result);
    Ok(result)
}

/// The frames of a file, over and over.
fn decoded_line(
    input: &Input,
    placed: &Placed,
    job: &mut Assembling<'_>,
) -> Result<(Line, VideoInfo), Error> {
    let demuxer = Demuxer::open(input, &job.options.demuxer).map_err(Error::leaf)?;
    let stream = demuxer.video().clone();
    let packets = Chain::source("demux", Looping::new(input, &job.options.demuxer, demuxer));
    let is_on_gpu = matches!(placed.network, Network::Device(..));
    let decoded = Decoded::of_packets(packets, &stream, placed.gpu.as_ref(), is_on_gpu, job)?;
    decoded.record.lock().timestamps.reserve(MOST_NOTED);
    Ok((decoded.line, decoded.info))
}

/// Appends conversion, network, conversion and a sink that drops the frames.
pub(super) fn to_null(
    line: Line,
    source: &VideoInfo,
    placed: Placed,
    job: &mut Assembling<'_>,
) -> Result<Assembly<FrameSummary>, Error> {
    let queues = job.options.queues;
    let line = Enlarged::new(line.queue(queues.decoded), source, placed.network, job)?.line;
    let wanted = Wanted::rounded(source.format, working_color(source));
    let line = line.convert("postprocess", wanted, &mut job.notices)?.queue(queues.upscaled);
    line.into_null()
}

/// Frames that the decoder or the source gave, and those that came out.
fn frames(report: &Report) -> (u64, u64) {
    let source = report.stage("decode").or(report.stages.first());
    let count = |stage: Option<&crate::StageReport>| stage.map_or(0, |stage| stage.items_out);
    (count(source), count(report.stages.last()))
}

fn failures(report: &StressReport) -> Vec<String> {
    let mut failures = Vec::new();
    if report.frames.0 != report.frames.1 {
        failures.push(format!("{} frames went in, {} came out", report.frames.0, report.frames.1));
    }
    failures.extend(report.pace.and_then(slower));
    failures.extend(report.memory.iter().flat_map(of_gpu));
    failures.extend(report.allocations.as_ref().and_then(of_threads));
    failures.extend(report.growth.iter().flat_map(of_process));
    failures
}

fn slower(Pace { window, early, late }: Pace) -> Option<String> {
    let seconds = window.as_secs_f64();
    (late < early * (1.0 - SLOWER)).then(|| {
        format!(
            "the last {seconds:.0} s gave {late:.1} frames a second, the second {seconds:.0} s {early:.1}"
        )
    })
}

fn of_gpu(memory: &StressMemory) -> Vec<String> {
    let mut failures = Vec::new();
    if memory.allocated > 0 {
        failures.push(format!("{} of {} buffers had to be allocated", memory.allocated, memory.taken));
    }
    for (what, drift) in [("pool", memory.pool_drift_bytes), ("GPU", memory.device_drift_bytes)] {
        if drift > ENVELOPE_BYTES {
            failures.push(format!("the memory of the {what} drifted by {drift} bytes"));
        }
    }
    failures
}

fn of_threads(Allocations { count, sites, .. }: &Allocations) -> Option<String> {
    let mut threads: Vec<&str> = sites.iter().map(|site| site.thread.as_str()).collect();
    threads.sort_unstable();
    threads.dedup();
    (*count > 0).then(|| format!("{count} allocations in host memory, in the threads {}", threads.join(", ")))
}

fn of_process(growth: &Growth) -> Vec<String> {
    let limits = [
        ("bytes of host memory", growth.resident_bytes, HOST_ENVELOPE_BYTES),
        ("open handles", growth.handles, 0),
        ("threads", growth.threads, 0),
    ];
    let over = limits.into_iter().filter(|(_, more, limit)| more > limit);
    over.map(|(what, more, _)| format!("{more} more {what} than after the warm-up")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_steady_is_said() {
        let steady = StressReport {
            choices: Vec::new(),
            elapsed: Duration::from_secs(600),
            frames: (10, 10),
            rate: 1.0,
            pace: Some(Pace { window: Duration::from_secs(60), early: 100.0, late: 97.5 }),
            memory: Some(StressMemory {
                taken: 9,
                allocated: 0,
                pool_drift_bytes: 0,
                device_drift_bytes: 1 << 21,
            }),
            allocations: Some(Allocations::default()),
            growth: Some(Growth { resident_bytes: 1 << 20, handles: 0, threads: 0 }),
            failures: Vec::new(),
        };
        assert_eq!(failures(&steady), Vec::<String>::new());
        let broken = StressReport {
            frames: (10, 9),
            pace: Some(Pace { window: Duration::from_secs(60), early: 100.0, late: 96.0 }),
            memory: Some(StressMemory {
                taken: 9,
                allocated: 1,
                pool_drift_bytes: 3 << 20,
                device_drift_bytes: 0,
            }),
            allocations: Some(Allocations { count: 1, ..Allocations::default() }),
            growth: Some(Growth { resident_bytes: 1 << 30, handles: 9, threads: 1 }),
            ..steady
        };
        let said = failures(&broken);
        assert_eq!(said.len(), 8, "{said:?}");
        assert_eq!(said[1], "the last 60 s gave 96.0 frames a second, the second 60 s 100.0");
        assert_eq!(said[6], "9 more open handles than after the warm-up");
    }
}
