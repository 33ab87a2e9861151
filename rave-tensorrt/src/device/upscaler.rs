use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rave_core::{DeviceTimes, HostPool, VideoInfo};
use rave_cuda::{CudaBuffer, CudaFrame, PendingStatistics, Statistics, Stream, device_layout};

use crate::device::fitted::{Fitted, Wanted, first_axes, others_bytes};
use crate::device::ladder::{Descent, Rung};
use crate::device::model::DeviceModel;
use crate::error::Error;
use crate::gathering::{Gathering, LATENCY};
#[cfg(doc)]
use crate::info::ModelInfo;
use crate::nan::OnNan;
#[cfg(doc)]
use crate::plan::Tile;
use crate::plan::{Batch, UpscalerOptions, batch, device_batch};
use crate::provider::with_sources;
use crate::report::{BatchReason, MemoryStep, ReportHandle};
use crate::single::Single;
use crate::tiling::tile_size;
use crate::upscaler::{Upscaler, Work, check_format, enlarged};

/// Frames, at least, whose values are looked at when later ones have been enqueued. The GPU has the work of this many frames
/// when the host waits for the oldest.
const LOOKED_AT_LATER: usize = 3;

impl Upscaler<CudaBuffer> {
    /// A stage for frames of `input` in GPU memory. It runs the model once on black frames, so that memory, algorithms and
    /// the first frames' buffers are there when the first frame comes.
    ///
    /// With [`Tile::Auto`], pictures are given to the network whole if the estimate fits into what the GPU and the pool's
    /// limit leave. Where it then runs out of memory, now or later, smaller batches are tried and then, with [`Tile::Auto`],
    /// smaller tiles down to 128 pixels; the frames that memory did not suffice for are tried again. The
    /// [report](Self::report) has each step.
    ///
    /// If the model's provider fails and another one follows it in the options, the model runs on that one, which the report
    /// says.
    ///
    /// # Errors
    /// [`rave_core::Error::Format`] if the frames are not in [`ModelInfo::input_format`], [`rave_core::Error::Size`] if a
    /// side of the output is too large, [`Error::Options`] if the model cannot run as `options` say;
    /// [`Error::InferenceMemory`] and [`rave_cuda::Error::VramLimit`] if memory does not suffice;
    /// [`Error::ProviderRefused`] if the provider does not take the model; [`Error::InferenceFailed`].
    pub fn new(model: DeviceModel, input: &VideoInfo, options: &UpscalerOptions) -> Result<Self, Error> {
        let info = model.info().clone();
        check_format(&info, input.format)?;
        let output_info = enlarged(input, info.scale);
        device_layout(output_info.format, output_info.width, output_info.height)?;
        let report = ReportHandle::new(model.provider(), None);
        let times = DeviceTimes::new();
        let others_bytes = others_bytes(model.pool())?;
        let (model, first) = model.with_what_works(|model| {
            let origin = model.origin();
            First::open(&Wanted { model, origin, input, options, times: &times, others_bytes }, &report)
        })?;
        let work = DeviceWork::new(model, input, *options, first, (report.clone(), times))?;
        Ok(Self { memory_bytes: work.memory_bytes()?, info, output_info, report, work: Box::new(work) })
    }
}

/// The lane that a stage begins with.
struct First {
    fitted: Fitted,
    /// What others had of the GPU before.
    others_bytes: usize,
}

impl First {
    fn open(wanted: &Wanted<'_>, report: &ReportHandle) -> Result<Self, Error> {
        let &Wanted { model, input, options, .. } = wanted;
        let axes = first_axes(model, input, options)?;
        let (batch, reason) = batch(model.info(), options.batch, || device_batch(model.info(), &axes))?;
        report.update(|report| {
            (report.batch, report.batch_reason) = (batch, reason);
            report.memory_steps.clear();
        });
        let tell = |rung: &Rung, error: &Error| add_step(report, 0, rung, error);
        let mut first = wanted.first_that_fits(Rung { batch, axes: axes.clone() }, tell)?;
        let is_chosen = options.batch == Batch::Auto && first.rung.batch > 1;
        if is_chosen && !first.is_alike_everywhere(model.pool(), input)? {
            report.update(|report| report.batch_reason = BatchReason::Places);
            drop(first);
            first = wanted.first_that_fits(Rung { batch: 1, axes }, tell)?;
        }
        Ok(Self { fitted: first, others_bytes: wanted.others_bytes })
    }
}

