use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use rave_core::{ColorSpec, Rational};

use super::{AvError, FrameColor, codec_name, ffi, rational, read_enum, text, write_enum};

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    Video,
    Audio,
    Subtitle,
    Data,
    Attachment,
    Unknown,
}

impl MediaType {
    fn from_number(number: i32) -> Self {
        use ffi::AVMediaType as Av;
        const VIDEO: i32 = Av::AVMEDIA_TYPE_VIDEO as i32;
        const AUDIO: i32 = Av::AVMEDIA_TYPE_AUDIO as i32;
        const SUBTITLE: i32 = Av::AVMEDIA_TYPE_SUBTITLE as i32;
        const DATA: i32 = Av::AVMEDIA_TYPE_DATA as i32;
        const ATTACHMENT: i32 = Av::AVMEDIA_TYPE_ATTACHMENT as i32;
        match number {
            VIDEO => Self::Video,
            AUDIO => Self::Audio,
            SUBTITLE => Self::Subtitle,
            DATA => Self::Data,
            ATTACHMENT => Self::Attachment,
            _ => Self::Unknown,
        }
    }
}

/// A stream's codec parameters, borrowed from their owner.
#[derive(Clone, Copy)]
pub(crate) struct ParametersRef<'a> {
    raw: NonNull<ffi::AVCodecParameters>,
    owner: PhantomData<&'a ffi::AVCodecParameters>,
}

impl<'a> ParametersRef<'a> {
    /// # Safety
    /// `raw` is valid and unchanged for the lifetime.
    pub(super) const unsafe fn new(raw: NonNull<ffi::AVCodecParameters>) -> Self {
        Self { raw, owner: PhantomData }
    }

    pub(super) const fn as_ptr(self) -> *mut ffi::AVCodecParameters {
        self.raw.as_ptr()
    }

    pub(crate) fn to_owned(self) -> Result<Parameters, AvError> {
        let copy = Parameters::new()?;
        // SAFETY: both are valid parameters.
        AvError::check(unsafe { ffi::avcodec_parameters_copy(copy.as_ptr(), self.as_ptr()) })?;
        Ok(copy)
    }

    pub(crate) fn media_type(self) -> MediaType {
        // SAFETY: valid for the lifetime (constructor).
        MediaType::from_number(unsafe { read_enum!(self.as_ptr(), codec_type) })
    }

    /// The codec's number; zero for none.
    pub(crate) fn codec_id(self) -> i32 {
        // SAFETY: as above.
        unsafe { read_enum!(self.as_ptr(), codec_id) }
    }

    /// The codec's name, if it has one.
    pub(crate) fn codec(self) -> Option<String> {
        (self.codec_id() != 0).then(|| codec_name(self.codec_id()))
    }

    pub(crate) fn profile(self) -> Option<String> {
        // SAFETY: as above; the name is a constant of the library.
        unsafe {
            let raw = self.as_ptr();
            text(ffi::avcodec_profile_name((*raw).codec_id, (*raw).profile))
        }
    }

