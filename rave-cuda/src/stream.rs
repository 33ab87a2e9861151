use std::fmt;
use std::sync::Arc;

use cudarc::driver::{CudaEvent, CudaStream, sys};

use crate::error::{During, Error};

/// A queue of work on a GPU. Work in one stream runs in order; streams are ordered with each other only by the events of
/// the buffers that they use. Clones are the same stream.
#[derive(Clone)]
pub struct Stream {
    inner: Arc<CudaStream>,
}

impl Stream {
    pub(crate) const fn new(inner: Arc<CudaStream>) -> Self {
        Self { inner }
    }

    /// The driver's handle, valid as long as this or a clone lives.
    pub fn as_raw(&self) -> sys::CUstream {
        self.inner.cu_stream()
    }

    /// cudarc's stream, for crates that build on this one.
    pub const fn cudarc(&self) -> &Arc<CudaStream> {
        &self.inner
    }

    /// Blocks the calling thread until all work enqueued so far is done. For tests and measurements: a pipeline never
    /// needs it.
    ///
    /// # Errors
    /// [`Error::Cuda`] if any of the work failed.
    pub fn synchronize(&self) -> Result<(), Error> {
        self.inner.synchronize().during("wait for a stream")
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn wait(&self, event: &CudaEvent) -> Result<(), Error> {
        self.inner.wait(event).during("let a stream wait")
    }

    /// Makes the thread ready for direct calls of the driver on this stream.
    pub(crate) fn bind(&self) -> Result<(), Error> {
        self.inner.context().bind_to_thread().during("bind the GPU to a thread")
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({:p})", self.as_raw())
    }
}
