//! Decoding on the GPU, and how it goes on when the GPU cannot.

use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::Mutex;
use rave_core::{BoxError, Code, DeviceTimes, HostFrame, Packet, Stage, VideoInfo};
use rave_cuda::{CudaFrame, Pool, Upload};
use rave_ffmpeg::{
    BitstreamFilter, Corruption, DecodeReportHandle, DecoderOptions, SoftwareDecoder, VideoStream,
};
use rave_nvcodec::{
    Codec, CodedVideo, DecodeSessions, NvDecoder, NvdecLibrary, Replay, Resume, SessionOptions,
};

use super::allocations;
use super::convert::{CudaConversions, Wanted};
use super::options::UpscaleOptions;

/// NVDEC behind the filter that its packets need.
pub(super) struct HardwareDecoder {
    filter: BitstreamFilter,
    sessions: Sessions,
    packets: Vec<Packet>,
}

enum Sessions {
    One(Box<NvDecoder>),
    Several(Box<DecodeSessions>),
}

impl HardwareDecoder {
    /// One session, or as many as are wanted.
    ///
    /// # Errors
    /// Those of [`NvDecoder::new`] and [`DecodeSessions::new`]; of the library, if it cannot be loaded.
    pub(super) fn new(
        stream: &VideoStream,
        pool: &Pool,
        sessions: Option<NonZeroUsize>,
        corruption: Corruption,
    ) -> Result<Self, BoxError> {
        if stream.is_cropped() {
            return Err(Cropped.into());
        }
        let codec = Codec::from_name(stream.codec_name()).ok_or_else(|| unknown(stream))?;
        let library = NvdecLibrary::open()?;
        let filter = BitstreamFilter::new(stream)?;
        let video = CodedVideo { codec, extradata: filter.extradata().to_vec(), info: *stream.info() };
        let decoder = rave_nvcodec::DecoderOptions { corruption, ..rave_nvcodec::DecoderOptions::default() };
        let sessions = match sessions.map_or(1, NonZeroUsize::get) {
            1 => Sessions::One(Box::new(NvDecoder::new(&library, pool, &video, &decoder)?)),
            _ => {
                let options = SessionOptions { sessions, decoder, ..SessionOptions::default() };
                Sessions::Several(Box::new(DecodeSessions::new(&library, pool, &video, &options)?))
            }
        };
        Ok(Self { filter, sessions, packets: Vec::new() })
    }

    pub(super) fn info(&self) -> &VideoInfo {
        match &self.sessions {
            Sessions::One(decoder) => decoder.info(),
            Sessions::Several(decoders) => decoders.info(),
        }
    }

    pub(super) fn report(&self) -> rave_nvcodec::DecodeReportHandle {
        match &self.sessions {
            Sessions::One(decoder) => decoder.report(),
            Sessions::Several(decoders) => decoders.report(),
        }
    }

    fn decode(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        let sessions = &mut self.sessions;
        self.packets.drain(..).try_for_each(|packet| match sessions {
            Sessions::One(decoder) => decoder.process(packet, emit),
            Sessions::Several(decoders) => decoders.process(packet, emit),
        })
    }
}

impl Stage for HardwareDecoder {
    type Input = Packet;
    type Output = CudaFrame;

    fn process(&mut self, packet: Packet, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        let Self { filter, packets, .. } = self;
        // Packets are as large as they are.
        allocations::exempt(|| filter.process(packet, &mut |packet| packets.push(packet)))?;
        self.decode(emit)
    }

    fn finish(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        let Self { filter, packets, .. } = self;
        filter.finish(&mut |packet| packets.push(packet))?;
        self.decode(emit)?;
        match &mut self.sessions {
            Sessions::One(decoder) => decoder.finish(emit),
            Sessions::Several(decoders) => decoders.finish(emit),
        }
    }
}

