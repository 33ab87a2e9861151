use std::ops::Range;

/// A codec whose packets can be told apart without decoding them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamCodec {
    /// H.264, with start codes (ITU-T H.264, annex B).
    H264,
    /// HEVC, with start codes (ITU-T H.265, annex B).
    Hevc,
    /// VP9, a frame or superframe a packet.
    Vp9,
    /// AV1, a temporal unit of OBUs with sizes a packet (AV1 specification, 5.2).
    Av1,
}

/// Whether decoding can start at a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RandomAccess {
    /// It cannot.
    None,
    /// It can, but frames around the packet need, or affect, what came before: an HEVC CRA picture, an H.264 recovery
    /// point, an AV1 key frame that is shown later, a picture that discards frames not yet output.
    Open,
    /// It can, and no frame from here on has to do with what came before: an IDR or BLA picture, a key frame. (An
    /// H.264 IDR picture may discard frames not yet output, by a flag that is not looked at.)
    Closed,
}

/// What was found at the head of a packet.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub access: RandomAccess,
    /// What is said once and holds on: parameter sets, with start codes or OBU headers.
    pub parameter_sets: Vec<ParameterSet>,
    /// Where further parameter sets may be put.
    pub insert_at: usize,
}

/// Rank (a set needs those of lower rank) and place in the packet.
pub(crate) type ParameterSet = (u8, Range<usize>);

/// What a NAL unit or OBU is to decoding.
enum Unit {
    Delimiter,
    ParameterSet(u8),
    RecoveryPoint,
    Picture(RandomAccess),
    Other,
}

impl StreamCodec {
    /// Whether decoding can start at a packet with these bytes; damaged ones are `None`.
    ///
    /// ```
    /// use rave_nvcodec::{RandomAccess, StreamCodec};
    /// let idr_slice = [0, 0, 0, 1, 0x65, 0x88, 0x84];
    /// assert_eq!(StreamCodec::H264.random_access(&idr_slice), RandomAccess::Closed);
    /// let cra_slice = [0, 0, 1, 0x2a, 0x01, 0xad];
    /// assert_eq!(StreamCodec::Hevc.random_access(&cra_slice), RandomAccess::Open);
    /// ```
    pub fn random_access(self, data: &[u8]) -> RandomAccess {
        self.inspect(data).access
    }

    /// Looks at everything up to the first picture.
    pub(crate) fn inspect(self, data: &[u8]) -> Inspection {
        match self {
            StreamCodec::H264 => inspect_units(nal_units(data), |(_, unit)| h264_unit(&data[unit.clone()])),
            StreamCodec::Hevc => inspect_units(nal_units(data), |(_, unit)| hevc_unit(&data[unit.clone()])),
            StreamCodec::Av1 => {
                let mut is_reduced = false;
                inspect_units(obus(data), |(whole, body)| {
                    av1_unit(data[whole.start], &data[body.clone()], &mut is_reduced)
                })
            }
            StreamCodec::Vp9 => {
                Inspection { access: vp9_access(data), parameter_sets: Vec::new(), insert_at: 0 }
            }
        }
    }

    /// Whether a new parameter set ends all others, and not only that of its number.
    pub(crate) fn has_single_parameter_set(self) -> bool {
        self == StreamCodec::Av1
    }
}

/// A unit with what precedes its payload (a start code; header and size of an OBU), and without.
type Framed = (Range<usize>, Range<usize>);

fn inspect_units(
    units: impl Iterator<Item = Framed>,
    mut classify: impl FnMut(&Framed) -> Unit,
) -> Inspection {
    let mut found = Inspection { access: RandomAccess::None, parameter_sets: Vec::new(), insert_at: 0 };
    let mut has_recovery_point = false;
    for unit in units {
        let kind = classify(&unit);
        let (whole, _) = unit;
        match kind {
            Unit::Delimiter if found.parameter_sets.is_empty() => found.insert_at = whole.end,
            Unit::ParameterSet(rank) => found.parameter_sets.push((rank, whole)),
            Unit::RecoveryPoint => has_recovery_point = true,
            Unit::Picture(RandomAccess::None) if has_recovery_point => {
                found.access = RandomAccess::Open;
                break;
            }
            Unit::Picture(access) => {
                found.access = access;
                break;
            }
            Unit::Delimiter | Unit::Other => {}
        }
    }
    found
}