struct DeviceWork {
    model: DeviceModel,
    input: VideoInfo,
    options: UpscalerOptions,
    /// `None` after less at once did not help either: then the stage is at its end.
    lane: Option<Fitted>,
    single: Single<Fitted>,
    statistics: Statistics,
    /// Where values are looked at, so that the next frame need not wait.
    side: Stream,
    gathering: Gathering<CudaFrame>,
    /// What frames were gathered in before, empty.
    gathered: Vec<CudaFrame>,
    /// What the frames of a batch became.
    outputs: Vec<CudaFrame>,
    waiting: VecDeque<Waiting>,
    next_number: u64,
    report: ReportHandle,
    times: DeviceTimes,
    /// What others had of the GPU before the first session.
    others_bytes: usize,
}

/// A frame whose work is enqueued.
struct Waiting {
    number: u64,
    input: CudaFrame,
    output: CudaFrame,
    statistics: PendingStatistics,
}

impl DeviceWork {
    fn new(
        model: DeviceModel,
        input: &VideoInfo,
        options: UpscalerOptions,
        First { fitted, others_bytes }: First,
        (report, times): (ReportHandle, DeviceTimes),
    ) -> Result<Self, Error> {
        let pool = model.pool();
        let (statistics, side) = (Statistics::new(pool)?, pool.device().new_stream()?);
        let batch = fitted.rung.batch;
        report.update(|report| {
            (report.provider, report.refused) = (model.provider(), model.refusals().to_vec());
        });
        fitted.lane.expect_memory();
        let work = Self {
            input: *input,
            options,
            lane: Some(fitted),
            single: Single::NotNeededYet,
            statistics,
            side,
            gathering: Gathering::new(batch),
            gathered: Vec::with_capacity(batch),
            outputs: Vec::with_capacity(batch),
            waiting: VecDeque::with_capacity(LOOKED_AT_LATER.max(batch) + batch),
            next_number: 0,
            report,
            times,
            others_bytes,
            model,
        };
        work.tell();
        Ok(work)
    }

    /// Writes into the report what the lane is.
    fn tell(&self) {
        let Some(Fitted { lane, rung, reserved }) = &self.lane else { return };
        self.report.update(|report| {
            (report.batch, report.tile) = (rung.batch, tile_size(&rung.axes));
            (report.runtime_bytes, report.is_recorded) = (reserved.len_bytes() as u64, lane.is_recorded());
        });
    }

    fn batch(&self) -> usize {
        self.lane.as_ref().map_or(1, |fitted| fitted.rung.batch)
    }

    /// Frames whose values are looked at later: those of one batch while the GPU works on the next.
    fn looked_at_later(&self) -> usize {
        LOOKED_AT_LATER.max(self.batch())
    }

    /// What the session took, and the frames that are held.
    fn memory_bytes(&self) -> Result<u64, Error> {
        let frame = |scale: u32| {
            let (width, height) = (self.input.width * scale, self.input.height * scale);
            Ok::<_, Error>(device_layout(self.input.format, width, height)?.size_bytes() as u64)
        };
        let one = frame(1)? + frame(self.model.info().scale)?;
        Ok(self.report.get().runtime_bytes + one * self.frames_at_once() as u64)
    }

    /// Enqueues the frames that were gathered.
    fn go(&mut self) -> Result<(), Error> {
        let mut frames = self.gathering.take(std::mem::take(&mut self.gathered));
        let descent = Descent { state: self, batch: Self::batch, give_way: Self::give_way };
        descent.through(&frames, Self::enqueue)?;
        for (input, output) in frames.drain(..).zip(self.outputs.drain(..)) {
            let statistics = self.statistics.start(&self.side, &output)?;
            self.waiting.push_back(Waiting { number: self.next_number, input, output, statistics });
            self.next_number += 1;
        }
        self.gathered = frames;
        Ok(())
    }

    fn enqueue(&mut self, frames: &[CudaFrame]) -> Result<(), Error> {
        let Some(fitted) = &mut self.lane else {
            return Err(Error::Options("the upscaler has failed".into()));
        };
        fitted.lane.upscale(frames, &mut self.outputs)
    }

