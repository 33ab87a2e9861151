use rave_core::{Buffer, Error as FrameError, Layout, PixelFormat, Sample};

use crate::buffer::{CudaBuffer, CudaFrame};
use crate::device::Device;
use crate::error::Error;
use crate::kernels::{Entry, Geometry, Launch, Topic};
use crate::layout::{kind, param_planes};
use crate::params::{Params, Tiles};
use crate::stream::Stream;

/// Columns that a thread handles: `COLUMNS` in rave-cuda/kernels/tiles.cu.
const COLUMNS: u32 = 4;

/// The order of a tensor's axes, after that of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorAxes {
    /// Channel, row, column.
    Nchw,
    /// Row, column, channel.
    Nhwc,
}

/// A picture of a tensor: gapless, its channels the first planes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorShape {
    /// Channels, 1 to 3.
    pub channels: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How an element is stored.
    pub sample: Sample,
    /// The order of the axes.
    pub axes: TensorAxes,
}

impl TensorShape {
    /// Bytes that it takes.
    pub const fn size_bytes(&self) -> usize {
        self.channels as usize * self.width as usize * self.height as usize * self.sample.bytes()
    }

    /// Distances of neighbours in channel, row and column, in elements.
    const fn strides(&self) -> (u64, u64, u64) {
        let (channels, width, height) = (self.channels as u64, self.width as u64, self.height as u64);
        match self.axes {
            TensorAxes::Nchw => (width * height, width, 1),
            TensorAxes::Nhwc => (1, width * channels, channels),
        }
    }
}

/// Where a picture of a tensor lies: in which buffer, from which byte on.
#[derive(Clone, Copy, Debug)]
pub struct TensorAt<B> {
    /// The memory.
    pub buffer: B,
    /// The first byte.
    pub offset_bytes: usize,
    /// What lies there.
    pub shape: TensorShape,
}

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// How far a window is faded in and out at its edges, in pixels; 0 for a hard edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feather {
    /// At the left edge.
    pub left: u32,
    /// At the right edge.
    pub right: u32,
    /// At the top.
    pub top: u32,
    /// At the bottom.
    pub bottom: u32,
}

/// Copies windows of a frame into tensors and back: crop, padding by reflection, tiles.
#[derive(Clone, Debug)]
pub struct TileCopier {
    device: Device,
}

impl TileCopier {
    /// A copier on `device`.
    ///
    /// # Errors
    /// [`Error::KernelLoad`] if the driver refuses the kernels.
    pub fn new(device: &Device) -> Result<Self, Error> {
        device.load(Topic::Tiles)?;
        Ok(Self { device: device.clone() })
    }

    /// Fills a tensor with the window of `frame` that begins at `x`, `y` and is as large as the tensor. Beyond the
    /// frame's edges, on every side, the picture is reflected without repeating its outermost pixels.
    ///
    /// # Errors
    /// [`Error::Frame`] if tensor, buffer and frame do not fit together; [`Error::Cuda`].
    pub fn gather(
        &self,
        stream: &Stream,
        frame: &CudaFrame,
        (x, y): (i64, i64),
        target: TensorAt<&mut CudaBuffer>,
    ) -> Result<(), Error> {
        let TensorAt { buffer, offset_bytes, shape } = target;
        check(frame.layout(), &shape, buffer.len_bytes(), offset_bytes)?;
        let whole = Window { x: 0, y: 0, width: shape.width, height: shape.height };
        let (read, written) = (frame.buffer().read(stream)?, buffer.write(stream)?);
        let tensor = written.address() + offset_bytes as u64;
        let addresses = (read.address(), tensor);
        let launch = launch("gather", addresses, frame.layout(), &shape, whole, (x, y), Feather::default());
        // SAFETY: `check` and `Frame::new` have found frame and tensor in their buffers; reflection stays in the frame.
        unsafe { self.device.launch(stream, &launch) }
    }

