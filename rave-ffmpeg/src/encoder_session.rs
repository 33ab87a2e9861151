//! Opening an encoder, and one that is open.

use std::num::NonZeroUsize;

use rave_core::{Packet, Rational, TimeBase, VideoInfo};

use crate::encoder_choice::{check_container, check_format, check_size, find};
use crate::encoder_plan::EncoderPlan;
use crate::encoder_settings::{self, Private};
use crate::sys::{
    AvError, AvFrame, AvPacket, Encoder, EncoderContext, EncoderSettings, Parameters, Received,
};
use crate::{Container, EncoderOptions, Error, VideoCodec, encoder_format, format};

/// What frames hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Samples {
    /// The planes of their format.
    Picture,
    /// These, and one of alpha.
    WithAlpha,
}

/// All that an encoder is opened with, so that several can be opened alike.
pub(crate) struct Template {
    encoder: Encoder,
    /// With the number of workers, and the threads of one of them.
    options: EncoderOptions,
    info: VideoInfo,
    samples: Samples,
    settings: EncoderSettings,
    summary: String,
}

impl Template {
    /// Checks what can be checked before the encoder is opened, and decides among how many encoders the work is shared.
    pub(crate) fn new(
        info: &VideoInfo,
        options: &EncoderOptions,
        container: &Container,
        samples: Samples,
    ) -> Result<(Self, EncoderPlan), Error> {
        check_container(options.codec, container)?;
        let encoder = find(options, info, Some(info.format))?;
        let name = encoder.name();
        let (supported, descriptor) = match samples {
            Samples::Picture => (encoder_format::supported(encoder), format::descriptor(info.format)),
            Samples::WithAlpha => {
                let found = format::descriptor_with_alpha(info.format);
                (encoder_format::supported_with_alpha(encoder), found)
            }
        };
        check_format(&name, info.format, &supported)?;
        let Some(descriptor) = descriptor else {
            let format = info.format.to_string();
            return Err(rave_core::Error::Format { format, action: "encoded" }.into());
        };
        check_size(&name, info)?;
        let plan = EncoderPlan::new(&name, info, options)?;
        let workers = NonZeroUsize::new(plan.workers());
        let options = EncoderOptions { threads: plan.threads(), workers, ..options.clone() };
        let private = encoder_settings::private(encoder, &options, info, samples)?;
        let settings = settings(info, &options, container, &private, descriptor.number());
        Ok((Self { encoder, options, info: *info, samples, settings, summary: private.summary }, plan))
    }

    /// The encoder and its settings, in one line.
    pub(crate) fn description(&self) -> String {
        let alpha = if self.samples == Samples::WithAlpha { " with alpha" } else { "" };
        format!("{}, {}{alpha}", self.summary, self.info.format)
    }

    /// Time base of the packets.
    pub(crate) const fn time_base(&self) -> TimeBase {
        self.settings.time_base
    }

    /// Whether packets come in another order than frames: see `EncoderClock::timed`.
    pub(crate) const fn reorders(&self) -> bool {
        matches!(self.options.codec, VideoCodec::H264 | VideoCodec::Hevc)
    }

    /// libav's number of the pixel format.
    pub(crate) const fn format_number(&self) -> i32 {
        self.settings.format
    }

    /// Opens an encoder.
    pub(crate) fn open(&self) -> Result<Session, Error> {
        let private = encoder_settings::private(self.encoder, &self.options, &self.info, self.samples)?;
        Ok(Session {
            name: self.encoder.name(),
            context: self.open_context(private)?,
            time_base: self.settings.time_base,
            packet: AvPacket::new().map_err(|_| Error::OutOfMemory)?,
            last_frame: None,
        })
    }

    /// Opens an encoder that goes on with another one's stream.
    ///
    /// # Errors
    /// [`Error::EncoderOption`] if its parameter sets are not those of the other one.
    pub(crate) fn open_alike(&self, parameter_sets: &[u8]) -> Result<Session, Error> {
        let session = self.open()?;
        if session.parameters()?.as_ref().extradata() == parameter_sets {
            return Ok(session);
        }
        Err(Error::EncoderOption {
            encoder: session.name,
            option: "several workers".to_owned(),
            reason: "its parameter sets differ from one start to the next".to_owned(),
        })
    }

    fn open_context(&self, mut private: Private) -> Result<EncoderContext, Error> {
        let refuse = |option: String, reason: String| Error::EncoderOption {
            encoder: self.encoder.name(),
            option,
            reason,
        };
        let settings = || format!("{}, {}x{}", self.description(), self.info.width, self.info.height);
        let context =
            EncoderContext::open(self.encoder, &self.settings, &mut private.options).map_err(|error| {
                match error {
                    AvError::NO_MEMORY => Error::OutOfMemory,
                    _ => refuse(format!("these settings ({})", settings()), format!("FFmpeg says: {error}")),
                }
            })?;
        match private.options.first_key() {
            Some(key) => Err(refuse(key, "it has no such option".to_owned())),
            None => Ok(context),
        }
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
        max_bits_per_second: private.max_bits_per_second,
        gop: private.gop,
        bframes: options.bframes.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
        threads: private.threads,
        has_global_header: container.has_global_header(),
    }
}

/// An open encoder.
pub(crate) struct Session {
    name: String,
    context: EncoderContext,
    time_base: TimeBase,
    packet: AvPacket,
    /// Number of the last frame that it was given, for messages.
    last_frame: Option<u64>,
}

impl Session {
    /// The stream's parameters, as the container wants them.
    pub(crate) fn parameters(&self) -> Result<Parameters, Error> {
        self.context.parameters().map_err(|_| Error::OutOfMemory)
    }

    /// The next frame given will be the one of this number, for messages.
    pub(crate) fn start_at(&mut self, frame: u64) {
        self.last_frame = frame.checked_sub(1);
    }

    /// Encodes a frame and emits the packets that are ready.
    pub(crate) fn encode(&mut self, frame: &AvFrame, emit: &mut dyn FnMut(Packet)) -> Result<(), Error> {
        self.last_frame = Some(self.last_frame.map_or(0, |number| number + 1));
        self.feed(Some(frame), emit)
    }

    /// Emits the packets that are left.
    pub(crate) fn finish(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), Error> {
        self.feed(None, emit)
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
            emit(self.packet.to_packet(self.time_base));
        }
        Ok(took)
    }

    fn failed(&self, source: AvError) -> Error {
        Error::Encode { encoder: self.name.clone(), frame: self.last_frame, source }
    }
}
