use std::sync::Arc;

use cudarc::driver::{HostSlice, PinnedHostSlice, result};
use parking_lot::Mutex;

use crate::buffer::Access;
use crate::error::{During, Error};
use crate::pool::Pool;
use crate::stream::Stream;

/// Page-locked memory for small results on their way to the host, to be used again. Clones are the same shelf.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pool: Pool,
    len_bytes: usize,
    idle: Arc<Mutex<Vec<PinnedHostSlice<u8>>>>,
}

/// Bytes that are on their way from the GPU.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Given back in `drop`.
    memory: Option<PinnedHostSlice<u8>>,
    idle: Arc<Mutex<Vec<PinnedHostSlice<u8>>>>,
}

impl Shelf {
    /// For results of at most `len_bytes`.
    pub(crate) fn new(pool: &Pool, len_bytes: usize) -> Self {
        Self { pool: pool.clone(), len_bytes, idle: Arc::default() }
    }

    /// Enqueues the copy of the first `len_bytes` behind `source`, which must have them.
    pub(crate) fn fetch(
        &self,
        stream: &Stream,
        source: &Access<'_>,
        len_bytes: usize,
    ) -> Result<Pending, Error> {
        let mut memory = self.memory()?;
        {
            // SAFETY: the slice is used on this stream only; the guard lives until after the enqueue.
            let (bytes, _recorded) = unsafe { memory.stream_synced_mut_slice(stream.cudarc()) };
            // SAFETY: the caller's promise; the memory is not read before its event.
            unsafe { result::memcpy_dtoh_async(&mut bytes[..len_bytes], source.address(), stream.as_raw()) }
                .during("copy results from the GPU")?;
            self.pool.count_download(len_bytes);
        }
        Ok(Pending { memory: Some(memory), idle: Arc::clone(&self.idle) })
    }

    fn memory(&self) -> Result<PinnedHostSlice<u8>, Error> {
        if let Some(memory) = self.idle.lock().pop() {
            return Ok(memory);
        }
        // SAFETY: the memory is unset; it is written before it is read.
        unsafe { self.pool.device().context().alloc_pinned_with_flags(self.len_bytes, 0) }
            .during("allocate page-locked memory")
    }
}

impl Pending {
    /// Waits for the bytes and reads them.
    pub(crate) fn wait<T>(&self, read: impl FnOnce(&[u8]) -> T) -> Result<T, Error> {
        let bytes = match &self.memory {
            Some(memory) => memory.as_slice().during("wait for results")?,
            None => &[],
        };
        Ok(read(bytes))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.idle.lock().extend(self.memory.take());
    }
}