    /// Copies the part `keep` of a tensor into `frame`, its first pixel to `x`, `y`. What lies beyond the frame is left
    /// out.
    ///
    /// # Errors
    /// As for [`gather`](Self::gather).
    pub fn scatter(
        &self,
        stream: &Stream,
        source: TensorAt<&CudaBuffer>,
        keep: Window,
        frame: &mut CudaFrame,
        (x, y): (i64, i64),
    ) -> Result<(), Error> {
        check_keep(&source.shape, keep)?;
        check(frame.layout(), &source.shape, source.buffer.len_bytes(), source.offset_bytes)?;
        self.put(stream, "scatter", source, keep, frame, (x, y), Feather::default())
    }

    /// Adds the part `keep` of a tensor to `frame`, faded at its edges. Where windows overlap by exactly what both are
    /// faded over, their weights add to one. The frame is of single precision and begins as zeros
    /// ([`clear`](Self::clear)).
    ///
    /// # Errors
    /// As for [`gather`](Self::gather), and if the frame is not of single precision.
    pub fn feather(
        &self,
        stream: &Stream,
        source: TensorAt<&CudaBuffer>,
        keep: Window,
        frame: &mut CudaFrame,
        (x, y): (i64, i64),
        feather: Feather,
    ) -> Result<(), Error> {
        check_keep(&source.shape, keep)?;
        let format = frame.layout().format();
        let same = TensorShape { sample: Sample::F32, ..source.shape };
        check(frame.layout(), &same, usize::MAX, 0)?;
        check_tensor(&source.shape, source.buffer.len_bytes(), source.offset_bytes)?;
        if !matches!(source.shape.sample, Sample::F16 | Sample::F32) {
            return Err(FrameError::Format { format: format.to_string(), action: "blended" }.into());
        }
        self.put(stream, "feather", source, keep, frame, (x, y), feather)
    }

    /// Fills a frame's buffer with zeros.
    ///
    /// # Errors
    /// [`Error::Cuda`].
    pub fn clear(&self, stream: &Stream, frame: &mut CudaFrame) -> Result<(), Error> {
        use crate::error::During;
        let len_bytes = frame.buffer().len_bytes();
        let written = frame.buffer_mut().write(stream)?;
        stream.bind()?;
        // SAFETY: the buffer has this length.
        unsafe { cudarc::driver::result::memset_d8_async(written.address(), 0, len_bytes, stream.as_raw()) }
            .during("clear a frame")
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "all of them are what one launch needs, checked by the callers"
    )]
    fn put(
        &self,
        stream: &Stream,
        kernel: &str,
        source: TensorAt<&CudaBuffer>,
        keep: Window,
        frame: &mut CudaFrame,
        at: (i64, i64),
        feather: Feather,
    ) -> Result<(), Error> {
        let layout = *frame.layout();
        let (read, written) = (source.buffer.read(stream)?, frame.buffer_mut().write(stream)?);
        let addresses = (written.address(), read.address() + source.offset_bytes as u64);
        let launch = launch(kernel, addresses, &layout, &source.shape, keep, at, feather);
        // SAFETY: the callers and `Frame::new` have found frame and tensor in their buffers and `keep` in the tensor; the
        // kernel leaves out what is beyond the frame.
        unsafe { self.device.launch(stream, &launch) }
    }
}

/// `addresses` are those of the frame and the tensor.
fn launch(
    kernel: &str,
    addresses: (u64, u64),
    layout: &Layout,
    shape: &TensorShape,
    window: Window,
    (x, y): (i64, i64),
    feather: Feather,
) -> Launch {
    let (channel_stride, row_stride, column_stride) = shape.strides();
    let first = u64::from(window.y) * row_stride + u64::from(window.x) * column_stride;
    let params = Tiles {
        frame: addresses.0,
        tensor: addresses.1 + first * shape.sample.bytes() as u64,
        planes: param_planes(layout),
        x,
        y,
        width: window.width as i32,
        height: window.height as i32,
        frame_width: layout.width() as i32,
        frame_height: layout.height() as i32,
        channel_stride,
        row_stride,
        column_stride,
        ramps: [feather.left, feather.right, feather.top, feather.bottom],
    };
    let format = PixelFormat::Gray { sample: shape.sample };
    let entry = Entry::find(Topic::Tiles, &format!("{kernel}_{}", kind(format)));
    let threads = (window.width.div_ceil(COLUMNS), window.height);
    let geometry = Geometry::covering(threads, shape.channels, (64, 4));
    Launch { entry, geometry, params: Params::Tiles(params) }
}

