use std::ffi::CString;
use std::ptr::NonNull;

use super::{ffi, text};

/// What libav knows about a pixel format.
#[derive(Clone, Copy)]
pub(crate) struct PixelDescriptor {
    number: i32,
    raw: NonNull<ffi::AVPixFmtDescriptor>,
}

impl PixelDescriptor {
    /// The format with this number, if it is one.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        // SAFETY: the call compares the number with the table's length; descriptors are constants.
        let raw = unsafe {
            let format = std::mem::transmute::<i32, ffi::AVPixelFormat>(number);
            ffi::av_pix_fmt_desc_get(format)
        };
        NonNull::new(raw.cast_mut()).map(|raw| Self { number, raw })
    }

    /// The format with this name, if there is one.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: the name lives during the call.
        Self::from_number(unsafe { ffi::av_get_pix_fmt(name.as_ptr()) } as i32)
    }

    pub(crate) const fn number(self) -> i32 {
        self.number
    }

    fn get(&self) -> &ffi::AVPixFmtDescriptor {
        // SAFETY: a constant of the library.
        unsafe { self.raw.as_ref() }
    }

    pub(crate) fn name(self) -> String {
        // SAFETY: the name is a constant.
        unsafe { text(self.get().name) }.unwrap_or_default()
    }

    fn has_flag(self, flag: i32) -> bool {
        self.get().flags & u64::from(flag.cast_unsigned()) != 0
    }

    pub(crate) fn is_rgb(self) -> bool {
        self.has_flag(ffi::AV_PIX_FMT_FLAG_RGB) || self.has_flag(ffi::AV_PIX_FMT_FLAG_PAL)
    }

    pub(super) fn is_palette(self) -> bool {
        self.has_flag(ffi::AV_PIX_FMT_FLAG_PAL)
    }

    pub(super) fn is_big_endian(self) -> bool {
        self.has_flag(ffi::AV_PIX_FMT_FLAG_BE)
    }

    pub(super) fn component_count(self) -> usize {
        usize::from(self.get().nb_components)
    }

    /// Where a component is; `None` if there is no such one, or its samples are not whole bytes apart.
    pub(super) fn raw_component(self, index: usize) -> Option<ffi::AVComponentDescriptor> {
        let is_there = index < self.component_count() && !self.has_flag(ffi::AV_PIX_FMT_FLAG_BITSTREAM);
        is_there.then(|| self.get().comp[index])
    }

    pub(crate) fn has_alpha(self) -> bool {
        self.has_flag(ffi::AV_PIX_FMT_FLAG_ALPHA)
    }

    /// Whether the samples cannot be unpacked: they are on another device, or in a colour space of their own.
    pub(crate) fn is_opaque(self) -> bool {
        self.has_flag(ffi::AV_PIX_FMT_FLAG_HWACCEL) || self.name().starts_with("xyz")
    }

    pub(crate) fn is_float(self) -> bool {
        self.has_flag(ffi::AV_PIX_FMT_FLAG_FLOAT)
    }

    /// Components without alpha: 1 for grey, 3 for colour.
    pub(crate) fn color_components(self) -> u8 {
        self.get().nb_components - u8::from(self.has_alpha())
    }

    /// The binary logarithms of the chroma planes' reduction.
    pub(crate) fn chroma_shifts(self) -> (u8, u8) {
        (self.get().log2_chroma_w, self.get().log2_chroma_h)
    }

    /// The deepest component's bits.
    pub(crate) fn bits(self) -> u8 {
        let components = usize::from(self.get().nb_components);
        let depths = self.get().comp[..components].iter().map(|component| component.depth);
        depths.max().and_then(|depth| u8::try_from(depth).ok()).unwrap_or(8)
    }
}

// SAFETY: it points to a constant.
unsafe impl Send for PixelDescriptor {}
// SAFETY: as above.
unsafe impl Sync for PixelDescriptor {}
