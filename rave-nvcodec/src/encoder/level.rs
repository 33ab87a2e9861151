//! Levels: which one a picture needs by its size. A bit rate or frame rate may need a higher one.

use super::NvencCodec;

/// A level's number as NVENC has it, the most luma samples of a picture, and the longest side.
type Row = (u32, u64, u64);

/// Rec. ITU-T H.264, table A-1, MaxFS in macroblocks; A.3.1 for the sides. Numbers are tenths.
const H264: &[(u32, u64)] = &[
    (10, 99),
    (11, 396),
    (21, 792),
    (22, 1620),
    (31, 3600),
    (32, 5120),
    (40, 8192),
    (42, 8704),
    (50, 22_080),
    (51, 36_864),
    (60, 139_264),
];

/// Rec. ITU-T H.265, table A.8, MaxLumaPs; A.4.1 for the sides. Numbers are thirtieths.
const HEVC: &[(u32, u64)] = &[
    (30, 36_864),
    (60, 122_880),
    (63, 245_760),
    (90, 552_960),
    (93, 983_040),
    (120, 2_228_224),
    (150, 8_912_896),
    (180, 35_651_584),
];

/// AV1 specification, A.3: MaxPicSize, MaxHSize, MaxVSize. Numbers are `seq_level_idx`.
const AV1: &[(u32, u64, u64, u64)] = &[
    (0, 147_456, 2048, 1152),
    (1, 278_784, 2816, 1584),
    (4, 665_856, 4352, 2448),
    (5, 1_065_024, 5504, 3096),
    (8, 2_359_296, 6144, 3456),
    (12, 8_912_896, 8192, 4352),
    (16, 35_651_584, 16_384, 8704),
];

/// The lowest level that has room for a picture; `None` if none has.
pub(super) fn needed(codec: NvencCodec, width: u32, height: u32) -> Option<u32> {
    let (width, height) = (u64::from(width), u64::from(height));
    match codec {
        NvencCodec::H264 => {
            let (width, height) = (width.div_ceil(16), height.div_ceil(16));
            first(H264, width, height)
        }
        NvencCodec::Hevc => first(HEVC, width, height),
        NvencCodec::Av1 => {
            let fits = |&&(_, size, most_width, most_height): &&(u32, u64, u64, u64)| {
                width * height <= size && width <= most_width && height <= most_height
            };
            AV1.iter().find(fits).map(|&(level, ..)| level)
        }
    }
}

/// H.264 and H.265 limit a side to the square root of eight times the picture's size.
fn first(table: &[(u32, u64)], width: u64, height: u64) -> Option<u32> {
    let rows = table.iter().map(|&(level, size)| -> Row { (level, size, (8 * size).isqrt()) });
    let mut fitting =
        rows.filter(|&(_, size, side)| width * height <= size && width <= side && height <= side);
    fitting.next().map(|(level, ..)| level)
}

/// A level as people write it.
pub(super) fn name(codec: NvencCodec, level: u32) -> String {
    let (major, minor) = match codec {
        NvencCodec::H264 => (level / 10, level % 10),
        NvencCodec::Hevc => (level / 30, level % 30 / 3),
        NvencCodec::Av1 => (2 + level / 4, level % 4),
    };
    format!("{major}.{minor}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_need_the_level_of_the_standards_tables() {
        for (codec, width, height, expected) in [
            (NvencCodec::H264, 176, 144, Some("1.0")),
            (NvencCodec::H264, 1280, 720, Some("3.1")),
            (NvencCodec::H264, 1920, 1080, Some("4.0")),
            (NvencCodec::H264, 3840, 2160, Some("5.1")),
            (NvencCodec::H264, 7680, 4320, Some("6.0")),
            (NvencCodec::H264, 16_384, 8192, None),
            (NvencCodec::Hevc, 1920, 1080, Some("4.0")),
            (NvencCodec::Hevc, 3840, 2160, Some("5.0")),
            (NvencCodec::Hevc, 8192, 4320, Some("6.0")),
            (NvencCodec::Hevc, 8192, 16, Some("5.0")),
            (NvencCodec::Av1, 1920, 1080, Some("4.0")),
            (NvencCodec::Av1, 3840, 2160, Some("5.0")),
            (NvencCodec::Av1, 7680, 4320, Some("6.0")),
            (NvencCodec::Av1, 1000, 4353, Some("6.0")),
        ] {
            let level = needed(codec, width, height).map(|level| name(codec, level));
            assert_eq!(level.as_deref(), expected, "{codec} {width}x{height}");
        }
    }
}
