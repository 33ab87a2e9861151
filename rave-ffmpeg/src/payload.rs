//! What a packet holds, without what belongs to its container: the same coded data give the same bytes.

/// How the packets of a stream are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// The packet is the payload.
    Bare,
    /// NAL units behind start codes (H.264 and H.265, annex B) or behind lengths of so many bytes (ISO/IEC 14496-15).
    Nal { codec: NalCodec, length_bytes: Option<usize> },
    /// AAC that may have a header of ISO/IEC 13818-7, 6.2 (ADTS).
    Aac,
    /// The open bitstream units of AV1 (AV1 specification, 5.3).
    Obu,
    /// Text, whose line ends and last line are the container's.
    Text,
    /// A length of two bytes, text, and boxes (3GPP TS 26.245, 5.17).
    TimedText,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NalCodec {
    H264,
    Hevc,
}

impl NalCodec {
    /// Parameter sets, access unit delimiters, filler and, in H.265, prefix SEI: they may be in the header of the
    /// container, or left out.
    const fn is_packaging(self, header: u8) -> bool {
        match self {
            Self::H264 => matches!(header & 0x1f, 7..=9 | 12 | 13),
            Self::Hevc => matches!(header >> 1 & 0x3f, 32..=35 | 38 | 39),
        }
    }
}

impl Wrapping {
    pub(crate) fn of(codec: &str, extradata: &[u8]) -> Self {
        match codec {
            "h264" => Self::nal(NalCodec::H264, extradata, 4),
            "hevc" => Self::nal(NalCodec::Hevc, extradata, 21),
            "aac" => Self::Aac,
            "av1" => Self::Obu,
            "subrip" | "text" | "ass" | "ssa" | "webvtt" => Self::Text,
            "mov_text" => Self::TimedText,
            _ => Self::Bare,
        }
    }

    /// `at` is where the decoder configuration record holds the length of the lengths, less one.
    fn nal(codec: NalCodec, extradata: &[u8], at: usize) -> Self {
        const RECORD_VERSION: u8 = 1;
        let is_record = extradata.first() == Some(&RECORD_VERSION);
        let length_bytes = extradata.get(at).filter(|_| is_record).map(|byte| usize::from(byte & 3) + 1);
        Self::Nal { codec, length_bytes }
    }

    /// Hands the pieces of the payload to `each`, in order.
    pub(crate) fn pieces(self, data: &[u8], mut each: impl FnMut(&[u8])) {
        match self {
            Self::Bare => each(data),
            Self::Nal { codec, length_bytes } => {
                let mut unit = |unit: &[u8]| {
                    if unit.first().is_some_and(|&header| !codec.is_packaging(header)) {
                        each(without_trailing(unit, |byte| byte == 0));
                    }
                };
                match length_bytes {
                    // A start code of three bytes may be a length, and the other way round.
                    Some(length_bytes) if is_whole(data, length_bytes) || !is_annex_b(data) => {
                        behind_lengths(data, length_bytes, &mut unit);
                    }
                    _ => behind_start_codes(data, &mut unit),
                }
            }
            Self::Aac => each(without_adts(data)),
            Self::Obu => open_bitstream_units(data, &mut each),
            Self::Text => text_lines(data, &mut each),
            Self::TimedText => {
                let is_gap = data.get(..2).is_none_or(|length| length == [0, 0]);
                if !is_gap {
                    each(data);
                }
            }
        }
    }
}

fn is_annex_b(data: &[u8]) -> bool {
    data.starts_with(&[0, 0, 0, 1]) || data.starts_with(&[0, 0, 1])
}

/// Whether units behind lengths end with the data.
fn is_whole(data: &[u8], length_bytes: usize) -> bool {
    let mut rest = data;
    while let Some((length, behind)) = rest.split_at_checked(length_bytes) {
        match behind.get(big_endian(length)..) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    rest.is_empty()
}

fn big_endian(length: &[u8]) -> usize {
    length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte))
}

fn without_trailing(data: &[u8], is_padding: impl Fn(u8) -> bool) -> &[u8] {
    let end = data.iter().rposition(|&byte| !is_padding(byte)).map_or(0, |last| last + 1);
    &data[..end]
}

/// Damaged lengths end it: what is left is one piece.
fn behind_lengths(data: &[u8], length_bytes: usize, each: &mut dyn FnMut(&[u8])) {
    let mut rest = data;
    while let Some((length, behind)) = rest.split_at_checked(length_bytes) {
        let Some((unit, behind)) = behind.split_at_checked(big_endian(length)) else {
            break;
        };
        each(unit);
        rest = behind;
    }
    if !rest.is_empty() {
        each(rest);
    }
}

fn behind_start_codes(data: &[u8], each: &mut dyn FnMut(&[u8])) {
    const START: [u8; 3] = [0, 0, 1];
    let next = |from: usize| {
        data.get(from..)
            .and_then(|rest| rest.windows(3).position(|window| window == START))
            .map(|at| from + at)
    };
    let Some(mut start) = next(0) else {
        return each(data);
    };
    loop {
        let begin = start + START.len();
        let end = next(begin);
        each(&data[begin..end.unwrap_or(data.len())]);
        match end {
            Some(end) => start = end,
            None => return,
        }
    }
}

