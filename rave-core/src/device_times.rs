use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When pieces of work ran on a device, such as a GPU; written by what times them, read by anyone. Clones are the same
/// record.
///
/// Times count from a moment of the device that is the same for all records of it, so that those of several stages can be
/// compared. A record takes no more memory as it goes on: it keeps the sums of all pieces, and the times of the last 4096.
///
/// ```
/// use rave_core::DeviceTimes;
/// use std::time::Duration;
///
/// let times = DeviceTimes::new();
/// times.add(Duration::from_millis(10)..Duration::from_millis(14));
/// times.add(Duration::from_millis(20)..Duration::from_millis(22));
/// let totals = times.totals();
/// assert_eq!((totals.count, totals.sum), (2, Duration::from_millis(6)));
/// assert_eq!(totals.longest, Duration::from_millis(4));
/// ```
#[derive(Clone, Debug)]
pub struct DeviceTimes(Arc<Mutex<Record>>);

/// How long pieces of work took on a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceTotals {
    /// Pieces: frames, or what a stage makes of them, such as tiles.
    pub count: u64,
    /// All of them together.
    pub sum: Duration,
    /// The longest.
    pub longest: Duration,
}

impl DeviceTotals {
    /// What a piece took on the average.
    pub fn mean(&self) -> Duration {
        self.sum.checked_div(u32::try_from(self.count).unwrap_or(u32::MAX)).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Record {
    totals: DeviceTotals,
    recent: VecDeque<Range<Duration>>,
}

/// Pieces whose times are kept.
const KEPT: usize = 4096;

impl DeviceTimes {
    /// A record of nothing.
    pub fn new() -> Self {
        let (totals, recent) = (DeviceTotals::default(), VecDeque::with_capacity(KEPT));
        Self(Arc::new(Mutex::new(Record { totals, recent })))
    }

    /// Adds a piece that ran from the one moment to the other.
    pub fn add(&self, ran: Range<Duration>) {
        let mut record = self.record();
        let took = ran.end.saturating_sub(ran.start);
        record.totals.count += 1;
        record.totals.sum += took;
        record.totals.longest = record.totals.longest.max(took);
        if record.recent.len() == KEPT {
            record.recent.pop_front();
        }
        record.recent.push_back(ran);
    }

    /// Number and sum of all pieces so far.
    pub fn totals(&self) -> DeviceTotals {
        self.record().totals
    }

    /// When the last pieces ran, at most 4096, in the order in which they were added.
    pub fn recent(&self) -> Vec<Range<Duration>> {
        self.record().recent.iter().cloned().collect()
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for DeviceTimes {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether they are the same record.
impl PartialEq for DeviceTimes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_of_all_and_times_of_the_last() {
        let times = DeviceTimes::new();
        for start in 0..5000 {
            times.clone().add(Duration::from_millis(start)..Duration::from_millis(start + 2));
        }
        let recent = times.recent();
        assert_eq!(times.totals().count, 5000);
        assert_eq!(times.totals().mean(), Duration::from_millis(2));
        assert_eq!((recent.len(), recent[0].start), (KEPT, Duration::from_millis(904)));
        assert_eq!(DeviceTimes::new().totals().mean(), Duration::ZERO);
    }
}
