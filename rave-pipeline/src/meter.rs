use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rave_core::{DeviceTimes, DeviceTotals};

use crate::overlap::overlap;

/// Counts one worker's items and times; written by its thread, read by anyone.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) name: String,
    pub(crate) items_in: AtomicU64,
    pub(crate) items_out: AtomicU64,
    busy_nanos: AtomicU64,
    waiting_for_input_nanos: AtomicU64,
    waiting_for_output_nanos: AtomicU64,
    /// Whether the stage's own code runs, the wait for its output left out.
    is_working: AtomicBool,
    queue: QueueMeter,
    /// When the stage's work ran on a device, if it runs there.
    device: OnceLock<DeviceTimes>,
    /// What the times of items are counted from.
    epoch: Instant,
    first_item_nanos: AtomicU64,
    settled_item_nanos: AtomicU64,
    last_item_nanos: AtomicU64,
}

/// What the worker finds in the queue before it, each time that it looks.
#[derive(Debug, Default)]
struct QueueMeter {
    capacity: AtomicU64,
    looks: AtomicU64,
    sum: AtomicU64,
}

impl Meter {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            items_in: AtomicU64::new(0),
            items_out: AtomicU64::new(0),
            busy_nanos: AtomicU64::new(0),
            waiting_for_input_nanos: AtomicU64::new(0),
            waiting_for_output_nanos: AtomicU64::new(0),
            is_working: AtomicBool::new(false),
            queue: QueueMeter::default(),
            device: OnceLock::new(),
            epoch: Instant::now(),
            first_item_nanos: AtomicU64::new(NEVER),
            settled_item_nanos: AtomicU64::new(NEVER),
            last_item_nanos: AtomicU64::new(NEVER),
        }
    }

    /// Lets the report hold how long the stage's work took on its device.
    pub(crate) fn watch_device(&self, times: Option<DeviceTimes>) {
        if let Some(times) = times {
            // Asked for once.
            let _ = self.device.set(times);
        }
    }

    /// Counts an item that left the worker.
    pub(crate) fn count_out(&self) {
        let now = nanos(self.epoch);
        match self.items_out.fetch_add(1, Ordering::Relaxed) + 1 {
            1 => self.first_item_nanos.store(now, Ordering::Relaxed),
            SETTLED => self.settled_item_nanos.store(now, Ordering::Relaxed),
            _ => {}
        }
        self.last_item_nanos.store(now, Ordering::Relaxed);
    }

    /// Runs `work` and counts its time as busy, less what it waited for its output.
    pub(crate) fn busy<R>(&self, work: impl FnOnce() -> R) -> R {
        let waited_before = self.waiting_for_output_nanos.load(Ordering::Relaxed);
        let start = Instant::now();
        self.is_working.store(true, Ordering::Relaxed);
        let result = work();
        self.is_working.store(false, Ordering::Relaxed);
        let waited = self.waiting_for_output_nanos.load(Ordering::Relaxed) - waited_before;
        self.busy_nanos.fetch_add(nanos(start).saturating_sub(waited), Ordering::Relaxed);
        result
    }

    pub(crate) fn waiting_for_input<R>(&self, wait: impl FnOnce() -> R) -> R {
        timed(&self.waiting_for_input_nanos, wait)
    }

    pub(crate) fn waiting_for_output<R>(&self, wait: impl FnOnce() -> R) -> R {
        // Those that only hand items on wait outside of any work.
        let was_working = self.is_working.swap(false, Ordering::Relaxed);
        let result = timed(&self.waiting_for_output_nanos, wait);
        self.is_working.store(was_working, Ordering::Relaxed);
        result
    }

    /// Notes how many of `capacity` items the queue before the worker holds.
    pub(crate) fn note_queue(&self, held: usize, capacity: usize) {
        self.queue.capacity.store(capacity as u64, Ordering::Relaxed);
        self.queue.looks.fetch_add(1, Ordering::Relaxed);
        self.queue.sum.fetch_add(held as u64, Ordering::Relaxed);
    }

    /// Whether the stage's own code runs at this moment.
    pub(crate) fn is_working(&self) -> bool {
        self.is_working.load(Ordering::Relaxed)
    }

    /// Grows with every item that comes or goes.
    pub(crate) fn activity(&self) -> u64 {
        self.items_in.load(Ordering::Relaxed).wrapping_add(self.items_out.load(Ordering::Relaxed))
    }

    /// What it did in a chain that was started at `start`.
    pub(crate) fn read(&self, start: Instant) -> StageReport {
        let before = start.saturating_duration_since(self.epoch);
        let moment = |nanos: &AtomicU64| match nanos.load(Ordering::Relaxed) {
            NEVER => None,
            nanos => Some(Duration::from_nanos(nanos).saturating_sub(before)),
        };
        let time = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Ordering::Relaxed));
        StageReport {
            name: self.name.clone(),
            items_in: self.items_in.load(Ordering::Relaxed),
            items_out: self.items_out.load(Ordering::Relaxed),
            busy: time(&self.busy_nanos),
            waiting_for_input: time(&self.waiting_for_input_nanos),
            waiting_for_output: time(&self.waiting_for_output_nanos),
            queue: self.queue.read(),
            device: self.device.get().map(DeviceTimes::totals),
            device_times: self.device.get().cloned(),
            first_item: moment(&self.first_item_nanos),
            settled_item: moment(&self.settled_item_nanos),
            last_item: moment(&self.last_item_nanos),
        }
    }
}

