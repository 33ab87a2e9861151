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
        let launch = launch("gather_", addresses, frame.layout(), &shape, whole, (x, y), Feather::default());
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
        self.put(stream, "scatter_", source, keep, frame, (x, y), Feather::default())
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
        self.put(stream, "feather_", source, keep, frame, (x, y), feather)
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
    let entry = Entry::find_for(Topic::Tiles, kernel, kind(format));
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
mod tests;
