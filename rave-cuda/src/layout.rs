use rave_core::{Error, Layout, PixelFormat, Sample};

use crate::params::Plane;

/// Rows of device frames start at multiples of this, in bytes: a memory transaction of every GPU fits.
const ROW_ALIGNMENT: usize = 256;

/// How frames of a format lie in GPU memory.
///
/// Floating-point R'G'B' and grey is packed, because it is a network's tensor as it stands; of everything else each row
/// begins at a multiple of 256 bytes.
///
/// # Errors
/// [`Error::Size`] if a side is zero or too large.
pub fn device_layout(format: PixelFormat, width: u32, height: u32) -> Result<Layout, Error> {
    match format {
        PixelFormat::Rgb { sample: Sample::F16 | Sample::F32 }
        | PixelFormat::Gray { sample: Sample::F16 | Sample::F32 } => Layout::packed(format, width, height),
        _ => Layout::aligned(format, width, height, ROW_ALIGNMENT),
    }
}

/// The part of a kernel's name that says how samples are stored.
pub(crate) const fn kind(format: PixelFormat) -> &'static str {
    match format.sample() {
        Sample::Uint { bits: 8 } => "u8",
        Sample::Uint { .. } => "u16",
        Sample::F16 => "f16",
        Sample::F32 => "f32",
    }
}

/// The largest code of an integer format, 0 for others.
pub(crate) fn max_code(format: PixelFormat) -> u32 {
    format.bits().map_or(0, |bits| (1 << bits) - 1)
}

pub(crate) fn param_planes(layout: &Layout) -> [Plane; 3] {
    let mut planes = [Plane::default(); 3];
    for (to, from) in planes.iter_mut().zip(layout.planes()) {
        *to = Plane { offset: from.offset_bytes as u64, stride: from.stride_bytes as u64 };
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_packed_and_pictures_aligned() {
        let rgb = device_layout(PixelFormat::RGB_F16, 321, 241).unwrap();
        assert_eq!(rgb, Layout::packed(PixelFormat::RGB_F16, 321, 241).unwrap());
        let nv12 = device_layout(PixelFormat::NV12, 321, 241).unwrap();
        assert!(nv12.planes().iter().all(|plane| plane.stride_bytes == 512 && plane.offset_bytes % 256 == 0));
    }
}