/// The tensor lies in its buffer, and the frame has its channels as planes of its size and sample.
fn check(
    layout: &Layout,
    shape: &TensorShape,
    buffer_bytes: usize,
    offset_bytes: usize,
) -> Result<(), FrameError> {
    check_tensor(shape, buffer_bytes, offset_bytes)?;
    let format = layout.format();
    let whole_planes = match format {
        PixelFormat::Rgb { .. } => 3,
        PixelFormat::Gray { .. } | PixelFormat::Yuv { .. } => 1,
    };
    if format.sample() != shape.sample || shape.channels > whole_planes {
        return Err(FrameError::Layout(format!(
            "a frame of {format} has no {} planes of {:?}",
            shape.channels, shape.sample
        )));
    }
    Ok(())
}

fn check_tensor(shape: &TensorShape, buffer_bytes: usize, offset_bytes: usize) -> Result<(), FrameError> {
    Layout::packed(PixelFormat::Gray { sample: shape.sample }, shape.width, shape.height)?;
    let fits = offset_bytes.checked_add(shape.size_bytes()).is_some_and(|end| end <= buffer_bytes);
    let is_aligned = offset_bytes.is_multiple_of(shape.sample.bytes());
    if fits && is_aligned && (1..=3).contains(&shape.channels) {
        return Ok(());
    }
    Err(FrameError::Layout(format!(
        "a tensor of {} bytes at {offset_bytes} does not fit into a buffer of {buffer_bytes}",
        shape.size_bytes()
    )))
}

