use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use cudarc::driver::sys::CUdeviceptr;
use cudarc::driver::{CudaEvent, result};
use parking_lot::Mutex;
use rave_core::{Buffer, Frame};

use crate::error::{During, Error};
use crate::pool::Home;
use crate::stream::Stream;

/// A frame in GPU memory.
pub type CudaFrame = Frame<CudaBuffer>;

/// GPU memory from a [`Pool`](crate::Pool), to which it returns when it is dropped.
///
/// Whoever wants its address says on which stream it will be used, and keeps the [`Access`] until the work is enqueued.
pub struct CudaBuffer {
    /// Taken out in `drop` and nowhere else.
    allocation: ManuallyDrop<Allocation>,
    len_bytes: usize,
    home: Arc<Home>,
}

impl CudaBuffer {
    pub(crate) fn new(allocation: Allocation, len_bytes: usize, home: Arc<Home>) -> Self {
        Self { allocation: ManuallyDrop::new(allocation), len_bytes, home }
    }

    /// The address, to be read by work that is enqueued on `stream` while the guard lives. That work will run after
    /// everything that used the buffer before.
    ///
    /// # Errors
    /// [`Error::Cuda`] if the driver refuses to order the streams, or an earlier asynchronous call failed.
    pub fn read(&self, stream: &Stream) -> Result<Access<'_>, Error> {
        self.allocation.access(stream, Use::Read)
    }

    /// The address, to be written by work that is enqueued on `stream` while the guard lives.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn write(&mut self, stream: &Stream) -> Result<Access<'_>, Error> {
        self.allocation.access(stream, Use::Write)
    }
}

impl Buffer for CudaBuffer {
    fn len_bytes(&self) -> usize {
        self.len_bytes
    }
}

impl Drop for CudaBuffer {
    fn drop(&mut self) {
        // SAFETY: this is the only place that takes it, and the buffer is not used afterwards.
        let allocation = unsafe { ManuallyDrop::take(&mut self.allocation) };
        self.home.put_back(allocation);
    }
}

impl fmt::Debug for CudaBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CudaBuffer({} bytes)", self.len_bytes)
    }
}

/// Memory from the driver, with the event of its last use. Freed when it is dropped, after that use.
pub(crate) struct Allocation {
    address: CUdeviceptr,
    bucket_bytes: usize,
    last_use: Mutex<LastUse>,
}

/// The event covers every use so far: a use on another stream waits for it first, before its work and again before it is
/// recorded there, whichever of two users at once comes last.
struct LastUse {
    event: CudaEvent,
    stream: Option<Stream>,
}

impl LastUse {
    fn let_wait(&self, stream: &Stream) -> Result<(), Error> {
        match &self.stream {
            Some(last) if !last.is(stream) => stream.wait(&self.event),
            _ => Ok(()),
        }
    }

    fn record(&mut self, stream: &Stream) -> Result<(), Error> {
        self.let_wait(stream)?;
        self.event.record(stream.cudarc()).during("record an event")?;
        self.stream = Some(stream.clone());
        Ok(())
    }
}

impl Allocation {
    pub(crate) fn new(address: CUdeviceptr, bucket_bytes: usize, event: CudaEvent) -> Self {
        Self { address, bucket_bytes, last_use: Mutex::new(LastUse { event, stream: None }) }
    }

    pub(crate) const fn bucket_bytes(&self) -> usize {
        self.bucket_bytes
    }

    fn access(&self, stream: &Stream, right: Use) -> Result<Access<'_>, Error> {
        self.last_use.lock().let_wait(stream)?;
        Ok(Access { allocation: self, stream: stream.clone(), right })
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        let event = &self.last_use.get_mut().event;
        let context = event.context();
        // Freeing is rare (a full bucket, a change of sizes, the end), so that waiting here costs nothing that counts.
        context.record_err(event.synchronize());
        // SAFETY: the address came from `malloc_sync` and is freed once; its last use is over. `synchronize` has bound
        // the context to the thread.
        context.record_err(unsafe { result::free_sync(self.address) });
    }
}

/// The right to enqueue work on a buffer. When it is dropped, what was enqueued on its stream so far becomes the buffer's
/// last use.
#[must_use = "dropped before the work is enqueued, it orders nothing"]
pub struct Access<'a> {
    allocation: &'a Allocation,
    stream: Stream,
    right: Use,
}

/// What a buffer was lent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Write,
}

impl Access<'_> {
    /// The address on the device.
    pub const fn address(&self) -> u64 {
        self.allocation.address
    }

    /// Whether work on `stream` may use `len_bytes` in this way.
    pub(crate) fn permits(&self, stream: &Stream, right: Use, len_bytes: usize) -> bool {
        let is_right = self.right == Use::Write || right == Use::Read;
        is_right && self.stream.is(stream) && len_bytes <= self.allocation.bucket_bytes
    }
}

impl Drop for Access<'_> {
    fn drop(&mut self) {
        if self.allocation.last_use.lock().record(&self.stream).is_err() {
            // Without the event the next user would not wait. A stream whose events cannot be recorded is lost anyway;
            // the error comes back with the next call.
            let context = self.stream.cudarc().context();
            context.record_err(self.stream.cudarc().synchronize());
        }
    }
}

impl fmt::Debug for Access<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({:#x} on {:?})", self.allocation.address, self.stream)
    }
}
