use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use crate::provider::Provider;

/// Frames whose numbers a report keeps; more are only counted.
const NUMBERED: usize = 100;

/// What an upscaler has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpscaleReport {
    /// What the model runs on.
    pub provider: Provider,
    /// Width and height of a tile in input pixels, where pictures are cut into tiles.
    pub tile: Option<(u32, u32)>,
    /// Frames that went through the network.
    pub frames: u64,
    /// Frames that came out with values that are not finite numbers.
    pub not_finite: u64,
    /// The numbers of the first 100 of them, counted from 0.
    pub not_finite_frames: Vec<u64>,
    /// Frames that were run again in single precision.
    pub run_again: u64,
    /// Frames that are not finite in single precision either.
    pub still_not_finite: u64,
    /// Whether runs are recorded and enqueued as a whole, as is done on a GPU where enqueuing takes long for what it starts.
    pub is_recorded: bool,
    /// GPU memory that ONNX Runtime was seen to take for the model, in bytes; 0 on the CPU.
    pub runtime_bytes: u64,
}

/// The [`UpscaleReport`] of an upscaler that is somewhere else, such as in a pipeline. Clones are of the same upscaler.
///
/// On the CPU, values are not looked at: no frame is ever counted as not finite.
#[derive(Clone, Debug)]
pub struct ReportHandle {
    report: Arc<Mutex<UpscaleReport>>,
}

impl ReportHandle {
    pub(crate) fn new(provider: Provider, tile: Option<(u32, u32)>) -> Self {
        let report = UpscaleReport {
            provider,
            tile,
            frames: 0,
            not_finite: 0,
            not_finite_frames: Vec::new(),
            run_again: 0,
            still_not_finite: 0,
            is_recorded: false,
            runtime_bytes: 0,
        };
        Self { report: Arc::new(Mutex::new(report)) }
    }

    /// The report as of now.
    pub fn get(&self) -> UpscaleReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut UpscaleReport)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Counts a frame with values that are not finite; whether it is the first.
    pub(crate) fn add_not_finite(&self, frame: u64) -> bool {
        let mut is_first = false;
        self.update(|report| {
            is_first = report.not_finite == 0;
            report.not_finite += 1;
            if report.not_finite_frames.len() < NUMBERED {
                report.not_finite_frames.push(frame);
            }
        });
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_frames_are_numbered_and_all_are_counted() {
        let handle = ReportHandle::new(Provider::Cuda, None);
        let first: Vec<_> = (5..155).filter(|&frame| handle.add_not_finite(frame)).collect();
        let report = handle.clone().get();
        assert_eq!(first, [5]);
        assert_eq!(report.not_finite, 150);
        assert_eq!(report.not_finite_frames, (5..105).collect::<Vec<_>>());
    }
}
