use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cudarc::driver::sys::CUresult;
use cudarc::driver::{DriverError, result};
use parking_lot::Mutex;
use rave_core::{ColorSpec, Frame, FrameInfo, Layout};

use crate::account::{Account, PoolHealth, count};
use crate::buffer::{Allocation, CudaBuffer, CudaFrame};
use crate::device::Device;
use crate::error::{During, Error};
use crate::shelves::{Shelves, bucket_bytes};

/// How a [`Pool`] behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolOptions {
    /// The most that the pool may have allocated, in use and idle together, in MiB; `None` for all there is.
    pub limit_mib: Option<u64>,
}

/// Memory of a GPU that [`Pool::stock`] leaves to others, such as an inference library.
const LEFT_BYTES: usize = 256 << 20;

/// GPU memory that is used again, so that a long job calls the driver's allocator only at its beginning.
///
/// Sizes are rounded up to buckets: below 2 MiB to a power of two of at least 4096 bytes, above to a multiple of 2 MiB. A
/// buffer comes back when it is dropped, even while the GPU still works on it: its next user's stream waits for that
/// work, the host does not. A bucket keeps at most 32 idle buffers, or as many as are [expected](Self::expect), and the last
/// one in is the first one out. Clones are the same pool.
///
/// ```no_run
/// use rave_cuda::{Device, Pool, PoolOptions};
/// let pool = Pool::new(&Device::open(0)?, PoolOptions { limit_mib: Some(4096) });
/// let buffer = pool.take(1920 * 1080)?;
/// drop(buffer);
/// assert_eq!(pool.health().recycled, 1);
/// # Ok::<(), rave_cuda::Error>(())
/// ```
#[derive(Clone)]
pub struct Pool {
    home: Arc<Home>,
}

/// What buffers come back to.
pub(crate) struct Home {
    device: Device,
    account: Account,
    shelves: Mutex<Shelves<Allocation>>,
}

impl Pool {
    /// An empty pool on `device`.
    pub fn new(device: &Device, options: PoolOptions) -> Self {
        let account = Account::new(options.limit_mib);
        Self { home: Arc::new(Home { device: device.clone(), account, shelves: Mutex::default() }) }
    }

    /// The GPU whose memory it is.
    pub fn device(&self) -> &Device {
        &self.home.device
    }

    /// A buffer of `len_bytes` with unspecified contents, aligned to at least 256 bytes.
    ///
    /// # Errors
    /// [`Error::VramLimit`] if the limit leaves no room, [`Error::VramExhausted`] if the GPU has none, both after idle
    /// buffers of other sizes were freed; [`Error::Cuda`] for anything else.
    pub fn take(&self, len_bytes: usize) -> Result<CudaBuffer, Error> {
        let bucket = bucket_bytes(len_bytes);
        let idle = self.home.shelves.lock().take(bucket);
        let allocation = match idle {
            Some(allocation) => {
                count(&self.home.account.hits);
                allocation
            }
            None => self.home.allocate(bucket)?,
        };
        self.home.account.lend(bucket);
        Ok(CudaBuffer::new(allocation, len_bytes, Arc::clone(&self.home)))
    }

    /// A frame whose samples are unspecified until they are written.
    ///
    /// # Errors
    /// As for [`take`](Self::take).
    pub fn frame(&self, layout: Layout, color: ColorSpec, info: FrameInfo) -> Result<CudaFrame, Error> {
        Ok(Frame::new(self.take(layout.size_bytes())?, layout, color, info)?)
    }

    /// Counts memory that somebody else has on the same GPU, such as an inference library, against the limit for as long as
    /// the guard lives.
    ///
    /// # Errors
    /// [`Error::VramLimit`] if the limit leaves no room, after idle buffers were freed.
    pub fn reserve(&self, len_bytes: usize) -> Result<Reservation, Error> {
        self.home.reserve(len_bytes)?;
        self.home.account.lend(len_bytes);
        Ok(Reservation { len_bytes, home: Arc::clone(&self.home) })
    }

