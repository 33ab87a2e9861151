//! Conversions of frames, in host memory or on a GPU, in one step or two.

use rave_core::{
    BoxError, ChromaFilter, ColorSpec, Convert, DeviceTimes, Dither, HostFrame, HostPool, PixelFormat, Stage,
    VideoInfo,
};
use rave_cuda::{CudaConvert, CudaFrame, Pool, device_layout};

use crate::Error;

/// What to convert to.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) format: PixelFormat,
    /// The colour of Y'CbCr samples, also of those that R'G'B' ones come from or become.
    pub(super) color: ColorSpec,
    /// How integers are rounded.
    pub(super) dither: Dither,
}

impl Wanted {
    /// Integers are the nearest.
    pub(super) const fn rounded(format: PixelFormat, color: ColorSpec) -> Self {
        Self { format, color, dither: Dither::None }
    }

    /// The same in another format.
    pub(super) fn with(self, format: PixelFormat) -> Self {
        Self { format, ..self }
    }

    /// The colour that the samples get.
    fn coded(self) -> ColorSpec {
        match self.format {
            PixelFormat::Rgb { .. } => self.color.to_rgb(),
            _ => self.color,
        }
    }
}

/// One conversion in host memory, or two where there is none in one step.
pub(super) struct Conversions {
    steps: Vec<Convert>,
    output: VideoInfo,
}

/// The same on a GPU.
pub(super) struct CudaConversions {
    steps: Vec<CudaConvert>,
    output: VideoInfo,
}

impl Conversions {
    /// In one step, or by way of R'G'B' where there is no direct way.
    pub(super) fn new(from: &VideoInfo, wanted: Wanted) -> Result<Self, Error> {
        let one = |from: &VideoInfo, to: Wanted| {
            Convert::with_dither(from, to.format, to.coded(), ChromaFilter::Bilinear, to.dither)
        };
        let error = match one(from, wanted) {
            Ok(direct) => return Ok(Self::of(vec![direct], from)),
            Err(error) => error,
        };
        let is_rgb = |format| matches!(format, PixelFormat::Rgb { .. });
        if is_rgb(from.format) || is_rgb(wanted.format) {
            return Err(Error::leaf(error));
        }
        let to_rgb = one(from, wanted.with(PixelFormat::RGB_F32)).map_err(Error::leaf)?;
        let from_rgb = one(to_rgb.output_info(), wanted).map_err(Error::leaf)?;
        Ok(Self::of(vec![to_rgb, from_rgb], from))
    }

    fn of(steps: Vec<Convert>, input: &VideoInfo) -> Self {
        let output = steps.last().map_or(*input, |step| *step.output_info());
        Self { steps, output }
    }

    pub(super) const fn output_info(&self) -> &VideoInfo {
        &self.output
    }

    /// The pool that the frames come from, and what each takes in bytes.
    pub(super) fn memory(&self) -> Option<(HostPool, usize)> {
        self.steps.last().map(Convert::memory)
    }

    pub(super) fn convert(&mut self, frame: HostFrame) -> Result<HostFrame, rave_core::Error> {
        self.steps.iter_mut().try_fold(frame, |frame, step| step.convert(&frame))
    }
}

impl Stage for Conversions {
    type Input = HostFrame;
    type Output = HostFrame;

    fn process(&mut self, frame: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        emit(self.convert(frame)?);
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        Ok(())
    }
}

impl CudaConversions {
    /// As [`Conversions::new`]; `None` if a step has no kernel.
    pub(super) fn new(pool: &Pool, from: &VideoInfo, wanted: Wanted) -> Result<Option<Self>, Error> {
        let one = |from: &VideoInfo, to: Wanted| match CudaConvert::new(
            pool,
            from,
            to.format,
            to.coded(),
            ChromaFilter::Bilinear,
        ) {
            Ok(step) => Ok(Some(step)),
            Err(rave_cuda::Error::Frame(_)) => Ok(None),
            Err(error) => Err(Error::leaf(error)),
        };
        if let Some(direct) = one(from, wanted)? {
            return Ok(Some(Self { output: *direct.output_info(), steps: vec![direct] }));
        }
        let Some(to_rgb) = one(from, wanted.with(PixelFormat::RGB_F32))? else { return Ok(None) };
        let rgb = to_rgb.output_info();
        let Some(mut from_rgb) = one(rgb, wanted)? else { return Ok(None) };
        let between = device_layout(rgb.format, rgb.width, rgb.height).map_err(Error::leaf)?;
        pool.expect(between.size_bytes(), 1);
        if let Some(times) = to_rgb.device_times() {
            from_rgb.note_in(&times).map_err(Error::leaf)?;
        }
        Ok(Some(Self { output: *from_rgb.output_info(), steps: vec![to_rgb, from_rgb] }))
    }

    pub(super) const fn output_info(&self) -> &VideoInfo {
        &self.output
    }
}

impl Stage for CudaConversions {
    type Input = CudaFrame;
    type Output = CudaFrame;

    fn process(&mut self, frame: CudaFrame, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        emit(self.steps.iter_mut().try_fold(frame, |frame, step| step.convert(&frame))?);
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        Ok(())
    }

    /// All steps add to one record.
    fn device_times(&self) -> Option<DeviceTimes> {
        self.steps.first().and_then(Stage::device_times)
    }
}
