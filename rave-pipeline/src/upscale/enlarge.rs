//! From frames to larger frames.

use rave_core::{ColorSpec, HostBuffer, Matrix, VideoInfo};
use rave_cuda::CudaBuffer;
use rave_tensorrt::{BatchReason, MemoryStep, ReportHandle, UpscaleReport, Upscaler, UpscalerOptions};

use super::choice::{Choice, Part, Refused};
use super::convert::Wanted;
use super::device::Network;
use super::end::Assembling;
use super::line::Line;
use super::options::UpscaleOptions;
use crate::Error;

/// The line behind the network.
pub(super) struct Enlarged {
    pub(super) line: Line,
    pub(super) report: ReportHandle,
}

impl Enlarged {
    /// Appends the conversion to the network's format and the network. `source` is what the frames were decoded as.
    pub(super) fn new(
        line: Line,
        source: &VideoInfo,
        network: Network,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        let (options, queues) = (job.options, job.options.queues);
        let format = network.info().input_format(source.format);
        let wanted = Wanted::rounded(format, working_color(source));
        let upscaler_options = upscaler_options(options);
        match network {
            Network::Host(model) => {
                let line = line.into_host()?.convert("preprocess", wanted)?.queue(queues.preprocessed);
                job.memory.add_queue(&line.info, queues.preprocessed)?;
                let upscaler = Upscaler::<HostBuffer>::new(*model, &line.info, &upscaler_options);
                let upscaler = upscaler.map_err(Error::leaf)?;
                job.memory.add_bytes(upscaler.memory_estimate());
                let (info, report) = (*upscaler.output_info(), upscaler.report());
                job.memory.add_queue(&info, queues.upscaled)?;
                let (under_way, memory) = (upscaler.frames_at_once(), upscaler.memory());
                // All that are worked on, and the next ones.
                let line = line.taken_by(under_way + report.get().batch);
                let line = line.then("upscale", upscaler, info).with_memory(memory);
                Ok(Self { line: Line::Host(line.making(under_way).queue(queues.upscaled)), report })
            }
            Network::Device(model, gpu) => {
                let line = line
                    .convert_on(&gpu.pool, "preprocess", wanted, &mut job.notices)?
                    .queue(queues.preprocessed);
                let upscaler = Upscaler::<CudaBuffer>::new(*model, &line.info, &upscaler_options);
                let upscaler = upscaler.map_err(Error::leaf)?;
                let (info, report) = (*upscaler.output_info(), upscaler.report());
                tell_provider(&report.get(), &mut job.choices);
                tell_batch(&report.get(), &mut job.notices);
                let under_way = upscaler.frames_at_once();
                let line = line.taken_by(under_way, &gpu.pool)?.then("upscale", upscaler, info);
                let line = line.making(under_way).queue(queues.upscaled);
                Ok(Self { line: Line::Device(line, gpu.pool), report })
            }
        }
    }
}

/// How the options say that frames are given to the network.
pub(super) fn upscaler_options(options: &UpscaleOptions) -> UpscalerOptions {
    UpscalerOptions { tile: options.tile, batch: options.batch, ..UpscalerOptions::default() }
}

/// Writes into the choices what runs the network: a provider may have refused it after it was chosen.
fn tell_provider(report: &UpscaleReport, choices: &mut [Choice]) {
    for choice in choices.iter_mut().filter(|choice| choice.part == Part::Provider) {
        choice.taken = report.provider.to_string();
        let refused = report.refused.iter().skip(choice.refused.len());
        let refused = refused.map(|refused| Refused::because(refused.provider.to_string(), &refused.reason));
        choice.refused.extend(refused.collect::<Vec<_>>());
    }
}

/// Notes how much the network is given at once, where nobody asked for it.
fn tell_batch(report: &UpscaleReport, notices: &mut Vec<String>) {
    if let Some(MemoryStep { batch, tile, reason, .. }) = report.memory_steps.last() {
        let tile = tile.map_or(String::new(), |(width, height)| format!(", in tiles of {width}x{height}"));
        notices.push(format!("frames go through the model {batch} at a time{tile}: {reason}"));
    } else if report.batch > 1 && report.batch_reason != BatchReason::Asked {
        let UpscaleReport { batch, batch_reason, .. } = report;
        notices.push(format!("{batch} frames go through the model together: {batch_reason}"));
    }
}

/// The colour of the Y'CbCr that the source is, or is turned into.
pub(super) fn working_color(source: &VideoInfo) -> ColorSpec {
    if source.color.matrix != Matrix::Identity {
        return source.color;
    }
    let (standard, _) = ColorSpec::default().resolve(source.width, source.height);
    ColorSpec { matrix: standard.matrix, range: standard.range, siting: standard.siting, ..source.color }
}
