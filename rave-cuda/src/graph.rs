use std::fmt;

use cudarc::driver::CudaGraph;
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUresult, CUstreamCaptureMode};

use crate::error::{During, Error};
use crate::stream::Stream;

/// Work that was recorded on a stream, to be enqueued again as a whole: for the host it is one call, however many kernels
/// there are.
pub struct Graph {
    graph: CudaGraph,
}

// SAFETY: a graph may be used by one thread at a time (CUDA driver API, "Graph object thread safety"): launching takes
// `&mut self`, and nothing else gives access. Its stream may be used from any thread.
unsafe impl Send for Graph {}

impl Graph {
    /// Records what `enqueue` enqueues on `stream`. It is not run, not even once. Other threads and streams are not
    /// affected.
    ///
    /// Accesses to buffers are to be held around it, not asked for inside: an event of a recording tells nothing.
    ///
    /// # Errors
    /// Those of `enqueue`; [`Error::Cuda`] if it did what cannot be recorded, such as waiting or allocating.
    ///
    /// # Safety
    /// - `enqueue` enqueues on `stream` alone, from this thread.
    /// - Memory that it names is what it takes it for whenever the graph is launched.
    pub unsafe fn record<E: From<Error>>(
        stream: &Stream,
        enqueue: impl FnOnce() -> Result<(), E>,
    ) -> Result<Self, E> {
        const RECORD: &str = "record work of the GPU";
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        stream.cudarc().begin_capture(mode).during(RECORD)?;
        let enqueued = enqueue();
        // In any case, so that the stream is one that runs again.
        let recorded = stream.cudarc().end_capture(CUgraphInstantiate_flags(0)).during(RECORD);
        enqueued?;
        let nothing = cudarc::driver::DriverError(CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        let graph = recorded?.ok_or(Error::Cuda { action: RECORD, source: nothing })?;
        Ok(Self { graph })
    }

    /// Enqueues the work on the stream that it was recorded on.
    ///
    /// # Errors
    /// [`Error::Cuda`].
    ///
    /// # Safety
    /// Accesses to all memory that the work uses are held, for that stream.
    pub unsafe fn launch(&mut self) -> Result<(), Error> {
        self.graph.launch().during("enqueue recorded work")
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph({:p})", self.graph.cu_graph_exec())
    }
}
