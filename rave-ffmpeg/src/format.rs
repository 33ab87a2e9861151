//! From libav's pixel formats to those that frames come in, and back.

use rave_core::{Chroma, Packing, PixelFormat, Sample};

use crate::sys::PixelDescriptor;

/// Depths for which libav has planar formats of every kind.
const DEPTHS: [u8; 6] = [8, 9, 10, 12, 14, 16];

/// The format that has exactly this memory arrangement, if there is one.
pub(crate) fn native(name: &str) -> Option<PixelFormat> {
    match name {
        "nv12" => return Some(PixelFormat::NV12),
        "p010le" | "p012le" | "p016le" => {
            return Some(PixelFormat::Yuv {
                chroma: Chroma::C420,
                sample: Sample::Uint { bits: name[2..4].parse().ok()? },
                packing: Packing::SemiPlanar,
            });
        }
        _ => {}
    }
    let (stem, bits) = split_depth(name)?;
    let sample = Sample::Uint { bits };
    match stem {
        "yuv420p" | "yuvj420p" => Some(PixelFormat::yuv_planar(Chroma::C420, bits)),
        "yuv422p" | "yuvj422p" => Some(PixelFormat::yuv_planar(Chroma::C422, bits)),
        "yuv444p" | "yuvj444p" => Some(PixelFormat::yuv_planar(Chroma::C444, bits)),
        "gray" => Some(PixelFormat::Gray { sample }),
        "gbrp" => Some(PixelFormat::Rgb { sample }),
        _ => None,
    }
}

/// `gbrp10le` is `gbrp` and 10; without a number it is 8.
fn split_depth(name: &str) -> Option<(&str, u8)> {
    let Some(stem) = name.strip_suffix("le") else {
        return Some((name, 8));
    };
    let stem_only = ["gray", "p"].iter().find_map(|end| {
        let at = stem.rfind(end)? + end.len();
        Some((&stem[..at], stem[at..].parse().ok()?))
    })?;
    DEPTHS[1..].contains(&stem_only.1).then_some(stem_only)
}

/// libav's format with exactly this memory arrangement, if there is one.
pub(crate) fn descriptor(format: PixelFormat) -> Option<PixelDescriptor> {
    let name = match format {
        PixelFormat::Rgb { sample: Sample::U8 } => "gbrp".to_owned(),
        PixelFormat::Rgb { sample: Sample::Uint { bits } } => format!("gbrp{bits}le"),
        _ => format.to_string(),
    };
    native(&name).filter(|&found| found == format).and_then(|_| PixelDescriptor::from_name(&name))
}

/// libav's format with the planes of `format` and a fourth one of alpha, of the same depth, if there is one.
pub(crate) fn descriptor_with_alpha(format: PixelFormat) -> Option<PixelDescriptor> {
    let name = descriptor(format)?.name();
    let name = match format {
        PixelFormat::Yuv { packing: Packing::Planar, .. } => name.replacen("yuv", "yuva", 1),
        PixelFormat::Rgb { .. } => name.replacen("gbr", "gbra", 1),
        PixelFormat::Yuv { .. } | PixelFormat::Gray { .. } => return None,
    };
    PixelDescriptor::from_name(&name)
}

/// Whether the planes of libav's format are those of `format`, with or without one of alpha behind them.
pub(crate) fn is_arranged_as(source: PixelDescriptor, format: PixelFormat) -> bool {
    let with_alpha = descriptor_with_alpha(format).map(PixelDescriptor::number);
    native(&source.name()) == Some(format) || with_alpha == Some(source.number())
}

/// Planar Y'CbCr and R'G'B' of every subsampling and depth.
pub(crate) fn with_three_planes() -> impl Iterator<Item = PixelFormat> {
    DEPTHS.into_iter().flat_map(|bits| {
        let chroma = [Chroma::C420, Chroma::C422, Chroma::C444];
        let rgb = PixelFormat::Rgb { sample: Sample::Uint { bits } };
        chroma.into_iter().map(move |chroma| PixelFormat::yuv_planar(chroma, bits)).chain([rgb])
    })
}

