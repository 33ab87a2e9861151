use std::ffi::c_void;
use std::ptr::NonNull;
use std::slice;

use rave_core::{
    ColorSpec, FieldOrder, HostBuffer, HostFrame, Layout, Matrix, Plane, Primaries, Range, Rational, Siting,
    Transfer,
};

use super::{AvError, SideData, ffi, known, rational, read_enum, write_enum};

/// A colour description by libav's numbers, which for the first three are those of H.273.
#[derive(Clone, Copy)]
pub(crate) struct FrameColor {
    pub(super) matrix: i32,
    pub(super) primaries: i32,
    pub(super) transfer: i32,
    pub(super) range: i32,
    pub(super) siting: i32,
}

const SITINGS: [Siting; 7] = [
    Siting::Unspecified,
    Siting::Left,
    Siting::Center,
    Siting::TopLeft,
    Siting::Top,
    Siting::BottomLeft,
    Siting::Bottom,
];

const RANGES: [Range; 3] = [Range::Unspecified, Range::Limited, Range::Full];

impl FrameColor {
    pub(super) fn to_spec(self) -> ColorSpec {
        let code = |number: i32| u8::try_from(number).unwrap_or(Matrix::Unspecified.code());
        let index = |number: i32| usize::try_from(number).unwrap_or(0);
        ColorSpec {
            matrix: Matrix::from_code(code(self.matrix)),
            primaries: Primaries::from_code(code(self.primaries)),
            transfer: Transfer::from_code(code(self.transfer)),
            range: RANGES.get(index(self.range)).copied().unwrap_or_default(),
            siting: SITINGS.get(index(self.siting)).copied().unwrap_or_default(),
        }
    }

    pub(super) fn from_spec(color: ColorSpec) -> Self {
        let position = |found: Option<usize>| found.map_or(0, |index| index as i32);
        Self {
            matrix: color.matrix.code().into(),
            primaries: color.primaries.code().into(),
            transfer: color.transfer.code().into(),
            range: position(RANGES.iter().position(|&range| range == color.range)),
            siting: position(SITINGS.iter().position(|&siting| siting == color.siting)),
        }
    }
}

/// An `AVFrame`.
pub(crate) struct AvFrame(NonNull<ffi::AVFrame>);

// SAFETY: a frame has one owner, and its buffers' reference counts are atomic.
unsafe impl Send for AvFrame {}

impl AvFrame {
    pub(crate) fn new() -> Result<Self, AvError> {
        // SAFETY: no arguments.
        NonNull::new(unsafe { ffi::av_frame_alloc() }).map(Self).ok_or(AvError::NO_MEMORY)
    }

    /// A frame whose planes are the host frame's memory, which is given back when libav drops its last reference.
    ///
    /// `plane_order` says for each plane of libav's format `format` which plane of the layout it is.
    pub(crate) fn from_host(frame: HostFrame, format: i32, plane_order: &[usize]) -> Result<Self, AvError> {
        let (layout, color) = (*frame.layout(), frame.color());
        let wrapped = Self::new()?;
        let raw = wrapped.as_ptr();
        let start = wrapped.attach(0, frame.into_buffer())?;
        // SAFETY: ours; the plane offsets lie in the buffer, as `Frame::new` checked.
        unsafe {
            (*raw).width = layout.width() as i32;
            (*raw).height = layout.height() as i32;
            (*raw).format = format;
            for (target, &source) in plane_order.iter().enumerate() {
                let plane = layout.planes()[source];
                (*raw).data[target] = start.add(plane.offset_bytes);
                (*raw).linesize[target] = plane.stride_bytes as i32;
            }
        }
        wrapped.set_color(color);
        Ok(wrapped)
    }

    /// Makes the plane of a grey frame the fourth plane: the frame has to be of a format with alpha, and of its size.
    pub(crate) fn attach_alpha(&mut self, alpha: HostFrame) -> Result<(), AvError> {
        const ALPHA: usize = 3;
        let plane = alpha.layout().planes()[0];
        let start = self.attach(1, alpha.into_buffer())?;
        let raw = self.as_ptr();
        // SAFETY: ours; the plane lies in the buffer, as `Frame::new` checked.
        unsafe {
            (*raw).data[ALPHA] = start.add(plane.offset_bytes);
            (*raw).linesize[ALPHA] = plane.stride_bytes as i32;
        }
        Ok(())
    }