/// NVDEC crops as the bitstream says, not as the container does.
#[derive(Debug, thiserror::Error)]
#[error("the container crops the pictures, which is done in host memory")]
struct Cropped;

impl rave_core::CodedError for Cropped {
    fn code(&self) -> Code {
        Code::DecoderUnsupported
    }
}

/// No GPU decodes the codec.
fn unknown(stream: &VideoStream) -> BoxError {
    #[derive(Debug, thiserror::Error)]
    #[error("{0} is decoded by no GPU")]
    struct UnknownCodec(String);
    impl rave_core::CodedError for UnknownCodec {
        fn code(&self) -> Code {
            Code::DecoderUnsupported
        }
    }
    UnknownCodec(stream.codec_name().to_owned()).into()
}

/// Whether another decoder may do better after this error.
fn is_for_software(error: &BoxError) -> bool {
    matches!(error.code(), Code::NvdecMissing | Code::DecoderUnsupported | Code::DecodeFailed)
}

/// What is known of a change to software; written by the decoder's thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Switch(Arc<Mutex<Option<Switched>>>);

#[derive(Clone, Debug)]
pub(super) struct Switched {
    /// What NVDEC said.
    pub(super) reason: String,
    pub(super) report: DecodeReportHandle,
}

impl Switch {
    pub(super) fn get(&self) -> Option<Switched> {
        self.0.lock().clone()
    }
}

/// NVDEC, alone or with software from the packet on at which NVDEC gives up; no frame is lost or doubled.
pub(super) struct GpuDecoder {
    decoder: Decoder,
    info: VideoInfo,
    report: rave_nvcodec::DecodeReportHandle,
    stream: VideoStream,
    pool: Pool,
    corruption: Corruption,
    switch: Switch,
}

enum Decoder {
    /// An error is one of the job.
    Hardware(Box<HardwareDecoder>),
    /// The packets are kept with which software goes on after an error.
    Replaceable(Box<(HardwareDecoder, Replay)>),
    Software(Box<(Tail, Resume)>),
}

impl GpuDecoder {
    /// NVDEC alone.
    pub(super) fn new(stream: &VideoStream, pool: &Pool, options: &UpscaleOptions) -> Result<Self, BoxError> {
        Self::of(stream, pool, options, |decoder| Decoder::Hardware(Box::new(decoder)))
    }

    /// NVDEC, which software replaces where it breaks.
    pub(super) fn or_software(
        stream: &VideoStream,
        pool: &Pool,
        options: &UpscaleOptions,
    ) -> Result<Self, BoxError> {
        let replaceable = |decoder| Decoder::Replaceable(Box::new((decoder, Replay::new())));
        Self::of(stream, pool, options, replaceable)
    }

    fn of(
        stream: &VideoStream,
        pool: &Pool,
        options: &UpscaleOptions,
        as_decoder: impl FnOnce(HardwareDecoder) -> Decoder,
    ) -> Result<Self, BoxError> {
        let hardware = HardwareDecoder::new(stream, pool, options.decode_sessions, options.corruption)?;
        Ok(Self {
            info: *hardware.info(),
            report: hardware.report(),
            decoder: as_decoder(hardware),
            stream: stream.clone(),
            pool: pool.clone(),
            corruption: options.corruption,
            switch: Switch::default(),
        })
    }

    pub(super) const fn info(&self) -> &VideoInfo {
        &self.info
    }

    pub(super) fn report(&self) -> rave_nvcodec::DecodeReportHandle {
        self.report.clone()
    }