/// For each of libav's planes, which plane of the layout it is: libav's order is G, B, R.
pub(crate) const fn plane_order(format: PixelFormat) -> &'static [usize] {
    match format {
        PixelFormat::Rgb { .. } => &[1, 2, 0],
        PixelFormat::Gray { .. } => &[0],
        PixelFormat::Yuv { packing: Packing::SemiPlanar, .. } => &[0, 1],
        PixelFormat::Yuv { packing: Packing::Planar, .. } => &[0, 1, 2],
    }
}

/// The format that holds the most of `source`; `None` if its samples cannot be unpacked.
pub(crate) fn nearest(source: PixelDescriptor) -> Option<PixelFormat> {
    if let Some(format) = native(&source.name()) {
        return Some(format);
    }
    if source.is_opaque() {
        return None;
    }
    let bits = if source.is_float() { 16 } else { depth_for(source.bits()) };
    let sample = Sample::Uint { bits };
    if source.is_rgb() {
        return Some(PixelFormat::Rgb { sample });
    }
    if source.color_components() < 3 {
        return Some(PixelFormat::Gray { sample });
    }
    let chroma = match source.chroma_shifts() {
        (0, _) => Chroma::C444,
        (_, 0) => Chroma::C422,
        _ => Chroma::C420,
    };
    Some(PixelFormat::yuv_planar(chroma, bits))
}

fn depth_for(bits: u8) -> u8 {
    DEPTHS.into_iter().find(|&depth| depth >= bits).unwrap_or(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_names_round_trip() {
        for name in [
            "yuv420p",
            "yuv422p10le",
            "yuv444p16le",
            "nv12",
            "p010le",
            "p016le",
            "gray",
            "gray12le",
            "gbrp",
            "gbrp10le",
            "gbrp16le",
            "yuv420p9le",
        ] {
            let format = native(name).unwrap_or_else(|| panic!("{name} is native"));
            assert_eq!(descriptor(format).map(PixelDescriptor::name).as_deref(), Some(name));
        }
        for name in ["yuv420p10be", "rgb24", "gbrap", "yuva420p", "yuv410p", "grayf32le", "gbrpf32le", "nv21"]
        {
            assert_eq!(native(name), None, "{name}");
        }
    }

    #[test]
    fn planar_formats_have_a_partner_with_alpha() {
        for (name, expected) in [
            ("yuv420p", Some("yuva420p")),
            ("yuv444p10le", Some("yuva444p10le")),
            ("gbrp12le", Some("gbrap12le")),
            ("gbrp", Some("gbrap")),
            ("nv12", None),
            ("gray", None),
            ("gbrp9le", None),
        ] {
            let found = descriptor_with_alpha(native(name).unwrap()).map(PixelDescriptor::name);
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn other_formats_have_a_nearest_one() {
        for (name, expected) in [
            ("rgb24", "rgbp"),
            ("bgra", "rgbp"),
            ("pal8", "rgbp"),
            ("rgb565le", "rgbp"),
            ("rgb48be", "rgbp16le"),
            ("gbrap12le", "rgbp12le"),
            ("yuv411p", "yuv422p"),
            ("yuv410p", "yuv420p"),
            ("yuv440p", "yuv444p"),
            ("yuva444p10le", "yuv444p10le"),
            ("yuv420p10be", "yuv420p10le"),
            ("yuyv422", "yuv422p"),
            ("nv21", "yuv420p"),
            ("nv24", "yuv444p"),
            ("ya8", "gray"),
            ("monob", "gray"),
            ("gray10be", "gray10le"),
        ] {
            let source = PixelDescriptor::from_name(name).unwrap();
            assert_eq!(nearest(source).unwrap().to_string(), expected, "{name}");
        }
        for name in ["vaapi", "cuda", "xyz12le"] {
            assert_eq!(nearest(PixelDescriptor::from_name(name).unwrap()), None, "{name}");
        }
    }
}
