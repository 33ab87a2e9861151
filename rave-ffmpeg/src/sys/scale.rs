use std::ffi::c_int;
use std::ptr::{self, NonNull};

use rave_core::{Layout, Range};

use super::{AvError, AvFrame, ffi};

/// A size and a pixel format by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) format: i32,
}

/// SWS_BICUBIC, SWS_FULL_CHR_H_INT, SWS_FULL_CHR_H_INP, SWS_ACCURATE_RND and SWS_BITEXACT as numbers: the bindings'
/// type of these differs between releases of FFmpeg.
const FLAGS: c_int = 0x4 | 0x2000 | 0x4000 | 0x4_0000 | 0x8_0000;

/// swscale from one shape to another, never changing range or matrix.
pub(crate) struct Scaler {
    context: NonNull<ffi::SwsContext>,
    from: Shape,
}

// SAFETY: a scaler has one owner and is tied to no thread.
unsafe impl Send for Scaler {}

impl Scaler {
    /// Bicubic where the size or the chroma subsampling differs; otherwise a repacking.
    pub(crate) fn new(from: Shape, to: Shape, range: Range) -> Result<Self, AvError> {
        // SAFETY: both formats are numbers of the library's own formats; null means no filters and no parameters.
        let context = unsafe {
            let format = |shape: Shape| std::mem::transmute::<i32, ffi::AVPixelFormat>(shape.format);
            ffi::sws_getContext(
                from.width as i32,
                from.height as i32,
                format(from),
                to.width as i32,
                to.height as i32,
                format(to),
                FLAGS,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null(),
            )
        };
        let context = NonNull::new(context).ok_or(AvError::INVALID_DATA)?;
        let scaler = Self { context, from };
        scaler.keep_range(range);
        Ok(scaler)
    }

    /// The same matrix and range on both sides, so that code values are kept.
    fn keep_range(&self, range: Range) {
        const ONE: i32 = 1 << 16;
        let full = i32::from(range == Range::Full);
        // SAFETY: a valid context; the table is a constant. The call does nothing between formats without chroma.
        unsafe {
            let table = ffi::sws_getCoefficients(ffi::SWS_CS_DEFAULT);
            ffi::sws_setColorspaceDetails(self.context.as_ptr(), table, full, table, full, 0, ONE, ONE);
        }
    }

    pub(crate) const fn from(&self) -> Shape {
        self.from
    }

    /// Converts `frame` into `buffer`; `plane_order` says for each of libav's planes which plane of the layout it is.
    pub(crate) fn scale(
        &mut self,
        frame: &AvFrame,
        layout: &Layout,
        plane_order: &[usize],
        buffer: &mut [u8],
    ) -> Result<(), AvError> {
        assert!(buffer.len() >= layout.size_bytes(), "buffer shorter than its layout");
        let shape = Shape { width: frame.width(), height: frame.height(), format: frame.format() };
        assert_eq!(shape, self.from, "frame of another shape");
        let mut data = [ptr::null_mut(); 4];
        let mut strides = [0; 4];
        for (target, &source) in plane_order.iter().enumerate() {
            let plane = layout.planes()[source];
            data[target] = buffer[plane.offset_bytes..].as_mut_ptr();
            strides[target] = plane.stride_bytes as i32;
        }
        // SAFETY: the source planes are the frame's, of the shape that the context was made for; the target planes
        // lie in `buffer` with the layout's strides.
        AvError::check(unsafe {
            let source = frame.as_ptr();
            ffi::sws_scale(
                self.context.as_ptr(),
                (*source).data.as_ptr().cast(),
                (*source).linesize.as_ptr(),
                0,
                frame.height() as i32,
                data.as_ptr(),
                strides.as_ptr(),
            )
        })?;
        Ok(())
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        // SAFETY: made in `new`, freed once.
        unsafe { ffi::sws_freeContext(self.context.as_ptr()) };
    }
}
