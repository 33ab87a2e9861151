use std::path::Path;

use rave_core::{Code, ColorSpec, Matrix, PixelFormat, Primaries, Rational, Timestamp, Transfer};
use rave_ffmpeg::{
    Container, Input, MediaInfo, StreamInfo, StreamKind, StreamOutcome, StreamPlan, VideoDescription,
};

use crate::Error;

/// What the output has to hold.
pub(super) struct Expected<'a> {
    /// Presentation times of the decoded frames, in order.
    pub(super) timestamps: &'a [Timestamp],
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) display_aspect_ratio: Rational,
    pub(super) color: ColorSpec,
    pub(super) format: PixelFormat,
    pub(super) container: &'a Container,
    pub(super) streams: &'a [StreamPlan],
}

/// What the check found in the output.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckReport {
    /// Frames in the output: as many as were decoded.
    pub frames: u64,
    /// By how much all timestamps of the output are later than the source's; `None` if they are equal.
    pub shift: Option<Timestamp>,
    /// Streams in the output.
    pub streams: usize,
}

/// A way in which an output differs from what it has to be.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Mismatch {
    /// Another number of frames.
    Frames {
        /// Decoded from the source.
        expected: usize,
        /// Found in the output.
        found: usize,
    },
    /// A frame at another time.
    Timestamp {
        /// The frame's number, from 0.
        frame: usize,
        /// In the source, shifted as the first frame is.
        expected: Timestamp,
        /// In the output.
        found: Timestamp,
    },
    /// A stream that is not there.
    Stream {
        /// What is missing.
        description: String,
    },
    /// Another size or display aspect ratio.
    Geometry {
        /// As it must be.
        expected: String,
        /// As it is.
        found: String,
    },
    /// Another colour tag.
    Color {
        /// Matrix, primaries, transfer or range.
        property: &'static str,
        /// As it must be.
        expected: String,
        /// As it is.
        found: String,
    },
}

impl Mismatch {
    /// The code of an error about it.
    pub const fn code(&self) -> Code {
        match self {
            Self::Frames { .. } => Code::FrameCountMismatch,
            Self::Timestamp { .. } => Code::TimestampMismatch,
            Self::Stream { .. } => Code::StreamMismatch,
            Self::Geometry { .. } => Code::GeometryMismatch,
            Self::Color { .. } => Code::ColorMismatch,
        }
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frames { expected, found } => {
                write!(f, "{expected} frames were decoded, the output holds {found}")
            }
            Self::Timestamp { frame, expected, found } => {
                write!(f, "frame {frame} is at {found}, expected {expected}")
            }
            Self::Stream { description } => write!(f, "{description} is missing"),
            Self::Geometry { expected, found } => write!(f, "the picture is {found}, expected {expected}"),
            Self::Color { property, expected, found } => {
                write!(f, "the {property} tag is {found}, expected {expected}")
            }
        }
    }
}

/// Reads the output back and compares it.
pub(super) fn check_output(path: &Path, expected: &Expected<'_>) -> Result<CheckReport, Error> {
    let unreadable = |source: rave_ffmpeg::Error| Error::OutputUnreadable {
        path: path.to_path_buf(),
        source: Box::new(source),
    };
    let mismatch = |mismatch| Error::Mismatch { path: path.to_path_buf(), mismatch };
    let media = rave_ffmpeg::probe(&Input::File(path.to_path_buf())).map_err(unreadable)?;
    let (index, video) = find_video(&media, expected).map_err(mismatch)?;
    let found = rave_ffmpeg::read_video_timestamps(path, Some(index)).map_err(unreadable)?;
    let shift = if expected.container.has_timestamps() {
        compare_timestamps(expected.timestamps, &found)
    } else {
        compare_counts(expected.timestamps, &found).map(|()| None)
    };
    let shift = shift.map_err(mismatch)?;
    compare_picture(expected, video).map_err(mismatch)?;
    compare_streams(expected.streams, &media.streams).map_err(mismatch)?;
    Ok(CheckReport { frames: found.len() as u64, shift, streams: media.streams.len() })
}

fn find_video<'a>(
    media: &'a MediaInfo,
    expected: &Expected<'_>,
) -> Result<(usize, &'a VideoDescription), Mismatch> {
    let index = expected.streams.iter().find_map(|plan| match plan.outcome {
        StreamOutcome::Encoded { output_index } => Some(output_index),
        _ => None,
    });
    index
        .and_then(|index| Some((index, media.streams.get(index)?.video.as_ref()?)))
        .ok_or_else(|| Mismatch::Stream { description: "the video stream".into() })
}

fn compare_counts(expected: &[Timestamp], found: &[Timestamp]) -> Result<(), Mismatch> {
    if expected.len() != found.len() {
        return Err(Mismatch::Frames { expected: expected.len(), found: found.len() });
    }
    Ok(())
}

/// Gives the constant by which the output is later, if there is one.
fn compare_timestamps(expected: &[Timestamp], found: &[Timestamp]) -> Result<Option<Timestamp>, Mismatch> {
    compare_counts(expected, found)?;
    let (Some(&first_expected), Some(&first_found)) = (expected.first(), found.first()) else {
        return Ok(None);
    };
    let time_base = first_found.time_base();
    let shift = first_found.ticks() - first_expected.rescale(time_base).ticks();
    // A shift is applied before the rounding to the container's ticks, so it can move the result by one.
    let tolerance = u64::from(shift != 0);
    for (frame, (expected, &found)) in expected.iter().zip(found).enumerate() {
        let expected = expected.rescale(time_base).plus_ticks(shift);
        if found.ticks().abs_diff(expected.ticks()) > tolerance {
            return Err(Mismatch::Timestamp { frame, expected, found });
        }
    }
    Ok((shift != 0).then(|| Timestamp::new(shift, time_base)))
}

