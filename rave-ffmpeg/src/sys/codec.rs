use std::ptr::{self, NonNull};

use rave_core::{Rational, TimeBase};

use super::{AvError, AvFrame, AvPacket, ParametersRef, av_rational, av_time_base, ffi, quiet, text};

/// The name of the codec with this number.
pub(crate) fn codec_name(codec_id: i32) -> String {
    // SAFETY: the number came from libav for the same enum; the name is a constant.
    unsafe {
        let id = std::mem::transmute::<u32, ffi::AVCodecID>(codec_id.cast_unsigned());
        text(ffi::avcodec_get_name(id)).unwrap_or_default()
    }
}

/// What a decoder or an encoder answers when asked for output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// There is one.
    Item,
    /// It wants more input first.
    NeedsInput,
    /// All is out.
    End,
}

impl Received {
    pub(super) fn from_result(result: i32) -> Result<Self, AvError> {
        match AvError::check(result) {
            Ok(_) => Ok(Self::Item),
            Err(AvError::AGAIN) => Ok(Self::NeedsInput),
            Err(AvError::EOF) => Ok(Self::End),
            Err(error) => Err(error),
        }
    }
}

/// How a decoder is opened.
pub(crate) struct DecoderSettings {
    pub(crate) time_base: TimeBase,
    pub(crate) frame_rate: Option<Rational>,
    /// Zero for as many as there are cores.
    pub(crate) threads: i32,
    /// Whether damage is an error rather than concealed.
    pub(crate) is_strict: bool,
}

/// An open decoder.
pub(crate) struct DecoderContext(NonNull<ffi::AVCodecContext>);

// SAFETY: a codec context has one owner and is tied to no thread.
unsafe impl Send for DecoderContext {}

impl DecoderContext {
    /// `None` if libavcodec has no decoder for the codec.
    pub(crate) fn open(
        parameters: ParametersRef<'_>,
        settings: &DecoderSettings,
    ) -> Result<Option<Self>, AvError> {
        quiet();
        // SAFETY: valid parameters; codecs are constants.
        let codec = unsafe { ffi::avcodec_find_decoder((*parameters.as_ptr()).codec_id) };
        if codec.is_null() {
            return Ok(None);
        }
        // SAFETY: a valid codec.
        let context = NonNull::new(unsafe { ffi::avcodec_alloc_context3(codec) });
        let context = Self(context.ok_or(AvError::NO_MEMORY)?);
        let raw = context.0.as_ptr();
        // SAFETY: a fresh context, whose fields are ours to set before it is opened.
        unsafe {
            AvError::check(ffi::avcodec_parameters_to_context(raw, parameters.as_ptr()))?;
            (*raw).pkt_timebase = av_time_base(settings.time_base);
            if let Some(rate) = settings.frame_rate {
                (*raw).framerate = av_rational(rate);
            }
            (*raw).thread_count = settings.threads;
            // Otherwise libavcodec would leave in what is to be cropped on the left, so that rows stay aligned.
            (*raw).flags |= ffi::AV_CODEC_FLAG_UNALIGNED as i32;
            (*raw).thread_type = ffi::FF_THREAD_FRAME | ffi::FF_THREAD_SLICE;
            if settings.is_strict {
                (*raw).err_recognition |= ffi::AV_EF_EXPLODE | ffi::AV_EF_CRCCHECK;
            }
            AvError::check(ffi::avcodec_open2(raw, codec, ptr::null_mut()))?;
        }
        Ok(Some(context))
    }

    /// Gives it a packet, or `None` for the end. [`AvError::AGAIN`] if output must be taken first.
    pub(crate) fn send(&mut self, packet: Option<&AvPacket>) -> Result<(), AvError> {
        let packet = packet.map_or(ptr::null_mut(), AvPacket::as_ptr);
        // SAFETY: an open context; null means the end.
        AvError::check(unsafe { ffi::avcodec_send_packet(self.0.as_ptr(), packet) })?;
        Ok(())
    }

    pub(crate) fn receive(&mut self, frame: &mut AvFrame) -> Result<Received, AvError> {
        // SAFETY: an open context and a valid frame, which the call empties first.
        Received::from_result(unsafe { ffi::avcodec_receive_frame(self.0.as_ptr(), frame.as_ptr()) })
    }
}

impl Drop for DecoderContext {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: allocated in `open`, freed once.
        unsafe { ffi::avcodec_free_context(&mut context) };
    }
}
