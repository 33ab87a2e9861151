use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory that a frame's planes lie in. Where it is (host, a device) is the implementing type.
pub trait Buffer: Send + 'static {
    /// Length in bytes.
    fn len_bytes(&self) -> usize;
}

/// Sixteen bytes, so that a vector of them is aligned for every sample type.
type Block = u128;
const BLOCK_BYTES: usize = size_of::<Block>();

/// Host memory, aligned to 16 bytes. If it came from a [`HostPool`], dropping it gives it back.
pub struct HostBuffer {
    blocks: Vec<Block>,
    len_bytes: usize,
    home: Option<Arc<Shelves>>,
}

impl HostBuffer {
    /// A zeroed buffer of `len_bytes` that belongs to no pool.
    pub fn zeroed(len_bytes: usize) -> Self {
        Self { blocks: vec![0; len_bytes.div_ceil(BLOCK_BYTES)], len_bytes, home: None }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.blocks)[..self.len_bytes]
    }

    /// The bytes, to be written.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.blocks)[..self.len_bytes]
    }
}

impl Buffer for HostBuffer {
    fn len_bytes(&self) -> usize {
        self.len_bytes
    }
}

/// A copy that belongs to no pool.
impl Clone for HostBuffer {
    fn clone(&self) -> Self {
        Self { blocks: self.blocks.clone(), len_bytes: self.len_bytes, home: None }
    }
}

impl fmt::Debug for HostBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostBuffer({} bytes)", self.len_bytes)
    }
}

impl Drop for HostBuffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.put_back(std::mem::take(&mut self.blocks));
        }
    }
}

/// Host buffers that are used again, so that a long job neither allocates nor faults pages per frame.
///
/// Clones share the same buffers. A taken buffer holds what its last user left in it. As many free buffers are kept as were
/// [stocked](Self::stock), at least 16.
#[derive(Clone, Default)]
pub struct HostPool {
    shelves: Arc<Shelves>,
}

struct Shelves {
    free: Mutex<Free>,
}

struct Free {
    /// The one that came back last, and so is likeliest in a cache, is at the end.
    buffers: Vec<Vec<Block>>,
    /// How many are kept; more are returned to the system.
    most: usize,
}

/// Free buffers that a pool keeps unless more were stocked.
const MAX_FREE: usize = 16;

impl Default for Shelves {
    fn default() -> Self {
        Self { free: Mutex::new(Free { buffers: Vec::with_capacity(MAX_FREE), most: MAX_FREE }) }
    }
}

impl Shelves {
    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_back(&self, blocks: Vec<Block>) {
        let mut free = self.free();
        if free.buffers.len() < free.most {
            free.buffers.push(blocks);
        }
    }

    fn take(&self, block_count: usize) -> Option<Vec<Block>> {
        let buffers = &mut self.free().buffers;
        let index = buffers.iter().rposition(|blocks| blocks.len() == block_count)?;
        Some(buffers.remove(index))
    }

    fn stock(&self, block_count: usize, count: usize) {
        let mut free = self.free();
        let Free { buffers, most } = &mut *free;
        let missing =
            count.saturating_sub(buffers.iter().filter(|blocks| blocks.len() == block_count).count());
        *most = (*most).max(buffers.len() + missing);
        buffers.reserve(*most - buffers.len());
        buffers.extend((0..missing).map(|_| vec![0; block_count]));
    }
}

impl HostPool {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// A buffer of `len_bytes` with unspecified contents.
    pub fn take(&self, len_bytes: usize) -> HostBuffer {
        let block_count = len_bytes.div_ceil(BLOCK_BYTES);
        let blocks = self.shelves.take(block_count).unwrap_or_else(|| vec![0; block_count]);
        HostBuffer { blocks, len_bytes, home: Some(Arc::clone(&self.shelves)) }
    }

    /// Has at least `count` free buffers of `len_bytes`, so that so many can be taken at the same time without an allocation.
    /// Memory that was never written costs addresses, but nothing else, on most systems.
    pub fn stock(&self, len_bytes: usize, count: usize) {
        self.shelves.stock(len_bytes.div_ceil(BLOCK_BYTES), count);
    }
}

impl fmt::Debug for HostPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.shelves.free().buffers.len();
        write!(f, "HostPool({free} free)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let pool = HostPool::new();
        let mut buffer = pool.take(100);
        buffer.as_bytes_mut()[7] = 7;
        let address = buffer.as_bytes().as_ptr();
        drop(buffer);
        let again = pool.take(100);
        assert_eq!(again.as_bytes().as_ptr(), address);
        assert_eq!(again.as_bytes().len(), 100);
    }

    #[test]
    fn a_buffer_outlives_its_pool() {
        let pool = HostPool::new();
        let buffer = pool.take(1);
        drop(pool);
        assert_eq!(buffer.len_bytes(), 1);
    }

    #[test]
    fn what_is_stocked_is_taken_and_kept() {
        let pool = HostPool::new();
        drop(pool.take(64));
        for _ in 0..2 {
            pool.stock(64, 2 * MAX_FREE);
            assert_eq!(format!("{pool:?}"), format!("HostPool({} free)", 2 * MAX_FREE));
        }
        let addresses = |count: usize| {
            let taken: Vec<_> = (0..count).map(|_| pool.take(60)).collect();
            taken.iter().map(|buffer| buffer.as_bytes().as_ptr()).collect::<std::collections::BTreeSet<_>>()
        };
        let first = addresses(2 * MAX_FREE);
        assert_eq!((first.len(), addresses(2 * MAX_FREE)), (2 * MAX_FREE, first.clone()));
    }

    #[test]
    fn a_pool_keeps_a_bounded_number() {
        let pool = HostPool::new();
        let taken: Vec<_> = (0..2 * MAX_FREE).map(|_| pool.take(64)).collect();
        drop(taken);
        assert_eq!(format!("{pool:?}"), format!("HostPool({MAX_FREE} free)"));
    }
}
