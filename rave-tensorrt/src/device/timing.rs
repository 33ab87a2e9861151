use std::time::{Duration, Instant};

use rave_core::{DeviceTimes, VideoInfo};

use crate::device::fitted::{Fitted, Wanted, others_bytes};
use crate::device::ladder::Rung;
use crate::device::model::DeviceModel;
use crate::error::Error;
use crate::plan::{UpscalerOptions, axes, batch, device_batch};

/// How fast a model is by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelTime {
    /// The time between the ends of two runs that follow each other at once, for each picture of a batch.
    pub run: Duration,
    /// What the calling thread needs, for each picture, to enqueue a run while the GPU is idle: a queue that is full does
    /// not count.
    pub enqueue: Duration,
    /// The time to open the session and to run it for the first time.
    pub first: Duration,
}

impl DeviceModel {
    /// Runs the model `runs` times, back to back, on the same picture of `input`'s size in the same memory: what no stage
    /// around it can be faster than. Where `options` cut pictures into tiles, a run is that of all tiles; where pictures go
    /// through the network together, as many runs are made as it takes for `runs` pictures.
    ///
    /// # Errors
    /// As for [`Upscaler::new`](crate::Upscaler::<rave_cuda::CudaBuffer>::new).
    pub fn time(&self, input: &VideoInfo, options: &UpscalerOptions, runs: u32) -> Result<ModelTime, Error> {
        let axes = axes(self.info(), input, options, |_, _| true)?;
        let (batch, _) = batch(self.info(), options.batch, || device_batch(self.info(), &axes))?;
        let tiles = axes.iter().map(|axis| axis.spans.len() as u32).product::<u32>();
        let rung = Rung { batch, axes };
        let start = Instant::now();
        let times = DeviceTimes::new();
        let (origin, others_bytes) = (self.origin(), others_bytes(self.pool())?);
        let wanted = Wanted { model: self, origin, input, options, times: &times, others_bytes };
        let mut fitted = Fitted::open(&wanted, rung)?;
        let first = start.elapsed();
        let (batch, runs) = (batch as u32, runs.max(1).div_ceil(batch as u32));
        let (run, enqueue) = fitted.lane.time(runs * tiles)?;
        Ok(ModelTime { run: run / (runs * batch), enqueue: enqueue * tiles / batch, first })
    }
}