fn check_keep(shape: &TensorShape, keep: Window) -> Result<(), FrameError> {
    let fits = |first: u32, length: u32, whole: u32| {
        length > 0 && first.checked_add(length).is_some_and(|end| end <= whole)
    };
    if fits(keep.x, keep.width, shape.width) && fits(keep.y, keep.height, shape.height) {
        return Ok(());
    }
    Err(FrameError::Layout(format!("{keep:?} is not inside a tensor of {}x{}", shape.width, shape.height)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::Emulator;

    /// The pixel of a plane of `width` x `height` that a reflected position means, by walking there.
    fn walk(position: i64, length: i64) -> i64 {
        let (mut at, mut step) = (0, if position < 0 { -1 } else { 1 });
        for _ in 0..position.abs() {
            if length > 1 && !(0..length).contains(&(at + step)) {
                step = -step;
            }
            at += if length > 1 { step } else { 0 };
        }
        at
    }

    fn plane_value(channel: i64, x: i64, y: i64) -> f32 {
        (channel * 10_000 + y * 100 + x) as f32
    }

    #[test]
    fn windows_are_reflected_at_all_edges() {
        let Some(emulator) = Emulator::get() else { return };
        for (width, height) in [(1_i64, 1_i64), (5, 3), (40, 7)] {
            for axes in [TensorAxes::Nchw, TensorAxes::Nhwc] {
                let layout = Layout::packed(PixelFormat::RGB_F32, width as u32, height as u32).unwrap();
                let value =
                    |index: i64| plane_value(index / (width * height), index % width, index / width % height);
                let frame: Vec<f32> = (0..3 * width * height).map(value).collect();
                let shape = TensorShape { channels: 3, width: 61, height: 9, sample: Sample::F32, axes };
                let mut tensor = vec![0_f32; shape.size_bytes() / 4];
                let at = (-7_i64, -4_i64);
                let addresses = (frame.as_ptr() as u64, tensor.as_mut_ptr() as u64);
                let window = Window { x: 0, y: 0, width: shape.width, height: shape.height };
                let launch = launch("gather", addresses, &layout, &shape, window, at, Feather::default());
                // SAFETY: frame and tensor are as large as their layouts.
                unsafe { emulator.run(&launch) };
                let (channel_stride, row_stride, column_stride) = shape.strides();
                for channel in 0..3 {
                    for row in 0..9 {
                        for column in 0..61 {
                            let index = channel * channel_stride + row * row_stride + column * column_stride;
                            let (x, y) = (walk(at.0 + column as i64, width), walk(at.1 + row as i64, height));
                            let expected = plane_value(channel as i64, x, y);
                            assert_eq!(
                                tensor[index as usize], expected,
                                "{width}x{height} {axes:?} {column} {row}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_kept_of_a_tile_lands_in_the_frame_and_nothing_else() {
        let Some(emulator) = Emulator::get() else { return };
        let layout = Layout::packed(PixelFormat::Gray { sample: Sample::F32 }, 10, 6).unwrap();
        let mut frame = vec![-1_f32; 60];
        let shape =
            TensorShape { channels: 1, width: 8, height: 5, sample: Sample::F32, axes: TensorAxes::Nchw };
        let tensor: Vec<f32> = (0..40).map(|index| index as f32).collect();
        let keep = Window { x: 2, y: 1, width: 5, height: 4 };
        let addresses = (frame.as_mut_ptr() as u64, tensor.as_ptr() as u64);
        let launch = launch("scatter", addresses, &layout, &shape, keep, (7, 4), Feather::default());
        // SAFETY: frame and tensor are as large as their layouts.
        unsafe { emulator.run(&launch) };
        for (index, &found) in frame.iter().enumerate() {
            let (x, y) = (index % 10, index / 10);
            let expected = if x >= 7 && y >= 4 { ((y - 4 + 1) * 8 + (x - 7 + 2)) as f32 } else { -1.0 };
            assert_eq!(found, expected, "{x} {y}");
        }
    }

    #[test]
    fn feathered_windows_that_overlap_add_to_what_they_are_cut_from() {
        let Some(emulator) = Emulator::get() else { return };
        let layout = Layout::packed(PixelFormat::Gray { sample: Sample::F32 }, 20, 20).unwrap();
        let mut frame = vec![0_f32; 400];
        let shape =
            TensorShape { channels: 1, width: 12, height: 12, sample: Sample::F32, axes: TensorAxes::Nchw };
        let keep = Window { x: 0, y: 0, width: 12, height: 12 };
        for (x, y) in [(0, 0), (8, 0), (0, 8), (8, 8)] {
            let value = |index: i64| ((y + index / 12) * 20 + x + index % 12) as f32;
            let tensor: Vec<f32> = (0..144).map(value).collect();
            let fade = |is_inner: bool| if is_inner { 4 } else { 0 };
            let feather =
                Feather { left: fade(x > 0), right: fade(x == 0), top: fade(y > 0), bottom: fade(y == 0) };
            let addresses = (frame.as_mut_ptr() as u64, tensor.as_ptr() as u64);
            let launch = launch("feather", addresses, &layout, &shape, keep, (x, y), feather);
            // SAFETY: frame and tensor are as large as their layouts.
            unsafe { emulator.run(&launch) };
        }
        // Weights are multiples of 1/64: the sums are exact but for the last bit of values up to 400.
        for (index, &found) in frame.iter().enumerate() {
            assert!((found - index as f32).abs() < 1e-4, "{index} {found}");
        }
    }

    #[test]
    fn tensors_that_do_not_fit_are_refused() {
        let layout = Layout::packed(PixelFormat::RGB_F16, 64, 64).unwrap();
        let shape =
            TensorShape { channels: 3, width: 8, height: 8, sample: Sample::F16, axes: TensorAxes::Nchw };
        assert!(check(&layout, &shape, 384, 0).is_ok());
        assert!(check(&layout, &shape, 384, 2).is_err(), "beyond the end");
        assert!(check(&layout, &shape, 386, 1).is_err(), "not aligned");
        assert!(check(&layout, &TensorShape { sample: Sample::F32, ..shape }, 768, 0).is_err());
        assert!(check(&layout, &TensorShape { channels: 4, ..shape }, 768, 0).is_err());
        assert!(check_keep(&shape, Window { x: 1, y: 0, width: 8, height: 8 }).is_err());
    }
}
