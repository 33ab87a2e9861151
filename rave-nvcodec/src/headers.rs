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

/// Whether a NAL unit is the first slice of a frame or field: its first macroblock is the first (H.264, 7.3.3).
pub(crate) fn h264_begins_picture(unit: &[u8]) -> bool {
    matches!(unit, [header, slice, ..] if matches!(header & 0x1f, 1 | 2 | 5) && slice & 0x80 != 0)
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

    #[test]
    fn pictures_in_a_packet_are_counted() {
        let fields = [0, 0, 1, 0x65, 0x88, 0, 0, 1, 0x65, 0x21, 0, 0, 1, 0x41, 0x9a];
        assert_eq!(Codec::H264.pictures(&fields), 2);
        assert_eq!(Codec::H264.pictures(&fields[..10]), 1);
        assert_eq!(Codec::Mpeg2.pictures(&[0, 0, 1, 0xb3, 9, 0, 0, 1, 0, 1, 0, 0, 1, 1, 5, 0, 0, 1, 0]), 2);
        assert_eq!(Codec::Vc1.pictures(&[0, 0, 1, 0x0d, 5, 0, 0, 1, 0x0c, 5]), 2);
        assert_eq!((Codec::Vp9.pictures(&[]), Codec::H264.pictures(&[0, 0, 1])), (1, 0));
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
                        let _ = (codec.pictures(&data), codec.shows(&data), codec.is_plausible(&data));
                    }
                }
            }
        }
    }
}