fn compare_picture(expected: &Expected<'_>, found: &VideoDescription) -> Result<(), Mismatch> {
    let ratio = display_aspect_ratio(found);
    let is_kept = expected.container.has_sample_aspect_ratio();
    let deviation = (ratio / expected.display_aspect_ratio.to_f64() - 1.0).abs();
    if (found.width, found.height) != (expected.width, expected.height)
        || is_kept && deviation > tolerance(expected)
    {
        let text =
            |width, height, ratio| format!("{width}x{height} with a display aspect ratio of {ratio:.5}");
        return Err(Mismatch::Geometry {
            expected: text(expected.width, expected.height, expected.display_aspect_ratio.to_f64()),
            found: text(found.width, found.height, ratio),
        });
    }
    compare_color(expected.color, found.color, expected.format.chroma().is_some())
}

/// WebM stores the display size in whole pixels.
fn tolerance(expected: &Expected<'_>) -> f64 {
    const ASPECT: f64 = 1e-4;
    let display_width = f64::from(expected.height) * expected.display_aspect_ratio.to_f64();
    if expected.container.name() == "webm" { ASPECT + 0.5 / display_width } else { ASPECT }
}

fn display_aspect_ratio(video: &VideoDescription) -> f64 {
    let sample = video.sample_aspect_ratio.unwrap_or(Rational::ONE).to_f64();
    f64::from(video.width) * sample / f64::from(video.height)
}

/// A matrix means nothing without chroma, and encoders do not write it then.
fn compare_color(expected: ColorSpec, found: ColorSpec, has_chroma: bool) -> Result<(), Mismatch> {
    let differs = |property, expected: &dyn std::fmt::Display, found: &dyn std::fmt::Display| {
        Err(Mismatch::Color { property, expected: expected.to_string(), found: found.to_string() })
    };
    if has_chroma && !same_matrix(expected.matrix, found.matrix) {
        return differs("matrix", &expected.matrix, &found.matrix);
    }
    if expected.primaries != Primaries::Unspecified && expected.primaries != found.primaries {
        return differs("primaries", &expected.primaries, &found.primaries);
    }
    if expected.transfer != Transfer::Unspecified && expected.transfer != found.transfer {
        return differs("transfer", &expected.transfer, &found.transfer);
    }
    if expected.range != found.range {
        return differs("range", &expected.range, &found.range);
    }
    Ok(())
}

/// The two matrices of BT.601 are one, and containers may have only one code for both.
fn same_matrix(a: Matrix, b: Matrix) -> bool {
    a == b || matches!((a.luma_weights(), b.luma_weights()), (Ok(a), Ok(b)) if a == b)
}

fn compare_streams(plans: &[StreamPlan], found: &[StreamInfo]) -> Result<(), Mismatch> {
    for plan in plans {
        let (output_index, codec) = match plan.outcome {
            StreamOutcome::Copied { output_index } => (output_index, plan.codec.as_deref()),
            StreamOutcome::Converted { output_index, codec, .. } => (output_index, Some(codec)),
            StreamOutcome::Encoded { .. } | StreamOutcome::Dropped { .. } => continue,
        };
        let is_there = found.get(output_index).is_some_and(|stream| is_same_stream(plan, codec, stream));
        if !is_there {
            let codec = plan.codec.as_deref().unwrap_or("unknown codec");
            let description =
                format!("stream {} of the source ({:?}, {codec})", plan.source_index, plan.kind);
            return Err(Mismatch::Stream { description });
        }
    }
    Ok(())
}

fn is_same_stream(plan: &StreamPlan, codec: Option<&str>, found: &StreamInfo) -> bool {
    // A cover picture may come back as an attachment, and the other way round.
    let is_picture = |kind| matches!(kind, StreamKind::Video | StreamKind::Attachment);
    (plan.kind == found.kind || is_picture(plan.kind) && is_picture(found.kind))
        && codec == found.codec.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::TimeBase;

    fn times(ticks: &[i64], denominator: i64) -> Vec<Timestamp> {
        let time_base = TimeBase::new(1, denominator).unwrap();
        ticks.iter().map(|&ticks| Timestamp::new(ticks, time_base)).collect()
    }

    #[test]
    fn timestamps_are_equal_after_rounding_to_the_containers_ticks() {
        let source = times(&[0, 3003, 6006, 9009], 90_000);
        assert_eq!(compare_timestamps(&source, &times(&[0, 33, 67, 100], 1000)), Ok(None));
        let moved = compare_timestamps(&source, &times(&[0, 33, 66, 100], 1000));
        assert!(matches!(moved, Err(Mismatch::Timestamp { frame: 2, .. })), "{moved:?}");
    }

    #[test]
    fn a_common_shift_is_reported_and_a_gap_is_not_one() {
        let source = times(&[-20, 20, 60], 1000);
        assert_eq!(compare_timestamps(&source, &times(&[0, 40, 80], 1000)), Ok(Some(times(&[20], 1000)[0])));
        assert!(compare_timestamps(&source, &times(&[0, 40, 120], 1000)).is_err());
    }

    #[test]
    fn lost_frames_are_counted() {
        let source = times(&[0, 40, 80], 1000);
        let found = compare_timestamps(&source, &times(&[0, 40], 1000));
        assert_eq!(found, Err(Mismatch::Frames { expected: 3, found: 2 }));
    }

    #[test]
    fn the_two_names_of_bt601_are_one_matrix() {
        assert!(same_matrix(Matrix::Bt470bg, Matrix::Smpte170m));
        assert!(!same_matrix(Matrix::Bt470bg, Matrix::Bt709));
        assert!(!same_matrix(Matrix::Identity, Matrix::Unspecified));
    }
}
