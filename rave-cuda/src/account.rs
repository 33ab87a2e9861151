use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// What a pool has done so far and what it holds, for reports.
///
/// The numbers are read one after the other while other threads go on: each is right, their sum need not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolHealth {
    /// Buffers taken that were there.
    pub hits: u64,
    /// Buffers taken that the driver had to allocate.
    pub misses: u64,
    /// Buffers that were allocated before anybody took them.
    pub stocked: u64,
    /// Buffers that were to be allocated before, and that neither the limit nor the GPU left room for.
    pub without_room: u64,
    /// Buffers that came back and were kept.
    pub recycled: u64,
    /// Buffers that came back to a full bucket and were freed.
    pub overflowed: u64,
    /// Idle buffers that were freed to make room for another size.
    pub evicted: u64,
    /// Memory that is allocated, in use or idle, or reserved for others, in bytes.
    pub allocated_bytes: usize,
    /// The most that was ever allocated, in bytes.
    pub peak_bytes: usize,
    /// Memory that is in use or reserved for others, in bytes.
    pub used_bytes: usize,
    /// What `allocated_bytes` may not exceed, in MiB.
    pub limit_mib: Option<u64>,
    /// What crossed the bus towards the GPU for frames and tables of this pool, in bytes.
    pub uploaded_bytes: u64,
    /// What crossed the bus from the GPU for frames and results of this pool, in bytes.
    pub downloaded_bytes: u64,
}

impl PoolHealth {
    /// The part of all buffers taken that were there, 0 to 1; 1 before the first.
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 1.0,
            taken => self.hits as f64 / taken as f64,
        }
    }
}

/// The counters behind [`PoolHealth`]. They guard no memory, so that no ordering between them is needed.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) stocked: AtomicU64,
    pub(crate) without_room: AtomicU64,
    pub(crate) recycled: AtomicU64,
    pub(crate) overflowed: AtomicU64,
    pub(crate) evicted: AtomicU64,
    pub(crate) uploaded_bytes: AtomicU64,
    pub(crate) downloaded_bytes: AtomicU64,
    allocated_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
    used_bytes: AtomicUsize,
    limit_bytes: Option<usize>,
    limit_mib: Option<u64>,
}

impl Account {
    pub(crate) fn new(limit_mib: Option<u64>) -> Self {
        let bytes = |mib: u64| mib.checked_mul(1 << 20).and_then(|bytes| usize::try_from(bytes).ok());
        let limit_bytes = limit_mib.map(|mib| bytes(mib).unwrap_or(usize::MAX));
        Self { limit_bytes, limit_mib, ..Self::default() }
    }

    /// Counts an allocation in advance; `false`, and nothing is counted, if it would exceed the limit.
    pub(crate) fn reserve(&self, bytes: usize) -> bool {
        let limit = self.limit_bytes.unwrap_or(usize::MAX);
        let add = |allocated: usize| allocated.checked_add(bytes).filter(|&sum| sum <= limit);
        let Ok(before) = self.allocated_bytes.fetch_update(Relaxed, Relaxed, add) else { return false };
        self.peak_bytes.fetch_max(before + bytes, Relaxed);
        true
    }

    pub(crate) fn release(&self, bytes: usize) {
        self.allocated_bytes.fetch_sub(bytes, Relaxed);
    }

    pub(crate) fn lend(&self, bytes: usize) {
        self.used_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn take_back(&self, bytes: usize) {
        self.used_bytes.fetch_sub(bytes, Relaxed);
    }

    pub(crate) fn health(&self) -> PoolHealth {
        PoolHealth {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            stocked: self.stocked.load(Relaxed),
            without_room: self.without_room.load(Relaxed),
            recycled: self.recycled.load(Relaxed),
            overflowed: self.overflowed.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            allocated_bytes: self.allocated_bytes.load(Relaxed),
            peak_bytes: self.peak_bytes.load(Relaxed),
            used_bytes: self.used_bytes.load(Relaxed),
            limit_mib: self.limit_mib,
            uploaded_bytes: self.uploaded_bytes.load(Relaxed),
            downloaded_bytes: self.downloaded_bytes.load(Relaxed),
        }
    }
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_hard_and_the_peak_stays() {
        let account = Account::new(Some(1));
        assert!(account.reserve(600_000));
        assert!(!account.reserve(448_577));
        assert!(account.reserve(448_576));
        account.release(600_000);
        let health = account.health();
        assert_eq!((health.allocated_bytes, health.peak_bytes), (448_576, 1 << 20));
        assert!(account.reserve(600_000));
        assert!(!account.reserve(usize::MAX));
    }

    #[test]
    fn threads_never_exceed_the_limit_together() {
        let account = Account::new(Some(1));
        let granted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| (0..1000).filter(|_| account.reserve(4096)).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(granted, 256);
        assert_eq!(account.health().allocated_bytes, 1 << 20);
    }

    #[test]
    fn the_hit_rate_is_a_part_of_all_taken() {
        assert_eq!(PoolHealth::default().hit_rate(), 1.0);
        assert_eq!(PoolHealth { hits: 3, misses: 1, ..PoolHealth::default() }.hit_rate(), 0.75);
    }
}
