use std::fmt;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use crate::provider::{Provider, Refused};

/// Frames whose numbers a report keeps; more are only counted.
const NUMBERED: usize = 100;

/// What an upscaler has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpscaleReport {
    /// What the model runs on.
    pub provider: Provider,
    /// Width and height of a tile in input pixels, where pictures are cut into tiles.
    pub tile: Option<(u32, u32)>,
    /// Frames that go through the network together, at most.
    pub batch: usize,
    /// Why it is that many.
    pub batch_reason: BatchReason,
    /// Where GPU memory did not suffice, and what was done.
    pub memory_steps: Vec<MemoryStep>,
    /// Providers that were to run the model rather than this one, and why they did not.
    pub refused: Vec<Refused>,
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

/// Why as many frames go through the network together as do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BatchReason {
    /// It was asked for.
    Asked,
    /// The model takes one picture at a time.
    Model,
    /// The CPU gains nothing.
    Cpu,
    /// One picture is too small to keep the GPU busy.
    SmallPictures,
    /// One picture keeps the GPU busy.
    LargePictures,
    /// Pictures are cut into tiles.
    Tiles,
    /// What comes out for a picture would depend, in the last bits, on its place among others.
    Places,
    /// GPU memory did not suffice for more.
    Memory,
}

/// For people: `one picture keeps the GPU busy`.
impl fmt::Display for BatchReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "as asked for",
            Self::Model => "the model takes one picture at a time",
            Self::Cpu => "the CPU gains nothing by more",
            Self::SmallPictures => "one picture does not keep the GPU busy",
            Self::LargePictures => "one picture keeps the GPU busy",
            Self::Tiles => "pictures are cut into tiles",
            Self::Places => "the same picture gave other bits in another place",
            Self::Memory => "GPU memory did not suffice for more",
        })
    }
}

/// A step that was taken because GPU memory did not suffice. It lasts for the rest of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryStep {
    /// Frames that had been enlarged until then; 0 if it was before the first.
    pub frame: u64,
    /// Frames that go through the network together from then on.
    pub batch: usize,
    /// Width and height of a tile in input pixels from then on, where pictures are cut into tiles.
    pub tile: Option<(u32, u32)>,
    /// What did not suffice, as in an error message.
    pub reason: String,
}

/// The [`UpscaleReport`] of an upscaler that is somewhere else, such as in a pipeline. Clones are of the same upscaler.
#[derive(Clone, Debug)]
pub struct ReportHandle {
    report: Arc<Mutex<UpscaleReport>>,
}

impl ReportHandle {
    pub(crate) fn new(provider: Provider, tile: Option<(u32, u32)>) -> Self {
        let report = UpscaleReport {
            provider,
            tile,
            batch: 1,
            batch_reason: BatchReason::Model,
            memory_steps: Vec::new(),
            refused: Vec::new(),
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

    /// Counts a frame with values that are not finite, and logs the first.
    pub(crate) fn add_not_finite(&self, frame: u64) {
        self.update(|report| {
            if report.not_finite == 0 {
                tracing::warn!(frame, "the model gave values that are not finite numbers");
            }
            report.not_finite += 1;
            let numbers = &mut report.not_finite_frames;
            // Frames that are worked on at once may end in another order.
            numbers.insert(numbers.partition_point(|&number| number < frame), frame);
            numbers.truncate(NUMBERED);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_frames_are_numbered_and_all_are_counted() {
        let handle = ReportHandle::new(Provider::Cuda, None);
        (5..155).rev().for_each(|frame| handle.add_not_finite(frame));
        let report = handle.clone().get();
        assert_eq!(report.not_finite, 150);
        assert_eq!(report.not_finite_frames, (5..105).collect::<Vec<_>>());
    }
}