/// The item after which a stage is taken to have what it needs: buffers, caches, a clock that has risen.
const SETTLED: u64 = 32;

/// No item has left yet.
const NEVER: u64 = u64::MAX;

impl QueueMeter {
    fn read(&self) -> QueueReport {
        let [capacity, looks, sum] =
            [&self.capacity, &self.looks, &self.sum].map(|count| count.load(Ordering::Relaxed));
        QueueReport { capacity, mean_depth: sum as f64 / looks.max(1) as f64 }
    }
}

fn timed<R>(total: &AtomicU64, wait: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = wait();
    total.fetch_add(nanos(start), Ordering::Relaxed);
    result
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The queue before a stage: a full one says that the stage is slow, an empty one that what comes before it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QueueReport {
    /// Items that it holds at most; 0 for a source, which has none.
    pub capacity: u64,
    /// Items that the stage found in it on the average.
    pub mean_depth: f64,
}

/// What one stage did and what it waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct StageReport {
    /// The name given when the chain was built.
    pub name: String,
    /// Items taken from the queue before it; for a source, items read.
    pub items_in: u64,
    /// Items put into the queue behind it; for a sink, items written.
    pub items_out: u64,
    /// Time spent working.
    pub busy: Duration,
    /// Time spent waiting for an item.
    pub waiting_for_input: Duration,
    /// Time spent waiting for room in the queue behind.
    pub waiting_for_output: Duration,
    /// The queue before it.
    pub queue: QueueReport,
    /// How long its work took on the device that it is enqueued on, by the device's clock; `None` if it works on the host.
    pub device: Option<DeviceTotals>,
    /// When.
    pub(crate) device_times: Option<DeviceTimes>,
    /// When its first item was done, since the start.
    pub first_item: Option<Duration>,
    /// When its 32nd item was done, after which it is taken to have warmed up.
    pub settled_item: Option<Duration>,
    /// When its last item so far was done.
    pub last_item: Option<Duration>,
}

impl StageReport {
    /// Items a second up to the last: from the 32nd on if at least as many came after it, otherwise from the first on.
    /// `None` of less than two.
    pub fn rate(&self) -> Option<f64> {
        let (count, start) = match self.settled_item {
            Some(settled) if self.items_out >= 2 * SETTLED => (self.items_out - SETTLED, settled),
            _ => (self.items_out.checked_sub(1)?, self.first_item?),
        };
        let seconds = self.last_item?.checked_sub(start)?.as_secs_f64();
        (seconds > 0.0).then(|| count as f64 / seconds)
    }
}

/// A chain's state at one moment, or at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Since the chain was started.
    pub elapsed: Duration,
    /// Source, stages and sink, in order.
    pub stages: Vec<StageReport>,
}

impl Report {
    /// The stage that was busy for the longest time: making it faster makes the chain faster.
    pub fn bottleneck(&self) -> Option<&StageReport> {
        self.stages.iter().max_by_key(|stage| stage.busy)
    }

    /// The stage with this name.
    pub fn stage(&self, name: &str) -> Option<&StageReport> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// The part, from 0 to 1, of one stage's time on a device during which work of another stage ran there too; of a long run
    /// that of its end. `None` if one of them has no work on a device.
    pub fn overlap(&self, of: &str, with: &str) -> Option<f64> {
        let times = |name| self.stage(name)?.device_times.as_ref();
        overlap(times(of)?, times(with)?)
    }
}
