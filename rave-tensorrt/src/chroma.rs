use half::f16;
use rave_core::{Chroma, Error, HostFrame, Kernel, ResampleAxis, Resampler, Sample, VideoInfo};

/// Enlarges the chroma planes beside a luma-only network: bicubic, keeping their siting.
pub(crate) struct ChromaUpscaler {
    resampler: Resampler,
    /// A plane before and after in single precision, for half-precision frames.
    source: Vec<f32>,
    target: Vec<f32>,
}

impl ChromaUpscaler {
    /// For frames of `input`, or nothing if they hold no chroma planes.
    pub(crate) fn new(chroma: Option<Chroma>, input: &VideoInfo, scale: u32) -> Result<Option<Self>, Error> {
        let Some(chroma) = chroma else { return Ok(None) };
        let size = (input.width, input.height);
        let [x, y] = ResampleAxis::for_chroma(chroma, input.color.siting, size, scale)?;
        let resampler = Resampler::new(Kernel::CatmullRom, x, y)?;
        let (mut source, mut target) = (Vec::new(), Vec::new());
        if input.format.sample() == Sample::F16 {
            source.resize(x.input as usize * y.input as usize, 0.0);
            target.resize(x.output as usize * y.output as usize, 0.0);
        }
        Ok(Some(Self { resampler, source, target }))
    }

    /// Fills the chroma planes of `output`.
    pub(crate) fn upscale(&mut self, input: &HostFrame, output: &mut HostFrame) {
        for plane in 1..3 {
            match input.layout().format().sample() {
                Sample::F16 => self.upscale_half(input, output, plane),
                _ => {
                    let (source, source_stride) = input.plane(plane);
                    let (target, target_stride) = output.plane_mut(plane);
                    self.resampler.resample(source, source_stride, target, target_stride);
                }
            }
        }
    }

    fn upscale_half(&mut self, input: &HostFrame, output: &mut HostFrame, plane: usize) {
        let width = |frame: &HostFrame| frame.layout().planes()[plane].row_bytes / size_of::<f16>();
        let (source_width, target_width) = (width(input), width(output));
        for (wide, row) in self.source.chunks_mut(source_width).zip(input.rows::<f16>(plane)) {
            wide.iter_mut().zip(row).for_each(|(wide, half)| *wide = half.to_f32());
        }
        self.resampler.resample(&self.source, source_width, &mut self.target, target_width);
        for (wide, row) in self.target.chunks(target_width).zip(output.rows_mut::<f16>(plane)) {
            row.iter_mut().zip(wide).for_each(|(half, wide)| *half = f16::from_f32(*wide));
        }
    }
}
