use rave_core::{Code, CodedError, Packet};

use crate::bitstream::{Inspection, RandomAccess, StreamCodec};

/// How a stream is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitOptions {
    /// Sessions that segments are dealt to, in turn; at least 1.
    pub sessions: usize,
    /// Packets that a segment has at least (but for the last); at least 1. A session is drained between segments, so
    /// that short ones cost speed; long ones cost memory, because frames wait for those of earlier segments.
    pub min_segment_packets: usize,
}

/// What can go wrong when a stream is split and joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// An option is zero.
    #[error("{option} is 0, at least 1 is needed")]
    Option {
        /// The field of [`SplitOptions`].
        option: &'static str,
    },
    /// A session gave a frame of a segment that it had declared finished.
    #[error("segment {segment} is finished and cannot take another frame")]
    Finished {
        /// Number of the segment.
        segment: u64,
    },
    /// The stream ended without a segment that others wait for.
    #[error("segment {segment} was never finished, so that later frames cannot be given out")]
    Unfinished {
        /// Number of the segment.
        segment: u64,
    },
}

impl CodedError for SplitError {
    fn code(&self) -> Code {
        match self {
            SplitError::Option { .. } => Code::OptionInvalid,
            SplitError::Finished { .. } | SplitError::Unfinished { .. } => Code::InvariantBroken,
        }
    }
}

/// A packet, and who is to decode it.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutedPacket {
    /// The segment that the packet belongs to, counted from 0. When it is another than that of the packet before, the
    /// earlier segment is complete and its session is to be drained.
    pub segment: u64,
    /// The session that decodes the segment.
    pub session: usize,
    /// The packet; the first of a segment holds the parameter sets that its session may not have seen.
    pub packet: Packet,
}

/// Splits a stream at closed GOP boundaries into segments that decode independently of each other.
///
/// A segment decoded by a session that saw none of the others gives the frames that a single session gives. Boundaries
/// are [`RandomAccess::Closed`]; at a packet that the container says is damaged none is made. A stream without such
/// boundaries is one segment. Parameter sets that the container holds (extradata) are to be given to every session;
/// those in the packets are repeated where they are needed.
#[derive(Debug)]
pub struct GopSplitter {
    codec: StreamCodec,
    options: SplitOptions,
    parameter_sets: ParameterSets,
    segment: u64,
    packets_in_segment: usize,
}

impl GopSplitter {
    /// A splitter for one stream.
    ///
    /// # Errors
    /// [`SplitError::Option`] if an option is 0.
    pub fn new(codec: StreamCodec, options: SplitOptions) -> Result<Self, SplitError> {
        let SplitOptions { sessions, min_segment_packets } = options;
        for (option, value) in [("sessions", sessions), ("min_segment_packets", min_segment_packets)] {
            if value == 0 {
                return Err(SplitError::Option { option });
            }
        }
        let parameter_sets = ParameterSets::default();
        Ok(Self { codec, options, parameter_sets, segment: 0, packets_in_segment: 0 })
    }

    /// Says where the next packet of the stream, in decoding order, goes.
    pub fn route(&mut self, mut packet: Packet) -> RoutedPacket {
        let found = self.codec.inspect(&packet.data);
        let is_boundary = found.access == RandomAccess::Closed && !packet.is_corrupt;
        let learned = copies(&packet.data, &found);
        if is_boundary && self.packets_in_segment >= self.options.min_segment_packets {
            self.segment += 1;
            self.packets_in_segment = 0;
            self.parameter_sets.insert_into(&mut packet.data, &found);
        }
        self.packets_in_segment += 1;
        self.parameter_sets.learn(learned, self.codec.has_single_parameter_set());
        RoutedPacket { segment: self.segment, session: self.session(), packet }
    }

    fn session(&self) -> usize {
        let sessions = self.options.sessions as u64;
        // Below `sessions`, which is a usize.
        (self.segment % sessions) as usize
    }
}

/// Parameter sets seen in the stream, each content once, the newest last.
#[derive(Debug, Default)]
struct ParameterSets(Vec<RankedSet>);

/// Rank and bytes of a parameter set.
type RankedSet = (u8, Vec<u8>);

/// More than a stream can have at a time (H.264: 32 + 256; HEVC: 16 + 16 + 64), so that only outdated ones are lost.
const MOST_PARAMETER_SETS: usize = 512;

impl ParameterSets {
    fn learn(&mut self, sets: Vec<RankedSet>, is_single: bool) {
        for set in sets {
            match is_single {
                true => self.0.clear(),
                false => self.0.retain(|known| *known != set),
            }
            self.0.push(set);
        }
        let excess = self.0.len().saturating_sub(MOST_PARAMETER_SETS);
        self.0.drain(..excess);
    }

