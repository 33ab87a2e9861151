use std::collections::BTreeMap;

use crate::SplitError;

/// Puts the frames of segments that were decoded side by side back in the order of the stream.
///
/// Frames of the segment whose turn it is go straight on; those of later ones wait. How many wait is for the caller to
/// bound, by how far it lets sessions run ahead ([`waiting`](Self::waiting)).
///
/// ```
/// use rave_nvcodec::SegmentJoiner;
/// let mut joined = Vec::new();
/// let mut joiner = SegmentJoiner::new();
/// joiner.push(1, "later", &mut |frame| joined.push(frame))?;
/// joiner.push(0, "first", &mut |frame| joined.push(frame))?;
/// joiner.finish_segment(0, &mut |frame| joined.push(frame))?;
/// assert_eq!(joined, ["first", "later"]);
/// # Ok::<(), rave_nvcodec::SplitError>(())
/// ```
#[derive(Debug)]
pub struct SegmentJoiner<T> {
    current: u64,
    later: BTreeMap<u64, Segment<T>>,
}

#[derive(Debug)]
struct Segment<T> {
    frames: Vec<T>,
    is_finished: bool,
}

impl<T> Default for Segment<T> {
    fn default() -> Self {
        Self { frames: Vec::new(), is_finished: false }
    }
}

impl<T> Default for SegmentJoiner<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> SegmentJoiner<T> {
    /// A joiner that waits for segment 0.
    pub fn new() -> Self {
        Self { current: 0, later: BTreeMap::new() }
    }

    /// Frames that wait for earlier segments.
    pub fn waiting(&self) -> usize {
        self.later.values().map(|segment| segment.frames.len()).sum()
    }

    /// The segment whose frames go straight on.
    pub fn current(&self) -> u64 {
        self.current
    }

    /// Takes the next frame of a segment.
    ///
    /// # Errors
    /// [`SplitError::Finished`] if the segment was finished.
    pub fn push(&mut self, segment: u64, frame: T, emit: &mut dyn FnMut(T)) -> Result<(), SplitError> {
        if segment == self.current {
            emit(frame);
        } else {
            self.unfinished(segment)?.frames.push(frame);
        }
        Ok(())
    }

    /// Takes that a segment has no more frames, and gives out what waited for it.
    ///
    /// # Errors
    /// [`SplitError::Finished`] if the segment was finished before.
    pub fn finish_segment(&mut self, segment: u64, emit: &mut dyn FnMut(T)) -> Result<(), SplitError> {
        if segment != self.current {
            self.unfinished(segment)?.is_finished = true;
            return Ok(());
        }
        let mut is_finished = true;
        while is_finished {
            self.current += 1;
            let next = self.later.remove(&self.current).unwrap_or_default();
            next.frames.into_iter().for_each(&mut *emit);
            is_finished = next.is_finished;
        }
        Ok(())
    }

    /// Ends the stream, of this many segments.
    ///
    /// # Errors
    /// [`SplitError::Unfinished`] with the first segment that was not finished.
    pub fn finish(self, segments: u64) -> Result<(), SplitError> {
        match self.current >= segments {
            true => Ok(()),
            false => Err(SplitError::Unfinished { segment: self.current }),
        }
    }

    fn unfinished(&mut self, segment: u64) -> Result<&mut Segment<T>, SplitError> {
        if segment < self.current {
            return Err(SplitError::Finished { segment });
        }
        let entry = self.later.entry(segment).or_default();
        if entry.is_finished { Err(SplitError::Finished { segment }) } else { Ok(entry) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is given out when segments finish in this order, two frames each.
    fn joined(order: &[u64]) -> Vec<(u64, u32)> {
        let mut frames = Vec::new();
        let mut joiner = SegmentJoiner::new();
        for &segment in order {
            for index in 0..2 {
                joiner.push(segment, (segment, index), &mut |frame| frames.push(frame)).unwrap();
            }
            joiner.finish_segment(segment, &mut |frame| frames.push(frame)).unwrap();
        }
        assert_eq!(joiner.waiting(), 0);
        joiner.finish(order.len() as u64).unwrap();
        frames
    }

    #[test]
    fn every_order_of_completion_gives_the_order_of_the_stream() {
        let expected: Vec<_> = (0..4).flat_map(|segment| [(segment, 0), (segment, 1)]).collect();
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 0, 3, 1]] {
            assert_eq!(joined(&order), expected, "{order:?}");
        }
    }

    #[test]
    fn an_empty_segment_does_not_hold_up_those_after_it() {
        let mut frames = Vec::new();
        let mut joiner = SegmentJoiner::new();
        joiner.finish_segment(1, &mut |frame| frames.push(frame)).unwrap();
        joiner.push(2, "c", &mut |frame| frames.push(frame)).unwrap();
        joiner.finish_segment(0, &mut |frame| frames.push(frame)).unwrap();
        assert_eq!((joiner.current(), frames), (2, vec!["c"]));
    }

    #[test]
    fn frames_after_the_end_of_their_segment_are_refused() {
        let mut joiner = SegmentJoiner::new();
        joiner.finish_segment(0, &mut |_| ()).unwrap();
        assert_eq!(joiner.push(0, 1, &mut |_| ()), Err(SplitError::Finished { segment: 0 }));
        joiner.finish_segment(3, &mut |_| ()).unwrap();
        assert_eq!(joiner.push(3, 1, &mut |_| ()), Err(SplitError::Finished { segment: 3 }));
    }

    #[test]
    fn a_segment_that_never_came_is_named_at_the_end() {
        let mut joiner = SegmentJoiner::new();
        joiner.push(1, 1, &mut |_| ()).unwrap();
        joiner.finish_segment(1, &mut |_| ()).unwrap();
        assert_eq!(joiner.finish(2), Err(SplitError::Unfinished { segment: 0 }));
    }
}
