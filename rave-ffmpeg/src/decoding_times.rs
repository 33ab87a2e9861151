//! Decoding times for the first packets of a copied video, which libavformat does not know yet.

use crate::sys::AvPacket;

/// Packets of one stream that wait for their decoding times.
///
/// A container that stores presentation times alone, as Matroska does, leaves decoding times to be found from the order of
/// pictures. libavformat knows them once as many packets have come as are reordered, and gives those before none.
#[derive(Default)]
pub(crate) struct DecodingTimes {
    waiting: Vec<AvPacket>,
}

impl DecodingTimes {
    /// More than are reordered in any codec: a stream that has no decoding times at all is not waited for.
    const MOST_WAITING: usize = 32;

    /// Takes a packet, and gives those whose decoding times are known then, in order.
    pub(crate) fn push(&mut self, packet: AvPacket) -> Vec<AvPacket> {
        let (dts, lacks_dts) = (packet.dts(), packet.dts().is_none() && packet.pts().is_some());
        if lacks_dts && self.waiting.len() < Self::MOST_WAITING {
            self.waiting.push(packet);
            return Vec::new();
        }
        let mut ready = self.settle(dts);
        ready.push(packet);
        ready
    }

    /// Gives what waits decoding times before `next`, which is that of the packet behind: one duration apart, and none after
    /// its own presentation time.
    pub(crate) fn settle(&mut self, next: Option<i64>) -> Vec<AvPacket> {
        let mut limit = next;
        for packet in self.waiting.iter_mut().rev() {
            let step = packet.duration().unwrap_or(1).max(1);
            let before = limit.map_or(i64::MAX, |limit| limit.saturating_sub(step));
            limit = packet.pts().map(|pts| pts.min(before));
            packet.set_times(packet.pts(), limit, packet.duration());
        }
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn packet(pts: i64, dts: Option<i64>) -> AvPacket {
        let mut packet = AvPacket::new().unwrap();
        packet.set_times(Some(pts), dts, Some(40));
        packet
    }

    fn times(packets: &[AvPacket]) -> Vec<Option<i64>> {
        packets.iter().map(AvPacket::dts).collect()
    }

    #[test]
    fn packets_before_the_first_decoding_time_get_earlier_ones() {
        let mut waiting = DecodingTimes::default();
        assert!(waiting.push(packet(0, None)).is_empty());
        assert!(waiting.push(packet(160, None)).is_empty());
        assert_eq!(times(&waiting.push(packet(80, Some(0)))), [Some(-80), Some(-40), Some(0)]);
        assert_eq!(times(&waiting.push(packet(40, Some(40)))), [Some(40)]);
    }

    #[test]
    fn a_stream_that_ends_before_has_them_from_its_presentation_times() {
        let mut waiting = DecodingTimes::default();
        for pts in [0, 120, 40, 80] {
            assert!(waiting.push(packet(pts, None)).is_empty());
        }
        assert_eq!(times(&waiting.settle(None)), [Some(-40), Some(0), Some(40), Some(80)]);
    }
}
