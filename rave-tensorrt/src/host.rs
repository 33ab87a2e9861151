use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rave_core::{DeviceTimes, HostBuffer, HostFrame, HostPool, Layout, VideoInfo};

use crate::checked::{CheckedLane, Group};
use crate::error::Error;
use crate::gathering::{Gathering, LATENCY};
use crate::lane::Lane;
use crate::model::Model;
use crate::plan::{UpscalerOptions, axes, batch, fits_host, lanes};
use crate::provider::Provider;
use crate::report::{BatchReason, ReportHandle};
use crate::tiling::{Axis, tile_size};
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
        let axes = axes(&info, input, options, |width, height| fits_host(&info, width, height))?;
        // One thread for each of several frames is faster than a batch on all threads.
        let (batch, reason) = batch(&info, options.batch, || (1, BatchReason::Cpu))?;
        let report = ReportHandle::new(Provider::Cpu, tile_size(&axes));
        report.update(|report| (report.batch, report.batch_reason) = (batch, reason));
        let lanes = lanes(&info, model.weights_bytes(), (&axes, batch), model.threads());
        let output = Layout::packed(output_info.format, output_info.width, output_info.height)?;
        let (pool, frame_bytes) = (HostPool::new(), output.size_bytes());
        let parts = Parts { input, output, axes, pool: pool.clone(), report: report.clone() };
        let workers = if lanes.count == 1 {
            Workers::Here(Box::new(parts.lane(model)?))
        } else {
            let workers = (0..lanes.count).map(|index| parts.worker(index, model.again(lanes.threads)?));
            Workers::Ahead(workers.collect::<Result<_, Error>>()?)
        };
        let gathering = Gathering::new(batch);
        // One for each worker, which may all have frames, and one that is emptied.
        let empty = (0..=lanes.count).map(|_| Vec::with_capacity(batch)).collect();
        let work = HostWork { workers, batch, gathering, next_number: 0, pool, frame_bytes, empty };
        Ok(Self { memory_bytes: lanes.memory_bytes, info, output_info, report, work: Box::new(work) })
    }
}

/// What every lane is made of, beside its session.
struct Parts<'a> {
    input: &'a VideoInfo,
    output: Layout,
    axes: [Axis; 2],
    pool: HostPool,
    report: ReportHandle,
}

impl Parts<'_> {
    fn lane(&self, model: Model) -> Result<CheckedLane, Error> {
        let on_nan = model.on_nan();
        let lane = Lane::new(model, self.input, self.output, self.axes.clone(), self.pool.clone())?;
        Ok(CheckedLane::new(lane, self.input, on_nan, self.report.clone()))
    }

    fn worker(&self, index: usize, model: Model) -> Result<GroupWorker, Error> {
        let mut lane = self.lane(model)?;
        Worker::new(format!("upscale {index}"), move |group| lane.upscale(group)).map_err(Error::Thread)
    }
}

struct HostWork {
    workers: Workers,
    batch: usize,
    gathering: Gathering<HostFrame>,
    next_number: u64,
    pool: HostPool,
    /// What a frame takes of it.
    frame_bytes: usize,
    /// Vectors of frames that were emitted, to be used again.
    empty: Vec<Vec<HostFrame>>,
}

enum Workers {
    /// On the caller's thread.
    Here(Box<CheckedLane>),
    /// Several groups of frames at once. The worker in front has had its group for the longest time.
    Ahead(VecDeque<GroupWorker>),
}

type GroupWorker = Worker<Group, Result<Vec<HostFrame>, Error>>;

impl HostWork {
    /// Has the frames that were gathered worked on.
    fn go(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), Error> {
        if self.gathering.is_empty() {
            return Ok(());
        }
        let frames = self.gathering.take(self.empty.pop().unwrap_or_default());
        let first_number = self.next_number;
        self.next_number += frames.len() as u64;
        self.workers.work(Group { frames, first_number }, &mut Emitter { emit, empty: &mut self.empty })
    }
}

impl Work<HostBuffer> for HostWork {
    fn process(&mut self, input: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), Error> {
        if self.gathering.push(input, Instant::now()) { self.go(emit) } else { Ok(()) }
    }

    fn finish(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), Error> {
        self.go(emit)?;
        self.workers.end(&mut Emitter { emit, empty: &mut self.empty })
    }

    fn patience(&self) -> Option<Duration> {
        self.gathering.patience(Instant::now()).or(self.workers.are_busy().then_some(LATENCY))
    }

    fn flush(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), Error> {
        self.go(emit)?;
        self.workers.emit_ready(&mut Emitter { emit, empty: &mut self.empty })
    }

    fn frames_at_once(&self) -> usize {
        match &self.workers {
            Workers::Here(_) => self.batch,
            Workers::Ahead(workers) => workers.len() * self.batch,
        }
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        None
    }

    fn memory(&self) -> Option<(HostPool, usize)> {
        Some((self.pool.clone(), self.frame_bytes))
    }
}

impl Workers {
    /// Works on a group, and emits what is done.
    fn work(&mut self, group: Group, emitter: &mut Emitter<'_>) -> Result<(), Error> {
        match self {
            Self::Here(lane) => emitter.emit_all(Some(lane.upscale(group)))?,
            Self::Ahead(workers) => {
                let Some(mut worker) = workers.pop_front() else { return Ok(()) };
                emitter.emit_all(worker.take())?;
                worker.give(group);
                workers.push_back(worker);
                self.emit_ready(emitter)?;
            }
        }
        Ok(())
    }

    fn are_busy(&self) -> bool {
        match self {
            Self::Here(_) => false,
            Self::Ahead(workers) => workers.iter().any(Worker::is_busy),
        }
    }

    /// Emits what is done, as far as nothing before it is still worked on.
    fn emit_ready(&mut self, emitter: &mut Emitter<'_>) -> Result<(), Error> {
        let Self::Ahead(workers) = self else { return Ok(()) };
        for worker in workers {
            emitter.emit_all(worker.take_if_ready())?;
            if worker.is_busy() {
                break;
            }
        }
        Ok(())
    }

    /// Waits for all that is worked on.
    fn end(&mut self, emitter: &mut Emitter<'_>) -> Result<(), Error> {
        let Self::Ahead(workers) = self else { return Ok(()) };
        workers.iter_mut().try_for_each(|worker| emitter.emit_all(worker.take()))
    }
}

/// Emits frames and keeps their vectors.
struct Emitter<'a> {
    emit: &'a mut dyn FnMut(HostFrame),
    empty: &'a mut Vec<Vec<HostFrame>>,
}

impl Emitter<'_> {
    fn emit_all(&mut self, done: Option<Result<Vec<HostFrame>, Error>>) -> Result<(), Error> {
        if let Some(mut frames) = done.transpose()? {
            frames.drain(..).for_each(&mut *self.emit);
            self.empty.push(frames);
        }
        Ok(())
    }
}
