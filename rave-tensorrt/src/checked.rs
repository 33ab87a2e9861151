use half::f16;
use rave_core::{HostFrame, Sample, VideoInfo};

use crate::error::Error;
use crate::lane::Lane;
use crate::nan::OnNan;
use crate::network::Element;
use crate::report::ReportHandle;
use crate::single::Single;

/// Enlarges frames in host memory, and looks for values that are not finite numbers.
pub(crate) struct CheckedLane {
    lane: Lane,
    single: Single<Lane>,
    input: VideoInfo,
    on_nan: OnNan,
    report: ReportHandle,
    outputs: Vec<HostFrame>,
}

/// Frames that are enlarged together, and the number of the first.
pub(crate) struct Group {
    pub(crate) frames: Vec<HostFrame>,
    pub(crate) first_number: u64,
}

impl CheckedLane {
    pub(crate) fn new(lane: Lane, input: &VideoInfo, on_nan: OnNan, report: ReportHandle) -> Self {
        Self { lane, single: Single::NotNeededYet, input: *input, on_nan, report, outputs: Vec::new() }
    }

    /// Replaces each frame by its enlargement.
    pub(crate) fn upscale(&mut self, mut group: Group) -> Result<Vec<HostFrame>, Error> {
        self.lane.upscale(&group.frames, &mut self.outputs)?;
        for (index, frame) in group.frames.iter_mut().enumerate() {
            if !is_finite(&self.outputs[index]) {
                self.outputs[index] = match self.not_finite(frame, group.first_number + index as u64)? {
                    Some(output) => output,
                    None => continue,
                };
            }
        }
        std::mem::swap(&mut group.frames, &mut self.outputs);
        // The frames that were enlarged.
        self.outputs.clear();
        Ok(group.frames)
    }

    /// The frame in single precision; nothing if it is to stay as it is, or that is no help.
    fn not_finite(&mut self, frame: &HostFrame, number: u64) -> Result<Option<HostFrame>, Error> {
        self.report.add_not_finite(number);
        match self.on_nan {
            OnNan::Keep => Ok(None),
            OnNan::Error => {
                Err(Error::NotFinite { model: self.lane.model().info().name.clone(), frame: number })
            }
            OnNan::Fp32 => self.run_again(frame),
        }
    }

    fn run_again(&mut self, frame: &HostFrame) -> Result<Option<HostFrame>, Error> {
        let Self { lane, single, input, report, .. } = self;
        let mut again = Vec::new();
        if let Some(single) = single.get(|| lane.in_single_precision(input))? {
            single.upscale(std::slice::from_ref(frame), &mut again)?;
            report.update(|report| report.run_again += 1);
        }
        let output = again.pop();
        if !output.as_ref().is_some_and(is_finite) {
            report.update(|report| report.still_not_finite += 1);
        }
        Ok(output)
    }
}

fn is_finite(frame: &HostFrame) -> bool {
    match frame.layout().format().sample() {
        Sample::F16 => are_finite::<f16>(frame),
        _ => are_finite::<f32>(frame),
    }
}

fn are_finite<T: Element>(frame: &HostFrame) -> bool {
    (0..frame.layout().format().plane_count()).all(|plane| frame.rows::<T>(plane).all(T::are_finite))
}
