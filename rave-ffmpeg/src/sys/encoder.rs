use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use rave_core::{ColorSpec, Rational, TimeBase, VideoInfo};

use super::{
    AvError, AvFrame, AvPacket, Dictionary, FrameColor, Parameters, Received, av_rational, av_time_base, ffi,
    quiet, read_enum, text, write_enum,
};

/// An encoder of libavcodec, not yet opened.
#[derive(Clone, Copy)]
pub(crate) struct Encoder(NonNull<ffi::AVCodec>);

// SAFETY: it points to a constant.
unsafe impl Send for Encoder {}
// SAFETY: as above.
unsafe impl Sync for Encoder {}

impl Encoder {
    pub(crate) fn find(name: &str) -> Option<Self> {
        quiet();
        let name = CString::new(name).ok()?;
        // SAFETY: the name lives during the call; codecs are constants.
        let codec = unsafe { ffi::avcodec_find_encoder_by_name(name.as_ptr()) };
        NonNull::new(codec.cast_mut()).map(Self)
    }

    pub(crate) fn name(self) -> String {
        // SAFETY: a constant, whose name is one too.
        unsafe { text(self.0.as_ref().name) }.unwrap_or_default()
    }

    /// The codec's number.
    pub(crate) fn codec_id(self) -> i32 {
        // SAFETY: a constant.
        unsafe { read_enum!(self.0.as_ptr(), id) }
    }

    /// The numbers of the pixel formats that it takes; empty if it does not say.
    pub(crate) fn pixel_formats(self) -> Vec<i32> {
        const END: i32 = -1;
        // SAFETY: a constant; the list ends with -1.
        unsafe {
            let list = (*self.0.as_ptr()).pix_fmts.cast::<i32>();
            if list.is_null() {
                return Vec::new();
            }
            (0..).map(|index| *list.add(index)).take_while(|&number| number != END).collect()
        }
    }
}

/// How an encoder is opened, besides its private options.
pub(crate) struct EncoderSettings {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The pixel format's number.
    pub(crate) format: i32,
    pub(crate) time_base: TimeBase,
    pub(crate) frame_rate: Option<Rational>,
    pub(crate) sample_aspect_ratio: Option<Rational>,
    pub(crate) color: ColorSpec,
    pub(crate) bits_per_second: Option<i64>,
    /// With a buffer of one second.
    pub(crate) max_bits_per_second: Option<i64>,
    pub(crate) gop: Option<i32>,
    pub(crate) bframes: Option<i32>,
    /// Zero for the encoder's own choice.
    pub(crate) threads: i32,
    /// Whether parameter sets go to the container's header rather than into the stream.
    pub(crate) has_global_header: bool,
}

impl Parameters {
    /// Of video that something else than libavcodec encodes. `codec` is libav's name, `format` the pixel format's number,
    /// `extradata` the parameter sets or empty.
    pub(crate) fn coded_video(
        codec: &str,
        info: &VideoInfo,
        format: i32,
        extradata: &[u8],
    ) -> Result<Self, AvError> {
        let name = CString::new(codec).map_err(|_| AvError::NO_MEMORY)?;
        let mut parameters = Self::new()?;
        let (raw, color) = (parameters.as_ptr(), FrameColor::from_spec(info.color));
        // SAFETY: ours; the name lives during the call, descriptors are constants; enum numbers are libav's own.
        unsafe {
            let descriptor = ffi::avcodec_descriptor_get_by_name(name.as_ptr());
            if !descriptor.is_null() {
                write_enum!(raw, codec_id, read_enum!(descriptor, id));
            }
            write_enum!(raw, codec_type, ffi::AVMediaType::AVMEDIA_TYPE_VIDEO as i32);
            (*raw).width = info.width as i32;
            (*raw).height = info.height as i32;
            (*raw).format = format;
            if let Some(ratio) = info.sample_aspect_ratio {
                (*raw).sample_aspect_ratio = av_rational(ratio);
            }
            write_enum!(raw, color_space, color.matrix);
            write_enum!(raw, color_primaries, color.primaries);
            write_enum!(raw, color_trc, color.transfer);
            write_enum!(raw, color_range, color.range);
            write_enum!(raw, chroma_location, color.siting);
        }
        parameters.set_extradata(extradata)?;
        Ok(parameters)
    }
}

/// An open encoder.
pub(crate) struct EncoderContext {
    raw: NonNull<ffi::AVCodecContext>,
    has_frames: bool,
}

// SAFETY: a codec context has one owner and is tied to no thread.
unsafe impl Send for EncoderContext {}

impl EncoderContext {
    /// Opens it. Options that it does not know stay in `options`.
    pub(crate) fn open(
        encoder: Encoder,
        settings: &EncoderSettings,
        options: &mut Dictionary,
    ) -> Result<Self, AvError> {
        // SAFETY: a valid codec.
        let context = NonNull::new(unsafe { ffi::avcodec_alloc_context3(encoder.0.as_ptr()) });
        let context = Self { raw: context.ok_or(AvError::NO_MEMORY)?, has_frames: false };
        context.apply(settings);
        // SAFETY: a fresh context with its fields set.
        AvError::check(unsafe {
            ffi::avcodec_open2(context.raw.as_ptr(), encoder.0.as_ptr(), options.as_mut_ptr())
        })?;
        Ok(context)
    }

