use std::fmt;

/// Matroska's ticks are a millisecond: each of the two times that a distance is between is off by up to half of one.
const TOLERANCE_SECONDS: f64 = 0.001_01;

/// How the frames' times of an output stand to those of its source.
#[derive(Clone, Debug, PartialEq)]
pub enum Timing {
    /// The same, moved as a whole by this much.
    Equal { shift_seconds: f64 },
    /// The source has none; those of the output ascend.
    MadeUp,
    /// Another number of frames.
    Count { source: usize, output: usize },
    /// From this frame on they are off by this much.
    Differs { index: usize, seconds: f64 },
    /// Another stream was taken.
    OtherStream { wanted: usize, found: usize },
}

impl Timing {
    pub fn is_right(&self) -> bool {
        matches!(self, Timing::Equal { .. } | Timing::MadeUp)
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Timing::Equal { shift_seconds } if shift_seconds.abs() <= TOLERANCE_SECONDS => {
                f.write_str("equal")
            }
            Timing::Equal { shift_seconds } => write!(f, "equal, moved by {shift_seconds:.3} s"),
            Timing::MadeUp => f.write_str("made up"),
            Timing::Count { source, output } => write!(f, "{source} times, {output} written"),
            Timing::Differs { index, seconds } => write!(f, "frame {index} off by {seconds:.4} s"),
            Timing::OtherStream { wanted, found } => write!(f, "stream {found} instead of {wanted}"),
        }
    }
}

/// Compares times in seconds, frame by frame. Times that the source lacks match anything that ascends.
pub fn compare(source: &[Option<f64>], output: &[Option<f64>]) -> Timing {
    if source.len() != output.len() {
        return Timing::Count { source: source.len(), output: output.len() };
    }
    if let Some(index) = first_not_ascending(output) {
        return Timing::Differs { index, seconds: 0.0 };
    }
    let pairs = source.iter().zip(output).enumerate();
    let mut offsets = pairs.filter_map(|(index, (source, output))| Some((index, (*output)? - (*source)?)));
    let Some((_, shift_seconds)) = offsets.next() else { return Timing::MadeUp };
    match offsets.find(|(_, offset)| (offset - shift_seconds).abs() > TOLERANCE_SECONDS) {
        None => Timing::Equal { shift_seconds },
        Some((index, offset)) => Timing::Differs { index, seconds: offset - shift_seconds },
    }
}

/// The first frame that has no time, or none after its predecessor's.
fn first_not_ascending(times: &[Option<f64>]) -> Option<usize> {
    let is_ascending =
        |index: usize| match (index.checked_sub(1).and_then(|before| times[before]), times[index]) {
            (_, None) => false,
            (before, Some(time)) => before.is_none_or(|before| before < time),
        };
    (0..times.len()).find(|index| !is_ascending(*index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(seconds: &[f64]) -> Vec<Option<f64>> {
        seconds.iter().copied().map(Some).collect()
    }

    #[test]
    fn rounding_to_milliseconds_is_no_difference() {
        let (source, output) = (times(&[0.0, 0.033367, 0.066733]), times(&[0.0, 0.033, 0.067]));
        assert_eq!(compare(&source, &output), Timing::Equal { shift_seconds: 0.0 });
    }

    #[test]
    fn a_lost_a_late_and_a_moved_frame_are_told_apart() {
        let source = times(&[1.0, 1.04, 1.12]);
        assert_eq!(compare(&source, &times(&[1.0, 1.04])), Timing::Count { source: 3, output: 2 });
        assert!(matches!(compare(&source, &times(&[1.0, 1.04, 1.08])), Timing::Differs { index: 2, .. }));
        assert_eq!(compare(&source, &times(&[0.0, 0.04, 0.12])).to_string(), "equal, moved by -1.000 s");
        assert!(!compare(&source, &times(&[1.0, 1.04, 1.04])).is_right());
    }

    #[test]
    fn a_source_without_times_gets_ascending_ones() {
        assert_eq!(compare(&[None, None], &times(&[0.0, 0.04])), Timing::MadeUp);
        assert!(!compare(&[None, None], &times(&[0.04, 0.0])).is_right());
        assert!(!compare(&[None, None], &[Some(0.0), None]).is_right());
    }
}
