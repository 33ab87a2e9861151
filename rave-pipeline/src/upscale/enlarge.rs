//! From frames to larger frames.

use rave_core::{ColorSpec, HostBuffer, Matrix, VideoInfo};
use rave_cuda::CudaBuffer;
use rave_tensorrt::{ReportHandle, Upscaler, UpscalerOptions};

use super::convert::Wanted;
use super::device::Network;
use super::end::Assembling;
use super::line::Line;
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
        let upscaler_options = UpscalerOptions { tile: options.tile, ..UpscalerOptions::default() };
        match network {
            Network::Host(model) => {
                let line = line.into_host()?.convert("preprocess", wanted)?.queue(queues.preprocessed);
                job.memory.add_queue(&line.info, queues.preprocessed)?;
                let upscaler = Upscaler::<HostBuffer>::new(*model, &line.info, &upscaler_options);
                let upscaler = upscaler.map_err(Error::leaf)?;
                job.memory.add_bytes(upscaler.memory_estimate());
                let (info, report) = (*upscaler.output_info(), upscaler.report());
                job.memory.add_queue(&info, queues.upscaled)?;
                let line = Line::Host(line.then("upscale", upscaler, info).queue(queues.upscaled));
                Ok(Self { line, report })
            }
            Network::Device(model, gpu) => {
                let line = line
                    .convert_on(&gpu.pool, "preprocess", wanted, &mut job.notices)?
                    .queue(queues.preprocessed);
                let upscaler = Upscaler::<CudaBuffer>::new(*model, &line.info, &upscaler_options);
                let upscaler = upscaler.map_err(Error::leaf)?;
                let (info, report) = (*upscaler.output_info(), upscaler.report());
                let line = line.then("upscale", upscaler, info).queue(queues.upscaled);
                Ok(Self { line: Line::Device(line, gpu.pool), report })
            }
        }
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
