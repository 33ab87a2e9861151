//! Work on the rows of a picture, on several threads.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread::{self, ScopedJoinHandle};

/// How many threads share a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bands(NonZeroUsize);

/// Below this a thread costs more than it saves.
const LEAST_ROWS: usize = 64;

impl Bands {
    /// As many as given, or as there are cores.
    pub(super) fn new(threads: Option<NonZeroUsize>) -> Self {
        let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self(threads.unwrap_or_else(cores))
    }

    /// The results of `work` on bands that make up `0..rows`, in order.
    ///
    /// # Panics
    /// If `work` does.
    pub(super) fn map<T: Send>(self, rows: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
        let count = self.0.get().min(rows / LEAST_ROWS).max(1);
        let band = |index: usize| rows * index / count..rows * (index + 1) / count;
        if count == 1 {
            return vec![work(0..rows)];
        }
        let work = &work;
        thread::scope(|scope| {
            let spawn = |index| {
                thread::Builder::new().spawn_scoped(scope, move || work(band(index))).map_err(|_| index)
            };
            let threads: Vec<_> = (0..count).map(spawn).collect();
            let joined = threads.into_iter().map(|thread| match thread.map(ScopedJoinHandle::join) {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                // The system has no thread for it.
                Err(index) => work(band(index)),
            });
            joined.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_every_row_once() {
        for (threads, rows) in [(1, 0), (1, 500), (3, 500), (8, 129), (64, 70)] {
            let bands = Bands::new(NonZeroUsize::new(threads)).map(rows, |rows| rows.collect::<Vec<_>>());
            assert_eq!(bands.concat(), (0..rows).collect::<Vec<_>>(), "{threads} threads, {rows} rows");
        }
    }
}
