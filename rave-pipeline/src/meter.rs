use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts one worker's items and times; written by its thread, read by anyone.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) name: String,
    pub(crate) items_in: AtomicU64,
    pub(crate) items_out: AtomicU64,
    busy_nanos: AtomicU64,
    waiting_for_input_nanos: AtomicU64,
    waiting_for_output_nanos: AtomicU64,
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
        }
    }

    /// Runs `work` and counts its time as busy, less what it waited for its output.
    pub(crate) fn busy<R>(&self, work: impl FnOnce() -> R) -> R {
        let waited_before = self.waiting_for_output_nanos.load(Ordering::Relaxed);
        let start = Instant::now();
        let result = work();
        let waited = self.waiting_for_output_nanos.load(Ordering::Relaxed) - waited_before;
        self.busy_nanos.fetch_add(nanos(start).saturating_sub(waited), Ordering::Relaxed);
        result
    }

    pub(crate) fn waiting_for_input<R>(&self, wait: impl FnOnce() -> R) -> R {
        timed(&self.waiting_for_input_nanos, wait)
    }

    pub(crate) fn waiting_for_output<R>(&self, wait: impl FnOnce() -> R) -> R {
        timed(&self.waiting_for_output_nanos, wait)
    }

    pub(crate) fn read(&self) -> StageReport {
        let time = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Ordering::Relaxed));
        StageReport {
            name: self.name.clone(),
            items_in: self.items_in.load(Ordering::Relaxed),
            items_out: self.items_out.load(Ordering::Relaxed),
            busy: time(&self.busy_nanos),
            waiting_for_input: time(&self.waiting_for_input_nanos),
            waiting_for_output: time(&self.waiting_for_output_nanos),
        }
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

/// What one stage did and what it waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

/// A chain's state at one moment, or at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}