    /// Takes less at once from now on.
    fn give_way(&mut self, error: Error) -> Result<(), Error> {
        let &mut Self { ref model, ref input, ref options, ref report, ref times, others_bytes, .. } = self;
        let rung = self.lane.as_ref().map(|fitted| &fitted.rung);
        let Some(below) = rung.and_then(|rung| rung.below(model.info(), input, options)) else {
            return Err(error);
        };
        // Its memory is needed.
        self.lane = None;
        let frame = self.next_number + self.outputs.len() as u64;
        let tell = |rung: &Rung, error: &Error| add_step(report, frame, rung, error);
        tell(&below, &error);
        let wanted = Wanted { model, origin: model.origin(), input, options, times, others_bytes };
        self.lane = Some(wanted.first_that_fits(below, tell)?);
        self.gathering.resize(self.batch());
        self.tell();
        Ok(())
    }

    /// Looks at the values of the frame that waits for the longest time, and emits it.
    fn settle(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), Error> {
        let Some(waiting) = self.waiting.pop_front() else { return Ok(()) };
        let Waiting { number, input, output, statistics } = waiting;
        if is_finite(statistics)? {
            emit(output);
            return Ok(());
        }
        self.report.add_not_finite(number);
        match self.model.options().on_nan {
            OnNan::Error => Err(Error::NotFinite { model: self.model.info().name.clone(), frame: number }),
            OnNan::Keep => {
                emit(output);
                Ok(())
            }
            OnNan::Fp32 => {
                emit(self.run_again(&input, output)?);
                Ok(())
            }
        }
    }

    /// The frame in single precision, or as it is if that is no help.
    fn run_again(&mut self, frame: &CudaFrame, output: CudaFrame) -> Result<CudaFrame, Error> {
        let Self { model, input, options, lane, single, report, times, .. } = self;
        let load = || {
            let Some(lane) = lane.as_ref().filter(|_| !model.origin().is_in_single_precision()) else {
                return Ok(None);
            };
            let origin = model.origin().in_single_precision()?;
            let others_bytes = others_bytes(model.pool())?;
            let wanted = Wanted { model, origin: &origin, input, options, times, others_bytes };
            let rung = Rung { batch: 1, axes: lane.rung.axes.clone() };
            wanted.first_that_fits(rung, |_, _| {}).map(Some)
        };
        let mut again = Vec::new();
        if let Some(single) = single.get(load)? {
            single.lane.upscale(&[frame], &mut again)?;
            report.update(|report| report.run_again += 1);
        }
        let output = again.pop().unwrap_or(output);
        if !is_finite(self.statistics.start(&self.side, &output)?)? {
            self.report.update(|report| report.still_not_finite += 1);
        }
        Ok(output)
    }
}

impl Work<CudaBuffer> for DeviceWork {
    fn process(&mut self, input: CudaFrame, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), Error> {
        if let Some(fitted) = &self.lane {
            fitted.lane.check(input.layout())?;
        }
        if self.gathering.push(input, Instant::now()) {
            self.go()?;
        }
        while self.waiting.len() > self.looked_at_later() {
            self.settle(emit)?;
        }
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), Error> {
        self.flush(emit)
    }

    fn patience(&self) -> Option<Duration> {
        let waiting = (!self.waiting.is_empty()).then_some(LATENCY);
        self.gathering.patience(Instant::now()).or(waiting)
    }

    fn flush(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), Error> {
        self.go()?;
        while !self.waiting.is_empty() {
            self.settle(emit)?;
        }
        Ok(())
    }

    fn frames_at_once(&self) -> usize {
        self.looked_at_later() + self.batch()
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        Some(self.times.clone())
    }

    fn memory(&self) -> Option<(HostPool, usize)> {
        None
    }
}

/// Notes that memory did not suffice for more than `rung`.
fn add_step(report: &ReportHandle, frame: u64, rung: &Rung, error: &Error) {
    // ONNX Runtime ends its words with a line break.
    let reason = with_sources(error).trim_end().to_owned();
    let (batch, tile) = (rung.batch, tile_size(&rung.axes));
    tracing::warn!(batch, ?tile, reason, "out of GPU memory, going on with less at once");
    report.update(|report| {
        if batch < report.batch {
            report.batch_reason = BatchReason::Memory;
        }
        report.memory_steps.push(MemoryStep { frame, batch, tile, reason });
    });
}

fn is_finite(statistics: PendingStatistics) -> Result<bool, Error> {
    Ok(statistics.wait_for_finite()?)
}
