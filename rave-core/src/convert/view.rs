use std::ops::Range;

use super::samples::Storage;
use crate::{HostFrame, Layout, Packing, PixelFormat};

/// The rows of a frame that is read.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    layout: &'a Layout,
}

impl<'a> Source<'a> {
    pub fn new(frame: &'a HostFrame) -> Self {
        Self { bytes: frame.buffer().as_bytes(), layout: frame.layout() }
    }

    pub fn row(&self, plane: usize, y: usize) -> &'a [u8] {
        &self.bytes[row_range(self.layout, plane, y)]
    }

    pub fn load_chroma(&self, storage: Storage, y: usize, cb: &mut [f32], cr: &mut [f32]) {
        if is_semi_planar(self.layout.format()) {
            storage.load_pairs(self.row(1, y), cb, cr);
        } else {
            storage.load(self.row(1, y), cb);
            storage.load(self.row(2, y), cr);
        }
    }
}

/// The rows of a frame that is written.
pub(super) struct Target<'a> {
    bytes: &'a mut [u8],
    layout: Layout,
}

impl<'a> Target<'a> {
    pub fn new(frame: &'a mut HostFrame) -> Self {
        let layout = *frame.layout();
        Self { bytes: frame.buffer_mut().as_bytes_mut(), layout }
    }

    pub fn row(&mut self, plane: usize, y: usize) -> &mut [u8] {
        &mut self.bytes[row_range(&self.layout, plane, y)]
    }

    /// Row `y` of three planes.
    pub fn three_rows(&mut self, y: usize) -> [&mut [u8]; 3] {
        let ranges = [0, 1, 2].map(|plane| row_range(&self.layout, plane, y));
        self.bytes
            .get_disjoint_mut(ranges)
            .expect("the planes of a layout lie in the buffer and do not overlap")
    }

    pub fn store_chroma(&mut self, storage: Storage, y: usize, cb: &[f32], cr: &[f32]) {
        if is_semi_planar(self.layout.format()) {
            storage.store_pairs(y, cb, cr, self.row(1, y));
        } else {
            storage.store(y, cb, self.row(1, y));
            storage.store(y, cr, self.row(2, y));
        }
    }
}

fn row_range(layout: &Layout, plane: usize, y: usize) -> Range<usize> {
    let plane = &layout.planes()[plane];
    let start = plane.offset_bytes + y * plane.stride_bytes;
    start..start + plane.row_bytes
}

fn is_semi_planar(format: PixelFormat) -> bool {
    matches!(format, PixelFormat::Yuv { packing: Packing::SemiPlanar, .. })
}
