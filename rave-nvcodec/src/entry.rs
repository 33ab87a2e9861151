//! Where a stream that is cut out of a longer one can be decoded from.

use crate::Codec;
use crate::headers::start_codes;

/// The beginning of a stream of MPEG-1 or MPEG-2, which in a recording of a broadcast may lie anywhere in a group of pictures.
///
/// Pictures that refer to one before the beginning are left out: all up to the first intra picture, and of an open group
/// the B-pictures that follow it and are shown before it (ISO/IEC 13818-2, 6.3.8, `closed_gop`). libavcodec does the same;
/// the hardware would predict them from surfaces that hold anything.
#[derive(Debug)]
pub(crate) struct Entry {
    state: State,
    /// What the last header of a group says.
    is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    NoReference,
    /// One picture can be referred to: the one with this number within its group.
    OneReference(u16),
    Whole,
}

/// `picture_coding_type` (ISO/IEC 13818-2, table 6-12).
const INTRA: u8 = 1;
const BIDIRECTIONAL: u8 = 3;

impl Entry {
    pub(crate) const fn new(codec: Codec) -> Self {
        let state = match codec {
            Codec::Mpeg1 | Codec::Mpeg2 => State::NoReference,
            _ => State::Whole,
        };
        Self { state, is_closed: false }
    }

    /// Whether a picture of the packet can be decoded, or it has none.
    pub(crate) fn admits(&mut self, packet: &[u8]) -> bool {
        if matches!(self.state, State::Whole) {
            return true;
        }
        let mut verdict = None;
        for unit in start_codes(packet) {
            match unit {
                // Group of pictures: 25 bits of time code, then `closed_gop`.
                [0xb8, _, _, _, flags, ..] => self.is_closed = flags & 0x40 != 0,
                // Picture: ten bits of `temporal_reference`, three of `picture_coding_type`.
                [0, first, second, ..] => {
                    let number = u16::from(*first) << 2 | u16::from(*second) >> 6;
                    let is_admitted = self.admits_picture(number, second >> 3 & 7);
                    verdict = Some(verdict.unwrap_or(false) || is_admitted);
                }
                _ => {}
            }
        }
        verdict.unwrap_or(true)
    }

    fn admits_picture(&mut self, number: u16, kind: u8) -> bool {
        match (self.state, kind) {
            (State::Whole, _) => true,
            (State::NoReference, INTRA) => {
                self.state = State::OneReference(number);
                true
            }
            (State::NoReference, _) => false,
            (State::OneReference(_), BIDIRECTIONAL) => self.is_closed,
            // The second field of the same frame.
            (State::OneReference(first), _) if first == number => true,
            (State::OneReference(_), _) => {
                self.state = State::Whole;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(is_closed: bool) -> Vec<u8> {
        vec![0, 0, 1, 0xb8, 0, 8, 0, if is_closed { 0x40 } else { 0 }]
    }

    fn picture(number: u16, kind: u8) -> Vec<u8> {
        vec![0, 0, 1, 0, (number >> 2) as u8, (number << 6) as u8 | kind << 3, 0, 0, 0, 0, 1, 1, 9]
    }

    /// Which packets are decoded.
    fn admitted(codec: Codec, packets: &[Vec<u8>]) -> Vec<bool> {
        let mut entry = Entry::new(codec);
        packets.iter().map(|packet| entry.admits(packet)).collect()
    }

    #[test]
    fn what_refers_to_pictures_before_the_beginning_is_left_out() {
        let begun_in_the_middle = |is_closed| {
            let intra = [group(is_closed), picture(2, 1)].concat();
            let rest = [picture(0, 3), picture(1, 3), picture(5, 2), picture(3, 3)];
            [vec![picture(8, 2), picture(7, 3), intra], rest.to_vec()].concat()
        };
        let open = admitted(Codec::Mpeg2, &begun_in_the_middle(false));
        assert_eq!(open, [false, false, true, false, false, true, true]);
        let closed = admitted(Codec::Mpeg1, &begun_in_the_middle(true));
        assert_eq!(closed, [false, false, true, true, true, true, true]);
    }

    #[test]
    fn the_second_field_of_the_first_frame_is_no_second_reference() {
        let fields = [picture(2, 1), picture(2, 2)];
        let packets = [fields[0].clone(), fields[1].clone(), picture(0, 3), picture(4, 2), picture(3, 3)];
        assert_eq!(admitted(Codec::Mpeg2, &packets), [true, true, false, true, true]);
        assert_eq!(admitted(Codec::Mpeg2, &[fields.concat(), picture(0, 3)]), [true, false]);
    }

    #[test]
    fn packets_without_a_picture_and_other_codecs_are_let_through() {
        assert_eq!(admitted(Codec::Mpeg2, &[vec![0, 0, 1, 0xb3, 9], vec![], vec![0, 0, 1, 0]]), [true; 3]);
        assert_eq!(admitted(Codec::H264, &[picture(8, 2)]), [true]);
    }
}
