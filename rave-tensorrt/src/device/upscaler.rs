use std::collections::VecDeque;

use rave_core::{CodedError, VideoInfo};
use rave_cuda::{CudaBuffer, CudaFrame, PendingStatistics, Statistics, Stream, device_layout};

use crate::device::fitted::{Fitted, first_axes, first_that_fits, smaller};
use crate::device::lane::DeviceLane;
use crate::device::model::{DeviceModel, OnNan};
use crate::error::Error;
#[cfg(doc)]
use crate::info::ModelInfo;
use crate::plan::{Tile, UpscalerOptions};
use crate::report::ReportHandle;
use crate::tiling::{Axis, tile_size};
use crate::upscaler::{Upscaler, Work, check_format, enlarged};

/// Frames whose values are looked at when later ones have been enqueued. The GPU has the work of this many frames when the
/// host waits for the oldest.
const LOOKED_AT_LATER: usize = 3;

impl Upscaler<CudaBuffer> {
    /// A stage for frames of `input` in GPU memory. It runs the model once on a black frame, so that memory, algorithms and
    /// the first frames' buffers are there when the first frame comes.
    ///
    /// With [`Tile::Auto`], pictures are given to the network whole if the estimate fits into what the GPU and the pool's
    /// limit leave; where it then runs out of memory, now or later, smaller tiles are tried down to 128 pixels.
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
        let work = DeviceWork::new(model, input, *options, report.clone())?;
        Ok(Self { memory_bytes: work.memory_bytes()?, info, output_info, report, work: Box::new(work) })
    }
}

struct DeviceWork {
    model: DeviceModel,
    input: VideoInfo,
    options: UpscalerOptions,
    /// `None` after smaller tiles did not help either: then the stage is at its end.
    lane: Option<Fitted>,
    single: Single,
    statistics: Statistics,
    /// Where values are looked at, so that the next frame need not wait.
    side: Stream,
    waiting: VecDeque<Waiting>,
    next_number: u64,
    report: ReportHandle,
}

/// The model in single precision, for frames that are not finite in half.
enum Single {
    NotNeededYet,
    Loaded(Box<Fitted>),
    /// The model is in single precision already.
    Same,
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
        report: ReportHandle,
    ) -> Result<Self, Error> {
        let pool = model.pool();
        let (statistics, side) = (Statistics::new(pool)?, pool.device().new_stream()?);
        let axes = first_axes(&model, input, &options)?;
        let lane = Some(first_that_fits(&model, model.origin(), input, &options, axes)?);
        let single =
            if model.origin().is_in_single_precision() { Single::Same } else { Single::NotNeededYet };
        let waiting = VecDeque::with_capacity(LOOKED_AT_LATER + 1);
        let input = *input;
        let work =
            Self { model, input, options, lane, single, statistics, side, waiting, next_number: 0, report };
        work.tell();
        Ok(work)
    }

    /// Writes into the report what the lane is.
    fn tell(&self) {
        let Some(lane) = &self.lane else { return };
        let (tile, runtime_bytes) = (tile_size(&lane.axes), lane.reserved.len_bytes() as u64);
        let is_recorded = lane.lane.is_recorded();
        self.report.update(|report| {
            (report.tile, report.runtime_bytes, report.is_recorded) = (tile, runtime_bytes, is_recorded);
        });
    }

    /// What the session took, and the frames that are held.
    fn memory_bytes(&self) -> Result<u64, Error> {
        let frame = |scale: u32| {
            let (width, height) = (self.input.width * scale, self.input.height * scale);
            Ok::<_, Error>(device_layout(self.input.format, width, height)?.size_bytes() as u64)
        };
        let frames = (frame(1)? + frame(self.model.info().scale)?) * (LOOKED_AT_LATER as u64 + 1);
        Ok(self.report.get().runtime_bytes + frames)
    }

    /// Enqueues a frame; where memory does not suffice, in smaller tiles from now on.
    fn upscale(&mut self, frame: &CudaFrame) -> Result<CudaFrame, Error> {
        loop {
            let Some(fitted) = &mut self.lane else {
                return Err(Error::Options("the upscaler has failed".into()));
            };
            match fitted.lane.upscale(frame) {
                Err(error) if error.is_recoverable() && self.options.tile == Tile::Auto => {
                    let axes =
                        smaller(self.model.info(), &self.input, &self.options, &fitted.axes).ok_or(error)?;
                    self.shrink(axes)?;
                }
                other => return other,
            }
        }
    }

    fn shrink(&mut self, axes: [Axis; 2]) -> Result<(), Error> {
        // Its memory is needed.
        self.lane = None;
        let lane = first_that_fits(&self.model, self.model.origin(), &self.input, &self.options, axes)?;
        tracing::warn!(tile = ?tile_size(&lane.axes), "out of GPU memory, going on in smaller tiles");
        self.lane = Some(lane);
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
        let is_first = self.report.add_not_finite(number);
        if is_first {
            tracing::warn!(frame = number, "the model gave values that are not finite numbers");
        }
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
    fn run_again(&mut self, input: &CudaFrame, output: CudaFrame) -> Result<CudaFrame, Error> {
        let output = match self.single()? {
            Some(lane) => {
                let again = lane.upscale(input)?;
                self.report.update(|report| report.run_again += 1);
                again
            }
            None => output,
        };
        if !is_finite(self.statistics.start(&self.side, &output)?)? {
            self.report.update(|report| report.still_not_finite += 1);
        }
        Ok(output)
    }

    fn single(&mut self) -> Result<Option<&mut DeviceLane>, Error> {
        if matches!(self.single, Single::NotNeededYet) {
            let origin = self.model.origin().in_single_precision()?;
            let axes = self.lane.as_ref().map(|lane| lane.axes.clone());
            if let Some(axes) = axes {
                let fitted = first_that_fits(&self.model, &origin, &self.input, &self.options, axes)?;
                self.single = Single::Loaded(Box::new(fitted));
            }
        }
        Ok(match &mut self.single {
            Single::Loaded(fitted) => Some(&mut fitted.lane),
            Single::NotNeededYet | Single::Same => None,
        })
    }
}

impl Work<CudaBuffer> for DeviceWork {
    fn process(&mut self, input: CudaFrame, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), Error> {
        let output = self.upscale(&input)?;
        let statistics = self.statistics.start(&self.side, &output)?;
        let number = self.next_number;
        self.next_number += 1;
        self.waiting.push_back(Waiting { number, input, output, statistics });
        if self.waiting.len() > LOOKED_AT_LATER {
            self.settle(emit)?;
        }
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), Error> {
        while !self.waiting.is_empty() {
            self.settle(emit)?;
        }
        Ok(())
    }

    fn frames_at_once(&self) -> usize {
        LOOKED_AT_LATER + 1
    }
}

fn is_finite(statistics: PendingStatistics) -> Result<bool, Error> {
    Ok(statistics.wait()?.iter().all(|plane| plane.not_finite == 0))
}
