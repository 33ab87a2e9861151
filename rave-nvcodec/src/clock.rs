use std::collections::BTreeMap;

use rave_core::{Packet, Timestamp};

/// What a packet says of the time of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketTiming {
    /// Presentation time; `None` where the packet has none.
    pub pts: Option<Timestamp>,
    /// How long the frame is shown, in ticks of `pts`'s time base.
    pub duration_ticks: Option<i64>,
    /// Whether the frame is to be decoded but not shown.
    pub is_discarded: bool,
}

/// Carries the timing of packets through NVDEC's parser, which hands one 64-bit number from a packet to its picture.
///
/// The number is not the pts but a stamp that names the packet: so pts of every time base, negative ones and none at
/// all come back as they were, and the duration with them. Every packet is given a stamp, because the parser
/// invents a number where there is none (from the frame rate, in units of its clock). A number that is no stamp, or one that was
/// restored before (a packet of two pictures), gives `None`: the picture has no timing of its own.
///
/// ```
/// use rave_core::{Packet, TimeBase, Timestamp};
/// use rave_nvcodec::ParserClock;
/// let pts = Some(Timestamp::new(-1001, TimeBase::new(1, 30000)?));
/// let mut clock = ParserClock::new();
/// let stamp = clock.stamp(&Packet { pts, ..Packet::default() });
/// assert_eq!(clock.restore(stamp).map(|timing| timing.pts), Some(pts));
/// # Ok::<(), rave_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ParserClock {
    next: i64,
    pending: BTreeMap<i64, PacketTiming>,
    unshown: u64,
}

impl ParserClock {
    /// The distance of two stamps. What the parser adds for a frame (about 400,000 at 25 fps and its 10 MHz) makes no
    /// other packet's stamp of it.
    const STEP: i64 = 1 << 24;
    /// Packets whose picture may still come: far more than a decoder reorders (16 frames) or has in flight.
    const MOST_PENDING: usize = 512;

    /// A clock for one parser.
    pub fn new() -> Self {
        // Zero is what a field says that nobody set.
        Self { next: Self::STEP, pending: BTreeMap::new(), unshown: 0 }
    }

    /// The stamp for the next packet, in decoding order; rises with each.
    pub fn stamp(&mut self, packet: &Packet) -> i64 {
        let Packet { pts, duration_ticks, is_discarded, .. } = *packet;
        let stamp = self.next;
        // 2^39 packets fit.
        self.next = self.next.saturating_add(Self::STEP);
        self.pending.insert(stamp, PacketTiming { pts, duration_ticks, is_discarded });
        if self.pending.len() > Self::MOST_PENDING {
            self.pending.pop_first();
            self.unshown += 1;
        }
        stamp
    }

    /// The timing of the picture that comes out with this stamp.
    pub fn restore(&mut self, stamp: i64) -> Option<PacketTiming> {
        self.pending.remove(&stamp)
    }

    /// Forgets what is pending, after the parser was drained; no picture of it comes any more.
    pub fn drain(&mut self) {
        self.unshown += self.pending.len() as u64;
        self.pending.clear();
    }

    /// Packets that no picture came of: second fields, parts of frames, packets before the first key frame, damaged
    /// ones.
    pub fn unshown(&self) -> u64 {
        self.unshown
    }
}

impl Default for ParserClock {
    fn default() -> Self {
        Self::new()
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
        let mut clock = ParserClock::new();
        for time_base in [(1, 1000), (1, 90_000), (1001, 30_000), (1, i64::from(i32::MAX))] {
            for ticks in [i64::MIN, -3003, -1, 0, 1, 1 << 40, i64::MAX] {
                let stamp = clock.stamp(&packet(Some(ticks), time_base));
                let pts = clock.restore(stamp).unwrap().pts.unwrap();
                let expected = TimeBase::new(time_base.0, time_base.1).unwrap();
                assert_eq!((pts.ticks(), pts.time_base()), (ticks, expected));
            }
        }
    }

    #[test]
    fn a_missing_pts_stays_missing_and_keeps_its_duration() {
        let mut clock = ParserClock::new();
        let stamp = clock.stamp(&packet(None, (1, 25)));
        let timing = clock.restore(stamp).unwrap();
        assert_eq!(timing, PacketTiming { pts: None, duration_ticks: Some(2), is_discarded: false });
    }

    #[test]
    fn equal_and_falling_pts_are_kept_apart() {
        let mut clock = ParserClock::new();
        let stamps = [5, 5, 3].map(|ticks| clock.stamp(&packet(Some(ticks), (1, 25))));
        assert!(stamps.is_sorted_by(|a, b| a < b));
        let mut restore = |stamp| clock.restore(stamp).unwrap().pts.unwrap().ticks();
        assert_eq!([restore(stamps[2]), restore(stamps[0]), restore(stamps[1])], [3, 5, 5]);
    }

    #[test]
    fn a_number_that_the_parser_invented_has_no_timing() {
        let mut clock = ParserClock::new();
        let stamps = [0, 1].map(|ticks| clock.stamp(&packet(Some(ticks), (1, 25))));
        assert_eq!(clock.restore(stamps[0] + 400_000), None);
        assert_eq!(clock.restore(0), None);
        assert!(clock.restore(stamps[0]).is_some());
        assert_eq!(clock.restore(stamps[0]), None, "a second picture of the packet");
    }

    #[test]
    fn packets_without_a_picture_are_counted_and_do_not_pile_up() {
        let mut clock = ParserClock::new();
        let first = clock.stamp(&packet(Some(0), (1, 25)));
        for ticks in 0..10_000 {
            let stamp = clock.stamp(&packet(Some(ticks), (1, 25)));
            if ticks % 2 == 0 {
                clock.restore(stamp);
            }
        }
        assert!(clock.pending.len() <= ParserClock::MOST_PENDING);
        assert_eq!(clock.restore(first), None);
        clock.drain();
        assert_eq!(clock.unshown(), 5001);
        assert!(clock.pending.is_empty());
    }
}
