use std::collections::BTreeMap;
use std::sync::Arc;

use rave_core::{
    BoxError, ContentLight, HostFrame, MasteringDisplay, Packet, PixelFormat, Rational, Stage, TimeBase,
    Timestamp, VideoInfo,
};

use crate::encoder_choice::{check_container, check_format, check_size, find};
use crate::encoder_settings::{self, Kind, Private};
use crate::sys::{
    AvError, AvFrame, AvPacket, Encoder, EncoderContext, EncoderSettings, Parameters, Received,
};
use crate::{Container, EncoderOptions, Error, VideoCodec, demuxer, encoder_format, format};

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
pub struct SoftwareEncoder {
    name: String,
    description: String,
    context: EncoderContext,
    stream: EncodedStream,
    info: VideoInfo,
    format_number: i32,
    packet: AvPacket,
    times: Times,
    durations: BTreeMap<i64, i64>,
    frames: u64,
    last_ticks: Option<i64>,
}

/// What the packets' times are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    /// The frames' own.
    Own,
    /// The number of the frame: the container has no times.
    Counted,
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

    /// Opens the encoder for frames of `info`, whose colour is to be resolved, to be written into `container`.
    ///
    /// # Errors
    /// [`Error::EncoderMissing`]; [`Error::EncoderOption`] if the encoder does not take an option, the format or the
    /// size; [`Error::StreamIncompatible`] if the container cannot hold the codec.
    pub fn new(info: &VideoInfo, options: &EncoderOptions, container: &Container) -> Result<Self, Error> {
        check_container(options.codec, container)?;
        let encoder = find(options, info, Some(info.format))?;
        let name = encoder.name();
        check_format(&name, info.format, &encoder_format::supported(encoder))?;
        let Some(descriptor) = format::descriptor(info.format) else {
            let format = info.format.to_string();
            return Err(rave_core::Error::Format { format, action: "encoded" }.into());
        };
        check_size(&name, info)?;
        let times = if container.has_timestamps() { Times::Own } else { Times::Counted };
        let private = encoder_settings::private(encoder, options, info)?;
        let description = format!("{}, {}", private.summary, info.format);
        let settings = settings(info, options, container, &private, descriptor.number());
        let context = open(encoder, &settings, private, &description)?;
        tracing::debug!(encoder = description, time_base = %settings.time_base, "encoder");
        let parameters = context.parameters().map_err(|_| Error::OutOfMemory)?;
        let stream = encoded_stream(options.codec, parameters, settings.time_base, info);
        Ok(Self {
            name,
            description,
            context,
            stream,
            info: *info,
            format_number: descriptor.number(),
            packet: AvPacket::new().map_err(|_| Error::OutOfMemory)?,
            times,
            durations: BTreeMap::new(),
            frames: 0,
            last_ticks: None,
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

    fn failed(&self, source: AvError) -> Error {
        Error::Encode { encoder: self.name.clone(), frame: self.frames.checked_sub(1), source }
    }

    /// The frame's time in the encoder's time base.
    fn ticks(&mut self, frame: &HostFrame) -> Result<i64, Error> {
        let time_base = self.stream.time_base();
        let ticks = match self.times {
            Times::Own => frame.info().pts.rescale(time_base).ticks(),
            Times::Counted => self.frames.cast_signed() - 1,
        };
        if let Some(last) = self.last_ticks.filter(|&last| last >= ticks) {
            let (last, now) = (Timestamp::new(last, time_base), Timestamp::new(ticks, time_base));
            return Err(Error::FrameOrder { frame: self.frames - 1, now, last });
        }
        self.last_ticks = Some(ticks);
        let duration = frame.info().duration_ticks.map(|duration| {
            Timestamp::new(duration, frame.info().pts.time_base()).rescale(time_base).ticks()
        });
        match (self.times, duration) {
            (Times::Own, Some(duration)) => self.durations.insert(ticks, duration),
            (Times::Own, None) => None,
            (Times::Counted, _) => self.durations.insert(ticks, 1),
        };
        Ok(ticks)
    }

    fn wrap(&mut self, frame: HostFrame) -> Result<AvFrame, Error> {
        let (layout, info) = (frame.layout(), &self.info);
        if (layout.format(), layout.width(), layout.height()) != (info.format, info.width, info.height) {
            let reason = format!(
                "a frame of {}x{} {} came where {}x{} {} was announced",
                layout.width(),
                layout.height(),
                layout.format(),
                info.width,
                info.height,
                info.format
            );
            return Err(rave_core::Error::Layout(reason).into());
        }
        let ticks = self.ticks(&frame)?;
        let order = format::plane_order(self.info.format);
        let mut wrapped =
            AvFrame::from_host(frame, self.format_number, order).map_err(|_| Error::OutOfMemory)?;
        wrapped.set_pts(ticks);
        Ok(wrapped)
    }

    fn feed(&mut self, frame: Option<&AvFrame>, emit: &mut dyn FnMut(Packet)) -> Result<(), Error> {
        loop {
            let sent = self.context.send(frame);
            match sent {
                Ok(()) | Err(AvError::AGAIN | AvError::EOF) => {}
                Err(error) => return Err(self.failed(error)),
            }
            let took = self.drain(emit)?;
            if sent != Err(AvError::AGAIN) {
                return Ok(());
            }
            if !took {
                return Err(self.failed(AvError::AGAIN));
            }
        }
    }

    fn drain(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<bool, Error> {
        let mut took = false;
        while self.context.receive(&mut self.packet).map_err(|error| self.failed(error))? == Received::Item {
            took = true;
            emit(self.take_packet());
        }
        Ok(took)
    }

    fn take_packet(&mut self) -> Packet {
        let mut packet = demuxer::to_packet(&self.packet, self.stream.time_base());
        if let Some(pts) = packet.pts {
            packet.duration_ticks = self.durations.remove(&pts.ticks()).or(packet.duration_ticks);
        }
        // These codecs' packets are in the order of presentation: hidden frames travel with the next shown one.
        if matches!(self.stream.codec(), VideoCodec::Av1 | VideoCodec::Vp9 | VideoCodec::Ffv1) {
            packet.dts = packet.pts;
        }
        packet
    }
}

impl Stage for SoftwareEncoder {
    type Input = HostFrame;
    type Output = Packet;

    fn process(&mut self, frame: HostFrame, emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        self.frames += 1;
        let frame = self.wrap(frame)?;
        Ok(self.feed(Some(&frame), emit)?)
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        Ok(self.feed(None, emit)?)
    }
}

fn settings(
    info: &VideoInfo,
    options: &EncoderOptions,
    container: &Container,
    private: &Private,
    format: i32,
) -> EncoderSettings {
    /// Where neither rate nor timestamps are known.
    const RATE: (i64, i64) = (25, 1);
    let rate = || info.frame_rate.or_else(|| Rational::new(RATE.0, RATE.1).ok()).unwrap_or(Rational::ONE);
    let time_base = if container.has_timestamps() { info.time_base } else { rate().inverse().into() };
    EncoderSettings {
        width: info.width,
        height: info.height,
        format,
        time_base,
        frame_rate: info.frame_rate.or_else(|| (!container.has_timestamps()).then(rate)),
        sample_aspect_ratio: info.sample_aspect_ratio,
        color: info.color,
        bits_per_second: private.bits_per_second,
        gop: private.gop,
        bframes: options.bframes.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
        threads: private.threads,
        has_global_header: container.format().wants_global_header(),
    }
}

fn open(
    encoder: Encoder,
    settings: &EncoderSettings,
    mut private: Private,
    description: &str,
) -> Result<EncoderContext, Error> {
    let refuse =
        |option: String, reason: String| Error::EncoderOption { encoder: encoder.name(), option, reason };
    let size = format!("{}x{}", settings.width, settings.height);
    let context =
        EncoderContext::open(encoder, settings, &mut private.options).map_err(|error| match error {
            AvError::NO_MEMORY => Error::OutOfMemory,
            _ => refuse(format!("these settings ({description}, {size})"), format!("FFmpeg says: {error}")),
        })?;
    match private.options.first_key() {
        Some(key) => Err(refuse(key, "it has no such option".to_owned())),
        None => Ok(context),
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
