use rave_core::{BoxError, HostFrame, Packet, PixelFormat, Stage, VideoInfo};

use crate::container::Family;
use crate::encoder_choice::find;
use crate::encoder_format;
use crate::encoder_kind::Kind;
use crate::encoder_session::Samples;
use crate::{Container, EncodedStream, EncoderOptions, Error, SoftwareEncoder, VideoCodec};

/// Pictures with alpha to packets, through libavcodec: each a frame and a grey one of the same size and depth, of full range.
///
/// In every other way as [`SoftwareEncoder`].
#[derive(Debug)]
pub struct AlphaEncoder(SoftwareEncoder);

impl AlphaEncoder {
    /// As [`SoftwareEncoder::pixel_format`], of those formats that the encoder takes with a plane of alpha; `None` if there is
    /// none, or the container has no place for that plane: VP9 has it beside the picture, in Matroska and WebM.
    ///
    /// # Errors
    /// [`Error::EncoderMissing`] if there is no such encoder, [`Error::EncoderOption`] if it does not encode the codec.
    pub fn pixel_format(
        source: &VideoInfo,
        options: &EncoderOptions,
        container: &Container,
    ) -> Result<Option<(PixelFormat, Vec<String>)>, Error> {
        if options.codec == VideoCodec::Vp9 && container.family() != Family::Matroska {
            return Ok(None);
        }
        let encoder = find(options, source, options.pixel_format)?;
        let (name, supported) = (encoder.name(), encoder_format::supported_with_alpha(encoder));
        if let Some(wanted) = options.pixel_format {
            return Ok(supported.contains(&wanted).then(|| (wanted, Vec::new())));
        }
        let found = encoder_format::nearest(source, &supported, Kind::of(&name).needs_even_size());
        Ok(found.map(|format| {
            (format, encoder_format::notice(&name, source.format, format).into_iter().collect())
        }))
    }

    /// Opens the encoder for frames of `info`, to be written into `container`.
    ///
    /// # Errors
    /// As for [`SoftwareEncoder::new`]; [`Error::EncoderOption`] if it does not take the format with alpha.
    pub fn new(info: &VideoInfo, options: &EncoderOptions, container: &Container) -> Result<Self, Error> {
        SoftwareEncoder::open(info, options, container, Samples::WithAlpha).map(Self)
    }

    /// The stream that comes out.
    pub fn stream(&self) -> EncodedStream {
        self.0.stream()
    }

    /// The encoder and its settings, in one line.
    pub fn description(&self) -> String {
        self.0.description()
    }
}

impl Stage for AlphaEncoder {
    /// The picture and its alpha.
    type Input = (HostFrame, HostFrame);
    type Output = Packet;

    fn process(
        &mut self,
        (frame, alpha): (HostFrame, HostFrame),
        emit: &mut dyn FnMut(Packet),
    ) -> Result<(), BoxError> {
        let ticks = self.0.ticks(&frame)?;
        let frame = self.0.wrap_with_alpha(frame, alpha)?;
        Ok(self.0.encode(frame, ticks, emit)?)
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        self.0.finish(emit)
    }
}
