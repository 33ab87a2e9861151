use rave_core::{ColorSpec, Rational, Timestamp, VideoInfo};
use rave_ffmpeg::{StreamOutcome, StreamPlan, TimeRange};

use super::finding::Aspect;

/// What a job said that it would change: such differences are [announced](crate::Verdict::Announced).
///
/// The default announces nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Announced {
    /// What becomes of each stream of the source; empty where nothing is known about it.
    pub streams: Vec<AnnouncedStream>,
    /// The video as it is encoded.
    pub video: Option<AnnouncedVideo>,
    /// When the frames of the source that the job decoded are shown; it may have decoded less than there is.
    pub timestamps: Option<Vec<Timestamp>>,
    /// Packets of copied streams that were too damaged to be taken over.
    pub damaged_packets: u64,
    /// The part of the source that was asked for.
    pub range: TimeRange,
    /// Whether the output is to hold a part of the source that is not known here: the job was ended early.
    pub is_part: bool,
    /// What the job said about the whole file, a sentence each.
    pub notices: Vec<String>,
    /// What the job's own check found and reported, with the stream of the source.
    pub differences: Vec<(Aspect, Option<usize>)>,
}

/// What becomes of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncedStream {
    /// Index in the source.
    pub source_index: usize,
    /// Index in the output; `None` if it is left out.
    pub output_index: Option<usize>,
    /// Why it is left out or converted, and what is changed or lost.
    pub reason: Option<String>,
}

/// The video as it is encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnouncedVideo {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// FFmpeg's name of the pixel format.
    pub pixel_format: String,
    /// Colour, as it was used and tagged.
    pub color: ColorSpec,
    /// Width over height of one pixel.
    pub sample_aspect_ratio: Option<Rational>,
    /// Rotation and flip, as in [`rave_core::VideoInfo::display_matrix`].
    pub display_matrix: Option<[i32; 9]>,
}

impl From<&VideoInfo> for AnnouncedVideo {
    fn from(info: &VideoInfo) -> Self {
        Self {
            width: info.width,
            height: info.height,
            pixel_format: info.format.to_string(),
            color: info.color,
            sample_aspect_ratio: info.sample_aspect_ratio,
            display_matrix: info.display_matrix,
        }
    }
}

impl From<&StreamPlan> for AnnouncedStream {
    fn from(plan: &StreamPlan) -> Self {
        let (output_index, reason) = match &plan.outcome {
            StreamOutcome::Encoded { output_index } | StreamOutcome::Copied { output_index } => {
                (Some(*output_index), None)
            }
            StreamOutcome::Converted { output_index, reason, .. } => {
                (Some(*output_index), Some(reason.clone()))
            }
            StreamOutcome::Dropped { reason } => (None, Some(reason.clone())),
        };
        let reasons: Vec<String> = reason.into_iter().chain(plan.notes.iter().cloned()).collect();
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        Self { source_index: plan.source_index, output_index, reason }
    }
}

impl AnnouncedStream {
    /// Whether its reason speaks of one of these things.
    pub(super) fn mentions(&self, words: &[&str]) -> bool {
        self.reason.as_ref().is_some_and(|reason| words.iter().any(|word| reason.contains(word)))
    }
}

impl Announced {
    /// Whether the output is to hold a part of the source, known or not.
    pub(super) const fn is_of_part(&self) -> bool {
        self.is_part || !self.range.is_everything()
    }

    /// The sentence about the whole file that speaks of one of these things.
    pub(super) fn notice(&self, words: &[&str]) -> Option<&str> {
        let speaks = |notice: &&String| words.iter().any(|word| notice.contains(word));
        self.notices.iter().find(speaks).map(String::as_str)
    }

    pub(super) fn stream(&self, source_index: usize) -> Option<&AnnouncedStream> {
        self.streams.iter().find(|stream| stream.source_index == source_index)
    }
}