    /// The decoder's configuration, or an attachment's contents.
    pub(crate) fn extradata(self) -> &'a [u8] {
        // SAFETY: as above; `extradata` holds `extradata_size` bytes that belong to the parameters.
        unsafe {
            let raw = self.as_ptr();
            match usize::try_from((*raw).extradata_size) {
                Ok(size) if size > 0 && !(*raw).extradata.is_null() => {
                    slice::from_raw_parts((*raw).extradata, size)
                }
                _ => &[],
            }
        }
    }

    pub(crate) fn codec_tag(self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).codec_tag }
    }

    /// Width and height as the header or the probing decoder says; zero where unknown.
    pub(crate) fn size(self) -> (i32, i32) {
        // SAFETY: as above.
        unsafe { ((*self.as_ptr()).width, (*self.as_ptr()).height) }
    }

    /// Pixel format or sample format by its number; negative for unknown.
    pub(crate) fn format(self) -> i32 {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).format }
    }

    pub(crate) fn bit_rate(self) -> Option<u64> {
        // SAFETY: as above.
        u64::try_from(unsafe { (*self.as_ptr()).bit_rate }).ok().filter(|&rate| rate > 0)
    }

    pub(crate) fn sample_rate(self) -> u32 {
        // SAFETY: as above.
        u32::try_from(unsafe { (*self.as_ptr()).sample_rate }).unwrap_or(0)
    }

    pub(crate) fn channels(self) -> u32 {
        // SAFETY: as above.
        u32::try_from(unsafe { (*self.as_ptr()).ch_layout.nb_channels }).unwrap_or(0)
    }

    /// Samples that a decoder drops at the start.
    pub(crate) fn initial_padding(self) -> i64 {
        // SAFETY: as above.
        i64::from(unsafe { (*self.as_ptr()).initial_padding })
    }

    pub(crate) fn sample_aspect_ratio(self) -> Option<Rational> {
        // SAFETY: as above.
        rational(unsafe { (*self.as_ptr()).sample_aspect_ratio })
    }

    pub(crate) fn color(self) -> ColorSpec {
        let raw = self.as_ptr();
        // SAFETY: as above.
        let color = unsafe {
            FrameColor {
                matrix: read_enum!(raw, color_space),
                primaries: read_enum!(raw, color_primaries),
                transfer: read_enum!(raw, color_trc),
                range: read_enum!(raw, color_range),
                siting: read_enum!(raw, chroma_location),
            }
        };
        color.to_spec()
    }
}

/// Owned codec parameters.
pub(crate) struct Parameters(NonNull<ffi::AVCodecParameters>);

// SAFETY: plain data with one owner.
unsafe impl Send for Parameters {}
// SAFETY: through a shared reference they are only read.
unsafe impl Sync for Parameters {}

impl Parameters {
    pub(crate) fn new() -> Result<Self, AvError> {
        // SAFETY: no arguments.
        NonNull::new(unsafe { ffi::avcodec_parameters_alloc() }).map(Self).ok_or(AvError::NO_MEMORY)
    }

    pub(super) const fn as_ptr(&self) -> *mut ffi::AVCodecParameters {
        self.0.as_ptr()
    }

    pub(crate) fn as_ref(&self) -> ParametersRef<'_> {
        // SAFETY: ours, borrowed from self.
        unsafe { ParametersRef::new(self.0) }
    }

    /// Makes it an attachment whose contents are `data`.
    pub(crate) fn set_attachment(&mut self, data: &[u8]) -> Result<(), AvError> {
        // SAFETY: ours; the number is libav's own.
        unsafe { write_enum!(self.as_ptr(), codec_type, ffi::AVMediaType::AVMEDIA_TYPE_ATTACHMENT as i32) };
        self.set_extradata(data)
    }

    pub(crate) fn set_extradata(&mut self, data: &[u8]) -> Result<(), AvError> {
        const PADDING: usize = ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
        let size = i32::try_from(data.len()).map_err(|_| AvError::NO_MEMORY)?;
        let raw = self.as_ptr();
        // SAFETY: ours; the old contents are freed by the call that allocated them, the new array is zeroed and holds
        // the data and its padding.
        unsafe {
            ffi::av_freep((&raw mut (*raw).extradata).cast());
            (*raw).extradata_size = 0;
            (*raw).extradata = ffi::av_mallocz(data.len() + PADDING).cast();
            if (*raw).extradata.is_null() {
                return Err(AvError::NO_MEMORY);
            }
            (*raw).extradata.copy_from_nonoverlapping(data.as_ptr(), data.len());
            (*raw).extradata_size = size;
        }
        Ok(())
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        let mut raw = self.as_ptr();
        // SAFETY: allocated in `new`, freed once.
        unsafe { ffi::avcodec_parameters_free(&mut raw) };
    }
}
