//! Whether a job stays as it is for as long as it runs.

use std::time::Duration;

use rave_core::PixelFormat;
use rave_cuda::{Pool, PoolHealth};
use rave_tensorrt::Runtime;

use super::bench::synthetic_line;
use super::convert::Wanted;
use super::device::Placed;
use super::end::Assembling;
use super::enlarge::{Enlarged, working_color};
use super::line::Whole;
use super::sinks::{CudaNullSink, NullSink};
use super::synthetic::Synthetic;
use super::{Choice, UpscaleOptions};
use crate::{Control, Error};

/// What a long run of the chain was like after it had warmed up.
#[derive(Clone, Debug)]
pub struct StressReport {
    /// What was chosen.
    pub choices: Vec<Choice>,
    /// How long it ran in all.
    pub elapsed: Duration,
    /// Frames that went in and out.
    pub frames: (u64, u64),
    /// Frames a second.
    pub rate: f64,
    /// The GPU's memory, if it ran there.
    pub memory: Option<StressMemory>,
    /// What was not as it has to be, a sentence each.
    pub failures: Vec<String>,
}

/// GPU memory in the measured phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StressMemory {
    /// Buffers that were taken from the pool.
    pub taken: u64,
    /// Those among them that the driver had to allocate.
    pub allocated: u64,
    /// Bytes that the pool gave back to the driver or took from it, at most, against the beginning of the phase.
    pub pool_drift_bytes: u64,
    /// By how much the GPU's free memory differed at most, in bytes. Other programs on the GPU are in it.
    pub device_drift_bytes: u64,
}

/// How far the memory of a GPU may drift.
const ENVELOPE_BYTES: u64 = 2 << 20;

/// The part of the time that is for warming up.
const WARM_UP: u32 = 4;

/// Runs conversion, network and conversion for `duration` on frames of `size` that are there.
///
/// # Errors
/// Those of [`UpscaleJob::open`](super::UpscaleJob::open) and of the stages. That memory drifts is no error: it is in the
/// report.
pub fn stress(
    runtime: &Runtime,
    options: &UpscaleOptions,
    size: (u32, u32),
    duration: Duration,
) -> Result<StressReport, Error> {
    options.check()?;
    let control = Control::new();
    let mut job = Assembling::new(options, &control);
    let pictures = Synthetic::new(PixelFormat::YUV420P, size).map_err(Error::leaf)?;
    let placed = Placed::new(runtime, options)?;
    job.choices.extend(placed.choices);
    let line = synthetic_line(&pictures, &placed.network, u64::MAX)?.queue(options.queues.decoded);
    let line = Enlarged::new(line, pictures.info(), placed.network, &mut job)?.line;
    let wanted = Wanted::rounded(pictures.info().format, working_color(pictures.info()));
    let line = line.convert("postprocess", wanted, &mut job.notices)?.queue(options.queues.upscaled);
    let mut watch = Watch { pool: line.pool().cloned(), warm_up: duration / WARM_UP, phase: None };
    let chain = match line.whole()? {
        Whole::Host(line) => line.chain.sink("null", NullSink::new()),
        Whole::Device(line, pool) => line.chain.sink("null", CudaNullSink::new(&pool).map_err(Error::leaf)?),
    };
    let (_, report) = chain.run(&control, |report| {
        // The last report is of a chain that has ended and given its memory back.
        if report.elapsed >= duration {
            control.finish();
        } else {
            watch.look(report.elapsed);
        }
    })?;
    let [into, out] =
        [report.stages.first(), report.stages.last()].map(|stage| stage.map_or(0, |stage| stage.items_out));
    let mut result = StressReport {
        choices: job.choices,
        elapsed: report.elapsed,
        frames: (into, out),
        rate: report.stages.last().and_then(|sink| sink.rate()).unwrap_or_default(),
        memory: watch.memory(),
        failures: Vec::new(),
    };
    result.failures = failures(&result);
    Ok(result)
}

fn failures(report: &StressReport) -> Vec<String> {
    let mut failures = Vec::new();
    if report.frames.0 != report.frames.1 {
        failures.push(format!("{} frames went in, {} came out", report.frames.0, report.frames.1));
    }
    let Some(memory) = report.memory else { return failures };
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

/// Looks at the memory while the chain runs.
struct Watch {
    pool: Option<Pool>,
    warm_up: Duration,
    phase: Option<Phase>,
}

/// What was seen since the warm-up.
struct Phase {
    first: PoolHealth,
    first_free_bytes: usize,
    pool_drift_bytes: u64,
    device_drift_bytes: u64,
}

impl Watch {
    fn look(&mut self, elapsed: Duration) {
        let Some(pool) = self.pool.as_ref().filter(|_| elapsed >= self.warm_up) else { return };
        let Ok(device) = pool.device().info() else { return };
        let (health, free_bytes) = (pool.health(), device.free_bytes);
        let phase = self.phase.get_or_insert(Phase {
            first: health,
            first_free_bytes: free_bytes,
            pool_drift_bytes: 0,
            device_drift_bytes: 0,
        });
        let drift = |first: usize, now: usize| first.abs_diff(now) as u64;
        let pool_drift = drift(phase.first.allocated_bytes, health.allocated_bytes);
        phase.pool_drift_bytes = phase.pool_drift_bytes.max(pool_drift);
        phase.device_drift_bytes = phase.device_drift_bytes.max(drift(phase.first_free_bytes, free_bytes));
    }

    fn memory(&self) -> Option<StressMemory> {
        let (pool, phase) = (self.pool.as_ref()?, self.phase.as_ref()?);
        let (first, last) = (phase.first, pool.health());
        let allocated = last.misses - first.misses;
        Some(StressMemory {
            taken: last.hits - first.hits + allocated,
            allocated,
            pool_drift_bytes: phase.pool_drift_bytes,
            device_drift_bytes: phase.device_drift_bytes,
        })
    }
}
