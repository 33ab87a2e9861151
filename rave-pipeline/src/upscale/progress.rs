use std::collections::VecDeque;
use std::time::Duration;

use crate::Report;

/// How far a job is; given to the callback of [`UpscaleJob::run`](crate::UpscaleJob::run).
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Frames encoded and written.
    pub frames: u64,
    /// Frames of the source, as its header or its duration says; an estimate, never below `frames`.
    pub total: Option<u64>,
    /// Since the start.
    pub elapsed: Duration,
    /// Over the last seconds; 0 before the first frame.
    pub frames_per_second: f64,
    /// The time left at this speed.
    pub remaining: Option<Duration>,
    /// The stage that limits the speed.
    pub bottleneck: Option<String>,
}

/// Speed is measured over this time.
const WINDOW: Duration = Duration::from_secs(10);

/// Turns a chain's reports into progress.
pub(super) struct ProgressMeter {
    total: Option<u64>,
    /// Time and frames, over the window.
    history: VecDeque<(Duration, u64)>,
}

impl ProgressMeter {
    pub(super) fn new(total: Option<u64>) -> Self {
        Self { total, history: VecDeque::from([(Duration::ZERO, 0)]) }
    }

    pub(super) fn update(&mut self, report: &Report) -> Progress {
        let frames = report.stages.last().map_or(0, |sink| sink.items_out);
        let frames_per_second = self.speed(report.elapsed, frames);
        let total = self.total.map(|total| total.max(frames));
        Progress {
            frames,
            total,
            elapsed: report.elapsed,
            frames_per_second,
            remaining: total.and_then(|total| remaining(total - frames, frames_per_second)),
            bottleneck: report.bottleneck().map(|stage| stage.name.clone()),
        }
    }

    fn speed(&mut self, now: Duration, frames: u64) -> f64 {
        self.history.push_back((now, frames));
        while self.history.len() > 2 && now.saturating_sub(self.history[1].0) > WINDOW {
            self.history.pop_front();
        }
        let (then, frames_then) = self.history[0];
        let seconds = now.saturating_sub(then).as_secs_f64();
        if seconds > 0.0 { (frames - frames_then) as f64 / seconds } else { 0.0 }
    }
}

fn remaining(frames: u64, frames_per_second: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(frames as f64 / frames_per_second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StageReport;

    fn report(seconds: u64, frames: u64) -> Report {
        let sink = StageReport {
            name: "mux".into(),
            items_in: frames,
            items_out: frames,
            busy: Duration::ZERO,
            waiting_for_input: Duration::ZERO,
            waiting_for_output: Duration::ZERO,
            queue: crate::QueueReport::default(),
            device: None,
            device_times: None,
            first_item: None,
            settled_item: None,
            last_item: None,
        };
        Report { elapsed: Duration::from_secs(seconds), stages: vec![sink] }
    }

    #[test]
    fn the_time_left_follows_the_recent_speed() {
        let mut meter = ProgressMeter::new(Some(1000));
        assert_eq!(meter.update(&report(0, 0)).remaining, None);
        for second in 1..=60 {
            meter.update(&report(second, second));
        }
        let mut progress = meter.update(&report(61, 65));
        for second in 62..90 {
            progress = meter.update(&report(second, 65 + 5 * (second - 61)));
        }
        assert!((progress.frames_per_second - 5.0).abs() < 1e-9, "{progress:?}");
        assert_eq!(progress.remaining, Some(Duration::from_secs((1000 - progress.frames) / 5)));
    }

    #[test]
    fn a_header_that_claims_too_few_frames_does_not_go_beyond_all() {
        let progress = ProgressMeter::new(Some(10)).update(&report(1, 12));
        assert_eq!((progress.total, progress.remaining), (Some(12), Some(Duration::ZERO)));
    }
}
