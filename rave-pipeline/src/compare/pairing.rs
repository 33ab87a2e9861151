//! Which frame of one video is which of the other.

use rave_core::{BoxError, HostFrame, TimeBase, Timestamp};

/// A frame of each video that belong together.
pub(super) struct FramePair {
    pub(super) reference: HostFrame,
    pub(super) distorted: HostFrame,
}

/// Pairs frames by their times: after the constant shift that brings the first frames together, two frames are a pair if
/// they are at most half a frame apart. Others are counted, and left out.
pub(super) struct Pairing<A: Iterator, B: Iterator> {
    reference: std::iter::Peekable<A>,
    distorted: std::iter::Peekable<B>,
    clock: Option<Clock>,
    half_frame: i64,
    pub(super) only_in_reference: u64,
    pub(super) only_in_distorted: u64,
}

#[derive(Clone, Copy)]
struct Clock {
    shift: i64,
}

impl<A, B> Pairing<A, B>
where
    A: Iterator<Item = Result<HostFrame, BoxError>>,
    B: Iterator<Item = Result<HostFrame, BoxError>>,
{
    /// `frame_nanoseconds`: how long a frame lasts, on average.
    pub(super) fn new(reference: A, distorted: B, frame_nanoseconds: i64) -> Self {
        Self {
            reference: reference.peekable(),
            distorted: distorted.peekable(),
            clock: None,
            half_frame: frame_nanoseconds / 2,
            only_in_reference: 0,
            only_in_distorted: 0,
        }
    }

    /// By how much the second video is later, in nanoseconds, once the first frames are there.
    pub(super) fn shift_nanoseconds(&self) -> i64 {
        self.clock.map_or(0, |clock| clock.shift)
    }

    /// The next pair; `None` when either video has ended, after the rest of the other has been counted.
    pub(super) fn next_pair(&mut self) -> Result<Option<FramePair>, BoxError> {
        loop {
            let times = (time(&mut self.reference)?, time(&mut self.distorted)?);
            let (Some(before), Some(after)) = times else {
                self.only_in_reference += count(&mut self.reference)?;
                self.only_in_distorted += count(&mut self.distorted)?;
                return Ok(None);
            };
            let shift = self.clock.get_or_insert(Clock { shift: after - before }).shift;
            let late = after - before - shift;
            if late.abs() <= self.half_frame {
                return self.take();
            }
            if late > 0 {
                self.reference.next();
                self.only_in_reference += 1;
            } else {
                self.distorted.next();
                self.only_in_distorted += 1;
            }
        }
    }

    fn take(&mut self) -> Result<Option<FramePair>, BoxError> {
        let (Some(reference), Some(distorted)) = (self.reference.next(), self.distorted.next()) else {
            return Ok(None);
        };
        Ok(Some(FramePair { reference: reference?, distorted: distorted? }))
    }
}

type Peeked<I> = std::iter::Peekable<I>;

/// The time of the frame that is next, in nanoseconds.
fn time<I: Iterator<Item = Result<HostFrame, BoxError>>>(
    frames: &mut Peeked<I>,
) -> Result<Option<i64>, BoxError> {
    match frames.peek() {
        None => Ok(None),
        Some(Ok(frame)) => Ok(Some(nanoseconds(frame.info().pts))),
        Some(Err(_)) => match frames.next() {
            Some(Err(error)) => Err(error),
            _ => Ok(None),
        },
    }
}

fn count<I: Iterator<Item = Result<HostFrame, BoxError>>>(frames: &mut Peeked<I>) -> Result<u64, BoxError> {
    frames.try_fold(0, |count, frame| frame.map(|_| count + 1))
}

fn nanoseconds(time: Timestamp) -> i64 {
    time.rescale(TimeBase::new(1, 1_000_000_000).expect("positive")).ticks()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::{ColorSpec, FrameInfo, HostPool, Layout, PixelFormat};

    fn frames(milliseconds: &[i64]) -> impl Iterator<Item = Result<HostFrame, BoxError>> {
        let frame = |&ticks: &i64| {
            let layout = Layout::packed(PixelFormat::YUV420P, 2, 2).unwrap();
            let pts = Timestamp::new(ticks, TimeBase::new(1, 1000).unwrap());
            let info = FrameInfo::new(pts);
            Ok(HostFrame::from_pool(&HostPool::new(), layout, ColorSpec::BT709, info))
        };
        milliseconds.iter().map(frame).collect::<Vec<_>>().into_iter()
    }

    fn pairs(a: &[i64], b: &[i64]) -> (Vec<(i64, i64)>, u64, u64) {
        let mut pairing = Pairing::new(frames(a), frames(b), 40_000_000);
        let mut found = Vec::new();
        while let Some(pair) = pairing.next_pair().unwrap() {
            found.push((pair.reference.info().pts.ticks(), pair.distorted.info().pts.ticks()));
        }
        (found, pairing.only_in_reference, pairing.only_in_distorted)
    }

    #[test]
    fn frames_at_the_same_time_are_a_pair() {
        let same = pairs(&[0, 40, 80], &[0, 40, 80]);
        assert_eq!(same, (vec![(0, 0), (40, 40), (80, 80)], 0, 0));
        let moved = pairs(&[0, 40, 80], &[67, 107, 146]);
        assert_eq!(moved, (vec![(0, 67), (40, 107), (80, 146)], 0, 0));
    }

    #[test]
    fn a_lost_frame_does_not_move_the_others() {
        assert_eq!(pairs(&[0, 40, 80, 120], &[0, 80, 120]), (vec![(0, 0), (80, 80), (120, 120)], 1, 0));
        assert_eq!(pairs(&[0, 80], &[0, 40, 80, 120]), (vec![(0, 0), (80, 80)], 0, 2));
        assert_eq!(pairs(&[], &[0, 40]), (vec![], 0, 2));
    }
}