/// A header counts only where it gives the packet's length.
fn without_adts(data: &[u8]) -> &[u8] {
    let &[0xff, second, _, fourth, fifth, sixth, _, ..] = data else {
        return data;
    };
    let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
    if second & 0xf6 != 0xf0 || length != data.len() {
        return data;
    }
    let header = if second & 1 == 0 { 9 } else { 7 };
    data.get(header..).unwrap_or_default()
}

/// Without temporal delimiters and padding, and without sizes: a container may leave all of them out.
fn open_bitstream_units(data: &[u8], each: &mut dyn FnMut(&[u8])) {
    const HAS_SIZE: u8 = 2;
    const HAS_EXTENSION: u8 = 4;
    let mut rest = data;
    while let [header, ..] = *rest {
        let header_bytes = if header & HAS_EXTENSION == 0 { 1 } else { 2 };
        let behind = rest.get(header_bytes..).unwrap_or_default();
        let sized = if header & HAS_SIZE == 0 { Some((behind.len(), behind)) } else { leb128(behind) };
        let Some((unit, next)) = sized.and_then(|(length, behind)| behind.split_at_checked(length)) else {
            return each(rest);
        };
        if !matches!(header >> 3 & 0xf, 2 | 15) {
            each(&[header & !HAS_SIZE]);
            each(&rest[1..header_bytes]);
            each(unit);
        }
        rest = next;
    }
}

/// A number of seven bits a byte, and what follows it.
fn leb128(data: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in data.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &data[index + 1..]));
        }
    }
    None
}

fn text_lines(data: &[u8], each: &mut dyn FnMut(&[u8])) {
    let text = without_trailing(data, |byte| byte == 0 || byte.is_ascii_whitespace());
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        if index > 0 {
            each(b"\n");
        }
        each(line.strip_suffix(b"\r").unwrap_or(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(wrapping: Wrapping, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        wrapping.pieces(data, |piece| bytes.extend_from_slice(piece));
        bytes
    }

    #[test]
    fn start_codes_and_lengths_give_the_same_units() {
        let annex_b = Wrapping::of("h264", &[0, 0, 0, 1, 0x67]);
        let record = Wrapping::of("h264", &[1, 100, 0, 31, 0xff, 0xe1]);
        assert_eq!(record, Wrapping::Nal { codec: NalCodec::H264, length_bytes: Some(4) });
        let with_sets =
            [0, 0, 0, 1, 9, 0x10, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x65, 7, 8, 0, 0, 1, 0x41, 9, 0, 0];
        let bare = [0, 0, 0, 3, 0x65, 7, 8, 0, 0, 0, 2, 0x41, 9];
        assert_eq!(payload(annex_b, &with_sets), [0x65, 7, 8, 0x41, 9]);
        assert_eq!(payload(record, &bare), [0x65, 7, 8, 0x41, 9]);
        assert_eq!(payload(record, &with_sets), [0x65, 7, 8, 0x41, 9], "start codes in spite of the record");
        let mut long = vec![0, 0, 1, 4];
        long.resize(4 + 260, 0x65);
        assert_eq!(payload(record, &long), long[4..], "a length that looks like a start code");
    }

    #[test]
    fn hevc_parameter_sets_are_left_out() {
        let mut record = [0; 23];
        (record[0], record[21]) = (1, 1);
        let hevc = Wrapping::of("hevc", &record);
        assert_eq!(hevc, Wrapping::Nal { codec: NalCodec::Hevc, length_bytes: Some(2) });
        assert_eq!(payload(hevc, &[0, 2, 0x40, 1, 0, 3, 0x26, 1, 5]), [0x26, 1, 5]);
    }

    #[test]
    fn an_adts_header_is_left_out_only_where_it_fits() {
        let framed = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x3f, 0xfc, 0x21, 0x22];
        assert_eq!(payload(Wrapping::Aac, &framed), [0x21, 0x22]);
        assert_eq!(payload(Wrapping::Aac, &framed[..8]), framed[..8], "another length");
        assert_eq!(payload(Wrapping::Aac, &[0x21, 0x22]), [0x21, 0x22]);
    }

    #[test]
    fn temporal_delimiters_and_sizes_are_left_out() {
        let (sized, bare) = ([0x12, 0, 0x32, 2, 7, 8], [0x30, 7, 8]);
        assert_eq!(payload(Wrapping::Obu, &sized), payload(Wrapping::Obu, &bare));
        assert_eq!(payload(Wrapping::Obu, &[0x32, 9, 7]), [0x32, 9, 7], "a damaged size");
    }

    #[test]
    fn line_ends_of_text_do_not_count() {
        assert_eq!(payload(Wrapping::Text, b"one\r\ntwo\r\n\0"), b"one\ntwo");
        assert_eq!(payload(Wrapping::TimedText, &[0, 0]), b"");
        assert_eq!(payload(Wrapping::TimedText, b"\0\x02ab"), b"\0\x02ab");
    }

    #[test]
    fn damaged_packets_lose_nothing() {
        let record = Wrapping::of("h264", &[1, 100, 0, 31, 0xff]);
        assert_eq!(payload(record, &[0, 0, 0, 9, 0x65, 1]), [0, 0, 0, 9, 0x65, 1]);
        for wrapping in [record, Wrapping::Aac, Wrapping::Obu, Wrapping::Text, Wrapping::TimedText] {
            for data in [&[][..], &[0], &[0xff], &[0, 0, 1], &[0x32, 0xff, 0xff]] {
                payload(wrapping, data);
            }
        }
    }
}
