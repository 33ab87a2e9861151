//! The check of a job's output before it gets its name.

use std::path::Path;

use rave_core::Timestamp;
use rave_ffmpeg::{Container, MuxSummary};

use super::report::UpscalePlan;
use crate::verify::{JobSource, verify_job};
use crate::{Announced, Depth, Error, Verification};

/// What is needed for it besides the plan and the file.
pub(super) struct OutputCheck {
    pub(super) depth: Depth,
    pub(super) source: JobSource,
    /// Whether a part of the source was asked for.
    pub(super) is_part: bool,
}

impl OutputCheck {
    /// Compares the written file with the source, as far as the job did not say that they differ.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for the first difference, [`Error::OutputUnreadable`].
    pub(super) fn run(
        &self,
        plan: &UpscalePlan,
        timestamps: &[Timestamp],
        muxing: &MuxSummary,
        (written, container): (&Path, &Container),
        is_cut_short: bool,
    ) -> Result<Verification, Error> {
        let announced = Announced {
            streams: plan.streams.iter().map(Into::into).collect(),
            video: Some((&plan.output).into()),
            timestamps: Some(timestamps.to_vec()),
            damaged_packets: muxing.damaged_packets,
            is_part: is_cut_short || self.is_part,
            notices: plan.notices.clone(),
        };
        let verification = verify_job(&self.source, (written, container), self.depth, &announced)?;
        match verification.first_failure() {
            None => Ok(verification),
            Some(finding) => {
                Err(Error::Mismatch { path: written.to_path_buf(), finding: Box::new(finding.clone()) })
            }
        }
    }
}
