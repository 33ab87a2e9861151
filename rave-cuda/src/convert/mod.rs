mod plan;
#[cfg(test)]
mod tests;

use rave_core::{BoxError, ChromaFilter, ColorSpec, DeviceTimes, Layout, PixelFormat, Stage, VideoInfo};

use crate::buffer::{Access, CudaFrame, Use};
use crate::device::Device;
use crate::error::Error;
use crate::layout::device_layout;
use crate::params::MAX_FRAMES;
use crate::pool::Pool;
use crate::stream::Stream;
use crate::timer::WorkTimer;
use plan::{Batch, Plan};

/// Converts frames in GPU memory to another format and colour of the same size: the device's
/// [`rave_core::Converter`], with the same coefficients, filters and rounding.
///
/// There are kernels for
/// - Y'CbCr of integers, planar or semi-planar, to floating-point R'G'B', and back;
/// - floating-point R'G'B' to grey of integers;
/// - whatever the host does plane by plane: sample type, range and packing.
///
/// On every other pair of formats the host's converter must be asked.
#[derive(Debug)]
pub struct CudaConverter {
    device: Device,
    input: PixelFormat,
    output: PixelFormat,
    size: (u32, u32),
    plan: Plan,
}

impl CudaConverter {
    /// A converter from `input` to `output` for pictures of `size`, width and height in pixels.
    ///
    /// # Errors
    /// [`Error::Frame`] as for [`rave_core::Converter::new`], and if there is no kernel for the pair of formats;
    /// [`Error::KernelLoad`] if the driver refuses the kernels.
    pub fn new(
        device: &Device,
        input: (PixelFormat, ColorSpec),
        output: (PixelFormat, ColorSpec),
        size: (u32, u32),
        filter: ChromaFilter,
    ) -> Result<Self, Error> {
        let plan = Plan::new(input, output, size, filter)?;
        device.load(plan.topic())?;
        Ok(Self { device: device.clone(), input: input.0, output: output.0, size, plan })
    }

    /// Enqueues the conversion of one frame on `stream`.
    ///
    /// # Errors
    /// [`Error::Frame`] if a frame's format or size is not what the converter was made for; [`Error::Cuda`].
    pub fn convert(&self, stream: &Stream, source: &CudaFrame, target: &mut CudaFrame) -> Result<(), Error> {
        let (from, to) = (*source.layout(), *target.layout());
        let (read, written) = ([source.buffer().read(stream)?], [target.buffer_mut().write(stream)?]);
        self.enqueue(stream, (&read, &from), (&written, &to))
    }

    /// Enqueues the conversion of frames of one layout to frames of one layout, as few launches as possible.
    ///
    /// # Errors
    /// [`Error::Frame`] if a frame does not fit or the numbers differ; [`Error::Cuda`].
    pub fn convert_batch(
        &self,
        stream: &Stream,
        sources: &[&CudaFrame],
        targets: &mut [&mut CudaFrame],
    ) -> Result<(), Error> {
        let layouts = self.check(sources, targets)?;
        let Some((from, to)) = layouts else { return Ok(()) };
        let read = sources.iter().map(|frame| frame.buffer().read(stream));
        let read = read.collect::<Result<Vec<Access<'_>>, Error>>()?;
        let written = targets.iter_mut().map(|frame| frame.buffer_mut().write(stream));
        let written = written.collect::<Result<Vec<Access<'_>>, Error>>()?;
        self.enqueue(stream, (&read, &from), (&written, &to))
    }

