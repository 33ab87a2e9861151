//! What a process and a GPU hold while a job runs, and whether it stays the same.

use std::fs;
use std::time::Duration;

use rave_cuda::{Pool, PoolHealth};

/// What the process holds, as Linux tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ProcessMemory {
    /// Memory that is not that of files, in bytes.
    resident_bytes: u64,
    /// Open files and the like.
    handles: u64,
    threads: u64,
}

impl ProcessMemory {
    /// The lesser of each.
    fn min(self, other: Self) -> Self {
        Self {
            resident_bytes: self.resident_bytes.min(other.resident_bytes),
            handles: self.handles.min(other.handles),
            threads: self.threads.min(other.threads),
        }
    }

    /// As of now; `None` where the system does not say.
    fn now() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let field = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let handles = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        Some(Self { resident_bytes: field("RssAnon:")? * 1024, handles, threads: field("Threads:")? })
    }
}

/// GPU memory in the measured phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StressMemory {
    /// Buffers that were taken from the pool.
    pub taken: u64,
    /// Those among them that the driver had to allocate.
    pub allocated: u64,
    /// Bytes that the pool gave back to the driver or took from it, at most, against the beginning of the phase.
    pub pool_drift_bytes: u64,
    /// By how much the GPU's free memory differed at most, in bytes. Other programs on the GPU are in it.
    pub device_drift_bytes: u64,
}

/// By how much the least that the process held in the last quarter is above the least of the second one. What is there for a moment
/// only is not in it, such as a file that is opened again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Host memory that is not that of files, in bytes.
    pub resident_bytes: u64,
    /// Open files and the like.
    pub handles: u64,
    /// Threads.
    pub threads: u64,
}

/// Looks while a chain runs, from the end of the warm-up on.
pub(super) struct Watch {
    pool: Option<Pool>,
    warm_up: Duration,
    device: Option<DevicePhase>,
    /// The least of the second quarter, and of the last.
    process: [Option<ProcessMemory>; 2],
    /// Time and frames that had come out.
    frames: Vec<(Duration, u64)>,
}

/// What was seen of the GPU since the warm-up.
struct DevicePhase {
    first: PoolHealth,
    last: PoolHealth,
    first_free_bytes: usize,
    pool_drift_bytes: u64,
    device_drift_bytes: u64,
}

/// How often it looks in a second, at most.
const LOOKS_A_SECOND: usize = 6;

impl Watch {
    pub(super) fn new(pool: Option<Pool>, warm_up: Duration, duration: Duration) -> Self {
        let looks = duration.as_secs() as usize * LOOKS_A_SECOND + LOOKS_A_SECOND;
        Self { pool, warm_up, device: None, process: [None; 2], frames: Vec::with_capacity(looks) }
    }

    /// Notes how things are; the chain runs.
    pub(super) fn look(&mut self, elapsed: Duration, frames_out: u64) {
        self.frames.push((elapsed, frames_out));
        if elapsed >= self.warm_up {
            self.look_at_device();
            self.look_at_process(elapsed);
        }
    }

    fn look_at_device(&mut self) {
        let Some(pool) = &self.pool else { return };
        let Ok(device) = pool.device().info() else { return };
        let (health, free_bytes) = (pool.health(), device.free_bytes);
        let phase = self.device.get_or_insert(DevicePhase {
            first: health,
            last: health,
            first_free_bytes: free_bytes,
            pool_drift_bytes: 0,
            device_drift_bytes: 0,
        });
        let drift = |first: usize, now: usize| first.abs_diff(now) as u64;
        let pool_drift = drift(phase.first.allocated_bytes, health.allocated_bytes);
        phase.last = health;
        phase.pool_drift_bytes = phase.pool_drift_bytes.max(pool_drift);
        phase.device_drift_bytes = phase.device_drift_bytes.max(drift(phase.first_free_bytes, free_bytes));
    }

    fn look_at_process(&mut self, elapsed: Duration) {
        let quarter = elapsed.as_nanos() / self.warm_up.as_nanos().max(1);
        let [second, last] = &mut self.process;
        let least = match quarter {
            1 => second,
            3.. => last,
            _ => return,
        };
        let Some(now) = ProcessMemory::now() else { return };
        *least = Some(least.map_or(now, |least| least.min(now)));
    }

    pub(super) fn memory(&self) -> Option<StressMemory> {
        let phase = self.device.as_ref()?;
        let allocated = phase.last.misses - phase.first.misses;
        Some(StressMemory {
            taken: phase.last.hits - phase.first.hits + allocated,
            allocated,
            pool_drift_bytes: phase.pool_drift_bytes,
            device_drift_bytes: phase.device_drift_bytes,
        })
    }

    pub(super) fn growth(&self) -> Option<Growth> {
        let [second, last] = self.process;
        let (second, last) = (second?, last?);
        Some(Growth {
            resident_bytes: last.resident_bytes.saturating_sub(second.resident_bytes),
            handles: last.handles.saturating_sub(second.handles),
            threads: last.threads.saturating_sub(second.threads),
        })
    }

    /// Frames a second in the second minute and in the last one; of a run under four minutes in its second and its last
    /// quarter.
    pub(super) fn pace(&self) -> Option<Pace> {
        let end = self.frames.last()?.0;
        let window = (end / 4).min(Duration::from_secs(60));
        let [early, late] = [window, end - window].map(|start| self.rate(start, start + window));
        Some(Pace { window, early: early?, late: late? })
    }

    fn rate(&self, from: Duration, to: Duration) -> Option<f64> {
        let mut within = self.frames.iter().filter(|(time, _)| (from..=to).contains(time));
        let (first, last) = (within.next()?, within.next_back()?);
        let seconds = last.0.checked_sub(first.0)?.as_secs_f64();
        (seconds > 0.0).then(|| (last.1 - first.1) as f64 / seconds)
    }
}

/// Whether it got slower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// How long was looked at: a minute, or a quarter of a shorter run.
    pub window: Duration,
    /// Frames a second in the second window.
    pub early: f64,
    /// Frames a second in the last.
    pub late: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_second_and_of_the_last_minute() {
        let mut watch = Watch::new(None, Duration::MAX, Duration::from_secs(600));
        let mut frames = 0;
        for second in 0..=600 {
            watch.look(Duration::from_secs(second), frames);
            frames += match second {
                0..60 => 5,
                540.. => 18,
                _ => 20,
            };
        }
        let pace = watch.pace().unwrap();
        assert_eq!(pace, Pace { window: Duration::from_secs(60), early: 20.0, late: 18.0 });
    }

    #[test]
    fn shorter_runs_are_looked_at_by_quarters() {
        let mut watch = Watch::new(None, Duration::MAX, Duration::from_secs(40));
        (0..=40).for_each(|second| watch.look(Duration::from_secs(second), 10 * second));
        let pace = watch.pace().unwrap();
        assert_eq!(pace, Pace { window: Duration::from_secs(10), early: 10.0, late: 10.0 });
        assert_eq!(Watch::new(None, Duration::MAX, Duration::ZERO).pace(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_is_known() {
        let now = ProcessMemory::now().unwrap();
        assert!(now.resident_bytes > 1 << 16 && now.handles > 2 && now.threads > 0, "{now:?}");
    }
}
