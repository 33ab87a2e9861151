use std::fmt;
use std::sync::Arc;

use rave_core::{
    BoxError, ContentLight, HostFrame, MasteringDisplay, Packet, PixelFormat, Rational, Stage, TimeBase,
    VideoInfo,
};

use crate::encoder_choice::{check_container, check_format, find};
use crate::encoder_clock::EncoderClock;
use crate::encoder_kind::Kind;
use crate::encoder_plan::EncoderPlan;
use crate::encoder_session::{Samples, Session, Template};
use crate::encoder_workers::Workers;
use crate::sys::{AvFrame, Parameters};
use crate::{Container, EncoderOptions, Error, VideoCodec, encoder_format, format};

/// An encoded video stream, as a container needs to know it. Cheap to clone.
#[derive(Clone)]
pub struct EncodedStream {
    pub(crate) shared: Arc<EncodedShared>,
}

pub(crate) struct EncodedShared {
    pub(crate) codec: VideoCodec,
    pub(crate) parameters: Parameters,
    pub(crate) time_base: TimeBase,
    pub(crate) frame_rate: Option<Rational>,
    pub(crate) sample_aspect_ratio: Option<Rational>,
    pub(crate) display_matrix: Option<[i32; 9]>,
    pub(crate) mastering_display: Option<MasteringDisplay>,
    pub(crate) content_light: Option<ContentLight>,
}

impl EncodedStream {
    /// Of packets that something else than [`SoftwareEncoder`] makes from frames of `info`, with timestamps in its time base.
    ///
    /// `parameter_sets` is what FFmpeg calls extradata: for H.264 and H.265 SPS, PPS (and VPS) with start codes, for AV1
    /// the sequence header OBU; empty if the packets carry them.
    ///
    /// # Errors
    /// [`Error::StreamIncompatible`] if the container cannot hold the codec.
    pub fn new(
        codec: VideoCodec,
        info: &VideoInfo,
        parameter_sets: &[u8],
        container: &Container,
    ) -> Result<Self, Error> {
        check_container(codec, container)?;
        let unknown = || rave_core::Error::Format { format: info.format.to_string(), action: "encoded" };
        let format = format::descriptor(info.format).ok_or_else(unknown)?.number();
        let parameters = Parameters::coded_video(codec.name(), info, format, parameter_sets)
            .map_err(|_| Error::OutOfMemory)?;
        Ok(encoded_stream(codec, parameters, info.time_base, info))
    }

    /// The codec.
    pub fn codec(&self) -> VideoCodec {
        self.shared.codec
    }

    /// Time base of the packets' timestamps.
    pub fn time_base(&self) -> TimeBase {
        self.shared.time_base
    }
}

impl std::fmt::Debug for EncodedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncodedStream({}, {})", self.codec(), self.time_base())
    }
}

/// Frames in host memory to packets, through libavcodec.
///
/// Packets carry their frames' timestamps and durations; decoding times are the encoder's. For a container without
/// timestamps the packets' times count frames instead.
///
/// With several workers ([`EncoderOptions::workers`]) the stream is cut into segments of a fixed number of frames, each
/// encoded from a key frame on by an encoder of its own, several at once, and joined in order. What comes out depends on
/// the options and the number of workers, not on how fast they were.
pub struct SoftwareEncoder {
    description: String,
    stream: EncodedStream,
    info: VideoInfo,
    format_number: i32,
    clock: EncoderClock,
    work: Work,
}

impl fmt::Debug for SoftwareEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareEncoder")
            .field("description", &self.description)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

enum Work {
    Alone(Session),
    Shared(Workers),
}

impl SoftwareEncoder {
    /// The pixel format to give the encoder for `source`, and a notice for each way in which it differs.
    ///
    /// It is that of [`EncoderOptions::pixel_format`], or the one with the subsampling and the depth of
    /// `source.format`, or else the nearest. Encoders that need a size to be a multiple of the chroma subsampling get
    /// 4:4:4 for odd sizes: width and height of `source` have to be those that will be encoded.
    ///
    /// # Errors
    /// [`Error::EncoderMissing`] if there is no such encoder; [`Error::EncoderOption`] if it does not take the format
    /// asked for, or none that could be used.
    pub fn pixel_format(
        source: &VideoInfo,
        options: &EncoderOptions,
    ) -> Result<(PixelFormat, Vec<String>), Error> {
        let encoder = find(options, source, options.pixel_format)?;
        let (name, supported) = (encoder.name(), encoder_format::supported(encoder));
        if let Some(wanted) = options.pixel_format {
            check_format(&name, wanted, &supported)?;
            return Ok((wanted, Vec::new()));
        }
        let needs_even = Kind::of(&name).needs_even_size();
        let Some(format) = encoder_format::nearest(source, &supported, needs_even) else {
            let option = format!("{}x{} of {}", source.width, source.height, source.format);
            let reason =
                "it has no pixel format for that size: use another encoder or an even size".to_owned();
            return Err(Error::EncoderOption { encoder: name, option, reason });
        };
        let notices = encoder_format::notice(&name, source.format, format).into_iter().collect();
        Ok((format, notices))
    }