/// NAL units that are not empty, each with its start code of three bytes.
fn nal_units(data: &[u8]) -> impl Iterator<Item = Framed> + '_ {
    let mut next = payload_start(data, 0);
    std::iter::from_fn(move || {
        loop {
            let start = next?;
            next = payload_start(data, start);
            let end = next.map_or(data.len(), |following| following - START_CODE.len());
            // Zeros before a start code belong to no unit: a unit ends with a stop bit.
            let length = data[start..end].iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if length > 0 {
                return Some((start - START_CODE.len()..start + length, start..start + length));
            }
        }
    })
}

const START_CODE: [u8; 3] = [0, 0, 1];

/// Where the payload after the next start code begins.
pub(crate) fn payload_start(data: &[u8], from: usize) -> Option<usize> {
    // Where the 1 of a start code may be.
    let mut at = from + START_CODE.len() - 1;
    loop {
        match *data.get(at)? {
            0 => at += 1,
            1 if data[..at].ends_with(&START_CODE[..2]) => return Some(at + 1),
            // In no other place of a start code is this byte: the next one begins behind it.
            _ => at += START_CODE.len(),
        }
    }
}

/// ITU-T H.264, table 7-1.
fn h264_unit(unit: &[u8]) -> Unit {
    match unit[0] & 0x1f {
        1 | 2 => Unit::Picture(RandomAccess::None),
        5 => Unit::Picture(RandomAccess::Closed),
        6 if has_recovery_point(&unit[1..]) => Unit::RecoveryPoint,
        6 if names_x264(&unit[1..]) => Unit::ParameterSet(3),
        7 | 13 | 15 => Unit::ParameterSet(1),
        8 => Unit::ParameterSet(2),
        9 => Unit::Delimiter,
        _ => Unit::Other,
    }
}

/// ITU-T H.265, table 7-1; only the base layer counts.
fn hevc_unit(unit: &[u8]) -> Unit {
    let [first, second, body @ ..] = unit else { return Unit::Other };
    let layer = (first & 1) << 5 | second >> 3;
    match first >> 1 & 0x3f {
        _ if layer != 0 => Unit::Other,
        16..=20 => Unit::Picture(hevc_refresh_access(body)),
        21..=23 => Unit::Picture(RandomAccess::Open),
        0..=31 => Unit::Picture(RandomAccess::None),
        kind @ 32..=34 => Unit::ParameterSet(kind - 32),
        35 => Unit::Delimiter,
        39 if has_recovery_point(body) => Unit::RecoveryPoint,
        _ => Unit::Other,
    }
}

/// Of an IDR or BLA picture. One that discards the pictures before it that are not yet output is not independent of
/// them. RASL pictures after a BLA picture are never output, so that it is as good as an IDR picture.
fn hevc_refresh_access(slice_header: &[u8]) -> RandomAccess {
    const NO_OUTPUT_OF_PRIOR_PICS_FLAG: u8 = 0x40;
    match slice_header.first() {
        Some(flags) if flags & NO_OUTPUT_OF_PRIOR_PICS_FLAG == 0 => RandomAccess::Closed,
        Some(_) => RandomAccess::Open,
        None => RandomAccess::None,
    }
}

/// Whether SEI messages hold a recovery point: payload type 6 in both standards (H.264, D.1.8; H.265, D.2.8).
fn has_recovery_point(mut messages: &[u8]) -> bool {
    while let Some((kind, rest)) = sei_number(messages) {
        let Some((size, rest)) = sei_number(rest) else { return false };
        if kind == 6 {
            return true;
        }
        messages = rest.get(size..).unwrap_or_default();
    }
    false
}

