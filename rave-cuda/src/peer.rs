use std::fmt;

use cudarc::driver::{CudaEvent, result};
use rave_core::{BoxError, DeviceTimes, Layout, Stage, VideoInfo};

use crate::buffer::CudaFrame;
use crate::error::{During, Error};
use crate::pool::Pool;
use crate::stream::Stream;
use crate::timer::WorkTimer;

/// Copies frames from one GPU's memory to another's, over NVLink or the bus as the driver finds it.
///
/// The host waits for nothing. Each GPU has a stream of its own; events order them: the copy runs on the first one's when the
/// target is free, and the target is used when the copy is done. Two pools of one GPU will do, too.
///
/// ```no_run
/// use rave_core::{BoxError, VideoInfo};
/// use rave_cuda::{CudaFrame, PeerCopy, Pool};
///
/// fn to_the_other(video: &VideoInfo, frames: &[CudaFrame], pools: [&Pool; 2]) -> Result<Vec<CudaFrame>, BoxError> {
///     let mut copy = PeerCopy::new(pools[0], pools[1], video)?;
///     Ok(frames.iter().map(|frame| copy.copy(frame)).collect::<Result<_, _>>()?)
/// }
/// ```
pub struct PeerCopy {
    info: VideoInfo,
    from: Pool,
    to: Pool,
    source: Stream,
    target: Stream,
    /// On the target's stream: its buffer is free.
    is_free: CudaEvent,
    /// On the source's stream: the bytes are there.
    is_copied: CudaEvent,
    timer: WorkTimer,
}

impl fmt::Debug for PeerCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCopy")
            .field("info", &self.info)
            .field("from", &self.from)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl PeerCopy {
    /// A stage for the frames that `input` describes, which are in memory of `from`.
    ///
    /// # Errors
    /// [`Error::Cuda`] if streams or events cannot be had.
    pub fn new(from: &Pool, to: &Pool, input: &VideoInfo) -> Result<Self, Error> {
        let event = |pool: &Pool| pool.device().context().new_event(None).during("create an event");
        let source = from.device().new_stream()?;
        Ok(Self {
            info: *input,
            timer: WorkTimer::new(from.device(), &source)?,
            source,
            target: to.device().new_stream()?,
            is_free: event(to)?,
            is_copied: event(from)?,
            from: from.clone(),
            to: to.clone(),
        })
    }

    /// Enqueues the copy of one frame; its layout, time, colour and field order stay.
    ///
    /// # Errors
    /// [`Error::Frame`] if format or size are not those of the [`VideoInfo`]; as for [`Pool::take`]; [`Error::Cuda`] if the
    /// driver refuses the copy.
    pub fn copy(&mut self, frame: &CudaFrame) -> Result<CudaFrame, Error> {
        frame.layout().check(self.info.format, (self.info.width, self.info.height))?;
        let layout = *frame.layout();
        let mut copied = self.to.frame(layout, frame.color(), frame.info())?;
        let enqueued = self.enqueue(frame, &mut copied, &layout);
        if enqueued.is_err() {
            // The buffers go back to their pools; nobody else would wait for a copy that was begun.
            self.source.cudarc().context().record_err(self.source.cudarc().synchronize());
        }
        enqueued?;
        self.from.count_download(layout.size_bytes());
        self.to.count_upload(layout.size_bytes());
        Ok(copied)
    }

    fn enqueue(&mut self, frame: &CudaFrame, copied: &mut CudaFrame, layout: &Layout) -> Result<(), Error> {
        const COPY: &str = "copy a frame to another GPU";
        let (source, target) = (&self.source, &self.target);
        let (from, to) = (frame.buffer().read(source)?, copied.buffer_mut().write(target)?);
        self.is_free.record(target.cudarc()).during(COPY)?;
        source.wait(&self.is_free)?;
        source.bind()?;
        let contexts = (self.to.device().context().cu_ctx(), self.from.device().context().cu_ctx());
        let (addresses, stream) = ((to.address(), from.address()), source.as_raw());
        self.timer.around(|| {
            // SAFETY: both buffers hold the layout, which `Frame::new` has found in them; each address is of its context,
            // since the accesses were given for streams of the pools' devices; both accesses live until after the enqueue.
            unsafe {
                result::memcpy_peer_async(
                    contexts.0,
                    addresses.0,
                    contexts.1,
                    addresses.1,
                    layout.size_bytes(),
                    stream,
                )
            }
            .during(COPY)
        })?;
        self.is_copied.record(source.cudarc()).during(COPY)?;
        target.wait(&self.is_copied)
    }
}

impl Stage for PeerCopy {
    type Input = CudaFrame;
    type Output = CudaFrame;

    fn process(&mut self, input: CudaFrame, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        emit(self.copy(&input)?);
        Ok(())
    }

    fn finish(&mut self, _emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        Ok(())
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        Some(self.timer.times())
    }
}