    /// Makes `buffer` the memory number `index` of this frame; its address.
    fn attach(&self, index: usize, buffer: HostBuffer) -> Result<*mut u8, AvError> {
        let mut boxed = Box::new(buffer);
        let bytes = boxed.as_bytes_mut();
        let (start, length) = (bytes.as_mut_ptr(), bytes.len());
        let opaque = Box::into_raw(boxed);
        let read_only = ffi::AV_BUFFER_FLAG_READONLY;
        // SAFETY: the memory lives until `release` drops the box; `release` is called once, by the last reference.
        unsafe {
            let reference = ffi::av_buffer_create(start, length, Some(release), opaque.cast(), read_only);
            if reference.is_null() {
                drop(Box::from_raw(opaque));
                return Err(AvError::NO_MEMORY);
            }
            (*self.as_ptr()).buf[index] = reference;
        }
        Ok(start)
    }

    pub(super) const fn as_ptr(&self) -> *mut ffi::AVFrame {
        self.0.as_ptr()
    }

    fn get(&self) -> &ffi::AVFrame {
        // SAFETY: allocated in `new`, ours until drop.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn width(&self) -> u32 {
        u32::try_from(self.get().width).unwrap_or(0)
    }

    pub(crate) fn height(&self) -> u32 {
        u32::try_from(self.get().height).unwrap_or(0)
    }

    /// The pixel format's number.
    pub(crate) fn format(&self) -> i32 {
        self.get().format
    }

    /// The presentation time that libav thinks most plausible.
    pub(crate) fn best_effort_pts(&self) -> Option<i64> {
        known(self.get().best_effort_timestamp)
    }

    #[cfg(ffmpeg_6_0)]
    pub(crate) fn duration(&self) -> Option<i64> {
        Some(self.get().duration).filter(|&ticks| ticks > 0)
    }

    #[cfg(not(ffmpeg_6_0))]
    pub(crate) fn duration(&self) -> Option<i64> {
        Some(self.get().pkt_duration).filter(|&ticks| ticks > 0)
    }

    pub(crate) fn set_pts(&mut self, ticks: i64) {
        // SAFETY: as in `get`.
        unsafe { (*self.as_ptr()).pts = ticks };
    }

    /// How many half frame periods longer the frame is to be shown.
    pub(crate) fn repeated_fields(&self) -> u32 {
        u32::try_from(self.get().repeat_pict).unwrap_or(0)
    }

    /// Whether the decoder filled in what was damaged or missing.
    pub(crate) fn is_damaged(&self) -> bool {
        let frame = self.get();
        frame.decode_error_flags != 0 || frame.flags & ffi::AV_FRAME_FLAG_CORRUPT != 0
    }

    #[cfg(ffmpeg_8_0)]
    pub(crate) fn field_order(&self) -> FieldOrder {
        let flags = self.get().flags;
        field_order(
            flags & ffi::AV_FRAME_FLAG_INTERLACED != 0,
            flags & ffi::AV_FRAME_FLAG_TOP_FIELD_FIRST != 0,
        )
    }

    #[cfg(not(ffmpeg_8_0))]
    pub(crate) fn field_order(&self) -> FieldOrder {
        field_order(self.get().interlaced_frame != 0, self.get().top_field_first != 0)
    }

    pub(crate) fn sample_aspect_ratio(&self) -> Option<Rational> {
        rational(self.get().sample_aspect_ratio)
    }

    pub(crate) fn color(&self) -> ColorSpec {
        let raw = self.as_ptr();
        // SAFETY: a valid frame.
        let color = unsafe {
            FrameColor {
                matrix: read_enum!(raw, colorspace),
                primaries: read_enum!(raw, color_primaries),
                transfer: read_enum!(raw, color_trc),
                range: read_enum!(raw, color_range),
                siting: read_enum!(raw, chroma_location),
            }
        };
        color.to_spec()
    }

