use std::collections::VecDeque;

use rave_core::{Packet, Timestamp};

/// What a packet says of the time of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacketTiming {
    /// Presentation time; `None` where the packet has none.
    pub(crate) pts: Option<Timestamp>,
    /// How long the frame is shown, in ticks of `pts`'s time base.
    pub(crate) duration_ticks: Option<i64>,
    /// Whether the frame is to be decoded but not shown.
    pub(crate) is_discarded: bool,
}

/// The timing of packets whose pictures have not come out yet, by a number for each packet.
///
/// So pts of every time base, negative ones and none at all come back as they were, and the duration with them. NVDEC's
/// parser could carry a time from packet to picture, but it hands times out in rising order, whichever picture they came
/// with, and invents those that are missing.
#[derive(Debug)]
pub(crate) struct Timings {
    next: u64,
    /// Of the packets before the next one, the oldest first; `None` where it was taken.
    pending: VecDeque<Option<PacketTiming>>,
}

impl Default for Timings {
    fn default() -> Self {
        Self { next: 0, pending: VecDeque::with_capacity(Self::MOST_PENDING + 1) }
    }
}

impl Timings {
    /// Packets whose picture may still come: far more than a decoder reorders (16 frames) or has in flight.
    const MOST_PENDING: usize = 512;

    /// The number that the next packet will have.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Keeps the timing of the next packet, in decoding order, and returns its number.
    pub(crate) fn keep(&mut self, packet: &Packet) -> u64 {
        let Packet { pts, duration_ticks, is_discarded, .. } = *packet;
        let number = self.next;
        self.next += 1;
        self.pending.push_back(Some(PacketTiming { pts, duration_ticks, is_discarded }));
        if self.pending.len() > Self::MOST_PENDING {
            self.pending.pop_front();
        }
        number
    }

    /// The timing of the packet of this number; `None` for a second picture of the packet.
    pub(crate) fn take(&mut self, number: u64) -> Option<PacketTiming> {
        let first = self.next - self.pending.len() as u64;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        let timing = self.pending.get_mut(index)?.take();
        while let Some(None) = self.pending.front() {
            self.pending.pop_front();
        }
        timing
    }

    /// Forgets what is pending: no picture of it comes any more.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use rave_core::TimeBase;

    use super::*;

    fn packet(ticks: Option<i64>, time_base: (i64, i64)) -> Packet {
        let time_base = TimeBase::new(time_base.0, time_base.1).unwrap();
        let pts = ticks.map(|ticks| Timestamp::new(ticks, time_base));
        Packet { pts, duration_ticks: Some(2), ..Packet::default() }
    }

    #[test]
    fn every_pts_comes_back_in_its_own_time_base() {
        let mut timings = Timings::default();
        for time_base in [(1, 1000), (1, 90_000), (1001, 30_000), (1, i64::from(i32::MAX))] {
            for ticks in [i64::MIN, -3003, -1, 0, 1, 1 << 40, i64::MAX] {
                let number = timings.keep(&packet(Some(ticks), time_base));
                let pts = timings.take(number).unwrap().pts.unwrap();
                let expected = TimeBase::new(time_base.0, time_base.1).unwrap();
                assert_eq!((pts.ticks(), pts.time_base()), (ticks, expected));
            }
        }
    }

    #[test]
    fn a_missing_pts_stays_missing_and_keeps_its_duration() {
        let mut timings = Timings::default();
        let number = timings.keep(&packet(None, (1, 25)));
        let expected = PacketTiming { pts: None, duration_ticks: Some(2), is_discarded: false };
        assert_eq!(timings.take(number), Some(expected));
        assert_eq!(timings.take(number), None, "a second picture of the packet");
    }

    #[test]
    fn equal_and_falling_pts_are_kept_apart() {
        let mut timings = Timings::default();
        let numbers = [5, 5, 3].map(|ticks| timings.keep(&packet(Some(ticks), (1, 25))));
        let mut take = |number| timings.take(number).unwrap().pts.unwrap().ticks();
        assert_eq!([take(numbers[2]), take(numbers[0]), take(numbers[1])], [3, 5, 5]);
    }

    #[test]
    fn packets_without_a_picture_do_not_pile_up() {
        let mut timings = Timings::default();
        let first = timings.keep(&packet(Some(0), (1, 25)));
        for ticks in 0..10_000 {
            timings.keep(&packet(Some(ticks), (1, 25)));
        }
        assert_eq!((timings.pending.len(), timings.take(first)), (Timings::MOST_PENDING, None));
        timings.clear();
        assert!(timings.pending.is_empty());
    }
}
