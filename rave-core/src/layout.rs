use crate::{Error, PixelFormat};

/// The largest width or height of a picture, in pixels.
pub const MAX_SIDE: u32 = 1 << 16;

/// Where one plane lies in a buffer. Rows follow each other at [`stride_bytes`](Self::stride_bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plane {
    /// Offset of the first row, in bytes from the buffer's start.
    pub offset_bytes: usize,
    /// Distance from one row to the next, in bytes.
    pub stride_bytes: usize,
    /// Bytes of a row that hold samples; at most [`stride_bytes`](Self::stride_bytes).
    pub row_bytes: usize,
    /// Number of rows.
    pub rows: usize,
}

impl Plane {
    /// One past the last byte that holds a sample.
    pub const fn end_bytes(&self) -> usize {
        self.offset_bytes + (self.rows - 1) * self.stride_bytes + self.row_bytes
    }
}

/// A picture's size and format and where its planes lie in a buffer: the one place of layout arithmetic.
///
/// ```
/// use rave_core::{Layout, PixelFormat};
/// let layout = Layout::packed(PixelFormat::NV12, 321, 241)?;
/// assert_eq!(layout.size_bytes(), 321 * 241 + 322 * 121);
/// # Ok::<(), rave_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    format: PixelFormat,
    width: u32,
    height: u32,
    planes: [Plane; 3],
}

impl Layout {
    /// Planes one after the other, rows without padding.
    ///
    /// # Errors
    /// [`Error::Size`] if a side is zero or above [`MAX_SIDE`].
    pub fn packed(format: PixelFormat, width: u32, height: u32) -> Result<Self, Error> {
        Self::aligned(format, width, height, 1)
    }

    /// Planes one after the other, each row padded to a multiple of `stride_alignment` bytes.
    ///
    /// # Errors
    /// [`Error::Size`] if a side is zero or above [`MAX_SIDE`]; [`Error::Layout`] if the alignment is not a power of
    /// two.
    pub fn aligned(
        format: PixelFormat,
        width: u32,
        height: u32,
        stride_alignment: usize,
    ) -> Result<Self, Error> {
        if !stride_alignment.is_power_of_two() {
            return Err(Error::Layout(format!("stride alignment {stride_alignment} is not a power of two")));
        }
        check_size(width, height)?;
        let mut planes = [Plane::default(); 3];
        let mut offset_bytes = 0;
        for (index, plane) in planes.iter_mut().enumerate().take(format.plane_count()) {
            let (row_bytes, rows) = plane_bytes(format, index, width, height);
            let stride_bytes = row_bytes.next_multiple_of(stride_alignment.max(format.sample().bytes()));
            *plane = Plane { offset_bytes, stride_bytes, row_bytes, rows };
            offset_bytes += stride_bytes * rows;
        }
        Ok(Self { format, width, height, planes })
    }

    /// Planes at given offsets and strides, both in bytes, one pair for each plane.
    ///
    /// # Errors
    /// [`Error::Size`] as above; [`Error::Layout`] if the number of planes is wrong, a stride is shorter than its row
    /// or not a multiple of the sample size, or planes overlap.
    pub fn with_planes(
        format: PixelFormat,
        width: u32,
        height: u32,
        offsets_and_strides: &[(usize, usize)],
    ) -> Result<Self, Error> {
        check_size(width, height)?;
        let count = format.plane_count();
        if offsets_and_strides.len() != count {
            let given = offsets_and_strides.len();
            return Err(Error::Layout(format!("{format} has {count} planes, {given} were given")));
        }
        let mut planes = [Plane::default(); 3];
        for (index, (plane, &(offset_bytes, stride_bytes))) in
            planes.iter_mut().zip(offsets_and_strides).enumerate()
        {
            let (row_bytes, rows) = plane_bytes(format, index, width, height);
            *plane = Plane { offset_bytes, stride_bytes, row_bytes, rows };
            check_plane(index, plane, format.sample().bytes())?;
        }
        check_disjoint(&planes[..count])?;
        Ok(Self { format, width, height, planes })
    }

    /// The pixel format.
    pub const fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width in pixels, as displayed.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, as displayed.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Refuses every other format and size, in pixels: for a stage that was given a frame, before it looks at its samples.
    ///
    /// # Errors
    /// [`Error::Layout`] with what was given and what was wanted.
    pub fn check(&self, format: PixelFormat, (width, height): (u32, u32)) -> Result<(), Error> {
        if (self.format, self.width, self.height) == (format, width, height) {
            return Ok(());
        }
        let (is, has_width, has_height) = (self.format, self.width, self.height);
        Err(Error::Layout(format!(
            "a frame of {is} {has_width}x{has_height} was given to a stage for {format} {width}x{height}"
        )))
    }

    /// The planes, in the format's order.
    pub fn planes(&self) -> &[Plane] {
        &self.planes[..self.format.plane_count()]
    }