    /// Puts all sets before those of the packet: by rank, because a set needs those of lower rank, and by age, because
    /// the newest of a number is the one that counts.
    fn insert_into(&self, data: &mut Vec<u8>, found: &Inspection) {
        let mut sets: Vec<_> = self.0.iter().collect();
        sets.sort_by_key(|(rank, _)| *rank);
        let bytes: Vec<u8> = sets.into_iter().flat_map(|(_, set)| set.iter().copied()).collect();
        data.splice(found.insert_at..found.insert_at, bytes);
    }
}

fn copies(data: &[u8], found: &Inspection) -> Vec<RankedSet> {
    found.parameter_sets.iter().map(|(rank, place)| (*rank, data[place.clone()].to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: [u8; 5] = [0, 0, 1, 0x67, 0x42];
    const PPS: [u8; 5] = [0, 0, 1, 0x68, 0xce];
    const IDR: [u8; 5] = [0, 0, 1, 0x65, 0x88];
    const P: [u8; 5] = [0, 0, 1, 0x41, 0x9a];

    fn splitter(sessions: usize, min_segment_packets: usize) -> GopSplitter {
        GopSplitter::new(StreamCodec::H264, SplitOptions { sessions, min_segment_packets }).unwrap()
    }

    fn packet(units: &[[u8; 5]]) -> Packet {
        Packet { data: units.concat(), ..Packet::default() }
    }

    fn routes(splitter: &mut GopSplitter, packets: &[Packet]) -> Vec<(u64, usize)> {
        let routed = packets.iter().map(|packet| splitter.route(packet.clone()));
        routed.map(|routed| (routed.segment, routed.session)).collect()
    }

    #[test]
    fn segments_are_dealt_to_the_sessions_in_turn() {
        let packets = [packet(&[IDR]), packet(&[P]), packet(&[IDR]), packet(&[IDR]), packet(&[P])];
        assert_eq!(routes(&mut splitter(2, 1), &packets), [(0, 0), (0, 0), (1, 1), (2, 0), (2, 0)]);
    }

    #[test]
    fn a_segment_has_at_least_the_wanted_packets() {
        let packets = [packet(&[IDR]), packet(&[IDR]), packet(&[P]), packet(&[IDR]), packet(&[IDR])];
        let segments: Vec<_> =
            routes(&mut splitter(3, 3), &packets).iter().map(|(segment, _)| *segment).collect();
        assert_eq!(segments, [0, 0, 0, 1, 1]);
    }

    #[test]
    fn packets_before_the_first_key_frame_belong_to_the_first_segment() {
        let packets = [packet(&[P]), packet(&[P]), packet(&[IDR])];
        assert_eq!(routes(&mut splitter(2, 1), &packets), [(0, 0), (0, 0), (1, 1)]);
    }

    #[test]
    fn no_boundary_is_made_at_a_damaged_packet() {
        let damaged = Packet { is_corrupt: true, ..packet(&[IDR]) };
        assert_eq!(routes(&mut splitter(2, 1), &[packet(&[IDR]), damaged]), [(0, 0), (0, 0)]);
    }

    #[test]
    fn a_segment_begins_with_all_parameter_sets_and_its_own_last() {
        let mut splitter = splitter(2, 1);
        splitter.route(packet(&[SPS, PPS, IDR]));
        assert_eq!(splitter.route(packet(&[IDR])).packet.data, [SPS, PPS, IDR].concat());
        let newer = [0, 0, 1, 0x67, 0x64];
        let routed = splitter.route(packet(&[newer, PPS, IDR]));
        assert_eq!(routed.packet.data, [SPS, PPS, newer, PPS, IDR].concat());
        assert_eq!(splitter.route(packet(&[IDR])).packet.data, [SPS, newer, PPS, IDR].concat());
    }

    #[test]
    fn a_packet_within_a_segment_is_not_changed() {
        let mut splitter = splitter(2, 1);
        splitter.route(packet(&[SPS, PPS, IDR]));
        assert_eq!(splitter.route(packet(&[P])).packet, packet(&[P]));
    }

    #[test]
    fn options_of_zero_are_refused_by_name() {
        let options = SplitOptions { sessions: 0, min_segment_packets: 1 };
        let error = GopSplitter::new(StreamCodec::Vp9, options).unwrap_err();
        assert_eq!(error.to_string(), "sessions is 0, at least 1 is needed");
    }
}
