use rave_core::Layout;
use rave_cuda::{TensorAxes as DeviceAxes, TensorShape, Window};

use crate::info::{ModelInfo, TensorAxes};
use crate::planes::Tile;

/// A picture of `width` x `height` in a tensor, enlarged.
pub(super) fn picture_shape(info: &ModelInfo, (width, height): (usize, usize), scale: u32) -> TensorShape {
    TensorShape {
        channels: info.color.channels() as u32,
        width: width as u32 * scale,
        height: height as u32 * scale,
        sample: info.sample,
        axes: match info.axes {
            TensorAxes::Nchw => DeviceAxes::Nchw,
            TensorAxes::Nhwc => DeviceAxes::Nhwc,
        },
    }
}

/// What is taken from an enlarged tile, and where it goes.
pub(super) fn kept(tile: Tile<'_>, scale: u32) -> (Window, (i64, i64)) {
    let scaled = |pixels: usize| pixels as u32 * scale;
    let (x, y) = (tile.x, tile.y);
    let window = Window {
        x: scaled(x.keep.start - x.start),
        y: scaled(y.keep.start - y.start),
        width: scaled(x.keep.len()),
        height: scaled(y.keep.len()),
    };
    (window, (i64::from(scaled(x.keep.start)), i64::from(scaled(y.keep.start))))
}

/// Where the first `channels` planes lie as one tensor, if they follow each other without gaps and begin where a GPU can
/// read 16 bytes at once.
pub(super) fn tensor_offset(layout: &Layout, channels: usize) -> Option<u64> {
    let planes = layout.planes().get(..channels)?;
    let first = planes.first()?.offset_bytes;
    let mut next = first;
    for plane in planes {
        if plane.offset_bytes != next || plane.stride_bytes != plane.row_bytes {
            return None;
        }
        next = plane.end_bytes();
    }
    first.is_multiple_of(16).then_some(first as u64)
}

#[cfg(test)]
mod tests {
    use rave_core::{Chroma, Packing, PixelFormat, Sample};
    use rave_cuda::device_layout;

    use super::*;
    use crate::planes;
    use crate::tiling::Axis;

    #[test]
    fn packed_planes_are_a_tensor() {
        let rgb = device_layout(PixelFormat::RGB_F16, 321, 241).unwrap();
        assert_eq!(tensor_offset(&rgb, 3), Some(0));
        let padded = Layout::aligned(PixelFormat::RGB_F16, 321, 241, 256).unwrap();
        assert_eq!(tensor_offset(&padded, 3), None);
        let format = PixelFormat::Yuv { chroma: Chroma::C420, sample: Sample::F32, packing: Packing::Planar };
        assert_eq!(tensor_offset(&device_layout(format, 1920, 1080).unwrap(), 1), Some(0));
        assert_eq!(tensor_offset(&device_layout(format, 321, 241).unwrap(), 1), None);
        let planes = [(8, 642), (8 + 642 * 241, 642), (8 + 2 * 642 * 241, 642)];
        let odd = Layout::with_planes(PixelFormat::RGB_F16, 321, 241, &planes).unwrap();
        assert_eq!(tensor_offset(&odd, 3), None);
    }

    #[test]
    fn what_a_tile_keeps_is_enlarged() {
        let axes = [Axis::tiled(150, 64, 16, 1), Axis::tiled(110, 64, 16, 1)];
        let tiles = planes::tiles(&axes[0], &axes[1]).map(|tile| kept(tile, 2));
        let mut pixels = 0;
        for (window, (x, y)) in tiles {
            assert!(window.x + window.width <= 128 && window.y + window.height <= 128);
            assert!(x + i64::from(window.width) <= 300 && y + i64::from(window.height) <= 220);
            pixels += window.width * window.height;
        }
        assert_eq!(pixels, 300 * 220);
    }
}