    pub(super) fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// Goes on in software with the packets that are kept, unless that cannot help.
    fn go_on(&mut self, error: BoxError, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        let Decoder::Replaceable(hardware) = &mut self.decoder else { return Err(error) };
        let kept = std::mem::take(&mut hardware.1).resume();
        let Some(mut resume) = kept.filter(|_| is_for_software(&error)) else { return Err(error) };
        let mut tail = Tail::new(&self.stream, &self.pool, &self.info, self.corruption)?;
        let switched = Switched { reason: error.to_string(), report: tail.decoder.report() };
        tracing::warn!(reason = %switched.reason, "NVDEC gave up: decoding goes on in software");
        *self.switch.0.lock() = Some(switched);
        for packet in resume.packets().to_vec() {
            tail.process(packet, &mut resume, emit)?;
        }
        self.decoder = Decoder::Software(Box::new((tail, resume)));
        Ok(())
    }
}

impl Stage for GpuDecoder {
    type Input = Packet;
    type Output = CudaFrame;

    fn process(&mut self, packet: Packet, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        match &mut self.decoder {
            Decoder::Hardware(decoder) => decoder.process(packet, emit),
            Decoder::Software(software) => software.0.process(packet, &mut software.1, emit),
            Decoder::Replaceable(hardware) => {
                let (decoder, replay) = &mut **hardware;
                allocations::exempt(|| replay.push(&packet));
                let decoded = decoder.process(packet, &mut noting(replay, emit));
                decoded.or_else(|error| self.go_on(error, emit))
            }
        }
    }

    fn finish(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        match &mut self.decoder {
            Decoder::Hardware(decoder) => decoder.finish(emit),
            Decoder::Software(software) => software.0.finish(&mut software.1, emit),
            Decoder::Replaceable(hardware) => {
                let (decoder, replay) = &mut **hardware;
                let finished = decoder.finish(&mut noting(replay, emit));
                finished.or_else(|error| {
                    self.go_on(error, emit)?;
                    self.finish(emit)
                })
            }
        }
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        Some(self.report.device_times())
    }
}

/// Hands frames on and notes that they were shown.
fn noting(replay: &mut Replay, emit: &mut dyn FnMut(CudaFrame)) -> impl FnMut(CudaFrame) {
    move |frame| {
        replay.shown(&frame.info());
        emit(frame);
    }
}

/// Software that decodes to the GPU's frames.
struct Tail {
    decoder: SoftwareDecoder,
    upload: Upload,
    repack: CudaConversions,
    frames: Vec<HostFrame>,
}

impl Tail {
    fn new(
        stream: &VideoStream,
        pool: &Pool,
        info: &VideoInfo,
        corruption: Corruption,
    ) -> Result<Self, BoxError> {
        let decoder = SoftwareDecoder::new(stream, &DecoderOptions { threads: None, corruption })?;
        // The colour that was taken for the stream at its beginning is taken for the rest.
        let decoded = VideoInfo { color: info.color, ..*decoder.info() };
        let upload = Upload::new(pool, &decoded)?;
        let (color, _) = info.color.resolve(info.width, info.height);
        let resolved = VideoInfo { color, ..decoded };
        let repack = CudaConversions::new(pool, &resolved, Wanted::rounded(info.format, color))?;
        let repack = repack.ok_or_else(|| {
            BoxError::from(rave_core::Error::Format {
                format: decoded.format.to_string(),
                action: "repacked on a GPU",
            })
        })?;
        Ok(Self { decoder, upload, repack, frames: Vec::new() })
    }

    fn process(
        &mut self,
        packet: Packet,
        resume: &mut Resume,
        emit: &mut dyn FnMut(CudaFrame),
    ) -> Result<(), BoxError> {
        let frames = &mut self.frames;
        self.decoder.process(packet, &mut |frame| frames.push(frame))?;
        self.hand_on(resume, emit)
    }

    fn finish(&mut self, resume: &mut Resume, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        let frames = &mut self.frames;
        self.decoder.finish(&mut |frame| frames.push(frame))?;
        self.hand_on(resume, emit)
    }

    fn hand_on(&mut self, resume: &mut Resume, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        for frame in self.frames.drain(..) {
            if resume.is_new(&frame.info()) {
                self.repack.process(self.upload.upload(&frame)?, emit)?;
            }
        }
        Ok(())
    }
}
