use std::collections::VecDeque;

use rave_core::{HostBuffer, HostFrame, HostPool, Layout, VideoInfo};

use crate::error::Error;
use crate::lane::Lane;
use crate::model::Model;
use crate::plan::{UpscalerOptions, axes, fits_host, lanes};
use crate::provider::Provider;
use crate::report::ReportHandle;
use crate::tiling::tile_size;
use crate::upscaler::{Upscaler, Work, check_format, enlarged};
use crate::worker::Worker;

impl Upscaler<HostBuffer> {
    /// A stage for frames of `input`.
    ///
    /// # Errors
    /// [`rave_core::Error::Format`] if the frames are not in
    /// [`ModelInfo::input_format`](crate::ModelInfo::input_format), [`rave_core::Error::Size`] if a side of the output is
    /// too large, [`Error::Options`] if the model cannot run as `options` say; those of [`Model::load`], as each frame that
    /// is worked on at once needs a session.
    pub fn new(model: Model, input: &VideoInfo, options: &UpscalerOptions) -> Result<Self, Error> {
        let info = model.info().clone();
        check_format(&info, input.format)?;
        let output_info = enlarged(input, info.scale);
        let output = Layout::packed(output_info.format, output_info.width, output_info.height)?;
        let axes = axes(&info, input, options, |width, height| fits_host(&info, width, height))?;
        let lanes = lanes(&info, model.weights_bytes(), &axes, model.threads());
        let report = ReportHandle::new(Provider::Cpu, tile_size(&axes));
        let pool = HostPool::new();
        let lane = |model| Lane::new(model, input, output, axes.clone(), pool.clone());
        let work = if lanes.count == 1 {
            HostWork::Here(Box::new(lane(model)?))
        } else {
            let workers = (0..lanes.count).map(|index| {
                let mut lane = lane(model.again(lanes.threads)?)?;
                Worker::new(format!("upscale {index}"), move |frame| lane.upscale(&frame))
                    .map_err(Error::Thread)
            });
            HostWork::Ahead(workers.collect::<Result<_, Error>>()?)
        };
        Ok(Self { memory_bytes: lanes.memory_bytes, info, output_info, report, work: Box::new(work) })
    }
}

enum HostWork {
    /// On the caller's thread.
    Here(Box<Lane<HostBuffer>>),
    /// Several frames at once. The worker in front has had its frame for the longest time.
    Ahead(VecDeque<FrameWorker>),
}

type FrameWorker = Worker<HostFrame, Result<HostFrame, Error>>;

impl Work<HostBuffer> for HostWork {
    fn process(&mut self, input: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), Error> {
        match self {
            Self::Here(lane) => emit(lane.upscale(&input)?),
            Self::Ahead(workers) => work_ahead(workers, input, emit)?,
        }
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), Error> {
        if let Self::Ahead(workers) = self {
            for worker in workers {
                worker.take().transpose()?.map(&mut *emit);
            }
        }
        Ok(())
    }

    fn frames_at_once(&self) -> usize {
        match self {
            Self::Here(_) => 1,
            Self::Ahead(workers) => workers.len(),
        }
    }
}

fn work_ahead(
    workers: &mut VecDeque<FrameWorker>,
    input: HostFrame,
    emit: &mut dyn FnMut(HostFrame),
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