/// Whether an SEI message says which x264 made the stream: user data (H.264, D.1.7) under x264's own UUID. It comes once, and
/// libavcodec decodes 4:4:4 of versions before 151 by it.
fn names_x264(message: &[u8]) -> bool {
    const UUID: &[u8] = b"\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xef";
    let payload = sei_number(message).filter(|(kind, _)| *kind == 5).and_then(|(_, rest)| sei_number(rest));
    payload.is_some_and(|(_, payload)| payload.starts_with(UUID))
}

/// A number written as bytes of 255 and a last one below.
fn sei_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let full = bytes.iter().take_while(|&&byte| byte == 255).count();
    Some((full * 255 + usize::from(*bytes.get(full)?), &bytes[full + 1..]))
}

/// VP9 bitstream specification, 6.2: a key frame resets every reference, shown or not.
fn vp9_access(data: &[u8]) -> RandomAccess {
    let Some(&[first, second, ..]) = data.first_chunk::<2>() else { return RandomAccess::None };
    let bits = u16::from_be_bytes([first, second]);
    let is_profile_3 = first & 0x30 == 0x30;
    // After marker and profile; profile 3 is followed by a reserved bit.
    let rest = bits << if is_profile_3 { 5 } else { 4 };
    let (shows_existing, is_inter) = (rest & 0x8000 != 0, rest & 0x4000 != 0);
    match first >> 6 == 2 && !shows_existing && !is_inter {
        true => RandomAccess::Closed,
        false => RandomAccess::None,
    }
}

/// OBUs; without a size an OBU goes to the end.
fn obus(data: &[u8]) -> impl Iterator<Item = Framed> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let header = *data.get(start)?;
        let has_extension = header & 4 != 0;
        let has_size = header & 2 != 0;
        let after_header = start + 1 + usize::from(has_extension);
        let (body, size) = match has_size {
            true => leb128(data.get(after_header..)?).map(|(size, length)| (after_header + length, size))?,
            false => (after_header, data.len().checked_sub(after_header)?),
        };
        at = body.checked_add(size).filter(|&end| end <= data.len())?;
        Some((start..at, body..at))
    })
}

/// AV1 specification, 4.10.5: value and bytes used.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, index + 1));
        }
    }
    None
}

/// AV1 specification, 5.3.2 and 5.9.2. `is_reduced` is what the last sequence header said of frame headers.
fn av1_unit(header: u8, body: &[u8], is_reduced: &mut bool) -> Unit {
    match (header >> 3 & 0xf, body.first()) {
        (1, Some(bits)) => {
            *is_reduced = bits & 0x08 != 0;
            Unit::ParameterSet(0)
        }
        (2, _) => Unit::Delimiter,
        (3 | 6, Some(&bits)) => Unit::Picture(av1_access(bits, *is_reduced)),
        _ => Unit::Other,
    }
}

/// From the first bits of a frame header: `show_existing_frame`, `frame_type` (two bits, 0 is key), `show_frame`.
fn av1_access(bits: u8, is_reduced: bool) -> RandomAccess {
    match (is_reduced, bits >> 7, bits >> 5 & 3, bits >> 4 & 1) {
        (true, ..) | (_, 0, 0, 1) => RandomAccess::Closed,
        (_, 0, 0, 0) => RandomAccess::Open,
        _ => RandomAccess::None,
    }
}

#[cfg(test)]
mod tests {
    use super::RandomAccess::{Closed, None, Open};
    use super::StreamCodec::{Av1, H264, Hevc, Vp9};