    /// Enqueues the conversion of pictures whose memory is held already, as often as is wanted: `from` says how each
    /// source lies in its buffer, `to` how each target does.
    ///
    /// # Errors
    /// [`Error::Frame`] if the numbers differ, a layout is not what the converter was made for or does not fit, or the
    /// accesses are not for this stream and use; [`Error::Cuda`].
    pub fn enqueue(
        &self,
        stream: &Stream,
        (sources, from): (&[Access<'_>], &Layout),
        (targets, to): (&[Access<'_>], &Layout),
    ) -> Result<(), Error> {
        from.check(self.input, self.size)?;
        to.check(self.output, self.size)?;
        let permits = |accesses: &[Access<'_>], right, layout: &Layout| {
            accesses.iter().all(|access| access.permits(stream, right, layout.size_bytes()))
        };
        let are_permitted = permits(sources, Use::Read, from) && permits(targets, Use::Write, to);
        if !are_permitted || sources.len() != targets.len() {
            let message =
                "the buffers of a conversion differ in number, are too short or not held for its stream";
            return Err(rave_core::Error::Layout(message.into()).into());
        }
        for (sources, targets) in sources.chunks(MAX_FRAMES).zip(targets.chunks(MAX_FRAMES)) {
            let (count, sources, targets) = (sources.len(), addresses(sources), addresses(targets));
            let batch = Batch { sources: &sources[..count], targets: &targets[..count], from, to };
            self.plan.each_launch(&batch, |launch| {
                // SAFETY: every buffer is held, for this stream and use, and as long as its layout; they are the caller's
                // until after this call.
                unsafe { self.device.launch(stream, launch) }
            })?;
        }
        Ok(())
    }

    /// The layouts of both sides, if there are frames.
    fn check(
        &self,
        sources: &[&CudaFrame],
        targets: &[&mut CudaFrame],
    ) -> Result<Option<(Layout, Layout)>, Error> {
        let from = sources.iter().map(|frame| *frame.layout());
        let to = targets.iter().map(|frame| *frame.layout());
        let (from, to) = (from.collect::<Vec<_>>(), to.collect::<Vec<_>>());
        let (Some(&first_from), Some(&first_to)) = (from.first(), to.first()) else { return Ok(None) };
        first_from.check(self.input, self.size)?;
        first_to.check(self.output, self.size)?;
        let alike =
            from.iter().all(|layout| *layout == first_from) && to.iter().all(|layout| *layout == first_to);
        if !alike || from.len() != to.len() {
            let message = "the frames of a batch differ in layout or number";
            return Err(rave_core::Error::Layout(message.into()).into());
        }
        Ok(Some((first_from, first_to)))
    }
}

/// Those of at most as many accesses as one launch converts.
fn addresses(accesses: &[Access<'_>]) -> [u64; MAX_FRAMES] {
    std::array::from_fn(|index| accesses.get(index).map_or(0, Access::address))
}

/// Converts the frames of a stream on the GPU: a [`CudaConverter`] as a [`Stage`] with a stream of its own.
#[derive(Debug)]
pub struct CudaConvert {
    converter: CudaConverter,
    output: VideoInfo,
    layout: Layout,
    pool: Pool,
    stream: Stream,
    timer: WorkTimer,
}

impl CudaConvert {
    /// A stage for the frames that `input` describes; the arguments are those of [`rave_core::Convert::new`] and the
    /// pool that its frames come from.
    ///
    /// # Errors
    /// As for [`CudaConverter::new`].
    pub fn new(
        pool: &Pool,
        input: &VideoInfo,
        format: PixelFormat,
        color: ColorSpec,
        filter: ChromaFilter,
    ) -> Result<Self, Error> {
        let size = (input.width, input.height);
        let (from, to) = ((input.format, input.color), (format, color));
        let converter = CudaConverter::new(pool.device(), from, to, size, filter)?;
        let stream = pool.device().new_stream()?;
        Ok(Self {
            converter,
            output: VideoInfo { format, color, ..*input },
            layout: device_layout(format, size.0, size.1)?,
            pool: pool.clone(),
            timer: WorkTimer::new(pool.device(), &stream)?,
            stream,
        })
    }

    /// Adds the times of its work to `times` from now on, to which others may add.
    ///
    /// # Errors
    /// [`Error::Cuda`].
    pub fn note_in(&mut self, times: &DeviceTimes) -> Result<(), Error> {
        self.timer = WorkTimer::with_times(self.pool.device(), &self.stream, times)?;
        Ok(())
    }

    /// What the emitted frames are.
    pub const fn output_info(&self) -> &VideoInfo {
        &self.output
    }

    /// Enqueues the conversion of one frame; its time and field order stay.
    ///
    /// # Errors
    /// As for [`CudaConverter::convert`] and [`Pool::take`].
    pub fn convert(&mut self, frame: &CudaFrame) -> Result<CudaFrame, Error> {
        let mut output = self.pool.frame(self.layout, self.output.color, frame.info())?;
        let (stream, converter, to) = (&self.stream, &self.converter, self.layout);
        let (source, target) = ([frame.buffer().read(stream)?], [output.buffer_mut().write(stream)?]);
        self.timer.around(|| converter.enqueue(stream, (&source, frame.layout()), (&target, &to)))?;
        drop((source, target));
        Ok(output)
    }
}

impl Stage for CudaConvert {
    type Input = CudaFrame;
    type Output = CudaFrame;

    fn process(&mut self, input: CudaFrame, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        emit(self.convert(&input)?);
        Ok(())
    }

    fn finish(&mut self, _emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        Ok(())
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        Some(self.timer.times())
    }
}
