//! The check of a job's output before it gets its name.

use std::path::Path;

use rave_core::{Code, Timestamp};
use rave_ffmpeg::{Container, MuxSummary, TimeRange};

use super::report::UpscalePlan;
use crate::verify::{JobSource, verify_job};
use crate::{Announced, Depth, Error, Finding, Verification};

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
    /// [`Error::Mismatch`] for the first difference, [`Error::OutputUnreadable`], [`Error::OutputUnchecked`].
    pub(super) fn run(
        &self,
        plan: &UpscalePlan,
        timestamps: &[Timestamp],
        muxing: &MuxSummary,
        (written, container): (&Path, &Container),
        is_cut_short: bool,
    ) -> Result<Verification, Error> {
        let announced = Announced {
            streams: muxing.streams.iter().map(Into::into).collect(),
            video: Some((&plan.output).into()),
            timestamps: Some(timestamps.to_vec()),
            damaged_packets: muxing.damaged_packets,
            range: TimeRange::default(),
            is_part: is_cut_short || self.is_part,
            notices: plan.notices.clone(),
            differences: Vec::new(),
        };
        let mut verification = verify_job(&self.source, (written, container), self.depth, &announced)?;
        // A tag that the container did not take costs nobody the output; it is in the report.
        let is_tag = |finding: &Finding| finding.aspect.code() == Code::MetadataMismatch;
        for finding in verification.findings.iter_mut().filter(|finding| is_tag(finding)) {
            *finding = finding.clone().announced_by(Some("the container did not take it"));
        }
        match verification.first_failure() {
            None => Ok(verification),
            Some(finding) => {
                Err(Error::Mismatch { path: written.to_path_buf(), finding: Box::new(finding.clone()) })
            }
        }
    }
}