    /// Counts bytes that crossed the bus towards the GPU.
    pub(crate) fn count_upload(&self, bytes: usize) {
        self.home.account.uploaded_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes that crossed the bus from the GPU.
    pub(crate) fn count_download(&self, bytes: usize) {
        self.home.account.downloaded_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Notes that `count` more buffers of `len_bytes` will be in use at the same time: their bucket keeps them all when they
    /// come back, and [`stock`](Self::stock) has them ready.
    pub fn expect(&self, len_bytes: usize, count: usize) {
        self.home.shelves.lock().expect(bucket_bytes(len_bytes), count);
    }

    /// Allocates as many buffers as are [expected](Self::expect) and not idle, so that none has to be allocated while they
    /// are in use. It is for the time before that, when all that is expected is idle or not there yet.
    ///
    /// Nothing is freed for them, and 256 MiB of the GPU are left to others: says how many buffers there was no room for.
    ///
    /// # Errors
    /// [`Error::Cuda`] if the driver fails otherwise than for want of memory.
    pub fn stock(&self) -> Result<usize, Error> {
        let missing = self.home.shelves.lock().missing();
        let mut room_bytes = self.home.free_bytes()?.saturating_sub(LEFT_BYTES);
        let mut without_room = 0;
        for (bucket, count) in missing {
            let added = self.home.add_idle(bucket, count.min(room_bytes / bucket))?;
            room_bytes -= added * bucket;
            without_room += count - added;
        }
        self.home.account.without_room.store(without_room as u64, Ordering::Relaxed);
        Ok(without_room)
    }

    /// What it has done and what it holds.
    pub fn health(&self) -> PoolHealth {
        self.home.account.health()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let health = self.health();
        write!(f, "Pool({} of {} bytes used)", health.used_bytes, health.allocated_bytes)
    }
}

/// Memory that is not the pool's but counts against its limit. See [`Pool::reserve`].
#[must_use = "dropped, it reserves nothing"]
pub struct Reservation {
    len_bytes: usize,
    home: Arc<Home>,
}

impl Reservation {
    /// How much it is.
    pub const fn len_bytes(&self) -> usize {
        self.len_bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.home.account.take_back(self.len_bytes);
        self.home.account.release(self.len_bytes);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reservation({} bytes)", self.len_bytes)
    }
}

impl Home {
    fn reserve(&self, len_bytes: usize) -> Result<(), Error> {
        while !self.account.reserve(len_bytes) {
            if !self.evict() {
                return Err(self.over_limit(len_bytes));
            }
        }
        Ok(())
    }

    fn allocate(&self, bucket: usize) -> Result<Allocation, Error> {
        self.reserve(bucket)?;
        match self.allocate_reserved(bucket) {
            Ok(allocation) => {
                count(&self.account.misses);
                Ok(allocation)
            }
            Err(error) => {
                self.account.release(bucket);
                Err(error)
            }
        }
    }

    /// Frees idle buffers one after the other for as long as the GPU has no room.
    fn allocate_reserved(&self, bucket: usize) -> Result<Allocation, Error> {
        let exhausted = |source| Error::VramExhausted {
            wanted_bytes: bucket,
            used_bytes: self.account.health().used_bytes,
            source,
        };
        loop {
            match self.ask_driver(bucket) {
                Err(Error::Cuda { source, .. }) if is_out_of_memory(source) => {
                    if !self.evict() {
                        return Err(exhausted(source));
                    }
                }
                other => return other,
            }
        }
    }

    fn ask_driver(&self, bucket: usize) -> Result<Allocation, Error> {
        const ALLOCATE: &str = "allocate GPU memory";
        let context = self.device.context();
        context.bind_to_thread().during(ALLOCATE)?;
        let event = context.new_event(None).during(ALLOCATE)?;
        // SAFETY: the context is the thread's. The memory is unset: no one reads it as a type for which that matters.
        let address = unsafe { result::malloc_sync(bucket) }.during(ALLOCATE)?;
        Ok(Allocation::new(address, bucket, event))
    }

    /// Memory of the GPU that nobody uses.
    fn free_bytes(&self) -> Result<usize, Error> {
        let (free_bytes, _) = self.device.context().mem_get_info().during("ask for free memory")?;
        Ok(free_bytes)
    }

    /// Adds idle buffers, as long as there is room; says how many.
    fn add_idle(&self, bucket: usize, most: usize) -> Result<usize, Error> {
        for added in 0..most {
            if !self.account.reserve(bucket) {
                return Ok(added);
            }
            match self.ask_driver(bucket) {
                Ok(allocation) => self.keep(bucket, allocation, &self.account.stocked),
                Err(Error::Cuda { source, .. }) if is_out_of_memory(source) => {
                    self.account.release(bucket);
                    return Ok(added);
                }
                Err(error) => {
                    self.account.release(bucket);
                    return Err(error);
                }
            }
        }
        Ok(most)
    }

    fn evict(&self) -> bool {
        let evicted = self.shelves.lock().evict();
        let Some(allocation) = evicted else { return false };
        let bucket = allocation.bucket_bytes();
        drop(allocation);
        self.account.release(bucket);
        count(&self.account.evicted);
        true
    }

    fn over_limit(&self, bucket: usize) -> Error {
        let health = self.account.health();
        let limit_mib = health.limit_mib.unwrap_or_default();
        Error::VramLimit { wanted_bytes: bucket, used_bytes: health.used_bytes, limit_mib }
    }

    /// Takes a buffer back that was dropped; its work on the GPU may still go on.
    pub(crate) fn put_back(&self, allocation: Allocation) {
        let bucket = allocation.bucket_bytes();
        self.account.take_back(bucket);
        self.keep(bucket, allocation, &self.account.recycled);
    }

    /// Puts an idle buffer where the next user finds it, which `kept` counts, or frees it if its bucket is full.
    fn keep(&self, bucket: usize, allocation: Allocation, kept: &AtomicU64) {
        let surplus = self.shelves.lock().put(bucket, allocation);
        match surplus {
            None => count(kept),
            Some(allocation) => {
                drop(allocation);
                self.account.release(bucket);
                count(&self.account.overflowed);
            }
        }
    }
}

fn is_out_of_memory(error: DriverError) -> bool {
    error == DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)
}