    #[test]
    fn access_is_told_from_the_first_picture() {
        for (codec, data, expected) in [
            (H264, &[0, 0, 1, 0x65, 0x88][..], Closed),
            (
                H264,
                &[0, 0, 0, 1, 0x09, 0x10, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 1],
                Closed,
            ),
            (H264, &[0, 0, 1, 0x41, 0x9a], None),
            (H264, &[0, 0, 1, 0x06, 6, 1, 0xc4, 0x80, 0, 0, 1, 0x41, 0x9a], Open),
            (H264, &[0, 0, 1, 0x06, 5, 2, 6, 6, 0x80, 0, 0, 1, 0x41, 0x9a], None),
            (Hevc, &[0, 0, 1, 0x26, 1, 0xaf], Closed),
            (Hevc, &[0, 0, 1, 0x28, 1, 0xaf], Closed),
            (Hevc, &[0, 0, 1, 0x20, 1, 0x80], Closed),
            (Hevc, &[0, 0, 1, 0x28, 1, 0xef], Open),
            (Hevc, &[0, 0, 1, 0x2a, 1, 0xaf], Open),
            (Hevc, &[0, 0, 1, 0x02, 1, 0xd0], None),
            (Hevc, &[0, 0, 1, 0x4e, 1, 6, 1, 0x80, 0, 0, 1, 0x02, 1, 0xd0], Open),
            (Vp9, &[0x82, 0x49, 0x83, 0x42], Closed),
            (Vp9, &[0x86, 0x00], None),
            (Vp9, &[0x8a, 0x00], None),
            (Vp9, &[0xb1, 0x24], Closed),
            (Vp9, &[0xb2, 0x24], None),
            (Av1, &[0x12, 0, 0x0a, 1, 0x00, 0x32, 1, 0x10], Closed),
            (Av1, &[0x12, 0, 0x32, 1, 0x00], Open),
            (Av1, &[0x12, 0, 0x32, 1, 0x30], None),
            (Av1, &[0x12, 0, 0x1a, 1, 0x80], None),
            (Av1, &[0x0a, 1, 0x18, 0x32, 1, 0x00], Closed),
        ] {
            assert_eq!(codec.random_access(data), expected, "{codec:?} {data:02x?}");
        }
    }

    #[test]
    fn start_codes_are_found_wherever_they_are() {
        let mut number = 1_u32;
        for length in 0..200 {
            // Few values, so that there are many codes and half ones.
            let next = |_| {
                number = number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                [0, 0, 0, 1, 1, 2, 3, 0][(number >> 16) as usize % 8]
            };
            let data: Vec<u8> = (0..length).map(next).collect();
            for from in 0..=length {
                let found = data[from..].windows(3).position(|bytes| bytes == [0, 0, 1]);
                assert_eq!(
                    super::payload_start(&data, from),
                    found.map(|at| from + at + 3),
                    "{data:?} {from}"
                );
            }
        }
    }

    #[test]
    fn parameter_sets_go_after_the_delimiter() {
        let found =
            H264.inspect(&[0, 0, 0, 1, 9, 0x10, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 1]);
        assert_eq!(found.insert_at, 6);
        assert_eq!(found.parameter_sets, [(1, 7..12), (2, 12..17)]);
    }

    #[test]
    fn the_name_of_x264_is_kept_like_a_parameter_set() {
        let uuid =
            [0xdc, 0x45, 0xe9, 0xbd, 0xe6, 0xd9, 0x48, 0xb7, 0x96, 0x2c, 0xd8, 0x20, 0xd9, 0x23, 0xee, 0xef];
        let unit = [&[0, 0, 1, 6, 5, 17][..], &uuid, &[b'x', 0x80]].concat();
        assert_eq!(H264.inspect(&unit).parameter_sets, [(3, 0..unit.len())]);
        let other = [&[0, 0, 1, 6, 5, 17][..], &[0x11; 16], &[b'x', 0x80]].concat();
        assert_eq!(H264.inspect(&other).parameter_sets, []);
    }

    #[test]
    fn no_damaged_packet_panics() {
        let samples: [&[u8]; 4] = [
            &[0, 0, 1, 0x06, 255, 255, 6, 1, 0, 0, 1, 0x26, 1, 0xaf],
            &[0x12, 0, 0x0e, 0, 0x81, 0x81, 0x32, 0xff],
            &[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1],
            &[0x36, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ];
        for sample in samples {
            for end in 0..=sample.len() {
                for bit in 0..end * 8 {
                    let mut data = sample[..end].to_vec();
                    data[bit / 8] ^= 1 << (bit % 8);
                    for codec in [H264, Hevc, Vp9, Av1] {
                        codec.random_access(&data);
                    }
                }
            }
        }
    }
}
