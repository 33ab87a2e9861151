use std::ffi::CString;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use rave_core::TimeBase;

use super::{AvError, AvPacket, Parameters, ParametersRef, av_time_base, ffi, quiet};

/// Text subtitles of one codec to those of another, by way of libav's ASS.
pub(crate) struct SubtitleConverter {
    decoder: Context,
    encoder: Context,
    encoded: Vec<u8>,
}

/// libav's own limit for one subtitle.
const MAX_BYTES: usize = 1 << 20;

impl SubtitleConverter {
    /// `None` if libavcodec has no decoder for the source's codec or no encoder of the name `target`.
    pub(crate) fn open(
        source: ParametersRef<'_>,
        time_base: TimeBase,
        target: &str,
    ) -> Result<Option<Self>, AvError> {
        quiet();
        let name = CString::new(target).map_err(|_| AvError::INVALID_DATA)?;
        // SAFETY: valid parameters and a living name; codecs are constants.
        let (from, to) = unsafe {
            let from = ffi::avcodec_find_decoder((*source.as_ptr()).codec_id);
            (from, ffi::avcodec_find_encoder_by_name(name.as_ptr()))
        };
        if from.is_null() || to.is_null() {
            return Ok(None);
        }
        let (decoder, encoder) = (Context::new(from)?, Context::new(to)?);
        // SAFETY: two fresh contexts, whose fields are ours to set before they are opened.
        unsafe {
            let raw = decoder.0.as_ptr();
            AvError::check(ffi::avcodec_parameters_to_context(raw, source.as_ptr()))?;
            (*raw).pkt_timebase = av_time_base(time_base);
            AvError::check(ffi::avcodec_open2(raw, from, ptr::null_mut()))?;
            let raw = encoder.0.as_ptr();
            (*raw).time_base = ffi::AVRational { num: 1, den: ffi::AV_TIME_BASE };
            encoder.take_header(&decoder)?;
            AvError::check(ffi::avcodec_open2(raw, to, ptr::null_mut()))?;
        }
        Ok(Some(Self { decoder, encoder, encoded: vec![0; MAX_BYTES] }))
    }

    /// What the container has to know of the converted stream.
    pub(crate) fn parameters(&self) -> Result<Parameters, AvError> {
        let parameters = Parameters::new()?;
        // SAFETY: an open context and valid parameters.
        AvError::check(unsafe {
            ffi::avcodec_parameters_from_context(parameters.as_ptr(), self.encoder.0.as_ptr())
        })?;
        Ok(parameters)
    }

    /// Replaces the packet's data; its times stay. `false` if there is no text in it, as in the gaps of MP4.
    pub(crate) fn convert(&mut self, packet: &mut AvPacket) -> Result<bool, AvError> {
        let Some(subtitle) = self.decode(packet)? else { return Ok(false) };
        let length = i32::try_from(self.encoded.len()).map_err(|_| AvError::NO_MEMORY)?;
        // SAFETY: an open encoder, a buffer of that length and a decoded subtitle.
        let written = AvError::check(unsafe {
            ffi::avcodec_encode_subtitle(
                self.encoder.0.as_ptr(),
                self.encoded.as_mut_ptr(),
                length,
                &raw const subtitle.0,
            )
        })?;
        let written = usize::try_from(written).unwrap_or(0);
        let (times, index, flags) =
            ((packet.pts(), packet.dts(), packet.duration()), packet.stream_index(), packet.flags());
        packet.set_data(&self.encoded[..written])?;
        packet.set_times(times.0, times.1, times.2);
        packet.set_stream_index(index);
        packet.set_flags(flags);
        Ok(written > 0)
    }

    fn decode(&mut self, packet: &AvPacket) -> Result<Option<Subtitle>, AvError> {
        let mut raw = MaybeUninit::<ffi::AVSubtitle>::zeroed();
        let mut is_there = 0;
        // SAFETY: an open decoder and a valid packet; zeroes are an empty subtitle, which the call fills in.
        let mut subtitle = unsafe {
            let (context, target) = (self.decoder.0.as_ptr(), raw.as_mut_ptr());
            AvError::check(ffi::avcodec_decode_subtitle2(context, target, &mut is_there, packet.as_ptr()))?;
            Subtitle(raw.assume_init())
        };
        // The packet says when it is shown.
        subtitle.0.start_display_time = 0;
        Ok((is_there != 0 && subtitle.0.num_rects > 0).then_some(subtitle))
    }
}

/// A decoded subtitle.
struct Subtitle(ffi::AVSubtitle);

impl Drop for Subtitle {
    fn drop(&mut self) {
        // SAFETY: filled in by libav or empty.
        unsafe { ffi::avsubtitle_free(&raw mut self.0) };
    }
}

struct Context(NonNull<ffi::AVCodecContext>);

// SAFETY: a codec context has one owner and is tied to no thread.
unsafe impl Send for Context {}

impl Context {
    fn new(codec: *const ffi::AVCodec) -> Result<Self, AvError> {
        // SAFETY: a valid codec.
        NonNull::new(unsafe { ffi::avcodec_alloc_context3(codec) }).map(Self).ok_or(AvError::NO_MEMORY)
    }

    /// Copies the ASS header, from which encoders take the styles.
    fn take_header(&self, decoder: &Self) -> Result<(), AvError> {
        let (from, to) = (decoder.0.as_ptr(), self.0.as_ptr());
        // SAFETY: both are valid contexts; the header holds `subtitle_header_size` bytes, the copy one more, a zero,
        // and belongs to the encoder, which frees it.
        unsafe {
            let size = usize::try_from((*from).subtitle_header_size).unwrap_or(0);
            if (*from).subtitle_header.is_null() || size == 0 {
                return Ok(());
            }
            let copy = ffi::av_mallocz(size + 1).cast::<u8>();
            if copy.is_null() {
                return Err(AvError::NO_MEMORY);
            }
            copy.copy_from_nonoverlapping((*from).subtitle_header, size);
            (*to).subtitle_header = copy;
            (*to).subtitle_header_size = (*from).subtitle_header_size;
        }
        Ok(())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: allocated in `new`, freed once.
        unsafe { ffi::avcodec_free_context(&mut context) };
    }
}
