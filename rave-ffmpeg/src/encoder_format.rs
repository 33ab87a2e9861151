//! Which pixel format to encode.

use rave_core::{Chroma, Packing, PixelFormat, Sample, VideoInfo};

use crate::format;
use crate::sys::{Encoder, PixelDescriptor};

/// Bits that a float format counts as.
const FLOAT_BITS: u8 = 10;

/// The formats that an encoder takes and frames can come in.
pub(crate) fn supported(encoder: Encoder) -> Vec<PixelFormat> {
    let named = |number| PixelDescriptor::from_number(number).and_then(|found| format::native(&found.name()));
    let mut formats = Vec::new();
    for format in encoder.pixel_formats().into_iter().filter_map(named) {
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    formats
}

/// The formats that an encoder takes with a plane of alpha beside theirs.
pub(crate) fn supported_with_alpha(encoder: Encoder) -> Vec<PixelFormat> {
    let numbers = encoder.pixel_formats();
    let takes = |format: &PixelFormat| {
        format::descriptor_with_alpha(*format).is_some_and(|found| numbers.contains(&found.number()))
    };
    format::with_three_planes().filter(takes).collect()
}

/// The supported format that loses least of what `source` has, then adds least to it.
pub(crate) fn nearest(
    source: &VideoInfo,
    supported: &[PixelFormat],
    needs_even: bool,
) -> Option<PixelFormat> {
    let fits = |format: &&PixelFormat| !needs_even || is_even(**format, source.width, source.height);
    supported
        .iter()
        .filter(fits)
        .filter_map(|&format| Some((cost(source.format, format)?, format)))
        .min_by_key(|&(cost, _)| cost)
        .map(|(_, format)| format)
}

/// Whether a size is a multiple of the chroma subsampling.
pub(crate) fn is_even(format: PixelFormat, width: u32, height: u32) -> bool {
    let (x, y) = format.chroma().map_or((0, 0), Chroma::shifts);
    width.is_multiple_of(1 << x) && height.is_multiple_of(1 << y)
}

/// What is lost, what is changed, what is added, and how unlike the packing is; `None` where colours would go.
fn cost(source: PixelFormat, target: PixelFormat) -> Option<(u32, u32, u32, u8)> {
    let (have, get) = (detail(source), detail(target));
    let from_gray = matches!(source, PixelFormat::Gray { .. });
    if matches!(target, PixelFormat::Gray { .. }) && !from_gray {
        return None;
    }
    let kind =
        u32::from(matches!(target, PixelFormat::Rgb { .. }) != matches!(source, PixelFormat::Rgb { .. }))
            + u32::from(from_gray && !matches!(target, PixelFormat::Gray { .. }));
    let bits = u32::from(have.1.saturating_sub(get.1));
    let lost = have.0.saturating_sub(get.0) * 16 + bits;
    let added = get.0.saturating_sub(have.0) * 16 + u32::from(get.1.saturating_sub(have.1));
    let packing = if source == target { 0 } else { 1 + u8::from(is_semi_planar(target)) };
    Some((lost, kind, added, packing))
}

const fn is_semi_planar(format: PixelFormat) -> bool {
    matches!(format, PixelFormat::Yuv { packing: Packing::SemiPlanar, .. })
}

/// Chroma resolution from 0 to 2, and bits.
fn detail(format: PixelFormat) -> (u32, u8) {
    let chroma = match format {
        PixelFormat::Gray { .. } | PixelFormat::Yuv { chroma: Chroma::C420, .. } => 0,
        PixelFormat::Yuv { chroma: Chroma::C422, .. } => 1,
        PixelFormat::Yuv { chroma: Chroma::C444, .. } | PixelFormat::Rgb { .. } => 2,
    };
    (chroma, format.bits().unwrap_or(FLOAT_BITS))
}

/// In which ways `target` is not `source`, as a sentence.
pub(crate) fn notice(encoder: &str, source: PixelFormat, target: PixelFormat) -> Option<String> {
    let plain = |format: PixelFormat| match format {
        PixelFormat::Yuv { chroma, sample, .. } => {
            PixelFormat::Yuv { chroma, sample, packing: Packing::Planar }
        }
        other => other,
    };
    let is_float = matches!(source.sample(), Sample::F16 | Sample::F32);
    (plain(source) != plain(target) && !is_float)
        .then(|| format!("{encoder} does not encode {source} here: {target} is used"))
}

#[cfg(test)]
mod tests {
    use rave_core::{ColorSpec, TimeBase};

    use super::*;

    fn info(format: PixelFormat, width: u32) -> VideoInfo {
        VideoInfo::new(format, (width, 4), ColorSpec::BT709, TimeBase::new(1, 25).unwrap())
    }

    fn formats(names: &[&str]) -> Vec<PixelFormat> {
        names.iter().map(|name| format::native(name).unwrap()).collect()
    }

    #[test]
    fn the_nearest_format_keeps_subsampling_then_depth() {
        let x264 = formats(&[
            "yuv420p",
            "yuv422p",
            "yuv444p",
            "nv12",
            "yuv420p10le",
            "yuv422p10le",
            "yuv444p10le",
            "gray",
            "gray10le",
        ]);
        let svt = formats(&["yuv420p", "yuv420p10le"]);
        for (list, source, expected) in [
            (&x264, "yuv420p", "yuv420p"),
            (&x264, "nv12", "nv12"),
            (&x264, "p010le", "yuv420p10le"),
            (&x264, "yuv422p12le", "yuv422p10le"),
            (&x264, "yuv444p9le", "yuv444p10le"),
            (&x264, "gray", "gray"),
            (&x264, "gbrp", "yuv444p"),
            (&svt, "yuv444p10le", "yuv420p10le"),
            (&svt, "gray", "yuv420p"),
            (&svt, "gbrp12le", "yuv420p10le"),
        ] {
            let source = format::native(source).unwrap();
            let found = nearest(&info(source, 4), list, true).unwrap();
            assert_eq!(found.to_string(), expected, "{source}");
        }
    }

    #[test]
    fn odd_sizes_need_full_chroma() {
        let list = formats(&["yuv420p", "yuv422p", "yuv444p"]);
        let source = PixelFormat::YUV420P;
        assert_eq!(nearest(&info(source, 5), &list, true), Some(PixelFormat::YUV444P));
        assert_eq!(nearest(&info(source, 5), &list, false), Some(PixelFormat::YUV420P));
        assert!(notice("libx264", source, PixelFormat::YUV444P).is_some());
        assert_eq!(notice("libx264", PixelFormat::NV12, PixelFormat::YUV420P), None);
    }
}