    /// Frames of `info` that an encoder with these options holds at most: for look-ahead and reordering, and for its
    /// workers.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn frames_held(info: &VideoInfo, options: &EncoderOptions) -> Result<usize, Error> {
        let encoder = find(options, info, Some(info.format))?;
        Ok(EncoderPlan::new(&encoder.name(), info, options)?.frames_held())
    }

    /// Opens the encoder for frames of `info`, whose colour is to be resolved, to be written into `container`.
    ///
    /// # Errors
    /// [`Error::EncoderMissing`]; [`Error::EncoderOption`] if the encoder does not take an option, the format or the
    /// size; [`Error::StreamIncompatible`] if the container cannot hold the codec.
    pub fn new(info: &VideoInfo, options: &EncoderOptions, container: &Container) -> Result<Self, Error> {
        Self::open(info, options, container, Samples::Picture)
    }

    pub(crate) fn open(
        info: &VideoInfo,
        options: &EncoderOptions,
        container: &Container,
        samples: Samples,
    ) -> Result<Self, Error> {
        let (template, plan) = Template::new(info, options, container, samples)?;
        let session = template.open()?;
        let parameters = session.parameters()?;
        let description = format!("{}{plan}", template.description());
        let (time_base, format_number) = (template.time_base(), template.format_number());
        tracing::debug!(encoder = description, %time_base, "encoder");
        let work = match plan.workers() {
            1 => Work::Alone(session),
            _ => Work::Shared(Workers::new(template, session, plan)?),
        };
        Ok(Self {
            description,
            stream: encoded_stream(options.codec, parameters, time_base, info),
            info: *info,
            format_number,
            clock: EncoderClock::new(container, time_base),
            work,
        })
    }

    /// The stream that comes out.
    pub fn stream(&self) -> EncodedStream {
        self.stream.clone()
    }

    /// The encoder and its settings, in one line.
    pub fn description(&self) -> String {
        self.description.clone()
    }

    fn wrap(&mut self, frame: HostFrame) -> Result<AvFrame, Error> {
        frame.layout().check(self.info.format, (self.info.width, self.info.height))?;
        let order = format::plane_order(self.info.format);
        AvFrame::from_host(frame, self.format_number, order).map_err(|_| Error::OutOfMemory)
    }

    /// A frame and its alpha as one of libav's.
    pub(crate) fn wrap_with_alpha(&mut self, frame: HostFrame, alpha: HostFrame) -> Result<AvFrame, Error> {
        let format = PixelFormat::Gray { sample: self.info.format.sample() };
        alpha.layout().check(format, (self.info.width, self.info.height))?;
        let mut wrapped = self.wrap(frame)?;
        wrapped.attach_alpha(alpha).map_err(|_| Error::OutOfMemory)?;
        Ok(wrapped)
    }

    /// The time of a frame for the encoder.
    pub(crate) fn ticks(&mut self, frame: &HostFrame) -> Result<i64, Error> {
        self.clock.ticks(frame)
    }

    /// Encodes a frame that is shown at `ticks`.
    pub(crate) fn encode(
        &mut self,
        mut frame: AvFrame,
        ticks: i64,
        emit: &mut dyn FnMut(Packet),
    ) -> Result<(), Error> {
        frame.set_pts(ticks);
        let Self { stream, clock, work, .. } = self;
        let mut timed = |packet| emit(clock.timed(packet, stream.codec()));
        match work {
            Work::Alone(session) => session.encode(&frame, &mut timed),
            Work::Shared(workers) => workers.encode(frame, ticks, &mut timed),
        }
    }
}

impl Stage for SoftwareEncoder {
    type Input = HostFrame;
    type Output = Packet;

    fn process(&mut self, frame: HostFrame, emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        let ticks = self.ticks(&frame)?;
        let frame = self.wrap(frame)?;
        Ok(self.encode(frame, ticks, emit)?)
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        let Self { stream, clock, work, .. } = self;
        clock.end();
        let mut timed = |packet| emit(clock.timed(packet, stream.codec()));
        match work {
            Work::Alone(session) => session.finish(&mut timed)?,
            Work::Shared(workers) => workers.finish(&mut timed)?,
        }
        Ok(())
    }
}

fn encoded_stream(
    codec: VideoCodec,
    parameters: Parameters,
    time_base: TimeBase,
    info: &VideoInfo,
) -> EncodedStream {
    let shared = EncodedShared {
        codec,
        parameters,
        time_base,
        frame_rate: info.frame_rate,
        sample_aspect_ratio: info.sample_aspect_ratio,
        display_matrix: info.display_matrix,
        mastering_display: info.mastering_display,
        content_light: info.content_light,
    };
    EncodedStream { shared: Arc::new(shared) }
}
