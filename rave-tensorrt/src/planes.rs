use rave_core::HostFrame;

use crate::info::TensorAxes;
use crate::network::Element;
use crate::tiling::{Axis, Span, reflect};

/// The planes of `frame` that the network works on as one slice, if they follow each other without gaps.
pub(crate) fn packed<T: Element>(frame: &HostFrame, channels: usize) -> Option<&[T]> {
    let planes = &frame.layout().planes()[..channels];
    let mut next = planes[0].offset_bytes;
    for plane in planes {
        if plane.offset_bytes != next || plane.stride_bytes != plane.row_bytes {
            return None;
        }
        next = plane.end_bytes();
    }
    Some(bytemuck::cast_slice(&frame.buffer().as_bytes()[planes[0].offset_bytes..next]))
}

/// The first `channels` planes of a frame with a packed layout, to be written.
pub(crate) fn packed_mut<T: Element>(frame: &mut HostFrame, channels: usize) -> &mut [T] {
    let planes = frame.layout().planes();
    let (start, end) = (planes[0].offset_bytes, planes[channels - 1].end_bytes());
    bytemuck::cast_slice_mut(&mut frame.buffer_mut().as_bytes_mut()[start..end])
}

/// A rectangle that the network sees at once.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a> {
    pub(crate) x: &'a Span,
    pub(crate) y: &'a Span,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// Copies a tile out of the first `channels` planes into a tensor, reflecting beyond the picture's end.
pub(crate) fn gather<T: Element>(
    frame: &HostFrame,
    channels: usize,
    tile: Tile<'_>,
    axes: TensorAxes,
    tensor: &mut [T],
) {
    let (width, height) = (frame.layout().width() as usize, frame.layout().height() as usize);
    for channel in 0..channels {
        let (plane, stride) = frame.plane::<T>(channel);
        for row in 0..tile.height {
            let source = &plane[reflect(tile.y.start + row, height) * stride..][..width];
            match axes {
                TensorAxes::Nchw => {
                    let target = &mut tensor[(channel * tile.height + row) * tile.width..][..tile.width];
                    gather_row(source, tile.x.start, target);
                }
                TensorAxes::Nhwc => {
                    let target = &mut tensor[row * tile.width * channels..][..tile.width * channels];
                    for (x, sample) in target.iter_mut().skip(channel).step_by(channels).enumerate() {
                        *sample = source[reflect(tile.x.start + x, width)];
                    }
                }
            }
        }
    }
}

fn gather_row<T: Element>(source: &[T], start: usize, target: &mut [T]) {
    let inside = target.len().min(source.len().saturating_sub(start));
    target[..inside].copy_from_slice(&source[start..start + inside]);
    for (x, sample) in target.iter_mut().enumerate().skip(inside) {
        *sample = source[reflect(start + x, source.len())];
    }
}

/// Copies what is kept of an upscaled tile into the first `channels` planes of `frame`.
pub(crate) fn scatter<T: Element>(
    tensor: &[T],
    channels: usize,
    tile: Tile<'_>,
    (axes, scale): (TensorAxes, usize),
    frame: &mut HostFrame,
) {
    let (width, height) = (tile.width * scale, tile.height * scale);
    let columns = tile.x.keep.start * scale..tile.x.keep.end * scale;
    let rows = tile.y.keep.start * scale..tile.y.keep.end * scale;
    let (left, top) = (columns.start - tile.x.start * scale, rows.start - tile.y.start * scale);
    for channel in 0..channels {
        let (plane, stride) = frame.plane_mut::<T>(channel);
        for (row, y) in rows.clone().enumerate() {
            let target = &mut plane[y * stride..][columns.clone()];
            match axes {
                TensorAxes::Nchw => {
                    let source = &tensor[(channel * height + top + row) * width + left..];
                    target.copy_from_slice(&source[..target.len()]);
                }
                TensorAxes::Nhwc => {
                    let source = &tensor[((top + row) * width + left) * channels + channel..];
                    for (sample, &value) in target.iter_mut().zip(source.iter().step_by(channels)) {
                        *sample = value;
                    }
                }
            }
        }
    }
}

/// Every tile of a picture cut along both axes, row by row.
pub(crate) fn tiles<'a>(x: &'a Axis, y: &'a Axis) -> impl Iterator<Item = Tile<'a>> {
    let (width, height) = (x.tile, y.tile);
    y.spans
        .iter()
        .flat_map(move |row| x.spans.iter().map(move |column| Tile { x: column, y: row, width, height }))
}
