use crate::{Buffer, ColorSpec, Error, HostBuffer, HostPool, Layout, Plane, Timestamp};

/// Whether a frame is one picture or two fields, and which field is first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FieldOrder {
    /// One picture.
    #[default]
    Progressive,
    /// Interlaced, top field first.
    TopFirst,
    /// Interlaced, bottom field first.
    BottomFirst,
}

/// What a frame carries besides its samples; every stage hands it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// Presentation time.
    pub pts: Timestamp,
    /// How long the frame is shown, in ticks of `pts`'s time base, where the source says so.
    pub duration_ticks: Option<i64>,
    /// Progressive, or the order of the fields.
    pub field_order: FieldOrder,
}

impl FrameInfo {
    /// A progressive picture that begins at `pts` and does not say how long it is shown.
    pub const fn new(pts: Timestamp) -> Self {
        Self { pts, duration_ticks: None, field_order: FieldOrder::Progressive }
    }
}

/// A picture in memory of type `B`, with its layout, colour and time.
#[derive(Clone, Debug)]
pub struct Frame<B> {
    buffer: B,
    layout: Layout,
    color: ColorSpec,
    info: FrameInfo,
}

/// A frame in host memory.
pub type HostFrame = Frame<HostBuffer>;

impl<B: Buffer> Frame<B> {
    /// Puts a picture together from its buffer and what the bytes mean.
    ///
    /// # Errors
    /// [`Error::Layout`] if the buffer is shorter than the layout.
    pub fn new(buffer: B, layout: Layout, color: ColorSpec, info: FrameInfo) -> Result<Self, Error> {
        let (have, need) = (buffer.len_bytes(), layout.size_bytes());
        if have < need {
            return Err(Error::Layout(format!("a buffer of {have} bytes cannot hold a layout of {need}")));
        }
        Ok(Self { buffer, layout, color, info })
    }

    /// The memory.
    pub const fn buffer(&self) -> &B {
        &self.buffer
    }

    /// The memory, to be written.
    pub const fn buffer_mut(&mut self) -> &mut B {
        &mut self.buffer
    }

    /// The memory alone.
    pub fn into_buffer(self) -> B {
        self.buffer
    }

    /// Size, format and planes.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Colour description.
    pub const fn color(&self) -> ColorSpec {
        self.color
    }

    /// Time and field order.
    pub const fn info(&self) -> FrameInfo {
        self.info
    }
}

/// A sample type that rows can be read as.
pub trait SampleType: bytemuck::Pod + Send + Sync {}
impl SampleType for u8 {}
impl SampleType for u16 {}
impl SampleType for half::f16 {}
impl SampleType for f32 {}

impl HostFrame {
    /// A frame from `pool` whose samples are unspecified until they are written.
    pub fn from_pool(pool: &HostPool, layout: Layout, color: ColorSpec, info: FrameInfo) -> Self {
        Self { buffer: pool.take(layout.size_bytes()), layout, color, info }
    }

    /// The samples of plane `index`, from the first row on, with the stride in samples.
    ///
    /// The slice ends after the last row's samples.
    ///
    /// # Panics
    /// If `T` is not as large as the format's samples, or there is no such plane.
    pub fn plane<T: SampleType>(&self, index: usize) -> (&[T], usize) {
        let plane = self.checked_plane::<T>(index);
        let bytes = &self.buffer.as_bytes()[plane.offset_bytes..plane.end_bytes()];
        (bytemuck::cast_slice(bytes), plane.stride_bytes / size_of::<T>())
    }

    /// The samples of plane `index`, to be written, with the stride in samples.
    ///
    /// # Panics
    /// If `T` is not as large as the format's samples, or there is no such plane.
    pub fn plane_mut<T: SampleType>(&mut self, index: usize) -> (&mut [T], usize) {
        let plane = self.checked_plane::<T>(index);
        let bytes = &mut self.buffer.as_bytes_mut()[plane.offset_bytes..plane.end_bytes()];
        (bytemuck::cast_slice_mut(bytes), plane.stride_bytes / size_of::<T>())
    }

    /// The rows of plane `index`, without padding.
    ///
    /// # Panics
    /// If `T` is not as large as the format's samples, or there is no such plane.
    pub fn rows<T: SampleType>(&self, index: usize) -> impl ExactSizeIterator<Item = &[T]> {
        let samples = self.layout.planes()[index].row_bytes / size_of::<T>();
        let (plane, stride) = self.plane(index);
        plane.chunks(stride).map(move |row| &row[..samples])
    }

    /// The rows of plane `index`, to be written, without padding.
    ///
    /// # Panics
    /// If `T` is not as large as the format's samples, or there is no such plane.
    pub fn rows_mut<T: SampleType>(&mut self, index: usize) -> impl ExactSizeIterator<Item = &mut [T]> {
        let samples = self.layout.planes()[index].row_bytes / size_of::<T>();
        let (plane, stride) = self.plane_mut(index);
        plane.chunks_mut(stride).map(move |row| &mut row[..samples])
    }

    fn checked_plane<T>(&self, index: usize) -> Plane {
        let format = self.layout.format();
        assert_eq!(size_of::<T>(), format.sample().bytes(), "{format} read with the wrong sample size");
        self.layout.planes()[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PixelFormat, TimeBase};

    fn info() -> FrameInfo {
        let pts = Timestamp::new(0, TimeBase::new(1, 25).unwrap());
        FrameInfo { pts, duration_ticks: None, field_order: FieldOrder::Progressive }
    }

    #[test]
    fn rows_leave_the_padding_alone() {
        let layout = Layout::aligned(PixelFormat::P010, 3, 3, 64).unwrap();
        let mut frame = HostFrame::from_pool(&HostPool::new(), layout, ColorSpec::BT709, info());
        for plane in 0..2 {
            for row in frame.rows_mut::<u16>(plane) {
                row.fill(7);
            }
        }
        let sizes: Vec<Vec<_>> =
            (0..2).map(|plane| frame.rows::<u16>(plane).map(<[u16]>::len).collect()).collect();
        assert_eq!(sizes, [vec![3, 3, 3], vec![4, 4]]);
        assert_eq!(frame.buffer().as_bytes()[..6], [7, 0, 7, 0, 7, 0]);
        assert_eq!(frame.buffer().as_bytes()[6..64], [0; 58]);
    }

    #[test]
    fn a_short_buffer_is_refused() {
        let layout = Layout::packed(PixelFormat::NV12, 4, 4).unwrap();
        assert!(Frame::new(HostBuffer::zeroed(23), layout, ColorSpec::BT709, info()).is_err());
        assert!(Frame::new(HostBuffer::zeroed(24), layout, ColorSpec::BT709, info()).is_ok());
    }

    #[test]
    #[should_panic(expected = "wrong sample size")]
    fn the_wrong_sample_type_is_a_bug() {
        let layout = Layout::packed(PixelFormat::NV12, 4, 4).unwrap();
        HostFrame::from_pool(&HostPool::new(), layout, ColorSpec::BT709, info()).plane::<u16>(0);
    }
}
