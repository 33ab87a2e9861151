//! How fast a network is by itself.

use std::time::Instant;

use rave_core::{BoxError, Buffer, Frame, HostBuffer, HostPool, Sink, Stage};
use rave_tensorrt::{Runtime, Upscaler};

use super::UpscaleOptions;
use super::convert::{Conversions, Wanted};
use super::device::{Network, Placed};
use super::enlarge::{upscaler_options, working_color};
use super::sinks::NullSink;
use super::synthetic::{Synthetic, copies};
use crate::meter::Meter;
use crate::{Error, Report, StageReport};

/// One run of a way.
pub(super) struct Run {
    /// Frames a second.
    pub(super) rate: f64,
    pub(super) bottleneck: Option<String>,
    pub(super) first_frame_seconds: f64,
}

/// The network by itself, `frames` times.
///
/// # Errors
/// Those of [`UpscaleJob::open`](super::UpscaleJob::open).
pub(super) fn model_alone(
    runtime: &Runtime,
    upscale: &UpscaleOptions,
    pictures: &Synthetic,
    frames: u64,
) -> Result<Run, Error> {
    let start = Instant::now();
    let placed = Placed::new(runtime, upscale)?;
    let format = placed.network.info().input_format(pictures.info().format);
    let wanted = Wanted::rounded(format, working_color(pictures.info()));
    let mut to_model = Conversions::new(pictures.info(), wanted)?;
    let info = *to_model.output_info();
    let options = upscaler_options(upscale);
    match placed.network {
        Network::Host(model) => {
            let frame = to_model.convert(pictures.frame(&HostPool::new(), 0)).map_err(Error::leaf)?;
            let upscaler = Upscaler::<HostBuffer>::new(*model, &info, &options).map_err(Error::leaf)?;
            alone(upscaler, copies(frame, HostPool::new(), frames), NullSink::new(), start)
        }
        Network::Device(model, _) => {
            let opening = start.elapsed();
            let runs = u32::try_from(frames).unwrap_or(u32::MAX);
            let time = model.time(&info, &options, runs).map_err(Error::leaf)?;
            let first_frame_seconds = (opening + time.first).as_secs_f64();
            let rate = 1.0 / time.run.as_secs_f64().max(f64::MIN_POSITIVE);
            Ok(Run { rate, bottleneck: None, first_frame_seconds })
        }
    }
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
    pub(super) fn of(report: &Report, opening_seconds: f64) -> Self {
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