    fn set_color(&self, color: ColorSpec) {
        let color = FrameColor::from_spec(color);
        let raw = self.as_ptr();
        // SAFETY: a valid frame; the numbers are values of their enums.
        unsafe {
            write_enum!(raw, colorspace, color.matrix);
            write_enum!(raw, color_primaries, color.primaries);
            write_enum!(raw, color_trc, color.transfer);
            write_enum!(raw, color_range, color.range);
            write_enum!(raw, chroma_location, color.siting);
        }
    }

    pub(crate) fn side_data(&self, wanted: SideData) -> Option<&[u8]> {
        let kind = wanted.frame_kind()?;
        // SAFETY: a valid frame; the element lives as long as the frame's contents and holds `size` bytes.
        unsafe {
            let element = ffi::av_frame_get_side_data(self.as_ptr(), kind);
            (!element.is_null()).then(|| slice::from_raw_parts((*element).data, (*element).size))
        }
    }

    /// The first `length` bytes of a row of one of libav's planes.
    pub(super) fn row(&self, plane: usize, row: usize, length: usize) -> &[u8] {
        let (data, stride) = (self.get().data[plane], self.get().linesize[plane] as isize);
        let is_there = !data.is_null() && stride.unsigned_abs() >= length && row < self.height() as usize;
        assert!(is_there, "row {row} of plane {plane} is not there");
        // SAFETY: the plane is one of full size, `height` rows that lie `stride` bytes apart, each at least `length` long.
        unsafe { slice::from_raw_parts(data.offset(row as isize * stride), length) }
    }

    /// The palette of a frame whose samples are indices: 256 native words of alpha, red, green and blue.
    pub(super) fn palette(&self) -> &[u8] {
        const BYTES: usize = 256 * 4;
        let data = self.get().data[1];
        assert!(!data.is_null(), "a frame without its palette");
        // SAFETY: AVPALETTE_SIZE bytes in the second plane of every frame of a format with a palette (pixfmt.h).
        unsafe { slice::from_raw_parts(data, BYTES) }
    }

    /// Copies the planes into `buffer`, row by row. The frame must have the format and the size of `layout`;
    /// `plane_order` is as for [`from_host`](Self::from_host).
    pub(crate) fn copy_to(&self, layout: &Layout, plane_order: &[usize], buffer: &mut [u8]) {
        assert_eq!((self.width(), self.height()), (layout.width(), layout.height()), "frame of another size");
        for (source, &target) in plane_order.iter().enumerate() {
            let plane = layout.planes()[target];
            let target = &mut buffer[plane.offset_bytes..plane.end_bytes()];
            self.copy_plane(source, &plane, target);
        }
    }

    fn copy_plane(&self, index: usize, plane: &Plane, target: &mut [u8]) {
        let (data, stride) = (self.get().data[index], self.get().linesize[index] as isize);
        assert!(!data.is_null() && stride.unsigned_abs() >= plane.row_bytes, "plane {index} is not there");
        for (row, target) in target.chunks_mut(plane.stride_bytes).enumerate() {
            // SAFETY: the plane has `rows` rows of at least `row_bytes` bytes (its format and size are the layout's),
            // `stride` bytes apart.
            let source =
                unsafe { slice::from_raw_parts(data.offset(row as isize * stride), plane.row_bytes) };
            target[..plane.row_bytes].copy_from_slice(source);
        }
    }
}

/// Drops the host buffer that a frame's memory belonged to.
unsafe extern "C" fn release(opaque: *mut c_void, _data: *mut u8) {
    // SAFETY: `opaque` is what `attach` made by `Box::into_raw`, and this is its only use.
    drop(unsafe { Box::from_raw(opaque.cast::<HostBuffer>()) });
}

const fn field_order(is_interlaced: bool, top_first: bool) -> FieldOrder {
    match (is_interlaced, top_first) {
        (false, _) => FieldOrder::Progressive,
        (true, true) => FieldOrder::TopFirst,
        (true, false) => FieldOrder::BottomFirst,
    }
}

impl Drop for AvFrame {
    fn drop(&mut self) {
        let mut frame = self.as_ptr();
        // SAFETY: allocated in `new`, freed once.
        unsafe { ffi::av_frame_free(&mut frame) };
    }
}
