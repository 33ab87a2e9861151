use std::collections::VecDeque;

/// Decoding times for packets that come in another order than their frames were shown.
///
/// A packet's decoding time is the presentation time of the frame that was sent `delay` frames before the packet's place in
/// decoding order. The first `delay` packets have no such frame: their times are those of the first frames, moved back so
/// far that the next is the first presentation time. So decoding times rise strictly and are never after the
/// presentation time, at any frame rate, if no frame is held back behind more than `delay` others.
#[derive(Debug)]
pub(super) struct DecodingTimes {
    delay: usize,
    /// Presentation times in the order of presentation that no packet has taken its time from; ahead of them, before the
    /// start, those of the first packets.
    sent: VecDeque<i64>,
    packets: usize,
    /// How far the first are moved back, once that is known.
    shift: Option<i64>,
}

impl DecodingTimes {
    pub(super) fn new(delay: u32) -> Self {
        Self { delay: delay as usize, sent: VecDeque::new(), packets: 0, shift: None }
    }

    /// A frame was sent; times rise strictly.
    pub(super) fn send(&mut self, pts: i64) {
        self.sent.push_back(pts);
    }

    /// The next packet's time; `None` if no frame is left for it. The first packets of a stream that is shorter than the
    /// delay are moved back by the length of the stream: this may be asked once more than `delay` frames, or all, were sent.
    pub(super) fn next(&mut self) -> Option<i64> {
        let start = self.packets;
        self.packets += 1;
        if start >= self.delay {
            return self.sent.pop_front();
        }
        let first = *self.sent.front()?;
        let until = self.sent.get(self.delay).or(self.sent.back())?;
        let shift = *self.shift.get_or_insert(until.saturating_sub(first));
        self.sent.get(start).map(|pts| pts.saturating_sub(shift))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presentation times by place in decoding order, and the delay that this order has.
    fn decode(delay: u32, pts: &[i64], order: &[usize]) -> Vec<(i64, i64)> {
        let mut times = DecodingTimes::new(delay);
        pts.iter().for_each(|&pts| times.send(pts));
        order.iter().map(|&frame| (times.next().unwrap(), pts[frame])).collect()
    }

    fn assert_valid(packets: &[(i64, i64)]) {
        assert!(packets.is_sorted_by(|a, b| a.0 < b.0), "{packets:?}");
        assert!(packets.iter().all(|(dts, pts)| dts <= pts), "{packets:?}");
    }

    #[test]
    fn without_reordering_both_times_are_equal() {
        let packets = decode(0, &[-3, 0, 5], &[0, 1, 2]);
        assert_eq!(packets, [(-3, -3), (0, 0), (5, 5)]);
    }

    #[test]
    fn a_pyramid_of_b_frames_is_decoded_before_it_is_shown_at_any_frame_rate() {
        let order = [0, 4, 2, 1, 3, 8, 6, 5, 7];
        for pts in [[0, 1, 2, 3, 4, 5, 6, 7, 8], [-70, -69, -10, 0, 1, 900, 901, 902, 5000]] {
            assert_valid(&decode(2, &pts, &order));
            assert_valid(&decode(3, &pts, &order));
        }
    }

    #[test]
    fn after_the_delay_a_packet_has_the_time_of_an_earlier_frame() {
        let packets = decode(1, &[0, 10, 25, 30], &[0, 2, 1, 3]);
        assert_eq!(packets, [(-10, 0), (0, 25), (10, 10), (25, 30)]);
    }

    #[test]
    fn a_stream_shorter_than_the_delay_has_valid_times() {
        assert_valid(&decode(3, &[0, 7], &[0, 1]));
        assert_valid(&decode(3, &[4, 7, 9], &[0, 2, 1]));
        assert_eq!(decode(3, &[4], &[0]), [(4, 4)]);
    }
}