    fn apply(&self, settings: &EncoderSettings) {
        let raw = self.raw.as_ptr();
        // SAFETY: a fresh context, whose fields are ours to set before it is opened; enum numbers are libav's own.
        unsafe {
            (*raw).width = settings.width as i32;
            (*raw).height = settings.height as i32;
            write_enum!(raw, pix_fmt, settings.format);
            (*raw).time_base = av_time_base(settings.time_base);
            if let Some(rate) = settings.frame_rate {
                (*raw).framerate = av_rational(rate);
            }
            if let Some(ratio) = settings.sample_aspect_ratio {
                (*raw).sample_aspect_ratio = av_rational(ratio);
            }
            if let Some(rate) = settings.bits_per_second {
                (*raw).bit_rate = rate;
            }
            if let Some(rate) = settings.max_bits_per_second {
                (*raw).rc_max_rate = rate;
                (*raw).rc_buffer_size = i32::try_from(rate).unwrap_or(i32::MAX);
            }
            if let Some(gop) = settings.gop {
                (*raw).gop_size = gop;
            }
            if let Some(bframes) = settings.bframes {
                (*raw).max_b_frames = bframes;
            }
            (*raw).thread_count = settings.threads;
            if settings.has_global_header {
                (*raw).flags |= ffi::AV_CODEC_FLAG_GLOBAL_HEADER as i32;
            }
        }
        self.apply_color(settings.color);
    }

    fn apply_color(&self, color: ColorSpec) {
        let color = FrameColor::from_spec(color);
        let raw = self.raw.as_ptr();
        // SAFETY: as in `apply`.
        unsafe {
            write_enum!(raw, colorspace, color.matrix);
            write_enum!(raw, color_primaries, color.primaries);
            write_enum!(raw, color_trc, color.transfer);
            write_enum!(raw, color_range, color.range);
            write_enum!(raw, chroma_sample_location, color.siting);
        }
    }

    /// The stream's parameters, as the container wants them.
    pub(crate) fn parameters(&self) -> Result<Parameters, AvError> {
        let parameters = Parameters::new()?;
        // SAFETY: an open context and valid parameters.
        AvError::check(unsafe {
            ffi::avcodec_parameters_from_context(parameters.as_ptr(), self.raw.as_ptr())
        })?;
        Ok(parameters)
    }

    /// Gives it a frame, or `None` for the end. [`AvError::AGAIN`] if output must be taken first.
    pub(crate) fn send(&mut self, frame: Option<&AvFrame>) -> Result<(), AvError> {
        self.has_frames |= frame.is_some();
        let frame = frame.map_or(std::ptr::null_mut(), AvFrame::as_ptr);
        // SAFETY: an open context; null means the end.
        AvError::check(unsafe { ffi::avcodec_send_frame(self.raw.as_ptr(), frame) })?;
        Ok(())
    }

    pub(crate) fn receive(&mut self, packet: &mut AvPacket) -> Result<Received, AvError> {
        // SAFETY: an open context and a valid packet, which the call empties first.
        Received::from_result(unsafe { ffi::avcodec_receive_packet(self.raw.as_ptr(), packet.as_ptr()) })
    }

    /// Whether the encoder has a private option of this name.
    pub(crate) fn has_option(encoder: Encoder, name: &CStr) -> bool {
        // SAFETY: `priv_class` is null or a constant; libav allows a pointer to a pointer to a class with this flag.
        unsafe {
            let mut class = (*encoder.0.as_ptr()).priv_class;
            if class.is_null() {
                return false;
            }
            let found = ffi::av_opt_find(
                (&raw mut class).cast(),
                name.as_ptr(),
                std::ptr::null(),
                0,
                ffi::AV_OPT_SEARCH_FAKE_OBJ,
            );
            !found.is_null()
        }
    }

    /// Encodes one blank frame and throws it away.
    fn encode_blank(&mut self) -> Result<(), AvError> {
        let (frame, mut packet) = (AvFrame::new()?, AvPacket::new()?);
        // SAFETY: an open context and a fresh frame of its shape; the planes are as long as libav allocates them.
        unsafe {
            let (context, frame) = (self.raw.as_ptr(), frame.as_ptr());
            (*frame).width = (*context).width;
            (*frame).height = (*context).height;
            (*frame).format = read_enum!(context, pix_fmt);
            AvError::check(ffi::av_frame_get_buffer(frame, 0))?;
            for buffer in (*frame).buf.into_iter().filter(|buffer| !buffer.is_null()) {
                (*buffer).data.write_bytes(0, (*buffer).size);
            }
            (*frame).pts = 0;
        }
        self.send(Some(&frame))?;
        self.send(None)?;
        while self.receive(&mut packet)? == Received::Item {}
        Ok(())
    }

    /// SVT-AV1 waits for ever for its first packet when it is closed before its first frame.
    fn hangs_when_closed(&self) -> bool {
        // SAFETY: ours until drop; a codec's name is a constant.
        let (is_open, name) = unsafe {
            let codec = (*self.raw.as_ptr()).codec;
            (ffi::avcodec_is_open(self.raw.as_ptr()) != 0, codec.as_ref().and_then(|codec| text(codec.name)))
        };
        is_open && !self.has_frames && name.as_deref() == Some("libsvtav1")
    }
}

impl Drop for EncoderContext {
    fn drop(&mut self) {
        if self.hangs_when_closed() {
            // If this fails there is no frame to wait for either.
            let _ = self.encode_blank();
        }
        let mut context = self.raw.as_ptr();
        // SAFETY: allocated in `open`, freed once.
        unsafe { ffi::avcodec_free_context(&mut context) };
    }
}
