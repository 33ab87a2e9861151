use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cudarc::driver::sys::CUevent_flags;
use cudarc::driver::{CudaContext, CudaEvent, result};
use rave_core::DeviceTimes;

use crate::device::Device;
use crate::error::{During, Error};
use crate::stream::Stream;

const CREATE: &str = "create an event";

/// Times work on a stream by pairs of events around it.
///
/// The times are read when the GPU has passed the events, and later pieces are enqueued: the host never waits for them. Events
/// are used again. Where more than 64 pieces are on their way, the next one is not timed.
///
/// ```no_run
/// # fn run(device: &rave_cuda::Device) -> Result<(), rave_cuda::Error> {
/// use rave_cuda::{Error, WorkTimer};
///
/// let stream = device.new_stream()?;
/// let mut timer = WorkTimer::new(device, &stream)?;
/// let times = timer.times();
/// timer.around(|| {
///     // Enqueue work on `stream`.
///     Ok::<_, Error>(())
/// })?;
/// drop(timer);
/// println!("{:?}", times.totals().sum);
/// # Ok(()) }
/// ```
pub struct WorkTimer {
    stream: Stream,
    times: DeviceTimes,
    /// From which times count.
    epoch: Arc<CudaEvent>,
    pending: VecDeque<Span>,
    idle: Vec<Span>,
}

/// A piece of work.
struct Span {
    start: CudaEvent,
    end: CudaEvent,
}

/// Pieces that are on their way at once, at most.
const MOST_PENDING: usize = 64;

impl WorkTimer {
    /// For work on `stream`, with a record of its own. Everything that is timed on a device counts from one moment.
    ///
    /// # Errors
    /// [`Error::Cuda`].
    pub fn new(device: &Device, stream: &Stream) -> Result<Self, Error> {
        Self::with_times(device, stream, &DeviceTimes::new())
    }

    /// For work on `stream`, added to a record that others may add to.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_times(device: &Device, stream: &Stream, times: &DeviceTimes) -> Result<Self, Error> {
        Ok(Self {
            stream: stream.clone(),
            times: times.clone(),
            epoch: device.epoch()?,
            pending: VecDeque::with_capacity(MOST_PENDING),
            idle: Vec::with_capacity(MOST_PENDING),
        })
    }

    /// What was timed so far.
    pub fn times(&self) -> DeviceTimes {
        self.times.clone()
    }

    /// Times what `enqueue` enqueues on the stream. What it has to wait for, such as another stream's work, is to be enqueued
    /// before: buffers are asked for outside.
    ///
    /// # Errors
    /// Those of `enqueue`; [`Error::Cuda`] if an event cannot be had.
    pub fn around<R, E: From<Error>>(&mut self, enqueue: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        let Some(span) = self.begin()? else { return enqueue() };
        match enqueue() {
            Ok(result) => self.end(span).map(|()| result).map_err(E::from),
            Err(error) => {
                self.idle.push(span);
                Err(error)
            }
        }
    }

    /// Nothing if the piece is not to be timed.
    fn begin(&mut self) -> Result<Option<Span>, Error> {
        self.collect();
        if self.pending.len() == MOST_PENDING {
            return Ok(None);
        }
        let span = match self.idle.pop() {
            Some(span) => span,
            None => Span::new(self.stream.cudarc().context())?,
        };
        span.start.record(self.stream.cudarc()).during("record an event")?;
        Ok(Some(span))
    }

    fn end(&mut self, span: Span) -> Result<(), Error> {
        span.end.record(self.stream.cudarc()).during("record an event")?;
        self.pending.push_back(span);
        Ok(())
    }

    /// Reads the times of what is done.
    fn collect(&mut self) {
        while self.pending.front().is_some_and(|span| span.end.is_complete()) {
            let Some(span) = self.pending.pop_front() else { break };
            self.note(&span);
            self.idle.push(span);
        }
    }

    fn note(&self, span: &Span) {
        if let (Some(start), Some(took)) =
            (elapsed(&self.epoch, &span.start), elapsed(&span.start, &span.end))
        {
            self.times.add(start..start + took);
        }
    }
}

impl Span {
    fn new(context: &Arc<CudaContext>) -> Result<Self, Error> {
        let (start, end) = (timing_event(context)?, timing_event(context)?);
        Ok(Self { start, end })
    }
}

pub(crate) fn timing_event(context: &Arc<CudaContext>) -> Result<CudaEvent, Error> {
    context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).during(CREATE)
}

/// The time between two events that the GPU has passed.
fn elapsed(from: &CudaEvent, to: &CudaEvent) -> Option<Duration> {
    // SAFETY: both events live.
    let millis = unsafe { result::event::elapsed(from.cu_event(), to.cu_event()) }.ok()?;
    Some(Duration::from_secs_f64(f64::from(millis).max(0.0) / 1000.0))
}

/// The last pieces are waited for: nothing comes after them that would find them done.
impl Drop for WorkTimer {
    fn drop(&mut self) {
        if let Some(last) = self.pending.back() {
            let _ = last.end.synchronize();
        }
        self.collect();
    }
}

impl fmt::Debug for WorkTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkTimer({:?})", self.times.totals())
    }
}
