use std::collections::VecDeque;

use rave_core::{
    BoxError, Buffer, Error as FrameError, Frame, HostBuffer, HostFrame, HostPool, Layout, PixelFormat,
    Stage, VideoInfo,
};

use crate::error::Error;
use crate::info::ModelInfo;
use crate::lane::Lane;
#[cfg(doc)]
use crate::memory_estimate;
use crate::model::Model;
use crate::plan::{UpscalerOptions, axes, lanes};
use crate::worker::Worker;

/// A stage that enlarges frames by a model, in memory of type `B`.
///
/// Frames come in the format that [`ModelInfo::input_format`] names and leave in the same, larger; colour, time and
/// sample aspect ratio stay. Values outside 0..1 are kept.
///
/// With several threads, and where memory allows, it works on several frames at once. A frame then comes out when later
/// ones have gone in, or with [`finish`](Stage::finish); always in order.
pub struct Upscaler<B> {
    info: ModelInfo,
    output_info: VideoInfo,
    memory_bytes: u64,
    work: Work<B>,
}

enum Work<B> {
    /// On the caller's thread.
    Here(Box<Lane<B>>),
    /// Several frames at once. The worker in front has had its frame for the longest time.
    Ahead(VecDeque<FrameWorker<B>>),
}

type FrameWorker<B> = Worker<Frame<B>, Result<Frame<B>, Error>>;

impl<B> Upscaler<B> {
    /// What is true of the frames that come out.
    pub const fn output_info(&self) -> &VideoInfo {
        &self.output_info
    }

    /// The model's properties.
    pub const fn model_info(&self) -> &ModelInfo {
        &self.info
    }

    /// A rough estimate of the memory that it will take in all, in bytes: [`memory_estimate`] of what a network sees at
    /// once and of the weights, for all frames that are worked on at once.
    pub const fn memory_estimate(&self) -> u64 {
        self.memory_bytes
    }

    /// Frames that are worked on at once.
    pub fn frames_at_once(&self) -> usize {
        match &self.work {
            Work::Here(_) => 1,
            Work::Ahead(workers) => workers.len(),
        }
    }
}

impl Upscaler<HostBuffer> {
    /// A stage for frames of `input`.
    ///
    /// # Errors
    /// [`rave_core::Error::Format`] if the frames are not in [`ModelInfo::input_format`], [`rave_core::Error::Size`] if a
    /// side of the output is too large, [`Error::Options`] if the model cannot run as `options` say; those of
    /// [`Model::load`], as each frame that is worked on at once needs a session.
    pub fn new(model: Model, input: &VideoInfo, options: &UpscalerOptions) -> Result<Self, Error> {
        let info = model.info().clone();
        check_format(&info, input.format)?;
        let output_info = enlarged(input, info.scale);
        let output = Layout::packed(output_info.format, output_info.width, output_info.height)?;
        let axes = axes(&info, input, options)?;
        let lanes = lanes(&info, model.weights_bytes(), &axes, model.threads());
        let pool = HostPool::new();
        let lane = |model| Lane::new(model, input, output, axes.clone(), pool.clone());
        let work = if lanes.count == 1 {
            Work::Here(Box::new(lane(model)?))
        } else {
            let workers = (0..lanes.count).map(|index| {
                let mut lane = lane(model.again(lanes.threads)?)?;
                Worker::new(format!("upscale {index}"), move |frame| lane.upscale(&frame))
                    .map_err(Error::Thread)
            });
            Work::Ahead(workers.collect::<Result<_, Error>>()?)
        };
        Ok(Self { memory_bytes: lanes.memory_bytes, info, output_info, work })
    }
}

impl Stage for Upscaler<HostBuffer> {
    type Input = HostFrame;
    type Output = HostFrame;

    fn process(&mut self, input: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        match &mut self.work {
            Work::Here(lane) => emit(lane.upscale(&input)?),
            Work::Ahead(workers) => work_ahead(workers, input, emit)?,
        }
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        if let Work::Ahead(workers) = &mut self.work {
            for worker in workers {
                worker.take().transpose()?.map(&mut *emit);
            }
        }
        Ok(())
    }
}

fn work_ahead<B: Buffer>(
    workers: &mut VecDeque<FrameWorker<B>>,
    input: Frame<B>,
    emit: &mut dyn FnMut(Frame<B>),
) -> Result<(), Error> {
    let Some(mut worker) = workers.pop_front() else { return Ok(()) };
    worker.take().transpose()?.map(&mut *emit);
    worker.give(input);
    workers.push_back(worker);
    for worker in workers {
        match worker.take_if_ready().transpose()? {
            Some(output) => emit(output),
            None if worker.is_busy() => break,
            None => {}
        }
    }
    Ok(())
}

fn check_format(info: &ModelInfo, format: PixelFormat) -> Result<(), FrameError> {
    if format == info.input_format(format) {
        return Ok(());
    }
    Err(FrameError::Format {
        format: format.to_string(),
        action: "upscaled by this model without conversion",
    })
}

fn enlarged(input: &VideoInfo, scale: u32) -> VideoInfo {
    let (width, height) = (input.width.saturating_mul(scale), input.height.saturating_mul(scale));
    VideoInfo { width, height, ..*input }
}
