//! What the first bytes of packets say of their pictures.

use crate::bitstream::payload_start;

/// Whether a packet of VP9 shows a picture: a frame of its superframe (VP9 bitstream specification, annex B) is shown, or one
/// that was decoded before.
pub(crate) fn vp9_shows(data: &[u8]) -> bool {
    vp9_frames(data).into_iter().any(|frame| {
        let Some(&[first, second, ..]) = frame.first_chunk::<2>() else { return false };
        let bits = u16::from_be_bytes([first, second]);
        // As in `vp9_access`: `show_existing_frame`, `frame_type`, `show_frame`.
        let rest = bits << if first & 0x30 == 0x30 { 5 } else { 4 };
        first >> 6 == 2 && (rest & 0x8000 != 0 || rest & 0x2000 != 0)
    })
}

/// The frames of a superframe, or the packet itself.
fn vp9_frames(data: &[u8]) -> Vec<&[u8]> {
    let whole = || vec![data];
    let Some(&marker) = data.last().filter(|&&marker| marker & 0xe0 == 0xc0) else { return whole() };
    let (count, size_bytes) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let Some(start) = data.len().checked_sub(2 + count * size_bytes) else { return whole() };
    if data[start] != marker {
        return whole();
    }
    let sizes = data[start + 1..data.len() - 1].chunks_exact(size_bytes);
    let sizes = sizes.map(|bytes| bytes.iter().rev().fold(0, |size, &byte| size << 8 | usize::from(byte)));
    let mut rest = &data[..start];
    let mut split = |size: usize| {
        let (frame, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        frame
    };
    sizes.map(&mut split).collect()
}

/// Whether a packet of VP8 shows its picture (RFC 6386, 9.1).
pub(crate) fn vp8_shows(data: &[u8]) -> bool {
    data.first().is_some_and(|first| first & 0x10 != 0)
}

/// Whether the header of a VP8 frame is one (RFC 6386, 9.1): the first partition is there, a key frame has its start code and a
/// size.
pub(crate) fn vp8_is_plausible(data: &[u8]) -> bool {
    let Some((&[first, second, third], rest)) = data.split_first_chunk::<3>() else { return false };
    let tag = u32::from_le_bytes([first, second, third, 0]);
    let (is_key, partition_bytes) = (tag & 1 == 0, (tag >> 5) as usize);
    let body = match is_key {
        true => match rest {
            [0x9d, 0x01, 0x2a, w0, w1, h0, h1, body @ ..] => {
                let side = |low: &u8, high: &u8| u16::from_le_bytes([*low, *high]) & 0x3fff;
                Some(body).filter(|_| side(w0, w1) > 0 && side(h0, h1) > 0)
            }
            _ => None,
        },
        false => Some(rest),
    };
    body.is_some_and(|body| partition_bytes <= body.len())
}

/// What follows each start code, to the packet's end.
pub(crate) fn start_codes(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut next = payload_start(data, 0);
    std::iter::from_fn(move || {
        let start = next?;
        next = payload_start(data, start);
        Some(&data[start..])
    })
}

/// What a unit behind a start code is to the picture that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// It begins a frame or field.
    Picture,
    /// It is a further part of its samples.
    Slice,
    /// It belongs to what follows, or to nothing.
    Other,
}

/// A NAL unit: the first slice of a frame or field is that whose first macroblock is the first (H.264, 7.3.3).
pub(crate) fn h264_piece(unit: &[u8]) -> Piece {
    match unit {
        [header, slice, ..] if matches!(header & 0x1f, 1 | 2 | 5) && slice & 0x80 != 0 => Piece::Picture,
        [header, ..] if matches!(header & 0x1f, 1..=5) => Piece::Slice,
        _ => Piece::Other,
    }
}

/// ISO/IEC 13818-2, table 6-1.
pub(crate) fn mpeg_piece(unit: &[u8]) -> Piece {
    match unit.first() {
        Some(0) => Piece::Picture,
        Some(0x01..=0xaf) => Piece::Slice,
        _ => Piece::Other,
    }
}

/// A frame, its second field, a slice (SMPTE ST 421, annex E).
pub(crate) fn vc1_piece(unit: &[u8]) -> Piece {
    match unit.first() {
        Some(0x0c | 0x0d) => Piece::Picture,
        Some(0x0b) => Piece::Slice,
        _ => Piece::Other,
    }
}

