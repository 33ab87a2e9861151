//! Where decoding has to begin for a range of an input.

use rave_core::{Rational, Timestamp};

use crate::first_frame::{self, First};
use crate::sys::{AvPacket, InputContext};
use crate::{Error, Input, MediaInfo, TimeRange};

/// How far before the wanted moment a key frame is looked for, in seconds: indices are sorted by decoding time, and
/// some have no more than byte positions.
const MARGINS: [i64; 4] = [0, 1, 10, 60];

/// Refuses a range that can hold nothing.
///
/// # Errors
/// [`Error::InputOption`].
pub(crate) fn check(input: &Input, range: &TimeRange, media: &MediaInfo) -> Result<(), Error> {
    let refuse =
        |reason: String| Err(Error::InputOption { option: "time range", input: input.clone(), reason });
    match (range.start, range.end, media.duration) {
        (start, Some(end), _) if start.map_or(end.ticks() <= 0, |start| end <= start) => {
            refuse(format!("{range} is empty"))
        }
        (Some(start), _, Some(duration)) if start >= duration => refuse(format!(
            "it starts at {:.3} s and the input ends at {:.3} s",
            start.seconds(),
            duration.seconds()
        )),
        _ => Ok(()),
    }
}

/// The first frame from a place that lies at or before `start`, if there is one that can be sought. A failed search leaves
/// the reader anywhere.
pub(crate) fn first_frame_before(
    input: &Input,
    context: &mut InputContext,
    index: usize,
    start: Timestamp,
    scratch: &mut AvPacket,
) -> Result<Option<First>, Error> {
    let time_base = context.stream(index).expect("the index was chosen from the streams").time_base();
    let start = start.rescale(time_base);
    let second = Timestamp::new(1, Rational::ONE.into()).rescale(time_base).ticks();
    for margin in MARGINS {
        let target = start.ticks().saturating_sub(margin * second);
        if context.seek(index, target).is_err() {
            break;
        }
        match first_frame::find(input, context, index, scratch) {
            Ok(first) if first.frame.best_effort_pts().is_some_and(|pts| pts <= start.ticks()) => {
                return Ok(Some(first));
            }
            Ok(_) | Err(Error::InputNoFrames { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
