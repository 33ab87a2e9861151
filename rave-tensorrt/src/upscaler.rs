use std::fmt;
use std::time::Duration;

use rave_core::{
    BoxError, Buffer, DeviceTimes, Error as FrameError, Frame, HostPool, PixelFormat, Stage, VideoInfo,
};

use crate::error::Error;
use crate::info::ModelInfo;
#[cfg(doc)]
use crate::memory_estimate;
use crate::report::ReportHandle;

/// A stage that enlarges frames by a model, in memory of type `B`.
///
/// Frames come in the format that [`ModelInfo::input_format`] names and leave in the same, larger; colour, time and
/// sample aspect ratio stay. Values outside 0..1 are kept.
///
/// A frame may come out when later ones have gone in, or with [`finish`](Stage::finish); always in order. In host memory
/// several frames are worked on at once, where there are threads and memory for it; in GPU memory the work of a few frames
/// is enqueued before the first is looked at. Where frames go through the network together ([`Batch`](crate::Batch)), they
/// wait for others for 20 milliseconds at most; that needs somebody who calls [`flush`](Stage::flush) in time.
pub struct Upscaler<B> {
    pub(crate) info: ModelInfo,
    pub(crate) output_info: VideoInfo,
    pub(crate) memory_bytes: u64,
    pub(crate) report: ReportHandle,
    pub(crate) work: Box<dyn Work<B>>,
}

impl<B> fmt::Debug for Upscaler<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upscaler")
            .field("info", &self.info)
            .field("output_info", &self.output_info)
            .finish_non_exhaustive()
    }
}

/// What enlarges the frames: on the host, or on a GPU.
pub(crate) trait Work<B>: Send {
    /// Takes a frame and emits those that are done, in order.
    fn process(&mut self, input: Frame<B>, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), Error>;

    /// Emits the others.
    fn finish(&mut self, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), Error>;

    /// How long it waits for another frame before it is to be [`flush`](Self::flush)ed; `None` if it has none.
    fn patience(&self) -> Option<Duration>;

    /// Emits what need not wait for further frames.
    fn flush(&mut self, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), Error>;

    /// How many frames it has at the same time, at most.
    fn frames_at_once(&self) -> usize;

    /// When the network ran, on a device.
    fn device_times(&self) -> Option<DeviceTimes>;

    /// The pool in host memory that frames come from, and what each takes in bytes.
    fn memory(&self) -> Option<(HostPool, usize)>;
}

impl<B> Upscaler<B> {
    /// What is true of the frames that come out.
    pub const fn output_info(&self) -> &VideoInfo {
        &self.output_info
    }

    /// A rough estimate of the memory that it will take in all, in bytes. In host memory [`memory_estimate`] of what a
    /// network sees at once and of the weights, for all frames that are worked on at once; on a GPU what the network was
    /// seen to take and the frames and tiles that are held.
    pub const fn memory_estimate(&self) -> u64 {
        self.memory_bytes
    }

    /// Frames that are worked on at once.
    pub fn frames_at_once(&self) -> usize {
        self.work.frames_at_once()
    }

    /// The pool in host memory that its frames come from, and what each of them takes, in bytes; `None` on a GPU.
    pub fn memory(&self) -> Option<(HostPool, usize)> {
        self.work.memory()
    }

    /// What it does, for as long as anybody wants to know.
    pub fn report(&self) -> ReportHandle {
        self.report.clone()
    }
}

impl<B: Buffer> Stage for Upscaler<B> {
    type Input = Frame<B>;
    type Output = Frame<B>;

    fn process(&mut self, input: Frame<B>, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), BoxError> {
        self.work.process(input, emit)?;
        self.report.update(|report| report.frames += 1);
        Ok(())
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), BoxError> {
        Ok(self.work.finish(emit)?)
    }

    fn patience(&self) -> Option<Duration> {
        self.work.patience()
    }

    fn flush(&mut self, emit: &mut dyn FnMut(Frame<B>)) -> Result<(), BoxError> {
        Ok(self.work.flush(emit)?)
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        self.work.device_times()
    }
}

pub(crate) fn check_format(info: &ModelInfo, format: PixelFormat) -> Result<(), FrameError> {
    if format == info.input_format(format) {
        return Ok(());
    }
    Err(FrameError::Format {
        format: format.to_string(),
        action: "upscaled by this model without conversion",
    })
}

/// What comes out of a model that enlarges `scale` times.
pub(crate) fn enlarged(input: &VideoInfo, scale: u32) -> VideoInfo {
    let (width, height) = (input.width.saturating_mul(scale), input.height.saturating_mul(scale));
    VideoInfo { width, height, ..*input }
}
