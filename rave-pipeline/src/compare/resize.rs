//! Pictures at another size.

use rave_core::{
    Error, HostFrame, HostPool, Kernel, Layout, PixelFormat, Rational, ResampleAxis, Resampler, VideoInfo,
};

/// Resamples every plane of planar single-precision frames, chroma at its siting.
pub(super) struct Resize {
    /// One for each plane.
    planes: Vec<Resampler>,
    output: VideoInfo,
    layout: Layout,
    pool: HostPool,
}

impl Resize {
    pub(super) fn new(input: &VideoInfo, (width, height): (u32, u32), kernel: Kernel) -> Result<Self, Error> {
        let layout = Layout::packed(input.format, width, height)?;
        let output = VideoInfo { width, height, ..*input };
        let count = input.format.plane_count();
        let planes = (0..count).map(|plane| resampler(input, &output, plane, kernel));
        Ok(Self { planes: planes.collect::<Result<_, _>>()?, output, layout, pool: HostPool::new() })
    }

    pub(super) const fn output_info(&self) -> &VideoInfo {
        &self.output
    }

    pub(super) fn resize(&mut self, frame: &HostFrame) -> Result<HostFrame, Error> {
        let mut target = HostFrame::from_pool(&self.pool, self.layout, self.output.color, frame.info());
        for (plane, resampler) in self.planes.iter_mut().enumerate() {
            let (source, source_stride) = frame.plane::<f32>(plane);
            let (samples, stride) = target.plane_mut::<f32>(plane);
            resampler.resample(source, source_stride, samples, stride);
        }
        Ok(target)
    }
}

fn resampler(
    input: &VideoInfo,
    output: &VideoInfo,
    plane: usize,
    kernel: Kernel,
) -> Result<Resampler, Error> {
    let size = |info: &VideoInfo| info.format.plane_size(plane, info.width, info.height);
    let (before, after) = (size(input), size(output));
    let reduced = match input.format {
        PixelFormat::Yuv { chroma, .. } if plane > 0 => chroma.shifts(),
        _ => (0, 0),
    };
    let offset = input.color.siting.offset();
    let horizontal = axis((before.0, after.0), (input.width, output.width), reduced.0, offset.0)?;
    let vertical = axis((before.1, after.1), (input.height, output.height), reduced.1, offset.1)?;
    Resampler::new(kernel, horizontal, vertical)
}

/// As [`ResampleAxis::for_chroma`], for any ratio.
fn axis(
    (input, output): (u32, u32),
    (from, to): (u32, u32),
    reduced: u32,
    offset: f32,
) -> Result<ResampleAxis, Error> {
    let scale = Rational::new(i64::from(to), i64::from(from))?;
    let shift = match reduced {
        0 => 0.0,
        _ => (f64::from(offset) - 0.5) / 2.0 * (1.0 / scale.to_f64() - 1.0),
    };
    Ok(ResampleAxis { input, output, scale, shift })
}