    /// The least length of a buffer, in bytes.
    pub fn size_bytes(&self) -> usize {
        let padded = |plane: &Plane| plane.offset_bytes + plane.rows * plane.stride_bytes;
        self.planes().iter().map(padded).max().unwrap_or(0)
    }
}

fn check_size(width: u32, height: u32) -> Result<(), Error> {
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(Error::Size { width, height });
    }
    Ok(())
}

fn plane_bytes(format: PixelFormat, index: usize, width: u32, height: u32) -> (usize, usize) {
    let (samples, rows) = format.plane_size(index, width, height);
    (samples as usize * format.sample().bytes(), rows as usize)
}

fn check_plane(index: usize, plane: &Plane, sample_bytes: usize) -> Result<(), Error> {
    let Plane { offset_bytes, stride_bytes, row_bytes, rows } = *plane;
    if stride_bytes < row_bytes {
        return Err(Error::Layout(format!(
            "plane {index}: stride of {stride_bytes} bytes is shorter than a row of {row_bytes}"
        )));
    }
    if stride_bytes % sample_bytes != 0 || offset_bytes % sample_bytes != 0 {
        return Err(Error::Layout(format!(
            "plane {index}: offset {offset_bytes} or stride {stride_bytes} is not a multiple of {sample_bytes} bytes"
        )));
    }
    if rows.checked_mul(stride_bytes).and_then(|bytes| bytes.checked_add(offset_bytes)).is_none() {
        return Err(Error::Layout(format!("plane {index}: stride of {stride_bytes} bytes overflows")));
    }
    Ok(())
}

fn check_disjoint(planes: &[Plane]) -> Result<(), Error> {
    for (index, plane) in planes.iter().enumerate() {
        for other in &planes[index + 1..] {
            if plane.offset_bytes < other.end_bytes() && other.offset_bytes < plane.end_bytes() {
                return Err(Error::Layout(format!("plane {index} overlaps a later plane")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chroma, Packing, Sample};

    #[test]
    fn packed_planes_take_their_samples_and_no_more() {
        for (format, width, height, bytes) in [
            (PixelFormat::YUV420P, 1, 1, 3),
            (PixelFormat::YUV420P, 3, 3, 9 + 4 + 4),
            (PixelFormat::NV12, 3, 3, 9 + 8),
            (PixelFormat::P010, 3, 3, 18 + 16),
            (PixelFormat::YUV422P, 3, 3, 9 + 6 + 6),
            (PixelFormat::YUV444P, 3, 3, 27),
            (PixelFormat::RGB_F32, 5, 2, 120),
            (PixelFormat::RGB_F16, 5, 2, 60),
            (PixelFormat::Gray { sample: Sample::U8 }, 5, 2, 10),
        ] {
            assert_eq!(Layout::packed(format, width, height).unwrap().size_bytes(), bytes, "{format}");
        }
    }

    #[test]
    fn aligned_rows_start_at_multiples() {
        let format = PixelFormat::Yuv { chroma: Chroma::C420, sample: Sample::F32, packing: Packing::Planar };
        let layout = Layout::aligned(format, 33, 7, 64).unwrap();
        for plane in layout.planes() {
            assert_eq!(plane.stride_bytes % 64, 0);
            assert_eq!(plane.offset_bytes % 64, 0);
        }
        assert_eq!(layout.planes()[1].row_bytes, 17 * 4);
        assert_eq!(layout.planes()[1].rows, 4);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for (width, height) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, u32::MAX)] {
            assert_eq!(Layout::packed(PixelFormat::NV12, width, height), Err(Error::Size { width, height }));
        }
    }

    #[test]
    fn contradicting_planes_are_refused() {
        let of = |planes: &[(usize, usize)]| Layout::with_planes(PixelFormat::P010, 4, 4, planes);
        assert!(of(&[(0, 8), (32, 8)]).is_ok());
        assert!(of(&[(0, 8)]).is_err(), "a plane is missing");
        assert!(of(&[(0, 6), (32, 8)]).is_err(), "stride shorter than a row");
        assert!(of(&[(0, 9), (36, 8)]).is_err(), "stride splits a sample");
        assert!(of(&[(0, 8), (30, 8)]).is_err(), "planes overlap");
        assert!(of(&[(0, (usize::MAX / 2) & !1), (32, 8)]).is_err(), "overflow");
    }

    #[test]
    fn another_format_or_size_is_refused() {
        let layout = Layout::packed(PixelFormat::NV12, 4, 2).unwrap();
        assert_eq!(layout.check(PixelFormat::NV12, (4, 2)), Ok(()));
        for (format, size) in [(PixelFormat::NV12, (2, 4)), (PixelFormat::P010, (4, 2))] {
            assert!(layout.check(format, size).is_err(), "{format} {size:?}");
        }
    }
}
