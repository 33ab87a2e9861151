use std::collections::HashMap;
use std::thread::{self, ThreadId};

use rave_cuda::{CudaBuffer, Graph, Pool, Stream};

use crate::device::session::{DeviceNetwork, DeviceTensor};
use crate::error::Error;

/// Recordings that are kept; output buffers beyond them are rarely seen twice.
const MOST: usize = 32;

/// Runs that are recorded once for each output buffer and then enqueued as a whole, which costs the host a fraction of a run
/// of ONNX Runtime's. The input is always the same buffer.
///
/// ONNX Runtime can record by itself, but only in the mode that forbids every other thread to allocate GPU memory meanwhile.
pub(super) struct Replays {
    recordings: HashMap<u64, Recording>,
    input: CudaBuffer,
}

enum Recording {
    /// The output buffer was seen once, by a thread for which ONNX Runtime has allocated what it needs: a recording cannot.
    Next(ThreadId),
    Done(Graph),
    /// The run could not be recorded.
    Never,
}

impl Replays {
    pub(super) fn new(pool: &Pool, input_bytes: usize) -> Result<Self, Error> {
        Ok(Self { recordings: HashMap::with_capacity(MOST), input: pool.take(input_bytes)? })
    }

    /// Where the network reads its input.
    pub(super) const fn input_mut(&mut self) -> &mut CudaBuffer {
        &mut self.input
    }

    /// Whether any run was recorded.
    pub(super) fn has_any(&self) -> bool {
        self.recordings.values().any(|recording| matches!(recording, Recording::Done(_)))
    }

    /// Enqueues a run from the input buffer into `output`.
    ///
    /// # Safety
    /// As for [`DeviceNetwork::run`]; an access to the output is held for `stream`, which is the network's.
    pub(super) unsafe fn run(
        &mut self,
        network: &mut DeviceNetwork,
        stream: &Stream,
        shape: [i64; 4],
        output: DeviceTensor,
        failed: impl Fn(ort::Error) -> Error,
    ) -> Result<(), Error> {
        let read = self.input.read(stream)?;
        let input = DeviceTensor { address: read.address(), shape };
        // SAFETY: the input buffer is as large as its shape says, and held; the rest is the caller's promise.
        let mut enqueue = || unsafe { network.run(input, output) }.map_err(&failed);
        let this = thread::current().id();
        let is_known = self.recordings.contains_key(&output.address);
        match self.recordings.get_mut(&output.address) {
            Some(Recording::Done(graph)) => {
                // SAFETY: both buffers are held for the stream.
                unsafe { graph.launch() }?;
            }
            Some(Recording::Next(seen)) if *seen == this => {
                // SAFETY: the session enqueues on its stream alone. The input lives as long as the graph; the output is
                // whatever buffer has this address when the graph is launched, and held then and now; the session's own
                // memory lives as long as the session, which outlives the graph.
                let recording = unsafe { recorded(stream, &mut enqueue) }?;
                self.recordings.insert(output.address, recording);
            }
            Some(Recording::Never) => enqueue()?,
            Some(Recording::Next(_)) | None => {
                enqueue()?;
                if is_known || self.recordings.len() < MOST {
                    self.recordings.insert(output.address, Recording::Next(this));
                }
            }
        }
        Ok(())
    }
}

/// Records what `enqueue` enqueues, and has it run once: as a whole, or as it is if it cannot be recorded.
///
/// # Safety
/// As for [`Graph::record`] and [`Graph::launch`].
unsafe fn recorded(
    stream: &Stream,
    enqueue: &mut impl FnMut() -> Result<(), Error>,
) -> Result<Recording, Error> {
    // SAFETY: the caller's promise.
    match unsafe { Graph::record(stream, &mut *enqueue) } {
        Ok(mut graph) => {
            // SAFETY: the caller's promise.
            unsafe { graph.launch() }?;
            Ok(Recording::Done(graph))
        }
        Err(error) => {
            tracing::debug!(%error, "a run cannot be recorded");
            // CUDA keeps the recording's error for whoever asks next, and ONNX Runtime asks after each kernel that it enqueues.
            enqueue().or_else(|_| enqueue())?;
            Ok(Recording::Never)
        }
    }
}