/// Cuts a packet before each picture but the first, or before what stands ahead of it behind the last picture's slices.
pub(crate) fn split_pictures(data: &[u8], piece: fn(&[u8]) -> Piece) -> Vec<&[u8]> {
    const START_CODE_BYTES: usize = 3;
    let (mut parts, mut start, mut has_picture) = (Vec::new(), 0, false);
    let (mut previous, mut ahead) = (Piece::Other, None);
    for unit in start_codes(data) {
        let at = data.len() - unit.len() - START_CODE_BYTES;
        let kind = piece(unit);
        match kind {
            Piece::Picture if has_picture => {
                let cut = ahead.take().unwrap_or(at);
                parts.push(&data[start..cut]);
                start = cut;
            }
            Piece::Picture => (has_picture, ahead) = (true, None),
            Piece::Slice => ahead = None,
            Piece::Other if has_picture && previous != Piece::Other => ahead = Some(at),
            Piece::Other => {}
        }
        previous = kind;
    }
    parts.push(&data[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Codec;

    #[test]
    fn hidden_frames_are_known_from_shown_ones() {
        let (hidden, shown, existing) = ([0x84, 0x00], [0x86, 0x00], [0x88, 0x00]);
        let superframe = |frames: [[u8; 2]; 2]| [&frames.concat()[..], &[0xc1, 2, 2, 0xc1]].concat();
        for (data, expected) in [
            (hidden.to_vec(), false),
            (shown.to_vec(), true),
            (existing.to_vec(), true),
            (superframe([hidden, shown]), true),
            (superframe([hidden, hidden]), false),
            (vec![0x86], false),
            (vec![], false),
            (vec![0xc7, 0xc7], false),
        ] {
            assert_eq!(vp9_shows(&data), expected, "{data:02x?}");
        }
        assert!(vp8_shows(&[0x10]) && !vp8_shows(&[0x02]) && !vp8_shows(&[]));
    }

    /// Where a packet is cut into frames and fields.
    fn cuts(codec: Codec, data: &[u8]) -> Vec<usize> {
        let parts = codec.fields(data);
        assert_eq!(parts.concat(), data, "nothing is lost");
        let ends = parts.iter().scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        });
        ends.take(parts.len() - 1).collect()
    }

    #[test]
    fn fields_are_parts_with_what_precedes_them() {
        let fields = [0, 0, 1, 0x65, 0x88, 0, 0, 1, 0x65, 0x21, 0, 0, 1, 0x41, 0x9a];
        assert_eq!(cuts(Codec::H264, &fields), [10]);
        assert_eq!(cuts(Codec::H264, &fields[..10]), []);
        let with_delimiter =
            [0, 0, 1, 9, 0x10, 0, 0, 1, 0x65, 0x88, 0, 0, 1, 9, 0x30, 0, 0, 1, 6, 5, 0, 0, 1, 0x41, 0x9a];
        assert_eq!(cuts(Codec::H264, &with_delimiter), [10]);
        let headers = [0, 0, 1, 0xb3, 9, 0, 0, 1, 0, 1, 0, 0, 1, 0xb5, 8, 0, 0, 1, 1, 5];
        assert_eq!(cuts(Codec::Mpeg2, &headers), []);
        assert_eq!(cuts(Codec::Mpeg2, &[&headers[..], &headers[5..]].concat()), [20]);
        assert_eq!(cuts(Codec::Vc1, &[0, 0, 1, 0x0d, 5, 0, 0, 1, 0x0b, 6, 0, 0, 1, 0x0c, 5]), [10]);
        assert_eq!((cuts(Codec::Vp9, &[]), cuts(Codec::H264, &[0, 0, 1])), (vec![], vec![]));
    }

    #[test]
    fn a_vp8_frame_that_promises_more_than_there_is_is_known() {
        let key = |partition: u8, data: &[u8]| {
            [&[partition << 5, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0], data].concat()
        };
        assert!(vp8_is_plausible(&key(2, &[1, 2])));
        assert!(!vp8_is_plausible(&key(3, &[1, 2])));
        assert!(!vp8_is_plausible(&key(2, &[1, 2])[..9]));
        assert!(vp8_is_plausible(&[0x21, 0, 0, 5]) && !vp8_is_plausible(&[0x41, 0, 0, 5]));
    }

    #[test]
    fn no_damaged_packet_panics() {
        let samples: [&[u8]; 3] = [
            &[0x86, 0, 3, 0xc1, 2, 1, 0xc1],
            &[0x50, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1, 2],
            &[0, 0, 1, 0x65, 0x88, 0, 0, 1, 0],
        ];
        for sample in samples {
            for end in 0..=sample.len() {
                for bit in 0..end * 8 {
                    let mut data = sample[..end].to_vec();
                    data[bit / 8] ^= 1 << (bit % 8);
                    for codec in Codec::ALL {
                        let _ = (codec.fields(&data).len(), codec.shows(&data), codec.is_plausible(&data));
                    }
                }
            }
        }
    }
}
